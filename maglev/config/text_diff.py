"""How the files of two configurations differ, as lines (`maglev.config.writing`), object by object."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final, NamedTuple

from maglev.config.writing import SECTIONS, TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from maglev.model.config import Config

HIDDEN_DIFFER: Final = "# only values that are not shown differ"

COMPARED: Final = 1000
"""Lines of an object that are compared as sequences, which takes some ten milliseconds; of longer ones, it is only told
which lines there are."""

CONTEXT: Final = 2
"""Lines shown before and after one that differs."""


class DiffLine(NamedTuple):
    """A line of a difference.

    Attributes:
        change: ``-`` if only the first configuration has it, ``+`` if only the second, else empty.
        text: The line; one that begins with ``@@`` names the object.
    """

    change: str
    text: str


def difference_lines(old: Config, new: Config) -> Iterator[DiffLine | None]:
    """Yield how the files of two configurations differ, object by object; None for an object that does not."""
    for title, lines in SECTIONS:
        yield from _different(title, tuple(lines(old)), tuple(lines(new)), same=True)
    for _, noun, table, write in TABLES:
        before, after = table(old), table(new)
        for name in dict.fromkeys((*before, *after)):
            was, now = before.get(name), after.get(name)
            if was == now:
                yield None
                continue
            texts = [() if each is None else tuple(write(each)) for each in (was, now)]
            yield from _different(f"{noun} {name}", *texts, same=False)


def _different(title: str, old: Sequence[str], new: Sequence[str], *, same: bool) -> Iterator[DiffLine | None]:
    """Yield how two texts of an object differ; ``same`` says whether equal ones mean that nothing does."""
    if old == new and same:
        yield None
        return
    yield DiffLine("", f"@@ {title}")
    if old == new:
        yield DiffLine("", HIDDEN_DIFFER)
    elif max(len(old), len(new)) > COMPARED:
        had, has = frozenset(old), frozenset(new)
        yield from (DiffLine("-", text) for text in old if text not in has)
        yield from (DiffLine("+", text) for text in new if text not in had)
    else:
        for text in list(difflib.unified_diff(old, new, n=CONTEXT, lineterm=""))[2:]:
            if not text.startswith("@@"):
                yield DiffLine(text[0].strip(), text[1:])
