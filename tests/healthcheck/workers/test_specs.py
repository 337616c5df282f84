"""How to probe, told to a worker."""

import json

import attrs
import pytest

from maglev.healthcheck.workers.codec import PAYLOAD_LIMIT, CodecError, Spec, describe, read_description
from maglev.model.check_params import (
    AgentParams,
    AnswerPattern,
    DnsParams,
    ExecParams,
    GrpcParams,
    HttpMethod,
    Preset,
    ProbeStep,
    Rcode,
    RecordType,
    TalkParams,
    UdpParams,
    Via,
    VipPath,
)
from maglev.model.config import CheckType, HttpParams, PemFile, TlsParams
from tests.fakes.configs import make_check

HTTP = HttpParams("/x?y", "h.example", ((200, 299), (404, 404)), "ok|gut", "not", (("X-A", "1"), ("X-B", "2")))
STEPS = (
    ProbeStep(send=b"\x00\xff"),
    ProbeStep(expect=AnswerPattern(b"\x80"), reject="no"),
    ProbeStep(expect=AnswerPattern(regexp="x")),
)
POST = HttpParams(
    method=HttpMethod.POST,
    body=b"\xff",
    expect_header=(("X-A", "1"),),
    expect_header_regexp=(("X-B", "2"),),
    http2=True,
)
CA = PemFile("/etc/ca.pem", "-----BEGIN CERTIFICATE-----\n")


@pytest.mark.parametrize(
    "spec",
    [
        Spec(make_check(), None),
        Spec(make_check(type=CheckType.ICMP, l4_port=None, probe_ipv4_src="192.0.2.1"), "blue"),
        Spec(make_check(type=CheckType.HTTP, http=HTTP), None),
        Spec(make_check(type=CheckType.HTTP, http=POST), None),
        Spec(make_check(type=CheckType.HTTPS, http=HTTP, tls=TlsParams("h.example", verify=False)), None),
        Spec(make_check(tls=TlsParams()), "blue"),
        Spec(make_check(talk=TalkParams(STEPS)), None),
        Spec(make_check(type=CheckType.UDP, udp=UdpParams(b"\xff", AnswerPattern(b"a"))), None),
        Spec(make_check(type=CheckType.UDP, udp=UdpParams()), None),
        Spec(make_check(type=CheckType.GRPC, grpc=GrpcParams("a.B", "h"), tls=TlsParams()), None),
        Spec(make_check(type=CheckType.AGENT, agent=AgentParams()), None),
        Spec(make_check(type=CheckType.EXEC, exec=ExecParams(("/bin/check", "a b"))), None),
        Spec(make_check(type=CheckType.AGENT, agent=AgentParams(b"\xff\n", "192.0.2.1", 60.0)), None),
        Spec(make_check(type=CheckType.DNS, dns=DnsParams("a.b", RecordType.MX, rcode=Rcode.REFUSED)), None),
        Spec(make_check(talk=TalkParams(preset=Preset.MYSQL, user="me"), tls=TlsParams()), None),
        Spec(make_check(via=Via.VIP, path=VipPath("192.0.2.1", "192.0.2.254", "2001:db8::fe", "maglev", 19783)), None),
        Spec(make_check(tls=TlsParams(curves="P-256", ca_file=CA, client_certificate=CA, client_key=CA)), None),
    ],
)
def test_a_spec_comes_back_as_it_was(spec):
    assert read_description(describe(spec)) == spec


def test_the_longest_spec_takes_few_frames():
    headers = tuple(("h" * 64, '"' * 64) for _ in range(32))
    http = HttpParams("/" * 2048, "h" * 255, ((100, 599),) * 100, "\U0001f600" * 1024, "\U0001f600" * 1024, headers)
    regexps = tuple(("h" * 128, "\U0001f600" * 1024) for _ in range(8))
    http = attrs.evolve(http, body=b"\xff" * 4096, method=HttpMethod.POST, expect_header_regexp=regexps)
    spec = Spec(make_check("n" * 63, http=http, tls=TlsParams("s" * 255, curves="c" * 255)), "n" * 255)
    assert len(describe(spec)) < 3 * PAYLOAD_LIMIT
    assert read_description(describe(spec)) == spec


GOOD = json.loads(describe(Spec(make_check(http=HTTP), None)))


@pytest.mark.parametrize(
    "described",
    [
        b"",
        b"\xff",
        b"{}",
        b"[1, 2]",
        b"[{}, null]",
        json.dumps([{**GOOD[0], "type": "gopher"}, None]).encode(),
        json.dumps([{**GOOD[0], "more": 1}, None]).encode(),
        json.dumps([{**GOOD[0], "http": {"response_codes": 1}}, None]).encode(),
        json.dumps([{**GOOD[0], "http": {**GOOD[0]["http"], "method": "BREW"}}, None]).encode(),
        json.dumps([{**GOOD[0], "via": "moon"}, None]).encode(),
        json.dumps([{**GOOD[0], "path": {"vip": "192.0.2.1"}}, None]).encode(),
        json.dumps([{**GOOD[0], "tls": {"more": 1}}, None]).encode(),
        json.dumps([{**GOOD[0], "talk": {"steps": [], "preset": "telnet", "user": ""}}, None]).encode(),
        json.dumps([{**GOOD[0], "talk": {"steps": [{"send": "xx", "expect": None, "reject": None}]}}, None]).encode(),
    ],
)
def test_what_is_not_a_spec_is_refused(described):
    with pytest.raises(CodecError, match="invalid probe specification"):
        read_description(described)
