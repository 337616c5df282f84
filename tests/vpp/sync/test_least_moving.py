"""Weights as the smallest integers of their proportions: what VPP is sent, at changes of the scale most of all."""

from __future__ import annotations

import attrs
import pytest

from maglev.config.load import load_text
from maglev.model.config import Backend, WeightScale
from maglev.model.health import Lifecycle
from maglev.vpp.lb.state import AddServer, AddVip, ApplicationServer, Encap, SetWeight, Vip, VipKey
from maglev.vpp.sync.batches import at_one_moment, rescales
from maglev.vpp.sync.plan import length_after, want, why_recreate
from tests.fakes.configs import CONF, make_config, make_frontend
from tests.fakes.files import config_text
from tests.fakes.lb import FakeLb
from tests.fakes.vpp_bench import FAIL, PASS, QUICK, VppInMemory

AS_WRITTEN, LEAST_MOVING = WeightScale
KEY = VipKey("192.0.2.1", 32, 6, 80)
WEB = "tcp://192.0.2.1:80"
POOLS = ((("a", 100), ("b", 100), ("c", 50)), (("d", 30),))
A, B, C, D = (f"10.0.0.{number}" for number in range(1, 5))


def config(weights=LEAST_MOVING, pools=POOLS, settings=None, **changes):
    return make_config([make_frontend(pools=pools, weights=weights, **changes)], checks=QUICK, **(settings or {}))


@pytest.fixture
def bench():
    made = VppInMemory(config())
    yield made
    made.stop()


def restarted(weights, servers, settings=None, pools=POOLS):
    """Start with another VPP that holds the VIP already."""
    lb = FakeLb()
    lb.conf = CONF
    lb.vips[KEY] = Vip(KEY, Encap.GRE4, False, 1024, {a: ApplicationServer(a, w) for a, w in servers.items()})
    made = VppInMemory(config(weights, pools, settings), vpp=False, known=False)
    made.lb = lb
    made.connector.start_vpp(lb)
    made.wait(1)
    return made


def test_vpp_is_sent_the_smallest_integers(bench):
    assert bench.weights()[WEB] == {A: 2, B: 2, C: 1, D: 0}


def test_a_transition_changes_one_weight_and_no_other(bench):
    bench.writes()
    bench.record(c=FAIL)
    assert bench.writes() == [SetWeight(KEY, C, 0, 1, flush=True)]
    bench.record(c=PASS)
    assert bench.writes() == [SetWeight(KEY, C, 1, 0)]


def test_each_pool_has_a_scale_of_its_own(bench):
    bench.record(a=FAIL, b=FAIL, c=FAIL)
    assert bench.weights()[WEB] == {A: 0, B: 0, C: 0, D: 1}


def test_a_backend_of_two_pools_that_is_proved_again_is_told_by_the_scale_of_the_active_one():
    pools = ((("a", 100), ("b", 100)), (("b", 100), ("c", 50)))
    bench = VppInMemory(config(pools=pools))
    assert bench.weights()[WEB] == {A: 1, B: 1, C: 0}
    bench.writes()
    rechecked = config(pools=pools)
    bench.board.apply(attrs.evolve(rechecked, healthchecks={"tcp": attrs.evolve(QUICK[0], l4_port=81)}))
    bench.record(a=PASS, b=PASS, c=PASS)
    assert bench.writes() == []
    bench.stop()


def test_backends_that_keep_weights_across_a_switch_of_pools_are_told_with_their_shares():
    pools = ((("a", 100),), (("b", 100), ("c", 50)))
    bench = VppInMemory(config(pools=pools))
    bench.record(a=FAIL)
    assert bench.weights()[WEB] == {A: 0, B: 2, C: 1}
    bench.board.apply(attrs.evolve(config(pools=pools), healthchecks={"tcp": attrs.evolve(QUICK[0], l4_port=81)}))
    bench.record(a=PASS)
    # By the scale of a's pool, in which 100 is 1, 50 would be 1 as well.
    assert bench.weights()[WEB] == {A: 2, B: 2, C: 1}
    bench.record(b=PASS)
    assert bench.weights()[WEB] == {A: 2, B: 0, C: 1}
    bench.record(c=PASS)
    assert bench.weights()[WEB] == {A: 1, B: 0, C: 0}
    bench.stop()


