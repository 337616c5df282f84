"""The checker: when it probes, what it believes, and what it does not."""

import attrs
import pytest
from twisted.logger import globalLogPublisher
from zope.interface.verify import verifyObject

from maglev.healthcheck.excuses import LONGEST_EXCUSE, MOST_TIME
from maglev.interfaces import IProber
from maglev.model.config import Backend, CheckType
from maglev.model.health import Lifecycle, State
from maglev.model.result import Code, LocalFault, Result
from tests.fakes.checker import PASS, CheckerRig
from tests.fakes.configs import make_check, make_config, make_frontend
from tests.fakes.logs import recorded_events
from tests.fakes.probers import FakeProber

FAIL = Result(Code.L4CON, "refused")
TIMEOUT = Result(Code.L4TOUT)
NO_ANSWER = Result(Code.L7TOUT)

STATIC = [Backend(name, f"10.0.0.{ord(name)}") for name in "abc"]


def test_the_fake_is_a_prober():
    verifyObject(IProber, FakeProber(None, None))


def test_first_probes_are_spread_evenly_over_one_interval():
    bench = CheckerRig(make_config(checks=[make_check(interval=3.0)]))
    begun = {}
    for step in range(31):
        for name in "abc":
            if bench[name].starts and name not in begun:
                begun[name] = step / 10
        bench.clock.advance(0.1)
    assert begun == pytest.approx({"a": 0.1, "b": 1.1, "c": 2.1}, abs=0.11)


def test_first_probes_are_spread_so_that_all_is_known_before_the_warm_up_ends():
    names = [f"b{number}" for number in range(20)]
    backends = [Backend(name, f"10.0.1.{index}", "tcp") for index, name in enumerate(names)]
    check = make_check(interval=60.0, timeout=5.0)
    bench = CheckerRig(make_config(frontends=[], backends=backends, checks=[check], startup_max_delay=30.0))
    bench.clock.pump([0.1] * 240)
    assert all(bench[name].starts for name in names)
    bench = CheckerRig(make_config(frontends=[], backends=backends, checks=[check], startup_max_delay=30.0))
    bench.clock.pump([0.1] * 100)
    assert not bench["b19"].starts, "as much time as there is"


@pytest.mark.parametrize(
    ("results", "interval"),
    [
        ([PASS], 1.0),  # between the extremes: fast-interval
        ([PASS, PASS, PASS], 2.0),  # at the top: interval
        ([FAIL], 4.0),  # at 0: down-interval
        ([PASS, PASS, PASS, FAIL], 1.0),
    ],
)
def test_the_next_probe_comes_after_the_interval_that_the_counter_asks_for(results, interval):
    bench = CheckerRig()
    bench.finish("a", *results)
    starts = bench["a"].starts
    bench.clock.advance(interval - 0.01)
    assert bench["a"].starts == starts
    bench.clock.advance(0.02)
    assert bench["a"].starts == starts + 1


def test_the_interval_counts_from_the_start_of_a_probe():
    bench = CheckerRig()
    bench.clock.advance(0)
    bench.clock.advance(0.9)
    bench["a"].finish(PASS)
    bench.clock.advance(0.09)
    assert bench["a"].starts == 1
    bench.clock.advance(0.02)
    assert bench["a"].starts == 2


def test_a_backend_is_never_probed_twice_at_once():
    bench = CheckerRig()
    bench.clock.pump([0.5] * 100)
    assert bench["a"].starts == 1


def test_results_reach_the_board_and_the_tally():
    bench = CheckerRig()
    bench.finish("a", PASS, FAIL)
    tally = bench.checker.counters["a"]
    assert tally.type == "tcp"
    assert dict(tally.codes()) == {Code.L4TOUT: 0, Code.L4CON: 1, Code.L4OK: 1}
    assert sum(tally.counts) == 2
    assert bench.board.backend("a").last_result == FAIL


def test_a_probe_that_ends_within_its_start_is_fine():
    bench = CheckerRig()
    bench["a"].at_once = PASS
    bench.clock.advance(0)
    bench.clock.pump([1.0] * 2)
    assert bench["a"].starts == 3
    assert bench.state("a") is State.UP


def test_a_static_backend_is_up_at_once_and_never_probed():
    bench = CheckerRig(make_config(backends=STATIC))
    assert {bench.state(name) for name in "abc"} == {State.UP}
    assert bench.probers.made == {}
    assert bench.board.backend("a").transitions[0].code == "static"


# No evidence


