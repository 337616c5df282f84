"""maglevt as a process, against servers of the test on loopback: verdicts, interrupts, and the screen."""

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import ssl
import struct
import subprocess
import sys
import termios
import threading
import time

import pytest

from tests.fakes.certificates import Authority

pytestmark = pytest.mark.real

MAGLEVT = [sys.executable, "-c", "from maglev.maglevt.program import main; main()"]

PATIENT = ("--timeout", "60s")
"""A busy machine fails no request."""

ENOUGH = 150
"""Requests by which promises can be judged."""

ANSWER = b"HTTP/1.1 200 OK\r\nX-Backend: %b\r\nContent-Length: 10\r\n\r\nI am www1.\n"


class NamedServer:
    """A web server on loopback that says who it is, perhaps over TLS; a context manager.

    Attributes:
        answered: How many requests it has answered.
    """

    def __init__(self, name=b"www1", certificate=None):
        self._name = name
        self.answered = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self._listener.getsockname()[1]
        self._context = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*certificate)
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_exc_info):
        self.stop()

    def stop(self):
        """Refuse connections from now on."""
        if self._thread.is_alive():
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._thread.join()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), connection:
                connection.settimeout(60)
                self._answer(connection)

    def _answer(self, connection):
        if self._context is None:
            self._speak(connection)
        else:
            with self._context.wrap_socket(connection, server_side=True) as encrypted:
                self._speak(encrypted)

    def _speak(self, connection):
        connection.recv(4096)
        connection.sendall(ANSWER % self._name)
        self.answered += 1
        connection.recv(4096)


@pytest.fixture
def server():
    with NamedServer() as running:
        yield running


@pytest.fixture
def vips(tmp_path, server):
    """Return the path of a list with one VIP, which is the server."""
    return vips_file(tmp_path, server.port)


def vips_file(folder, port, check="http", **more):
    backends = {"www1": {"weight": 100}, "www2": {"weight": 50}}
    vip = {"address": "127.0.0.1", "port": port, "check": check, "backends": backends, **more}
    (folder / "vips.yml").write_text(json.dumps({"maglevt": {"web": vip}}))
    return folder / "vips.yml"


def run(*options, **more):
    command = [*MAGLEVT, *PATIENT, *map(str, options)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, **more)


def report(*options):
    done = run(*options, "--json")
    assert done.stderr == ""
    return json.loads(done.stdout), done.returncode


def test_what_was_promised_and_kept(vips):
    found, status = report(vips, "--for", "3s", "--rate", "50", "--max-fail", "1%", "--who", "header:X-Backend")
    (vip,) = found["vips"]

    assert (status, found["verdict"]) == (0, "kept")
    assert vip["answers"] == {"www1": vip["good"]}
    assert vip["good"] >= 100
    assert (vip["failures"], vip["unjudged"]) == ({}, {})


def test_a_server_that_is_gone_breaks_promises(vips, server):
    server.stop()
    done = run(vips, "--for", "3s", "--rate", "50", "--max-gap", "500ms")

    assert done.returncode == 1
    assert "requests fail: L4CON connection refused" in done.stdout
    assert done.stdout.endswith("verdict: broken\n")


def test_too_few_requests_are_no_proof(vips):
    found, status = report(vips, "--for", "1s", "--max-fail", "0.1%")

    assert (status, found["verdict"]) == (2, "could not test")
    assert found["promises"][0]["text"].endswith("1,000 are needed")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--server", "unix:/nowhere/pb.sock"], "can't connect to maglevd"),
        (["/nowhere/vips.yml"], "can't be read"),
        (["VIPS", "--frontend", "web", "--frontend", "wbe"], 'there is no frontend "wbe"; did you mean "web"?'),
        (["VIPS", "--listen", "192.0.2.1:1", "--for", "1s"], "192.0.2.1"),
    ],
)
def test_what_can_not_begin_is_not_tested(vips, options, why):
    done = run(*(str(vips) if each == "VIPS" else each for each in options))

    assert done.returncode == 2
    assert "maglevt: could not test: " in done.stderr
    assert why in done.stderr
    assert "Traceback" not in done.stderr


def test_an_interrupt_is_an_end_with_a_verdict(vips, server):
    command = [*MAGLEVT, *PATIENT, str(vips), "--json", "--rate", "100", "--max-fail", "1%"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while server.answered < ENOUGH:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)

    assert json.loads(output)["verdict"] == "kept"
    assert process.returncode == 0


def test_answers_of_one_server_alone_do_not_follow_two_weights(vips):
    found, status = report(vips, "--for", "2s", "--rate", "50", "--shares", "--who", "body:www[0-9]")

    assert status == 1
    assert "do not follow" in found["vips"][0]["shares"]["text"]


def test_who_answered_is_in_the_certificate(tmp_path):
    authority = Authority("tester")
    certificate = authority.issue(tmp_path, "www2.example.net")
    with NamedServer(certificate=certificate) as server:
        vips = vips_file(tmp_path, server.port, "https")
        options = (vips, "--for", "1s", "--who", "certificate")
        found, _ = report(*options, "--insecure")
        refused, _ = report(*options)

    assert set(found["vips"][0]["answers"]) == {"www2.example.net"}
    assert set(refused["vips"][0]["failures"]) == {"L6RSP"}


def test_tls_alone_has_a_certificate_too(tmp_path):
    certificate = Authority("tester").issue(tmp_path, "www2.example.net")
    with NamedServer(certificate=certificate) as server:
        vips = vips_file(tmp_path, server.port, "tcp", params={"ssl": True, "insecure-skip-verify": True})
        found, _ = report(vips, "--for", "1s", "--who", "certificate")

    assert set(found["vips"][0]["answers"]) == {"www2.example.net"}


# The screen


class ScreenOnPty:
    """maglevt on a terminal of 80 columns and 24 rows."""

    def __init__(self, *options):
        self._ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
        self.modes = termios.tcgetattr(theirs)
        self._theirs = theirs
        self.output = b""
        environment = {**os.environ, "TERM": "xterm"}
        self.process = subprocess.Popen(
            [*MAGLEVT, *map(str, options)], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
        )

    def type(self, keys):
        os.write(self._ours, keys)

    def read_until(self, text):
        self.read_while(lambda: text not in self.output, f"no {text}")

    def read_while(self, going_on, why):
        deadline = time.monotonic() + 60
        while going_on():
            assert time.monotonic() < deadline, f"{why}: {self.output[-3000:]}"
            if select.select([self._ours], [], [], 0.1)[0]:
                with contextlib.suppress(OSError):
                    more = os.read(self._ours, 65536)
                    self.output += more
                    if b"\x1b[6n" in more:  # where the cursor is
                        self.type(b"\x1b[1;1R")

    def modes_now(self):
        return termios.tcgetattr(self._theirs)

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)


def test_the_screen_shows_the_test_and_gives_the_terminal_back(vips, server):
    with contextlib.closing(ScreenOnPty(*PATIENT, vips, "--rate", "100", "--max-fail", "50%")) as terminal:
        terminal.read_until(b"last 2 min")
        terminal.read_until(b"ok")
        terminal.read_while(lambda: server.answered < ENOUGH, "too few requests")
        terminal.type(b"q")
        terminal.read_until(b"verdict: kept")
        assert terminal.process.wait(60) == 0
        assert terminal.modes_now() == terminal.modes
    assert b"\x1b[?1049h" in terminal.output
    assert b"\x1b[?1049l" in terminal.output