def test_a_sync_finds_nothing_to_repair(bench):
    bench.writes()
    bench.wait(61)
    assert bench.writes() == []
    assert bench.service.tally.drifts == 0


def test_drift_is_a_matter_of_what_is_programmed(bench):
    bench.lb.vips[KEY].servers[A] = ApplicationServer(A, 100)
    bench.wait(31)
    assert bench.weights()[WEB][A] == 2
    assert bench.service.tally.drifts == 1


# Changes of the scale


@pytest.mark.parametrize(("old", "new"), [(AS_WRITTEN, LEAST_MOVING), (LEAST_MOVING, AS_WRITTEN)])
def test_a_change_of_the_option_is_made_at_one_moment(old, new):
    bench = VppInMemory(config(old))
    bench.lb.scripts.clear()
    bench.writes()
    bench.board.apply(config(new))
    (script,) = bench.lb.scripts
    assert [each.address for each in script] == [A, B, C]
    assert bench.writes() == list(script)
    assert bench.weights()[WEB] == ({A: 2, B: 2, C: 1, D: 0} if new is LEAST_MOVING else {A: 100, B: 100, C: 50, D: 0})
    assert bench.lb.zero_moments == []
    bench.stop()


def test_servers_are_added_after_the_others_have_changed():
    bench = VppInMemory(config(pools=((("a", 100), ("b", 100)),)))
    bench.writes()
    bench.board.apply(config(AS_WRITTEN, pools=((("a", 100), ("b", 100), ("c", 50)),)))
    bench.record(c=PASS)
    assert bench.writes() == [
        SetWeight(KEY, A, 100, 1),
        SetWeight(KEY, B, 100, 1),
        AddServer(KEY, C, 0),
        SetWeight(KEY, C, 50, 0),
    ]
    bench.stop()


def test_what_goes_down_at_a_change_of_the_scale_is_lowered_at_the_same_moment():
    operations = [
        SetWeight(KEY, A, 1, 100),
        SetWeight(KEY, B, 1, 100),
        SetWeight(KEY, C, 0, 100, flush=True),
    ]
    assert rescales(operations)
    batches = at_one_moment(operations, None, 300)
    assert [batch.sent for batch in batches.batches] == [tuple(operations)]


def test_one_change_of_a_weight_does_not_change_the_scale():
    assert not rescales([SetWeight(KEY, A, 1, 100), SetWeight(KEY, B, 0, 100), SetWeight(KEY, C, 1, 0)])


def test_what_the_command_line_can_not_name_changes_one_by_one():
    other = KEY._replace(protocol=132)
    assert at_one_moment([SetWeight(other, A, 1, 100), SetWeight(other, B, 1, 100)], None, 200) is None


def test_a_refused_change_of_the_scale_is_read_back_and_repaired():
    bench = VppInMemory(config(AS_WRITTEN))
    del bench.lb.vips[KEY].servers[B]  # somebody else did
    bench.board.apply(config(LEAST_MOVING))
    bench.wait(10)
    assert bench.weights()[WEB] == {A: 2, B: 2, C: 1, D: 0}
    bench.stop()


def test_an_override_takes_a_multiple_and_goes_back(bench):
    bench.board.set_weight("web", "pool0", "a", 30)
    assert bench.weights()[WEB] == {A: 3, B: 10, C: 5, D: 0}
    bench.board.set_weight("web", "pool0", "a", 100)
    assert bench.weights()[WEB] == {A: 2, B: 2, C: 1, D: 0}


# Restarts


@pytest.mark.parametrize(
    ("weights", "servers"),
    [(LEAST_MOVING, {A: 2, B: 2, C: 1, D: 0}), (AS_WRITTEN, {A: 100, B: 100, C: 50, D: 0})],
)
def test_a_restart_without_a_change_writes_nothing(weights, servers):
    bench = restarted(weights, servers)
    bench.record(a=PASS, b=PASS, c=PASS, d=PASS)
    bench.wait(35)
    assert bench.writes() == []
    bench.stop()


