"""A probe worker from the inside."""

import pytest
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from maglev.healthcheck.counters import DISCARD_REASONS
from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.workers import codec
from maglev.healthcheck.workers.codec import MessageKind, Spec, describe
from maglev.healthcheck.workers.worker import SLICE, TICK, Worker
from maglev.model.config import PemFile, TlsParams
from maglev.model.result import Code, LocalFault, Result
from maglev.model.version import VERSION
from tests.fakes.configs import make_check
from tests.fakes.probers import FakeProbers

PASS = Result(Code.L4OK, "", 0.002)
LATE = Result(Code.L7TOUT, "no answer", 1.0)
SPEC = Spec(make_check(timeout=1.0), None)


class WorkerRig:
    def __init__(self):
        self.clock = Clock()
        self.probers = FakeProbers()
        self.lag = LagMonitor(self.clock)
        self.ends = 0
        self.worker = Worker(self.clock, self.probers, self.lag, lambda: 1.5, self._end)
        self.transport = StringTransport()
        self.frames = codec.FrameBuffer()
        self.worker.makeConnection(self.transport)

    def _end(self):
        self.ends += 1

    def say(self, *frames):
        self.worker.dataReceived(b"".join(frames))

    def add(self, count=1, spec=SPEC):
        self.say(codec.spec_frames(1, describe(spec)))
        self.say(*(codec.backend_frame(slot, 1, f"10.0.0.{slot}") for slot in range(1, count + 1)))

    def heard(self):
        """Return what it has said since the last time, without its reports."""
        frames = self.frames.feed(self.transport.value())
        self.transport.clear()
        return [(kind, payload) for kind, payload in frames if kind not in {MessageKind.STATUS, MessageKind.HELLO}]

    def results(self):
        return [result for _, payload in self.heard() for result in codec.read_results(payload)]

    def begun(self):
        return sum(prober.starts for prober in self.probers.made.values())


@pytest.fixture
def rig():
    rig = WorkerRig()
    yield rig
    rig.worker.connectionLost()
    assert rig.clock.getDelayedCalls() == []
    assert rig.ends == 1


def test_a_spec_may_come_in_parts(rig):
    pem = PemFile("/ca.pem", "x" * 200_000)
    spec = Spec(make_check(tls=TlsParams(ca_file=pem)), None)
    assert codec.spec_frames(1, describe(spec)).count(b"\x16\x01\x00\x00\x00") == 3
    rig.add(spec=spec)
    assert rig.worker._specs == {1: spec}
    assert rig.worker._spec_parts == {}


def test_it_says_who_it_is_and_then_how_it_is_again_and_again(rig):
    rig.clock.advance(TICK)
    frames = codec.FrameBuffer().feed(rig.transport.value())
    assert [kind for kind, _ in frames] == [MessageKind.HELLO, MessageKind.STATUS, MessageKind.STATUS]
    assert codec.read_hello(frames[0][1]) == VERSION
    status = codec.read_status(frames[2][1])
    assert (status.queued, status.open, status.cpu) == (0, 0, 1.5)
    assert len(status.lag_counts) == len(rig.lag.counts)
    rig.heard()


def test_probes_begin_some_at_a_time_and_a_status_tells_how_many_wait(rig):
    rig.add(2 * SLICE + 1)
    rig.say(*(codec.probe_frame(slot, slot) for slot in range(1, 2 * SLICE + 2)))
    rig.transport.clear()
    rig.clock.callLater(0, rig.worker._write_status)  # somebody else, who wants a turn
    rig.clock.advance(0)
    assert rig.begun() == 2 * SLICE + 1
    ((_, payload),) = codec.FrameBuffer().feed(rig.transport.value())
    assert codec.read_status(payload)[:2] == (SLICE + 1, SLICE)
    rig.transport.clear()


def test_no_probe_begins_while_answers_to_others_wait(rig):
    rig.add(2)
    rig.probers.is_busy = True
    rig.say(codec.probe_frame(1, 1), codec.probe_frame(2, 2))
    seen = []

    def read_answers():
        seen.append(rig.begun())
        rig.probers.is_busy = False

    rig.clock.callLater(0, read_answers)
    rig.clock.advance(0)
    assert seen == [0]
    assert rig.begun() == 2


def test_it_gives_the_reasons_that_the_checker_knows():
    # Programs run beside the daemon, never in a worker.
    assert {*codec.REASONS, "worker", "program", "processes"} == set(DISCARD_REASONS)


def test_results_of_one_moment_go_out_together(rig):
    rig.add(3)
    rig.say(*(codec.probe_frame(slot, 10 + slot) for slot in (1, 2, 3)))
    rig.clock.advance(0)
    for prober in rig.probers.made.values():
        prober.finish(PASS)
    assert rig.heard() == []
    rig.clock.advance(0.01)
    assert len(rig.worker._results) == 0
    ((kind, payload),) = rig.heard()
    assert kind == MessageKind.RESULTS
    assert codec.read_results(payload) == [(11, PASS), (12, PASS), (13, PASS)]


