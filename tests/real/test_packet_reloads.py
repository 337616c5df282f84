"""What clients notice of reloads that rename, replace and move servers that all work, through a real VPP: nothing.

What is half way on a server when that is removed ends there, as it drains before VPP forgets its flows.
"""

import time

import pytest

from tests.fakes.lab import ADDRESSES
from tests.fakes.papi import PapiReader
from tests.fakes.weight_watch import WeightWatch
from tests.real.test_packets import (
    ALIKE,
    AS_WRITTEN,
    KEY,
    LEAST_MOVING,
    again_if_late,
    daemon,
    lab,
    programmed,
    whole_lab,
)

__all__ = ["daemon", "lab", "whole_lab"]

pytestmark = [pytest.mark.real, pytest.mark.vpp]

FIRST = "[{name: only, backends: {b1: {}, b2: {}}}]"
OTHERS = "[{name: only, backends: {b3: {}, b4: {}}}]"


def renamed(text):
    """Let all backends have other names."""
    for name in ("b1", "b2", "b3", "b4"):
        text = text.replace(f"{name}:", f"new-{name}:")
    return text


def moved(text):
    """Let b1 and b2 have the addresses of b3 and b4."""
    for name, other in (("b1", "b3"), ("b2", "b4")):
        text = text.replace(f"{name}: {{address: {ADDRESSES[name]}", f"{name}: {{address: {ADDRESSES[other]}")
        text = text.replace(f"{other}: {{address: {ADDRESSES[other]}", f"{other}: {{address: {ADDRESSES[name]}")
    return text


def rechecked(text):
    return text.replace("interval: 200ms, fast", "interval: 250ms, fast")


def same(text):
    return text


ALL, FIRST_TWO, LAST_TWO = (100, 100, 100, 100), (100, 100, 0, 0), (0, 0, 100, 100)

CHANGES = {
    "rename": (ALIKE, ALIKE, renamed, ALL),
    "rename-frontend": (ALIKE, ALIKE, lambda text: text.replace("site:", "place:"), ALL),
    "rename-and-check": (ALIKE, ALIKE, lambda text: rechecked(renamed(text)), ALL),
    "check": (ALIKE, ALIKE, rechecked, ALL),
    "replace": (FIRST, OTHERS, same, LAST_TWO),
    "replace-renamed": (FIRST, OTHERS, renamed, LAST_TWO),
    "move": (FIRST, FIRST, moved, LAST_TWO),
    "move-and-check": (FIRST, FIRST, lambda text: rechecked(moved(text)), LAST_TWO),
}


WITH_A_SCALE = ("rename-and-check", "replace-renamed", "move-and-check")
"""Those that are also made while the smallest integers are programmed."""


def in_use(way, values):
    """Return what VPP is told for these weights of b1 to b4, by address; of those that it has."""
    return {address: weight for address, weight in programmed(way, *values).items() if weight}


@pytest.mark.parametrize(
    ("change", "way"), [*((each, AS_WRITTEN) for each in CHANGES), *((each, LEAST_MOVING) for each in WITH_A_SCALE)]
)
@again_if_late
def test_no_request_notices_a_reload_that_leaves_working_servers(lab, daemon, change, way):
    before, after, edit, expected = CHANGES[change]
    first = in_use(way, ALL if before == ALIKE else FIRST_TWO)
    daemon.serve(before, first, way)
    with WeightWatch(lab.vpp.api_socket) as watch, lab.traffic(sessions=0) as traffic:
        for _ in range(2):
            time.sleep(0.3)
            daemon.reload(edit(daemon.settings(after, way=way)))
            watch.wait_for(in_use(way, expected))
            time.sleep(1.0)
            daemon.reload(daemon.settings(before, way=way))
            watch.wait_for(first)
            time.sleep(1.0)
    print(change, way, traffic.records.summary(), f"{watch.polls} polls, longest {watch.longest:.3f} s")
    assert len(daemon.events("config-reload")) == 4
    assert all(any(each.weights.values()) for each in watch.sightings)
    assert not traffic.records.failed
    with PapiReader(lab.vpp.api_socket) as reader:
        assert reader.weights() == {KEY: first}
