"""Connections: who gets in, and what becomes of those who do not."""

from __future__ import annotations

import base64
import hashlib
import itertools
import struct

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.ssh.common import NS, getNS
from twisted.conch.ssh.keys import Key

from maglev.model.caller import Role
from maglev.runtime.admission import OWN, Descriptors
from maglev.ssh.limits import GRACE, KEXINIT_LIMIT, UNKNOWN_PEER_BUFFER, Limits
from tests.fakes.logs import recorded_events
from tests.fakes.ssh_client import ConsoleRig, key_line, pump

ED = Key(Ed25519PrivateKey.generate())
EC = Key(ec.generate_private_key(ec.SECP384R1()))
RSA = Key(rsa.generate_private_key(65537, 2048))
STRANGER = Key(Ed25519PrivateKey.generate())
OTHER = Key(Ed25519PrivateKey.generate())
BOB = Key(Ed25519PrivateKey.generate())


@pytest.fixture
def limiter(tmp_path):
    return ConsoleRig(tmp_path, operators=[key_line(ED), key_line(EC), key_line(RSA)])


@pytest.mark.parametrize("key", [ED, EC], ids=["ed25519", "ecdsa"])
def test_a_known_key_lets_its_owner_in(limiter, key):
    with recorded_events() as events:
        _, server, service = limiter.login(key)

    assert service.connected.started
    assert (server.caller.name, server.caller.role, server.caller.origin) == (
        "ada",
        Role.OPERATOR,
        "ssh 192.0.2.7:50222",
    )
    assert limiter.logins.counts["operator", "accepted"] == 1
    assert [name for name, _ in events if name.startswith("ssh-log")] == ["ssh-login"]


def test_an_unknown_key_is_refused_and_never_called_acceptable(limiter):
    with recorded_events() as events:
        client, server, service = limiter.login(STRANGER)
        pump(client, server)
        client.transport.loseConnection()
        server.transport.lose()

    assert not service.connected.started
    assert server.caller is None
    refused = [fields for name, fields in events if name == "ssh-login-refused"]
    assert refused == [{"reason": "unknown key", "origin": "ssh 192.0.2.7:50222", "user": "anybody"}]
    assert limiter.logins.counts["none", "refused"] == 1


def test_a_probe_with_an_unknown_key_gets_a_failure_and_not_an_ok(limiter):
    answers = []

    def probe(transport):
        transport.sendPacket(5, NS(b"ssh-userauth"))

    client, server, _ = limiter.login(then=probe)
    client.dispatchMessage = lambda number, payload: answers.append((number, payload))
    body = NS(b"x") + NS(b"ssh-connection") + NS(b"publickey") + b"\0"
    for key in (STRANGER, ED):
        client.sendPacket(50, body + NS(key.sshType()) + NS(key.public().blob()))
        pump(client, server)

    assert answers == [
        (51, NS(b"publickey") + b"\0"),
        (60, NS(ED.sshType()) + NS(ED.public().blob())),
    ]


def test_a_signature_by_another_key_is_refused(limiter):
    _, server, service = limiter.login(_Liar(ED, STRANGER))

    assert server.caller is None
    assert not service.connected.started


class _Liar(Key):
    """Shows one key, and signs with another."""

    def __init__(self, shown, used):
        super().__init__(shown._keyObject)
        self._used = used

    def sign(self, data, signatureType=None):
        return self._used.sign(data, signatureType)


class RawLogin:
    """A client that has asked for the authentication, and speaks in packets."""

    def __init__(self, limiter):
        self.answers = []
        self.client, self.server, _ = limiter.login(then=lambda transport: transport.sendPacket(5, NS(b"ssh-userauth")))
        self.client.dispatchMessage = lambda number, payload: self.answers.append((number, payload))

    def ask(self, method, rest, user=b"anybody", service=b"ssh-connection"):
        """Return the number of the packet that answers."""
        self.client.sendPacket(50, NS(user) + NS(service) + NS(method) + rest)
        pump(self.client, self.server)
        return self.answers[-1][0] if self.answers else None

    def prove(self, algorithm, blob, sign, user=b"anybody"):
        body = NS(user) + NS(b"ssh-connection") + NS(b"publickey") + b"\1" + NS(algorithm) + NS(blob)
        signature = sign(NS(self.server.sessionID) + b"\x32" + body)
        return self.ask(b"publickey", b"\1" + NS(algorithm) + NS(blob) + NS(signature), user)


