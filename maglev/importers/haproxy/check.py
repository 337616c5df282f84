"""From HAProxy's checks to ours (its configuration manual: ``option httpchk``, ``http-check``, ``timeout check``)."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Any, Final

import attrs
import re2

from maglev.importers.draft.model import Note
from maglev.importers.draft.values import fits, header_fits, interval, probes
from maglev.importers.haproxy.address import is_port, place_of
from maglev.importers.haproxy.talk import PRESETS, step_of
from maglev.importers.haproxy.words import is_known
from maglev.model.addresses import family, is_address, without_port
from maglev.model.check_params import TalkParams
from maglev.model.config import CheckType, Healthcheck, HttpParams, PemFile, TlsParams

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from maglev.importers.haproxy.address import BindAddress
    from maglev.importers.haproxy.server import ServerOptions
    from maglev.model.check_params import ProbeStep

ALL_CODES: Final = ((100, 599),)
GOOD_CODES: Final = ((200, 399),)
"""Status codes that ``option httpchk`` accepts without ``http-check expect``."""

MOST_STEPS: Final = 32
"""Steps of a healthcheck."""

_HEADER: Final = re.compile(r"\r?\n([^\r\n:]+):[ \t]*([^\r\n]*)")
_FORMAT: Final = "%["
_SYSTEM: Final = "@system-ca"


@attrs.define
class GlobalTls:
    """What the section ``global`` says about TLS to servers.

    Attributes:
        verify: Whether certificates are verified if the server does not say.
        ca_base: Folder of relative paths of ``ca-file``.
        crt_base: Folder of relative paths of ``crt``.
    """

    verify: bool = True
    ca_base: str = ""
    crt_base: str = ""

    def take(self, words: Sequence[str]) -> bool:
        """Read a line; return whether it is about this."""
        if words[:2] == ("ssl-server-verify", "none"):
            self.verify = False
        elif words[0] in {"ca-base", "crt-base"} and len(words) == 2:
            setattr(self, words[0].replace("-", "_"), words[1])
        else:
            return False
        return True


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
            self.inherited = False
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
        return HttpParams(self.path, self.host, codes, self.regexp, self.regexp_not, self.headers, self.disable_on_404)

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
    rules: CheckRules, options: ServerOptions, place: BindAddress, variables: Mapping[str, str], defaults: GlobalTls
) -> tuple[Healthcheck | None, list[str]]:
    """Return the healthcheck of a server, if it has one, and what could not be kept.

    Args:
        rules: The rules of its section.
        options: The options of the server.
        place: The address of the server.
        variables: The variables of the file.
        defaults: What holds for all servers.
    """
    if not options.check:
        return None, []
    port = rules.port or options.port or (place.ports[0] if place.ports is not None else None)
    if port is None:
        return None, ["not probed and therefore always up: no port to check"]
    is_http = rules.option == "httpchk"
    tls, texts = _tls(rules, options, defaults)
    if is_http and rules.method.upper() != "GET":
        texts.append(f"requested with GET instead of {rules.method}")
    period = interval(options.inter)
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
        http=rules.http if is_http else None,
        tls=tls,
        talk=rules.talk,
        **_sources(options.source, variables),
    )
    return check, texts + list(_lost(options, variables, place))


def _timeout(rules: CheckRules, inter: float) -> float:
    """Return the timeout of a probe: ``timeout check`` begins after the connection; without it, ``inter`` is all."""
    if rules.check_timeout is None:
        return interval(inter)
    connect = inter if rules.connect_timeout is None else min(rules.connect_timeout, inter)
    return interval(connect + rules.check_timeout)


def _tls(rules: CheckRules, options: ServerOptions, defaults: GlobalTls) -> tuple[TlsParams | None, list[str]]:
    if rules.option == "ssl-hello-chk":
        return TlsParams(None, verify=False), []
    if not (rules.tls or (rules.uses_server and options.is_checked_over_tls())):
        return None, []
    verify = defaults.verify if options.verify is None else options.verify
    name, texts = _server_name(rules, options, verify=verify)
    curves = options.curves
    if curves is not None and not fits("curves", curves):
        texts.append(f"no equivalent for: curves {curves}")
        curves = None
    authorities = None if not verify or options.ca_file == _SYSTEM else options.ca_file
    files = []
    for key, path, base in (("ca-file", authorities, defaults.ca_base), ("crt", options.crt, defaults.crt_base)):
        found = None if path is None else _file(path, base)
        if path is not None and found is None:
            texts.append(f"expected an absolute path: {key} {path}")
        files.append(found)
    return TlsParams(name, verify=verify, curves=curves, ca_file=files[0], client_certificate=files[1]), texts


def _server_name(rules: CheckRules, options: ServerOptions, *, verify: bool) -> tuple[str | None, list[str]]:
    """Return the name to send and to verify, and in what that differs from HAProxy.

    HAProxy verifies the name that it sends, else that of ``verifyhost``, else none.
    """
    sent = rules.sni or (options.check_sni if rules.uses_server else None)
    name = sent or (options.verifyhost if verify else None)
    texts = []
    if name is not None and not fits("server-name", name):
        texts.append(f"invalid server name: {name}")
        name = sent = None
    if verify and name is None:
        texts.append("the name in the certificate is verified, too, not only its issuer (see insecure-skip-verify)")
    by_host = without_port(rules.host) if name is None and rules.option == "httpchk" and rules.host else None
    ours = name or by_host
    if sent is None and ours is not None and not is_address(ours):
        if options.check_sni_auto is False or by_host is None:
            texts.append(f"SNI {ours} is sent; HAProxy sends none in this check")
        elif options.check_sni_auto is None:
            texts.append(f"SNI {ours} is sent; HAProxy sends it since 3.3, and none before without check-sni")
    return name, texts


def _file(path: str, base: str) -> PemFile | None:
    """Return a file by its path, not read; None if the path is not usable."""
    whole = posixpath.join(base, path)
    return PemFile(whole) if is_known(whole) and fits("ca-file", whole) else None


def _sources(source: str | None, variables: Mapping[str, str]) -> dict[str, Any]:
    address = None if source is None else place_of(source, variables).address
    return {} if address is None else {f"probe_ipv{family(address)}_src": address}


def _lost(options: ServerOptions, variables: Mapping[str, str], place: BindAddress) -> Iterator[str]:
    if options.addr is not None and place_of(options.addr, variables).address != place.address:
        yield f"the server itself is probed instead of {options.addr}"
    if options.source is not None and not _sources(options.source, variables):
        yield f"source address not supported: {options.source}"
