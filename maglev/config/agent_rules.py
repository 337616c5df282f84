"""The rules for agents, on records (see `maglev.config.rules`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maglev.config.reader import BROKEN
from maglev.model.check_set import check_names
from maglev.model.config import CheckType, WeightScale
from maglev.model.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from maglev.config.findings import Findings
    from maglev.config.reader import Record


def check_agents(maglev: Record, findings: Findings) -> None:
    """Check that ``agent-check`` names a healthcheck of type agent, and that no ``healthcheck`` does."""
    if not maglev.sound("healthchecks"):
        return
    known = maglev.table("healthchecks")
    for _, backend in maglev.records("backends"):
        if backend.sound("healthcheck"):
            for name in check_names(backend["healthcheck"]):
                if _type_of(known, name) is CheckType.AGENT:
                    text = f"{name} is of type agent, which says nothing of health: expected it as agent-check"
                    findings.semantic(f"{backend.path}.healthcheck", text, backend.place_of("healthcheck"))
        name = backend["agent-check"]
        if not isinstance(name, str):
            continue
        kind = _type_of(known, name)
        if name not in known:
            text = f"no such healthcheck: {excerpt(name)}{findings.hint(name, known)}"
        elif kind is not None and kind is not CheckType.AGENT:
            text = f"{name} is of type {kind}: expected a healthcheck of type agent"
        else:
            continue
        findings.semantic(f"{backend.path}.agent-check", text, backend.place_of("agent-check"))


def warn_of_coarse_weights(maglev: Any, findings: Findings) -> None:
    """Warn of frontends in which VPP is told too small integers for the percentages of agents.

    Makes sense only for a file without errors, in which no record is broken.
    """
    backends = maglev.table("backends")
    usual = maglev["vpp"]["lb"]["weights"]
    for _, frontend in maglev.records("frontends"):
        if (frontend["weights"] or usual) is not WeightScale.LEAST_MOVING:
            continue
        name = next((each for each in _members(frontend) if backends[each]["agent-check"] is not None), None)
        if name is not None:
            text = f"{name} has an agent-check, whose percentages least-moving rounds to the small integers that it "
            text += "tells VPP: with equal weights only 0% has an effect (expected as-written)"
            findings.warning(f"{frontend.path}.weights", text, frontend.place_of("weights"))


def _type_of(known: Mapping[str, Any], name: str) -> CheckType | None:
    """Return the type of a healthcheck; None if it is not known."""
    record = known.get(name, BROKEN)
    kind = BROKEN if record is BROKEN else record["type"]
    return None if kind is BROKEN else kind


def _members(frontend: Record) -> Iterator[str]:
    for pool in frontend["pools"]:
        yield from pool.table("backends")
