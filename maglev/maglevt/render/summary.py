"""The summary: plain lines for a person, a pipe or a log."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Final

import attrs

from maglev.maglevt.measure.promises import PromiseEnd, duration, exit_status, judge, percent, unjudged_text
from maglev.maglevt.measure.strip import marks
from maglev.maglevt.measure.timeline import DAEMON

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from maglev.maglevt.measure.promises import Judgement, Promises
    from maglev.maglevt.measure.timeline import Timeline, TimelineEntry
    from maglev.maglevt.measure.vip_statistics import VipStatistics

ANSWERS_SHOWN: Final = 8
"""Names of those who answered, in one line."""

EVENTS_SHOWN: Final = 60
"""Entries of the timeline in the summary."""

AXIS: Final = 60
"""Columns of the axis."""

LATENESS: Final = 0.05
"""Seconds by which a request may begin late without a word."""

EVENTS: Final = "events"
"""What stands before the daemon's events on the axis."""

RATE_KEPT: Final = 0.99
"""Part of the rate below which it was not kept."""


@attrs.frozen
class ReportedTest:
    """A test, as it is to be reported.

    Attributes:
        figures: The figures of each VIP.
        where: Address and port of each, by name.
        timeline: What happened.
        promises: What is judged.
        begun: When it began.
        now: When it ended, or now.
        wall_offset: What to add to a moment for the wall clock.
        uncovered: Why frontends were not tested, or not all the time, by name.
    """

    figures: Sequence[VipStatistics]
    where: Mapping[str, str]
    timeline: Timeline
    promises: Promises
    begun: float
    now: float
    wall_offset: float
    uncovered: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def judgements(self) -> list[Judgement]:
        """What became of the promises; for a VIP that was not tested all the time, none was kept."""
        return [self._to_the_end(each) for figures in self.figures for each in judge(self.promises, figures)]

    @property
    def untested(self) -> dict[str, str]:
        """Why VIPs were not tested, or not all the time, by name."""
        unknown = [figures.name for figures in self.figures if not figures.good and not figures.failed]
        return dict.fromkeys(unknown, "no request was judged") | dict(self.uncovered)

    @property
    def status(self) -> int:
        """The exit status; without a single request that was judged, nothing was tested, whatever was promised."""
        status = exit_status(self.judgements)
        return status or (2 if self.untested or not self.figures else 0)

    def _to_the_end(self, judgement: Judgement) -> Judgement:
        """Return a judgement with what was not seen: that may have been a failure."""
        why = self.uncovered.get(judgement.vip)
        if why is None or judgement.verdict is not PromiseEnd.KEPT:
            return judgement
        return attrs.evolve(judgement, verdict=PromiseEnd.UNTESTED, text=f"{judgement.text}, but {why}")

    def clock(self, at: float) -> str:
        """Return the time of day of a moment, UTC."""
        return datetime.fromtimestamp(at + self.wall_offset, UTC).strftime("%H:%M:%S.%f")[:-3]


def summary(test: ReportedTest) -> list[str]:
    """Return the whole summary."""
    lines = [line for figures in test.figures for line in (*vip_lines(test, figures), "")]
    if len(test.timeline):
        lines += [*timeline_lines(test), ""]
    return lines + verdict_lines(test)


def vip_lines(test: ReportedTest, figures: VipStatistics) -> list[str]:
    """Return what there is to say of one VIP."""
    lines = [
        f"{figures.name} {test.where.get(figures.name, '')}".rstrip(),
        f"  requests   {request_text(figures)}",
        f"  latency    {latency_text(figures)}",
        f"  outages    {outage_text(test, figures)}",
    ]
    if figures.lateness > LATENESS:
        lines.append(f"  own delay  requests began late by up to {duration(figures.lateness)}; latencies contain that")
    if figures.failures:
        lines.append(f"  failures   {failure_text(figures)}")
    if figures.unjudged:
        lines.append(f"  not judged {unjudged_text(figures)}")
    if names := answer_text(figures, ANSWERS_SHOWN):
        lines.append(f"  answers    {names}")
    if figures.shares.weights is not None and names:
        lines.append(f"  shares     {figures.shares.test().text}")
    return lines


def request_text(figures: VipStatistics) -> str:
    """Return how many requests there were, and whether the rate was kept."""
    failed = f"{figures.failed:,} failed ({percent(figures.failed / figures.total)})" if figures.total else "none"
    text = f"{figures.total:,} at {figures.achieved_rate:.3g}/s: {failed}"
    return text if rate_kept(figures) else f"{text}; could not keep the rate of {figures.rate:g}/s"


