"""The views of frontends, backends and healthchecks, and the decisions about them explained."""

import pytest

from maglev.control.check_views import params_view
from maglev.model.check_params import (
    AgentParams,
    AnswerPattern,
    DnsParams,
    ExecParams,
    GrpcParams,
    HttpMethod,
    Preset,
    ProbeStep,
    TalkParams,
    UdpParams,
)
from maglev.model.config import Backend, CheckType, HttpParams, PemFile, TlsParams, WeightScale
from maglev.model.errors import NotFoundError
from tests.fakes.configs import make_check, make_config, make_frontend
from tests.fakes.control_setup import ControlSetup, answer_of


def test_a_conversation_is_shown_without_what_is_sent():
    steps = (
        ProbeStep(send=b"secret"),
        ProbeStep(expect=AnswerPattern(b"a\r"), reject="no"),
        ProbeStep(expect=AnswerPattern(regexp="^b")),
    )
    checks = [
        make_check("tcp", talk=TalkParams(steps)),
        make_check("smtp", talk=TalkParams(preset=Preset.SMTP)),
        make_check("mysql", talk=TalkParams(preset=Preset.MYSQL, user="me")),
        make_check("udp", type=CheckType.UDP, udp=UdpParams(b"community", AnswerPattern(b"a"))),
        make_check("silent", type=CheckType.UDP, udp=UdpParams()),
        make_check("dns", type=CheckType.DNS, dns=DnsParams("a.b", answer="192.0.2.1")),
        make_check("script", type=CheckType.EXEC, exec=ExecParams(("/bin/check", "a b"))),
        make_check("load", type=CheckType.AGENT, agent=AgentParams(b"secret", "192.0.2.9")),
    ]
    bench = ControlSetup(make_config(checks=checks))
    rows = answer_of(bench.viewer.healthchecks())["rows"]
    bench.stop()
    assert [row["params"] for row in rows] == [
        {"ssl": False, "steps": ["send 6 bytes", 'expect "a\\\\r" reject-regexp "no"', 'expect-regexp "^b"']},
        {"ssl": False, "preset": "smtp"},
        {"ssl": False, "preset": "mysql", "user": "me"},
        {"send": "9 bytes", "expect": '"a"'},
        {"send": "0 bytes", "expect": None},
        {
            "name": "a.b",
            "record_type": "A",
            "transport": "udp",
            "rcode": "NOERROR",
            "answer": "192.0.2.1",
            "answer_regexp": None,
            "recursion": True,
        },
        {"command": ["/bin/check", "a b"]},
        {"send": "6 bytes", "address": "192.0.2.9", "hold": 15.0},
    ]


def test_a_frontend(bench):
    member = {"address": "10.0.0.1", "state": "up", "enabled": True, "weight": 100, "file_weight": 100}
    member |= {"effective_weight": 100, "programmed_weight": 100, "reason": "active"}
    member |= {"vpp_weight": 100, "vpp_buckets": None}
    idle = {"effective_weight": 0, "programmed_weight": 0, "reason": "standby", "vpp_weight": 0, "vpp_buckets": 0}
    eligible = {"min_up": "1", "eligible_for": 0.0, "fails_back_in": None}
    assert answer_of(bench.viewer.frontend("web")) == {
        "name": "web",
        "address": "192.0.2.1",
        "protocol": "tcp",
        "port": 80,
        "description": "",
        "state": "up",
        "src_ip_sticky": False,
        "flush_on_down": True,
        "weights": "as-written",
        "when_none_eligible": "down",
        "failback_delay": 0.0,
        "held": 0,
        "pools": [
            {
                "name": "pool0",
                "active": True,
                "in_service": 2,
                **eligible,
                "backends": [{"name": "a", **member}, {"name": "b", **member, "address": "10.0.0.2"}],
            },
            {
                "name": "pool1",
                "active": False,
                "in_service": 1,
                **eligible,
                "backends": [{"name": "c", **member, **idle, "address": "10.0.0.3"}],
            },
        ],
        "departing": [],
        "enabled": True,
        "override": None,
    }


