"""A server that leaves the file while others serve loses its weight at once, and is deleted a moment later."""

from __future__ import annotations

import attrs
import pytest

from maglev.model.config import Backend
from maglev.model.health import Lifecycle
from maglev.vpp.lb.calls import Features
from maglev.vpp.lb.state import AddServer, ApplicationServer, DeleteServer, DeleteVip, Encap, SetWeight, VipKey
from tests.fakes.configs import make_config, make_frontend
from tests.fakes.logs import recorded_events
from tests.fakes.vpp_bench import FAIL, PASS, QUICK, VppInMemory, results_of

WEB = "tcp://192.0.2.1:80"
KEY = VipKey("192.0.2.1", 32, 6, 80)
A, B, C, X = (f"10.0.0.{number}" for number in (1, 2, 3, 8))

LOWER_A = SetWeight(KEY, A, 0, 100)
DELETE_A = DeleteServer(KEY, A, flush=True)


def config(frontends=None, drain=1.0, stay=60.0, **addresses):
    """Return a configuration with one frontend whose backends have these addresses, unless told otherwise."""
    made = [Backend(name, address, "tcp") for name, address in addresses.items()]
    frontends = [make_frontend(pools=(tuple(addresses),))] if frontends is None else frontends
    return make_config(frontends, made, QUICK, removal_drain=drain, removal_max_delay=stay)


@pytest.fixture
def bench():
    made = VppInMemory(config(a=A, b=B))
    made.writes()
    yield made
    made.stop()


def servers(bench):
    return bench.weights()[WEB]


def departing(bench):
    """Return {address: (weight, tenths of a second left)}."""
    found = bench.service.departures.departing(KEY)
    return {address: (each.weight, round(10 * each.seconds)) for address, each in found.items()}


def answer_all(bench):
    """Let VPP answer, one after the other, until it has nothing more to do."""
    while bench.lb.waiting:
        bench.lb.answer(1)
    bench.lb.manual = False


def test_it_loses_its_weight_at_once_without_a_flush_and_is_deleted_with_one_after_the_drain(bench):
    with recorded_events() as events:
        bench.board.apply(config(b=B))
        assert bench.writes() == [LOWER_A]
        bench.wait(0.9)
        assert (bench.writes(), servers(bench), departing(bench)) == ([], {A: 0, B: 100}, {A: (0, 1)})
        bench.wait(0.2)
        assert (bench.writes(), servers(bench), departing(bench)) == ([DELETE_A], {B: 100}, {})
    ((_, fields),) = [event for event in events if event[0] == "vpp-lbsync-drain"]
    assert (fields["vip"], fields["servers"], fields["seconds"]) == (WEB, A, 1.0)


def test_the_successor_is_added_before_the_weight_is_lowered(bench):
    bench.board.apply(config(b=B, x=X))
    assert bench.writes() == [AddServer(KEY, X, 0), LOWER_A]


def test_a_drain_of_0_deletes_at_once(bench):
    bench.board.apply(config(b=B, drain=0.0))
    assert bench.writes() == [DELETE_A]


def test_nobody_drains_where_nobody_else_serves(bench):
    bench.board.apply(config(x=X, stay=0.0))
    assert servers(bench) == {X: 0}


@pytest.mark.parametrize("why", ["down", "paused", "disabled", "weight"])
def test_a_server_without_weight_is_deleted_at_once(bench, why):
    match why:
        case "down":
            bench.record(a=FAIL)
        case "paused":
            bench.board.happen("a", Lifecycle.PAUSE)
        case "disabled":
            bench.board.happen("a", Lifecycle.DISABLE)
        case _:
            bench.board.set_weight("web", "pool0", "a", 0)
    bench.writes()
    bench.board.apply(config(b=B))
    assert (bench.writes(), departing(bench)) == ([DELETE_A], {})


