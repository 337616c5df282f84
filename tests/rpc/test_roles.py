"""The real verbs over the wire: who may change what, what is recorded, and what all of them answer."""

from __future__ import annotations

import time

import pytest
from twisted.logger import globalLogPublisher

from maglev.control.events import EventHub
from maglev.control.verbs import Control
from maglev.model import errors
from maglev.model.build import read_build
from maglev.rpc.wire import METHODS
from maglev.runtime.cooperator import Cooperator
from maglev.state.board import Board
from maglev.vpp.sync.departures import Departures
from tests.fakes.announcements import announcer_of
from tests.fakes.configs import make_config
from tests.fakes.overrides import overrides_of


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
