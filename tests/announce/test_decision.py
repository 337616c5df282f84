"""The decision: every case by itself, and two promises over thousands of histories."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.announce.decision import AT_START, NEW, AnnouncementState, Footing, FrontendSupport, decide, find, weigh
from maglev.model.announce import AnnouncePolicy, Announcing, Needed

UP = FrontendSupport("web", 2, 0, 2, proved=2)
DOWN = FrontendSupport("web", 0, 0, 0)
LOST = FrontendSupport("web", 2, 0, None)
UNPROVED = FrontendSupport("web", 0, 2, None)
STAYING = FrontendSupport("web", 0, 0, 0, staying=1)
UNREAD = FrontendSupport("web", 0, 0, None, unread=True)
KEPT = FrontendSupport("web", 2, 0, 2)
HELD = FrontendSupport("web", 2, 0, 2, held=True)
PENDING = FrontendSupport("web", 0, 0, 0, pending=2)
HINDERED = FrontendSupport("web", 2, hindered=True)
ELSEWHERE = FrontendSupport("web", 0, 0, 0, pending=2, elsewhere=2)
ANY = AnnouncePolicy("192.0.2.1")
DELAY = 10.0


def policy(**changes):
    return AnnouncePolicy("192.0.2.1", **changes)


def after(*steps, start=AT_START, policy=ANY, off=""):
    """Return the state after steps of (time, evidence or list of evidence)."""
    state = start
    for now, evidence in steps:
        found = [evidence] if isinstance(evidence, FrontendSupport) else evidence
        state = decide(policy, found, state, now, DELAY, off)
    return state


@pytest.mark.parametrize(
    ("policy", "evidence", "footing", "why"),
    [
        (ANY, UP, Footing.SERVING, "frontend web has 2 backends in service"),
        (ANY, FrontendSupport("web", 1, 0, 1, proved=1), Footing.SERVING, "frontend web has 1 backend in service"),
        (ANY, FrontendSupport("web", 0, disabled=True), Footing.NOTHING, "an operator has disabled frontend web"),
        (ANY, DOWN, Footing.NOTHING, "frontend web has 0 backends of at least 1 in service"),
        (ANY, STAYING, Footing.STAYING, "VPP serves frontend web by servers that leave, or are not known to be up"),
        (ANY, KEPT, Footing.STAYING, "VPP serves frontend web by servers that leave, or are not known to be up"),
        (policy(min_up=2), FrontendSupport("web", 2, 0, 2, proved=1), Footing.STAYING, "VPP serves frontend web by"),
        (policy(min_up=2), FrontendSupport("web", 1, 0, 1, staying=1), Footing.STAYING, "VPP serves frontend web by"),
        (policy(min_up=2), FrontendSupport("web", 1, 0, 0, staying=1), Footing.UNCONFIRMED, "VPP has weights for 1 "),
        (policy(min_up=3), FrontendSupport("web", 1, 0, 1, staying=1), Footing.NOTHING, "frontend web has 1"),
        (ANY, FrontendSupport("web", 0, 1, 0), Footing.UNCONFIRMED, "VPP has weights for 0 backends of at least 1"),
        (ANY, HINDERED, Footing.STAYING, "maglevd has no file descriptor left to ask VPP with"),
        (ANY, attrs.evolve(UNREAD, hindered=True), Footing.STAYING, "maglevd has no file descriptor"),
        (policy(min_up=3), HINDERED, Footing.NOTHING, "frontend web has 2 backends of at least 3 in service"),
        (ANY, UNREAD, Footing.UNCONFIRMED, "VPP has not been read yet"),
        (ANY, LOST, Footing.UNCONFIRMED, "VPP has not acknowledged a sync"),
        (ANY, UNPROVED, Footing.UNCONFIRMED, "VPP has not acknowledged a sync"),
        (ANY, FrontendSupport("web", 1, 0, 0), Footing.UNCONFIRMED, "VPP has weights for 0 backends of"),
        (policy(min_up=3), UP, Footing.NOTHING, "frontend web has 2 backends of at least 3 in service"),
        (
            policy(min_up=3),
            FrontendSupport("web", 3, 0, 2),
            Footing.UNCONFIRMED,
            "VPP has weights for 2 backends of at",
        ),
        (policy(when_held=False), HELD, Footing.NOTHING, "only the guard keeps"),
        (policy(when_held=False), attrs.evolve(HELD, staying=1), Footing.STAYING, "VPP serves frontend web by"),
        (policy(when_held=False), attrs.evolve(HELD, programmed=None, unread=True), Footing.UNCONFIRMED, "VPP has not"),
        (policy(when_held=False), UP, Footing.SERVING, "frontend web"),
        (ANY, HELD, Footing.STAYING, "only the guard keeps frontend web in service"),
        (ANY, PENDING, Footing.NOTHING, "frontend web has 0 backends of at least 1 in service"),
        (ANY, ELSEWHERE, Footing.NOTHING, "frontend web has 0 backends of at least 1 in service"),
    ],
)
def test_what_a_frontend_stands_on(policy, evidence, footing, why):
    finding = find(policy, evidence)
    assert finding.footing is footing
    assert finding.why.startswith(why)


@pytest.mark.parametrize(
    ("policy", "evidence", "footing", "why"),
    [
        (ANY, PENDING, Footing.UNCONFIRMED, "frontend web has backends without a result yet"),
        (policy(min_up=3), PENDING, Footing.NOTHING, "frontend web has 0 backends of at least 3 in service"),
        (ANY, ELSEWHERE, Footing.STAYING, "VPP serves frontend web on another port, which the file no longer has"),
        (policy(min_up=3), attrs.evolve(ELSEWHERE, staying=1), Footing.STAYING, "VPP serves frontend web by"),
        (ANY, attrs.evolve(ELSEWHERE, programmed=None), Footing.UNCONFIRMED, "VPP has not acknowledged a sync"),
        (policy(when_held=False), attrs.evolve(HELD, pending=1), Footing.UNCONFIRMED, "frontend web has backends"),
    ],
)
def test_more_may_turn_out_to_serve_while_an_address_is_undecided(policy, evidence, footing, why):
    finding = find(policy, evidence, undecided=True)
    assert finding.footing is footing
    assert finding.why.startswith(why)


def test_any_frontend_is_enough_or_all_are_needed():
    both = [FrontendSupport("mail", 0, 0, 0), UP]
    assert weigh(ANY, both).footing is Footing.SERVING
    assert weigh(policy(frontends=Needed.ALL), both).footing is Footing.NOTHING
    assert weigh(policy(frontends=Needed.ALL), both).why.startswith("frontend mail")
    assert weigh(ANY, []) == weigh(policy(frontends=Needed.ALL), [])
    assert weigh(ANY, []).footing is Footing.NOTHING


def test_it_is_announced_when_vpp_has_the_weights_and_not_before():
    assert after((0, LOST), start=NEW).now is Announcing.WITHDRAWN
    assert after((0, FrontendSupport("web", 2, 0, 0)), start=NEW).now is Announcing.WITHDRAWN
    assert after((0, LOST), (1, UP), start=NEW).now is Announcing.ANNOUNCED


def test_it_is_withdrawn_at_once_with_the_last_backend():
    state = after((0, UP), (1, DOWN))
    assert state == AnnouncementState(Announcing.WITHDRAWN, "frontend web has 0 backends of at least 1 in service")


def test_it_waits_until_it_has_served_for_long_enough_without_a_break():
    slow = policy(after=5.0)
    waiting = after((0, DOWN), (1, UP), policy=slow)
    assert (waiting.now, waiting.look_at) == (Announcing.WITHDRAWN, 6.0)
    assert waiting.why.endswith("but not yet for 5 s")
    assert after((0, DOWN), (1, UP), (5.9, UP), policy=slow).now is Announcing.WITHDRAWN
    assert after((0, DOWN), (1, UP), (6, UP), policy=slow).now is Announcing.ANNOUNCED
    assert after((0, DOWN), (1, UP), (5, DOWN), (5.5, UP), (6, UP), policy=slow).now is Announcing.WITHDRAWN


def test_a_short_absence_of_vpp_changes_nothing_and_a_long_one_withdraws():
    away = after((0, UP), (1, LOST), (10.9, LOST))
    assert (away.now, away.look_at, away.why) == (Announcing.ANNOUNCED, 11.0, "VPP has not acknowledged a sync")
    assert after((0, UP), (1, LOST), (10.9, UP)).now is Announcing.ANNOUNCED
    gone = after((0, UP), (1, LOST), (11, LOST))
    assert (gone.now, gone.why) == (Announcing.WITHDRAWN, "VPP has not acknowledged a sync for 10 s")
    assert after((0, UP), (1, LOST), (11, LOST), (12, LOST)).look_at is None
    assert after((0, UP), (1, LOST), (11, LOST), (12, UP)).now is Announcing.ANNOUNCED


def test_a_start_leaves_what_was_announced_until_something_is_known():
    assert AT_START.now is Announcing.UNDECIDED
    assert after((0, UNPROVED), (9.9, UNPROVED)).now is Announcing.UNDECIDED
    assert after((0, UNPROVED), (10, UNPROVED)).now is Announcing.WITHDRAWN
    assert after((0, UNPROVED), (5, UP)).now is Announcing.ANNOUNCED
    assert after((0, UNPROVED), (5, DOWN)).now is Announcing.WITHDRAWN
    assert after((0, UNPROVED), (5, UP), policy=policy(after=3.0)).now is Announcing.UNDECIDED


def test_what_vpp_goes_on_serving_by_servers_that_leave_stays_as_it_is_and_announces_nothing():
    slow = policy(after=10.0)
    stays = after((0, UP), (1, STAYING), (60, STAYING))
    assert (stays.now, stays.staying, stays.look_at) == (Announcing.ANNOUNCED, True, None)
    assert after((0, UP), (10, UP), (11, STAYING), (12, UP), policy=slow).now is Announcing.ANNOUNCED
    assert after((0, UP), (1, STAYING), (2, DOWN)).now is Announcing.WITHDRAWN
    assert after((0, STAYING), (60, STAYING)).now is Announcing.UNDECIDED
    assert after((0, STAYING), start=NEW).now is Announcing.WITHDRAWN
    assert after((0, UP), (1, STAYING), off="by ann").now is Announcing.WITHDRAWN


@pytest.mark.parametrize("kept", [KEPT, HELD, STAYING, HINDERED])
def test_what_keeps_its_weight_without_being_up_announces_nothing_and_withdraws_nothing(kept):
    assert after((0, UNREAD), (1, kept), (600, kept)).now is Announcing.UNDECIDED
    assert after((0, kept), (600, kept), start=NEW).now is Announcing.WITHDRAWN
    assert after((0, UP), (1, kept), (600, kept)).now is Announcing.ANNOUNCED
    assert after((0, kept), (600, UP), start=NEW).now is Announcing.ANNOUNCED


def test_a_start_withdraws_nothing_before_the_first_results_for_as_long_as_vpp_may_be_away():
    assert after((0, UNREAD), (1, PENDING), (9.9, PENDING)).now is Announcing.UNDECIDED
    assert after((0, UNREAD), (1, PENDING), (10, PENDING)).now is Announcing.WITHDRAWN
    assert after((0, PENDING), (1, DOWN)).now is Announcing.WITHDRAWN
    assert after((0, UP), (1, PENDING)).now is Announcing.WITHDRAWN  # decided: what has no result has never served
    assert after((0, PENDING), (1, ELSEWHERE), (600, ELSEWHERE)).now is Announcing.UNDECIDED


def test_nothing_is_known_to_serve_before_vpp_was_read_nor_is_it_known_not_to():
    assert after((0, UNREAD), (9.9, UNREAD)).now is Announcing.UNDECIDED
    assert after((0, UNREAD), (10, UNREAD)).now is Announcing.WITHDRAWN
    assert after((0, UNREAD), (1, DOWN)).now is Announcing.WITHDRAWN


def test_an_operator_withdraws_at_once_and_loses_no_time_afterwards():
    off = after((0, UP), (1, UP), policy=policy(after=3.0), off="by ann: disk")
    assert (off.now, off.why) == (Announcing.WITHDRAWN, "by ann: disk")
    assert after((4, UP), start=off, policy=policy(after=3.0)).now is Announcing.ANNOUNCED
    assert after((0, UNPROVED), off="by ann").now is Announcing.WITHDRAWN
    assert after((0, DOWN), off="by ann").why == "by ann"


EVIDENCE = st.builds(
    lambda name, wanted, unproved, programmed, held, staying, unread, proved, pending: FrontendSupport(
        name,
        wanted,
        unproved,
        programmed and min(programmed, wanted),
        held,
        staying if programmed is not None else 0,
        unread and programmed is None,
        min(proved, wanted, programmed or 0),
        pending if programmed is not None else 0,
        pending // 2,
    ),
    st.sampled_from(["web", "mail"]),
    st.integers(0, 3),
    st.integers(0, 2),
    st.none() | st.integers(0, 3),
    st.booleans(),
    st.integers(0, 2),
    st.booleans(),
    st.integers(0, 3),
    st.integers(0, 3),
)
POLICIES = st.builds(
    AnnouncePolicy,
    st.just("192.0.2.1"),
    st.sampled_from(Needed),
    st.integers(1, 3),
    st.sampled_from([0.0, 3.0]),
    st.booleans(),
)
HISTORIES = st.lists(
    st.tuples(st.sampled_from([0.0, 0.5, 4.0, 11.0]), st.lists(EVIDENCE, max_size=2), st.sampled_from(["", "", "off"])),
    max_size=25,
)


@given(POLICIES, HISTORIES, st.sampled_from([AT_START, NEW]))
def test_it_is_never_announced_with_nothing_behind_it_and_never_withdrawn_while_it_serves(policy, history, start):
    state, now = start, 100.0
    doubtful_since = serving_since = None
    for pause, evidence, off in history:
        # Time alone changes what it said that it would, and nothing else: looks in between are looked at as well.
        before, now = state, now + pause
        state = decide(policy, evidence, before, now, DELAY, off)
        footing = weigh(policy, evidence, undecided=before.now is Announcing.UNDECIDED).footing
        doubtful_since = (now if doubtful_since is None else doubtful_since) if footing is Footing.UNCONFIRMED else None
        serving_since = (now if serving_since is None else serving_since) if footing is Footing.SERVING else None

        # Never with nothing behind it.
        if footing is Footing.NOTHING or off:
            assert state.now is Announcing.WITHDRAWN
        if doubtful_since is not None and now - doubtful_since >= DELAY:
            assert state.now is Announcing.WITHDRAWN
        if before.now is Announcing.WITHDRAWN and state.now is not Announcing.WITHDRAWN:
            assert footing is Footing.SERVING
            assert now - serving_since >= policy.after
        # Never withdrawn while it serves, and never for want of evidence alone before its time.
        if footing is Footing.SERVING and not off:
            assert state.now is before.now or state.now is Announcing.ANNOUNCED
            if now - serving_since >= policy.after:
                assert state.now is Announcing.ANNOUNCED
        if footing is Footing.STAYING and not off:
            assert state.now is before.now
        if footing is Footing.UNCONFIRMED and not off and now - doubtful_since < DELAY:
            assert state.now is before.now
        # Asked again at once, it says the same; asked when it wanted to be, it has moved on.
        again = decide(policy, evidence, state, now, DELAY, off)
        assert again.now is state.now
        # More counts while it is undecided, so the reason may change with the state.
        assert state.now is not before.now or again == state
        if state.look_at is not None:
            assert state.look_at > now
            assert decide(policy, evidence, state, state.look_at, DELAY, off).now is not state.now
        assert state.why
        assert state.now is not Announcing.UNDECIDED or before.now is Announcing.UNDECIDED
