"""SSH packets beyond Conch's: those of `maglev.ssh.ciphers`, and the strict key exchange of OpenSSH.

Strict key exchange (OpenSSH's ``PROTOCOL``, 1.10) counters the prefix truncation of CVE-2023-48795: during the first
exchange only its own messages are allowed, and every exchange restarts the sequence numbers. A side that knows it says
so in its first list of key exchanges, which the exchange authenticates.
"""

from __future__ import annotations

from typing import Any, Final

from twisted.conch.ssh.common import getNS
from twisted.conch.ssh.transport import (
    DISCONNECT_MAC_ERROR,
    MSG_DISCONNECT,
    MSG_KEXDH_INIT,
    MSG_NEWKEYS,
    SSHServerTransport,
)

from maglev.ssh.ciphers import LENGTH_SIZE, PacketCiphers, TagError, is_body_size, pad, unpad
from maglev.ssh.limits import PACKET_LIMIT
from maglev.ssh.packets import PacketError

STRICT_SERVER: Final = b"kex-strict-s-v00@openssh.com"
STRICT_CLIENT: Final = b"kex-strict-c-v00@openssh.com"

_COOKIE_SIZE: Final = 16
_OF_KEY_EXCHANGE: Final = range(30, 50)
"""The packets of one method of key exchange (RFC 4250, 4.1.1). All of ours have one from the client."""

_ALLOWED_IN_STRICT_EXCHANGE: Final = frozenset({MSG_DISCONNECT, MSG_KEXDH_INIT, MSG_NEWKEYS})


class PacketTransport(SSHServerTransport):
    """The packets of a server's side of a connection.

    Attributes:
        strict: Whether the peer knows strict key exchange, too.
    """

    transport: Any
    nextEncryptions: Any = None
    strict = False
    _first_exchange = True

    def ssh_KEXINIT(self, packet: bytes) -> None:
        """Take the peer's lists of algorithms.

        Raises:
            PacketError: Other packets came before the first of these lists.
        """
        if self._first_exchange:
            self._first_exchange = False
            self.strict = STRICT_CLIENT in getNS(packet[_COOKIE_SIZE:])[0].split(b",")
            if self.strict and self.incomingPacketSequence != 1:
                message = "a packet before the first key exchange"
                raise PacketError(message)
        SSHServerTransport.ssh_KEXINIT(self, packet)
        chosen = self.nextEncryptions
        self.nextEncryptions = PacketCiphers(chosen.outCipType, chosen.inCipType, chosen.outMACType, chosen.inMACType)

    def ssh_NEWKEYS(self, packet: bytes) -> None:
        """Change keys.

        Raises:
            PacketError: There are no new ones.
        """
        # Conch would go on with the old ones, which a sequence number of 0 would make weak.
        if self.nextEncryptions in {None, self.currentEncryptions} or not self.nextEncryptions.keyed:
            message = "a change of keys without new keys"
            raise PacketError(message)
        if self.strict:
            self.incomingPacketSequence = 0
        SSHServerTransport.ssh_NEWKEYS(self, packet)

    def dispatchMessage(self, messageNum: int, payload: bytes) -> None:
        """Handle a packet.

        Raises:
            PacketError: It does not belong to the first key exchange, which is strict; or it belongs to a key exchange
                that was not begun or has its keys already (Conch would compute others).
        """
        if messageNum in _OF_KEY_EXCHANGE and (
            messageNum != MSG_KEXDH_INIT or self.nextEncryptions is None or self.nextEncryptions.keyed
        ):
            message = f"packet {messageNum} outside a key exchange"
            raise PacketError(message)
        if self.strict and not self.isEncrypted("in") and messageNum not in _ALLOWED_IN_STRICT_EXCHANGE:
            message = f"packet {messageNum} during the first key exchange"
            raise PacketError(message)
        SSHServerTransport.dispatchMessage(self, messageNum, payload)

    def sendPacket(self, messageType: int, payload: bytes) -> None:
        """Send a packet; during a key exchange, only what belongs to it is sent at once."""
        ciphers = self.currentEncryptions
        sealer = ciphers.sealer if isinstance(ciphers, PacketCiphers) else None
        exchanging = self._keyExchangeState != self._KEY_EXCHANGE_NONE
        if sealer is None or (exchanging and not self._allowedKeyExchangeMessageType(messageType)):
            SSHServerTransport.sendPacket(self, messageType, payload)
        else:
            body = pad(bytes((messageType,)) + payload)
            length = len(body).to_bytes(LENGTH_SIZE, "big")
            self.transport.write(length + sealer.seal(self.outgoingPacketSequence, length, body))
            self.outgoingPacketSequence += 1
        if messageType == MSG_NEWKEYS and self.strict:
            self.outgoingPacketSequence = 0

    def getPacket(self) -> bytes | None:
        """Return the payload of the next packet; None if it is not complete or ended the connection.

        Raises:
            PacketError: It is malformed.
        """
        ciphers = self.currentEncryptions
        unsealer = ciphers.unsealer if isinstance(ciphers, PacketCiphers) else None
        if unsealer is None:
            packet: bytes | None = SSHServerTransport.getPacket(self)
            return packet
        if len(self.buf) < LENGTH_SIZE:
            return None
        length = self.buf[:LENGTH_SIZE]
        size = int.from_bytes(length, "big")
        if size > PACKET_LIMIT or not is_body_size(size):
            message = f"a packet of {size} bytes"
            raise PacketError(message)
        end = LENGTH_SIZE + size + unsealer.tag_size
        if len(self.buf) < end:
            return None
        sealed, self.buf = self.buf[LENGTH_SIZE:end], self.buf[end:]
        try:
            body = unsealer.unseal(self.incomingPacketSequence, length, sealed)
        except TagError:
            self.sendDisconnect(DISCONNECT_MAC_ERROR, b"bad MAC")
            return None
        self.incomingPacketSequence += 1
        return unpad(body)
