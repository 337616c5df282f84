"""Channels: what clients ask for and when, and that no packet of theirs ends the connection."""

from __future__ import annotations

import contextlib
import struct

import pytest
from twisted.conch.ssh.common import NS

from maglev.ssh.limits import Limits
from maglev.ssh.packets import PacketError
from maglev.terminal.stream import MAX_SIDE, Window
from tests.fakes.ssh import ADJUST, CLOSE, DATA, EOF, EXTENDED, FAILURE, REQUEST, SUCCESS, SshPeer


class RunnerDouble:
    """Notes what it is told."""

    def __init__(self, channel, opening):
        self.channel = channel
        self.opening = opening
        self.told = []

    def start(self):
        self.told.append("start")

    def data_received(self, data):
        self.told.append(data)

    def eof_received(self):
        self.told.append("eof")

    def resized(self, window):
        self.told.append(window)

    def interrupt(self):
        self.told.append("interrupt")

    def dismiss(self, words):
        self.told.append(words)

    def closed(self):
        self.told.append("closed")


class Recorded(SshPeer):
    """A client whose sessions are doubles."""

    def __init__(self, limits=None):
        self.runners = []
        super().__init__(limits=limits, opener=self._double)

    def _double(self, channel, opening):
        self.runners.append(RunnerDouble(channel, opening))
        return self.runners[-1]


def test_the_answer_to_a_request_comes_before_the_output():
    peer = SshPeer()
    peer.open().exec(b"show version")
    peer.turn()
    kinds = [number for number, _ in peer.transport.sent]

    assert kinds.index(SUCCESS) < kinds.index(DATA)


@pytest.mark.parametrize("kind", [b"direct-tcpip", b"x11", b"auth-agent@openssh.com", b"forwarded-tcpip", b"tun"])
def test_channels_other_than_sessions_are_refused(kind):
    peer = Recorded()

    assert peer.open(kind=kind) is None
    assert peer.refusals == [(100, 1)]


@pytest.mark.parametrize("kind", [b"env", b"x11-req", b"auth-agent-req@openssh.com", b"subsystem", b"\xff\xfe", b""])
def test_requests_for_more_than_a_session_are_refused(kind):
    channel = Recorded().open()

    assert channel.request(kind, NS(b"sftp") + NS(b"x")) is False


@pytest.mark.parametrize("kind", [b"tcpip-forward", b"streamlocal-forward@openssh.com", b"keepalive@openssh.com"])
def test_global_requests_are_refused(kind):
    peer = Recorded()
    peer.connection.packetReceived(80, NS(kind) + b"\1" + NS(b"") + struct.pack(">L", 80))

    assert peer.transport.sent == [(82, b"")]


def test_one_shell_or_command_runs_in_a_channel():
    peer = Recorded()
    channel = peer.open()

    assert channel.shell() is True
    assert channel.shell() is False
    assert channel.exec(b"show version") is False
    assert len(peer.runners) == 1


def test_a_terminal_can_be_had_once_and_not_after_the_start():
    channel = Recorded().open()

    assert channel.pty() is True
    assert channel.pty() is False
    late = Recorded().open()
    late.shell()
    assert late.pty() is False


def test_a_shell_without_a_terminal_is_started():
    peer = Recorded()

    assert peer.open().shell() is True
    assert peer.runners[0].opening.window is None


def test_a_window_of_nothing_has_a_usual_size():
    peer = Recorded()
    channel = peer.open()
    channel.pty(0, 0)
    channel.shell()
    channel.resize(0, 0)
    channel.resize(2**32 - 1, 7)

    assert peer.runners[0].opening.window == Window(80, 0)
    assert peer.runners[0].told == ["start", Window(80, 0), Window(MAX_SIDE, 7)]


def test_a_new_size_without_a_terminal_is_refused_and_harms_nothing():
    peer = Recorded()
    channel = peer.open()
    channel.shell()

    assert channel.request(b"window-change", struct.pack(">4L", 80, 24, 0, 0)) is False
    channel.type("x")
    assert peer.runners[0].told == ["start", b"x"]


def test_what_is_sent_before_the_start_is_kept():
    peer = Recorded()
    channel = peer.open()
    channel.type("show version\n")
    channel.send_eof()
    channel.shell()

    assert peer.runners[0].told == ["start", b"show version\n", "eof"]


def test_the_signal_int_is_an_interrupt_and_others_are_nothing():
    peer = Recorded()
    channel = peer.open()
    channel.shell()

    assert channel.request(b"signal", NS(b"INT")) is True
    assert channel.request(b"signal", NS(b"KILL")) is False
    assert peer.runners[0].told == ["start", "interrupt"]


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (EOF, b""),
        (CLOSE, b""),
        (ADJUST, struct.pack(">L", 1000)),
        (REQUEST, NS(b"window-change") + b"\1" + struct.pack(">4L", 80, 24, 0, 0)),
        (DATA, NS(b"late")),
        (EXTENDED, struct.pack(">L", 1) + NS(b"late")),
        (SUCCESS, b""),
        (FAILURE, b""),
        (91, struct.pack(">3L", 0, 1, 2)),
        (92, struct.pack(">L", 0) + NS(b"") + NS(b"")),
    ],
)
def test_a_late_packet_for_a_closed_channel_means_nothing(kind, payload):
    peer = Recorded()
    channel = peer.open()
    channel.shell()
    channel.close()
    sent = len(peer.transport.sent)
    channel.raw(kind, payload)

    assert len(peer.transport.sent) == sent
    assert peer.open().shell() is True