@pytest.mark.parametrize(
    ("weights", "servers", "then"),
    [
        (LEAST_MOVING, {A: 100, B: 100, C: 50, D: 0}, {A: 2, B: 2, C: 1, D: 0}),
        (AS_WRITTEN, {A: 2, B: 2, C: 1, D: 0}, {A: 100, B: 100, C: 50, D: 0}),
    ],
)
def test_a_restart_with_the_other_option_keeps_the_shares_while_nothing_is_known(weights, servers, then):
    bench = restarted(weights, servers)
    assert bench.weights()[WEB] == then
    assert len(bench.lb.scripts) == 1
    # The first result changes nothing about the shares, and neither does the last.
    bench.writes()
    bench.record(a=PASS)
    bench.wait(1)
    bench.record(b=PASS, c=PASS)
    bench.wait(1)
    assert bench.writes() == []
    bench.stop()


def test_a_restart_with_another_option_and_another_weight_tells_all_servers_in_one_unit():
    # What a file of 100, 50 and 25 had left, and the new one has 100, 60 and 25.
    bench = restarted(AS_WRITTEN, {A: 4, B: 2, C: 1}, pools=((("a", 100), ("b", 60), ("c", 25)),))
    assert bench.weights()[WEB] == {A: 100, B: 50, C: 25}
    bench.record(b=PASS)
    assert bench.weights()[WEB] == {A: 100, B: 60, C: 25}
    bench.writes()
    bench.record(a=PASS, c=PASS)
    bench.wait(31)
    assert bench.writes() == []
    bench.stop()


def test_what_was_down_before_a_restart_with_the_other_option_stays_at_zero():
    bench = restarted(LEAST_MOVING, {A: 100, B: 0, C: 50, D: 0})
    assert bench.weights()[WEB] == {A: 2, B: 0, C: 1, D: 0}
    bench.stop()


def test_a_resumed_backend_holds_the_weight_that_it_had_across_a_change_of_the_scale(bench):
    bench.board.apply(attrs.evolve(config(), healthchecks={"tcp": attrs.evolve(QUICK[0], l4_port=81)}))
    assert bench.weights()[WEB] == {A: 2, B: 2, C: 1, D: 0}
    bench.board.happen("a", Lifecycle.DISABLE)
    assert bench.weights()[WEB] == {A: 0, B: 2, C: 1, D: 0}


@pytest.mark.parametrize(("old", "new"), [(AS_WRITTEN, LEAST_MOVING), (LEAST_MOVING, AS_WRITTEN)])
def test_a_replaced_server_that_stays_for_now_is_told_by_the_new_scale(old, new):
    bench = VppInMemory(config(old, pools=((("a", 100), ("b", 50)),)))
    after = make_config(
        [make_frontend(pools=((("x", 100), ("y", 50)),), weights=new)],
        [Backend("x", "10.0.9.1", "tcp"), Backend("y", "10.0.9.2", "tcp")],
        QUICK,
    )
    bench.board.apply(after)
    proportions = {A: 2, B: 1} if new is LEAST_MOVING else {A: 100, B: 50}
    served = {address: weight for address, weight in bench.weights()[WEB].items() if weight}
    assert served == proportions
    bench.record(x=PASS, y=PASS)
    bench.wait(2)
    least = new is LEAST_MOVING
    assert bench.weights()[WEB] == {"10.0.9.1": 2 if least else 100, "10.0.9.2": 1 if least else 50}
    assert bench.lb.zero_moments == []
    bench.stop()


# The length of the table


@pytest.mark.parametrize(
    ("fits", "wanted", "held", "after"),
    [
        (True, 2048, 1024, 1024),
        (True, 4096, 1024, 4096),
        (True, 1024, 65536, 65536),
        (True, 65536, 32768, 32768),
        (True, 1024, 0, 1024),
        (False, 2048, 1024, 2048),
        (False, 1024, 2048, 1024),
    ],
)
def test_a_live_vip_is_recreated_for_a_fitting_table_only_if_it_is_worth_it(fits, wanted, held, after):
    frontend = make_frontend(pools=(("a",),), table_length=wanted, table_fits=fits)
    vip = want(frontend, {"a": A}, {}, frozenset())
    live = Vip(KEY, Encap.GRE4, False, held, {})
    assert length_after(vip, live) == after
    assert bool(why_recreate(vip, live)) is (after != held != 0)


def test_a_live_vip_with_shares_that_are_good_enough_is_not_recreated():
    frontend = make_frontend(pools=(("a",),), table_length=4096, table_fits=True, table_enough=(512, 1024))
    vip = want(frontend, {"a": A}, {}, frozenset())
    assert [length_after(vip, Vip(KEY, Encap.GRE4, False, held, {})) for held in (256, 512, 1024)] == [4096, 512, 1024]
    digits = want(attrs.evolve(frontend, table_fits=False), {"a": A}, {}, frozenset())
    assert length_after(digits, Vip(KEY, Encap.GRE4, False, 1024, {})) == 4096


