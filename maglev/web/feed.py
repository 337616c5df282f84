"""Reads the verbs for all pages at once: keeps the rows, and makes frames of their changes.

Three loops run while there are pages. One takes events, which name what has changed. One reads that again at once, and
makes frames: at most ten a second, and fewer where reading takes longer. One reads everything over and over, in turns
with others, because much changes without an event: results, flows of drains, what VPP acknowledged.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final

from twisted.internet.task import deferLater

from maglev.model.errors import VppError
from maglev.runtime.tasks import Tasks
from maglev.web.alarm import Alarm
from maglev.web.frames import Frames
from maglev.web.history import PERIOD, TrafficHistory
from maglev.web.row_reader import CHUNK, RowReader, rows_of
from maglev.web.row_store import encode, object_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from maglev.interfaces import IControl, ISubscription
    from maglev.model.event_views import EventView
    from maglev.runtime.cooperator import WorkQueue
    from maglev.web.frames import Viewer

FRAME: Final = 0.1
"""Seconds between two frames, at least: too short to be seen, and however much happens, ten messages a second."""

DUTY: Final = 3
"""Seconds of pause for each second that a frame took to make: others have work to do, too."""

SWEEP: Final = 1.0
"""Seconds between two readings of everything, at least."""

SWEPT: Final = 400
"""Backends read per second, at most: 2,000 are read every 5 s, with one or two percent of a core."""

EVENTS: Final = 100
"""Latest events in a snapshot."""

MOST_EVENTS: Final = 200
"""Events in a frame: nobody reads more; a gap says how many were left out."""

LINGER: Final = 60.0
"""Seconds for which reading goes on when the last page has gone: it may come back, and go on where it was."""

BEAT: Final = 3.0
"""Seconds without a frame after which pages are told that they have everything: a page that hears nothing for about
three of these (``SILENCE`` in ``stream.js``) says so. No proxy cuts what is silent for so short a time."""


class PageFeed:
    """Fills the frames of all pages.

    Attributes:
        frames: The frames.
        clock: Measures what the pages wait for.
    """

    def __init__(
        self, work: WorkQueue, control: IControl, wall: Callable[[], float], boot: str, about: Mapping[str, str]
    ) -> None:
        """Prepare; while there is no page, nothing is read but the traffic, once `start` was called.

        Args:
            work: The queue in which to take turns.
            control: The verbs, bound to a viewer.
            wall: Returns the wall-clock time, in seconds since the epoch.
            boot: See `Frames`.
            about: What to say of the daemon, such as its host.
        """
        self.frames = Frames(boot, self._whole)
        self._work = work
        self.clock = work.clock
        self._control = control
        self._wall = wall
        self._about = about
        self._tasks = Tasks()
        self._history = {"vips": TrafficHistory(), "backends": TrafficHistory()}
        self._left = float("-inf")
        self._run: object | None = None
        self._watch: ISubscription | None = None
        self._frame_due = Alarm(work.clock)
        self._sweep_due = Alarm(work.clock)
        self._begin()

    def _begin(self) -> None:
        """Forget what was read."""
        self._reader = RowReader(self._work, self._control, self._wall, self._about)
        self._events: deque[bytes] = deque(maxlen=EVENTS)
        self._news: list[bytes] = []
        self._left_out = 0
        self._rates = b""
        self._sent = float("-inf")

    def start(self) -> None:
        """Begin to take samples of the traffic, which last whether somebody looks or not."""
        self._tasks.repeat(self.clock, "web-traffic", self._sample, delay=PERIOD)

    def stop(self) -> None:
        """End everything."""
        self._tasks.cancel()
        self._end_reading()

    # Pages

    def join(self, viewer: Viewer) -> None:
        """Add a page."""
        self.frames.viewers[viewer] = None
        if self._run is None:
            run = self._run = object()
            self._tasks.repeat(self.clock, "web-events", partial(self._listen, run))
            self._tasks.repeat(self.clock, "web-sweeps", partial(self._sweep, run))
            self._tasks.repeat(self.clock, "web-frames", partial(self._step, run))

    def leave(self, viewer: Viewer) -> None:
        """Remove a page; harmless if it was removed already."""
        self.frames.viewers.pop(viewer, None)
        self._left = self.clock.seconds()

    def _end_reading(self) -> None:
        self._run = None
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.close()
        self.frames.clear()
        self._begin()
        self._frame_due.ring()
        self._sweep_due.ring()

    def _whole(self, number: int) -> bytes:
        traffic = (
            (kind, object_of((name, encode(rates)) for name, rates in history.series()))
            for kind, history in self._history.items()
        )
        return object_of(
            (
                ("boot", encode(self.frames.boot)),
                ("frame", encode(number)),
                ("at", encode(round(self._wall(), 3))),
                ("period", encode(PERIOD)),
                ("rows", self._reader.store.whole()),
                ("events", _list(self._events)),
                ("traffic", object_of(traffic)),
            )
        )

    # Events

    async def _listen(self, run: object) -> float | None:
        """Take some events."""
        if self._run is not run:
            return None
        if self._watch is None:
            self._watch = await self._control.watch()
        events = await self._watch.next()
        if not events:
            self._watch = None
            return SWEEP if self._run is run else None
        for event in events:
            self._note(event)
        self._frame_due.ring()
        return 0.0

    def _note(self, event: EventView) -> None:
        if event["type"] == "snapshot":
            return
        if len(self._news) < MOST_EVENTS:
            self._news.append(encode(event))
        else:
            self._left_out += 1
        if not self._reader.concern(event):
            self._sweep_due.ring()

    # Rows

    async def _sweep(self, run: object) -> float | None:
        """Read everything, and wait until it is time again."""
        if self._run is not run:
            return None
        began = self.clock.seconds()
        await self._reader.sweep()
        if self._run is not run:
            return None
        if not self.frames.ready:
            self._events.extend(map(encode, await self._control.log(EVENTS)))
            self._news.clear()
            self._reader.store.take()
            self._sent = self.clock.seconds()
            self.frames.ready = True
            self.frames.wake()
        self._frame_due.ring()
        await self._sweep_due.wait(began + max(SWEEP, len(self._reader.store.names("backends")) / SWEPT))
        return 0.0

    # Frames

    async def _step(self, run: object) -> float | None:
        """Wait until there is something new, and make a frame of it."""
        due = min(self._reader.next_due, self._sent + BEAT) if self.frames.ready else float("inf")
        await self._frame_due.wait(due)
        began = self.clock.seconds()
        if self._run is not run:
            return None
        if not self.frames.viewers and began - self._left > LINGER:
            self._end_reading()
            return None
        if self.frames.ready:
            await self._reader.read_concerns(began)
            self._cut()
        await deferLater(self.clock, max(FRAME, DUTY * (self.clock.seconds() - began)))
        return 0.0

    def _cut(self) -> None:
        """Make a frame, if anything changed."""
        changes, news, rates = self._reader.store.take(), self._news, self._rates
        if self._left_out:
            news.append(encode({"type": "gap", "missed": self._left_out}))
        self._news, self._left_out, self._rates = [], 0, b""
        now = self.clock.seconds()
        if changes or news or rates:
            self._events.extend(news)
            given = (("rows", changes), ("events", _list(news) if news else b""), ("traffic", rates))
            at = encode(round(self._wall(), 3))
            parts = [("at", at), *((key, value) for key, value in given if value)]
            self.frames.add(lambda number: object_of([("frame", encode(number)), *parts]))
        elif now - self._sent >= BEAT:
            self.frames.beat()
        else:
            return
        self._sent = now

    # Traffic

    async def _sample(self) -> float:
        """Take a sample of the traffic."""
        control = self._control
        try:
            vips = [view async for view in rows_of(control.vpp_lb_counters, self._work, CHUNK)]
            servers = [view async for view in rows_of(control.vpp_backend_counters, self._work, CHUNK)]
        except VppError:
            return PERIOD
        counts = {
            "vips": {each["frontend"]: each["first"] + each["next"] + each["untracked"] for each in vips},
            "backends": {each["backend"]: each["fib_packets"] for each in servers},
        }
        now = self.clock.seconds()
        rates = {}
        for kind, some in counts.items():
            ours = {name: count for name, count in some.items() if name is not None}
            rates[kind] = self._history[kind].add(ours, now)
        if self.frames.ready:
            self._rates = encode(rates)
            self._frame_due.ring()
        return PERIOD


def _list(texts: Iterable[bytes]) -> bytes:
    return b"[" + b",".join(texts) + b"]"
