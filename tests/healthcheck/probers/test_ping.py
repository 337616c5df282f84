"""The shared ICMP socket, and the probers over it."""

from __future__ import annotations

import errno
import os
import socket
import struct
from select import EPOLLERR, EPOLLIN

import pytest
from twisted.internet.task import Clock

from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.probers import echo
from maglev.healthcheck.probers.deadlines import Deadlines
from maglev.healthcheck.probers.echo_socket import BATCH, TRIES
from maglev.healthcheck.probers.icmp import IcmpProber
from maglev.healthcheck.probers.ping import KEPT, LOOKS, MOST_SOCKETS, SEQUENCES, PingSocket, ancillary_for
from maglev.healthcheck.probers.sockets import Destination
from maglev.model.result import Code, LocalFault, Result
from tests.fakes.icmp import as_reply, error, ipv4, ipv6
from tests.fakes.probe_io import FakeOpener, FakePoller

V4, V6 = socket.AF_INET, socket.AF_INET6
TARGETS = {V4: ("192.0.2.1", 0), V6: ("2001:db8::1", 0, 0, 0)}
OTHER = {V4: "192.0.2.2", V6: "2001:db8::2"}
REFUSED = LocalFault("permission", "no")


class FakePing:
    """An ICMP socket: keeps what is sent, gives out what the test puts in."""

    def __init__(self, descriptor=2000):
        self.descriptor = descriptor
        self.sent = []
        self.incoming = []
        self.errors = []
        self.send_errors = []
        self.options = []
        self.closed = False
        self.cleared = 0
        self.memory = (0, 0, 0, 1)
        self.forceful = True

    def fileno(self):
        return self.descriptor

    def setsockopt(self, *option):
        if not self.forceful and option[1] in {32, 33}:
            raise PermissionError(errno.EPERM, "not forceful")
        self.options.append(option)

    def getsockopt(self, level, option, size=None):
        if size is not None:
            return struct.pack("=4I", *self.memory)
        self.cleared += 1
        return 0

    def sendto(self, message, address):
        self.sendmsg([message], [], 0, address)

    def sendmsg(self, parts, ancillary, flags, address):
        if self.send_errors:
            number = self.send_errors.pop(0)
            raise OSError(number, os.strerror(number))
        self.sent.append((b"".join(parts), ancillary, address))

    def recvfrom(self, size):
        if not self.incoming:
            raise BlockingIOError(errno.EAGAIN, "would block")
        data, sender = self.incoming.pop(0)
        if isinstance(data, OSError):
            raise data
        return data[:size], (sender, 0)

    def recvmsg(self, size, ancillary_size, flags):
        assert flags == socket.MSG_ERRQUEUE
        if not self.errors:
            raise BlockingIOError(errno.EAGAIN, "would block")
        return self.errors.pop(0)

    def close(self):
        self.closed = True


class PingSetup:
    def __init__(self, family=V4, raw=True, source=None, *sockets):
        self.family, self.raw = family, raw
        self.fake = FakePing()
        self.opener = FakeOpener(*(sockets or ([REFUSED, self.fake] if raw else [self.fake])))
        self.poller = FakePoller()
        self.clock = Clock()
        self.lag = LagMonitor(self.clock)
        self.ping = PingSocket(self.poller, self.opener, family, self.clock.seconds, self.lag.behind)
        self.outcomes = []
        self.prober = self.another(source=source)

    def another(self, address=None, source=None):
        target = TARGETS[self.family] if address is None else (address, *TARGETS[self.family][1:])
        return IcmpProber(
            Deadlines(self.clock, 1.0, LagMonitor(self.clock)), self.ping, Destination(self.family, target, source)
        )

    def start(self):
        self.prober.start(self.outcomes.append)
        return self

    @property
    def request(self):
        return self.fake.sent[-1][0]

    def reply(self, change=lambda message: message, sender=None):
        """A reply comes in, changed if wanted."""
        message = change(as_reply(self.family, self.request))
        packet = ipv4(message) if self.raw and self.family == V4 else message
        self.fake.incoming.append((packet, sender or TARGETS[self.family][0]))
        self.listen(EPOLLIN)

    def listen(self, events=EPOLLIN | EPOLLERR):
        """Something happened on each of the sockets."""
        for each in tuple(self.ping._sockets):
            each.ready(events)

    def codes(self):
        return [outcome.code for outcome in self.outcomes]


