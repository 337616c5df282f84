"""The requests of one connection to VPP, from submission to the end of each. No I/O but the clock it is given.

Theory of operation. VPP keeps one queue for each socket and works through it in order, so requests may follow one
another without waiting: that is worth a factor of ten to twenty. At most `WINDOW` of them are under way; the others
wait their turn. The order of submission is the order in which VPP sees them, always.

VPP silently drops requests that it does not understand, so each request has a deadline. Slowness of VPP does not end a
request, but silence does: a request past its deadline is given up only if VPP has been silent for as long, or if the
answer to a later request has come, since VPP answers in order. One clock call sweeps them all.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from maglev.vpp.api.call import Call

DEADLINE: Final = 5.0
"""Seconds. The longest single commands of VPP (a big table under the barrier, the definitions of all plugins) take
fractions of one; what stays silent longer has hung or has dropped the request."""

WINDOW: Final = 256
"""Requests under way at once. Measured: nothing is gained beyond it, and VPP would queue without limit."""

_SWEEPS: Final = 10
"""Sweeps in one deadline: a request is given up at most a tenth late."""


class Request:
    """A request that was submitted.

    Attributes:
        call: What is asked.
        context: What VPP echoes; unique among the requests that are not over, never 0 (which marks events).
        frames: Name and frame of the message, and for a dump of the ping that ends it.
        rows: The rows that came so far, for a dump; None for a plain request.
        deferred: Fires with the answer.
    """

    __slots__ = ("call", "context", "deferred", "frames", "number", "rows", "written")

    def __init__(self, call: Call, number: int) -> None:
        self.call = call
        self.number = number
        self.context = number % 0xFFFFFFFF + 1
        self.frames: list[tuple[str, bytes]] = []
        self.rows: list[tuple[Any, ...]] | None = None
        self.written = 0.0
        self.deferred: Deferred[Any] = Deferred()


class Pipeline:
    """Requests in order: waiting, under way, over."""

    def __init__(
        self,
        clock: IReactorTime,
        write: Callable[[list[Request]], None],
        expired: Callable[[Request], None],
        *,
        deadline: float = DEADLINE,
        window: int = WINDOW,
    ) -> None:
        """Start empty.

        Args:
            clock: Tells the time and calls the sweep.
            write: Sends requests, in this order.
            expired: Called for each request that is given up; it is no longer pending then.
            deadline: Seconds of silence after which a request is given up.
            window: Requests under way at once.
        """
        self._clock = clock
        self._write = write
        self._expired = expired
        self._deadline = deadline
        self._window = window
        self._number = 0
        self._waiting: deque[Request] = deque()
        self._under_way: dict[int, Request] = {}
        self._heard = 0.0
        self._newest_answered = 0
        self._sweep: IDelayedCall | None = None

    def begin(self, call: Call) -> Request:
        """Return a new request, which has yet to be submitted."""
        self._number += 1
        return Request(call, self._number)

    def submit(self, request: Request) -> None:
        """Let a request wait for its turn; `pump` starts it."""
        self._waiting.append(request)

    def pump(self) -> None:
        """Write as many of the waiting requests as the window allows. Cancelled ones are never written."""
        now = self._clock.seconds()
        started = []
        while self._waiting and len(self._under_way) < self._window:
            request = self._waiting.popleft()
            if not request.deferred.called:
                request.written = now
                self._under_way[request.context] = request
                started.append(request)
        if started:
            self._write(started)
            self._watch()

    def find(self, context: int) -> Request | None:
        """Return the request under way that has this context; note that VPP was heard."""
        request = self._under_way.get(context)
        if request is not None:
            self._heard = self._clock.seconds()
        return request

    def finish(self, request: Request) -> None:
        """End a request that has got its answer."""
        del self._under_way[request.context]
        self._newest_answered = max(self._newest_answered, request.number)

    def stop(self) -> list[Request]:
        """End all requests, and the sweep; return them, oldest first."""
        rest = [*self._under_way.values(), *self._waiting]
        self._under_way.clear()
        self._waiting.clear()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        return rest

    def _watch(self) -> None:
        if self._sweep is None and self._under_way:
            self._sweep = self._clock.callLater(self._deadline / _SWEEPS, self._sweep_now)

    def _sweep_now(self) -> None:
        self._sweep = None
        now = self._clock.seconds()
        gone = [request for request in self._under_way.values() if self._is_hopeless(request, now)]
        for request in gone:
            del self._under_way[request.context]
        for request in gone:
            self._expired(request)
        self.pump()
        self._watch()

    def _is_hopeless(self, request: Request, now: float) -> bool:
        if request.written + self._deadline > now:
            return False
        return self._heard + self._deadline <= now or request.number < self._newest_answered