@pytest.mark.parametrize(("before", "after", "length"), [(10, 32, 1024), (10, 25, 4096), (10, 40, 4096)])
def test_more_servers_recreate_a_live_vip_only_where_the_shares_of_its_table_are_off(before, after, length):
    def loaded(count):
        text = config_text([f"b{number}" for number in range(count)])
        keys = "startup-min-delay: 0s, weights: least-moving, new-flows-table-length: auto"
        return load_text(text.replace("vpp: {lb: {", f"vpp: {{lb: {{{keys}, ")).config

    bench = VppInMemory(loaded(before))
    bench.wait(1)
    (key,) = bench.lb.vips
    bench.board.apply(loaded(after))
    assert bench.lb.vips[key].table_length == length
    bench.stop()


def test_a_vip_is_created_with_the_fitting_length_and_keeps_its_table_when_that_grows_a_little():
    bench = VppInMemory(config(table_length=2048, table_fits=True))
    assert [each.table_length for each in bench.writes() if isinstance(each, AddVip)] == [2048]
    bench.board.apply(config(table_length=4096, table_fits=True))
    assert bench.lb.vips[KEY].table_length == 2048
    bench.board.apply(config(table_length=8192, table_fits=True))
    assert bench.lb.vips[KEY].table_length == 8192
    bench.stop()


# What was never proved


@pytest.mark.parametrize(
    ("weights", "found", "lowered"),
    [(AS_WRITTEN, (100, 100, 50), (100, 25, 50)), (LEAST_MOVING, (2, 2, 1), (4, 1, 2))],
)
def test_an_operator_lowers_the_weight_of_what_was_never_proved_and_raises_none(weights, found, lowered):
    bench = restarted(
        weights, dict(zip((A, B, C), found, strict=True)), {"startup_min_delay": 0, "startup_max_delay": 1}
    )
    bench.wait(1)
    bench.board.set_weight("web", "pool0", "b", 25)
    bench.wait(0.1)
    assert bench.weights()[WEB] == dict(zip((A, B, C), lowered, strict=True)) | {D: 0}
    bench.board.set_weight("web", "pool0", "b", 100)
    bench.wait(0.1)
    assert bench.board.frontends["web"].desired["b"].weight == 25
    bench.record(b=PASS)
    assert bench.board.frontends["web"].desired["b"].weight == 100
    bench.stop()


@pytest.mark.parametrize(
    ("found", "file"),
    [
        ((10, 10, 10), (10, 1, 1)),
        ((1, 10, 10), (1, 100, 100)),
        ((100, 10, 10), (100, 100, 100)),
        ((1, 2, 3), (1, 3, 5)),
    ],
)
def test_a_restart_with_edited_weights_leaves_what_was_never_proved_as_it_is(found, file):
    pools = (tuple(zip("abc", file, strict=True)), (("d", 30),))
    servers = dict(zip((A, B, C), found, strict=True))
    bench = restarted(AS_WRITTEN, servers, {"startup_min_delay": 0, "startup_max_delay": 1}, pools)
    bench.wait(2)
    assert bench.weights()[WEB] == servers | {D: 0}
    bench.record(b=PASS)
    assert bench.weights()[WEB] == servers | {B: file[1], D: 0}
    bench.stop()


# What the scale has no integer for

SHORT = {"startup_min_delay": 0, "startup_max_delay": 1}
EQUALS = (tuple((name, 100) for name in "abcd"),)


def rechecked(pools):
    """Return a configuration by which every backend has to be proved again."""
    return attrs.evolve(config(pools=pools), healthchecks={"tcp": attrs.evolve(QUICK[0], l4_port=81)})


def test_a_weight_that_the_scale_has_no_integer_for_keeps_its_share_until_it_is_proved():
    bench = restarted(LEAST_MOVING, {A: 100, B: 100, C: 100, D: 1}, SHORT, EQUALS)
    bench.wait(2)
    bench.record(a=PASS, b=PASS, c=PASS)
    bench.wait(1)
    assert bench.writes() == []
    bench.record(d=PASS)
    # All of them at one moment.
    (script,) = bench.lb.scripts
    assert bench.writes() == list(script)
    assert bench.weights()[WEB] == {A: 1, B: 1, C: 1, D: 1}
    bench.stop()


