"""Backends by DNS name against BIND: a zone that changes, a nameserver that dies, a restart without any."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import pytest

from tests.fakes.daemon import MaglevDaemon
from tests.fakes.papi import PapiReader
from tests.fakes.ports import free_port
from tests.fakes.vpp_instance import private_vpp

pytestmark = pytest.mark.real

NAMED = shutil.which("named", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
START = 60.0

CONFIGURATION = """
options {{
  directory "{folder}"; pid-file none; session-keyfile none;
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  recursion no; allow-transfer {{ none; }}; notify no; dnssec-validation no; minimal-responses yes;
}};
controls {{ }};
zone "example.test" {{ type primary; file "{folder}/zone"; }};
"""
ZONE = """\
$TTL 1
@ SOA ns hostmaster {serial} 3600 600 86400 1
@ NS ns
ns A 192.0.2.53
alias CNAME www
"""
MAGLEV = """\
maglev:
  vpp:
    lb: {{ipv4-src-address: 192.0.2.254, ipv6-src-address: "2001:db8::fe", startup-min-delay: 0s,
         startup-max-delay: 2s, sync-interval: 1s, removal-drain: 0s}}
  resolver: {{nameservers: "127.0.0.1:{port}", min-ttl: 1s, timeout: 1s, missing-answers: 2}}
  backends:
    www: {{dns-name: {name}.example.test, dns-max: 100}}
  frontends:
    web: {{address: 192.0.2.1, protocol: tcp, port: 80, pools: [{{name: p, backends: {{www: }}}}]}}
"""


class Bind:
    """A nameserver with one zone, which the test writes."""

    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self.serial = 0
        self.process = None
        folder.chmod(0o755)
        self._as_user = {}
        if os.geteuid() == 0:
            entry = pwd.getpwnam("nobody")
            os.chown(folder, entry.pw_uid, entry.pw_gid)
            self._as_user = {"user": "nobody", "group": entry.pw_gid, "extra_groups": []}
        (folder / "named.conf").write_text(CONFIGURATION.format(folder=folder, port=self.port))

    def write(self, *addresses):
        """Serve a zone in which the name has these addresses."""
        self.serial += 1
        lines = "".join(f"www A {address}\n" for address in addresses)
        (self.folder / "zone").write_text(ZONE.format(serial=self.serial) + lines)
        if self.process is not None:
            self.process.send_signal(signal.SIGHUP)

    def start(self):
        with (self.folder / "log").open("ab") as log:
            command = [NAMED, "-g", "-n", "1", "-c", str(self.folder / "named.conf")]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **self._as_user)
        deadline = time.monotonic() + START
        while True:
            try:
                dns.query.udp(dns.message.make_query("ns.example.test", "A"), "127.0.0.1", 2, self.port)
            except (OSError, dns.exception.DNSException):
                assert self.process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < deadline, (self.folder / "log").read_text()
                time.sleep(0.1)
            else:
                return

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait(60)
            self.process = None


@pytest.fixture
def bind():
    if NAMED is None:
        pytest.skip("bind9 is not installed")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        made = Bind(Path(name))
        try:
            yield made
        finally:
            made.kill()


@pytest.fixture
def vpp():
    with private_vpp("process") as instance:
        yield instance


@pytest.fixture
def daemon(tmp_path, vpp):
    made = MaglevDaemon(tmp_path, "--vpp-api-addr", vpp.api_socket, "--vpp-stats-addr", vpp.stats_socket)
    yield made
    if made.process is not None:
        made.kill()


@pytest.fixture
def reader(vpp):
    with PapiReader(vpp.api_socket) as made:
        yield made


def wait_for(reader, *addresses):
    """Wait until VPP has these servers, all with weight, and no others."""
    wanted, deadline = dict.fromkeys(addresses, 100), time.monotonic() + 60
    while (found := next(iter(reader.weights().values()), {})) != wanted:
        assert time.monotonic() < deadline, f"{found}, not {wanted}"
        time.sleep(0.05)


def writes(daemon):
    return sum(value for name, value in daemon.metrics().items() if name.startswith("maglev_vpp_lbsync_total"))


def shown(daemon, *words):
    command = [str(Path(sys.executable).with_name("maglevc")), "--server", f"unix:{daemon.pb_socket}", *words]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_zone_that_changes_a_nameserver_that_dies_and_a_restart_without_any(bind, daemon, reader):
    bind.write("198.51.100.1", "198.51.100.2")
    bind.start()
    daemon.config.write_text(MAGLEV.format(port=bind.port, name="www"))
    daemon.start()
    wait_for(reader, "198.51.100.1", "198.51.100.2")

    # One comes, one goes: the other two are not touched.
    bind.write("198.51.100.2", "198.51.100.3", "192.0.2.1", "127.0.0.1")
    wait_for(reader, "198.51.100.2", "198.51.100.3")
    daemon.wait_for_event("name-refused")
    (row,) = json.loads(shown(daemon, "show", "dns-names", "|", "json"))
    assert [(each["backend"], each["address"]) for each in row["addresses"]] == [
        ("www-2", "198.51.100.2"),
        ("www-3", "198.51.100.3"),
    ]
    assert len(row["refused"]) == 2

    # A dead nameserver changes nothing.
    bind.kill()
    daemon.wait_for_event("name-failed")
    before = writes(daemon)
    assert 'maglev_dns_name_failing{name="www"}' in daemon.metrics()
    assert "refused: nothing listens there" in shown(daemon, "show", "dns-names")

    # Nor does a restart without it.
    assert daemon.kill(signal.SIGTERM) == 0
    failed, connected = len(daemon.events("name-failed")), len(daemon.events("vpp-connect"))
    daemon.start()
    daemon.wait_for_event("name-failed", after=failed)
    daemon.wait_for_event("vpp-connect", after=connected)
    deadline = time.monotonic() + 60
    while not any(line.startswith("maglev_backend_state") for line in daemon.metrics()):
        assert time.monotonic() < deadline
    end = time.monotonic() + 4  # the warm-up, and some syncs
    while time.monotonic() < end:
        assert next(iter(reader.weights().values())) == {"198.51.100.2": 100, "198.51.100.3": 100}
        time.sleep(0.1)
    assert writes(daemon) == 0
    assert before > 0

    # It is asked again, and followed.
    bind.write("198.51.100.3", "198.51.100.4")
    bind.start()
    wait_for(reader, "198.51.100.3", "198.51.100.4")


def test_an_alias_with_more_addresses_than_fit_a_datagram(bind, daemon, reader):
    addresses = [f"198.51.100.{number}" for number in range(1, 101)]
    bind.write(*addresses)
    bind.start()
    daemon.config.write_text(MAGLEV.format(port=bind.port, name="alias"))
    daemon.start()

    wait_for(reader, *addresses)
