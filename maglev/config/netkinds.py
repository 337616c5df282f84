"""The kinds of values that networks and HTTP have: addresses, hosts, status codes, patterns for a body."""

from __future__ import annotations

import re
from typing import Final

import attrs
import re2

from maglev.config.kinds import UnfitError, forbidden, shown, text_of, wrong_type
from maglev.config.nodes import ListNode, Node, is_null
from maglev.model import addresses
from maglev.model.text import excerpt, printable


@attrs.frozen
class Address:
    """A literal IP address that stands for one machine; the value is its canonical text.

    Attributes:
        family: 4 or 6 if only that one is accepted.
        loopback: The families whose loopback addresses are accepted.
        instead: The key for a DNS name; empty if there is none.
    """

    family: addresses.Family | None = None
    loopback: tuple[addresses.Family, ...] = ()
    instead: str = ""
    limits = "literal, of one machine on any link"

    @property
    def noun(self) -> str:
        """With the family, if it matters."""
        return f"IPv{self.family} address" if self.family else "IP address"

    def read(self, node: Node) -> str | None:
        """Return the canonical text; see `Kind.read`."""
        text = text_of(self.noun, self.limits, node)
        if not text:
            return None
        try:
            address = addresses.canonical(text)
        except ValueError:
            raise forbidden(node, self._no_address(text)) from None
        if self.family and addresses.family(address) != self.family:
            raise forbidden(node, f"must be an {self.noun}, not {shown(node)}")
        reason = addresses.misfit(address)
        if reason and (reason != addresses.LOOPBACK or addresses.family(address) not in self.loopback):
            expected = "" if ": write " in reason else "; expected the address of one machine, on any link"
            raise forbidden(node, f"{shown(node)} is {reason}{expected}")
        return address

    def spell(self, value: str) -> str:
        """Return it unchanged."""
        return value

    def _no_address(self, text: str) -> str:
        expected = "expected a literal address"
        expected += f"; a DNS name is written {self.instead}" if self.instead else ", names are not resolved"
        for mark, excess in (("/", "prefix length"), ("%", "zone")):
            expected = f"expected an address without a {excess}" if mark in text else expected
        return f'invalid {self.noun} "{excerpt(text)}": {expected}'


@attrs.frozen
class Host:
    """A host name, or a literal IP address.

    Attributes:
        header: Whether it is written as in the Host header: a port may follow, an IPv6 address is in brackets.
    """

    header: bool = False
    noun = "host"

    @property
    def limits(self) -> str:
        """The form."""
        form = f"a name of at most {_NAME_LENGTH} characters or an IP address"
        return f"{form}, optionally with a port, :1..65535" if self.header else form

    @property
    def pattern(self) -> re.Pattern[str]:
        """A necessary condition, not a sufficient one."""
        return _HEADER if self.header else _BARE

    def read(self, node: Node) -> str | None:
        """Return the text as it is, or None for an empty one; see `Kind.read`."""
        text = text_of(self.noun, self.limits, node)
        if not text:
            return None
        if not _is_host(self.pattern.fullmatch(text)):
            hint = "; IPv6 addresses need brackets" if self.header and text.count(":") > 1 else ""
            raise forbidden(node, f'invalid {self.noun} "{excerpt(text)}": expected {self.limits}{hint}')
        return text

    def spell(self, value: str) -> str:
        """Return it unchanged."""
        return value


_NAME: Final = r"(?P<name>[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?)"
_BARE: Final = re.compile(rf"(?:{_NAME}|(?P<v6>[0-9A-Fa-f:.]{{2,45}}))(?P<port>)")
_HEADER: Final = re.compile(rf"(?:{_NAME}|\[(?P<v6>[0-9A-Fa-f:.]{{2,45}})\])(?::(?P<port>[0-9]{{1,5}}))?")
"""RFC 9110, 7.2: uri-host [":" port], with the characters that names really have: nothing can end the header."""

_NAME_LENGTH: Final = 253
"""RFC 1035, 2.3.4: 255 octets on the wire."""


def _is_host(match: re.Match[str] | None) -> bool:
    """Return whether the parts of a text in the form of a host are valid."""
    if not match or len(match["name"] or "") > _NAME_LENGTH or not 1 <= int(match["port"] or 1) <= 65535:
        return False
    try:
        return match["v6"] is None or addresses.family(addresses.canonical(match["v6"])) == 6
    except ValueError:
        return False


def name_of_host(host: str) -> str:
    """Return the name or address in a valid Host header, without port and brackets.

    An address is returned as it is: the certificate must then be valid for it, even if another address is probed.
    """
    if host.startswith("["):
        return addresses.canonical(host[1:].partition("]")[0])
    return host.partition(":")[0]


MAX_PROGRAM: Final = 8000
"""Instructions of a compiled pattern. Up to here RE2 searches 64 KiB within some milliseconds; at 26,000 its automaton
no longer fits its memory, and a search takes two seconds, during which every probe would wait."""