@pytest.mark.parametrize("algorithm", [b"rsa-sha2-256", b"rsa-sha2-512"])
def test_an_rsa_key_lets_its_owner_in_by_sha2(limiter, algorithm):
    login = RawLogin(limiter)

    assert login.prove(algorithm, RSA.public().blob(), lambda data: RSA.sign(data, signatureType=algorithm)) == 52


@pytest.mark.parametrize("algorithm", [b"rsa-sha2-256", b"ssh-rsa"])
def test_an_rsa_key_does_not_sign_by_sha1(limiter, algorithm):
    login = RawLogin(limiter)

    assert login.prove(algorithm, RSA.public().blob(), lambda data: RSA.sign(data, signatureType=b"ssh-rsa")) == 51
    assert login.server.caller is None


def test_a_signature_counts_for_its_connection_and_user_only(limiter):
    login = RawLogin(limiter)
    stolen = []

    def keep(data):
        stolen.append(ED.sign(data))
        return stolen[0]

    assert login.prove(b"ssh-ed25519", ED.public().blob(), keep) == 52
    other = RawLogin(limiter)
    assert other.prove(b"ssh-ed25519", ED.public().blob(), lambda _: stolen[0]) == 51


def test_another_service_than_sessions_is_refused(limiter):
    login = RawLogin(limiter)
    login.ask(b"publickey", b"", service=b"ssh-userauth")

    assert login.server.transport.disconnecting


# A hardware key, as OpenSSH's PROTOCOL.u2f has it.
SK = Ed25519PrivateKey.generate()
SK_TYPE = b"sk-ssh-ed25519@openssh.com"
SK_BLOB = NS(SK_TYPE) + NS(SK.public_key().public_bytes_raw()) + NS(b"ssh:")


@pytest.mark.parametrize(("flags", "application", "answer"), [(1, b"ssh:", 52), (0, b"ssh:", 51), (1, b"web:", 51)])
def test_a_hardware_key_must_be_touched(tmp_path, flags, application, answer):
    line = SK_TYPE + b" " + base64.b64encode(SK_BLOB) + b" token\n"
    login = RawLogin(ConsoleRig(tmp_path, viewers=[line]))

    def sign(data):
        state = bytes((flags,)) + b"\0\0\0\x07"
        message = hashlib.sha256(application).digest() + state + hashlib.sha256(data).digest()
        return NS(SK_TYPE) + NS(SK.sign(message)) + state

    assert login.prove(SK_TYPE, SK_BLOB, sign) == answer
    assert (login.server.caller is not None) == (answer == 52)


def test_the_same_key_in_both_files_is_an_operator(tmp_path):
    limiter = ConsoleRig(tmp_path, operators=[key_line(ED)], viewers=[key_line(ED)])

    assert limiter.login(ED)[1].caller.role is Role.OPERATOR


@pytest.mark.parametrize("signature", [b"", NS(b"ssh-ed25519"), NS(b"ssh-ed25519") + NS(b"short"), b"\xff" * 40])
def test_a_signature_that_is_none_ends_at_most_the_connection(limiter, signature, logged_failures):
    client, server, _ = limiter.login(then=lambda transport: transport.sendPacket(5, NS(b"ssh-userauth")))
    body = NS(b"x") + NS(b"ssh-connection") + NS(b"publickey") + b"\1" + NS(b"ssh-ed25519") + NS(ED.public().blob())
    client.sendPacket(50, body + NS(signature))
    pump(client, server)

    assert server.caller is None
    assert logged_failures.failures == []


def test_passwords_and_questions_are_refused(limiter):
    answers = []
    client, server, _ = limiter.login(then=lambda transport: transport.sendPacket(5, NS(b"ssh-userauth")))
    client.dispatchMessage = lambda number, payload: answers.append((number, payload))
    for method in (b"password", b"keyboard-interactive", b"hostbased", b"none"):
        client.sendPacket(50, NS(b"root") + NS(b"ssh-connection") + NS(method) + b"\0" + NS(b"secret"))
        pump(client, server)

    assert answers == [(51, NS(b"publickey") + b"\0")] * 4


