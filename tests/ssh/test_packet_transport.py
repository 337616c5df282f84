"""Packets with a length in clear, and the strict key exchange; asyncssh's ciphers are the other opinion."""

from __future__ import annotations

import functools
import struct

import pytest
from asyncssh.encryption import get_encryption
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.transport import DISCONNECT_MAC_ERROR, DISCONNECT_PROTOCOL_ERROR

from maglev.ssh.algorithms import CIPHERS, MACS
from maglev.ssh.ciphers import AEAD_KEY_SIZES, ETM_DIGESTS, LENGTH_SIZE, PacketCiphers, pad, unpad
from maglev.ssh.limits import PACKET_LIMIT
from maglev.ssh.packets import PacketError
from tests.fakes.logs import recorded_events
from tests.fakes.ssh_client import ConsoleRig, SealingClient, key_line, pump

ED = Key(Ed25519PrivateKey.generate())
IGNORE, UNIMPLEMENTED, DEBUG, KEXINIT, NEWKEYS, KEXDH_INIT, GLOBAL_REQUEST = 2, 3, 4, 20, 21, 30, 80
SUITES = [
    *[((b"aes128-ctr",), (mac,)) for mac in ETM_DIGESTS],
    *[((cipher,), (b"hmac-sha2-256",)) for cipher in AEAD_KEY_SIZES],
]
IDS = [(macs[0] if ciphers[0] == b"aes128-ctr" else ciphers[0]).decode().partition("@")[0] for ciphers, macs in SUITES]
ALL = [(cipher, mac) for cipher in CIPHERS for mac in (MACS if cipher not in AEAD_KEY_SIZES else MACS[:1])]


@pytest.fixture
def rig(tmp_path):
    return ConsoleRig(tmp_path, operators=[key_line(ED)])


def client_of(suite=SUITES[0], **options):
    ciphers, macs = suite
    return functools.partial(SealingClient, ciphers=ciphers, macs=macs, **options)


def log_in(rig, suite=SUITES[0], **options):
    client, server, service = rig.login(ED, client=client_of(suite), **options)
    assert service.connected.started
    return client, server


def keys_of(label, count=64):
    return bytes((label * 7 + index) % 256 for index in range(count))


@pytest.mark.parametrize("suite", SUITES, ids=IDS)
def test_packets_are_those_of_another_implementation(suite):
    (cipher,), (mac,) = suite
    ciphers = PacketCiphers(cipher, cipher, mac, mac)
    keys = [keys_of(label) for label in range(6)]
    ciphers.setKeys(*keys)
    aead = cipher in AEAD_KEY_SIZES
    key_size = AEAD_KEY_SIZES.get(cipher, 16)
    digest_size = 64 if b"512" in mac else 32
    iv_size = 12 if aead else 16

    def theirs(iv, key, mac_key):
        return get_encryption(
            cipher, key[:key_size], iv[:iv_size], b"" if aead else mac, mac_key[:digest_size], not aead
        )

    out, into = theirs(keys[0], keys[1], keys[4]), theirs(keys[2], keys[3], keys[5])
    for sequence in (0, 1, 2, 2**32 - 1):
        body = pad(b"payload %d" % sequence)
        length = len(body).to_bytes(LENGTH_SIZE, "big")
        assert length + ciphers.sealer.seal(sequence, length, body) == b"".join(
            out.encrypt_packet(sequence, length, body)
        )
        packet, tag = into.encrypt_packet(sequence, length, body)
        assert ciphers.unsealer.unseal(sequence, length, packet[LENGTH_SIZE:] + tag) == body


@pytest.mark.parametrize("suite", ALL, ids=[b" ".join(suite).decode() for suite in ALL])
def test_every_pair_of_algorithms_logs_in_and_changes_keys(rig, suite):
    client, server = log_in(rig, ((suite[0],), (suite[1],)))
    for _ in range(2):
        client.sendKexInit()
        pump(client, server)
    server.sendIgnore(b"still")
    server.sendKexInit()
    pump(client, server)

    assert server.can_write
    assert not server.transport.disconnecting
    assert IGNORE in client.heard
    assert client.refusals == []


@pytest.mark.parametrize("suite", SUITES, ids=IDS)
def test_packets_arrive_byte_by_byte(rig, suite):
    client, server = log_in(rig, suite, chunk=1)
    client.sendKexInit()
    pump(client, server, chunk=1)

    assert server.can_write
    assert client.refusals == []


@pytest.mark.parametrize("suite", SUITES, ids=IDS)
def test_what_is_not_of_the_key_exchange_waits_for_its_end(rig, suite):
    client, server = log_in(rig, suite)
    client.heard.clear()
    server.sendKexInit()
    server.sendPacket(GLOBAL_REQUEST, NS(b"later") + b"\0")
    pump(client, server)

    assert client.heard == [KEXINIT, KEXDH_INIT + 1, NEWKEYS, GLOBAL_REQUEST]


