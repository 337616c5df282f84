"""The standard streams: pipes and files, at the pace of the other end, and never non-blocking."""

from __future__ import annotations

import os

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater

from maglev.maglevc.stdio import INPUT_LIMIT, ReaderGoneError, StandardStream
from maglev.runtime.cooperator import Cooperator

pytestmark = pytest.mark.real


class RecordingRunner:
    """A runner that keeps what it gets, and ends the stream after its input."""

    def __init__(self, stream, text=b""):
        self.stream = stream
        self.text = text
        self.got = b""
        self.ended = False
        self.closes = 0

    def start(self):
        self.stream.write(self.text)

    def data_received(self, data):
        self.got += data

    def eof_received(self):
        self.ended = True
        self.stream.finish(3)

    def closed(self):
        self.closes += 1


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


def stream_of(pipe, source=None, target=None):
    unused = os.open(os.devnull, os.O_RDWR)
    pipe[f"unused{unused}"] = unused
    return StandardStream(
        reactor,
        Cooperator(reactor).queue("terminal"),
        unused if source is None else source,
        unused if target is None else target,
    )


def running(stream, text=b"", *, reads=False):
    runner = RecordingRunner(stream, text)
    return runner, Deferred.fromCoroutine(stream.run(runner, reads=reads))


async def turns():
    """Let the reactor look at its descriptors: not for a time, in which a busy machine may not let it."""
    for _ in range(3):
        await deferLater(reactor, 0)


@pytest_twisted.ensureDeferred
async def test_output_is_sent_at_once(pipe):
    stream = stream_of(pipe, target=pipe["writing"])
    runner, done = running(stream, "ü\n".encode())
    assert os.read(pipe["reading"], 100) == "ü\n".encode()

    stream.finish(0)
    assert await done == 0
    assert runner.closes == 1


@pytest_twisted.ensureDeferred
async def test_a_full_pipe_holds_back_the_writer_and_not_the_reactor(pipe):
    stream = stream_of(pipe, target=pipe["writing"])
    text = "".join(f"{number}\n" for number in range(100_000)).encode()
    _, done = running(stream, text)
    draining = stream.drain()
    stream.finish(0)
    await deferLater(reactor, 0.01)
    assert not draining.called
    assert not done.called
    assert os.get_blocking(pipe["writing"])

    got = b""
    while len(got) < len(text):
        got += os.read(pipe["reading"], 65536)
        await deferLater(reactor, 0)
    assert await done == 0
    assert got == text


@pytest_twisted.ensureDeferred
async def test_who_waits_goes_on_when_everything_is_sent_and_not_in_the_same_turn(pipe):
    stream = stream_of(pipe, target=pipe["writing"])
    _, done = running(stream, b"text\n")
    draining = stream.drain()
    assert not draining.called
    await draining

    stream.finish(0)
    await done


@pytest_twisted.ensureDeferred
async def test_nobody_who_reads_ends_it(pipe):
    close(pipe, "reading")
    runner, done = running(stream_of(pipe, target=pipe["writing"]), b"text\n")

    with pytest.raises(ReaderGoneError):
        await done
    assert runner.closes == 1


@pytest_twisted.ensureDeferred
async def test_a_reader_who_goes_while_the_pipe_is_full_ends_it(pipe):
    _, done = running(stream_of(pipe, target=pipe["writing"]), b"x" * 500_000)
    await deferLater(reactor, 0.01)
    close(pipe, "reading")

    with pytest.raises(ReaderGoneError):
        await done


@pytest_twisted.ensureDeferred
async def test_another_failure_to_write_is_told_as_it_is(pipe):
    _, done = running(stream_of(pipe, target=pipe["reading"]), b"text\n")
    await deferLater(reactor, 0.01)
    close(pipe, "writing")

    with pytest.raises(OSError, match="Bad file descriptor"):
        await done


@pytest_twisted.ensureDeferred
async def test_a_cancelled_run_lets_go_of_its_descriptors(pipe):
    stream = stream_of(pipe, target=pipe["writing"])
    runner, done = running(stream, b"x" * 500_000)
    draining = stream.drain()
    await deferLater(reactor, 0.01)
    draining.cancel()
    done.cancel()

    for waiting in (draining, done):
        with pytest.raises(CancelledError):
            await waiting
    assert not reactor.getWriters()
    assert runner.closes == 1


@pytest_twisted.ensureDeferred
async def test_a_file_can_be_written_and_read(pipe, tmp_path):
    path = tmp_path / "file"
    with path.open("wb") as file:
        stream = stream_of(pipe, target=file.fileno())
        _, done = running(stream, b"one\ntwo\n")
        stream.finish(0)
        await done
    with path.open("rb") as file:
        runner, done = running(stream_of(pipe, source=file.fileno()), reads=True)
        assert await done == 3
    assert runner.got == b"one\ntwo\n"


@pytest_twisted.ensureDeferred
async def test_input_is_read_as_it_comes_and_only_if_wanted(pipe):
    os.write(pipe["writing"], b"one")
    deaf, unread = running(stream_of(pipe, source=pipe["reading"]))
    await deferLater(reactor, 0.01)
    assert deaf.got == b""
    deaf.stream.finish(0)
    await unread

    runner, done = running(stream_of(pipe, source=pipe["reading"]), reads=True)
    assert runner.got == b"one"
    os.write(pipe["writing"], b"two")
    await turns()
    assert (runner.got, runner.ended) == (b"onetwo", False)
    close(pipe, "writing")
    assert await done == 3
    assert runner.ended


@pytest_twisted.ensureDeferred
async def test_input_that_is_not_used_is_not_read(pipe):
    os.set_blocking(pipe["writing"], False)
    stream = stream_of(pipe, source=pipe["reading"])
    runner, done = running(stream, reads=True)
    for _ in range(50):
        try:
            os.write(pipe["writing"], b"x" * 4096)
        except BlockingIOError:
            break
        await deferLater(reactor, 0)
    before = len(runner.got)
    assert INPUT_LIMIT <= before < 2 * INPUT_LIMIT

    stream.consumed(1)
    await turns()
    assert len(runner.got) > before
    stream.finish(0)
    await done