EVERY = pytest.mark.parametrize(("family", "raw"), [(V4, True), (V4, False), (V6, True), (V6, False)])


@EVERY
def test_a_reply_passes(family, raw):
    bench = PingSetup(family, raw).start()
    bench.clock.advance(0.5)
    bench.reply()
    assert bench.outcomes == [Result(Code.L7OK, "", 0.5)]
    assert bench.clock.getDelayedCalls() == []


@EVERY
@pytest.mark.parametrize("change", [
    lambda message: message[:6] + bytes([message[6] ^ 1]) + message[7:],
    lambda message: message[:-1],
    lambda message: message + b"x",
    lambda message: message[:-1] + bytes([message[-1] ^ 1]),
    lambda message: message[:7],
    lambda message: message[:8],
    lambda message: bytes([message[0] ^ 8]) + message[1:],
])  # fmt: skip
def test_a_reply_that_differs_anywhere_is_not_ours(family, raw, change):
    bench = PingSetup(family, raw).start()
    bench.reply(change)
    assert bench.outcomes == []
    bench.reply()
    assert bench.codes() == [Code.L7OK]


@EVERY
def test_a_reply_from_another_host_is_not_ours(family, raw):
    bench = PingSetup(family, raw).start()
    bench.reply(sender=OTHER[family])
    assert bench.outcomes == []
    bench.clock.advance(1)
    assert bench.outcomes == [Result(Code.L7TOUT, "no reply", 1.0)]


@pytest.mark.parametrize("family", [V4, V6])
def test_a_reply_to_another_process_is_not_ours(family):
    bench = PingSetup(family).start()
    bench.reply(lambda message: message[:4] + bytes([message[4] ^ 1]) + message[5:])
    assert bench.outcomes == []
    bench.prober.cancel()


def test_a_ping_socket_has_an_identifier_of_the_kernels_choice():
    bench = PingSetup(V4, raw=False).start()
    bench.reply(lambda message: message[:4] + b"\xab\xcd" + message[6:])
    assert bench.codes() == [Code.L7OK]


def identifier(request):
    return request[4:6]


@pytest.mark.parametrize("family", [V4, V6])
def test_a_raw_socket_asks_with_another_identifier_after_a_failure_only(family):
    bench = PingSetup(family).start()
    first = identifier(bench.request)
    bench.reply()
    bench.start()
    assert identifier(bench.request) == first

    seen = {first}
    for _ in range(100):
        bench.clock.advance(1)
        assert bench.codes()[-1] is Code.L7TOUT
        bench.start()
        assert identifier(bench.request) not in seen
        seen.add(identifier(bench.request))
    last = identifier(bench.request)
    bench.reply()
    bench.start()
    assert identifier(bench.request) == last
    bench.prober.cancel()
    other = bench.another()
    other.start(bench.outcomes.append)
    assert identifier(bench.request) == first
    other.cancel()
    assert len(bench.ping._sockets) == 1


@pytest.mark.parametrize("family", [V4, V6])
def test_an_error_message_calls_for_another_identifier_too(family):
    bench = PingSetup(family).start()
    first = identifier(bench.request)
    message = error(family, 1, (ipv4 if family == V4 else ipv6)(bench.request[:8]))
    bench.fake.incoming.append((ipv4(message) if family == V4 else message, OTHER[family]))
    bench.listen(EPOLLIN)
    assert bench.codes() == [Code.L4CON]
    bench.start()
    assert identifier(bench.request) != first
    bench.prober.cancel()


