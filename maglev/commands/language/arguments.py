"""The types of arguments: how a word is parsed and completed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs

from maglev.model.addresses import canonical, is_address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maglev.interfaces import IControl

Value = str | int
"""The value of a word for a command."""

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
"""The form of every name in the configuration."""


class ArgumentType(Protocol):
    """The type of an argument."""

    @property
    def label(self) -> str:
        """How its values are described in help; empty for the name of the argument."""

    def parse(self, word: str) -> Value:
        """Return the value of a word.

        Raises:
            ValueError: It is not of this type; the text says what is expected.
        """

    async def complete(self, prefix: str, arguments: Mapping[str, Value], control: IControl, limit: int) -> list[str]:
        """Return words that begin with ``prefix``, given the arguments before; no more than ``limit`` are asked for."""


@attrs.frozen
class LiveName:
    """The name of an object of the configuration.

    Attributes:
        kind: The kind, as for `IControl.names`.
        within: Names of the arguments that say what contains it, such as the frontend of a pool.
    """

    kind: str
    within: tuple[str, ...] = ()
    label: str = "name"

    def parse(self, word: str) -> Value:
        """Return the name; only control knows whether such an object exists."""
        if NAME.fullmatch(word) is None:
            raise ValueError("Invalid name: expected 1 to 63 letters, digits, '.', '_' or '-'")
        return word

    async def complete(self, prefix: str, arguments: Mapping[str, Value], control: IControl, limit: int) -> list[str]:
        """Ask for the names of live objects."""
        within = "/".join(str(arguments[name]) for name in self.within)
        names: list[str] = await control.names(self.kind, prefix, within, limit)
        # The peer may run another version: a name without the requested prefix would garble the line.
        return [name for name in names if name.startswith(prefix) and NAME.fullmatch(name)]


@attrs.frozen
class LiveAddress:
    """The address of a host that has backends, or one that is announced.

    Attributes:
        kind: Which addresses are offered, as for `IControl.names`.
    """

    kind: str = "announced"
    label: str = "address"

    def parse(self, word: str) -> Value:
        """Return the address in its usual form; only control knows whether there is something there."""
        if not is_address(word):
            raise ValueError("Invalid address: expected a literal IP address")
        return canonical(word)

    async def complete(self, prefix: str, _: Mapping[str, Value], control: IControl, limit: int) -> list[str]:
        """Ask for the addresses."""
        names: list[str] = await control.names(self.kind, prefix, "", limit)
        return [name for name in names if name.startswith(prefix) and is_address(name)]


class _Typed:
    """An argument without completion."""

    async def complete(self, *_: Any) -> list[str]:
        """Return nothing."""
        return []


@attrs.frozen
class Number(_Typed):
    """A whole number.

    Attributes:
        low: The smallest.
        high: The largest.
    """

    low: int
    high: int

    @property
    def label(self) -> str:
        """The range."""
        return f"{self.low}-{self.high}"

    def parse(self, word: str) -> Value:
        """Return the number."""
        # Leading zeros, or more digits than the bound has, are a mistake.
        if word.isascii() and word.isdigit() and len(word) <= len(str(self.high)):
            value = int(word)
            if self.low <= value <= self.high:
                return value
        raise ValueError(f"Expected a whole number from {self.low} to {self.high}")


_TERMS: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_SPAN: Final = re.compile("".join(f"(?:([0-9]{{1,8}}){unit})?" for unit, _ in _TERMS))


@attrs.frozen
class TimeSpan(_Typed):
    """A time in whole seconds, with units: ``90s``, ``2h``, ``1d12h``.

    Attributes:
        high: The longest, in seconds.
    """

    high: int
    label: str = "duration"

    def parse(self, word: str) -> Value:
        """Return seconds."""
        match = _SPAN.fullmatch(word.lower())
        terms = match.groups(default="0") if word and match else ("0",)
        value = sum(int(term) * seconds for term, (_, seconds) in zip(terms, _TERMS, strict=False))
        if 1 <= value <= self.high:
            return value
        raise ValueError(f"Expected a duration from 1s to {self.high // 86400}d, such as 90s, 30m, 2h or 1d12h")


@attrs.frozen
class Sentence(_Typed):
    """A text on one line, in quotes if it has several words.

    Attributes:
        high: Maximum number of characters.
    """

    high: int
    label: str = "text"

    def parse(self, word: str) -> Value:
        """Return the text."""
        if word.strip() and word.isprintable() and len(word) <= self.high:
            return word
        raise ValueError(f"Expected a text of 1 to {self.high} printable characters, in quotes")


@attrs.frozen
class Expression(_Typed):
    """A regular expression, up to the end of the filter."""

    label: str = "regex"

    def parse(self, word: str) -> Value:
        """Return the expression; it is checked when it is compiled."""
        return word