def test_a_server_that_comes_back_is_not_deleted(bench):
    bench.board.apply(config(b=B))
    bench.wait(0.5)
    bench.board.apply(config(z=A, b=B))
    assert departing(bench) == {}
    bench.record(z=PASS)
    bench.wait(2)
    assert bench.writes() == [LOWER_A, SetWeight(KEY, A, 100, 0)]
    # Another departure is another drain.
    bench.board.apply(config(b=B))
    bench.wait(0.9)
    assert servers(bench) == {A: 0, B: 100}
    bench.wait(0.2)
    assert servers(bench) == {B: 100}


def test_two_that_leave_one_after_the_other_drain_each_for_its_time(bench):
    bench.board.apply(config(b=B, c=C))
    bench.record(c=PASS)
    bench.wait(0.5)
    bench.board.apply(config(c=C))
    assert (servers(bench), departing(bench)) == ({A: 0, B: 0, C: 100}, {A: (0, 5), B: (0, 10)})
    bench.wait(0.6)
    assert servers(bench) == {B: 0, C: 100}
    bench.wait(0.5)
    assert servers(bench) == {C: 100}


@pytest.mark.parametrize("wait", [0, 0.5])
def test_an_operator_can_have_them_deleted_at_once(bench, wait):
    bench.board.apply(config(b=B))
    bench.wait(wait)
    bench.service.departures.release()
    assert (bench.writes(), servers(bench)) == ([LOWER_A, DELETE_A], {B: 100})


def test_an_operator_can_have_them_deleted_at_once_while_vpp_is_slow(bench):
    bench.lb.manual = True
    bench.board.apply(config(b=B))
    bench.service.departures.release()
    answer_all(bench)
    assert (bench.writes(), servers(bench)) == ([LOWER_A, DELETE_A], {B: 100})


def test_an_operator_can_have_them_deleted_before_their_vip_had_its_turn(bench):
    bench.lb.manual = True
    bench.board.set_weight("web", "pool0", "b", 50)
    results_of(bench.service.sync_now())
    bench.board.apply(config(b=B))
    bench.service.departures.release()
    answer_all(bench)
    assert bench.writes() == [SetWeight(KEY, B, 50, 100), SetWeight(KEY, B, 100, 50), DELETE_A]


def test_servers_that_served_until_their_successors_were_known_drain_as_well(bench):
    bench.board.apply(config(x=X))
    assert (servers(bench), departing(bench)) == ({A: 100, B: 100, X: 0}, {A: (100, 600), B: (100, 600)})
    bench.record(x=PASS)
    assert (servers(bench), departing(bench)) == ({A: 0, B: 0, X: 100}, {A: (0, 10), B: (0, 10)})
    bench.wait(1.1)
    assert servers(bench) == {X: 100}
    assert bench.lb.zero_moments == []


def test_servers_whose_time_is_over_without_a_successor_are_deleted_at_once(bench):
    bench.board.apply(config(x=X))
    bench.wait(61)
    assert servers(bench) == {X: 0}


def test_the_former_address_of_a_backend_drains_when_it_is_proved_at_the_new_one(bench):
    bench.board.apply(config(a=X, b=B))
    assert servers(bench) == {A: 100, B: 100, X: 0}
    bench.record(a=PASS)
    assert servers(bench) == {A: 0, B: 100, X: 100}
    bench.wait(1.1)
    assert servers(bench) == {B: 100, X: 100}


def test_syncs_plans_and_other_changes_meanwhile_leave_it_alone(bench):
    with recorded_events() as events:
        bench.board.apply(config(b=B, c=C))
        bench.wait(0.3)
        results_of(bench.service.sync_now())
        (preview,) = results_of(bench.service.sync.preview())
        assert (preview.plan, preview.wanted[KEY].servers[A].weight) == ({}, 0)
        bench.record(c=PASS)
        bench.record(b=FAIL)
        assert servers(bench) == {A: 0, B: 0, C: 100}
        bench.wait(0.8)
        assert servers(bench) == {B: 0, C: 100}
    assert [name for name, _ in events if name in {"vpp-lbsync-drift", "vpp-lbsync-refused"}] == []


