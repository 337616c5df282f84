"""The verbs: what they return, who may use them, and what is recorded."""

import attrs
import pytest
from twisted.internet.task import Clock
from twisted.logger import LogPublisher, globalLogPublisher

from maglev.announce.announcer import TICK
from maglev.config.load import Loaded
from maglev.control.events import EventHub
from maglev.control.scale_changes import ScaleBefore
from maglev.control.sessions import Sessions
from maglev.control.verbs import Control
from maglev.model.build import Build, read_build
from maglev.model.caller import Caller, Role
from maglev.model.config import Backend, CheckType, HttpParams, PemFile, TlsParams, WeightScale, WhenNoneEligible
from maglev.model.errors import (
    ConfigError,
    ForbiddenError,
    NotFoundError,
    RefusedError,
    VppNotConnectedError,
    VppOffError,
)
from maglev.model.event_views import OverrideEventView
from maglev.model.moments import moment
from maglev.model.override import Target
from maglev.model.problem import Problem, ProblemKind
from maglev.model.result import Code, Result
from maglev.runtime.cooperator import Cooperator
from maglev.state.board import Board
from maglev.vpp.lb.state import ApplicationServer, Encap, Vip, VipKey
from maglev.vpp.lb.table import flow_table
from maglev.vpp.sync.service import VppService
from tests.fakes.announcements import announcer_of
from tests.fakes.configs import CONF, make_announce, make_check, make_config, make_frontend
from tests.fakes.lb import FakeConnector, FakeLb
from tests.fakes.outcomes import basic_result_of, result_of
from tests.fakes.overrides import overrides_of
from tests.fakes.views import VERBS, answer_type, has_every_verb, misfits

OPERATOR = Caller("ann", Role.OPERATOR, "ssh 192.0.2.7:1")
VIEWER = Caller("bob", Role.VIEWER, "unix uid 1000")
KEPT = {"until": None, "not_kept": ""}
PASS = Result(Code.L7OK, "status 200", 0.0015)


class FakeReloader:
    """Reloads what the test put there, or fails with its problems."""

    def __init__(self, board):
        self.board = board
        self.outcome = Loaded(board.config, (Problem(ProblemKind.WARNING, "maglev", "hm", 1, 2),))

    async def check(self):
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    async def reload(self, who="", origin=""):
        loaded = await self.check()
        self.board.apply(loaded.config)
        return loaded


class ControlSetup:
    def __init__(self, config=None, vpp=True, off=False):
        self.clock = Clock()
        self.board = Board(lambda: 1000.0, config or make_config(checks=[make_check(rise=1, fall=1)]))
        self.lb = FakeLb()
        connector = None if off else FakeConnector(self.lb if vpp else None)
        self.vpp = VppService(Cooperator(self.clock).queue("vpp"), self.board, connector, lambda: 1.0)
        self.overrides = overrides_of(self.board, self.clock)
        self.announcer = announcer_of(self.board, self.clock, self.vpp, self.overrides.kept_off)
        self.reloader = FakeReloader(self.board)
        self.sessions = Sessions(self.clock, lambda: 1000.0)
        event_hub = EventHub(self.board, LogPublisher(), self.announcer.states)
        build = Build("1.2", "abc", "today")
        work = Cooperator(self.clock).queue("control")
        self.control = Control(
            work,
            self.board,
            self.vpp,
            self.reloader,
            event_hub,
            self.sessions,
            build,
            lambda: 1000.0,
            dict,
            self.overrides,
            self.announcer,
        )
        self.operator = self.control.for_caller(OPERATOR)
        self.viewer = self.control.for_caller(VIEWER)
        for name in self.board.backends:
            self.board.record(name, PASS)
        self.vpp.startService()

    def stop(self):
        self.vpp.stopService()


@pytest.fixture
def bench():
    made = ControlSetup()
    yield made
    made.stop()


@pytest.fixture
def audit():
    """The audit lines that the test causes."""
    lines = []

    def observe(event):
        if event.get("log_event") == "audit":
            keys = ("who", "role", "origin", "action", "object", "from", "to", "refused", "writes", "reason", "until")
            lines.append({key: event[key] for key in keys if key in event})

    globalLogPublisher.addObserver(observe)
    yield lines
    globalLogPublisher.removeObserver(observe)


def answer_of(call):
    """Return the answer of a verb that waits for nothing, or raise what it raises; it must have the declared shape."""
    answer = basic_result_of(call)
    assert misfits(answer, answer_type(call.__name__)) == []
    return answer


def moved(before, after):
    """Return the share of the buckets that get another owner."""
    pairs = zip(flow_table(before, 1024), flow_table(after, 1024), strict=True)
    return sum(old != new for old, new in pairs) / 1024