def rate_kept(figures: VipStatistics) -> bool:
    """Return whether nearly all requests of the schedule were sent."""
    return figures.unjudged["unsent"] <= (1 - RATE_KEPT) * figures.total


def latency_text(figures: VipStatistics) -> str:
    """Return the quantiles."""
    latencies = figures.latencies
    if not latencies.count:
        return "no answers"
    quantiles = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    words = [f"{name} {duration(latencies.quantile(share) or 0.0)}" for name, share in quantiles.items()]
    return "  ".join([*words, f"max {duration(latencies.largest)}"])


def failure_text(figures: VipStatistics) -> str:
    """Return how often each code came."""
    codes = ", ".join(f"{code} {count:,}" for code, count in figures.failures.most_common())
    return f"{codes}; last: {figures.latest_failure}"


def outage_text(test: ReportedTest, figures: VipStatistics) -> str:
    """Return the number of outages and the longest."""
    longest = figures.outages.longest
    if longest is None:
        return "none"
    going_on = " (it goes on)" if longest.end is None else ""
    lasted = f"{duration(longest.seconds)}{going_on}"
    return f"{figures.outages.count:,}; the longest {lasted}, from {test.clock(longest.start)}"


def answer_text(figures: VipStatistics, shown: int) -> str:
    """Return who answered, how often; empty if nobody ever said."""
    named = [(name, count) for name, count in figures.answers.most_common() if name]
    if not named:
        return ""
    words = [f"{name} {count:,} ({percent(count / figures.good)})" for name, count in named[:shown]]
    if len(named) > shown:
        words.append(f"and {len(named) - shown} more")
    if figures.answers[""]:
        words.append(f"not identified {figures.answers['']:,}")
    return ", ".join(words)


def timeline_lines(test: ReportedTest, limit: int = EVENTS_SHOWN) -> list[str]:
    """Return the axes, and what happened on them."""
    span = max(test.now - test.begun, 1e-3)
    width = max([len(figures.name) for figures in test.figures] + [len(DAEMON)])
    lines = [f"Timeline: {AXIS} columns of {duration(span / AXIS)} from {test.clock(test.begun)} UTC"]
    lines += [f"  {'':{width}} . answers   x fails   + both   ? not judged"]
    for figures in test.figures:
        axis = marks(figures.strip.counts(test.begun, test.begun + span, AXIS))
        lines.append(f"  {figures.name:{width}} |{axis}|")
    events = [entry for entry in test.timeline if entry.source == DAEMON]
    if events:
        lines.append(f"  {EVENTS:{width}} |{event_marks(events, test.begun, span)}|")
    lines += [f"  {entry_line(test, entry, width)}" for entry in islice(test.timeline, limit)]
    dropped = test.timeline.dropped + max(0, len(test.timeline) - limit)
    return [*lines, f"  and {dropped:,} more"] if dropped else lines


def event_marks(events: Iterable[TimelineEntry], begin: float, span: float) -> str:
    """Return the daemon's events on the axis: how many there are in a column, ``*`` for more than nine."""
    counts = [0] * AXIS
    for event in events:
        counts[min(AXIS - 1, max(0, int((event.at - begin) / span * AXIS)))] += 1
    return "".join(" " if not count else str(count) if count < 10 else "*" for count in counts)


def entry_line(test: ReportedTest, entry: TimelineEntry, width: int) -> str:
    """Return an entry of the timeline: when, how long after the beginning, where, what."""
    where = entry.vip or entry.source
    return f"{test.clock(entry.at)} {entry.at - test.begun:+9.3f} s  {where:{width}}  {entry.text}"


def verdict_lines(test: ReportedTest) -> list[str]:
    """Return what became of the promises, and what the exit status means."""
    lines = [f"{each.vip}: {each.promise} {each.verdict.value}: {each.text}" for each in test.judgements]
    lines += [f"{name}: could not test: {why}" for name, why in test.untested.items()]
    if not test.figures:
        lines.append("could not test: no VIP to test")
    if not lines:
        return ["nothing was promised"]
    ends = {0: PromiseEnd.KEPT, 1: PromiseEnd.BROKEN, 2: PromiseEnd.UNTESTED}
    return [*lines, f"verdict: {ends[test.status].value}"]


def progress_line(test: ReportedTest, figures: VipStatistics) -> str:
    """Return how a VIP is doing, as one line of a log."""
    return (
        f"{test.clock(test.now)} {figures.name}: {request_text(figures)}; {latency_text(figures)}; "
        f"outages {outage_text(test, figures)}"
    )
