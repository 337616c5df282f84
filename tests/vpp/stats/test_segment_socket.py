"""Getting the stats segment over its socket, with a real kernel and a fake VPP."""

from __future__ import annotations

import array
import contextlib
import os
import socket
import struct

import pytest
import pytest_twisted
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from maglev.model.errors import StatsError, VppShortageError
from maglev.runtime.spare import SpareDescriptors
from maglev.vpp.stats.segment_socket import MAX_SEGMENT, open_stats, socket_identity
from tests.fakes.descriptors import leaked_since, none_left, open_descriptors

pytestmark = pytest.mark.real


class StatsListener:
    """VPP's end of the stats socket."""

    def __init__(self, path):
        self.path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.bind(self.path)
        self._socket.listen(2)

    def pass_on(self, *descriptors, data=b"", kind=socket.SCM_RIGHTS):
        """Accept, send these descriptors, and close."""
        with self._socket.accept()[0] as client:
            ancillary = [(socket.SOL_SOCKET, kind, array.array("i", descriptors))] if descriptors else []
            client.sendmsg([data], ancillary)

    def close(self):
        self._socket.close()


@pytest.fixture
def listener(tmp_path):
    listener = StatsListener(tmp_path / "stats.sock")
    yield listener
    listener.close()


HEADER = struct.pack("<QQQQQ", 2, 0, 0, 0, 0)


@contextlib.contextmanager
def memory(content=HEADER, size=4096):
    descriptor = os.memfd_create("stats")
    os.ftruncate(descriptor, size)
    if content:
        os.pwrite(descriptor, content, 0)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@pytest.fixture
def reactor():
    from twisted.internet import reactor

    return reactor


@pytest_twisted.ensureDeferred
async def test_the_segment_is_passed_and_mapped(reactor, listener):
    before = open_descriptors()
    deferred = open_stats(reactor, listener.path)
    with memory() as descriptor:
        listener.pass_on(descriptor)
    segment = await deferred

    assert not segment.closed
    segment.close()
    assert leaked_since(before) == set()


@pytest_twisted.ensureDeferred
async def test_anything_else_is_refused_and_leaks_nothing(reactor, listener):
    before = open_descriptors()
    with memory(b"") as empty, memory(size=0, content=b"") as nothing, memory() as one, memory() as two:
        for passed, reason in (
            ((), "0 descriptors"),
            ((empty,), "version 0"),
            ((nothing,), "of 0 bytes"),
            ((one, two), "2 descriptors"),
            ((one, two, one, two, one, two), "descriptors"),
        ):
            deferred = open_stats(reactor, listener.path)
            listener.pass_on(*passed, data=b"x" * 100)
            with pytest.raises(StatsError, match=reason):
                await deferred
    assert leaked_since(before) == set()


@pytest_twisted.ensureDeferred
async def test_a_descriptor_that_can_not_be_mapped_is_refused(reactor, listener):
    reading, writing = os.pipe()
    directory = os.open("/", os.O_RDONLY)
    try:
        for descriptor in (reading, directory):
            deferred = open_stats(reactor, listener.path)
            listener.pass_on(descriptor)
            with pytest.raises(StatsError, match="segment"):
                await deferred
    finally:
        for descriptor in (reading, writing, directory):
            os.close(descriptor)


@pytest_twisted.ensureDeferred
async def test_a_monstrous_segment_is_refused(reactor, listener):
    with memory(size=MAX_SEGMENT + 4096) as descriptor:
        deferred = open_stats(reactor, listener.path)
        listener.pass_on(descriptor)
        with pytest.raises(StatsError, match="bytes"):
            await deferred


@pytest_twisted.ensureDeferred
async def test_nobody_there_is_told_at_once(reactor, listener, tmp_path):
    with pytest.raises(StatsError, match="No such file"):
        await open_stats(reactor, str(tmp_path / "nobody"))
    listener.close()
    with pytest.raises(StatsError, match="refused"):
        await open_stats(reactor, listener.path)
    with pytest.raises(StatsError, match="no connection"):
        await open_stats(reactor, "/" + "x" * 200)


@pytest_twisted.ensureDeferred
async def test_silence_has_an_end_and_a_full_queue_is_not_waited_for(reactor, listener):
    before = open_descriptors()
    for _ in range(4):
        with pytest.raises(StatsError):
            await open_stats(reactor, listener.path, deadline=0.01)
    with pytest.raises(StatsError, match="temporarily unavailable"):
        await open_stats(reactor, listener.path)
    assert leaked_since(before) == set()


@pytest_twisted.ensureDeferred
async def test_want_of_a_descriptor_for_the_segment_is_not_held_against_vpp(reactor, listener):
    with memory() as descriptor:
        before = open_descriptors()
        deferred = open_stats(reactor, listener.path)
        listener.pass_on(descriptor)
        with none_left(), pytest.raises(VppShortageError, match="out of file descriptors") as failed:
            await deferred
        assert failed.value.is_ours
        with none_left(), pytest.raises(VppShortageError, match="out of file descriptors"):
            await open_stats(reactor, listener.path)
        assert leaked_since(before) == set()


@pytest_twisted.ensureDeferred
async def test_a_descriptor_in_reserve_is_given_up_for_the_segment(reactor, listener):
    with memory() as descriptor:
        before = open_descriptors()
        spare = SpareDescriptors(2)
        deferred = open_stats(reactor, listener.path, make_room=spare.give_up_one)
        listener.pass_on(descriptor)
        spare.refill()
        with none_left():
            segment = await deferred
        segment.close()
        spare.refill()
        with none_left():
            deferred = open_stats(reactor, listener.path, make_room=spare.give_up_one)
        listener.pass_on(descriptor)
        (await deferred).close()
        del spare
        assert leaked_since(before) == set()


@pytest_twisted.ensureDeferred
async def test_giving_up_closes_the_socket(reactor, listener):
    before = open_descriptors()
    deferred = open_stats(reactor, listener.path)
    deferred.cancel()
    with pytest.raises(CancelledError):
        await deferred
    assert leaked_since(before) == set()
    await deferLater(reactor, 0)


@pytest_twisted.ensureDeferred
async def test_a_connection_that_the_reactor_drops_is_told(reactor, listener):
    before = set(reactor.getReaders())
    deferred = open_stats(reactor, listener.path)
    (reader,) = set(reactor.getReaders()) - before
    assert reader.logPrefix() == "stats"
    for _ in range(2):
        reader.connectionLost(Failure(ConnectionDone()))
    with pytest.raises(StatsError, match="lost the connection"):
        await deferred


def test_the_identity_of_a_socket_changes_with_the_file(tmp_path):
    path = tmp_path / "stats.sock"
    assert socket_identity(str(path)) is None
    first = StatsListener(path)
    before = socket_identity(str(path))
    assert before == socket_identity(str(path))
    first.close()
    path.unlink()
    again = StatsListener(path)
    assert socket_identity(str(path)) != before
    again.close()
