"""Standard input and output without ever blocking the reactor, and without making them non-blocking.

The flag belongs to the open file, which other processes share: a shell whose terminal has become non-blocking fails in
odd ways. So a descriptor is asked first whether it is ready, and written to in pieces that a pipe takes at once.
"""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReadWriteDescriptor
from zope.interface import implementer

if TYPE_CHECKING:
    from twisted.python.failure import Failure

PIECE: Final = select.PIPE_BUF
"""Bytes that a pipe takes whole when it is ready at all (POSIX)."""

MAX_LINE: Final = 64 * 1024
"""Bytes of one line of a script; more is no command."""


class ReaderGoneError(Exception):
    """Nobody reads our standard output any more."""


@implementer(IReadWriteDescriptor)
class StreamReadiness:
    """Waits until a descriptor is ready, for one thing at a time."""

    def __init__(self, reactor: Any, descriptor: int, *, to_read: bool) -> None:
        """Watch a descriptor.

        Args:
            reactor: The reactor.
            descriptor: Its number.
            to_read: Whether it is for reading; else for writing.
        """
        self._reactor = reactor
        self._descriptor = descriptor
        self._to_read = to_read
        self._waiting: Deferred[None] | None = None

    async def wait(self) -> None:
        """Wait until it can be read from, or written to. A file always can."""
        events = select.POLLIN if self._to_read else select.POLLOUT
        poll = select.poll()
        poll.register(self._descriptor, events)
        if poll.poll(0):
            return
        self._waiting = Deferred(lambda _: self._stop())
        (self._reactor.addReader if self._to_read else self._reactor.addWriter)(self)
        await self._waiting

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def doRead(self) -> None:
        """It can be read from."""
        self._ready()

    def doWrite(self) -> None:
        """It can be written to."""
        self._ready()

    def connectionLost(self, reason: Failure) -> None:  # noqa: ARG002
        """It broke: whoever waits will see what happens on reading or writing."""
        self._ready()

    def logPrefix(self) -> str:
        """Return what it is."""
        return "stdio"

    def _ready(self) -> None:
        self._stop()
        if self._waiting is not None and not self._waiting.called:
            self._waiting.callback(None)

    def _stop(self) -> None:
        (self._reactor.removeReader if self._to_read else self._reactor.removeWriter)(self)


class Outlet:
    """Standard output, at the pace of whoever reads it."""

    def __init__(self, reactor: Any, descriptor: int) -> None:
        self._readiness = StreamReadiness(reactor, descriptor, to_read=False)
        self._descriptor = descriptor
        self._unsent = b""

    def write(self, text: str) -> None:
        """Take text; `drain` sends it."""
        self._unsent += text.encode("utf-8", "backslashreplace")

    def discard(self) -> None:
        """Forget what is unsent."""
        self._unsent = b""

    async def drain(self) -> None:
        """Send everything, as fast as it is taken.

        Raises:
            ReaderGoneError: Nobody reads any more.
        """
        while self._unsent:
            await self._readiness.wait()
            try:
                sent = os.write(self._descriptor, self._unsent[:PIECE])
            except BrokenPipeError:
                self._unsent = b""
                raise ReaderGoneError from None
            self._unsent = self._unsent[sent:]


class Script:
    """The lines of standard input, as they come."""

    def __init__(self, reactor: Any, descriptor: int) -> None:
        self._readiness = StreamReadiness(reactor, descriptor, to_read=True)
        self._descriptor = descriptor
        self._partial = b""
        self._ended = False

    async def next(self) -> str | None:
        """Return the next line without its end; None after the last."""
        while b"\n" not in self._partial and not self._ended:
            await self._readiness.wait()
            data = os.read(self._descriptor, MAX_LINE)
            self._ended = not data
            self._partial += data
            if len(self._partial) > 2 * MAX_LINE:
                break
        if not self._partial:
            return None
        line, _, self._partial = self._partial.partition(b"\n")
        return line.rstrip(b"\r").decode("utf-8", "backslashreplace")
