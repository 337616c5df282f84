"""The output of one session: kept in order, bounded, and sent as fast as the client takes it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred

from maglev.ssh.limits import BACKLOG, SLICE

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from maglev.runtime.cooperator import WorkQueue

_WINDOW_LIMIT: Final = 2**32 - 1
"""RFC 4254, 5.2."""


class Outlet:
    """The queue of output that a session has written and its client has not taken yet.

    A command waits (`drain`) while the queue is long. Output written without waiting is bounded too: beyond ten times
    that length, the session counts as stalled at once. It also counts as stalled when the client has taken nothing for
    a while although output is queued.
    """

    def __init__(
        self,
        clock: IReactorTime,
        work: WorkQueue,
        window: int,
        send: Callable[[bytes, bool], None],
        can_send: Callable[[], bool],
        stalled: Callable[[], None],
        patience: float,
    ) -> None:
        """Begin empty.

        Args:
            clock: A monotonic clock.
            work: The queue through which waiting commands go on.
            window: Bytes that the client takes at first.
            send: Sends bytes, to the client's stderr if the second argument is true.
            can_send: Tells whether the connection takes bytes now.
            stalled: Called once, when the client does not read.
            patience: Seconds until then.
        """
        self._clock = clock
        self._work = work
        self._window = window
        self._send = send
        self._can_send = can_send
        self._stalled = stalled
        self._patience = patience
        self._queue: deque[tuple[bytes, bool]] = deque()
        self._waiting: list[Deferred[None]] = []
        self._timer: IDelayedCall | None = None
        self._closed = False
        self._finished: Callable[[], None] | None = None
        self.backlog = 0

    def write(self, data: bytes, *, error: bool = False) -> None:
        """Take some output; harmless once the session has ended."""
        if self._closed or not data:
            return
        self._queue.append((data, error))
        self.backlog += len(data)
        self.flush()
        if self.backlog > 10 * BACKLOG:
            self._give_up()

    def widen(self, count: int) -> None:
        """Widen the window by so many bytes."""
        self._window = min(self._window + count, _WINDOW_LIMIT)
        self.flush()

    def flush(self) -> None:
        """Send what can be sent."""
        sent = False
        while self._queue and self._window and self._can_send() and not self._closed:
            self._send_slice()
            sent = True
        self._watch(progress=sent)
        if self._waiting:
            self._work.soon(self._wake)
        self._finish()

    def drain(self) -> Deferred[None]:
        """Wait until there is room for more; for ever, if the session ends meanwhile."""
        waiting: Deferred[None] = Deferred(self._forget)
        self._waiting.append(waiting)
        # Even if there is room: waiting gives others a turn.
        self._work.soon(self._wake)
        return waiting

    def finish(self, finished: Callable[[], None]) -> None:
        """Call back as soon as everything written has been sent; nothing may be written any more."""
        self._finished = finished
        self._finish()

    def close(self) -> None:
        """Stop sending; commands that wait do so until cancelled."""
        self._closed = True
        self._queue.clear()
        self.backlog = 0
        self._stop_timer()

    def _send_slice(self) -> None:
        data, error = self._queue.popleft()
        count = min(len(data), self._window, SLICE)
        if count < len(data):
            self._queue.appendleft((data[count:], error))
        self._window -= count
        self.backlog -= count
        self._send(data[:count], error)

    def _wake(self) -> None:
        if self.backlog <= BACKLOG and not self._closed:
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                each.callback(None)

    def _finish(self) -> None:
        if self._finished is not None and not self.backlog and not self._closed:
            self.close()
            self._finished()

    def _forget(self, waiting: Deferred[None]) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)

    def _watch(self, *, progress: bool) -> None:
        if not self.backlog:
            self._stop_timer()
        elif self._timer is None:
            self._timer = self._clock.callLater(self._patience, self._give_up)
        elif progress:
            self._timer.reset(self._patience)

    def _give_up(self) -> None:
        if not self._closed:
            self.close()
            self._stalled()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            if self._timer.active():
                self._timer.cancel()
            self._timer = None
