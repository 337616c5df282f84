"""Backends that answer with malice: what they send is bounded in time, in bytes and in work, and never shown raw."""

from __future__ import annotations

import contextlib
import re

import pytest
import yaml

from tests.fakes.daemon import MaglevDaemon
from tests.fakes.peers import ScriptedServer, answer, drip, flood

pytestmark = pytest.mark.real

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
HOSTILE = {
    "drip": (drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"y" * 1000, 0.02), None, "L7TOUT"),
    "drip-body": (drip(HEAD % 100_000 + b"y" * 1000, 0.001), "never", "L7TOUT"),
    "large": (answer(HEAD % 200_000, b"a" * 200_000), "b", "L7RSP"),
    "headers": (flood(b"HTTP/1.1 200 OK\r\n", b"X-Header: for ever\r\n" * 50), None, "L7RSP"),
    "body": (flood(b"HTTP/1.1 200 OK\r\n\r\n", b"for ever"), "never", "L7RSP"),
    "junk": (answer(bytes(range(128, 256)) * 10), None, "L7RSP"),
    "escapes": (answer(b"\x1b]0;owned\x07\x1b[2J\r\n\x00\r\n"), None, "L7RSP"),
    "regexp": (answer(HEAD % 65_536, b"a" * 65_535 + b"!"), "(a+)+$", "L7RSP"),
}
"""What each backend does, the expression that its answer has to match, and the code that should come out."""

MOST_MEMORY = 120_000_000


@pytest.fixture
def ports():
    with contextlib.ExitStack() as stack:
        made = {name: stack.enter_context(ScriptedServer(script)).port for name, (script, _, _) in HOSTILE.items()}
        made["good"] = stack.enter_context(ScriptedServer(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))).port
        yield made


@pytest.fixture
def daemon(tmp_path, ports):
    def check(name, port):
        expression = HOSTILE.get(name, (None, None))[1]
        params = {"path": "/", **({"response-regexp": expression} if expression else {})}
        # On a busy machine, only those answer late that always do.
        timeout = "250ms" if HOSTILE.get(name, (None, None, None))[2] == "L7TOUT" else "60s"
        times = {"interval": "300ms", "timeout": timeout, "rise": 1, "fall": 2}
        return {"type": "http", "port": port, **times, "params": params}

    frontend = {"address": "192.0.2.1", "protocol": "tcp", "port": 80}
    given = {
        "vpp": {"lb": {"ipv4-src-address": "192.0.2.254", "ipv6-src-address": "2001:db8::fe"}},
        "healthchecks": {name: check(name, port) for name, port in ports.items()},
        "backends": {name: {"address": "127.0.0.1", "healthcheck": name} for name in ports},
        "frontends": {
            name: {**frontend, "port": 80 + number, "pools": [{"name": "only", "backends": {name: {}}}]}
            for number, name in enumerate(ports)
        },
    }
    made = MaglevDaemon(tmp_path, "--vpp-api-addr", "")
    made.config.write_text(yaml.safe_dump({"maglev": given}))
    with made:
        yield made
    assert "Traceback" not in made.output()


def results(daemon, name):
    """Return how many probes of a backend had each code."""
    found = {}
    for line, count in daemon.metrics().items():
        labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
        if line.startswith("maglev_probe_total{") and labels["backend"] == name and count:
            found[labels["code"]] = found.get(labels["code"], 0) + count
    return found


def test_whatever_a_backend_sends_is_a_failure_in_time_and_costs_no_other_its_probes(daemon):
    """The timeout is for the whole probe, answers have limits, and expressions take time in proportion to the text.

    The drips would go on for 20 s and for ever, with never a pause that is as long as the timeout.
    """
    for name, (_, _, code) in HOSTILE.items():
        daemon.wait_for_event("backend-transition", backend=name, to="down", code=code)
    daemon.wait_for_event("backend-transition", backend="good", to="up")
    for name, (_, _, code) in HOSTILE.items():
        assert results(daemon, name).keys() == {code}, name
    assert results(daemon, "good").keys() == {"L7OK"}
    assert daemon.memory() < MOST_MEMORY
    assert re.search(r"[^\x20-\x7e\n]", daemon.output()) is None
