from __future__ import annotations

import os

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater

from maglev.maglevc.streams import MAX_LINE, Outlet, ReaderGoneError, Script

pytestmark = pytest.mark.real


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    ends = {"reading": reading, "writing": writing}
    yield ends
    for end in ends.values():
        if end is not None:
            os.close(end)


def close(pipe, end):
    os.close(pipe[end])
    pipe[end] = None


@pytest_twisted.ensureDeferred
async def test_output_is_sent_at_once(pipe):
    outlet = Outlet(reactor, pipe["writing"])
    outlet.write("ü\n")
    await outlet.drain()

    assert os.read(pipe["reading"], 100) == "ü\n".encode()


@pytest_twisted.ensureDeferred
async def test_a_full_pipe_holds_back_the_writer_and_not_the_reactor(pipe):
    outlet = Outlet(reactor, pipe["writing"])
    text = "".join(f"{number}\n" for number in range(100_000))
    outlet.write(text)
    draining = Deferred.fromCoroutine(outlet.drain())
    await deferLater(reactor, 0.01)
    assert not draining.called
    assert os.get_blocking(pipe["writing"])

    got = b""
    while len(got) < len(text):
        got += os.read(pipe["reading"], 65536)
        await deferLater(reactor, 0)
    await draining
    assert got.decode() == text


@pytest_twisted.ensureDeferred
async def test_nobody_who_reads_is_told(pipe):
    close(pipe, "reading")
    outlet = Outlet(reactor, pipe["writing"])
    outlet.write("text\n")

    with pytest.raises(ReaderGoneError):
        await outlet.drain()
    await outlet.drain()


@pytest_twisted.ensureDeferred
async def test_a_reader_who_goes_while_the_pipe_is_full_is_told(pipe):
    outlet = Outlet(reactor, pipe["writing"])
    outlet.write("x" * 500_000)
    draining = Deferred.fromCoroutine(outlet.drain())
    await deferLater(reactor, 0.01)
    close(pipe, "reading")

    with pytest.raises(ReaderGoneError):
        await draining


@pytest_twisted.ensureDeferred
async def test_waiting_can_be_given_up(pipe):
    outlet = Outlet(reactor, pipe["writing"])
    outlet.write("x" * 500_000)
    draining = Deferred.fromCoroutine(outlet.drain())
    await deferLater(reactor, 0.01)
    draining.cancel()

    with pytest.raises(CancelledError):
        await draining
    assert not reactor.getWriters()


@pytest_twisted.ensureDeferred
async def test_a_file_can_be_written_and_read(tmp_path):
    path = tmp_path / "file"
    with path.open("wb") as file:
        outlet = Outlet(reactor, file.fileno())
        outlet.write("one\ntwo\n")
        await outlet.drain()
    with path.open("rb") as file:
        script = Script(reactor, file.fileno())
        assert [await script.next() for _ in range(3)] == ["one", "two", None]


@pytest_twisted.ensureDeferred
async def test_lines_are_read_as_they_come_and_the_last_needs_no_end(pipe):
    script = Script(reactor, pipe["reading"])
    os.write(pipe["writing"], b"one\r\n\ntw")
    assert [await script.next(), await script.next()] == ["one", ""]
    waiting = Deferred.fromCoroutine(script.next())
    await deferLater(reactor, 0.01)
    assert not waiting.called

    os.write(pipe["writing"], b"o\n\xffthree")
    assert await waiting == "two"
    close(pipe, "writing")
    assert await script.next() == "\\xffthree"
    assert await script.next() is None


@pytest_twisted.ensureDeferred
async def test_a_line_without_end_is_cut(pipe):
    script = Script(reactor, pipe["reading"])
    waiting = Deferred.fromCoroutine(script.next())
    sent = 0
    while not waiting.called:
        sent += os.write(pipe["writing"], b"x" * 4096)
        await deferLater(reactor, 0)
        assert sent < 10 * MAX_LINE

    assert len(await waiting) < 4 * MAX_LINE
