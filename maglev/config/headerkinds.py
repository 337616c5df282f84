"""The kinds of values that are headers of HTTP: those of a request, and those that an answer must have."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

import attrs

from maglev.config.kinds import UnfitError, forbidden, not_hidden, text_of, wrong_type
from maglev.config.nodes import MapNode, Node, is_null
from maglev.model.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable

    from maglev.config.netkinds import Regexp
    from maglev.config.nodes import ScalarNode

HeaderLines = tuple[tuple[str, str], ...]

HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
"""RFC 9110, 5.1 and 5.6.2; the length is ours."""

HEADER_VALUE: Final = re.compile(r"(?:[!-~](?:[ \t!-~]*[!-~])?)?")
"""RFC 9110, 5.5, without ``obs-text``, which a new header should not have: nothing in it can end the line."""

_NOT_YOURS: Final = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "http2-settings",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers about the connection and the framing (RFC 9110, 7.6.1, 7.8 and 10.1.1; RFC 9112, 6): a wrong one makes a
healthy server fail."""


_VALUE: Final = ("text", "visible ASCII characters, spaces and tabs between them")


@attrs.frozen
class Headers:
    """Header lines of an HTTP request, as a map; the value is names and values in the order of the file.

    Attributes:
        most: Maximum number of lines.
        length: Maximum number of characters of all names and values together.
    """

    most: int
    length: int
    noun = "map of header names to values"

    @property
    def limits(self) -> str:
        """The number and the length."""
        return f"at most {self.most}, {self.length} characters in all"

    def read(self, node: Node) -> HeaderLines | None:
        """Return the lines; see `ValueKind.read`."""
        lines = _entries(self, node, _own_name, _header_value)
        length = sum(len(name) + len(value) for name, value in lines)
        if length > self.length:
            raise forbidden(node, f"must have at most {self.length} characters in all, not {length}")
        return lines or None

    def spell(self, value: HeaderLines) -> str:
        """Return the lines as a map, in JSON, which is also YAML."""
        return json.dumps(dict(value))


@attrs.frozen
class ExpectedHeaders:
    """Headers that an answer must have, as a map of names to values, or to patterns.

    Attributes:
        most: Maximum number of them.
        pattern: The kind of the patterns; None for values, which have to be equal.
    """

    most: int
    pattern: Regexp | None = None

    @property
    def noun(self) -> str:
        """What is mapped to what."""
        return f"map of header names to {'values' if self.pattern is None else 'patterns'}"

    @property
    def limits(self) -> str:
        """The number, and the form of a pattern."""
        return f"at most {self.most}" if self.pattern is None else f"at most {self.most}; {self.pattern.limits}"

    def read(self, node: Node) -> HeaderLines | None:
        """Return names and values; see `ValueKind.read`."""
        return _entries(self, node, _header_name, self._expected) or None

    def spell(self, value: HeaderLines) -> str:
        """Return them as a map, in JSON, which is also YAML."""
        return json.dumps(dict(value))

    def _expected(self, node: Node) -> str:
        if self.pattern is None:
            return _header_value(node)
        if is_null(node):
            raise wrong_type(self.pattern.noun, self.pattern.limits, node)
        pattern = self.pattern.read(node)
        if pattern is None:
            raise forbidden(node, "must not be empty: write .* for a header that may have any value")
        return pattern


def _entries(
    kind: Headers | ExpectedHeaders,
    node: Node,
    read_name: Callable[[ScalarNode], str],
    read_value: Callable[[Node], str],
) -> HeaderLines:
    """Return the names of a map, with what is read of their values.

    Raises:
        UnfitError: It is not a map, has too many entries, or some of them are invalid.
    """
    if type(node) is not MapNode:
        raise wrong_type(kind.noun, kind.limits, node)
    if len(node.entries) > kind.most:
        raise forbidden(node, f"must be at most {kind.most} headers, not {len(node.entries)}")
    lines: list[tuple[str, str]] = []
    errors: list[UnfitError] = []
    seen: dict[str, str] = {}
    for name, (key, value) in node.entries.items():
        try:
            valid = read_name(key)
            if valid.lower() in seen:
                raise forbidden(key, f"{valid} is the same header as {seen[valid.lower()]}: expected each once")
            seen[valid.lower()] = valid
            lines.append((valid, read_value(value)))
        except UnfitError as error:
            error.suffix = f".{excerpt(name)}"
            errors.append(error)
    if errors:
        errors[0].others = errors[1:]
        raise errors[0]
    return tuple(lines)


def _header_name(key: ScalarNode) -> str:
    if not HEADER_NAME.fullmatch(key.text):
        expected = "expected 1 to 128 letters, digits, '-' or others of !#$%&'*+.^_`|~"
        raise forbidden(key, f'invalid header name "{excerpt(key.text)}": {expected}')
    return key.text


def _own_name(key: ScalarNode) -> str:
    """Return the name of a header that a request may have."""
    name = _header_name(key)
    if name.lower() == "host":
        raise forbidden(key, f"{name} is not set here: set params.host")
    if name.lower() in _NOT_YOURS:
        raise forbidden(key, f"{name} is the probe's own: it says how long the request is, and closes after one answer")
    return name


def _header_value(node: Node) -> str:
    if is_null(node):
        raise wrong_type(*_VALUE, node)
    text = not_hidden(text_of(*_VALUE, node), node)
    if not HEADER_VALUE.fullmatch(text):
        raise forbidden(node, f"invalid header value: expected {_VALUE[1]}")
    return text
