"""The rules that take two or more parameters of a probe, on records (see `maglev.config.rules`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import dns.exception
import dns.name
import dns.rdata

from maglev.model.check_params import HttpMethod, Preset, Rcode
from maglev.model.config import CheckType
from maglev.model.text import excerpt, printable

if TYPE_CHECKING:
    from maglev.config.findings import Findings
    from maglev.config.reader import Record

_WITH_USER: Final = (Preset.MYSQL, Preset.POSTGRESQL)
_WITHOUT_TLS: Final = (*_WITH_USER, Preset.SSH)


def check_probe_params(params: Record, kind: CheckType, findings: Findings) -> None:
    """Check parameters that exclude or need one another."""
    if kind in {CheckType.HTTP, CheckType.HTTPS}:
        _check_method(params, findings)
    elif kind is CheckType.TCP:
        _check_talk(params, findings)
    elif kind is CheckType.UDP:
        _check_one_of(params, ("send", "send-hex"), findings)
        _check_one_of(params, ("expect", "expect-hex", "expect-regexp"), findings)
    elif kind is CheckType.DNS:
        _check_one_of(params, ("answer", "answer-regexp"), findings)
        _check_answer(params, findings)


def _check_method(params: Record, findings: Findings) -> None:
    method = params["method"]
    if not params.sound("method"):
        return
    if params["body"] is not None and method is not HttpMethod.POST:
        text = f"needs method: POST; {method} sends no body"
        findings.semantic(f"{params.path}.body", text, params.entries["body"][0])
    for name in ("response-regexp", "response-regexp-not"):
        if params[name] is not None and method is HttpMethod.HEAD:
            text = "is about the body, and an answer to HEAD has none: expected another method"
            findings.semantic(f"{params.path}.{name}", text, params.entries[name][0])


def _check_one_of(params: Record, names: tuple[str, ...], findings: Findings) -> None:
    given = [name for name in names if params[name] is not None]
    for name in given[1:]:
        text = f"excludes {given[0]}: expected one of the two"
        findings.semantic(f"{params.path}.{name}", text, params.entries[name][0])


def _check_answer(params: Record, findings: Findings) -> None:
    if not params.sound("answer", "answer-regexp", "record-type", "rcode"):
        return
    for name in ("answer", "answer-regexp"):
        if params[name] is not None and params["rcode"] is not Rcode.NOERROR:
            text = f"needs rcode NOERROR: an answer with {params['rcode']} has no such record"
            findings.semantic(f"{params.path}.{name}", text, params.entries[name][0])
    if params["answer"] is None:
        return
    try:
        dns.rdata.from_text("IN", params["record-type"], params["answer"], origin=dns.name.root, relativize=False)
    except (dns.exception.DNSException, ValueError) as error:
        kind, given = params["record-type"], excerpt(params["answer"])
        text = f'"{given}" is not a record of type {kind}: {printable(str(error))}; expected one as in a zone file'
        findings.semantic(f"{params.path}.answer", text, params.entries["answer"][1])


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