def test_more_results_than_a_frame_holds_take_several(rig):
    rig.add(codec.BATCH + 1)
    rig.say(*(codec.probe_frame(slot, slot) for slot in range(1, codec.BATCH + 2)))
    for _ in range(codec.BATCH // SLICE + 1):
        rig.clock.advance(0)
    for prober in rig.probers.made.values():
        prober.finish(PASS)
    rig.clock.advance(0.01)
    assert [len(codec.read_results(payload)) for _, payload in rig.heard()] == [codec.BATCH, 1]


def test_a_probe_that_is_cancelled_before_it_began_does_not_begin(rig):
    rig.add(2)
    rig.say(codec.probe_frame(1, 1), codec.probe_frame(2, 2), codec.one_frame(MessageKind.CANCEL, 1))
    rig.say(codec.one_frame(MessageKind.FORGET_BACKEND, 2))
    rig.clock.advance(0)
    assert rig.begun() == 0


def test_a_probe_asked_for_again_after_a_cancellation_begins_once(rig):
    rig.add()
    rig.say(codec.probe_frame(1, 1), codec.one_frame(MessageKind.CANCEL, 1), codec.probe_frame(1, 2))
    rig.clock.advance(0)
    assert rig.begun() == 1
    rig.probers.made["10.0.0.1"].finish(PASS)
    rig.clock.advance(0.01)
    assert rig.results() == [(2, PASS)]


def test_a_result_after_a_cancellation_is_not_told(rig):
    rig.add()
    rig.say(codec.probe_frame(1, 1))
    rig.clock.advance(0)
    finished = rig.probers.made["10.0.0.1"].finished
    rig.say(codec.one_frame(MessageKind.CANCEL, 1))
    finished(PASS)
    rig.clock.advance(0.01)
    assert rig.heard() == []


def test_a_timeout_while_the_worker_was_late_is_not_evidence(rig):
    rig.add(2)
    rig.say(codec.probe_frame(1, 1))
    rig.clock.advance(0)
    rig.clock.advance(0.9)
    rig.probers.made["10.0.0.1"].finish(LATE)
    rig.clock.advance(0.01)
    assert rig.results() == [(1, LocalFault("lag", LATE.detail))]


def test_a_timeout_of_a_worker_on_time_is_one(rig):
    rig.add()
    rig.say(codec.probe_frame(1, 1))
    for _ in range(200):
        rig.clock.advance(0.005)
    rig.probers.made["10.0.0.1"].finish(LATE)
    rig.clock.advance(0.005)
    assert rig.results() == [(1, LATE)]


def test_a_refusal_is_evidence_however_late_the_worker_is(rig):
    rig.add()
    rig.say(codec.probe_frame(1, 1))
    rig.clock.advance(0)
    rig.clock.advance(5)
    refused = Result(Code.L4CON, "connection refused", 5.0)
    rig.probers.made["10.0.0.1"].finish(refused)
    rig.clock.advance(0.01)
    assert rig.results() == [(1, refused)]


def test_a_prober_that_can_not_be_made_is_a_bug_and_is_tried_again(rig, logged_failures):
    rig.add()
    good, rig.probers.prober_for = rig.probers.prober_for, None
    rig.say(codec.probe_frame(1, 1))
    rig.clock.advance(0)
    rig.clock.advance(0.01)
    assert rig.results() == [(1, LocalFault("internal", "a bug; see the log"))]
    assert len(logged_failures.flush(TypeError)) == 1
    rig.probers.prober_for = good
    rig.say(codec.probe_frame(1, 2))
    rig.clock.advance(0)
    rig.probers.made["10.0.0.1"].finish(PASS)
    rig.clock.advance(0.01)
    assert rig.results() == [(2, PASS)]


def test_a_prober_that_raises_after_its_result_counts_once(rig, logged_failures):
    rig.add()
    rig.say(codec.probe_frame(1, 1))
    rig.clock.advance(0)
    prober = rig.probers.made["10.0.0.1"]
    prober.finish(PASS)

    def start(finished):
        finished(PASS)
        raise ZeroDivisionError

    prober.start = start
    rig.say(codec.probe_frame(1, 2))
    rig.clock.advance(0)
    rig.clock.advance(0.01)
    assert rig.results() == [(1, PASS), (2, PASS)]
    assert len(logged_failures.flush(ZeroDivisionError)) == 1


def test_an_expiry_is_told_when_it_changes(rig):
    rig.add()
    for number, expiry in enumerate((None, 5.0, 5.0, None)):
        rig.say(codec.probe_frame(1, number))
        rig.clock.advance(0)
        prober = rig.probers.made["10.0.0.1"]
        prober.certificate_expiry = expiry
        prober.finish(PASS)
        rig.clock.advance(0.01)
    told = [codec.read_expiry(payload) for kind, payload in rig.heard() if kind == MessageKind.EXPIRY]
    assert told == [(1, 5.0), (1, None)]


def test_what_is_forgotten_is_forgotten(rig):
    rig.add(2)
    rig.say(
        *(codec.one_frame(MessageKind.FORGET_BACKEND, slot) for slot in (1, 2)),
        codec.one_frame(MessageKind.FORGET_SPEC, 1),
    )
    assert rig.worker._slots == rig.worker._specs == {}


@pytest.mark.parametrize(
    "nonsense",
    [
        codec.frame(MessageKind.PROBE, b"x"),
        codec.frame(MessageKind.RESULTS, b""),
        b"\x00\x00\xff",
        codec.probe_frame(7, 1),
        codec.backend_frame(7, 7, "10.0.0.1"),
        codec.one_frame(MessageKind.CANCEL, 7),
        codec.probe_frame(1, 1) + codec.probe_frame(1, 2),
    ],
)
def test_a_daemon_that_talks_nonsense_is_none(rig, nonsense, logged_failures):
    rig.add()
    rig.say(nonsense)
    assert rig.ends == 1
    assert len(logged_failures.flush(codec.CodecError, ValueError, KeyError)) == 1


def test_probes_under_way_end_with_the_daemon():
    rig = WorkerRig()
    rig.add(2)
    rig.say(codec.probe_frame(1, 1), codec.probe_frame(2, 2))
    rig.clock.advance(0)
    rig.worker.connectionLost()
    assert [prober.cancels for prober in rig.probers.made.values()] == [1, 1]
    assert rig.clock.getDelayedCalls() == []