def test_a_weight_that_is_given_to_it_by_hand_is_taken_away(bench):
    bench.board.apply(config(b=B, drain=50.0))
    bench.lb.vips[KEY].servers[A] = ApplicationServer(A, 100)
    bench.wait(31)
    assert servers(bench) == {A: 0, B: 100}


def test_it_is_not_deleted_before_what_serves_instead_when_others_have_turned_the_vip_round(bench):
    bench.board.apply(config(b=B))
    assert bench.writes() == [LOWER_A]
    vip = bench.lb.vips[KEY]
    vip.servers[A] = ApplicationServer(A, 100)
    del vip.servers[B]
    bench.wait(1.1)
    assert bench.writes() == [AddServer(KEY, B, 100), DELETE_A]
    assert servers(bench) == {B: 100}


def test_many_that_have_drained_together_are_deleted_after_two_reads():
    names = [f"web{number}" for number in range(20)]
    pair = [make_frontend(name, f"192.0.2.{number}", (("a", "b"),)) for number, name in enumerate(names, 1)]
    alone = [make_frontend(name, f"192.0.2.{number}", (("b",),)) for number, name in enumerate(names, 1)]
    bench = VppInMemory(config(pair, a=A, b=B))
    bench.board.apply(config(alone, b=B))
    reads = bench.lb.reads
    bench.lb.manual = True
    bench.wait(1.5)
    answer_all(bench)
    assert set(map(str, bench.weights().values())) == {str({B: 100})}
    assert bench.lb.reads - reads == 2, "one for the first of them, and one for all others"
    bench.stop()


def test_a_plan_says_that_it_will_drain(bench):
    bench.lb.refuse[SetWeight] = -1
    bench.board.apply(config(b=B))
    (preview,) = results_of(bench.service.sync.preview())
    assert [str(each) for each in preview.plan[KEY[:2]].vips[KEY]] == [str(LOWER_A)]
    bench.lb.refuse.clear()


def test_a_restart_of_ours_meanwhile_deletes_it_at_the_first_sync(bench):
    bench.board.apply(config(b=B))
    other = VppInMemory(config(b=B), vpp=False)
    other.lb, bench.lb = bench.lb, other.lb
    other.connector.start_vpp(other.lb)
    other.wait(0.5)
    assert servers(other) == {B: 100}
    other.stop()


def test_a_restart_of_ours_after_the_file_was_changed_lets_it_drain():
    bench = VppInMemory(config(a=A, b=B))
    lb = bench.lb
    bench.stop()
    bench = VppInMemory(config(b=B), vpp=False)
    bench.lb = lb
    bench.connector.start_vpp(lb)
    bench.wait(0.5)
    assert servers(bench) == {A: 0, B: 100}
    bench.wait(1)
    assert servers(bench) == {B: 100}
    bench.stop()


def test_a_vpp_that_restarts_meanwhile_does_not_get_it_again(bench):
    bench.board.apply(config(b=B))
    bench.connector.kill_vpp()
    bench.connector.start_vpp()
    bench.lb = bench.connector.lb
    bench.wait(0.5)
    assert (servers(bench), departing(bench)) == ({B: 100}, {})


def test_a_connection_that_is_lost_meanwhile_delays_the_deletion_only(bench):
    bench.board.apply(config(b=B))
    lb = bench.lb
    bench.connector.kill_vpp()
    bench.wait(2)
    assert servers(bench) == {A: 0, B: 100}
    bench.connector.start_vpp(lb)
    bench.wait(0.5)
    assert servers(bench) == {B: 100}


def test_a_frontend_that_leaves_meanwhile_takes_it_along(bench):
    bench.board.apply(config(b=B))
    bench.board.apply(config([], b=B))
    assert bench.writes() == [LOWER_A, DeleteVip(KEY)]
    bench.wait(2)
    assert (bench.writes(), departing(bench)) == ([], {})