def test_a_late_reply_to_a_former_identifier_is_not_taken_for_that_to_the_present_one():
    bench = PingSetup(V4).start()
    bench.clock.advance(1)
    bench.start()
    bench.reply(lambda message: message[:4] + bytes([message[4], message[5] ^ 1]) + message[6:])
    assert bench.codes() == [Code.L7TOUT]
    bench.reply()
    assert bench.codes() == [Code.L7TOUT, Code.L7OK]


def ping_sockets(count, family=V4):
    """Return a bench with so many ping sockets to open, and these."""
    bench = PingSetup(family, False, None, *(FakePing(3000 + number) for number in range(count)))
    return bench, list(bench.opener.sockets)


def still_open(fakes):
    return [number for number, fake in enumerate(fakes) if fake.options and not fake.closed]


@pytest.mark.parametrize("family", [V4, V6])
def test_a_backend_that_failed_is_asked_over_a_new_ping_socket_each_time(family):
    bench, fakes = ping_sockets(100, family)
    for _ in fakes:
        bench.start().clock.advance(1)
    assert [len(fake.sent) for fake in fakes] == [1] * 100
    assert still_open(fakes) == list(range(100 - KEPT, 100))
    bench.ping.close()
    assert still_open(fakes) == []


def test_a_backend_that_answers_stays_with_its_socket_while_that_is_kept():
    bench, fakes = ping_sockets(KEPT + 3)
    other = bench.another(OTHER[V4])

    def ask_other():
        other.start(bench.outcomes.append)
        used = next(fake for fake in reversed(fakes) if fake.sent and fake.sent[-1][2][0] == OTHER[V4])
        used.incoming.append((as_reply(V4, used.sent[-1][0]), OTHER[V4]))
        bench.listen(EPOLLIN)
        assert bench.outcomes.pop().code is Code.L7OK
        return fakes.index(used)

    used = [ask_other()]
    for _ in fakes:
        bench.start().clock.advance(1)
        used.append(ask_other())
    assert used == [0] * (KEPT + 1) + [1, 2, 3]


def test_a_socket_is_closed_only_when_no_reply_over_it_is_awaited():
    bench, fakes = ping_sockets(KEPT + 3)
    patient = IcmpProber(
        Deadlines(bench.clock, 100.0, LagMonitor(bench.clock)), bench.ping, Destination(V4, (OTHER[V4], 0), None)
    )
    patient.start(bench.outcomes.append)
    for _ in range(KEPT + 2):
        bench.start().clock.advance(1)
    assert still_open(fakes) == [0, *range(2, KEPT + 2)]
    fakes[0].incoming.append((as_reply(V4, fakes[0].sent[0][0]), OTHER[V4]))
    bench.listen(EPOLLIN)
    assert bench.codes()[-1] is Code.L7OK
    bench.start().clock.advance(1)
    assert still_open(fakes) == list(range(3, KEPT + 3))


def test_many_that_fail_at_once_share_a_new_socket():
    bench, fakes = ping_sockets(3)
    dead = [bench.another(f"198.51.100.{number}") for number in range(50)]
    for _ in range(3):
        for prober in dead:
            prober.start(bench.outcomes.append)
        bench.clock.advance(1)
    assert [len(fake.sent) for fake in fakes] == [50] * 3


@pytest.mark.parametrize("raw", [True, False])
def test_errors_at_once_call_for_one_more_identifier_each_second_at_most(raw):
    bench = PingSetup(
        V4, raw, None, *([REFUSED, FakePing()] if raw else [FakePing(3000 + number) for number in range(2)])
    )
    fakes = [fake for fake in bench.opener.sockets if fake is not REFUSED]
    first = fakes[0]
    for _ in range(20):
        bench.start()
        used = next(fake for fake in reversed(fakes) if fake.sent)
        quoted = ipv4(error(V4, 1, ipv4(used.sent[-1][0])))
        bench.ping.take(quoted, TARGETS[V4][0], raw=True) if raw else bench.prober.unreachable("no route")
        bench.clock.advance(0.01)
    seen = {identifier(message) for message, _, _ in first.sent}
    assert (len(seen), len(bench.ping._sockets)) == ((2, 1) if raw else (1, 2))


