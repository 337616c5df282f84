"""The reader of a tun device, over a pipe in its place; real devices are in `tests.real.test_via_real`."""

from __future__ import annotations

import errno
import gc
import os
import socket

import pytest
from twisted.internet.task import Clock

from maglev.healthcheck.probers import tunnel as module
from maglev.healthcheck.probers.faults import ProbeError
from maglev.healthcheck.probers.gre import Encapsulation, key_for
from maglev.healthcheck.probers.sockets import Destination, SocketOpener
from maglev.healthcheck.probers.tunnel import BURST, NO_MARK, RETRY, Flow, Tunnel, TunnelOpener
from maglev.model.result import LocalFault
from tests.fakes.logs import recorded_events
from tests.fakes.probe_io import FakePoller
from tests.healthcheck.probers.test_gre import INNER

OURS, VIP, BACKEND, VPP = "192.0.2.99", "192.0.2.1", "198.51.100.1", "192.0.2.254"
KEY = key_for(socket.IPPROTO_TCP, OURS, VIP, 40000)
"""That of `INNER`."""


class RawSocket:
    """Remembers what it is to send; raises what a test wants."""

    def __init__(self):
        self.sent = []
        self.errors = []
        self.closed = False

    def sendto(self, data, address):
        if self.errors:
            raise OSError(self.errors.pop(0), "no")
        self.sent.append((data, address))

    def close(self):
        self.closed = True


class TunOpener(SocketOpener):
    """Has pipes for devices, and the raw sockets and others that a test gives it.

    Attributes:
        problems: What attaching raises, in order.
        running: What the device says of itself.
    """

    def __init__(self):
        super().__init__()
        self.problems = []
        self.running = True
        self.identity = None
        self.raw = {}
        self.others = []
        self.writers = []

    def call(self, function, *args, **kwargs):
        if self.problems:
            raise self.problems.pop(0)
        if function is module.is_running:
            if isinstance(self.running, OSError):
                raise self.running
            return self.running
        reader, writer = os.pipe2(os.O_NONBLOCK)
        self.writers.append(writer)
        return reader

    def open(self, of_family, kind, protocol=0):
        if protocol == socket.IPPROTO_RAW:
            if isinstance(self.raw.get(of_family), LocalFault):
                raise ProbeError(self.raw[of_family])
            return self.raw.setdefault(of_family, RawSocket())
        return self.others.pop(0)

    def namespace_identity(self):
        return self.identity


class TunnelRig:
    def __init__(self):
        self.clock = Clock()
        self.poller = FakePoller()
        self.opener = TunOpener()
        self.tunnel = Tunnel(self.clock, self.poller, self.opener, "maglev0", 19783)
        self.flow = Flow(VPP, BACKEND)

    def deliver(self, packet):
        os.write(self.opener.writers[-1], packet)

    def close(self):
        self.tunnel.close()
        for writer in self.opener.writers:
            os.close(writer)


@pytest.fixture
def rig():
    made = TunnelRig()
    yield made
    made.close()


def named(events, name):
    return [fields for found, fields in events if found == name]


def fault(detail):
    return LocalFault("tunnel", detail)


def test_a_packet_goes_on_to_the_backend_of_its_port(rig):
    assert rig.tunnel.fault() is None
    rig.tunnel.assign(rig.flow, KEY)
    rig.deliver(INNER[4])
    assert rig.tunnel.ready()
    expected = Encapsulation(VPP, BACKEND).wrap(INNER[4])
    assert rig.opener.raw[socket.AF_INET].sent == [(expected, (BACKEND, 0))]
    assert rig.flow.seen == 1
    assert not rig.tunnel.ready()


def test_ipv6_outside_has_a_socket_of_its_own(rig):
    rig.tunnel.fault()
    flow = Flow("2001:db8::fe", "2001:db8:1::1")
    rig.tunnel.assign(flow, KEY)
    rig.deliver(INNER[4])
    rig.tunnel.ready()
    assert [to for _, to in rig.opener.raw[socket.AF_INET6].sent] == [("2001:db8:1::1", 0, 0, 0)]


def test_what_is_nobodys_goes_nowhere(rig):
    rig.tunnel.fault()
    rig.deliver(INNER[6])
    rig.tunnel.ready()
    assert (rig.tunnel.strays, rig.opener.raw) == (1, {})


def test_a_port_belongs_to_a_flow_until_that_has_had_two_others(rig):
    rig.tunnel.fault()
    rig.tunnel.assign(rig.flow, KEY)
    rig.tunnel.assign(rig.flow, b"second")
    rig.deliver(INNER[4])
    rig.tunnel.ready()
    assert rig.flow.seen == 1, "the reset of the last probe"
    rig.tunnel.assign(rig.flow, b"third")
    rig.deliver(INNER[4])
    rig.tunnel.ready()
    assert (rig.flow.seen, rig.tunnel.strays) == (1, 1)


