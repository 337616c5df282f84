"""What is tested: VIPs from a configuration, from a list, and from the daemon; and who answers."""

from functools import partial

import pytest

from maglev.maglevt.measure.shares import Weights
from maglev.maglevt.target_views import first_member, frontend_of_view, healthcheck_of_view
from maglev.maglevt.targets import FLOW_TIMEOUT, Question, asked_of_vip, target_of, weights_of_view
from maglev.maglevt.targets_file import targets_of_file, targets_of_text
from maglev.maglevt.who import LENGTH, WhoByBody, WhoByHeader, as_name, final_headers, parse_who
from maglev.model.check_params import HttpMethod
from maglev.model.config import CheckType, Frontend, Healthcheck, HttpParams, TlsParams, Transport
from maglev.model.errors import ConfigError

QUESTION = Question(0.9)

CONFIG = b"""
maglev:
  vpp: {lb: {ipv4-src-address: 192.0.2.254, ipv6-src-address: "2001:db8::1", flow-timeout: 5s}}
  healthchecks:
    ping: {type: icmp, interval: 1s, timeout: 1s}
    web: {type: http, port: 8080, interval: 1s, timeout: 5s, params: {path: /healthz, host: www.example.net}}
  backends:
    static: {address: 198.51.100.1}
    www1: {address: 198.51.100.11, healthcheck: web}
    www2: {address: 198.51.100.12, healthcheck: web}
    ns1: {address: 198.51.100.53, healthcheck: ping}
  frontends:
    web:
      address: 192.0.2.1
      protocol: tcp
      port: 80
      pools:
        - {name: main, backends: {static: {weight: 0}, www1: {}, www2: {weight: 50}}}
        - {name: spare, backends: {ns1: {}}}
    dns: {address: 192.0.2.53, protocol: udp, port: 53, pools: [{name: a, backends: {ns1: {}}}]}
    all: {address: 192.0.2.2, pools: [{name: a, backends: {www1: {}}}]}
    any: {address: 192.0.2.3, pools: [{name: a, backends: {ns1: {}}}]}
    ssh: {address: "2001:db8::22", protocol: tcp, port: 22, src-ip-sticky: true, pools: [{name: a, backends: {ns1: }}]}
"""

LIST = b"""
maglevt:
  web:
    address: 127.0.0.11
    port: 8480
    check: http
    params: {path: /x, host: "www.example.net:8480", response-code: 204, headers: {X-Probe: "1"}}
    backends: {www1: {address: 127.0.0.11}, www2: {weight: 50}}
  tls:
    address: "::1"
    port: 443
    check: https
    params: {insecure-skip-verify: true}
  ssh: {address: 127.0.0.1, port: 22, src-ip-sticky: true}
  smtps: {address: 127.0.0.1, port: 465, params: {ssl: true, server-name: mail.example.net}}
"""


def test_the_frontends_of_a_configuration_are_asked_as_its_healthchecks_ask():
    found = targets_of_text(CONFIG, QUESTION)
    web, all_ports, ssh = found.targets

    assert (web.where, web.healthcheck.type, web.healthcheck.l4_port) == ("192.0.2.1:80", CheckType.HTTP, 80)
    assert web.healthcheck.http == HttpParams("/healthz", "www.example.net")
    assert web.healthcheck.timeout == 0.9
    assert web.note == "asked as healthcheck web asks port 8080; --check says otherwise"
    assert (all_ports.where, all_ports.note) == ("192.0.2.2:8080", "")
    assert (ssh.where, ssh.healthcheck.type, ssh.sticky) == ("[2001:db8::22]:22", CheckType.TCP, True)
    assert found.weights["web"] == Weights(
        {"static": 0, "www1": 100, "www2": 50},
        {"static": "198.51.100.1", "www1": "198.51.100.11", "www2": "198.51.100.12"},
        1024,
    )
    assert found.flow_timeout == 5.0
    assert found.skipped == {
        "dns": "UDP can't be tested",
        "any": "it has all ports, and no healthcheck says which one to test",
    }
    assert not found.unknown([])


def test_some_of_them_only():
    assert [each.name for each in targets_of_text(CONFIG, QUESTION, ["ssh", "gone"]).targets] == ["ssh"]
    assert [each.name for each in targets_of_text(LIST, QUESTION, ["ssh"]).targets] == ["ssh"]


def test_a_list_of_vips():
    found = targets_of_text(LIST, QUESTION)
    web, tls, ssh, smtps = found.targets

    assert web.healthcheck.http == HttpParams("/x", "www.example.net:8480", ((204, 204),), headers=(("X-Probe", "1"),))
    assert tls.healthcheck.tls == TlsParams(verify=False, resume=False)
    assert (ssh.healthcheck.type, ssh.healthcheck.http, ssh.healthcheck.tls) == (CheckType.TCP, None, None)
    assert (ssh.sticky, web.sticky) == (True, False)
    assert smtps.healthcheck.tls == TlsParams("mail.example.net", resume=False)
    assert found.weights == {"web": Weights({"www1": 100, "www2": 50}, {"www1": "127.0.0.11"})}
    assert (found.flow_timeout, found.skipped) == (FLOW_TIMEOUT, {})


