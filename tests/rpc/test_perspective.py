"""The verbs over the wire: arguments, answers, errors."""

from __future__ import annotations

import pytest
from twisted.spread.pb import Referenceable, RemoteError

from maglev.model import errors
from maglev.model.problem import Problem, ProblemKind
from maglev.rpc.server.perspective import MAX_STEP, PAGE_VALUES
from maglev.rpc.wire import METHODS, VERBS, type_name
from tests.fakes.views import has_every_verb


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
    ("reload_config", (True, "")),
    ("reload_config", (False, "a new server")),
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
