"""The verbs over the wire: arguments, answers, errors, roles, counts."""

from __future__ import annotations

import time

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, globalLogPublisher
from twisted.spread.pb import Referenceable, RemoteError

from maglev.control.events import EventHub
from maglev.control.verbs import Control
from maglev.metrics.rpc import PbCollector
from maglev.model import errors
from maglev.model.build import read_build
from maglev.model.problem import Problem, ProblemKind
from maglev.rpc.server.counters import BUCKETS, UNKNOWN, CallCounters
from maglev.rpc.server.perspective import MAX_STEP, PAGE_VALUES
from maglev.rpc.wire import METHODS, VERBS, type_name
from maglev.runtime.cooperator import Cooperator
from maglev.state.board import Board
from maglev.vpp.sync.departures import Departures
from tests.fakes.announcements import announcer_of
from tests.fakes.configs import make_config
from tests.fakes.overrides import overrides_of
from tests.fakes.pb_rig import PbRig
from tests.fakes.views import has_every_verb


@pytest.fixture
def rig():
    made = PbRig()
    yield made
    made.close()


def real_control(rig):
    """Serve the real verbs, with VPP off."""

    class Off:
        sync = None
        departures = Departures(rig.clock, lambda: board.config.vpp, lambda key: None)

        def require_link(self):
            raise errors.VppOffError("VPP is switched off")

    board = Board(time.time, make_config())
    work = Cooperator(rig.clock).queue("control")
    control = Control(
        work,
        board,
        Off(),
        None,
        EventHub(board, globalLogPublisher),
        rig.sessions,
        read_build(),
        time.time,
        dict,
        overrides_of(board),
        announcer_of(board),
    )
    rig.service._control_for = control.for_caller
    return board


def test_the_client_has_every_verb(rig):
    assert has_every_verb(rig.connect())
    assert has_every_verb(rig.control)
    assert {verb for verb, _ in EVERY_VERB} | {name for name, method in METHODS.items() if method.paged} == set(VERBS)


EVERY_VERB = [
    ("version", ()),
    ("frontend", ("web",)),
    ("backend", ("www1",)),
    ("explain_frontend", ("web",)),
    ("explain_backend", ("www1",)),
    ("healthcheck", ("http",)),
    ("pause_backend", ("www1",)),
    ("resume_backend", ("www1",)),
    ("enable_backend", ("www1",)),
    ("drain_backend", ("www1", 0, "", False, 5, 60, True)),
    ("drain_progress", ("www1",)),
    ("web_login", ()),
    ("set_host", ("192.0.2.1", "drain")),
    ("disable_frontend", ("web", 60, "less")),
    ("enable_frontend", ("web",)),
    ("log", (5,)),
    ("disable_backend", ("www1",)),
    ("set_weight", ("web", "primary", "www1", 50)),
    ("disable_backend", ("www1", 7200, "disk swap")),
    ("disable_backend", ("www1", 0, "", True)),
    ("set_weight", ("web", "primary", "www1", 50, 60, "less")),
    ("clear_override", ("www1", "web", "primary")),
    ("announcement", ("192.0.2.1",)),
    ("set_announce", ("192.0.2.1", False, 60, "move")),
    ("check_config", ()),
    ("reload_config", (True,)),
    ("checker", ()),
    ("vpp_info", ()),
    ("sync_vpp", (None,)),
    ("sync_vpp", ("web",)),
    ("sessions", ()),
    ("names", ("member", "w", "web/primary", 7)),
]


@pytest.mark.parametrize(("verb", "arguments"), EVERY_VERB)
def test_a_verb_gets_its_arguments_and_gives_its_answer(rig, verb, arguments):
    client = rig.connect()

    assert rig.result(getattr(client, verb)(*arguments)) == {"verb": verb, "arguments": list(arguments)}
    assert rig.control.calls == [(verb, *arguments)]