def test_a_list_may_say_what_to_send_and_to_expect():
    params = b"{http2: true, method: POST, body: a, expect-header: {X-A: 1}, expect-header-regexp: {X-B: .}}"
    text = b"maglevt: {a: {address: 192.0.2.1, port: 80, check: http, params: " + params + b"}}"
    (target,) = targets_of_text(text, QUESTION).targets
    assert target.healthcheck.http == HttpParams(
        http2=True,
        method=HttpMethod.POST,
        body=b"a",
        expect_header=(("X-A", "1"),),
        expect_header_regexp=(("X-B", "."),),
    )


def test_the_name_of_a_host_is_what_its_certificate_must_be_for():
    text = b"maglevt: {a: {address: 192.0.2.1, port: 443, check: https, params: {host: 'www.example.net:443'}}}"

    assert targets_of_text(text, QUESTION).targets[0].healthcheck.tls.server_name == "www.example.net"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"maglevt: {a: {adress: 192.0.2.1, port: 1}}", "did you mean 'address'?"),
        (b"maglevt: {a: {address: 192.0.2.1}}", "port: is required"),
        (b"maglevt: []", "must be a map"),
        (b"{", "while parsing"),
        (b"", "maglev"),
    ],
)
def test_a_file_with_a_mistake_is_refused(text, problem):
    with pytest.raises(ConfigError, match=problem.replace("?", r"\?")):
        targets_of_text(text, QUESTION)


def test_a_list_without_vips_has_none():
    assert targets_of_text(b"maglevt: {}", QUESTION).targets == []


def test_a_vip_of_a_list_that_can_not_be_tested_is_skipped(monkeypatch):
    monkeypatch.setattr("maglev.maglevt.targets_file.target_of", lambda *_: "no")

    assert targets_of_text(b"maglevt: {web: {address: 192.0.2.1, port: 80}}", QUESTION).skipped == {"web": "no"}


def test_a_file_is_read(tmp_path):
    (tmp_path / "vips.yml").write_bytes(LIST)

    assert len(targets_of_file(str(tmp_path / "vips.yml"), QUESTION).targets) == 4
    with pytest.raises(ConfigError, match="can't be read"):
        targets_of_file(str(tmp_path / "gone.yml"), QUESTION)


@pytest.mark.parametrize("text", [CONFIG, LIST])
def test_a_frontend_that_does_not_exist_is_told(text):
    only = ["ssh", "wbe", "no\x1bthing"]
    found = targets_of_text(text, QUESTION, only)

    assert found.unknown(only) == [
        'there is no frontend "no\\x1bthing"',
        'there is no frontend "wbe"; did you mean "web"?',
    ]


# How to ask

CHECK = partial(Healthcheck, interval=1.0, fast_interval=1.0, down_interval=1.0, timeout=5.0)
HTTP = CHECK("web", CheckType.HTTP, 80, http=HttpParams("/a", "h"))
HTTPS = CHECK("web", CheckType.HTTPS, 443, http=HttpParams("/a"), tls=TlsParams("n"))
TLS = CHECK("tls", CheckType.TCP, 443, tls=TlsParams("n"))


def test_options_change_how_to_ask():
    asked = asked_of_vip(HTTP, 443, Question(0.5, CheckType.HTTPS, "/b", "i", insecure=True))

    assert (asked.type, asked.l4_port, asked.timeout) == (CheckType.HTTPS, 443, 0.5)
    assert asked.http == HttpParams("/b", "i")
    assert asked.tls == TlsParams(verify=False, resume=False)


def test_what_the_type_does_not_have_is_left_out():
    def with_check(healthcheck, check):
        asked = asked_of_vip(healthcheck, 1, Question(0.5, check))
        return asked.type, asked.http, asked.tls

    assert with_check(HTTPS, CheckType.TCP) == (CheckType.TCP, None, None)
    assert with_check(TLS, None) == (CheckType.TCP, None, TlsParams("n", resume=False))
    assert with_check(HTTPS, CheckType.HTTP) == (CheckType.HTTP, HttpParams("/a"), None)
    assert with_check(None, CheckType.HTTP) == (CheckType.HTTP, HttpParams(), None)
    assert with_check(None, None) == (CheckType.TCP, None, None)


def test_a_check_of_another_port_needs_no_note_when_an_option_says_how_to_ask():
    frontend = Frontend("web", "192.0.2.1", Transport.TCP, 8080, ())

    assert target_of(frontend, HTTP, QUESTION).note
    assert not target_of(frontend, HTTP, Question(0.9, CheckType.TCP)).note
    assert not target_of(frontend, None, QUESTION).note
    assert not target_of(Frontend("web", "192.0.2.1", Transport.TCP, 80, ()), HTTP, QUESTION).note


# What the daemon says


