"""Views: the shapes of what the control interface returns, as ``| json`` shows it and Perspective Broker sends it.

A view is a dictionary of basic values. Durations are float seconds, times are ISO 8601 text in UTC, and addresses have
no mask. Each key is annotated with its meaning; the tables in ``docs/json.rst`` are made of that.
"""

from __future__ import annotations

from typing import Annotated, Generic, TypedDict, TypeVar

from maglev.model.check_views import CheckParamsView  # noqa: TC001  # resolved to make docs/json.rst
from maglev.model.health_views import AgentView, CheckView, HealthView, ResultView  # noqa: TC001  # read by `get_type_hints`
from maglev.model.override_views import DrainView, KeptView, OverrideView

Row = TypeVar("Row")


class PageView(TypedDict, Generic[Row]):
    """One page of a list."""

    rows: Annotated[list[Row], "The rows of this page."]
    next: Annotated[str | None, "Where the next page begins, to be passed as ``after``; None on the last page."]


# "from" is a keyword of Python, which the body of a class can't have as a key.
ChangeView = TypedDict("ChangeView", {"from": Annotated[str, "State before."], "to": Annotated[str, "State after."]})
_WeightChange = TypedDict(
    "_WeightChange", {"from": Annotated[int, "Weight before, 0..100."], "to": Annotated[int, "Weight after, 0..100."]}
)


class VersionView(TypedDict):
    """The build that runs, and where."""

    host: Annotated[str, "Name of the machine (``--name``); empty if it is not known."]
    version: Annotated[str, "The version of the program."]
    commit: Annotated[str, "The commit that it was built from, abbreviated."]
    build_date: Annotated[str, "The day of the build."]


# Frontends and backends


class MemberView(TypedDict):
    """A backend in a pool."""

    name: Annotated[str, "Name of the backend."]
    address: Annotated[str, "Address of the backend."]
    state: Annotated[str, "State of the backend."]
    enabled: Annotated[bool, "False while the backend is disabled."]
    weight: Annotated[int, "Weight as configured or set, 0..100."]
    file_weight: Annotated[int, "Weight in the file; another one than ``weight`` if that was set at run time."]
    effective_weight: Annotated[int, "Weight that it should have now, 0..100."]
    programmed_weight: Annotated[int, "What VPP should hold for that; the same unless ``weights`` is least-moving."]
    vpp_weight: Annotated[int | None, "What VPP is known to hold; None if it does not have it, or is not connected."]
    vpp_buckets: Annotated[int | None, "Buckets that point to it, as VPP was read last; None if it was written since."]
    reason: Annotated[str, "Why it has that weight; the words are in :doc:`health`."]


class PoolView(TypedDict):
    """A pool of a frontend."""

    name: Annotated[str, "Name of the pool."]
    active: Annotated[bool, "Whether this is the active pool; in a frontend that serves nothing, none is."]
    min_up: Annotated[str, "What has to be in service: a number of backends, or a percentage of the weight."]
    in_service: Annotated[int, "How many of its backends are in service, whether the pool is active or not."]
    eligible_for: Annotated[float | None, "Seconds for which it has had enough; None while it has not."]
    fails_back_in: Annotated[float | None, "Seconds until it takes over, if it stays so; None if it is not about to."]
    backends: Annotated[list[MemberView], "The members, in the order of the configuration."]


class DepartingView(TypedDict):
    """A server that left the configuration and is still in a VIP."""

    address: Annotated[str, "Address of the server."]
    weight: Annotated[int, "Effective weight: it serves as long as nothing else does. With 0, it only drains."]
    programmed_weight: Annotated[int, "What VPP should hold for that; the same unless ``weights`` is least-moving."]
    leaves_in: Annotated[float, "Seconds for which it stays at most."]


