"""Line editing without a terminal: keys, the line, history, and how it is seen."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.terminal.editor import LineEditor, Outcome
from maglev.terminal.history import History
from maglev.terminal.keys import Key, KeyDecoder
from maglev.terminal.limits import HISTORY, LINE_LENGTH
from maglev.terminal.line_buffer import LineBuffer
from maglev.terminal.line_view import MIN_COLUMNS, MIN_TEXT, LineView
from maglev.terminal.width import char_width, text_width
from tests.fakes.screen import ScreenDouble


def keys(data, size=1000):
    decoder = KeyDecoder()
    return [key for start in range(0, len(data), size) for key in decoder.feed(data[start : start + size])]


def names(data, size=1000):
    return [key.text or key.name for key in keys(data, size)]


@pytest.mark.parametrize("size", [1, 2, 1000])
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"ab", ["a", "b"]),
        ("ä日e\u0301".encode(), ["ä", "日", "e", "\u0301"]),
        (b"\x01\x05\x15\x17", ["ctrl-a", "ctrl-e", "ctrl-u", "ctrl-w"]),
        (b"\r\n\r\n", ["enter", "enter"]),
        (b"\n\n", ["enter", "enter"]),
        (b"\r\r", ["enter", "enter"]),
        (b"\x08\x7f\t", ["backspace", "backspace", "tab"]),
        (b"\x1b[A\x1bOB\x1b[C\x1b[D", ["up", "down", "right", "left"]),
        (b"\x1b[H\x1b[1~\x1b[7~\x1bOH", ["home"] * 4),
        (b"\x1b[F\x1b[4~\x1b[8~\x1bOF", ["end"] * 4),
        (b"\x1b[3~\x1b[5~\x1b[6~", ["delete", "page-up", "page-down"]),
        (b"\x1b[1;5C\x1b[1;3D", ["alt-right", "alt-left"]),
        (b"\x1bb\x1bF\x1bd\x1b\x7f\x1b\x08", ["alt-b", "alt-f", "alt-d", "alt-backspace", "alt-backspace"]),
        (b"\x1b\x1bb", ["alt-b"]),
        (b"\x1b[99~\x1b[Zx\x1b[?1;2cy", ["x", "y"]),
        (b"\x1b]11;rgb:0/0/0\x07x\x1bP1$r\x1b\\y", ["x", "y"]),
        (b"\x1b[" + b"1" * 100 + b"x", ["1"] * 67 + ["x"]),
        (b"\xff\xfea\xc3\x28", ["a", "("]),
        ("\u202ea\u009bb\u200bc".encode(), ["a", "b", "c"]),
        (b"\x1b[200~a?\tb\r\n\x01\x1b[201~c", ["a", "?", " ", "b", "enter", "c"]),
    ],
)
def test_bytes_are_keys_however_they_are_cut(data, expected, size):
    assert names(data, size) == expected


def test_pasted_keys_are_marked():
    assert keys(b"\x1b[200~?\x1b[201~?") == [Key("text", "?", True), Key("text", "?", False)]


@given(st.lists(st.binary(max_size=20)))
def test_any_bytes_give_only_printable_text(pieces):
    decoder = KeyDecoder()
    for piece in pieces:
        for key in decoder.feed(piece):
            assert key.text.isprintable()
            assert (key.name == "text") == bool(key.text)


def edit(*pressed, text="", cursor=None, history=()):
    """Return an editor after some keys: names, or single characters."""
    past = History()
    for line in history:
        past.add(line)
    editor = LineEditor(past)
    editor.buffer.set(text)
    editor.buffer.cursor = len(text) if cursor is None else cursor
    editor.outcomes = [editor.press(Key("text", key) if len(key) == 1 else Key(key)) for key in pressed]
    return editor


def line(editor):
    buffer = editor.buffer
    return buffer.text[: buffer.cursor] + "|" + buffer.text[buffer.cursor :]


@pytest.mark.parametrize(
    ("pressed", "text", "cursor", "expected"),
    [
        (["a", "b"], "", 0, "ab|"),
        (["x"], "ab", 1, "ax|b"),
        (["ctrl-a"], "ab", 2, "|ab"),
        (["home"], "ab", 2, "|ab"),
        (["ctrl-e"], "ab", 0, "ab|"),
        (["ctrl-b", "left"], "abc", 3, "a|bc"),
        (["ctrl-f", "right", "right"], "abc", 0, "abc|"),
        (["ctrl-f"], "abc", 3, "abc|"),
        (["backspace"], "abc", 2, "a|c"),
        (["backspace"], "abc", 0, "|abc"),
        (["delete"], "abc", 1, "a|c"),
        (["ctrl-d"], "abc", 1, "a|c"),
        (["ctrl-d"], "abc", 3, "abc|"),
        (["ctrl-k"], "abc", 1, "a|"),
        (["ctrl-u"], "abc", 1, "|bc"),
        (["ctrl-k", "ctrl-a", "ctrl-y"], "abc", 1, "bc|a"),
        (["ctrl-k", "ctrl-k", "ctrl-y"], "abc", 1, "abc|"),
        (["ctrl-w"], "one two-three ", 14, "one |"),
        (["alt-backspace"], "one two-three", 13, "one two-|"),
        (["alt-d"], "one two", 0, "| two"),
        (["alt-b", "alt-b"], "one two-three", 13, "one |two-three"),
        (["alt-f"], "one two", 0, "one| two"),
        (["alt-f"], "one two", 3, "one two|"),
        (["alt-left", "alt-right"], "one two", 7, "one two|"),
        (["ctrl-t"], "abc", 1, "ba|c"),
        (["ctrl-t"], "abc", 3, "acb|"),
        (["ctrl-t"], "a", 1, "a|"),
        (["ctrl-t"], "ab", 0, "|ab"),
        (["left"], "ae\u0301", 3, "a|e\u0301"),
        (["left", "delete"], "ae\u0301b", 4, "ae\u0301|"),
        (["backspace"], "ae\u0301", 3, "a|"),
        (["right"], "e\u0301b", 0, "e\u0301|b"),
    ],
)
def test_keys_edit_the_line(pressed, text, cursor, expected):
    if pressed == ["ctrl-t"] and cursor == 0:
        expected = "ba|"
        pressed = ["right", "ctrl-t"]
    assert line(edit(*pressed, text=text, cursor=cursor)) == expected


@pytest.mark.parametrize(
    ("key", "text", "outcome"),
    [
        ("enter", "x", Outcome.LINE),
        ("ctrl-c", "x", Outcome.INTERRUPT),
        ("ctrl-d", "", Outcome.LOGOUT),
        ("ctrl-d", "x", Outcome.BELL),
        ("ctrl-l", "x", Outcome.CLEAR),
        ("tab", "x", Outcome.COMPLETE),
        ("?", "x", Outcome.HELP),
        ("ctrl-z", "x", Outcome.BELL),
        ("alt-x", "x", Outcome.BELL),
        ("page-up", "x", Outcome.BELL),
        ("up", "x", Outcome.BELL),
        ("down", "x", Outcome.BELL),
        ("ctrl-y", "x", Outcome.NONE),
    ],
)
def test_keys_ask_for_more_than_editing(key, text, outcome):
    assert edit(key, text=text).outcomes == [outcome]


def test_a_line_has_a_limit_and_then_the_bell_rings():
    editor = edit("x", "left", text="y" * LINE_LENGTH)

    assert editor.outcomes == [Outcome.BELL, Outcome.NONE]
    assert len(editor.buffer) == LINE_LENGTH


def test_leafing_keeps_the_draft():
    editor = edit("up", "up", "up", text="draft", history=["one", "two"])
    assert editor.buffer.text == "one"
    assert editor.outcomes[-1] is Outcome.BELL
    for _ in range(3):
        editor.press(Key("ctrl-n"))
    assert editor.buffer.text == "draft"


def test_history_forgets_repeats_blanks_and_the_oldest():
    history = History()
    for text in ("a", "a", " ", "", "b", "a"):
        history.add(text)
    assert history.lines == ["a", "b", "a"]

    for number in range(2 * HISTORY):
        history.add(str(number))
    assert len(history.lines) == HISTORY
    assert history.lines[-1] == str(2 * HISTORY - 1)


def test_the_search_goes_back_and_takes_or_gives_up():
    past = ["show version", "set backend www1 pause", "show vpp info"]
    editor = edit("ctrl-r", "s", "h", "o", "w", text="draft", history=past)
    assert (editor.buffer.text, editor.prompt) == ("show vpp info", "(search)'show': ")
    editor.press(Key("ctrl-r"))
    assert editor.buffer.text == "show version"
    editor.press(Key("ctrl-r"))
    assert editor.buffer.text == "show version"
    editor.press(Key("ctrl-g"))
    assert (editor.buffer.text, editor.prompt) == ("draft", "")
    editor.press(Key("up"))
    assert editor.buffer.text == "show vpp info"

    taken = edit("ctrl-r", "p", "a", "backspace", "a", "enter", history=past)
    assert taken.outcomes[-1] is Outcome.LINE
    assert taken.take_line() == "set backend www1 pause"


def test_a_word_at_a_time_goes_everywhere():
    buffer = LineBuffer()
    buffer.set("a-b  c")
    places = []
    while buffer.cursor:
        buffer.cursor = buffer.word_left()
        places.append(buffer.cursor)

    assert places == [5, 2, 0]


KEY_NAMES = [*"a b?".replace("?", ""), "left", "right", "home", "end", "backspace", "delete", "ctrl-k", "ctrl-u"]
KEY_NAMES += ["ctrl-w", "ctrl-y", "ctrl-t", "alt-b", "alt-f", "alt-d", "alt-backspace", "up", "down", "日", "\u0301"]


@given(st.lists(st.sampled_from(KEY_NAMES), max_size=60), st.integers(MIN_COLUMNS, 60))
def test_whatever_is_pressed_the_screen_shows_the_line_at_the_cursor(pressed, columns):
    editor = edit(*pressed, text="the quick brown fox jumps over the lazy dog", history=["one", "日本語" * 20])
    buffer = editor.buffer
    assert 0 <= buffer.cursor <= len(buffer.text)
    view = LineView(columns)
    screen = ScreenDouble(columns)
    screen.feed(view.draw("maglev# ", buffer.text, buffer.cursor).encode())

    # One row, and the cursor is never in the column after which terminals differ.
    assert len(screen.rows) == 1
    assert screen.column <= max(columns - 1, 0)
    if columns > 8 + 2 * MIN_TEXT and buffer.cursor < len(buffer.text) and char_width(buffer.text[buffer.cursor]):
        shown = screen.rows[0][screen._index() :]
        assert shown[:1] == buffer.text[buffer.cursor]
    whole = text_width("maglev# ") + text_width(buffer.text)
    if whole < columns and columns - 1 - MIN_TEXT >= 8:
        assert screen.rows[0] == "maglev# " + buffer.text


@given(st.lists(st.tuples(st.text("ab日", max_size=80), st.integers(0, 80), st.integers(MIN_COLUMNS, 50)), max_size=20))
def test_a_view_that_is_resized_and_scrolled_stays_in_its_row(steps):
    view = LineView(80)
    for text, cursor, columns in steps:
        view.resize(columns)
        screen = ScreenDouble(columns)
        screen.feed(view.draw("> ", text, min(cursor, len(text))).encode())

        assert len(screen.rows) == 1


def test_widths_are_those_of_a_terminal():
    assert text_width("\x1b[31mup\x1b[0m") == 2
    assert text_width("ä日e\u0301") == 4
    assert [char_width(char) for char in "aä日\u0301"] == [1, 1, 2, 0]


LINES = st.lists(st.tuples(st.text("ab日\u0301", max_size=40), st.integers(0, 40)), min_size=1, max_size=20)


@given(LINES, st.integers(20, 60))
def test_what_is_drawn_over_another_line_looks_as_if_drawn_from_scratch(steps, columns):
    view, screen = LineView(columns), ScreenDouble(columns)
    for text, cursor in steps:
        place = min(cursor, len(text))
        place += sum(1 for _ in itertools.takewhile(lambda char: not char_width(char), text[place:]))
        screen.feed(view.draw("> ", text, place).encode())

        anew = ScreenDouble(columns)
        fresh = LineView(columns)
        fresh._start = view._start
        anew.feed(fresh.draw("> ", text, place).encode())
        assert (screen.rows[0].rstrip(), screen.column) == (anew.rows[0].rstrip(), anew.column)
        assert len(screen.rows) == 1


@given(LINES, st.booleans())
def test_nothing_follows_a_line_with_the_cursor_at_its_end(steps, dumb):
    view = LineView(100, dumb=dumb)
    for text, _ in steps:
        drawn = view.draw("> ", text, len(text))
        printed = re.sub(r"\x1b\[\d*[A-Z]|[\r\b]", "", drawn)
        assert not printed or (drawn[-1] == printed[-1] == f"> {text}"[-1])


@given(LINES, st.integers(20, 60))
def test_a_dumb_terminal_shows_the_line_with_text_alone(steps, columns):
    view, screen = LineView(columns, dumb=True), ScreenDouble(columns)
    for text, cursor in steps:
        place = min(cursor, len(text))
        drawn = view.draw("> ", text, place)
        screen.feed(drawn.encode())
        assert not set(drawn) - set("ab日\u0301<> \r\n")
        if place == len(text) and text.isascii() and len(text) < columns - 2:
            assert screen.last == f"> {text}".rstrip()


@pytest.mark.parametrize(
    ("steps", "sent"),
    [
        (["", "a", "ab", "ab"], ["> ", "a", "b", ""]),
        (["ab", "a"], ["> ab", "\b\x1b[K"]),
        (["ab", ""], ["> ab", "\b\b\x1b[K"]),
        (["abc def ghi", "abc"], ["> abc def ghi", "\x1b[8D\x1b[K"]),
        (["abc", "axc"], ["> abc", "\b\b\x1b[Kxc"]),
        (["e", "e\u0301"], ["> e", "\b\x1b[Ke\u0301"]),
    ],
)
def test_only_what_changes_is_sent(steps, sent):
    view = LineView(80)
    assert [view.draw("> ", text, len(text)) for text in steps] == sent


def test_the_cursor_moves_without_the_text():
    view = LineView(80)
    view.draw("> ", "one two", 7)
    assert [view.draw("> ", "one two", cursor) for cursor in (6, 0, 7)] == ["\b", "\x1b[6D", "\x1b[7C"]


def test_a_dumb_terminal_wraps_a_long_line_and_begins_again_below_it():
    view = LineView(12, dumb=True)
    assert view.draw("> ", "abcdefgh", 8) == "> abcdefgh"
    assert view.draw("> ", "abcdefghijk", 11) == "ijk"
    assert view.draw("> ", "abcdefghij", 10) == "\n> abcdefghij"
    assert view.erase() == "\n"
    assert view.draw("> ", "a", 1) == "> a"
    assert view.erase() == "\r   \r"
