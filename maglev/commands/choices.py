"""The answers to TAB and to ``?``: the possible continuations of a line."""

from __future__ import annotations

import attrs


@attrs.frozen
class Choice:
    """One possible continuation.

    Attributes:
        word: A word that can be typed, or a description in angle brackets such as ``<name>`` or ``<cr>``.
        help: What it is; empty for a live name.
    """

    word: str
    help: str = ""


@attrs.frozen
class Completion:
    """The answer to TAB.

    Attributes:
        start: Column of the line at which the word being typed begins.
        insert: What to put in at the cursor: the rest of what all choices have in common, and a space after a word that
            is finished; empty when there is nothing to add.
        choices: What the word can become, to be listed when there is nothing to insert.
        more: Whether there are more choices than these.
    """

    start: int
    insert: str = ""
    choices: tuple[Choice, ...] = ()
    more: bool = False