def test_servers_that_left_the_file_are_named_for_as_long_as_they_are_in_vpp(bench):
    made = [Backend("x", "10.0.0.8", "tcp")]
    bench.board.apply(make_config([make_frontend(pools=(("x",),))], made, removal_max_delay=20.0, removal_drain=5.0))
    bench.clock.advance(1)

    def leaving():
        view = answer_of(bench.viewer.frontend("web"))
        (vip,) = answer_of(bench.viewer.vpp_lb_state())["rows"]
        in_vpp = {each["address"]: each["leaves_in"] for each in vip["application_servers"]}
        return [(each["address"], each["weight"], each["leaves_in"]) for each in view["departing"]], in_vpp

    assert leaving() == (
        [("10.0.0.1", 100, 19.0), ("10.0.0.2", 100, 19.0)],
        {"10.0.0.1": 19.0, "10.0.0.2": 19.0, "10.0.0.8": None},
    )


def test_servers_that_left_the_file_are_told_by_a_scale_of_their_own(bench):
    frontend = make_frontend(pools=((("a", 100), ("b", 1)),), weights=WeightScale.LEAST_MOVING)
    bench.board.apply(make_config([frontend], checks=[make_check(rise=1, fall=1)]))
    left = make_frontend(pools=(("x",),), weights=WeightScale.LEAST_MOVING)
    bench.board.apply(make_config([left], [Backend("x", "10.0.0.8", "tcp")], removal_max_delay=20.0))
    bench.clock.advance(1)
    found = answer_of(bench.viewer.frontend("web"))["departing"]
    shown = {each["address"]: (each["weight"], each["programmed_weight"]) for each in found}
    assert shown == {"10.0.0.1": (100, 99), "10.0.0.2": (1, 1)}
    in_vpp = bench.lb.weights()["tcp://192.0.2.1:80"]
    assert {address: weight for address, weight in in_vpp.items() if weight} == {"10.0.0.1": 99, "10.0.0.2": 1}


def test_the_weight_of_a_departing_server_is_told_in_the_unit_of_vpp_as_well(bench):
    made = [Backend("x", "10.0.0.8", "tcp")]
    for way, programmed in ((WeightScale.LEAST_MOVING, 1), (WeightScale.AS_WRITTEN, 100)):
        frontend = make_frontend(pools=(("x",),), weights=way)
        bench.board.apply(make_config([frontend], made, removal_max_delay=20.0))
        bench.clock.advance(1)
        found = answer_of(bench.viewer.frontend("web"))["departing"]
        assert [(each["weight"], each["programmed_weight"]) for each in found] == [(100, programmed)] * 2
        assert bench.lb.weights()["tcp://192.0.2.1:80"]["10.0.0.1"] == programmed


def test_a_frontend_of_all_ports():
    bench = ControlSetup(make_config(frontends=[make_frontend(port=0)]))
    view = answer_of(bench.viewer.frontend("web"))
    assert (view["protocol"], view["port"]) == ("any", 0)
    bench.stop()


def test_a_backend(bench):
    assert answer_of(bench.viewer.backend("a")) == {
        "name": "a",
        "address": "10.0.0.1",
        "state": "up",
        "enabled": True,
        "healthcheck": "tcp",
        "health": {"value": 1, "rise": 1, "fall": 1},
        "last_result": {
            "ok": True,
            "layer": "L7",
            "code": "L7OK",
            "detail": "status 200",
            "duration": 0.0015,
            "age": 0.0,
        },
        "checks": [],
        "agent": None,
        "transitions": [
            {
                "from": "unknown",
                "to": "up",
                "at": "1970-01-01T00:16:40.000Z",
                "age": 0.0,
                "code": "L7OK",
                "detail": "status 200",
                "healthcheck": "",
            },
            {
                "from": "unknown",
                "to": "unknown",
                "at": "1970-01-01T00:16:40.000Z",
                "age": 0.0,
                "code": "start",
                "detail": "",
                "healthcheck": "",
            },
        ],
        "frontends": ["web"],
        "override": None,
        "drain": None,
    }


