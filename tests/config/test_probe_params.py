"""Parameters of probes that talk: every way to write them, and what they become."""

from __future__ import annotations

import pytest

from maglev.config.diff import differences
from maglev.config.headerkinds import ExpectedHeaders
from maglev.config.kinds import UnfitError
from maglev.config.load import load_text
from maglev.config.netkinds import Regexp
from maglev.config.nodes import ScalarNode
from maglev.config.probekinds import EXPECT_HEX, SEND, Steps
from maglev.model.check_params import (
    AgentParams,
    AnswerPattern,
    DnsParams,
    ExecConfig,
    ExecParams,
    GrpcParams,
    HttpMethod,
    Preset,
    ProbeStep,
    Rcode,
    RecordType,
    TalkParams,
    UdpParams,
)
from maglev.model.config import HttpParams, TlsParams
from tests.config.test_bad_files import errors_of
from tests.fakes.bad_probes import AGENT, agents, program
from tests.fakes.file_parts import params
from tests.fakes.values import node_of


def config_of(text, kind="tcp, port: 25"):
    return load_text(params(text, kind)).config


def talk_of(text):
    return config_of(text).healthchecks["web"].talk


def warnings_of(text, kind="tcp, port: 25"):
    found = load_text(params(text, kind)).warnings
    return [(each.path.rpartition(".")[2], each.text) for each in found if "is not used" not in each.text]


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        (r"'PING\r\n'", b"PING\r\n"),
        (r'"PING\r\n"', b"PING\r\n"),
        (r"PING\r\n", b"PING\r\n"),
        (r"'\t\0\\\x1b\xFF'", b"\t\0\\\x1b\xff"),
        (r"'\\r'", b"\\r"),
        ("\u00e9", b"\xc3\xa9"),
        ("220", b"220"),
        ("true", b"true"),
    ],
)
def test_text_has_escapes_whatever_its_quotes(written, sent):
    assert talk_of(f"steps: [{{send: {written}}}, {{expect: x}}]").steps[0] == ProbeStep(send=sent)


def test_every_kind_of_step():
    talk = talk_of(
        "steps: [{send: a}, {send-hex: 0D 0a}, {expect: b}, {expect-hex: 'fF'}, "
        "{expect-regexp: '^c', reject-regexp: d}]"
    )
    assert talk == TalkParams(
        (
            ProbeStep(send=b"a"),
            ProbeStep(send=b"\r\n"),
            ProbeStep(expect=AnswerPattern(b"b")),
            ProbeStep(expect=AnswerPattern(b"\xff")),
            ProbeStep(expect=AnswerPattern(regexp="^c"), reject="d"),
        )
    )


def test_steps_are_spelled_as_they_are_written():
    kind = Steps(9)
    steps = kind.read(node_of(r"[{send: '\r\n\t\\\0\x7f~'}, {expect: a, reject-regexp: c}, {expect-regexp: b}]"))
    assert kind.read(node_of(kind.spell(steps))) == steps
    assert SEND.spell(b"\r\n\t\\\0\x7f~") == r"\r\n\t\\\x00\x7f~"
    assert EXPECT_HEX.spell(b"\r\xff") == "0dff"


def test_a_preset_takes_the_place_of_steps():
    assert talk_of("preset: smtp") == TalkParams(preset=Preset.SMTP)
    assert talk_of("preset: mysql, user: probe") == TalkParams(preset=Preset.MYSQL, user="probe")


@pytest.mark.parametrize("nothing", ["", "steps: []", "steps: ~", "preset: ''", "ssl: true"])
def test_without_either_the_connection_is_all_that_is_checked(nothing):
    assert talk_of(nothing) is None


def test_several_bad_steps_are_reported_at_once():
    found = errors_of(params("steps: [{send: '\\q'}, {expect: x}, PING]", "tcp, port: 25"))
    assert [each.path.rpartition(".params.")[2] for each in found] == ["steps[0].send", "steps[2]"]


def test_what_has_no_effect_is_a_warning():
    assert warnings_of("preset: mysql, user: me") == []
    assert warnings_of("preset: smtp, user: me") == [
        ("user", "has no effect: only the presets mysql and postgresql log in")
    ]
    assert warnings_of("preset: smtp, ssl: true") == []
    assert warnings_of("preset: mysql, ssl: true") == [
        ("ssl", "mysql does not begin with a TLS handshake: only a proxy before it can answer one")
    ]


