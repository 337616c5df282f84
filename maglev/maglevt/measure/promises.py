"""Promises, and whether they were kept.

A promise has three ends: *kept*, *broken*, and *could not test*. Requests that say nothing about the VIP (this machine
was at fault) count as both: a promise is kept only if it would be kept had all of them failed, and broken only if it
would be broken had none of them. What lies between could not be tested. Nor could anything with too few requests.
"""

from __future__ import annotations

import enum
from math import ceil
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maglev.maglevt.measure.vip_statistics import VipStatistics

LEAST_REQUESTS: Final = 100
"""Fewer requests than this say nothing about any promise."""

SLOW_PART: Final = 0.01
"""The part of the requests that ``--p99`` leaves out."""


class PromiseEnd(enum.Enum):
    """The end of a promise; the value is what people read."""

    KEPT = "kept"
    BROKEN = "broken"
    UNTESTED = "could not test"


@attrs.frozen
class Promises:
    """What is promised of each VIP; None for nothing.

    Attributes:
        max_fail: The part of the requests, 0..1, that may fail.
        max_gap: Seconds that the longest outage may last.
        p99: Seconds in which 99 of 100 requests are answered; one that fails is not.
        shares: Whether the answers follow the weights.
    """

    max_fail: float | None = None
    max_gap: float | None = None
    p99: float | None = None
    shares: bool = False


@attrs.frozen
class Judgement:
    """What became of one promise about one VIP.

    Attributes:
        vip: The name of the VIP.
        promise: The option that makes it, without its dashes.
        verdict: Its end.
        text: Why, without a full stop.
    """

    vip: str
    promise: str
    verdict: PromiseEnd
    text: str


def judge(promises: Promises, figures: VipStatistics) -> list[Judgement]:
    """Return what became of each promise that was made."""
    found: list[tuple[str, tuple[PromiseEnd, str]]] = []
    if promises.max_fail is not None:
        found.append(("max-fail", _failures(promises.max_fail, figures)))
    if promises.max_gap is not None:
        found.append(("max-gap", _gap(promises.max_gap, figures)))
    if promises.p99 is not None:
        found.append(("p99", _slowness(promises.p99, figures)))
    if promises.shares:
        found.append(("shares", _shares(figures)))
    return [Judgement(figures.name, promise, *result) for promise, result in found]


def exit_status(judgements: Iterable[Judgement]) -> int:
    """Return the exit status: 1 if a promise was broken, else 2 if one could not be tested, else 0."""
    verdicts = {each.verdict for each in judgements}
    return 1 if PromiseEnd.BROKEN in verdicts else 2 if PromiseEnd.UNTESTED in verdicts else 0


def unjudged_text(figures: VipStatistics) -> str:
    """Return how many requests say nothing, and why."""
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in figures.unjudged.most_common())
    return f"{figures.unjudged.total():,} of {figures.total:,} requests say nothing about it ({reasons})"


def percent(part: float) -> str:
    """Return a part of one as a percentage with two significant digits behind zeros, such as ``0.1 %``."""
    return f"{100 * part:.3g} %"


def duration(seconds: float) -> str:
    """Return seconds with three significant digits, in the unit that suits."""
    return (
        f"{seconds * 1000:.3g} ms"
        if seconds < 0.9995
        else f"{seconds:.3g} s"
        if seconds < 999.5
        else f"{seconds:.0f} s"
    )


def _part_of_requests(
    limit: float, at_least: int, at_most: int, figures: VipStatistics, what: str
) -> tuple[PromiseEnd, str]:
    """Judge a promise that at most a part of the requests is bad.

    Args:
        limit: That part.
        at_least: Number of requests that certainly were.
        at_most: The same with those that may have been.
        figures: The figures of the VIP.
        what: What they did, for a person.
    """
    needed = max(LEAST_REQUESTS, ceil(1 / limit - 1e-9) if limit else 0)
    total = figures.total
    # Had a few more been sent, all of them good: with too few requests, a single bad one proves nothing either.
    if at_least > limit * max(total, needed) + 1e-9:
        return PromiseEnd.BROKEN, f"{at_least:,} of {total:,} {what} ({percent(at_least / total)})"
    if total < needed:
        return PromiseEnd.UNTESTED, f"{total:,} requests are too few: {needed:,} are needed"
    if at_most > limit * total + 1e-9:
        return PromiseEnd.UNTESTED, unjudged_text(figures)
    return PromiseEnd.KEPT, f"{at_most:,} of {total:,} {what}"


def _failures(limit: float, figures: VipStatistics) -> tuple[PromiseEnd, str]:
    at_most = figures.failed + figures.unjudged.total()
    return _part_of_requests(limit, figures.failed, at_most, figures, "failed")


def _slowness(limit: float, figures: VipStatistics) -> tuple[PromiseEnd, str]:
    what = f"not answered within {duration(limit)}"
    return _part_of_requests(SLOW_PART, figures.slow_at_least, figures.slow_at_most, figures, what)


def _gap(limit: float, figures: VipStatistics) -> tuple[PromiseEnd, str]:
    bounds = figures.bounds
    if bounds.at_least > limit:
        return PromiseEnd.BROKEN, f"no answer for {duration(bounds.at_least)}"
    if figures.total < LEAST_REQUESTS:
        return PromiseEnd.UNTESTED, f"{figures.total:,} requests are too few: {LEAST_REQUESTS:,} are needed"
    if 2 / figures.rate > limit:
        return PromiseEnd.UNTESTED, f"a gap of {duration(limit)} shows at a rate of {2 / limit:.3g} or more only"
    if bounds.at_most > limit:
        return PromiseEnd.UNTESTED, f"it may have been up to {duration(bounds.at_most)}: {_why_wide(figures)}"
    return PromiseEnd.KEPT, f"no answer for {duration(bounds.at_most)} at most" if bounds.at_most else "no outage"


def _why_wide(figures: VipStatistics) -> str:
    if figures.unjudged:
        return unjudged_text(figures)
    return f"requests began late by up to {duration(figures.lateness)}"


def _shares(figures: VipStatistics) -> tuple[PromiseEnd, str]:
    result = figures.shares.test()
    ends = {True: PromiseEnd.KEPT, False: PromiseEnd.BROKEN, None: PromiseEnd.UNTESTED}
    return ends[result.follows], result.text