def test_a_backend_without_a_result():
    bench = ControlSetup()
    bench.board.apply(make_config(frontends=[make_frontend(pools=(("new",),))]))
    assert answer_of(bench.viewer.backend("new"))["last_result"] is None
    bench.stop()


def test_healthchecks():
    checks = [
        make_check(),
        make_check("ssl", tls=TlsParams("name", verify=False)),
        make_check("ping", type=CheckType.ICMP, l4_port=None),
        make_check(
            "web",
            type=CheckType.HTTPS,
            http=HttpParams(
                "/x",
                "h",
                ((200, 200), (300, 399)),
                "ok",
                "bad",
                (("X-A", "secret"), ("X-B", "2")),
                method=HttpMethod.POST,
                body=b"secret",
                expect_header=(("X-H", "ok"),),
                expect_header_regexp=(("X-R", "a: b"),),
            ),
            tls=TlsParams(
                "h",
                resume=False,
                curves="P-384",
                ca_file=PemFile("/ca"),
                client_certificate=PemFile("/crt"),
                client_key=PemFile("/key", "secret"),
            ),
        ),
    ]
    bench = ControlSetup(make_config(checks=checks))
    rows = answer_of(bench.viewer.healthchecks())["rows"]
    assert [row["params"] for row in rows] == [
        {"ssl": False},
        {
            "server_name": "name",
            "insecure_skip_verify": True,
            "tls_resumption": True,
            "curves": None,
            "ca_file": None,
            "client_certificate": None,
            "client_key": None,
            "ssl": True,
        },
        {},
        {
            "method": "POST",
            "path": "/x",
            "host": "h",
            "body": "6 bytes",
            "response_code": ["200", "300-399"],
            "response_regexp": "ok",
            "response_regexp_not": "bad",
            "expect_header": ["X-H: ok"],
            "expect_header_regexp": ["X-R: a: b"],
            "http2": False,
            "disable_on_404": False,
            "headers": ["X-A", "X-B"],
            "server_name": "h",
            "insecure_skip_verify": False,
            "tls_resumption": False,
            "curves": "P-384",
            "ca_file": "/ca",
            "client_certificate": "/crt",
            "client_key": "/key",
        },
    ]
    one = answer_of(bench.viewer.healthcheck("tcp"))
    assert one.pop("params") == {"ssl": False}
    assert one == {
        "name": "tcp",
        "type": "tcp",
        "port": 80,
        "interval": 2.0,
        "fast_interval": 1.0,
        "down_interval": 4.0,
        "timeout": 1.0,
        "rise": 2,
        "fall": 3,
        "probe_ipv4_src": None,
        "probe_ipv6_src": None,
        "via": "direct",
        "backends": 3,
    }
    bench.stop()


def test_a_grpc_probe_shows_what_it_asks():
    check = make_check("rpc", type=CheckType.GRPC, grpc=GrpcParams("a.B", "h"))
    assert params_view(check) == {"ssl": False, "service": "a.B", "host": "h"}


def test_what_a_request_does_not_have_is_not_shown():
    view = params_view(make_check("web", type=CheckType.HTTP, http=HttpParams()))
    assert view["method"] == "GET"
    assert not {"body", "expect_header", "expect_header_regexp"} & view.keys()


def test_decisions_are_explained_with_what_vpp_holds(bench):
    bench.clock.advance(1)
    for view in (answer_of(bench.viewer.explain_backend("a")), answer_of(bench.viewer.explain_frontend("web"))):
        weights = view.get("frontends") or view["backends"]
        assert (weights[0]["backend"], weights[0]["vpp_weight"]) == ("a", 100)
    for call in (bench.viewer.explain_backend("nobody"), bench.viewer.explain_frontend("nobody")):
        with pytest.raises(NotFoundError):
            answer_of(call)


def test_without_vpp_decisions_are_explained_as_far_as_they_go():
    bench = ControlSetup(vpp=False)
    (web,) = answer_of(bench.viewer.explain_backend("a"))["frontends"]
    assert (web["effective_weight"], web["vpp_weight"]) == (100, None)
    bench.stop()