@pytest.mark.parametrize("kind", [81, 82, 91, 92, 99, 100])
def test_confirmations_of_what_we_never_asked_for_mean_nothing(kind):
    peer = Recorded()
    channel = peer.open(window=10)
    channel.shell()
    channel.raw(kind, struct.pack(">3L", 77, 2**31, 2**31))
    peer.runners[0].channel.outlet.write(b"x" * 20)

    assert channel.out == b"x" * 10


def test_packets_after_our_close_and_before_the_clients_mean_nothing():
    peer = Recorded()
    channel = peer.open()
    channel.shell()
    peer.runners[0].channel.finish(0)
    channel.raw(DATA, NS(b"late"))
    channel.raw(EOF)
    channel.raw(REQUEST, NS(b"shell") + b"\1")
    channel.close()

    assert peer.runners[0].told == ["start", "closed"]
    assert channel.status == 0


def test_the_end_is_told_once_however_often_it_comes():
    peer = Recorded()
    channel = peer.open()
    channel.shell()
    runner = peer.runners[0]
    channel.close()
    runner.channel.closed()
    runner.channel.close_now()
    peer.lose()

    assert runner.told == ["start", "closed"]


def test_an_end_sends_status_eof_and_close_after_all_output():
    peer = Recorded()
    channel = peer.open(window=4)
    channel.shell()
    runner = peer.runners[0]
    runner.channel.outlet.write(b"12345678")
    runner.channel.finish(3)

    assert (channel.out, channel.status, channel.closed) == (b"1234", None, False)
    channel.adjust(100)
    assert (channel.out, channel.status, channel.eof, channel.closed) == (b"12345678", 3, True, True)


def test_a_lost_connection_ends_every_session():
    peer = Recorded()
    peer.open().shell()
    peer.open().shell()
    peer.lose()

    assert [runner.told for runner in peer.runners] == [["start", "closed"]] * 2
    assert peer.clock.getDelayedCalls() == []


def test_channels_are_counted():
    peer = Recorded(limits=Limits(channels=2))
    first = peer.open()
    peer.open()
    assert peer.open() is None
    assert peer.refusals == [(102, 4)]

    first.close()
    assert peer.open() is not None


@pytest.mark.parametrize("size", [0, 1, 1023])
def test_a_client_that_takes_tiny_packets_is_refused(size):
    peer = Recorded()

    assert peer.open(packet=size) is None


def test_output_comes_in_packets_that_the_client_takes():
    peer = Recorded()
    channel = peer.open(packet=1024)
    channel.shell()
    peer.transport.sent.clear()
    peer.runners[0].channel.outlet.write(b"x" * 5000)

    assert [len(payload) - 8 for _, payload in peer.transport.sent] == [1024, 1024, 1024, 1024, 904]


def test_more_data_than_the_window_takes_is_an_error():
    peer = Recorded()
    channel = peer.open()
    channel.shell()
    for _ in range(4):
        channel.raw(DATA, NS(b"x" * 32768))

    with pytest.raises(PacketError):
        channel.raw(DATA, NS(b"x"))


def test_what_goes_to_stderr_of_a_session_is_dropped_and_its_window_given_back():
    peer = Recorded()
    channel = peer.open()
    channel.shell()
    for _ in range(20):
        channel.raw(EXTENDED, struct.pack(">L", 1) + NS(b"x" * 32768))

    assert peer.runners[0].told == ["start"]


@pytest.mark.parametrize("number", [80, 90, *range(93, 99)])
@pytest.mark.parametrize("payload", [b"", b"\0", b"\0\0\0\0", b"\0\0\0\0\0\0\0\xff", b"\xff" * 11])
def test_a_truncated_packet_is_an_error_of_the_peer_and_of_no_other_kind(number, payload):
    peer = Recorded()
    peer.open().shell()
    with contextlib.suppress(PacketError):
        peer.connection.packetReceived(number, payload)


def test_a_connection_without_a_session_ends_some_time():
    peer = Recorded()
    peer.clock.advance(peer.limits.idle_timeout - 1)
    assert peer.transport.disconnects == []
    peer.clock.advance(1)
    assert len(peer.transport.disconnects) == 1


def test_a_connection_with_a_session_does_not_end_by_itself():
    peer = Recorded()
    channel = peer.open()
    channel.shell()
    peer.clock.advance(10 * peer.limits.idle_timeout)
    assert peer.transport.disconnects == []

    # The client never closes its side.
    peer.runners[0].channel.finish(0)
    peer.clock.advance(peer.limits.idle_timeout)
    assert len(peer.transport.disconnects) == 1
