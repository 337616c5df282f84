"""A packet lab: a real VPP between a client and backends, in network namespaces of its own, with real packets.

It needs root, iproute2 (with tun and veth in the kernel) and a VPP; `why_no_lab` says what is missing. It needs no
hugepages, no drivers and no GRE in the kernel. Every address exists only inside the namespaces, whose names bear the
process id, so that several labs can run on one machine; leaving the lab removes all of it::

      client                      fabric                                     b1 .. b4
    +----------------+   +---------------------------+                +----------------------+
    | eth0 .0.2 -----+---+- front  VPP .0.1          |                | lo: VIP 192.0.2.1/32 |
    |  VIP via .0.1  |   |         VPP .1.1 -- back  |                | inner: tun, takes    |
    |                |   |                      |    |                |   what was in GRE    |
    | eth1 .1.2 -----+---+------- lan (bridge) -+----+----------------+- eth0 .1.11 .. .1.14 |
    +----------------+   |  the kernel: .1.254       |                +----------------------+
                         +---------------------------+                      198.18.x.x all

A request goes from the client's eth0 to VPP, which sends it on in GRE, over the bridge, to a backend. A process there
(`tests.fakes.lab_backend`) takes GRE off and serves HTTP on the VIP. The answer goes straight to the client's eth1:
direct server return, so VPP sees one direction only, as in production. Requests are made by `ClientTraffic`, a process
in the client's namespace (`tests.fakes.lab_traffic`).

maglevd probes the same addresses that VPP sends to, from the kernel of the fabric (``healthchecker.netns``): so it goes
on to see the backends while VPP is dead.

At each start VPP gets its interfaces over its command line, as soon as that answers, as from the program with which an
operator configures a router; of the load balancer it knows nothing until maglevd comes. A startup script (``exec`` in
its startup.conf) would not do: VPP waits for two seconds before it reads that, which is all the time that we allow for
being back in service. Three more details took experiments: VPP's interfaces need ``cksum-gso-disable`` (else it counts
packets as sent and they never arrive, on kernel 6.18); the client's checksums must be computed before VPP sees them, so
the offload of its eth0 is off; and VPP's MAC address is given, because the client would not learn of a new one for half
a minute.

Two ways of failing: `LabBackend.kill` ends the server's process, so that its kernel refuses connections, and
`LabBackend.cut` pulls its cable, so that nothing answers any more.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import itertools
import math
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from maglev.healthcheck.probers.netns import NetworkNamespace
from tests.fakes.lab_records import Records, read_records
from tests.fakes.lab_vpp import LabVpp, prefer
from tests.fakes.peers import Namespace, why_no_namespaces
from tests.fakes.vpp_instance import find_vpp

VIP = "192.0.2.1"
PORT = 80
CLIENT_FRONT, CLIENT_LAN = "198.18.0.2", "198.18.1.2"
VPP_FRONT, VPP_LAN = "198.18.0.1", "198.18.1.1"
FABRIC_LAN = "198.18.1.254"
LAN = "198.18.1.{}"
NAMES = ("b1", "b2", "b3", "b4")
ADDRESSES = {name: LAN.format(index) for index, name in enumerate(NAMES, 11)}

PORTS = 4000
"""Source ports of one run of traffic, 20 seconds' worth. The next run has others, until all runs together took longer
than VPP remembers flows: a new connection must not be taken for one that has been."""

_END_DEADLINE = 60.0
"""Seconds; traffic lets everything end, for four seconds at most."""

_SIOCETHTOOL = 0x8946
_ETHTOOL_STXCSUM = 0x17
"""linux/sockios.h and linux/ethtool.h."""

_TUN = "inner"


def why_no_lab():
    """Return why the lab can't be made here; None if it can."""
    reason = why_no_namespaces()
    if reason is None and find_vpp() is None:
        reason = "no VPP here: set MAGLEV_TEST_VPP, or put vpp on the PATH"
    return reason or _why_no_devices()


def _why_no_devices():
    try:
        with Namespace("devices") as namespace:
            namespace.ip("link", "add", "lan", "type", "bridge")
            namespace.ip("link", "add", "one", "type", "veth", "peer", "name", "other")
            namespace.ip("tuntap", "add", "dev", _TUN, "mode", "tun")
    except subprocess.CalledProcessError as error:
        return f"{' '.join(error.cmd[3:])}: {error.stderr.strip()}"
    return None


