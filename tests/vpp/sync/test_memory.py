"""The contest: when somebody else who programs the same VPP is noticed, and when that is over."""

from __future__ import annotations

import pytest

from maglev.vpp.lb.state import AddVip, DeleteVip, Encap, VipKey
from maglev.vpp.sync.memory import NAMED, QUIET_READS, Contest

OURS, MORE, LAST = (VipKey("192.0.2.1", 32, 6, port) for port in (80, 443, 8080))
THEIRS, OTHER = (VipKey("192.0.2.2", 32, 6, port) for port in (80, 443))
BOTH = {OURS, MORE}


@pytest.fixture
def contest():
    return Contest()


@pytest.fixture
def fought():
    """Return a contest that is one."""
    made = Contest()
    made.removing({THEIRS})
    made.look(BOTH, BOTH | {THEIRS}, BOTH)
    assert made.contested
    return made


@pytest.mark.parametrize(
    ("known", "found", "contested"),
    [
        (BOTH, {THEIRS, OTHER}, True),
        (BOTH, {THEIRS}, True),
        # Somebody has deleted one of ours, or all, or added something of his own, or has moved one of ours.
        (BOTH, {OURS}, False),
        (BOTH, set(), False),
        (BOTH, {*BOTH, THEIRS, OTHER}, False),
        (BOTH, {OURS, THEIRS}, False),
        ({OURS}, {THEIRS}, False),
        # We have not made ours yet, and theirs were there before.
        ({THEIRS}, {THEIRS}, False),
        ({*BOTH, THEIRS}, {THEIRS}, False),
    ],
)
def test_others_instead_of_all_that_was_ours_are_a_contest_at_once(contest, told, known, found, contested):
    contest.look(known, found, BOTH)
    assert contest.contested is contested
    assert len(told("vpp-contested")) == contested


def test_two_of_ours_that_were_replaced_by_hand_are_no_contest_while_others_are_left(contest):
    contest.look({*BOTH, LAST}, {LAST, THEIRS, OTHER}, {*BOTH, LAST})
    assert not contest.contested


def test_a_foreign_vip_that_comes_back_is_a_contest_before_it_is_deleted_again(contest, told):
    contest.removing({THEIRS})
    contest.look(BOTH | {THEIRS}, BOTH, BOTH)
    assert not contest.contested
    contest.look(BOTH, {OURS, THEIRS, OTHER}, BOTH)
    assert contest.contested
    assert told("vpp-contested") == [{"missing": ["tcp://192.0.2.1:443"], "foreign": ["tcp://192.0.2.2:80"]}]


@pytest.mark.parametrize("ours", [BOTH, BOTH | {THEIRS}])
def test_a_vip_that_vpp_did_not_delete_has_not_come_back(contest, ours):
    contest.removing({THEIRS})
    contest.look(BOTH | {THEIRS}, BOTH | {THEIRS}, ours)
    assert not contest.contested


def test_what_was_removed_and_is_ours_now_has_not_come_back(contest):
    contest.removing({THEIRS})
    contest.look(BOTH, BOTH | {THEIRS}, BOTH | {THEIRS})
    assert not contest.contested


def test_what_was_removed_long_ago_may_come_back(contest):
    contest.removing({THEIRS})
    for _ in range(QUIET_READS - 1):
        contest.look(BOTH, BOTH, BOTH)
    contest.removing({OTHER})
    contest.look(BOTH, BOTH, BOTH)
    contest.look(BOTH, BOTH | {THEIRS}, BOTH)
    assert contest.contested
    contest.reset()
    contest.removing({THEIRS})
    for _ in range(QUIET_READS):
        contest.look(BOTH, BOTH, BOTH)
    contest.look(BOTH, BOTH | {THEIRS}, BOTH)
    assert not contest.contested


@pytest.mark.parametrize("contested", [False, True])
def test_a_restart_of_vpp_forgets_what_was_removed_but_not_a_contest(contest, told, contested):
    contest.removing({THEIRS})
    if contested:
        contest.look(BOTH, {THEIRS}, BOTH)
    contest.vpp_restarted()
    contest.look(BOTH, BOTH | {THEIRS}, BOTH)
    assert contest.contested is contested
    assert told("vpp-contest-over") == []


def test_it_is_over_after_many_reads_without_a_sign(fought, told):
    for _ in range(QUIET_READS - 1):
        fought.look(BOTH, BOTH, BOTH)
    # What was ours is deleted again: it goes on.
    fought.look(BOTH, {MORE}, BOTH)
    for _ in range(QUIET_READS - 1):
        fought.look(BOTH, BOTH, BOTH)
        assert fought.contested
    fought.look(BOTH, BOTH, BOTH)
    assert not fought.contested
    assert len(told("vpp-contest-over")) == 1
    fought.reset()
    assert len(told("vpp-contest-over")) == 1


def test_a_contest_without_any_deletion_by_us_goes_on_while_their_vips_are_there(contest):
    contest.look(BOTH, {THEIRS}, BOTH)
    for _ in range(2 * QUIET_READS):
        contest.look(BOTH | {THEIRS}, BOTH | {THEIRS}, BOTH)
    assert contest.contested


def test_it_goes_on_while_any_vip_of_theirs_is_there(fought):
    fought.look(BOTH | {THEIRS}, BOTH | {OTHER}, BOTH)
    for _ in range(2 * QUIET_READS):
        fought.look(BOTH | {OTHER}, BOTH | {OTHER}, BOTH)
    assert fought.contested


def test_the_vips_that_were_removed_are_named(contest, told):
    contest.tell_removed([DeleteVip(OURS)])
    assert told("vpp-foreign-vips-removed") == []
    contest.removing({THEIRS})
    contest.tell_removed([DeleteVip(OURS), DeleteVip(THEIRS), AddVip(THEIRS, Encap.GRE4, False, 1024)])
    many = [VipKey("192.0.2.3", 32, 6, port) for port in range(100, 102 + NAMED)]
    contest.removing(many)
    contest.tell_removed(map(DeleteVip, many))
    first, second = told("vpp-foreign-vips-removed")
    assert first == {"vips": ["tcp://192.0.2.2:80"], "count": 1}
    assert (len(second["vips"]), second["vips"][-1], second["count"]) == (NAMED + 1, "and 2 more", NAMED + 2)