def test_a_port_that_went_to_another_flow_stays_there(rig):
    rig.tunnel.fault()
    other = Flow(VPP, "198.51.100.2")
    rig.tunnel.assign(rig.flow, KEY)
    rig.deliver(INNER[4])  # of the first probe, still in the queue
    rig.tunnel.assign(other, KEY)
    assert (rig.flow.seen, other.seen) == (1, 0)
    for key in (b"second", b"third"):
        rig.tunnel.assign(rig.flow, key)
    rig.deliver(INNER[4])
    rig.tunnel.ready()
    assert (rig.flow.seen, other.seen) == (1, 1)


def test_a_flow_is_forgotten_with_its_prober(rig):
    rig.tunnel.fault()
    flow = Flow(VPP, BACKEND)
    rig.tunnel.assign(flow, KEY)
    del flow
    gc.collect()
    rig.deliver(INNER[4])
    rig.tunnel.ready()
    assert rig.tunnel.strays == 1


def test_a_burst_leaves_others_their_turn(rig, monkeypatch):
    rig.tunnel.fault()
    rig.tunnel.assign(rig.flow, KEY)
    monkeypatch.setattr(os, "read", lambda _descriptor, _size: INNER[4])
    assert rig.tunnel.ready()
    assert rig.flow.seen == BURST


@pytest.mark.parametrize(("number", "reason"), [
    (errno.ENETUNREACH, "network"),
    (errno.ENOBUFS, "memory"),
    (errno.EPERM, "permission"),
])  # fmt: skip
def test_a_packet_that_can_t_be_sent_on_is_a_fault_of_this_machine(rig, number, reason):
    rig.tunnel.fault()
    rig.tunnel.assign(rig.flow, KEY)
    rig.opener.raw[socket.AF_INET] = RawSocket()
    rig.opener.raw[socket.AF_INET].errors = [number]
    rig.deliver(INNER[4])
    rig.tunnel.ready()
    assert rig.flow.fault() == LocalFault(reason, f"not sent: {os.strerror(number)}")
    rig.flow.begin()
    assert rig.flow.fault() is None


def test_without_a_raw_socket(rig):
    rig.tunnel.fault()
    rig.tunnel.assign(rig.flow, KEY)
    rig.opener.raw[socket.AF_INET] = LocalFault("permission", "no socket")
    rig.deliver(INNER[4])
    rig.tunnel.ready()
    assert rig.flow.fault() == LocalFault("permission", "no socket")


# The device


@pytest.mark.parametrize(("number", "detail"), [
    (errno.ENODEV, "no device maglev0: does vpp-maglev-tunnel.service run?"),
    (errno.EBUSY, "maglev0 is in use by another process"),
    (errno.EPERM, "maglev0 belongs to another user"),
    (errno.EACCES, "/dev/net/tun may not be opened"),
    (errno.EMFILE, "maglev0: Too many open files"),
])  # fmt: skip
def test_a_device_that_can_t_be_had_is_tried_again(rig, number, detail):
    rig.opener.problems = [OSError(number, "no")] * 2
    with recorded_events() as events:
        assert rig.tunnel.fault() == fault(detail)
        assert rig.tunnel.fault() == fault(detail), "not tried again at once"
        rig.clock.advance(RETRY)
        assert rig.tunnel.fault() == fault(detail)
        rig.clock.advance(RETRY)
        assert rig.tunnel.fault() is None
    assert [event["reason"] for event in named(events, "tunnel-unusable")] == [detail]
    assert [(event["device"], event["mark"]) for event in named(events, "tunnel-open")] == [("maglev0", "0x4d47")]


def test_a_namespace_that_is_not_there(rig):
    missing = LocalFault("netns", "no such network namespace: 'x'")
    rig.opener.problems = [ProbeError(missing)]
    assert rig.tunnel.fault() == missing


def test_a_device_that_is_not_up_yet_is_asked_again_at_each_probe(rig):
    rig.opener.running = False
    with recorded_events() as events:
        assert rig.tunnel.fault() == fault("maglev0 is not up")
        assert not named(events, "tunnel-unusable"), "it needs a moment"
        assert rig.tunnel.fault() == fault("maglev0 is not up")
        rig.opener.running = True
        assert rig.tunnel.fault() is None
    assert len(rig.opener.writers) == 1
    assert named(events, "tunnel-open")


def test_a_device_that_stays_down_is_told(rig):
    rig.opener.running = False
    with recorded_events() as events:
        rig.tunnel.fault()
        rig.clock.advance(RETRY)
        rig.tunnel.fault()
    assert [event["reason"] for event in named(events, "tunnel-unusable")] == ["maglev0 is not up"]


def test_a_device_that_goes_right_after_it_came(rig):
    rig.opener.running = OSError(errno.ENODEV, "no")
    assert rig.tunnel.fault() == fault("no device maglev0: does vpp-maglev-tunnel.service run?")
    assert rig.poller.waiting == {}


