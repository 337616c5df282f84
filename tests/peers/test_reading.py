"""What a peer says is checked: all that it may send, and nothing else, within bounds."""

from __future__ import annotations

import contextlib
import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.peers import reading
from maglev.peers.reading import VPP_STATES, JunkError, StandingReader, VipId
from tests.fakes.world import served_server, served_vip

PAGE = {
    "rows": [served_vip(served_server(), served_server("198.51.100.12", "www2", weight=50))],
    "next": None,
    "host": "lb2",
    "boot": "0123",
    "version": "1.2",
    "vpp": "connected",
}


def read(*pages):
    reader = StandingReader()
    for page in pages:
        for _ in reader.page(page):
            pass
        reader.after(page)
    return reader.standing()


def changed(place, value):
    """Return a page in which one thing is another one; REMOVED takes it away."""
    page = copy.deepcopy(PAGE)
    where = page
    for key in place[:-1]:
        where = where[key]
    where[place[-1]] = value
    return page


def test_a_balancer_is_read_page_by_page():
    second = {**PAGE, "rows": [served_vip(port=443)], "next": None}
    standing = read({**PAGE, "next": "1"}, second)

    assert standing.identity.host == "lb2"
    assert list(standing.vips) == [VipId("203.0.113.80/32", "tcp", 80), VipId("203.0.113.80/32", "tcp", 443)]
    web = standing.vips[VipId("203.0.113.80/32", "tcp", 80)]
    assert (web.frontend, web.state, list(web.servers)) == ("web", "up", ["198.51.100.11", "198.51.100.12"])
    assert str(web.key) == "203.0.113.80/32 tcp 80"


def test_where_the_next_page_begins():
    assert StandingReader().after(PAGE) is None
    assert StandingReader().after({**PAGE, "next": "7"}) == "7"
    for page in ({**PAGE, "next": 7}, {key: value for key, value in PAGE.items() if key != "next"}):
        with pytest.raises(JunkError, match="invalid next"):
            StandingReader().after(page)
    with pytest.raises(JunkError, match="without rows"):
        StandingReader().after({**PAGE, "rows": [], "next": "7"})


def test_a_weight_in_vpp_may_be_unknown():
    page = changed(("rows", 0, "servers", 0, "vpp_weight"), None)

    assert next(iter(read(page).vips.values())).servers["198.51.100.11"].vpp_weight is None


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("vpp",), "nonsense", "vpp"),
        (("host",), "\x1b[2J", "host"),
        (("version",), "v" * 129, "version"),
        (("boot",), None, "boot"),
        (("rows",), {}, "rows"),
        (("rows", 0), "web", "expected a dictionary"),
        (("rows", 0, "prefix"), "203.0.113.80", "prefix"),
        (("rows", 0, "prefix"), "nonsense/32", "prefix"),
        (("rows", 0, "prefix"), "203.0.113.80/x", "prefix"),
        (("rows", 0, "port"), 65536, "port"),
        (("rows", 0, "port"), True, "port"),
        (("rows", 0, "port"), "80", "port"),
        (("rows", 0, "servers"), None, "servers"),
        (("rows", 0, "servers", 0, "address"), "www1", "address"),
        (("rows", 0, "servers", 0, "weight"), 101, "weight"),
        (("rows", 0, "servers", 0, "vpp_weight"), -1, "vpp_weight"),
    ],
)
def test_what_makes_no_sense_is_junk(place, value, words):
    with pytest.raises(JunkError, match=words):
        read(changed(place, value))


def test_a_server_needs_all_its_keys():
    page = copy.deepcopy(PAGE)
    del page["rows"][0]["servers"][0]["vpp_weight"]
    with pytest.raises(JunkError, match="vpp_weight"):
        read(page)


@pytest.mark.parametrize(("limit", "most"), [("MAX_VIPS", 1), ("MAX_SERVERS", 3)])
def test_a_balancer_without_end_is_refused(monkeypatch, limit, most):
    monkeypatch.setattr(reading, limit, most)
    page = {**PAGE, "rows": [*PAGE["rows"], served_vip(port=1), served_vip(port=2)]}
    with pytest.raises(JunkError, match="too many"):
        read(page)


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["203.0.113.80/32", "1.2.3.4"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*PAGE, *PAGE["rows"][0]]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(junk, st.sampled_from([("rows",), ("rows", 0), ("rows", 0, "servers"), ("rows", 0, "servers", 0), ("host",)]))
def test_whatever_comes_is_read_or_junk(value, place):
    for page in (value, changed(place, value)):
        with contextlib.suppress(JunkError):
            assert read(page).identity.vpp in VPP_STATES
