"""Echo probes through a router whose NAT changes: three namespaces, and the state of the real connection tracking."""

from __future__ import annotations

import itertools
import shutil
import subprocess

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.probers.ping import PingSocket
from maglev.healthcheck.probers.source import ProberSource
from maglev.model.config import Backend, CheckType, Healthcheck
from maglev.model.result import Code
from tests.fakes.peers import Namespace, run_ip, why_no_namespaces

NO_NAMESPACES = why_no_namespaces()
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(NO_NAMESPACES is not None, reason=NO_NAMESPACES or ""),
    pytest.mark.skipif(shutil.which("nft") is None, reason="nft is not installed"),
]

TIMEOUT = 0.3
OUTAGE = 20
"""Failed probes before the NAT is right: more than a few identifiers that take turns."""

RECOVERY = 8
"""Probes within which one must pass again: a new identifier may come only each second."""

VIP = "203.0.113.1"
LIVE, DEAD = "198.18.2.2", "198.18.2.66"
KNOWN, UNKNOWN = "198.18.2.1", "198.51.100.66"
RULES = {
    "snat": 'postrouting priority srcnat; oifname "out" snat to',
    "dnat": 'prerouting priority dstnat; iifname "in" ip daddr 203.0.113.1 dnat to',
}
WAYS = {"snat": (LIVE, KNOWN, UNKNOWN), "dnat": (VIP, LIVE, DEAD)}
"""Whom to probe; the right and the wrong address for the rule: the backend knows no way to one of the senders."""


class NatLab:
    """A prober's namespace, a router's and a backend's."""

    def __init__(self, inside, router, backend):
        self.name = inside.name
        self._router = router
        self.inside = inside
        for one, far, name, network in ((inside, router, "in", "198.18.1"), (backend, router, "out", "198.18.2")):
            run_ip("link", "add", "eth", "netns", one.name, "type", "veth", "peer", "name", name, "netns", far.name)
            one.ip("addr", "add", f"{network}.2/24", "dev", "eth")
            far.ip("addr", "add", f"{network}.1/24", "dev", name)
            one.ip("link", "set", "eth", "up")
            far.ip("link", "set", name, "up")
        inside.ip("route", "add", "default", "via", "198.18.1.1")
        backend.ip("route", "add", "198.18.1.0/24", "via", "198.18.2.1")
        # Nobody is there, and nothing says so.
        router.ip("neigh", "add", DEAD, "lladdr", "02:00:00:00:00:66", "dev", "out", "nud", "permanent")
        router.set("net.ipv4.ip_forward", "1")

    def nat(self, kind, address):
        """Replace the rule, and leave the state."""
        chain = f"chain lab {{\ntype nat hook {RULES[kind]} {address}\n}}"
        rules = f"table ip lab\ndelete table ip lab\ntable ip lab {{\n{chain}\n}}\n"
        command = ["ip", "netns", "exec", self._router.name, "nft", "-f", "-"]
        done = subprocess.run(command, input=rules, text=True, capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"no nat here: {done.stderr.strip()}")

    def source(self):
        return ProberSource(reactor, LagMonitor(reactor), self.name)


@pytest.fixture
def lab():
    with Namespace("nat-in") as inside, Namespace("nat-router") as router, Namespace("nat-out") as backend:
        yield NatLab(inside, router, backend)


async def codes(prober, count, until=None):
    seen = []
    while len(seen) < count and (until is None or until not in seen):
        outcome = Deferred()
        prober.start(outcome.callback)
        seen.append((await outcome).code)
    return seen


def prober_of(source, address):
    return source.prober_for(Backend("www1", address), Healthcheck("ping", CheckType.ICMP, None, 1, 1, 1, TIMEOUT))


async def through_an_outage(lab, kind, failures):
    """Probe while the NAT is wrong, and then right; return the codes of a fresh prober and of ours at the end."""
    address, right, wrong = WAYS[kind]
    source, fresh = lab.source(), lab.source()
    try:
        lab.nat(kind, wrong)
        prober = prober_of(source, address)
        assert await codes(prober, failures) == [Code.L7TOUT] * failures
        # The state for these requests stays; each further one of the same identifier would renew it for 30 s.
        lab.nat(kind, right)
        ours = await codes(prober, RECOVERY, until=Code.L7OK)
        return await codes(prober_of(fresh, address), 1), ours
    finally:
        source.close()
        fresh.close()


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("failures", [1, OUTAGE])
@pytest.mark.parametrize("groups", ["1 0", "0 2147483647"], ids=["raw socket", "ping socket"])
@pytest.mark.parametrize("kind", RULES)
async def test_a_backend_is_up_again_soon_after_the_nat_is_right(lab, kind, groups, failures):
    lab.inside.set("net.ipv4.ping_group_range", groups)
    fresh, ours = await through_an_outage(lab, kind, failures)
    assert fresh == [Code.L7OK]
    assert ours[-1] is Code.L7OK


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("turns", [1, 16])
@pytest.mark.parametrize("groups", ["1 0", "0 2147483647"], ids=["raw socket", "ping socket"])
async def test_identifiers_that_are_used_again_would_keep_it_down(lab, groups, turns, monkeypatch):
    used = itertools.cycle(range(turns))
    monkeypatch.setattr(PingSocket, "next_variant", lambda _: next(used))
    lab.inside.set("net.ipv4.ping_group_range", groups)
    fresh, ours = await through_an_outage(lab, "snat", OUTAGE)
    assert fresh == [Code.L7OK]
    assert ours == [Code.L7TOUT] * RECOVERY
