"""The whole of maglevd in the process of the test: its composition root, with time, VPP and backends in memory.

Only what touches the world is replaced: the reactor, the wall clock, the connection to VPP, and the probers. Everything
between a result and a message for VPP is what runs in production, and so are the file, the state directory, and the
verbs.
"""

from __future__ import annotations

from types import SimpleNamespace

import yaml
from twisted.internet.defer import Deferred
from zope.interface import implementer

from maglev.daemon import tap
from maglev.interfaces import IProber
from maglev.model.caller import Caller, Role
from maglev.model.result import Code, Result
from tests.fakes.daemon_parts import parse, start
from tests.fakes.lb import FakeConnector, FakeLb
from tests.fakes.outcomes import result_of
from tests.fakes.reactor import FakeReactor

PASS = Result(Code.L4OK, "", 0.002)
FAIL = Result(Code.L4CON, "refused", 0.002)
SILENCE = None
"""A backend that does not answer."""

REPLY = 0.002
"""Seconds after which a backend answers."""

STEP = 0.05

STOPPING = 3.0
"""Seconds in which everything has given up that a stop may wait for."""
OPERATOR = Caller("ann", Role.OPERATOR, "ssh 192.0.2.7:1")
VIP = "192.0.2.1"


def site(pools=("ab", "c"), check=None, lb=None, backends=None, extra=None, port=80, **frontend):
    """Return a configuration: backends of one letter, at 10.0.0.1 and on, in the pools of one frontend.

    Args:
        pools: Of names of backends, or of pools as in the file.
        check: Keys of the healthcheck.
        lb: Keys of ``vpp.lb``.
        backends: Keys of backends, by name.
        extra: Other sections.
        port: Of the frontend.
        frontend: Other keys of it.
    """
    made = [
        {"name": f"pool{index}", "backends": {name: {} for name in pool}} if isinstance(pool, str) else pool
        for index, pool in enumerate(pools)
    ]
    names = dict.fromkeys(name for pool in made for name in pool["backends"])
    known = "abcdefghij"
    return {
        "vpp": {"lb": {"ipv4-src-address": "192.0.2.254", "ipv6-src-address": "2001:db8::fe", **(lb or {})}},
        "healthchecks": {"tcp": {"type": "tcp", "port": 80, "interval": "1s", "timeout": "500ms", **(check or {})}},
        "backends": {
            name: {
                "address": f"10.0.0.{known.index(name) + 1}",
                "healthcheck": "tcp",
                **(backends or {}).get(name, {}),
            }
            for name in names
        },
        "frontends": {
            "web": {
                "address": VIP,
                "protocol": "tcp",
                "port": port,
                **{key.replace("_", "-"): value for key, value in frontend.items()},
                "pools": made,
            }
        },
        **(extra or {}),
    }


@implementer(IProber)
class ScriptedProber:
    """Probes a backend whose answers the test decides."""

    certificate_expiry = None

    def __init__(self, world, reactor, backend, check):
        self._world = world
        self._reactor = reactor
        self._backend = backend
        self._timeout = check.timeout
        self._calls = []

    def start(self, finished):
        self._world.starts.append((self._reactor.seconds(), self._backend.name))
        late = Result(Code.L4TOUT, "no answer", self._timeout)
        self._calls = [self._reactor.callLater(self._timeout, self._end, finished, late)]
        answer = self._world.answer(self._backend.name)
        if answer is not SILENCE:
            self._calls.append(self._reactor.callLater(REPLY, self._end, finished, answer))

    def cancel(self):
        calls, self._calls = self._calls, []
        for call in calls:
            if call.active():
                call.cancel()

    def _end(self, finished, result):
        self.cancel()
        finished(result)


class ScriptedProbers:
    """Makes such probers, in place of `maglev.healthcheck.probers.sources.ProberSources`."""

    def __init__(self, world, reactor, lag):
        self._world = world
        self._reactor = reactor
        lag.attend(self, really=True)

    def prober_for(self, backend, healthcheck, netns=None):
        return ScriptedProber(self._world, self._reactor, backend, healthcheck)

    def busy(self):
        return False

    def close(self):
        pass