def test_variants_are_kept_in_their_order_whichever_is_asked_first():
    bench, fakes = ping_sockets(4)
    late = bench.another(OTHER[V4])
    late.start(bench.outcomes.append)
    bench.clock.advance(1)  # late has the next variant, and does not use it yet
    bench.prober._variant = bench.ping.next_variant() + 1
    bench.clock.advance(1)
    bench.start()
    late.start(bench.outcomes.append)
    assert bench.ping._variants == sorted(bench.ping._variants)
    assert len(still_open(fakes)) == 3
    bench.ping.close()


def test_full_sockets_of_one_identifier_do_not_keep_a_backend_from_the_others():
    bench = PingSetup(V4, False, None, *(FakePing(3000 + number) for number in range(MOST_SOCKETS + 1)))
    fakes = list(bench.opener.sockets)
    bench.start()
    for fake in fakes[:MOST_SOCKETS]:
        fake.send_errors = [errno.EAGAIN] * 1000
    for _ in range(MOST_SOCKETS):
        bench.another(OTHER[V4]).start(bench.outcomes.append)
    bench.clock.advance(1)
    bench.start()
    assert len(fakes[MOST_SOCKETS].sent) == 1
    bench.ping.close()


@EVERY
def test_a_doubled_or_late_reply_changes_nothing(family, raw):
    bench = PingSetup(family, raw).start()
    bench.reply()
    first = bench.request
    bench.reply()
    bench.start()
    late = as_reply(family, first)
    bench.fake.incoming.append((ipv4(late) if raw and family == V4 else late, TARGETS[family][0]))
    bench.listen()
    assert bench.codes() == [Code.L7OK]
    bench.clock.advance(1)
    assert bench.codes() == [Code.L7OK, Code.L7TOUT]
    bench.reply()
    assert len(bench.outcomes) == 2


def test_a_look_at_the_deadline_reads_on_past_what_is_somebody_elses():
    bench = PingSetup().start()
    bench.fake.incoming = [(b"", "192.0.2.99")] * (LOOKS * BATCH - 1)
    bench.fake.incoming.append((ipv4(as_reply(V4, bench.request)), TARGETS[V4][0]))
    bench.clock.advance(1)
    assert bench.codes() == [Code.L7OK]


def test_more_replies_than_one_look_takes_are_lateness_that_is_measured():
    bench = PingSetup().start()
    bench.fake.incoming = [(b"", "192.0.2.99")] * (BATCH + 1)
    bench.listen()
    bench.clock.advance(0.5)
    assert bench.lag.worst_since(0.0) == 0.5
    bench.listen()
    bench.clock.advance(0.4)
    assert bench.lag.worst_since(0.5) == 0.0
    bench.fake.incoming = [(b"", "192.0.2.99")] * BATCH
    bench.listen()
    bench.ping.close()
    bench.clock.advance(0.05)
    assert bench.lag.worst_since(0.9) == 0.0, "a socket that is closed has nothing left to read"
    bench.prober.cancel()


def test_each_backend_gets_its_own_reply():
    bench = PingSetup().start()
    request = bench.request
    others = []
    other = bench.another(OTHER[V4])
    other.start(others.append)
    bench.fake.incoming.append((ipv4(as_reply(V4, request)), OTHER[V4]))
    bench.fake.incoming.append((ipv4(as_reply(V4, request)), TARGETS[V4][0]))
    bench.listen()
    assert (bench.codes(), others) == ([Code.L7OK], [])
    bench.reply(sender=OTHER[V4])
    assert [outcome.code for outcome in others] == [Code.L7OK]


def test_payload_and_sequence_differ_from_request_to_request():
    bench = PingSetup()
    for _ in range(3):
        bench.start().reply()
    requests = [message for message, _ancillary, _address in bench.fake.sent]
    assert len({message[6:8] for message in requests}) == len({message[8:] for message in requests}) == 3
    assert len({message[4:6] for message in requests}) == 1


