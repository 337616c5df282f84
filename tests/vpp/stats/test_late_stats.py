"""The segment that comes late."""

from __future__ import annotations

import os
import struct

import pytest
from twisted.internet.defer import Deferred, succeed

from maglev.model.errors import StatsError, VppShortageError
from maglev.vpp.stats.late_stats import LateStats
from maglev.vpp.stats.segment import StatsSegment


def segment():
    descriptor = os.memfd_create("stats")
    os.pwrite(descriptor, struct.pack("<QQQQQ", 2, 0, 0, 0, 0), 0)
    return StatsSegment(descriptor)


class Asked:
    """What was asked for, and is given when a test says so."""

    def __init__(self):
        self.waiting = []
        self.cancelled = 0
        self.late = LateStats(self.open, "out of descriptors")

    def open(self):
        self.waiting.append(Deferred(self.cancel))
        return self.waiting[-1]

    def cancel(self, _):
        self.cancelled += 1


def test_it_is_asked_for_at_each_look_and_once_at_a_time_until_it_is_there():
    asked = Asked()
    assert asked.waiting == []
    for _ in range(3):
        with pytest.raises(StatsError, match="out of descriptors"):
            asked.late.stale(0.0, 25.0)
    (first,) = asked.waiting
    first.errback(VppShortageError("still out"))
    for look in (asked.late.simple_at, asked.late.combined_at):
        with pytest.raises(StatsError, match="still out"):
            look("/net", ())
    _, second = asked.waiting
    found = segment()
    second.callback(found)
    with pytest.raises(StatsError, match="pointer of the stats segment"):
        asked.late.stale(0.0, 25.0)
    assert len(asked.waiting) == 2
    asked.late.close()
    assert found.closed


def test_one_that_is_there_at_once_is_used_at_once():
    found = segment()
    late = LateStats(lambda: succeed(found), "out of descriptors")
    with pytest.raises(StatsError, match="pointer of the stats segment"):
        late.simple_at("/net", ())
    late.close()


def test_nothing_is_asked_for_any_more_once_it_is_closed():
    asked = Asked()
    with pytest.raises(StatsError):
        asked.late.stale(0.0, 25.0)
    asked.late.close()
    assert asked.cancelled == 1
    with pytest.raises(StatsError):
        asked.late.stale(0.0, 25.0)
    assert len(asked.waiting) == 1
    LateStats(asked.open, "").close()