def test_it_has_every_verb(bench):
    assert has_every_verb(bench.operator)
    assert bench.operator.caller is OPERATOR


def test_version(bench):
    assert answer_of(bench.viewer.version()) == {"version": "1.2", "commit": "abc", "build_date": "today"}


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
        "transitions": [
            {"from": "unknown", "to": "up", "at": "1970-01-01T00:16:40.000Z", "code": "L7OK", "detail": "status 200"},
            {"from": "unknown", "to": "unknown", "at": "1970-01-01T00:16:40.000Z", "code": "start", "detail": ""},
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
            http=HttpParams("/x", "h", ((200, 200), (300, 399)), "ok", "bad", (("X-A", "secret"), ("X-B", "2"))),
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
            "path": "/x",
            "host": "h",
            "response_code": ["200", "300-399"],
            "response_regexp": "ok",
            "response_regexp_not": "bad",
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
        "backends": 3,
    }
    bench.stop()


def test_lists_come_in_pages(bench):
    first = answer_of(bench.viewer.backends(limit=2))
    assert [row["name"] for row in first["rows"]] == ["a", "b"]
    second = answer_of(bench.viewer.backends(after=first["next"], limit=2))
    assert ([row["name"] for row in second["rows"]], second["next"]) == (["c"], None)
    assert answer_of(bench.viewer.backends(after="99"))["rows"] == []
    assert answer_of(bench.viewer.frontends(limit=-5))["rows"][0]["name"] == "web"
    with pytest.raises(RefusedError, match="invalid page token"):
        answer_of(bench.viewer.backends(after="nonsense"))


def test_names_for_completion(bench):
    def names(*arguments, **options):
        return answer_of(bench.viewer.names(*arguments, **options))

    assert names("backend") == ["a", "b", "c"]
    assert names("backend", limit=2) == ["a", "b"]
    assert names("frontend", "w") == ["web"]
    assert names("frontend", "x") == []
    assert names("healthcheck") == ["tcp"]
    assert names("pool", within="web") == ["pool0", "pool1"]
    assert names("member", within="web/pool1") == ["c"]
    assert names("pool", within="nope") == []
    with pytest.raises(RefusedError, match=r"invalid kind .*: expected one of"):
        names("nonsense")


@pytest.mark.parametrize("verb", ["frontend", "backend", "healthcheck"])
def test_names_that_do_not_exist_are_an_error_of_their_own(bench, verb):
    with pytest.raises(NotFoundError, match=f"unknown {verb} 'nope'"):
        answer_of(getattr(bench.viewer, verb)("nope"))


def test_an_operator_changes_backends_and_that_is_recorded(bench, audit):
    assert answer_of(bench.operator.pause_backend("a")) == {
        "backend": "a",
        "from": "up",
        "to": "paused",
        "unserved": [],
        **KEPT,
    }
    assert answer_of(bench.operator.resume_backend("a"))["to"] == "unknown"
    assert answer_of(bench.operator.disable_backend("a"))["to"] == "disabled"
    assert answer_of(bench.operator.enable_backend("a"))["to"] == "unknown"
    who = {"who": "ann", "role": "operator", "origin": "ssh 192.0.2.7:1"}
    assert audit == [
        {**who, "action": "pause-backend", "object": "a", "from": "up", "to": "paused"},
        {**who, "action": "resume-backend", "object": "a", "from": "paused", "to": "unknown"},
        {**who, "action": "disable-backend", "object": "a", "from": "unknown", "to": "disabled"},
        {**who, "action": "enable-backend", "object": "a", "from": "disabled", "to": "unknown"},
    ]


def test_an_operator_changes_a_weight_and_that_is_recorded(bench, audit):
    view = answer_of(bench.operator.set_weight("web", "pool0", "a", 7))
    names = {"frontend": "web", "pool": "pool0", "backend": "a"}
    assert view == {**names, "from": 100, "to": 7, "programmed": [], "moved": None, **KEPT}
    assert bench.lb.weights()["tcp://192.0.2.1:80"]["10.0.0.1"] == 7
    assert (audit[0]["object"], audit[0]["from"], audit[0]["to"]) == ("web/pool0/a", 100, 7)