def test_a_vip_that_is_made_again_for_the_other_family_has_no_drain(bench):
    bench.board.apply(config(x="2001:db8::8"))
    bench.record(x=PASS)
    assert servers(bench) == {"2001:db8::8": 100}
    assert bench.lb.vips[KEY].encap is Encap.GRE6


def test_a_drain_ends_when_its_vip_is_made_again_for_the_other_family(bench):
    bench.board.apply(config(b=B, drain=50.0))
    bench.board.apply(config(x="2001:db8::8", drain=50.0))
    bench.record(x=PASS)
    assert (servers(bench), departing(bench)) == ({"2001:db8::8": 100}, {})


def test_a_server_added_by_hand_does_not_drain(bench):
    bench.lb.vips[KEY].servers[X] = ApplicationServer(X, 100)
    bench.wait(31)
    assert bench.writes() == [DeleteServer(KEY, X, flush=True)]


def test_a_server_added_by_hand_does_not_drain_beside_one_that_does(bench):
    bench.board.apply(config(b=B, drain=50.0))
    bench.lb.vips[KEY].servers[X] = ApplicationServer(X, 100)
    bench.wait(31)
    assert bench.writes() == [LOWER_A, DeleteServer(KEY, X, flush=True)]


def test_a_vpp_without_weights_has_it_deleted_at_once():
    bench = VppInMemory(config(a=A, b=B), vpp=False)
    bench.lb.features = Features(weights=False, src_ip_sticky=False)
    bench.connector.start_vpp(bench.lb)
    bench.wait(0.5)
    bench.writes()
    bench.board.apply(config(b=B))
    assert bench.writes() == [DELETE_A]
    bench.stop()


def test_a_vpp_that_answers_late_gets_the_deletion_after_the_weight(bench):
    bench.lb.manual = True
    bench.board.apply(config(b=B))
    bench.wait(1.5)
    answer_all(bench)
    assert bench.writes() == [LOWER_A, DELETE_A]


def test_what_can_not_be_lowered_is_deleted_when_its_time_is_over(bench):
    bench.lb.refuse[SetWeight] = -1
    bench.board.apply(config(b=B))
    bench.wait(1.2)
    assert servers(bench) == {B: 100}
    bench.lb.refuse.clear()


def test_what_can_not_be_lowered_is_deleted_while_another_one_moves(bench):
    bench.board.apply(config(a=A, b=B, c=C))
    bench.record(c=PASS)
    bench.lb.refuse[SetWeight] = -1
    bench.board.apply(config(a=X, c=C))
    bench.wait(1.2)
    assert servers(bench) == {A: 100, C: 100, X: 0}
    bench.lb.refuse.clear()


def test_one_that_could_not_be_deleted_and_came_back_drains_again(bench):
    bench.lb.refuse[DeleteServer] = -1
    bench.board.apply(config(b=B))
    bench.wait(1.2)
    bench.board.apply(config(z=A, b=B))
    bench.lb.refuse.clear()
    bench.record(z=PASS)
    bench.wait(1)
    assert servers(bench) == {A: 100, B: 100}
    bench.board.apply(config(b=B))
    assert servers(bench) == {A: 0, B: 100}


def test_it_is_not_lowered_while_what_should_take_over_is_refused(bench):
    bench.record(b=FAIL)
    bench.board.apply(config(b=B, x=X))
    bench.lb.refuse[SetWeight] = -1
    bench.record(x=PASS)
    bench.wait(5)
    assert servers(bench)[A] == 100
    bench.lb.refuse.clear()
    bench.wait(30)
    assert servers(bench) == {B: 0, X: 100}
    assert bench.lb.zero_moments == []


def test_a_change_of_the_time_does_not_concern_those_that_drain_already(bench):
    bench.board.apply(config(b=B))
    bench.board.apply(attrs.evolve(config(b=B, drain=50.0)))
    bench.wait(1.1)
    assert servers(bench) == {B: 100}
