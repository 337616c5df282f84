"""Two network namespaces for probes by way of a VIP: a host with the tunnel, and a backend that takes GRE off.

::

      host (maglevd)                          backend
    +-------------------------+            +--------------------------------+
    | eth0 .1.1  -------------+------------+- eth0 .1.2                     |
    | maglev0: the tunnel     |            | lo: the VIPs                   |
    | side .9.1 -- (nobody)   |            | inner: tun, takes what was in  |
    +-------------------------+            |   GRE (a thread of the test)   |
                                           +--------------------------------+

Addresses of both families everywhere: 198.18.1.x and 2001:db8:1::x. The tunnel is made by the commands of
``vpp-maglev-tunnel.service`` itself. The kernel need not have a GRE device: a thread reads raw protocol 47, checks what
VPP would have written before the packet, and puts the rest into a tun device, from where the kernel takes it as
received. Servers on the backend are for the test to open, in `GreLab.call`.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import subprocess
import threading
from pathlib import Path

from maglev.healthcheck.probers.netns import NetworkNamespace
from tests.fakes.lab_backend import open_tun
from tests.fakes.peers import Namespace, why_no_namespaces

UNIT = Path(__file__).parents[2] / "debian/examples/vpp-maglev-tunnel.service"

HOST = {4: "198.18.1.1", 6: "2001:db8:1::1"}
BACKEND = {4: "198.18.1.2", 6: "2001:db8:1::2"}
VIPS = {4: "192.0.2.1", 6: "2001:db8:2::1"}
VPP = {4: "198.18.7.7", 6: "2001:db8:7::7"}
"""The sources of the outer packets: no addresses of anybody here."""

DEVICE, MARK = "maglev", 19783

_GRE = 47
_INSIDE = {b"\0\0\x08\0": 4, b"\0\0\x86\xdd": 6}
_LENGTH = {4: slice(2, 4), 6: slice(4, 6)}


def why_no_gre_lab():
    """Return why the lab can't be made here; None if it can."""
    reason = why_no_namespaces()
    if reason is not None or Path("/dev/net/tun").exists():
        return reason
    return "no /dev/net/tun"


def unit_script(name="ExecStart"):
    """Return the shell script in the unit that makes the tunnel, or takes it down, as systemd gives it to the shell."""
    text = UNIT.read_text().replace("\\\n", "")
    (command,) = re.findall(rf"(?m)^{name}=/bin/sh -\w+ '(.*)'$", text)
    return command.replace("$$", "$")


def unit_environment(**changes):
    """Return the settings in the unit, and what a test has changed."""
    words = " ".join(re.findall(r"(?m)^Environment=(.*)$", UNIT.read_text())).split()
    return {**os.environ, **dict(word.split("=", 1) for word in words), "OWNER": "root", **changes}


def run_unit(namespace, name="ExecStart", **changes):
    """Run the unit in a namespace."""
    command = ["ip", "netns", "exec", namespace.name, "sh", "-euc" if name == "ExecStart" else "-uc", unit_script(name)]
    return subprocess.run(command, env=unit_environment(**changes), check=True, capture_output=True, text=True)


