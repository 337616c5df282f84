"""The pool: who probes what, and what becomes of probes whose worker dies, hangs or talks nonsense."""

import pytest
from twisted.internet.error import ProcessDone

from maglev.healthcheck.lag import BUCKETS
from maglev.healthcheck.workers import codec
from maglev.healthcheck.workers.codec import MessageKind, Spec
from maglev.healthcheck.workers.pool import (
    LEAVING_LOOKS,
    LOOK,
    LOST,
    PAUSES,
    SILENT_LOOKS,
    SLICE,
    STARTING_LOOKS,
    STOP_LIMIT,
)
from maglev.healthcheck.workers.rendezvous import chosen
from maglev.model.result import Code, LocalFault, Result
from tests.fakes.configs import make_check
from tests.fakes.logs import recorded_events
from tests.fakes.workers import PASS, SPEC, STEP, WorkerPoolRig
from tests.fakes.workers import PoolBackends as Backends

HUNG = LOOK * (SILENT_LOOKS + 1)


@pytest.fixture
def events():
    with recorded_events() as events:
        yield events


@pytest.fixture
def rig(events):
    rig = WorkerPoolRig()
    rig.start()
    yield rig
    rig.pool.stopService()
    rig.advance(2 * STOP_LIMIT)
    assert rig.live() == []
    assert rig.clock.getDelayedCalls() == []


def named(events, name):
    return [fields for each, fields in events if each == name]


# Probing


def test_each_backend_is_probed_by_the_worker_of_its_name(rig, events):
    backends = Backends(rig, 20)
    backends.start()
    for index, process in enumerate(rig.processes):
        assert backends.at(process) == {name for name in backends.probers if chosen(name, [0, 1]) == index}
    backends.finish()
    assert set(map(tuple, backends.outcomes.values())) == {(PASS,)}
    assert rig.pool.alive == 2
    assert named(events, "probe-worker-start") == [{"worker": 0, "pid": 100}, {"worker": 1, "pid": 101}]


def test_a_worker_is_told_once_how_to_probe_and_once_of_a_backend(rig):
    backends = Backends(rig, 20)
    backends.start()
    backends.finish()
    asked = []
    for process in rig.processes:
        process.worker.dataReceived = lambda data: asked.extend(codec.FrameBuffer().feed(data))
    backends.start()
    assert len(asked) == 20
    assert {kind for kind, _ in asked} == {MessageKind.PROBE}


def test_a_worker_probes_in_the_way_and_the_namespace_that_it_was_told(rig):
    check = make_check("other", timeout=0.5)
    Backends(rig, 1, Spec(check, "blue")).start()
    (process,) = [process for process in rig.processes if process.probers.netns]
    assert process.probers.netns == ["blue"]
    assert process.probers.made["10.0.0.0"].healthcheck == check


def test_a_second_start_is_refused_while_a_probe_is_under_way(rig):
    backends = Backends(rig, 1)
    backends.start()
    with pytest.raises(RuntimeError):
        backends.start()


def test_faults_and_certificates_are_told_as_they_are(rig):
    backends = Backends(rig, 1)
    backends.start()
    prober = backends.remote("b0")
    prober.certificate_expiry = 1.8e9
    fault = LocalFault("ports", "no connection: Cannot assign requested address")
    backends.finish(fault)
    assert backends.outcomes["b0"] == [fault]
    assert backends.probers["b0"].certificate_expiry == 1.8e9
    prober.certificate_expiry = None
    backends.start()
    backends.finish()
    assert backends.probers["b0"].certificate_expiry is None


def test_what_the_way_to_a_worker_costs_is_measured(rig):
    backends = Backends(rig, 1)
    backends.start()
    backends.finish(Result(Code.L4OK, "", 0.01))
    assert sum(rig.pool.delays) == 1
    assert 0 < rig.pool.delay_total < 0.1
    assert len(rig.pool.delays) == len(BUCKETS) + 1


