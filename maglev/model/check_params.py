"""What probes send and expect, beyond HTTP and TLS, and by which way: immutable values, like `maglev.model.config`."""

from __future__ import annotations

import enum
from typing import Final

import attrs


class HttpMethod(enum.StrEnum):
    """The method of an HTTP request."""

    GET = "GET"
    HEAD = "HEAD"
    OPTIONS = "OPTIONS"
    POST = "POST"


class Preset(enum.StrEnum):
    """A conversation over TCP that need not be spelled out."""

    SMTP = "smtp"
    IMAP = "imap"
    POP3 = "pop3"
    REDIS = "redis"
    MYSQL = "mysql"
    POSTGRESQL = "postgresql"
    SSH = "ssh"


@attrs.frozen
class AnswerPattern:
    """What has to be in an answer: these bytes, or a match of this pattern.

    Attributes:
        text: The bytes; None if there is a pattern.
        regexp: RE2 pattern over bytes (Latin-1); None if there are bytes.
    """

    text: bytes | None = None
    regexp: str | None = None


@attrs.frozen
class ProbeStep:
    """One step of a conversation over TCP: bytes to send, or an answer to wait for.

    Attributes:
        send: The bytes; None if this is an answer to wait for.
        expect: What has to come; None if this sends.
        reject: RE2 pattern that ends the probe as failed if it is found first; None for none.
    """

    send: bytes | None = None
    expect: AnswerPattern | None = None
    reject: str | None = None


@attrs.frozen
class TalkParams:
    """What a tcp probe says once it is connected.

    Attributes:
        steps: The conversation; empty if there is a preset.
        preset: Takes the place of the steps.
        user: Whose login the presets mysql and postgresql begin.
    """

    steps: tuple[ProbeStep, ...] = ()
    preset: Preset | None = None
    user: str = "maglevd"


class RecordType(enum.StrEnum):
    """A type of DNS records that can be asked for."""

    A = "A"
    AAAA = "AAAA"
    CAA = "CAA"
    CNAME = "CNAME"
    DNSKEY = "DNSKEY"
    DS = "DS"
    HTTPS = "HTTPS"
    MX = "MX"
    NAPTR = "NAPTR"
    NS = "NS"
    PTR = "PTR"
    SOA = "SOA"
    SRV = "SRV"
    SVCB = "SVCB"
    TXT = "TXT"


class Rcode(enum.StrEnum):
    """A response code of DNS (RFC 1035, 4.1.1; RFC 2136, 2.2), with its number in `RCODES`."""

    NOERROR = "NOERROR"
    FORMERR = "FORMERR"
    SERVFAIL = "SERVFAIL"
    NXDOMAIN = "NXDOMAIN"
    NOTIMP = "NOTIMP"
    REFUSED = "REFUSED"


RCODES: Final = tuple(Rcode)
"""The response codes, by number."""


@attrs.frozen
class UdpParams:
    """What a udp probe sends and expects.

    Attributes:
        payload: The datagram.
        expect: What has to be in the answer; None waits for no answer, but for an ICMP error.
    """

    payload: bytes = b""
    expect: AnswerPattern | None = None


@attrs.frozen
class GrpcParams:
    """What a grpc probe asks.

    Attributes:
        service: The name of a service; empty for the server as a whole.
        host: Value of ``:authority``; None sends the address and the port.
    """

    service: str = ""
    host: str | None = None


@attrs.frozen
class DnsParams:
    """What a dns probe asks and expects.

    Attributes:
        name: The name to ask for.
        record_type: The type of its records.
        tcp: Whether to ask over TCP.
        rcode: The response code that passes.
        answer: A record of that type that must be in the answer, as in a zone file; None for any.
        answer_regexp: RE2 pattern that a record of that type must match, as text; None for any.
        recursion: Whether the server is asked to ask others.
    """

    name: str
    record_type: RecordType = RecordType.A
    tcp: bool = False
    rcode: Rcode = Rcode.NOERROR
    answer: str | None = None
    answer_regexp: str | None = None
    recursion: bool = True


class Via(enum.StrEnum):
    """The way that probes take to a backend."""

    DIRECT = "direct"
    VIP = "vip"


@attrs.frozen
class VipPath:
    """How a probe gets to a backend by one VIP.

    Attributes:
        vip: The address to probe.
        ipv4_source: Source of GRE packets to IPv4 backends: that of VPP.
        ipv6_source: The same for IPv6.
        device: What the names of the tun devices begin with.
        mark: The first of the marks that lead packets into them.
    """

    vip: str
    ipv4_source: str
    ipv6_source: str
    device: str
    mark: int


@attrs.frozen
class AgentParams:
    """How an agent is asked, and for how long it is believed.

    Attributes:
        request: What is sent first; empty for nothing.
        address: Where the agent is; None for the address of the backend.
        hold: Seconds for which its last word holds when it says nothing any longer.
    """

    request: bytes = b""
    address: str | None = None
    hold: float = 15.0


@attrs.frozen
class ExecParams:
    """What an exec probe runs.

    Attributes:
        command: The program and its arguments.
    """

    command: tuple[str, ...]


@attrs.frozen
class ExecConfig:
    """Whether programs may be run as probes, and how many.

    Attributes:
        allow: Whether they may.
        at_once: How many may run at once.
    """

    allow: bool = False
    at_once: int = 16


NO_PROGRAMS: Final = ExecConfig()
