"""From keepalived's checkers to ours (keepalived.conf(5), "healthcheckers")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from maglev.importers.draft.model import Note, words_in
from maglev.importers.draft.values import address_of, code_ranges, fits, interval, probes
from maglev.model.addresses import family, is_address, without_port
from maglev.model.check_params import AnswerPattern, DnsParams, Preset, RecordType, TalkParams, UdpParams
from maglev.model.config import CheckType, Healthcheck, HttpParams, PemFile, TlsParams

if TYPE_CHECKING:
    from collections.abc import Callable

    from maglev.importers.keepalived.blocks import KeepalivedStatement

CHECKERS: Final = words_in(
    "HTTP_GET SSL_GET TCP_CHECK SMTP_CHECK DNS_CHECK MISC_CHECK BFD_CHECK UDP_CHECK PING_CHECK FILE_CHECK"
)
SMTP_PORT: Final = 25
GOOD_CODES: Final = ((200, 299),)


ClientFiles: TypeAlias = "tuple[PemFile | None, PemFile | None]"
NO_CLIENT: Final[ClientFiles] = (None, None)

_WEB: Final = frozenset({"HTTP_GET", "SSL_GET"})
_PAUSE_OF_WEB: Final = 3.0


def seconds(text: str) -> float | None:
    """Return the seconds of a timer; None if it is invalid."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < 1e9 else None


