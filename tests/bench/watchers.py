"""Watchers in numbers: ``python -m tests.bench.watchers [SECONDS [PERIOD]]``.

500 backends go up or down every PERIOD seconds (5) while 50 SSH sessions and 200 clients of Perspective Broker watch
events, half of each reading nothing. Tells how late the checker's reactor ran, what memory that took, and whether any
reader missed an event without being told. The clients run in processes of their own.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.internet.threads import deferToThread

from maglev.model.errors import MaglevError
from maglev.rpc.client.control import connect
from tests.bench.ours import lag_quantile, total
from tests.bench.usage import cpu_seconds
from tests.fakes.daemon import MaglevDaemon
from tests.fakes.large import large_config
from tests.fakes.vpp_instance import private_vpp

if TYPE_CHECKING:
    from collections.abc import Iterator

BACKENDS = 500
SSH_SESSIONS = 50
PB_CLIENTS = 200
PB_PROCESSES = 4
WEB_PORT = 18481
SSH_PORT = 18482
SERVER = f"""
import sys, time
from twisted.internet import reactor
from twisted.web.resource import Resource
from twisted.web.server import Site

class Moody(Resource):
    isLeaf = True
    def render_GET(self, request):
        request.setResponseCode(200 if int(time.monotonic() / float(sys.argv[1])) % 2 else 503)
        return b"x"

class Quiet(Site):
    def log(self, request): pass

