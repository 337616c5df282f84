"""Watches the weights in a VPP as fast as it answers, to tell that a moment never was."""

from __future__ import annotations

import threading
import time

import attrs

from tests.fakes.papi import connect, disconnect


@attrs.frozen
class Sighting:
    """Weights that VPP held.

    Attributes:
        weights: By address; those of application servers in use.
        after: A moment before VPP got them, seconds of the monotonic clock.
        seen: A moment at which it had them already.
    """

    weights: dict[str, int]
    after: float
    seen: float


class WeightWatch:
    """Reads the weights of a VPP with one VIP in a loop, in a thread; a context manager.

    Attributes:
        sightings: What was seen, whenever it changed.
        polls: How often it looked.
        longest: The longest time between two looks, seconds.
    """

    def __init__(self, api_socket):
        self._client = connect(api_socket, "watch")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.sightings: list[Sighting] = []
        self.polls = 0
        self.longest = 0.0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_exc_info):
        self._stopping.set()
        self._thread.join()
        disconnect(self._client)

    def wait_for(self, weights, seconds=10.0):
        """Wait until the present weights are as expected."""
        deadline = time.monotonic() + seconds
        while not self.sightings or self.sightings[-1].weights != weights:
            assert time.monotonic() < deadline, f"after {seconds} s VPP holds {self.sightings[-1:]}, not {weights}"
            assert self._thread.is_alive(), "the watch ended"
            time.sleep(0.005)

    def _watch(self):
        asked_before = time.monotonic()
        while not self._stopping.is_set():
            asked = time.monotonic()
            rows = self._client.api.lb_as_v2_dump()
            weights = {str(row.app_srv): row.weight for row in rows if row.flags & 1}
            if not self.sightings or self.sightings[-1].weights != weights:
                self.sightings.append(Sighting(weights, asked_before, time.monotonic()))
            self.polls += 1
            self.longest = max(self.longest, asked - asked_before)
            asked_before = asked
