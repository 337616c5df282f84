"""What other balancers learn about our VIPs: the weights by address, and a hash of the configuration.

The hash covers what must be the same on all balancers of a VIP. Names, descriptions, source addresses, namespaces and
our own certificates may well differ. Values of header lines, and bytes that probes send, are left out, because they may
be secrets and short.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import attrs

from maglev.model.check_set import CheckSet
from maglev.model.config import PemFile
from maglev.model.probing import agent_of, checks_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from maglev.model.config import Config, Frontend, Healthcheck, PoolMember
    from maglev.model.peer_views import ServedServerView, ServedVipView
    from maglev.model.views import FrontendView, MemberView, VipKeyView


def served_vip_view(view: FrontendView, key: VipKeyView, configuration: str) -> ServedVipView:
    """Return a VIP for others to compare.

    Args:
        view: The frontend.
        key: Its VIP.
        configuration: The hash of its configuration.
    """
    servers: dict[str, ServedServerView] = {}
    for pool in view["pools"]:
        for member in pool["backends"]:
            known = servers.get(member["address"])
            servers[member["address"]] = _server(member) if known is None else _merged(known, member)
    return {
        **key,
        "frontend": view["name"],
        "state": view["state"],
        "configuration": configuration,
        "servers": list(servers.values()),
    }


def _server(member: MemberView) -> ServedServerView:
    return {
        "address": member["address"],
        "name": member["name"],
        "state": member["state"],
        "weight": member["weight"],
        "effective_weight": member["effective_weight"],
        "programmed_weight": member["programmed_weight"],
        "vpp_weight": member["vpp_weight"],
    }


def _merged(known: ServedServerView, member: MemberView) -> ServedServerView:
    """Return a server that is in another pool as well: it has the weight of the pool that gives it one."""
    if member["effective_weight"] <= known["effective_weight"]:
        return known
    return {**_server(member), "weight": known["weight"]}


def configuration_hash(config: Config, frontend: Frontend) -> str:
    """Return the hash of what the file says of a frontend: 16 hexadecimal digits."""
    values = [
        *(frontend.address, str(frontend.transport), frontend.l4_port),
        *(frontend.src_ip_sticky, frontend.flush_on_down, frontend.table_length),
        *(str(frontend.weights), frontend.weight_tolerance),
        *(str(frontend.when_none_eligible), frontend.failback_delay),
        [[str(pool.min_up), sorted(_member(config, each) for each in pool.members)] for pool in frontend.pools],
    ]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


def _member(config: Config, member: PoolMember) -> list[Any]:
    backend = config.backends[member.backend]
    weight = member.weight if member.written is None else member.written
    found, agent = checks_of(config, backend), agent_of(config, backend)
    needed = backend.healthcheck.needed if isinstance(backend.healthcheck, CheckSet) else len(found)
    every = found if agent is None else (*found, agent)
    checks = sorted(json.dumps(_check(each), sort_keys=True) for each in every)
    return [backend.address, weight, needed, checks]


def _check(check: Healthcheck) -> Any:
    http, tls = check.http, check.tls
    if http is not None:
        http = attrs.evolve(http, headers=tuple((name, "") for name, _ in http.headers))
    if tls is not None:
        tls = attrs.evolve(tls, client_certificate=None, client_key=None)
    return _plain(attrs.evolve(check, name="", probe_ipv4_src=None, probe_ipv6_src=None, http=http, tls=tls))


def _plain(value: Any) -> Any:
    """Return part of a healthcheck for JSON, without what has its default: then newer versions have the same hash."""
    if isinstance(value, PemFile):
        return value.content
    if attrs.has(type(value)):
        fields = [(each.name, getattr(value, each.name), each.default) for each in attrs.fields(type(value))]
        return {name: _plain(what) for name, what, default in fields if what != default}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return len(value) if isinstance(value, bytes) else value


class HashCache:
    """The hashes of the configuration in force, made when they are asked for."""

    def __init__(self, config: Callable[[], Config]) -> None:
        """Begin with none.

        Args:
            config: Returns the configuration in force.
        """
        self._config = config
        self._of: Config | None = None
        self._hashes: dict[str, str] = {}

    def get(self, frontend: Frontend) -> str:
        """Return the hash of a frontend."""
        config = self._config()
        if config is not self._of:
            self._of, self._hashes = config, {}
        found = self._hashes.get(frontend.name)
        if found is None:
            found = self._hashes[frontend.name] = configuration_hash(config, frontend)
        return found
