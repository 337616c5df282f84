"""The configuration as immutable values: the content of a valid file, with every default filled in.

Durations are float seconds. Addresses are canonical text (`maglev.model.addresses`). Mappings keep the order of the
file and are never changed after construction. Two equal values need no work to get from one to the other; a reload
relies on that.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

import attrs

from maglev.model.announce import AnnounceConfig
from maglev.model.check_params import NO_PROGRAMS, ExecConfig, HttpMethod, Via
from maglev.model.names import ResolverConfig
from maglev.model.served_vips import served_vips

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maglev.model.addresses import Family
    from maglev.model.blindness_rule import Blindness
    from maglev.model.check_params import (
        AgentParams,
        DnsParams,
        ExecParams,
        GrpcParams,
        TalkParams,
        UdpParams,
        VipPath,
    )
    from maglev.model.check_set import CheckSet
    from maglev.model.names import NamedBackends

DEFAULT_TABLE_LENGTH: Final = 1024
MAX_TABLE_LENGTH: Final = 65536
MAX_WEIGHT: Final = 100
DEFAULT_TOLERANCE: Final = 2.0  # percent of a share


class CheckType(enum.StrEnum):
    """How a backend is probed."""

    ICMP = "icmp"
    TCP = "tcp"
    HTTP = "http"
    HTTPS = "https"
    UDP = "udp"
    DNS = "dns"
    GRPC = "grpc"
    AGENT = "agent"
    EXEC = "exec"


class Transport(enum.StrEnum):
    """The IP protocol of a frontend."""

    TCP = "tcp"
    UDP = "udp"


class ForeignVips(enum.StrEnum):
    """How a full sync treats VIPs that are not in the file."""

    REMOVE = "remove"
    KEEP = "keep"


class WeightScale(enum.StrEnum):
    """How VPP is told the weights of a frontend: as they are, or as the smallest integers of the same proportion."""

    AS_WRITTEN = "as-written"
    LEAST_MOVING = "least-moving"


@attrs.frozen
class PemFile:
    """What a file held when the configuration was read. Nothing reads it again before the next reload.

    Attributes:
        path: Its path.
        content: Its certificates or its key, as PEM without anything between; a key is a secret.
    """

    path: str
    content: str = attrs.field(default="", repr=False)


@attrs.frozen
class TlsParams:
    """TLS of a tcp or https probe.

    Attributes:
        server_name: Name to send (SNI) and to verify; None verifies by address.
        verify: Whether the certificate must be valid.
        resume: Whether most handshakes may resume the session of the last probe.
        curves: Groups for the key exchange, joined by colons; None for those of a small ClientHello.
        ca_file: The authorities to trust; None for those of the system.
        client_certificate: Our own certificate and the chain above it; None to have none.
        client_key: The key to it; set if the certificate is.
    """

    server_name: str | None = None
    verify: bool = True
    resume: bool = True
    curves: str | None = None
    ca_file: PemFile | None = None
    client_certificate: PemFile | None = None
    client_key: PemFile | None = None


@attrs.frozen
class HttpParams:
    """What an http or https probe sends and expects.

    Attributes:
        path: Request target, starting with ``/``.
        host: Value of the Host header; None sends the address (and the port unless it is the default one).
        response_codes: Inclusive ranges of accepted status codes.
        response_regexp: RE2 pattern that the body must contain; None accepts any body.
        response_regexp_not: RE2 pattern that the body must not contain; None accepts any body.
        headers: Names and values of further header lines, in order.
        disable_on_404: Whether the status 404 means that the backend is well and wants no new flows.
        method: The method of the request.
        body: What a POST sends.
        expect_header: Names and values of headers that the answer must have.
        expect_header_regexp: Names, and RE2 patterns over bytes that their values must match.
        http2: Whether to speak HTTP/2.
    """

    path: str = "/"
    host: str | None = None
    response_codes: tuple[tuple[int, int], ...] = ((200, 200),)
    response_regexp: str | None = None
    response_regexp_not: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    disable_on_404: bool = False
    method: HttpMethod = HttpMethod.GET
    body: bytes = attrs.field(default=b"", repr=False)
    expect_header: tuple[tuple[str, str], ...] = ()
    expect_header_regexp: tuple[tuple[str, str], ...] = ()
    http2: bool = False


@attrs.frozen
class Healthcheck:
    """How to probe a backend.

    Attributes:
        l4_port: Port of the probe; None for icmp.
        interval: Seconds between the starts of two probes of a healthy backend.
        fast_interval: The same while unknown or between fully up and fully down.
        down_interval: The same while fully down.
        timeout: Seconds for a whole probe.
        rise: Consecutive passes that bring a down backend up.
        fall: Consecutive failures that bring an up backend down.
        probe_ipv4_src, probe_ipv6_src: Source address of probes to such backends; None lets the kernel choose.
        tls: Set for https, and for tcp and grpc with ``ssl``.
        talk: Set for tcp with ``steps`` or a ``preset``.
        http, udp, dns, grpc, agent, exec: Set for these types; http for https, too.
        via: By which way the probes go.
        path: The VIP that it goes by, in what a healthcheck becomes for a backend (`maglev.model.via`).
    """

    name: str
    type: CheckType
    l4_port: int | None
    interval: float
    fast_interval: float
    down_interval: float
    timeout: float
    rise: int = 2
    fall: int = 3
    probe_ipv4_src: str | None = None
    probe_ipv6_src: str | None = None
    http: HttpParams | None = None
    tls: TlsParams | None = None
    talk: TalkParams | None = None
    udp: UdpParams | None = None
    dns: DnsParams | None = None
    grpc: GrpcParams | None = None
    agent: AgentParams | None = None
    exec: ExecParams | None = None
    via: Via = Via.DIRECT
    path: VipPath | None = None


@attrs.frozen
class Backend:
    """A named address that is probed once, however many frontends use it.

    Attributes:
        healthcheck: Name of the healthcheck; or several of them; None makes a static backend.
        enabled: False starts it disabled.
        named: Name in the file of the backends that a DNS name stands for, if this is one of them; else empty.
        agent_check: Name of the healthcheck that asks its agent; None if it has none.
    """

    name: str
    address: str
    healthcheck: str | CheckSet | None = None
    enabled: bool = True
    named: str = ""
    agent_check: str | None = None


@attrs.frozen
class PoolMember:
    """A backend in a pool.

    Attributes:
        weight: Configured weight, 0..100.
        written: The weight in the file, where another one was set at run time; else None.
    """

    backend: str
    weight: int = MAX_WEIGHT
    written: int | None = None


@attrs.frozen
class MinUp:
    """How much of a pool has to be in service for it to be taken: so many backends, or such a part of their weights.

    Attributes:
        amount: Backends, or hundredths of a percent of the configured weights.
        share: Whether it is a part of the weights.
    """

    amount: int = 1
    share: bool = False

    def __str__(self) -> str:
        return f"{self.amount / 100:g}%" if self.share else str(self.amount)


ONE_UP: Final = MinUp()


class WhenNoneEligible(enum.StrEnum):
    """What a frontend does when no pool has enough backends in service."""

    DOWN = "down"
    HOLD = "hold"


@attrs.frozen
class Pool:
    """An ordered priority tier of a frontend.

    Attributes:
        min_up: What has to be in service before it is taken.
    """

    name: str
    members: tuple[PoolMember, ...]
    min_up: MinUp = ONE_UP


VipIdentity = tuple[str, "Transport | None", int]
"""Address, transport and port of a VIP, by which VPP identifies it."""


@attrs.frozen
class Frontend:
    """One VIP.

    Attributes:
        transport: None together with ``l4_port`` 0 means all ports.
        l4_port: 1..65535, or 0 for all ports.
        table_length: Buckets of the new-flow table, a power of two, 1..65536.
        table_fits: Whether that length follows from the weights. A VIP that VPP has then need not have it exactly.
        table_enough: Much shorter lengths that a live VIP keeps nevertheless, as their shares are good enough.
        weights: How VPP is told the weights.
        weight_tolerance: By how much a share may differ from the wanted one for that, in percent of it.
        when_none_eligible: What it does when no pool has enough backends in service.
        failback_delay: Seconds for which an earlier pool must have had enough before it takes over again.
        named_family: The family of its backends that come from DNS names; None if there are none.
        unresolved: Those of these names that were never resolved. What VPP holds and nobody is known to own then stays.
    """

    name: str
    address: str
    transport: Transport | None
    l4_port: int
    pools: tuple[Pool, ...]
    description: str = ""
    src_ip_sticky: bool = False
    flush_on_down: bool = True
    table_length: int = DEFAULT_TABLE_LENGTH
    table_fits: bool = False
    table_enough: tuple[int, ...] = ()
    weights: WeightScale = WeightScale.AS_WRITTEN
    weight_tolerance: float = DEFAULT_TOLERANCE
    when_none_eligible: WhenNoneEligible = WhenNoneEligible.DOWN
    failback_delay: float = 0.0
    named_family: Family | None = None
    unresolved: tuple[str, ...] = ()

    @property
    def identity(self) -> VipIdentity:
        """The identity of the VIP in VPP. The frontend's name is ours and may change without any effect on VPP."""
        return self.address, self.transport, self.l4_port

    @property
    def backends(self) -> tuple[str, ...]:
        """Names of all its backends, each once, in the order of the file."""
        return tuple(dict.fromkeys(member.backend for pool in self.pools for member in pool.members))


