"""Everything that strangers and viewers can do at once, while 500 backends are checked and ten of them die.

The daemon is a process of its own, with the usual limit of 1,024 descriptors and all listeners on loopback, so that the
attackers share the source of the operator. Times are compared with those of the configuration, plus the time in which
the kernel had no processor for the daemon although it was ready to run: on a busy machine the test is slower, and as
strict about what the daemon itself does.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import resource
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from maglev.daemon.tap import JITTER
from maglev.healthcheck.schedule import SLOT
from tests.fakes.attackers import Attackers
from tests.fakes.certificates import Authority
from tests.fakes.console import write_key
from tests.fakes.daemon import MaglevDaemon
from tests.fakes.ports import free_port
from tests.fakes.program import MAGLEVC
from tests.fakes.slow_backends import SlowBackends

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("ssh") is None, reason="OpenSSH's client is not installed"),
]

BACKENDS = 500
MORTALS = 10
INTERVAL, FAST, FALL = 2.0, 0.2, 2
DETECTION = (INTERVAL + (FALL - 1) * FAST) * (1 + JITTER) + FALL * SLOT
"""Seconds from the death of a backend, which then refuses connections, until it is down, by the configuration."""

GETTING_IN = 2.0
"""Seconds to run a command over SSH, the UNIX socket or TLS, besides what it takes without any attack."""

MOST_MEMORY = 200_000_000
DESCRIPTORS = 1024
VIEWERS, SESSIONS = 2, 15
"""Viewers, and the sessions that each of them would like to have."""

NET = f"127.{100 + os.getpid() % 100}"


class Mortal:
    """A backend that can die: it then refuses connections."""

    def __init__(self, address, port):
        self.address = address
        self.died = 0.0
        self._socket = socket.create_server((address, port), backlog=64)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                self._socket.accept()[0].close()

    def die(self):
        self.died = time.time()
        self.close()

    def close(self):
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def configuration(port, mortal_port, mortals):
    check = f"type: tcp, interval: {INTERVAL:g}s, fast-interval: {FAST:g}s, timeout: 1s"
    check += f", fall: {FALL}, rise: 1"
    lines = [
        "maglev:",
        "  vpp: {lb: {ipv4-src-address: 192.0.2.254, ipv6-src-address: '2001:db8::fe'}}",
        "  healthchecks:",
        f"    web: {{{check}, port: {port}}}",
        f"    mortal: {{{check}, port: {mortal_port}}}",
        "  backends:",
    ]
    names = [f"b{number}" for number in range(BACKENDS - len(mortals))]
    for number, name in enumerate(names):
        lines.append(f"    {name}: {{address: {NET}.{1 + number // 250}.{1 + number % 250}, healthcheck: web}}")
    for number, mortal in enumerate(mortals):
        lines.append(f"    m{number}: {{address: {mortal.address}, healthcheck: mortal}}")
    names += [f"m{number}" for number in range(len(mortals))]
    lines.append("  frontends:")
    for number in range(0, BACKENDS, 50):
        pool = ", ".join(f"{name}: {{}}" for name in names[number : number + 50])
        lines.append(f"    f{number}: {{address: 192.0.2.{1 + number // 50}, protocol: tcp, port: 80,")
        lines.append("      new-flows-table-length: 8192,")
        lines.append(f"      pools: [{{name: only, backends: {{{pool}}}}}]}}")
    return "\n".join(lines) + "\n"


class AttackedDaemon(MaglevDaemon):
    """A daemon with all listeners, and those who have a right to use it."""

    def __init__(self, folder):
        self._folder = folder
        self.metrics_port, self.ssh_port, self.tls_port = free_port(), free_port(), free_port()
        self._temporary = folder / "tmp"
        self._temporary.mkdir()
        (folder / "operators").write_text(write_key(folder / "ada", "ada"))
        viewers = [write_key(folder / f"vera{number}", f"vera{number}") for number in range(VIEWERS)]
        (folder / "viewers").write_text("".join(viewers))
        authority = Authority()
        certificate, key = authority.issue(folder, "127.0.0.1")
        person = [(NameOID.COMMON_NAME, "olga"), (NameOID.ORGANIZATIONAL_UNIT_NAME, "operator")]
        subject = x509.Name([x509.NameAttribute(*attribute) for attribute in person])
        files = (authority.write_root(folder), *authority.issue_person(folder, subject))
        self._client = [f"--tls-{name}={file}" for name, file in zip(("ca", "cert", "key"), files, strict=True)]
        super().__init__(
            folder,
            "--vpp-api-addr=",
            f"--state-dir={folder}/state",
            f"--metrics-addr=127.0.0.1:{self.metrics_port}",
            f"--ssh-addr=127.0.0.1:{self.ssh_port}",
            f"--ssh-operator-keys={folder}/operators",
            f"--ssh-viewer-keys={folder}/viewers",
            f"--pb-tls-addr=127.0.0.1:{self.tls_port}",
            f"--pb-tls-cert={certificate}",
            f"--pb-tls-key={key}",
            f"--pb-tls-ca={files[0]}",
        )

    def command(self):
        return ["env", f"TMPDIR={self._temporary}", *super().command()]

    def start(self):
        super().start()
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        # Its attackers, backends and clients would run on other machines.
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, self.pid, -10)

    def waited(self):
        """Return how long it has been ready to run without a processor, in seconds."""
        return waited(self.pid)

    def temporary_files(self):
        return list(self._temporary.iterdir())

    def ssh(self, who, *command):
        options = ("BatchMode=yes", "StrictHostKeyChecking=no", "LogLevel=ERROR", "ConnectTimeout=30")
        given = [f"-o{option}" for option in (*options, f"UserKnownHostsFile={self._folder}/known_hosts")]
        key = str(self._folder / who)
        return ["ssh", "-F", "none", "-p", str(self.ssh_port), "-i", key, *given, "x@127.0.0.1", *command]

    def maglevc(self, *command, server=""):
        return [*MAGLEVC, "--server", server or f"unix:{self.pb_socket}", *command]

    def maglevc_over_tls(self, *command):
        return self.maglevc(*self._client, *command, server=f"tls:127.0.0.1:{self.tls_port}")

    def metrics(self):
        """Scrape it, among the attackers: a new connection may have to make room before its request has been read."""
        for attempt in range(20):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=60) as answer:
                    text = answer.read().decode()
                break
            except OSError:
                assert attempt < 19
                time.sleep(0.2)
        samples = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in samples}


@pytest.fixture
def mortals():
    addresses = [f"{NET}.200.{number}" for number in range(1, MORTALS + 1)]
    port = free_port(*addresses)
    made = [Mortal(address, port) for address in addresses]
    yield port, made
    for each in made:
        each.close()


@pytest.fixture
def daemon(tmp_path, mortals):
    with SlowBackends(0.0) as backends:
        made = AttackedDaemon(tmp_path)
        made.config.write_text(configuration(backends.port, *mortals))
        with made:
            made.wait_for_event("warm-up-released", over=True)
            yield made


def waited(process):
    """Return how long a process has been ready to run without a processor, in seconds."""
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[1]) / 1e9


def until_it_works(command, seconds=60.0):
    """Run a command until it succeeds; return how long that took, and what part of it we and it had no processor."""
    start, ours, theirs = time.time(), waited("self"), 0.0
    while True:
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=Path(__file__).parents[2]
        ) as process:
            last = 0.0
            while process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    last = waited(process.pid)
                assert time.time() < start + seconds + 60
                time.sleep(0.02)
            theirs += last
            output, errors = process.communicate()
        if process.returncode == 0 and output.startswith(b"version "):
            return Delay(start, time.time(), theirs + waited("self") - ours)
        assert time.time() < start + seconds, errors.decode()


@contextlib.contextmanager
def watchers(daemon):
    """Let viewers take as many sessions as they can get; their output is not read."""
    processes = []
    try:
        for number in range(VIEWERS * SESSIONS):
            command = daemon.ssh(f"vera{number % VIEWERS}", "watch", "events")
            pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            processes.append(subprocess.Popen(command, **pipes))
        yield
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.communicate()


class Delay(NamedTuple):
    """Something that took its time, by the wall clock; and for how long of it its own side had no processor."""

    start: float
    end: float
    starved: float = 0.0

    @property
    def seconds(self):
        return self.end - self.start


def spread(delays):
    """Return the shortest and the longest of some delays, for people."""
    seconds = [delay.seconds for delay in delays]
    return f"{min(seconds):.2f} to {max(seconds):.2f} s"


class Watch:
    """Watches a daemon in a thread; a context manager.

    Attributes:
        memory: The most that it had, bytes.
    """

    def __init__(self, daemon):
        self.memory = 0
        self._daemon = daemon
        self._ended = threading.Event()
        self._waits = []

    def __enter__(self):
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_exc_info):
        self._ended.set()
        self._thread.join()

    def longest_wait(self, delays):
        return f"{max(self._waited(delay) for delay in delays):.2f} s"

    def excuse(self, delay):
        """Return how many seconds something may take longer because the daemon, or its own side, had no processor.

        What it can't do meanwhile waits, and makes the rest slower, too. Half a second is for the daemon's own work.
        """
        return 0.5 + 3 * (self._waited(delay) + delay.starved)

    def _waited(self, delay):
        before = max(wait for when, wait in self._waits if when <= delay.start)
        after = min((wait for when, wait in self._waits if when >= delay.end), default=self._waits[-1][1])
        return after - before

    def _run(self):
        while not self._ended.wait(0.1):
            self.memory = max(self.memory, self._daemon.memory())
            self._waits.append((time.time(), self._daemon.waited()))


def test_probes_operators_and_root_hold_out_against_everybody_at_once(daemon, mortals, tmp_path):
    _, mortals = mortals
    as_operator, as_root = daemon.ssh("ada", "show", "version"), daemon.maglevc("show", "version")
    over_tls = daemon.maglevc_over_tls("show", "version")
    usual = {
        name: max(until_it_works(command).seconds for _ in range(2))
        for name, command in (("operator", as_operator), ("root", as_root), ("operator over TLS", over_tls))
    }
    descriptors = daemon.descriptors()
    took = {name: [] for name in usual}

    attackers = Attackers(tmp_path, daemon.metrics_port, daemon.ssh_port, daemon.tls_port)
    with Watch(daemon) as watch, watchers(daemon), attackers:
        attackers.wait_for(posts=8, pipelined=10_000, slow=1000, ssh=700, tls=512)
        daemon.wait_for_event("ssh-login", who="vera1")
        for number, mortal in enumerate(mortals):
            mortal.die()
            if number % 3 == 0:
                took["operator"].append(until_it_works(as_operator))
            if number % 3 == 1:
                took["root"].append(until_it_works(as_root))
            if number % 3 == 2:
                took["operator over TLS"].append(until_it_works(over_tls))
        names = [f"m{number}" for number in range(MORTALS)]
        downs = [daemon.wait_for_event("backend-transition", backend=name, to="down") for name in names]
        scraped = daemon.metrics()
        most_descriptors = daemon.descriptors()
        assert daemon.temporary_files() == []

    told = [dt.datetime.fromisoformat(down["time"]).timestamp() for down in downs]
    deaths = [Delay(mortal.died, at) for mortal, at in zip(mortals, told, strict=True)]
    print(
        f"deaths seen after {spread(deaths)} (bound {DETECTION:.2f}), without a processor {watch.longest_wait(deaths)}"
    )
    for name, times in took.items():
        print(f"{name}: {spread(times)}, without attack {usual[name]:.2f}")
    print(f"memory {watch.memory / 1e6:.0f} MB, descriptors {descriptors} and {most_descriptors}; {attackers.done}")
    assert [each for each in deaths if each.seconds > DETECTION + watch.excuse(each)] == []
    assert {event["backend"] for event in daemon.events("backend-transition") if event["to"] == "down"} == set(names)
    for name, times in took.items():
        assert [each for each in times if each.seconds > GETTING_IN + 3 * usual[name] + watch.excuse(each)] == [], name
    assert scraped["maglev_ssh_sessions"] >= 1
    assert watch.memory < MOST_MEMORY
    assert most_descriptors <= DESCRIPTORS - BACKENDS

    daemon.wait_for_descriptors(descriptors)
    assert daemon.temporary_files() == []
    assert "Traceback" not in daemon.output()
