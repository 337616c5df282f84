"""A flood of events to many clients, half of which read nothing: nobody is harmed, and nothing is lost in silence.

``python -m tests.bench.pb_flood`` does the same with 200 clients, and prints the figures.
"""

from __future__ import annotations

import socket
import time

import pytest

from tests.bench.pb_flood import DeafClient, flood
from tests.fakes.pb_daemon import PbDaemon

pytestmark = pytest.mark.real

MIB = 1 << 20


def test_a_flood_of_events_harms_nobody_and_what_is_missed_is_told(tmp_path):
    seen = flood(tmp_path, clients=20, rate=2000, seconds=6.0, backends=100)

    assert seen["readers"] == 10
    assert seen["events"] > 10 * 105
    assert seen["out_of_order"] == 0
    # Processor time between two calls 10 ms apart: what the others in the reactor wait for.
    assert seen["work_p99"] < 0.05
    assert seen["memory_peak"] - seen["memory_before"] < 32 * MIB
    assert seen["descriptors_after"] == seen["descriptors_before"]


def test_junk_of_a_thousand_connections_leaves_nothing_behind(tmp_path):
    with PbDaemon(tmp_path) as daemon:
        before, memory = daemon.descriptors(), daemon.memory()
        for number in range(1000):
            with socket.socket(socket.AF_UNIX) as junk:
                junk.connect(str(daemon.path))
                junk.sendall(
                    (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 5000, b"", b"\x02\x82pb" + b"\x01\x80" * 9000)[number % 4]
                )
        deaf = [DeafClient(daemon.path) for _ in range(20)]
        for each in deaf:
            each.close()
        deadline = time.monotonic() + 60
        while daemon.descriptors() > before:
            assert time.monotonic() < deadline
            time.sleep(0.05)

        assert daemon.memory() - memory < 16 * MIB
        assert "Traceback" not in daemon.output()
        assert "Unhandled" not in daemon.output()


def test_clients_that_vanish_in_the_middle_of_calls_leave_nothing_behind(tmp_path):
    with PbDaemon(tmp_path, backends=100) as daemon:
        before = daemon.descriptors()
        for _ in range(100):
            client = DeafClient(daemon.path)
            client.call(3, b"backends")
            client.call(4, b"vpp_lb_state")
            client.close()
        deadline = time.monotonic() + 60
        while daemon.descriptors() > before:
            assert time.monotonic() < deadline
            time.sleep(0.05)

        assert "Traceback" not in daemon.output()
        assert "Unhandled" not in daemon.output()
