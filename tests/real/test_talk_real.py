"""The presets against the servers that they are made for: each passes, and leaves nothing bad in the server's log."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults

from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.probers.greetings import LINES_PRESETS
from maglev.healthcheck.probers.source import ProberSource
from maglev.model.check_params import AnswerPattern, Preset, ProbeStep, TalkParams
from maglev.model.config import Backend, CheckType, Healthcheck
from maglev.model.result import Code
from tests.fakes.ports import free_port

pytestmark = pytest.mark.real

PROBES = 200
AT_ONCE = 10
START = 60
"""Seconds for a server to start on a machine that is busy."""

SBIN = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
USER = "nobody" if os.geteuid() == 0 else None
"""Whom the servers run as that refuse to be root."""


def program(name):
    """Return the path of a server, or skip."""
    newest = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    path = shutil.which(name, path=SBIN) or (str(newest[0]) if newest else None)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


@pytest.fixture
def folder():
    """A folder that the servers can use as any user; its path is short enough for a socket."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as path:
        if USER is not None:
            entry = pwd.getpwnam(USER)
            os.chown(path, entry.pw_uid, entry.pw_gid)
        Path(path).chmod(0o755)
        yield Path(path)


class LoggedServer:
    """A server, what it writes, and a plain client that knows when it answers; a context manager."""

    def __init__(self, log, port, command, *, user=None, first=b"", banner=b"", leave=b""):
        self.port = port
        self._log = log
        self._command = command
        self._user = {} if user is None else {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
        self._first = first
        self._banner = banner
        self._leave = leave

    def __enter__(self):
        with self._log.open("ab") as stream:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                cwd=self._log.parent,
                **self._user,
            )
        deadline = time.monotonic() + START
        while not self._answers():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.1)
        return self

    def _answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as stream:
                stream.sendall(self._first)
                answers = stream.recv(4096).startswith(self._banner)
                if answers and self._leave:
                    stream.sendall(self._leave)  # for this client is in the log, too
                    while stream.recv(4096):
                        pass
                return answers
        except OSError:
            return False

    def __exit__(self, *_exc_info):
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(30)


async def probe_often(port, talk, probes=PROBES):
    """Probe a server many times; return what came of it."""
    from twisted.internet import reactor

    source = ProberSource(reactor, LagMonitor(reactor))
    healthcheck = Healthcheck("check", CheckType.TCP, port, 1, 1, 1, 30, talk=talk)
    probers = [source.prober_for(Backend("b", "127.0.0.1"), healthcheck) for _ in range(AT_ONCE)]

    async def many(prober):
        found = set()
        for _ in range(probes // AT_ONCE):
            outcome = Deferred()
            # The next probe ends what is still said of the one before.
            prober.start(lambda result, outcome=outcome: reactor.callLater(0.3, outcome.callback, result))
            result = await outcome
            found.add((result.code, result.detail) if hasattr(result, "code") else result)
        return found

    try:
        found = await gatherResults([Deferred.fromCoroutine(many(prober)) for prober in probers])
        settled = Deferred()
        reactor.callLater(0.5, settled.callback, None)
        await settled
    finally:
        for prober in probers:
            prober.cancel()
        source.close()
    return set().union(*found)


PASSED = {(Code.L7OK, "")}


def preset(name, **changes):
    return TalkParams(preset=Preset(name), **changes)


@pytest_twisted.ensureDeferred
async def test_redis(folder):
    port, log = free_port(), folder / "log"
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder), "--loglevel", "verbose"]
    with LoggedServer(log, port, [program("redis-server"), *options], first=b"PING\r\n", banner=b"+PONG"):
        assert await probe_often(port, preset("redis")) == PASSED
        steps = (
            ProbeStep(send=b"INFO replication\r\n"),
            ProbeStep(expect=AnswerPattern(regexp=r"(?m)^role:master\r?$"), reject="^-"),
            ProbeStep(send=b"QUIT\r\n"),
        )
        assert await probe_often(port, TalkParams(steps), 20) == PASSED
        ((code, detail),) = await probe_often(port, TalkParams((ProbeStep(b"NO\r\n"), *steps[1:])), 10)
        assert code is Code.L7STS
        assert "-ERR unknown command" in detail
    assert "rror" not in log.read_text()


