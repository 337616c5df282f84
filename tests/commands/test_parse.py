"""Matching a line to the command tree."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.commands.handlers import change, config, session, show, sync, watch
from maglev.commands.language.arguments import Sentence, TimeSpan
from maglev.commands.language.faults import (
    AmbiguousWordError,
    BadArgumentError,
    IncompleteLineError,
    UnknownWordError,
    UsageError,
)
from maglev.commands.language.nodes import Argument, Command, Keyword, TreePosition
from maglev.commands.language.parse import FILTER_LIMIT, parse
from maglev.commands.session import CommandSession
from maglev.commands.tree import ROOT
from maglev.commands.tree_show import SHOW
from maglev.model.override import MAX_DURATION
from tests.fakes.control import FakeControl, finish
from tests.fakes.environment import FakeEnvironment


def parsed(line):
    """Return what a line means."""
    return parse(line, ROOT)


WEIGHT = {"frontend": "web", "pool": "primary", "backend": "www1", "weight": 50}


@pytest.mark.parametrize(
    ("line", "handler", "arguments"),
    [
        ("show version", show.show_version, {}),
        ("sh ver", show.show_version, {}),
        ("show frontends", show.show_frontends, {}),
        ("sh fr", show.show_frontends, {}),
        ("SH FR", show.show_frontends, {}),
        ("sh fr web", show.show_frontend, {"frontend": "web"}),
        ("sh b", show.show_backends, {}),
        ("sh b www1", show.show_backend, {"backend": "www1"}),
        ("sh b WWW1", show.show_backend, {"backend": "WWW1"}),
        ("sh b 'www1'", show.show_backend, {"backend": "www1"}),
        ("sh he", show.show_healthchecks, {}),
        ("sh he ping", show.show_healthcheck, {"healthcheck": "ping"}),
        ("sh vp i", show.show_vpp_info, {}),
        ("sh vp l s", show.show_vpp_lb_state, {}),
        ("sh s", show.show_sessions, {}),
        ("sh hi", show.show_history, {}),
        ("set frontend web pool primary backend www1 weight 50", change.set_weight, WEIGHT),
        ("se f web p primary b www1 w 50", change.set_weight, WEIGHT),
        ("se f web p primary b www1 w 050", change.set_weight, WEIGHT),
        ("sync vpp lb state", sync.sync_vpp_lb_state, {}),
        ("sy v l s web", sync.sync_vpp_lb_state, {"frontend": "web"}),
        ("config check", config.check_config, {}),
        ("co r", config.reload_config, {}),
        ("watch events", watch.watch_events, {}),
        ("wa e num 3", watch.watch_events, {"num": 3}),
        ("wa e log", watch.watch_events, {"log": "info"}),
        ("wa e log level d", watch.watch_events, {"log": "debug"}),
        (
            "wa e num 3 log level warn backend frontend",
            watch.watch_events,
            {"num": 3, "log": "warn", "backend": 1, "frontend": 1},
        ),
        (
            "wa e frontend log num 3 backend",
            watch.watch_events,
            {"num": 3, "log": "info", "backend": 1, "frontend": 1},
        ),
        ("terminal monitor", session.monitor, {}),
        ("t n m", session.no_monitor, {}),
        ("t l 0", session.set_length, {"rows": 0}),
        ("help", session.show_help, {}),
        ("q", session.close, {}),
        ("exit", session.close, {}),
    ],
)
def test_lines_find_their_handlers(line, handler, arguments):
    statement = parsed(line)

    assert statement.command.handler is handler
    assert statement.arguments == arguments
    assert not statement.filters.any


@pytest.mark.parametrize(
    ("line", "verb"),
    [
        ("set backend www1 pause", "pause_backend"),
        ("se b www1 r", "resume_backend"),
        ("se b www1 e", "enable_backend"),
        ("se b www1 di", "disable_backend"),
        ("se b www1 dr", "drain_backend"),
    ],
)
def test_lines_that_change_a_state_find_their_verbs(line, verb):
    control = FakeControl()

    assert parsed(line).arguments == {"backend": "www1"}
    finish(CommandSession(control, FakeEnvironment()).run(line))
    assert control.calls[0] == (verb, "www1")


SHADOWED = TreePosition(
    help="A command",
    children=tuple(Keyword(word, help=word, command=Command(print, word)) for word in ("stat", "state", "states")),
)


@pytest.mark.parametrize("word", ["stat", "state", "states", "STATE"])
def test_a_word_in_full_wins_over_longer_ones(word):
    assert parse(word, SHADOWED).command.summary == word.lower()


def test_a_beginning_of_several_is_ambiguous_even_if_one_is_the_beginning_of_the_other():
    with pytest.raises(AmbiguousWordError, match="stat, state, states"):
        parse("sta", SHADOWED)


@pytest.mark.parametrize("line", ["", "   ", "! a comment", "# another", "!", "  #x | y"])
def test_empty_lines_and_comments_mean_nothing(line):
    assert parsed(line) is None


@pytest.mark.parametrize(
    ("line", "column", "candidates"),
    [
        ("s", 0, ["show", "set", "sync"]),
        ("S", 0, ["show", "set", "sync"]),
        ("  sh h", 5, ["healthchecks", "history"]),
        ("show v", 5, ["version", "vpp"]),
    ],
)
def test_a_word_that_is_short_for_several_lists_them(line, column, candidates):
    with pytest.raises(AmbiguousWordError) as caught:
        parsed(line)

    assert caught.value.column == column
    assert [choice.word for choice in caught.value.choices] == candidates
    assert all(choice.help for choice in caught.value.choices)
    assert str(caught.value).endswith(": " + ", ".join(candidates))


@pytest.mark.parametrize(
    ("line", "column", "following"),
    [
        ("show", 4, [node.word for node in SHOW.children]),
        ("set backend  ", 13, ["<name>"]),
        ("set backend www1", 16, ["drain", "pause", "resume", "enable", "disable"]),
        ("set frontend web pool", 21, ["<pool>"]),
        ("terminal length", 15, ["<0-512>"]),
        ("watch events num", 16, ["<1-1000000>"]),
        ("watch events log level", 22, ["debug", "info", "warn", "error"]),
        ("show vpp | count", 9, ["info", "lb"]),
        ("show version | ", 15, ["json", "include", "exclude", "begin", "count"]),
        ("show version | include", 22, ["<regex>"]),
        ("| count", 0, [node.word for node in ROOT.children]),
    ],
)
def test_an_incomplete_line_says_what_may_follow(line, column, following):
    with pytest.raises(IncompleteLineError) as caught:
        parsed(line)

    assert caught.value.column == column
    assert [choice.word for choice in caught.value.choices] == following


@pytest.mark.parametrize(
    ("line", "column", "text"),
    [
        ("shwo version", 0, 'Unknown word "shwo"; did you mean "show"?'),
        ("  show frontedns", 7, 'Unknown word "frontedns"; did you mean "frontends"?'),
        ("show xyzzy", 5, 'Unknown word "xyzzy"'),
        ("show version now", 13, 'Unknown word "now"'),
        ("show versions", 5, 'Unknown word "versions"; did you mean "version"?'),
        ("show ''", 5, 'Unknown word ""'),
        ("show fr web x", 12, 'Unknown word "x"'),
        ("watch events num 1 num 2", 19, 'Unknown word "num"'),
        ("watch events log level info level warn", 28, 'Unknown word "level"'),
        ("show \x1b[2J", 5, r'Unknown word "\x1b[2J"'),
        ("show version | sort", 15, 'Unknown word "sort"'),
        ("show version | includ x | incclude x", 26, 'Unknown word "incclude"; did you mean "include"?'),
    ],
)
def test_an_unknown_word_has_its_column_and_a_suggestion(line, column, text):
    with pytest.raises(UnknownWordError) as caught:
        parsed(line)

    assert caught.value.column == column
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    ("line", "column", "text"),
    [
        ("show frontends ?", 15, "Invalid name: expected"),
        ("show frontends -x", 15, "Invalid name: expected"),
        ("show frontends " + "a" * 64, 15, "Invalid name: expected"),
        ("show frontends 'web", 15, "Unclosed quote"),
        ("set fr web pool p backend b weight 101", 35, "Expected a whole number from 0 to 100"),
        ("set fr web pool p backend b weight -1", 35, "Expected a whole number from 0 to 100"),
        ("set fr web pool p backend b weight 1e2", 35, "Expected a whole number from 0 to 100"),
        ("set fr web pool p backend b weight 0000", 35, "Expected a whole number from 0 to 100"),
        ("set fr web pool p backend b weight \N{SUPERSCRIPT TWO}", 35, "Expected a whole number from 0 to 100"),
        ("watch events num 0", 17, "Expected a whole number from 1 to 1000000"),
        ("show version | include (", 23, "Invalid expression: missing )"),
        ("show version | include 'x", 23, "Unclosed quote"),
        ("show version | include \\pL{400}", 23, "The expression is too complex"),
        ("show version | include (a{1000}){1000}", 23, "Invalid expression:"),
        ("show version | include .{60} | exclude .{60} | include .{30}", 55, "The expression is too complex"),
    ],
)
def test_a_bad_argument_says_what_is_wanted(line, column, text):
    with pytest.raises(BadArgumentError) as caught:
        parsed(line)

    assert caught.value.column == column
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    ("line", "column", "text"),
    [
        ("show version | include x | js", 27, "json must be the first filter"),
        ("show version | json | json", 22, "json must be the first filter"),
        ("show version | count | json", 21, "count must be the last filter"),
        ("show version | count | include x", 21, "count must be the last filter"),
        ("show version | count |", 21, "count must be the last filter"),
        ("show version | diff", 15, "diff compares show configuration only"),
        ("show configuration | json | diff", 28, "diff must be the first filter"),
        ("show configuration | diff | diff", 28, "diff must be the first filter"),
    ],
)
def test_filters_out_of_order_are_refused_with_the_reason(line, column, text):
    with pytest.raises(UsageError) as caught:
        parsed(line)

    assert (caught.value.column, str(caught.value)) == (column, text)


def test_the_number_of_filters_is_bounded():
    assert parsed("show version" + " | include x" * FILTER_LIMIT)

    with pytest.raises(UsageError, match="Too many filters: at most 8") as caught:
        parsed("show version" + " | include x" * (FILTER_LIMIT + 1))

    assert caught.value.column == len("show version" + " | include x" * FILTER_LIMIT + " |")


@given(st.one_of(st.text(max_size=80), st.text(st.sampled_from("showfrntedbackp |'\"!0\\*(["), max_size=60)))
def test_any_line_is_understood_or_refused_with_a_column_in_it(line):
    refused = None
    try:
        parsed(line)
    except UsageError as error:
        refused = error
    if refused is not None:
        assert 0 <= refused.column <= len(line)
        assert str(refused).isprintable()


def test_surrogates_in_a_line_are_refused_or_searched_like_anything_else():
    assert parsed("show version | include \udcff").filters.any

    with pytest.raises(UnknownWordError, match=r"\\udcff"):
        parsed("\udcff")


# Every path of the tree, and every way to shorten its words.

WORDS = {"address": "192.0.2.1", "last": "7", "flows": "7", "weight": "50", "num": "7", "rows": "24", "columns": "80"}


def paths(place, before=()):
    """Yield every path to a command: for each word, the spellings that must do."""
    for node in place.children:
        spellings = list(spelled(node, place.children))
        path = (*before, spellings)
        if node.command is not None:
            yield path, node.command
        yield from paths(node, path)


def spelled(node, siblings):
    """Yield every spelling of a word that only means it."""
    if isinstance(node, Argument):
        yield WORDS.get(node.name, "x1")
        return
    others = [other.word for other in siblings if isinstance(other, Keyword) and other is not node]
    for length in range(1, len(node.word) + 1):
        short = node.word[:length]
        if length == len(node.word) or not any(other.startswith(short) for other in others):
            yield short


PATHS = list(paths(ROOT))


@pytest.mark.parametrize(("path", "command"), PATHS, ids=[" ".join(words[-1] for words in path) for path, _ in PATHS])
def test_each_word_of_each_command_may_be_any_unique_beginning_of_it(path, command):
    full = [words[-1] for words in path]
    for index, words in enumerate(path):
        for word in words:
            assert parsed(" ".join([*full[:index], word, *full[index + 1 :]])).command is command
    shortest = [words[0] for words in path]
    assert parsed(" ".join(shortest)).command is command


OPTIONS = ("num 5", "log level error", "backend", "frontend")


@pytest.mark.parametrize("options", list(itertools.permutations(OPTIONS)))
def test_options_come_in_any_order(options):
    statement = parsed(f"watch events {' '.join(options)}")

    assert statement.arguments == {"num": 5, "log": "error", "backend": 1, "frontend": 1}


@pytest.mark.parametrize(
    ("word", "seconds"),
    [("1s", 1), ("90s", 90), ("2h", 7200), ("1D12h", 129_600), ("366d", 366 * 86400), ("1h0m1s", 3601)],
)
def test_a_time_span_has_units(word, seconds):
    assert TimeSpan(MAX_DURATION).parse(word) == seconds


@pytest.mark.parametrize(
    "word", ["", "0s", "5", "2 h", "1.5h", "-1h", "367d", "1h1d", "h", "1w", "999999999d", "\u0661h"]
)
def test_what_is_not_a_time_span_says_what_is(word):
    with pytest.raises(ValueError, match=r"Expected a duration from 1s to 366d, such as 90s, 30m, 2h or 1d12h"):
        TimeSpan(MAX_DURATION).parse(word)


def test_a_sentence_is_one_line_of_text():
    assert Sentence(120).parse("disk swap") == "disk swap"
    for word in ("", "  ", "x" * 121, "\x1b[31m", "a\nb"):
        with pytest.raises(ValueError, match="Expected a text of 1 to 120 printable characters"):
            Sentence(120).parse(word)
