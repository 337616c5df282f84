"""The comparison of balancers: complete, symmetric in what it finds, silent where there is nothing to compare."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.peers.compare import OURS, LastingDifferences, compare, differences, shared
from maglev.peers.reading import ServerStanding, VipId, VipStanding

WEB = VipId("203.0.113.80/32", "tcp", 80)
DNS = VipId("203.0.113.53/32", "udp", 53)


def server(number=1, **more):
    values = {"name": f"www{number}", "state": "up", "weight": 100, "effective_weight": 100, "programmed_weight": 100}
    return ServerStanding(**{"address": f"198.51.100.{number}", **values, "vpp_weight": 100, **more})


def vip(*servers, key=WEB, frontend="web", state="up", configuration="abc"):
    return VipStanding(key, frontend, state, configuration, {each.address: each for each in servers})


def found(sides, most=1000):
    result = []
    for _ in differences(sides, result, most):
        pass
    return result


def texts(a, b, first=OURS, peer="lb2"):
    return [each.text for each in compare(first, a, peer, b)]


def test_the_same_vip_is_the_same_whatever_its_frontend_is_called():
    assert texts(vip(server()), vip(server(), frontend="site")) == []


@pytest.mark.parametrize(
    ("a", "b", "text"),
    [
        (vip(server()), vip(server(weight=50)), "www1: configured weight 100 here, 50 at lb2"),
        (vip(server()), vip(server(effective_weight=0)), "www1: effective weight 100 here, 0 at lb2"),
        (vip(server()), vip(server(programmed_weight=1)), "www1: programmed weight 100 here, 1 at lb2"),
        (vip(server()), vip(server(vpp_weight=7)), "www1: weight in VPP 100 here, 7 at lb2"),
        (vip(server()), vip(server(state="down")), "this balancer sees www1 up, lb2 sees it down"),
        (
            vip(server()),
            vip(server(name="a", state="down")),
            "this balancer sees www1 (198.51.100.1) up, lb2 sees it down",
        ),
        (vip(server(), server(2)), vip(server()), "www2 (198.51.100.2) is only here"),
        (vip(server()), vip(server(), server(2)), "www2 (198.51.100.2) is only at lb2"),
        (vip(server()), vip(server(), configuration="x"), "the configuration of this balancer and of lb2 differs"),
        (vip(server()), vip(server(), state="down"), "it is up here, down at lb2"),
    ],
)
def test_each_difference_has_its_words(a, b, text):
    assert texts(a, b) == [text]


def test_a_vpp_that_is_not_known_makes_no_difference_of_weights():
    assert texts(vip(server(vpp_weight=None)), vip(server(vpp_weight=5))) == []


def test_two_others_are_compared_where_this_one_does_not_serve():
    sides = {OURS: {}, "lb2": {WEB: vip(server())}, "lb3": {WEB: vip(server(weight=1))}}

    assert [(each.peer, each.text) for each in found(sides)] == [
        ("lb3", "www1: configured weight 100 at lb2, 1 at lb3")
    ]


def test_what_only_one_serves_can_not_differ():
    sides = {OURS: {WEB: vip(server())}, "lb2": {DNS: vip(server(weight=1), key=DNS)}}

    assert found(sides) == []
    assert shared(sides) == {WEB: [OURS], DNS: ["lb2"]}


def test_another_port_is_another_vip():
    other = VipId(WEB.prefix, WEB.protocol, 443)

    assert found({OURS: {WEB: vip(server())}, "lb2": {other: vip(server(weight=1), key=other)}}) == []


def test_no_more_is_kept_than_anybody_reads():
    ours = vip(*[server(number) for number in range(1, 9)])
    theirs = vip(*[server(number, weight=1) for number in range(1, 9)])

    assert len(found({OURS: {WEB: ours}, "lb2": {WEB: theirs}}, most=3)) == 3


weights = st.integers(0, 2)
servers = st.builds(
    lambda number, state, weight, effective, programmed, vpp: server(
        number, state=state, weight=weight, effective_weight=effective, programmed_weight=programmed, vpp_weight=vpp
    ),
    st.integers(1, 3),
    st.sampled_from(["up", "down"]),
    weights,
    weights,
    weights,
    st.none() | weights,
)
vips = st.builds(
    lambda some, state, configuration: vip(*some, state=state, configuration=configuration),
    st.lists(servers, max_size=3),
    st.sampled_from(["up", "down"]),
    st.sampled_from(["a", "b"]),
)


def known(one, other):
    """Return both, but for weights in VPP that are not known at one of them: they can't be compared."""
    if one is None or other is None or None not in {one.vpp_weight, other.vpp_weight}:
        return one, other
    return attrs.evolve(one, vpp_weight=None), attrs.evolve(other, vpp_weight=None)


