"""The file of overrides: read as a whole, or refused as a whole."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.model.config import MAX_WEIGHT
from maglev.model.override import MAX_DURATION, MAX_REASON, BackendOrder, DrainGoal, Override, Target
from maglev.state.override_file import MAX_FLOWS, MAX_OVERRIDES, SIZE_LIMIT, DamagedError, decode, encode

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=("C", "Z")), max_size=MAX_REASON)
ORDERS = st.sampled_from(list(BackendOrder))
WEIGHTS = st.integers(0, MAX_WEIGHT)
STATES = st.tuples(st.builds(Target, NAMES), ORDERS, ORDERS)
FRONTENDS = st.tuples(
    st.builds(Target, st.just(""), NAMES), *[st.sampled_from(["enable", "disable"]).map(BackendOrder)] * 2
)
SHARES = st.tuples(st.builds(Target, NAMES, NAMES, NAMES), WEIGHTS, WEIGHTS)
TIMES = st.floats(0, 4e9)


@st.composite
def overrides(draw):
    target, value, base = draw(STATES | SHARES | FRONTENDS)
    at = draw(TIMES)
    duration = draw(st.none() | st.floats(0, MAX_DURATION))
    until = None if duration is None else at + duration
    goal = None
    if value is BackendOrder.DRAIN and draw(st.booleans()):
        by = draw(st.none() | st.floats(0, MAX_DURATION).map(lambda seconds: at + seconds))
        goal = DrainGoal(draw(st.integers(0, MAX_FLOWS)), by, draw(st.booleans()))
    return Override(target, value, base, draw(TEXTS), draw(TEXTS), draw(TEXTS), at, until, goal)


LISTS = st.lists(overrides(), max_size=5, unique_by=lambda each: each.target)

SOME = (
    Override(Target("www1"), BackendOrder.DISABLE, BackendOrder.ENABLE, "ann", "ssh", "disk swap", 1e9, 1e9 + 7200),
    Override(Target("www2"), BackendOrder.PAUSE, BackendOrder.ENABLE, "bob", "unix uid 0", "", 1e9),
    Override(Target("www1", "web", "primary"), 25, 100, "ann", "ssh", "f\u00fcr heute", 1e9 + 0.25),
)


DRAIN = Override(
    Target("www3"), BackendOrder.DRAIN, BackendOrder.ENABLE, "ann", "ssh", "", 1e9, None, DrainGoal(5, 1e9 + 60, True)
)


def test_goals_are_written_in_a_format_of_their_own_and_nothing_else_is():
    assert json.loads(encode([DRAIN]))["format"] == 2
    assert json.loads(encode(SOME))["format"] == 1
    assert decode(encode([*SOME, DRAIN])) == (*SOME, DRAIN)


@given(LISTS)
def test_what_is_written_is_read(found):
    assert decode(encode(found)) == tuple(found)


@given(LISTS, st.data())
def test_a_file_that_is_cut_anywhere_is_refused_or_is_whole(found, data):
    content = encode(found)
    cut = content[: data.draw(st.integers(0, len(content) - 1))]
    try:
        read = decode(cut)
    except DamagedError:
        return
    assert cut + b"\n" == content
    assert read == tuple(found)


def test_a_file_that_is_cut_at_each_byte_is_refused():
    content = encode(SOME)
    for length in range(len(content) - 1):
        with pytest.raises(DamagedError):
            decode(content[:length])


@given(LISTS, st.data())
def test_a_changed_byte_is_refused_or_gives_valid_overrides(found, data):
    content = bytearray(encode(found))
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        read = decode(bytes(content))
    except DamagedError:
        return
    assert decode(encode(read)) == read


@given(st.binary(max_size=200))
def test_anything_else_is_refused(content):
    with pytest.raises(DamagedError):
        decode(content)


def changed(**changes):
    whole = json.loads(encode(SOME))
    whole["overrides"][0] |= changes
    return json.dumps(whole).encode()


def goal(**changes):
    whole = json.loads(encode([DRAIN]))
    whole["overrides"][0] |= changes
    return json.dumps(whole).encode()


def weight(**changes):
    whole = json.loads(encode(SOME))
    whole["overrides"][2] |= changes
    return json.dumps(whole).encode()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"x" * (SIZE_LIMIT + 1), "larger than"),
        (b"", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"format": 1, "format": 1, "overrides": []}', "not valid JSON"),
        (b'{"format": NaN, "overrides": []}', "not valid JSON"),
        (b"9" * 5000, "not valid JSON"),
        (b"[]", "an object with a format"),
        (b"{}", "an object with a format"),
        (b'{"format": 3, "overrides": []}', "expected format 1 or 2"),
        (b'{"format": [2], "overrides": []}', "expected format 1"),
        (b'{"format": true, "overrides": []}', "expected format 1"),
        (b'{"format": "1", "overrides": []}', "expected format 1"),
        (b'{"format": 1}', "a list of at most"),
        (b'{"format": 1, "overrides": {}}', "a list of at most"),
        (b'{"format": 1, "overrides": [], "more": 1}', "a list of at most"),
        (json.dumps({"format": 1, "overrides": [1] * (MAX_OVERRIDES + 1)}).encode(), "a list of at most"),
        (b'{"format": 1, "overrides": [1]}', "expected overrides with"),
        (b'{"format": 1, "overrides": [{}]}', "expected overrides with"),
        (changed(more=1), "expected overrides with"),
        (changed(object="www1"), "expected a backend, a frontend"),
        (changed(object={"pool": "web"}), "expected a backend, a frontend"),
        (changed(object={"frontend": "web"}, value="pause"), "expected one of enable, disable for the frontend web"),
        (changed(goal={"flows": 0, "by": None, "disable": False}), "expected overrides with"),
        (goal(value="disable"), "only for a drain"),
        (goal(goal=None), "expected flows, by and disable"),
        (goal(goal={"flows": 0}), "expected flows, by and disable"),
        (goal(goal={"flows": -1, "by": None, "disable": True}), "expected flows in 0"),
        (goal(goal={"flows": True, "by": None, "disable": True}), "expected flows in 0"),
        (goal(goal={"flows": 1.5, "by": None, "disable": True}), "expected flows in 0"),
        (goal(goal={"flows": 0, "by": None, "disable": 1}), "expected true or false"),
        (goal(goal={"flows": 0, "by": "soon", "disable": True}), "expected times as numbers"),
        (goal(goal={"flows": 0, "by": 0.0, "disable": True}), "expected the time limit of a drain after"),
        (changed(object={"backend": "-www1"}), "expected names"),
        (changed(object={"backend": 1}), "expected names"),
        (changed(object={"backend": "www2"}), "one override for each object"),
        (changed(value="stop"), "expected one of enable, drain, pause, disable"),
        (changed(value=None), "expected one of"),
        (changed(value=[]), "expected one of"),
        (changed(base="up"), "expected one of"),
        (weight(value=101), "expected weights in 0..100"),
        (weight(base=-1), "expected weights"),
        (weight(value=True), "expected weights"),
        (weight(value="disable"), "expected weights"),
        (changed(who=None), "printable characters"),
        (changed(reason="x" * 121), "at most 120 printable"),
        (changed(origin="a\nb"), "printable characters"),
        (changed(at="now"), "times as numbers"),
        (changed(at=True), "times as numbers"),
        (changed(at=None), "times as numbers"),
        (changed(at=-1), "seconds since 1970"),
        (changed(at=1e300), "seconds since 1970"),
        (changed(until=1e9 - 1), "the end of an override after its beginning"),
        (changed(until=1e9 + 400 * 86400), "the end of an override after its beginning"),
    ],
)
def test_each_thing_that_is_not_as_written_refuses_the_whole_file(content, expected):
    with pytest.raises(DamagedError, match=expected):
        decode(content)


def test_an_infinite_time_is_refused():
    content = encode(SOME).replace(b"1000000000.0,", b"1e999,", 1)
    with pytest.raises(DamagedError, match="times as numbers"):
        decode(content)


def test_the_largest_file_is_within_the_limit():
    name, text = "x" * 63, "\U0001f600" * MAX_REASON
    longest = Override(Target(name, name, name), 100, 100, text + text[:80], text + text[:80], text, math.pi, math.pi)
    assert len(encode([longest])) * 1.01 * MAX_OVERRIDES < 10 * SIZE_LIMIT
