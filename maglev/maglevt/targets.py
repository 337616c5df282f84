"""What to test: the VIPs, how to ask each, and the weights that its answers should follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from maglev.config.spelling import Spelling
from maglev.maglevt.measure.shares import Weights
from maglev.model.config import CheckType, Healthcheck, HttpParams, TlsParams, Transport
from maglev.model.text import printable
from maglev.model.via import first_healthcheck

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from maglev.model.config import Config, Frontend

FLOW_TIMEOUT: Final = 40.0
"""Seconds for which VPP remembers where a flow went, unless it is configured otherwise."""


@attrs.frozen
class VipTarget:
    """A VIP to test.

    Attributes:
        name: Name of the frontend.
        address: Its address.
        l4_port: The port to ask at.
        healthcheck: What to ask, and what a good answer is.
        sticky: Whether all that we send goes to one backend.
        note: What people should know about that; empty if nothing.
    """

    name: str
    address: str
    l4_port: int
    healthcheck: Healthcheck
    sticky: bool = False
    note: str = ""

    @property
    def where(self) -> str:
        """The address with the port."""
        return f"[{self.address}]:{self.l4_port}" if ":" in self.address else f"{self.address}:{self.l4_port}"


@attrs.frozen
class Question:
    """How to ask all VIPs, where that is not to be as their healthchecks ask the backends; None leaves it.

    Attributes:
        timeout: Seconds for a whole request.
        check: The type.
        path: The path of an HTTP request.
        host: Its Host header.
        insecure: Whether any certificate is accepted.
    """

    timeout: float
    check: CheckType | None = None
    path: str | None = None
    host: str | None = None
    insecure: bool = False


@attrs.frozen
class Found:
    """What a source of targets has.

    Attributes:
        targets: The VIPs.
        weights: The weights of each, by its name.
        skipped: Why frontends can't be tested, by their names.
        flow_timeout: Seconds for which VPP remembers where a flow went.
        names: The frontends that there are, chosen or not.
    """

    targets: Sequence[VipTarget]
    weights: Mapping[str, Weights]
    skipped: Mapping[str, str] = attrs.field(factory=dict)
    flow_timeout: float = FLOW_TIMEOUT
    names: Collection[str] = ()

    def unknown(self, only: Collection[str]) -> list[str]:
        """Return what to say of each frontend that was chosen but does not exist.

        Args:
            only: Names that were chosen.
        """
        spelling = Spelling()
        unknown = []
        for name in sorted(set(only).difference(self.names)):
            meant = spelling.closest(name, self.names)
            hint = f'; did you mean "{printable(meant)}"?' if meant else ""
            unknown.append(f'there is no frontend "{printable(name)}"{hint}')
        return unknown


def targets_of_config(config: Config, question: Question, only: Collection[str] = ()) -> Found:
    """Return what a configuration of maglevd has.

    The weights are those of the first pools: which backends are up, a file does not say.

    Args:
        config: The configuration.
        question: How to ask.
        only: Names of frontends; empty for all.
    """
    targets, skipped, weights = [], {}, {}
    for frontend in _chosen(config.frontends, only):
        checks = (first_healthcheck(config, config.backends[name]) for name in frontend.backends)
        check = next((each for each in checks if each is not None), None)
        made = target_of(frontend, check, question)
        if isinstance(made, str):
            skipped[frontend.name] = made
            continue
        targets.append(made)
        members = frontend.pools[0].members
        weights[frontend.name] = Weights(
            {each.backend: each.weight for each in members},
            {each.backend: config.backends[each.backend].address for each in members},
            frontend.table_length,
        )
    return Found(targets, weights, skipped, config.vpp.conf.flow_timeout, config.frontends.keys())


def _chosen(frontends: Mapping[str, Frontend], only: Collection[str]) -> list[Frontend]:
    wanted = set(only)
    return [each for name, each in frontends.items() if not wanted or name in wanted]


def target_of(frontend: Frontend, check: Healthcheck | None, question: Question) -> VipTarget | str:
    """Return the target that a frontend is, or why it can't be tested.

    Args:
        frontend: The frontend; its pools do not matter.
        check: A healthcheck of its backends; None if there is none.
        question: How to ask.
    """
    if frontend.transport is Transport.UDP:
        return "UDP can't be tested"
    port = frontend.l4_port or (check.l4_port if check is not None else None)
    if not port:
        return "it has all ports, and no healthcheck says which one to test"
    asked = asked_of_vip(check, port, question)
    note = ""
    if check is not None and question.check is None and check.l4_port not in {None, port}:
        note = f"asked as healthcheck {check.name} asks port {check.l4_port}; --check says otherwise"
    return VipTarget(frontend.name, frontend.address, port, asked, frontend.src_ip_sticky, note)


def asked_of_vip(check: Healthcheck | None, port: int, question: Question) -> Healthcheck:
    """Return the healthcheck to ask a VIP by: that of its backends, at the VIP's port, unless options change it."""
    kind = question.check or (check.type if check is not None else CheckType.TCP)
    kind = kind if kind in {CheckType.HTTP, CheckType.HTTPS} else CheckType.TCP
    http, tls = (None, None) if check is None else (check.http, check.tls)
    if kind is CheckType.TCP:
        http = None
        tls = tls if check is not None and check.type is CheckType.TCP else None
    else:
        http = http or HttpParams()
        http = attrs.evolve(http, path=question.path or http.path, host=question.host or http.host)
        tls = (tls or TlsParams()) if kind is CheckType.HTTPS else None
    if tls is not None:
        # Each handshake is a whole one, as that of a new client.
        tls = attrs.evolve(tls, resume=False, verify=tls.verify and not question.insecure)
    return Healthcheck(
        name="" if check is None else check.name,
        type=kind,
        l4_port=port,
        interval=1.0,
        fast_interval=1.0,
        down_interval=1.0,
        timeout=question.timeout,
        http=http,
        tls=tls,
    )


def weights_of_view(frontend: Mapping[str, Any], buckets: int = 0) -> Weights:
    """Return the weights that VPP should hold now for a frontend, from what the daemon says of it.

    Args:
        frontend: The frontend.
        buckets: Length of its table of new flows; 0 if it is not known.
    """
    weights: dict[str, int] = {}
    addresses: dict[str, str] = {}
    for pool in frontend["pools"]:
        for member in pool["backends"]:
            name = member["name"]
            weights[name] = weights.get(name, 0) + member["programmed_weight"]
            addresses[name] = member["address"]
    for server in frontend["departing"]:
        weights[server["address"]] = server["weight"]
        addresses[server["address"]] = server["address"]
    return Weights(weights, addresses, buckets)