VIEW = {
    "name": "web",
    "address": "192.0.2.1",
    "protocol": "tcp",
    "port": 80,
    "description": "",
    "src_ip_sticky": False,
    "pools": [
        {
            "backends": [
                {"name": "www1", "address": "198.51.100.11", "programmed_weight": 2},
                {"name": "www2", "address": "198.51.100.12", "programmed_weight": 1},
            ]
        },
        {"backends": [{"name": "www1", "address": "198.51.100.11", "programmed_weight": 0}]},
    ],
    "departing": [{"address": "198.51.100.9", "weight": 3, "leaves_in": 1.0}],
}

CHECK_VIEW = {
    "name": "web",
    "type": "https",
    "port": 443,
    "interval": 1.0,
    "fast_interval": 1.0,
    "down_interval": 1.0,
    "timeout": 1.0,
    "params": {
        "path": "/a",
        "host": None,
        "response_code": ["200-299", "301"],
        "response_regexp": "ok",
        "response_regexp_not": None,
        "server_name": "n",
        "insecure_skip_verify": True,
        "curves": None,
    },
}


def test_a_frontend_and_its_weights_from_the_daemon():
    assert frontend_of_view(VIEW) == Frontend("web", "192.0.2.1", Transport.TCP, 80, ())
    assert frontend_of_view(VIEW | {"protocol": "any", "port": 0}).transport is None
    assert first_member(VIEW) == "www1"
    assert first_member(VIEW | {"pools": []}) is None
    assert weights_of_view(VIEW) == Weights(
        {"www1": 2, "www2": 1, "198.51.100.9": 3},
        {"www1": "198.51.100.11", "www2": "198.51.100.12", "198.51.100.9": "198.51.100.9"},
    )


def test_a_healthcheck_from_the_daemon():
    https = healthcheck_of_view(CHECK_VIEW)

    assert https.http == HttpParams("/a", None, ((200, 299), (301, 301)), "ok")
    assert https.tls == TlsParams("n", verify=False)
    more = {"method": "HEAD", "http2": True, "expect_header": ["X-A: 1"], "expect_header_regexp": ["X-B: a: b"]}
    asked = healthcheck_of_view(CHECK_VIEW | {"params": CHECK_VIEW["params"] | more}).http
    assert asked.http2
    assert (asked.method, asked.expect_header, asked.expect_header_regexp) == (
        "HEAD",
        (("X-A", "1"),),
        (("X-B", "a: b"),),
    )
    plain = healthcheck_of_view(CHECK_VIEW | {"type": "http"})
    assert (plain.http, plain.tls) == (https.http, None)
    assert healthcheck_of_view(CHECK_VIEW | {"type": "icmp", "port": None, "params": {}}).tls is None
    tcp = {"ssl": True, "server_name": None, "insecure_skip_verify": False}
    assert healthcheck_of_view(CHECK_VIEW | {"type": "tcp", "params": tcp}).tls == TlsParams()


# Who answers

HEAD = b"HTTP/1.1 200 OK\r\nX-Backend:  www1 \r\nServer: a\r\n\r\nX-Backend: body\r\n"


@pytest.mark.parametrize(
    ("how", "head", "body", "name"),
    [
        ("header:x-backend", HEAD, b"", "www1"),
        ("header:X-Backend", b"HTTP/1.1 100 Continue\r\nX-Backend: no\r\n\r\n" + HEAD, b"", "www1"),
        ("header:X-Backend", b"HTTP/1.1 101 Switching\nX-Backend: www2\n\n", b"", "www2"),
        ("header:X-Backend", b"HTTP/1.1 200 OK\r\nX-Backend: not ended", b"", "not ended"),
        ("header:X-Other", HEAD, b"", None),
        ("header:Server", b"HTTP/1.1 200 OK\r\nServer:\r\n\r\n", b"", None),
        ("body:www[0-9]+", HEAD, b"I am www12.", "www12"),
        ("body:I am (\\w+)", HEAD, b"I am www12.", "www12"),
        ("body:(x)?am", HEAD, b"I am", None),
        ("body:nobody", HEAD, b"I am", None),
        ("certificate", HEAD, b"", None),
    ],
)
def test_an_answer_says_who_gave_it(how, head, body, name):
    assert parse_who(how).name_in(head, body) == name


@pytest.mark.parametrize(
    "text", ["", "header", "header:", "header:a b", "body:", "body:(", "cookie:a", "body:(a{900}){9}"]
)
def test_what_names_no_way_is_refused(text):
    with pytest.raises(ValueError, match=r"expected|RE2|too complex"):
        parse_who(text)


def test_only_a_pattern_on_the_body_needs_one():
    assert WhoByBody("a").wants_body
    assert not WhoByHeader("a").wants_body
    assert not parse_who("certificate").wants_body


def test_a_name_is_printable_and_bounded():
    assert as_name(b"a\x1b[31m" + b"x" * 500) == ("a\\x1b[31m" + "x" * 500)[:LENGTH]
    assert as_name(b"  ") is None
    assert final_headers(b"HTTP/1.1 100 Continue\r\n\r\n") == b""
