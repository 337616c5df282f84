"""A packet lab for many flows: which of a thousand servers does VPP send each of 20,000 flows to?

Where `tests.fakes.lab` has real clients and few backends, this lab has first packets of flows only, written to VPP's
interface as they are, and servers that are addresses of one namespace, and read whose GRE packet it is::

      fabric                                       servers
    +------------------------------+             +---------------------------------------------+
    | feed ---- front  VPP  back --+-------------+- eth0 198.18.1.254     10.1.0.0/16 is local |
    |           198.18.0.1   .1.1  |             |   a listener at each server's address       |
    +------------------------------+             +---------------------------------------------+

maglevd probes from the namespace ``servers`` (``healthchecker.netns``). A server that is killed refuses connections:
its listener is closed. It needs what the packet lab needs (`tests.fakes.lab.why_no_lab`).
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import math
import random
import select
import selectors
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import attrs

from maglev.healthcheck.probers.netns import NetworkNamespace
from tests.fakes.lab import PORT, VIP, VPP_FRONT, VPP_LAN, connect, quiet_namespace, wait_until_it_speaks
from tests.fakes.lab_vpp import LabVpp, prefer

FLOWS = 20_000

SERVERS = "10.1.0.0/16"

GATEWAY, GATEWAY_MAC = "198.18.1.254", "02:00:00:00:00:04"
"""Where VPP sends what is for the servers."""

CHUNK = 500
"""Frames that are under way at once: VPP's interface has room for a few more."""

_QUIET = 0.1
"""Seconds without a packet after which those that are missing are lost."""

_ROUNDS = 5
"""How often what is lost is sent again."""

_VPP_MAC = bytes.fromhex("020000000001")
_FEED_MAC = bytes.fromhex("020000000005")
_ETHERNET = _VPP_MAC + _FEED_MAC + b"\x08\x00"
_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_TCP = struct.Struct("!HHIIBBHHH")
_FEED_COUNT = slice(len(_ETHERNET) + _IPV4.size + 8, len(_ETHERNET) + _IPV4.size + 12)
"""Where a packet that is sent has its own number."""
_SYN = 2

_SO_RCVBUFFORCE, _SO_TIMESTAMPNS = 33, 35
"""asm-generic/socket.h."""

_RECEIVE_BUFFER = 64 << 20
_GRE = 47
_DESTINATION = slice(16, 20)
_FLOW, _COUNT = slice(48, 52), slice(52, 56)
"""Where a packet has the address of the server (behind 16 bytes of outer IPv4), and, behind outer IPv4, GRE, IPv4 and
the ports: the number of its flow as the sequence number, and its own as the acknowledgment number."""


def server(number):
    """Return the address of a server, from 1."""
    return f"10.1.{number >> 8}.{number & 255}"


def frame(flow, source, port):
    """Return the first packet of a flow, a TCP SYN to the VIP, as VPP receives it."""
    fields = [0x45, 0, _IPV4.size + _TCP.size, 0, 0, 64, 6, 0, source, socket.inet_aton(VIP)]
    words = sum(struct.unpack("!10H", _IPV4.pack(*fields)))
    fields[7] = ~(words + (words >> 16)) & 0xFFFF
    return _ETHERNET + _IPV4.pack(*fields) + _TCP.pack(port, PORT, flow, 0, 5 << 4, _SYN, 65535, 0, 0)


@functools.cache
def frames(count, first=0):
    """Return the first packets of so many flows, by number: each of another source address and port."""
    numbers = random.Random(first)
    return [
        frame(flow, struct.pack("!I", 0x0B000000 | numbers.getrandbits(24)), numbers.randrange(1024, 65536))
        for flow in range(first, first + count)
    ]


