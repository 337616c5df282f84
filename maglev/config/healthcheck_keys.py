"""The schema of a healthcheck: its keys, and those of its parameters, as data (see `maglev.config.keys`)."""

from __future__ import annotations

import re
from typing import Final

from maglev.config.headerkinds import ExpectedHeaders, Headers
from maglev.config.kinds import Boolean, Duration, Integer, OneOf, TextKind, TextRule
from maglev.config.netkinds import Address, Host, Regexp, StatusCodes
from maglev.config.probe_keys import AGENT_KEYS, DNS_KEYS, EXEC_KEYS, TALK_KEYS, UDP_KEYS
from maglev.config.probekinds import SEND
from maglev.config.schema import ConfigKey, ConfigSection, Part
from maglev.model.check_params import HttpMethod, Via
from maglev.model.config import CheckType

DAY: Final = 86400.0
"""Longest allowed duration: a longer one is a typo, not a period that anyone waits for."""

MIN_INTERVAL: Final = 0.01
"""Shortest interval of probes, in seconds: a hundred a second is already more than a backend should bear."""

PROBES: Final = Integer(1, 1000)
"""The range of ``rise`` and ``fall``."""

HEADERS: Final = Headers(32, 4096)
"""The limits of ``headers``: they go out with the request, in a packet or two."""

EXPECTED_HEADERS: Final = 8
"""Most headers that an answer must have, by value and by pattern each."""

MIN_TIMEOUT: Final = 0.001
"""Shortest time limit of a probe, in seconds: an answer from the same machine takes a tenth of that."""

_TCP_NEEDING: Final = (CheckType.TCP, CheckType.HTTP, CheckType.HTTPS, CheckType.GRPC)
_BY_VIP: Final = (*_TCP_NEEDING, CheckType.UDP, CheckType.DNS)
_PORT_NEEDING: Final = (*_BY_VIP, CheckType.AGENT, CheckType.EXEC)
_COUNTING: Final = tuple(kind for kind in CheckType if kind is not CheckType.AGENT)
_WEB: Final = (CheckType.HTTP, CheckType.HTTPS)
_PROBE_PERIOD: Final = Duration(MIN_INTERVAL, DAY)

PATH: Final = TextKind(
    1024,
    (
        TextRule(re.compile(r"/.*", re.DOTALL), "the path of a file must start with '/'"),
        TextRule(re.compile(r"[^\x00-\x1f\x7f]*"), "control characters are not allowed in the path of a file"),
    ),
    "path",
)
"""The path of a file or socket."""

_CURVES: Final = TextRule(
    re.compile(r"[A-Za-z0-9_-]+(?::[A-Za-z0-9_-]+)*"),
    "invalid list of curves: expected names of OpenSSL, with colons between them, such as X25519:P-256",
)

_SERVICE: Final = TextRule(re.compile(r"[!-~]*"), "expected visible ASCII characters without spaces")