def number(text: str) -> int | None:
    """Return a number; None if it is negative or not a number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


@attrs.frozen
class Timing:
    """When and how often to check; None for what the file does not say.

    Attributes:
        delay_loop: Seconds, like all others but the number of retries.
    """

    delay_loop: float | None = None
    retry: int | None = None
    delay_before_retry: float | None = None
    connect_timeout: float | None = None

    def take(self, statement: KeepalivedStatement) -> Timing | None:
        """Return the timing with a statement applied; None if the statement is about something else."""
        keyword = statement.keyword
        value = number(statement.value) if keyword == "retry" else seconds(statement.value)
        if value is None or keyword not in _TIMING:
            return None
        changes: dict[str, Any] = {keyword: value}
        return attrs.evolve(self, **changes)


_TIMING: Final = frozenset(field.name for field in attrs.fields(Timing))


@attrs.define
class _CheckerSettings:
    """The settings of a checker.

    Attributes:
        notes: What could not be kept.
    """

    timing: Timing
    host: str | None
    port: int | None
    path: str = "/"
    codes: tuple[tuple[int, int], ...] = GOOD_CODES
    regexp: str | None = None
    negated: bool = False
    sni: bool = False
    name: str = "."
    record_type: RecordType = RecordType.SOA
    payload: bytes = b""
    reply: bytes | None = None
    source: str | None = None
    urls: int = 0
    notes: list[Note] = attrs.field(factory=list)

    def take(self, statements: list[KeepalivedStatement]) -> None:
        """Read the statements of a checker, or of its url."""
        for each in statements:
            timing = self.timing.take(each)
            if timing is not None:
                self.timing = timing
            elif each.keyword not in _TAKERS or not _TAKERS[each.keyword](self, each):
                self.notes += each.notes()


def _take_url(settings: _CheckerSettings, statement: KeepalivedStatement) -> bool:
    settings.urls += 1
    if settings.urls == 1:
        settings.take(statement.inside)
    return settings.urls == 1


def _take_path(settings: _CheckerSettings, statement: KeepalivedStatement) -> bool:
    path = statement.value if statement.value.startswith("/") else f"/{statement.value}"
    if not fits("path", path):
        return False
    settings.path = path
    return True


def _take_codes(settings: _CheckerSettings, statement: KeepalivedStatement) -> bool:
    ranges = code_ranges(statement.words[1:])
    settings.codes = ranges or settings.codes
    return ranges is not None


def _take_regex(settings: _CheckerSettings, statement: KeepalivedStatement) -> bool:
    if not statement.value or not fits("response-regexp", statement.value):
        return False
    settings.regexp = statement.value
    return True


def _take_host(settings: _CheckerSettings, statement: KeepalivedStatement) -> bool:
    if not fits("host", statement.value):
        return False
    settings.host = statement.value
    return True


def _take_port(settings: _CheckerSettings, statement: KeepalivedStatement) -> bool:
    port = number(statement.value)
    if port is None or not 0 < port < 65536:
        return False
    settings.port = port
    return True


def _take_source(settings: _CheckerSettings, statement: KeepalivedStatement) -> bool:
    settings.source = address_of(statement.value)
    return settings.source is not None


def _take_negation(settings: _CheckerSettings, _statement: KeepalivedStatement) -> bool:
    settings.negated = True
    return True


def _take_sni(settings: _CheckerSettings, _statement: KeepalivedStatement) -> bool:
    settings.sni = True
    return True


def _take_name(settings: _CheckerSettings, statement: KeepalivedStatement) -> bool:
    if not fits("name", statement.value):
        return False
    settings.name = statement.value
    return True


def _take_record_type(settings: _CheckerSettings, statement: KeepalivedStatement) -> bool:
    if not fits("record-type", statement.value.upper()):
        return False
    settings.record_type = RecordType(statement.value.upper())
    return True


def _take_payload(settings: _CheckerSettings, statement: KeepalivedStatement) -> bool:
    if not fits("send-hex", statement.value):
        return False
    settings.payload = bytes.fromhex(statement.value)
    return True


def _take_reply(settings: _CheckerSettings, statement: KeepalivedStatement) -> bool:
    if not fits("expect-hex", statement.value):
        return False
    settings.reply = bytes.fromhex(statement.value)
    return True


_TAKERS: Final[dict[str, Callable[[_CheckerSettings, KeepalivedStatement], bool]]] = {
    "url": _take_url,
    "path": _take_path,
    "status_code": _take_codes,
    "regex": _take_regex,
    "regex_no_match": _take_negation,
    "virtualhost": _take_host,
    "connect_port": _take_port,
    "bindto": _take_source,
    "enable_sni": _take_sni,
    "name": _take_name,
    "type": _take_record_type,
    "payload": _take_payload,
    "require_reply": _take_reply,
}


def healthcheck_of(
    checker: KeepalivedStatement,
    timing: Timing,
    host: str | None,
    port: int | None,
    client: ClientFiles = NO_CLIENT,
) -> tuple[Healthcheck | None, list[Note]]:
    """Return the healthcheck for a checker (None without an equivalent), and what could not be kept.

    Args:
        checker: The block.
        timing: The timing that the server sets.
        host: The name for the Host header; None if there is none.
        port: The port of the server.
        client: Our own certificate and its key.
    """
    settings = _CheckerSettings(timing, host, SMTP_PORT if checker.keyword == "SMTP_CHECK" else port)
    kind = _kind(checker.keyword)
    if kind is None:
        return None, [Note(checker.place, f"no equivalent for {checker.keyword}"), *checker.notes()]
    settings.take(checker.inside)
    if kind is CheckType.ICMP:
        settings.port = None
    elif settings.port is None:
        return None, [*settings.notes, Note(checker.place, f"no port for {checker.keyword}")]
    name = None if settings.host is None else without_port(settings.host)
    if kind is CheckType.HTTPS and not settings.sni and name is not None and not is_address(name):
        settings.notes.append(Note(checker.place, f"SNI {name} is sent; keepalived sends none without enable_sni"))
    return _made(checker.keyword, kind, settings, client), settings.notes


def _kind(keyword: str) -> CheckType | None:
    kinds = {"HTTP_GET": CheckType.HTTP, "SSL_GET": CheckType.HTTPS, "PING_CHECK": CheckType.ICMP}
    kinds |= {"DNS_CHECK": CheckType.DNS, "UDP_CHECK": CheckType.UDP}
    return CheckType.TCP if keyword in {"TCP_CHECK", "SMTP_CHECK"} else kinds.get(keyword)


def client_files(block: KeepalivedStatement) -> tuple[ClientFiles, list[Note]]:
    """Return our own certificate and its key, which ``SSL`` names, and notes of what else it says."""
    files: dict[str, PemFile] = {}
    notes: list[Note] = []
    for each in block.inside:
        if each.keyword in {"certificate", "keyfile"} and fits("client-key", each.value):
            files[each.keyword] = PemFile(each.value)
        else:
            notes += each.notes()  # of the authorities: keepalived does not verify by them
    if "certificate" not in files:
        return NO_CLIENT, list(block.notes()) if files else notes
    return (files["certificate"], files.get("keyfile")), notes


def _made(keyword: str, kind: CheckType, settings: _CheckerSettings, client: ClientFiles) -> Healthcheck:
    timing = settings.timing
    period = interval(timing.delay_loop or 60.0)
    pause = timing.delay_before_retry or (_PAUSE_OF_WEB if keyword in _WEB else 1.0)
    retries = 1 if timing.retry is None else timing.retry
    source: dict[str, Any] = (
        {} if settings.source is None else {f"probe_ipv{family(settings.source)}_src": settings.source}
    )
    return Healthcheck(
        name="",
        type=kind,
        l4_port=settings.port,
        interval=period,
        fast_interval=interval(pause),
        down_interval=period,
        timeout=interval(timing.connect_timeout or 5.0),
        rise=1,
        fall=probes(retries + 1),
        http=_http(settings) if keyword in _WEB else None,
        tls=_tls(client) if kind is CheckType.HTTPS else None,
        talk=TalkParams(preset=Preset.SMTP) if keyword == "SMTP_CHECK" else None,
        dns=DnsParams(settings.name, settings.record_type) if kind is CheckType.DNS else None,
        udp=_udp(settings) if kind is CheckType.UDP else None,
        **source,
    )


def _udp(settings: _CheckerSettings) -> UdpParams:
    return UdpParams(settings.payload, None if settings.reply is None else AnswerPattern(settings.reply))


def _http(settings: _CheckerSettings) -> HttpParams:
    patterns = (None, settings.regexp) if settings.negated else (settings.regexp, None)
    return HttpParams(settings.path, settings.host, settings.codes, *patterns)


def _tls(client: ClientFiles) -> TlsParams:
    """Return the parameters of a check over TLS; keepalived verifies no certificates."""
    certificate, key = client
    return TlsParams(None, verify=False, client_certificate=certificate, client_key=key)
