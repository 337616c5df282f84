"""The log writer: whole lines to descriptors that are slow, full or gone, and never a wait."""

import fcntl
import os
import pty
import signal
import socket
import threading
import time
import tty

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogLevel

from maglev.runtime.logs.observer import LineObserver
from maglev.runtime.logs.render import render_text
from maglev.runtime.logs.writer import LineWriter

PATIENCE = 60
"""Seconds: far more than any of these tests takes on a busy machine."""

LINE = "x" * 99 + "\n"


@pytest.fixture(autouse=True)
def nothing_waits():
    """Fail a test whose write blocks, instead of hanging for ever."""

    def fail(_number, _frame):
        raise AssertionError(f"a write has not returned for {PATIENCE} s")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(PATIENCE)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


class Opened:
    """Descriptors that are closed at the end."""

    def __init__(self):
        self.descriptors = []
        self.writers = []

    def writer(self, descriptor):
        self.writers.append(LineWriter(descriptor))
        return self.writers[-1]

    def pipe(self):
        pair = os.pipe()
        self.descriptors += pair
        return pair

    def close(self, descriptor):
        self.descriptors.remove(descriptor)
        os.close(descriptor)


@pytest.fixture
def opened():
    made = Opened()
    yield made
    for writer in made.writers:
        writer.close()
    for descriptor in made.descriptors:
        os.close(descriptor)


def fill(writer, at_most=100_000):
    """Write until lines are dropped; return how many were taken, wholly or in part."""
    for taken in range(at_most):
        writer.write(LINE)
        if writer.dropped:
            return taken
    raise AssertionError("never full")


def drain(descriptor):
    """Read everything that is there now."""
    os.set_blocking(descriptor, False)
    data = b""
    while True:
        try:
            piece = os.read(descriptor, 1 << 20)
        except BlockingIOError:
            return data
        if not piece:
            return data
        data += piece


def test_lines_go_to_a_file_in_order(tmp_path, opened):
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    opened.descriptors.append(descriptor)
    writer = opened.writer(descriptor)
    writer.write("one\n")
    writer.write("two\n")

    assert path.read_text() == "one\ntwo\n"
    assert writer.dropped == 0


def test_what_is_not_ascii_is_escaped(opened):
    reader, descriptor = opened.pipe()
    opened.writer(descriptor).write("é\u202e\n")

    assert drain(reader) == b"\\xe9\\u202e\n"


def test_a_pipe_that_nobody_reads_never_blocks_and_keeps_whole_lines(opened):
    reader, descriptor = opened.pipe()
    writer = opened.writer(descriptor)
    fill(writer)
    for _ in range(9):
        writer.write(LINE)
    assert writer.dropped == 10

    first = drain(reader)
    writer.write("next\n")
    assert writer.dropped == 0
    lines = (first + drain(reader)).decode().splitlines(keepends=True)
    assert lines.pop() == "next\n"
    assert set(lines) == {LINE}


def test_the_count_of_dropped_lines_is_told_when_the_reader_comes_back(opened):
    reader, descriptor = opened.pipe()
    writer = opened.writer(descriptor)
    observe = LineObserver(Clock(), LogLevel.info, render_text, writer, lambda: 0.0)
    fill(writer)
    # Longer than what filled the pipe: nothing of it fits any more.
    event = {"log_level": LogLevel.info, "log_time": 0.0, "log_event": "thing-done", "detail": LINE.strip()}
    for _ in range(4):
        observe(event)
    drain(reader)
    observe(event)

    *_, told, done = drain(reader).decode().splitlines()
    assert told == "1970-01-01T00:00:00.000Z warn  log-dropped count=5"
    assert done.startswith("1970-01-01T00:00:00.000Z info  thing-done detail=x")


def test_a_reader_that_is_slow_gets_whole_lines_only(opened):
    reader, descriptor = opened.pipe()
    writer = opened.writer(descriptor)
    received = []

    def read():
        while piece := os.read(reader, 777):
            received.append(piece)

    thread = threading.Thread(target=read)
    thread.start()
    for number in range(20_000):
        writer.write(f"{number:0>150}\n")
    writer.close()
    opened.writers.clear()
    opened.close(descriptor)
    thread.join(PATIENCE)
    *lines, rest = b"".join(received).split(b"\n")
    assert {len(line) for line in lines} == {150}
    assert len(rest) < 150
    assert lines == sorted(lines)