def test_a_weight_that_the_scale_has_no_integer_for_ends_with_a_failure_too():
    bench = restarted(LEAST_MOVING, {A: 100, B: 100, C: 100, D: 1}, SHORT, EQUALS)
    bench.wait(2)
    bench.record(a=PASS, b=PASS, c=PASS, d=FAIL)
    bench.wait(1)
    assert bench.weights()[WEB] == {A: 1, B: 1, C: 1, D: 0}
    bench.stop()


@pytest.mark.parametrize(("before", "programmed"), [(1, (99, 99, 99, 1)), (25, (4, 4, 4, 1)), (60, (5, 5, 5, 3))])
def test_a_reload_that_has_backends_proved_again_moves_nothing_until_the_last_one_is(before, programmed):
    pools = ((("a", 100), ("b", 100), ("c", 100), ("d", before)),)
    bench = VppInMemory(config(pools=pools))
    weights = dict(zip((A, B, C, D), programmed, strict=True))
    assert bench.weights()[WEB] == weights
    bench.writes()
    bench.board.apply(rechecked(EQUALS))
    bench.record(a=PASS, c=PASS, b=PASS)
    assert bench.writes() == []
    bench.record(d=PASS)
    assert bench.weights()[WEB] == {A: 1, B: 1, C: 1, D: 1}
    bench.stop()


def test_a_renamed_frontend_keeps_the_scale_that_its_vip_had():
    bench = VppInMemory(config(AS_WRITTEN, pools=((("a", 100), ("b", 100), ("c", 100), ("d", 30)),)))
    bench.writes()
    renamed = attrs.evolve(rechecked(EQUALS).frontends["web"], name="site")
    bench.board.apply(attrs.evolve(rechecked(EQUALS), frontends={"site": renamed}))
    bench.wait(1)
    assert bench.writes() == []
    bench.stop()


def test_a_scale_that_says_several_weights_stays_until_the_last_of_them_is_proved():
    pools = (tuple((name, 100) for name in "abcef"),)
    bench = VppInMemory(config(pools=((("a", 100), ("b", 100), ("c", 100), ("e", 50), ("f", 25)),)))
    e, f = D, "10.0.0.5"
    bench.board.apply(rechecked(pools))
    bench.record(a=PASS, b=PASS, c=PASS)
    bench.writes()
    bench.record(f=PASS)
    # 50 alone would be said by half of this.
    assert bench.writes() == [SetWeight(KEY, f, 4, 1)]
    bench.record(e=PASS)
    assert bench.weights()[WEB] == {A: 1, B: 1, C: 1, e: 1, f: 1}
    bench.stop()


def test_a_weight_of_another_pool_that_is_kept_is_told_with_its_share():
    pools = ((("a", 33),), (("b", 100), ("c", 50)))
    bench = VppInMemory(config(pools=pools))
    bench.record(a=FAIL)
    bench.board.apply(rechecked(pools))
    bench.record(a=PASS)
    # By the scale of a's pool, in which 33 is 1, 50 would be 2 and 100 be 3.
    assert bench.weights()[WEB] == {A: 2, B: 6, C: 3}
    bench.record(c=PASS)
    # And 100 alone is 3.
    assert bench.weights()[WEB] == {A: 1, B: 3, C: 0}
    bench.record(b=PASS)
    assert bench.weights()[WEB] == {A: 1, B: 0, C: 0}
    bench.stop()


def test_a_weight_that_a_moved_backend_finds_at_its_new_address_is_told_with_its_share():
    bench = VppInMemory(config(pools=((("a", 100), ("b", 100), ("c", 1)),)))
    # a moves to the address of c, which leaves.
    made = [Backend("a", C, "tcp"), Backend("b", B, "tcp")]
    bench.writes()
    bench.board.apply(make_config([make_frontend(pools=(("a", "b"),), weights=LEAST_MOVING)], made, QUICK))
    assert bench.weights()[WEB] == {A: 99, B: 99, C: 1}
    assert bench.writes() == []
    bench.record(a=PASS)
    bench.wait(2)
    assert bench.weights()[WEB] == {B: 1, C: 1}
    bench.stop()
