"""Other balancers in the console."""

from __future__ import annotations

import json

from maglev.commands.render.events import event_line
from tests.fakes.control import FakeControl
from tests.fakes.environment import shown
from tests.fakes.world import PEER_VIPS, PEERS


def test_a_line_for_each_balancer_and_below_what_differs():
    assert shown("show peers").splitlines() == [
        "peer  state           age   vips  differences  version  vpp        why",
        "lb2   differs         0.4s     1            1  1.2.3    connected",
        "lb3   cannot-confirm     -     0            0  -        -          it does not answer",
        "frontend web 203.0.113.80/32 tcp 80",
        "  www1: configured weight 100 here, 50 at lb2",
    ]


def test_what_agrees_is_not_listed():
    control = FakeControl()
    control.rows["peer-vip"] = [{**PEER_VIPS[0], "differences": []}]

    assert "frontend" not in shown("show peers", control)


def test_without_peers_it_says_how_to_name_them():
    control = FakeControl()
    control.peer_rows, control.rows["peer-vip"] = [], []

    assert shown("show peers", control) == "No other balancer is known: --peers names them\n"


def test_json_has_all_side_by_side():
    control = FakeControl()
    control.page = 1
    control.rows["peer-vip"] = [*PEER_VIPS, {**PEER_VIPS[0], "port": 443}]
    view = json.loads(shown("show peers | json", control))

    assert view == {"host": "lb1", "peers": PEERS, "vips": control.rows["peer-vip"]}


def test_events_are_lines():
    event = {"type": "peer", "seq": 1, "at": "2026-11-29T15:00:00Z", "peer": "lb2", "state": "agrees", "detail": ""}

    assert event_line(event).plain == "2026-11-29T15:00:00Z peer lb2 agrees"
    lost = {**event, "state": "lost", "detail": "cannot confirm: it does not answer"}
    assert event_line(lost).plain.endswith("peer lb2 lost: cannot confirm: it does not answer")
