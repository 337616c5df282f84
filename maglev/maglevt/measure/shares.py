"""The share test: do the answers follow the weights?

Pearson's test of goodness of fit: if each new connection goes to a backend with the probability of its share of the
weights, then chi-square, the sum of (observed - expected)^2 / expected, has the distribution of that name. Backends
that should have got less than `LEAST_EXPECTED` answers are taken together, as usual (Cochran 1954).

The answers are those of one period in which the weights were the same: `ShareCounts` begins again when they change. It
also begins again after `PERIOD_LIMIT` answers and keeps the last complete period: a fault of today must not be hidden
by the good answers of a month, and where the length of VPP's table is not known, millions of them would show its
rounding.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import attrs

from maglev.maglevt.measure.chi_square import upper_tail

if TYPE_CHECKING:
    from collections.abc import Mapping

LEAST_EXPECTED: Final = 5.0

LEAST_ANSWERS: Final = 50
"""Fewer answers than this say nothing, whatever the weights."""

PERIOD_LIMIT: Final = 10_000
"""At this number, a share of 6 % is uncertain by 4 % of itself: about what the table of new flows may be off by."""

SIGNIFICANT: Final = 0.001
"""Below this p-value, the answers do not follow the weights. One test in a thousand says so by chance."""

UNKNOWN_LIMIT: Final = 0.01
"""Part of the answers that may be nobody's; with more of those the test could say anything."""

NAMES_LIMIT: Final = 200
"""Names counted one by one; a pattern that matches the time of day finds any number of them."""

OTHERS: Final = "(others)"


@attrs.frozen
class Weights:
    """The weights of a VIP's backends.

    Attributes:
        weights: Weight by name.
        addresses: Address by name.
        buckets: Length of VPP's table of new flows, by which the shares are rounded; 0 if it is not known.
    """

    weights: Mapping[str, int]
    addresses: Mapping[str, str]
    buckets: int = 0

    def shares(self) -> dict[str, float]:
        """Return the part of the new flows that each backend with a weight should get.

        VPP makes as many entries of a backend as its weight says, sorts all of them by their number and then by the
        address, and lets one after the other claim a bucket until the table is full (``lb.c``). So the first entries
        may have a bucket more than the last ones.
        """
        serving = {name: weight for name, weight in self.weights.items() if weight}
        total = sum(serving.values())
        if not self.buckets:
            return {name: weight / total for name, weight in serving.items()}
        rounds, rest = divmod(self.buckets, total)
        entries = sorted((number, name) for name, weight in serving.items() for number in range(weight))
        more = Counter(name for _, name in entries[:rest])
        return {name: (rounds * weight + more[name]) / self.buckets for name, weight in serving.items()}

    def backend_of(self, who: str) -> str | None:
        """Return the backend that an answer comes from, by its name, its host name or its address."""
        word = who.strip().lower()
        host = word.partition(".")[0]
        by_host = None
        for name in self.weights:
            if word in {name.lower(), self.addresses.get(name)}:
                return name
            if host == name.lower():
                by_host = name
        return by_host


@attrs.frozen
class ShareResult:
    """What the test says.

    Attributes:
        follows: Whether the answers follow the weights; None if that can't be told.
        text: The result as a sentence without a full stop.
        chi_square: The statistic; None if there is none.
        degrees: Its degrees of freedom.
        p_value: The probability of such a deviation, or of a larger one, by chance.
        answers: Number of answers that were judged.
    """

    follows: bool | None
    text: str
    chi_square: float | None = None
    degrees: int = 0
    p_value: float | None = None
    answers: int = 0


class ShareCounts:
    """Counts who answered while the weights were the same.

    Attributes:
        weights: The weights; None while they are not known.
        counts: Answers in this period, by what they said of who gave them.
    """

    def __init__(self) -> None:
        self.weights: Weights | None = None
        self.counts: Counter[str] = Counter()
        self._count = 0
        self._since = float("-inf")
        self._complete: Counter[str] | None = None

    def begin(self, weights: Weights | None, since: float) -> None:
        """Begin a period, unless the weights are the same.

        Args:
            weights: The weights; None if they are not known any more.
            since: Requests scheduled before this moment do not count.
        """
        if weights != self.weights:
            self.weights = weights
            self._since = since
            self._complete = None
            self.counts = Counter()
            self._count = 0

    def add(self, who: str | None, scheduled: float) -> None:
        """Count an answer; ``who`` is None if nobody can tell."""
        if scheduled < self._since:
            return
        if self._count >= PERIOD_LIMIT:
            self._complete, self.counts, self._count = self.counts, Counter(), 0
        self._count += 1
        name = "" if who is None else who
        self.counts[name if name in self.counts or len(self.counts) < NAMES_LIMIT else OTHERS] += 1

    def test(self) -> ShareResult:
        """Test the last complete period, or the one under way if there was none."""
        if self.weights is None:
            return ShareResult(None, "the weights are not known")
        return share_result(self._complete or self.counts, self.weights)