class FrontendView(TypedDict):
    """A frontend."""

    name: Annotated[str, "Name of the frontend."]
    address: Annotated[str, "Address of the VIP."]
    protocol: Annotated[str, "``tcp``, ``udp``, or ``any`` together with port 0."]
    port: Annotated[int, "Port of the VIP."]
    description: Annotated[str, "Text from the configuration; may be empty."]
    state: Annotated[str, "``unknown``, ``up`` or ``down``."]
    src_ip_sticky: Annotated[bool, "Whether VPP keeps all flows of a source address on one backend."]
    flush_on_down: Annotated[bool, "Whether flows to a backend are forgotten when it goes down."]
    weights: Annotated[str, "How VPP is told the weights: ``as-written`` or ``least-moving``."]
    when_none_eligible: Annotated[str, "What it does when no pool has enough in service: ``down`` or ``hold``."]
    failback_delay: Annotated[float, "Seconds for which an earlier pool must have had enough to take over again."]
    held: Annotated[int, "Number of backends that are down and kept in service, by ``hold``."]
    pools: Annotated[list[PoolView], "The pools, by priority."]
    departing: Annotated[list[DepartingView], "Servers that left the configuration and are still in VPP."]
    enabled: Annotated[bool, "False while an operator has disabled it as a whole."]
    override: Annotated[OverrideView | None, "What an operator ordered for it as a whole; None if nothing."]


class TransitionView(ChangeView):
    """A change of a backend's state."""

    at: Annotated[str, "When it happened."]
    age: Annotated[float, "Seconds since then."]
    code: Annotated[
        str,
        "Code of the probe, or another cause: ``start``, ``draining``, ``paused``, ``resumed``, ``disabled``, "
        "``enabled``, ``changed`` or ``removed``.",
    ]
    detail: Annotated[str, "What happened, for a person; may be empty."]
    healthcheck: Annotated[str, "The check whose result caused it, if the backend has several; else empty."]


class BackendView(TypedDict):
    """A backend."""

    name: Annotated[str, "Name of the backend."]
    address: Annotated[str, "Address of the backend."]
    state: Annotated[str, "``unknown``, ``up``, ``down``, ``draining``, ``paused`` or ``disabled``."]
    enabled: Annotated[bool, "False while the backend is disabled."]
    healthcheck: Annotated[str | None, "Name of its healthcheck, the first of several; None for a static backend."]
    health: Annotated[HealthView, "The health counter; of several checks, it counts those that are up."]
    last_result: Annotated[ResultView | None, "Outcome of the last probe; of several checks, of one that fails."]
    checks: Annotated[list[CheckView], "Its checks, if it has several; else none."]
    agent: Annotated[AgentView | None, "What its agent says; None if it has none."]
    transitions: Annotated[list[TransitionView], "Changes of its state, newest first."]
    frontends: Annotated[list[str], "Names of the frontends that use it."]
    override: Annotated[OverrideView | None, "What an operator ordered for it; None if the file holds."]
    drain: Annotated[DrainView | None, "How its drain is going; None if it has none with a goal."]


class HealthcheckView(TypedDict):
    """A healthcheck."""

    name: Annotated[str, "Name of the healthcheck."]
    type: Annotated[str, "Type of its probes, such as ``http``."]
    port: Annotated[int | None, "Port that is probed; None for ``icmp``."]
    interval: Annotated[float, "Seconds between two probes of a backend that is up."]
    fast_interval: Annotated[float, "Seconds between two probes of a backend whose state is about to change."]
    down_interval: Annotated[float, "Seconds between two probes of a backend that is down."]
    timeout: Annotated[float, "Seconds after which a probe has failed."]
    rise: Annotated[int, "Successes that bring a backend from the bottom to up."]
    fall: Annotated[int, "Failures that bring a backend from the top to down."]
    probe_ipv4_src: Annotated[str | None, "Source address of IPv4 probes; None if the system chooses."]
    probe_ipv6_src: Annotated[str | None, "Source address of IPv6 probes; None if the system chooses."]
    via: Annotated[str, "By which way the probes go: ``direct``, or ``vip``."]
    params: Annotated[CheckParamsView, "The parameters of the type."]
    backends: Annotated[int, "Number of backends that use it."]


# VPP


class VppInfoView(TypedDict):
    """The connected VPP."""

    version: Annotated[str, "Its version."]
    build_date: Annotated[str, "When it was built."]
    build_directory: Annotated[str, "Where it was built."]
    pid: Annotated[int, "Its process."]
    boot_time: Annotated[str | None, "When it started; None if it does not tell."]
    connected_since: Annotated[str, "Since when there is a connection."]
    weights: Annotated[bool, "Whether it has messages for weights (26.10 and later)."]


