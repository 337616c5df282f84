"""What the keys of one turn of the reactor may cost, counted in characters that they look at."""

from __future__ import annotations

import itertools
from collections import deque

import pytest
from twisted.internet.defer import succeed
from twisted.internet.task import Clock

from maglev.terminal import line_view
from maglev.terminal.history import History
from maglev.terminal.keys import Key
from maglev.terminal.limits import HISTORY_TEXT, INPUT_SLICE, LINE_LENGTH, LOOKED_AT, TYPED_AHEAD
from maglev.terminal.line_buffer import LineBuffer
from maglev.terminal.line_view import LineView
from maglev.terminal.pager import Pager
from maglev.terminal.session import SessionContext
from maglev.terminal.shell import Shell
from maglev.terminal.stream import MAX_SIDE, Opening, Window
from maglev.terminal.typed_ahead import TypedAhead
from maglev.terminal.width import char_width
from tests.fakes.console import ConsoleWorld
from tests.fakes.ssh import VERA

COMBINING = "e" + "\u0301" * (LINE_LENGTH - 1)

ONE_KEY = HISTORY_TEXT + 500 + 4 * LINE_LENGTH + 2 * MAX_SIDE
"""Characters that the last key of a turn, and the line drawn after it, may look at beyond the budget."""


class Turns:
    """A queue of work in which the test takes the turns."""

    def __init__(self):
        self.waiting = deque()

    def soon(self, work):
        self.waiting.append(work)


class NullStream:
    """A stream that takes everything."""

    def __init__(self):
        self.written = []

    def write(self, data, *, error=False):
        self.written.append(len(data))

    def drain(self):
        return succeed(None)

    def consumed(self, kept=0):
        pass

    def finish(self, status):
        pass


class Typist:
    """Types into a shell, and counts the characters looked at in each turn."""

    def __init__(self, line="", history=()):
        self.turns = Turns()
        self.stream = NullStream()
        control = ConsoleWorld().control_for(VERA)
        context = SessionContext(Clock(), self.turns, control)
        self.shell = Shell(context, self.stream, Opening(VERA, window=Window(MAX_SIDE, 24), term=b"xterm"))
        self.shell.start()
        for each in history:
            self.shell._prompt.history.add(each)
        self.buffer.set(line)
        self.costs = []

    @property
    def buffer(self):
        return self.shell._prompt._editor.buffer

    def turn(self, work, *arguments):
        before = self.shell._looked_at
        work(*arguments)
        self.costs.append(self.shell._looked_at - before)

    def type(self, data):
        self.turn(self.shell.data_received, data)
        while self.turns.waiting:
            self.turn(self.turns.waiting.popleft())


WORST = {
    "a word killed and yanked": ("x" * 4000, (), b"\x17\x19"),
    "a word killed forwards": ("x" * 4000, (), b"\x01\x1bd\x19"),
    "a word killed backwards": ("x" * 4000, (), b"\x1b\x7f\x19"),
    "a word back and forth": ("\xe4" * 4000, (), b"\x1bb\x1bf"),
    "over combining characters": (COMBINING, (), b"\x02\x06"),
    "combining characters deleted": (COMBINING, (), b"\x15\x19\x7f"),
    "a long line given up": ("", ("日" * LINE_LENGTH,), b"\x10\x03"),
    "the history searched": ("", [f"{number:04}{'a' * 4000}" for number in range(500)], b"\x12b"),
}


@pytest.mark.parametrize("name", WORST)
def test_keys_that_look_at_much_are_obeyed_in_turns(name):
    line, history, keys = WORST[name]
    typist = Typist(line, history)
    typist.type((keys * INPUT_SLICE)[:INPUT_SLICE])

    assert max(typist.costs) <= LOOKED_AT + ONE_KEY
    assert len(typist.costs) > 1


@pytest.mark.parametrize("keys", [b"show backends\r\x03", b"show b?\x03", b"sh\t\x03", b"show version\r"])
def test_one_command_or_question_at_most_begins_in_a_turn(keys):
    typist = Typist()
    begun = [0]
    typist.shell.data_received(keys * 40)
    begun.append(typist.shell._begun)
    while typist.turns.waiting:
        typist.turns.waiting.popleft()()
        begun.append(typist.shell._begun)

    assert max(after - before for before, after in itertools.pairwise(begun)) == 1
    assert begun[-1] == 40


