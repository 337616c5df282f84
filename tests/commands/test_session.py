"""Lines in, text and verbs out."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from maglev.commands.language.environment import ExitStatus
from maglev.commands.language.output import PAGE, SLICE_LINES, SLICE_TEXT
from maglev.commands.session import CommandSession
from maglev.commands.tree_show import SHOW
from maglev.interfaces import ISubscription
from maglev.model.caller import Role
from maglev.model.errors import ConfigError, MaglevError, NotFoundError, VppNotConnectedError, VppOffError
from maglev.model.problem import Problem, ProblemKind
from tests.fakes.control import FakeControl, FakeSubscription, Turn, finish
from tests.fakes.environment import FakeEnvironment
from tests.fakes.views import has_every_verb
from tests.fakes.world import UNTIL, backend_view, frontend_view, member_view

KEPT = {"until": None, "not_kept": ""}


class Typed:
    """One line that was run.

    Attributes:
        status: How it ended.
        output: What it wrote.
        errors: What it wrote as errors.
    """

    def __init__(self, line, control=None, *, typed=(), **environment):
        self.control = control or FakeControl()
        self.environment = FakeEnvironment(**environment)
        self.environment.typed = list(typed)
        self.status = finish(CommandSession(self.control, self.environment).run(line))
        self.output = self.environment.output
        self.errors = self.environment.errors


def test_the_fake_control_is_a_control():
    assert has_every_verb(FakeControl())
    assert verifyObject(ISubscription, FakeSubscription([]))


@pytest.mark.parametrize("line", ["", "  ", "! comment", "# comment | x"])
def test_a_line_without_meaning_does_nothing_and_is_not_an_error(line):
    typed = Typed(line)

    assert (typed.status, typed.output, typed.errors, typed.control.calls) == (ExitStatus.OK, "", "", [])


@pytest.mark.parametrize(
    ("line", "calls"),
    [
        ("show version", [("version",)]),
        ("show frontends", [("frontends", "", PAGE)]),
        ("show frontends web", [("frontend", "web")]),
        ("show backends", [("backends", "", PAGE)]),
        ("show backends www1", [("backend", "www1")]),
        ("show healthchecks", [("healthchecks", "", PAGE)]),
        ("show healthchecks ping", [("healthcheck", "ping")]),
        ("show vpp info", [("vpp_info",)]),
        ("show vpp lb state", [("vpp_lb_state", "", PAGE)]),
        ("show vpp lb plan", [("vpp_lb_plan", "", PAGE)]),
        ("show vpp lb counters", [("vpp_lb_counters", "", PAGE)]),
        ("show vpp lb backends", [("vpp_backend_counters", "", PAGE)]),
        ("show sessions", [("sessions",)]),
        ("show history", []),
        ("set backend www1 pause", [("pause_backend", "www1"), ("backend", "www1")]),
        ("set backend www1 resume", [("resume_backend", "www1"), ("backend", "www1")]),
        ("set backend www1 enable", [("enable_backend", "www1"), ("backend", "www1")]),
        ("set backend www1 disable", [("disable_backend", "www1"), ("backend", "www1")]),
        ("set frontend web pool primary backend www1 weight 7", [("set_weight", "web", "primary", "www1", 7)]),
        ("sync vpp lb state", [("sync_vpp", None)]),
        ("sync vpp lb state web", [("sync_vpp", "web")]),
        (
            'set backend www1 disable for 2h reason "disk swap"',
            [("disable_backend", "www1", 7200, "disk swap"), ("backend", "www1")],
        ),
        (
            "set backend www1 disable force for 2h",
            [("disable_backend", "www1", 7200, "", True), ("backend", "www1")],
        ),
        (
            "set frontend web pool primary backend www1 weight 0 force",
            [("set_weight", "web", "primary", "www1", 0, 0, "", True)],
        ),
        (
            "set backend www1 pause reason noise for 1d12h",
            [("pause_backend", "www1", 129_600, "noise"), ("backend", "www1")],
        ),
        (
            "set frontend web pool primary backend www1 weight 7 for 90s",
            [("set_weight", "web", "primary", "www1", 7, 90, "")],
        ),
        ("show overrides", [("overrides", "", PAGE)]),
        ("clear override backend www2", [("clear_override", "www2", "", "")]),
        (
            "clear override frontend web pool primary backend www1",
            [("clear_override", "www1", "web", "primary")],
        ),
        ("config check", [("check_config",)]),
        ("config diff", [("config_diff", "", PAGE)]),
        ("show configuration", [("configuration", "", PAGE)]),
        ("show configuration | diff", [("compare_configuration", "", PAGE)]),
        ("config reload", [("reload_config", False)]),
        ("config reload now", [("reload_config", True)]),
        ('config reload reason "new server"', [("reload_config", False, "new server")]),
        ('config reload reason "new server" now', [("reload_config", True, "new server")]),
        ("help", []),
        ("quit", []),
    ],
)
@pytest.mark.parametrize("filters", ["", " | json", " | include .", " | exclude zzzz", " | count"])
def test_every_command_asks_its_verb_whatever_the_filters(line, calls, filters):
    typed = Typed(line + filters)

    assert typed.status == ExitStatus.OK
    assert typed.control.calls == calls
    assert typed.errors == ""


@pytest.mark.parametrize(
    ("line", "output"),
    [
        ("set backend www1 pause", "backend www1 up -> paused\n"),
        ("set backend www2 disable", "backend www2 disabled -> disabled (no change)\n"),
        (
            "set frontend web pool primary backend www1 weight 7",
            "frontend web pool primary backend www1 weight 100 -> 7\n",
        ),
        (
            "set frontend web pool primary backend www1 weight 100",
            "frontend web pool primary backend www1 weight 100 -> 100 (no change)\n",
        ),
        ("sync vpp lb state", "VPP holds what it should: nothing was written\n"),
        ("config check", "The file is valid\n"),
        ("config reload", "The file is in force\n"),
        (
            "set backend www1 pause | json",
            json.dumps({"backend": "www1", "from": "up", "to": "paused", "unserved": [], **KEPT}, indent=2) + "\n",
        ),
        ("set backend www1 disable for 2h", f"backend www1 up -> disabled until {UNTIL}\n"),
        (
            "set frontend web pool primary backend www1 weight 7 for 2h",
            f"frontend web pool primary backend www1 weight 100 -> 7 until {UNTIL}\n",
        ),
        ("clear override backend www2", "backend www2 disable -> enable (the file)\n"),
        (
            "clear override frontend web pool primary backend www1",
            "weight of backend www1 in pool primary of frontend web 25 -> 100 (the file)\n",
        ),
        ("sync vpp lb state | json", '{\n  "writes": []\n}\n'),
        ("terminal length 24", ""),
        ("quit", ""),
    ],
)
def test_changes_say_what_was_changed(line, output):
    assert Typed(line, width=200).output == output


def test_what_is_not_kept_is_an_error_after_the_change():
    control = FakeControl()
    control.not_kept = "No space left on device"
    for line in ("set backend www1 pause", "clear override backend www2"):
        typed = Typed(line, control)
        assert typed.status == ExitStatus.FAILED
        assert typed.output
        assert typed.errors == "% In force, but not kept over a restart: No space left on device\n"


def test_a_sync_lists_what_it_wrote():
    control = FakeControl()
    control.writes = ["add 198.51.100.11 to tcp://203.0.113.80:80 with weight 100", "remove VIP 192.0.2.9"]

    assert Typed("sync vpp lb state", control).output.splitlines() == control.writes
    assert Typed("sync vpp lb state | count", control).output == "2\n"


def test_a_difference_to_a_file_that_is_not_valid_is_refused_with_its_problems():
    control = FakeControl()
    control.rows["difference"] = []
    control.diffed = {"ok": False, "problems": [{**PROBLEM, "kind": "parse"}]}
    typed = Typed("config diff", control)
    assert (typed.status, typed.errors) == (ExitStatus.FAILED, "% The file is not valid: 1 error\n")
    assert typed.output == "line 3, column 5: parse error: maglev: bad\n"
    control.diffed = {"ok": True, "problems": [PROBLEM]}
    assert Typed("config diff", control).output.startswith("line 3, column 5: warning: maglev: bad\n")


PROBLEM = {"kind": "warning", "path": "maglev", "text": "bad", "line": 3, "column": 5, "file": ""}

PROBLEMS = {
    "ok": False,
    "problems": [
        {"kind": "parse", "path": "", "text": "not YAML", "line": 3, "column": 7, "file": ""},
        {
            "kind": "semantic",
            "path": "maglev.backends.x",
            "text": "no such healthcheck",
            "line": 9,
            "column": 1,
            "file": "",
        },
        {"kind": "warning", "path": "maglev", "text": "is\x1bodd", "line": 0, "column": 0, "file": ""},
        {"kind": "newer", "path": "", "text": "what a newer daemon says", "line": 0, "column": 0, "file": ""},
    ],
}
LINES = [
    "line 3, column 7: parse error: not YAML",
    "line 9, column 1: semantic error: maglev.backends.x: no such healthcheck",
    r"warning: maglev: is\x1bodd",
    "newer: what a newer daemon says",
]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("config check", "% The file is not valid: 3 errors\n"),
        ("config reload", "% The file is not valid: the running configuration stays in force: 3 errors\n"),
    ],
)
def test_a_file_that_is_not_valid_is_output_and_an_error(line, error):
    control = FakeControl()
    control.checked = PROBLEMS
    typed = Typed(line, control)

    assert typed.status == ExitStatus.FAILED
    assert typed.output.splitlines() == LINES
    assert typed.errors == error

    assert json.loads(Typed(f"{line} | json", control).output) == PROBLEMS
    counted = Typed(f"{line} | count", control)
    assert (counted.output, counted.status) == ("4\n", ExitStatus.FAILED)


def test_warnings_do_not_make_a_file_invalid_and_one_error_is_one_error():
    control = FakeControl()
    control.checked = {"ok": True, "problems": PROBLEMS["problems"][2:3]}
    typed = Typed("config check", control)

    assert typed.status == ExitStatus.OK
    assert typed.output.splitlines() == [LINES[2], "The file is valid"]

    control.checked = {"ok": False, "problems": PROBLEMS["problems"][:1]}
    assert Typed("config check", control).errors == "% The file is not valid: 1 error\n"


# Errors


@pytest.mark.parametrize(
    ("line", "errors"),
    [
        ("set backend nope pause", f"{' ' * 20}^\n% unknown backend 'nope'\n"),
        ("set backend www2 pause", "% backend www2: it is disabled\n"),
        ("show frontends nope", f"{' ' * 23}^\n% unknown frontend 'nope'\n"),
        ("show frontends nope | json", f"{' ' * 23}^\n% unknown frontend 'nope'\n"),
        ("show frontends nope | count", f"{' ' * 23}^\n% unknown frontend 'nope'\n"),
        ("show backends wwv1", f"{' ' * 22}^\n% unknown backend 'wwv1'; did you mean \"www1\"?\n"),
    ],
)
def test_what_control_refuses_is_an_error_without_output(line, errors):
    typed = Typed(line)

    assert (typed.status, typed.output, typed.errors) == (ExitStatus.FAILED, "", errors)


@pytest.mark.parametrize("line", ["set backend www1 pause", "sync vpp lb state", "config reload"])
def test_a_viewer_is_refused_by_control_with_a_clear_message(line):
    control = FakeControl(Role.VIEWER)
    typed = Typed(line, control)

    assert typed.status == ExitStatus.FAILED
    assert typed.errors == "% permission denied: your role is viewer\n"
    # Control was asked: an attempt belongs in the audit log.
    assert control.calls


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (VppOffError("VPP is off"), "% VPP is off\n"),
        (VppNotConnectedError("VPP says\x1b[2J\nno"), "% VPP says\\x1b[2J\n% no\n"),
        (MaglevError(), "% MaglevError\n"),
        (
            ConfigError([Problem(ProblemKind.PARSE, "", "one", 1, 2), Problem(ProblemKind.SEMANTIC, "a.b", "two")]),
            "% line 1, column 2: parse error: one\n% semantic error: a.b: two\n",
        ),
    ],
)
def test_every_error_of_ours_is_printable_lines_that_begin_with_a_percent_sign(error, text):
    control = FakeControl()
    control.errors["vpp_info"] = error
    typed = Typed("show vpp info", control)

    assert (typed.status, typed.output, typed.errors) == (ExitStatus.FAILED, "", text)


def test_a_bug_is_not_hidden():
    control = FakeControl()
    control.errors["version"] = ZeroDivisionError("bug")

    with pytest.raises(ZeroDivisionError):
        Typed("show version", control)


@pytest.mark.parametrize(
    ("line", "environment", "errors"),
    [
        # At a prompt the line is on the screen already, behind the prompt.
        ("show fontends", {"prompt_width": 8}, " " * 13 + "^"),
        ("show fontends", {"prompt_width": 0}, " " * 5 + "^"),
        # Elsewhere it is not.
        ("show fontends", {"prompt_width": None}, "show fontends\n     ^"),
        # A line that the terminal broke, or shows otherwise than we count, is written again.
        ("show fontends", {"prompt_width": 67}, "show fontends\n     ^"),
        ("show fontends", {"prompt_width": 66}, " " * 71 + "^"),
        ("show font\xebnds x", {}, "show font\\xebnds x\n     ^"),
        ("show\tfontends x", {}, "show\\x09fontends x\n        ^"),
        ("x \x1b y", {"prompt_width": None}, "x \\x1b y\n^"),
        # Of a long one only the surroundings.
        (
            "show backends " + "x" * 63 + " oops " + "z" * 30,
            {},
            "..." + "x" * 39 + " oops " + "z" * 15 + "...\n" + " " * 43 + "^",
        ),
        # A width that makes no sense is none.
        ("show fontends", {"width": 0}, " " * 13 + "^"),
    ],
)
def test_a_caret_is_below_the_word_in_question(line, environment, errors):
    typed = Typed(line, **environment)

    assert typed.status == ExitStatus.USAGE
    assert typed.output == ""
    shown, _, text = typed.errors.rstrip("\n").rpartition("\n")
    assert shown == errors
    assert text.startswith('% Unknown word "')


@pytest.mark.parametrize(
    ("line", "errors"),
    [
        (
            "show",
            f"% Incomplete line; next: {', '.join(node.word for node in SHOW.children)}\n",
        ),
        ("s", " " * 8 + '^\n% Ambiguous word "s": show, set, sync\n'),
        ("terminal length x", " " * 24 + "^\n% Expected a whole number from 0 to 512\n"),
        ("show version | include [", " " * 31 + "^\n% Invalid expression: missing ]: [\n"),
    ],
)
def test_each_kind_of_mistake_is_said_in_its_own_way(line, errors):
    typed = Typed(line)

    assert (typed.status, typed.errors) == (ExitStatus.USAGE, errors)
    assert typed.control.calls == []


# The session itself


def test_the_terminal_is_set_through_the_environment():
    assert Typed("terminal monitor").environment.switches == [("monitor", True)]
    assert Typed("terminal no monitor").environment.switches == [("monitor", False)]
    assert Typed("terminal length 24").environment.switches == [("length", 24)]
    assert Typed("terminal width 511").environment.switches == [("width", 511)]
    assert Typed("quit").environment.switches == [("close",)]
    assert Typed("exit | json").environment.switches == [("close",)]


def test_a_monitor_needs_a_prompt():
    typed = Typed("terminal monitor", prompt_width=None)

    assert typed.status == ExitStatus.FAILED
    assert typed.errors == "% This session has no prompt to show events above; use watch events\n"
    assert typed.environment.switches == []


def test_the_history_is_shown_printably():
    typed = Typed("show history", typed=["show version", "set \x1b[2J"])

    assert typed.output == "show version\nset \\x1b[2J\n"
    assert json.loads(Typed("show history | json", typed=["a", "b"]).output) == ["a", "b"]


def test_help_lists_every_command_and_fits_a_terminal():
    output = Typed("help").output

    assert "show frontends <name>         One frontend, with the weights of its backends\n" in output
    assert " weight <0-100> [for <duration>]\n  [reason <text>] [force]\n" + " " * 30 + "Set the share" in output
    assert max(map(len, output.splitlines())) <= 80
    assert {"command": "quit", "help": "End the session"} in json.loads(Typed("help | json").output)
    assert Typed("help | include ^quit").output.split() == ["quit", "End", "the", "session"]


# Long output


def long_control(count):
    """Return a control with so many backends, in one frontend."""
    control = FakeControl()
    names = [f"www{index}" for index in range(count)]
    control.rows["backend"] = [backend_view(name, "192.0.2.1") for name in names]
    members = [member_view(name, "192.0.2.1") for name in names]
    control.rows["frontend"] = [frontend_view("web", "203.0.113.80", [("primary", True, members)])]
    return control


def test_a_long_list_is_asked_for_made_and_written_page_by_page():
    control = long_control(1050)
    typed = Typed("show backends", control)

    assert control.calls == [("backends", str(start or ""), PAGE) for start in range(0, 1050, PAGE)]
    assert typed.output.count("\n") == 1051
    assert max(write.count("\n") for write in typed.environment.writes) <= SLICE_LINES
    # One turn for each write, and one for each verb at least.
    assert typed.environment.drains >= len(typed.environment.writes) > 10


@pytest.mark.parametrize("line", ["show frontends web", "show frontends web | json", "show backends | json"])
def test_one_large_object_is_written_in_slices(line):
    typed = Typed(line, long_control(1000))

    assert len(typed.environment.writes) > 10
    assert max(map(len, typed.environment.writes)) < 2 * SLICE_TEXT


def test_pages_end_where_control_says_so():
    control = long_control(7)
    control.page = 3

    assert Typed("show backends | count", control).output == "7\n"
    assert [call[1] for call in control.calls] == ["", "3", "6"]


def test_nothing_is_asked_for_before_the_last_page_was_taken():
    control = long_control(300)
    environment = FakeEnvironment()
    stuck = []

    async def drain():
        stuck.append(len(control.calls))
        while True:
            await Turn()

    environment.drain = drain
    running = CommandSession(control, environment).run("show backends")
    for _ in range(100):
        running.send(None)
    running.close()

    assert stuck == [1]


def test_a_cancelled_command_writes_nothing_more():
    class Cancelled(BaseException):
        pass

    environment = FakeEnvironment()
    running = CommandSession(long_control(300), environment).run("show backends")
    for _ in range(3):
        running.send(None)
    written = list(environment.writes)

    with pytest.raises(Cancelled):
        running.throw(Cancelled())

    assert environment.writes == written
    assert environment.errors == ""


# Watching

EVENTS = [
    [
        {"type": "snapshot", "kind": "backend", "name": "www1", "state": "up", "seq": 7},
        {"type": "snapshot", "kind": "frontend", "name": "web", "state": "up", "seq": 7},
    ],
    [
        {
            "type": "backend",
            "seq": 8,
            "at": "2026-10-12T08:00:01.250Z",
            "backend": "www1",
            "address": "198.51.100.11",
            "from": "up",
            "to": "down",
            "code": "L4CON",
            "detail": "connection refused",
        }
    ],
]


def watching(line, events=EVENTS, **environment):
    """Return what a watch of some events wrote."""
    control = FakeControl()
    control.events = events
    return Typed(line, control, **{"width": 200, **environment})


@pytest.mark.parametrize(
    ("options", "call"),
    [
        ("", (None, True, True)),
        ("num 3", (None, True, True)),
        ("backend", (None, True, False)),
        ("frontend", (None, False, True)),
        ("backend frontend", (None, True, True)),
        ("log", ("info", False, False)),
        ("log level debug", ("debug", False, False)),
        ("log level error backend", ("error", True, False)),
    ],
)
def test_watch_asks_for_what_was_named_or_for_all_states(options, call):
    assert watching(f"watch events {options}").control.calls == [("watch", *call)]


def test_watch_shows_events_until_the_stream_ends():
    typed = watching("watch events")

    assert typed.output.splitlines() == [
        "Press any key to stop",
        "snapshot backend www1 up",
        "snapshot frontend web up",
        "2026-10-12T08:00:01.250Z backend www1 198.51.100.11 up -> down L4CON connection refused",
    ]
    assert (typed.status, typed.errors) == (ExitStatus.FAILED, "% The event stream has ended\n")


@pytest.mark.parametrize("num", [1, 2, 3])
def test_watch_stops_after_so_many(num):
    typed = watching(f"watch events num {num}")

    assert typed.output.count("\n") == num
    assert (typed.status, typed.errors) == (ExitStatus.OK, "")
    assert [watch.closed for watch in typed.control.watches] == [1]


def test_events_are_a_line_of_json_each_where_no_person_reads_them():
    expected = [event for batch in EVENTS for event in batch]
    for typed in (watching("watch events num 3", terminal=False), watching("watch events num 3 | json")):
        assert [json.loads(line) for line in typed.output.splitlines()] == expected


def test_events_are_written_as_they_come():
    typed = watching("watch events num 3")

    assert [write.count("\n") for write in typed.environment.writes] == [2, 1]


def test_filters_apply_to_events():
    assert watching("watch events num 3 | include www1 .* down").output.count("\n") == 1
    assert watching("watch events num 3 | count").output == "3\n"


def test_any_key_stops_a_watch_while_it_runs_and_it_is_closed_however_it_ends():
    control = FakeControl()
    control.events = EVENTS
    environment = FakeEnvironment()
    running = CommandSession(control, environment).run("watch events")
    running.send(None)
    running.send(None)
    assert environment.switches == [("stop-on-key", True)]
    assert control.watches[0].closed == 0

    with pytest.raises(KeyboardInterrupt):
        running.throw(KeyboardInterrupt())

    assert environment.switches == [("stop-on-key", True), ("stop-on-key", False)]
    assert control.watches[0].closed == 1


def test_events_can_be_had_as_lines_for_the_monitor():
    session = CommandSession(FakeControl(), FakeEnvironment())
    coloured = CommandSession(FakeControl(), FakeEnvironment(colour=True))

    assert session.event_text(EVENTS[0][0]) == "snapshot backend www1 up\n"
    assert "\x1b[32mup\x1b[0m" in coloured.event_text(EVENTS[0][0])


@given(
    st.lists(
        st.sampled_from(
            ["show", "sh", "fr", "b", "web", "www1", "set", "backend", "pause", "|", "json", "include", "up", "count"]
        ),
        max_size=7,
    )
)
def test_a_line_that_runs_writes_whole_lines_of_printable_text(words):
    typed = Typed(" ".join(words))

    assert typed.status in tuple(ExitStatus)
    assert (typed.status is ExitStatus.OK) == (typed.errors == "")
    for text in (typed.output, typed.errors):
        assert text == "" or text.endswith("\n")
        assert text.replace("\n", "").isascii()
        assert text.replace("\n", "").isprintable()


def test_watch_shows_one_object_if_it_is_named():
    assert watching("watch events backend www1 frontend wev num 1").errors.endswith('did you mean "web"?\n')
    assert watching("watch events backend www1 num 3").output.splitlines() == [
        "snapshot backend www1 up",
        "snapshot frontend web up",  # a daemon sends none if it was not asked for them
        "2026-10-12T08:00:01.250Z backend www1 198.51.100.11 up -> down L4CON connection refused",
    ]
    both = watching("watch events backend www2 frontend web num 1")
    assert both.output == "snapshot frontend web up\n"
    assert ("watch", None, True, True) in both.control.calls
    unknown = watching("watch events backend wwv1")
    assert unknown.errors.endswith("% unknown backend 'wwv1'; did you mean \"www1\"?\n")
    assert unknown.control.watches == []


def test_a_name_is_not_taken_for_an_abbreviated_option():
    control = FakeControl()
    control.rows["backend"] = [backend_view("fr", "192.0.2.1")]
    control.events = EVENTS
    typed = Typed("watch events backend fr num 0", control)

    assert typed.errors.endswith("% Expected a whole number from 1 to 1000000\n")
    assert Typed("watch events backend fr", control).control.calls[0] == ("backend", "fr")


@pytest.mark.parametrize(
    ("line", "first"),
    [
        ("?", "  show "),
        ("show ?", "  version "),
        ("show fr?", "  frontends "),
        ("show backends ?", "  <name> "),
        ("show version ?", "  | "),
        ("set backend www1 ?", "  drain "),
    ],
)
def test_a_question_mark_in_a_shell_or_script_asks_for_help(line, first):
    typed = Typed(line, prompt_width=None, terminal=False)

    assert typed.output.startswith(first)
    assert (typed.status, typed.errors) == (ExitStatus.OK, "")


def test_a_question_mark_in_a_reason_or_an_expression_is_none():
    assert ("disable_backend", "www1", 0, "?") in Typed(
        "set backend www1 disable reason ?", prompt_width=None
    ).control.calls
    assert Typed("show backends | include www?", prompt_width=None).output.count("\n") == 2
    assert Typed("# what?", prompt_width=None).output == ""
    assert Typed("show ?").status == ExitStatus.USAGE
    wrong = Typed("shw ver ?", prompt_width=None)
    assert (wrong.status, wrong.output) == (ExitStatus.USAGE, "")
    control = FakeControl()
    control.errors["names"] = MaglevError("too busy")
    typed = Typed("show backends ?", control, prompt_width=None)
    assert (typed.status, typed.errors) == (ExitStatus.FAILED, "% too busy\n")


def test_an_unknown_name_is_marked_even_if_nothing_is_like_it_or_names_can_not_be_had():
    control = FakeControl()
    control.errors["names"] = MaglevError("too busy")
    assert Typed("show backends nope", control).errors == "% unknown backend 'nope'\n"
    control = FakeControl()
    control.errors["backend"] = NotFoundError("it is gone by now")
    assert Typed("show backends www1", control).errors == "% it is gone by now\n"
