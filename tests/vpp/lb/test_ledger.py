"""The ledger: what VPP is known to hold, while reads and writes overlap."""

import pytest

from maglev.vpp.lb.ledger import Ledger
from maglev.vpp.lb.state import (
    AddServer,
    AddVip,
    ApplicationServer,
    DeleteServer,
    DeleteVip,
    Encap,
    LbState,
    SetWeight,
    Vip,
    VipKey,
)
from tests.fakes.configs import CONF
from tests.fakes.outcomes import run_steps

KEY = VipKey("192.0.2.1", 32, 6, 80)
ADD = AddVip(KEY, Encap.GRE4, False, 1024)
SERVER = AddServer(KEY, "10.0.0.1", 50)


def state(*vips):
    return LbState(CONF, {vip.key: vip for vip in vips})


def end_read(ledger, read):
    """Take over a read, all steps at once."""
    ledger.end_read(run_steps(ledger.merge_steps(read)))


def weights(ledger):
    return {address: server.weight for address, server in ledger.vips[KEY].servers.items()}


def do(ledger, *operations):
    for operation in operations:
        ledger.done(operation, ledger.stamp())


def test_acknowledged_writes_are_known():
    ledger = Ledger()
    do(ledger, ADD, SERVER, AddServer(KEY, "10.0.0.2", 1), SetWeight(KEY, "10.0.0.1", 0, 50))
    do(ledger, DeleteServer(KEY, "10.0.0.2"))
    assert weights(ledger) == {"10.0.0.1": 0}
    do(ledger, DeleteVip(KEY))
    assert dict(ledger.vips) == {}


def test_the_sum_of_weights_keeps_up_with_writes_and_reads():
    asked, fresh = Ledger(), Ledger()
    second = AddServer(KEY, "10.0.0.2", 7)
    other = [SetWeight(KEY, "10.0.0.1", 20, 50), SetWeight(KEY, "10.0.0.9", 3, 0), DeleteServer(KEY, "10.0.0.2")]
    writes = [SERVER, ADD, SERVER, SERVER, second, *other, DeleteServer(KEY, "10.0.0.2"), ADD, second, DeleteVip(KEY)]
    sums = []
    for write in writes:
        do(asked, write)
        do(fresh, write)
        vip = fresh.vips.get(KEY)
        sums.append(asked.sum_of_weights(KEY))
        assert sums[-1] == (sum(server.weight for server in vip.servers.values()) if vip else 0), write
    assert sums == [0, 0, 50, 50, 57, 27, 30, 23, 23, 0, 7, 0]
    asked.begin_read()
    end_read(asked, state(Vip(KEY, Encap.GRE4, False, 1024, {"10.0.0.1": ApplicationServer("10.0.0.1", 9)})))
    assert asked.sum_of_weights(KEY) == 9


def test_writes_to_what_is_gone_change_nothing():
    ledger = Ledger()
    do(ledger, SERVER, DeleteServer(KEY, "10.0.0.1"), DeleteVip(KEY))
    assert dict(ledger.vips) == {}


def test_a_read_replaces_what_was_known():
    ledger = Ledger()
    do(ledger, ADD, SERVER)
    ledger.begin_read()
    end_read(ledger, state())
    assert (dict(ledger.vips), ledger.conf) == ({}, CONF)


def test_a_failed_read_leaves_what_was_known():
    ledger = Ledger()
    do(ledger, ADD, SERVER)
    ledger.begin_read()
    ledger.end_read(None)
    assert weights(ledger) == {"10.0.0.1": 50}


def test_a_write_sent_before_the_read_is_in_its_answer():
    ledger = Ledger()
    stamp = ledger.stamp()
    ledger.begin_read()
    ledger.done(ADD, stamp)
    ledger.done(SERVER, stamp)
    # Somebody else deleted the server between our write and our read.
    end_read(ledger, state(Vip(KEY, Encap.GRE4, False, 1024, {})))
    assert weights(ledger) == {}


def test_a_write_sent_after_the_read_began_is_done_on_top_of_its_answer():
    ledger = Ledger()
    do(ledger, ADD)
    ledger.begin_read()
    stamp = ledger.stamp()
    ledger.done(SERVER, stamp)
    end_read(ledger, state(Vip(KEY, Encap.GRE4, False, 1024, {})))
    assert weights(ledger) == {"10.0.0.1": 50}


def test_a_write_acknowledged_after_the_read_is_done_then():
    ledger = Ledger()
    ledger.begin_read()
    stamp = ledger.stamp()
    end_read(ledger, state(Vip(KEY, Encap.GRE4, False, 1024, {})))
    ledger.done(SERVER, stamp)
    assert weights(ledger) == {"10.0.0.1": 50}


def test_the_state_that_was_read_is_not_changed_by_writes():
    read = state(Vip(KEY, Encap.GRE4, False, 1024, {}))
    ledger = Ledger()
    ledger.begin_read()
    end_read(ledger, read)
    do(ledger, SERVER)
    assert read.vips[KEY].servers == {}


