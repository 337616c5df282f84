"""The program, in a process of its own: the garbage collector, and signals that come early."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from maglev.daemon.signals import hand_over, remember_end
from maglev.runtime.garbage import THRESHOLDS

PROGRAM = """
import gc
from unittest import mock
from twisted.internet.task import Clock
from maglev.daemon import program as daemon

with mock.patch.object(daemon, "_serve", lambda *_: print(gc.isenabled()) or 0):
    try:
        daemon.main([])
    except SystemExit:
        clock = Clock()
        daemon._settle(clock)
stays = [[] for _ in range(1000)]
frozen = gc.get_freeze_count()
clock.advance(daemon.SETTLED)
print(gc.isenabled(), gc.get_freeze_count() >= frozen + 1000, gc.get_freeze_count() > 10_000, gc.get_threshold())
"""


def test_the_garbage_collector_waits_for_the_start_and_then_looks_only_at_what_is_new():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["False", f"True True True {THRESHOLDS}"]


TOLD_TO_END_EARLY = """
import os
from twisted.internet import reactor
from maglev.daemon.program import main

def run(run=reactor.run):
    os.kill(os.getpid(), NUMBER)
    run()

reactor.run = run
main()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_daemon_told_to_end_before_its_reactor_runs_stops_in_order(path, tmp_path, number):
    addresses = ("--vpp-api-addr=", f"--metrics-addr=unix:{tmp_path}/metrics", "--ssh-addr=", "--pb-addr=")
    arguments = (f"--config={path}", f"--state-dir={tmp_path}/state", *addresses)
    done = subprocess.run(
        [sys.executable, "-c", TOLD_TO_END_EARLY.replace("NUMBER", str(int(number))), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line)["event"] for line in done.stdout.splitlines()][-1] == "stop"
    assert not (tmp_path / "metrics").exists()


def test_a_daemon_that_runs_does_not_load_what_it_has_no_use_for():
    program = (
        "import sys, maglev.daemon.tap; sys.exit(any(name.startswith('maglev.importers') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


class StoppableReactor:
    """Remembers that it was stopped."""

    stopped = False

    def stop(self):
        self.stopped = True

    def sigInt(self, *_):
        self.stop()


@pytest.mark.parametrize("before", [signal.default_int_handler, signal.SIG_IGN])
def test_the_reactor_takes_the_interrupt_over_unless_it_is_ignored(before):
    saved = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]
    signal.signal(signal.SIGINT, before)
    try:
        reactor, early = StoppableReactor(), remember_end()
        hand_over(reactor, early)
        assert not reactor.stopped
        taken = signal.getsignal(signal.SIGINT)
        assert taken == (before if before is signal.SIG_IGN else reactor.sigInt)
        early()
        hand_over(reactor, early)
        assert reactor.stopped
    finally:
        for number, handler in saved:
            signal.signal(number, handler)