def test_what_is_sent_is_in_no_difference():
    old = config_of("steps: [{send: secret}, {expect: a}, {expect: b}]")
    new = config_of("steps: [{send: hidden}, {expect: a}, {expect: c}, {expect: d}]")
    (difference,) = differences(old, new)
    assert difference.details == ("step 1 changed", "step 3 changed", "steps: 3 -> 4")
    (difference,) = differences(config_of("preset: smtp"), config_of("preset: imap"))
    assert difference.details == ("preset: smtp -> imap",)
    (difference,) = differences(config_of(""), config_of("preset: imap"))
    assert difference.details == ("talk: none -> set",)


def test_half_a_character_is_refused():
    with pytest.raises(UnfitError, match="expected valid Unicode"):
        SEND.read(ScalarNode("a\ud800", True, 1, 1))


HTTP = "http, port: 80"


@pytest.mark.parametrize(
    ("written", "http"),
    [
        ("", HttpParams()),
        ("http2: yes", HttpParams(http2=True)),
        ("method: HEAD", HttpParams(method=HttpMethod.HEAD)),
        ("method: POST", HttpParams(method=HttpMethod.POST)),
        (r"method: POST, body: 'a\r\n\xff'", HttpParams(method=HttpMethod.POST, body=b"a\r\n\xff")),
        (
            "expect-header: {X-A: 1, Host: '', x-b: a b}",
            HttpParams(expect_header=(("X-A", "1"), ("Host", ""), ("x-b", "a b"))),
        ),
        ("expect-header-regexp: {X-A: ^a$}, expect-header: {}", HttpParams(expect_header_regexp=(("X-A", "^a$"),))),
        ("expect-header: ~, expect-header-regexp: ~", HttpParams()),
    ],
)
def test_what_an_http_probe_sends_and_expects(written, http):
    assert config_of(written, HTTP).healthchecks["web"].http == http


def test_expected_headers_are_spelled_as_they_are_written():
    for kind in (ExpectedHeaders(8), ExpectedHeaders(8, Regexp(1024))):
        lines = (("X-A", "1"), ("X-B", '"'))
        assert kind.read(node_of(kind.spell(lines))) == lines


def test_differences_of_http_probes():
    old = config_of("method: POST, body: secret, expect-header: {X-A: 1, X-B: 2, X-D: 4}", HTTP)
    new = config_of(
        "method: POST, body: hidden, expect-header: {X-D: 4, X-B: 3, X-C: ''}, expect-header-regexp: {X-A: .}", HTTP
    )
    (difference,) = differences(old, new)
    assert difference.details == (
        "body changed",
        'expect-header X-A: "1" -> none',
        'expect-header X-B: "2" -> "3"',
        'expect-header X-C: none -> ""',
        'expect-header-regexp X-A: none -> "."',
    )
    (difference,) = differences(config_of("", HTTP), config_of("method: HEAD", HTTP))
    assert difference.details == ("method: GET -> HEAD",)


UDP, DNS = "udp, port: 161", "dns, port: 53"


@pytest.mark.parametrize(
    ("written", "udp"),
    [
        ("", UdpParams()),
        (r"send: 'a\n', expect: b", UdpParams(b"a\n", AnswerPattern(b"b"))),
        ("send-hex: 00ff, expect-hex: ff", UdpParams(b"\0\xff", AnswerPattern(b"\xff"))),
        ("expect-regexp: '^x'", UdpParams(b"", AnswerPattern(regexp="^x"))),
    ],
)
def test_what_a_udp_probe_sends_and_expects(written, udp):
    assert config_of(written, UDP).healthchecks["web"].udp == udp


@pytest.mark.parametrize(
    ("written", "dns"),
    [
        ("name: example.com", DnsParams("example.com")),
        (
            "name: ., record-type: NS, transport: tcp, recursion: no",
            DnsParams(".", RecordType.NS, tcp=True, recursion=False),
        ),
        ("name: a.example, rcode: NXDOMAIN", DnsParams("a.example", rcode=Rcode.NXDOMAIN)),
        ("name: a.example., answer: 192.0.2.1", DnsParams("a.example.", answer="192.0.2.1")),
        ("name: a_b.c, answer-regexp: '^192'", DnsParams("a_b.c", answer_regexp="^192")),
        ("name: a, record-type: MX, answer: 10 mx", DnsParams("a", RecordType.MX, answer="10 mx")),
    ],
)
def test_what_a_dns_probe_asks_and_expects(written, dns):
    assert config_of(written, DNS).healthchecks["web"].dns == dns