def test_the_flag_of_the_shared_descriptor_is_left_alone(opened):
    _, descriptor = opened.pipe()
    one, other = socket.socketpair()
    master, slave = pty.openpty()
    opened.descriptors += [master, slave]
    with one, other:
        for each in (descriptor, one.fileno(), slave):
            opened.writer(each).write("x\n")
            assert not fcntl.fcntl(each, fcntl.F_GETFL) & os.O_NONBLOCK


def test_a_closed_pipe_is_not_a_reason_to_stop(opened):
    reader, descriptor = opened.pipe()
    writer = opened.writer(descriptor)
    opened.close(reader)
    for _ in range(3):
        writer.write(LINE)

    assert writer.dropped == 3


def test_a_pipe_whose_reader_was_gone_before_is_not_a_reason_to_stop(opened):
    reader, descriptor = opened.pipe()
    opened.close(reader)
    writer = opened.writer(descriptor)
    writer.write(LINE)

    assert writer.dropped == 1


def test_a_full_disk_is_not_a_reason_to_stop(opened):
    descriptor = os.open("/dev/full", os.O_WRONLY)
    opened.descriptors.append(descriptor)
    writer = opened.writer(descriptor)
    for _ in range(3):
        writer.write(LINE)

    assert writer.dropped == 3


def test_a_socket_that_nobody_reads_never_blocks(opened):
    one, other = socket.socketpair()
    with one, other:
        writer = opened.writer(one.fileno())
        taken = fill(writer)
        other.setblocking(False)
        got = b""
        while True:
            try:
                got += other.recv(1 << 20)
            except BlockingIOError:
                break
        writer.write("next\n")
        got += other.recv(1 << 20)
        assert got == (LINE * taken + "next\n").encode()


def test_a_closed_socket_is_not_a_reason_to_stop(opened):
    one, other = socket.socketpair()
    other.close()
    with one:
        writer = opened.writer(one.fileno())
        writer.write(LINE)
        assert writer.dropped == 1


def test_a_terminal_that_is_stopped_never_blocks(opened):
    master, slave = pty.openpty()
    opened.descriptors += [master, slave]
    tty.setraw(slave)
    writer = opened.writer(slave)
    taken = fill(writer)

    data = drain(master)
    writer.write("next\n")
    data += drain(master)
    assert data.startswith(LINE.encode() * (taken - 1))
    assert data.endswith(b"\nnext\n")


def test_the_descriptor_stays_open_when_the_writer_is_closed(opened):
    _, descriptor = opened.pipe()
    LineWriter(descriptor).close()
    one, other = socket.socketpair()
    with one, other:
        LineWriter(one.fileno()).close()
        one.sendall(b"x")
    os.write(descriptor, b"x")


# A pipe or terminal of another user, which can't be opened once more


@pytest.fixture
def of_another_user(monkeypatch):
    """Let nothing be opened, as /proc/self/fd lets nobody open a pipe of another user."""

    def refuse(path, *_):
        raise PermissionError(path)

    monkeypatch.setattr("maglev.runtime.logs.writer.os.open", refuse)


@pytest.mark.usefixtures("of_another_user")
def test_a_pipe_of_another_user_never_blocks_and_keeps_whole_lines(opened):
    reader, descriptor = opened.pipe()
    writer = opened.writer(descriptor)
    taken = fill(writer)
    assert taken * len(LINE) < 1 << 20
    assert not fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_NONBLOCK

    thread = threading.Thread(target=writer.close)
    thread.start()
    got = b""
    while len(got) < taken * len(LINE):
        got += os.read(reader, 1 << 20)
    thread.join(PATIENCE)
    opened.writers.clear()
    assert got == LINE.encode() * taken


@pytest.mark.usefixtures("of_another_user")
def test_lines_that_a_thread_could_not_write_are_counted_with_the_next(opened):
    reader, descriptor = opened.pipe()
    writer = opened.writer(descriptor)
    opened.close(reader)
    writer.write(LINE)
    deadline = time.monotonic() + PATIENCE
    while not writer._sink._lost and time.monotonic() < deadline:
        time.sleep(0.01)
    writer.write(LINE)

    assert writer.dropped >= 1


@pytest.mark.usefixtures("of_another_user")
def test_a_reader_that_is_stuck_does_not_keep_the_process_from_ending(opened, monkeypatch):
    monkeypatch.setattr("maglev.runtime.logs.writer.LAST_LINES", 0.01)
    _, descriptor = opened.pipe()
    writer = opened.writer(descriptor)
    fill(writer)
    writer.close()
    assert writer._sink._thread.daemon
    opened.writers.clear()