def test_what_was_ordered_is_listed_and_shown_with_its_object_until_it_is_cleared(bench, audit):
    now = bench.overrides._wall()
    view = answer_of(bench.operator.disable_backend("a", 7200, "disk swap"))
    assert view["until"] == moment(now + 7200)
    answer_of(bench.operator.set_weight("web", "pool0", "b", 7, 0, "less"))
    by = {"who": "ann", "origin": "ssh 192.0.2.7:1", "since": moment(now), "age": 0.0, "address": None}
    ends = {"until": moment(now + 7200), "ends_in": 7200.0}
    state = {"backend": "a", "frontend": None, "pool": None, "value": "disable", "file": "enable", **by, **ends}
    state["reason"] = "disk swap"
    weight = {"backend": "b", "frontend": "web", "pool": "pool0", "value": "7", "file": "100", **by, "reason": "less"}
    page = answer_of(bench.viewer.overrides())
    assert page["rows"] == [state, {**weight, "until": None, "ends_in": None}]
    assert (page["damage"], page["next"]) == ("", None)
    assert answer_of(bench.viewer.backend("a"))["override"] == state
    members = answer_of(bench.viewer.frontend("web"))["pools"][0]["backends"]
    assert [(each["weight"], each["file_weight"]) for each in members] == [(100, 100), (7, 100)]
    assert answer_of(bench.viewer.names("overridden")) == ["a"]
    cleared = answer_of(bench.operator.clear_override("a"))
    assert cleared == {
        "object": "backend a",
        "from": "disable",
        "to": "enable",
        "programmed": [],
        "moved": None,
        **KEPT,
    }
    cleared = answer_of(bench.operator.clear_override("b", "web", "pool0"))
    assert (cleared["from"], cleared["to"]) == ("7", "100")
    assert answer_of(bench.viewer.overrides())["rows"] == []
    with pytest.raises(NotFoundError, match="there is no override of the backend a"):
        answer_of(bench.operator.clear_override("a"))
    assert (audit[0]["reason"], audit[0]["until"]) == ("disk swap", moment(now + 7200))
    assert [line["action"] for line in audit] == ["disable-backend", "set-weight", *["clear-override"] * 3]


def test_an_address_is_kept_withdrawn_over_everything_until_it_is_let_go(audit):
    setup = ControlSetup(make_config(checks=[make_check(rise=1, fall=1)], announce=make_announce("192.0.2.1")))
    setup.announcer.startService()
    setup.overrides.startService()
    setup.clock.advance(TICK)
    watch = result_of(setup.viewer.watch(backend=False, frontend=True))
    snapshot = result_of(watch.next())[-1]
    assert (snapshot["kind"], snapshot["name"], snapshot["state"]) == ("announcement", "192.0.2.1", "announced")
    view = answer_of(setup.viewer.announcement("192.0.2.1"))
    assert (view["state"], view["frontends"], view["prefix"]) == ("announced", ["web"], "192.0.2.1/32")
    assert answer_of(setup.viewer.announcements()) == {"sinks": [], "rows": [view], "next": None}
    with pytest.raises(NotFoundError, match=r"unknown announced address '192\.0\.2\.9'"):
        answer_of(setup.viewer.announcement("192.0.2.9"))

    view = answer_of(setup.operator.set_announce("192.0.2.1", False, 60, "move"))
    assert (view["from"], view["to"], view["state"]) == ("on", "off", "withdrawn")
    assert answer_of(setup.viewer.announcement("192.0.2.1"))["why"].startswith("kept off by ann: move (until")
    (override,) = answer_of(setup.viewer.overrides())["rows"]
    assert (override["backend"], override["address"], override["value"], override["file"]) == (
        None,
        "192.0.2.1",
        "off",
        "on",
    )
    assert {"announcement", "override"} <= {event["type"] for event in result_of(watch.next())}
    setup.clock.advance(61)
    assert answer_of(setup.viewer.announcement("192.0.2.1"))["state"] == "announced"

    answer_of(setup.operator.set_announce("192.0.2.1", False))
    view = answer_of(setup.operator.set_announce("192.0.2.1", True))
    assert (view["from"], view["to"], view["state"]) == ("off", "on", "announced")
    assert answer_of(setup.operator.set_announce("192.0.2.1", True))["from"] == "on"
    with pytest.raises(NotFoundError, match="unknown announced address 'web'"):
        answer_of(setup.operator.set_announce("web", False))
    assert [line["action"] for line in audit][:2] == ["set-announce-off", "set-announce-off"]
    setup.announcer.stopService()
    setup.overrides.stopService()
    setup.stop()


def test_orders_are_events_for_those_who_watch_the_object(bench):
    watches = [result_of(bench.viewer.watch(backend=backend, frontend=not backend)) for backend in (True, False)]
    for watch in watches:
        result_of(watch.next())
    answer_of(bench.operator.pause_backend("a", 60, "noise"))
    answer_of(bench.operator.set_weight("web", "pool0", "b", 7))
    seen = [[each for each in result_of(watch.next()) if each["type"] == "override"] for watch in watches]
    assert [[each["object"] for each in some] for some in seen] == [
        ["backend a"], ["weight of backend b in pool pool0 of frontend web"]
    ]  # fmt: skip
    event = seen[0][0]
    assert (event["action"], event["value"], event["file"], event["who"]) == ("set", "pause", "enable", "ann")
    assert (event["reason"], event["until"] is None) == ("noise", False)
    assert misfits(event, OverrideEventView) == []