def test_an_older_daemon_is_not_sent_arguments_that_have_their_defaults(rig, monkeypatch):
    client = rig.connect()
    sent = []
    call = client._perspective.callRemote
    monkeypatch.setattr(client._perspective, "callRemote", lambda *args: sent.append(args) or call(*args))
    rig.result(client.disable_backend("www1"))
    rig.result(client.disable_backend("www1", 60))
    rig.result(client.disable_backend("www1", 0, "disk swap"))
    assert sent == [
        ("disable_backend", "www1"),
        ("disable_backend", "www1", 60),
        ("disable_backend", "www1", 0, "disk swap"),
    ]


@pytest.mark.parametrize("verb", [name for name, method in METHODS.items() if method.paged])
def test_a_list_comes_in_pages(rig, verb):
    client = rig.connect()
    rig.control.answers[verb] = [{"name": f"n{i}"} for i in range(250)]
    first = rig.result(getattr(client, verb)())
    second = rig.result(getattr(client, verb)(first["next"], 200))

    assert [row["name"] for row in first["rows"]] == [f"n{i}" for i in range(100)]
    assert [row["name"] for row in second["rows"]] == [f"n{i}" for i in range(100, 250)]
    assert second["next"] is None
    if verb == "vpp_lb_state":
        assert first["conf"] == {"flow_timeout": 40}


@pytest.mark.parametrize("sizes", [[1] * 300, [PAGE_VALUES * 2] * 3, [1] * 40 + [PAGE_VALUES * 2] * 40])
def test_a_page_is_cut_where_it_becomes_large(rig, sizes):
    client = rig.connect()
    rig.control.answers["backends"] = [{"name": i, "transitions": [0] * size} for i, size in enumerate(sizes)]
    names, after = [], ""
    while after is not None:
        page = rig.result(client.backends(after, 200))
        # How large rows are shows when they are there, and they come a few at a time.
        assert sum(sizes[row["name"]] for row in page["rows"][:-MAX_STEP]) <= PAGE_VALUES
        names += [row["name"] for row in page["rows"]]
        after = page["next"]

    assert names == list(range(len(sizes)))


def test_no_page_has_more_rows_than_were_asked_for(rig):
    client = rig.connect()
    rig.control.answers["backends"] = [{"name": i} for i in range(50)]

    assert [row["name"] for row in rig.result(client.backends("", 7))["rows"]] == list(range(7))
    assert [row["name"] for row in rig.result(client.backends("48", 7))["rows"]] == [48, 49]


def test_an_empty_list_is_an_empty_page(rig):
    client = rig.connect()

    assert rig.result(client.backends()) == {"rows": [], "next": None}