def test_a_timeout_while_the_reactor_was_late_is_not_evidence_and_is_retried_at_once():
    bench = CheckerRig(make_config(checks=[make_check(rise=1, fall=1)]))
    bench.finish("a", PASS)
    bench.clock.advance(2.0)
    bench.clock.stall(3.0)
    bench["a"].finish(TIMEOUT)
    assert bench.state("a") is State.UP
    assert bench.checker.discarded["lag"] == 1
    assert dict(bench.checker.counters["a"].codes())[Code.L4TOUT] == 0
    starts = bench["a"].starts
    bench.clock.advance(0)
    assert bench["a"].starts == starts + 1


def test_a_timeout_on_time_is_evidence():
    bench = CheckerRig(make_config(checks=[make_check(rise=1, fall=1)]))
    bench.finish("a", PASS)
    bench.clock.pump([0.1] * 30)
    bench["a"].finish(TIMEOUT)
    assert bench.state("a") is State.DOWN


def test_a_stall_before_the_probe_began_is_not_an_excuse():
    bench = CheckerRig(make_config(checks=[make_check(rise=1, fall=1)]))
    bench.finish("a", PASS)
    bench.clock.stall(3.0)
    bench.clock.pump([0.1] * 10)
    bench["a"].finish(TIMEOUT)
    assert bench.state("a") is State.DOWN


def test_a_refusal_is_evidence_however_late_the_reactor_is():
    bench = CheckerRig(make_config(checks=[make_check(rise=1, fall=1)]))
    bench.finish("a", PASS)
    bench.clock.advance(2.0)
    bench.clock.stall(3.0)
    bench["a"].finish(FAIL)
    assert bench.state("a") is State.DOWN


def test_a_failure_that_is_read_after_time_was_up_is_not_evidence_if_the_reactor_was_late():
    # A backend that heard nothing for longer than it waits for a request says so, and hangs up.
    tired = Result(Code.L7STS, "status 408", duration=3.0)
    bench = CheckerRig(make_config(checks=[make_check(rise=1, fall=1)]))
    bench.finish("a", PASS)
    bench.clock.advance(2.0)
    bench.clock.stall(3.0)
    bench["a"].finish(tired)
    assert bench.state("a") is State.UP
    assert bench.checker.discarded["lag"] == 1


def dead_under_stalls(bench, name, stall, seconds, result=NO_ANSWER):
    """Let the reactor stall all the time, and a backend never answer; return after how long it is down."""
    begun = start = bench.clock.seconds()
    under_way = None
    while bench.clock.seconds() < begun + seconds:
        bench.clock.stall(stall)
        if bench[name].finished is not under_way:
            under_way, start = bench[name].finished, bench.clock.seconds()
        if under_way is not None and bench.clock.seconds() - start >= bench[name].healthcheck.timeout:
            bench[name].finish(result)
        if bench.state(name) is State.DOWN:
            return bench.clock.seconds() - begun
    return None


@pytest.mark.parametrize("stall", [0.25, 0.5, 1.0, 1.9])
def test_a_dead_backend_goes_down_though_the_reactor_is_late_all_the_time(stall):
    bench = CheckerRig(make_config(checks=[make_check(rise=1, fall=3, timeout=1.0)]))
    bench.finish("a", PASS, PASS, PASS)
    downtime = dead_under_stalls(bench, "a", stall, 300.0)
    assert bench.checker.discarded["lag"] >= 3
    assert downtime is not None
    assert downtime < 3 * 2 * 2 * 10 * (stall + 0.1)


@pytest.mark.parametrize("stall", [0.2, 0.4])
def test_stalls_that_leave_the_kernel_its_time_do_not_excuse_a_missing_connection(stall):
    bench = CheckerRig(make_config(checks=[make_check(rise=1, fall=3, timeout=1.0)]))
    bench.finish("a", PASS, PASS, PASS)
    downtime = dead_under_stalls(bench, "a", stall, 300.0, TIMEOUT)
    assert bench.checker.discarded["lag"] == 0
    assert downtime < 3 * (1.0 + bench["a"].healthcheck.fast_interval + 3 * stall)


def lag_discards(bench, name, count):
    for _ in range(count):
        bench.finish(name, LocalFault("lag"))


def test_what_is_excused_again_and_again_gets_more_time_within_bounds():
    bench = CheckerRig(make_config(checks=[make_check(timeout=1.0)]))
    bench.finish("a", PASS)
    times = []
    for _ in range(10):
        lag_discards(bench, "a", 1)
        times.append(bench["a"].healthcheck.timeout)
    assert times == [1.0, 1.0, 2.0, 4.0, 8.0, 16.0, MOST_TIME, MOST_TIME, MOST_TIME, MOST_TIME]
    patient = CheckerRig(make_config(checks=[make_check(timeout=60.0)]))
    lag_discards(patient, "a", 5)
    assert patient["a"].healthcheck.timeout == 60.0


