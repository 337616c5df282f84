"""The pages about the console say what is so."""

from __future__ import annotations

import json
import re
import runpy
import sys
import textwrap
from pathlib import Path

import pytest

from maglev.commands.language.nodes import summaries
from maglev.commands.reference import page
from maglev.commands.session import CommandSession
from maglev.commands.tree import ROOT
from maglev.model.event_views import EventView
from maglev.model.views import ConfigCheckView
from tests.fakes.control import FakeControl, finish
from tests.fakes.environment import FakeEnvironment
from tests.fakes.views import misfits

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLE = re.compile(r"\n   lb1> (.*)\n((?:   .*\n)+)")
EXAMPLES = EXAMPLE.findall((DOCS / "json.rst").read_text())


def world():
    """Return the control that the examples of the page were made with."""
    control = FakeControl()
    control.writes = ["add 198.51.100.11 to tcp://203.0.113.80:80 with weight 100"]
    place = {"path": "maglev.frontends.web.pools[0].backends.www3", "line": 21, "column": 13, "file": ""}
    problem = {
        "kind": "semantic",
        "path": place["path"],
        "text": "no such backend: www3",
        "line": 21,
        "column": 13,
        "file": "",
    }
    control.checked = {"ok": False, "problems": [problem]}
    at = "2026-10-12T08:00:01.250Z"
    change = {"from": "up", "to": "down"}
    cause = {"code": "L4CON", "detail": "connection refused", "healthcheck": ""}
    fields = {"address": "198.51.100.11", "weight": 0}
    control.events = [
        [
            {"type": "snapshot", "kind": "backend", "name": "www1", "state": "up", "seq": 7},
            {"type": "snapshot", "kind": "frontend", "name": "web", "state": "up", "seq": 7},
        ],
        [
            {"type": "backend", "seq": 8, "at": at, "backend": "www1", "address": "198.51.100.11", **change, **cause},
            {"type": "frontend", "seq": 9, "at": at, "frontend": "web", **change},
            {
                "type": "log",
                "at": "2026-10-12T08:00:01.251Z",
                "level": "info",
                "event": "vpp-lbsync-as-weight",
                "fields": fields,
            },
            {"type": "gap", "missed": 12},
        ],
    ]
    return control


def run(line):
    """Return the output of a line, as a program gets it."""
    environment = FakeEnvironment(terminal=False)
    environment.typed = ["show version", "show frontends"]
    finish(CommandSession(world(), environment).run(line))
    return environment.output


@pytest.mark.parametrize(("line", "shown"), EXAMPLES, ids=[line for line, _ in EXAMPLES])
def test_each_example_of_json_is_what_the_command_writes(line, shown):
    assert run(line) == textwrap.dedent(shown)


@pytest.mark.parametrize("line", [line for line, _ in EXAMPLES])
def test_each_example_is_json(line):
    output = run(line)

    assert json.loads(output) if not line.startswith("watch") else [json.loads(each) for each in output.splitlines()]


def test_what_the_examples_show_has_the_declared_shapes():
    events = [event for batch in world().events for event in batch]

    assert [each for event in events for each in misfits(event, EventView)] == []
    assert misfits(world().checked, ConfigCheckView) == []


def test_every_command_with_something_to_say_is_in_the_page_about_json():
    text = (DOCS / "json.rst").read_text()
    silent = {"terminal monitor", "terminal no monitor", "terminal length <0-512>", "terminal width <0-512>"}
    silent |= {"quit", "exit"}
    for summary in summaries(ROOT):
        fixed = re.match(r"[a-z ]*", summary.syntax)[0].strip()
        if summary.syntax not in silent:
            assert fixed in text, summary.syntax


def test_lists_hold_what_single_objects_show():
    for kind, name in (("frontends", "web"), ("backends", "www1"), ("healthchecks", "ping")):
        rows = json.loads(run(f"show {kind} | json"))
        one = json.loads(run(f"show {kind} {name} | json"))

        assert one in rows


def test_the_reference_of_the_commands_is_current():
    made = page()

    assert (DOCS / "cli.rst").read_text() == made, "run python -m maglev.commands.reference > docs/cli.rst"
    for summary in summaries(ROOT):
        assert f"``{summary.syntax}``\n   {summary.help}" in made


def test_the_reference_can_be_made_from_the_command_line(capsys, monkeypatch):
    monkeypatch.delitem(sys.modules, "maglev.commands.reference")
    runpy.run_module("maglev.commands.reference", run_name="__main__")

    assert capsys.readouterr().out == page()
