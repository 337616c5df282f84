"""Every family of metrics that maglevd has, as data: name, type, labels, meaning, and when it is absent.

The collectors of the front ends take the first lines of each family from here, and so does the reference,
``docs/metrics.rst``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maglev.metrics.agent_families import AGENT_FAMILIES
from maglev.metrics.family import Family
from maglev.metrics.listener_families import LISTENERS

if TYPE_CHECKING:
    from collections.abc import Mapping

_VIP: Final = ("prefix", "protocol", "port")
_MEMBER: Final = ("frontend", "pool", "backend")
_WORKER: Final = ("worker",)
_NO_WORKER: Final = "there are no workers, or the worker has not started yet"
_NO_DRAIN: Final = "no drain has a goal to reach, or VPP can't be asked"
_SEVERAL: Final = "A backend with several checks has one for each, with the label ``healthcheck``."
_NOT_SEVERAL: Final = "the backend has no more than one check"
_NO_PEERS: Final = "``--peers`` names none"
_NAME: Final = ("name",)
_NO_NAMES: Final = "no backend has a ``dns-name``"
_NO_VPP: Final = "VPP is not connected"
_NO_COUNTERS: Final = "VPP is not connected, or its counters are not known"

GROUPS: Final[Mapping[str, tuple[Family, ...]]] = {
    "Backends": (
        Family(
            "maglev_backend_state",
            "gauge",
            "1 for the state that the backend is in",
            ("backend", "address", "state"),
            "The others are 0: ``unknown``, ``up``, ``down``, ``draining``, ``paused``, ``disabled``.",
        ),
        Family("maglev_backend_health", "gauge", "The rise/fall counter, 0 to rise + fall - 1", ("backend",)),
        Family(
            "maglev_backend_check_state",
            "gauge",
            "1 for what a check says of the backend",
            ("backend", "healthcheck", "state"),
            "The others are 0: ``unknown``, ``up``, ``down``. All are 0 while the backend is not probed.",
            absent=_NOT_SEVERAL,
        ),
        Family(
            "maglev_backend_check_health",
            "gauge",
            "The rise/fall counter of a check",
            ("backend", "healthcheck"),
            "``maglev_backend_health`` counts the checks that are up then.",
            absent=_NOT_SEVERAL,
        ),
        *AGENT_FAMILIES,
        Family("maglev_backend_enabled", "gauge", "0 while disabled", ("backend",)),
        Family(
            "maglev_backend_transitions_total",
            "counter",
            "Changes of state of a backend",
            ("backend", "from", "to"),
            "Those that operators cause appear when they first happen.",
        ),
    ),
    "Frontends": (
        Family(
            "maglev_frontend_state",
            "gauge",
            "1 for the state that the frontend is in",
            ("frontend", "state"),
            "The others are 0: ``unknown``, ``up``, ``down``.",
        ),
        Family("maglev_frontend_enabled", "gauge", "0 while an operator has disabled it as a whole", ("frontend",)),
        Family(
            "maglev_frontend_active_pool",
            "gauge",
            "Position of the pool in service, 0 for the first, -1 if none",
            ("frontend",),
        ),
        Family(
            "maglev_frontend_held_backends",
            "gauge",
            "Backends that are down and kept in service by ``hold``",
            ("frontend",),
        ),
        Family(
            "maglev_frontend_departing_servers",
            "gauge",
            "Servers that left the file and still serve, as nothing else does",
            ("frontend",),
            "Those that only drain do not count.",
        ),
        Family("maglev_frontend_pool_backend_weight", "gauge", "Configured weight, 0-100", _MEMBER),
        Family(
            "maglev_frontend_pool_backend_effective_weight", "gauge", "The weight that VPP should have now", _MEMBER
        ),
        Family(
            "maglev_frontend_pool_backend_programmed_weight",
            "gauge",
            "The integer that VPP should hold for the effective weight",
            _MEMBER,
            "The effective weight itself unless ``weights`` is least-moving. In the warm-up, VPP can hold another one.",
        ),
    ),
    "Probes": (
        Family(
            "maglev_probe_total",
            "counter",
            "Probes finished",
            ("backend", "type", "result", "code"),
            f"{_SEVERAL} ``result`` is ``pass`` or ``fail``; the codes are those of :doc:`probes`.",
        ),
        Family(
            "maglev_probe_duration_seconds",
            "histogram",
            "Time from the start of a probe to its result",
            ("backend", "type"),
            _SEVERAL,
        ),
        Family(
            "maglev_probe_discarded_total",
            "counter",
            "Probes discarded as inconclusive, for a reason on this machine",
            ("reason",),
            "The reasons are those of :doc:`probes`.",
        ),
        Family(
            "maglev_checks_doubted",
            "gauge",
            "Healthchecks, paths, or everything, of which so many backends went down together that they are doubted",
            ("scope",),
            "``scope`` is ``healthcheck``, ``path`` or ``all``.",
        ),
        Family("maglev_backends_doubted", "gauge", "Backends that are down, are doubted, and count as up"),
        Family("maglev_probe_overdue_seconds", "gauge", "Delay of the most overdue probe"),
        Family(
            "maglev_backends_without_evidence",
            "gauge",
            "Backends that are probed and have had no result for three intervals and a timeout, 15 s at least",
            notes="As of five seconds ago.",
        ),
        Family(
            "maglev_oldest_evidence_seconds",
            "gauge",
            "Time since the last result of the backend that has waited longest for one",
            notes="As of five seconds ago.",
        ),
        Family(
            "maglev_certificate_expiry_timestamp_seconds",
            "gauge",
            "When the certificate of a backend expires, seconds since the epoch",
            ("backend",),
            f"It is the one that it showed last. {_SEVERAL}",
            absent="the backend has not shown a certificate",
        ),
    ),
    "Probe workers": (
        Family(
            "maglev_probe_workers", "gauge", "Worker processes that can probe", notes="0 without ``probe-workers``."
        ),
        Family(
            "maglev_probe_worker_restarts_total",
            "counter",
            "Restarts of a worker",
            _WORKER,
            absent="there are no workers",
        ),
        Family(
            "maglev_probe_worker_in_flight",
            "gauge",
            "Probes in flight in a worker",
            _WORKER,
            absent=_NO_WORKER,
        ),
        Family(
            "maglev_probe_worker_queued",
            "gauge",
            "Probes in flight that the worker has not begun",
            _WORKER,
            "As of a quarter of a second ago. A number that stays high means overload.",
            _NO_WORKER,
        ),
        Family(
            "maglev_probe_worker_cpu_seconds_total",
            "counter",
            "CPU that a worker has used",
            _WORKER,
            absent=_NO_WORKER,
        ),
        Family(
            "maglev_probe_worker_lag_seconds",
            "histogram",
            "Delay of scheduled work in a worker",
            _WORKER,
            absent=_NO_WORKER,
        ),
        Family(
            "maglev_probe_worker_delay_seconds",
            "histogram",
            "Time that a probe spent between maglevd and its worker",
            notes="The way to the worker and back, with all queues.",
        ),
        Family("maglev_probe_worker_waiting", "gauge", "Probes that wait for a worker"),
        Family("maglev_probe_worker_wait_seconds", "gauge", "Longest wait of a probe for a worker"),
        Family("maglev_probe_worker_ignored_total", "counter", "Results that came too late and were ignored"),
    ),
    "Announcements": (
        Family(
            "maglev_announcement_state",
            "gauge",
            "1 for the state that an announced address is in, 0 for the others",
            ("address", "state"),
            "``state`` is ``undecided`` (as before the start), ``announced`` or ``withdrawn``.",
        ),
        Family("maglev_announcements_total", "counter", "How often it was announced and withdrawn", ("address", "to")),
        Family(
            "maglev_announce_sink_problem", "gauge", "1 while BIRD or a hook can't be reached, or refuses", ("sink",)
        ),
        Family("maglev_announce_sink_readers", "gauge", "Programs or connections that are told", ("sink",)),
        Family("maglev_announce_sink_dropped_total", "counter", "Events that a slow hook has missed", ("sink",)),
    ),
    "Peers": (
        Family("maglev_peer_up", "gauge", "1 while another balancer answers", ("peer",), absent=_NO_PEERS),
        Family(
            "maglev_peer_differences",
            "gauge",
            "Lasting differences from another balancer of the same VIPs; 0 while it does not answer",
            ("peer",),
            absent=_NO_PEERS,
        ),
    ),
    "DNS names": (
        Family("maglev_dns_name_addresses", "gauge", "Backends of a DNS name", _NAME, absent=_NO_NAMES),
        Family("maglev_dns_name_refused", "gauge", "Addresses that can't be used", _NAME, absent=_NO_NAMES),
        Family("maglev_dns_name_failing", "gauge", "1 while its lookups fail", _NAME, absent=_NO_NAMES),
        Family("maglev_dns_name_answer_age_seconds", "gauge", "Since the last good answer", _NAME, absent=_NO_NAMES),
        Family(
            "maglev_dns_name_lookups_total", "counter", "By result: good, failed", ("name", "result"), absent=_NO_NAMES
        ),
    ),
    "maglevd itself": (
        Family(
            "maglev_build_info",
            "gauge",
            "Which maglevd it is, and on what it runs",
            ("version", "commit", "python", "twisted"),
            "Always 1. ``commit`` is ``unknown`` if neither the package nor a checkout says it.",
        ),
        Family("maglev_overrides_active", "gauge", "Orders of operators that differ from the file", ("kind",)),
        Family("maglev_override_oldest_seconds", "gauge", "Age of the oldest of them, 0 without any"),
        Family(
            "maglev_overrides_kept",
            "gauge",
            "0 while a restart would forget changes of them, since their file can't be written",
            absent="there is no state directory",
        ),
        Family("maglev_overrides_damaged", "gauge", "1 if their file was damaged at the start and is set aside"),
        Family(
            "maglev_backend_drain_flows", "gauge", "Flows left of a draining backend", ("backend",), absent=_NO_DRAIN
        ),
        Family("maglev_drains_total", "counter", "Drains that came to their end, by their last phase", ("result",)),
        Family(
            "maglev_config_reloads_total",
            "counter",
            "Reloads of the configuration, by result",
            ("result",),
            "``applied`` or ``refused``.",
        ),
        Family(
            "maglev_config_reload_refused",
            "gauge",
            "1 if the last reload was refused",
            notes="The file is then not what is in force.",
        ),
        Family("maglev_reactor_lag_seconds", "histogram", "Delay of scheduled work in the reactor"),
        Family(
            "maglev_cooperator_turn_seconds",
            "histogram",
            "Duration of sliced work in one reactor turn, all kinds together",
            notes="At most 5 ms, plus one step of up to 2 ms.",
        ),
        Family(
            "maglev_cooperator_waiting",
            "gauge",
            "Pieces of sliced work that wait for their turn",
            ("kind",),
            "``control`` (commands that compare everything), ``metrics`` (scrapes), ``pb``, ``reload``, ``ssh`` or "
            "``vpp``. A number that stays high means overload.",
        ),
    ),
    "VPP": (
        Family("maglev_vpp_connected", "gauge", "1 while connected to VPP"),
        Family(
            "maglev_vpp_info",
            "gauge",
            "Version and process of the connected VPP",
            ("version", "build_date", "pid"),
            "Always 1.",
            _NO_VPP,
        ),
        Family(
            "maglev_vpp_uptime_seconds",
            "gauge",
            "Time since VPP was started",
            absent=f"{_NO_VPP}, or does not export it",
        ),
        Family("maglev_vpp_connected_seconds", "gauge", "Time since we connected to VPP", absent=_NO_VPP),
        Family(
            "maglev_vpp_api_total",
            "counter",
            "Messages of VPP's binary API",
            ("msg", "direction", "result"),
            absent="there was no such message",
        ),
        Family(
            "maglev_vpp_lbsync_total",
            "counter",
            "Writes to VPP's lb plugin",
            ("scope", "kind"),
            "``scope`` is ``vip`` for what one change led to, ``all`` for a sync of everything; ``kind`` is "
            "``vip_added``, ``vip_removed``, ``as_added``, ``as_removed`` or ``as_weight_updated``.",
        ),
        Family(
            "maglev_vpp_lbsync_drift_total",
            "counter",
            "VIPs repaired after a change by others",
            notes="The settings count as one VIP.",
        ),
        Family(
            "maglev_vpp_lbsync_failures_total",
            "counter",
            "Reads and writes that VPP refused",
            notes="Or did not answer; settings that do not fit VPP's memory; and failures that should not happen.",
        ),
    ),
    "Traffic": (
        Family(
            "maglev_vpp_vip_packets_total",
            "counter",
            "Packets to a VIP: first and next of a session, untracked, with no server for them",
            (*_VIP, "kind"),
            "``kind`` is ``first``, ``next``, ``untracked`` or ``no-server``.",
            _NO_COUNTERS,
        ),
        Family(
            "maglev_vpp_vip_route_packets_total",
            "counter",
            "Packets to the address of a VIP, whatever the port",
            _VIP,
            absent=_NO_COUNTERS,
        ),
        Family(
            "maglev_vpp_vip_route_bytes_total",
            "counter",
            "Bytes to the address of a VIP, whatever the port",
            _VIP,
            absent=_NO_COUNTERS,
        ),
        Family(
            "maglev_vpp_backend_route_packets_total",
            "counter",
            "Packets sent to a backend, by all VIPs together",
            ("backend", "address"),
            "``backend`` is empty for an application server that is not in the configuration.",
            _NO_COUNTERS,
        ),
        Family(
            "maglev_vpp_backend_route_bytes_total",
            "counter",
            "Bytes sent to a backend, by all VIPs together",
            ("backend", "address"),
            "As for packets; with the encapsulation.",
            _NO_COUNTERS,
        ),
    ),
    **LISTENERS,
}
"""The families by subject, in the order of the reference."""

FAMILIES: Final[Mapping[str, Family]] = {family.name: family for group in GROUPS.values() for family in group}
"""The families by name."""


def header(name: str) -> str:
    """Return the lines that begin a family in the text format of Prometheus: its meaning, and its type.

    Raises:
        KeyError: There is no such family here.
    """
    family = FAMILIES[name]
    return f"# HELP {name} {family.help}\n# TYPE {name} {family.type}\n"