def test_an_answer_ends_the_forbearance_and_a_timeout_that_counts_lessens_it():
    bench = CheckerRig(make_config(checks=[make_check(timeout=1.0)]))
    lag_discards(bench, "a", 5)
    assert bench["a"].healthcheck.timeout == 8.0
    bench.finish("a", TIMEOUT)
    assert bench["a"].healthcheck.timeout == 4.0
    bench.finish("a", FAIL)
    assert bench["a"].healthcheck.timeout == 1.0
    lag_discards(bench, "a", 2)
    assert bench["a"].healthcheck.timeout == 1.0, "a row begins again"


@pytest.mark.parametrize(("kind", "code"), [("tcp", Code.L4TOUT), ("icmp", Code.L7TOUT)])
def test_lateness_that_a_worker_tells_of_is_not_an_excuse_for_ever(kind, code):
    bench = CheckerRig(make_config(checks=[make_check(rise=1, fall=1, timeout=1.0, type=CheckType(kind))]))
    bench.finish("a", PASS)
    begun = bench.clock.seconds()
    while bench.state("a") is State.UP:
        bench.clock.advance(1.0)
        bench.finish("a", LocalFault("lag", "late"))
        assert bench.clock.seconds() - begun < LONGEST_EXCUSE + 10.0
    assert bench.clock.seconds() - begun > LONGEST_EXCUSE
    assert bench.board.backend("a").last_result.code is code


def test_lateness_of_our_own_is_not_an_excuse_for_ever_however_late_we_are():
    bench = CheckerRig(make_config(checks=[make_check(rise=1, fall=1, timeout=1.0)]))
    bench.finish("a", PASS)
    assert dead_under_stalls(bench, "a", 7.0, 300.0) < LONGEST_EXCUSE + 60.0


def test_a_row_of_excuses_that_an_answer_ended_does_not_count_any_longer():
    bench = CheckerRig(make_config(checks=[make_check(rise=1, fall=1, timeout=1.0)]))
    for _ in range(5):
        bench.finish("a", PASS)
        for _ in range(20):
            bench.clock.advance(1.0)
            bench.finish("a", LocalFault("lag"))
        assert bench.state("a") is State.UP


def test_only_lateness_gives_a_probe_more_time():
    bench = CheckerRig(make_config(checks=[make_check(timeout=1.0)]))
    bench.finish("a", *[LocalFault("worker")] * 5)
    assert bench["a"].healthcheck.timeout == 1.0


@pytest.mark.parametrize("reason", ["descriptors", "ports", "memory", "permission", "netns"])
def test_a_fault_of_this_machine_is_not_evidence_and_is_retried_soon(reason):
    bench = CheckerRig(make_config(checks=[make_check(rise=1, fall=1)]))
    bench.finish("a", PASS)
    bench.finish("a", *[LocalFault(reason)] * 10)
    assert bench.state("a") is State.UP
    assert bench.checker.discarded[reason] == 10
    starts = bench["a"].starts
    bench.clock.advance(0.3)
    assert bench["a"].starts == starts + 1


def test_lag_that_the_prober_tells_of_is_not_evidence_either_and_is_retried_at_once():
    bench = CheckerRig()
    bench.clock.advance(0)
    bench["a"].finish(LocalFault("lag", "something was waiting to be read"))
    bench.clock.advance(0)
    assert (bench["a"].starts, bench.checker.discarded["lag"]) == (2, 1)
    assert bench.state("a") is State.UNKNOWN


def test_a_prober_that_raises_is_tried_again(logged_failures):
    bench = CheckerRig()
    bench["a"].error = ValueError("bug")
    bench.clock.advance(0)
    assert bench["a"].starts == 1
    bench["a"].error = None
    bench.clock.advance(1.0)
    assert bench["a"].starts == 2
    assert len(logged_failures.flush(ValueError)) == 1
    assert bench.state("a") is State.UNKNOWN


def test_a_prober_that_raises_twice_is_tried_again_and_costs_no_other_its_probe(logged_failures):
    def fail():
        raise ValueError("bug")

    bench = CheckerRig()
    bench["a"].error = ValueError("bug")
    bench["a"].cancel = fail
    with pytest.raises(ValueError, match="bug"):
        bench.clock.advance(0)
    bench["a"].error = None
    bench.clock.pump([0.1] * 20)
    assert [bench[name].starts for name in "abc"] == [2, 1, 1]
    logged_failures.flush(ValueError)


