"""A daemon in memory with a small configuration; the environment of the test run sets nothing."""

from __future__ import annotations

import signal

import pytest

from maglev.daemon.options import SETTINGS
from maglev.daemon.tap import build
from tests.fakes.daemon_parts import parse
from tests.fakes.files import config_text
from tests.fakes.reactor import FakeReactor


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for each in SETTINGS:
        monkeypatch.delenv(each.variable, raising=False)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "maglev.yaml"
    path.write_text(config_text())
    return path


@pytest.fixture
def reactor():
    return FakeReactor()


@pytest.fixture
def signals():
    """Put the handler of SIGHUP back."""
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def daemon(path, reactor, signals):
    addresses = ("--vpp-api-addr=", "--metrics-addr=", "--ssh-addr=", "--pb-addr=", "--web-addr=")
    return build(reactor, parse(f"--config={path}", f"--state-dir={path.parent}/state", *addresses))
