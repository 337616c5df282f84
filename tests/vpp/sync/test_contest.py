"""Somebody else programs the same VPP: what the syncs then remove, and what must not be taken for it."""

from __future__ import annotations

import pytest

from maglev.vpp.lb.state import ApplicationServer, Encap, Vip, VipKey, key_of
from tests.fakes.configs import make_config, make_frontend
from tests.fakes.vpp_bench import QUICK, VppInMemory, results_of

OURS = make_frontend(), make_frontend("tls", port=443)
THEIRS = make_frontend(address="192.0.2.7"), make_frontend("tls", address="192.0.2.7", port=443)
FOREIGN = VipKey("192.0.2.99", 32, 6, 80)
SYNC = 30.5
"""Seconds with one full sync, at the default interval."""


def config(*frontends):
    return make_config(frontends=frontends, checks=QUICK)


def hold(bench, *keys):
    """Let VPP hold VIPs that somebody else adds."""
    for key in keys:
        servers = {"10.9.9.9": ApplicationServer("10.9.9.9", 5)}
        bench.lb.vips[key] = Vip(key, Encap.GRE4, False, 1024, servers)


def held(bench):
    return set(bench.lb.vips)


@pytest.fixture
def bench():
    made = VppInMemory(config(*OURS))
    made.wait(SYNC)
    yield made
    made.stop()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (OURS, THEIRS),
        (OURS[:1], THEIRS[:1]),
        (OURS, THEIRS[:1]),
        (OURS[:1], THEIRS),
        # Most VIPs are the same, or all those of the one are those of the other, too.
        ((*OURS, make_frontend("a", port=1)), (*OURS, make_frontend("b", port=2))),
        ((*OURS, make_frontend("a", port=1)), OURS),
    ],
)
def test_two_daemons_with_different_files_delete_each_others_vips_once_at_most(told, ours, theirs):
    first = VppInMemory(config(*ours))
    first.wait(SYNC + 10)
    second = VppInMemory(config(*theirs), vpp=False)
    second.connector.start_vpp(first.lb)
    both = {key_of(each) for each in (*ours, *theirs)}
    deletions, before = dict.fromkeys(both, 0), held(first)
    for _ in range(20 * 300):
        for daemon in (first, second):
            daemon.clock.advance(0.05)
        for key in before - held(first):
            deletions[key] += 1
        before = held(first)
    assert max(deletions.values()) == 1
    assert held(first) == both
    assert 1 <= len(told("vpp-contested")) <= 2
    first.stop()
    second.stop()


def test_the_first_removal_of_foreign_vips_is_told_and_the_second_does_not_happen(bench, told):
    hold(bench, FOREIGN)
    bench.wait(SYNC)
    assert FOREIGN not in held(bench)
    assert told("vpp-foreign-vips-removed") == [{"vips": ["tcp://192.0.2.99:80"], "count": 1}]
    hold(bench, FOREIGN)
    bench.wait(3 * SYNC)
    assert FOREIGN in held(bench)
    assert told("vpp-contested") == [{"missing": [], "foreign": ["tcp://192.0.2.99:80"]}]
    results_of(bench.service.sync_now("web"))
    bench.wait(3 * SYNC)
    assert FOREIGN in held(bench)
    # An operator says that it is over.
    results_of(bench.service.sync_now())
    bench.wait(1)
    assert FOREIGN not in held(bench)
    assert len(told("vpp-contest-over")) == 1


def test_a_foreign_vip_in_the_way_that_comes_back_is_not_deleted_again(bench, told):
    # VPP refuses two encapsulations on one address, so this one has to go before ours can be added.
    blocking = VipKey("192.0.2.50", 32, 6, 80)
    bench.lb.vips[blocking] = Vip(blocking, Encap.GRE6, False, 1024, {})
    bench.board.apply(config(*OURS, make_frontend("new", address="192.0.2.50", port=443)))
    bench.wait(SYNC)
    assert blocking not in held(bench)
    assert told("vpp-foreign-vips-removed") == [{"vips": ["tcp://192.0.2.50:80"], "count": 1}]
    bench.lb.vips[blocking] = Vip(blocking, Encap.GRE6, False, 1024, {})
    bench.wait(SYNC)
    assert blocking in held(bench)


def test_what_an_operator_deletes_comes_back_and_is_not_a_contest(bench, told):
    for gone in ({key_of(OURS[0])}, set(map(key_of, OURS))):
        for key in gone:
            del bench.lb.vips[key]
        bench.wait(SYNC)
        assert held(bench) == set(map(key_of, OURS))
    # Moved by hand to another port.
    del bench.lb.vips[key_of(OURS[0])]
    hold(bench, FOREIGN)
    bench.wait(SYNC)
    assert held(bench) == set(map(key_of, OURS))
    assert told("vpp-contested") == []


def test_a_vpp_that_adds_vips_at_each_start_is_not_a_contest(bench, told):
    for _ in range(3):
        bench.connector.kill_vpp()
        bench.lb.vips.clear()
        bench.connector.start_vpp(bench.lb)
        bench.wait(7)
        hold(bench, FOREIGN)
        bench.wait(SYNC)
        assert held(bench) == set(map(key_of, OURS))
    assert len(told("vpp-foreign-vips-removed")) == 3
    assert told("vpp-contested") == []


def test_reloads_are_no_contest_and_what_they_remove_is_not_told_as_foreign(bench, told):
    for _ in range(3):
        for frontends in (THEIRS, OURS):
            bench.board.apply(config(*frontends))
            bench.wait(SYNC)
            assert held(bench) == set(map(key_of, frontends))
    assert told("vpp-contested") == told("vpp-foreign-vips-removed") == []