def test_a_probe_that_is_cancelled_is_cancelled_in_the_worker_and_may_begin_again(rig):
    backends = Backends(rig, 1)
    backends.start()
    remote = backends.remote("b0")
    backends.probers["b0"].cancel()
    backends.probers["b0"].cancel()
    rig.advance(STEP)
    assert remote.cancels == 1
    backends.start()
    backends.finish()
    assert backends.outcomes["b0"] == [PASS]


def test_a_result_that_crosses_a_cancellation_is_ignored_and_counted(rig):
    backends = Backends(rig, 1)
    backends.start()
    (process,) = [each for each in rig.processes if each.probers.made]
    process.frozen = True
    process.probers.made["10.0.0.0"].finish(PASS)
    process.worker._flush()
    backends.probers["b0"].cancel()
    backends.probers["b0"].start(backends.outcomes["b0"].append)
    rig.advance(STEP)
    assert rig.pool.ignored == 1
    process.frozen = False
    rig.advance(2 * STEP)
    assert backends.outcomes["b0"] == []
    backends.finish()
    assert backends.outcomes["b0"] == [PASS]


def test_a_result_that_comes_twice_counts_once(rig):
    backends = Backends(rig, 1)
    backends.start()
    worker = backends.probers["b0"].worker
    twice = codec.results_frame([(backends.probers["b0"].number, PASS)] * 2)
    worker.outReceived(twice)
    assert backends.outcomes["b0"] == [PASS]
    assert worker.ignored == rig.pool.ignored == 1


def test_one_result_that_raises_does_not_cost_the_others_theirs(rig, logged_failures):
    backends = Backends(rig, 6)

    def fail(outcome):
        raise ZeroDivisionError

    backends.probers["b0"].start(fail)
    backends.start("b1", "b2", "b3", "b4", "b5")
    backends.finish()
    assert len(logged_failures.flush(ZeroDivisionError)) == 1
    assert [outcomes for name, outcomes in backends.outcomes.items() if name != "b0"] == [[PASS]] * 5


def test_a_backend_that_is_forgotten_leaves_nothing_behind(rig):
    backends = Backends(rig, 4)
    other = Backends(rig, 1, Spec(make_check("other"), None))
    other.probers["b0"].slot = 9
    backends.start()
    other.start()
    for prober in [*backends.probers.values(), *other.probers.values()]:
        rig.pool.forget(prober)
        rig.pool.forget(prober)
    rig.advance(2 * STEP)
    for process in rig.processes:
        assert process.worker._slots == process.worker._specs == {}
        assert process.protocol._slots == process.protocol._specs == process.protocol.under_way == {}
        assert process.worker._open == 0


# Death


def test_probes_of_a_worker_that_dies_are_discarded_and_made_by_another(rig, events):
    backends = Backends(rig, 20)
    backends.start()
    dead, other = rig.processes[:2]
    lost = backends.at(dead)
    rig.slow = True  # nobody takes the slot in time
    dead.die()
    rig.advance(2 * STEP)
    for name, outcomes in backends.outcomes.items():
        assert [type(outcome) for outcome in outcomes] == ([LocalFault] if name in lost else [])
    assert {outcome.reason for name in lost for outcome in backends.outcomes[name]} == {"worker"}
    assert named(events, "probe-worker-end")[0]["moved"] == len(lost)
    backends.start(*lost)
    assert backends.at(other) == set(backends.probers)
    backends.finish()
    assert all(outcomes[-1] == PASS for outcomes in backends.outcomes.values())


def test_a_worker_that_died_is_started_again_and_gets_its_backends_back(rig, events):
    backends = Backends(rig, 20)
    backends.start()
    backends.finish()
    first = rig.processes[0]
    mine = backends.at(first)
    first.die()
    rig.advance(3 * STEP)
    backends.start()
    backends.finish()
    assert backends.at(rig.processes[2]) == mine
    assert rig.pool.slots[0].restarts == 1
    assert len(named(events, "probe-worker-start")) == 3


