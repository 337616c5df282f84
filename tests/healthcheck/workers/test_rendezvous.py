"""Which worker probes a backend."""

from collections import Counter

from maglev.healthcheck.workers.rendezvous import chosen

NAMES = [f"b{index}" for index in range(3000)]


def test_without_workers_nobody_is_chosen():
    assert chosen("a", []) is None


def test_the_choice_depends_on_nothing_but_the_name_and_the_workers():
    assert chosen("a", [2, 0, 1]) == chosen("a", {0: "x", 1: "y", 2: "z"})


def test_every_worker_gets_its_share():
    counts = Counter(chosen(name, range(4)) for name in NAMES)
    assert set(counts) == {0, 1, 2, 3}
    assert min(counts.values()) > 0.85 * len(NAMES) / 4


def test_when_a_worker_goes_only_its_backends_move_and_they_come_back_with_it():
    before = {name: chosen(name, [0, 1, 2]) for name in NAMES}
    without = {name: chosen(name, [0, 2]) for name in NAMES}
    moved = [name for name in NAMES if before[name] != without[name]]
    assert {before[name] for name in moved} == {1}
    assert len(moved) == list(before.values()).count(1)
    assert set(Counter(without[name] for name in moved)) == {0, 2}


def test_a_further_worker_takes_from_all_and_nothing_moves_between_the_others():
    before = {name: chosen(name, [0, 1]) for name in NAMES}
    after = {name: chosen(name, [0, 1, 2]) for name in NAMES}
    assert {after[name] for name in NAMES if before[name] != after[name]} == {2}