@attrs.frozen
class Regexp:
    """A pattern of RE2; the value is its text.

    Attributes:
        length: Maximum number of characters.
    """

    length: int
    noun = "regular expression"

    @property
    def limits(self) -> str:
        """The language and the length."""
        return f"RE2, at most {self.length} characters"

    def read(self, node: Node) -> str | None:
        """Return the pattern, or None for an empty one; see `Kind.read`."""
        text = text_of(self.noun, self.limits, node)
        if len(text) > self.length:
            raise forbidden(node, f'must have at most {self.length} characters, not {len(text)}: "{excerpt(text)}"')
        options = re2.Options()
        options.log_errors = False  # else RE2 writes to standard error by itself
        try:
            size = re2.compile(text, options).programsize
        except (re2.error, UnicodeEncodeError) as error:
            reason = error.args[0]
            why = printable(reason) if isinstance(reason, bytes) else "not valid Unicode"
            raise forbidden(node, f'invalid {self.noun} "{excerpt(text)}": {why} (expected {self.limits})') from None
        if size > MAX_PROGRAM:
            complexity = f"compiles to {size} instructions, at most {MAX_PROGRAM} are allowed"
            raise forbidden(node, f'{self.noun} "{excerpt(text)}" is too complex: {complexity}')
        return text or None

    def spell(self, value: str) -> str:
        """Return it unchanged."""
        return value


StatusRanges = tuple[tuple[int, int], ...]


@attrs.frozen
class StatusCodes:
    """HTTP status codes: one, a range, or a list of those; the value is inclusive ranges.

    Attributes:
        most: Maximum length of a list.
    """

    most: int
    noun = "status code, range or list"
    limits = "100..599"

    def read(self, node: Node) -> StatusRanges | None:
        """Return the ranges; see `Kind.read`."""
        if type(node) is not ListNode:
            text = text_of(self.noun, self.limits, node)
            return (self._range(text, node),) if text else None
        if not 1 <= len(node.items) <= self.most:
            raise forbidden(node, f"must be 1..{self.most} codes or ranges, not {len(node.items)}")
        ranges: list[tuple[int, int]] = []
        errors: list[UnfitError] = []
        for index, item in enumerate(node.items):
            try:
                ranges.append(self._range(text_of("status code or range", self.limits, item), item))
            except UnfitError as error:
                error.suffix = f"[{index}]"
                errors.append(error)
        if errors:
            errors[0].others = errors[1:]
            raise errors[0]
        return tuple(ranges)

    def spell(self, value: StatusRanges) -> str:
        """Return a single code or range as it is, several as a list."""
        words = [str(low) if low == high else f"{low}-{high}" for low, high in value]
        return words[0] if len(words) == 1 else f"[{', '.join(words)}]"

    def _range(self, text: str, node: Node) -> tuple[int, int]:
        match = _CODES.fullmatch(text)
        low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 100 <= low <= high <= 599:
            expected = f"expected a code (200) or range (200-299) within {self.limits}"
            raise forbidden(node, f'invalid status code "{excerpt(text)}": {expected}')
        return low, high


_CODES: Final = re.compile(r"([0-9]{3})(?: ?- ?([0-9]{3}))?")
"""RFC 9110, 15: three digits, and the classes 1xx to 5xx."""


ARGUMENT: Final = re.compile(r"[^\x00-\x1f\x7f]+")
"""What an argument of a command may be: nothing that a log or a shell would show as something else."""


@attrs.frozen
class ProgramArguments:
    """A program and its arguments, as a list, run without a shell.

    Attributes:
        most: Maximum number of arguments, the program included.
        length: Maximum characters of each.
    """

    most: int
    length: int
    noun = "list"

    @property
    def limits(self) -> str:
        """The form."""
        return f"the path of a program and its arguments, at most {self.most} of {self.length} characters"

    def read(self, node: Node) -> tuple[str, ...] | None:
        """Return the words; see `ValueKind.read`."""
        if type(node) is not ListNode:
            if is_null(node):
                return None
            raise wrong_type(self.noun, self.limits, node, ": write [/path, argument]")
        if len(node.items) > self.most:
            raise forbidden(node, f"must be a list ({self.limits}), not of {len(node.items)}")
        words = tuple(text_of("argument", self.limits, item) for item in node.items)
        if not words or not words[0].startswith("/"):
            raise forbidden(node, f"must be a list ({self.limits}), which starts with '/'")
        for word, item in zip(words, node.items, strict=True):
            if len(word) > self.length or not ARGUMENT.fullmatch(word):
                text = f"expected 1 to {self.length} characters without control characters, not {excerpt(word)!r}"
                raise forbidden(item, text)
        return words

    def spell(self, value: tuple[str, ...]) -> str:
        """Return the words with spaces between."""
        return " ".join(value)
