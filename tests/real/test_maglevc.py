"""maglevc as people and scripts run it: a process of its own, against a server in another."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fakes.pb_daemon import PbDaemon
from tests.fakes.program import MAGLEVC

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    with PbDaemon(tmp_path_factory.mktemp("pb")) as running:
        yield running


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    with PbDaemon(tmp_path_factory.mktemp("busy"), backends=20, rate=50) as running:
        yield running


def environ(daemon, **more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAGLEV_") and name != "NO_COLOR"}
    return {**kept, "MAGLEV_SERVER": daemon.address, "TERM": "xterm", **more}


def run(daemon, *arguments, script=None, **more):
    return subprocess.run(
        [*MAGLEVC, *arguments],
        input=script or "",
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        env=environ(daemon, **more),
        check=False,
    )


# One command


def test_a_command_writes_to_stdout_and_succeeds(daemon):
    done = run(daemon, "show", "frontends")

    assert done.returncode == 0
    assert done.stderr == ""
    assert "web" in done.stdout
    assert "\x1b" not in done.stdout


def test_words_can_be_shortened_and_output_filtered(daemon):
    assert run(daemon, "sh", "ba", "|", "include", "b3").stdout.split()[0] == "b3"
    assert run(daemon, "sh ba | count").stdout == "4\n"


def test_json_is_for_programs(daemon):
    backends = json.loads(run(daemon, "show backends | json").stdout)

    assert [backend["name"] for backend in backends] == ["b0", "b2", "b1", "b3"]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["show", "backends", "nope"], 1, "unknown backend 'nope'"),
        (["set", "backend", "nope", "pause"], 1, "unknown backend 'nope'"),
        (["show", "vpp", "info"], 1, "VPP is switched off"),
        (["show", "nonsense"], 2, "Unknown word"),
        (["show"], 2, "Incomplete"),
        (["--nonsense"], 2, "unrecognized arguments"),
        (["--color=maybe"], 2, "invalid choice"),
        (["--server", "unix:/nonexistent/pb.sock", "show", "version"], 1, "No such file or directory"),
        (["--server", "nonsense:", "show", "version"], 1, "expected unix:PATH or tls:HOST:PORT"),
        (["--server", "tls:localhost:1", "show", "version"], 1, "needs three files"),
    ],
)
def test_a_failure_is_told_on_stderr_and_by_the_exit_status(daemon, arguments, status, words):
    done = run(daemon, *arguments)

    assert done.returncode == status
    assert words in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_a_change_is_made(daemon):
    assert run(daemon, "set", "frontend", "web", "pool", "pool0", "backend", "b0", "weight", "42").returncode == 0

    pools = json.loads(run(daemon, "show frontends web | json").stdout)["pools"]
    assert pools[0]["backends"][0]["weight"] == 42


def test_a_viewer_is_refused_with_a_clear_message(tmp_path):
    with PbDaemon(tmp_path, uids=[4242]) as daemon:
        done = run(daemon, "set", "backend", "b0", "pause")
        looked = run(daemon, "show", "backends")

    assert done.returncode == 1
    assert "permission denied: pause-backend needs the role operator, your role is viewer" in done.stderr
    assert looked.returncode == 0


def test_the_version_and_the_help_need_no_daemon():
    class AbsentDaemon:
        address = "unix:/nonexistent/pb.sock"

    version = run(AbsentDaemon, "--version")
    assert (version.returncode, version.stdout.split()[0]) == (0, "maglevc")
    assert run(AbsentDaemon, "--help").returncode == 0


def test_colours_are_for_terminals_unless_asked_for(daemon):
    assert "\x1b[" not in run(daemon, "show", "frontends").stdout
    assert "\x1b[" in run(daemon, "--color=true", "show", "frontends").stdout
    assert "\x1b[" in run(daemon, "--color=true", "show", "frontends", NO_COLOR="1").stdout


def test_a_daemon_that_does_not_answer_is_an_error_and_no_traceback(tmp_path):
    import socket

    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "deaf.sock"))
        deaf.listen()
        process = subprocess.Popen(
            [*MAGLEVC, "--server", f"unix:{tmp_path}/deaf.sock", "show", "version"],
            stderr=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )
        deaf.accept()[0].close()
        errors = process.communicate(timeout=60)[1]

    assert process.returncode == 1
    assert "maglevd hung up" in errors


def processor_seconds(work):
    """Return the processor time that the children of this process used for some work."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_a_command_takes_little_more_than_the_import_of_what_it_needs(daemon):
    bare = [sys.executable, "-c", "import twisted.spread.pb, twisted.internet.reactor"]
    ours, theirs = [], []
    for _ in range(3):
        ours.append(processor_seconds(lambda: run(daemon, "show", "version")))
        theirs.append(processor_seconds(lambda: subprocess.run(bare, check=True)))

    # Processor time, and in the same minute: whatever else the machine does concerns both.
    assert min(ours) < 3 * min(theirs)