class LabBackend:
    """One backend: a namespace, and the process that serves in it.

    Attributes:
        name: Its name, which its answers bear.
        address: Its address on the LAN.
        failed: When it was killed or cut the last time, seconds of the monotonic clock.
    """

    def __init__(self, name, fabric, stack):
        self.name = name
        self.address = ADDRESSES[name]
        self._fabric = fabric
        self._process = None
        self._serves = False
        self.failed = 0.0
        self._namespace = stack.enter_context(quiet_namespace(name))
        join_lan(fabric, name, self._namespace, "eth0", self.address)
        # As usual where many hosts have one address: none tells its neighbours that the VIP is here.
        self._namespace.set("net.ipv4.conf.all.arp_ignore", "1")
        self._namespace.set("net.ipv4.conf.all.arp_announce", "2")
        self._namespace.ip("addr", "add", f"{VIP}/32", "dev", "lo")
        self._namespace.ip("route", "add", f"{CLIENT_FRONT}/32", "via", CLIENT_LAN)
        self._namespace.ip("tuntap", "add", "dev", _TUN, "mode", "tun")
        self._namespace.set(f"net.ipv4.conf.{_TUN}.rp_filter", "0")
        self._namespace.ip("link", "set", _TUN, "up")
        stack.callback(self.kill)
        self.begin()

    def begin(self):
        """Begin to start the server."""
        self._process = run_inside(self._namespace, "lab_backend", self.name, PORT, _TUN)

    def start(self):
        """Start the server, if there is none; return when it serves."""
        if self._process is None:
            self.begin()
        if not self._serves:
            wait_until_it_speaks(self._process)
            self._serves = True

    def kill(self):
        """Kill the server: connections are refused."""
        process, self._process, self._serves = self._process, None, False
        if process is not None:
            process.kill()
            self.failed = time.monotonic()
            process.communicate()

    def stop_serving(self):
        """Let the server take no connections any more, and take GRE off as before."""
        self._process.send_signal(signal.SIGUSR1)

    def lose_vip(self):
        """Take the VIP away."""
        self._namespace.ip("addr", "del", f"{VIP}/32", "dev", "lo")

    def block_gre(self):
        """Let nothing through that was taken out of GRE."""
        self._namespace.ip("link", "set", _TUN, "down")

    def restore(self):
        """Let there be a VIP and GRE again, and a new server."""
        self._namespace.ip("addr", "replace", f"{VIP}/32", "dev", "lo")
        self._namespace.ip("link", "set", _TUN, "up")
        self.kill()
        self.mend()
        self.start()

    def cut(self):
        """Pull the cable: nothing answers."""
        self._fabric.ip("link", "set", self.name, "down")
        self.failed = time.monotonic()

    def mend(self):
        """Put the cable back."""
        self._fabric.ip("link", "set", self.name, "up")
        # A kernel that looked for its neighbours in vain would drop answers for up to a second more.
        self._namespace.ip("neigh", "flush", "dev", "eth0")


class ClientTraffic:
    """Traffic from the client to the VIP, for as long as this context lasts.

    Attributes:
        records: What became of each request and session; there when it has ended.
    """

    def __init__(self, client, path, first_port, late, *, rate=200, hold=30, sessions=20, timeout=0.8):
        """Prepare it.

        Args:
            client: The namespace.
            path: The file to write to.
            first_port: The first of the `PORTS` source ports that it uses in turn.
            late: Gets, at the end, by how many seconds the process that makes it was late at most.
            rate: Requests a second.
            hold: Milliseconds that each takes.
            sessions: How many connections live on meanwhile.
            timeout: Seconds after which what is not connected has failed.
        """
        self._client = client
        self._path = path
        self._late = late
        self._arguments = (path, VIP, PORT, rate, hold, sessions, timeout, first_port, PORTS)
        self._process = None
        self.records = Records([])

    def __enter__(self):
        self._process = run_inside(self._client, "lab_traffic", *self._arguments)
        wait_until_it_speaks(self._process)
        return self

    def __exit__(self, *_exc_info):
        try:
            _, errors = self._process.communicate(timeout=_END_DEADLINE)
        finally:
            self._process.kill()
            self._process.wait()
        assert not errors, errors
        self.records = read_records(self._path)
        self._late.append(self.records.lag(0.0, math.inf))


