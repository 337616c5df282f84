"""The rules that take two or more keys, on records: healthchecks, VPP, references.

Those for frontends are in `maglev.config.vips`.

A value that is `BROKEN` satisfies every rule: its own error is reported already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maglev.config import durations
from maglev.config.checkkinds import named_in
from maglev.config.healthcheck_keys import HEALTHCHECK, PARAMS
from maglev.config.nodes import is_null
from maglev.config.probe_rules import check_probe_params
from maglev.config.reader import BROKEN, Record
from maglev.config.schema import ConfigKey
from maglev.model.check_params import Via
from maglev.model.check_set import CheckSet, check_names
from maglev.model.config import CheckType
from maglev.model.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from maglev.config.findings import Findings, SourcePosition
    from maglev.config.schema import ConfigSection

_FILE_KEYS: Final = ("ca-file", "client-certificate", "client-key")
_WITH_SSL: Final = (CheckType.TCP, CheckType.GRPC)
_TLS_KEYS: Final = ("server-name", "insecure-skip-verify", "tls-resumption", "curves", *_FILE_KEYS)


def check_healthcheck(record: Record, findings: Findings) -> None:
    """Check that a healthcheck has the keys of its type and no others."""
    kind = record["type"]
    if kind is BROKEN:
        return
    _check_keys(record, HEALTHCHECK, kind, findings)
    params = record["params"]
    if params is not BROKEN:
        _check_keys(params, PARAMS, kind, findings)
        _warn_of_idle_tls(params, kind, findings)
        _check_tls(params, findings)
        check_probe_params(params, kind, findings)
        _check_via(record, params, findings)


def _check_via(record: Record, params: Record, findings: Findings) -> None:
    """Check that silence is not what a probe by way of a VIP hopes for: it would pass without any tunnel."""
    if record["type"] is not CheckType.UDP or record["via"] is not Via.VIP:
        return
    if all(params[name] is None for name in ("expect", "expect-hex", "expect-regexp")):
        text = "needs an expectation (expect, expect-hex or expect-regexp): silence would pass"
        findings.semantic(f"{record.path}.via", text, record.entries["via"][0])


def check_programs(maglev: Record, findings: Findings) -> None:
    """Check that programs may be run, if a healthcheck runs one."""
    checker = maglev["healthchecker"]
    section = BROKEN if checker is BROKEN else checker["exec"]
    if section is BROKEN or not section.sound("allow") or section["allow"]:
        return
    for _, record in maglev.records("healthchecks"):
        if record["type"] is CheckType.EXEC:
            text = "exec is not allowed: expected maglev.healthchecker.exec.allow: true, in the main file"
            findings.semantic(f"{record.path}.type", text, record.place_of("type"))


def _check_tls(params: Record, findings: Findings) -> None:
    if params["client-key"] is not None and params["client-certificate"] is None:
        findings.semantic(f"{params.path}.client-key", "needs client-certificate", params.place_of("client-key"))
    if params["insecure-skip-verify"] is True and params["ca-file"] is not None:
        text = "has no effect: insecure-skip-verify accepts any certificate"
        findings.warning(f"{params.path}.ca-file", text, params.entries["ca-file"][0])


def with_credentials(maglev: Record) -> list[Record]:
    """Return the parameters of the healthchecks for which OpenSSL has to be asked: few files have any."""
    params = [record["params"] for _, record in maglev.records("healthchecks") if _uses_tls(record)]
    return [each for each in params if any(each[key] for key in (*_FILE_KEYS, "curves"))]


def _uses_tls(record: Record) -> bool:
    """Return whether the probes of a healthcheck certainly use TLS."""
    kind, params = record["type"], record["params"]
    return params is not BROKEN and (kind is CheckType.HTTPS or (kind in _WITH_SSL and params["ssl"] is True))


def warn_of_times(maglev: Record, findings: Findings) -> None:
    """Warn of probes that take longer than their period, and of periods that outlast the warm-up."""
    vpp = maglev["vpp"]
    lb = BROKEN if vpp is BROKEN else vpp["lb"]
    most = 0.0 if lb is BROKEN or not lb.sound("startup-max-delay") else lb["startup-max-delay"]
    for _, record in maglev.records("healthchecks"):
        interval, timeout = record["interval"], record["timeout"]
        if not isinstance(interval, float):
            continue
        if isinstance(timeout, float) and timeout > interval:
            text = (
                f"{durations.spell(timeout)} is longer than the interval ({durations.spell(interval)}): a backend that "
            )
            text += "does not answer is probed, and found to be down, that much later"
            findings.warning(f"{record.path}.timeout", text, record.place_of("timeout"))
        if 0.0 < most < interval:
            text = f"{durations.spell(interval)} is longer than maglev.vpp.lb.startup-max-delay "
            text += f"({durations.spell(most)}): the warm-up ends before every backend was probed as often as usual"
            findings.warning(f"{record.path}.interval", text, record.place_of("interval"))


def _check_keys(record: Record, section: ConfigSection, kind: CheckType, findings: Findings) -> None:
    for name, key in section.keys.items():
        if not isinstance(key, ConfigKey) or len(key.types) == len(CheckType):
            continue
        if kind not in key.types:
            _refuse(record, key, kind, findings)
        elif kind in key.required_types and record[name] is None:
            findings.semantic(f"{record.path}.{name}", f"is required for type {kind}", record.place)


def _refuse(record: Record, key: ConfigKey, kind: CheckType, findings: Findings) -> None:
    if key.name in record.entries and not is_null(record.entries[key.name][1]):
        text = f"does not apply to type {kind}, only to {', '.join(key.types)}"
        findings.semantic(f"{record.path}.{key.name}", text, record.entries[key.name][0])


def _warn_of_idle_tls(params: Record, kind: CheckType, findings: Findings) -> None:
    if kind is CheckType.HTTP:
        reason = "type http uses no TLS"
    elif kind in _WITH_SSL and params["ssl"] is False:
        reason = "TLS needs ssl: true"
    else:
        return
    for name in _TLS_KEYS:
        if name in params.entries:
            findings.warning(f"{params.path}.{name}", f"has no effect: {reason}", params.entries[name][0])


def check_delays(lb: Record, findings: Findings) -> None:
    """Check that the warm-up does not end before it begins."""
    names = ("startup-min-delay", "startup-max-delay")
    if not lb.sound(*names) or lb[names[0]] <= lb[names[1]]:
        return
    least, most = (f"{durations.spell(lb[name])}{'' if name in lb.entries else ', the default'}" for name in names)
    name = names[0] if names[0] in lb.entries else names[1]
    findings.semantic(
        f"{lb.path}.{name}", f"startup-min-delay ({least}) is longer than startup-max-delay ({most})", lb.place_of(name)
    )


def check_blindness(maglev: Record, findings: Findings) -> None:
    """Check that the canary exists and is probed, and that the other keys have an effect."""
    checker = maglev["healthchecker"]
    record = BROKEN if checker is BROKEN else checker["blindness"]
    if record is BROKEN:
        return
    if record.sound("share") and not record["share"]:
        for name in record.entries.keys() - {"share"}:
            findings.warning(f"{record.path}.{name}", "has no effect without share", record.place_of(name))
    name, known = record["canary"], maglev.table("backends")
    if not isinstance(name, str) or not maglev.sound("backends"):
        return
    if name not in known:
        text = f"no such backend: {excerpt(name)}{findings.hint(name, known)}"
        findings.semantic(f"{record.path}.canary", text, record.place_of("canary"))
    elif (backend := known[name]) is not BROKEN and backend["healthcheck"] is None:
        text = f"has no effect: {name} has no healthcheck, and so is always up"
        findings.warning(f"{record.path}.canary", text, record.place_of("canary"))


def check_references(maglev: Record, findings: Findings) -> None:
    """Check that the healthcheck of every backend exists."""
    if not maglev.sound("healthchecks"):
        return
    known = maglev.table("healthchecks")
    for _, backend in maglev.records("backends"):
        name = backend["healthcheck"]
        if isinstance(name, CheckSet):
            for (suffix, node), each in zip(named_in(backend.entries["healthcheck"][1]), name.names, strict=True):
                _check_reference(f"{backend.path}.healthcheck{suffix}", each, node, known, findings)
        elif isinstance(name, str):
            _check_reference(f"{backend.path}.healthcheck", name, backend.place_of("healthcheck"), known, findings)


def warn_of_no_way(maglev: Record, used_backends: AbstractSet[str], findings: Findings) -> None:
    """Warn of backends that nothing probes by way of a VIP, as they serve none. Takes a file without errors."""
    by_vip = {name for name, record in maglev.records("healthchecks") if record["via"] is Via.VIP}
    for name, backend in maglev.records("backends"):
        for check in check_names(backend["healthcheck"]):
            if check in by_vip and name not in used_backends:
                text = f"{check} probes by way of VIPs, and {name} serves none: that does not probe it"
                findings.warning(f"{backend.path}.healthcheck", text, backend.place_of("healthcheck"))


def _check_reference(
    path: str, name: str, place: SourcePosition, known: Mapping[str, object], findings: Findings
) -> None:
    if name not in known:
        findings.semantic(path, f"no such healthcheck: {excerpt(name)}{findings.hint(name, known)}", place)


def warn_of_unused(maglev: Record, used_backends: AbstractSet[str], findings: Findings) -> None:
    """Warn of backends and healthchecks that nothing uses. Makes sense only for a file without errors."""
    backends = [backend for _, backend in maglev.records("backends")]
    used_healthchecks = {name for backend in backends for name in check_names(backend["healthcheck"])}
    used_healthchecks |= {backend["agent-check"] for backend in backends}
    for section, used, by in (("backends", used_backends, "frontend"), ("healthchecks", used_healthchecks, "backend")):
        for name, record in maglev.records(section):
            if name not in used:
                findings.warning(record.path, f"is not used by any {by}", record.place)