@pytest_twisted.ensureDeferred
async def test_mysql_counts_no_aborted_connection(folder):
    install, server = program("mariadb-install-db"), program("mariadbd")
    client = program("mariadb")
    port, log, data, sock = free_port(), folder / "log", folder / "data", folder / "s"
    user = ["--user=root"] if USER is not None else []
    common = ["--no-defaults", f"--datadir={data}", *user]
    made = [install, *common, "--skip-test-db", "--auth-root-authentication-method=normal"]
    subprocess.run(made, check=True, capture_output=True, timeout=300)
    users = "CREATE USER maglevd@'127.0.0.1'; CREATE USER other@'127.0.0.1' IDENTIFIED BY 'x'; FLUSH PRIVILEGES;"
    listening = [f"--port={port}", "--bind-address=127.0.0.1", f"--socket={sock}", f"--pid-file={folder / 'pid'}"]
    small = ["--innodb-buffer-pool-size=8M", "--performance-schema=OFF", "--skip-log-bin", "--skip-name-resolve=OFF"]
    command = [server, *common, *listening, *small, "--log-warnings=9", "--max-connect-errors=5"]

    def ask(sql):
        asked = [client, "--no-defaults", f"--socket={sock}", "-u", "root", "-N", "-e", sql]
        return subprocess.run(asked, check=True, capture_output=True, text=True, timeout=60).stdout.split()

    with LoggedServer(log, port, command, banner=b""):
        ask(users)
        aborted = "SHOW GLOBAL STATUS WHERE Variable_name IN ('Aborted_connects', 'Aborted_clients')"
        before, at = ask(aborted), len(log.read_text())
        assert await probe_often(port, preset("mysql")) == PASSED
        assert ask(aborted) == before
        assert log.read_text()[at:] == ""
        ((code, detail),) = await probe_often(port, preset("mysql", user="other"), 20)
        assert code is Code.L7STS
        assert detail.startswith("1045: Access denied")
        assert await probe_often(port, preset("mysql"), 10) == PASSED  # and the host is not blocked


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("method", ["scram-sha-256", "trust"])
async def test_postgresql_logs_nothing(folder, method):
    initdb, server = program("initdb"), program("postgres")
    port, log, data = free_port(), folder / "log", folder / "data"
    as_user = {} if USER is None else {"user": USER}
    made = [initdb, "-D", str(data), "-A", "trust", "-U", "maglevd", "--no-sync", "--no-locale", "-E", "UTF8"]
    subprocess.run(made, check=True, capture_output=True, timeout=300, cwd=folder, **as_user)
    (data / "pg_hba.conf").write_text(f"host all all 127.0.0.1/32 {method}\n")
    (data / "pg_hba.conf").chmod(0o644)
    options = ["-p", str(port), "-h", "127.0.0.1", "-k", str(folder), "-F", "-c", "shared_buffers=1MB"]
    request = (8).to_bytes(4) + (80877103).to_bytes(4)  # SSLRequest
    command = [server, "-D", str(data), *options, "-c", "max_connections=50"]
    with LoggedServer(log, port, command, user=USER, first=request, banner=b"N"):
        time.sleep(1.0)  # the database may still be starting up
        deadline = time.monotonic() + START
        while await probe_often(port, preset("postgresql"), 10) != PASSED:
            assert time.monotonic() < deadline
        at = len(log.read_text())
        assert await probe_often(port, preset("postgresql")) == PASSED
        assert await probe_often(port, preset("postgresql", user="stranger"), 10) == (
            PASSED if method != "trust" else {(Code.L7STS, 'FATAL 28000 role "stranger" does not exist')}
        )
        lines = [line for line in log.read_text()[at:].splitlines() if "stranger" not in line]
        assert lines == []


