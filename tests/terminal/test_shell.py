"""The interactive shell, read on the screen of a terminal in memory."""

from __future__ import annotations

import pytest
from twisted.conch.ssh.common import NS
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from maglev.model.errors import VppNotConnectedError
from maglev.ssh.limits import Limits
from maglev.terminal.limits import HISTORY, INPUT_SLICE, LINE_LENGTH, TYPED_AHEAD
from tests.fakes.ssh import ADA, VERA, SshPeer

UP, LEFT = "\x1b[A", "\x1b[D"


@pytest.fixture
def peer():
    return SshPeer()


def last_line(channel):
    return channel.screen.last


def test_a_terminal_greets_and_shows_the_prompt_once(peer):
    channel = peer.terminal()

    assert channel.screen.text == "maglevd 0.1 on lb1\nYou are ada (operator). Type ? for help.\nmaglev#"
    assert channel.out.count(b"maglev# ") == 1


def test_a_viewer_has_another_prompt():
    channel = SshPeer(VERA).terminal()

    assert last_line(channel) == "maglev>"


def test_the_screen_is_never_reset(peer):
    # ScreenDouble knows no other sequence than those the console may use; this one wipes what was there before.
    channel = peer.terminal()
    channel.type("\x0c" + "show version\r" + "exit\r")

    assert b"\x1bc" not in channel.out


def test_a_line_runs_and_the_prompt_comes_back(peer):
    channel = peer.terminal()
    channel.type("show version\r")

    assert channel.screen.text.endswith(
        "maglev# show version\nversion     1.2.3\ncommit      0123abc\nbuild-date  2026-10-01\nhost        lb1\nmaglev#"
    )


def test_leaving_is_exit_status_0(peer):
    for leave in ("exit\r", "quit\r", "\x04"):
        channel = peer.terminal()
        channel.type(leave)

        assert (channel.status, channel.eof, channel.closed) == (0, True, True)
        assert channel.screen.paste is False


def test_leaving_after_an_error_is_exit_status_0_too(peer):
    channel = peer.terminal()
    channel.type("nonsense\rexit\r")

    assert channel.status == 0


def test_what_is_pasted_after_exit_means_nothing(peer):
    channel = peer.terminal()
    channel.type("exit\rshow version\rexit\r\x04" + LEFT + "\t?")
    channel.type("show version\r")

    assert channel.status == 0
    assert ("version",) not in peer.world.calls


def test_a_closed_channel_leaves_nothing_behind(peer):
    channel = peer.terminal()
    channel.type("terminal monitor\rsync vpp lb state\rshow ver")
    assert peer.logins.sessions == 1
    channel.close()
    peer.lose()

    assert peer.logins.sessions == 0
    assert peer.register.entries == []
    assert peer.world.watches[0].closed
    assert [call for call in peer.clock.getDelayedCalls() if call.getTime() > peer.clock.seconds()] == []


def test_eof_ends_the_session_after_what_was_typed(peer):
    channel = peer.terminal()
    channel.type("show ver\rshow vpp info\r")
    channel.send_eof()

    assert ("vpp_info",) in peer.world.calls
    assert channel.status == 0


def test_eof_while_a_command_runs_waits_for_it(peer):
    channel = peer.terminal()
    channel.type("sync vpp lb state\r")
    channel.send_eof()
    assert channel.status is None

    peer.world.slow.callback(None)
    peer.turn()
    assert channel.status == 0


def test_eof_in_front_of_more_ends_the_session(peer):
    peer.world.grow(100)
    channel = peer.terminal()
    channel.type("show backends\r")
    channel.send_eof()

    assert channel.status == 0


def test_eof_ends_a_watch_before_and_after_it_began(peer):
    channel = peer.terminal()
    channel.type("watch events\r")
    channel.send_eof()
    assert channel.status == 0
    assert peer.world.watches[0].closed

    other = peer.terminal()
    control, ready = peer.world.controls[1], Deferred()
    begin = control.watch

    async def begin_later(**options):
        await ready
        return await begin(**options)

    control.watch = begin_later
    other.type("watch events\r")
    other.send_eof()
    assert other.status is None
    ready.callback(None)
    peer.turn()
    assert other.status == 0