PARAMS: Final = ConfigSection(
    "params",
    (
        ConfigKey(
            "path",
            TextKind(
                2048,  # far beyond any health page; the request goes out in one packet or two
                (
                    TextRule(re.compile(r"/.*", re.DOTALL), "a path must start with '/'"),
                    TextRule(
                        re.compile(r"[!-~]*"),
                        "spaces, control and non-ASCII characters are not allowed in a path: write them as %XX",
                    ),
                    TextRule(re.compile(r"[^#]*"), "'#' is not allowed in a path: write it as %23"),
                ),
            ),
            "Path and query of the request.",
            default="/",
            types=_WEB,
        ),
        ConfigKey(
            "method",
            OneOf(HttpMethod),
            "Method of the request.",
            notes="``HEAD`` asks for the headers alone. ``POST`` may change something on the server with each probe.",
            default=HttpMethod.GET,
            types=_WEB,
        ),
        ConfigKey(
            "body",
            SEND,
            "What a POST sends, as text.",
            notes="Its type is a header of its own: ``headers: {Content-Type: application/json}``. It is not shown to "
            "anybody: it may be secret.",
            default_text="an empty body",
            types=_WEB,
        ),
        ConfigKey(
            "host",
            Host(header=True),
            "The Host header, or the authority of HTTP/2.",
            notes="An IPv6 address is written in brackets.",
            default_text="the address of the backend",
            types=(*_WEB, CheckType.GRPC),
        ),
        ConfigKey(
            "response-code",
            StatusCodes(100),
            "Status codes that pass: a code, a range, or a list of both.",
            notes="``200``, ``200-299``, or ``[200, 301-302]``.",
            default=((200, 200),),
            types=_WEB,
        ),
        ConfigKey(
            "response-regexp",
            Regexp(1024),
            "Pattern that must match in the first 64 KiB of the body.",
            notes="Not anchored; RE2 syntax, as in Go. Patterns that compile to more than 8000 "
            "instructions are refused: searching would hold up other probes.",
            default_text="any body passes",
            types=_WEB,
        ),
        ConfigKey(
            "response-regexp-not",
            Regexp(1024),
            "Pattern that must not match in the first 64 KiB of the body.",
            notes="As ``response-regexp``; if both are given, both must hold.",
            default_text="any body passes",
            types=_WEB,
        ),
        ConfigKey(
            "headers",
            HEADERS,
            "Further header lines of the request, as a map of names to values.",
            notes="``{X-Probe: maglevd, Authorization: Basic bWU6c2VjcmV0}``. ``User-Agent`` and ``Accept`` replace "
            "those of the probe. For the Host header there is ``host``; those that say how long the request is and "
            "what becomes of the connection are the probe's own. Values are not shown to anybody: they may be secrets.",
            default_text="none",
            types=_WEB,
        ),
        ConfigKey(
            "expect-header",
            ExpectedHeaders(EXPECTED_HEADERS),
            "Headers that the answer must have, as a map of names to values.",
            notes="``{X-Health: ready}``. The whole value must be equal; the case of the name does not matter. Of "
            "several lines of that name, one is enough.",
            default_text="none",
            types=_WEB,
        ),
        ConfigKey(
            "expect-header-regexp",
            ExpectedHeaders(EXPECTED_HEADERS, Regexp(1024)),
            "Headers that the answer must have, as a map of names to patterns that their values must match.",
            notes="RE2, over bytes, not anchored. ``.*`` for a header that may have any value.",
            default_text="none",
            types=_WEB,
        ),
        ConfigKey(
            "http2",
            Boolean(),
            "Whether to speak HTTP/2, and nothing else.",
            notes="With ``https`` the handshake agrees on it by ALPN; with ``http`` it is spoken without asking.",
            default=False,
            types=_WEB,
        ),
        ConfigKey(
            "service",
            TextKind(255, (_SERVICE,), "name"),
            "The service to ask for, by its whole name.",
            notes="``shop.v1.Cart``.",
            default_text="the server as a whole",
            types=(CheckType.GRPC,),
        ),
        *TALK_KEYS,
        *UDP_KEYS,
        *DNS_KEYS,
        *AGENT_KEYS,
        *EXEC_KEYS,
        ConfigKey(
            "disable-on-404",
            Boolean(),
            "Whether the status 404 drains a backend that is up: it keeps its flows and gets no new ones.",
            notes="As ``http-check disable-on-404`` in HAProxy. While the backend is down, 404 is a failure.",
            default=False,
            types=_WEB,
        ),
        ConfigKey(
            "ssl",
            Boolean(),
            "Whether to do a TLS handshake after connecting.",
            default=False,
            types=(CheckType.TCP, CheckType.GRPC),
        ),
        ConfigKey(
            "server-name",
            Host(),
            "Server name to send (SNI) and to verify.",
            notes="It has an effect for ``https``, and for ``tcp`` and ``grpc`` with ``ssl``.",
            default_text="host without its port, else the address of the backend is verified",
            types=_TCP_NEEDING,
        ),
        ConfigKey(
            "insecure-skip-verify",
            Boolean(),
            "Whether to accept any certificate.",
            notes="It has an effect for ``https``, and for ``tcp`` and ``grpc`` with ``ssl``.",
            default=False,
            types=_TCP_NEEDING,
        ),
        ConfigKey(
            "tls-resumption",
            Boolean(),
            "Whether to resume the TLS session of the last probe.",
            notes=(
                "At least once a minute, and after a failure, the handshake is a full one in any case. It has an "
                "effect for ``https``, and for ``tcp`` and ``grpc`` with ``ssl``."
            ),
            default=True,
            types=_TCP_NEEDING,
        ),
        ConfigKey(
            "curves",
            TextKind(255, (_CURVES,), "names of curves"),
            "Groups for the key exchange, the preferred one first, as HAProxy names them.",
            notes=(
                "The default keeps the ClientHello in one packet; a post-quantum group takes a second one, and servers "
                "that read it in one go reset the connection. ``DEFAULT`` leaves it to OpenSSL and its configuration "
                "file. It has an effect for ``https``, and for ``tcp`` and ``grpc`` with ``ssl``."
            ),
            default_text="X25519:P-256:X448:P-384:P-521:ffdhe2048:ffdhe3072",
            types=_TCP_NEEDING,
        ),
        ConfigKey(
            "ca-file",
            PATH,
            "File with the authorities to trust, in PEM.",
            notes=(
                "It takes the place of the system's. This file, ``client-certificate`` and ``client-key`` are read "
                "with the configuration, at the start and at each reload: at most 512 KiB each, and 4 MiB in all. They "
                "have an effect for ``https``, and for ``tcp`` and ``grpc`` with ``ssl``."
            ),
            default_text="those of the system",
            types=_TCP_NEEDING,
        ),
        ConfigKey(
            "client-certificate",
            PATH,
            "File with the certificate to show to backends that ask for one, in PEM.",
            notes="The certificates above it follow, if they are needed. The key may be in the same file.",
            default_text="none",
            types=_TCP_NEEDING,
        ),
        ConfigKey(
            "client-key",
            PATH,
            "File with the key of the client certificate, in PEM, without a passphrase.",
            default_text="in the file of client-certificate",
            types=_TCP_NEEDING,
        ),
    ),
    notes=(
        "Each type has its own parameters; one of another type is an error. ``icmp`` has none. What concerns "
        "TLS has no effect for ``http``, and for ``tcp`` and ``grpc`` without ``ssl: true``: that is worth a warning. "
        "The certificate must be valid for ``server-name``; without it, for the name or address in ``host`` "
        "(without a port); without that, for the address of the backend."
    ),
)

