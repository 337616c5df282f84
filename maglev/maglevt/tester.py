"""The test: a load and figures for each VIP, and one timeline for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from twisted.internet.defer import DeferredList

from maglev.maglevt.load import VipLoad
from maglev.maglevt.measure.notices import OutageNotices
from maglev.maglevt.measure.promises import duration
from maglev.maglevt.measure.timeline import CLIENT, DAEMON, Timeline, TimelineEntry, backends_in, event_words, placed
from maglev.maglevt.measure.vip_statistics import VipStatistics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IReactorTime

    from maglev.healthcheck.lag import LagMonitor
    from maglev.maglevt.measure.promises import Promises
    from maglev.maglevt.measure.sample import Sample
    from maglev.maglevt.measure.shares import Weights
    from maglev.maglevt.requests import RequesterSource
    from maglev.maglevt.targets import Found, VipTarget

SPREAD: Final = 0.381966
"""The golden section: how far, in parts of an interval, the schedule of a VIP is behind that of the one before, so that
they do not all ask at once."""

GRACE: Final = 0.2
"""Seconds until the first request: this program is busy with itself until then."""


class VipUnderTest(NamedTuple):
    """A VIP under test.

    Attributes:
        target: What it is.
        load: Its requests.
        figures: What became of them.
        notices: Puts its outages into the timeline.
    """

    target: VipTarget
    load: VipLoad
    figures: VipStatistics
    notices: OutageNotices


class VipTester:
    """Tests VIPs.

    Attributes:
        vips: Those under test, by name; those that were taken out of the test are in `former`.
        former: Figures of VIPs that are tested no more, by name.
        uncovered: Why frontends were not tested, or not from their beginning to the end of the test, by name.
        timeline: What happened.
        begun: When the test began.
        daemon: What to say of the connection to the daemon; empty without one.
    """

    def __init__(
        self,
        clock: IReactorTime,
        wall: Callable[[], float],
        lag: LagMonitor,
        source: RequesterSource,
        rate: float,
        slots: Callable[[int], int],
        promises: Promises,
        noted: Callable[[TimelineEntry], None],
    ) -> None:
        """Prepare a test without VIPs.

        Args:
            clock: A monotonic clock.
            wall: The wall clock.
            lag: Knows when this process was late.
            source: Makes requests.
            rate: Requests a second to each VIP.
            slots: Returns how many requests to each of so many VIPs may be under way.
            promises: What is to be judged at the end.
            noted: Gets each new entry of the timeline.
        """
        self._clock = clock
        self._wall = wall
        self._lag = lag
        self._source = source
        self._slots = slots
        self._noted = noted
        self.rate = rate
        self.promises = promises
        self.vips: dict[str, VipUnderTest] = {}
        self.former: dict[str, VipStatistics] = {}
        self.uncovered: dict[str, str] = {}
        self.timeline = Timeline()
        self.begun = clock.seconds()
        self.wall_offset = wall() - self.begun
        self.daemon = ""
        self._flow_timeout = 0.0
        self._spread = 0.0
        self._applied = False

    @property
    def all_figures(self) -> list[VipStatistics]:
        """The figures of all VIPs that are or were tested."""
        return [*self.former.values(), *(each.figures for each in self.vips.values())]

    def apply(self, found: Found) -> None:
        """Test what was found, and nothing else any more; what is tested already goes on."""
        self._flow_timeout = found.flow_timeout
        wanted = {target.name: target for target in found.targets}
        for name in [name for name, vip in self.vips.items() if wanted.get(name) != vip.target]:
            self._remove(name)
            if name not in wanted:
                self.uncovered.setdefault(name, f"it left the configuration after {self._age()}")
        for name, why in found.skipped.items():
            self.uncovered.setdefault(name, why)
        for target in found.targets:
            if target.name not in self.vips:
                self._add(target, len(wanted))
            self.weigh(target.name, found.weights.get(target.name))
        self._applied = True

    def weigh(self, name: str, weights: Weights | None) -> None:
        """Compare the answers of a VIP with these weights from now on; None if they are not known."""
        vip = self.vips.get(name)
        if vip is not None and not vip.target.sticky:
            shares = vip.figures.shares
            # VPP remembers where flows went, and a port that is used again is one of them.
            settle = 0.0 if shares.weights is None else self._flow_timeout
            shares.begin(weights, self._clock.seconds() + settle)

    def note(self, text: str, *, vip: str = "", bad: bool = False, source: str = CLIENT) -> None:
        """Put something that happened now into the timeline."""
        self._put(TimelineEntry(self._clock.seconds(), source, text, vip, bad))

    def take_event(self, event: Mapping[str, Any]) -> set[str]:
        """Take an event of the daemon; return the names of the VIPs that it may be about."""
        text = event_words(event)
        named = backends_in(event)
        concerned = {name for name, vip in self.vips.items() if name in named or self._has(vip, named)}
        if text is not None and (concerned or not named):
            at = placed(event.get("at", ""), self._wall(), self._clock.seconds())
            self._put(TimelineEntry(at, DAEMON, text, bad=event.get("to") == "down"))
        return concerned

    def stop(self) -> Deferred[Any]:
        """Begin no more requests; return a Deferred that fires when those under way have ended."""
        return DeferredList([vip.load.stop() for vip in self.vips.values()])

    def cancel(self) -> None:
        """Abort the requests under way."""
        for vip in self.vips.values():
            vip.load.cancel()

    def _has(self, vip: VipUnderTest, names: set[str]) -> bool:
        weights = vip.figures.shares.weights
        return weights is not None and not names.isdisjoint(weights.weights)

    def _add(self, target: VipTarget, count: int) -> None:
        now = self._clock.seconds()
        figures = VipStatistics(target.name, self.begun, self.rate, self.promises.p99)
        notices = OutageNotices(target.name)

        def take(sample: Sample) -> None:
            outage = figures.add(sample)
            entry = None if outage is None else notices.entry(outage)
            if entry is not None:
                self._put(entry)

        make = self._source.requesters_of(target)
        load = VipLoad(self._clock, self._lag, target, make, self.rate, self._slots(count), take)
        self.vips[target.name] = VipUnderTest(target, load, figures, notices)
        self._spread = (self._spread + SPREAD) % 1
        load.start(now + GRACE + self._spread / self.rate)
        if self._applied:
            self.note("is tested from now on", vip=target.name)

    def _age(self) -> str:
        """Return for how long the test has been going on, for a person."""
        return duration(self._clock.seconds() - self.begun)

    def _remove(self, name: str) -> None:
        vip = self.vips.pop(name)
        vip.load.stop()
        vip.load.cancel()
        self.former[name] = vip.figures
        self.note("is not tested any more: it left the configuration, or is another one now", vip=name)

    def _put(self, entry: TimelineEntry) -> None:
        self.timeline.add(entry)
        self._noted(entry)
