"""The parameters of ``server`` and ``default-server`` (HAProxy's configuration manual, chapter 5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from maglev.importers.draft.model import words_in
from maglev.importers.haproxy.address import LAST_PORT, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MOST_WEIGHT: Final = 256

_WITH_VALUE: Final = words_in(
    "addr agent-addr agent-inter agent-port agent-send alpn ca-file cc check-alpn check-pool-conn-name "
    "check-proto check-sni ciphers ciphersuites client-sigalgs cookie crl-file crt curves downinter "
    "error-limit fall fastinter guid hash-key id idle-ping init-addr init-state inter interface log-bufsize "
    "log-proto max-reuse maxconn maxqueue minconn namespace npn observe on-error on-marked-down on-marked-up "
    "pool-conn-name pool-low-conn pool-max-conn pool-purge-delay port proto proxy-v2-options redir resolve-net "
    "resolve-opts resolve-prefer resolvers rise set-proxy-v2-tlv-fmt shard sigalgs slowstart sni socks4 source "
    "ssl-max-ver ssl-min-ver strict-sni tcp-md5sig tcp-ut track usesrc verify verifyhost weight ws"
)
"""Parameters that take the next word."""


@attrs.define
class ServerOptions:
    """The options of a server.

    Attributes:
        check_ssl: Whether checks use TLS; None if that depends on whether the traffic does.
        inter: Seconds, as are the other two.
        addr: Address to check in place of its own.
        check_sni_auto: Whether checks send the name in their Host header; None for the default, which depends on the
            version.
        verify: None for the default of the file.
        agent_check: Whether its agent is asked.
        agent_inter: Seconds.
        unsupported: Parameters without an equivalent, with their values.
    """

    check: bool = False
    check_ssl: bool | None = None
    ssl: bool = False
    inter: float = 2.0
    fastinter: float | None = None
    downinter: float | None = None
    rise: int = 2
    fall: int = 3
    weight: int = 1
    weighed: bool = False
    backup: bool = False
    disabled: bool = False
    port: int | None = None
    addr: str | None = None
    verify: bool | None = None
    check_sni: str | None = None
    check_sni_auto: bool | None = None
    verifyhost: str | None = None
    ca_file: str | None = None
    crt: str | None = None
    curves: str | None = None
    proto: str | None = None
    check_proto: str | None = None
    alpn: str | None = None
    check_alpn: str | None = None
    source: str | None = None
    resolvers: str | None = None
    resolve_prefer: str | None = None
    agent_check: bool = False
    agent_port: int | None = None
    agent_inter: float = 2.0
    agent_addr: str | None = None
    agent_send: str = ""
    unsupported: list[str] = attrs.field(factory=list)

    def take(self, words: Sequence[str]) -> None:
        """Read parameters; later ones win."""
        for name, value in _pairs(words):
            if value is None:
                taken = name in _FLAGS
                if taken:
                    field, state = _FLAGS[name]
                    setattr(self, field, state)
            else:
                taken = name in _VALUES and _VALUES[name](self, value)
            if not taken:
                self.unsupported.append(name if value is None else f"{name} {value}")

    def is_checked_over_http2(self, *, tls: bool) -> bool:
        """Return whether HTTP checks use HTTP/2: as they are told, else as the traffic is."""
        proto = self.check_proto or self.proto
        if proto is not None:
            return proto == "h2"
        return tls and (self.check_alpn or self.alpn) == "h2"

    def is_checked_over_tls(self) -> bool:
        """Return whether checks use TLS: the same as the traffic, unless they go to another address or port."""
        if self.check_ssl is not None:
            return self.check_ssl
        return self.ssl and self.port is None and self.addr is None


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    waiting = iter(words)
    for word in waiting:
        yield word, next(waiting, "") if word in _WITH_VALUE else None


_FLAGS: Final[dict[str, tuple[str, bool]]] = {
    "check": ("check", True),
    "no-check": ("check", False),
    "agent-check": ("agent_check", True),
    "no-agent-check": ("agent_check", False),
    "check-ssl": ("check_ssl", True),
    "no-check-ssl": ("check_ssl", False),
    "check-sni-auto": ("check_sni_auto", True),
    "no-check-sni-auto": ("check_sni_auto", False),
    "ssl": ("ssl", True),
    "no-ssl": ("ssl", False),
    "backup": ("backup", True),
    "no-backup": ("backup", False),
    "disabled": ("disabled", True),
    "enabled": ("disabled", False),
}


def _time(field: str) -> Callable[[ServerOptions, str], bool]:
    def take(options: ServerOptions, value: str) -> bool:
        time = seconds(value)
        if time is not None:
            setattr(options, field, time)
        return time is not None

    return take


def _number(field: str, least: int, most: int) -> Callable[[ServerOptions, str], bool]:
    def take(options: ServerOptions, value: str) -> bool:
        fits = value.isascii() and value.isdigit() and len(value) < 10 and least <= int(value) <= most
        if fits:
            setattr(options, field, int(value))
        return fits

    return take


def _text(field: str) -> Callable[[ServerOptions, str], bool]:
    def take(options: ServerOptions, value: str) -> bool:
        setattr(options, field, value)
        return True

    return take


def _protocol(field: str) -> Callable[[ServerOptions, str], bool]:
    def take(options: ServerOptions, value: str) -> bool:
        setattr(options, field, value)
        return value in {"h1", "h2"}

    return take


def _protocols(field: str) -> Callable[[ServerOptions, str], bool]:
    """A list of protocols is kept if there is one: a probe speaks one, and does not leave it to the server."""

    def take(options: ServerOptions, value: str) -> bool:
        setattr(options, field, value)
        return value in {"http/1.1", "h2"}

    return take


def _take_weight(options: ServerOptions, value: str) -> bool:
    options.weighed = _number("weight", 0, MOST_WEIGHT)(options, value)
    return options.weighed


def _take_verify(options: ServerOptions, value: str) -> bool:
    options.verify = value != "none"
    return value in {"none", "required"}


_VALUES: Final[dict[str, Callable[[ServerOptions, str], bool]]] = {
    "inter": _time("inter"),
    "fastinter": _time("fastinter"),
    "downinter": _time("downinter"),
    "agent-port": _number("agent_port", 1, LAST_PORT),
    "agent-inter": _time("agent_inter"),
    "agent-addr": _text("agent_addr"),
    "agent-send": _text("agent_send"),
    "rise": _number("rise", 1, 10**8),
    "fall": _number("fall", 1, 10**8),
    "port": _number("port", 1, LAST_PORT),
    "weight": _take_weight,
    "addr": _text("addr"),
    "check-sni": _text("check_sni"),
    "verifyhost": _text("verifyhost"),
    "ca-file": _text("ca_file"),
    "crt": _text("crt"),
    "curves": _text("curves"),
    "source": _text("source"),
    "resolvers": _text("resolvers"),
    "resolve-prefer": _text("resolve_prefer"),
    "proto": _protocol("proto"),
    "check-proto": _protocol("check_proto"),
    "alpn": _protocols("alpn"),
    "check-alpn": _protocols("check_alpn"),
    "verify": _take_verify,
}