def share_result(counts: Mapping[str, int], weights: Weights) -> ShareResult:
    """Return whether answers follow weights.

    Args:
        counts: Answers by what they said of who gave them; the empty name is for those that did not say.
        weights: The weights.
    """
    found, unknown = _by_backend(counts, weights)
    answers = sum(found.values())
    if unknown > UNKNOWN_LIMIT * (answers + unknown):
        return ShareResult(None, _about_unknown(counts, weights, unknown, answers + unknown), answers=answers)
    weightless = {name: count for name, count in found.items() if count and not weights.weights[name]}
    if weightless:
        listed = ", ".join(f"{count:,} from {name}" for name, count in sorted(weightless.items()))
        return ShareResult(False, f"answers come from backends with weight 0: {listed}", answers=answers)
    groups = _groups(found, weights, answers)
    if answers < LEAST_ANSWERS or len(groups) < 2:
        return ShareResult(None, _too_little(weights, answers), answers=answers)
    chi_square = sum((observed - expected) ** 2 / expected for observed, expected in groups)
    degrees = len(groups) - 1
    p_value = upper_tail(chi_square, degrees)
    follows = p_value >= SIGNIFICANT
    p_text = f"p {p_value:.2f}" if p_value >= 0.01 else f"p {p_value:.3f}" if follows else f"p < {SIGNIFICANT:g}"
    text = f"answers {'follow' if follows else 'do not follow'} the weights"
    text += f" (chi2 {chi_square:.1f}, {degrees} df, {p_text})"
    if not follows:
        text += f"; {_largest_deviation(found, weights, answers)}"
    return ShareResult(follows, text, chi_square, degrees, p_value, answers)


def _by_backend(counts: Mapping[str, int], weights: Weights) -> tuple[dict[str, int], int]:
    found = dict.fromkeys(weights.weights, 0)
    unknown = 0
    for who, count in counts.items():
        name = weights.backend_of(who)
        if name is None:
            unknown += count
        else:
            found[name] += count
    return found, unknown


def _about_unknown(counts: Mapping[str, int], weights: Weights, unknown: int, answers: int) -> str:
    if counts.get("", 0) == unknown:
        return f"{unknown:,} of {answers:,} answers do not say who gave them"
    strange = max((who for who in counts if who and weights.backend_of(who) is None), key=lambda who: counts[who])
    return f'{unknown:,} of {answers:,} answers are from no known backend, such as "{strange}"'


def _too_little(weights: Weights, answers: int) -> str:
    serving = sum(weight > 0 for weight in weights.weights.values())
    if serving < 2:
        return "fewer than two backends have a weight" if answers else "no answers"
    if not answers:
        return "no answers count yet: after a change of weights, VPP must have forgotten the flows before it"
    return f"{answers:,} answers are too few to judge the weights"


def _groups(found: Mapping[str, int], weights: Weights, answers: int) -> list[tuple[int, float]]:
    """Return what was observed and what is expected, of each backend with a weight or of several small ones."""
    wanted = weights.shares().items()
    cells = sorted(((found[name], answers * share) for name, share in wanted if share), key=lambda cell: cell[1])
    groups: list[tuple[int, float]] = []
    observed, expected = 0, 0.0
    for cell in cells:
        observed, expected = observed + cell[0], expected + cell[1]
        if expected >= LEAST_EXPECTED:
            groups.append((observed, expected))
            observed, expected = 0, 0.0
    if expected and groups:
        last = groups.pop()
        groups.append((last[0] + observed, last[1] + expected))
    return groups


def _largest_deviation(found: Mapping[str, int], weights: Weights, answers: int) -> str:
    wanted = {name: answers * share for name, share in weights.shares().items() if share}
    name = max(wanted, key=lambda each: (found[each] - wanted[each]) ** 2 / wanted[each])
    return f"{name} gave {100 * found[name] / answers:.1f} % instead of {100 * wanted[name] / answers:.1f} %"