class Lab:
    """The whole lab; a context manager.

    Attributes:
        vpp: The VPP.
        backends: The backends, by name.
        fabric: Name of the namespace to probe from.
        client: Name of that of the client.
        late: By how many seconds the process that made it was late at most, for each traffic there was.
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

    def traffic(self, **options):
        """Return traffic to be made, with the options of `ClientTraffic`."""
        run = next(self._runs)
        first_port = 1024 + PORTS * (run % (64000 // PORTS))
        return ClientTraffic(self._client, self._folder / f"traffic-{run}", first_port, self.late, **options)

    def repair(self):
        """Let everything work again, whatever a test has left behind."""
        if not self.vpp.lives:
            self.vpp.restart()
        for backend in self.backends.values():
            backend.mend()
            backend.start()

    def _build(self, stack):
        self.late: list[float] = []
        self._runs = itertools.count()
        self._folder = Path(tempfile.mkdtemp(prefix="lab-"))
        stack.callback(shutil.rmtree, self._folder)
        fabric, self._client = stack.enter_context(quiet_namespace("fabric")), stack.enter_context(quiet_namespace("c"))
        self.fabric, self.client = fabric.name, self._client.name
        fabric.ip("link", "add", "lan", "type", "bridge")
        fabric.ip("addr", "add", f"{FABRIC_LAN}/24", "dev", "lan")
        fabric.ip("link", "set", "lan", "up")
        connect(fabric, "front", self._client, "eth0", CLIENT_FRONT)
        self._client.ip("route", "add", f"{VIP}/32", "via", VPP_FRONT)
        compute_checksums(self._client, "eth0")
        join_lan(fabric, "client", self._client, "eth1", CLIENT_LAN)
        connect(fabric, "back", fabric, "back-lan")
        fabric.ip("link", "set", "back-lan", "master", "lan")
        self.backends = {name: LabBackend(name, fabric, stack) for name in NAMES}
        self.vpp = stack.enter_context(LabVpp(fabric.name, VPP_FRONT, VPP_LAN))
        self.repair()
        # VPP loses the first packet to a neighbour that it does not know.
        self.vpp.cli(*(f"ping {address} repeat 1 interval 0.01" for address in ADDRESSES.values()))


@contextlib.contextmanager
def quiet_namespace(name):
    """Make a namespace without IPv6, which talks by itself, and without a check of the way a packet came."""
    with Namespace(name) as namespace:
        namespace.set("net.ipv6.conf.all.disable_ipv6", "1")
        namespace.set("net.ipv6.conf.default.disable_ipv6", "1")
        namespace.set("net.ipv4.conf.all.rp_filter", "0")
        namespace.set("net.ipv4.conf.default.rp_filter", "0")
        yield namespace


def connect(fabric, port, namespace, name, address=None):
    """Lay a cable from the fabric to a namespace."""
    fabric.ip("link", "add", port, "type", "veth", "peer", "name", name, "netns", namespace.name)
    if address is not None:
        namespace.ip("addr", "add", f"{address}/24", "dev", name)
    namespace.ip("link", "set", name, "up")
    fabric.ip("link", "set", port, "up")


def join_lan(fabric, port, namespace, name, address):
    """Connect a namespace to the LAN."""
    connect(fabric, port, namespace, name, address)
    fabric.ip("link", "set", port, "master", "lan")


def compute_checksums(namespace, interface):
    """Let the kernel compute the checksums of what leaves by an interface, as ``ethtool -K INTERFACE tx off`` does."""
    value = (ctypes.c_uint32 * 2)(_ETHTOOL_STXCSUM, 0)
    request = struct.pack("16sP16x", interface.encode(), ctypes.addressof(value))
    inside = NetworkNamespace(namespace.name)
    with contextlib.closing(inside), inside.call(socket.socket, socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCETHTOOL, request)


def run_inside(namespace, module, *arguments):
    """Start one of the programs of the lab in a namespace; it ends when its standard input does."""
    program = str(Path(__file__).with_name(f"{module}.py"))
    command = ["ip", "netns", "exec", namespace.name, sys.executable, "-I", program, *map(str, arguments)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    prefer(process.pid)
    return process


def wait_until_it_speaks(process):
    """Wait for the first line of a program of the lab: it works now."""
    if not process.stdout.readline():
        raise AssertionError(f"{process.args[-4:]} ended: {process.communicate()[1]}")
