"""Where probes go, and the sockets that take them there."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from maglev.healthcheck.probers.faults import ProbeError
from maglev.healthcheck.probers.netns import NetnsError
from maglev.healthcheck.probers.sockets import Destination, SocketOpener
from maglev.model.config import Backend, CheckType, Healthcheck
from tests.fakes.descriptors import leaked_since, open_descriptors


def healthcheck(**changes):
    return Healthcheck("c", CheckType.TCP, changes.pop("l4_port", 80), 1, 1, 1, 1, **changes)


def test_a_destination_is_as_the_socket_calls_want_it():
    sources = {"probe_ipv4_src": "192.0.2.9", "probe_ipv6_src": "2001:db8::9"}
    assert Destination.of(Backend("b", "192.0.2.1"), healthcheck()) == Destination(
        socket.AF_INET, ("192.0.2.1", 80), None
    )
    assert Destination.of(Backend("b", "2001:db8::1"), healthcheck(**sources)) == Destination(
        socket.AF_INET6, ("2001:db8::1", 80, 0, 0), ("2001:db8::9", 0, 0, 0)
    )
    assert Destination.of(Backend("b", "192.0.2.1"), healthcheck(l4_port=None, **sources)) == Destination(
        socket.AF_INET, ("192.0.2.1", 0), ("192.0.2.9", 0)
    )


class FakeNamespace:
    def __init__(self, error=None):
        self.error = error
        self.calls = []
        self.closed = False

    def call(self, function, *args):
        self.calls.append(args)
        if self.error is not None:
            raise self.error
        return function(*args)

    def identity(self):
        return (1, 2)

    def close(self):
        self.closed = True


def test_a_stream_socket_does_not_block_and_is_not_inherited():
    stream = SocketOpener().open_stream(Destination(socket.AF_INET, ("127.0.0.1", 1)))
    try:
        assert stream.gettimeout() == 0
        assert not os.get_inheritable(stream.fileno())
    finally:
        stream.close()


def test_sockets_are_opened_in_the_namespace():
    namespace = FakeNamespace()
    opener = SocketOpener(namespace)
    opener.open(socket.AF_INET, socket.SOCK_STREAM).close()
    assert namespace.calls == [(socket.AF_INET, socket.SOCK_STREAM, 0)]
    assert opener.namespace_identity() == (1, 2)
    opener.close()
    assert namespace.closed


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NetnsError(errno.ENOENT, "there is none"), "netns"),
        (NetnsError(errno.EPERM, "CAP_SYS_ADMIN is missing"), "netns"),
        (OSError(errno.EMFILE, "too many"), "descriptors"),
    ],
)
def test_a_namespace_that_can_not_be_entered_is_the_fault_of_this_machine(error, reason):
    with pytest.raises(ProbeError) as caught:
        SocketOpener(FakeNamespace(error)).open(socket.AF_INET, socket.SOCK_STREAM)
    assert caught.value.outcome.reason == reason


def test_an_unusable_source_address_is_told_and_leaves_no_socket():
    before = open_descriptors()
    with pytest.raises(ProbeError) as caught:
        SocketOpener().open_stream(Destination(socket.AF_INET, ("127.0.0.1", 1), ("192.0.2.77", 0)))
    assert caught.value.outcome.reason == "network"
    assert leaked_since(before) == set()
