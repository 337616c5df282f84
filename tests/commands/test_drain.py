"""Drains, hosts and frontends at the console: what is asked, what is shown, and how the command ends."""

import json

import pytest

from maglev.commands.language.environment import ExitStatus
from maglev.commands.session import CommandSession
from tests.fakes.control import FakeControl, finish
from tests.fakes.environment import FakeEnvironment
from tests.fakes.world import backend_view, drain_view


class Ran:
    """One line that was run."""

    def __init__(self, line, control=None):
        self.control = control or FakeControl()
        environment = FakeEnvironment(width=200)
        self.status = finish(CommandSession(self.control, environment).run(line))
        self.output, self.errors = environment.output, environment.errors


def waiting(*progress):
    control = FakeControl()
    control.progress = list(progress)
    return control


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", ()),
        ("wait", ()),
        ("flows 5 timeout 10m then disable wait", (0, "", False, 5, 600, True)),
        ('then disable reason "disk swap" for 2h', (7200, "disk swap", False, 0, 0, True)),
    ],
)
def test_the_words_of_a_drain_in_any_order_are_its_goal(words, said):
    ran = Ran(f"set backend www1 drain {words}")
    assert ran.control.calls[0] == ("drain_backend", "www1", *said)
    assert ran.status is ExitStatus.OK
    host = Ran(f"set host 198.51.100.11 drain {words}")
    assert host.control.calls[0] == ("set_host", "198.51.100.11", "drain", *said)


def test_waiting_shows_each_change_once_and_ends_when_it_is_drained():
    steps = [drain_view("draining", flows) for flows in (7, 7, 2)]
    ran = Ran("set backend www1 drain wait", waiting(*steps, drain_view()))
    assert ran.status is ExitStatus.OK
    assert ran.output == (
        "backend www1 up -> draining\nbackend www1 draining 7 flows\nbackend www1 draining 2 flows\n"
        "backend www1 drained 0 flows\n"
    )


@pytest.mark.parametrize(
    ("end", "why"),
    [
        (drain_view("timed-out", 3), "it has 3 flows, and its time is up"),
        (drain_view("unconfirmed", None, detail="cannot confirm: not connected"), "cannot confirm: not connected"),
        (drain_view("ended", 3, detail="enable was ordered by bob"), "enable was ordered by bob"),
        (drain_view("ended", 3), "ended"),
    ],
)
def test_a_drain_that_does_not_reach_its_goal_is_a_failure_that_says_why(end, why):
    ran = Ran("set backend www1 drain wait", waiting(drain_view("draining", 3), end))
    assert ran.status is ExitStatus.FAILED
    assert ran.errors == f"% backend www1 is not drained: {why}\n"


def test_waiting_for_a_host_waits_for_each_of_its_backends():
    control = waiting(drain_view("draining", 3), drain_view(), drain_view(backend="www1b"))
    control.rows["backend"].append(backend_view("www1b", "198.51.100.11"))
    ran = Ran("set host 198.51.100.11 drain wait", control)
    assert ran.status is ExitStatus.OK
    assert [call[1] for call in control.calls if call[0] == "drain_progress"] == ["www1", "www1", "www1b"]
    assert "backend www1b drained" in ran.output


def test_json_comes_once_with_the_end_of_the_drain():
    ran = Ran("set backend www1 drain wait | json", waiting(drain_view("draining", 3), drain_view()))
    assert json.loads(ran.output)["drain"]["phase"] == "drained"
    host = Ran("set host 198.51.100.11 drain wait | json", waiting(drain_view()))
    assert [each["phase"] for each in json.loads(host.output)["drains"]] == ["drained"]
    assert "drain" not in json.loads(Ran("set backend www1 drain | json").output)
    assert json.loads(Ran("set host 198.51.100.11 drain | json").output)["results"]


def test_a_host_has_a_result_for_each_backend_and_one_refusal_is_a_failure():
    control = FakeControl()
    control.rows["backend"].append(backend_view("www1b", "198.51.100.11", "disabled"))
    control.host_refused = {"www1b": "backend www1b can't be paused: it is disabled"}
    ran = Ran("set host 198.51.100.11 pause for 1h", control)
    assert ran.status is ExitStatus.FAILED
    assert ran.output.startswith("backend www1 up -> paused until ")
    assert ran.errors == "% backend www1b can't be paused: it is disabled\n"


def test_a_host_that_is_not_kept_over_a_restart_is_a_failure():
    control = FakeControl()
    control.not_kept = "No space left on device"
    ran = Ran("set host 198.51.100.11 disable", control)
    assert ran.status is ExitStatus.FAILED
    assert "not kept over a restart: No space left on device" in ran.errors


def test_the_last_backend_of_a_frontend_says_so():
    control = FakeControl()
    control.unserved = ["web"]
    ran = Ran("set backend www1 drain", control)
    assert ran.output.endswith("frontend web serves nothing now: this was its last backend\n")


def test_a_frontend_is_disabled_and_enabled_and_cleared():
    ran = Ran('set frontend web disable for 2h reason "moved"')
    assert ran.control.calls == [("disable_frontend", "web", 7200, "moved")]
    assert ran.output.startswith("frontend web enabled -> disabled until ")
    assert Ran("set frontend web disable force").control.calls == [("disable_frontend", "web", 0, "", 1)]
    assert Ran("set frontend web enable").output == "frontend web disabled -> enabled\n"
    cleared = Ran("clear override frontend web")
    assert cleared.control.calls == [("clear_override", "", "web", "")]
    assert cleared.output == "frontend web disable -> enable (the file)\n"


def test_the_log_has_a_line_for_each_event_and_change():
    ran = Ran("show log")
    assert ran.control.calls == [("log", 50)]
    assert ran.output == (
        "2026-10-12T08:00:02.000Z audit disable-backend www2 up -> disabled by ada (ssh 192.0.2.7:50222): disk swap\n"
        "2026-10-12T08:00:03.000Z drain www1 draining, 7 flows by ada (ssh 192.0.2.7:50222)\n"
    )
    last = Ran("show log last 1 | json")
    assert last.control.calls == [("log", 1)]
    assert [each["type"] for each in json.loads(last.output)] == ["drain"]


@pytest.mark.parametrize("word", ["x", "300.1.1.1", "198.51.100", "2001:db8::g"])
def test_a_host_is_an_address(word):
    ran = Ran(f"set host {word} drain")
    assert ran.status is ExitStatus.USAGE
    assert "Invalid address: expected a literal IP address" in ran.errors


def test_addresses_of_hosts_are_completed():
    session = CommandSession(FakeControl(), FakeEnvironment())
    assert finish(session.complete("set host 2001", 13)).insert == ":db8:1::1 "


def test_what_was_ordered_for_a_host_is_cleared_for_each_of_its_backends():
    ran = Ran("clear override host 198.51.100.11")
    assert ran.control.calls == [("set_host", "198.51.100.11", "clear")]
    assert ran.output == "backend www1 up -> unknown\n"
    forced = Ran("clear override host 198.51.100.11 force")
    assert forced.control.calls == [("set_host", "198.51.100.11", "clear", 0, "", True)]
    assert Ran("clear override backend www2 force").control.calls == [("clear_override", "www2", "", "", True)]
