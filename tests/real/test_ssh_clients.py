"""The console and the libraries that scripts use: what they expect of a prompt, an echo and the end of output."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import termios
import time
from fcntl import ioctl

import asyncssh
import netmiko
import paramiko
import pytest

from tests.fakes.ssh_process import PATIENCE, ConsoleProcess

pytestmark = pytest.mark.real
needs_ssh = pytest.mark.skipif(shutil.which("ssh") is None, reason="OpenSSH's client is not installed")

PROMPT = b"lb1# "
WIDE = "show backends www1 | include " + "|".join(["address"] * 30)
"""A command that is wider than most windows."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    daemon = ConsoleProcess(tmp_path_factory.mktemp("clients"))
    yield daemon
    daemon.stop()
    assert "Traceback" not in daemon.log


# Netmiko


@pytest.mark.parametrize("device", ["generic", "cisco_ios", "linux"])
def test_netmiko_finds_prompts_echoes_and_the_end_of_output(daemon, device, tmp_path):
    session_log = tmp_path / "session"
    with netmiko.ConnectHandler(
        device_type=device,
        host="127.0.0.1",
        port=int(daemon.port),
        username="ada",
        use_keys=True,
        key_file=str(daemon.path / "ada"),
        session_log=str(session_log),
        conn_timeout=PATIENCE,
    ) as client:
        assert client.find_prompt() == "lb1#"
        assert client.send_command("terminal length 0", expect_string=r"lb1# ?$") == ""
        assert re.fullmatch(r"version +1\.2\.3\n.*", client.send_command("show version"), re.DOTALL)
        whole = client.send_command("show backends", expect_string=r"lb1# ?$")
        assert len(whole.splitlines()) > 300
        assert "--More--" not in whole
        assert client.send_command(WIDE).split() == ["address", "198.51.100.11"]
        assert "% Unknown word" in client.send_command("sohw version")
        assert "lb1#" not in client.send_command_timing("show version")
    assert "\x1b" not in session_log.read_text()


# Paramiko


@contextlib.contextmanager
def paramiko_client(daemon):
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    key = paramiko.Ed25519Key.from_private_key_file(str(daemon.path / "ada"))
    client.connect("127.0.0.1", int(daemon.port), "ada", pkey=key, look_for_keys=False, allow_agent=False)
    with contextlib.closing(client):
        yield client


class Expect:
    """Reads as expect does: until what was received matches."""

    def __init__(self, receive, send):
        self._receive = receive
        self.send = send
        self.seen = b""

    def __call__(self, pattern):
        self.seen = b""
        deadline = time.monotonic() + PATIENCE
        while not re.search(pattern, self.seen):
            assert time.monotonic() < deadline, f"no {pattern!r} in {self.seen!r}"
            self.seen += self._receive(deadline - time.monotonic())
        return self.seen

    def run(self, line, end=b"\n"):
        """Type a line, and return everything up to the next prompt."""
        self.send(line + end)
        return self(rb"\r\nlb1# $")


def receiver(channel):
    def receive(seconds):
        channel.settimeout(seconds)
        return channel.recv(65536)

    return receive


@pytest.mark.parametrize(
    ("term", "columns", "rows"), [("vt100", 80, 24), ("dumb", 80, 24), ("xterm-256color", 300, 24), ("", 0, 0)]
)
def test_paramiko_reads_to_the_prompt(daemon, term, columns, rows):
    with paramiko_client(daemon) as client:
        channel = client.invoke_shell(term, columns, rows)
        expect = Expect(receiver(channel), channel.sendall)
        greeting = expect(rb"lb1# $")
        if term != "xterm-256color":
            assert b"\x1b" not in greeting
        for end in (b"\n", b"\r", b"\r\n"):
            assert expect.run(b"", end) == b"\r\nlb1# "
            assert expect.run(b"show version | count", end) == b"show version | count\r\n4\r\nlb1# "
        if rows:
            assert expect.run(b"terminal length 0") == b"terminal length 0\r\nlb1# "
        output = expect.run(b"show backends")
        assert output.count(b"\r\n") > 300
        assert b"--More--" not in output
        if term != "xterm-256color":
            assert b"\x1b" not in output


@pytest.mark.parametrize("term", ["dumb", "vt100"])
def test_a_command_wider_than_the_window_comes_back_as_typed(daemon, term):
    with paramiko_client(daemon) as client:
        channel = client.invoke_shell(term, 40, 24)
        expect = Expect(receiver(channel), channel.sendall)
        expect(rb"lb1# $")
        if term != "dumb":
            expect.run(b"terminal width 511")
        assert expect.run(WIDE.encode()).startswith(WIDE.encode() + b"\r\n")


def test_lines_sent_before_the_prompt_are_run_in_order(daemon):
    with paramiko_client(daemon) as client:
        channel = client.invoke_shell()
        channel.sendall(b"\nterminal length 0\r\nshow version | count\nshow backends www1 | count\nexit\n")
        seen = b""
        while piece := channel.recv(65536):
            seen += piece
        assert channel.recv_exit_status() == 0
    lines = [line.removeprefix(PROMPT) for line in seen.split(b"\r\n")]
    assert lines[2:6] == [b"", b"terminal length 0", b"show version | count", b"4"]
    assert lines[6] == b"show backends www1 | count"
    assert lines[8:] == [b"exit", b""]


def test_paramiko_runs_one_command_without_a_terminal(daemon):
    with paramiko_client(daemon) as client:
        _, out, err = client.exec_command("show version | count")
        assert (out.read(), err.read(), out.channel.recv_exit_status()) == (b"4\n", b"", 0)
        _, out, err = client.exec_command("sohw version")
        assert out.read() == b""
        assert b"% Unknown word" in err.read()
        assert out.channel.recv_exit_status() == 2


