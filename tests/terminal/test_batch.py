"""Commands and scripts without a person at a prompt."""

from __future__ import annotations

import pytest

from maglev.terminal.batch import ScriptLines
from maglev.terminal.limits import LINE_LENGTH
from tests.fakes.ssh import VERA, SshPeer


@pytest.fixture
def peer():
    return SshPeer()


def run(peer, command, **options):
    channel = peer.open(**options)
    channel.exec(command)
    peer.turn()
    return channel


def script(peer, text):
    channel = peer.open()
    channel.shell()
    channel.type(text)
    channel.send_eof()
    peer.turn(500)
    return channel


def test_a_command_writes_to_stdout_with_plain_newlines_and_ends_with_0(peer):
    channel = run(peer, b"show version")

    words = [line.split() for line in channel.out.splitlines()]
    version = [[b"version", b"1.2.3"], [b"commit", b"0123abc"], [b"build-date", b"2026-10-01"]]
    assert words == [*version, [b"host", b"lb1"]]
    assert channel.out.endswith(b"\n")
    assert b"\r" not in channel.out
    assert b"\x1b" not in channel.out
    assert (channel.err, channel.status, channel.eof, channel.closed) == (b"", 0, True, True)


@pytest.mark.parametrize(("command", "status"), [(b"set backend nope pause", 1), (b"nonsense", 2), (b"show", 2)])
def test_errors_go_to_stderr_and_tell_by_the_status(peer, command, status):
    channel = run(peer, command)

    assert channel.out == b""
    assert b"% " in channel.err
    assert channel.err.endswith(b"\n")
    assert b"\r" not in channel.err
    assert channel.status == status


def test_a_viewer_may_look_and_not_change():
    peer = SshPeer(VERA)

    assert run(peer, b"show version").status == 0
    refused = run(peer, b"set backend www1 pause")
    assert (refused.status, refused.err) == (1, b"% permission denied: your role is viewer\n")


def test_stdin_of_a_command_is_dropped_and_never_stops_the_client(peer):
    channel = peer.open()
    channel.exec(b"sync vpp lb state")
    for _ in range(10):
        channel.type(b"x" * 32768)
    assert channel.granted >= 9 * 32768 - 131072
    channel.send_eof()
    assert channel.status is None

    peer.world.slow.callback(None)
    peer.turn()
    assert channel.status == 0


def test_a_script_runs_in_order_without_prompt_or_echo(peer):
    channel = script(peer, "show version\n! comment\n# comment\n\n  \nset backend nope pause\nshow vpp info")

    assert [call[0] for call in peer.world.calls if call[0] not in {"backend", "names"}] == [
        "version",
        "pause_backend",
        "vpp_info",
    ]
    assert b"maglev#" not in channel.out
    assert b"\x1b" not in channel.out
    assert b"\r" not in channel.out
    assert (channel.status, channel.err) == (1, b"set backend nope pause\n            ^\n% unknown backend 'nope'\n")


def test_the_status_of_a_script_is_that_of_the_last_failure(peer):
    assert script(peer, "set backend nope pause\nnonsense\nshow version\n").status == 2
    assert script(peer, "nonsense\nset backend nope pause\n").status == 1
    assert script(peer, "show version\n").status == 0
    assert script(peer, "").status == 0


def test_eof_ends_a_script_after_pending_work(peer):
    channel = peer.open()
    channel.shell()
    channel.type("sync vpp lb state\nshow version\n")
    channel.send_eof()
    assert channel.status is None

    peer.world.slow.callback(None)
    peer.turn()
    assert ("version",) in peer.world.calls
    assert channel.status == 0


def test_exit_ends_a_script_early(peer):
    channel = script(peer, "exit\nshow version\n")

    assert channel.status == 0
    assert peer.world.calls == []


def test_crlf_scripts_are_scripts(peer):
    channel = script(peer, "show version\r\nshow vpp info\r\n")

    assert (channel.status, channel.err) == (0, b"")


def test_a_command_of_several_lines_is_a_script(peer):
    channel = run(peer, b"show version\nset backend nope pause\nshow vpp info")

    assert channel.status == 1
    assert ("vpp_info",) in peer.world.calls


