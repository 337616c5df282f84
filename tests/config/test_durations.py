"""Durations, in and out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.config import durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5s", 5.0),
        ("1m30s", 90.0),
        ("500ms", 0.5),
        ("1.5s", 1.5),
        (".5s", 0.5),
        ("1.s", 1.0),
        ("100us", 0.0001),
        ("100µs", 0.0001),
        ("100μs", 0.0001),
        ("7ns", 7e-9),
        ("1h0.5m1ms", 3630.001),
        ("1s1m", 61.0),
        ("+2s", 2.0),
        ("-2s", -2.0),
        ("1.9ns", 1e-9),
        ("0", 0.0),
        ("0.0", 0.0),
        ("-0", 0.0),
        ("0h", 0.0),
    ],
)
def test_texts_that_are_durations(text, seconds):
    assert durations.parse(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s",
        ".s",
        "5 s",
        "5x",
        "5S",
        "5sec",
        "1d",
        "s5",
        "1m30",
        "--5s",
        "1_000s",
        "\u0665s",
        "5s\n",
        "1e3s",
    ],
)
def test_texts_that_are_none(text):
    with pytest.raises(ValueError, match=r'^invalid duration ".*": expected a number with a unit, such as'):
        durations.parse(text)


@pytest.mark.parametrize("text", ["1" * 63 + "ms", "0" * 65, "9" * 64 + "h", "x" * 65])
def test_a_text_beyond_the_limit_is_told_so(text):
    with pytest.raises(
        ValueError, match=rf'^invalid duration "{text[:37]}\.\.\.": expected at most 64 characters, not 65$'
    ):
        durations.parse(text)


def test_a_long_number_without_a_unit_is_clipped():
    with pytest.raises(ValueError, match=r"^9{37}\.\.\. has no unit: expected one, such as s or ms$"):
        durations.parse("9" * 41)


@pytest.mark.parametrize("text", ["5", "1.5", ".5", "-3"])
def test_a_number_without_a_unit_is_told_so(text):
    with pytest.raises(ValueError, match=f"^{text} has no unit: write {text}s or {text}ms$"):
        durations.parse(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (-0.0, "0s"),
        (90.0, "1m30s"),
        (1.5, "1s500ms"),
        (86400.0, "24h"),
        (0.01, "10ms"),
        (-1.0, "-1s"),
        (1e-9, "1ns"),
        (1e-12, "0s"),
    ],
)
def test_spelling(seconds, text):
    assert durations.spell(seconds) == text


@given(st.integers(-(10**15), 10**15))
def test_a_spelt_duration_reads_back(nanoseconds):
    seconds = nanoseconds / 1e9

    assert durations.parse(durations.spell(seconds)) == seconds


@given(st.text(alphabet="0123456789.hmsunµ+- ", max_size=70))
def test_any_text_is_a_duration_or_a_value_error(text):
    try:
        seconds = durations.parse(text)
    except ValueError:
        return
    assert durations.parse(durations.spell(seconds)) == pytest.approx(seconds, abs=1e-9)
