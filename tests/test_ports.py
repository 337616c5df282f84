"""A port for a server of a test is nobody else's: not another test's, nor the kernel's to give away."""

import json
import socket
import subprocess
import sys

from tests.fakes import ports
from tests.fakes.descriptors import leaked_since, open_descriptors
from tests.fakes.ports import free_port, kernels_own
from tests.layers import ROOT

ELSEWHERE = "from tests.fakes import ports; ports.LOWEST = 65000; print([ports.free_port() for _ in range(50)])"


def test_no_port_is_chosen_twice_not_even_by_another_process(monkeypatch):
    before = open_descriptors()
    assert free_port() not in kernels_own()
    monkeypatch.setattr(ports, "LOWEST", 65000)
    ours = {free_port() for _ in range(50)}
    done = subprocess.run([sys.executable, "-c", ELSEWHERE], capture_output=True, check=True, cwd=ROOT)
    theirs = set(json.loads(done.stdout))

    assert len(ours) == len(theirs) == 50
    assert not ours & theirs
    assert leaked_since(before) == set()


def test_a_port_on_which_somebody_listens_is_not_chosen(monkeypatch):
    port = free_port()
    monkeypatch.setattr(ports, "LOWEST", port)
    monkeypatch.setattr("random.randrange", lambda _: 0)
    monkeypatch.setattr(ports, "_OURS", set())
    with socket.create_server(("127.0.0.2", port)):
        assert free_port("127.0.0.1", "127.0.0.2") != port
    ports._OURS.clear()
    assert free_port("127.0.0.1", "127.0.0.2") == port
