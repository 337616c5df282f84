"""Watches the weights in a VPP as fast as it answers, or every 5 ms, to tell that a moment never was."""

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

    pause = 0.0

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

    def wait_for(self, weights, seconds=60.0):
        """Wait until the present weights are as expected."""
        deadline = time.monotonic() + seconds
        while not self.sightings or self.sightings[-1].weights != weights:
            assert time.monotonic() < deadline, f"after {seconds} s VPP holds {self.sightings[-1:]}, not {weights}"
            assert self._thread.is_alive(), "the watch ended"
            time.sleep(0.005)

    def read(self):
        """Return the present weights."""
        rows = self._client.api.lb_as_v2_dump()
        return {str(row.app_srv): row.weight for row in rows if row.flags & 1}

    def _watch(self):
        asked_before = time.monotonic()
        stopping = False
        while not stopping:
            stopping = self._stopping.wait(self.pause)  # and then it looks once more: nothing before the end is missed
            asked = time.monotonic()
            weights = self.read()
            if not self.sightings or self.sightings[-1].weights != weights:
                self.sightings.append(Sighting(weights, asked_before, time.monotonic()))
            self.polls += 1
            self.longest = max(self.longest, asked - asked_before)
            asked_before = asked


class VipWatch(WeightWatch):
    """Reads the weights of a VPP with any VIPs every 5 ms: those of `sightings` are by VIP, then by address."""

    pause = 0.005

    def read(self):
        found = {}
        for row in self._client.api.lb_as_v2_dump():
            if row.flags & 1:
                key = (str(row.vip.pfx), int(row.vip.protocol), row.vip.port)
                found.setdefault(key, {})[str(row.app_srv)] = row.weight
        return found

    def dark(self, keys, since=0):
        """Return the sightings from a number on in which one of these VIPs had no weight."""
        return [
            each for each in self.sightings[since:] if any(not any(each.weights.get(key, {}).values()) for key in keys)
        ]