class Servers:
    """Listeners at the addresses of some servers; they accept, and close.

    Attributes:
        up: The addresses that listen.
    """

    def __init__(self, namespace):
        """Begin with none, in a namespace."""
        self._inside = NetworkNamespace(namespace)
        self._selector = selectors.DefaultSelector()
        self._listeners = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    @property
    def up(self):
        return self._listeners.keys()

    def start(self, addresses):
        """Let servers listen that do not."""
        for address in addresses:
            if address not in self._listeners:
                self._listeners[address] = listener = self._inside.call(self._listen, address)
                with self._lock:
                    self._selector.register(listener, selectors.EVENT_READ)

    def kill(self, addresses):
        """Let servers refuse connections."""
        for address in addresses:
            listener = self._listeners.pop(address)
            with self._lock:
                self._selector.unregister(listener)
                listener.close()

    def close(self):
        """End."""
        self._stopping.set()
        self._thread.join()
        self.kill(list(self._listeners))
        self._selector.close()
        self._inside.close()

    @staticmethod
    def _listen(address):
        listener = socket.create_server((address, PORT), backlog=64)
        listener.setblocking(False)
        return listener

    def _accept(self):
        while not self._stopping.is_set():
            ready = self._selector.select(0.05)
            with self._lock:
                for key, _ in ready:
                    with contextlib.suppress(OSError):  # closed meanwhile
                        key.fileobj.accept()[0].close()


class FlowLab:
    """The whole lab; a context manager.

    Attributes:
        vpp: The VPP.
        servers: The servers.
        namespace: Name of the namespace to probe from.
        lost: How many packets had to be sent again.
    """

    def __init__(self):
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self._build(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_exc_info):
        self._stack.close()

    def owners(self, packets):
        """Send the packets of some flows through VPP, each until it has arrived; return where, as 4 bytes, by flow."""
        found = {}
        missing = list(packets)
        for _ in range(_ROUNDS):
            for start in range(0, len(missing), CHUNK):
                some = missing[start : start + CHUNK]
                for each in some:
                    self.feed.send(each)
                self._receive(found, len(found) + len(some))
            missing = [each for each in missing if _number(each) not in found]
            if not missing:
                return found
            self.lost += len(missing)
        said = self.vpp.cli("show errors", "show interface", "show lb vips verbose")
        raise AssertionError(f"{len(missing)} of {len(packets)} packets never arrived: {said}")

    def forget(self):
        """Drop what is still to be read."""
        with contextlib.suppress(BlockingIOError, TimeoutError):
            while True:
                self.arrivals.recv(128, socket.MSG_DONTWAIT)

    def _receive(self, found, until):
        with contextlib.suppress(TimeoutError):
            while len(found) < until:
                packet = self.arrivals.recv(128)
                found[int.from_bytes(packet[_FLOW])] = packet[_DESTINATION]

    def _build(self, stack):
        self.lost = 0
        fabric = stack.enter_context(quiet_namespace("flows"))
        servers = stack.enter_context(quiet_namespace("servers"))
        self.namespace = servers.name
        connect(fabric, "front", fabric, "feed")
        connect(fabric, "back", servers, "eth0", GATEWAY)
        servers.ip("link", "set", "eth0", "address", GATEWAY_MAC)
        servers.ip("route", "add", "local", SERVERS, "dev", "lo")
        self.servers = Servers(servers.name)
        stack.callback(self.servers.close)
        self.feed = stack.enter_context(_inside(fabric, socket.AF_PACKET, socket.SOCK_RAW, 0))
        self.feed.bind(("feed", 0))
        # A raw socket also keeps the kernel from answering that it knows no GRE.
        self.arrivals = stack.enter_context(_inside(servers, socket.AF_INET, socket.SOCK_RAW, _GRE))
        self.arrivals.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        self.arrivals.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.arrivals.settimeout(_QUIET)
        self.vpp = stack.enter_context(LabVpp(fabric.name, VPP_FRONT, VPP_LAN))
        # By interrupts, once in a while nothing arrived any more on a busy machine.
        self.vpp.cli(
            "set interface rx-mode host-front polling",
            f"set ip neighbor static host-back {GATEWAY} {GATEWAY_MAC}",
            f"ip route add {SERVERS} via {GATEWAY} host-back",
        )


@attrs.frozen
class Packet:
    """A packet that was sent.

    Attributes:
        flow: The number of its flow.
        sent: When, in seconds since the epoch.
        owner: The 4 bytes of the server that got it; None if it was lost.
        delay: Seconds until the kernel of the server had it.
    """

    flow: int
    sent: float
    owner: bytes | None
    delay: float


