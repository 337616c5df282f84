"""The families of metrics about the daemon's own listeners, as in `maglev.metrics.families`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maglev.metrics.family import Family

if TYPE_CHECKING:
    from collections.abc import Mapping

LISTENERS: Final[Mapping[str, tuple[Family, ...]]] = {
    "Perspective Broker": (
        Family(
            "maglev_pb_calls_total",
            "counter",
            "Calls over Perspective Broker",
            ("method", "result"),
            "``ok``, ``refused`` (a mistake of the caller), ``failed`` (VPP did), ``error`` (a bug) or ``lost`` "
            "(the caller was gone).",
        ),
        Family(
            "maglev_pb_call_duration_seconds",
            "histogram",
            "Time from a call over Perspective Broker to its result",
            ("method",),
            "Only methods that were called, in five buckets: there are many methods, and few who ask.",
            "no method was called",
        ),
        Family("maglev_pb_clients", "gauge", "Clients connected over Perspective Broker"),
        Family(
            "maglev_pb_dropped_total",
            "counter",
            "Connections that the daemon ended, by reason",
            ("reason",),
            "The reasons are those of :doc:`pb-api`.",
            "none was ended for that reason",
        ),
    ),
    "SSH": (
        Family("maglev_ssh_sessions", "gauge", "Shells and commands that run over SSH"),
        Family(
            "maglev_ssh_logins_total",
            "counter",
            "Logins over SSH",
            ("role", "result"),
            "``operator`` or ``viewer`` that were ``accepted``, and ``none`` that were ``refused``.",
        ),
    ),
    "The live page": (
        Family("maglev_web_pages", "gauge", "Pages that are open in browsers"),
        Family("maglev_web_sessions", "gauge", "Sessions of browsers"),
    ),
}
"""The families by subject."""