@pytest.mark.parametrize("inbound", [True, False])
def test_the_directions_have_algorithms_of_their_own(rig, inbound):
    names = ("inCipType", "inMACType") if inbound else ("outCipType", "outMACType")

    class Mixed(SealingClient):
        def ssh_KEXINIT(self, packet):
            super().ssh_KEXINIT(packet)
            for name, plain in zip(names, (b"aes128-ctr", b"hmac-sha2-256"), strict=True):
                setattr(self.nextEncryptions, name, plain)

    server = rig.connect()
    sent = server.ssh_KEXINIT

    def mixed(packet):
        sent(packet)
        theirs = ("outCipType", "outMACType") if inbound else ("inCipType", "inMACType")
        for name, plain in zip(theirs, (b"aes128-ctr", b"hmac-sha2-256"), strict=True):
            setattr(server.nextEncryptions, name, plain)

    server.ssh_KEXINIT = mixed
    rig.connect = lambda _host: server
    client, _, service = rig.login(ED, client=functools.partial(Mixed, ciphers=(b"aes256-gcm@openssh.com",)))

    assert service.connected.started
    assert client.refusals == []


@pytest.mark.parametrize("place", range(0, 52, 3))
@pytest.mark.parametrize("suite", SUITES, ids=IDS)
def test_a_changed_packet_ends_the_connection(rig, suite, place, logged_failures):
    client, server = log_in(rig, suite)
    taken = []
    server.ssh_IGNORE = taken.append
    client.sendIgnore(b"x" * 16)
    packet = bytearray(client.transport.value())
    client.transport.clear()
    packet[place] ^= 0x10
    server.dataReceived(bytes(packet) + b"\0" * 300)
    server.dataReceived(b"\0" * 300)
    pump(client, server)

    # A changed length is one that is too large, no multiple of the block, or part of what the tag covers.
    assert [reason for reason, _ in client.refusals] in ([DISCONNECT_MAC_ERROR], [DISCONNECT_PROTOCOL_ERROR])
    assert place < LENGTH_SIZE or client.refusals[0][0] == DISCONNECT_MAC_ERROR
    assert taken == []
    assert logged_failures.failures == []


@pytest.mark.parametrize("order", [(1, 0), (0, 0), (1,)], ids=["swapped", "repeated", "one missing"])
@pytest.mark.parametrize("suite", SUITES, ids=IDS)
def test_packets_count_once_and_in_their_order(rig, suite, order):
    client, server = log_in(rig, suite)
    packets = []
    for _ in range(2):
        client.sendIgnore(b"x")
        packets.append(client.transport.value())
        client.transport.clear()
    for index in order:
        server.dataReceived(packets[index])
    pump(client, server)

    assert client.refusals[0][0] == DISCONNECT_MAC_ERROR


@pytest.mark.parametrize("size", [0, 1, 15, 17, PACKET_LIMIT + 16, 2**31, 2**32 - 16])
@pytest.mark.parametrize("suite", SUITES, ids=IDS)
def test_a_length_out_of_bounds_ends_the_connection_at_once(rig, suite, size):
    client, server = log_in(rig, suite)
    server.dataReceived(struct.pack(">L", size))
    pump(client, server)

    assert client.refusals[0][0] == DISCONNECT_PROTOCOL_ERROR


@pytest.mark.parametrize("suite", SUITES, ids=IDS)
def test_the_largest_packet_is_taken(rig, suite):
    client, server = log_in(rig, suite)
    taken = []
    server.ssh_IGNORE = taken.append
    text = b"x" * (PACKET_LIMIT - 16 - 5)
    client.sendIgnore(text)
    pump(client, server, chunk=8192)

    assert taken == [NS(text)]


@pytest.mark.parametrize("body", [b"\x00" * 16, b"\x03" * 16, b"\x0f" * 16, b"\x10" * 16, b"\xff" * 16])
def test_malformed_padding_ends_the_connection(rig, body, logged_failures):
    client, server = log_in(rig)
    length = len(body).to_bytes(LENGTH_SIZE, "big")
    sealed = client.currentEncryptions.sealer.seal(client.outgoingPacketSequence, length, body)
    server.dataReceived(length + sealed)
    pump(client, server)

    assert client.refusals[0][0] == DISCONNECT_PROTOCOL_ERROR
    assert logged_failures.failures == []


def test_every_payload_is_padded_to_whole_blocks():
    for size in range(1, 40):
        body = pad(b"x" * size)
        assert len(body) % 16 == 0
        assert 4 <= body[0] < 20
        assert unpad(body) == b"x" * size
    with pytest.raises(PacketError):
        unpad(bytes((15,)) + b"\0" * 15)


# The strict key exchange


