"""Odd HTTP answers, judged by a real HAProxy and by probes: docs/http-answers.rst tells what both say."""

from __future__ import annotations

import subprocess

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.probers.source import ProberSource
from maglev.model.config import Backend, CheckType, Healthcheck, HttpParams
from maglev.model.result import Code
from tests.fakes.http_zoo import ZOO, ZooServer, ask_haproxy, find_haproxy
from tests.tools.http_zoo import PAGE, read_page, render

pytestmark = pytest.mark.real

AS_DOCUMENTED = "2.6"
"""The version of HAProxy that the page is about."""


def why_not() -> str:
    program = find_haproxy()
    if program is None:
        return "HAProxy is not installed"
    version = subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stdout
    return "" if f"version {AS_DOCUMENTED}." in version else f"this HAProxy is not {AS_DOCUMENTED}: {version[:40]}"


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_haproxy_judges_the_zoo_as_documented(tmp_path):
    with ZooServer() as server:
        found = ask_haproxy(tmp_path, server.port, satisfied=lambda results: render(results) == PAGE.read_text())
    assert render(found) == PAGE.read_text()


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("regexp", [None, "well"])
async def test_probes_judge_the_zoo_as_documented(regexp):
    from twisted.internet import reactor

    source = ProberSource(reactor, LagMonitor(reactor))
    rows = read_page()
    wrong = []
    try:
        with ZooServer() as server:
            for number, odd in enumerate(ZOO):
                params = HttpParams(path=f"/{number}", response_regexp=regexp)
                expected = rows[odd.name][1 if regexp is None else 3]
                timeout = 0.3 if expected == Code.L7TOUT.name else 60
                healthcheck = Healthcheck("zoo", CheckType.HTTP, server.port, 1, 1, 1, timeout, http=params)
                outcome = Deferred()
                prober = source.prober_for(Backend("b", "127.0.0.1"), healthcheck)
                prober.start(outcome.callback)
                result = await outcome
                if result.code.name != expected:
                    wrong.append((odd.name, result.code.name, expected))
    finally:
        source.close()
    assert wrong == []
