"""DNS and UDP probes: against BIND, and against peers that forge, flood and refuse."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.probers.source import ProberSource
from maglev.model.check_params import AnswerPattern, DnsParams, Rcode, RecordType, UdpParams
from maglev.model.config import Backend, CheckType, Healthcheck
from maglev.model.result import Code
from tests.fakes.ports import free_port

pytestmark = pytest.mark.real

NAMED = shutil.which("named", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
START = 60
"""Seconds for a server to start on a machine that is busy."""

GENEROUS = 20.0
"""Timeout of probes that are not meant to time out."""

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
$TTL 60
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 192.0.2.53
www A 192.0.2.80
www A 192.0.2.81
@ MX 10 mx
mx A 192.0.2.25
"""
LONG = "".join(f'long TXT "{number:02}{"x" * 200}"\n' for number in range(20))


@pytest.fixture(scope="module")
def named():
    """The port of a BIND with one zone."""
    if NAMED is None:
        pytest.skip("bind9 is not installed")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        as_user = {}
        if os.geteuid() == 0:
            entry = pwd.getpwnam("nobody")
            os.chown(folder, entry.pw_uid, entry.pw_gid)
            as_user = {"user": "nobody", "group": entry.pw_gid, "extra_groups": []}
        port = free_port()
        (folder / "zone").write_text(ZONE + LONG)
        (folder / "named.conf").write_text(CONFIGURATION.format(folder=folder, port=port))
        with (folder / "log").open("wb") as log:
            command = [NAMED, "-g", "-n", "1", "-c", str(folder / "named.conf")]
            process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **as_user)
            try:
                _wait_for_answer(process, port, folder / "log")
                yield port
            finally:
                process.kill()
                process.wait(30)


def _wait_for_answer(process, port, log):
    deadline = time.monotonic() + START
    while True:
        try:
            dns.query.udp(dns.message.make_query("www.example.test", "A"), "127.0.0.1", 2, port)
            dns.query.tcp(dns.message.make_query("www.example.test", "A"), "127.0.0.1", 2, port)
        except (OSError, EOFError, dns.exception.DNSException):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        else:
            return


async def probe(port, timeout=GENEROUS, **params):
    from twisted.internet import reactor

    kind = CheckType.DNS if "dns" in params else CheckType.UDP
    source = ProberSource(reactor, LagMonitor(reactor))
    prober = source.prober_for(Backend("b", "127.0.0.1"), Healthcheck("c", kind, port, 1, 1, 1, timeout, **params))
    outcome = Deferred()
    prober.start(outcome.callback)
    try:
        result = await outcome
    finally:
        source.close()
    return result[:2]


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize(
    ("params", "verdict"),
    [
        ({"name": "www.example.test"}, (Code.L7OK, "")),
        ({"name": "www.example.test", "answer": "192.0.2.81"}, (Code.L7OK, "")),
        ({"name": "example.test", "record_type": RecordType.MX, "answer": "10 mx.example.test"}, (Code.L7OK, "")),
        ({"name": "none.example.test", "rcode": Rcode.NXDOMAIN}, (Code.L7OK, "")),
        ({"name": "none.example.test"}, (Code.L7STS, "status NXDOMAIN")),
        ({"name": "www.example.org"}, (Code.L7STS, "status REFUSED")),
        (
            {"name": "mx.example.test", "answer_regexp": r"\.26$"},
            (Code.L7RSP, 'answer does not match: received "192.0.2.25"'),
        ),
    ],
)
async def test_bind(named, tcp, params, verdict):
    assert await probe(named, dns=DnsParams(tcp=tcp, **params)) == verdict


@pytest_twisted.ensureDeferred
async def test_an_answer_too_long_for_udp_is_asked_for_by_tcp(named):
    params = {"name": "long.example.test", "record_type": RecordType.TXT, "answer_regexp": "^.19x"}
    code, detail = await probe(named, dns=DnsParams(**params))
    assert code is Code.L7RSP
    assert detail.endswith("it is truncated: ask with transport tcp")
    assert await probe(named, dns=DnsParams(tcp=True, **params)) == (Code.L7OK, "")


class DatagramPeer:
    """A peer that answers each datagram as the script says; a context manager."""

    def __init__(self, script):
        self._script = script
        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.2)
        self.port = self._socket.getsockname()[1]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_exc_info):
        self._stopping.set()
        self._thread.join(30)
        self._socket.close()

    def _serve(self):
        while not self._stopping.is_set():
            try:
                data, sender = self._socket.recvfrom(4096)
            except OSError:
                continue
            self._script(self._socket, data, sender)


def forge(peer, data, sender):
    """Send the answer from another port, then answers with other identifiers, then junk."""
    good = dns.message.make_response(dns.message.from_wire(data)).to_wire()
    with socket.socket(type=socket.SOCK_DGRAM) as stranger:
        stranger.sendto(good, sender)
    for number in range(50):
        peer.sendto(bytes((good[0] ^ 0xFF, number)) + good[2:], sender)
    peer.sendto(b"junk", sender)


def forge_then_answer(peer, data, sender):
    forge(peer, data, sender)
    peer.sendto(dns.message.make_response(dns.message.from_wire(data)).to_wire(), sender)


DNS = DnsParams("www.example.test")


@pytest_twisted.ensureDeferred
async def test_forged_answers_are_ignored():
    with DatagramPeer(forge) as peer:
        code, detail = await probe(peer.port, 3.0, dns=DNS)
        assert code is Code.L7TOUT
        assert detail.endswith("datagrams did not answer the question")
    with DatagramPeer(forge_then_answer) as peer:
        assert await probe(peer.port, dns=DNS) == (Code.L7OK, "")


@pytest_twisted.ensureDeferred
async def test_udp():
    with DatagramPeer(lambda peer, data, sender: peer.sendto(data[::-1], sender)) as peer:
        assert await probe(peer.port, udp=UdpParams(b"abc", AnswerPattern(b"cba"))) == (Code.L7OK, "")
        assert await probe(peer.port, udp=UdpParams()) == (Code.L7OK, "")
        code, detail = await probe(peer.port, udp=UdpParams(b"abc", AnswerPattern(regexp="^a")))
        assert (code, detail) == (Code.L7RSP, 'answer does not match regexp "^a": received "cba"')
    with DatagramPeer(lambda peer, data, sender: None) as peer:
        assert await probe(peer.port, 1.0, udp=UdpParams(b"x")) == (Code.L4OK, "no ICMP error")
        assert await probe(peer.port, 1.0, udp=UdpParams(b"x", AnswerPattern(b"x"))) == (Code.L7TOUT, "no answer")
    refused = (Code.L4CON, "connection refused")
    assert await probe(peer.port, udp=UdpParams(b"x")) == refused
    assert await probe(peer.port, dns=DNS) == refused