@EVERY
def test_an_error_that_quotes_our_request_fails(family, raw):
    bench = PingSetup(family, raw).start()
    if raw:
        wrap = ipv4 if family == V4 else ipv6
        message = error(family, 1, wrap(bench.request[:8]))
        bench.fake.incoming.append((ipv4(message) if family == V4 else message, OTHER[family]))
        bench.listen(EPOLLIN)
    else:
        bench.fake.errors.append(queued(family, bench.request))
        bench.listen(EPOLLERR)
        assert bench.fake.cleared == 1
    assert bench.codes() == [Code.L4CON]
    assert bench.outcomes[0].detail in {"host unreachable", "administratively prohibited"}


def queued(family, request, origin=None, kind=None, target=None):
    """An entry of the error queue (linux/errqueue.h)."""
    origin = (2 if family == V4 else 3) if origin is None else origin
    kind = echo.KINDS[family].unreachable if kind is None else kind
    extended = struct.pack("=IBBBBII", errno.EHOSTUNREACH, origin, kind, 1, 0, 0, 0)
    return request, [(0, 11, extended + bytes(16))], 0, (target or TARGETS[family][0], 0)


@pytest.mark.parametrize("change", [
    {"origin": 1}, {"kind": 11}, {"target": OTHER[V4]}, {"request": b""}, {"request": b"\x08\x00\x00\x00\x00\x00"},
])  # fmt: skip
def test_an_error_about_something_else_is_not_ours(change):
    bench = PingSetup(V4, raw=False).start()
    bench.fake.errors.append(queued(V4, change.pop("request", bench.request), **change))
    bench.listen(EPOLLERR)
    assert bench.outcomes == []
    bench.prober.cancel()


def test_an_error_whose_quoted_payload_is_not_ours_is_not_ours():
    bench = PingSetup().start()
    message = error(V4, 1, ipv4(bench.request[:-1] + bytes([bench.request[-1] ^ 1])))
    bench.fake.incoming.append((ipv4(message), OTHER[V4]))
    bench.listen()
    assert bench.outcomes == []
    bench.prober.cancel()


def test_a_pending_error_of_somebody_else_does_not_spoil_a_request():
    bench = PingSetup()
    bench.fake.send_errors = [errno.EHOSTUNREACH]
    bench.start().reply()
    assert bench.codes() == [Code.L7OK]


def test_errors_that_keep_coming_are_given_to_those_whom_they_name_and_spoil_no_request():
    bench = PingSetup(V4, raw=False)
    dead = {}
    for number in range(TRIES - 1):
        bench.another(f"192.0.2.{100 + number}").start(lambda outcome, number=number: dead.update({number: outcome}))
    requests = [message for message, _ancillary, _address in bench.fake.sent]
    queue = [queued(V4, request, target=f"192.0.2.{100 + number}") for number, request in enumerate(requests)]

    def sendmsg(*request):
        if queue:
            bench.fake.errors.append(queue.pop(0))
            raise OSError(errno.EHOSTUNREACH, "somebody is unreachable")
        FakePing.sendmsg(bench.fake, *request)

    bench.fake.sendmsg = sendmsg
    bench.start().reply()
    assert bench.codes() == [Code.L7OK]
    assert [dead[number].code for number in sorted(dead)] == [Code.L4CON] * (TRIES - 1)


def test_errors_without_end_are_a_fault_of_this_machine():
    bench = PingSetup(V4, raw=False)
    bench.fake.send_errors = [errno.EHOSTUNREACH] * 100
    bench.fake.getsockopt = lambda *_: errno.EHOSTUNREACH
    bench.start()
    assert len(bench.fake.send_errors) == 100 - TRIES
    assert [outcome.reason for outcome in bench.outcomes] == ["network"]