HEALTHCHECK: Final = ConfigSection(
    "healthcheck",
    (
        ConfigKey("type", OneOf(CheckType), "How to probe.", required=True),
        ConfigKey(
            "port",
            Integer(1, 65535),
            "Port to probe.",
            required=True,
            types=_PORT_NEEDING,
            optional=(CheckType.EXEC,),
        ),
        ConfigKey("interval", _PROBE_PERIOD, "Period of the probes while the backend is up.", required=True),
        ConfigKey(
            "fast-interval",
            _PROBE_PERIOD,
            "Period while its state is unknown or about to change.",
            default_text="interval",
            types=_COUNTING,
        ),
        ConfigKey(
            "down-interval",
            _PROBE_PERIOD,
            "Period while it is fully down.",
            default_text="interval",
            types=_COUNTING,
        ),
        ConfigKey(
            "timeout",
            Duration(MIN_TIMEOUT, DAY),
            "Time limit of a probe, from its start to the last byte.",
            notes="One longer than ``interval`` is worth a warning: the next probe starts when this one has ended.",
            required=True,
        ),
        ConfigKey("rise", PROBES, "Number of passes that bring it up.", default=2, unit="probes", types=_COUNTING),
        ConfigKey("fall", PROBES, "Number of failures that bring it down.", default=3, unit="probes", types=_COUNTING),
        ConfigKey(
            "probe-ipv4-src",
            Address(4, loopback=(4,)),
            "Source address of the probes to IPv4 backends.",
            default_text="chosen by the kernel",
        ),
        ConfigKey(
            "probe-ipv6-src",
            Address(6, loopback=(6,)),
            "Source address of the probes to IPv6 backends.",
            default_text="chosen by the kernel",
        ),
        ConfigKey(
            "via",
            OneOf(Via),
            "By which way the probes go: straight to the backend, or as VPP sends the packets of clients.",
            notes=(
                "``vip`` probes each VIP that the backend serves, in GRE to the backend, which answers directly; see "
                ":doc:`probes`. It takes ``vpp-maglev-tunnel.service``, and for ``udp`` an expectation."
            ),
            default=Via.DIRECT,
            types=_BY_VIP,
        ),
        Part("params", PARAMS, "Parameters that depend on the type."),
    ),
    notes="A healthcheck that no backend uses is worth a warning.",
)
