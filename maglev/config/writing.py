"""Writes a configuration as the YAML that it could have been read from, line by line.

The configuration is one as it was loaded, with DNS names as members of pools (`maglev.config.as_written`). What differs
from its default is written, and a few things that people look for although they are as usual. The text of a `Config`
loads to an equal one, with two exceptions. Weights that were set at run time are written as weights of the file, with a
comment; and what may be secret is replaced by `HIDDEN` unless ``secrets`` is true: values of headers, and what probes
send. Of certificates and keys there are only paths in any case. Everything is ASCII.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from maglev.config.durations import spell
from maglev.config.kinds import HIDDEN
from maglev.config.namekinds import spell_server
from maglev.config.probekinds import spell_bytes, step_map
from maglev.config.yaml_lines import Value, address_text, block, key_text, quoted
from maglev.model.announce import DEFAULT_CONTROL_SOCKET, AnnounceConfig, AnnouncePolicy
from maglev.model.blindness_rule import Blindness
from maglev.model.check_params import NO_PROGRAMS, DnsParams, HttpMethod, Preset, Via
from maglev.model.check_set import CheckSet
from maglev.model.config import (
    DEFAULT_TABLE_LENGTH,
    ONE_UP,
    CheckerConfig,
    CheckType,
    Frontend,
    LbConf,
    Transport,
    VppConfig,
)
from maglev.model.names import NamedBackends, ResolverConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from maglev.model.config import Backend, Config, Healthcheck, HttpParams, Pool, TlsParams


def config_lines(config: Config, *, secrets: bool = False) -> Iterator[str]:
    """Yield the lines of a file that says all of a configuration; ``secrets`` says whether also what may be secret."""
    yield "maglev:"
    for _, lines in SECTIONS:
        yield from lines(config)
    for title, _, table, lines in TABLES:
        objects = table(config)
        if objects:
            yield f"  {title}:"
        for each in objects.values():
            yield from healthcheck_lines(each, secrets=True) if secrets and title == "healthchecks" else lines(each)


# Values


def _truth(value: bool) -> str:  # noqa: FBT001  # the value is the point here
    return "true" if value else "false"


def _changed(value: Any, default: Any, text: Callable[[Any], str] = str) -> Value | None:
    """Return the text of a value that is not the default."""
    return None if value == default else text(value)


# Sections


def _defaults(kind: type[attrs.AttrsInstance]) -> dict[str, Any]:
    return {each.name: each.default for each in attrs.fields(kind)}


_CHECKER: Final = _defaults(CheckerConfig)
_LB: Final = _defaults(LbConf)
_VPP: Final = _defaults(VppConfig)
_BLINDNESS: Final = _defaults(Blindness)
_FRONTEND: Final = _defaults(Frontend)
_POLICY: Final = _defaults(AnnouncePolicy)
_DNS: Final = _defaults(DnsParams)


def _checker_lines(config: Config) -> Iterator[str]:
    checker, blind = config.checker, config.checker.blindness
    lines = [
        *block(
            {
                "transition-history": _changed(checker.transition_history, _CHECKER["transition_history"]),
                "netns": None if checker.netns is None else quoted(checker.netns),
                "probe-workers": _changed(checker.probe_workers, _CHECKER["probe_workers"]),
                "tunnel-device": _changed(checker.tunnel_device, _CHECKER["tunnel_device"]),
                "tunnel-mark": _changed(checker.tunnel_mark, _CHECKER["tunnel_mark"]),
            },
            4,
        )
    ]
    if blind is not None:
        lines.append("    blindness:")
        lines += block(
            {
                "share": f"{blind.share:g}%",
                "window": _changed(blind.window, _BLINDNESS["window"], spell),
                "hold": _changed(blind.hold, _BLINDNESS["hold"], spell),
                "canary": None if blind.canary is None else key_text(blind.canary),
            },
            6,
        )
    if checker.exec != NO_PROGRAMS:
        values: dict[str, Value] = {"allow": _truth(checker.exec.allow), "at-once": str(checker.exec.at_once)}
        lines += block({"exec": values}, 4)
    yield from ("  healthchecker:", *lines) if lines else ()


def _vpp_lines(config: Config) -> Iterator[str]:
    vpp, conf = config.vpp, config.vpp.conf
    delays = ("sync_interval", "startup_min_delay", "startup_max_delay", "removal_max_delay", "removal_drain")
    yield "  vpp:"
    yield "    lb:"
    yield from block(
        {
            "ipv4-src-address": conf.ipv4_src_address,
            "ipv6-src-address": address_text(conf.ipv6_src_address),
            "sticky-buckets-per-core": _changed(conf.sticky_buckets_per_core, _LB["sticky_buckets_per_core"]),
            "flow-timeout": _changed(conf.flow_timeout, _LB["flow_timeout"], spell),
            **{name.replace("_", "-"): _changed(getattr(vpp, name), _VPP[name], spell) for name in delays},
            "foreign-vips": _changed(vpp.foreign_vips, _VPP["foreign_vips"]),
        },
        6,
    )


def _resolver_lines(config: Config) -> Iterator[str]:
    resolver = config.resolver
    if resolver == ResolverConfig():
        return
    servers: list[Value] = [quoted(spell_server(each)) for each in resolver.nameservers]
    yield "  resolver:"
    yield from block(
        {
            "nameservers": servers or None,
            "timeout": spell(resolver.timeout),
            "min-ttl": spell(resolver.min_ttl),
            "max-ttl": spell(resolver.max_ttl),
            "missing-answers": str(resolver.missing_answers),
        },
        4,
    )


def _announce_lines(config: Config) -> Iterator[str]:
    announce = config.announce
    if announce == AnnounceConfig():
        return
    yield "  announce:"
    yield from block({"vpp-lost-delay": spell(announce.vpp_lost_delay)}, 4)
    yield from ["    addresses:"] if announce.addresses else []
    for policy in announce.addresses.values():
        yield f"      - address: {address_text(policy.address)}"
        yield from block(
            {
                "frontends": _changed(policy.frontends, _POLICY["frontends"]),
                "min-up": _changed(policy.min_up, _POLICY["min_up"]),
                "after": _changed(policy.after, _POLICY["after"], spell),
                "when-held": _changed(policy.when_held, _POLICY["when_held"], _truth),
            },
            8,
        )
    if (bird := announce.bird) is not None:
        yield "    bird:"
        yield from block(
            {
                "include-file": quoted(bird.include_file),
                "control-socket": _changed(bird.control_socket, DEFAULT_CONTROL_SOCKET, quoted),
                "reassert-interval": spell(bird.reassert_interval),
            },
            6,
        )
    yield from ["    hooks:"] if announce.hooks else []
    for name, hook in announce.hooks.items():
        yield f"      {key_text(name)}:"
        yield from block(
            {
                "command": list(map(quoted, hook.command)) or None,
                "socket": quoted(hook.socket) if hook.socket else None,
                "events": str(hook.events),
            },
            8,
        )


# Objects


def healthcheck_lines(healthcheck: Healthcheck, *, secrets: bool = False) -> Iterator[str]:
    """Yield the lines of a healthcheck; ``secrets`` says whether they have what may be secret."""
    intervals = {
        key.replace("_", "-"): _changed(getattr(healthcheck, key), healthcheck.interval, spell)
        for key in ("fast_interval", "down_interval")
    }
    sources = {
        key.replace("_", "-"): _changed(getattr(healthcheck, key), None, address_text)
        for key in ("probe_ipv4_src", "probe_ipv6_src")
    }
    yield f"    {key_text(healthcheck.name)}:"
    yield from block(
        {
            "type": str(healthcheck.type),
            "port": _changed(healthcheck.l4_port, None),
            "interval": spell(healthcheck.interval),
            **intervals,
            "timeout": spell(healthcheck.timeout),
            **({} if healthcheck.agent else {"rise": str(healthcheck.rise), "fall": str(healthcheck.fall)}),
            **sources,
            "via": _changed(healthcheck.via, Via.DIRECT),
        },
        6,
    )
    params = _params(healthcheck, secrets=secrets)
    if params:
        yield "      params:"
        yield from block(params, 8)


def _params(healthcheck: Healthcheck, *, secrets: bool) -> dict[str, Value | None]:
    params: dict[str, Value | None] = {}
    if healthcheck.http is not None:
        params |= _http_params(healthcheck.http, secrets=secrets)
    params |= _talk_params(healthcheck, secrets=secrets)
    if (grpc := healthcheck.grpc) is not None:
        params |= {"service": _changed(grpc.service, "", quoted), "host": _changed(grpc.host, None, quoted)}
    if healthcheck.dns is not None:
        params |= _dns_params(healthcheck.dns)
    if (agent := healthcheck.agent) is not None:
        request = spell_bytes(agent.request) if secrets else HIDDEN
        params |= {"send": quoted(request) if agent.request else None, "hold": spell(agent.hold)}
        params["address"] = _changed(agent.address, None, address_text)
    if healthcheck.exec is not None:
        params["command"] = list(map(quoted, healthcheck.exec.command))
    if healthcheck.tls is not None:
        params |= {} if healthcheck.type is CheckType.HTTPS else {"ssl": "true"}
        params |= _tls_params(healthcheck.tls)
    return params


def _http_params(http: HttpParams, *, secrets: bool) -> dict[str, Value | None]:
    headers = http.headers if secrets else tuple((name, HIDDEN) for name, _ in http.headers)
    codes: list[Value] = [str(low) if low == high else f"{low}-{high}" for low, high in http.response_codes]
    body = spell_bytes(http.body) if secrets else HIDDEN
    return {
        "method": _changed(http.method, HttpMethod.GET),
        "path": quoted(http.path),
        "body": quoted(body) if http.body else None,
        "host": _changed(http.host, None, quoted),
        "response-code": codes[0] if len(codes) == 1 else codes,
        "response-regexp": _changed(http.response_regexp, None, quoted),
        "response-regexp-not": _changed(http.response_regexp_not, None, quoted),
        "http2": "true" if http.http2 else None,
        "disable-on-404": "true" if http.disable_on_404 else None,
        "headers": _headers(headers),
        "expect-header": _headers(http.expect_header),
        "expect-header-regexp": _headers(http.expect_header_regexp),
    }


def _headers(headers: tuple[tuple[str, str], ...]) -> Value | None:
    return {quoted(name): quoted(value) for name, value in headers} or None


def _talk_params(healthcheck: Healthcheck, *, secrets: bool) -> dict[str, Value | None]:
    talk, udp = healthcheck.talk, healthcheck.udp
    if udp is not None:
        payload, expect = spell_bytes(udp.payload) if secrets else HIDDEN, udp.expect
        return {
            "send": quoted(payload) if udp.payload else None,
            "expect": None if expect is None or expect.text is None else quoted(spell_bytes(expect.text)),
            "expect-regexp": None if expect is None or expect.regexp is None else quoted(expect.regexp),
        }
    if talk is None:
        return {}
    if talk.preset is not None:
        needed = talk.preset in {Preset.MYSQL, Preset.POSTGRESQL}
        return {"preset": str(talk.preset), "user": quoted(talk.user) if needed else None}
    steps: list[Value] = []
    for step in talk.steps:
        hidden = step.expect is None and not secrets
        texts = {key: HIDDEN if hidden else value for key, value in step_map(step).items()}
        steps.append({key: quoted(value) for key, value in texts.items()})
    return {"steps": steps}


def _dns_params(dns: DnsParams) -> dict[str, Value | None]:
    return {
        "name": quoted(dns.name),
        "record-type": str(dns.record_type),
        "transport": str(Transport.TCP) if dns.tcp else None,
        "rcode": _changed(dns.rcode, _DNS["rcode"]),
        "answer": _changed(dns.answer, None, quoted),
        "answer-regexp": _changed(dns.answer_regexp, None, quoted),
        "recursion": _changed(dns.recursion, True, _truth),
    }


def _tls_params(tls: TlsParams) -> dict[str, Value | None]:
    files = {"ca-file": tls.ca_file, "client-certificate": tls.client_certificate, "client-key": tls.client_key}
    return {
        "server-name": _changed(tls.server_name, None, quoted),
        "insecure-skip-verify": None if tls.verify else "true",
        "tls-resumption": None if tls.resume else "false",
        "curves": _changed(tls.curves, None, quoted),
        **{key: None if file is None else quoted(file.path) for key, file in files.items()},
    }


def backend_lines(backend: Backend | NamedBackends) -> Iterator[str]:
    """Yield the line of a backend, or of those of a DNS name; its lines if it is long."""
    values: dict[str, Value]
    if isinstance(backend, NamedBackends):
        values = {
            "dns-name": quoted(backend.dns_name),
            "dns-family": f"ipv{backend.family}",
            "dns-max": str(backend.most),
        }
    else:
        values = {"address": address_text(backend.address)}
    check = backend.healthcheck
    if isinstance(check, CheckSet):
        values["healthcheck"] = {"checks": list(map(key_text, check.names)), "require": check.require}
    elif check is not None:
        values["healthcheck"] = key_text(check)
    if backend.agent_check is not None:
        values["agent-check"] = key_text(backend.agent_check)
    if not backend.enabled:
        values["enabled"] = "false"
    return block({key_text(backend.name): values}, 4)


def frontend_lines(frontend: Frontend) -> Iterator[str]:
    """Yield the lines of a frontend."""
    length = "auto" if frontend.table_fits else _changed(frontend.table_length, DEFAULT_TABLE_LENGTH)
    yield f"    {key_text(frontend.name)}:"
    yield from block(
        {
            "description": quoted(frontend.description) if frontend.description else None,
            "address": address_text(frontend.address),
            "protocol": _changed(frontend.transport, None),
            "port": None if frontend.transport is None else str(frontend.l4_port),
            "src-ip-sticky": _changed(frontend.src_ip_sticky, _FRONTEND["src_ip_sticky"], _truth),
            "flush-on-down": _changed(frontend.flush_on_down, _FRONTEND["flush_on_down"], _truth),
            "new-flows-table-length": length,
            "weights": _changed(frontend.weights, _FRONTEND["weights"]),
            "weight-tolerance": _changed(frontend.weight_tolerance, _FRONTEND["weight_tolerance"], "{:g}%".format),
            "when-none-eligible": str(frontend.when_none_eligible),
            "failback-delay": _changed(frontend.failback_delay, _FRONTEND["failback_delay"], spell),
        },
        6,
    )
    yield "      pools:"
    for pool in frontend.pools:
        yield from _pool_lines(pool)


def _pool_lines(pool: Pool) -> Iterator[str]:
    yield f"        - name: {key_text(pool.name)}"
    yield from block({"min-up": _changed(pool.min_up, ONE_UP)}, 10)
    yield "          backends:" if pool.members else "          backends: {}"
    for member in pool.members:
        if member.written is not None:
            yield f"            # set at run time; the file says {member.written}:"
        yield from block({key_text(member.backend): {"weight": str(member.weight)}}, 12)


SECTIONS: Final[tuple[tuple[str, Callable[[Config], Iterator[str]]], ...]] = (
    ("healthchecker", _checker_lines),
    ("vpp.lb", _vpp_lines),
    ("resolver", _resolver_lines),
    ("announce", _announce_lines),
)
"""The other sections, with their lines."""

TABLES: Final[tuple[tuple[str, str, Callable[[Config], Mapping[str, Any]], Callable[[Any], Iterator[str]]], ...]] = (
    ("healthchecks", "healthcheck", lambda config: config.healthchecks, healthcheck_lines),
    ("backends", "backend", lambda config: {**config.backends, **config.names}, backend_lines),
    ("frontends", "frontend", lambda config: config.frontends, frontend_lines),
)
"""The maps of objects: key, noun, how to get them, and the lines of one."""
