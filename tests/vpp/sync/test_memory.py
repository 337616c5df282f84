"""The contest: when somebody else who programs the same VPP is noticed, and when that is over."""

from __future__ import annotations

import pytest

from maglev.vpp.lb.state import VipKey
from maglev.vpp.sync.memory import CONTESTED_READS, QUIET_READS, RETURNING_READS, Contest

OURS = VipKey("192.0.2.1", 32, 6, 80)
THEIRS = VipKey("192.0.2.2", 32, 6, 80)


@pytest.fixture
def contest():
    made = Contest()
    made.removed(THEIRS)
    return made


@pytest.mark.parametrize(
    ("missing", "foreign", "reads"),
    [
        ([OURS], [THEIRS], CONTESTED_READS),
        # The other daemon has stopped already.
        ([], [THEIRS], RETURNING_READS),
        # Somebody deletes ours, or has VIPs of which we have never deleted any.
        ([OURS], [], None),
        ([OURS], [OURS._replace(port=443)], None),
        ([], [], None),
    ],
)
def test_who_contests_is_noticed_after_some_reads(contest, missing, foreign, reads):
    for _ in range((reads or 2 * RETURNING_READS) - 1):
        contest.look(missing, foreign)
        assert not contest.contested
    contest.look(missing, foreign)
    assert contest.contested == (reads is not None)


def test_it_is_over_after_many_reads_without_a_sign(contest):
    for _ in range(CONTESTED_READS):
        contest.look([OURS], [THEIRS])
    for _ in range(QUIET_READS - 1):
        contest.look([], [])
    # What was ours is deleted again: it goes on.
    contest.look([OURS], [])
    for _ in range(QUIET_READS - 1):
        contest.look([], [])
        assert contest.contested
    contest.look([], [])
    assert not contest.contested
