"""Suggests the known word that was probably meant."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

COMPARISONS: Final = 20_000
"""Maximum number of comparisons for one file. A comparison takes some 50 us, so they take about a second in the worst
case: a file of 20,000 backends still gets one suggestion, and one of ordinary size gets one for every mistake."""

WORD_LIMIT: Final = 100
"""Maximum length of a word that gets a suggestion: names have at most 63 characters, and the cost is quadratic."""

CUTOFF: Final = 0.65
"""Similarity (0..1) from which a word counts as a near miss: ``wbe`` is like ``web``, but ``wxy`` is not."""


class Spelling:
    """Finds near misses, with a bound on the work for one file."""

    def __init__(self, comparisons: int = COMPARISONS) -> None:
        self._comparisons_left = comparisons

    def closest(self, word: str, candidates: Collection[str]) -> str | None:
        """Return the candidate most similar to a word, ignoring case and ``_`` for ``-``; None if none is similar."""
        if len(word) > WORD_LIMIT or len(candidates) > self._comparisons_left:
            return None
        self._comparisons_left -= len(candidates)
        folded = {_fold(candidate): candidate for candidate in candidates}
        matches = difflib.get_close_matches(_fold(word), folded, n=1, cutoff=CUTOFF)
        return folded[matches[0]] if matches else None


def _fold(word: str) -> str:
    return word.casefold().replace("_", "-")
