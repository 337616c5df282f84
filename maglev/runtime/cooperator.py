"""The cooperator: runs work of all kinds in slices, within one budget per turn of the reactor.

Potentially long work is done here in small pieces: computations of the VPP sync and of reloads, output of consoles,
events for subscribers, scrapes. A process has one `Cooperator`, made by the composition root, and one `WorkQueue` for
each kind of work. In each turn of the reactor

* all kinds together have `maglev.runtime.budget.SLICED_WORK` seconds;
* the kinds with pending work take turns, and each gets an equal share of the remaining time: a single kind gets it all,
  and time that one does not need goes to those after it. A kind that got no time is first in the next turn: a hundred
  sessions can't starve the sync, nor the sync them;
* each kind is served first come, first served; a computation that has used up its share goes to the end of the queue.

A computation begins at once if nothing waits and there is time left in this turn, so short ones need no delayed call.
Everything else waits for a later turn, including work requested by a piece of work.

Probing is not done here. It bounds its own share of a turn; `maglev.runtime.budget` adds both up to the bound of one
turn of the reactor.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from maglev.runtime.budget import SLICED_WORK
from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from twisted.internet.interfaces import IReactorTime

T = TypeVar("T")

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.0075, 0.01, 0.025, 0.1)
"""Upper bounds of the histogram of turns, seconds: `SLICED_WORK` and one long step are 7.5 ms."""


class Cooperator:
    """Shares each turn of the reactor among the kinds of work.

    Attributes:
        clock: Measures the turns.
        counts: Turns by duration, per bucket of `BUCKETS`, not cumulative, and one more for those above. A turn is
            counted when the next one begins.
        total: Sum of these times, seconds.
    """

    def __init__(self, clock: IReactorTime, budget: float = SLICED_WORK) -> None:
        """Create a cooperator without work.

        Args:
            clock: A monotonic clock.
            budget: Seconds of work in one turn of the reactor.
        """
        self.clock = clock
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0
        self._budget = budget
        self._queues: dict[str, WorkQueue] = {}
        self._ready: deque[WorkQueue] = deque()
        self._scheduled = False
        self._working = False
        self._spent = 0.0

    def queue(self, kind: str) -> WorkQueue:
        """Return the queue of a kind of work; always the same one for the same kind."""
        if kind not in self._queues:
            self._queues[kind] = WorkQueue(self, kind)
        return self._queues[kind]

    def waiting(self) -> Mapping[str, int]:
        """Return the number of waiting pieces of work, by kind."""
        return {kind: len(queue) for kind, queue in self._queues.items()}

    def enter(self, queue: WorkQueue) -> None:
        """Schedule a queue that has work now; called by `WorkQueue`."""
        self._ready.append(queue)
        self._schedule()

    def begin(self, piece: Piece) -> bool:
        """Do part of a piece of work at once, if there is time; return whether anything is left."""
        if self._working or self._ready or self._spent >= self._budget:
            return True
        start = self.clock.seconds()
        self._working = True
        try:
            return piece.work(start + self._budget - self._spent)
        finally:
            self._working = False
            self._spent += self.clock.seconds() - start
            if self._spent:
                self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self.clock.callLater(0, self._turn)

    def _turn(self) -> None:
        if self._spent:
            self._measure(self._spent)
        start = now = self.clock.seconds()
        until = start + self._budget
        self._working = True
        try:
            # Queues that get work meanwhile wait for the next turn.
            for sharing in range(len(self._ready), 0, -1):
                self._work_on(self._ready.popleft(), now + (until - now) / sharing)
                now = self.clock.seconds()
                if now >= until:
                    break
        finally:
            self._spent = self.clock.seconds() - start
            self._working = self._scheduled = False
            if self._ready:
                self._schedule()

    def _work_on(self, queue: WorkQueue, until: float) -> None:
        try:
            queue.work(until)
        finally:
            if queue.goes_on():
                self._ready.append(queue)

    def _measure(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds


class WorkQueue:
    """The queue of one kind of work.

    Attributes:
        clock: The monotonic clock of the cooperator.
    """

    _log = EventLogger()

    def __init__(self, cooperator: Cooperator, kind: str) -> None:
        """Create an empty queue; called by `Cooperator.queue` only."""
        self._cooperator = cooperator
        self.clock = cooperator.clock
        self._kind = kind
        self._pieces: OrderedDict[Piece, None] = OrderedDict()
        self._entered = False

    def __len__(self) -> int:
        """Return the number of waiting pieces of work."""
        return len(self._pieces)

    def soon(self, call: Callable[[], object]) -> None:
        """Queue a call. It should not raise; an exception is logged."""
        self._add(_Call(call))

    def turn(self) -> Deferred[None]:
        """Return a Deferred that fires when its turn has come; it may be cancelled."""
        waiting: Deferred[None] = Deferred(lambda _: self._pieces.pop(piece, None))
        piece = _Call(lambda: waiting.callback(None))
        self._add(piece)
        return waiting

    def run(self, steps: Generator[None, None, T], *, later: bool = False) -> Deferred[T]:
        """Run a computation; the Deferred fires with its result, or fails with what it raises.

        Args:
            steps: The computation; it yields wherever it may be interrupted, at most a millisecond apart, or two where
                that can't be helped. It is closed if the Deferred is cancelled.
            later: Whether it must not begin before this returns.
        """
        computation = _Computation(self.clock, steps, self._pieces)
        if later or self._cooperator.begin(computation):
            self._add(computation)
        return computation.result

    def work(self, until: float) -> None:
        """Do the work that waits now, in order, until a time of the clock; at least one piece."""
        for _ in range(len(self._pieces)):
            if not self._pieces:
                break  # the others were cancelled
            piece, _ = self._pieces.popitem(last=False)
            try:
                unfinished = piece.work(until)
            except Exception:  # noqa: BLE001  # the others must go on, whatever happened to this one
                self._log.failure("sliced-work-failed", kind=self._kind)
                unfinished = False
            if unfinished:
                self._pieces[piece] = None
            if self.clock.seconds() >= until:
                break

    def goes_on(self) -> bool:
        """Return whether there is more to do; if not, the queue enters again when it gets work."""
        self._entered = bool(self._pieces)
        return self._entered

    def _add(self, piece: Piece) -> None:
        self._pieces[piece] = None
        if not self._entered:
            self._entered = True
            self._cooperator.enter(self)


class _Call:
    """A single call, as a piece of work."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call

    def work(self, _: float) -> bool:
        """Make the call; return that nothing is left."""
        self._call()
        return False


