"""Every ``show`` of the demonstration, on a terminal of 80 columns: no line is wider, and no word is broken."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tempfile
import time

import pytest

from tests.commands.test_width import lines_below
from tests.fakes.control import finish
from tests.fakes.demonstration import ROOT, demonstration
from tests.fakes.program import MAGLEVC

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux, to read what is on the screen"),
]

COLUMNS, ROWS = 80, 24
NAMES = {"frontend": ["demo"], "backend": ["www1", "www2", "www3"], "healthcheck": ["web"]}
PROMPT = "lb1#"
WORD = re.compile(r"[A-Za-z]{3,}")


class DemoNames:
    """Says which objects the demonstration has."""

    async def names(self, kind, prefix="", within="", limit=1000):
        return NAMES.get(kind, [])


LINES = [*finish(lines_below(DemoNames())), "show configuration | diff", "show log | include backend"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with tempfile.TemporaryDirectory(prefix="demo-") as folder:
        where = tmp_path_factory.mktemp("demo")
        address = f"unix:{folder}/pb.sock"
        arguments = ("--name", "lb1", "--state-dir", str(where / "state"), "--pb-addr", address)
        with demonstration(where, folder, *arguments):
            reason = "the disk is swapped, and there is more to say about that than fits into a line of 80 columns"
            piped(address, f'set backend www2 disable for 2h reason "{reason}"')
            piped(address, "set frontend demo pool primary backend www1 weight 70")
            yield address


@pytest.fixture(scope="module")
def screen(server, tmp_path_factory):
    made = TmuxConsole(tmp_path_factory.mktemp("tmux"), server)
    yield made
    made.call("kill-server")


def piped(server, line):
    """Return what a command writes where there is no terminal: whole lines, whole words."""
    command = [*MAGLEVC, "--server", server, line]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout


class TmuxConsole:
    """A prompt of maglevc in a terminal of tmux."""

    def __init__(self, folder, server):
        self._tmux = ["tmux", "-S", str(folder / "tmux"), "-f", "/dev/null"]
        shell = shlex.join([*MAGLEVC, "--server", server])
        self.call("new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS), shell)
        self.call("set-option", "-g", "history-limit", "5000")
        self.run("terminal length 0")

    def run(self, line):
        """Run a command on an empty screen; return the rows of the screen with all that has scrolled, and the lines."""
        self._wait(lambda rows: rows[-1:] == [PROMPT])
        self.call("send-keys", "C-l")
        self._wait(lambda rows: rows == [PROMPT], whole=False)
        self.call("clear-history")  # where the screen went
        self.call("send-keys", "-l", line)
        self.call("send-keys", "Enter")
        self._wait(lambda rows: len(rows) > 1 and rows[-1] == PROMPT)
        return self._shown(), self._shown("-J")

    def call(self, *arguments):
        done = subprocess.run([*self._tmux, *arguments], check=True, capture_output=True, text=True, cwd=ROOT)
        return [row.rstrip() for row in done.stdout.splitlines()]

    def _shown(self, *options, whole=True):
        rows = self.call("capture-pane", "-p", *(("-S", "-") if whole else ()), *options)
        return rows[: max((number for number, row in enumerate(rows, 1) if row), default=0)]

    def _wait(self, seen, *, whole=True):
        deadline = time.monotonic() + 60
        while not seen(self._shown(whole=whole)):
            assert time.monotonic() < deadline, "\n".join(self._shown())
            time.sleep(0.05)


@pytest.mark.parametrize("line", LINES)
def test_no_line_is_wider_than_the_screen_and_no_word_is_broken(screen, server, line):
    rows, lines = screen.run(line)
    assert rows[0] == f"{PROMPT} {line}"
    # The terminal joins what it had to wrap itself.
    assert rows == lines
    # The history is that of this session.
    words = set(WORD.findall("\n".join((*LINES, "terminal length")) if line == "show history" else piped(server, line)))
    broken = {}
    for row in rows[1:-1]:
        # What is clipped at the right edge may end in a word.
        found = WORD.findall(row[: COLUMNS - 3] if len(row) >= COLUMNS - 1 else row)
        if len(row) >= COLUMNS - 1 and found:
            found.pop()
        if unknown := set(found) - words:
            broken[row] = unknown
    assert broken == {}


def test_what_is_shown_of_the_tree_is_all_of_it():
    assert {"show configuration", "show peers", "show log", "show sessions", "show backends www1 explain"} <= set(LINES)
    assert len(LINES) > 25
