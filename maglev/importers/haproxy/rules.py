"""What HAProxy's sections say of checks: ``option httpchk``, ``http-check``, ``tcp-check``, ``timeout check``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs
import re2

from maglev.config.healthcheck_keys import EXPECTED_HEADERS
from maglev.config.probekinds import SEND_LENGTH
from maglev.importers.draft.model import Note
from maglev.importers.draft.values import fits, header_fits
from maglev.importers.haproxy.address import is_port
from maglev.importers.haproxy.headers import HEADER_KINDS, header_of
from maglev.importers.haproxy.talk import PRESETS, step_of
from maglev.importers.haproxy.words import is_known
from maglev.model.check_params import HttpMethod, TalkParams
from maglev.model.config import HttpParams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maglev.model.check_params import ProbeStep

ALL_CODES: Final = ((100, 599),)
GOOD_CODES: Final = ((200, 399),)
"""Status codes that ``option httpchk`` accepts without ``http-check expect``."""

MOST_STEPS: Final = 32
"""Steps of a healthcheck."""

_HEADER: Final = re.compile(r"\r?\n([^\r\n:]+):[ \t]*([^\r\n]*)")
_METHODS: Final = frozenset(each.value for each in HttpMethod)
_FORMAT: Final = "%["


@attrs.define
class CheckRules:
    """How a section checks its servers.

    Attributes:
        option: ``httpchk``, ``tcp-check``, ``ssl-hello-chk``, or empty for a plain connection.
        method: Method of the request.
        connect_timeout: Seconds, like ``check_timeout``.
        port: Port for all servers; None to check each server's own.
        tls: Whether to use TLS whatever the server says.
        preset: What takes the place of an option with a protocol of its own.
        steps: What ``tcp-check`` says; those of the defaults only if the section has none.
        uses_server: Whether the TLS options of the server apply: a ``connect`` rule without ``default`` has its own.
        codes: Those of an ``expect`` rule; None without one.
        expected: Whether there was an ``expect`` rule.
        inherited: Whether all such rules are those of the defaults.
        headers_expected: Names of headers that the answer must have, each with a pattern for its value.
        body: What is sent after the headers.
        disable_on_404: Whether the status 404 drains a server.
        notes: What could not be kept.
    """

    option: str = ""
    method: str = "OPTIONS"
    path: str = "/"
    host: str | None = None
    codes: tuple[tuple[int, int], ...] | None = None
    regexp: str | None = None
    regexp_not: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    headers_expected: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    disable_on_404: bool = False
    expected: bool = False
    inherited: bool = False
    connect_timeout: float | None = None
    check_timeout: float | None = None
    port: int | None = None
    tls: bool = False
    preset: TalkParams | None = None
    steps: tuple[ProbeStep, ...] = ()
    steps_inherited: bool = False
    uses_server: bool = True
    sni: str | None = None
    notes: list[Note] = attrs.field(factory=list)

    def copy(self) -> CheckRules:
        """Return an independent copy, for a section that has these as its defaults."""
        return attrs.evolve(self, notes=list(self.notes), inherited=True, steps_inherited=True)

    def request(self, words: Sequence[str], place: str) -> None:
        """Read the arguments of ``option httpchk``: a path, or a method, a path and a version with headers."""
        self.option = "httpchk"
        if len(words) == 1:
            self._take_path(words[0], place)
        elif words:
            self.method = words[0]
            self._take_path(words[1], place)
            for header in _HEADER.finditer(words[2] if len(words) > 2 else ""):
                self._take_header(header[1], header[2].rstrip(), place)

    def send(self, words: Sequence[str], place: str) -> None:
        """Read the arguments of ``http-check send``."""
        waiting = iter(words)
        for word in waiting:
            value = next(waiting, "")
            if word == "meth":
                self.method = value
            elif word == "uri":
                self._take_path(value, place)
            elif word == "hdr":
                self._take_header(value, next(waiting, ""), place)
            elif word == "body" and (body := _body(value)) is not None:
                self.body = body
            elif word != "ver":
                self.notes.append(Note(place, f"not sent by the healthcheck: {word} {value}"))

    def connect(self, words: Sequence[str], place: str) -> None:
        """Read the arguments of ``http-check connect`` or ``tcp-check connect``."""
        self.uses_server = "default" in words
        waiting = iter(words)
        for word in waiting:
            if word == "ssl":
                self.tls = True
            elif word == "port" and is_port(value := next(waiting, "")):
                self.port = int(value)
            elif word == "sni":
                self.sni = next(waiting, "")
            elif word != "default":
                self.notes.append(Note(place, f"no equivalent in a healthcheck: {word}"))

    def expect(self, words: Sequence[str], place: str) -> None:
        """Read the arguments of ``http-check expect``: one for the status, one for the body, and one against it."""
        kind, negated, pattern = _expectation(words)
        if self.inherited:  # a section with rules of its own has none of the defaults
            self.codes = self.regexp = self.regexp_not = None
            self.headers_expected = ()
            self.inherited = False
        if kind in HEADER_KINDS and not negated:
            self._expect_header(kind, words, place)
            return
        wanted: tuple[tuple[int, int], ...] | str | None
        if kind in {"status", "rstatus"}:
            field, wanted = "codes", _codes(kind, pattern, negated=negated)
        else:
            field, wanted = "regexp_not" if negated else "regexp", _regexp(kind, pattern)
        if wanted is None or getattr(self, field) is not None:
            self.notes.append(Note(place, f"no equivalent for this expectation: {' '.join(words)}"))
            return
        self.expected = True
        setattr(self, field, wanted)

    def step(self, kind: str, words: Sequence[str]) -> bool:
        """Read the arguments of ``tcp-check send`` or ``expect``; return whether there is an equivalent."""
        step = step_of(kind, words)
        if step is None or len(self.steps) >= MOST_STEPS:
            return False
        self.steps = (step,) if self.steps_inherited else (*self.steps, step)
        self.steps_inherited = False
        return True

    @property
    def talk(self) -> TalkParams | None:
        """What is said over the connection; without an expectation nothing, as nothing would be checked."""
        if self.option in PRESETS:
            return self.preset
        expects = any(step.expect for step in self.steps)
        return TalkParams(self.steps) if self.option == "tcp-check" and expects else None

    @property
    def http(self) -> HttpParams:
        """The request and what is expected of its answer. With any rule, HAProxy does not check the status itself."""
        codes = self.codes or (ALL_CODES if self.expected else GOOD_CODES)
        method = self.kept_method or HttpMethod.GET
        return HttpParams(
            self.path,
            self.host,
            codes,
            self.regexp,
            self.regexp_not,
            self.headers,
            self.disable_on_404,
            method,
            self.body if method is HttpMethod.POST else b"",
            expect_header_regexp=self.headers_expected,
        )

    @property
    def kept_method(self) -> HttpMethod | None:
        """The method of the request; None if a healthcheck has no such one."""
        method = self.method.upper()
        if method not in _METHODS or (method == HttpMethod.HEAD and (self.regexp or self.regexp_not)):
            return None
        return HttpMethod(method)

    def _expect_header(self, kind: str, words: Sequence[str], place: str) -> None:
        wanted = header_of(kind, words)
        known = {name.lower() for name, _ in self.headers_expected}
        if wanted is None or wanted[0].lower() in known or len(known) >= EXPECTED_HEADERS:
            self.notes.append(Note(place, f"no equivalent for this expectation: {' '.join(words)}"))
            return
        self.expected = True
        self.headers_expected = (*self.headers_expected, wanted)

    def _take_path(self, path: str, place: str) -> None:
        if is_known(path) and _FORMAT not in path and fits("path", path):
            self.path = path
        else:
            self.notes.append(Note(place, f"path not supported, / is requested instead: {path}"))

    def _take_header(self, name: str, value: str, place: str) -> None:
        if name.lower() == "host":
            self._take_host(value, place)
        elif (name.lower(), value.lower()) == ("connection", "close"):
            return  # the probe says that itself
        elif (
            is_known(value)
            and _FORMAT not in value
            and header_fits(name, value)
            and name.lower() not in {known.lower() for known, _ in self.headers}
        ):
            self.headers = (*self.headers, (name, value))
        else:
            self.notes.append(Note(place, f"not sent by the healthcheck: hdr {name} {value}"))

    def _take_host(self, host: str, place: str) -> None:
        if is_known(host) and _FORMAT not in host and fits("host", host):
            self.host = host
        else:
            self.notes.append(Note(place, f"Host header not supported: {host}"))


def _expectation(words: Sequence[str]) -> tuple[str, bool, str]:
    """Return the kind of an expectation, whether it is negated, and its pattern."""
    negated = False
    waiting = iter(words)
    for word in waiting:
        if word == "!":
            negated = True
        elif word in {"status", "rstatus", "string", "rstring", "hdr", "fhdr", "string-lf"}:
            return word, negated, " ".join(waiting)
        else:
            next(waiting, "")
    return "", negated, ""


def _codes(kind: str, pattern: str, *, negated: bool) -> tuple[tuple[int, int], ...] | None:
    """Return the codes of an expectation; None if it is not usable."""
    return _ranges(_listed(pattern) if kind == "status" else _matching(pattern), negated=negated)


def _regexp(kind: str, pattern: str) -> str | None:
    """Return the regular expression of an expectation; None if it has none."""
    if kind not in {"string", "rstring"}:
        return None
    regexp = re2.escape(pattern) if kind == "string" else pattern
    return regexp if regexp and fits("response-regexp", regexp) else None


def _body(text: str) -> bytes | None:
    """Return the body of a request; None if it can't be kept."""
    if not is_known(text) or _FORMAT in text:
        return None
    body = text.encode("utf-8", "surrogateescape")
    return body if 0 < len(body) <= SEND_LENGTH else None


def _listed(text: str) -> set[int]:
    codes: set[int] = set()
    for word in re.split(r"[,\s]+", text):
        match = re.fullmatch(r"(\d{3})(?:-(\d{3}))?", word)
        if match is None:
            return set()
        codes |= set(range(int(match[1]), int(match[2] or match[1]) + 1))
    return codes


def _matching(pattern: str) -> set[int]:
    """Return the status codes that a regular expression matches."""
    if not fits("response-regexp", pattern):
        return set()
    compiled = re2.compile(pattern)
    return {code for code in range(100, 600) if compiled.search(str(code))}


def _ranges(codes: set[int], *, negated: bool) -> tuple[tuple[int, int], ...] | None:
    """Return codes as ranges; None if there are none, because then the pattern was not usable."""
    if not codes:
        return None
    ranges: list[tuple[int, int]] = []
    for code in range(100, 600):
        if (code in codes) is negated:
            continue
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1] = (ranges[-1][0], code)
        else:
            ranges.append((code, code))
    return tuple(ranges) or None
