"""Rows that nothing in memory asks for: of a drain, of an announcement, and of a connected VPP."""

import pytest

from maglev.web.rows import announcement_row, drain_row, vpp_row


def test_a_drain_is_shown_without_the_time_that_is_left():
    view = {"backend": "a", "phase": "draining", "flows": 7, "goal": 2, "times_out_in": 3.5, "then": None, "detail": ""}
    assert drain_row(view) == {"phase": "draining", "flows": 7, "goal": 2, "then": None, "detail": ""}
    assert drain_row(None) is None


def test_an_announcement_is_shown_without_the_time_that_is_left():
    view = {"address": "192.0.2.1", "state": "announced", "why": "it serves", "since": "x", "frontends": ["web"]}
    assert announcement_row({**view, "changes_in": 2.0}) == {
        "state": "announced",
        "why": "it serves",
        "since": "x",
        "frontends": ["web"],
    }


@pytest.mark.parametrize("weights", [True, False])
def test_a_connected_vpp_is_shown_with_its_version(weights):
    view = {"version": "26.10", "boot_time": "y", "weights": weights, "pid": 7, "connected_since": "z"}
    assert vpp_row(view) == {"state": "connected", "version": "26.10", "booted": "y", "weights": weights}