# Several servers


def test_several_servers_have_a_result_each_and_a_silent_one_can_not_be_confirmed(daemon, busy, tmp_path):
    with PbDaemon(tmp_path) as frozen:
        frozen.process.send_signal(signal.SIGSTOP)
        try:
            servers = f"{daemon.address},{frozen.address},unix:/nonexistent,{busy.address}"
            done = run(daemon, "--server", servers, "show", "backends", "|", "json")
        finally:
            frozen.process.send_signal(signal.SIGCONT)
    views = json.loads(done.stdout)

    assert done.returncode == 1
    assert [(each["server"], each["confirmed"]) for each in views] == [
        (daemon.address, True),
        (frozen.address, False),
        ("unix:/nonexistent", False),
        (busy.address, True),
    ]
    assert [len(each["result"]) for each in views if each["confirmed"]] == [4, 20]
    assert f"% {frozen.address}: cannot confirm: no answer within 5 seconds" in done.stderr
    assert "% unix:/nonexistent: cannot confirm: can't connect" in done.stderr


@pytest.mark.parametrize("script", ["", "show version\n"])
def test_several_servers_have_neither_prompt_nor_script(daemon, busy, script):
    done = run(daemon, "--server", f"{daemon.address},{busy.address}", script=script)

    assert done.returncode == 2
    assert done.stderr == "% with several servers, give one command as arguments: no prompt is shown, no script read\n"


def test_an_order_to_several_servers_is_done_by_each(daemon, busy):
    done = run(daemon, "--server", f"{daemon.address},{busy.address}", "set", "backend", "b2", "disable")
    done_again = run(daemon, "--server", f"{daemon.address},{busy.address}", "set", "backend", "b2", "enable")

    assert (done.returncode, done_again.returncode) == (0, 0)
    assert done.stdout.count("b2") == 2
    assert f"{busy.address}:\n" in done.stdout


# A script


def test_a_script_runs_line_by_line_and_tells_its_last_failure(daemon):
    script = "show backends b0 | json\n\n! a comment\n# another\nshow backends nope\r\nshow nonsense\nshow version"
    done = run(daemon, script=script)

    assert done.returncode == 2
    assert '"b0"' in done.stdout
    assert done.stdout.index('"b0"') < done.stdout.index("version")
    assert done.stderr.index("nope") < done.stderr.index("nonsense")


def test_a_script_that_succeeds_is_a_success_and_quit_ends_it(daemon):
    done = run(daemon, script="show version\nquit\nshow nonsense\n")

    assert done.returncode == 0
    assert done.stderr == ""


def test_lines_of_a_script_run_as_they_come(daemon):
    process = subprocess.Popen(MAGLEVC, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env=environ(daemon))
    process.stdin.write(b"show backends | count\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"4\n"
    process.stdin.write(b"show frontends | count\n")
    process.stdin.close()
    assert process.stdout.read() == b"1\n"
    assert process.wait(60) == 0
    process.stdout.close()


# Events


def test_events_are_one_json_object_a_line(busy):
    done = run(busy, "watch", "events", "num", "60")
    events = [json.loads(line) for line in done.stdout.splitlines()]

    assert done.returncode == 0
    assert len(events) == 60
    assert [event["type"] for event in events[:21]] == ["snapshot"] * 21
    seqs = [event["seq"] for event in events[21:] if "seq" in event]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))


