"""Who gets in, and who must go: sources, shares of descriptors, waiting rooms, places."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.runtime.admission import (
    FAMILIAR,
    FAVOURED,
    LEAST,
    OWN,
    Descriptors,
    Places,
    Trust,
    WaitingRoom,
    descriptor_limit,
    source_of,
    source_of_address,
)
from tests.fakes.http import HalfClosingTransport


class Guest:
    def __init__(self, source="a"):
        self.source = source
        self.out = False

    def turn_away(self):
        assert not self.out
        self.out = True


def last(count):
    """Choose the last of those that may be chosen."""
    return count - 1


@pytest.mark.parametrize(
    ("host", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("here", "here"),
    ],
)
def test_the_source_is_an_address_of_ipv4_and_a_network_of_ipv6(host, source):
    assert source_of_address(host) == source


def test_a_peer_without_an_address_is_a_local_one():
    transport = HalfClosingTransport(peerAddress=object())
    assert source_of(transport) == "local"


# Descriptors


def test_listeners_get_what_they_want_while_there_is_plenty():
    descriptors = Descriptors(lambda: 20_000, lambda: 65_536)
    assert [descriptors.share(wanted).get_size() for wanted in (64, 256)] == [64, 256]


def test_probes_have_theirs_before_listeners():
    backends = 500
    descriptors = Descriptors(lambda: backends, lambda: 1024)
    shares = [descriptors.share(wanted) for wanted in (64, 256, 800)]
    assert sum(share.get_size() for share in shares) <= 1024 - OWN - 500
    assert [share.get_size() for share in shares] == [wanted * (1024 - OWN - 500) // 1120 for wanted in (64, 256, 800)]
    backends = 100
    assert sum(share.get_size() for share in shares) > 700


def test_a_few_places_are_left_however_low_the_limit_is():
    descriptors = Descriptors(lambda: 5000, lambda: 1024)
    assert descriptors.share(64).get_size() == LEAST
    assert descriptors.share(4).get_size() == 4


def test_the_limit_is_that_of_the_process():
    assert descriptor_limit() > 100
    assert Descriptors(lambda: 0).share(1).get_size() == 1


# The waiting room


def test_there_is_room_until_it_is_full():
    room = WaitingRoom(lambda: 3)
    guests = [Guest() for _ in range(3)]
    for guest in guests:
        room.enter(guest)
    assert (len(room), room.count("a"), room.count("b"), room.turned_away) == (3, 3, 0, 0)
    room.leave(guests[0])
    room.leave(guests[0])
    assert len(room) == 2
    assert not any(guest.out for guest in guests)


def test_who_connects_most_only_displaces_its_own():
    room = WaitingRoom(lambda: 10)
    others = [Guest(name) for name in "bcd"]
    for guest in others:
        room.enter(guest)
    crowd = [Guest() for _ in range(1000)]
    for guest in crowd:
        room.enter(guest)
    assert not any(guest.out for guest in others)
    assert sum(not guest.out for guest in crowd) == 7
    assert room.turned_away == 993


def test_a_newcomer_is_never_the_one_while_there_are_others():
    room = WaitingRoom(lambda: 2, last)
    first, second = Guest("a"), Guest("b")
    for guest in (first, second):
        room.enter(guest)
    for _ in range(100):
        newcomer = Guest("a")
        room.enter(newcomer)
        assert not newcomer.out
    assert not second.out


@pytest.mark.parametrize("sources", [1, 100])
def test_half_as_many_as_there_are_places_may_come_before_anybody_has_to_go(sources):
    """It gives everybody time to say something, whether all come from one source or each from another."""
    room = WaitingRoom(lambda: 100, last)
    for number in range(100):
        room.enter(Guest(f"s{number % sources}"))
    mine = Guest(f"s{sources}" if sources > 1 else "s0")
    room.enter(mine)
    for number in range(49):
        room.enter(Guest(f"t{number}" if sources > 1 else "s0"))
        assert not mine.out


def test_beyond_that_it_is_chance_and_not_age():
    """Always the oldest would mean that nobody who needs longer than the others take to fill the room gets in."""
    stayed = 0
    for _ in range(200):
        room = WaitingRoom(lambda: 20)
        mine = Guest()
        room.enter(mine)
        for _ in range(25):
            room.enter(Guest())
        stayed += not mine.out
    assert 50 < stayed < 180


def flooded(room, count=1000):
    for number in range(count):
        room.enter(Guest(f"s{number}"))


def test_a_source_from_which_somebody_has_logged_in_goes_last():
    room = WaitingRoom(lambda: 20)
    room.remember("a")
    mine = [Guest("a") for _ in range(FAVOURED)]
    for guest in mine:
        room.enter(guest)
    flooded(room)
    assert not any(guest.out for guest in mine)


def test_it_goes_as_any_other_with_more_connections_or_when_it_is_forgotten():
    room = WaitingRoom(lambda: 20)
    room.remember("a")
    mine = [Guest("a") for _ in range(FAVOURED + 1)]
    for guest in mine:
        room.enter(guest)
    flooded(room)
    assert any(guest.out for guest in mine)

    for number in range(FAMILIAR):
        room.remember(f"b{number}")
    forgotten = Guest("a")
    room.enter(forgotten)
    flooded(room)
    assert forgotten.out


def test_such_sources_leave_half_of_the_room_to_others():
    room = WaitingRoom(lambda: 20)
    for number in range(20):
        room.remember(f"a{number}")
        room.enter(Guest(f"a{number}"))
    newcomer = Guest("b")
    room.enter(newcomer)
    assert not newcomer.out


def test_without_any_place_the_newcomer_goes():
    room = WaitingRoom(lambda: 0)
    guest = Guest()
    room.enter(guest)
    assert guest.out
    assert len(room) == 0
    assert not room.make_room()


def test_room_can_be_made_at_the_expense_of_one_source():
    room = WaitingRoom(lambda: 10)
    crowd, other = [Guest("a") for _ in range(5)], Guest("b")
    for guest in (*crowd, other):
        room.enter(guest)
    assert room.make_room("b") is not None
    assert other.out
    assert not room.make_room("b")
    assert not room.make_room("c")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60), st.integers(1, 6))
def test_the_room_holds_exactly_those_who_were_not_turned_away_and_did_not_leave(steps, size):
    room = WaitingRoom(lambda: size)
    inside = []
    for source, enters in steps:
        if enters:
            guest = Guest(source)
            inside.append(guest)
            room.enter(guest)
        elif inside:
            room.leave(inside.pop())
        inside = [guest for guest in inside if not guest.out]
        assert len(room) == len(inside) <= size
        assert {each: room.count(each) for each in "abc"} == {
            each: sum(guest.source == each for guest in inside) for each in "abc"
        }


# Places


def fill(places, trust, names="abcdefghijklmnopqrstuvwxyz"):
    """Take all places that peers of a trust can get; return their number."""
    before = len(places)
    for name in names:
        while not places.take(name, trust):
            pass
    return len(places) - before


def test_viewers_leave_places_to_operators_and_all_of_them_to_root():
    places = Places(lambda: 256, Trust.ROOT)
    assert fill(places, Trust.VIEWER) == 128
    assert places.take("z", Trust.VIEWER) == "too many sessions: at most 128 of viewers"
    assert fill(places, Trust.OPERATOR) == 112
    assert places.take("z", Trust.OPERATOR) == "too many sessions: at most 240 of viewers and operators"
    assert fill(places, Trust.ROOT, ["root"]) == 16
    assert places.take("z", Trust.ROOT) == "too many sessions: at most 256"


def test_operators_may_take_all_where_there_is_no_root():
    places = Places(lambda: 128, Trust.OPERATOR)
    assert fill(places, Trust.VIEWER) == 64
    assert fill(places, Trust.OPERATOR) == 64
    assert places.take("z", Trust.OPERATOR) == "too many sessions: at most 128"


def test_all_viewers_and_one_operator_leave_room_for_another_operator():
    places = Places(lambda: 128, Trust.OPERATOR)
    fill(places, Trust.VIEWER)
    assert fill(places, Trust.OPERATOR, ["ada"]) == 48
    assert places.take("ada", Trust.OPERATOR) == "too many sessions of ada: at most 48"
    assert places.take("bob", Trust.OPERATOR) == ""


def test_two_viewers_leave_room_for_a_third():
    places = Places(lambda: 128, Trust.OPERATOR)
    assert fill(places, Trust.VIEWER, "ab") == 48
    assert places.take("c", Trust.VIEWER) == ""


def test_a_viewer_finds_no_place_that_is_kept_for_root_either():
    places = Places(lambda: 16, Trust.ROOT)
    assert fill(places, Trust.OPERATOR) == 15
    assert places.take("a", Trust.VIEWER) == "too many sessions: at most 15 of viewers and operators"


def test_a_viewer_of_the_same_name_is_somebody_else():
    places = Places(lambda: 128, Trust.OPERATOR)
    fill(places, Trust.VIEWER, ["ada"])
    assert places.take("ada", Trust.OPERATOR) == ""


def test_a_place_can_be_had_again_when_it_is_given_back():
    places = Places(lambda: 1, Trust.OPERATOR)
    assert places.take("ada", Trust.OPERATOR) == ""
    assert places.take("bob", Trust.OPERATOR) != ""
    places.give_back("ada", Trust.OPERATOR)
    assert places.take("bob", Trust.OPERATOR) == ""
