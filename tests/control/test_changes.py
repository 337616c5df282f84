"""What operators change: weights, backends, hosts, frontends and addresses; what is refused, and what is recorded."""

import pytest

from maglev.announce.announcer import TICK
from maglev.control.scale_changes import ScaleBefore
from maglev.model.config import Backend, WeightScale, WhenNoneEligible
from maglev.model.errors import NotFoundError, RefusedError
from maglev.model.event_views import OverrideEventView
from maglev.model.moments import moment
from maglev.model.override import Target
from maglev.model.result import Code, Result
from tests.fakes.configs import make_announce, make_check, make_config, make_frontend
from tests.fakes.control_setup import PASS, ControlSetup, answer_of
from tests.fakes.outcomes import result_of
from tests.fakes.views import misfits

KEPT = {"until": None, "not_kept": ""}


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


def test_a_guarded_frontend_that_serves_is_disabled_only_by_force():
    guarded = make_frontend(pools=(("a", "b"),), when_none_eligible=WhenNoneEligible.HOLD)
    bench = ControlSetup(make_config([guarded], checks=[make_check(rise=1, fall=1)]))
    bench.board.record("a", PASS)
    with pytest.raises(RefusedError, match=r"frontend web would have nothing left in service.*add force"):
        answer_of(bench.operator.disable_frontend("web"))
    assert bench.board.frontend("web").active == 0
    assert answer_of(bench.operator.disable_frontend("web", 0, "moved", True))["to"] == "disabled"
    # It serves nothing now, so nothing is left to refuse.
    assert answer_of(bench.operator.disable_frontend("web", 0, "again"))["from"] == "disabled"
    assert answer_of(bench.operator.disable_backend("a"))["to"] == "disabled"
    assert answer_of(bench.operator.enable_frontend("web"))["to"] == "enabled"
    with pytest.raises(NotFoundError):
        answer_of(bench.operator.disable_frontend("nope"))
    bench.stop()


def test_the_last_backend_that_served_is_told_with_its_frontend(bench):
    assert answer_of(bench.operator.drain_backend("a"))["unserved"] == []
    assert answer_of(bench.operator.drain_backend("b"))["unserved"] == []
    assert answer_of(bench.operator.disable_backend("c"))["unserved"] == ["web"]
    assert answer_of(bench.operator.disable_backend("c"))["unserved"] == []


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