def test_attempts_are_counted(limiter):
    client, _server, service = limiter.login(*[Key(Ed25519PrivateKey.generate()) for _ in range(10)], ED)

    assert not service.connected.started
    assert client.refusals == [(14, b"too many refused keys")]


def test_six_keys_may_be_tried(limiter):
    _, _, service = limiter.login(*[Key(Ed25519PrivateKey.generate()) for _ in range(5)], ED)

    assert service.connected.started


# Deadlines


def test_who_says_nothing_is_cut_off(limiter):
    server = limiter.connect()
    limiter.clock.advance(limiter.limits.login_timeout - 0.1)
    assert not server.transport.disconnecting
    limiter.clock.advance(0.2)
    assert server.transport.disconnecting

    # They do not even read: the connection would stay open for as long as they like.
    assert not server.transport.lost
    limiter.clock.advance(GRACE)
    assert server.transport.aborted
    assert limiter.factory.limiter.pending == 0
    assert limiter.clock.getDelayedCalls() == []


def test_who_never_finishes_to_log_in_is_cut_off(limiter):
    _, server, _ = limiter.login(then=lambda transport: transport.sendPacket(5, NS(b"ssh-userauth")))
    limiter.clock.advance(limiter.limits.login_timeout)

    assert server.transport.disconnecting


def test_who_is_logged_in_has_no_deadline(limiter):
    _, server, _ = limiter.login(ED)
    limiter.clock.advance(limiter.limits.login_timeout + GRACE)

    assert not server.transport.disconnecting


@pytest.mark.parametrize(
    "junk",
    [
        b"GET / HTTP/1.1\r\n\r\n" * 300,
        b"SSH-2.0-x\r\n" + b"\0" * 64,
        b"SSH-2.0-x\r\n" + b"\xff" * 64,
        b"SSH-1.5-old\r\n",
        b"SSH-2\r\n",
        b"\x16\x03\x01\x02\x00\x01" + bytes(range(256)) * 20,
        b"SSH-2.0-x\r\n\0\0\0\x0c\x0a\x1e" + b"\0" * 10,
        b"SSH-2.0-x\r\n\0\0\0\x0c\x0a\x14" + b"\0" * 10,
        b"SSH-2.0-x\r\n\0\0\0\x0c\x0a\x15" + b"\0" * 10,
        b"SSH-2.0-x\r\n\0\0\0\x0c\x0a\x01" + b"\0" * 10,
        b"SSH-2.0-x\r\n\0\0\0\x0c\x00\x01" + b"\0" * 10,
        b"SSH-2.0-x\r\n\0\0\0\x0c\xff\x05" + b"\0" * 10,
        b"SSH-2.0-x\r\n\0\0\0\x14\x06\x05" + NS(b"ssh-userauth")[:-3] + b"\0" * 10,
    ],
)
def test_junk_is_not_a_failure_of_ours(limiter, junk, logged_failures):
    server = limiter.connect()
    for start in range(0, len(junk), 7):
        if not server.transport.disconnecting:
            server.dataReceived(junk[start : start + 7])
    limiter.clock.advance(limiter.limits.login_timeout)
    limiter.clock.advance(GRACE)

    assert logged_failures.failures == []
    assert server.transport.lost
    assert limiter.factory.connections == set()
    assert limiter.clock.getDelayedCalls() == []


def test_a_stranger_can_not_fill_the_memory(limiter):
    server = limiter.connect()
    server.dataReceived(b"SSH-2.0-x\r\n" + struct.pack(">L", 1000000) + b"\x05")
    for _ in range(100):
        if not server.transport.disconnecting:
            server.dataReceived(b"x" * 8192)

    assert server.transport.disconnecting
    assert len(server.buf) <= 2 * UNKNOWN_PEER_BUFFER


def test_a_stranger_gets_one_key_exchange(limiter):
    client, server, _ = limiter.login(then=lambda transport: transport.sendKexInit())

    assert server.transport.disconnecting
    assert client.refusals


def plain_packet(payload):
    """Return a packet as it is before the first key exchange (RFC 4253, 6)."""
    padding = 16 - (len(payload) + 5) % 8
    return struct.pack(">LB", len(payload) + padding + 1, padding) + payload + b"\0" * padding