def test_every_change_of_keys_restarts_the_sequence(rig):
    client, server = log_in(rig)
    for _ in range(5):
        client.sendIgnore(b"x")
    pump(client, server)
    assert server.incomingPacketSequence > 5
    client.sendKexInit()
    pump(client, server)

    # Nothing follows the new keys until somebody types.
    assert (server.incomingPacketSequence, server.outgoingPacketSequence) == (0, 0)


@pytest.mark.parametrize("suite", SUITES, ids=IDS)
def test_the_sequence_goes_on_with_a_client_that_is_not_strict(rig, suite):
    client, server, service = rig.login(ED, client=client_of(suite, strict=False))
    before = server.incomingPacketSequence
    client.sendKexInit()
    pump(client, server)

    assert service.connected.started
    assert not server.strict
    assert server.incomingPacketSequence > before


def inject(rig, number, after, *, strict):
    """Have a client send one packet more: before the key exchange, or after one of its packets."""

    payload = {IGNORE: NS(b"x"), UNIMPLEMENTED: b"\0" * 4, DEBUG: b"\0" + NS(b"x") * 2}.get(number, b"")

    class Injecting(SealingClient):
        def _allowedKeyExchangeMessageType(self, messageType):
            return True

        def sendPacket(self, messageType, content):
            if after is None and messageType == KEXINIT:
                SealingClient.sendPacket(self, number, payload)
            SealingClient.sendPacket(self, messageType, content)
            if messageType == after and not self.isEncrypted():
                SealingClient.sendPacket(self, number, payload)

    with recorded_events() as events:
        client, server, service = rig.login(ED, client=functools.partial(Injecting, strict=strict))
        client.transport.loseConnection()
        server.transport.lose()
    return service.connected.started, [fields["reason"] for name, fields in events if name == "ssh-login-refused"]


@pytest.mark.parametrize("after", [None, KEXINIT, KEXDH_INIT], ids=["before", "after the lists", "before new keys"])
@pytest.mark.parametrize("number", [IGNORE, UNIMPLEMENTED, DEBUG, 19, 29], ids=lambda number: f"packet {number}")
def test_a_strict_exchange_has_no_other_packets(rig, number, after):
    started, reasons = inject(rig, number, after, strict=True)

    assert not started
    expected = "a packet before the first key exchange" if after is None else f"packet {number} during the first"
    assert reasons[0].startswith(expected)


@pytest.mark.parametrize("after", [None, KEXINIT, KEXDH_INIT])
def test_others_may_send_what_rfc_4253_allows(rig, after):
    assert inject(rig, IGNORE, after, strict=False)[0]


@pytest.mark.parametrize("known", [True, False], ids=["logged in", "unknown"])
@pytest.mark.parametrize("number", [NEWKEYS, KEXDH_INIT, 32, 34], ids=lambda number: f"packet {number}")
def test_keys_are_made_and_changed_only_in_an_exchange(rig, number, known, logged_failures):
    client, server, _ = rig.login(*([ED] if known else []), client=client_of(), then=None if known else lambda _: None)
    ciphers = server.currentEncryptions
    made = []
    ciphers.setKeys = lambda *_: made.append(1)
    client.sendPacket(number, b"" if number == NEWKEYS else NS(b"\x09" * 32))
    pump(client, server)

    assert client.refusals[0][0] == DISCONNECT_PROTOCOL_ERROR
    assert made == []
    assert logged_failures.failures == []


@pytest.mark.parametrize("number", [NEWKEYS, KEXDH_INIT])
def test_one_exchange_makes_keys_once_and_before_they_are_used(rig, number):
    after = KEXINIT if number == NEWKEYS else KEXDH_INIT

    class Hasty(SealingClient):
        def sendPacket(self, messageType, payload):
            super().sendPacket(messageType, payload)
            if messageType == after and not self.isEncrypted():
                super().sendPacket(number, b"" if number == NEWKEYS else payload)

    with recorded_events() as events:
        client, server, _ = rig.login(ED, client=Hasty)
        client.transport.loseConnection()
        server.transport.lose()

    reason = dict(events)["ssh-login-refused"]["reason"]
    assert reason in {"a change of keys without new keys", f"packet {number} outside a key exchange"}


def test_a_wrong_guess_of_the_exchange_is_skipped(rig):
    class Guessing(SealingClient):
        def sendPacket(self, messageType, payload):
            first = messageType == KEXINIT and not self.isEncrypted()
            if first:
                payload = payload[:-5] + b"\1" + payload[-4:]
                self.ourKexInitPayload = bytes((KEXINIT,)) + payload
            super().sendPacket(messageType, payload)
            if first:
                super().sendPacket(KEXDH_INIT, NS(b"a guess"))

    _, server, service = rig.login(ED, client=Guessing)

    assert server.strict
    assert service.connected.started