def test_a_weight_that_changes_the_scale_says_what_that_moves(bench):
    frontends = [make_frontend(pools=(("a", "b", "c"),), weights=WeightScale.LEAST_MOVING)]
    bench.board.apply(make_config(frontends, checks=[make_check(rise=1, fall=1)]))
    view = answer_of(bench.operator.set_weight("web", "pool0", "a", 30))
    assert view["programmed"] == [[100, 1, 10]]
    assert 0.2 < view["moved"] < 0.7
    members = answer_of(bench.viewer.frontend("web"))["pools"][0]["backends"]
    assert [each["programmed_weight"] for each in members] == [3, 10, 10]
    again = answer_of(bench.operator.set_weight("web", "pool0", "b", 30))
    assert (again["programmed"], again["moved"]) == ([], None)


def guarded(**frontend):
    """Return a bench with a frontend that holds what is down rather than serve nothing."""
    frontends = [make_frontend(pools=(("a", "b"),), when_none_eligible=WhenNoneEligible.HOLD, **frontend)]
    return ControlSetup(make_config(frontends, checks=[make_check(rise=1, fall=1)]))


def test_an_order_that_leaves_a_guarded_frontend_with_nothing_needs_force(audit):
    bench = guarded()
    text = "frontend web would have nothing left in service, and its when-none-eligible is hold: add force"
    answer_of(bench.operator.pause_backend("a"))
    orders = (
        lambda **more: bench.operator.disable_backend("b", **more),
        lambda **more: bench.operator.pause_backend("b", **more),
        lambda **more: bench.operator.set_weight("web", "pool0", "b", 0, **more),
    )
    for order in orders:
        with pytest.raises(RefusedError, match=text):
            answer_of(order())
    assert audit[-1]["refused"].startswith(text)
    # What is down counts as well: the guard keeps it, unless an operator takes it out.
    bench.board.record("b", Result(Code.L4CON))
    assert bench.board.frontends["web"].guarded == {"b"}
    with pytest.raises(RefusedError, match=text):
        answer_of(bench.operator.disable_backend("b"))
    assert answer_of(bench.operator.disable_backend("b", force=True))["to"] == "disabled"
    assert bench.board.frontends["web"].active is None
    # Nothing is in service any longer: another order makes no difference.
    answer_of(bench.operator.set_weight("web", "pool0", "b", 0))
    bench.stop()


def test_an_order_that_leaves_something_is_carried_out_and_so_is_one_where_nothing_is_held():
    bench = guarded()
    bench.board.record("a", Result(Code.L4CON))
    answer_of(bench.operator.disable_backend("b"))
    assert bench.board.frontends["web"].guarded == {"a"}
    bench.stop()
    bench = ControlSetup()
    for name in "abc":
        answer_of(bench.operator.disable_backend(name))
    bench.stop()


def test_what_is_refused_is_recorded_and_changes_nothing(bench, audit):
    with pytest.raises(RefusedError, match="can't be resumed"):
        answer_of(bench.operator.resume_backend("a"))
    with pytest.raises(NotFoundError, match="no pool"):
        answer_of(bench.operator.set_weight("web", "nope", "a", 7))
    with pytest.raises(NotFoundError, match="unknown frontend"):
        answer_of(bench.operator.sync_vpp("nope"))
    assert [line["refused"] for line in audit] == [
        "backend a can't be resumed: it is up",
        "frontend web has no pool 'nope'",
        "unknown frontend 'nope'",
    ]


def test_a_host_is_all_its_backends_with_a_result_for_each(bench):
    bench.board.backend("b").address = "10.0.0.1"
    answer_of(bench.operator.disable_backend("b"))
    view = answer_of(bench.operator.set_host("10.0.0.1", "drain", 0, "disk", False, 5, 60, True))
    assert view["address"] == "10.0.0.1"
    one, other = view["results"]
    assert (one["backend"], one["change"]["to"], one["refused"]) == ("a", "draining", "")
    assert other == {"backend": "b", "change": None, "refused": "backend b can't be drained: it is disabled"}
    goal = bench.overrides.get(Target("a")).goal
    assert (goal.flows, goal.disable) == (5, True)
    enabled = answer_of(bench.operator.set_host("10.0.0.1", "enable"))
    assert [each["change"]["to"] for each in enabled["results"]] == ["up", "unknown"]
    with pytest.raises(NotFoundError, match=r"no backend has the address 10\.0\.0\.99"):
        answer_of(bench.operator.set_host("10.0.0.99", "enable"))
    with pytest.raises(NotFoundError, match="no backend has the address host"):
        answer_of(bench.operator.set_host("host", "enable"))
    with pytest.raises(RefusedError, match="expected one of drain, pause, resume, enable, disable"):
        answer_of(bench.operator.set_host("10.0.0.1", "stop"))