class ConfView(TypedDict):
    """The global settings of VPP's load balancer."""

    ipv4_src_address: Annotated[str, "Source address of GRE4 encapsulation."]
    ipv6_src_address: Annotated[str, "Source address of GRE6 encapsulation."]
    sticky_buckets_per_core: Annotated[int, "Buckets of the flow table of each core."]
    flow_timeout: Annotated[int, "Seconds after which an idle flow is forgotten."]


class VipKeyView(TypedDict):
    """What identifies a VIP."""

    prefix: Annotated[str, "Address with the length of the prefix."]
    protocol: Annotated[str, "``tcp``, ``udp``, ``any`` together with port 0, or a number."]
    port: Annotated[int, "Port of the VIP."]


class ServerView(TypedDict):
    """An application server of a VIP."""

    address: Annotated[str, "Address of the server."]
    weight: Annotated[int, "Its weight."]
    buckets: Annotated[int, "Buckets of the new-flows table that point to it."]
    leaves_in: Annotated[float | None, "Seconds for which it stays if it left the configuration; None otherwise."]


class VipView(VipKeyView):
    """A VIP as VPP holds it."""

    frontend: Annotated[str | None, "Name of the frontend; None for a foreign VIP, which somebody else has made."]
    encap: Annotated[str, "Encapsulation, such as ``gre4``."]
    src_ip_sticky: Annotated[
        bool | None,
        "Whether flows of a source address stay on one server; None where VPP does not tell.",
    ]
    new_flows_table_length: Annotated[int, "Buckets of the new-flows table; 0 where VPP does not tell."]
    application_servers: Annotated[list[ServerView], "Its servers."]


class LbStateView(PageView[VipView]):
    """What the load balancer holds: a page of VIPs, with the settings."""

    conf: Annotated[ConfView, "The global settings."]


class VipChangeView(VipKeyView):
    """What a sync does to a VIP."""

    frontend: Annotated[str | None, "Name of the frontend; None for a foreign VIP."]
    action: Annotated[str, "``add``, ``recreate``, ``change``, ``remove`` or ``wait``."]
    reasons: Annotated[list[str], "Why it must be recreated, or why it waits."]
    moved: Annotated[
        float | None,
        "Share of its new flows that change their server, 0..1; None for a new VIP, and for a VPP without weights.",
    ]
    operation_count: Annotated[int, "Number of operations."]
    operations: Annotated[list[str], "The first 50 of them, in words that may change."]


class KeptForNamesView(TypedDict):
    """Servers in VPP that a sync leaves as they are, because nobody knows yet what DNS names stand for."""

    frontend: Annotated[str, "Name of the frontend."]
    servers: Annotated[int, "Number of servers that are kept."]
    names: Annotated[list[str], "Backends of the file whose DNS names have never been resolved."]


class LbPlanView(PageView[VipChangeView]):
    """What a sync would do now: a page of VIPs in the order of doing, with the settings."""

    conf: Annotated[ConfView | None, "The settings that would be written; None if they stay."]
    waiting: Annotated[int, "Number of frontends that the warm-up does not let it touch yet."]
    kept: Annotated[list[KeptForNamesView], "Frontends with servers kept for names; 50 at most."]


class VipCountersView(VipKeyView):
    """What VPP has counted for a VIP, as of a few seconds ago."""

    frontend: Annotated[str | None, "Name of the frontend; None for a foreign VIP."]
    first: Annotated[int, "First packets of flows."]
    next: Annotated[int, "Further packets of flows."]
    untracked: Annotated[int, "Packets that found no room in the flow table."]
    no_server: Annotated[
        int, "Packets for which there was no server; only the first few, which VPP then counts as untracked."
    ]
    fib_packets: Annotated[int | None, "Packets to its address, whatever port; None when VPP does not tell."]
    fib_bytes: Annotated[int | None, "Bytes to its address, whatever port; None when VPP does not tell."]


class ServerCountersView(TypedDict):
    """What VPP has sent to an application server, for all VIPs together."""

    backend: Annotated[
        str | None,
        "Name of the backend; None for a server that is not ours. Backends of one address have the same numbers.",
    ]
    address: Annotated[str, "Address of the server."]
    fib_packets: Annotated[int, "Packets that were sent to it."]
    fib_bytes: Annotated[int, "Bytes that were sent to it, with the encapsulation."]


