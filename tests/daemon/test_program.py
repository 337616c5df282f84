"""The program: what it does about the garbage collector, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

from maglev.runtime.garbage import THRESHOLDS

PROGRAM = """
import gc
from unittest import mock
from twisted.internet.task import Clock
from maglev.daemon import program as daemon

with mock.patch.object(daemon, "_serve", lambda _: print(gc.isenabled()) or 0):
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


def test_a_daemon_that_runs_does_not_load_what_it_has_no_use_for():
    program = (
        "import sys, maglev.daemon.tap; sys.exit(any(name.startswith('maglev.importers') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
