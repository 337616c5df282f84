"""Targets from a file: a configuration of maglevd, or a short list of VIPs for this program alone.

The list has these keys; only address and port are required. What ``params`` may have is in `_PARAMS`::

    maglevt:
      web:
        address: 192.0.2.1
        port: 80
        check: http
        params: {path: /healthz}
        backends: {www1: {address: 198.51.100.11}, www2: {address: 198.51.100.12, weight: 50}}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maglev.config.compose import compose
from maglev.config.files import read_regular, why_unreadable
from maglev.config.findings import Findings
from maglev.config.healthcheck_keys import PARAMS
from maglev.config.kinds import Boolean, Integer, OneOf
from maglev.config.load import SIZE_LIMIT, load_text
from maglev.config.netkinds import Address, name_of_host
from maglev.config.nodes import MapNode
from maglev.config.reader import BROKEN, Reader
from maglev.config.schema import ConfigKey, ConfigSection, NamedSections, Part
from maglev.maglevt.measure.shares import Weights
from maglev.maglevt.targets import Found, Question, VipTarget, target_of, targets_of_config
from maglev.model.config import MAX_WEIGHT, CheckType, Frontend, Healthcheck, HttpParams, TlsParams, Transport
from maglev.model.errors import ConfigError
from maglev.model.problem import Problem, ProblemKind
from maglev.model.text import printable

if TYPE_CHECKING:
    from collections.abc import Collection

    from maglev.config.reader import Record

_PATTERNS: Final = ("response-regexp", "response-regexp-not", "expect-header", "expect-header-regexp")
_PARAMS: Final = ("http2", "method", "body", "path", "host", "response-code", *_PATTERNS, "headers", "ssl")
_TLS_PARAMS: Final = ("server-name", "insecure-skip-verify")

_ANY_ADDRESS: Final = Address(loopback=(4, 6))

_BACKEND: Final = ConfigSection(
    "backend",
    (
        ConfigKey("address", _ANY_ADDRESS, "Its address, if answers may name that."),
        ConfigKey("weight", Integer(0, MAX_WEIGHT), "Its weight.", default=MAX_WEIGHT),
    ),
)

_VIP: Final = ConfigSection(
    "VIP",
    (
        ConfigKey("address", _ANY_ADDRESS, "Its address.", required=True),
        ConfigKey("port", Integer(1, 65535), "Its port.", required=True),
        ConfigKey("check", OneOf(CheckType), "How to ask it.", default=CheckType.TCP),
        ConfigKey("src-ip-sticky", Boolean(), "Whether all requests go to one backend.", default=False),
        Part(
            "params", ConfigSection("params", [PARAMS.keys[name] for name in (*_PARAMS, *_TLS_PARAMS)]), "What to ask."
        ),
        NamedSections("backends", _BACKEND, "Who may answer."),
    ),
)

_ROOT: Final = ConfigSection("file", (NamedSections("maglevt", _VIP, "The VIPs."),))


def targets_of_file(path: str, question: Question, only: Collection[str] = ()) -> Found:
    """Return the targets that a file has.

    Args:
        path: The file.
        question: How to ask.
        only: Names of frontends; empty for all.

    Raises:
        ConfigError: It can't be read, or it is not valid.
    """
    try:
        content = read_regular(path, SIZE_LIMIT)
    except (OSError, ValueError) as error:
        raise ConfigError([Problem(ProblemKind.PARSE, "", printable(why_unreadable(error)))]) from error
    return targets_of_text(content, question, only)


def targets_of_text(content: bytes, question: Question, only: Collection[str] = ()) -> Found:
    """Return the targets that the text of a file has; as `targets_of_file`."""
    findings = Findings()
    root = compose(content.decode("utf-8", "replace").removeprefix("\ufeff"), findings)
    if type(root) is not MapNode or "maglevt" not in root.entries:
        return targets_of_config(load_text(content).config, question, only)
    file = Reader(findings).section(_ROOT, root, "", root)
    if file is BROKEN or not findings.valid:
        raise ConfigError(findings.in_file_order())
    targets, weights, skipped = [], {}, {}
    records = dict(file.records("maglevt"))
    for name, record in records.items():
        if only and name not in only:
            continue
        made = _target(name, record, question)
        if isinstance(made, str):
            skipped[name] = made
            continue
        targets.append(made)
        if record["backends"]:
            weights[name] = _weights(record)
    return Found(targets, weights, skipped, names=records.keys())


def _target(name: str, record: Record, question: Question) -> VipTarget | str:
    frontend = Frontend(
        name, record["address"], Transport.TCP, record["port"], (), src_ip_sticky=record["src-ip-sticky"]
    )
    return target_of(frontend, _healthcheck(name, record), question)


def _healthcheck(name: str, record: Record) -> Healthcheck:
    kind, params = record["check"], record["params"]
    http = kind in {CheckType.HTTP, CheckType.HTTPS}
    host = params["host"]
    server_name = params["server-name"] or (name_of_host(host) if host else None)
    return Healthcheck(
        name,
        kind,
        record["port"],
        interval=1.0,
        fast_interval=1.0,
        down_interval=1.0,
        timeout=1.0,
        http=HttpParams(
            params["path"],
            host,
            params["response-code"],
            params["response-regexp"],
            params["response-regexp-not"],
            params["headers"] or (),
            method=params["method"],
            body=params["body"] or b"",
            expect_header=params["expect-header"] or (),
            expect_header_regexp=params["expect-header-regexp"] or (),
            http2=params["http2"],
        )
        if http
        else None,
        tls=TlsParams(server_name, verify=not params["insecure-skip-verify"])
        if kind is CheckType.HTTPS or params["ssl"]
        else None,
    )


def _weights(record: Record) -> Weights:
    backends = dict(record.records("backends"))
    return Weights(
        {name: each["weight"] for name, each in backends.items()},
        {name: each["address"] for name, each in backends.items() if each["address"]},
    )
