"""What a healthcheck wants of an HTTP answer, whichever version of HTTP it came by: no I/O.

The status is judged first, then the headers, then the body; the first that is wrong decides.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs
import re2

from maglev.model.check_params import HttpMethod
from maglev.model.result import Code
from maglev.model.text import excerpt, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from maglev.model.config import HttpParams

Verdict = tuple[Code, str]

_NOT_FOUND: Final = 404
_FOLD: Final = re.compile(rb"\r?\n[ \t]+")
_VALUE: Final = rb"[ \t]*:((?:[^\r\n]|\r?\n[ \t])*)"  # with folded lines (RFC 9112, 5.2)


def line_pattern(name: str) -> re.Pattern[bytes]:
    """Return what finds the values of a header in a block of HTTP/1.1."""
    return re.compile(rb"\n" + re.escape(name.encode("ascii")) + _VALUE, re.IGNORECASE)


def compile_pattern(regexp: str, *, latin1: bool = False) -> re2._Regexp:
    """Return a pattern whose search takes time linear in the text, whatever the pattern.

    Args:
        regexp: The pattern.
        latin1: Whether it works on bytes, as headers are, and not on UTF-8.

    Raises:
        re2.error: The pattern is not valid.
    """
    options = re2.Options()
    options.log_errors = False  # RE2 would write to our standard error
    if latin1:
        options.encoding = re2.Options.Encoding.LATIN1
    return re2.compile(regexp.encode(), options)


@attrs.frozen(eq=False)
class ExpectedHeader:
    """A header that an answer must have. One value that fits is enough, if there are several lines of that name.

    Attributes:
        name: As configured; case does not matter.
        value: The whole value; None if there is a pattern.
        pattern: What must be found in the value; None if that is to be equal.
        key: The name in lower case, as HTTP/2 has it.
        line: Finds the values in a block of HTTP/1.1.
    """

    name: str
    value: bytes | None = None
    pattern: re2._Regexp | None = None
    key: bytes = attrs.field(init=False)
    line: re.Pattern[bytes] = attrs.field(init=False)

    @key.default
    def _lower(self) -> bytes:
        return self.name.lower().encode("ascii")

    @line.default
    def _line_of_name(self) -> re.Pattern[bytes]:
        return line_pattern(self.name)

    def objection(self, values: Sequence[bytes]) -> str:
        """Return why these values of all lines with that name will not do; empty if one of them does."""
        stripped = [_FOLD.sub(b" ", value).strip(b" \t\r\n") for value in values]
        if any(map(self._fits, stripped)):
            return ""
        if not stripped:
            return f"no header {self.name}"
        shown = excerpt(stripped[0].decode("latin-1"))
        if self.value is None:
            return printable(f'header {self.name} does not match: "{shown}"')
        return printable(f'header {self.name} is "{shown}", not "{excerpt(self.value.decode("latin-1"))}"')

    def _fits(self, value: bytes) -> bool:
        return value == self.value if self.pattern is None else self.pattern.search(value) is not None


def _expected_headers(params: HttpParams) -> tuple[ExpectedHeader, ...]:
    return (
        *(ExpectedHeader(name, value.encode("latin-1")) for name, value in params.expect_header),
        *(ExpectedHeader(name, None, compile_pattern(text, latin1=True)) for name, text in params.expect_header_regexp),
    )


@attrs.frozen
class Expectation:
    """What a healthcheck wants of an answer.

    Attributes:
        codes: Inclusive ranges of accepted status codes.
        pattern: RE2 object that must be found in the body; None accepts any body.
        forbidden: RE2 object that must not be found in it; None accepts any body.
        drains: Whether the status 404 passes, and asks for no new flows; whatever `codes` says of it.
        headers: What the answer must have.
        bodiless: Whether no answer has a body, because the request is HEAD (RFC 9110, 9.3.2).
        accepted: The status codes themselves.
        wants_body: Whether the verdict depends on the body.
    """

    codes: tuple[tuple[int, int], ...]
    pattern: re2._Regexp | None = None
    forbidden: re2._Regexp | None = None
    drains: bool = False
    headers: tuple[ExpectedHeader, ...] = ()
    bodiless: bool = False
    accepted: frozenset[int] = attrs.field(init=False)
    wants_body: bool = attrs.field(init=False)

    @accepted.default
    def _list_codes(self) -> frozenset[int]:
        return frozenset(code for low, high in self.codes for code in range(low, high + 1))

    @wants_body.default
    def _has_pattern(self) -> bool:
        return self.pattern is not None or self.forbidden is not None

    @classmethod
    def of(cls, params: HttpParams) -> Expectation:
        """Return what these parameters ask for, ready to be used many times.

        Raises:
            re2.error: The pattern is not valid.
        """
        patterns = params.response_regexp, params.response_regexp_not
        pattern, forbidden = (None if each is None else compile_pattern(each) for each in patterns)
        headers = _expected_headers(params)
        bodiless = params.method is HttpMethod.HEAD
        return cls(params.response_codes, pattern, forbidden, params.disable_on_404, headers, bodiless)

    def judge_head(self, status: int, values_of: Callable[[ExpectedHeader], Sequence[bytes]]) -> Verdict | None:
        """Return the verdict on status and headers; None if it depends on the body.

        Args:
            status: The status.
            values_of: Returns the values of all lines with the name of a header that is expected.
        """
        if status == _NOT_FOUND and self.drains:
            return Code.L7OKC, f"status {status}"
        if status not in self.accepted:
            return Code.L7STS, f"status {status}"
        for each in self.headers:
            objection = each.objection(values_of(each))
            if objection:
                return Code.L7STS, objection
        return None if self.wants_body else (Code.L7OK, f"status {status}")

    def judge_body(self, body: bytes, missing: str) -> Verdict:
        """Return the verdict on a body; ``missing`` says which part of it did not arrive, if any.

        A truncated body is judged by what did arrive, as HAProxy does.
        """
        text = _utf8(body)
        if self.pattern is not None and self.pattern.search(text) is None:
            return Code.L7RSP, f"body does not match{missing}"
        if self.forbidden is not None and self.forbidden.search(text) is not None:
            return Code.L7RSP, f"body matches response-regexp-not{missing}"
        return Code.L7OK, ""


def compression_note(encodings: Sequence[bytes]) -> str:
    """Return what to say of a body that was encoded like this, though the probe did not ask for that."""
    shown = b", ".join(each for each in encodings if each.lower() not in {b"identity", b"chunked"})
    return printable(f"; it is compressed ({shown.decode('latin-1')})") if shown else ""


def _utf8(body: bytes) -> bytes:
    """Return the body as UTF-8, in which RE2 works; each other byte counts as U+FFFD, so that ``.`` matches it."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return body.decode("utf-8", "replace").encode()
    return body