def test_eof_and_an_interrupt_end_the_session(peer):
    channel = peer.terminal()
    channel.type("sync vpp lb state\r")
    channel.send_eof()
    channel.request(b"signal", NS(b"INT"))

    assert channel.status == 0


def test_a_bug_in_completion_is_logged_and_the_line_stays(peer, logged_failures):
    channel = peer.terminal()

    async def break_down(*_):
        raise ZeroDivisionError

    peer.world.controls[0].names = break_down
    channel.type("show backends w\t")
    peer.turn()

    assert last_line(channel) == "maglev# show backends w"
    assert len(logged_failures.flush(ZeroDivisionError)) == 1


# Keys


def test_crlf_is_one_key_and_lf_is_return(peer):
    channel = peer.terminal()
    channel.type("show version\r\nshow version\r\n")

    assert channel.screen.text.count("maglev#") == 3
    channel.type("show version\n")
    assert peer.world.calls.count(("version",)) == 3


def test_alt_moves_by_words_and_types_nothing(peer):
    channel = peer.terminal()
    channel.type("show version\x1bbX")

    assert last_line(channel) == "maglev# show Xversion"


def test_utf8_is_taken_whole_however_it_is_cut_and_rubbish_is_dropped_quietly(peer):
    channel = peer.terminal()
    with capturedLogs() as logged:
        for byte in "ä日é".encode():
            channel.type(bytes((byte,)))
        channel.type(b"\xff\xfe\xc3(\x9b31m\x00\xc2\x9b")
        channel.type(LEFT * 5 + "|")

    assert last_line(channel) == "maglev# ä日|é(31m"
    assert logged == []


def test_the_line_is_seen_where_it_is_edited_however_long_it_is(peer):
    channel = peer.terminal(columns=40)
    channel.type("x" * 100)
    channel.type("\x7f" * 60)
    assert last_line(channel).count("x") <= 40

    channel.type("\x7f" * 30 + "\x01")
    assert last_line(channel) == "maglev# " + "x" * 10
    channel.type("\x05" + "y" * 25)
    assert last_line(channel) == "maglev# <" + ("x" * 10 + "y" * 25)[-len(last_line(channel)) + 9 :]
    channel.type("\x0b\x01")
    assert last_line(channel) == "maglev# " + ("x" * 10 + "y" * 25)[:30] + ">"


def test_no_line_is_longer_than_the_limit(peer):
    channel = peer.terminal()
    channel.type("x" * (LINE_LENGTH + 5000))
    peer.turn(50)
    channel.type("\r")

    assert channel.screen.bells >= 1
    assert "too long" not in channel.screen.text
    assert "x" * 40 in channel.screen.text


def test_history_is_bounded_and_shown(peer):
    channel = peer.terminal()
    for number in range(HISTORY + 50):
        channel.type(f"bad{number}\r")
    channel.type("show history | count\r")

    assert channel.screen.rows[-2].strip() == str(HISTORY)


def test_two_terminals_do_not_share_their_sizes(peer):
    narrow, wide = peer.terminal(columns=30), peer.terminal(columns=100)
    for channel in (narrow, wide):
        channel.type("y" * 60)

    assert len(last_line(narrow)) < 30
    assert last_line(wide) == "maglev# " + "y" * 60


def test_control_c_gives_the_line_up(peer):
    channel = peer.terminal()
    channel.type("show ver\x03")

    assert channel.screen.text.endswith("maglev# show ver^C\nmaglev#")
    channel.type("exit\r")
    assert channel.status == 0


def test_control_l_clears_the_screen_and_keeps_the_line(peer):
    channel = peer.terminal()
    channel.type("show ver\x0c")

    assert channel.screen.text == "maglev# show ver"


def test_a_line_can_be_found_again(peer):
    channel = peer.terminal()
    channel.type("show version\rshow vpp info\r\x12vers")

    assert last_line(channel) == "(search)'vers': show version"
    channel.type("\r")
    assert peer.world.calls.count(("version",)) == 2


# TAB and ?


def test_tab_completes_what_is_common_and_lists_what_is_not(peer):
    channel = peer.terminal()
    channel.type("show backends w\t")
    assert last_line(channel) == "maglev# show backends www"

    channel.type("\t")
    assert channel.screen.rows[-2:] == ["www1  www2", "maglev# show backends www"]


