"""Frontends and healthchecks from what the daemon says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maglev.model.check_params import HttpMethod
from maglev.model.config import CheckType, Frontend, Healthcheck, HttpParams, TlsParams, Transport

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def frontend_of_view(view: Mapping[str, Any]) -> Frontend:
    """Return a frontend, without its pools."""
    transport = None if view["protocol"] == "any" else Transport(view["protocol"])
    return Frontend(
        view["name"], view["address"], transport, view["port"], (), view["description"], view["src_ip_sticky"]
    )


def healthcheck_of_view(view: Mapping[str, Any]) -> Healthcheck:
    """Return a healthcheck.

    What the daemon does not tell is left out: the values of headers and the body of a request, which may be secrets,
    and the content of files with certificates, which are on its machine.
    """
    kind, params = CheckType(view["type"]), view["params"]
    return Healthcheck(
        name=view["name"],
        type=kind,
        l4_port=view["port"],
        interval=view["interval"],
        fast_interval=view["fast_interval"],
        down_interval=view["down_interval"],
        timeout=view["timeout"],
        http=_http(params) if kind in {CheckType.HTTP, CheckType.HTTPS} else None,
        tls=_tls(params) if kind is CheckType.HTTPS or params.get("ssl") else None,
    )


def first_member(view: Mapping[str, Any]) -> str | None:
    """Return the name of a frontend's first backend; None if it has none."""
    return next((member["name"] for pool in view["pools"] for member in pool["backends"]), None)


def _http(params: Mapping[str, Any]) -> HttpParams:
    return HttpParams(
        params["path"],
        params["host"],
        _ranges(params["response_code"]),
        params["response_regexp"],
        params.get("response_regexp_not"),
        method=HttpMethod(params.get("method", "GET")),
        expect_header=_pairs(params.get("expect_header", ())),
        expect_header_regexp=_pairs(params.get("expect_header_regexp", ())),
        http2=params.get("http2", False),
    )


def _pairs(lines: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return names and values of lines such as ``X-Health: ready``."""
    return tuple((name, value) for name, _, value in (line.partition(": ") for line in lines))


def _ranges(texts: Sequence[str]) -> tuple[tuple[int, int], ...]:
    pairs = (text.partition("-") for text in texts)
    return tuple((int(low), int(high or low)) for low, _, high in pairs)


def _tls(params: Mapping[str, Any]) -> TlsParams:
    return TlsParams(params["server_name"], verify=not params["insecure_skip_verify"], curves=params.get("curves"))
