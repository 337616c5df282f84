"""Builds the views of the parameters of healthchecks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from maglev.config.probekinds import step_map
from maglev.model.check_params import HttpMethod, Preset, ProbeStep
from maglev.model.text import printable

if TYPE_CHECKING:
    from maglev.model.check_params import DnsParams, TalkParams
    from maglev.model.check_views import CheckParamsView
    from maglev.model.config import Healthcheck, HttpParams, PemFile


def params_view(healthcheck: Healthcheck) -> CheckParamsView:
    """Return the parameters of its type."""
    params: CheckParamsView = {}
    if healthcheck.http is not None:
        params |= _http_view(healthcheck.http)
    if healthcheck.tls is not None:
        tls = healthcheck.tls
        params |= {"server_name": tls.server_name, "insecure_skip_verify": not tls.verify, "tls_resumption": tls.resume}
        params |= {"curves": tls.curves, "ca_file": _path(tls.ca_file)}
        params |= {"client_certificate": _path(tls.client_certificate), "client_key": _path(tls.client_key)}
    if healthcheck.type in {"tcp", "grpc"}:
        params["ssl"] = healthcheck.tls is not None
    if healthcheck.talk is not None:
        params |= _talk_view(healthcheck.talk)
    if healthcheck.udp is not None:
        udp = healthcheck.udp
        expected = None if udp.expect is None else _step_text(ProbeStep(expect=udp.expect)).removeprefix("expect ")
        params |= {"send": f"{len(udp.payload)} bytes", "expect": expected}
    if healthcheck.grpc is not None:
        params |= {"service": healthcheck.grpc.service, "host": healthcheck.grpc.host}
    if healthcheck.dns is not None:
        params |= _dns_view(healthcheck.dns)
    if healthcheck.exec is not None:
        params["command"] = list(healthcheck.exec.command)
    if healthcheck.agent is not None:
        agent = healthcheck.agent
        params |= {"send": f"{len(agent.request)} bytes", "address": agent.address, "hold": agent.hold}
    return params


def _http_view(http: HttpParams) -> CheckParamsView:
    codes = [str(low) if low == high else f"{low}-{high}" for low, high in http.response_codes]
    params: CheckParamsView = {"method": str(http.method), "path": http.path, "host": http.host}
    if http.method is HttpMethod.POST:
        params["body"] = f"{len(http.body)} bytes"
    params |= {"response_code": codes, "response_regexp": http.response_regexp}
    params["response_regexp_not"] = http.response_regexp_not
    if http.expect_header:
        params["expect_header"] = [f"{name}: {value}" for name, value in http.expect_header]
    if http.expect_header_regexp:
        params["expect_header_regexp"] = [f"{name}: {pattern}" for name, pattern in http.expect_header_regexp]
    params |= {"http2": http.http2, "disable_on_404": http.disable_on_404}
    params["headers"] = [name for name, _ in http.headers]  # values may be secrets
    return params


def _dns_view(dns: DnsParams) -> CheckParamsView:
    return {
        "name": dns.name,
        "record_type": str(dns.record_type),
        "transport": "tcp" if dns.tcp else "udp",
        "rcode": str(dns.rcode),
        "answer": dns.answer,
        "answer_regexp": dns.answer_regexp,
        "recursion": dns.recursion,
    }


def _talk_view(talk: TalkParams) -> CheckParamsView:
    if talk.preset is None:
        return {"steps": [_step_text(step) for step in talk.steps]}
    named: CheckParamsView = {"preset": str(talk.preset)}
    return named | {"user": talk.user} if talk.preset in {Preset.MYSQL, Preset.POSTGRESQL} else named


def _step_text(step: ProbeStep) -> str:
    """Return a step as text; what is sent may be secret."""
    if step.expect is None:
        return f"send {len(step.send or b'')} bytes"
    words = " ".join(f"{key} {json.dumps(value)}" for key, value in step_map(step).items())
    return printable(words)


def _path(file: PemFile | None) -> str | None:
    return None if file is None else file.path