ERRORS = [
    errors.NotFoundError("unknown frontend 'x'"),
    errors.RefusedError("backend www1 can't be pause: it is disabled"),
    errors.ForbiddenError("permission denied: your role is viewer"),
    errors.VppOffError("VPP is switched off"),
    errors.VppNotConnectedError("no connection"),
    errors.VppLostError("lost"),
    errors.VppTimeoutError("no answer"),
    errors.VppProtocolError("bad bytes"),
    errors.VppMissingError("no such message"),
    errors.StatsError("stats"),
    errors.VppError("it failed"),
    errors.LocalError("something"),
    errors.RemoteError("something else"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_arrives_as_what_it_was(rig, error):
    client = rig.connect()
    rig.control.answers["frontend"] = error

    with pytest.raises(type(error)) as raised:
        rig.result(client.frontend("x"))
    assert type(raised.value) is type(error)
    assert str(raised.value) == str(error)


def test_the_facts_of_an_error_arrive_too(rig):
    client = rig.connect()
    rig.control.answers["sync_vpp"] = errors.VppRetvalError("lb_add_del_vip_v2", -71, "no such FIB")
    with pytest.raises(errors.VppRetvalError) as raised:
        rig.result(client.sync_vpp())
    assert (raised.value.message, raised.value.retval) == ("lb_add_del_vip_v2", -71)
    assert str(raised.value) == "VPP refused lb_add_del_vip_v2: no such FIB (-71)"

    problem = Problem(ProblemKind.SEMANTIC, "maglev.frontends.web", "is wrong", 7, 3)
    rig.control.answers["reload_config"] = errors.ConfigError([problem])
    with pytest.raises(errors.ConfigError) as raised:
        rig.result(client.reload_config())
    assert raised.value.problems == (problem,)


def test_other_clients_see_an_error_by_name_with_its_text_and_its_facts(rig):
    perspective, _ = rig.plain()
    rig.control.answers["sync_vpp"] = errors.VppRetvalError("lb_conf", -1)
    failures = []
    perspective.callRemote("sync_vpp").addErrback(failures.append)
    rig.settle()

    [failure] = failures
    assert type_name(failure.type) == "maglev.VppRetvalError"
    assert failure.value == "VPP refused lb_conf: error (-1)"
    assert failure.fields == {"message": "lb_conf", "retval": -1}
    assert failure.check("maglev.VppError")
    assert failure.check("twisted.spread.pb.Error")
    assert not failure.check("maglev.NotFoundError")


BAD = [
    ("frontend", (), {}, "the argument name is missing"),
    ("frontend", ("a", "b"), {}, "takes the arguments name"),
    ("frontend", ("a",), {"name": "b"}, "takes the arguments name"),
    ("frontend", ("a",), {"other": "b"}, "takes the arguments name"),
    ("frontend", (5,), {}, "must be a string"),
    ("frontend", (None,), {}, "must be a string"),
    ("frontend", (["web"],), {}, "must be a string"),
    ("version", ("x",), {}, "takes the arguments none"),
    ("frontends", ("", 0), {}, "whole number from 1"),
    ("frontends", ("", True), {}, "whole number from 1"),
    ("frontends", ("", 1.0), {}, "whole number from 1"),
    ("frontends", ("", 10**9), {}, "whole number from 1"),
    ("set_weight", ("web", "p", "b", 101), {}, "whole number from 0 to 100"),
    ("set_weight", ("web", "p", "b", -1), {}, "whole number from 0 to 100"),
    ("watch", (5,), {}, "referenceable object"),
    ("names", ("frontend",), {"prefix": 1}, "must be a string"),
    ("nonsense", (), {}, "unknown method"),
    ("__class__", (), {}, "unknown method"),
    ("_page", ("frontends", "", 1), {}, "unknown method"),
    ("close", (), {}, "unknown method"),
    ("receive", (), {}, "unknown method"),
]


OUT_OF_RANGE = [None, True, -1, 2**31 + 1, 2**70, -(2**70), 0.5, float("inf"), "x" * 257, "", [], {}]
"""Values of every basic type, outside of every range and length."""


@pytest.mark.parametrize(
    ("verb", "name"), [(verb, each.name) for verb, method in VERBS.items() for each in method.parameters]
)
def test_our_client_raises_the_documented_error_for_every_argument_out_of_range(rig, verb, name):
    [at] = [index for index, each in enumerate(METHODS[verb].parameters) if each.name == name]
    parameter = METHODS[verb].parameters[at]
    good = [_fitting(each) for each in METHODS[verb].parameters[:at]]
    later = {each.name: _fitting(each) for each in METHODS[verb].parameters[at + 1 :]}
    client = rig.connect()
    refused = 0
    for value in OUT_OF_RANGE:
        try:
            fits = value is parameter.default or parameter.accept(value) == value
        except errors.ArgumentError:
            fits = False
        if not fits:
            refused += 1
            with pytest.raises(errors.ArgumentError, match=f"^the argument {name} must |a number is too large to send"):
                rig.result(getattr(client, verb)(*good, value, **later))

    assert refused >= len(OUT_OF_RANGE) - 3
    assert not rig.control.calls


def _fitting(parameter):
    for value in (1, "web", True):
        try:
            return parameter.accept(value)
        except errors.ArgumentError:
            continue
    raise AssertionError(parameter)


@pytest.mark.parametrize(("method", "args", "kwargs", "words"), BAD)
def test_arguments_are_checked_at_the_door(rig, method, args, kwargs, words):
    perspective, _ = rig.plain()

    with pytest.raises(RemoteError, match=words) as raised:
        rig.result(perspective.callRemote(method, *args, **kwargs))
    assert type_name(raised.value.remoteType) == "maglev.ArgumentError"
    assert not rig.control.calls


def test_arguments_can_be_given_by_name(rig):
    perspective, _ = rig.plain()
    answer = rig.result(perspective.callRemote("set_weight", "web", weight=7, pool="p", backend="b"))

    assert answer["arguments"] == ["web", "p", "b", 7]


def test_flags_of_a_watch_must_be_flags(rig):
    perspective, _ = rig.plain()

    with pytest.raises(RemoteError, match="the argument backend must be true or false"):
        rig.result(perspective.callRemote("watch", Referenceable(), backend="yes"))


def test_the_longest_names_of_the_configuration_are_accepted(rig):
    client = rig.connect()
    within = f"{'f' * 63}/{'p' * 63}"

    assert rig.result(client.names("member", "b" * 63, within))["arguments"][2] == within


# Who asks


def test_a_viewer_is_refused_every_change_and_nothing_changes(rig):
    board = real_control(rig)
    viewer = rig.connect(uid=1000)
    changes = [
        viewer.pause_backend("a"),
        viewer.resume_backend("a"),
        viewer.enable_backend("a"),
        viewer.disable_backend("a"),
        viewer.drain_backend("a"),
        viewer.set_host("10.0.0.1", "disable"),
        viewer.disable_frontend("web"),
        viewer.enable_frontend("web"),
        viewer.set_weight("web", "pool0", "a", 5),
        viewer.clear_override("a"),
        viewer.set_announce("192.0.2.1", False),
        viewer.reload_config(),
        viewer.sync_vpp(),
    ]
    before = board.seq
    for change in changes:
        with pytest.raises(errors.ForbiddenError, match="needs the role operator, your role is viewer"):
            rig.result(change)
    assert board.seq == before
    assert rig.result(viewer.frontend("web"))["name"] == "web"
    assert len(changes) == sum(method.changes for method in METHODS.values())


def test_each_change_is_in_the_audit_with_who_and_from_where(rig):
    real_control(rig)
    heard = []
    observer = lambda event: heard.append(event) if event.get("log_event") == "audit" else None  # noqa: E731
    globalLogPublisher.addObserver(observer)
    try:
        rig.result(rig.connect(uid=0).pause_backend("a"))
        with pytest.raises(errors.ForbiddenError):
            rig.result(rig.connect(uid=1000).pause_backend("a"))
    finally:
        globalLogPublisher.removeObserver(observer)

    who = [(event["who"], event["role"], event["origin"], event["action"], event["object"]) for event in heard]
    assert who == [
        ("user0", "operator", "unix uid 0 pid 4711", "pause-backend", "a"),
        ("user1000", "viewer", "unix uid 1000 pid 4711", "pause-backend", "a"),
    ]


def test_every_verb_of_the_real_control_answers_basic_values_or_an_error_of_ours(rig):
    real_control(rig)
    client = rig.connect()
    for verb in (client.version, client.frontends, client.backends, client.healthchecks, client.sessions):
        assert rig.result(verb())
    assert rig.result(client.frontend("web"))["pools"][0]["backends"][0]["name"] == "a"
    assert rig.result(client.backend("a"))["transitions"]
    assert rig.result(client.healthcheck("tcp"))["type"] == "tcp"
    assert rig.result(client.names("member", "", "web/pool0")) == ["a", "b"]
    assert rig.result(client.set_weight("web", "pool0", "a", 5))["to"] == 5
    with pytest.raises(errors.VppOffError):
        rig.result(client.vpp_info())


def test_events_of_the_board_come_over_the_wire(rig):
    real_control(rig)
    client = rig.connect()
    watch = rig.result(client.watch())
    assert [event["type"] for event in rig.result(watch.next())] == ["snapshot"] * 4

    rig.result(client.disable_backend("a"))
    event = rig.result(watch.next(), 1)[0]
    assert (event["type"], event["backend"], event["to"]) == ("backend", "a", "disabled")
    watch.close()
    rig.settle()


# Sessions, counts, and clients that vanish


def test_a_client_is_in_the_register_of_sessions_while_it_is_connected(rig):
    client = rig.connect(uid=1000)
    [session] = rig.sessions.views()
    assert (session["name"], session["role"], session["front_end"]) == ("user1000", "viewer", "pb")

    rig.clock.advance(10)
    rig.result(client.frontend("web"))
    assert rig.sessions.views()[0]["idle"] == 0
    rig.result(client.close())
    assert rig.sessions.views() == []


def test_pings_do_not_count_as_doing_something(rig):
    client = rig.connect()
    rig.settle(20)
    rig.settle(5)

    assert rig.sessions.views()[0]["idle"] == 25
    assert client.connected


def test_a_client_that_vanishes_ends_its_reading_calls(rig):
    client = rig.connect()
    cancelled = []
    rig.control.answers["vpp_info"] = Deferred(lambda _: cancelled.append("read"))
    results = rig.pending(client.vpp_info())
    rig.links[0].server.abortConnection()
    with capturedLogs() as events:
        rig.settle()

    assert cancelled == ["read"]
    assert events == []
    assert rig.service.calls.calls["vpp_info", "lost"] == 1
    assert results


def test_a_change_runs_to_its_end_though_the_client_vanished(rig):
    client = rig.connect()
    answer = rig.control.answers["sync_vpp"] = Deferred()
    rig.pending(client.sync_vpp())
    rig.links[0].server.abortConnection()
    rig.settle()
    assert not answer.called

    answer.callback({"writes": []})
    rig.settle()
    assert rig.service.calls.calls["sync_vpp", "ok"] == 1


def test_calls_are_counted_by_method_and_result(rig, logged_failures):
    client = rig.connect()
    rig.result(client.frontend("web"))
    rig.control.answers["frontend"] = errors.NotFoundError("none")
    rig.control.answers["vpp_info"] = errors.VppTimeoutError("none")
    rig.control.answers["sessions"] = ZeroDivisionError()
    for call in (client.frontend("x"), client.vpp_info(), client.sessions()):
        with pytest.raises(errors.MaglevError):
            rig.result(call)
    perspective, _ = rig.plain()
    with pytest.raises(RemoteError):
        rig.result(perspective.callRemote("x" * 50))
    logged_failures.flush(ZeroDivisionError)

    calls = rig.service.calls.calls
    assert calls["frontend", "ok"] == 1
    assert calls["frontend", "refused"] == 1
    assert calls["vpp_info", "failed"] == 1
    assert calls["sessions", "error"] == 1
    assert calls[UNKNOWN, "refused"] == 1


def test_durations_are_counted(rig):
    client = rig.connect()
    answer = rig.control.answers["frontend"] = Deferred()
    rig.pending(client.frontend("web"))
    rig.clock.advance(0.3)
    answer.callback({})
    rig.settle()

    durations = rig.service.calls.durations["frontend"]
    assert durations.total == pytest.approx(0.3)
    assert durations.counts[BUCKETS.index(0.5)] == 1


def test_the_metrics_have_every_method_from_the_start_and_no_name_from_outside(rig):
    collector = PbCollector(rig.service.calls, rig.service.limiter.__len__, rig.service.drops.counts)
    perspective, _ = rig.plain()
    with pytest.raises(RemoteError):
        rig.result(perspective.callRemote('evil"} 5\n'))
    rig.raw(b"junk\xff")
    text = "".join(collector.scrape())

    for method in METHODS:
        assert f'maglev_pb_calls_total{{method="{method}",result="ok"}} ' in text
        assert f'maglev_pb_call_duration_seconds_count{{method="{method}"}} ' in text
    assert 'maglev_pb_calls_total{method="unknown",result="refused"} 1\n' in text
    assert "maglev_pb_clients 1\n" in text
    assert 'maglev_pb_dropped_total{reason="bad-message"} 1\n' in text
    assert "evil" not in text


def test_a_new_tally_is_empty():
    assert not any(CallCounters().calls.values())