@pytest.mark.parametrize(
    ("written", "grpc", "tls"),
    [
        ("", GrpcParams(), None),
        ("service: shop.v1.Cart", GrpcParams("shop.v1.Cart"), None),
        ("host: rpc.example:8443, ssl: true", GrpcParams("", "rpc.example:8443"), TlsParams("rpc.example")),
        ("ssl: true, insecure-skip-verify: true", GrpcParams(), TlsParams(verify=False)),
    ],
)
def test_what_a_grpc_probe_asks(written, grpc, tls):
    check = config_of(written, "grpc, port: 50051").healthchecks["web"]
    assert (check.grpc, check.tls, check.http) == (grpc, tls, None)


def test_tls_parameters_of_a_grpc_probe_need_ssl():
    assert warnings_of("server-name: a", "grpc, port: 1") == [("server-name", "has no effect: TLS needs ssl: true")]
    assert warnings_of("server-name: a, ssl: true", "grpc, port: 1") == []


def test_differences_of_udp_and_dns_probes():
    (difference,) = differences(config_of("send: a, expect: b", UDP), config_of("send: c, expect: d", UDP))
    assert difference.details == ("send changed", "expect changed")
    (difference,) = differences(config_of("name: a", DNS), config_of("name: b, transport: tcp", DNS))
    assert difference.details == ("name: a -> b", "transport: udp -> tcp")


@pytest.mark.parametrize(
    ("written", "agent"),
    [
        ("", AgentParams(hold=15.0)),
        ("hold: 1m", AgentParams(hold=60.0)),
        (r"send: 'web/a\n', address: 10.0.0.9", AgentParams(b"web/a\n", "10.0.0.9")),
        ("address: '::1'", AgentParams(address="::1")),
    ],
)
def test_parameters_of_an_agent(written, agent):
    text = agents("agent-check: load, healthcheck: web", AGENT.replace("}", f", params: {{{written}}}}}"))
    config = load_text(text).config
    assert (config.backends["a"].agent_check, config.healthchecks["load"].agent) == ("load", agent)
    assert not [each for each in load_text(text).warnings if "healthchecks" in each.path]


def test_the_last_word_of_an_agent_holds_for_three_intervals_if_they_are_longer():
    slow = AGENT.replace("2s", "10s").replace("1s}", "4s}")
    assert load_text(agents("agent-check: load", slow)).config.healthchecks["load"].agent.hold == 34.0


def test_what_is_sent_to_an_agent_is_not_shown_in_a_difference():
    old, new = (
        load_text(agents("agent-check: load", AGENT.replace("}", f", params: {{{each}}}}}"))).config
        for each in ("send: secret", "send: other, hold: 20s")
    )
    assert [each.details for each in differences(old, new)] == [("send changed", "hold: 15.0 -> 20.0")]
    assert [each.details for each in differences(old, load_text(agents("agent-check: load, enabled: false")).config)][
        -1
    ] == ("enabled: true -> false",)


@pytest.mark.parametrize(
    ("weights", "agent", "warned"),
    [
        ("least-moving", "agent-check: load", True),
        ("as-written", "agent-check: load", False),
        ("least-moving", "healthcheck: web", False),
    ],
)
def test_percentages_of_agents_need_weights_that_can_say_them(weights, agent, warned):
    text = (
        agents(f"{agent}")
        + f"""\
  frontends:
    www: {{address: 192.0.2.80, protocol: tcp, port: 80, weights: {weights}, pools: [{{name: p, backends: {{a: }}}}]}}
"""
    )
    found = [each.path for each in load_text(text).warnings if "agent-check, whose percentages" in each.text]
    assert found == (["maglev.frontends.www.weights"] if warned else [])


def test_a_program_has_its_arguments_and_perhaps_a_port():
    config = load_text(program(", params: {command: [/bin/check, 'a b', 80]}", "true, at-once: 200")).config
    assert config.healthchecks["web"].exec == ExecParams(("/bin/check", "a b", "80"))
    assert config.healthchecks["web"].l4_port is None
    assert config.checker.exec == ExecConfig(allow=True, at_once=200)
    assert load_text(program(", port: 80, params: {command: [/bin/check]}")).config.healthchecks["web"].l4_port == 80
    assert load_text(agents("healthcheck: web")).config.checker.exec == ExecConfig()