class DaemonWorld:
    """One maglevd after the other, and one VPP.

    Attributes:
        daemon: The one that runs.
        reactor: Its reactor.
        lb: What VPP holds.
        answers: What each backend answers to a probe, by name; `PASS` without an entry. A function is called.
        ahead: Seconds that the wall clock has been set forward.
        starts: When probes began, and of which backend.
    """

    def __init__(self, folder, monkeypatch, given):
        self.config = folder / "maglev.yaml"
        self.state = folder / "state"
        self.lb = FakeLb()
        self.connector = FakeConnector(self.lb)
        self.answers = {}
        self.ahead = 1_700_000_000.0
        self.starts = []
        self.reactor = FakeReactor()
        self.daemon = None
        self.write(given)
        monkeypatch.setattr(tap, "ProberSources", lambda reactor, lag: ScriptedProbers(self, reactor, lag))
        monkeypatch.setattr(tap, "VppConnector", lambda *_args, **_kwargs: self.connector)
        monkeypatch.setattr(tap, "time", SimpleNamespace(time=self.wall))
        monkeypatch.setattr(tap, "jitter", lambda: 1.0)

    def wall(self):
        """Return the time of the wall clock."""
        return self.reactor.seconds() + self.ahead

    def answer(self, name):
        """Return what a backend answers now."""
        found = self.answers.get(name, PASS)
        return found() if callable(found) else found

    def write(self, given):
        """Write the configuration file."""
        self.config.write_text(yaml.safe_dump({"maglev": given}, sort_keys=False))

    # Its life

    def boot(self, seconds=0.0, slow=0.0):
        """Start a daemon, which takes so long itself, and let so much time pass."""
        before, self.reactor = self.reactor, FakeReactor()
        self.reactor.rightNow = before.seconds()
        addresses = ("--vpp-api-addr=/nowhere", "--metrics-addr=", "--ssh-addr=", "--pb-addr=")
        options = parse(f"--config={self.config}", f"--state-dir={self.state}", *addresses)
        self.daemon = tap.build(self.reactor, options)
        self.reactor.rightNow += slow
        start(self.daemon)
        self.wait(seconds)
        return self

    def kill(self):
        """Let the daemon end as by SIGKILL: nothing that it has begun reaches the disk or VPP."""
        self.reactor, dead = FakeReactor(), self.reactor
        self.reactor.rightNow = dead.seconds()
        for link in self.connector.links:
            link.lb = FakeLb()
        daemon, self.daemon = self.daemon, None
        daemon.stopService()
        dead.advance(STOPPING)

    def stop(self):
        """Let the daemon end in order."""
        if self.daemon is not None:
            self.daemon.stopService()
            self.wait(STOPPING)
            self.daemon = None
            assert self.reactor.getDelayedCalls() == []

    def reload(self, given):
        """Write another file, and have it reloaded; return what that says."""
        self.write(given)
        return self.ask("reload_config")

    def wait(self, seconds, step=STEP):
        """Let time pass."""
        for _ in range(round(seconds / step)):
            self.reactor.advance(step)
            self.reactor.run_threads()

    # What people do and see

    def ask(self, verb, *arguments):
        """Return what a verb answers to an operator."""
        asked = Deferred.fromCoroutine(getattr(self.daemon.control.for_caller(OPERATOR), verb)(*arguments))
        for _ in range(200):
            if asked.called:
                break
            self.reactor.advance(0)
            self.reactor.run_threads()
        return result_of(asked)

    def state_of(self, name):
        return str(self.daemon.board.backend(name).state)

    def weights(self):
        """Return the weights in VPP, by the name of the backend."""
        names = {each.address: name for name, each in self.daemon.board.config.backends.items()}
        (vip,) = self.lb.vips.values()
        return {names.get(address, address): server.weight for address, server in vip.servers.items()}

    def serving(self):
        """Return the backends that have weight in VPP."""
        return "".join(sorted(name for name, weight in self.weights().items() if weight))

    def written(self):
        """Return, and forget, what was written to VPP."""
        writes, self.lb.writes = self.lb.writes, []
        return writes
