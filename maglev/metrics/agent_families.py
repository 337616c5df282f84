"""The metrics of agents."""

from __future__ import annotations

from typing import Final

from maglev.metrics.family import Family

_NO_AGENT: Final = "the backend has no ``agent-check``"

AGENT_FAMILIES: Final = (
    Family(
        "maglev_backend_agent",
        "gauge",
        "1 for what the agent says",
        ("backend", "says"),
        "``unknown`` before its first answer, ``silent`` when it has not been heard for too long; else ``up``, "
        "``down``, ``drain`` or ``maint``, see :doc:`probes`.",
        absent=_NO_AGENT,
    ),
    Family(
        "maglev_backend_agent_percent",
        "gauge",
        "How much of its weight the agent says that the backend is to have",
        ("backend",),
        absent=_NO_AGENT,
    ),
)
"""What the agent of a backend says."""
