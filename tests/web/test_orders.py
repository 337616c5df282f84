"""Orders from the page, before they reach a verb."""

import pytest

from maglev.interfaces import IControl
from maglev.model.errors import ArgumentError
from maglev.web.orders import MAX_TEXT, ORDERS, carry_out
from tests.fakes.control import FakeControl, finish
from tests.fakes.views import VERBS


def order(verb, **arguments):
    control = FakeControl()
    finish(carry_out(control, {"verb": verb, "arguments": arguments}))
    return control.calls


def test_an_order_reaches_the_verb_with_its_arguments():
    assert order("drain_backend", name="www1", reason="disk", duration=60, disable=True)[0][:2] == (
        "drain_backend",
        "www1",
    )
    assert order("enable_backend", name="www1")[0] == ("enable_backend", "www1")
    assert (
        order("set_weight", frontend="web", pool="primary", backend="www1", weight=7, reason="x")[0][0] == "set_weight"
    )


def test_every_order_is_a_verb_that_changes_something():
    assert {name for name in ORDERS if not hasattr(getattr(IControl, name), "changes")} == set()
    left_out = {name for name, verb in VERBS.items() if hasattr(verb, "changes")} - set(ORDERS)
    assert left_out == set()


def test_a_reload_and_an_order_for_a_host_need_a_reason():
    with pytest.raises(ArgumentError, match="a reason is needed"):
        order("reload_config")
    with pytest.raises(ArgumentError, match="a reason is needed"):
        order("set_host", address="192.0.2.1", order="enable")
    assert order("reload_config", reason="a new server")[0] == ("reload_config", False, "a new server")
    assert order("set_host", address="192.0.2.1", order="enable", reason="done")[0][:3] == (
        "set_host",
        "192.0.2.1",
        "enable",
    )


@pytest.mark.parametrize("reason", [None, "", "  "])
@pytest.mark.parametrize("verb", ["drain_backend", "disable_backend", "pause_backend", "disable_frontend"])
def test_what_takes_something_out_needs_a_reason(verb, reason):
    given = {} if reason is None else {"reason": reason}
    with pytest.raises(ArgumentError, match="a reason is needed"):
        order(verb, name="www1", **given)


@pytest.mark.parametrize(
    "bad",
    [
        None,
        [],
        {"verb": "drain_backend"},
        {"verb": "check_config", "arguments": {}},
        {"verb": "__init__", "arguments": {}},
        {"verb": ["drain_backend"], "arguments": {}},
        {"verb": "enable_backend", "arguments": []},
    ],
)
def test_what_is_not_an_order_of_the_page_is_refused(bad):
    with pytest.raises(ArgumentError, match="expected a verb of the page"):
        carry_out(FakeControl(), bad)


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": 7},
        {"name": "x" * (MAX_TEXT + 1)},
        {"name": "a", "reason": "r", "duration": -1},
        {"name": "a", "reason": "r", "duration": 1.5},
        {"name": "a", "reason": "r", "duration": True},
        {"name": "a", "reason": "r", "force": 1},
        {"name": "a", "reason": "r", "return": 1},
        {"name": "a", "reason": "r", "self": 1},
    ],
)
def test_an_argument_of_another_type_is_refused(arguments):
    with pytest.raises(ArgumentError, match="invalid argument"):
        order("drain_backend", **arguments)


def test_a_name_of_an_argument_must_be_a_text():
    with pytest.raises(ArgumentError, match="invalid argument '7'"):
        carry_out(FakeControl(), {"verb": "enable_backend", "arguments": {7: "a"}})


def test_an_argument_that_is_missing_is_named():
    with pytest.raises(ArgumentError, match=r"^disable_backend: missing a required argument: 'name'$"):
        order("disable_backend", reason="disk")