def test_what_a_client_says_of_itself_is_not_read(limiter):
    # Conch takes a second for a packet of a megabyte.
    server = limiter.connect()
    server.dataReceived(b"SSH-2.0-x\r\n" + plain_packet(b"\x07" + struct.pack(">L", 1) + NS(b"name") + NS(b"value")))

    assert server.peerExtensions == {}
    assert not server.transport.disconnecting


def test_lists_of_algorithms_have_a_limit(limiter):
    server = limiter.connect()
    lists = NS(b"," * KEXINIT_LIMIT) + NS(b"") * 9 + b"\0" * 5
    with recorded_events() as events:
        server.dataReceived(b"SSH-2.0-x\r\n")
        server.dataReceived(plain_packet(b"\x14" + b"\0" * 16 + lists))
        server.transport.lose()

    assert dict(events)["ssh-login-refused"]["reason"] == "too many algorithms"


def test_a_client_that_knows_nothing_of_what_we_offer_is_told_in_the_log(limiter):
    server = limiter.connect()
    lists = b"".join(NS(b"old-\x1b[31m") for _ in range(10)) + b"\0" * 5
    with recorded_events() as events:
        server.dataReceived(b"SSH-2.0-x\r\n" + plain_packet(b"\x14" + b"\0" * 16 + lists))
        server.transport.lose()

    assert dict(events)["ssh-login-refused"]["reason"] == "couldn't match all kex parts"


def test_who_says_goodbye_and_stays_is_cut_off(limiter):
    server = limiter.connect()
    server.dataReceived(b"SSH-2.0-x\r\n" + plain_packet(b"\x01" + struct.pack(">L", 11) + NS(b"bye") + NS(b"")))
    assert server.transport.disconnecting
    limiter.clock.advance(GRACE)

    assert server.transport.aborted


def test_someone_known_may_change_keys(limiter):
    client, server, _service = limiter.login(ED)
    client.sendKexInit()
    pump(client, server)

    assert not server.transport.disconnecting
    assert server.can_write


def test_no_service_is_started_in_the_clear_or_twice(limiter):
    server = limiter.connect()
    server.dataReceived(b"SSH-2.0-x\r\n")
    payload = b"\x05" + NS(b"ssh-userauth")
    padding = 8 - (len(payload) + 5) % 8 + 8
    server.dataReceived(struct.pack(">LB", len(payload) + padding + 1, padding) + payload + b"\0" * padding)
    assert server.transport.disconnecting
    assert server.service is None

    def twice(transport):
        for _ in range(2):
            transport.sendPacket(5, NS(b"ssh-userauth"))

    _, server, _ = limiter.login(then=twice)
    assert server.transport.disconnecting


def test_ssh_connection_is_not_to_be_had_without_a_login(limiter):
    _, server, _ = limiter.login(then=lambda transport: transport.sendPacket(5, NS(b"ssh-connection")))

    assert server.transport.disconnecting
    assert server.caller is None


def test_a_bug_with_somebody_logged_in_is_logged_and_ends_only_their_connection(limiter, logged_failures):
    client, server, _ = limiter.login(ED)
    server.service.packetReceived = lambda number, packet: 1 / 0
    client.sendPacket(80, NS(b"x") + b"\0")
    pump(client, server)

    assert server.transport.aborted
    assert len(logged_failures.flush(ZeroDivisionError)) == 1


def test_a_truncated_packet_of_somebody_logged_in_is_not_a_failure_of_ours(limiter, logged_failures):
    client, server, _ = limiter.login(ED)
    client.sendPacket(98, b"\0\0")
    pump(client, server)

    assert server.transport.disconnecting
    assert logged_failures.failures == []


# Numbers


CROWD = 500


def crowd(limiter, hosts, said=b""):
    """Let a crowd connect and say something."""
    for number, host in zip(range(CROWD), itertools.cycle(hosts), strict=False):
        limiter.connect(host, 1000 + number).dataReceived(said)


def begin_login(limiter):
    """Have a client exchange keys, and then wait for its owner to touch a hardware key."""
    return limiter.login(then=lambda transport: transport.sendPacket(5, NS(b"ssh-userauth")))[1]


