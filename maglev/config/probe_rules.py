"""The rules that take two or more parameters of a probe, on records (see `maglev.config.rules`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maglev.model.check_params import Preset
from maglev.model.config import CheckType

if TYPE_CHECKING:
    from maglev.config.findings import Findings
    from maglev.config.reader import Record

_WITH_USER: Final = (Preset.MYSQL, Preset.POSTGRESQL)
_WITHOUT_TLS: Final = (*_WITH_USER, Preset.SSH)


def check_probe_params(params: Record, kind: CheckType, findings: Findings) -> None:
    """Check parameters that exclude or need one another."""
    if kind is CheckType.TCP:
        _check_talk(params, findings)


def _check_talk(params: Record, findings: Findings) -> None:
    if not params.sound("preset", "steps"):
        return
    preset = params["preset"]
    if preset is not None and params["steps"] is not None:
        findings.semantic(f"{params.path}.preset", "excludes steps: expected one of the two", params.place_of("preset"))
    if "user" in params.entries and preset not in _WITH_USER:
        text = f"has no effect: only the presets {' and '.join(_WITH_USER)} log in"
        findings.warning(f"{params.path}.user", text, params.entries["user"][0])
    if preset in _WITHOUT_TLS and params["ssl"] is True:
        text = f"{preset} does not begin with a TLS handshake: only a proxy before it can answer one"
        findings.warning(f"{params.path}.ssl", text, params.place_of("ssl"))
