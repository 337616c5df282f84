"""The errors in a line; each kind has its own type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.model.errors import LocalError
from maglev.model.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maglev.commands.language.choices import Choice


class UsageError(LocalError):
    """The line is invalid.

    Attributes:
        column: Column of the first character of the word in question, counted from 0.
    """

    def __init__(self, column: int, text: str) -> None:
        super().__init__(text)
        self.column = column


class UnknownWordError(UsageError):
    """No command has this word at this position."""

    def __init__(self, column: int, word: str, suggestion: str | None = None) -> None:
        hint = f'; did you mean "{suggestion}"?' if suggestion else ""
        super().__init__(column, f'Unknown word "{printable(word)}"{hint}')


class AmbiguousWordError(UsageError):
    """The word abbreviates more than one keyword.

    Attributes:
        choices: Those keywords.
    """

    def __init__(self, column: int, word: str, choices: Sequence[Choice]) -> None:
        super().__init__(column, f'Ambiguous word "{word}": {", ".join(choice.word for choice in choices)}')
        self.choices = tuple(choices)


class IncompleteLineError(UsageError):
    """The line is only the beginning of a command.

    Attributes:
        choices: The possible continuations.
    """

    def __init__(self, column: int, choices: Sequence[Choice]) -> None:
        super().__init__(column, f"Incomplete line; next: {', '.join(choice.word for choice in choices)}")
        self.choices = tuple(choices)


class BadArgumentError(UsageError):
    """A word does not have the expected form."""
