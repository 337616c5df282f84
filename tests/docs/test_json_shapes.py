"""``docs/json.rst``: the lists of keys are those of the types, and the types are those of the answers."""

from __future__ import annotations

import copy
import inspect
import json
import runpy
from typing import get_args

import pytest

from maglev.model.event_views import EventView, GapView
from maglev.model.views import BackendView, ConfigDiffView, LbStateView, VersionView
from tests.fakes.control import FakeControl, finish
from tests.fakes.views import VERBS, answer_type, fields, misfits
from tests.fakes.world import BACKENDS, CONF, VIPS
from tests.tools.json_shapes import ABSTRACT, BLOCK, PAGE, VIEWS, filled

ARGUMENTS = {
    "names": ("member", "", "web/primary"),
    "frontend": ("web",),
    "backend": ("spare",),
    "explain_frontend": ("web",),
    "explain_backend": ("www1",),
    "healthcheck": ("ping",),
    "pause_backend": ("www1",),
    "resume_backend": ("www1",),
    "enable_backend": ("www1",),
    "drain_backend": ("www1",),
    "drain_progress": ("www1",),
    "set_host": ("198.51.100.11", "disable"),
    "disable_frontend": ("web",),
    "enable_frontend": ("web",),
    "disable_backend": ("www1",),
    "clear_override": ("www2",),
    "announcement": ("203.0.113.80",),
    "set_announce": ("203.0.113.80", False),
    "set_weight": ("web", "primary", "www1", 50),
}


def test_the_lists_of_keys_are_current():
    assert PAGE.read_text() == filled(PAGE.read_text()), "run python -m tests.tools.json_shapes"


def test_the_lists_can_be_made_from_the_command_line(monkeypatch):
    written = []
    monkeypatch.setattr("pathlib.Path.write_text", lambda path, text: written.append((path, text)))
    runpy.run_path(str(PAGE.parents[1] / "tests" / "tools" / "json_shapes.py"), run_name="__main__")

    assert written == [(PAGE, PAGE.read_text())]


def test_every_view_is_listed_once():
    listed = [name for block in BLOCK.finditer(PAGE.read_text()) for name in block[2].split()]

    assert sorted(listed) == sorted(VIEWS.keys() - ABSTRACT)
    assert {each.__name__ for each in get_args(EventView)} <= set(listed)


@pytest.mark.parametrize("name", VIEWS)
def test_every_key_has_a_meaning(name):
    assert inspect.getdoc(VIEWS[name]) or name in ABSTRACT
    for key, hint in fields(VIEWS[name]).items():
        assert hint.__metadata__[0].endswith("."), key


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "watch"])
def test_the_world_of_the_console_tests_answers_in_the_declared_shapes(verb):
    answer = finish(getattr(FakeControl(), verb)(*ARGUMENTS.get(verb, ())))

    assert misfits(answer, answer_type(verb)) == []


def test_the_configuration_in_that_world_has_the_declared_shape():
    control = FakeControl()
    control.planned_conf = dict(CONF)

    assert misfits(finish(control.vpp_lb_plan()), answer_type("vpp_lb_plan")) == []


def broken(view, **changes):
    """Return a copy of a view with other values; those that are ... are left out."""
    return {key: value for key, value in {**copy.deepcopy(view), **changes}.items() if value is not ...}


PAGES = {"rows": list(VIPS), "next": None, "conf": CONF}


@pytest.mark.parametrize(
    ("answer", "view", "complaint"),
    [
        (broken(BACKENDS[0], state=...), BackendView, "answer has no state"),
        (broken(BACKENDS[0], status="up"), BackendView, "answer has status, too"),
        (broken(BACKENDS[0], enabled=1), BackendView, "answer.enabled is not of type"),
        (broken(BACKENDS[0], health={**BACKENDS[0]["health"], "rise": True}), BackendView, "answer.health.rise is not"),
        (broken(BACKENDS[0], transitions=[{}]), BackendView, "answer.transitions[0] has no age"),
        (broken(BACKENDS[0], frontends=None), BackendView, "answer.frontends is not of type"),
        (broken(BACKENDS[0], last_result=0), BackendView, "answer.last_result is not"),
        (broken(PAGES, rows=[broken(VIPS[0], port="80")]), LbStateView, "answer.rows[0].port is not of type"),
        (broken(PAGES, conf=None), LbStateView, "answer.conf is not a dictionary"),
        ({"rows": [], "next": None, "ok": True}, ConfigDiffView, "answer has no problems"),
        ({"type": "hole", "missed": 1}, GapView, "answer.type is not one of"),
        ([], VersionView, "answer is not a dictionary"),
    ],
)
def test_an_answer_of_another_shape_is_noticed(answer, view, complaint):
    assert json.dumps(answer)
    assert misfits(answer, view)[0].startswith(complaint)