def test_a_worker_that_dies_again_and_again_is_started_ever_less_often(rig, events):
    for _ in range(len(PAUSES) + 1):
        (process,) = [each for each in rig.live() if each.protocol.index == 0]
        process.die()
        rig.advance(max(PAUSES) + 2 * STEP)
    pauses = [fields["again_in"] for fields in named(events, "probe-worker-end")]
    assert pauses == [*PAUSES, PAUSES[-1]]
    rig.advance(70)
    (process,) = [each for each in rig.live() if each.protocol.index == 0]
    process.die()
    rig.advance(1)
    assert named(events, "probe-worker-end")[-1]["again_in"] == PAUSES[0]


def test_a_worker_that_can_not_be_started_is_tried_again(events):
    rig = WorkerPoolRig(1)
    rig.error = OSError(11, "no room")
    rig.start()
    rig.advance(0.5)
    assert rig.processes == []
    assert {fields["error"] for fields in named(events, "probe-worker-start-failed")} == {"[Errno 11] no room"}
    rig.error = None
    rig.advance(2)
    assert rig.pool.alive == 1
    rig.pool.stopService()
    rig.advance(STEP)


def test_without_a_worker_probes_wait_and_the_log_says_so(rig, events):
    backends = Backends(rig, 5)
    rig.slow = True
    for process in rig.live():
        process.die()
    backends.start()
    rig.advance(1)
    assert rig.pool.alive == 0
    assert len(rig.pool.waiting) == 5
    assert rig.pool.longest_wait() == pytest.approx(1, abs=0.1)
    assert len(named(events, "probe-workers-gone")) == 1
    backends.probers["b4"].cancel()
    for process in rig.live():
        process.unborn = False
    rig.advance(1)
    assert rig.pool.longest_wait() == 0.0
    backends.finish()
    assert list(backends.outcomes.values()) == [[PASS]] * 4 + [[]]


def test_many_probes_that_waited_begin_some_at_a_time(rig):
    rig.slow = True
    for process in rig.live():
        process.die()
    backends = Backends(rig, 3 * SLICE)
    backends.start()
    for process in rig.live():
        process.unborn = False
    rig.advance(STEP)
    sizes = []
    for _ in range(6):
        rig.advance(STEP)
        sizes.append(len(rig.pool.waiting))
    assert sizes[-1] == 0
    assert any(0 < size < 3 * SLICE for size in sizes)


def test_probes_that_waited_begin_and_are_given_back_the_oldest_first(rig):
    for process in rig.live():
        process.die()
    rig.slow = True
    backends = Backends(rig, 3 * SLICE)
    backends.start()
    begun = []
    rig.pool.begin = begun.append
    waiting = list(rig.pool.waiting)
    rig.pool._ready = {0: None}
    rig.pool._drain()
    assert begun == waiting[:SLICE]
    given_back = list(waiting[SLICE:])
    rig.pool._ended.update(dict.fromkeys(given_back))
    rig.pool.waiting.clear()
    rig.pool._draining.cancel()
    rig.pool._drain()
    assert list(rig.pool._ended) == given_back[SLICE:]
    rig.pool._ready = {}
    rig.pool._ended.clear()


def test_one_discarded_probe_that_raises_does_not_keep_the_others_waiting(rig, logged_failures):
    backends = Backends(rig, 6)

    def fail(outcome):
        raise ZeroDivisionError

    backends.start("b0", "b1", "b2", "b3", "b4")
    backends.probers["b5"].start(fail)
    rig.advance(STEP)
    for process in rig.live():
        process.die()
    rig.advance(3 * STEP)
    assert len(logged_failures.flush(ZeroDivisionError)) == 1
    assert [len(outcomes) for outcomes in backends.outcomes.values()] == [1, 1, 1, 1, 1, 0]


def test_a_discarded_probe_that_is_cancelled_meanwhile_is_not_told(rig):
    backends = Backends(rig, 4)
    backends.start()
    for process in rig.live():
        process.die()
    for prober in backends.probers.values():
        prober.cancel()
    rig.advance(1)
    assert list(backends.outcomes.values()) == [[]] * 4


# Hanging, and worse