@pytest.mark.parametrize("hosts", [["192.0.2.66"], [f"2001:db8::{number:x}" for number in range(CROWD)]])
def test_too_many_strangers_of_one_source_displace_one_another(tmp_path, hosts):
    limiter = ConsoleRig(tmp_path, Limits(startups=8))
    quiet = [limiter.connect("192.0.2.1"), limiter.connect("2001:db8:0:1::1")]
    crowd(limiter, hosts)

    assert not any(each.transport.lost or each.transport.aborted for each in quiet)
    assert limiter.factory.limiter.pending == 8
    assert limiter.factory.limiter.turned_away == CROWD - 6


MANY = [f"198.51.100.{number}" for number in range(1, 250)]


@pytest.mark.parametrize("hosts", [["192.0.2.7"], MANY], ids=["from the same source", "from many"])
@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\n\r\n", b"SSH-2.0-x\r\n"])
def test_strangers_do_not_displace_one_that_is_further(tmp_path, hosts, said):
    limiter = ConsoleRig(tmp_path, Limits(startups=8))
    slow = begin_login(limiter)
    crowd(limiter, hosts, said)

    assert not slow.transport.aborted


@pytest.mark.parametrize("hosts", [["192.0.2.7"], MANY], ids=["from the same source", "from many"])
def test_strangers_that_only_connect_do_not_displace_one_that_has_said_hello(tmp_path, hosts):
    limiter = ConsoleRig(tmp_path, Limits(startups=8))
    polite = limiter.connect()
    polite.dataReceived(b"SSH-2.0-OpenSSH_9.2\r\n")
    crowd(limiter, hosts)

    assert not polite.transport.aborted


def test_a_newcomer_has_time_to_say_hello(tmp_path):
    limiter = ConsoleRig(tmp_path, Limits(startups=64))
    crowd(limiter, ["192.0.2.7"])
    newcomer = limiter.connect()
    for port in range(31):
        limiter.connect(port=port)

    assert not newcomer.transport.aborted


def test_those_who_exchange_keys_compete_with_one_another(tmp_path):
    limiter = ConsoleRig(tmp_path, Limits(startups=2))
    quiet = limiter.login(then=lambda transport: transport.sendPacket(5, NS(b"ssh-userauth")), host="192.0.2.1")[1]
    greedy = [begin_login(limiter) for _ in range(5)]

    assert not quiet.transport.aborted
    assert sum(each.transport.aborted for each in greedy) == 4
    assert limiter.factory.limiter.pending == 2


@pytest.mark.parametrize("changes", [0, 1], ids=["after the login", "after a change of keys"])
def test_strangers_do_not_displace_somebody_known(tmp_path, changes):
    limiter = ConsoleRig(tmp_path, Limits(startups=2), operators=[key_line(ED)])
    client, server, _ = limiter.login(ED)
    for _ in range(changes):
        client.sendKexInit()
        pump(client, server)
    assert limiter.factory.limiter.pending == 0
    for _ in range(5):
        begin_login(limiter)

    assert not server.transport.aborted
    assert limiter.factory.limiter.pending == 2


def test_many_backends_leave_fewer_places(tmp_path):
    scarce = Descriptors(lambda: 5000, lambda: 5000 + OWN + 60)
    keys = [key_line(key, name) for key, name in ((ED, b"ada"), (BOB, b"bob"), (OTHER, b"carl"))]
    limiter = ConsoleRig(tmp_path, Limits(startups=64, logins=128), operators=keys, descriptors=scarce)
    # 60 descriptors for 320 places: 12 for each stage, 24 for logins. Who goes on leaves a place behind.
    crowd(limiter, MANY)
    assert limiter.factory.limiter.pending == 12
    crowd(limiter, MANY, b"SSH-2.0-x\r\n")
    assert limiter.factory.limiter.pending == 11 + 12
    for _ in range(20):
        begin_login(limiter)
    assert limiter.factory.limiter.pending == 11 + 11 + 12
    for key in (ED, BOB, OTHER):
        while limiter.login(key)[2].connected.started:
            pass
    assert limiter.factory.limiter.logins == 24


