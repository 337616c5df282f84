"""Completion and help at the cursor: TAB and ``?``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from maglev.commands.language.choices import Choice, Completion
from maglev.commands.language.nodes import Argument, Keyword
from maglev.commands.language.parse import Position, filters_of, walk, whole
from maglev.commands.language.pipes import filter_root
from maglev.commands.language.tokens import Token, folded, split
from maglev.model.caller import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maglev.commands.language.nodes import Node, TreePosition
    from maglev.interfaces import IControl

NAMES_LIMIT: Final = 200
"""Maximum number of live names offered at a time: more would fill more than a screen, and nobody reads them."""

RETURN: Final = Choice("<cr>", "Run the command")
FILTER: Final = Choice("|", "Filter the output")


@attrs.frozen
class Cursor:
    """The place of the cursor in the line; only the text before it counts.

    Attributes:
        position: Where the words before the one at the cursor lead.
        typed: The part of that word that is there already; empty between words.
        start: Its column.
        token: The word; None between words.
    """

    position: Position
    typed: str
    start: int
    token: Token | None = None

    @property
    def quoted(self) -> bool:
        """Whether the word has quotes, so that it can't be completed."""
        return self.token is not None and len(self.token.text) != self.token.end - self.token.start


@attrs.frozen
class Candidate:
    """The possible completions of a word.

    Attributes:
        choices: Words, and arguments in angle brackets.
        names: Live names.
        more: Whether there are more live names.
    """

    choices: tuple[Choice, ...]
    names: tuple[Choice, ...] = ()
    more: bool = False


def locate(line: str, cursor: int, root: TreePosition) -> Cursor:
    """Return the place of the cursor.

    Raises:
        UsageError: Something before it is wrong already.
    """
    line = line[: max(cursor, 0)]
    *before, last = split(line)
    if before:
        command = whole(root, before[0]).command
        compares = command is not None and command.compares
        root = filter_root(filters_of(before[1:], compares=compares), last.start, compares=compares)
        last = folded(last)
    words = last.words
    if words and words[-1].end == len(line):
        token = words[-1]
        return Cursor(walk(root, words[:-1]), token.text, token.start, token)
    return Cursor(walk(root, words), "", len(line))


async def offer(spot: Cursor, control: IControl) -> Candidate:
    """Return what the word at the cursor can be or become.

    Raises:
        MaglevError: Live names can't be had.
    """
    expected = spot.position.expected()
    typed = spot.typed.lower()
    keywords = [node for node in expected if isinstance(node, Keyword) and node.word.startswith(typed)]
    choices = [Choice(node.word, _help(node, control)) for node in keywords]
    names: list[str] = []
    for node in expected:
        if isinstance(node, Argument):
            choices.append(Choice(node.label, _help(node, control)))
            names = await node.type.complete(spot.typed, spot.position.arguments, control, NAMES_LIMIT + 1)
    shown = tuple(Choice(name) for name in names[:NAMES_LIMIT])
    return Candidate(tuple(choices), shown, more=len(names) > NAMES_LIMIT)


def _help(node: Node, control: IControl) -> str:
    """Return the help of a word, with a remark if the caller may not use it."""
    command = node.command
    forbidden = command is not None and command.role is Role.OPERATOR and control.caller.role is not Role.OPERATOR
    return f"{node.help} (operators only)" if forbidden else node.help


async def complete(line: str, cursor: int, root: TreePosition, control: IControl) -> Completion:
    """Return the answer to TAB.

    Raises:
        MaglevError: Something before the cursor is wrong already, or live names can't be had.
    """
    spot = locate(line, cursor, root)
    if spot.quoted:
        return Completion(spot.start)
    offered = await offer(spot, control)
    words = [choice for choice in offered.choices if not choice.word.startswith("<")]
    choices = (*words, *offered.names)
    insert = _common([choice.word for choice in choices])[len(spot.typed) :]
    if offered.more:
        # Names that are not listed may have another beginning.
        insert = ""
    elif len(choices) == 1 and not line[cursor : cursor + 1].isspace():
        insert += " "
    return Completion(spot.start, insert, choices, offered.more)


def _common(words: Sequence[str]) -> str:
    """Return the longest common prefix of the words."""
    if not words:
        return ""
    first, last = min(words), max(words)
    same = next((index for index, char in enumerate(first) if last[index] != char), len(first))
    return first[:same]


async def explain(line: str, cursor: int, root: TreePosition, control: IControl) -> Candidate:
    """Return the answer to ``?``.

    Raises:
        MaglevError: Something up to the cursor is wrong already, or live names can't be had.
    """
    spot = locate(line, cursor, root)
    offered = await offer(spot, control)
    if spot.token is not None:
        if not offered.choices:
            spot.position.step(spot.token)  # says what is wrong with it
        return offered
    return attrs.evolve(offered, choices=(*offered.choices, *_ends(spot.position)))


def _ends(position: Position) -> tuple[Choice, ...]:
    """Return the continuations of a line whose command or filter is complete."""
    if not position.complete:
        return ()
    return (RETURN,) if position.arguments.get("filter") == "count" else (FILTER, RETURN)
