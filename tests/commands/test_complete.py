"""TAB and ``?``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.commands.language.choices import Completion
from maglev.commands.language.complete import NAMES_LIMIT
from maglev.commands.language.faults import IncompleteLineError, UsageError
from maglev.commands.language.parse import parse
from maglev.commands.session import CommandSession
from maglev.commands.tree import ROOT
from maglev.commands.tree_show import SHOW
from maglev.model.caller import Role
from maglev.model.errors import VppNotConnectedError
from tests.fakes.control import FakeControl, finish
from tests.fakes.environment import FakeEnvironment
from tests.fakes.world import backend_view


def session(control=None, **environment):
    """Return a session, by default over the small world of the fake control."""
    return CommandSession(control or FakeControl(), FakeEnvironment(**environment))


def tab(line, cursor=None, control=None):
    """Return the completion at a cursor, by default at the end of the line."""
    return finish(session(control).complete(line, len(line) if cursor is None else cursor))


def question(line, cursor=None, control=None, **environment):
    """Return the help at a cursor, by default at the end of the line."""
    return finish(session(control, **environment).help(line, len(line) if cursor is None else cursor))


def listed(completion):
    """Return the words that a completion offers."""
    return [choice.word for choice in completion.choices]


@pytest.mark.parametrize(
    ("line", "insert", "words"),
    [
        ("sho", "w ", ["show"]),
        ("show", " ", ["show"]),
        ("SHO", "w ", ["show"]),
        ("s", "", ["show", "set", "sync"]),
        ("", "", [node.word for node in ROOT.children]),
        ("show ", "", [node.word for node in SHOW.children]),
        ("show h", "", ["healthchecks", "history"]),
        ("show he", "althchecks ", ["healthchecks"]),
        ("sh vpp lb ", "", ["state", "plan", "counters", "backends"]),
        ("sh vpp lb c", "ounters ", ["counters"]),
        ("sh vpp lb x", "", []),
        ("sh fr w", "eb ", ["web"]),
        ("sh fr ", "", ["web", "everything"]),
        ("sh b w", "ww", ["www1", "www2"]),
        ("sh b www", "", ["www1", "www2"]),
        ("sh b W", "", []),
        ("sh he p", "ing ", ["ping"]),
        ("set fr web pool ", "", ["primary", "fallback"]),
        ("set fr web pool f", "allback ", ["fallback"]),
        ("set fr everything pool ", "only ", ["only"]),
        ("set fr nope pool ", "", []),
        ("set fr web pool primary backend ", "www", ["www1", "www2"]),
        ("set fr web pool fallback backend ", "spare ", ["spare"]),
        ("set fr web pool fallback backend spare w", "eight ", ["weight"]),
        ("set fr web pool fallback backend spare weight ", "", []),
        ("set fr web pool fallback backend spare weight 1", "", []),
        ("sync vpp lb state e", "verything ", ["everything"]),
        ("terminal n", "o ", ["no"]),
        ("watch events log ", "", ["level", "num", "backend", "frontend"]),
        ("watch events log level i", "nfo ", ["info"]),
        ("watch events backend ", "", ["num", "log", "frontend", "www1", "www2", "spare", "v6"]),
        ("show version ", "", []),
        ("show version |", "", ["json", "include", "exclude", "begin", "count"]),
        ("show version | ", "", ["json", "include", "exclude", "begin", "count"]),
        ("show version|j", "son ", ["json"]),
        ("show version | json | ", "", ["include", "exclude", "begin", "count"]),
        ("show version | include x | c", "ount ", ["count"]),
        ("show version | count | ", "", []),
        ("show version | include ", "", []),
        ("show version | include x", "", []),
        ("show version | include x y", "", []),
        ("show version | include x ", "", []),
        # Nothing is offered behind a mistake, nor in quotes.
        ("nope ", "", []),
        ("show vpp | ", "", []),
        ("show version | include ( | ", "", []),
        ("sh fr 'w", "", []),
        ("sh fr 'w'", "", []),
    ],
)
def test_tab_inserts_what_is_common_and_lists_the_rest(line, insert, words):
    completion = tab(line)

    assert (completion.insert, listed(completion)) == (insert, words)


def test_tab_looks_at_what_is_before_the_cursor_only():
    assert tab("sho version", 3) == Completion(0, "w", tab("sho").choices)
    assert tab("shoversion", 3).insert == "w "
    assert tab("show  version", 5).start == 5
    assert listed(tab("show version", 0)) == [node.word for node in ROOT.children]
    assert listed(tab("show version", -1)) == [node.word for node in ROOT.children]


def test_completed_words_begin_where_the_completion_says():
    assert tab("sh fr w").start == 6
    assert tab("sh fr ").start == 6
    assert tab("show version | inc").start == 15


def test_choices_have_their_help_and_live_names_have_none():
    assert all(choice.help for choice in tab("show ").choices)
    assert not any(choice.help for choice in tab("show backends ").choices)


def many(count):
    """Return a control with so many backends; the last has another name than those before."""
    control = FakeControl()
    control.rows["backend"] = [backend_view(f"www{index:04}", "192.0.2.1") for index in range(count - 1)]
    control.rows["backend"].append(backend_view("wx", "192.0.2.1"))
    return control


def test_too_many_names_are_cut_and_nothing_is_inserted_that_might_be_wrong():
    completion = tab("show backends w", control=many(NAMES_LIMIT + 1))

    assert len(completion.choices) == NAMES_LIMIT
    assert completion.more
    assert completion.insert == ""
    assert not tab("show backends w", control=many(NAMES_LIMIT)).more


def test_names_that_would_garble_the_line_are_not_offered():
    control = FakeControl()
    control.rows["backend"] = [backend_view(name, "192.0.2.1") for name in ("ok", "o\x1b[2J", "o k", "o" * 64)]

    assert listed(tab("show backends o", control=control)) == ["ok"]


class ObstinateControl(FakeControl):
    """Answers with other names than it was asked for."""

    async def names(self, kind, prefix="", within="", limit=1000):
        return ["other", f"{prefix}ne", *(f"{prefix}{index}" for index in range(limit + 5))]


def test_names_that_nobody_asked_for_are_not_offered():
    completion = tab("show backends wo", control=ObstinateControl())

    assert listed(completion)[0] == "wone"
    assert "other" not in listed(completion)
    assert len(completion.choices) == NAMES_LIMIT


def test_names_that_cannot_be_had_are_no_reason_to_fail():
    control = FakeControl()
    control.errors["names"] = VppNotConnectedError("gone")

    assert tab("show backends ", control=control).choices == ()
    assert question("show backends ", control=control) == "% gone\n"


def test_help_at_the_beginning_lists_every_command():
    lines = question("").splitlines()

    assert [line.split()[0] for line in lines] == [node.word for node in ROOT.children]
    assert lines[0] == "  show      Show configuration and state"
    assert len({line.index(node.help) for line, node in zip(lines, ROOT.children, strict=True)}) == 1


def test_help_behind_a_complete_line_says_that_it_may_end():
    assert question("show version ") == "  |     Filter the output\n  <cr>  Run the command\n"


def test_help_for_an_argument_has_its_help_and_the_live_names():
    assert question("sh fr ").splitlines() == [
        "  <name>  One frontend, with the weights of its backends",
        "  |       Filter the output",
        "  <cr>    Run the command",
        "  web         everything",
    ]
    assert question("set backend ww").splitlines() == ["  <name>  Name of the backend", "  www1  www2"]
    assert question("set backend ").splitlines()[0] == "  <name>  Name of the backend"
    assert "<cr>" not in question("set backend ")


def test_help_in_a_word_lists_what_it_may_become():
    assert [line.split()[0] for line in question("s").splitlines()] == ["show", "set", "sync"]
    assert question("show") == "  show  Show configuration and state\n"
    assert question("set fr web pool primary backend www1 weight 1") == "  <0-100>  Weight; 0 for no new flows\n"


def test_help_between_filters():
    assert [line.split()[0] for line in question("show version | ").splitlines()] == [
        "json",
        "include",
        "exclude",
        "begin",
        "count",
    ]
    assert question("show version | include ") == "  <regex>  Pattern that lines must match (RE2)\n"
    assert question("show version | include x") == "  <regex>  Pattern that lines must match (RE2)\n"
    assert question("show version | include x ") == question("show version ")
    assert question("show version | count ") == "  <cr>  Run the command\n"
    assert question("show version | count | ") == " " * 29 + "^\n% count must be the last filter\n"


def test_diff_is_offered_for_the_configuration_only_and_first():
    def words(line):
        return [each.split()[0] for each in question(line).splitlines()]

    assert words("show configuration | ") == ["diff", "json", "include", "exclude", "begin", "count"]
    assert words("show configuration | diff | ") == ["json", "include", "exclude", "begin", "count"]
    assert words("show configuration | diff ") == ["|", "<cr>"]
    assert question("show version | diff").endswith('% Unknown word "diff"\n')


def test_help_looks_at_what_is_before_the_cursor_only():
    assert question("show version", 5) == question("show ")


def test_help_behind_a_mistake_says_what_it_is_with_a_caret():
    assert question("show fontends ") == " " * 13 + '^\n% Unknown word "fontends"; did you mean "frontends"?\n'
    assert question("s v").endswith('% Ambiguous word "s": show, set, sync\n')
    assert question("show xyz").endswith('% Unknown word "xyz"\n')
    assert question("show vpp | ") == "% Incomplete line; next: info, lb\n"


def test_help_says_when_there_are_more_names_than_it_shows():
    text = question("show backends ", control=many(NAMES_LIMIT + 1))

    assert text.endswith("  ... and more\n")
    assert "wx" not in text


def test_a_viewer_sees_what_only_operators_may_do():
    control = FakeControl(Role.VIEWER)

    assert question("config ", control=control).splitlines() == [
        "  check   Check the file and list all its errors",
        "  diff    Show what a reload would change",
        "  reload  Apply the file if it is valid (operators only)",
    ]
    assert "operators" not in question("config ")


def test_help_is_coloured_only_where_colours_are_wanted():
    assert "\x1b" not in question("show ")
    assert question("show version ", colour=True) == (
        "  \x1b[1m|\x1b[0m     Filter the output\n  \x1b[1m<cr>\x1b[0m  Run the command\n"
    )


@pytest.mark.parametrize("width", [0, 1, 39, 40, 80, 300, -5])
def test_help_fits_any_width_that_makes_sense(width):
    text = question("show ", width=width) + question("show backends ", control=many(100), width=width)
    limit = width if width >= 40 else 80

    assert max(map(len, text.splitlines())) < limit


def test_long_help_is_continued_below_itself():
    lines = question("show b", width=40).splitlines()

    assert lines == ["  backends  Backends: addresses, states", "            and last results"]


def test_a_name_wider_than_the_terminal_has_a_line_of_its_own():
    control = FakeControl()
    control.rows["backend"] = [backend_view(letter * 60, "192.0.2.1") for letter in "ab"]

    assert question("show backends ", control=control, width=40).splitlines()[-2:] == ["  " + "a" * 60, "  " + "b" * 60]


def test_names_run_down_the_columns():
    control = FakeControl()
    control.rows["backend"] = [backend_view(f"b{index}", "192.0.2.1") for index in range(7)]

    assert question("set backend b", control=control, width=40).splitlines()[1:] == [
        "  b0  b1  b2  b3  b4  b5  b6",
    ]
    control.rows["backend"] = [backend_view(f"backend-{index}", "192.0.2.1") for index in range(5)]
    assert question("set backend b", control=control, width=40).splitlines()[1:] == [
        "  backend-0  backend-2  backend-4",
        "  backend-1  backend-3",
    ]


WORDS = ("sh", "show", "set", "s", "b", "fr", "web", "pool", "primary", "www1", "|", "include", "'x", "watch", "events")
WORDS += ("log", "level", "backend", "num", "5", "vpp", "lb", "count", "json", "w", "(", "")

LINES = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(WORDS),
        max_size=12,
    ).map(" ".join),
)


@given(LINES, st.integers(-2, 70))
def test_tab_and_help_answer_anywhere_in_any_line(line, cursor):
    completion = tab(line, cursor)
    text = question(line, cursor)

    assert text.replace("\n", "").isascii()
    assert text.replace("\n", "").isprintable()
    assert text == "" or text.endswith("\n")
    assert completion.insert.isascii()
    assert completion.insert.isprintable()


def meaning(line):
    """Return how far a line is understood: its command, or the words that may follow it, or nothing."""
    try:
        statement = parse(line, ROOT)
    except IncompleteLineError as error:
        return [choice.word for choice in error.choices]
    except UsageError:
        return None
    return statement and (statement.command, statement.arguments)


@given(LINES)
def test_what_tab_inserts_never_changes_the_meaning_of_a_line(line):
    completion = tab(line)
    if completion.insert.endswith(" ") and completion.insert.strip():
        before = meaning(line)
        after = meaning(line + completion.insert)

        assert after is not None
        # A word that could be parsed already still means the same, unless it was the beginning of a name.
        if before is not None and completion.choices[0].help:
            assert after == before


@given(LINES)
def test_every_choice_of_tab_makes_a_line_that_is_understood(line):
    completion = tab(line)
    for choice in completion.choices:
        assert meaning(line[: completion.start] + choice.word) is not None