def test_what_was_typed_ahead_is_obeyed_within_the_same_bound():
    typist = Typist("x" * 4000)
    for key in (Key("ctrl-w"), Key("ctrl-y")) * 500:
        assert typist.shell._ahead.append(key)
    typist.turn(typist.shell._catch_up)
    while typist.turns.waiting:
        typist.turn(typist.turns.waiting.popleft())

    assert len(typist.costs) > 1
    assert max(typist.costs) <= LOOKED_AT + ONE_KEY
    assert typist.buffer.text == "x" * 4000


def test_keys_that_wait_for_a_turn_are_obeyed_in_order_and_none_is_lost():
    typist = Typist("x" * 4000)
    typist.shell.data_received(b"\x17\x19" * 300 + b"a")
    typist.shell.data_received(b"b")
    assert typist.turns.waiting
    while typist.turns.waiting:
        typist.turns.waiting.popleft()()

    assert typist.buffer.text == "x" * 4000 + "ab"


def test_the_end_of_the_input_waits_for_the_keys_before_it():
    typist = Typist("x" * 4000)
    typist.shell.data_received(b"\x17\x19" * 300 + b"a")
    typist.shell.eof_received()
    while typist.turns.waiting:
        assert typist.buffer.text != "x" * 4000 + "a"
        typist.turns.waiting.popleft()()

    assert typist.buffer.text == "x" * 4000 + "a"


def test_keys_that_wait_are_dropped_at_the_end_of_the_session():
    typist = Typist("x" * 4000)
    typist.shell.data_received(b"\x17\x19" * 300 + b"a")
    typist.shell.closed()
    assert not typist.shell._keys
    while typist.turns.waiting:
        typist.turns.waiting.popleft()()

    assert not typist.buffer.text.endswith("a")


def test_the_history_is_bounded_in_characters_too():
    history = History()
    for number in range(100):
        history.add(f"{number:04}".ljust(LINE_LENGTH, "x"))

    assert len(history.lines) == HISTORY_TEXT // LINE_LENGTH
    assert history.lines[-1].startswith("0099")
    assert history.search("y") is None
    assert history.looked_at == HISTORY_TEXT + len(history.lines)


@pytest.mark.parametrize(
    ("text", "place"), [("", 0), ("  ", 0), ("a b", 2), ("a b  ", 2), ("ab", 0), (" ab", 1), ("a\u3000bc", 2)]
)
def test_words_between_blanks(text, place):
    buffer = LineBuffer()
    buffer.set(text)

    assert buffer.blank_left() == place
    assert buffer.looked_at == len(text) - place


def test_a_search_in_the_output_is_counted():
    pager = Pager()
    pager.begin(2)
    pager.take("x\n" * 1000)
    pager.lines(80)
    before = pager.looked_at
    for key in (Key("text", "/"), Key("text", "y"), Key("enter")):
        pager.press(key)

    assert pager.lines(80) == []
    assert pager.looked_at - before == 2 * 999


def test_a_dumb_terminal_draws_each_character_a_few_times_only(monkeypatch):
    asked = []

    def counted(char):
        asked.append(char)
        return char_width(char)

    text = "x" + "\u0301" * 4000 + "yz"
    view = LineView(80, dumb=True)
    view.draw("> ", text, len(text))
    monkeypatch.setattr(line_view, "char_width", counted)
    monkeypatch.setattr(line_view, "text_width", lambda part: sum(map(counted, part)))
    view.draw("> ", text, len(text) - 1)

    assert len(asked) <= 10 * len(text)


def test_equal_keys_typed_ahead_are_kept_once():
    ahead = TypedAhead()
    for _ in range(64 * 1024):
        assert ahead.append(Key("text", "y"))

    assert ahead.size <= TYPED_AHEAD
    first = ahead.popleft()
    assert ahead.popleft() is first


def test_different_keys_typed_ahead_are_bounded_by_their_memory():
    ahead = TypedAhead()
    taken = sum(ahead.append(Key("text", chr(0x4E00 + number))) for number in range(20_000))
    eof = Key("eof")

    assert taken == len(ahead) < 3000
    assert eof not in ahead
    assert not ahead.append(eof)
    assert ahead.append(eof, always=True)
    assert eof in ahead
    while ahead:
        ahead.popleft()
    assert ahead.size == 0
    assert ahead.append(eof)
    ahead.clear()
    assert ahead.size == len(ahead) == 0
