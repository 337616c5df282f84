"""Orders about announcements as overrides: in the file, over reloads, and in words."""

from __future__ import annotations

import json

import attrs
import pytest

from maglev.control.reload import _ending
from maglev.model.announce import AnnounceOrder
from maglev.model.override import BackendOrder, Override, Target
from maglev.state.override_file import DamagedError, decode, encode
from maglev.state.overrides import fit, orders, said_by_file
from tests.fakes.configs import make_announce, make_config

TARGET = Target("", address="192.0.2.1")
OFF = Override(TARGET, AnnounceOrder.OFF, AnnounceOrder.ON, "ann", "ssh", "move", 1e9)
CONFIG = make_config(announce=make_announce("192.0.2.1"))


def record(**changes):
    (made,) = json.loads(encode([OFF]))["overrides"]
    return json.dumps({"format": 1, "overrides": [{**made, **changes}]}).encode()


def test_an_order_survives_in_the_file():
    assert decode(encode([OFF])) == (OFF,)
    assert json.loads(encode([OFF]))["overrides"][0]["object"] == {"address": "192.0.2.1"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"object": {"address": "192.0.2.01"}}, "expected addresses as in a configuration"),
        ({"object": {"address": "2001:DB8::1"}}, "expected addresses as in a configuration"),
        ({"object": {"address": 7}}, "expected names as in a configuration|expected addresses"),
        ({"value": "disable"}, "expected one of on, off for an address"),
        ({"value": 7}, "expected one of on, off for an address"),
        ({"object": {"backend": "a"}}, "expected one of enable, drain, pause, disable"),
    ],
)
def test_anything_else_refuses_the_file(changes, expected):
    with pytest.raises(DamagedError, match=expected):
        decode(record(**changes))


def test_it_holds_while_the_address_is_in_the_configuration():
    assert said_by_file(CONFIG, TARGET) is AnnounceOrder.ON
    kept = fit(CONFIG, [OFF])
    assert (kept.kept, kept.dropped, kept.config) == ((OFF,), (), CONFIG)
    (dropped,) = fit(attrs.evolve(CONFIG, announce=make_announce()), [OFF]).dropped
    assert str(dropped).startswith(
        "the override 'announcement of 192.0.2.1 off' ends: the file no longer has the announcement of 192.0.2.1"
    )
    assert _ending(dropped).path == "maglev.announce.addresses"


def test_it_orders_nothing_for_a_backend():
    disabled = Override(Target("a"), BackendOrder.DISABLE, BackendOrder.ENABLE, "ann", "ssh", "", 1e9)
    assert orders([OFF, disabled]) == {"a": disabled}
    assert not TARGET.is_state
    assert Target("a").is_state
