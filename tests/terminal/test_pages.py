"""Output on its way to a screen: paging, what is safe to show, and the bell."""

from __future__ import annotations

import pytest

from maglev.terminal.keys import Key
from maglev.terminal.pager import KEYS, MORE, Pager
from maglev.terminal.screen import Screen, safe, word_columns

ONE_TO_NINE = "".join(f"{number}\n" for number in range(1, 10))


def press(pager, key):
    pager.press(Key("text", key) if len(key) == 1 else Key(key))


@pytest.fixture
def pager():
    pager = Pager()
    pager.begin(4)
    pager.take(ONE_TO_NINE)
    return pager


def test_a_page_leaves_a_row_for_the_prompt(pager):
    assert pager.lines(80) == ["1", "2", "3"]
    assert pager.waiting
    assert pager.lines(80) == []


@pytest.mark.parametrize(
    ("key", "shown"), [(" ", 3), ("f", 3), ("page-down", 3), ("enter", 1), ("down", 1), ("j", 1), ("a", 6), ("G", 6)]
)
def test_keys_turn_the_page(pager, key, shown):
    pager.lines(80)
    press(pager, key)

    assert len(pager.lines(80)) == shown


@pytest.mark.parametrize("key", ["q", "Q", "ctrl-c", "ctrl-d"])
def test_a_reader_may_have_seen_enough(pager, key):
    pager.lines(80)
    press(pager, key)

    assert pager.quit
    assert not pager.waiting


def test_other_keys_are_explained(pager):
    pager.lines(80)
    press(pager, "h")
    assert (pager.prompt, pager.lines(80)) == (KEYS, [])
    press(pager, " ")
    assert pager.prompt == MORE


def test_a_text_can_be_searched_for(pager):
    pager.lines(80)
    for key in ("/", "8", "0", "backspace"):
        press(pager, key)
    assert pager.prompt == "/8"
    press(pager, "enter")
    assert pager.lines(80) == ["8", "9"]

    # What is not there yet is found in the output that follows.
    pager.begin(3)
    pager.take("1\n2\n3\n")
    pager.lines(80)
    for key in ("/", "9", "enter"):
        press(pager, key)
    assert pager.lines(80) == []
    pager.take(ONE_TO_NINE)
    assert pager.lines(80) == ["9"]


def test_a_search_can_be_given_up(pager):
    pager.lines(80)
    for key in ("/", "8", "ctrl-c"):
        press(pager, key)

    assert (pager.prompt, pager.quit, pager.lines(80)) == (MORE, False, [])


def test_long_lines_take_several_rows_and_colours_none():
    pager = Pager()
    pager.begin(5)
    pager.take("x" * 25 + "\n\x1b[31m" + "y" * 10 + "\x1b[0m\n\nz\n")

    assert [len(line) for line in pager.lines(10)] == [25, 19]
    assert pager.waiting


@pytest.mark.parametrize("length", [0, 1, 2])
def test_any_length_makes_progress(length):
    pager = Pager()
    pager.begin(length)
    pager.take(ONE_TO_NINE)
    shown = pager.lines(1)
    while pager.waiting:
        press(pager, " ")
        shown += pager.lines(1)

    assert shown == list("123456789")


# Screens


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m\t|", "\x1b[31mred\x1b[0m\t|"),
        ("\x1bc", "?c"),
        ("\x1b]0;title\x07", "?]0;title?"),
        ("\x1b[2J", "?[2J"),
        ("a\rb\x00\x7f\x9b", "a?b???"),
        ("\x1b[" + "1" * 99 + "m", "?[" + "1" * 99 + "m"),
    ],
)
def test_output_is_text_and_colours_only(text, shown):
    assert safe(text) == shown


def test_words_are_listed_in_columns_downwards():
    assert word_columns(["a1", "a2", "a3", "a4", "a5"], 13) == ["a1  a3  a5", "a2  a4"]
    assert word_columns(["long", "words"], 3) == ["long", "words"]
    assert word_columns([], 80) == []


class RecordingStream:
    """Keeps what is written."""

    def __init__(self):
        self.sent = []

    def write(self, data, *, error=False):
        self.sent.append((data, error))


def test_a_bell_rings_once_for_all_that_is_sent_together():
    stream = RecordingStream()
    screen = Screen(stream)
    screen.ring()
    screen.ring()
    screen.put("a\nb")
    screen.flush()
    screen.flush()

    assert stream.sent == [(b"\aa\nb", False)]