SUITES = [
    ("aes128-ctr", "hmac-sha2-256-etm@openssh.com"),
    ("aes256-ctr", "hmac-sha2-512-etm@openssh.com"),
    ("aes128-gcm@openssh.com", "hmac-sha2-256"),
    ("aes256-gcm@openssh.com", "hmac-sha2-256"),
]


def wait_until(seen):
    deadline = time.monotonic() + PATIENCE
    while not seen():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(("cipher", "mac"), SUITES)
def test_paramiko_encrypts_then_authenticates_and_changes_keys(daemon, cipher, mac):
    key = paramiko.Ed25519Key.from_private_key_file(str(daemon.path / "ada"))
    with contextlib.closing(paramiko.Transport(("127.0.0.1", int(daemon.port)))) as transport:
        options = transport.get_security_options()
        options.ciphers, options.digests = (cipher,), (mac,)
        transport.connect(username="ada", pkey=key)
        assert (transport.local_cipher, transport.remote_cipher) == (cipher, cipher)
        assert "gcm" in cipher or (transport.local_mac, transport.remote_mac) == (mac, mac)
        for _ in range(3):
            channel = transport.open_session()
            channel.exec_command("show backends | count")
            assert int(channel.makefile().read()) > 300
            # Paramiko locks itself up if it has to close a channel while it waits for new keys.
            wait_until(lambda channel=channel: channel.closed)
            transport.global_request("are-you-there@example.net", wait=True)
            transport.renegotiate_keys()


# asyncssh


def test_asyncssh_talks_on_terminals_and_without_them(daemon):
    async def talk():
        async with asyncssh.connect(
            "127.0.0.1", int(daemon.port), username="ada", client_keys=[str(daemon.path / "ada")], known_hosts=None
        ) as client:
            done = await client.run("show version | count")
            assert (done.stdout, done.stderr, done.exit_status) == ("4\n", "", 0)
            done = await client.run(input="show version | count\r\nshow backends www1 | count\n")
            assert done.stdout.split("\n")[0] == "4"
            process = await client.create_process(term_type="dumb", term_size=(80, 24), encoding=None)
            seen = await process.stdout.readuntil(PROMPT)
            process.stdin.write(b"show version | count\n")
            echo = await process.stdout.readuntil(PROMPT)
            process.stdin.write(b"exit\n")
            done = await process.wait()
            return seen + echo, echo, done.exit_status

    seen, echo, status = asyncio.run(asyncio.wait_for(talk(), PATIENCE))
    assert b"\x1b" not in seen
    assert echo == b"show version | count\r\n4\r\nlb1# "
    assert status == 0


@pytest.mark.parametrize(("cipher", "mac"), SUITES)
def test_asyncssh_encrypts_then_authenticates_and_changes_keys(daemon, cipher, mac):
    async def talk():
        async with asyncssh.connect(
            "127.0.0.1",
            int(daemon.port),
            username="ada",
            client_keys=[str(daemon.path / "ada")],
            known_hosts=None,
            encryption_algs=[cipher],
            mac_algs=[mac],
            rekey_bytes=20000,
        ) as client:
            done = await client.run(input="show backends\n" * 20)
            return done.stdout, client.get_extra_info("send_cipher"), client.get_extra_info("recv_mac")

    output, used, authenticated = asyncio.run(asyncio.wait_for(talk(), PATIENCE))
    assert output.count("node299") == 20
    assert used == cipher
    assert "gcm" in cipher or authenticated == mac


# OpenSSH on a pty, as expect and pexpect run it


@contextlib.contextmanager
def on_pty(daemon, term, columns, rows):
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))
    process = subprocess.Popen(
        daemon.command(options=("-tt",)),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": term},
        start_new_session=True,
    )

    def receive(seconds):
        assert select.select([ours], [], [], seconds)[0], "nothing comes"
        return os.read(ours, 65536)

    try:
        yield Expect(receive, lambda data: os.write(ours, data))
        os.write(ours, b"exit\r")
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)


@needs_ssh
@pytest.mark.parametrize("term", ["dumb", "unknown", "network", "vt220"])
def test_a_plain_terminal_gets_no_escape_sequence_whatever_is_typed(daemon, term):
    with on_pty(daemon, term, 80, 24) as expect:
        seen = expect(rb"lb1# $")
        assert expect.run(b"show version | count", b"\r") == b"show version | count\r\n4\r\nlb1# "
        seen += expect.run(b"show backends www1 | count", b"\r")
        if term != "vt220":
            expect.send(b"show ?")
            seen += expect(rb"lb1# show $")
            expect.send(b"ver\t")
            seen += expect(rb"version $")
            seen += expect.run(b"| counx\x08t\x01\x05", b"\r")
            expect.send(b"show backends\r")
            seen += expect(rb"--More--$")
            expect.send(b"q")
            seen += expect(rb"lb1# $")
        assert b"\x1b" not in seen


@needs_ssh
def test_a_window_without_a_size_has_no_pages(daemon):
    with on_pty(daemon, "xterm", 0, 0) as expect:
        expect(rb"lb1# $")
        output = expect.run(b"show backends", b"\r")
        assert b"--More--" not in output
        assert output.count(b"\r\n") > 300


@needs_ssh
def test_nothing_follows_the_prompt_on_a_terminal_of_people(daemon):
    with on_pty(daemon, "xterm-256color", 80, 24) as expect:
        assert expect(rb"lb1# $").endswith(b"\r\n\x1b[?2004hlb1# ")
        assert expect.run(b"show version | count", b"\r") == b"show version | count\r\n4\r\nlb1# "
        expect.send(b"\x1b[200~show version | count\x1b[201~")
        expect(rb"count$")
        assert expect.run(b"", b"\r") == b"\r\n4\r\nlb1# "