def test_what_was_ordered_for_a_host_is_cleared_for_all_its_backends(bench):
    bench.board.backend("b").address = "10.0.0.1"
    with pytest.raises(NotFoundError, match=r"no override of a backend with the address 10\.0\.0\.1"):
        answer_of(bench.operator.set_host("10.0.0.1", "clear"))
    for name in "abc":
        answer_of(bench.operator.disable_backend(name))
    view = answer_of(bench.operator.set_host("10.0.0.1", "clear"))
    assert [each["backend"] for each in view["results"]] == ["a", "b"]
    assert {(each["change"]["from"], each["change"]["to"]) for each in view["results"]} == {("disabled", "unknown")}
    assert [each["backend"] for each in answer_of(bench.viewer.overrides())["rows"]] == ["c"]


def test_clearing_what_keeps_a_guarded_frontend_in_service_is_refused_unless_forced():
    backends = [Backend("a", "10.0.0.1", "tcp", enabled=False)]
    guarded = make_frontend(pools=((("a", 0),),), when_none_eligible=WhenNoneEligible.HOLD)
    bench = ControlSetup(make_config([guarded], backends, checks=[make_check(rise=1, fall=1)]))
    answer_of(bench.operator.enable_backend("a"))
    bench.board.record("a", PASS)
    answer_of(bench.operator.set_weight("web", "pool0", "a", 50))
    for clear in (
        bench.operator.clear_override("a"),
        bench.operator.clear_override("a", "web", "pool0"),
        bench.operator.set_host("10.0.0.1", "clear"),
    ):
        with pytest.raises(RefusedError, match="add force"):
            answer_of(clear)
    assert answer_of(bench.operator.clear_override("a", "web", "pool0", True))["to"] == "0"
    answer_of(bench.operator.set_weight("web", "pool0", "a", 50))
    view = answer_of(bench.operator.set_host("10.0.0.1", "clear", 0, "", True))
    assert view["results"][0]["change"]["unserved"] == ["web"]
    bench.stop()


def test_a_frontend_is_disabled_as_a_whole_and_shown_so(bench):
    view = answer_of(bench.operator.disable_frontend("web", 7200, "moved"))
    assert (view["frontend"], view["from"], view["to"]) == ("web", "enabled", "disabled")
    shown = answer_of(bench.viewer.frontend("web"))
    assert (shown["enabled"], shown["state"], shown["override"]["reason"]) == (False, "down", "moved")
    assert answer_of(bench.viewer.overrides())["rows"][0]["backend"] is None
    assert answer_of(bench.operator.enable_frontend("web"))["from"] == "disabled"
    assert answer_of(bench.viewer.frontend("web"))["state"] == "up"


def test_the_last_backend_that_served_is_told_with_its_frontend(bench):
    assert answer_of(bench.operator.drain_backend("a"))["unserved"] == []
    assert answer_of(bench.operator.drain_backend("b"))["unserved"] == []
    assert answer_of(bench.operator.disable_backend("c"))["unserved"] == ["web"]
    assert answer_of(bench.operator.disable_backend("c"))["unserved"] == []


def test_a_viewer_may_read_the_log_of_what_was_changed(bench):
    answer_of(bench.operator.drain_backend("a", 0, "disk"))
    rows = answer_of(bench.viewer.log(3))
    assert [row["type"] for row in rows] == ["backend", "override", "audit"]
    assert (rows[-1]["action"], rows[-1]["result"], rows[-1]["reason"]) == ("drain-backend", "up -> draining", "disk")


CHANGES = {
    "pause_backend": ("a",),
    "resume_backend": ("a",),
    "enable_backend": ("a",),
    "drain_backend": ("a",),
    "set_host": ("10.0.0.1", "drain"),
    "disable_frontend": ("web",),
    "enable_frontend": ("web",),
    "disable_backend": ("a",),
    "set_weight": ("web", "pool0", "a", 7),
    "clear_override": ("a",),
    "set_announce": ("192.0.2.1", False),
    "reload_config": (),
    "sync_vpp": (),
}


@pytest.mark.parametrize("verb", CHANGES)
def test_a_viewer_is_refused_every_change_and_that_is_recorded(bench, audit, verb):
    bench.lb.writes.clear()
    before = answer_of(bench.viewer.frontend("web")), bench.board.generation
    with pytest.raises(ForbiddenError, match="needs the role operator, your role is viewer"):
        answer_of(getattr(bench.viewer, verb)(*CHANGES[verb]))
    assert (answer_of(bench.viewer.frontend("web")), bench.board.generation) == before
    assert (audit[0]["who"], audit[0]["refused"]) == ("bob", "forbidden")
    assert bench.lb.writes == []


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