def watching(daemon, *arguments, **streams):
    return subprocess.Popen([*MAGLEVC, "watch", "events", *arguments], cwd=ROOT, env=environ(daemon), **streams)


def test_events_arrive_one_by_one_through_a_pipe(daemon):
    process = watching(daemon, stdout=subprocess.PIPE)
    try:
        for _ in range(5):
            assert json.loads(process.stdout.readline())["type"] == "snapshot"
        run(daemon, "set", "backend", "b1", "disable")
        event = json.loads(process.stdout.readline())
        assert (event["backend"], event["to"]) == ("b1", "disabled")
        run(daemon, "set", "backend", "b1", "enable")
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        process.stdout.close()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_without_a_word(daemon, number, status):
    process = watching(daemon, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == status
    assert errors == b""


def test_a_pipe_that_nobody_reads_any_more_ends_it_quietly(busy):
    process = watching(busy, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()

    assert process.wait(60) == 128 + signal.SIGPIPE
    assert errors == b""


def test_a_pipe_that_is_not_read_for_a_while_loses_events_only_with_a_gap(tmp_path):
    with PbDaemon(tmp_path, backends=50, rate=2000) as flood:
        process = watching(flood, stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(3)
        seq, missed, counted = None, 0, 0
        deadline = time.monotonic() + 60
        while missed == 0 or counted < 500:
            assert time.monotonic() < deadline
            event = json.loads(process.stdout.readline())
            counted += 1
            if event["type"] == "gap":
                missed += event["missed"]
                seq += event["missed"]
            elif event["type"] != "snapshot":
                assert seq is None or event["seq"] == seq + 1
                seq = event["seq"]
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        process.stdout.close()


def test_the_end_of_the_daemon_ends_it_with_an_error(tmp_path):
    with PbDaemon(tmp_path) as daemon:
        process = watching(daemon, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.readline()
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 1
    assert b"lost the connection to maglevd" in errors


# A person at a prompt


@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux, to read what is on the screen")
class TestShell:
    """maglevc on a terminal."""

    @pytest.fixture
    def terminal(self, tmp_path):
        with contextlib.ExitStack() as stack:
            yield lambda daemon, *arguments, **more: stack.enter_context(Terminal(tmp_path, daemon, *arguments, **more))

    def test_a_person_completes_asks_and_runs(self, daemon, terminal):
        screen = terminal(daemon)
        screen.expect("maglev#")
        screen.type("show ba\t")
        screen.expect("maglev# show backends")
        screen.type("?")
        screen.expect("<cr>    Run the command")
        screen.expect("b0  b2  b1  b3")
        screen.expect("maglev# show backends", times=2)
        screen.type("b0 | count\r")
        screen.expect("\nmaglev#\n")
        screen.type("exit\r")
        screen.expect("EXIT 0")

    def test_a_typo_has_its_caret_below_it(self, daemon, terminal):
        screen = terminal(daemon)
        screen.expect("maglev#")
        screen.type("show xx\r")
        screen.expect('maglev# show xx\n             ^\n% Unknown word "xx"\nmaglev#')
        screen.key("C-d")
        screen.expect("EXIT 0")

    def test_any_key_stops_watching_and_is_not_typed(self, busy, terminal):
        screen = terminal(busy)
        screen.expect("maglev#")
        screen.type("watch events\r")
        screen.expect(" -> ")
        screen.type("x")
        screen.expect("\nmaglev#\n")
        screen.type("show version\r")
        screen.expect("build-date")
        screen.expect("maglev# show version")

    def test_long_output_stops_for_a_person(self, busy, terminal):
        screen = terminal(busy)
        screen.expect("maglev#")
        screen.type("terminal length 5\r")
        screen.expect("maglev#", times=2)
        screen.type("show backends\r")
        screen.expect("--More--")
        assert screen.shown().count("10.0.0.") == 3
        screen.type(" ")
        screen.wait(lambda shown: shown.count("10.0.0.") == 7)
        screen.type("\r")
        screen.wait(lambda shown: shown.count("10.0.0.") == 8)
        screen.type("q")
        screen.expect("\nmaglev#\n")
        assert "--More--" not in screen.shown()

    def test_ctrl_c_gives_up_a_line_and_not_the_session(self, daemon, terminal):
        screen = terminal(daemon)
        screen.expect("maglev#")
        screen.type("show nonsense")
        screen.key("C-c")
        screen.expect("maglev#", times=2)
        screen.type("show version\r")
        screen.expect("build-date")
        assert "Unknown" not in screen.shown()

    def test_events_appear_above_the_line_being_typed(self, daemon, terminal):
        screen = terminal(daemon)
        screen.expect("maglev#")
        screen.type("terminal monitor\r")
        screen.expect("maglev#", times=2)
        screen.type("show fron")
        screen.expect("maglev# show fron")
        run(daemon, "set", "backend", "b2", "disable")
        screen.wait(lambda shown: "-> disabled" in shown and shown.rstrip().endswith("maglev# show fron"))
        run(daemon, "set", "backend", "b2", "enable")
        screen.type("tends | count\r")
        screen.expect("maglev# show frontends | count\n1\n")

    def test_history_comes_back_with_the_arrow_and_is_shown(self, daemon, terminal):
        screen = terminal(daemon)
        screen.expect("maglev#")
        screen.type("show frontends | count\r")
        screen.expect("\n1\n")
        screen.key("Up")
        screen.expect("maglev# show frontends | count", times=2)
        screen.type("\r")
        screen.expect("\n1\n", times=2)
        screen.type("show history\r")
        screen.expect("show frontends | count", times=3)

    def test_the_end_of_the_daemon_ends_a_session(self, tmp_path, terminal):
        with PbDaemon(tmp_path) as daemon:
            screen = terminal(daemon)
            screen.expect("maglev#")
            daemon.stop()
            screen.expect("% lost the connection to maglevd")
            screen.expect("EXIT 1")

    def test_a_viewer_sees_it_at_the_prompt(self, tmp_path, terminal):
        with PbDaemon(tmp_path, uids=[4242]) as daemon:
            terminal(daemon).expect("maglev>")

    def test_a_terminal_has_colours_unless_it_should_not(self, daemon, terminal):
        for more, coloured in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
            screen = terminal(daemon, "show", "frontends", **more)
            screen.expect("EXIT 0")
            assert ("\x1b[" in screen.shown("-e")) is coloured
            screen.close()


_NUMBERS = itertools.count()


class Terminal:
    """maglevc in a terminal of tmux; a context manager."""

    def __init__(self, folder, daemon, *arguments, **more):
        self._tmux = ["tmux", "-S", str(folder / f"tmux{next(_NUMBERS)}.sock"), "-f", "/dev/null"]
        command = shlex.join([*MAGLEVC, *arguments]) + "; echo EXIT $?; exec sleep 60"
        kept = {"PATH", "HOME", "LANG", "PYTHONPATH", "TERM", "MAGLEV_SERVER", *more}
        settings = [f"{name}={value}" for name, value in environ(daemon, **more).items() if name in kept]
        self._call("new-session", "-d", "-x", "100", "-y", "30", "env", "-i", *settings, "sh", "-c", command)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        subprocess.run([*self._tmux, "kill-server"], check=False, capture_output=True)

    def type(self, text):
        """Type keys, one by one as they are."""
        self._call("send-keys", "-l", text)

    def key(self, name):
        """Press one key, by its name in tmux."""
        self._call("send-keys", name)

    def shown(self, *options):
        return self._call("capture-pane", "-p", *options) + "\n"

    def expect(self, text, times=1):
        self.wait(lambda shown: shown.count(text) >= times, f"{text!r} {times} times")

    def wait(self, seen, what="it", seconds=60):
        deadline = time.monotonic() + seconds
        while not seen(self.shown()):
            assert time.monotonic() < deadline, f"no {what} in:\n{self.shown()}"
            time.sleep(0.05)

    def _call(self, *arguments):
        done = subprocess.run([*self._tmux, *arguments], check=True, capture_output=True, text=True, cwd=ROOT)
        return "\n".join(line.rstrip() for line in done.stdout.splitlines())