def test_terminal_monitor_is_refused_without_a_prompt(peer):
    assert run(peer, b"terminal monitor").status == 1


def test_watch_writes_json_and_ends_with_its_client(peer):
    channel = run(peer, b"watch events")
    peer.world.flap()
    peer.turn()
    channel.send_eof()

    assert [line[:9] for line in channel.out.splitlines()] == [b'{"type": ', b'{"type": ']
    channel.close()
    assert peer.world.watches[0].closed
    assert peer.logins.sessions == 0


def test_a_command_on_a_terminal_has_carriage_returns_and_colours_and_stops_at_a_key(peer):
    channel = peer.open()
    channel.pty()
    channel.exec(b"watch events")
    peer.turn()
    assert b"\x1b[" in channel.out
    assert b"\r\n" in channel.out
    channel.type("q")

    assert channel.status == 0
    assert channel.err == b""


def test_control_c_on_a_terminal_ends_a_command_with_status_1(peer):
    channel = peer.open()
    channel.pty()
    channel.exec(b"sync vpp lb state\nshow version")
    peer.turn()
    channel.type("xyz")
    assert channel.status is None
    channel.type("\x03")

    assert channel.status == 1
    assert ("version",) not in peer.world.calls


def test_a_window_change_during_a_command_means_nothing(peer):
    channel = peer.open()
    channel.pty(0, 0)
    channel.exec(b"sync vpp lb state")
    channel.resize(0, 0)
    channel.resize(100, 50)
    peer.world.slow.callback(None)
    peer.turn()

    assert channel.status == 0


def test_a_bug_is_logged_and_the_script_goes_on(peer, logged_failures):
    peer.world.errors["version"] = ZeroDivisionError()
    channel = script(peer, "show version\nshow vpp info\n")

    assert channel.status == 1
    assert b"% Internal error" in channel.err
    assert ("vpp_info",) in peer.world.calls
    assert len(logged_failures.flush(ZeroDivisionError)) == 1


def test_a_line_that_never_ends_is_an_error_and_its_memory_is_bounded(peer):
    channel = peer.open()
    channel.shell()
    for _ in range(100):
        channel.type("x" * 32768)
    channel.type("\nshow version\n")
    channel.send_eof()
    peer.turn()

    assert channel.status == 2
    assert b"too long" in channel.err
    assert channel.out.startswith(b"version")


def test_a_script_waits_in_the_window_while_a_command_runs(peer):
    channel = peer.open()
    channel.shell()
    channel.type("sync vpp lb state\n")
    for _ in range(3):
        channel.type("! comment\n" * 3000)
    assert channel.granted < 65536 + 32768

    peer.world.slow.callback(None)
    channel.send_eof()
    peer.turn(100)
    assert channel.status == 0
    assert channel.granted >= 65536


def test_a_lost_connection_cancels_the_command(peer):
    channel = run(peer, b"watch events")
    peer.lose()

    assert peer.world.watches[0].closed
    assert channel.status is None
    assert peer.register.entries == []


def test_lines_are_cut_however_they_come():
    for size in (1, 2, 3, 100):
        lines = ScriptLines()
        text = b"one\r\ntwo\n\nthree"
        for start in range(0, len(text), size):
            lines.feed(text[start : start + size])
        lines.end()

        assert [lines.next() for _ in range(5)] == ["one", "two", "", "three", None]
        assert lines.finished
        assert len(lines) == 0


def test_a_long_line_is_one_line():
    lines = ScriptLines()
    for _ in range(10):
        lines.feed(b"x" * (2 * LINE_LENGTH + 1))
    lines.feed(b"\nnext\n")

    assert len(lines.next()) > LINE_LENGTH
    assert [lines.next(), lines.next()] == ["next", None]


def test_rubbish_in_a_script_is_shown_escaped(peer):
    channel = script(peer, "show \x1b[31mversion \xff\n".encode("latin-1").decode("latin-1"))

    assert channel.status == 2
    assert b"\x1b" not in channel.err