def test_every_verb_is_either_for_reading_or_refused_to_viewers():
    reading = {
        "version", "names", "frontends", "frontend", "explain_frontend", "backends", "backend", "explain_backend",
        "healthchecks", "healthcheck", "check_config", "config_diff", "checker", "vpp_info", "vpp_lb_state",
        "vpp_lb_plan", "vpp_lb_counters", "vpp_backend_counters", "overrides", "announcements", "announcement",
        "sessions", "watch", "log", "drain_progress", "web_login",
    }  # fmt: skip
    assert VERBS.keys() == reading | set(CHANGES)
    assert {name for name, verb in VERBS.items() if hasattr(verb, "changes")} == set(CHANGES)


def test_checking_the_file(bench):
    problem = {"kind": "warning", "path": "maglev", "text": "hm", "line": 1, "column": 2}
    assert answer_of(bench.viewer.check_config()) == {"ok": True, "problems": [problem]}
    bench.reloader.outcome = ConfigError([Problem(ProblemKind.PARSE, "", "bad", 3, 4)])
    problem = {"kind": "parse", "path": "", "text": "bad", "line": 3, "column": 4}
    assert answer_of(bench.viewer.check_config()) == {"ok": False, "problems": [problem]}


def test_reloading_the_file(bench, audit):
    assert answer_of(bench.operator.reload_config())["ok"] is True
    assert (audit[0]["from"], audit[0]["to"]) == (1, 2)
    bench.reloader.outcome = ConfigError([Problem(ProblemKind.PARSE, "", "bad", 3, 4)])
    assert answer_of(bench.operator.reload_config())["ok"] is False
    assert audit[1]["refused"] == "1 problems"


def test_vpp_info(bench):
    bench.clock.advance(5)
    assert answer_of(bench.viewer.vpp_info()) == {
        "version": "26.10",
        "build_date": "2026-11-01",
        "build_directory": "/build",
        "pid": 4711,
        "boot_time": "1970-01-01T00:16:40.000Z",
        "connected_since": "1970-01-01T00:16:35.000Z",
        "weights": True,
    }


def test_the_state_of_the_lb_plugin_is_read_once_for_all_pages():
    frontends = [make_frontend(f"f{index}", f"192.0.2.{index + 1}", pools=(("a",),)) for index in range(3)]
    bench = ControlSetup(make_config(frontends=frontends))
    reads = bench.lb.reads
    first = answer_of(bench.viewer.vpp_lb_state(limit=2))
    assert first["conf"] == {
        "ipv4_src_address": CONF.ipv4_src_address,
        "ipv6_src_address": CONF.ipv6_src_address,
        "sticky_buckets_per_core": 65536,
        "flow_timeout": 40,
    }
    assert first["rows"][0] == {
        "frontend": "f0",
        "prefix": "192.0.2.1/32",
        "protocol": "tcp",
        "port": 80,
        "encap": "gre4",
        "src_ip_sticky": False,
        "new_flows_table_length": 1024,
        "application_servers": [{"address": "10.0.0.1", "weight": 100, "buckets": 0, "leaves_in": None}],
    }
    second = answer_of(bench.viewer.vpp_lb_state(after=first["next"], limit=2))
    assert [row["prefix"] for row in second["rows"]] == ["192.0.2.3/32"]
    assert bench.lb.reads == reads + 1
    bench.stop()


def test_a_sync_says_what_it_wrote(bench, audit):
    key = next(iter(bench.lb.vips))
    bench.lb.vips[key].servers["10.0.0.1"] = ApplicationServer("10.0.0.1", 3)
    writes = ["set weight of 10.0.0.1 in tcp://192.0.2.1:80 from 3 to 100"]
    assert answer_of(bench.operator.sync_vpp("web")) == {"writes": writes}
    assert answer_of(bench.operator.sync_vpp()) == {"writes": []}
    assert [line["writes"] for line in audit] == [1, 0]


def test_a_vip_that_is_of_no_frontend_is_shown_as_foreign(bench):
    key = VipKey("192.0.2.99", 32, 47, 1)
    bench.lb.vips[key] = Vip(key, Encap.GRE4, None, 0, {})
    rows = answer_of(bench.viewer.vpp_lb_state())["rows"]
    assert [(row["frontend"], row["protocol"]) for row in rows] == [("web", "tcp"), (None, "47")]