def test_a_result_that_raises_is_logged_and_the_next_probe_comes(logged_failures):
    bench = CheckerRig()
    bench.finish("a", Result("no such code", duration=None))
    bench.clock.advance(1.0)
    assert bench["a"].starts == 2
    assert len(logged_failures.flush(TypeError)) == 1


# What operators and reloads do


def test_pausing_aborts_the_probe_and_resuming_probes_at_once():
    bench = CheckerRig()
    bench.clock.advance(0)
    bench.board.happen("a", Lifecycle.PAUSE)
    assert bench["a"].cancels == 1
    bench.clock.pump([1.0] * 20)
    assert bench["a"].starts == 1
    bench.board.happen("a", Lifecycle.RESUME)
    bench.clock.advance(0)
    assert bench["a"].starts == 2


def test_a_drain_and_its_end_leave_the_probe_under_way_and_the_next_one_alone():
    bench = CheckerRig()
    bench.clock.advance(0)
    bench.board.happen("a", Lifecycle.DRAIN)
    bench.board.happen("a", Lifecycle.ENABLE)
    bench.board.happen("a", Lifecycle.DRAIN)
    assert (bench["a"].starts, bench["a"].cancels) == (1, 0)
    bench.finish("a", PASS)
    assert bench.state("a") is State.DRAINING
    bench.board.happen("a", Lifecycle.ENABLE)
    assert bench.state("a") is State.UP
    assert (bench["a"].starts, bench["a"].cancels) == (1, 0)


def test_a_paused_backend_that_drains_is_probed_again():
    bench = CheckerRig()
    bench.board.happen("a", Lifecycle.PAUSE)
    bench.clock.pump([1.0] * 20)
    assert bench["a"].starts == 0
    bench.board.happen("a", Lifecycle.DRAIN)
    bench.clock.advance(0)
    assert bench["a"].starts == 1


def test_a_paused_backend_that_waits_for_its_next_probe_is_not_probed():
    bench = CheckerRig()
    bench.finish("a", PASS)
    bench.board.happen("a", Lifecycle.DISABLE)
    bench.clock.pump([1.0] * 20)
    assert bench["a"].starts == 1
    assert bench["a"].cancels == 0


def test_a_result_that_comes_after_all_is_ignored():
    bench = CheckerRig()
    bench.clock.advance(0)
    late = bench["a"].finished
    bench.board.happen("a", Lifecycle.PAUSE)
    late(PASS)
    assert bench.state("a") is State.PAUSED
    assert bench.board.backend("a").last_result is None


def test_a_static_backend_passes_again_when_enabled():
    bench = CheckerRig(make_config(backends=STATIC))
    bench.board.happen("a", Lifecycle.DISABLE)
    bench.board.happen("a", Lifecycle.ENABLE)
    bench.clock.advance(0)
    assert bench.state("a") is State.UP


def test_a_disabled_backend_is_not_probed_until_enabled():
    backends = [Backend("a", "10.0.0.1", "tcp", enabled=False)]
    bench = CheckerRig(make_config(frontends=[make_frontend(pools=(("a",),))], backends=backends))
    bench.clock.pump([1.0] * 20)
    assert bench["a"].starts == 0
    bench.board.happen("a", Lifecycle.ENABLE)
    bench.clock.advance(0)
    assert bench["a"].starts == 1


def test_a_reload_leaves_unchanged_backends_alone():
    bench = CheckerRig()
    bench.finish("a", PASS)
    before = bench["a"]
    bench.board.apply(make_config())
    assert bench["a"] is before
    bench.clock.advance(1.0)
    assert before.starts == 2


def test_a_reload_probes_changed_and_new_backends_at_once():
    bench = CheckerRig()
    bench.clock.advance(0)
    before = bench["a"]
    config = make_config(frontends=[make_frontend(pools=(("a", "b", "new"), ("c",)))], checks=[make_check(timeout=0.5)])
    bench.board.apply(config)
    assert before.cancels == 1
    bench.clock.advance(0.001)
    assert [(bench[name].starts, bench[name].healthcheck.timeout) for name in ("a", "new")] == [(1, 0.5)] * 2


def test_a_removed_backend_is_forgotten():
    bench = CheckerRig()
    bench.clock.advance(0)
    before = bench["a"]
    bench.board.apply(make_config(frontends=[make_frontend(pools=(("b",), ("c",)))]))
    assert before.cancels == 1
    assert "a" not in bench.checker.counters
    bench.clock.pump([1.0] * 20)
    assert before.starts == 1