class SyncView(TypedDict):
    """What a sync wrote."""

    writes: Annotated[list[str], "The operations, in words that may change."]


# Changes, and the configuration


class BackendChangeView(ChangeView, KeptView):
    """A change of a backend's state by a command."""

    backend: Annotated[str, "Name of the backend."]
    unserved: Annotated[list[str], "Frontends in which it was the last one that served: nothing does now."]


class FrontendChangeView(ChangeView, KeptView):
    """A frontend enabled or disabled by a command: ``from`` and ``to`` are ``enabled`` or ``disabled``."""

    frontend: Annotated[str, "Name of the frontend."]


class HostResultView(TypedDict):
    """What became of an order for a backend of a host."""

    backend: Annotated[str, "Name of the backend."]
    change: Annotated[BackendChangeView | None, "The change; None if it was refused."]
    refused: Annotated[str, "Why it was refused; empty if it was not."]


class HostChangeView(TypedDict):
    """An order for all backends of an address."""

    address: Annotated[str, "The address."]
    results: Annotated[list[HostResultView], "One for each backend."]


class ScaleView(TypedDict):
    """What a change of a weight does to the scale of its pool."""

    programmed: Annotated[list[list[int]], "Weights that VPP is told otherwise now: weight, before, after; else empty."]
    moved: Annotated[float | None, "Share of new flows that this moves, 0..1; null where only one weight changes."]


class OverrideClearView(ChangeView, KeptView, ScaleView):
    """The end of an override by a command: ``from`` what was ordered ``to`` what the file says."""

    object: Annotated[str, "The backend, the frontend or the weight, in words."]


class OverridesView(PageView[OverrideView]):
    """The overrides: a page of them, the oldest first, and whether they are kept."""

    not_kept: Annotated[str, "Why a restart would forget them; empty if it would not."]
    damage: Annotated[str, "What was wrong with the file of overrides at the start; empty if nothing was."]


class WeightChangeView(_WeightChange, KeptView, ScaleView):
    """A change of a weight."""

    frontend: Annotated[str, "Name of the frontend."]
    pool: Annotated[str, "Name of the pool."]
    backend: Annotated[str, "Name of the backend."]


class ProblemView(TypedDict):
    """Something that is wrong with the configuration file."""

    kind: Annotated[str, "``parse``, ``semantic`` or ``warning``."]
    path: Annotated[str, "The key, such as ``maglev.frontends.web``; empty for the file as a whole."]
    text: Annotated[str, "What is wrong, for a person."]
    line: Annotated[int, "Line in the file, counted from 1; 0 where there is no place."]
    column: Annotated[int, "Column in the line, counted from 1; 0 where there is no place."]
    file: Annotated[str, "Name of the included file in which it is; empty for the file itself."]


class ConfigCheckView(TypedDict):
    """What is wrong with the configuration file."""

    ok: Annotated[bool, "Whether the file is valid; warnings do not count."]
    problems: Annotated[list[ProblemView], "Errors and warnings, in the order of the file."]


class DifferenceView(TypedDict):
    """Something that a reload would change."""

    kind: Annotated[str, "``setting``, ``healthcheck``, ``backend`` or ``frontend``."]
    name: Annotated[str, "Name of the object or of the setting."]
    change: Annotated[
        str,
        "``added``, ``removed``, ``changed``, or ``affected`` for a frontend of which only the VIP changes.",
    ]
    details: Annotated[list[str], "What is different, in words that may change."]
    vips: Annotated[
        list[VipChangeView],
        "What would happen to VIPs; backends that are new or must prove themselves again are taken to be up.",
    ]


class ConfigLineView(TypedDict):
    """A line of the running configuration, or of how the file differs from it."""

    change: Annotated[str, "``-`` if only the running configuration has it, ``+`` if only the file; else empty."]
    text: Annotated[str, "The line, in YAML; in a comparison, one that begins with ``@@`` names an object."]


class ConfigDiffView(ConfigCheckView, PageView[DifferenceView]):
    """What a reload would change: a page of objects, with what is wrong with the file."""