class GreTaker(threading.Thread):
    """Takes GRE off, in a namespace, until it is closed.

    Attributes:
        outer: The outer headers seen: family, source, and what was wrong with the packet, if anything.
    """

    def __init__(self, call):
        """Begin.

        Args:
            call: Calls a function in the namespace.
        """
        super().__init__(daemon=True)
        self._tun = call(open_tun, "inner")
        self._gre = {
            4: call(socket.socket, socket.AF_INET, socket.SOCK_RAW, _GRE),
            6: call(socket.socket, socket.AF_INET6, socket.SOCK_RAW, _GRE),
        }
        for gre in self._gre.values():
            gre.setblocking(False)
        self._end, self._ended = os.pipe()
        self.outer = set()
        self.takes = True
        self.start()

    def run(self):
        waiting = [*self._gre.values(), self._end]
        while True:
            ready, _, _ = select.select(waiting, [], [])
            if self._end in ready:
                return
            for family, gre in self._gre.items():
                if gre in ready:
                    self._take(family, gre)

    def _take(self, family, gre):
        try:
            packet, address = gre.recvfrom(65535)
        except OSError:
            return
        # A raw socket of IPv6 keeps the outer header to itself.
        start = 4 * (packet[0] & 0xF) if family == 4 else 0
        inside = _INSIDE.get(packet[start : start + 4])
        inner = packet[start + 4 :]
        length = int.from_bytes(inner[_LENGTH[inside]], "big") + (40 if inside == 6 else 0) if inside else -1
        problem = "" if length == len(inner) else f"odd GRE packet: {packet.hex()}"
        self.outer.add((family, address[0], problem))
        if self.takes:
            with contextlib.suppress(OSError):  # the device is down
                os.write(self._tun, inner)

    def close(self):
        """Take nothing off any more: the kernel of the backend has no protocol 47 then."""
        if self.is_alive():
            os.write(self._ended, b"x")
            self.join()
        for descriptor in (self._tun, self._end, self._ended):
            if descriptor >= 0:
                os.close(descriptor)
        self._tun = self._end = self._ended = -1
        for gre in self._gre.values():
            gre.close()


class GreLab:
    """The lab; a context manager.

    Attributes:
        host: The namespace with the tunnel.
        backend: That of the backend.
        taker: Takes GRE off there.
    """

    def __init__(self, workers=0):
        self._workers = workers
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self._build(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_exc_info):
        self._stack.close()

    def _build(self, stack):
        self.host = stack.enter_context(Namespace("host"))
        self.backend = stack.enter_context(Namespace("backend"))
        for each in (self.host, self.backend):
            each.set("net.ipv4.conf.all.rp_filter", "0")
            each.set("net.ipv4.conf.default.rp_filter", "0")
            each.set("net.ipv6.conf.default.accept_dad", "0")  # which takes a second
            self._entered(stack, each)
        self._cable("eth0", 1)
        self._cable("side", 9)
        for family in ("-4", "-6"):
            self.host.ip(family, "route", "add", "default", "dev", "eth0")
            self.backend.ip(family, "route", "add", "default", "dev", "eth0")
        self.backend.ip("tuntap", "add", "dev", "inner", "mode", "tun")
        self.backend.ip("link", "set", "inner", "up")
        for family in (4, 6):
            self.add_vip(family)
        self.taker = GreTaker(self.call)
        stack.callback(self.taker.close)
        run_unit(self.host, WORKERS=str(self._workers))

    def _entered(self, stack, namespace):
        entered = stack.enter_context(contextlib.closing(NetworkNamespace(namespace.name)))
        if namespace is self.backend:
            self.call = entered.call
        else:
            self.call_host = entered.call

    def _cable(self, name, number):
        self.host.ip("link", "add", name, "type", "veth", "peer", "name", name, "netns", self.backend.name)
        for end, each in ((self.host, 1), (self.backend, 2)):
            end.ip("addr", "add", f"198.18.{number}.{each}/24", "dev", name)
            end.ip("addr", "add", f"2001:db8:{number}::{each}/64", "dev", name, "nodad")
            end.ip("link", "set", name, "up")
            end.set(f"net.ipv6.conf.{name}.keep_addr_on_down", "1")

    # What can be there or not

    def add_vip(self, family):
        """Let the backend have the VIP of a family."""
        self.backend.ip("addr", "add", _host_prefix(family), "dev", "lo", *(["nodad"] if family == 6 else []))

    def remove_vip(self, family):
        """Take the VIP from the backend."""
        self.backend.ip("addr", "del", _host_prefix(family), "dev", "lo")

    def block_gre(self):
        """Let the backend take no GRE off any more."""
        self.taker.takes = False

    def unblock_gre(self):
        """Let it take GRE off again."""
        self.taker.takes = True

    def listen(self, family, port, address=None):
        """Return a socket that listens in the backend."""
        kind = socket.AF_INET if family == 4 else socket.AF_INET6
        return self.call(socket.create_server, (address or ("" if family == 4 else "::"), port), family=kind)


def _host_prefix(family):
    return f"{VIPS[family]}/{32 if family == 4 else 128}"
