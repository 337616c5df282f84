"""Packets whose length is sent in clear: Encrypt-then-MAC and AES-GCM, which Conch lacks.

In both, a packet is its length, the encrypted rest, and a tag over the two, which is checked before anything is
decrypted. The layout is that of OpenSSH's ``PROTOCOL`` (1.5 and 1.6) and RFC 5647.
"""

from __future__ import annotations

import hmac
import os
from typing import Any, Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import GCM
from twisted.conch.ssh.transport import SSHCiphers

from maglev.ssh.packets import PacketError

AEAD_KEY_SIZES: Final = {b"aes256-gcm@openssh.com": 32, b"aes128-gcm@openssh.com": 16}
"""Ciphers that authenticate, too, and the sizes of their keys in bytes."""

ETM_DIGESTS: Final = {b"hmac-sha2-512-etm@openssh.com": "sha512", b"hmac-sha2-256-etm@openssh.com": "sha256"}
"""MACs over what is encrypted, and their hashes."""

LENGTH_SIZE: Final = 4
_BLOCK: Final = 16
_MIN_PADDING: Final = 4


class TagError(Exception):
    """A packet was changed on its way, or was never sent by the peer."""


class Sealer(Protocol):
    """Encrypts and authenticates the packets of one direction."""

    tag_size: int

    def seal(self, sequence: int, length: bytes, body: bytes) -> bytes:
        """Return a body encrypted, followed by the tag.

        Args:
            sequence: The sequence number of the packet.
            length: The length of the body, as four bytes.
            body: A multiple of the block size.
        """

    def unseal(self, sequence: int, length: bytes, sealed: bytes) -> bytes:
        """Return the body of what `seal` returned.

        Raises:
            TagError: The tag does not fit.
        """


class _EncryptThenMac:
    def __init__(self, cipher: Any, digest: str, key: bytes) -> None:
        self._cipher = cipher
        self._digest = digest
        self._key = key
        self.tag_size = len(self._tag(0, b""))

    def seal(self, sequence: int, length: bytes, body: bytes) -> bytes:
        encrypted: bytes = self._cipher.update(body)
        return encrypted + self._tag(sequence, length + encrypted)

    def unseal(self, sequence: int, length: bytes, sealed: bytes) -> bytes:
        encrypted = sealed[: -self.tag_size]
        if not hmac.compare_digest(sealed[-self.tag_size :], self._tag(sequence, length + encrypted)):
            raise TagError
        body: bytes = self._cipher.update(encrypted)
        return body

    def _tag(self, sequence: int, data: bytes) -> bytes:
        return hmac.digest(self._key, sequence.to_bytes(4, "big") + data, self._digest)


class _AesGcm:
    tag_size = 16

    def __init__(self, key: bytes, iv: bytes) -> None:
        self._cipher = AESGCM(key)
        # RFC 5647, 7.1: a fixed field, and an invocation counter; no nonce is used twice with a key.
        self._fixed = iv[:4]
        self._invocations = int.from_bytes(iv[4:12], "big")

    def seal(self, sequence: int, length: bytes, body: bytes) -> bytes:  # noqa: ARG002  # has a counter of its own
        return self._cipher.encrypt(self._nonce(), body, length)

    def unseal(self, sequence: int, length: bytes, sealed: bytes) -> bytes:  # noqa: ARG002
        try:
            return self._cipher.decrypt(self._nonce(), sealed, length)
        except InvalidTag:
            raise TagError from None

    def _nonce(self) -> bytes:
        nonce = self._fixed + self._invocations.to_bytes(8, "big")
        self._invocations = (self._invocations + 1) % 2**64
        return nonce


class PacketCiphers(SSHCiphers):
    """Conch's ciphers, and ours.

    Attributes:
        keyed: Whether `setKeys` was called.
        sealer: For outgoing packets; None if their length is encrypted, too, which Conch does.
        unsealer: The same for incoming packets.
    """

    cipherMap = SSHCiphers.cipherMap | {name: (AES, size, GCM) for name, size in AEAD_KEY_SIZES.items()}
    macMap = SSHCiphers.macMap | {
        name: SSHCiphers.macMap[name.removesuffix(b"-etm@openssh.com")] for name in ETM_DIGESTS
    }
    keyed = False
    sealer: Sealer | None = None
    unsealer: Sealer | None = None

    def setKeys(self, outIV: bytes, outKey: bytes, inIV: bytes, inKey: bytes, outInteg: bytes, inInteg: bytes) -> None:
        """Set up both directions; each key is at least as long as its algorithm needs."""
        SSHCiphers.setKeys(self, outIV, outKey, inIV, inKey, outInteg, inInteg)
        self.sealer = _sealer(self.outCipType, self.outMACType, self.encryptor, outIV, outKey, outInteg, self.outMAC[3])
        self.unsealer = _sealer(self.inCipType, self.inMACType, self.decryptor, inIV, inKey, inInteg, self.inMAC[3])
        self.keyed = True


def _sealer(cipher: bytes, mac: bytes, stream: Any, iv: bytes, key: bytes, mac_key: bytes, mac_size: int) -> Any:
    if cipher in AEAD_KEY_SIZES:
        # The MAC is negotiated, too, but not used.
        return _AesGcm(key[: AEAD_KEY_SIZES[cipher]], iv)
    if mac in ETM_DIGESTS:
        return _EncryptThenMac(stream, ETM_DIGESTS[mac], mac_key[:mac_size])
    return None


def pad(payload: bytes) -> bytes:
    """Return the body of a packet (RFC 4253, 6): the size of the padding, the payload, and the padding."""
    size = _BLOCK - (1 + len(payload)) % _BLOCK
    if size < _MIN_PADDING:
        size += _BLOCK
    return bytes((size,)) + payload + os.urandom(size)


def unpad(body: bytes) -> bytes:
    """Return the payload of a body.

    Raises:
        PacketError: The padding is malformed, or nothing is left without it.
    """
    size = body[0]
    if not _MIN_PADDING <= size < len(body) - 1:
        message = f"{size} bytes of padding in a packet of {len(body)}"
        raise PacketError(message)
    return body[1:-size]


def is_body_size(size: int) -> bool:
    """Return whether a body may have this size in bytes."""
    return size > 0 and size % _BLOCK == 0
