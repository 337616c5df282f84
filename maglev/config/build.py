"""Builds the values of `maglev.model.config` from the records of a file without errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from maglev.config.announce_keys import build_announce
from maglev.config.expansion import with_members
from maglev.config.keys import AUTO
from maglev.config.netkinds import name_of_host
from maglev.config.probekinds import pattern_of
from maglev.config.resolver_keys import build_names, build_resolver, is_named
from maglev.model.blindness_rule import Blindness
from maglev.model.check_params import (
    AgentParams,
    DnsParams,
    ExecConfig,
    ExecParams,
    GrpcParams,
    TalkParams,
    UdpParams,
)
from maglev.model.config import (
    DEFAULT_TABLE_LENGTH,
    Backend,
    CheckerConfig,
    CheckType,
    Config,
    Frontend,
    Healthcheck,
    HttpParams,
    LbConf,
    Pool,
    PoolMember,
    TlsParams,
    Transport,
    VppConfig,
)
from maglev.model.scale import enough_lengths, fitting_length, programmed_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maglev.config.reader import Record
    from maglev.model.names import NamedBackends


LEAST_HOLD: Final = 15.0
"""Seconds for which the last word of an agent holds at least, unless the file says something else."""


def build_config(maglev: Record) -> Config:
    """Return the configuration of a file without errors.

    Args:
        maglev: The section ``maglev``; nothing in it is broken.
    """
    lb = maglev["vpp"]["lb"]
    checker = maglev["healthchecker"]
    names = {each.name: each for each in build_names(maglev)}
    return Config(
        checker=CheckerConfig(
            checker["transition-history"],
            checker["netns"],
            checker["probe-workers"],
            _blindness(checker["blindness"]),
            checker["tunnel-device"],
            checker["tunnel-mark"],
            ExecConfig(checker["exec"]["allow"], checker["exec"]["at-once"]),
        ),
        vpp=_vpp(lb),
        healthchecks={name: _healthcheck(name, record) for name, record in maglev.records("healthchecks")},
        backends={
            name: Backend(
                name, record["address"], record["healthcheck"], record["enabled"], agent_check=record["agent-check"]
            )
            for name, record in maglev.records("backends")
            if not is_named(record)
        },
        frontends={name: _frontend(name, record, lb, maglev, names) for name, record in maglev.records("frontends")},
        announce=build_announce(maglev["announce"]),
        names=names,
        resolver=build_resolver(maglev["resolver"]),
    )


def _blindness(record: Record) -> Blindness | None:
    if not record["share"]:
        return None
    return Blindness(record["share"], record["window"], record["hold"], record["canary"])


def _vpp(lb: Record) -> VppConfig:
    return VppConfig(
        conf=LbConf(
            ipv4_src_address=lb["ipv4-src-address"],
            ipv6_src_address=lb["ipv6-src-address"],
            sticky_buckets_per_core=lb["sticky-buckets-per-core"],
            flow_timeout=int(lb["flow-timeout"]),
        ),
        sync_interval=lb["sync-interval"],
        startup_min_delay=lb["startup-min-delay"],
        startup_max_delay=lb["startup-max-delay"],
        removal_max_delay=lb["removal-max-delay"],
        removal_drain=lb["removal-drain"],
        foreign_vips=lb["foreign-vips"],
    )


def _healthcheck(name: str, record: Record) -> Healthcheck:
    kind, params = record["type"], record["params"]
    return Healthcheck(
        name=name,
        type=kind,
        l4_port=record["port"],
        interval=record["interval"],
        fast_interval=_or(record["fast-interval"], record["interval"]),
        down_interval=_or(record["down-interval"], record["interval"]),
        timeout=record["timeout"],
        rise=record["rise"],
        fall=record["fall"],
        probe_ipv4_src=record["probe-ipv4-src"],
        probe_ipv6_src=record["probe-ipv6-src"],
        http=_http(params) if kind in {CheckType.HTTP, CheckType.HTTPS} else None,
        tls=_tls(params) if kind is CheckType.HTTPS or params["ssl"] else None,
        talk=_talk(params),
        udp=_udp(params) if kind is CheckType.UDP else None,
        dns=_dns(params) if kind is CheckType.DNS else None,
        grpc=GrpcParams(params["service"] or "", params["host"]) if kind is CheckType.GRPC else None,
        via=record["via"],
        agent=_agent(record) if kind is CheckType.AGENT else None,
        exec=ExecParams(params["command"]) if kind is CheckType.EXEC else None,
    )


def _agent(record: Record) -> AgentParams:
    params = record["params"]
    usual = usual_hold(record["interval"], record["timeout"])
    return AgentParams(params["send"] or b"", params["address"], _or(params["hold"], usual))


def usual_hold(interval: float, timeout: float) -> float:
    """Return for how many seconds the last word of an agent holds, unless the file says something else."""
    return max(3 * interval + timeout, LEAST_HOLD)


def _udp(params: Record) -> UdpParams:
    expect = pattern_of(params["expect"], params["expect-hex"], params["expect-regexp"])
    return UdpParams(params["send"] or params["send-hex"] or b"", expect)


def _dns(params: Record) -> DnsParams:
    return DnsParams(
        params["name"],
        params["record-type"],
        params["transport"] is Transport.TCP,
        params["rcode"],
        params["answer"],
        params["answer-regexp"],
        params["recursion"],
    )


def _talk(params: Record) -> TalkParams | None:
    steps, preset = params["steps"] or (), params["preset"]
    return TalkParams(steps, preset, params["user"]) if steps or preset else None


def _http(params: Record) -> HttpParams:
    return HttpParams(
        params["path"],
        params["host"],
        params["response-code"],
        params["response-regexp"],
        params["response-regexp-not"],
        params["headers"] or (),
        params["disable-on-404"],
        params["method"],
        params["body"] or b"",
        params["expect-header"] or (),
        params["expect-header-regexp"] or (),
        params["http2"],
    )


def _tls(params: Record) -> TlsParams:
    name = params["server-name"]
    if name is None and params["host"]:
        name = name_of_host(params["host"])
    verify = not params["insecure-skip-verify"]
    return TlsParams(
        name and name.removesuffix("."),
        verify=verify,
        resume=params["tls-resumption"],
        curves=params["curves"],
        ca_file=params["ca-file"] if verify else None,
        client_certificate=params["client-certificate"],
        client_key=params["client-key"],
    )


def _frontend(name: str, record: Record, lb: Record, maglev: Record, names: Mapping[str, NamedBackends]) -> Frontend:
    length = _or(record["new-flows-table-length"], lb["new-flows-table-length"])
    frontend = Frontend(
        name=name,
        address=record["address"],
        transport=record["protocol"],
        l4_port=record["port"],
        pools=tuple(_pool(pool) for pool in record["pools"]),
        description=record["description"],
        src_ip_sticky=record["src-ip-sticky"],
        flush_on_down=record["flush-on-down"],
        table_length=DEFAULT_TABLE_LENGTH if length == AUTO else length,
        table_fits=length == AUTO,
        weights=_or(record["weights"], lb["weights"]),
        weight_tolerance=_or(record["weight-tolerance"], lb["weight-tolerance"]),
        when_none_eligible=record["when-none-eligible"],
        failback_delay=record["failback-delay"],
    )
    named = [names[member] for member in frontend.backends if member in names] if names else []
    if named:
        # Until they are resolved, nothing is known of them.
        frontend = attrs.evolve(frontend, named_family=named[0].family, unresolved=tuple(each.name for each in named))
    if not frontend.table_fits:
        return frontend
    if named:
        # As if all of them were there: a table that followed the answers would be made again for each.
        full = with_members(frontend, {each.name: range(1, each.most + 1) for each in named})
        every = programmed_in(full, {member: member for member in full.backends})
        return attrs.evolve(frontend, table_length=fitting_length(pool.values() for pool in every))
    addresses = {member: maglev["backends"][member]["address"] for member in frontend.backends}
    pools = tuple(programmed_in(frontend, addresses))
    length = fitting_length(pool.values() for pool in pools)
    return attrs.evolve(frontend, table_length=length, table_enough=enough_lengths(pools, length))


def _pool(pool: Record) -> Pool:
    members = tuple(PoolMember(name, member["weight"]) for name, member in pool.records("backends"))
    return Pool(pool["name"], members, pool["min-up"])


def _or(value: Any, fallback: Any) -> Any:
    """Return a value, or the fallback for a key that is absent."""
    return fallback if value is None else value
