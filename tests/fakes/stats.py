"""A stats segment of which the test says what is in it."""

from __future__ import annotations

from maglev.model.errors import StatsError


class FakeStats:
    """Columns of counters by name.

    Attributes:
        counters: {name: {column: number, or packets and bytes}}.
        error: What reading fails with, if anything.
        heart: Whether VPP's heart beats.
        reads: Names of the counters that were read.
    """

    def __init__(self):
        self.counters = {}
        self.error = None
        self.heart = True
        self.closed = False
        self.reads = []
        self._last_beat = 0.0

    def simple_at(self, name, columns):
        self.reads.append(name)
        self._check()
        found = self.counters.get(name, {})
        return {column: found[column] for column in columns if column in found}

    combined_at = simple_at

    def stale(self, now, patience):
        self._check()
        if self.heart:
            self._last_beat = now
        return now - self._last_beat > patience

    def _check(self):
        if self.closed:
            raise StatsError("the stats segment is closed")
        if self.error:
            raise StatsError(self.error)
