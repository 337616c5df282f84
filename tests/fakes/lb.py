"""A VPP in memory: holds VIPs, answers when told to, and keeps every write in order."""

from __future__ import annotations

import attrs
from twisted.internet.defer import Deferred, fail, succeed

from maglev.model.config import LbConf
from maglev.model.errors import VppLostError, VppNotConnectedError, VppRetvalError
from maglev.vpp.lb.calls import Features
from maglev.vpp.lb.state import (
    AddServer,
    AddVip,
    ApplicationServer,
    DeleteServer,
    DeleteVip,
    LbState,
    SetWeight,
    Vip,
)
from maglev.vpp.sync.interfaces import VppInfo
from tests.fakes.stats import FakeStats

UNSET = LbConf("255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1024, 40)


class FakeLb:
    """The lb plugin: messages are handled in the order they came, at once or when `answer` is called.

    What the counters ask is answered at once: with `text`, and with `routes`, by prefix.
    """

    features = Features(weights=True, src_ip_sticky=True)

    def __init__(self):
        self.text = ""
        self.routes = {}
        self.asked = []
        self.conf = UNSET
        self.vips = {}
        self.writes = []
        self.scripts = []
        self.refuse = {}
        self.manual = False
        self.waiting = []
        self.reads = 0
        self.zero_moments = []

    # The calls

    def read_state(self):
        self.reads += 1
        return self._ask(self._state)

    def write_conf(self, conf):
        return self._ask(lambda: self._write_conf(conf))

    def apply(self, operation):
        return self._ask(lambda: self._apply(operation))

    def apply_at_once(self, operations):
        return self._ask(lambda: self._apply_at_once(operations))

    def cli(self, command):
        self.asked.append(command)
        return succeed(self.text)

    def route_index(self, key):
        self.asked.append(key)
        index = self.routes.get(key[:2])
        return fail(VppRetvalError("ip_route_lookup", -6)) if index is None else succeed(index)

    # For the test

    def answer(self, count=None):
        """Handle what is waiting, in order: all, or this many."""
        for _ in range(len(self.waiting) if count is None else count):
            handle, answer = self.waiting.pop(0)
            try:
                answer.callback(handle())
            except Exception as error:
                answer.errback(error)

    def lose(self):
        """Drop everything under way."""
        waiting, self.waiting = self.waiting, []
        for _, answer in waiting:
            answer.errback(VppLostError("gone"))

    def weights(self):
        """Return {vip as text: {address: weight}}."""
        return {str(key): {a: s.weight for a, s in vip.servers.items()} for key, vip in self.vips.items()}

    def _ask(self, handle):
        answer = Deferred()
        self.waiting.append((handle, answer))
        if not self.manual:
            self.answer()
        return answer

    def _state(self):
        return LbState(self.conf, {key: attrs.evolve(vip, servers=dict(vip.servers)) for key, vip in self.vips.items()})

    def _write_conf(self, conf):
        self.writes.append(conf)
        self.conf = conf

    def _apply(self, operation):
        if self._is_gone(operation):
            self.writes.append(operation)
            return
        self._do_or_refuse(operation)
        self._watch([operation])

    def _apply_at_once(self, operations):
        self.scripts.append(list(operations))
        for operation in operations:
            self._do_or_refuse(operation)
        self._watch(operations)

    def _is_gone(self, operation):
        """Return whether this deletes something that is not there, which is not a failure."""
        vip = self.vips.get(operation.key)
        match operation:
            case DeleteVip():
                return vip is None
            case DeleteServer():
                return vip is None or operation.address not in vip.servers
        return False

    def _do_or_refuse(self, operation):
        self.writes.append(operation)
        retval = self.refuse.get(type(operation))
        if retval is not None:
            raise VppRetvalError(type(operation).__name__, retval)
        self._do(operation)

    def _watch(self, operations):
        """Record the VIPs that have servers now, and no weight; a VIP that has just been made has none yet."""
        for operation in operations:
            if operation.key in self.vips and not isinstance(operation, AddVip):
                servers = self.vips[operation.key].servers
                if servers and not any(server.weight for server in servers.values()):
                    self.zero_moments.append(operation)

    def _do(self, operation):
        match operation:
            case AddVip(key, encap, sticky, length):
                self._must(key not in self.vips, -81)
                others = [vip for vip in self.vips.values() if vip.key[:2] == key[:2]]
                self._must(all(vip.encap is encap for vip in others), -73)
                self._must(all((not vip.key.port) == (not key.port) for vip in others), -81)
                self.vips[key] = Vip(key, encap, sticky, length, {})
            case DeleteVip(key):
                self._must(self.vips.pop(key, None) is not None, -6)
            case AddServer(key, address, weight):
                self._must(key in self.vips, -6)
                self._must(address not in self.vips[key].servers, -81)
                self.vips[key].servers[address] = ApplicationServer(address, weight)
            case SetWeight(key, address, weight):
                self._must(key in self.vips and address in self.vips[key].servers, -6)
                self.vips[key].servers[address] = ApplicationServer(address, weight)
            case DeleteServer(key, address):
                self._must(key in self.vips and address in self.vips[key].servers, -6)
                del self.vips[key].servers[address]

    @staticmethod
    def _must(condition, retval):
        if not condition:
            raise VppRetvalError("fake", retval)


class LinkedLb:
    """A `FakeLb` by way of one connection: when that is lost, nothing is asked any more."""

    ASKED = frozenset({"read_state", "write_conf", "apply", "apply_at_once", "cli", "route_index"})

    def __init__(self, lb, link):
        self._lb = lb
        self._link = link

    def __getattr__(self, name):
        if name in self.ASKED and self._link.closed:
            return lambda *_: fail(VppLostError("gone"))
        return getattr(self._lb, name)


class FakeLink:
    """A connection to a `FakeLb`."""

    def __init__(self, lb):
        self._lb = lb
        self.lb = LinkedLb(lb, self)
        self.stats = FakeStats()
        self.info = VppInfo("26.10", "2026-11-01", "/build", 4711, 1000.0, weights=True)
        self.closed = False
        self.pings = []
        self._lost = []

    def ping(self):
        self.pings.append(Deferred())
        return self.pings[-1]

    def when_lost(self):
        lost = Deferred()
        self._lost.append(lost)
        return lost

    def close(self):
        if not self.closed:
            self.closed = self.stats.closed = True
            self._lb.lose()
            for lost in self._lost:
                lost.callback(None)


class FakeConnector:
    """The way to VPP, which may be there or not."""

    def __init__(self, lb=None):
        self.lb = lb
        self.boots = 0
        self.links = []
        self.attempts = 0
        self.error = "nobody there"

    def connect(self):
        self.attempts += 1
        if self.lb is None:
            return fail(self.error if isinstance(self.error, Exception) else VppNotConnectedError(self.error))
        self.links.append(FakeLink(self.lb))
        return succeed(self.links[-1])

    def fingerprint(self):
        return self.boots

    def start_vpp(self, lb=None):
        """Start a VPP that holds nothing."""
        self.lb = lb or FakeLb()
        self.boots += 1

    def kill_vpp(self):
        self.lb = None
        self.links[-1].close()
