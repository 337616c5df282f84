"""Overrides and drains: tables of their own, and marks where an object is not as in the file."""

from __future__ import annotations

import pytest

from tests.fakes.control import FakeControl
from tests.fakes.environment import shown
from tests.fakes.world import OVERRIDES, backend_view, drain_view, frontend_view, member_view, override_view


def test_overrides_are_a_table():
    assert [" ".join(line.split()) for line in shown("show overrides").splitlines()] == [
        "backend frontend pool value file who age ends-in reason",
        "www2 - - disable enable ada 10m 1h50m disk swap",
        "www1 web primary 25 100 bob 1d1h - -",
    ]


def test_what_is_wrong_with_the_file_of_overrides_comes_first():
    control = FakeControl()
    control.not_kept, control.damage = "No space left on device", "overrides.json: not valid JSON"
    head = shown("show overrides", control).splitlines()[:2]
    assert head == [
        "Damaged at the start, and set aside: overrides.json: not valid JSON",
        "Not kept over a restart: No space left on device",
    ]


def test_an_override_is_shown_with_its_backend():
    control = FakeControl()
    control.rows["backend"][1] = backend_view("www2", "198.51.100.12", "disabled", override=OVERRIDES[0])
    control.rows["backend"][0] = backend_view(
        "www1", "198.51.100.11", override=override_view("www1", value="pause", ends_in=None, reason="")
    )
    expected = "disable by ada since 2026-11-21T08:00:00.000Z, ends in 1h50m: disk swap"
    assert expected in shown("show backends www2", control)
    assert "pause by ada since 2026-11-21T08:00:00.000Z\n" in shown("show backends www1", control)


def test_lists_mark_what_is_not_as_in_the_file():
    control = FakeControl()
    control.rows["backend"][1] = backend_view("www2", "198.51.100.12", "disabled", override=OVERRIDES[0])
    members = [{**member_view(name, "198.51.100.11", weight=25), "file_weight": 100} for name in ("www1", "www2")]
    order = override_view(None, frontend="web", value="disable", ends_in=None, reason="")
    control.rows["frontend"] = [
        frontend_view("web", "203.0.113.80", [("primary", True, members)], enabled=False, override=order),
        frontend_view("api", "203.0.113.80", [("primary", True, members[:1])]),
    ]
    assert shown("show backends | include ^www2", control).endswith("  disable by ada\n")
    assert " disabled, 2 weights" in shown("show frontends | include ^web", control)
    assert shown("show frontends | include ^api", control).endswith("  1 weight\n")
    assert "override       disable by ada since 2026" in shown("show frontends web", control)
    control.rows["override"] = [order]
    assert shown("show overrides | include disable", control).split()[:4] == ["-", "web", "-", "disable"]


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({}, "drained 0 flows"),
        ({"phase": "draining", "flows": 1}, "draining 1 flow"),
        (
            {"phase": "draining", "flows": 7, "goal": 5, "times_out_in": 90.0, "then": "disable"},
            "draining 7 flows, until there are 5, times out in 1m30s, then disable",
        ),
        ({"phase": "unconfirmed", "flows": None, "detail": "cannot confirm: off"}, "unconfirmed, cannot confirm: off"),
    ],
)
def test_a_drain_is_shown_with_its_backend(more, text):
    control = FakeControl()
    control.rows["backend"][0] = backend_view("www1", "198.51.100.11", "draining", drain={**drain_view(), **more})
    assert f"  drain        {text}\n" in shown("show backends www1", control)


def test_a_weight_that_is_not_that_of_the_file_is_marked():
    control = FakeControl()
    member = {**member_view("www1", "198.51.100.11", weight=25), "file_weight": 100}
    control.rows["frontend"][0] = frontend_view("web", "203.0.113.80", [("primary", True, [member])])
    assert "www1 weight 25 effective 25 [file 100]\n" in shown("show frontends web", control)