def test_a_changed_kind_of_check_begins_a_new_tally():
    bench = CheckerRig()
    bench.finish("a", PASS)
    bench.board.apply(make_config(backends=STATIC))
    bench.clock.advance(0.001)
    assert bench.checker.counters["a"].type == "static"
    assert bench.state("a") is State.UP


def test_another_namespace_replaces_every_prober():
    bench = CheckerRig()
    bench.finish("a", PASS)
    before = bench["a"]
    bench.board.apply(make_config(netns="blue"))
    bench.clock.advance(0.001)
    assert bench["a"] is not before
    assert bench.probers.netns == [None] * 3 + ["blue"] * 3
    assert bench["a"].starts == 1
    assert bench.state("a") is State.UP


def test_many_changed_backends_do_not_start_in_one_instant():
    names = [f"n{index}" for index in range(1000)]
    bench = CheckerRig(make_config(frontends=[make_frontend(pools=(tuple(names),))]))
    config = make_config(frontends=[make_frontend(pools=(tuple(names),))], checks=[make_check(timeout=0.5)])
    bench.board.apply(config)
    bench.clock.advance(0.05)
    started = sum(bench[name].starts for name in names)
    assert 450 < started < 550
    bench.clock.advance(0.06)
    assert sum(bench[name].starts for name in names) == 1000


def test_stopping_aborts_everything():
    bench = CheckerRig()
    bench.clock.advance(0.7)
    bench.checker.stopService()
    assert bench["a"].cancels == 1
    assert bench.clock.getDelayedCalls() == []
    bench.board.happen("a", Lifecycle.PAUSE)
    bench.board.happen("a", Lifecycle.RESUME)
    assert bench.clock.getDelayedCalls() == []


def test_the_most_overdue_probe_is_known():
    bench = CheckerRig()
    bench.clock.rightNow += 5.0
    assert bench.checker.oldest_wait() == pytest.approx(5.0)
    bench.clock.advance(0)
    bench.finish("a", PASS)
    assert bench.checker.oldest_wait() == 0.0


def test_each_probe_is_logged_only_when_asked_for():
    for asked in (False, True):
        events = []
        globalLogPublisher.addObserver(events.append)
        try:
            CheckerRig(log_probes=asked).finish("a", PASS)
        finally:
            globalLogPublisher.removeObserver(events.append)
        assert any(event.get("log_event") == "probe-done" for event in events) is asked


def test_a_changed_check_of_the_same_kind_keeps_its_tally():
    bench = CheckerRig()
    bench.finish("a", PASS)
    config = attrs.evolve(bench.board.config, healthchecks={"tcp": make_check(timeout=0.3)})
    bench.board.apply(config)
    assert dict(bench.checker.counters["a"].codes())[Code.L4OK] == 1


# Evidence


@pytest.mark.parametrize("outcome", [LocalFault("permission", "no"), None])
def test_a_checker_that_learns_nothing_is_loud(outcome):
    with recorded_events() as events:
        bench = CheckerRig(make_config(checks=[make_check(interval=2.0, timeout=1.0)]))
        for name in "abc":
            bench.finish(name, PASS, PASS)
        for _ in range(40):
            bench.clock.advance(0.5)
            for name in "bc":
                if bench[name].finished is not None:
                    bench[name].finish(PASS)
            if outcome is not None and bench["a"].finished is not None:
                bench["a"].finish(outcome)
        assert bench.checker.evidence.lost == {"a"}
        assert bench.checker.evidence.oldest > 15.0
        (lost,) = [fields for name, fields in events if name == "evidence-lost"]
        assert (lost["backends"], lost["total"], lost["some"]) == (1, 1, "a")
        assert lost["reasons"].startswith("none" if outcome is None else "permission ")
        assert bench.state("a") is State.UP, "what is not known lowers nothing"
        bench.finish("a", PASS)
        bench.clock.pump([0.5] * 10)
        assert [fields["total"] for name, fields in events if name == "evidence-regained"] == [0]


def test_what_is_not_probed_is_not_missed():
    bench = CheckerRig()
    for name in "abc":
        bench.finish(name, PASS)
        bench.board.happen(name, Lifecycle.PAUSE)
    bench.clock.pump([5.0] * 20)
    assert bench.checker.evidence.lost == set()
    bench.board.happen("a", Lifecycle.RESUME)
    bench.clock.pump([1.0] * 10)
    assert bench.checker.evidence.lost == set(), "the time counts from the resumption"
    bench.clock.pump([1.0] * 30)
    assert bench.checker.evidence.lost == {"a"}