@pytest.mark.parametrize("number", sorted(set(errno.errorcode) - {errno.EAGAIN}))
@pytest.mark.parametrize("source", [None, ("192.0.2.50", 0)])
def test_a_request_that_can_not_be_sent_says_nothing_about_the_backend(number, source):
    bench = PingSetup(source=source)
    bench.fake.send_errors = [number] * 2
    bench.start()
    (outcome,) = bench.outcomes
    assert isinstance(outcome, LocalFault)
    assert os.strerror(number) in outcome.detail
    assert ("source address" in outcome.detail) is (source is not None)
    assert bench.clock.getDelayedCalls() == []
    assert len(bench.ping._sockets) == 1


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize(("number", "memory"), [(errno.EAGAIN, (0, 0, 0, 1)), (errno.ENOBUFS, (0, 0, 9, 9))])
def test_a_request_that_does_not_fit_goes_over_a_further_socket(raw, number, memory):
    second = FakePing(2001)
    bench = PingSetup(V4, raw)
    bench.opener.sockets += [REFUSED, second] if raw else [second]
    bench.start()
    bench.fake.memory = memory
    others = []
    bench.fake.send_errors = [number]
    bench.another(OTHER[V4]).start(others.append)
    ((message, _ancillary, _address),) = second.sent
    filters = [option[2] for option in second.options if option[0] == 255]
    assert filters == ([struct.pack("=I", 0xFFFFFFFF)] if raw else []), "one raw socket that hears is enough"
    into = bench.fake if raw else second
    reply = as_reply(V4, message)
    into.incoming.append((ipv4(reply) if raw else reply, OTHER[V4]))
    bench.listen()
    assert [outcome.code for outcome in others] == [Code.L7OK]
    bench.another(OTHER[V4]).start(others.append)
    assert len(second.sent) == 2, "the one that had room is tried first"
    bench.ping.close()
    assert second.closed


def test_with_every_buffer_full_only_what_does_not_fit_is_discarded():
    bench = PingSetup(V4, raw=False)
    bench.opener.sockets += [FakePing(3000 + number) for number in range(MOST_SOCKETS)]
    bench.start().reply()
    fakes = [bench.fake, *bench.opener.sockets]
    for fake in fakes:
        fake.send_errors = [errno.EAGAIN] * 1000
    others = []
    for _ in range(MOST_SOCKETS + 5):
        bench.another(OTHER[V4]).start(others.append)
    assert {outcome.reason for outcome in others} == {"memory"}
    assert len(bench.ping._sockets) == MOST_SOCKETS
    fakes[7].send_errors = []
    bench.another(OTHER[V4]).start(others.append)
    assert len(fakes[7].sent) == 1
    bench.ping.close()


def test_a_full_table_of_neighbours_opens_no_further_socket():
    bench = PingSetup()
    bench.fake.send_errors = [errno.ENOBUFS] * 2
    bench.start()
    assert [outcome.reason for outcome in bench.outcomes] == ["memory"]
    assert len(bench.ping._sockets) == 1


def test_buffers_are_as_large_as_this_process_may_have_them():
    bench = PingSetup().start()
    assert {option[1] for option in bench.fake.options if option[0] == socket.SOL_SOCKET} == {32, 33}
    bench = PingSetup()
    bench.fake.forceful = False
    bench.start()
    asked = {option[1] for option in bench.fake.options if option[0] == socket.SOL_SOCKET}
    assert asked == {socket.SO_SNDBUF, socket.SO_RCVBUF}


def test_the_source_address_travels_with_the_request():
    bench = PingSetup(source=("192.0.2.50", 0)).start()
    assert bench.fake.sent[0][1] == [(socket.IPPROTO_IP, 8, bytes(4) + socket.inet_aton("192.0.2.50") + bytes(4))]
    assert ancillary_for(Destination(V6, ("::1", 0, 0, 0), ("::2", 0, 0, 0))) == [
        (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, bytes(15) + b"\x02" + bytes(4))
    ]
    bench.prober.cancel()


def test_without_any_permission_every_probe_is_the_fault_of_this_machine():
    bench = PingSetup(V4, True, None, REFUSED, REFUSED, REFUSED, REFUSED)
    bench.start()
    bench.start()
    assert [outcome.reason for outcome in bench.outcomes] == ["permission"] * 2
    assert "CAP_NET_RAW" in bench.outcomes[0].detail