class Stream:
    """Packets at a steady rate, in a process: in turn one of a flow that lives on, and the first of a new one.

    It is a context manager.

    Attributes:
        packets: What became of each, in order; there when it has ended.
        late: By how many seconds it was late at most: then its packets came in a burst.
    """

    def __init__(self, lab, flows, rate):
        """Prepare it.

        Args:
            lab: The lab.
            flows: How many flows live on.
            rate: Packets a second.
        """
        self._lab, self._flows, self._rate = lab, flows, rate
        self._process = None
        self.packets: list[Packet] = []
        self.late = 0.0

    def __enter__(self):
        self._lab.forget()
        sockets = self._lab.feed.fileno(), self._lab.arrivals.fileno()
        program = f"from tests.fakes.flow_lab import stream; stream({sockets}, {self._flows}, {self._rate})"
        command, pipe = [sys.executable, "-c", program], subprocess.PIPE
        self._process = subprocess.Popen(
            command, cwd=Path(__file__).parents[2], pass_fds=sockets, stdin=pipe, stdout=pipe, text=True
        )
        prefer(self._process.pid)
        wait_until_it_speaks(self._process)
        return self

    def __exit__(self, *_exc_info):
        for flow, sent, owner, at in json.loads(self._process.communicate()[0]):
            self.packets.append(Packet(flow, sent, owner and bytes(owner), at - sent if at else math.inf))
        self.late = max(then.sent - now.sent for now, then in itertools.pairwise(self.packets))


def stream(sockets, flows, rate):
    """Be the process of a `Stream`: send until standard input ends; write where each packet went as JSON."""
    feed, arrivals = (socket.socket(fileno=each) for each in sockets)
    turns = [map(bytearray, itertools.cycle(frames(flows))), _new_flows()]
    packets = []
    print("sending", flush=True)
    start = time.monotonic()
    while not select.select([sys.stdin], [], [], 0.001)[0]:
        while len(packets) < rate * (time.monotonic() - start):
            packet = next(turns[len(packets) % 2])
            packet[_FEED_COUNT] = len(packets).to_bytes(4)
            packets.append([_number(packet), time.time(), None, None])
            feed.send(packet)
    arrivals.settimeout(_QUIET)
    with contextlib.suppress(TimeoutError):
        while True:
            packet, ancillary, _, _ = arrivals.recvmsg(128, 64)
            seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
            packets[int.from_bytes(packet[_COUNT])][2:] = list(packet[_DESTINATION]), seconds + nanoseconds / 1e9
    print(json.dumps(packets))


def _new_flows():
    """Yield the first packets of flows that are always new."""
    for first in itertools.count(1 << 24, 1000):
        yield from map(bytearray, frames(1000, first))


def moved(before, after, of=None):
    """Return the share of flows that go elsewhere than before, 0..1.

    Args:
        before: Where they went, by flow, as `FlowLab.owners` says.
        after: The same, later.
        of: Which servers' flows count; None for all.
    """
    counted = [flow for flow, owner in before.items() if of is None or owner in of]
    return sum(before[flow] != after[flow] for flow in counted) / len(counted)


def chi_square(owners, weights):
    """Return how far the numbers of flows are from those that weights say, as Pearson's chi-square.

    Args:
        owners: Where each flow goes, by flow.
        weights: The wanted weight of each server, by the 4 bytes of its address.
    """
    counts, total = Counter(owners.values()), sum(weights.values())
    wanted = {address: weight / total * len(owners) for address, weight in weights.items() if weight}
    assert counts.keys() <= wanted.keys()
    return sum((counts[address] - count) ** 2 / count for address, count in wanted.items())


def _number(packet):
    start = len(_ETHERNET) + _IPV4.size + 4
    return int.from_bytes(packet[start : start + 4])


def _inside(namespace, *arguments):
    inside = NetworkNamespace(namespace.name)
    with contextlib.closing(inside):
        return inside.call(socket.socket, *arguments)
