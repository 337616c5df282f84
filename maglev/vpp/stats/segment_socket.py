"""Gets VPP's stats segment: VPP passes its descriptor over a UNIX socket.

VPP's main loop accepts the connection, sends one empty packet with the descriptor of the shared memory, and closes. The
socket is of type SEQPACKET, for which Twisted has no transport, so this is a small one of its own; nothing in it waits.
"""

from __future__ import annotations

import array
import os
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReadDescriptor
from zope.interface import implementer

from maglev.model.errors import StatsError, VppError, VppShortageError
from maglev.model.text import printable
from maglev.runtime.spare import OUT, SHORTAGE
from maglev.vpp.stats.segment import StatsSegment

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from twisted.python.failure import Failure

DEADLINE: Final = 5.0
"""Seconds. VPP answers within one turn of its main loop, which a long command may hold up."""

MAX_SEGMENT: Final = 1 << 36
"""Bytes; 32 MiB by default, some GiB on the largest machines."""

_MAX_DESCRIPTORS: Final = 4
"""One is due. What does not fit here is closed by the kernel."""

_PACKET: Final = 16
"""The packet itself is empty."""

_INT: Final = array.array("i").itemsize


def open_stats(
    reactor: Any, path: str, deadline: float = DEADLINE, make_room: Callable[[], object] = lambda: None
) -> Deferred[StatsSegment]:
    """Get the stats segment. Cancelling the Deferred closes the socket.

    It fails with `StatsError`, or with `VppShortageError` if this process has no descriptor left for it.

    Args:
        reactor: Watches the socket, and measures the deadline.
        path: Of the stats socket.
        deadline: Seconds.
        make_room: Called just before each call that takes a descriptor, to have one free.
    """

    def late(_: object, seconds: float) -> StatsSegment:
        raise StatsError(f"VPP did not pass its stats segment in {seconds:g} s")

    make_room()
    try:
        receipt = _Receipt(reactor, _connect(path), make_room)
    except OSError as error:
        if error.errno in SHORTAGE:
            return fail(VppShortageError(f"no connection to VPP's stats: {OUT}"))
        return fail(StatsError(f"no connection to VPP's stats at {path}: {printable(error.strerror or str(error))}"))
    return receipt.done.addTimeout(deadline, reactor, onTimeoutCancel=late)


def _connect(path: str) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
    try:
        # A local socket connects at once, or not: EAGAIN means that nobody takes what waits there already.
        client.connect(path)
    except OSError:
        client.close()
        raise
    return client


@implementer(IReadDescriptor)
class _Receipt:
    """Waits for the one packet with the descriptor.

    Attributes:
        done: Fires with the segment.
    """

    def __init__(self, reactor: Any, client: socket.socket, make_room: Callable[[], object]) -> None:
        self._reactor = reactor
        self._client = client
        self._make_room = make_room
        self.done: Deferred[StatsSegment] = Deferred(self._cancelled)
        reactor.addReader(self)

    def fileno(self) -> int:
        """Return the descriptor to watch."""
        return self._client.fileno()

    def logPrefix(self) -> str:
        """Return what Twisted calls this in its log."""
        return "stats"

    def doRead(self) -> None:
        """Take the packet."""
        self._make_room()
        try:
            _, ancillary, flags, _ = self._client.recvmsg(_PACKET, socket.CMSG_SPACE(_MAX_DESCRIPTORS * _INT))
        except BlockingIOError:
            return
        except OSError as error:
            self._finish(StatsError(f"VPP did not pass its stats segment: {error.strerror}"))
            return
        descriptors = _descriptors(ancillary)
        if flags & socket.MSG_CTRUNC and not descriptors:
            # It was sent, and the kernel had no number for it here (`recvmsg` does not fail then).
            self._finish(VppShortageError(f"VPP's stats segment was not received: {OUT}"))
        else:
            self._finish(_segment(descriptors))

    def connectionLost(self, reason: Failure) -> None:
        """Give up: the reactor found the descriptor unusable, or stops."""
        self._finish(StatsError(f"lost the connection to VPP's stats: {printable(str(reason.value))}"))

    def _finish(self, outcome: StatsSegment | VppError) -> None:
        if not self._close():
            return
        if isinstance(outcome, VppError):
            self.done.errback(outcome)
        else:
            self.done.callback(outcome)

    def _cancelled(self, _: Deferred[StatsSegment]) -> None:
        self._close()

    def _close(self) -> bool:
        """Close the socket; return whether it was open."""
        if self._client.fileno() < 0:
            return False
        self._reactor.removeReader(self)
        self._client.close()
        return True


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    found = array.array("i")
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            found.frombytes(data[: len(data) // _INT * _INT])
    return found.tolist()


def _segment(descriptors: list[int]) -> StatsSegment | StatsError:
    """Take over what was passed, if it is one descriptor of a segment; close what is not."""
    try:
        _check(descriptors)
    except StatsError as error:
        for descriptor in descriptors:
            os.close(descriptor)
        return error
    try:
        return StatsSegment(descriptors[0])
    except StatsError as error:
        return error


def _check(descriptors: list[int]) -> None:
    if len(descriptors) != 1:
        raise StatsError(f"VPP passed {len(descriptors)} descriptors instead of its stats segment")
    status = os.fstat(descriptors[0])
    # Reading anything else might wait.
    if not stat.S_ISREG(status.st_mode):
        raise StatsError("what VPP passed is not a stats segment: expected a file in memory")
    if not 0 < status.st_size <= MAX_SEGMENT:
        raise StatsError(f"a stats segment of {status.st_size} bytes")


def socket_identity(path: str) -> Hashable:
    """Return a value that changes when VPP recreates the socket; None while there is none."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_ctime_ns
