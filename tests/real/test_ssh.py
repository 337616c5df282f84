"""The console and OpenSSH's client: what people and scripts see. Screens are read off tmux."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess

import pytest

from tests.fakes.ssh_process import PATIENCE, ROOT, ConsoleProcess, until

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("ssh") is None, reason="OpenSSH's client is not installed"),
]
needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    daemon = ConsoleProcess(tmp_path_factory.mktemp("console"))
    yield daemon
    daemon.stop()
    assert "Traceback" not in daemon.log


# One command, and scripts


def test_a_command_has_its_output_on_stdout_and_status_0(daemon):
    done = daemon.ssh("show version")

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"version")
    assert b"\r" not in done.stdout
    assert b"\x1b" not in done.stdout


@pytest.mark.parametrize(("line", "status"), [("set backend nope pause", 1), ("sohw version", 2), ("show", 2)])
def test_an_error_is_on_stderr_and_in_the_status(daemon, line, status):
    done = daemon.ssh(line)

    assert (done.returncode, done.stdout) == (status, b"")
    assert b"% " in done.stderr


def test_json_is_json(daemon):
    done = daemon.ssh("show backends | json")

    assert len(json.loads(done.stdout)) == 304


def test_a_script_is_piped_in(daemon):
    done = daemon.ssh(stdin=b"! a comment\nshow version\nset backend nope pause\nshow vpp info | include pid\n")

    assert done.returncode == 1
    assert done.stdout.count(b"\n") == 5
    assert done.stderr == b"set backend nope pause\n            ^\n% unknown backend 'nope'; did you mean \"node9\"?\n"


def test_an_empty_script_ends_at_once(daemon):
    assert daemon.ssh().returncode == 0


def test_stdin_of_a_command_harms_nothing(daemon):
    assert daemon.ssh("show version", stdin=b"x" * 1_000_000).returncode == 0


def test_a_terminal_without_a_size_works(daemon):
    done = daemon.ssh(stdin=b"show version\rexit\r", options=("-tt",))

    assert done.returncode == 0
    assert b"1.2.3" in done.stdout


def test_a_viewer_is_refused_every_change(daemon):
    done = daemon.ssh("set backend www1 pause", key="vera")

    assert (done.returncode, done.stderr) == (
        1,
        b"% permission denied: your role is viewer\n",
    )


@pytest.mark.parametrize(
    "options",
    [("-s",), ("-R", "0:127.0.0.1:9"), ("-W", "127.0.0.1:22")],
    ids=["subsystem", "remote forwarding", "local forwarding"],
)
def test_there_are_only_sessions(daemon, options):
    argument = () if "-W" in options else ("sftp",) if options == ("-s",) else ("show version",)
    done = daemon.ssh(*argument, options=(*options, "-oExitOnForwardFailure=yes"))

    assert done.returncode == 255


def test_a_stranger_is_refused(daemon, tmp_path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    done = daemon.ssh("show version", key=str(tmp_path / "key"))

    assert done.returncode == 255
    assert b"Permission denied (publickey)" in done.stderr
    daemon.wait_for_log("ssh-login-refused reason=unknown key")


@pytest.mark.parametrize("kind", [("ecdsa", "256"), ("ecdsa", "521"), ("rsa", "3072")])
def test_keys_of_every_type_that_we_accept_work_and_a_changed_file_counts_at_once(daemon, tmp_path, kind):
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", kind[0], "-b", kind[1], "-N", "", "-f", str(path)], check=True)
    before = (daemon.path / "operators").read_text()
    (daemon.path / "operators").write_text(before + path.with_suffix(".pub").read_text())
    try:
        assert daemon.ssh("show version", key=str(path)).returncode == 0
    finally:
        (daemon.path / "operators").write_text(before)
    assert daemon.ssh("show version", key=str(path)).returncode == 255


def test_the_negotiation_is_clean_and_modern(daemon):
    done = daemon.ssh("show version", options=("-vv", "-oLogLevel=DEBUG2"))
    told = done.stderr.decode()

    assert "kex_protocol_error" not in told
    assert "kex: algorithm: curve25519-sha256" in told or "mlkem768x25519" in told
    peer = told.partition("peer server KEXINIT proposal")[2].partition("kex: algorithm")[0]
    for old in ("sha1", "md5", "cbc", "group-exchange", "ssh-rsa", "zlib"):
        assert old not in peer
    assert told.count("server-sig-algs=<ssh-ed25519,") == 1
    assert "Exit status 0" in told


@pytest.mark.parametrize(
    "option", ["Ciphers=aes128-cbc", "MACs=hmac-sha1", "KexAlgorithms=diffie-hellman-group14-sha1"]
)
def test_old_algorithms_are_refused(daemon, option):
    done = daemon.ssh("show version", options=(f"-o{option}", "-oLogLevel=INFO"))

    assert done.returncode == 255
    assert b"no matching" in done.stderr


SUITES = [
    "MACs=hmac-sha2-256-etm@openssh.com",
    "MACs=hmac-sha2-512-etm@openssh.com",
    "MACs=hmac-sha2-256",
    "Ciphers=aes256-gcm@openssh.com",
    "Ciphers=aes128-gcm@openssh.com",
]


@pytest.mark.parametrize("suite", SUITES)
def test_keys_are_changed_in_the_middle_of_long_output(daemon, suite):
    done = daemon.ssh(
        stdin=b"show backends\n" * 20,
        options=("-vv", "-oLogLevel=DEBUG2", "-oRekeyLimit=16K", f"-o{suite}", "-oCiphers=aes128-ctr"),
    )
    told = done.stderr.decode()

    assert done.returncode == 0
    assert done.stdout.count(b"node299") == 20
    assert told.count("SSH2_MSG_NEWKEYS received") > 3
    assert suite.partition("=")[2] in told.partition("kex: server->client")[2].partition("\n")[0]
    assert "kex-strict-s-v00@openssh.com" in told


@pytest.mark.parametrize(
    ("option", "missing"),
    [
        ("Ciphers=chacha20-poly1305@openssh.com", "no matching cipher found"),
        ("MACs=umac-128-etm@openssh.com", "no matching MAC found"),
        ("MACs=umac-64@openssh.com", "no matching MAC found"),
    ],
)
def test_a_client_without_a_common_algorithm_is_told_as_the_manual_says(daemon, option, missing):
    said = (ROOT / "docs" / "security.rst").read_text()
    done = daemon.ssh("show version", options=(f"-o{option}", "-oLogLevel=INFO"))

    assert missing in done.stderr.decode()
    assert f"``{missing}``" in said
    repaired = (f"-o{option}", "-oCiphers=^aes256-gcm@openssh.com", "-oMACs=^hmac-sha2-256-etm@openssh.com")[1:]
    assert daemon.ssh("show version", options=repaired).returncode == 0


def test_a_cipher_that_authenticates_needs_a_mac_in_common_too(daemon):
    said = " ".join((ROOT / "docs" / "security.rst").read_text().split())
    options = ("-oCiphers=aes256-gcm@openssh.com", "-oMACs=umac-128-etm@openssh.com", "-oLogLevel=INFO")
    done = daemon.ssh("show version", options=options)

    assert "couldn't match all kex parts" in done.stderr.decode()
    assert "Otherwise it reports ``couldn't match all kex parts``, too." in said
    daemon.wait_for_log("ssh-login-refused reason=couldn't match all kex parts")


def test_several_sessions_share_one_connection(daemon, tmp_path):
    control = ("-oControlMaster=auto", f"-oControlPath={tmp_path}/c", "-oControlPersist=yes")
    for _ in range(3):
        assert daemon.ssh("show version", options=control).returncode == 0
    subprocess.run(daemon.command(options=(f"-oControlPath={tmp_path}/c", "-Oexit")), capture_output=True, check=True)


def test_watch_streams_json_line_by_line(daemon):
    with subprocess.Popen(daemon.command("watch events"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as client:
        assert json.loads(client.stdout.readline())["type"] == "snapshot"
        daemon.down()
        assert json.loads(client.stdout.readline())["backend"] == "www1"
        client.terminate()


# A person at a terminal


class Person:
    """Somebody in front of a terminal."""

    def __init__(self, daemon, path, columns=80, rows=24, key="ada"):
        self._tmux = ["tmux", "-S", str(path / "tmux"), "-f", os.devnull]
        line = f"{shlex.join(daemon.command(key=key))}; echo status=$?; cat"
        self.tmux("new-session", "-d", "-s", "s", "-x", str(columns), "-y", str(rows), line)

    def tmux(self, *arguments):
        environment = {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            [*self._tmux, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=True, env=environment
        )
        return done.stdout

    @property
    def screen(self):
        return self.tmux("capture-pane", "-p", "-t", "s").rstrip("\n")

    @property
    def last(self):
        return self.screen.rpartition("\n")[2].rstrip()

    def sees(self, *texts):
        until(lambda: all(text in self.screen for text in texts), lambda: f"{texts} not in\n{self.screen}")

    def sees_last(self, text):
        until(lambda: self.last == text, lambda: f"{text!r} is not the last line of\n{self.screen}")

    def type(self, text):
        self.tmux("send-keys", "-t", "s", "-l", text)

    def press(self, *keys):
        self.tmux("send-keys", "-t", "s", *keys)

    def enter(self, line):
        self.type(line)
        self.press("Enter")

    def paste(self, text, *, bracketed=True):
        self.tmux("set-buffer", text)
        self.tmux("paste-buffer", *(["-p"] if bracketed else []), "-t", "s")

    def resize(self, columns, rows):
        self.tmux("resize-window", "-t", "s", "-x", str(columns), "-y", str(rows))

    def leave(self):
        subprocess.run([*self._tmux, "kill-server"], capture_output=True, check=False)


@pytest.fixture
def person(daemon, tmp_path):
    person = Person(daemon, tmp_path)
    try:
        person.sees("You are ada@example.net (operator).", "lb1#")
        yield person
    finally:
        person.leave()


@needs_tmux
def test_help_at_every_level_leaves_the_line(person):
    person.type("?")
    person.sees("  show ", "  watch ", "lb1#")
    person.type("show vpp ?")
    person.sees("  info ", "  lb ")
    person.sees_last("lb1# show vpp")
    person.type("lb ?")
    person.sees("  state ")
    person.sees_last("lb1# show vpp lb")


@needs_tmux
def test_tab_completes_and_lists(person):
    person.type("sh fr")
    person.press("Tab")
    person.sees_last("lb1# sh frontends")
    person.press("C-u")
    person.type("show backends ww")
    person.press("Tab")
    person.sees_last("lb1# show backends www")
    person.press("Tab")
    person.sees("www1  www2")
    person.sees_last("lb1# show backends www")


@needs_tmux
def test_mistakes_are_marked(person):
    person.enter("s ver")
    person.sees("     ^", '% Ambiguous word "s"')
    person.enter("show frontedns")
    person.sees("lb1# show frontedns\n          ^\n")
    person.enter("set backend")
    person.sees("% Incomplete")


@needs_tmux
def test_a_long_line_is_edited_in_the_middle(person):
    person.type("abcdefghij " * 12)
    person.press("C-a")
    until(lambda: person.last.startswith("lb1# abc"), lambda: person.screen)
    person.press("M-f", "M-f")
    person.type("XX")
    line = "abcdefghij abcdefghijXX " + "abcdefghij " * 10
    person.sees_last(f"lb1# {line[:73]}>")
    person.press("C-k", "C-u")
    person.sees_last("lb1#")


@needs_tmux
def test_wide_and_combining_characters_are_typed(person):
    person.type("日本語 ünï é|")
    person.press("Left", "Left", "Left")
    person.press("BSpace")
    person.sees_last("lb1# 日本語 ün é|")


@needs_tmux
def test_a_resize_while_typing_redraws_the_line(person):
    person.type("show backends www1 | include transitions and more")
    person.resize(40, 12)
    until(lambda: 0 < len(person.last) < 40 and "<" in person.last, lambda: person.screen)
    person.resize(100, 30)
    person.sees_last("lb1# show backends www1 | include transitions and more")


@needs_tmux
def test_watch_shows_events_until_a_key(person, daemon):
    person.enter("watch events")
    person.sees("snapshot backend www1")
    daemon.down()
    person.sees("www1 198.51.100.11 up -> down")
    daemon.up()
    person.sees("www1 198.51.100.11 down -> up")
    person.type("x")
    person.sees_last("lb1#")


@needs_tmux
def test_the_monitor_speaks_above_the_line_being_typed(person, daemon):
    person.enter("terminal monitor")
    person.type("show backends ww")
    person.sees_last("lb1# show backends ww")
    daemon.down()
    person.sees("www1 198.51.100.11 up -> down")
    person.sees_last("lb1# show backends ww")
    daemon.up()
    person.sees("www1 198.51.100.11 down -> up")
    person.enter("w1 | include address")
    person.sees("  address      198.51.100.11")


@needs_tmux
def test_more_holds_long_output(person):
    person.enter("show backends")
    person.sees_last("--More--")
    person.type(" ")
    person.press("Enter")
    person.type("/node250")
    person.sees_last("/node250")
    person.press("Enter")
    person.sees("node255")
    person.type("q")
    person.sees_last("lb1#")


@needs_tmux
def test_control_c_ends_a_command_that_runs(person):
    person.enter("sync vpp lb state")
    person.type("typed ahead")
    person.press("C-c")
    person.sees("lb1# sync vpp lb state\n^C\nlb1#")


@needs_tmux
@pytest.mark.parametrize("bracketed", [True, False])
def test_exit_may_be_pasted_with_a_line_after_it(person, bracketed):
    person.paste("show version | include version\r\nexit\r\nshow backends\r\n", bracketed=bracketed)

    person.sees("1.2.3", "lb1# exit\nstatus=0")


@needs_tmux
def test_control_d_logs_out_with_status_0(person):
    person.press("C-d")

    person.sees("status=0")


@needs_tmux
def test_history_can_be_searched(person):
    person.enter("show version")
    person.sees("1.2.3")
    person.enter("show vpp info")
    person.sees("26.10")
    person.press("C-r")
    person.type("vers")
    person.sees_last("(search)'vers': show version")
    person.press("C-g", "Up", "Up")
    person.sees_last("lb1# show version")


@needs_tmux
def test_clearing_the_screen_keeps_the_line(person):
    person.type("show ver")
    person.sees_last("lb1# show ver")
    person.press("C-l")
    until(lambda: person.screen == "lb1# show ver", lambda: person.screen)


@needs_tmux
def test_a_daemon_that_stops_says_so(tmp_path):
    daemon = ConsoleProcess(tmp_path)
    person = Person(daemon, tmp_path)
    try:
        person.sees("lb1#")
        daemon.stop()
        person.sees("maglevd is stopping", "status=")
    finally:
        person.leave()
