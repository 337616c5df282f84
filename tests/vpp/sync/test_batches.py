"""How operations travel: alone or as a script, by what VPP has to do for them."""

import attrs
import pytest

from maglev.vpp.lb.state import (
    AddServer,
    AddVip,
    ApplicationServer,
    DeleteServer,
    DeleteVip,
    Encap,
    SetWeight,
    Vip,
    VipKey,
)
from maglev.vpp.sync.batches import AT_ONCE, FLUSHED_AT_ONCE, Batch, batched
from tests.fakes.lb import FakeLb

KEY = VipKey("192.0.2.1", 32, 6, 80)
OTHER = KEY._replace(protocol=47)


def addresses(count):
    return [f"10.0.{index // 250}.{index % 250 + 1}" for index in range(count)]


def held(count, weight=100, key=KEY):
    return Vip(key, Encap.GRE4, False, 1024, {a: ApplicationServer(a, weight) for a in addresses(count)})


def ship(operations, vip):
    return batched(operations, vip, sum(server.weight for server in vip.servers.values()) if vip else 0)


def sizes(operations, vip):
    return [len(batch.sent) for batch in ship(operations, vip).batches]


def adding(count, key=KEY):
    return [AddServer(key, address, 100) for address in addresses(count)]


def lowering(count, weight=0, **more):
    return [SetWeight(KEY, address, weight, 100, **more) for address in addresses(count)]


def test_a_few_changes_travel_alone():
    assert sizes(adding(10), held(0)) == [1] * 10
    assert sizes(lowering(5), held(10)) == [1] * 5
    assert sizes(lowering(3), held(1000)) == [1] * 3


def test_many_changes_travel_as_one_script():
    assert sizes([AddVip(KEY, Encap.GRE4, False, 1024), *adding(100)], None) == [101]
    assert sizes(lowering(50), held(100)) == [50]
    assert sizes([DeleteServer(KEY, address, flush=False) for address in addresses(500)], held(1000)) == [500]


def test_the_larger_the_table_the_fewer_are_many():
    assert sizes(lowering(8), held(1000)) == [8]
    assert sizes(lowering(10), held(10)) == [1] * 10
    assert sizes(lowering(10), attrs.evolve(held(10), table_length=65536)) == [10]


def test_what_the_command_line_cannot_name_travels_alone():
    assert sizes(adding(100, OTHER), held(0, key=OTHER)) == [1] * 100


def test_a_script_has_a_bounded_length():
    assert sizes(adding(2 * AT_ONCE + 1), held(0)) == [AT_ONCE, AT_ONCE, 1]


def test_the_effort_counts_the_larger_of_the_weights_before_and_after():
    one = held(1, weight=60)
    lowered = ship([SetWeight(KEY, "10.0.0.1", 0, 60)], one).effort
    raised = ship([SetWeight(KEY, "10.0.0.1", 100, 60)], one).effort
    added = ship([AddServer(KEY, "10.9.9.9", 40)], one).effort
    assert raised == added > lowered
    assert ship([SetWeight(KEY, "10.0.0.1", 60, 60)], one).effort == lowered


@pytest.mark.parametrize(
    ("count", "weight", "length", "measured"),
    [
        (100, 1, 16384, 347e-6),
        (100, 100, 16384, 1277e-6),
        (1000, 1, 65536, 1623e-6),
        (1000, 100, 65536, 14071e-6),
    ],
)
def test_the_effort_is_about_what_vpp_was_measured_to_take(count, weight, length, measured):
    vip = attrs.evolve(held(count, weight), table_length=length)
    assert ship([SetWeight(KEY, "10.0.0.1", 0, weight)], vip).effort == pytest.approx(measured, rel=0.25)


def test_a_vip_of_no_weight_takes_some_effort_as_well():
    assert 0 < ship([AddServer(KEY, "10.0.0.1", 0)], held(0)).effort < 0.0002


def test_the_effort_of_a_script_is_a_fraction_of_that_of_its_operations():
    few, many = ship(lowering(1), held(1000)), ship(lowering(500), held(1000))
    assert 0.004 < few.effort < 0.02
    assert many.effort < 5 * few.effort
    assert ship(lowering(5), held(10)).effort < 0.002


def test_the_flows_of_a_few_are_forgotten_in_the_same_script():
    (batch,) = ship(lowering(FLUSHED_AT_ONCE, flush=True), held(1000)).batches
    assert batch.sent == batch.completes == tuple(lowering(FLUSHED_AT_ONCE, flush=True))


def test_the_flows_of_many_are_forgotten_after_all_weights_are_lowered_and_a_few_at_a_time():
    operations = [*lowering(100, flush=True), SetWeight(KEY, "10.0.3.1", 0, 100)]
    first, *rest = ship(operations, held(1000)).batches
    assert [each.flush for each in first.sent] == [False] * 101
    assert first.completes == (operations[-1],)
    assert [len(batch.sent) for batch in rest] == [32, 32, 32, 4]
    assert [each for batch in rest for each in batch.completes] == operations[:-1]
    assert all((each.weight, each.previous, each.flush) == (0, 0, True) for batch in rest for each in batch.sent)


def test_the_flows_of_many_deleted_servers_are_forgotten_in_the_same_way():
    operations = [DeleteServer(KEY, address) for address in addresses(40)]
    first, *rest = ship(operations, held(1000)).batches
    assert (len(first.sent), first.completes) == (40, ())
    assert {each.flush for each in first.sent} == {False}
    assert [batch.sent for batch in rest] == [tuple(operations[:32]), tuple(operations[32:])]


def test_a_server_that_comes_back_is_flushed_by_setting_its_weight():
    operations = [AddServer(KEY, address, 0, flush=True) for address in addresses(40)]
    first, second, _ = ship([AddVip(KEY, Encap.GRE4, False, 65536), *operations], None).batches
    assert first.sent[1] == AddServer(KEY, "10.0.0.1", 0)
    assert second.sent[0] == SetWeight(KEY, "10.0.0.1", 0, 0, flush=True)


@pytest.mark.parametrize("count", [3, 12, 100, 1200])
def test_what_was_asked_for_is_done_whichever_way_it_travels(count):
    lb = FakeLb()
    lb.vips[KEY] = held(count)
    operations = [*lowering(count, flush=True), AddServer(KEY, "10.9.9.9", 5)]
    done = []
    for batch in ship(operations, lb.vips[KEY]).batches:
        lb.apply_at_once(batch.sent)
        done += batch.completes
    assert sorted(done, key=str) == sorted(operations, key=str)
    assert lb.weights()[str(KEY)] == {**dict.fromkeys(addresses(count), 0), "10.9.9.9": 5}


def test_a_vip_is_deleted_by_a_script_if_it_can_be_named():
    for key, is_script in ((KEY, True), (OTHER, False)):
        deletion = (DeleteVip(key),)
        assert Batch(deletion, deletion).is_script is is_script
    assert str(Batch((DeleteVip(KEY),), ())) == "delete VIP tcp://192.0.2.1:80"
    assert str(Batch(tuple(adding(3)), ())) == "add 10.0.0.1 to tcp://192.0.2.1:80 with weight 100 and 2 more"
