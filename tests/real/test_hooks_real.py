"""Hooks in earnest: programs and their groups, sockets and those who do not read, and ExaBGP of Debian."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import time
from pathlib import Path

import pytest

from tests.fakes.bird import RouteWatch, exabgp_and_bird, wait_until, why_no_exabgp
from tests.fakes.daemon import MaglevDaemon
from tests.fakes.slow_backends import SlowBackends
from tests.fakes.vpp_instance import private_vpp

pytestmark = pytest.mark.real

SETTINGS = """
maglev:
  vpp:
    lb: {{ipv4-src-address: 192.0.2.254, ipv6-src-address: "2001:db8::fe", startup-min-delay: 0s,
          startup-max-delay: 3s, sticky-buckets-per-core: 1024}}
  healthchecks:
    web: {{type: http, port: {port}, interval: 200ms, timeout: 20s, rise: 1, fall: 2}}
  backends:
    a: {{address: 127.0.0.41, healthcheck: web}}
  frontends:
    site: {{address: 192.0.2.1, protocol: tcp, port: 80, pools: [{{name: p, backends: {{a: }}}}]}}
  announce:
    vpp-lost-delay: 1s
    addresses: [{{address: 192.0.2.1}}]
    hooks: {{test: {{{hook}}}}}
"""

PROGRAM = """#!/bin/sh
echo $$ >> {folder}/pids
(trap '' TERM; sleep 1000) &
echo started
exec cat >> {folder}/stream
"""


@pytest.fixture
def site(tmp_path):
    with SlowBackends(0) as backends, private_vpp("process") as vpp:
        daemon = MaglevDaemon(tmp_path, "--vpp-api-addr", vpp.api_socket, "--vpp-stats-addr", vpp.stats_socket)
        daemon.vpp = vpp
        daemon.settings = lambda hook: SETTINGS.format(port=backends.port, hook=hook)
        yield daemon
        daemon.kill()
    assert "Traceback" not in daemon.output()


def alive(pid):
    """Return whether a process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def group(leader):
    """Return the processes of a group."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if fields[2] == str(leader) and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def test_a_program_is_started_again_and_leaves_nothing_behind(site, tmp_path):
    program = tmp_path / "program"
    program.write_text(PROGRAM.format(folder=tmp_path))
    program.chmod(0o755)
    site.config.write_text(site.settings(f"command: [{program}]"))
    site.start()
    site.wait_for_event("announcement", new="announced")
    stream = tmp_path / "stream"
    wait_until(lambda: stream.exists() and '"announced"' in stream.read_text())
    assert json.loads(stream.read_text().splitlines()[0]) == {"type": "addresses", "addresses": ["192.0.2.1"]}
    site.wait_for_event("hook-output", text="started")

    pids = [int(line) for line in (tmp_path / "pids").read_text().split()]
    assert len(group(pids[0])) == 2  # and what it has started
    assert os.getpgid(pids[0]) == pids[0] != os.getpgid(site.pid)
    os.kill(pids[0], signal.SIGKILL)
    failed = site.wait_for_event("hook-failed")
    assert failed["problem"] == f"{program} ended by signal 9"
    site.wait_for_event("hook-restored")
    assert group(pids[0]) == []
    wait_until(lambda: len((tmp_path / "pids").read_text().split()) > 1)
    second = int((tmp_path / "pids").read_text().split()[1])
    assert site.metrics()['maglev_announce_sink_readers{sink="hook test"}'] == 1

    assert site.kill(signal.SIGTERM) == 0  # which waits for a minute; the group would sleep for a thousand seconds
    wait_until(lambda: not alive(second))
    assert group(second) == []


def test_a_program_that_is_not_there_is_told_and_changes_nothing_else(site):
    site.config.write_text(site.settings("command: [/nowhere/at/all]"))
    site.start()
    assert site.wait_for_event("hook-failed")["problem"] == "/nowhere/at/all ended with status 127"
    site.wait_for_event("announcement", new="announced")
    site.reload(site.settings("command: [/bin/cat]"))
    wait_until(lambda: any(group(event["pid"]) for event in site.events("hook-started")))


def test_readers_of_a_socket_may_hang_come_late_and_be_too_many(site, tmp_path):
    path = tmp_path / "hook.sock"
    site.config.write_text(site.settings(f"socket: {path}, events: all"))
    site.start()
    site.wait_for_event("announcement", new="announced")
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    readers = []
    for _ in range(8):
        reader = socket.socket(socket.AF_UNIX)
        reader.settimeout(60)
        reader.connect(str(path))
        assert reader.recv(65536).startswith(b'{"type": "addresses"')
        readers.append(reader)
    with socket.socket(socket.AF_UNIX) as ninth:
        ninth.settimeout(60)
        ninth.connect(str(path))
        assert ninth.recv(1) == b""
    readers.pop().close()
    site.vpp.kill()  # the others do not read: it goes on
    site.wait_for_event("announcement", new="withdrawn")
    started = len(site.events("announcement"))
    site.kill()
    site.start()  # the socket that is left over is replaced
    site.wait_for_event("announcement", after=started)
    for reader in readers:
        reader.close()


@pytest.mark.skipif(why_no_exabgp() is not None, reason=str(why_no_exabgp()))
def test_exabgp_announces_what_the_socket_says(site, tmp_path):
    path = tmp_path / "hook.sock"
    site.config.write_text(site.settings(f"socket: {path}"))
    site.start()
    with exabgp_and_bird(tmp_path, path) as peer, RouteWatch(peer, "192.0.2.1/32") as watch:
        watch.wait(True)
        changes = len(watch.changes)
        for number in (signal.SIGTERM, signal.SIGKILL):  # a stop and a crash change nothing
            site.kill(number)
            time.sleep(0.5)
            started = len(site.events("announcement"))
            site.start()
            site.wait_for_event("announcement", after=started)
        time.sleep(1.5)
        assert len(watch.changes) == changes
        site.vpp.kill()
        watch.wait(False)
        site.vpp.restart()
        watch.wait(True)
        site.reload(site.settings(f"socket: {path}").replace("addresses: [{address: 192.0.2.1}]", "addresses: []"))
        watch.wait(False)