def test_tab_with_nothing_to_say_rings_the_bell(peer):
    channel = peer.terminal()
    channel.type("show nothing\t")

    assert channel.screen.bells == 1
    assert last_line(channel) == "maglev# show nothing"


@pytest.mark.parametrize("columns", [0, 1, 5, 20])
def test_choices_are_listed_on_a_terminal_of_any_width(columns):
    peer = SshPeer()
    channel = peer.terminal(columns=columns)
    channel.type("show backends \t\x15show ?\x15exit\r")

    assert channel.status == 0


def test_help_leaves_the_line_as_it_was(peer):
    channel = peer.terminal()
    channel.type("show vpp ?")

    text = channel.screen.text
    assert "maglev# show vpp ?\n  info" in text
    assert last_line(channel) == "maglev# show vpp"
    channel.type("info\r")
    assert ("vpp_info",) in peer.world.calls


def test_a_literal_question_mark_can_be_typed_and_pasted(peer):
    channel = peer.terminal()
    channel.type("a\x16?b")
    assert last_line(channel) == "maglev# a?b"
    channel.type("\x1b[200~c?\td\x1b[201~")
    assert last_line(channel) == "maglev# a?bc? d"


def test_pasted_lines_run_one_after_the_other(peer):
    channel = peer.terminal()
    channel.type("\x1b[200~show version\r\nshow vpp info\r\nshow fr\x1b[201~")

    assert [call[0] for call in peer.world.calls] == ["version", "vpp_info"]
    assert last_line(channel) == "maglev# show fr"


# Errors


def test_a_mistake_is_marked_below_its_word(peer):
    channel = peer.terminal()
    channel.type("show frontedns\r")

    rows = channel.screen.rows
    assert rows[-4:-1] == [
        "maglev# show frontedns",
        " " * 13 + "^",
        '% Unknown word "frontedns"; did you mean "frontends"?',
    ]


def test_a_bug_in_a_command_is_logged_and_harms_only_it(peer, logged_failures):
    peer.world.errors["version"] = ZeroDivisionError()
    channel = peer.terminal()
    channel.type("show version\rshow vpp info\r")

    assert "% Internal error" in channel.screen.text
    assert ("vpp_info",) in peer.world.calls
    assert len(logged_failures.flush(ZeroDivisionError)) == 1


# Commands that take time


def test_control_c_cancels_a_command_and_drops_what_was_typed_ahead(peer):
    channel = peer.terminal()
    channel.type("sync vpp lb state\r")
    channel.type("show version\r")
    channel.type("\x03")

    assert channel.screen.text.endswith("maglev# sync vpp lb state\n^C\nmaglev#")
    assert ("version",) not in peer.world.calls


def test_a_signal_is_as_good_as_control_c(peer):
    channel = peer.terminal()
    channel.type("sync vpp lb state\r")
    channel.request(b"signal", b"\0\0\0\3INT")

    assert channel.screen.text.endswith("^C\nmaglev#")


def test_what_is_typed_ahead_waits_and_is_obeyed(peer):
    channel = peer.terminal()
    channel.type("sync vpp lb state\r")
    channel.type("show version\rshow fr")
    assert ("version",) not in peer.world.calls

    peer.world.slow.callback(None)
    peer.turn()
    assert ("version",) in peer.world.calls
    assert last_line(channel) == "maglev# show fr"


def test_what_is_typed_ahead_waits_for_each_command(peer):
    channel = peer.terminal()
    channel.type("sync vpp lb state\r")
    channel.type("sync vpp lb state\rshow version\r")
    peer.world.slow.callback(None)
    peer.turn()
    assert peer.world.calls.count(("sync_vpp", None)) == 2
    assert ("version",) not in peer.world.calls

    peer.world.slow.callback(None)
    peer.turn()
    assert ("version",) in peer.world.calls


def test_much_that_is_typed_ahead_is_obeyed_in_turns_and_in_order(peer):
    channel = peer.terminal()
    channel.type("sync vpp lb state\r")
    channel.type("x\x7f" * INPUT_SLICE + "show ver")
    scheduled = []
    peer.console.work.soon = scheduled.append
    peer.world.slow.callback(None)
    while last_line(channel) != "maglev#":
        scheduled.pop(0)()
    assert scheduled

    # A key that comes between two turns.
    channel._send(94, NS("s"))
    assert last_line(channel) == "maglev#"
    while scheduled:
        scheduled.pop(0)()
    assert last_line(channel) == "maglev# show vers"


