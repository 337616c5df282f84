"""Connections that send junk or nothing, over real sockets: none outlives its time, nothing is left of them."""

from __future__ import annotations

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.protocol import ClientFactory, Protocol

from maglev.ssh.limits import Limits
from tests.fakes.console import ConsoleFolder
from tests.fakes.descriptors import leaked_since, open_descriptors

pytestmark = pytest.mark.real

COUNT = 400
LIMITS = Limits(login_timeout=1.0, startups=50)
PATIENCE = 60.0
JUNK = (
    b"",
    b"SSH-2.0-x\r\n",
    b"SSH-2.0-x\r\n" + bytes(range(256)) * 20,
    b"GET / HTTP/1.1\r\n\r\n",
    b"\0" * 5000,
    b"SSH-2.0-x\r\n\0\0\0\x0c\x0a\x14" + b"\0" * 10,
)


class JunkClient(Protocol):
    """Says its junk, and waits until it is cut off."""

    def __init__(self, junk):
        self._junk = junk
        self.ended = Deferred()

    def connectionMade(self):
        self.transport.write(self._junk)

    def connectionLost(self, reason=None):
        self.ended.callback(None)


class Strangers(ClientFactory):
    noisy = False

    def __init__(self):
        self.made = []

    def buildProtocol(self, addr):
        self.made.append(JunkClient(JUNK[len(self.made) % len(JUNK)]))
        return self.made[-1]


@pytest_twisted.ensureDeferred
async def test_strangers_are_cut_off_in_time_and_leave_nothing_behind(tmp_path):
    folder = ConsoleFolder(tmp_path)
    service = folder.service(reactor, f"unix:{tmp_path}/socket", LIMITS)
    service.startService()
    before = open_descriptors()
    strangers = Strangers()
    try:
        for _ in range(COUNT):
            reactor.connectUNIX(f"{tmp_path}/socket", strangers)
            turn = Deferred()
            reactor.callLater(0, turn.callback, None)
            await turn
        while len(strangers.made) < COUNT:
            turn = Deferred()
            reactor.callLater(0.01, turn.callback, None)
            await turn
        # No bound of their lives in seconds: the machine may be busy. Without a limit, they would live for ever.
        await DeferredList([stranger.ended for stranger in strangers.made]).addTimeout(PATIENCE, reactor)

        assert service.logins.counts["none", "refused"] > 0
        assert service.logins.counts["operator", "accepted"] == 0
        assert leaked_since(before) == set()
    finally:
        await service.stopService()
