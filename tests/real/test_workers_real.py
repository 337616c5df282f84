"""Probe workers as processes: killed, stopped, let go and started again, under a daemon that keeps probing."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.fakes.daemon import MaglevDaemon
from tests.fakes.slow_backends import SlowBackends

pytestmark = pytest.mark.real

COUNT = 24

SETTINGS = """
maglev:
  vpp: {{lb: {{ipv4-src-address: 192.0.2.254, ipv6-src-address: "2001:db8::fe"}}}}
  healthchecker: {{probe-workers: {workers}}}
  healthchecks:
    open: {{type: tcp, port: {port}, interval: 40ms, timeout: 60s, fall: 1}}
  frontends:
    site: {{address: 192.0.2.1, protocol: tcp, port: 80, pools: [{{name: only, backends: {{{members}}}}}]}}
  backends:
"""


@pytest.fixture
def port():
    """Listen on all addresses, and take what comes: of a listener that does not, the kernel lets only 128 in."""
    with SlowBackends(0) as backends:
        yield backends.port


@pytest.fixture
def daemon(tmp_path, port):
    made = MaglevDaemon(tmp_path, "--vpp-api-addr", "")
    made.config.write_text(settings(port, 2))
    with made:
        wait_for(lambda: len(made.events("backend-transition")) >= COUNT)
        yield made
    assert "Traceback" not in made.output()


def settings(port, workers):
    members = ", ".join(f"b{index}: {{}}" for index in range(1, COUNT + 1))
    lines = [f"    b{index}: {{address: 127.0.1.{index}, healthcheck: open}}\n" for index in range(1, COUNT + 1)]
    return SETTINGS.format(port=port, workers=workers, members=members) + "".join(lines)


def wait_for(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def pids(daemon):
    """Return the processes of the workers that were started last, by their index."""
    return {event["worker"]: event["pid"] for event in daemon.events("probe-worker-start")}


def probes(daemon):
    return sum(value for name, value in daemon.metrics().items() if name.startswith("maglev_probe_total"))


def is_there(pid):
    """Return whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_workers_may_die_and_come_and_go_and_no_backend_is_called_down(daemon, port):
    wait_for(lambda: len(pids(daemon)) == 2)
    first = pids(daemon)
    assert Path(f"/proc/{first[0]}/comm").read_text() == "maglevd-probe-0\n"
    descriptors = daemon.descriptors()
    os.kill(first[0], signal.SIGKILL)
    os.kill(first[1], signal.SIGTERM)  # to all of a service: the daemon ends its workers itself
    end = daemon.wait_for_event("probe-worker-end", worker=0)
    assert "signal 9" in end["reason"]
    wait_for(lambda: pids(daemon)[0] != first[0])
    assert pids(daemon)[1] == first[1]
    wait_for(lambda: daemon.descriptors() == descriptors)
    daemon.reload(settings(port, 0))
    wait_for(lambda: not is_there(first[1]))
    before = probes(daemon)
    wait_for(lambda: probes(daemon) > before + COUNT)
    assert daemon.metrics()["maglev_probe_workers"] == 0
    daemon.reload(settings(port, 1))
    wait_for(lambda: daemon.metrics()["maglev_probe_workers"] == 1)
    before = probes(daemon)
    wait_for(lambda: probes(daemon) > before + COUNT)
    assert [event for event in daemon.events("backend-transition") if event["to"] != "up"] == []
    os.kill(pids(daemon)[0], signal.SIGSTOP)
    assert daemon.kill(signal.SIGTERM) == 0
    assert not is_there(pids(daemon)[0])


def test_workers_end_with_a_daemon_that_is_killed_even_if_they_are_stopped(daemon):
    wait_for(lambda: len(pids(daemon)) == 2)
    os.kill(pids(daemon)[1], signal.SIGSTOP)
    daemon.kill()
    wait_for(lambda: not any(map(is_there, pids(daemon).values())))