reactor.listenTCP({WEB_PORT}, Quiet(Moody()), backlog=4096)
reactor.run()
"""
CHECK = f"{{type: http, port: {WEB_PORT}, interval: 500ms, timeout: 400ms, rise: 1, fall: 1}}"


def make_key(folder: Path) -> None:
    private = Ed25519PrivateKey.generate()
    (folder / "key").touch(0o600)
    (folder / "key").write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    (folder / "operator_keys").write_bytes(public + b" bench\n")


@contextlib.contextmanager
def ssh_watchers(folder: Path) -> Iterator[list[subprocess.Popen]]:
    """Run SSH clients that watch events: half write to nowhere, half to a pipe that nobody reads."""
    command = [
        *ELSEWHERE,
        "ssh",
        "-p",
        str(SSH_PORT),
        "-i",
        str(folder / "key"),
        "-o",
        f"UserKnownHostsFile={folder}/known_hosts",
    ]
    command += ["-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR", "bench@127.0.0.1", "watch", "events"]
    clients = []
    try:
        for index in range(SSH_SESSIONS):
            out = subprocess.DEVNULL if index % 2 else subprocess.PIPE
            clients.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL))
        yield clients
    finally:
        for client in clients:
            client.kill()
            client.wait()


ELSEWHERE = ("nice", "-n", "19")
"""The clients would run on other machines: they get the processor time that the daemon leaves."""

TALLY = ("events", "gaps", "lost")


class WatchingClient:
    """One client of Perspective Broker that reads, and counts what it misses."""

    def __init__(self) -> None:
        self.events = 0
        self.gaps = 0
        self.lost = 0
        self._last: int | None = None
        self._missed = 0

    async def read(self, client) -> None:
        watch = await client.watch()
        while batch := await watch.next():
            for event in batch:
                self._take(event)

    def _take(self, event) -> None:
        self.events += 1
        if event["type"] == "gap":
            self.gaps += 1
            self._missed += event["missed"]
        elif event["type"] != "snapshot":
            if self._last is not None:
                self.lost += event["seq"] - self._last - 1 - self._missed
            self._last, self._missed = event["seq"], 0


async def watch_events(reactor, socket: str, count: int) -> None:
    """Watch events with so many clients, half of which read nothing; tell when they do, and what they saw."""
    readers, tasks = [], []
    for index in range(count):
        client = await connect(reactor, f"unix:{socket}")
        if index % 2:
            readers.append(WatchingClient())
            tasks.append(Deferred.fromCoroutine(readers[-1].read(client)))
            tasks[-1].addErrback(lambda failure: failure.trap(MaglevError))
        else:
            await client.watch()
            client._broker.transport.pauseProducing()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await deferToThread(sys.stdin.read)
    sys.stdout.write(json.dumps({key: sum(getattr(each, key) for each in readers) for key in TALLY}))


@contextlib.contextmanager
def pb_watchers(daemon: MaglevDaemon) -> Iterator[list[subprocess.Popen]]:
    """Run the clients of Perspective Broker, once all of them watch."""
    command = [*ELSEWHERE, sys.executable, "-m", "tests.bench.watchers", "--clients", str(daemon.pb_socket)]
    command += [str(PB_CLIENTS // PB_PROCESSES)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    clients = [subprocess.Popen(command, **pipes) for _ in range(PB_PROCESSES)]
    try:
        for client in clients:
            if client.stdout.readline() != "ready\n":
                raise RuntimeError("the clients of Perspective Broker did not come up")
        yield clients
    finally:
        for client in clients:
            client.kill()
            client.wait()


def measure(daemon: MaglevDaemon, seconds: float) -> None:
    before, memory, cpu = daemon.metrics(), daemon.memory(), cpu_seconds(daemon.pid)
    time.sleep(seconds)
    after, cpu = daemon.metrics(), cpu_seconds(daemon.pid) - cpu
    moves = total(after, "maglev_backend_transitions_total") - total(before, "maglev_backend_transitions_total")
    sys.stdout.write(
        f"{moves / seconds:.0f} transitions/s, {100 * cpu / seconds:.0f} % of a core\n"
        f"reactor lag: p50 <= {lag_quantile(before, after, 0.5)} s, p99 <= {lag_quantile(before, after, 0.99)} s\n"
        f"memory: {memory / 1e6:.0f} MB, then {daemon.memory() / 1e6:.0f} MB\n"
    )


def tell(clients: list[subprocess.Popen]) -> None:
    tallies = [json.loads(client.communicate(timeout=60)[0]) for client in clients]
    events, gaps, lost = (sum(tally[key] for tally in tallies) for key in TALLY)
    sys.stdout.write(f"{PB_CLIENTS // 2} reading clients: {events} events, {gaps} gaps, {lost} lost without a gap\n")


def run_clients(socket: str, count: str) -> None:
    with contextlib.suppress(SystemExit):
        react(lambda reactor: Deferred.fromCoroutine(watch_events(reactor, socket, int(count))))


def main() -> None:
    if sys.argv[1:2] == ["--clients"]:
        return run_clients(*sys.argv[2:4])
    seconds, period = (*sys.argv[1:3], *("30", "5")[len(sys.argv) - 1 :])
    with tempfile.TemporaryDirectory() as name, private_vpp("process") as vpp:
        folder = Path(name)
        make_key(folder)
        arguments = ["--vpp-api-addr", vpp.api_socket, "--vpp-stats-addr", vpp.stats_socket, "--log-level", "warn"]
        arguments += ["--ssh-addr", f"127.0.0.1:{SSH_PORT}", "--state-dir", str(folder / "state")]
        arguments += ["--ssh-operator-keys", str(folder / "operator_keys")]
        daemon = MaglevDaemon(folder, *arguments)
        daemon.config.write_text(large_config(BACKENDS, CHECK))
        server = subprocess.Popen([sys.executable, "-c", SERVER, period])
        try:
            with daemon:
                time.sleep(3)
                with ssh_watchers(folder) as sessions, pb_watchers(daemon) as clients:
                    time.sleep(5)
                    running = sum(session.poll() is None for session in sessions)
                    sys.stdout.write(f"{running} SSH sessions, {PB_CLIENTS} PB clients watch {BACKENDS} backends\n")
                    measure(daemon, float(seconds))
                    tell(clients)
                for kind, count in Counter(event["event"] for event in daemon.events()).items():
                    sys.stdout.write(f"log: {count} {kind}\n")
        finally:
            server.kill()
            server.wait()


if __name__ == "__main__":
    main()
