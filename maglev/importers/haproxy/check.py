"""From HAProxy's checks to ours (its configuration manual: ``option httpchk``, ``http-check``, ``timeout check``)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs
import re2

from maglev.importers.draft.model import Note
from maglev.importers.draft.values import fits, interval, probes
from maglev.importers.haproxy.address import is_port, place_of
from maglev.importers.haproxy.words import is_known
from maglev.model.addresses import family
from maglev.model.config import CheckType, Healthcheck, HttpParams, TlsParams

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from maglev.importers.haproxy.address import BindAddress
    from maglev.importers.haproxy.server import ServerOptions

ALL_CODES: Final = ((100, 599),)
GOOD_CODES: Final = ((200, 399),)
"""Status codes that ``option httpchk`` accepts without ``http-check expect``."""

_HOST: Final = re.compile(r"\r?\nHost:[ \t]*([^\r\n]+)", re.IGNORECASE)
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
        expected: Whether there was an ``expect`` rule.
        notes: What could not be kept.
    """

    option: str = ""
    method: str = "OPTIONS"
    path: str = "/"
    host: str | None = None
    codes: tuple[tuple[int, int], ...] = GOOD_CODES
    regexp: str | None = None
    expected: bool = False
    connect_timeout: float | None = None
    check_timeout: float | None = None
    port: int | None = None
    tls: bool = False
    sni: str | None = None
    notes: list[Note] = attrs.field(factory=list)

    def copy(self) -> CheckRules:
        """Return an independent copy."""
        return attrs.evolve(self, notes=list(self.notes))

    def request(self, words: Sequence[str], place: str) -> None:
        """Read the arguments of ``option httpchk``: a path, or a method, a path and a version with headers."""
        self.option = "httpchk"
        if len(words) == 1:
            self._take_path(words[0], place)
        elif words:
            self.method = words[0]
            self._take_path(words[1], place)
            header = _HOST.search(words[2] if len(words) > 2 else "")
            if header is not None:
                self._take_host(header[1].strip(), place)

    def send(self, words: Sequence[str], place: str) -> None:
        """Read the arguments of ``http-check send``."""
        waiting = iter(words)
        for word in waiting:
            value = next(waiting, "")
            if word == "meth":
                self.method = value
            elif word == "uri":
                self._take_path(value, place)
            elif word == "hdr" and value.lower() == "host":
                self._take_host(next(waiting, ""), place)
            elif word != "ver":
                more = f" {next(waiting, '')}" if word == "hdr" else ""
                self.notes.append(Note(place, f"not sent by the healthcheck: {word} {value}{more}"))

    def connect(self, words: Sequence[str], place: str) -> None:
        """Read the arguments of ``http-check connect`` or ``tcp-check connect``."""
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
        """Read the arguments of ``http-check expect``; only one rule can be kept."""
        kind, negated, pattern = _expectation(words)
        codes, regexp = _wanted(kind, pattern, negated=negated)
        if self.expected or (codes is None and regexp is None):
            self.notes.append(Note(place, f"no equivalent for this expectation: {' '.join(words)}"))
            return
        self.expected = True
        self.codes = codes or ALL_CODES
        self.regexp = regexp

    def _take_path(self, path: str, place: str) -> None:
        if is_known(path) and _FORMAT not in path and fits("path", path):
            self.path = path
        else:
            self.notes.append(Note(place, f"path not supported, / is requested instead: {path}"))

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


def _wanted(kind: str, pattern: str, *, negated: bool) -> tuple[tuple[tuple[int, int], ...] | None, str | None]:
    """Return the codes and the regular expression of an expectation; neither if there are none."""
    if kind == "status":
        return _ranges(_listed(pattern), negated=negated), None
    if kind == "rstatus":
        return _ranges(_matching(pattern), negated=negated), None
    if negated or kind not in {"string", "rstring"}:
        return None, None
    regexp = re2.escape(pattern) if kind == "string" else pattern
    return (ALL_CODES, regexp) if regexp and fits("response-regexp", regexp) else (None, None)


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


def healthcheck_of(
    rules: CheckRules, options: ServerOptions, place: BindAddress, variables: Mapping[str, str], *, verify: bool
) -> tuple[Healthcheck | None, list[str]]:
    """Return the healthcheck of a server, if it has one, and what could not be kept.

    Args:
        rules: The rules of its section.
        options: The options of the server.
        place: The address of the server.
        variables: The variables of the file.
        verify: Whether certificates are verified if the server does not say.
    """
    if not options.check:
        return None, []
    port = rules.port or options.port or (place.ports[0] if place.ports is not None else None)
    if port is None:
        return None, ["not probed and therefore always up: no port to check"]
    is_http = rules.option == "httpchk"
    tls, texts = _tls(rules, options, verify=verify)
    if is_http and rules.method.upper() != "GET":
        texts.append(f"requested with GET instead of {rules.method}")
    period = interval(options.inter)
    http = HttpParams(rules.path, rules.host, rules.codes, rules.regexp) if is_http else None
    check = Healthcheck(
        name="",
        type=(CheckType.HTTPS if tls else CheckType.HTTP) if is_http else CheckType.TCP,
        l4_port=port,
        interval=period,
        fast_interval=period if options.fastinter is None else interval(options.fastinter),
        down_interval=period if options.downinter is None else interval(options.downinter),
        timeout=_timeout(rules, options.inter),
        rise=probes(options.rise),
        fall=probes(options.fall),
        http=http,
        tls=tls,
        **_sources(options.source, variables),
    )
    return check, texts + list(_lost(options, variables, place))


def _timeout(rules: CheckRules, inter: float) -> float:
    """Return the timeout of a probe: ``timeout check`` begins after the connection; without it, ``inter`` is all."""
    if rules.check_timeout is None:
        return interval(inter)
    connect = inter if rules.connect_timeout is None else min(rules.connect_timeout, inter)
    return interval(connect + rules.check_timeout)


def _tls(rules: CheckRules, options: ServerOptions, *, verify: bool) -> tuple[TlsParams | None, list[str]]:
    if rules.option == "ssl-hello-chk":
        return TlsParams(None, verify=False), []
    if not (rules.tls or options.is_checked_over_tls()):
        return None, []
    name = options.check_sni or rules.sni or options.verifyhost
    texts = []
    if name is not None and not fits("server-name", name):
        texts.append(f"invalid server name: {name}")
        name = None
    verify = verify if options.verify is None else options.verify
    if verify and options.verifyhost is None:
        texts.append("the name in the certificate is verified, too, not only its issuer (see insecure-skip-verify)")
    return TlsParams(name, verify=verify), texts


def _sources(source: str | None, variables: Mapping[str, str]) -> dict[str, str]:
    address = None if source is None else place_of(source, variables).address
    return {} if address is None else {f"probe_ipv{family(address)}_src": address}


def _lost(options: ServerOptions, variables: Mapping[str, str], place: BindAddress) -> Iterator[str]:
    if options.addr is not None and place_of(options.addr, variables).address != place.address:
        yield f"the server itself is probed instead of {options.addr}"
    if options.source is not None and not _sources(options.source, variables):
        yield f"source address not supported: {options.source}"
