"""The kinds of values of keys: their names and limits, and how to read a node as one.

The kinds for networks and HTTP are in `maglev.config.netkinds`.

A kind is immutable data, so that the reference manual, the man page and the JSON schema can be generated from the same
table (`maglev.config.schema`) that the reader follows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs

from maglev.config import durations
from maglev.config.nodes import Node, ScalarNode, describe
from maglev.model.problem import ProblemKind
from maglev.model.text import excerpt

if TYPE_CHECKING:
    import enum
    from collections.abc import Callable, Sequence

_INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9](?:_?[0-9])*)")
"""Decimal integers, with ``_`` between digits as YAML allows. Other bases and leading zeros are refused: YAML 1.1 and
1.2 disagree about the meaning of 010."""

_DECIMAL: Final = "decimal integer"
"""What an error says that an integer must be."""

_LONGEST_INTEGER: Final = 40
"""Characters of the longest integer that is converted: with a ``_`` before every digit, one of 20 digits, which is
beyond every limit. Conversion takes a time quadratic in the digits, and Python refuses more than 4300."""


PERCENTAGE: Final = r"(0|[1-9][0-9]{0,2})(\.[0-9]{1,2})?%"
_PERCENTAGE: Final = re.compile(PERCENTAGE)


def _spellings(*words: str) -> frozenset[str]:
    return frozenset(form(word) for word in words for form in (str, str.title, str.upper))


TRUE: Final = _spellings("true", "yes", "on", "y")
FALSE: Final = _spellings("false", "no", "off", "n")
"""The booleans of YAML 1.1, which ``yaml.v3`` accepts too."""


class UnfitError(Exception):
    """A node is not of the kind that its key requires.

    Attributes:
        kind: PARSE for a wrong type, SEMANTIC for a value that a rule forbids.
        text: What is wrong, for a person.
        node: The node to point at.
        suffix: Text to append to the path of the key: an index such as ``[1]``, or empty.
        candidates: The accepted words.
        others: Further errors in the value.
    """

    def __init__(
        self,
        kind: ProblemKind,
        text: str,
        node: Node,
        *,
        suffix: str = "",
        candidates: Sequence[str] = (),
        others: Sequence[UnfitError] = (),
    ) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text
        self.node = node
        self.suffix = suffix
        self.candidates = candidates
        self.others = others


class ValueKind(Protocol):
    """The interface of all kinds of single values."""

    @property
    def noun(self) -> str:
        """Its name, such as ``duration``."""

    @property
    def limits(self) -> str:
        """The allowed values, such as ``1..65535``."""

    def read(self, node: Node) -> Any:
        """Return the value of a node; None means that the key counts as absent.

        Raises:
            UnfitError: The node is not of this kind.
        """

    def spell(self, value: Any) -> str:
        """Return the text of a value as it is written in the file."""


def shown(node: Node) -> str:
    """Return a value as it is written, clipped; of a list or map only what it is.

    Text is in quotes if it is in the file, is empty, or has spaces.
    """
    if type(node) is not ScalarNode:
        return describe(node)
    bare = node.plain and node.text and not re.search(r"\s", node.text)
    return excerpt(node.text) if bare else f'"{excerpt(node.text)}"'


def wrong_type(noun: str, limits: str, node: Node, hint: str = "") -> UnfitError:
    """Return the error for a node of a wrong type."""
    article = "an" if noun[0] in "aeioI" else "a"
    return UnfitError(ProblemKind.PARSE, f"must be {article} {noun} ({limits}), not {shown(node)}{hint}", node)


def forbidden(node: Node, text: str) -> UnfitError:
    """Return the error for a value that a rule forbids."""
    return UnfitError(ProblemKind.SEMANTIC, text, node)


def text_of(noun: str, limits: str, node: Node) -> str:
    """Return the text of a single value; as in Go, ``80`` and ``true`` are text too where text is expected.

    Raises:
        UnfitError: The node is a list or a map.
    """
    if type(node) is not ScalarNode:
        raise wrong_type(noun, limits, node)
    return node.text


HIDDEN: Final = "(not shown)"
"""Stands in a listing of the running configuration for a value that may be secret."""


def not_hidden(text: str, node: Node) -> str:
    """Return a text that may be secret, unless it is what a listing has in its place.

    Raises:
        UnfitError: It is: a listing that was saved as a file would have those words sent instead of the secret.
    """
    if text == HIDDEN:
        raise forbidden(node, f'"{HIDDEN}" stands in a listing for a secret value: write the value itself')
    return text


def _plain_text(noun: str, limits: str, node: Node, accepted: Callable[[str], object]) -> str:
    """Return the text of a value that must not be in quotes; `accepted` says whether its form is right."""
    text = text_of(noun, limits, node)
    if not accepted(text):
        raise wrong_type(noun, limits, node)
    if not node.plain:  # type: ignore[union-attr]  # text_of returns for a ScalarNode only
        raise wrong_type(noun, limits, node, ", which is text: remove the quotes")
    return text


@attrs.frozen
class Integer:
    """A whole number, in decimal.

    Attributes:
        word: A word that may stand instead of a number; empty for none. It is the value then.
    """

    minimum: int
    maximum: int
    power_of_two: bool = False
    word: str = ""
    noun = "integer"

    @property
    def limits(self) -> str:
        """The range."""
        word = f", or {self.word}" if self.word else ""
        return f"{'a power of two, ' if self.power_of_two else ''}{self.minimum}..{self.maximum}{word}"

    def read(self, node: Node) -> int | str:
        """Return the number or the word; see `ValueKind.read`."""
        if self.word and text_of(self.noun, self.limits, node) == self.word:
            return self.word
        text = _plain_text(_DECIMAL, self.limits, node, _INTEGER.fullmatch)
        value = int(text) if len(text) <= _LONGEST_INTEGER else None
        if value is None or not self._allows(value):
            raise forbidden(node, f"must be {self.limits}, not {shown(node)}")
        return value

    def _allows(self, value: int) -> bool:
        return self.minimum <= value <= self.maximum and not (self.power_of_two and value.bit_count() != 1)

    def spell(self, value: int | str) -> str:
        """Return the digits, or the word."""
        return str(value)


@attrs.frozen
class Boolean:
    """True or false, in any spelling of YAML 1.1, as ``yaml.v3`` accepts for a boolean field."""

    noun = "boolean"
    limits = "true or false"

    def read(self, node: Node) -> bool:
        """Return the boolean; see `ValueKind.read`."""
        return _plain_text(self.noun, self.limits, node, (TRUE | FALSE).__contains__) in TRUE

    def spell(self, value: bool) -> str:  # noqa: FBT001  # the value is the point here
        """Return the word."""
        return "true" if value else "false"


@attrs.frozen
class Duration:
    """A time span with a unit; the value is in float seconds.

    Attributes:
        above_zero: Whether the minimum, 0, is itself excluded.
        whole: Whether it must be in whole seconds.
    """

    minimum: float
    maximum: float
    above_zero: bool = False
    whole: bool = False
    noun = "duration"

    @property
    def limits(self) -> str:
        """The range."""
        low = "more than 0s, at most " if self.above_zero else f"{durations.spell(self.minimum)}.."
        return f"{'whole seconds, ' if self.whole else ''}{low}{durations.spell(self.maximum)}"

    def read(self, node: Node) -> float:
        """Return the seconds; see `ValueKind.read`."""
        text = text_of(self.noun, self.limits, node)
        try:
            value = durations.parse(text)
        except ValueError as error:
            raise UnfitError(ProblemKind.PARSE, f"{error}; must be {self.limits}", node) from None
        low = value <= 0.0 if self.above_zero else value < self.minimum
        if low or value > self.maximum or (self.whole and value != int(value)):
            raise forbidden(node, f"must be {self.limits}, not {shown(node)}")
        return value

    def spell(self, value: float) -> str:
        """Return it with units."""
        return durations.spell(value)


@attrs.frozen
class Percentage:
    """A part of something, with a percent sign and at most two decimals; the value is in percent."""

    maximum: int
    noun = "percentage"

    @property
    def limits(self) -> str:
        """The range."""
        return f"0%..{self.maximum}%"

    def read(self, node: Node) -> float:
        """Return the percent; see `ValueKind.read`."""
        text = text_of(self.noun, self.limits, node)
        if not _PERCENTAGE.fullmatch(text):
            raise wrong_type(self.noun, f"{self.limits}, such as 2% or 0.5%", node)
        value = float(text[:-1])
        if value > self.maximum:
            raise forbidden(node, f"must be {self.limits}, not {shown(node)}")
        return value

    def spell(self, value: float) -> str:
        """Return it with the sign."""
        return f"{value:g}%"


@attrs.frozen
class OneOf:
    """One of a few words; the value is the member of the enumeration."""

    words: type[enum.StrEnum]
    noun = "word"

    @property
    def limits(self) -> str:
        """The words."""
        *most, last = self.words
        return f"{', '.join(most)} or {last}"

    def read(self, node: Node) -> enum.StrEnum | None:
        """Return the member; see `ValueKind.read`."""
        text = text_of(self.noun, self.limits, node)
        if not text:
            return None
        words = tuple(word.value for word in self.words)
        if text not in words:
            message = f"must be {self.limits}, not {shown(node)}"
            raise UnfitError(ProblemKind.SEMANTIC, message, node, candidates=words)
        return self.words(text)

    def spell(self, value: enum.StrEnum) -> str:
        """Return the word."""
        return str(value)


@attrs.frozen
class TextRule:
    """A pattern that a text must match.

    Attributes:
        pattern: Pattern for the whole text.
        text: Error message if it does not match, without the text itself.
    """

    pattern: re.Pattern[str]
    text: str


@attrs.frozen
class TextKind:
    """A text that obeys rules. An empty text counts as an absent key.

    Attributes:
        length: Maximum number of characters.
        rules: The rules, in the order in which they are checked.
        prose: Whether line breaks and runs of spaces are folded to one space: for text that people read.
    """

    length: int
    rules: tuple[TextRule, ...]
    noun: str = "string"
    prose: bool = False

    @property
    def limits(self) -> str:
        """The length; the rules are too long for a table."""
        return f"at most {self.length} characters"

    def read(self, node: Node) -> str | None:
        """Return the text, or None for an empty one; see `ValueKind.read`."""
        text = text_of(self.noun, self.limits, node)
        text = " ".join(text.split()) if self.prose else text
        if len(text) > self.length:
            raise forbidden(node, f'must have {self.limits}, not {len(text)}: "{excerpt(text)}"')
        for rule in self.rules if text else ():
            if not rule.pattern.fullmatch(text):
                raise forbidden(node, f"{shown(node)}: {rule.text}")
        return text or None

    def spell(self, value: str) -> str:
        """Return it unchanged."""
        return value


@attrs.frozen
class Reference:
    """The name of an object defined in another section; its existence is checked after the whole file is read.

    Attributes:
        section: The section under ``maglev``, such as ``healthchecks``.
        noun: The kind of object.
    """

    section: str
    noun: str

    @property
    def limits(self) -> str:
        """The section in which it must be defined."""
        return f"a name under maglev.{self.section}"

    def read(self, node: Node) -> str | None:
        """Return the name, or None for an empty one; see `ValueKind.read`."""
        return text_of(self.noun, self.limits, node) or None

    def spell(self, value: str) -> str:
        """Return it unchanged."""
        return value