def test_a_worker_that_hangs_is_killed_and_its_probes_move(rig, events):
    backends = Backends(rig, 20)
    backends.start()
    hung = rig.processes[0]
    mine = backends.at(hung)
    hung.frozen = True
    rig.advance(HUNG)
    assert hung.gone
    assert named(events, "probe-worker-hung") == [{"worker": 0, "pid": 100}]
    assert {name for name, outcomes in backends.outcomes.items() if outcomes} == mine
    assert named(events, "probe-worker-end")[0]["reason"] == "hung"
    assert rig.pool.alive == 2


def test_a_daemon_that_hung_itself_does_not_blame_its_workers(rig):
    for _ in range(5):
        rig.clock.advance(60)
        rig.advance(0.5)
    assert [process.gone for process in rig.processes] == [False, False]


def test_a_worker_that_never_gets_ready_is_killed(events):
    rig = WorkerPoolRig(1)
    rig.slow = True
    rig.start()
    rig.advance(1.2 * LOOK * STARTING_LOOKS)
    assert rig.processes[0].gone
    assert rig.pool.slots[0].restarts == 1
    rig.pool.stopService()
    rig.advance(2 * STOP_LIMIT)


@pytest.mark.parametrize(
    "nonsense",
    [
        codec.frame(MessageKind.RESULTS, b""),
        codec.frame(MessageKind.HELLO, b"0.1.0"),
        codec.frame(MessageKind.STATUS, b"x"),
        codec.status_frame(codec.WorkerStatus(0, 0, 0.0, 0.0, (1, 2))),
        codec.frame(MessageKind.PROBE, bytes(12)),
        b"\x00\x00\xff",
        b"Traceback (most recent call last)" * 1000,
    ],
)
def test_a_worker_that_talks_nonsense_is_killed_and_not_believed(rig, events, nonsense):
    backends = Backends(rig, 20)
    backends.start()
    mad = rig.processes[1]
    mine = backends.at(mad)
    mad.protocol.outReceived(nonsense + codec.results_frame([(1, Result(Code.L4CON))]))
    mad.protocol.outReceived(codec.results_frame([(1, Result(Code.L4CON))]))
    rig.advance(2 * STEP)
    assert mad.gone
    assert [fields["worker"] for fields in named(events, "probe-worker-malformed")] == [1]
    outcomes = {name: {type(outcome) for outcome in found} for name, found in backends.outcomes.items()}
    assert outcomes == {name: {LocalFault} if name in mine else set() for name in outcomes}


def test_a_worker_of_another_version_is_not_used(events):
    rig = WorkerPoolRig(1)
    rig.pool.startService()
    process = rig.processes[0]
    process.answers = codec.hello_frame("0.0.0")
    rig.advance(STEP)
    assert process.gone
    assert "version 0.0.0 in place of" in named(events, "probe-worker-malformed")[0]["problem"]
    rig.pool.stopService()
    rig.advance(STEP)


def test_a_probe_that_a_living_worker_has_lost_is_given_up_in_the_end(rig, events):
    backends = Backends(rig, 2)
    backends.start()
    rig.advance(LOST + 0.5)
    assert backends.outcomes["b0"] == []
    rig.advance(SPEC.healthcheck.timeout + 0.5)
    assert [outcomes[0].reason for outcomes in backends.outcomes.values()] == ["worker", "worker"]
    assert len(named(events, "probe-worker-lost")) == 2
    assert [process.gone for process in rig.processes] == [False, False]
    backends.start()
    backends.finish()
    assert backends.outcomes["b1"][-1] == PASS


def test_what_a_worker_writes_goes_to_the_log_by_lines(rig, events):
    protocol = rig.processes[0].protocol
    protocol.errReceived(b"Fatal \x1b[0m error\nand ")
    protocol.errReceived(b"more\n" + b"x" * 5000)
    protocol.errReceived(b"last")
    rig.processes[0].die()
    texts = [fields["text"] for fields in named(events, "probe-worker-output")]
    assert texts == ["Fatal \\x1b[0m error", "and more", "x" * 4093 + "...", "last"] or len(texts) == 4
    assert max(map(len, texts)) <= 4096