def test_the_plan_of_a_vpp_that_is_as_it_should_be_is_empty(bench):
    assert answer_of(bench.viewer.vpp_lb_plan()) == {"conf": None, "waiting": 0, "rows": [], "next": None}


def test_the_plan_is_what_a_sync_then_does(bench):
    vip = next(iter(bench.lb.vips.values()))
    vip.servers["10.0.0.1"] = ApplicationServer("10.0.0.1", 50)
    key = VipKey("192.0.2.99", 32, 6, 80)
    bench.lb.vips[key] = Vip(key, Encap.GRE4, False, 1024, {"10.9.9.9": ApplicationServer("10.9.9.9", 1)})
    bench.lb.conf = attrs.evolve(CONF, flow_timeout=9)
    bench.lb.writes.clear()
    reads = bench.lb.reads
    first = answer_of(bench.viewer.vpp_lb_plan(limit=1))
    second = answer_of(bench.viewer.vpp_lb_plan(after=first["next"]))
    assert bench.lb.reads == reads + 1
    assert bench.lb.writes == []
    assert first["conf"]["flow_timeout"] == 40
    assert first["rows"] == [
        {
            "frontend": "web",
            "prefix": "192.0.2.1/32",
            "protocol": "tcp",
            "port": 80,
            "action": "change",
            "reasons": [],
            "moved": moved({"10.0.0.1": 50, "10.0.0.2": 100}, {"10.0.0.1": 100, "10.0.0.2": 100}),
            "operation_count": 1,
            "operations": ["set weight of 10.0.0.1 in tcp://192.0.2.1:80 from 50 to 100"],
        }
    ]
    assert second["rows"][0] | {"prefix": ""} == {
        "frontend": None,
        "prefix": "",
        "protocol": "tcp",
        "port": 80,
        "action": "remove",
        "reasons": [],
        "moved": 1.0,
        "operation_count": 1,
        "operations": ["delete VIP tcp://192.0.2.99:80"],
    }
    planned = [text for page in (first, second) for row in page["rows"] for text in row["operations"]]
    assert answer_of(bench.operator.sync_vpp()) == {"writes": planned}


def test_of_many_operations_on_one_vip_only_the_first_are_written_out():
    bench = ControlSetup(make_config(frontends=[make_frontend(pools=([f"b{index}" for index in range(60)],))]))
    bench.lb.vips.clear()
    (row,) = answer_of(bench.viewer.vpp_lb_plan())["rows"]
    assert (row["action"], row["operation_count"], len(row["operations"])) == ("add", 61, 50)
    bench.stop()


def test_what_a_reload_would_do(bench):
    frontends = [make_frontend(src_ip_sticky=True, pools=(("a", ("b", 50)), ("c",))), make_frontend("new", "192.0.2.2")]
    config = make_config(frontends=frontends, checks=[make_check(rise=1, fall=1, timeout=0.5)])
    bench.reloader.outcome = Loaded(config, (Problem(ProblemKind.WARNING, "maglev", "hm", 1, 2),))
    bench.lb.writes.clear()
    first = answer_of(bench.viewer.config_diff(limit=2))
    second = answer_of(bench.viewer.config_diff(after=first["next"], limit=2))
    assert (first["ok"], second["ok"], second["next"]) == (True, True, None)
    assert [problem["text"] for problem in second["problems"]] == ["hm"]
    check, web = first["rows"]
    (new,) = second["rows"]
    assert check == {
        "kind": "healthcheck",
        "name": "tcp",
        "change": "changed",
        "details": ["timeout: 1.0 -> 0.5"],
        "vips": [],
    }
    assert web["details"] == [
        "pool pool0: weight of backend b: 100 -> 50",
        "src-ip-sticky: false -> true",
        "until its first result, a keeps weight 100 of 10.0.0.1",
        "until its first result, b keeps weight 100 of 10.0.0.2",
    ]
    (vip,) = web["vips"]
    assert (vip["action"], vip["reasons"]) == ("recreate", ["src-ip-sticky false -> true"])
    assert vip["operations"] == [
        "delete VIP tcp://192.0.2.1:80",
        "add VIP tcp://192.0.2.1:80 (gre4, 1024 buckets)",
        "add 10.0.0.1 to tcp://192.0.2.1:80 with weight 100",
        "add 10.0.0.2 to tcp://192.0.2.1:80 with weight 50",
        "add 10.0.0.3 to tcp://192.0.2.1:80 with weight 0",
    ]
    assert (new["name"], new["change"], new["vips"][0]["action"]) == ("new", "added", "add")
    assert bench.lb.writes == []


def test_the_outlook_of_a_file_that_is_not_valid(bench):
    bench.reloader.outcome = ConfigError([Problem(ProblemKind.PARSE, "", "bad", 3, 4)])
    view = answer_of(bench.viewer.config_diff())
    assert (view["ok"], len(view["problems"]), view["rows"], view["next"]) == (False, 1, [], None)


