"""What must hold for the command tree as a table."""

from __future__ import annotations

from maglev.commands.language.nodes import Argument, Keyword, summaries
from maglev.commands.language.pipes import FILTERS
from maglev.commands.tree import ROOT
from maglev.model.caller import Role

HELP_LIMIT = 64

GOAL = "[wait] [flows <0-1000000000>] [timeout <duration>] [then disable] [for <duration>] [reason <text>] [force]"


def nodes(place, command=None, option=False):
    """Yield every node below a place, with the command that it belongs to, and whether it is part of an option."""
    for node in place.children:
        yield node, node.command or command, option
        yield from nodes(node, node.command or command, option)
    for node in place.options:
        yield node, command, True
        yield from nodes(node, command, True)


ALL = [*nodes(ROOT), *nodes(FILTERS)]
COMMANDS = list(summaries(ROOT))


def test_every_word_has_help_that_fits_a_line():
    for node, _, _ in ALL:
        assert 0 < len(node.help) <= HELP_LIMIT, node
        assert node.help[0].isupper()
        assert not node.help.endswith(".")
        assert node.help.isascii()


def test_every_summary_is_a_short_line():
    for summary in COMMANDS:
        assert len(summary.help) <= HELP_LIMIT
        assert not summary.help.endswith(".")


def test_an_argument_has_no_neighbours_so_that_no_name_is_ever_taken_for_a_word():
    for place in [ROOT, *(node for node, _, _ in ALL)]:
        if any(isinstance(child, Argument) for child in place.children):
            assert len(place.children) == 1
            assert not place.options


def test_no_two_words_at_one_place_are_the_same():
    for place in [ROOT, *(node for node, _, _ in ALL)]:
        words = [child.word for child in (*place.children, *place.options) if isinstance(child, Keyword)]
        assert len(words) == len(set(words))


def test_every_way_ends_somewhere():
    for node, _, _ in ALL:
        assert node.children or node.command or node.ends


def test_only_parts_of_options_and_filters_end_without_a_command_of_their_own():
    for node, command, option in nodes(ROOT):
        if node.ends:
            assert option
            assert command is not None
        if node.command is not None:
            assert not option


def test_every_word_is_lower_case_as_matching_expects():
    assert all(node.word == node.word.lower() for node, _, _ in ALL if isinstance(node, Keyword))


def test_all_commands_of_the_specification_are_there():
    syntaxes = {summary.syntax for summary in COMMANDS}

    assert syntaxes == {
        "show checker",
        "show version",
        "show frontends",
        "show frontends <name>",
        "show frontends <name> explain",
        "show backends",
        "show backends <name>",
        "show backends <name> explain",
        "show healthchecks",
        "show healthchecks <name>",
        "show configuration",
        "show vpp info",
        "show vpp lb state",
        "show vpp lb plan",
        "show vpp lb counters",
        "show vpp lb backends",
        "show overrides",
        "show announcements",
        "show announcements <address>",
        "show dns-names",
        "show peers",
        "show sessions",
        "show history",
        "set announce <address> off [for <duration>] [reason <text>]",
        "set announce <address> on",
        f"set backend <name> drain {GOAL}",
        f"set host <address> drain {GOAL}",
        "set host <address> pause [for <duration>] [reason <text>] [force]",
        "set host <address> resume",
        "set host <address> enable",
        "set host <address> disable [for <duration>] [reason <text>] [force]",
        "set frontend <name> disable [for <duration>] [reason <text>] [force]",
        "set frontend <name> enable",
        "clear override frontend <name>",
        "show log [last <1-500>]",
        "set backend <name> pause [for <duration>] [reason <text>] [force]",
        "set backend <name> resume",
        "set backend <name> enable",
        "set backend <name> disable [for <duration>] [reason <text>] [force]",
        "set frontend <name> pool <pool> backend <name> weight <0-100> [for <duration>] [reason <text>] [force]",
        "clear override backend <name> [force]",
        "clear override host <address> [force]",
        "clear override frontend <name> pool <pool> backend <name> [force]",
        "sync vpp lb state",
        "sync vpp lb state <name>",
        "config check",
        "config diff",
        "config reload [now] [reason <text>]",
        "watch events [num <1-1000000>] [log [level debug|info|warn|error]] [backend [<name>]] [frontend [<name>]]",
        "terminal monitor",
        "terminal no monitor",
        "terminal length <0-512>",
        "terminal width <0-512>",
        "web login",
        "help",
        "quit",
        "exit",
    }


def test_only_what_changes_something_needs_an_operator():
    operators = {summary.syntax for summary in COMMANDS if summary.command.role is Role.OPERATOR}

    assert operators == {
        syntax
        for syntax in (summary.syntax for summary in COMMANDS)
        if syntax.startswith(("set ", "clear ", "sync ", "config reload"))
    }
