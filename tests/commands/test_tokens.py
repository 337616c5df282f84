"""A line as words with their columns."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.commands.language.faults import UsageError
from maglev.commands.language.tokens import LINE_LIMIT, WORD_LIMIT, folded, split


def words(line):
    """Return the words of each segment of a line."""
    return [[word.text for word in segment.words] for segment in split(line)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", [[]]),
        ("  \t ", [[]]),
        ("show frontends", [["show", "frontends"]]),
        ("  show\tfrontends \r\n", [["show", "frontends"]]),
        ("show | count", [["show"], ["count"]]),
        ("show|count", [["show"], ["count"]]),
        ("show |", [["show"], []]),
        ("|", [[], []]),
        ('show "a b"', [["show", "a b"]]),
        ("show 'a b'c", [["show", "a bc"]]),
        ("show ''", [["show", ""]]),
        ('show "it\'s"', [["show", "it's"]]),
        (r'x | include "\d+\"\\x"', [["x"], ["include", r'\d+"\\x']]),
        (r"x | include \d+\.", [["x"], ["include", r"\d+\."]]),
        ("x | include up|down", [["x"], ["include", "up|down"]]),
        ("x|include up|down|count", [["x"], ["include", "up|down|count"]]),
        ("x | include up |down", [["x"], ["include", "up"], ["down"]]),
        ("x | include '|'", [["x"], ["include", "|"]]),
        ('x | include "a | b" | count', [["x"], ["include", "a | b"], ["count"]]),
    ],
)
def test_lines_are_split_into_words_and_filters(line, expected):
    assert words(line) == expected


def test_columns_are_those_of_the_line():
    command, pipe = split("  show 'a b' | count x")

    assert [(word.start, word.end) for word in command.words] == [(2, 6), (7, 12)]
    assert (command.start, command.end) == (0, 13)
    assert [(word.start, word.end) for word in pipe.words] == [(15, 20), (21, 22)]
    assert (pipe.start, pipe.end) == (14, 22)


@pytest.mark.parametrize("line", ["show 'a", 'show "a b', "show \"a'", r'show "a\"'])
def test_a_quote_that_is_never_closed_is_remembered(line):
    assert not split(line)[0].words[-1].closed


def test_a_line_of_the_longest_length_is_taken_and_a_longer_one_refused():
    assert words("a" * LINE_LIMIT) == [["a" * LINE_LIMIT]]

    with pytest.raises(UsageError, match="too long") as caught:
        split("a" * (LINE_LIMIT + 1))

    assert caught.value.column == LINE_LIMIT


def test_words_are_counted_over_all_filters():
    assert len(words("a " * WORD_LIMIT)[0]) == WORD_LIMIT

    with pytest.raises(UsageError, match="at most 64 words") as caught:
        split("a " * 32 + "| b " * 33)

    assert caught.value.column == 64 + 32 * 4 + 2


def test_an_expression_of_several_words_is_one_text():
    segment = folded(split("x | include  weight   50 'effective'")[1])

    assert [word.text for word in segment.words] == ["include", "weight 50 effective"]
    assert (segment.words[1].start, segment.words[1].end) == (13, 36)
    assert segment.words[1].closed
    assert not folded(split("x | include a 'b")[1]).words[1].closed
    assert folded(split("x | include a")[1]) == split("x | include a")[1]


@given(st.text(st.sampled_from("ab \t|'\"\\"), max_size=40))
def test_words_lie_in_order_within_their_segment(line):
    segments = split(line)

    assert segments[0].start == 0
    assert segments[-1].end == len(line)
    for segment in segments:
        column = segment.start
        for word in segment.words:
            assert column <= word.start < word.end <= segment.end
            column = word.end
    for before, after in itertools.pairwise(segments):
        assert after.start == before.end + 1
        assert line[before.end] == "|"
