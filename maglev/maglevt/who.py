"""Who answered: what an answer says of the backend that gave it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol

import attrs

from maglev.config.headerkinds import HEADER_NAME
from maglev.config.kinds import UnfitError
from maglev.config.netkinds import Regexp
from maglev.config.nodes import ScalarNode
from maglev.healthcheck.probers.expectation import compile_pattern
from maglev.model.text import printable

if TYPE_CHECKING:
    import re2

LENGTH: Final = 63
"""Characters of a name: as many as the name of a backend can have."""

CERTIFICATE: Final = "certificate"

_EMPTY_LINE: Final = re.compile(rb"\n\r{0,2}\n")
_INTERIM: Final = re.compile(rb"[\r\n]*HTTP/\d\.\d[ \t]+1(?!01)\d\d\b")


class Who(Protocol):
    """A way to learn who answered.

    Attributes:
        wants_body: Whether it takes the body of the answer.
    """

    wants_body: bool

    def name_in(self, head: bytes, body: bytes) -> str | None:
        """Return the name in an answer; None if there is none.

        Args:
            head: Status line and headers, perhaps with a part of the body.
            body: The body, up to a bound.
        """


@attrs.frozen
class WhoByHeader:
    """By a header of the answer."""

    name: str
    wants_body = False
    _line: re.Pattern[bytes] = attrs.field(init=False)

    @_line.default
    def _compile(self) -> re.Pattern[bytes]:
        return re.compile(rb"\n" + re.escape(self.name.encode()) + rb"[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)

    def name_in(self, head: bytes, body: bytes) -> str | None:  # noqa: ARG002
        """Return its value."""
        found = self._line.search(final_headers(head))
        return None if found is None else as_name(found[1])


@attrs.frozen
class WhoByBody:
    """By a regular expression on the body: its first group, or all that it matches."""

    pattern: str
    wants_body = True
    _compiled: re2._Regexp = attrs.field(init=False)

    @_compiled.default
    def _compile(self) -> re2._Regexp:
        return compile_pattern(self.pattern)

    def name_in(self, head: bytes, body: bytes) -> str | None:  # noqa: ARG002
        """Return what it finds."""
        found = self._compiled.search(body)
        if found is None:
            return None
        return as_name((found[1] if found.re.groups else found[0]) or b"")


@attrs.frozen
class WhoByCertificate:
    """By the name in the server's certificate, which the answer itself does not show."""

    wants_body = False

    def name_in(self, head: bytes, body: bytes) -> str | None:  # noqa: ARG002
        """Return None."""
        return None


def parse_who(text: str) -> Who:
    """Return the way that an option names.

    Raises:
        ValueError: It names none; the text is for a person.
    """
    kind, _, value = text.partition(":")
    if text == CERTIFICATE:
        return WhoByCertificate()
    if kind == "header" and HEADER_NAME.fullmatch(value):
        return WhoByHeader(value)
    if kind == "body" and value:
        try:
            Regexp(1024).read(ScalarNode(value, False, 1, 1))
        except UnfitError as error:
            raise ValueError(error.text) from None
        return WhoByBody(value)
    message = f'invalid "{printable(text)}": expected header:NAME, body:REGEXP or certificate'
    raise ValueError(message)


def final_headers(head: bytes) -> bytes:
    """Return the status line and headers of the answer that counts, without interim answers before it."""
    while True:
        end = _EMPTY_LINE.search(head)
        if end is None:
            return head
        if _INTERIM.match(head) is None:
            return head[: end.start()]
        head = head[end.end() :]


def as_name(outside: bytes) -> str | None:
    """Return text from outside as a name; None if nothing is left of it."""
    return printable(outside[: 2 * LENGTH]).strip()[:LENGTH] or None
