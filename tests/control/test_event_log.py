"""The recent log: events and who changed what, bounded, in the order in which they came."""

from maglev.control.audit import Audit
from maglev.control.event_log import AUDITS, AuditTrail
from maglev.model.caller import Caller, Role
from maglev.model.health import Lifecycle
from maglev.state.board import Board
from tests.fakes.configs import make_config

ANN = Caller("ann", Role.OPERATOR, "ssh")


def made():
    board = Board(lambda: 0.0, make_config())
    return board, AuditTrail(board, lambda: 1.6e9)


def test_changes_are_among_the_events_in_the_order_in_which_they_came():
    board, trail = made()
    audit = Audit(ANN, trail)
    board.happen("a", Lifecycle.PAUSE)
    audit.record({"action": "pause-backend", "object": "a", "reason": "disk"}, **{"from": "up", "to": "paused"})
    board.happen("a", Lifecycle.RESUME)
    audit.record({"action": "sync-vpp", "object": "all"}, writes=3)
    audit.record({"action": "pause-backend", "object": "b"}, refused="forbidden")
    rows = [row for row in trail.latest(50) if row["type"] != "frontend"][-5:]
    assert [row["type"] for row in rows] == ["backend", "audit", "backend", "audit", "audit"]
    assert [row["result"] for row in rows if row["type"] == "audit"] == [
        "up -> paused",
        "3 writes",
        "refused: forbidden",
    ]
    assert rows[1] == {
        "type": "audit",
        "at": "2020-09-13T12:26:40.000Z",
        "who": "ann",
        "role": "operator",
        "origin": "ssh",
        "action": "pause-backend",
        "object": "a",
        "result": "up -> paused",
        "reason": "disk",
    }
    assert trail.latest(1) == rows[-1:]


def test_events_do_not_push_out_changes_and_neither_grows_for_ever():
    board, trail = made()
    audit = Audit(ANN, trail)
    for number in range(AUDITS + 5):
        audit.record({"action": "sync-vpp", "object": str(number)}, writes=0)
    for _ in range(50):
        board.happen("a", Lifecycle.PAUSE)
        board.happen("a", Lifecycle.RESUME)
    assert len(trail.entries) == AUDITS
    assert "audit" not in {row["type"] for row in trail.latest(100)}
    objects = [row["object"] for row in trail.latest(500) if row["type"] == "audit"]
    assert objects[-1] == str(AUDITS + 4)
    assert len(objects) > 200