@given(vips, vips)
def test_a_difference_is_found_exactly_where_there_is_one_and_from_either_side(a, b):
    one = {(each.kind, each.subject) for each in compare(OURS, a, "lb2", b)}
    other = {(each.kind, each.subject) for each in compare("lb2", b, OURS, a)}
    wanted = {
        address
        for address in {*a.servers, *b.servers}
        if len(set(known(a.servers.get(address), b.servers.get(address)))) > 1
    }

    assert one == other
    assert {subject for _, subject in one if subject} == wanted
    assert (("configuration", "") in one) == (a.configuration != b.configuration)
    assert (("frontend", "") in one) == (a.state != b.state)


@given(vips)
def test_nothing_differs_from_itself(a):
    assert list(compare(OURS, a, "lb2", a)) == []


@given(st.dictionaries(st.sampled_from(["lb2", "lb3", "lb4"]), vips), vips)
def test_all_agree_if_and_only_if_nothing_is_found(others, ours):
    sides = {OURS: {WEB: ours}, **{name: {WEB: each} for name, each in others.items()}}
    equal = all(not list(compare(OURS, ours, "x", each)) for each in others.values())

    assert (found(sides) == []) is equal


# Time


def difference(weight=50):
    return next(compare(OURS, vip(server()), "lb2", vip(server(weight=weight))))


def test_a_difference_counts_once_it_has_lasted():
    lasting = LastingDifferences(3.0)
    lasting.update([difference()], 10.0)
    assert lasting.lasting == []
    lasting.update([difference(60)], 12.9)
    assert lasting.lasting == []
    lasting.update([difference(70)], 13.0)

    assert [each.text for each in lasting.lasting] == ["www1: configured weight 100 here, 70 at lb2"]


def test_a_difference_that_pauses_begins_again():
    lasting = LastingDifferences(3.0)
    for now, what in ((0.0, [difference()]), (2.0, []), (2.5, [difference()]), (5.0, [difference()])):
        lasting.update(what, now)
    assert lasting.lasting == []
    lasting.update([difference()], 5.5)

    assert len(lasting.lasting) == 1


@given(st.lists(st.tuples(st.floats(0.1, 2.0), st.booleans()), max_size=30))
def test_it_lasts_exactly_when_it_was_there_for_the_grace_without_a_pause(steps):
    lasting, now, since = LastingDifferences(3.0), 0.0, None
    for pause, there in steps:
        now += pause
        since = (now if since is None else since) if there else None
        lasting.update([difference()] if there else [], now)
        assert bool(lasting.lasting) == (since is not None and now - since >= 3.0)


def test_what_follows_from_a_state_or_a_weight_is_not_told_again():
    other = server(state="down", effective_weight=0, programmed_weight=0, vpp_weight=0)

    assert texts(vip(server()), vip(other)) == ["this balancer sees www1 up, lb2 sees it down"]
    less = server(weight=50, effective_weight=50, programmed_weight=50, vpp_weight=50)
    assert texts(vip(server()), vip(less)) == ["www1: configured weight 100 here, 50 at lb2"]
    assert len(texts(vip(server()), vip(attrs.evolve(other, weight=50)))) == 2