@attrs.frozen
class LbConf:
    """The global settings of the lb plugin (``lb_conf``).

    Attributes:
        ipv4_src_address, ipv6_src_address: Source of GRE packets to application servers of each family.
        sticky_buckets_per_core: Flow table size of each worker, a power of two.
        flow_timeout: Seconds, whole, 1..120.
    """

    ipv4_src_address: str
    ipv6_src_address: str
    sticky_buckets_per_core: int = 65536
    flow_timeout: int = 40


@attrs.frozen
class VppConfig:
    """Settings for programming VPP.

    Attributes:
        sync_interval: Seconds between two drift repairs.
        startup_min_delay: Seconds after start during which nothing is written.
        startup_max_delay: Seconds after start at which everything is synced.
        removal_max_delay: Seconds for which a server removed from the file may go on serving a VIP that has no other
            server in service.
        removal_drain: Seconds from the moment at which a server removed from the file loses its weight to its deletion.
    """

    conf: LbConf
    sync_interval: float = 30.0
    startup_min_delay: float = 5.0
    startup_max_delay: float = 30.0
    removal_max_delay: float = 60.0
    removal_drain: float = 1.0
    foreign_vips: ForeignVips = ForeignVips.REMOVE


@attrs.frozen
class CheckerConfig:
    """Settings of the checker as a whole.

    Attributes:
        transition_history: Transitions kept per backend.
        netns: Name of the network namespace that probes run in; None is the daemon's own.
        probe_workers: Number of processes that probe; 0 probes in the daemon itself.
        blindness: When the checks are in doubt; None for never.
        tunnel_device, tunnel_mark: With what the names of the tun devices begin, and the first of their marks.
        exec: Whether programs may be run.
    """

    transition_history: int = 5
    netns: str | None = None
    probe_workers: int = 0
    blindness: Blindness | None = None
    tunnel_device: str = "maglev"
    tunnel_mark: int = 19783
    exec: ExecConfig = NO_PROGRAMS


@attrs.frozen
class Config:
    """A complete valid configuration.

    Attributes:
        names: What DNS names stand for. As loaded, pools have them as members; `maglev.config.expansion` puts a backend
            for each address in their place.
        resolver: How DNS names are resolved.
        vips: The addresses of the VIPs by which each backend is probed; none for one that is not.
        made_paths: Those made so far, by name; a cache (`maglev.model.via`).
    """

    checker: CheckerConfig
    vpp: VppConfig
    healthchecks: Mapping[str, Healthcheck]
    backends: Mapping[str, Backend]
    frontends: Mapping[str, Frontend]
    announce: AnnounceConfig = attrs.field(factory=AnnounceConfig)
    names: Mapping[str, NamedBackends] = attrs.field(factory=dict)
    resolver: ResolverConfig = attrs.field(factory=ResolverConfig)
    vips: Mapping[str, tuple[str, ...]] = attrs.field(init=False, eq=False, repr=False)
    made_paths: dict[str, Healthcheck] = attrs.field(init=False, eq=False, repr=False, factory=dict)

    @vips.default
    def _vips(self) -> Mapping[str, tuple[str, ...]]:
        return served_vips(self.healthchecks, self.backends, self.frontends.values())