def test_a_device_that_goes_is_opened_again(rig):
    rig.tunnel.fault()
    rig.tunnel.assign(rig.flow, KEY)
    rig.deliver(INNER[4])
    rig.tunnel.ready()
    raw = rig.opener.raw.pop(socket.AF_INET)
    (descriptor,) = rig.poller.waiting
    with recorded_events() as events:
        os.dup2(os.open("/", os.O_RDONLY | os.O_DIRECTORY), descriptor)  # reading it fails
        assert rig.tunnel.ready()
        assert named(events, "tunnel-lost")[0]["device"] == "maglev0"
        assert raw.closed
        assert rig.poller.waiting == {}
        assert not rig.tunnel.ready()
        assert rig.tunnel.fault() is None
    assert len(rig.opener.writers) == 2


def test_another_namespace_of_the_same_name_has_another_device(rig):
    rig.tunnel.fault()
    rig.opener.identity = (1, 2)
    assert rig.tunnel.fault() is None
    assert len(rig.opener.writers) == 2


def test_a_poller_without_room(rig):
    rig.poller.error = errno.ENOSPC
    assert rig.tunnel.fault().reason == "tunnel"


def test_a_bug_in_one_packet_costs_no_other(rig):
    rig.tunnel.crash()
    assert rig.tunnel.fault() is None


# Sockets


class ProbeSocket:
    """A socket that is to be marked and bound."""

    def __init__(self, own=(OURS, 40000), error=None, denied=False):
        self.own = own
        self.error = error
        self.denied = denied
        self.options = []
        self.bound = None
        self.to = None
        self.closed = False

    def setsockopt(self, *option):
        if self.denied:
            raise PermissionError(errno.EPERM, "no")
        self.options.append(option)

    def bind(self, source):
        if self.error:
            raise OSError(self.error, "no")
        self.bound = source

    def connect(self, address):
        if self.error:
            raise OSError(self.error, "no")
        self.to = address

    def getsockname(self):
        return self.own

    def close(self):
        self.closed = True


def opener_of(rig, *sockets, backend=BACKEND):
    rig.opener.others = list(sockets)
    return TunnelOpener(rig.tunnel, rig.opener, Destination.at(backend), rig.flow)


VIP_80 = Destination(socket.AF_INET, (VIP, 80))


@pytest.mark.parametrize("kind", ["open_stream", "open_datagram"])
def test_a_socket_is_marked_and_bound_to_the_address_that_the_backend_answers(rig, kind):
    asking, first, second = ProbeSocket(), ProbeSocket(), ProbeSocket()
    opener = opener_of(rig, asking, first, second)
    assert getattr(opener, kind)(VIP_80) is first
    assert (socket.SOL_SOCKET, 36, 19783) in first.options
    assert first.bound == (OURS, 0)
    assert asking.to == (BACKEND, 9)
    assert asking.closed
    assert rig.flow.opened
    assert getattr(opener, kind)(VIP_80) is second, "the address is remembered"


def test_the_address_is_found_out_again_when_it_is_to_be_forgotten(rig):
    opener = opener_of(rig, ProbeSocket(), ProbeSocket(), ProbeSocket(("192.0.2.98", 1)), ProbeSocket())
    opener.open_stream(VIP_80)
    opener.forget_source()
    assert opener.open_stream(VIP_80).bound == ("192.0.2.98", 0)


def test_a_vip_of_another_family_is_answered_to_an_address_of_that_family(rig):
    ours = "2001:db8::63"
    asking, opened = ProbeSocket((ours, 5, 0, 0)), ProbeSocket((ours, 40000, 0, 0))
    opener = opener_of(rig, asking, opened)
    opener.open_stream(Destination(socket.AF_INET6, ("2001:db8::1", 80, 0, 0)))
    assert asking.to == ("2001:db8::1", 9)
    assert opened.bound == (ours, 0, 0, 0)


def test_a_configured_source(rig):
    opener = opener_of(rig, ProbeSocket())
    plan = Destination(socket.AF_INET, (VIP, 80), ("192.0.2.77", 0))
    assert opener.open_stream(plan).bound == ("192.0.2.77", 0)


@pytest.mark.parametrize(("sockets", "outcome"), [
    ([ProbeSocket(error=errno.ENETUNREACH)], LocalFault("network", "not sent: Network is unreachable")),
    ([ProbeSocket(), ProbeSocket(denied=True)], NO_MARK),
    (
        [ProbeSocket(), ProbeSocket(error=errno.EADDRNOTAVAIL)],
        LocalFault("network", "source address not usable: Cannot assign requested address"),
    ),
    (
        [ProbeSocket(), ProbeSocket(error=errno.EADDRINUSE)],
        LocalFault("ports", "no source port: Address already in use"),
    ),
])  # fmt: skip
def test_a_socket_that_can_t_be_had(rig, sockets, outcome):
    with pytest.raises(ProbeError) as raised:
        opener_of(rig, *sockets).open_stream(VIP_80)
    assert raised.value.outcome == outcome
    assert all(each.closed for each in sockets)
    assert not rig.flow.opened