def test_the_outlook_needs_no_vpp():
    bench = ControlSetup(off=True)
    bench.reloader.outcome = Loaded(make_config(frontends=[], backends=[]), ())
    kinds = [(row["kind"], row["name"], row["change"]) for row in answer_of(bench.viewer.config_diff())["rows"]]
    assert kinds[1:] == [("backend", name, "removed") for name in "abc"] + [("frontend", "web", "removed")]
    bench.stop()


@pytest.mark.parametrize("verb", ["vpp_info", "vpp_lb_state", "vpp_lb_plan", "sync_vpp"])
def test_without_vpp_there_is_an_error_that_says_so(verb):
    for options, error in (({"vpp": False}, VppNotConnectedError), ({"off": True}, VppOffError)):
        bench = ControlSetup(**options)
        with pytest.raises(error):
            answer_of(getattr(bench.operator, verb)())
        bench.stop()


def test_sessions(bench):
    first = bench.sessions.add(OPERATOR, "ssh")
    second = bench.sessions.add(VIEWER, "pb")
    bench.clock.advance(3)
    second.touch()
    bench.clock.advance(2)
    assert answer_of(bench.viewer.sessions()) == [
        {
            "name": "ann",
            "role": "operator",
            "origin": "ssh 192.0.2.7:1",
            "front_end": "ssh",
            "since": "1970-01-01T00:16:40.000Z",
            "idle": 5.0,
        },
        {
            "name": "bob",
            "role": "viewer",
            "origin": "unix uid 1000",
            "front_end": "pb",
            "since": "1970-01-01T00:16:40.000Z",
            "idle": 2.0,
        },
    ]
    first.remove()
    first.remove()
    assert len(answer_of(bench.viewer.sessions())) == 1


def test_a_watch_of_a_level_that_does_not_exist_is_refused(bench):
    with pytest.raises(RefusedError, match=r"invalid log level .*: expected one of"):
        answer_of(bench.viewer.watch(log="loud"))


def test_an_asker_reads_as_people_write_it():
    assert str(OPERATOR) == "ann (operator, ssh 192.0.2.7:1)"


def test_a_checkout_knows_its_commit_and_not_when_it_was_built():
    build = read_build()
    assert build.version
    assert build.date == "unknown" or build.date.startswith("2")


LEAST_MOVING = [make_frontend(pools=(("a", "b", "c"),), weights=WeightScale.LEAST_MOVING)]


def test_the_end_of_a_weight_by_command_says_what_the_scale_moves(bench):
    bench.board.apply(make_config(LEAST_MOVING, checks=[make_check(rise=1, fall=1)]))
    answer_of(bench.operator.set_weight("web", "pool0", "a", 30))
    view = answer_of(bench.operator.clear_override("a", "web", "pool0"))
    assert view["programmed"] == [[100, 10, 1]]
    assert 0.2 < view["moved"] < 0.7
    answer_of(bench.operator.disable_backend("b"))
    view = answer_of(bench.operator.clear_override("b"))
    assert (view["programmed"], view["moved"]) == ([], None)


def test_a_frontend_that_is_gone_has_no_scale_that_changes(bench):
    before = [ScaleBefore(bench.control.work, bench.board, name) for name in ("web", "nobody")]
    bench.board.apply(make_config([]))
    assert [result_of(each.changes()) for each in before] == [([], None)] * 2


def test_a_weight_that_leaves_the_scale_in_force_as_it_is_says_that_nothing_else_is_told_otherwise(bench):
    def config(weight, port):
        pools = ((("a", 100), ("b", 100), ("c", weight)),)
        check = make_check(rise=1, fall=1, l4_port=port)
        return make_config([make_frontend(pools=pools, weights=WeightScale.LEAST_MOVING)], checks=[check])

    bench.board.apply(config(25, 80))
    for name in "abc":
        bench.board.record(name, PASS)
    # Until c is proved, weights are told as before: by the scale of the file, 100 would be 2 with a 50 beside it.
    bench.board.apply(config(100, 81))
    bench.board.record("a", PASS)
    view = answer_of(bench.operator.set_weight("web", "pool0", "a", 50))
    assert (view["programmed"], view["moved"]) == ([], None)
    assert bench.lb.weights()["tcp://192.0.2.1:80"] == {"10.0.0.1": 2, "10.0.0.2": 4, "10.0.0.3": 1}
    bench.board.record("c", PASS)
    assert bench.lb.weights()["tcp://192.0.2.1:80"] == {"10.0.0.1": 1, "10.0.0.2": 2, "10.0.0.3": 2}