class _Computation(Generic[T]):
    """A computation in steps, as a piece of work, and the Deferred of its result."""

    __slots__ = ("_clock", "_pieces", "_stepping", "_steps", "result")

    def __init__(self, clock: IReactorTime, steps: Generator[None, None, T], pieces: OrderedDict[Piece, None]) -> None:
        self.result: Deferred[T] = Deferred(self._cancel)
        self._clock = clock
        self._steps = steps
        self._pieces = pieces
        self._stepping = False

    def work(self, until: float) -> bool:
        """Work until a time of the clock; return whether anything is left."""
        self._stepping = True
        try:
            self._step(until)
        except StopIteration as end:
            outcome = end.value
        except Exception:  # noqa: BLE001  # goes to the errback of the result
            outcome = Failure()
        else:
            outcome = None
            if self.result.called:
                self._steps.close()  # cancelled by one of its own steps
            else:
                return True
        finally:
            self._stepping = False
        if not self.result.called:
            self.result.callback(outcome)
        return False

    def _step(self, until: float) -> None:
        clock, result, steps = self._clock, self.result, self._steps
        while True:
            next(steps)
            if result.called or clock.seconds() >= until:
                return

    def _cancel(self, _: Deferred[T]) -> None:
        self._pieces.pop(self, None)
        if not self._stepping:
            self._steps.close()


Piece = _Call | _Computation[Any]