DOVECOT = """
base_dir = {folder}/run
log_path = {folder}/dovecot.log
protocols = imap pop3
ssl = no
default_internal_user = {internal}
default_login_user = {login}
default_internal_group = {group}
listen = 127.0.0.1
auth_mechanisms = plain
mail_location = maildir:{folder}/mail
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
passdb {{
  driver = static
  args = password=x
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home={folder}/mail
}}
"""


@pytest_twisted.ensureDeferred
@pytest.mark.skipif(os.geteuid() != 0, reason="dovecot with users of its own needs root")
async def test_imap_and_pop3(folder):
    server = program("dovecot")
    imap, pop3 = free_port(), free_port()
    text = DOVECOT.format(folder=folder, imap=imap, pop3=pop3, internal="dovecot", login="dovenull", group="dovecot")
    (folder / "dovecot.conf").write_text(text)
    command = [server, "-F", "-c", str(folder / "dovecot.conf")]
    with LoggedServer(folder / "output", imap, command, banner=b"* OK"):
        assert await probe_often(imap, preset("imap")) == PASSED
        assert await probe_often(pop3, preset("pop3")) == PASSED
        ((code, _),) = await probe_often(pop3, preset("imap"), 10)
        assert code is Code.L7RSP
    lines = (folder / "dovecot.log").read_text().splitlines()
    bad = [line for line in lines if "Error" in line or "Warning" in line or "Fatal" in line]
    assert [line for line in bad if "Killed with signal 15" not in line] == []


MAIN_CF = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.backend.test
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
maillog_file = {folder}/log/mail.log
maillog_file_prefixes = {folder}/log
smtpd_client_connection_count_limit = 0
alias_maps =
alias_database =
local_recipient_maps =
"""
MASTER_CF = """
127.0.0.1:{port} inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
rewrite unix - - n - - trivial-rewrite
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
"""


@pytest_twisted.ensureDeferred
@pytest.mark.skipif(os.geteuid() != 0, reason="postfix needs root")
async def test_smtp(folder):
    program("postfix")
    port = free_port()
    os.chown(folder, 0, 0)
    for name in ("queue", "data", "log"):
        (folder / name).mkdir()
    os.chown(folder / "data", pwd.getpwnam("postfix").pw_uid, -1)
    (folder / "main.cf").write_text(MAIN_CF.format(folder=folder))
    (folder / "master.cf").write_text(MASTER_CF.format(port=port))
    command = [program("postfix"), "-c", str(folder), "start-fg"]
    log = folder / "log" / "mail.log"
    with LoggedServer(folder / "output", port, command, banner=b"220 ", leave=b"QUIT\r\n"):
        at = len(log.read_text())
        assert await probe_often(port, preset("smtp")) == PASSED
        lines = log.read_text()[at:].splitlines()
    bad = [line for line in lines if "lost connection" in line or "warning" in line or "error" in line]
    assert not bad
    assert any("ehlo=1 quit=1" in line for line in lines)


@pytest_twisted.ensureDeferred
async def test_ssh(folder):
    server, keygen = program("sshd"), program("ssh-keygen")
    port, log, key = free_port(), folder / "log", folder / "key"
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=60)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True, mode=0o755)
    lines = [
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {key}",
        "UsePAM no",
        "PidFile none",
        "MaxStartups 100",
    ]
    (folder / "config").write_text("\n".join(lines))
    command = [server, "-D", "-e", "-f", str(folder / "config")]
    leave = LINES_PRESETS[Preset.SSH].farewell
    with LoggedServer(log, port, command, banner=b"SSH-2.0-", leave=leave):
        at = len(log.read_text())
        assert await probe_often(port, preset("ssh")) == PASSED
        lines = log.read_text()[at:].splitlines()
    assert any("health check" in line for line in lines)
    assert not [line for line in lines if "rror" in line or "reset" in line or "Connection closed" in line]
