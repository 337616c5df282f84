"""Matches a line to the command tree.

Theory of operation. A `Position` is a place in a walk through the tree; each word takes it one step on, or raises the
`UsageError` child that describes the error. A word matches a keyword that it is a unique prefix of or equals; case does
not matter, as on a router. Where an argument may come, its type parses the word. Names of objects can't be abbreviated:
a script that says ``set backend www1 disable`` must not hit ``www10`` on the day on which ``www1`` is gone.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

import attrs

from maglev.commands.language.arguments import LiveAddress, LiveName
from maglev.commands.language.choices import Choice
from maglev.commands.language.faults import (
    AmbiguousWordError,
    BadArgumentError,
    IncompleteLineError,
    UnknownWordError,
    UsageError,
)
from maglev.commands.language.filters import Filters
from maglev.commands.language.nodes import Argument, Command, Keyword, Node, TreePosition
from maglev.commands.language.pipes import DIFF, FILTERS, filter_root
from maglev.commands.language.tokens import BLANKS, folded, split

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maglev.commands.language.arguments import ArgumentType, Value
    from maglev.commands.language.tokens import PipeSegment, Token

FILTER_LIMIT: Final = 8
"""Maximum number of filters of a line: each is a search in every line of output."""

COMMENTS: Final = frozenset({"", "!", "#"})
"""First characters of lines that do nothing: comments, and the empty line, which has none."""

CUTOFF: Final = 0.65
"""Similarity (0..1) from which a word counts as a near miss: ``fontends`` is like ``frontends``."""


@attrs.frozen
class TypedName:
    """A name of something that may or may not exist.

    Attributes:
        token: The word.
        type: What it should be a name of.
        before: The values of the arguments before it, by name.
    """

    token: Token
    type: ArgumentType
    before: Mapping[str, Value]


@attrs.frozen
class Position:
    """A place in a walk through the tree.

    Attributes:
        node: What the last word was.
        command: What the line does so far, if it may end here.
        options: Those that may still come, of the command that the walk is in.
        arguments: Values on the way, by name.
        names: The names among them, as they were typed.
    """

    node: TreePosition
    command: Command | None = None
    options: tuple[Keyword, ...] = ()
    arguments: Mapping[str, Value] = attrs.field(factory=dict)
    names: tuple[TypedName, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether the line may end here."""
        return self.node.command is not None or self.node.ends

    def expected(self) -> tuple[Node, ...]:
        """Return what may come next."""
        return (*self.node.children, *(self.options if self.complete else ()))

    def choices(self) -> tuple[Choice, ...]:
        """Return what may come next, for a person."""
        return tuple(Choice(node.label, node.help) for node in self.expected())

    def step(self, token: Token) -> Position:
        """Return the position after one more word.

        Raises:
            UsageError: The word can't come here.
        """
        node = self._find(token)
        after = self._after(node, _bound(node, token))
        if isinstance(node, Argument) and isinstance(node.type, LiveName | LiveAddress):
            return attrs.evolve(after, names=(*self.names, TypedName(token, node.type, self.arguments)))
        return after

    def _find(self, token: Token) -> Node:
        expected = self.expected()
        named = any(isinstance(node, Argument) for node in expected)
        found = [node for node in expected if isinstance(node, Keyword) and _begins(node.word, token.text, named)]
        for node in found:
            if len(found) == 1 or node.word == token.text.lower():
                return node
        if found:
            raise AmbiguousWordError(token.start, token.text, [Choice(node.word, node.help) for node in found])
        for argument in expected:
            if isinstance(argument, Argument):
                return argument
        if not expected:
            raise UnknownWordError(token.start, token.text)
        words = [node.label for node in expected]
        near = difflib.get_close_matches(token.text[:64].lower(), words, n=1, cutoff=CUTOFF)
        raise UnknownWordError(token.start, token.text, near[0] if near else None)

    def _after(self, node: Node, bound: Mapping[str, Value]) -> Position:
        if any(node is option for option in self.options):
            left = tuple(option for option in self.options if option is not node)
        else:
            left = node.options or self.options
        return Position(node, node.command or self.command, left, {**self.arguments, **bound}, self.names)


def _begins(word: str, typed: str, whole: bool) -> bool:  # noqa: FBT001
    """Return whether a word is meant; where a name may come instead, only if it is typed as a whole."""
    return word == typed.lower() if whole else bool(typed) and word.startswith(typed.lower())


def _bound(node: Node, token: Token) -> Mapping[str, Value]:
    """Return what the word adds to the arguments."""
    if isinstance(node, Keyword):
        return {} if node.binds is None else dict([node.binds])
    if not token.closed:
        raise BadArgumentError(token.start, "Unclosed quote")
    try:
        return {node.name: node.type.parse(token.text)}
    except ValueError as error:
        raise BadArgumentError(token.start, str(error)) from None


def walk(root: TreePosition, words: Sequence[Token]) -> Position:
    """Return the position after some words.

    Raises:
        UsageError: One of them can't come where it is.
    """
    position = Position(root)
    for word in words:
        position = position.step(word)
    return position


@attrs.frozen
class ParsedLine:
    """A complete line.

    Attributes:
        command: What it does.
        arguments: The values on the way to it, by name.
        filters: What happens to its output.
        names: The names in it, in their order.
    """

    command: Command
    arguments: Mapping[str, Value]
    filters: Filters
    names: tuple[TypedName, ...] = ()


def parse(line: str, root: TreePosition) -> ParsedLine | None:
    """Return what a line means; None for an empty line and for a comment, which begins with ``!`` or ``#``.

    Raises:
        UsageError: It is invalid.
    """
    if line.strip(BLANKS)[:1] in COMMENTS:
        return None
    segments = split(line)
    position = whole(root, segments[0])
    # A test of the tree ensures that every complete line has a command.
    assert position.command is not None  # noqa: S101
    filters = filters_of(segments[1:], compares=position.command.compares)
    return ParsedLine(position.command, position.arguments, filters, position.names)


def whole(root: TreePosition, segment: PipeSegment) -> Position:
    """Return the position at the end of a whole command or filter.

    Raises:
        UsageError: It is invalid or incomplete.
    """
    position = walk(root, segment.words)
    if not position.complete:
        raise IncompleteLineError(segment.end, position.choices())
    return position


def filters_of(segments: Sequence[PipeSegment], *, compares: bool) -> Filters:
    """Return what the filters of a line do; ``compares`` says whether its command can be compared with the file.

    Raises:
        UsageError: One of them is invalid, or not allowed at its place.
    """
    if len(segments) > FILTER_LIMIT:
        raise UsageError(segments[FILTER_LIMIT].start, f"Too many filters: at most {FILTER_LIMIT}")
    filters = Filters()
    for segment in segments:
        filters = _with_filter(filters, folded(segment), compares=compares)
    return filters


def _with_filter(filters: Filters, segment: PipeSegment, *, compares: bool) -> Filters:
    root = filter_root(filters, segment.start, compares=compares)
    try:
        position = whole(root, segment)
    except UnknownWordError:
        elsewhere = whole(FILTERS, segment)  # is it known elsewhere?
        text = "json must be the first filter"
        if elsewhere.node is DIFF:
            text = "diff must be the first filter" if compares else "diff compares show configuration only"
        raise UsageError(segment.words[0].start, text) from None
    return filters.with_filter(position.arguments, segment.words[-1].start)