def test_without_descriptors_no_other_kind_of_socket_is_tried():
    fault = LocalFault("descriptors", "too many")
    bench = PingSetup(V4, True, None, fault)
    bench.start()
    assert bench.outcomes == [fault]


def test_no_room_in_the_poller_closes_the_socket_again():
    bench = PingSetup()
    bench.poller.error = errno.ENOSPC
    bench.start()
    assert [outcome.reason for outcome in bench.outcomes] == ["descriptors"]
    assert bench.fake.closed


def test_the_socket_is_shared_and_opened_when_first_needed():
    bench = PingSetup()
    assert bench.poller.waiting == {}
    bench.start().reply()
    bench.start().reply()
    assert bench.poller.waiting == {2000: EPOLLIN}
    bench.ping.close()
    assert bench.fake.closed
    assert bench.poller.waiting == {}
    bench.listen()
    bench.ping.close()


def test_a_namespace_that_was_recreated_gets_a_new_socket():
    second = FakePing()
    bench = PingSetup(V4, True, None)
    bench.opener.sockets += [second]
    identities = iter([(1, 1), (1, 1), (1, 2)])
    bench.opener.namespace_identity = lambda: next(identities)
    bench.start().reply()
    bench.start().reply()
    bench.raw = False
    bench.prober.start(bench.outcomes.append)
    assert bench.fake.closed
    assert len(second.sent) == 1
    bench.prober.cancel()


def test_only_replies_and_errors_pass_the_filter_of_a_raw_socket():
    (option,) = [option for option in PingSetup().start().fake.options if option[0] == 255]
    assert struct.unpack("=I", option[2])[0] == 0xFFFFFFFF & ~(1 << 0 | 1 << 3)
    (option,) = [option for option in PingSetup(V6).start().fake.options if option[0] == socket.IPPROTO_ICMPV6]
    words = struct.unpack("=8I", option[2])
    assert {kind for kind in range(256) if not words[kind // 32] & (1 << kind % 32)} == {1, 129}


def test_a_batch_is_bounded():
    bench = PingSetup().start()
    bench.fake.incoming = [(b"junk", "192.0.2.1")] * (BATCH + 5)
    bench.listen(EPOLLIN)
    assert len(bench.fake.incoming) == 5
    bench.prober.cancel()


def test_an_error_of_the_socket_does_not_stop_the_reading():
    bench = PingSetup().start()
    bench.fake.incoming.append((OSError(errno.EHOSTUNREACH, "x"), ""))
    bench.reply()
    assert bench.codes() == [Code.L7OK]


def test_sequence_numbers_in_use_are_passed_over_and_may_run_out():
    bench = PingSetup().start()
    bench.ping._sent = dict.fromkeys(range(SEQUENCES), bench.ping._sent.popitem()[1])
    others = []
    bench.another().start(others.append)
    assert [outcome.reason for outcome in others] == ["ports"]
    del bench.ping._sent[4711]
    bench.another().start(others.append)
    assert struct.unpack("!H", bench.request[6:8])[0] == 4711
    bench.prober.cancel()


def test_a_reply_that_waits_in_the_kernel_at_the_deadline_of_a_late_reactor_counts():
    bench = PingSetup().start()
    bench.fake.incoming.append((ipv4(as_reply(V4, bench.request)), TARGETS[V4][0]))
    bench.clock.advance(5)
    assert bench.codes() == [Code.L7OK]


def test_a_cancelled_probe_is_forgotten():
    bench = PingSetup().start()
    bench.prober.cancel()
    bench.reply()
    bench.clock.advance(5)
    assert bench.outcomes == []
    assert bench.ping._sent == {}


def test_a_bug_of_one_leaves_the_socket_to_the_others():
    bench = PingSetup().start()
    bench.ping._sockets[0].crash()
    bench.reply()
    assert bench.codes() == [Code.L7OK]
