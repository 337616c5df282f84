"""maglevc on a pty: every byte that it writes, and the modes of the terminal before and after."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest

from tests.fakes.pb_daemon import PbDaemon
from tests.fakes.program import MAGLEVC
from tests.fakes.screen import ScreenDouble

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    with PbDaemon(tmp_path_factory.mktemp("pb"), backends=20, rate=20) as running:
        yield running


@pytest.fixture
def start(daemon):
    with contextlib.ExitStack() as stack:
        yield lambda term="xterm": stack.enter_context(contextlib.closing(OnPty(daemon, term)))


def default_signals():
    """Undo what nohup, or a shell in the background, ignores: maglevc respects that, and the tests would see it."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


class OnPty:
    """An interactive maglevc on a pty of 100 columns and 10 rows."""

    def __init__(self, daemon, term):
        self.ours, self._theirs = os.openpty()
        self.resize(100, 10, told=False)
        self.before = self.modes()
        self.output = b""
        self.process = subprocess.Popen(
            MAGLEVC,
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            cwd=ROOT,
            env={**os.environ, "MAGLEV_SERVER": daemon.address, "TERM": term},
            start_new_session=True,
            preexec_fn=default_signals,  # noqa: PLW1509
        )
        self.expect(b"maglev# ")

    def modes(self):
        return termios.tcgetattr(self._theirs)

    def resize(self, columns, rows, *, told=True):
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))
        if told:
            self.process.send_signal(signal.SIGWINCH)

    def type(self, text):
        """Type, and forget what was written before."""
        self.output = b""
        os.write(self.ours, text)

    def expect(self, text):
        deadline = time.monotonic() + 60
        while text not in self.output:
            assert time.monotonic() < deadline, f"no {text!r} in {self.output!r}"
            if select.select([self.ours], [], [], 0.1)[0]:
                self.output += os.read(self.ours, 65536)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(60)
        os.close(self.ours)
        os.close(self._theirs)


def test_a_text_is_searched_for_in_long_output(start):
    maglevc = start()
    maglevc.type(b"show backends\r")
    maglevc.expect(b"--More--")
    assert b"\nb0 " in maglevc.output
    maglevc.type(b"/b17 ")
    maglevc.expect(b"/b17 ")
    maglevc.type(b"\r")
    maglevc.expect(b"maglev# ")

    shown = re.findall(rb"^b\d+(?= )", re.sub(rb"\x1b\[[0-9;]*[mK]|\r", b"", maglevc.output), re.MULTILINE)
    assert b"b17" in shown
    assert b"b3" not in shown


def test_a_line_typed_before_is_found_again(start):
    maglevc = start()
    maglevc.type(b"show frontends | count\r")
    maglevc.expect(b"\r\n1\r\nmaglev# ")
    maglevc.type(b"\x12front")
    screen = ScreenDouble(100)
    screen.feed(b"maglev# ")
    maglevc.expect(b"show frontends | count")
    screen.feed(maglevc.output)
    assert screen.last == "(search)'front': show frontends | count"


def test_what_is_typed_while_a_command_runs_is_obeyed_afterwards(start):
    maglevc = start()
    maglevc.type(b"show backends | count\rshow frontends | count\rshow ver\t")
    maglevc.expect(b"maglev# show version")

    assert b"20\r" in maglevc.output


def test_a_dumb_terminal_gets_no_escape_sequences(start):
    maglevc = start("dumb")
    first = maglevc.output
    maglevc.type(b"show frontends | cound\x08t\x01\x05\x0c\r")
    maglevc.expect(b"\n1\r")
    second = maglevc.output
    maglevc.type(b"show backends\r")
    maglevc.expect(b"--More--")
    third = maglevc.output
    maglevc.type(b"qexit\r")
    assert maglevc.process.wait(60) == 0

    assert b"\x1b" not in first + second + third
    assert maglevc.modes() == maglevc.before


def test_a_line_is_drawn_for_the_new_size(start):
    maglevc = start()
    maglevc.type(b"show backends b0 | include something-that-is-long")
    maglevc.expect(b"-is-long")
    maglevc.output = b""
    maglevc.resize(40, 10)
    maglevc.expect(b"maglev# <")
    maglevc.output = b""
    maglevc.resize(100, 10)
    maglevc.expect(b"maglev# show backends b0 | include something-that-is-long")


def test_an_interrupt_from_elsewhere_gives_the_line_up(start):
    maglevc = start()
    maglevc.type(b"nonsense")
    maglevc.expect(b"nonsense")
    maglevc.process.send_signal(signal.SIGINT)
    maglevc.expect(b"^C\r\n")
    maglevc.type(b"\x04")

    assert maglevc.process.wait(60) == 0


def test_after_a_stop_the_modes_are_set_and_the_line_is_drawn_again(start):
    maglevc = start()
    raw = maglevc.modes()
    maglevc.process.send_signal(signal.SIGSTOP)
    termios.tcsetattr(maglevc._theirs, termios.TCSANOW, maglevc.before)
    maglevc.output = b""
    maglevc.process.send_signal(signal.SIGCONT)
    maglevc.expect(b"\x1b[?2004h")
    maglevc.expect(b"maglev# ")

    assert raw != maglevc.before
    assert maglevc.modes() == raw


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
@pytest.mark.parametrize("command", [b"show ver", b"watch events\r", b"show backends\r"])
def test_a_signal_ends_it_and_gives_the_terminal_its_modes_back(start, number, command):
    maglevc = start()
    assert maglevc.modes() != maglevc.before
    maglevc.type(command)
    maglevc.expect(b"ver" if b"ver" in command else b"b0")
    maglevc.process.send_signal(number)
    maglevc.expect(b"\x1b[?2004l")

    assert maglevc.process.wait(60) == 128 + number
    assert maglevc.modes() == maglevc.before


def test_the_streams_stay_blocking(start):
    maglevc = start()
    maglevc.type(b"show ver\t")
    maglevc.expect(b"version")

    assert os.get_blocking(maglevc._theirs)