def test_two_reads_at_once_are_a_mistake():
    ledger = Ledger()
    ledger.begin_read()
    with pytest.raises(RuntimeError):
        ledger.begin_read()


def test_vips_that_were_made_or_deleted_have_changed():
    ledger = Ledger()
    do(ledger, ADD)
    assert ledger.changed == {KEY}
    ledger.changed.clear()
    do(ledger, SERVER, SetWeight(KEY, "10.0.0.1", 0, 50), DeleteServer(KEY, "10.0.0.1"))
    assert ledger.changed == set()
    do(ledger, DeleteVip(KEY))
    assert ledger.changed == {KEY}


def test_vips_that_a_read_finds_elsewhere_have_changed():
    other = KEY._replace(port=81)
    gone = KEY._replace(port=82)
    ledger = Ledger()
    for indexes in ({KEY: 1, other: 2, gone: 3}, {KEY: 4, other: 2}):
        ledger.changed.clear()
        ledger.begin_read()
        end_read(ledger, state(*(Vip(key, Encap.GRE4, False, 1024, {}, index) for key, index in indexes.items())))
    assert ledger.changed == {KEY, gone}


def test_where_vpp_counts_is_learnt_and_outlives_a_change_of_weight():
    ledger = Ledger()
    do(ledger, ADD, SERVER)
    ledger.learn(ledger.vips[KEY], 7, {"10.0.0.1": 14, "10.0.0.9": 15})
    do(ledger, SetWeight(KEY, "10.0.0.1", 0, 50), AddServer(KEY, "10.0.0.2", 1))
    vip = ledger.vips[KEY]
    assert vip.pool_index == 7
    assert {address: (server.weight, server.dpo) for address, server in vip.servers.items()} == {
        "10.0.0.1": (0, 14),
        "10.0.0.2": (1, None),
    }


def test_nothing_is_learnt_of_a_vip_that_was_recreated():
    ledger = Ledger()
    do(ledger, ADD)
    before = ledger.vips[KEY]
    do(ledger, DeleteVip(KEY), ADD)
    ledger.learn(before, 7, {})
    assert ledger.vips[KEY].pool_index is None
    do(ledger, DeleteVip(KEY))
    ledger.learn(before, 7, {})
    assert dict(ledger.vips) == {}


def read_of(weight=50, dpo=14, length=1024):
    return state(Vip(KEY, Encap.GRE4, False, length, {"10.0.0.1": ApplicationServer("10.0.0.1", weight, dpo=dpo)}, 3))


def test_what_a_read_finds_as_it_was_known_stays_the_very_same_object():
    ledger = Ledger()
    for read, same in ((read_of(), False), (read_of(), True), (read_of(weight=7), False), (read_of(7, dpo=15), False)):
        before = ledger.vips.get(KEY)
        ledger.begin_read()
        end_read(ledger, read)
        assert (ledger.vips[KEY] is before) is same
        assert ledger.vips == read.vips


def test_a_write_acknowledged_while_the_answer_is_taken_over_is_done_on_top_of_it():
    ledger = Ledger()
    ledger.begin_read()
    end_read(ledger, read_of())
    for before_the_step in (True, False):
        ledger.begin_read()
        stamp = ledger.stamp()
        steps = ledger.merge_steps(read_of())
        if before_the_step:
            ledger.done(SetWeight(KEY, "10.0.0.1", 1, 50), stamp)
        next(steps)
        ledger.done(SetWeight(KEY, "10.0.0.1", 2, 50), stamp)
        with pytest.raises(StopIteration) as end:
            next(steps)
        ledger.end_read(end.value.value)
        assert weights(ledger) == {"10.0.0.1": 2}
        do(ledger, SetWeight(KEY, "10.0.0.1", 50, 2))


def test_weights_count_what_is_under_way_but_for_deletions():
    ledger = Ledger()
    assert ledger.weights(KEY) == {}
    one, two, three = (f"10.0.0.{number}" for number in (1, 2, 3))
    do(ledger, AddVip(KEY, Encap.GRE4, False, 1024), AddServer(KEY, one, 50), AddServer(KEY, two, 0))
    assert ledger.weights(KEY) == {one: 50}
    ledger.begin_writing(KEY, [SetWeight(KEY, two, 7, 0), AddServer(KEY, three, 8), DeleteServer(KEY, one)])
    assert ledger.weights(KEY) == {one: 50, two: 7, three: 8}
    ledger.end_writing(KEY)
    assert ledger.weights(KEY) == {one: 50}
    ledger.begin_writing(KEY, [SetWeight(KEY, one, 0, 50)])
    assert ledger.weights(KEY) == {}
    ledger.end_writing(KEY)
    assert weights(ledger) == {one: 50, two: 0}
