"""Standard input and output without ever blocking the reactor, and without making them non-blocking.

The flag belongs to the open file, which other processes share: a shell whose terminal has become non-blocking fails in
odd ways. So a descriptor is asked first whether it is ready, and written to in pieces that a pipe takes at once.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import sys
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReadWriteDescriptor
from zope.interface import implementer

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from twisted.python.failure import Failure

    from maglev.runtime.cooperator import WorkQueue
    from maglev.terminal.stream import IRunner

PIECE: Final = select.PIPE_BUF
"""Bytes that a pipe takes whole when it is ready at all (POSIX)."""

INPUT_LIMIT: Final = 64 * 1024
"""Bytes of input that are read ahead of what runs them."""

_GONE: Final = frozenset({errno.EPIPE, errno.EIO})
"""Errors of output to a pipe without a reader, and to a terminal that was closed."""


class ReaderGoneError(Exception):
    """Nobody reads our standard output any more."""


@implementer(IReadWriteDescriptor)
class StreamReadiness:
    """Waits until a descriptor is ready, for reading or for writing."""

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
        """The descriptor can be read."""
        self._ready()

    def doWrite(self) -> None:
        """The descriptor can be written."""
        self._ready()

    def connectionLost(self, reason: Failure) -> None:  # noqa: ARG002
        """It broke: reading or writing will show how."""
        self._ready()

    def logPrefix(self) -> str:
        """Return the prefix for Twisted's log."""
        return "stdio"

    def _ready(self) -> None:
        self._stop()
        if self._waiting is not None and not self._waiting.called:
            self._waiting.callback(None)

    def _stop(self) -> None:
        (self._reactor.removeReader if self._to_read else self._reactor.removeWriter)(self)


class StandardStream:
    """The standard streams as `maglev.terminal.stream.IStream`, written at the pace of their readers."""

    def __init__(self, reactor: Any, work: WorkQueue, source: int, target: int) -> None:
        """Use two descriptors, and standard error.

        Args:
            reactor: The reactor.
            work: Gives commands their turns.
            source: The descriptor of the input.
            target: That of the output.
        """
        self._work = work
        self._source = source
        self._target = target
        self._readable = StreamReadiness(reactor, source, to_read=True)
        self._writable = StreamReadiness(reactor, target, to_read=False)
        self._unsent = bytearray()
        self._sending = False
        self._waiting: list[Deferred[None]] = []
        self._kept = 0
        self._room: Deferred[None] | None = None
        self._loops: list[Deferred[None]] = []
        self._done: Deferred[int] = Deferred()
        self._status: int | None = None
        self._closed = False

    async def run(self, runner: IRunner, *, reads: bool) -> int:
        """Run a runner until it ends; return its exit status.

        Args:
            runner: The runner.
            reads: Whether it reads the input; otherwise the input is left to others.

        Raises:
            ReaderGoneError: Nobody reads the output any more.
        """
        try:
            runner.start()
            if reads:
                self._begin(self._read(runner))
            return await self._done
        finally:
            self._closed = True
            self._unsent.clear()
            for loop in self._loops:
                loop.cancel()
            runner.closed()

    # For what runs

    def write(self, data: bytes, *, error: bool = False) -> None:
        """Send output; errors go to standard error at once."""
        if error:
            complain(data)
        elif data and not self._closed:
            self._unsent += data
            if not self._sending:
                self._sending = True
                self._begin(self._send())

    def drain(self) -> Deferred[None]:
        """Wait until everything is sent, and for at least one turn."""
        waiting: Deferred[None] = Deferred(self._forget)
        self._waiting.append(waiting)
        self._work.soon(self._wake)
        return waiting

    def consumed(self, kept: int = 0) -> None:
        """Resume reading if the unused input leaves room."""
        self._kept = kept
        if self._room is not None and kept < INPUT_LIMIT:
            room, self._room = self._room, None
            room.callback(None)

    def finish(self, status: int) -> None:
        """End with an exit status, once everything is sent."""
        self._status = status
        self._end_if_sent()

    # What goes on meanwhile

    def _begin(self, loop: Coroutine[Deferred[Any], Any, None]) -> None:
        running = Deferred.fromCoroutine(loop)
        self._loops = [each for each in self._loops if not each.called]
        self._loops.append(running)
        running.addErrback(self._failed)

    def _failed(self, failure: Failure) -> None:
        if failure.check(CancelledError) is None:
            self._work.soon(lambda: self._end(failure))

    async def _send(self) -> None:
        while self._unsent:
            await self._writable.wait()
            try:
                sent = os.write(self._target, self._unsent[:PIECE])
            except OSError as error:
                self._unsent.clear()
                if error.errno in _GONE:
                    raise ReaderGoneError from None
                raise
            del self._unsent[:sent]
        self._sending = False
        self._work.soon(self._wake)
        self._end_if_sent()

    async def _read(self, runner: IRunner) -> None:
        while True:
            await self._readable.wait()
            try:
                data = os.read(self._source, INPUT_LIMIT)
            except OSError:  # the terminal was closed
                data = b""
            if not data:
                runner.eof_received()
                return
            self._kept += len(data)
            runner.data_received(data)
            if self._kept >= INPUT_LIMIT:
                self._room = Deferred()
                await self._room

    def _wake(self) -> None:
        if not self._unsent and not self._closed:
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                each.callback(None)

    def _forget(self, waiting: Deferred[None]) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)

    def _end_if_sent(self) -> None:
        if self._status is not None and not self._unsent:
            status = self._status
            # Not at once: what runs is still in the middle of something.
            self._work.soon(lambda: self._end(status))

    def _end(self, result: int | Failure) -> None:
        if not self._done.called:
            self._done.callback(result)


def complain(data: bytes) -> None:
    """Write to standard error, if anybody reads it."""
    with contextlib.suppress(OSError):  # there is nowhere left to say it
        os.write(sys.stderr.fileno(), data)
