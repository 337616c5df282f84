"""Overrides as values: what a caller may say of one, and how it reads."""

import pytest

from maglev.model.caller import Caller, Role
from maglev.model.errors import RefusedError
from maglev.model.moments import LATEST
from maglev.model.override import MAX_DURATION, MAX_REASON, BackendOrder, Override, Remark, Target, remark_by

ANN = Caller("ann", Role.OPERATOR, "ssh 192.0.2.7:1")


@pytest.mark.parametrize("duration", [0, 1, MAX_DURATION])
def test_a_duration_within_its_bounds(duration):
    assert remark_by(ANN, duration, "disk swap") == Remark("ann", "ssh 192.0.2.7:1", duration, "disk swap")


@pytest.mark.parametrize("duration", [-1, MAX_DURATION + 1])
def test_a_duration_out_of_its_bounds_is_refused(duration):
    with pytest.raises(RefusedError, match=r"not in 1\.\.31622400 seconds"):
        remark_by(ANN, duration)


@pytest.mark.parametrize("reason", ["", "x" * MAX_REASON, "Plattentausch f\u00fcr www1", '"quoted"'])
def test_a_reason_is_one_line_of_text(reason):
    assert remark_by(ANN, reason=reason).reason == reason


@pytest.mark.parametrize("reason", ["two\nlines", "\x1b[31mred", "nul\0", "\u202egnp", "\x9b31m", "\ud800"])
def test_a_reason_with_control_characters_is_refused(reason):
    with pytest.raises(RefusedError, match="control character"):
        remark_by(ANN, reason=reason)


def test_a_reason_that_is_too_long_is_refused():
    with pytest.raises(RefusedError, match="expected at most 120"):
        remark_by(ANN, reason="x" * (MAX_REASON + 1))


def test_blanks_around_a_reason_are_dropped():
    assert remark_by(ANN, reason="  disk swap ").reason == "disk swap"


def override(**changes):
    values = {"target": Target("www1"), "value": BackendOrder.DISABLE, "base": BackendOrder.ENABLE}
    values |= {"who": "ann", "origin": "ssh", "reason": "", "at": 1000.0, "until": None}
    return Override(**{**values, **changes})


def test_an_override_reads_as_a_sentence():
    assert str(override()) == "by ann"
    assert str(override(reason="disk swap")) == "by ann: disk swap"
    assert str(override(until=3600.0)) == "by ann (until 1970-01-01T01:00:00.000Z)"
    assert str(Target("www1")) == "backend www1"
    assert str(Target("www1", "web", "primary")) == "weight of backend www1 in pool primary of frontend web"


@pytest.mark.parametrize("seconds", [-1e12, -2000.0, -1.0, 0.0, 60.0, 1e12])
def test_a_clock_that_is_set_moves_both_ends_and_stays_within_what_the_file_can_say(seconds):
    moved = override(until=8200.0).shifted(seconds)
    assert moved.until - moved.at == pytest.approx(7200.0, abs=1e-3)
    assert 0 <= moved.at <= moved.until <= LATEST
    if abs(seconds) <= 1000:
        assert moved.at == 1000.0 + seconds
    assert override().shifted(60.0).until is None
