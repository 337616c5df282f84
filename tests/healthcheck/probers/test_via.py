"""What the silence of a backend means by way of a VIP; a whole way is in `tests.real.test_via_real`."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.probers.deadlines import DeadlinesByTimeout
from maglev.healthcheck.probers.via import AT_VIP, DIRECT, THROUGH, ViaProber
from maglev.interfaces import IProber
from maglev.model.result import Code, LocalFault, Result

TIMEOUT = 1.0
SILENT = Result(Code.L4TOUT, "no connection in time", TIMEOUT)
MUTE = Result(Code.L7TOUT, "no answer", TIMEOUT)
CONNECTED, REFUSED = Result(Code.L4OK), Result(Code.L4CON, "connection refused")
UNREACHABLE = Result(Code.L4CON, "host unreachable", 0.5)
NO_VIP = Result(Code.L4VIP, "takes GRE off, and is silent at the VIP", TIMEOUT)
NO_GRE = Result(Code.L4GRE, "answers directly, and not through GRE", TIMEOUT)
LOST = LocalFault("tunnel", "rp_filter of eth0 drops answers from 192.0.2.1")


class Inner:
    """A prober that ends as a test says."""

    certificate_expiry = 17.0

    def __init__(self, *, late=None):
        self.finished = None
        self.late = late
        self.started = 0
        self.problem = None

    def start(self, finished):
        if self.problem is not None:
            raise self.problem
        self.started += 1
        self.finished = finished

    def cancel(self):
        self.finished = None

    def end(self, outcome):
        finished, self.finished = self.finished, None
        finished(outcome)

    def expire(self):
        """What was waiting, or silence."""
        if self.finished is not None:
            self.end(self.late or SILENT)


class Packets:
    """A tunnel, its opener and its flow, in one."""

    device, mark = "maglev0", 19783

    def __init__(self):
        self.flow = self
        self.seen = 0
        self.opened = True
        self.problem = None
        self.not_sent = None
        self.looks = 0
        self.sources_forgotten = 0
        self.on_look = lambda: None

    def begin(self):
        self.seen = 0

    def fault(self):
        return self.problem

    def ready(self):
        self.looks += 1
        self.on_look()

    def forget_source(self):
        self.sources_forgotten += 1


class Sent:
    """The flow: what could not be sent is its fault, and not that of the tunnel."""

    def __init__(self, packets):
        self.packets = packets

    def __getattr__(self, name):
        return getattr(self.packets, name)

    def fault(self):
        return self.packets.not_sent


class ViaRig:
    def __init__(self, *, datagrams=False):
        self.clock = Clock()
        self.packets = Packets()
        self.packets.flow = Sent(self.packets)
        self.inner = Inner()
        self.controls = {name: Inner() for name in (AT_VIP, THROUGH, DIRECT)[0 if datagrams else 1 :]}
        self.made = 0
        self.lost = None
        self.outcomes = []
        self.deadlines = DeadlinesByTimeout(self.clock, LagMonitor(self.clock))
        self.prober = ViaProber(
            self.inner,
            self.packets,
            self.packets,
            self.deadlines.halfway(TIMEOUT),
            self._make,
            lambda: self.lost,
            datagrams=datagrams,
        )

    def _make(self):
        self.made += 1
        return self.controls

    def start(self, seen=1):
        self.prober.start(self.outcomes.append)
        self.packets.seen = seen

    def end(self, outcome):
        self.inner.end(outcome)
        (found,) = self.outcomes
        self.outcomes.clear()
        return found

    def silence(self, outcome=SILENT, **answers):
        """A probe that ends in silence, and what the controls had found by then."""
        self.start()
        self.clock.advance(TIMEOUT / 2)
        for name, answer in answers.items():
            self.controls[{"at_vip": AT_VIP, "through": THROUGH, "direct": DIRECT}[name]].end(answer)
        return self.end(outcome)


@pytest.fixture
def rig():
    made = ViaRig()
    yield made
    assert made.clock.getDelayedCalls() == []


@pytest.fixture
def datagrams():
    return ViaRig(datagrams=True)


def test_it_is_a_prober(rig):
    assert verifyObject(IProber, rig.prober)
    assert rig.prober.certificate_expiry == 17.0


@pytest.mark.parametrize("outcome", [CONNECTED, REFUSED, Result(Code.L7STS, "500"), Result(Code.L6TOUT), MUTE])
def test_what_came_from_the_vip_stands(rig, outcome):
    rig.start()
    assert rig.end(outcome) == outcome
    assert rig.made == 0


def test_the_source_is_found_out_again_after_a_failure_only(rig):
    for outcome, count in ((CONNECTED, 0), (REFUSED, 1), (LocalFault("network"), 2)):
        rig.start()
        rig.end(outcome)
        assert rig.packets.sources_forgotten == count


def test_what_is_sent_is_sent_on_at_once(rig):
    rig.start()
    assert rig.packets.looks == 1
    rig.end(CONNECTED)
    assert rig.packets.looks == 2, "the reset"
    rig.start()
    rig.prober.cancel()
    assert rig.packets.looks == 4
    assert rig.outcomes == []


def test_one_probe_at_a_time(rig):
    rig.start()
    with pytest.raises(RuntimeError):
        rig.start()
    rig.end(CONNECTED)
    rig.start()
    assert rig.end(CONNECTED) == CONNECTED


def test_an_end_that_comes_after_it_was_cancelled(rig):
    rig.start()
    finished = rig.inner.finished
    rig.prober.cancel()
    finished(CONNECTED)
    assert rig.outcomes == []


def test_a_bug_at_the_start_leaves_nothing_under_way(rig):
    rig.inner.problem = ValueError("a bug")
    with pytest.raises(ValueError, match="a bug"):
        rig.start()
    rig.inner.problem = None
    rig.start()
    rig.end(CONNECTED)


def test_a_bug_after_it_has_ended_is_raised(rig):
    def fail(finished):
        finished(CONNECTED)
        raise ValueError("a bug")

    rig.inner.start = fail
    rig.packets.on_look = lambda: setattr(rig.packets, "seen", 1)
    with pytest.raises(ValueError, match="a bug"):
        rig.start()
    assert rig.outcomes == [CONNECTED]


# Diagnoses


@pytest.mark.parametrize(("answers", "expected"), [
    ({"through": REFUSED}, NO_VIP),
    ({"through": CONNECTED}, NO_VIP),
    ({"through": REFUSED, "direct": REFUSED}, NO_VIP),
    ({"direct": REFUSED}, NO_GRE),
    ({"direct": CONNECTED}, NO_GRE),
    ({}, SILENT._replace(detail="no connection in time; silent without GRE as well")),
    ({"through": UNREACHABLE}, SILENT._replace(detail="no connection in time; silent without GRE as well")),
    ({"direct": LocalFault("ports")}, SILENT._replace(detail="no connection in time; silent without GRE as well")),
])  # fmt: skip
def test_silence_is_told_apart(rig, answers, expected):
    assert rig.silence(**answers) == expected


def test_an_answer_that_waits_while_the_reactor_is_late_counts(rig):
    rig.controls[THROUGH].late = REFUSED
    assert rig.silence(direct=REFUSED) == NO_VIP


def test_the_controls_are_made_once_and_asked_at_each_silence(rig):
    for times in (1, 2):
        assert rig.silence(through=REFUSED) == NO_VIP
        assert (rig.made, rig.controls[DIRECT].started) == (1, times)
        assert rig.controls[DIRECT].finished is None, "ended with the probe"


def test_controls_end_with_a_probe_that_passes(rig):
    assert rig.silence(CONNECTED) == CONNECTED
    assert rig.controls[DIRECT].finished is None
    rig.start()
    rig.clock.advance(TIMEOUT / 2)
    rig.prober.cancel()
    assert rig.controls[THROUGH].finished is None


def test_what_a_control_found_is_not_kept_for_the_next_probe(rig):
    rig.silence(through=REFUSED, direct=REFUSED)
    assert rig.silence().code is Code.L4TOUT


def test_silence_before_half_of_the_time_is_only_silence(rig):
    rig.start()
    assert rig.end(SILENT) == SILENT


def test_a_host_that_says_it_has_no_such_vip_has_taken_gre_off(rig):
    rig.start()
    assert rig.end(UNREACHABLE) == UNREACHABLE._replace(code=Code.L4VIP)


@pytest.mark.parametrize(("answers", "expected"), [
    ({"at_vip": REFUSED, "through": REFUSED}, MUTE),
    ({"through": REFUSED}, NO_VIP),
    ({"direct": REFUSED}, NO_GRE),
])  # fmt: skip
def test_silence_to_a_datagram_may_be_that_of_the_application(datagrams, answers, expected):
    assert datagrams.silence(MUTE, **answers) == expected


# What is ours


def test_nothing_is_probed_without_a_tunnel(rig):
    rig.packets.problem = LOST
    rig.start()
    assert rig.outcomes == [LOST]
    assert rig.inner.started == 0


@pytest.mark.parametrize("outcome", [CONNECTED, REFUSED, SILENT])
def test_whatever_came_by_another_way_proves_nothing(rig, outcome):
    rig.start(seen=0)
    assert rig.end(outcome) == LocalFault("tunnel", f"not routed into maglev0 (mark 0x4d47): {outcome.code}")


def test_a_packet_that_waits_in_the_device_has_taken_this_way(rig):
    rig.start(seen=0)
    rig.packets.on_look = lambda: setattr(rig.packets, "seen", 1)
    assert rig.end(REFUSED) == REFUSED


def test_why_nothing_came_out_of_the_device(rig):
    rig.lost = LOST
    rig.start(seen=0)
    assert rig.end(CONNECTED) == LOST
    rig.lost = LocalFault("network", "link not operational: eth0")
    rig.start(seen=0)
    assert rig.end(CONNECTED).reason == "tunnel"


@pytest.mark.parametrize("reason", ["network", "tunnel"])
def test_no_way_into_the_device(rig, reason):
    rig.start(seen=0)
    expected = LocalFault("tunnel", "no way into maglev0: no connection")
    assert rig.end(LocalFault(reason, "no connection")) == expected


@pytest.mark.parametrize(("opened", "reason"), [(False, "network"), (True, "descriptors"), (True, "ports")])
def test_another_fault_stands(rig, opened, reason):
    rig.packets.opened = opened
    rig.start(seen=0)
    assert rig.end(LocalFault(reason, "as it is")) == LocalFault(reason, "as it is")


def test_a_fault_after_packets_were_sent_stands(rig):
    rig.start()
    assert rig.end(LocalFault("memory")) == LocalFault("memory")


def test_silence_is_ours_if_packets_could_not_be_sent_on(rig):
    rig.packets.not_sent = LocalFault("network", "not sent: Network is unreachable")
    assert rig.silence(direct=REFUSED) == rig.packets.not_sent


def test_silence_is_ours_if_answers_are_lost_here(rig):
    rig.lost = LOST
    assert rig.silence(direct=REFUSED) == LOST
