"""The words of agents: HAProxy's protocol, and what holds after them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.model.agent import NEUTRAL, AgentWord, answer_of, weight_of

WORDS = ["up", "down", "fail", "stopped", "ready", "drain", "maint", "0%", "50%", "100%", "500%", "maxconn:30", "odd"]


@pytest.mark.parametrize(
    ("line", "text", "after"),
    [
        (b"up", "up", NEUTRAL),
        (b"UP\tReady,75%", "up ready 75%", AgentWord(percent=75)),
        (b"  drain ,, 50%  ", "drain 50%", AgentWord(order="drain", percent=50)),
        (b"down #disk is full, really", "down #disk is full, really", AgentWord("down")),
        (b"50%#x", "#ignored: 50%#x", NEUTRAL),
        (b"stopped,# by hand", "stopped #by hand", AgentWord("stopped")),
        (b"#down", "#down", NEUTRAL),
        (b"down up fail", "fail", AgentWord("fail")),
        (b"maint ready", "ready", NEUTRAL),
        (b"20% 30%", "30%", AgentWord(percent=30)),
        (b"120%", "120%", NEUTRAL),
        (b"0%", "0%", AgentWord(percent=0)),
        (b"maxconn:30", "maxconn:30", NEUTRAL),
        (b"maxconn:x", "#ignored: maxconn:x", NEUTRAL),
        (b"-5%", "#ignored: -5%", NEUTRAL),
        (b"7.5%", "#ignored: 7.5%", NEUTRAL),
        (b"9999999999%", "#ignored: 9999999999%", NEUTRAL),
        (b"down foo bar #why", "down #why; ignored: foo", AgentWord("down")),
        (b"\x1b[31m\xff\0", r"#ignored: \x1b[31m\xff\x00", NEUTRAL),
        (b"", "", NEUTRAL),
    ],
)
def test_what_a_line_says(line, text, after):
    answer = answer_of(line)
    assert (str(answer), answer.after(NEUTRAL)) == (text, after)
    assert bool(answer.words) == (not text.startswith("#") and bool(text))


def test_what_an_answer_leaves_out_stays_as_it_was():
    word = answer_of(b"drain 50% down").after(NEUTRAL)
    word = answer_of(b"up").after(word)
    assert word == AgentWord(order="drain", percent=50)
    word = answer_of(b"ready").after(answer_of(b"maxconn:7").after(word))
    assert word == AgentWord(percent=50)
    assert answer_of(b"100%").after(word) == NEUTRAL


@given(st.lists(st.sampled_from(WORDS), max_size=12), st.sampled_from([b"", b"#", b"#x down", b"# " + b"y" * 500]))
def test_the_text_of_an_answer_is_short_and_has_the_same_words(words, description):
    answer = answer_of(b" ".join([*(word.encode() for word in words), description]))
    again = answer_of(str(answer).encode())
    assert again.words == answer.words
    assert again.after(NEUTRAL) == answer.after(NEUTRAL)
    assert len(str(answer)) <= 200


@given(st.binary(max_size=300))
def test_any_bytes_are_a_line(line):
    answer = answer_of(line)
    assert str(answer).isprintable()
    assert answer_of(str(answer).encode()).words == answer.words


@pytest.mark.parametrize(
    ("word", "text", "kind"),
    [
        (NEUTRAL, "up", ("", "", 100)),
        (AgentWord("fail", "drain", 7), "fail drain 7%", ("fail", "drain", 1)),
        (AgentWord(percent=0), "0%", ("", "", 0)),
        (AgentWord(percent=99), "99%", ("", "", 1)),
    ],
)
def test_a_word_in_words(word, text, kind):
    assert (str(word), word.kind) == (text, kind)


def test_a_part_of_a_weight_is_rounded_and_never_0_by_that():
    parts = [(100, 50), (1, 50), (3, 50), (100, 1), (1, 1), (100, 0), (0, 50), (77, 100), (0, 100), (50, 99)]
    assert [weight_of(AgentWord(percent=percent), weight) for weight, percent in parts] == [
        50, 1, 2, 1, 1, 0, 0, 77, 0, 50,
    ]  # fmt: skip
