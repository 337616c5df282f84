"""The rows, what changed, and the history of traffic."""

import json

from maglev.web.history import LENGTH, TrafficHistory
from maglev.web.row_store import KINDS, RowStore


def test_only_what_changed_is_taken():
    store = RowStore()
    assert store.take() == b""
    store.put("backends", "a", {"state": "up"})
    store.put("backends", "b", {"state": "up"})
    assert json.loads(store.take()) == {"backends": {"a": {"state": "up"}, "b": {"state": "up"}}}
    store.put("backends", "a", {"state": "up"})
    assert store.take() == b""
    store.put("backends", "a", {"state": "down"})
    store.put("checks", "a", [False, "L4CON", "é\n"])
    assert json.loads(store.take()) == {
        "backends": {"a": {"state": "down"}},
        "checks": {"a": [False, "L4CON", "é\n"]},
    }


def test_what_is_gone_is_null():
    store = RowStore()
    for name in "abc":
        store.put("seen", name, [1.0, 2.0])
    store.take()
    store.keep("seen", {"b"})
    store.remove("seen", "x")
    assert json.loads(store.take()) == {"seen": {"a": None, "c": None}}
    assert (list(store.names("seen")), store.row("seen", "b"), store.row("seen", "a")) == (
        ["b"],
        [1.0, 2.0],
        None,
    )


def test_a_row_may_be_none():
    store = RowStore()
    store.put("about", "x", None)
    assert json.loads(store.take()) == {"about": {"x": None}}
    store.put("about", "x", None)
    assert store.take() == b""


def test_the_whole_has_every_kind_in_one_line():
    store = RowStore()
    store.put("about", 'a"b', {"text": "x\ny"})
    whole = store.whole()
    assert json.loads(whole) == {**{kind: {} for kind in KINDS}, "about": {'a"b': {"text": "x\ny"}}}
    assert b"\n" not in whole


def test_rates_are_those_between_two_readings():
    history = TrafficHistory()
    assert history.add({"a": 100, "b": 5}, 10.0) == {}
    assert history.add({"a": 300, "b": 5}, 20.0) == {"a": 20}
    assert dict(history.series()) == {"a": [0, 20]}


def test_a_counter_that_fell_has_no_rate_and_one_that_is_gone_no_history():
    history = TrafficHistory()
    history.add({"a": 100, "b": 0}, 10.0)
    history.add({"a": 200, "b": 50}, 20.0)
    assert history.add({"a": 20, "c": 4}, 30.0) == {}
    assert dict(history.series()) == {"a": [0, 10, 0]}


def test_the_history_is_bounded():
    history = TrafficHistory()
    for step in range(LENGTH + 5):
        history.add({"a": 10 * step}, float(step))
    assert dict(history.series()) == {"a": [10] * LENGTH}
