"""An SSH console over a control interface in memory; run as a program, one for trying it by hand.

``python -m tests.fakes.console DIRECTORY PORT`` makes keys in the directory, and says how to log in; port 0 is any.
The signal SIGUSR1 lets a backend go down, and SIGUSR2 lets it come up.
"""

from __future__ import annotations

import random
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from zope.interface import implementer

from maglev.interfaces import ISubscription
from maglev.runtime.admission import Descriptors
from maglev.runtime.cooperator import Cooperator
from maglev.ssh.service import SshService
from tests.fakes.control import FakeControl
from tests.fakes.world import backend_view


@implementer(ISubscription)
class LiveWatch:
    """A watch of what is pushed into it."""

    def __init__(self, wants_log):
        self.wants_log = wants_log
        self.closed = False
        self._events = []
        self._waiting = None

    def next(self):
        self._waiting = Deferred(lambda _: setattr(self, "_waiting", None))
        waiting = self._waiting
        self._hand_out()
        return waiting

    def push(self, event):
        self._events.append(event)
        self._hand_out()

    def close(self):
        self.closed = True
        self._events = []

    def _hand_out(self):
        if self._waiting is not None and self._events:
            waiting, self._waiting = self._waiting, None
            events, self._events = self._events[:100], self._events[100:]
            waiting.callback(events)


class ConsoleControl(FakeControl):
    """A fake control bound to somebody, with events that tests make and a verb that takes as long as they want."""

    def __init__(self, world, caller):
        super().__init__(caller.role)
        self.caller = caller
        self.world = world
        self.calls = world.calls
        self.errors = world.errors
        self.rows["backend"] = world.backends

    async def watch(self, *, log=None, backend=True, frontend=True):
        self.calls.append(("watch", log, backend, frontend))
        watch = LiveWatch(log is not None)
        self.world.watches.append(watch)
        watch.push({"type": "snapshot", "kind": "backend", "name": "www1", "state": "up", "seq": 1})
        return watch

    async def sync_vpp(self, frontend=None):
        """Take until the test says so."""
        self.calls.append(("sync_vpp", frontend))
        self.world.slow = Deferred()
        await self.world.slow
        return {"writes": []}


class ConsoleWorld:
    """What the consoles of one test look at."""

    def __init__(self):
        self.calls = []
        self.errors = {}
        self.watches = []
        self.controls = []
        self.slow = None
        self.backends = FakeControl().rows["backend"]
        self._sequence = 1

    def control_for(self, caller):
        control = ConsoleControl(self, caller)
        self.controls.append(control)
        return control

    def grow(self, count):
        """Have so many backends more."""
        self.backends += [backend_view(f"node{number}", f"198.51.100.{number % 250}") for number in range(count)]

    def flap(self, backend="www1", to="down"):
        """Let a backend change its state, for all who watch."""
        self._sequence += 1
        event = {
            "type": "backend",
            "seq": self._sequence,
            "at": "2026-11-21T08:00:00.000Z",
            "backend": backend,
            "address": "198.51.100.11",
            "from": "up" if to == "down" else "down",
            "to": to,
            "code": "L4CON" if to == "down" else "L4OK",
            "detail": "connection refused" if to == "down" else "",
            "healthcheck": "",
        }
        for watch in self.watches:
            if not watch.closed:
                watch.push(event)


class Register:
    """Who is connected."""

    def __init__(self):
        self.entries = []

    def add(self, caller, front_end):
        entry = RegisterEntry(self, caller, front_end)
        self.entries.append(entry)
        return entry


class RegisterEntry:
    def __init__(self, register, caller, front_end):
        self.register = register
        self.caller = caller
        self.front_end = front_end
        self.touched = 0

    def touch(self):
        self.touched += 1

    def remove(self):
        if self in self.register.entries:
            self.register.entries.remove(self)


def write_key(path: Path, comment: str) -> str:
    """Write a new private key for a client; return the line for the file of authorized keys."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    path.touch(mode=0o600)
    path.write_bytes(private)
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return f"{public.decode()} {comment}\n"


class ConsoleFolder:
    """A directory with keys for an operator (ada) and a viewer (vera), and a console that lets them in."""

    def __init__(self, path: Path):
        self.path = path
        self.operator_key = path / "ada"
        self.viewer_key = path / "vera"
        self.operators = path / "operators"
        self.viewers = path / "viewers"
        self.operators.write_text(write_key(self.operator_key, "ada@example.net"))
        self.viewers.write_text(write_key(self.viewer_key, "vera@example.net"))
        self.world = ConsoleWorld()
        self.register = Register()

    def service(self, reactor, description="tcp:0:interface=127.0.0.1", limits=None, host_name="lb1"):
        return SshService(
            reactor,
            Cooperator(reactor).queue("ssh"),
            description,
            str(self.path / "state"),
            str(self.operators),
            str(self.viewers),
            self.world.control_for,
            self.register,
            Descriptors(lambda: 0),
            limits=limits,
            host_name=host_name,
        )


def main():
    import signal
    import sys

    from twisted.internet import reactor
    from twisted.logger import globalLogBeginner, textFileLogObserver

    globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stdout)], redirectStandardIO=False)
    path = Path(sys.argv[1])
    path.mkdir(exist_ok=True)
    for old in path.glob("*a"):
        old.unlink()
    folder = ConsoleFolder(path)
    folder.world.grow(300)
    service, port = _listen(folder, reactor, int(sys.argv[2]))
    signal.signal(signal.SIGUSR1, lambda *_: reactor.callFromThread(folder.world.flap, "www1", "down"))
    signal.signal(signal.SIGUSR2, lambda *_: reactor.callFromThread(folder.world.flap, "www1", "up"))
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    print(f"ssh -p {port} -i {folder.operator_key} 127.0.0.1", flush=True)
    reactor.run()


def _listen(folder, reactor, wanted):
    """Return a started service and its port: the one that is wanted, or any."""
    for port in (wanted,) if wanted else random.sample(range(20000, 60000), 100):
        service = folder.service(reactor, f"tcp:{port}:interface=127.0.0.1")
        try:
            service.startService()
        except CannotListenError:
            continue
        return service, port
    raise SystemExit("no port is free")


if __name__ == "__main__":
    main()