def test_what_is_typed_ahead_is_bounded(peer):
    channel = peer.terminal()
    channel.type("sync vpp lb state\r")
    sent = 0
    # Equal keys take 10 bytes each.
    while sent < 2 * TYPED_AHEAD // 10:
        channel.type("y" * INPUT_SLICE)
        sent += INPUT_SLICE

    assert channel.screen.bells > 0
    channel.type("\x03exit\r")
    assert channel.status == 0


def test_a_long_paste_leaves_others_their_turns(peer):
    channel = peer.terminal()
    channel.raw(94, b"\0\0\x10\0" + b"x" * 4096)
    taken = len(peer.clock.getDelayedCalls())

    assert taken >= 1
    peer.turn()
    channel.type("\x15exit\r")
    assert channel.status == 0


def test_a_paste_of_thousands_of_bad_lines_is_done_line_by_line(peer):
    channel = peer.terminal()
    channel.type("x\r" * 2000)
    peer.turn(5000)
    channel.type("exit\r")
    peer.turn()

    assert channel.status == 0


def test_watch_stops_at_any_key_which_is_not_typed(peer):
    channel = peer.terminal()
    channel.type("watch events\r")
    peer.world.flap()
    peer.turn()
    assert "www1 198.51.100.11 up -> down" in channel.screen.text
    assert not peer.world.watches[0].closed

    channel.type(" ")
    assert peer.world.watches[0].closed
    assert last_line(channel) == "maglev#"


def test_watch_goes_on_past_a_full_page_and_other_commands_stop_there_again(peer):
    peer.world.grow(100)
    channel = peer.terminal()
    channel.type("watch events\r")
    for _ in range(40):
        peer.world.flap()
        peer.turn()
    assert "--More--" not in channel.screen.text
    assert channel.screen.text.count("www1 198.51.100.11") == 40
    channel.resize(80, 10)
    peer.world.flap()
    peer.turn()
    assert "--More--" not in channel.screen.text

    channel.type("x")
    assert last_line(channel) == "maglev#"
    channel.type("show backends\r")
    peer.turn()
    assert "--More--" in channel.screen.text


# terminal monitor


def test_events_appear_above_the_line_being_typed(peer):
    channel = peer.terminal()
    channel.type("terminal monitor\rshow back")
    peer.world.flap()
    peer.turn()

    assert channel.screen.rows[-1] == "maglev# show back"
    assert "www1 198.51.100.11 up -> down" in channel.screen.rows[-2] + channel.screen.rows[-3]
    assert "snapshot" not in channel.screen.text
    channel.type("ends www1\r")
    assert ("backend", "www1") in peer.world.calls


def test_the_monitor_can_be_switched_off(peer):
    channel = peer.terminal()
    channel.type("terminal monitor\rterminal monitor\rterminal no monitor\r")
    peer.world.flap()
    peer.turn()

    assert len(peer.world.watches) == 1
    assert peer.world.watches[0].closed
    assert "down" not in channel.screen.text
    channel.type("terminal monitor\r")
    assert len(peer.world.watches) == 2


def test_events_wait_while_more_is_shown(peer):
    peer.world.grow(100)
    channel = peer.terminal(columns=200)
    channel.type("terminal monitor\rshow backends\r")
    assert last_line(channel) == "--More--"
    peer.world.flap()
    peer.turn()
    assert last_line(channel) == "--More--"

    channel.type("q")
    assert "up -> down" in channel.screen.text
    assert last_line(channel) == "maglev#"


def test_a_monitor_that_fails_says_so(peer):
    peer.world.errors["watch"] = VppNotConnectedError("no connection to VPP")

    async def refuse(**_):
        raise VppNotConnectedError("no events now")

    channel = peer.terminal()
    peer.world.controls[0].watch = refuse
    channel.type("terminal monitor\r")

    assert "% No more events: no events now" in channel.screen.text
    assert last_line(channel) == "maglev#"


# --More--


