"""What the prose names between two backquotes exists: options of our programs, and commands of the console."""

from __future__ import annotations

import re

import pytest

from maglev.commands.language.nodes import summaries
from maglev.commands.tree import ROOT as TREE
from tests.docs.blocks import PAGES
from tests.docs.programs import HELP
from tests.tools.phrases import AREAS, PHRASES, count

LITERAL = re.compile(r"``([^`]+)``")

OPTIONS = {option for make in HELP.values() for option in re.findall(r"--[a-z][a-z-]*", make())}

OTHERS = {"--env": "docker run", "--network": "docker run"}
"""Options of other programs that pages name, and whose they are."""

COMMANDS = [re.sub(r" \[.*", "", summary.syntax).split() for summary in summaries(TREE)]
"""The words of each command, without its options; ``<name>`` is any word."""

FIRST = {words[0] for words in COMMANDS if len(words) > 1}


def literals(page):
    """Return what is between backquotes, on one line each."""
    text = PAGES[page].read_text(encoding="utf-8")
    return [" ".join(each.split()) for each in LITERAL.findall(text)]


def is_command(text):
    """Return whether a line is a command, or the beginning of one."""
    words = text.partition(" | ")[0].split()
    return any(begins(words, command) for command in COMMANDS)


def begins(words, command):
    """Return whether words are those of a command, as far as they go; what follows its last word are options."""
    return all(is_word(word, wanted) for word, wanted in zip(words, command, strict=False))


def is_word(word, wanted):
    return wanted.startswith("<") or word in wanted.split("|")


@pytest.mark.parametrize("page", PAGES)
def test_every_option_that_a_page_names_is_one(page):
    found = [re.match(r"--[a-z][a-z-]*", text) for text in literals(page)]

    assert {option[0] for option in found if option} - OPTIONS - OTHERS.keys() == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_a_page_names_is_one(page):
    lines = [text.removeprefix("maglevc ") for text in literals(page)]
    named = [text for text in lines if text.partition(" ")[0] in FIRST and " " in text]
    named = [
        text for text in named if not re.match(r"show (lb|sim|version verbose|runtime)|clear sim", text)
    ]  # VPP's own

    assert [text for text in named if not is_command(text)] == []


def test_a_wrong_command_would_be_noticed():
    assert is_command("show backends www1 | json")
    assert is_command("show vpp lb")
    assert not is_command("show frontedns")
    assert not is_command("sync vpp lb counters")


@pytest.mark.parametrize("area", AREAS)
def test_phrases_to_avoid_do_not_come_back(area):
    assert {name: number for name, number in count(AREAS[area]()).items() if number} == {}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("'x' is no HOST:PORT", "is no"),
        ("It is made\nanew.", "anew"),
        ("Whoever calls this", "whoever"),
        ("Take note of it", "take note"),
        ("It is not any more.", "not any more"),
        ("It will be heard of later", "be heard of"),
        ("What it is, is plain", "is, is"),
        ("the way of a fact", "the way of"),
        ("is told of it", "told of"),
    ],
)
def test_each_phrase_is_found(text, name):
    assert count([text]) == {**dict.fromkeys(PHRASES, 0), name: 1}


def test_plain_english_is_no_phrase_to_avoid():
    assert not any(count(["There is no backend, and it is no longer probed."]).values())