# More and fewer


def test_a_further_worker_takes_its_share_at_the_next_probes(rig):
    backends = Backends(rig, 30)
    backends.start()
    backends.finish()
    rig.pool.resize(3)
    rig.advance(2 * STEP)
    backends.start()
    backends.finish()
    assert backends.at(rig.processes[2]) == {name for name in backends.probers if chosen(name, range(3)) == 2}
    assert sum(len(process.worker._slots) for process in rig.processes) == 30


def test_a_worker_that_is_too_much_finishes_its_probes_and_goes(rig, events):
    backends = Backends(rig, 20)
    backends.start()
    rig.pool.resize(1)
    rig.advance(1)
    leaving = rig.processes[1]
    assert not leaving.gone
    backends.finish()
    rig.advance(1)
    assert leaving.gone
    assert all(outcomes == [PASS] for outcomes in backends.outcomes.values())
    assert list(rig.pool.slots) == [0]
    assert named(events, "probe-worker-end")[0]["again_in"] == "never"
    backends.start()
    assert backends.at(rig.processes[0]) == set(backends.probers)


def test_a_worker_that_is_too_much_does_not_stay_for_ever(rig):
    backends = Backends(rig, 20)
    backends.start()
    mine = backends.at(rig.processes[1])
    rig.pool.resize(1)
    rig.advance(LOOK * (LEAVING_LOOKS + 2))
    assert rig.processes[1].gone
    assert {name for name, outcomes in backends.outcomes.items() if outcomes} == mine


def test_a_worker_that_was_leaving_may_stay_after_all(rig):
    backends = Backends(rig, 20)
    backends.start()
    rig.pool.resize(1)
    rig.advance(1)
    rig.pool.resize(2)
    backends.finish()
    rig.advance(1)
    assert len(rig.live()) == rig.pool.alive == 2
    assert len(rig.processes) == 2


def test_probes_that_wait_are_given_back_when_there_are_to_be_no_workers(rig):
    backends = Backends(rig, 3)
    rig.slow = True
    for process in rig.live():
        process.die()
    backends.start()
    rig.pool.resize(0)
    rig.advance(1)
    assert [outcomes[0].reason for outcomes in backends.outcomes.values()] == ["worker"] * 3
    assert rig.pool.waiting == {}
    rig.advance(1.2 * LOOK * STARTING_LOOKS)
    assert rig.pool.slots == {}
    assert rig.live() == []


def test_a_seat_that_nobody_takes_now_is_not_taken_later(rig):
    rig.processes[1].die()
    rig.advance(2 * STEP)
    rig.processes[2].die()
    rig.advance(STEP)
    rig.pool.resize(1)
    rig.advance(1)
    assert len(rig.live()) == 1
    assert list(rig.pool.slots) == [0]


# The end


def test_a_stop_ends_the_workers_and_is_done_when_they_are(events):
    rig = WorkerPoolRig()
    rig.start()
    done = []
    rig.pool.stopService().addCallback(done.append)
    assert done == []
    rig.advance(2 * STEP)
    assert done == [None]
    assert rig.live() == []
    assert named(events, "probe-worker-end") == []
    assert rig.clock.getDelayedCalls() == []


def test_a_stop_kills_a_worker_that_does_not_end(events):
    rig = WorkerPoolRig()
    rig.start()
    rig.processes[0].deaf = True
    rig.processes[1].frozen = True
    done = []
    rig.pool.stopService().addCallback(done.append)
    rig.advance(STOP_LIMIT + 2 * STEP)
    assert done == [None]
    assert rig.clock.getDelayedCalls() == []


def test_a_crew_of_none_needs_nothing():
    rig = WorkerPoolRig(0)
    rig.start()
    assert rig.clock.getDelayedCalls() == []
    done = []
    rig.pool.stopService().addCallback(done.append)
    assert done == [None]


def test_a_worker_that_ends_in_order_without_being_told_is_started_again(rig):
    rig.processes[0].die(ProcessDone(0))
    rig.advance(3 * STEP)
    assert rig.pool.alive == 2