def test_viewers_leave_places_to_operators_and_one_operator_to_another(tmp_path):
    operators = [key_line(ED), key_line(BOB, b"bob")]
    viewers = [key_line(EC, b"vera"), key_line(OTHER, b"victor"), key_line(STRANGER, b"vito")]
    limiter = ConsoleRig(tmp_path, Limits(logins=16), operators=operators, viewers=viewers)

    def fill(key):
        count = 0
        while True:
            client, _, service = limiter.login(key)
            if not service.connected.started:
                return count, client.refusals[0][1]
            count += 1

    assert fill(EC) == (3, b"too many sessions of vera: at most 3")
    assert fill(OTHER) == (3, b"too many sessions of victor: at most 3")
    assert fill(STRANGER) == (2, b"too many sessions: at most 8 of viewers")
    assert fill(ED) == (6, b"too many sessions of ada: at most 6")
    assert fill(BOB) == (2, b"too many sessions: at most 16")
    assert limiter.factory.limiter.logins == 16


def test_a_place_is_free_again_after_a_logout(tmp_path):
    limiter = ConsoleRig(tmp_path, Limits(logins=2), operators=[key_line(ED)])
    _, server, _ = limiter.login(ED)
    assert not limiter.login(ED)[2].connected.started
    server.transport.lose()
    assert limiter.login(ED)[2].connected.started


def test_a_lost_connection_gives_everything_back(limiter):
    with recorded_events() as events:
        _, server, _ = limiter.login(ED)
        server.transport.lose()

    assert events[-1][0] == "ssh-logout"
    assert limiter.factory.limiter.logins == limiter.factory.limiter.pending == 0
    assert limiter.factory.connections == set()
    assert limiter.clock.getDelayedCalls() == []


# What is negotiated


def kexinit(server):
    """Return the lists that a connection offers."""
    data = server.transport.value().partition(b"\r\n")[2]
    length, padding = struct.unpack(">LB", data[:5])
    payload = data[5 : 4 + length - padding]
    return [each.split(b",") for each in getNS(payload[17:], 10)[:10]]


def test_only_modern_algorithms_are_offered(limiter):
    kex, host_keys, *ciphers_macs_compressions = kexinit(limiter.connect())
    offered = b" ".join(b" ".join(each) for each in (kex, host_keys, *ciphers_macs_compressions))

    for old in (
        b"sha1",
        b"md5",
        b"cbc",
        b"3des",
        b"group-exchange",
        b"group1",
        b"ssh-rsa",
        b"ssh-dss",
        b"zlib",
        b"arc",
        b"chacha",
    ):
        assert old not in offered, old
    assert b"curve25519-sha256" in kex
    assert host_keys == [b"ssh-ed25519"]
    assert ciphers_macs_compressions[:6] == [
        *[[b"aes256-gcm@openssh.com", b"aes128-gcm@openssh.com", b"aes256-ctr", b"aes192-ctr", b"aes128-ctr"]] * 2,
        *[[b"hmac-sha2-512-etm@openssh.com", b"hmac-sha2-256-etm@openssh.com", b"hmac-sha2-512", b"hmac-sha2-256"]] * 2,
        *[[b"none"]] * 2,
    ]


def test_strangers_are_not_told_the_version(limiter):
    assert limiter.connect().transport.value().startswith(b"SSH-2.0-maglevd\r\n")


def test_the_signatures_that_are_accepted_are_announced_once(limiter):
    client, _, _ = limiter.login(ED)
    announced = client.peerExtensions[b"server-sig-algs"].split(b",")

    assert b"rsa-sha2-512" in announced
    assert b"ssh-rsa" not in announced


# A slow reader


def test_output_waits_while_the_connection_is_flooded_or_changes_keys(limiter):
    client, server, _ = limiter.login(ED)
    assert server.can_write
    server.pauseProducing()
    assert not server.can_write
    server.resumeProducing()
    server.sendKexInit()
    assert not server.can_write
    pump(client, server)
    assert server.can_write


def test_a_connection_over_a_unix_socket_has_an_origin(limiter):
    server = limiter.factory.buildProtocol(None)
    from tests.fakes.ssh_client import SshWire

    wire = SshWire()
    wire.peerAddr = object()
    wire.protocol = server
    server.makeConnection(wire)

    assert (server.origin, server.source) == ("ssh unix", "local")
    wire.lose()


def test_an_ipv6_origin_has_brackets(limiter):
    assert limiter.connect("2001:db8::7", 22).origin == "ssh [2001:db8::7]:22"
