"""Which name of a line is unknown, and which one was perhaps meant."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from maglev.commands.language.faults import UsageError
from maglev.model.errors import MaglevError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maglev.commands.language.parse import TypedName
    from maglev.interfaces import IControl

ASKED: Final = 1000
"""Names that are asked for, first those that begin as the unknown one does."""

COMPARED: Final = 30
"""Names that are compared letter by letter, which takes some 50 us each: those with the most in common at the start."""

CUTOFF: Final = 0.65
"""Similarity (0..1) from which a name counts as a near miss."""


class UnknownNameError(UsageError):
    """Nothing has this name."""

    def __init__(self, column: int, text: str, suggestion: str | None = None) -> None:
        super().__init__(column, text + (f'; did you mean "{suggestion}"?' if suggestion else ""))


async def unknown_name(names: Sequence[TypedName], control: IControl, text: str) -> UnknownNameError | None:
    """Return which of some names is unknown, with what control said; None if all are known, or nothing can be told.

    Args:
        names: The names of a line.
        control: Knows the names.
        text: What it said.
    """
    try:
        for name in names:
            word = str(name.type.parse(name.token.text))
            if word not in await name.type.complete(word, name.before, control, ASKED):
                found = await name.type.complete(word[:1], name.before, control, ASKED)
                found = found or await name.type.complete("", name.before, control, ASKED)
                return UnknownNameError(name.token.start, text, _near(word, found))
    except MaglevError:
        pass  # what went wrong first is told
    return None


def _near(word: str, names: Sequence[str]) -> str | None:
    likely = sorted(names, key=lambda name: -_common(word, name))[:COMPARED]
    near = difflib.get_close_matches(word, likely, n=1, cutoff=CUTOFF)
    return near[0] if near else None


def _common(first: str, second: str) -> int:
    """Return how many characters two words begin with in common."""
    return next(
        (index for index, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1]), len(first)
    )