def test_long_output_stops_at_the_height_of_the_window(peer):
    peer.world.grow(100)
    channel = peer.terminal(columns=200, rows=10)
    channel.type("show backends\r")
    assert last_line(channel) == "--More--"
    before = len(channel.screen.rows)

    channel.type(" ")
    assert len(channel.screen.rows) == before + 9
    channel.type("\r")
    assert len(channel.screen.rows) == before + 10
    channel.type("a")
    assert last_line(channel) == "maglev#"
    assert "node99" in channel.screen.text


def test_q_ends_the_command_too(peer):
    peer.world.grow(1000)
    channel = peer.terminal(columns=200)
    channel.type("show backends\r")
    channel.type("q")

    assert last_line(channel) == "maglev#"
    asked = len(peer.world.calls)
    peer.turn()
    assert len(peer.world.calls) == asked < 5


def test_what_is_typed_ahead_is_for_the_prompt_and_not_for_more(peer):
    peer.world.grow(100)
    channel = peer.terminal(columns=200)
    channel.type("show backends\rquit")
    assert last_line(channel) == "--More--"

    channel.type("a")
    assert last_line(channel) == "maglev# quit"


def test_output_that_just_fits_does_not_stop(peer):
    channel = peer.terminal(rows=5)
    channel.type("show version\r")

    assert last_line(channel) == "maglev#"


def test_the_length_of_a_page_can_be_set(peer):
    peer.world.grow(100)
    channel = peer.terminal(columns=200)
    channel.type("terminal length 0\rshow backends\r")
    assert last_line(channel) == "maglev#"

    channel.type("terminal length 5\rshow backends\r")
    assert last_line(channel) == "--More--"


def test_a_resize_in_front_of_more_is_survived(peer):
    peer.world.grow(100)
    channel = peer.terminal(columns=200)
    channel.type("show backends\r")
    channel.resize(20, 5)
    channel.resize(0, 0)
    channel.type("q")

    assert last_line(channel) == "maglev#"


def test_a_resize_redraws_the_line(peer):
    channel = peer.terminal(columns=80)
    channel.type("show backends www1 | include something")
    channel.resize(30, 24)
    assert len(last_line(channel)) < 30
    channel.resize(0, 0)
    assert last_line(channel) == "maglev# show backends www1 | include something"


# Time


def test_who_types_nothing_is_logged_out():
    peer = SshPeer(limits=Limits(idle_timeout=600))
    channel = peer.terminal()
    peer.clock.advance(599)
    channel.type("x")
    peer.clock.advance(599)
    assert channel.status is None

    peer.clock.advance(1)
    assert channel.status == 1
    assert "Logged out" in channel.screen.text
    assert peer.logins.sessions == 0


def test_a_command_that_runs_is_not_idle_but_more_is():
    peer = SshPeer(limits=Limits(idle_timeout=600))
    channel = peer.terminal(columns=200)
    channel.type("watch events\r")
    peer.clock.advance(600)
    peer.clock.advance(600)
    assert channel.status is None

    peer.world.grow(100)
    channel.type("x")
    channel.type("show backends\r")
    peer.clock.advance(600)
    assert channel.status == 1


def test_idle_0_is_for_ever():
    peer = SshPeer(limits=Limits(idle_timeout=0))
    channel = peer.terminal()
    peer.clock.advance(1e6)

    assert channel.status is None


def test_a_session_is_registered_and_touched(peer):
    channel = peer.terminal()
    assert [(entry.caller, entry.front_end) for entry in peer.register.entries] == [(ADA, "ssh")]

    before = peer.register.entries[0].touched
    channel.type("x")
    assert peer.register.entries[0].touched == before + 1


def test_a_client_that_does_not_read_holds_back_only_its_command(peer):
    peer.world.grow(5000)
    channel = peer.open(window=1000)
    channel.pty(200, 24)
    channel.shell()
    channel.type("terminal length 0\rshow backends\r")
    peer.turn(300)
    asked = len(peer.world.calls)
    peer.turn(300)

    assert len(peer.world.calls) == asked < 20
    peer.clock.advance(peer.limits.stalled_timeout)
    assert peer.transport.given_up == 1


def test_a_dumb_terminal_gets_no_colours(peer):
    channel = peer.terminal(term=b"dumb")
    channel.type("show backends\r")

    assert b"m" in channel.out
    assert b"\x1b[3" not in channel.out
    assert b"2004" not in channel.out
