"""Public key authentication (RFC 4252); no passwords, no interaction."""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING, Any, Final

from twisted.conch.ssh.common import NS
from twisted.conch.ssh.service import SSHService
from twisted.conch.ssh.transport import (
    DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE,
    DISCONNECT_SERVICE_NOT_AVAILABLE,
    DISCONNECT_TOO_MANY_CONNECTIONS,
)

from maglev.model.caller import Caller
from maglev.ssh.algorithms import SIGNATURES
from maglev.ssh.packets import PacketError, PacketReader

if TYPE_CHECKING:
    from maglev.ssh.keyfile import AuthorizedKey
    from maglev.ssh.keyring import Authorization, KeyRing

MSG_USERAUTH_REQUEST: Final = 50
MSG_USERAUTH_FAILURE: Final = 51
MSG_USERAUTH_SUCCESS: Final = 52
MSG_USERAUTH_PK_OK: Final = 60

_USER_PRESENT: Final = 0x01
"""Flag of a hardware key's signature: the key was touched (OpenSSH's PROTOCOL.u2f)."""


class KeyAuthentication(SSHService):
    """The service ``ssh-userauth`` with the one method ``publickey``.

    The user name does not matter: the key identifies the user. Only authorized keys are ever called acceptable.
    """

    name = b"ssh-userauth"

    def __init__(self, keyring: KeyRing, attempts: int) -> None:
        """Create the service.

        Args:
            keyring: The authorized keys.
            attempts: Number of refusals after which the connection ends.
        """
        self.transport: Any = None
        self._keyring = keyring
        self._left = attempts

    def packetReceived(self, messageNum: int, packet: bytes) -> None:
        """Answer a request."""
        if messageNum != MSG_USERAUTH_REQUEST:
            raise PacketError("expected a login request")
        reader = PacketReader(packet)
        user, service, method = reader.string(), reader.string(), reader.string()
        if service != b"ssh-connection":
            self.transport.sendDisconnect(DISCONNECT_SERVICE_NOT_AVAILABLE, b"there are only sessions here")
        elif method == b"publickey":
            self._publickey(user, reader)
        else:
            if method != b"none":
                self.transport.key_refused("only keys are accepted", user)
            self._refuse()

    def _publickey(self, user: bytes, reader: PacketReader) -> None:
        signed = reader.boolean()
        algorithm, blob = reader.string(), reader.string()
        grant = self._keyring.find(blob)
        if grant is None:
            self.transport.key_refused("unknown key", user)
            self._refuse()
        elif algorithm not in SIGNATURES[grant.key.type]:
            self.transport.key_refused("signature algorithm not accepted", user)
            self._refuse()
        elif not signed:
            self.transport.sendPacket(MSG_USERAUTH_PK_OK, NS(algorithm) + NS(blob))
        elif self._proves(grant.key, algorithm, user, reader.string()):
            self._let_in(grant)
        else:
            self.transport.key_refused("wrong signature", user)
            self._refuse()

    def _proves(self, key: AuthorizedKey, algorithm: bytes, user: bytes, signature: bytes) -> bool:
        """Return whether a signature is by this key and for this connection (RFC 4252, 7)."""
        message = (
            NS(self.transport.sessionID)
            + bytes((MSG_USERAUTH_REQUEST,))
            + NS(user)
            + NS(b"ssh-connection")
            + NS(b"publickey")
            + b"\1"
            + NS(algorithm)
            + NS(key.blob)
        )
        reader = PacketReader(signature)
        # The type inside the signature decides which hash is used: it must be the one that was agreed on.
        if reader.string() != algorithm:
            return False
        if key.application:
            reader.string()
            return _touched(reader, key, signature, message)
        return _verify(key, signature, message)

    def _let_in(self, grant: Authorization) -> None:
        caller = Caller(name=grant.key.name, role=grant.role, origin=self.transport.origin)
        refusal = self.transport.log_in(caller, grant.key.fingerprint)
        if refusal:
            self.transport.sendDisconnect(DISCONNECT_TOO_MANY_CONNECTIONS, refusal.encode())
            return
        self.transport.sendPacket(MSG_USERAUTH_SUCCESS, b"")
        self.transport.start_connection()

    def _refuse(self) -> None:
        self._left -= 1
        # The first request of every client asks for the available methods (method "none"); it does not count.
        if self._left < 0:
            self.transport.sendDisconnect(DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE, b"too many refused keys")
        else:
            self.transport.sendPacket(MSG_USERAUTH_FAILURE, NS(b"publickey") + b"\0")


def _touched(reader: PacketReader, key: AuthorizedKey, signature: bytes, message: bytes) -> bool:
    """Return whether a hardware key signed and was touched (OpenSSH's PROTOCOL.u2f)."""
    flags, counter = reader.take(1), reader.take(4)
    wrapped = hashlib.sha256(key.application).digest() + flags + counter + hashlib.sha256(message).digest()
    return bool(flags[0] & _USER_PRESENT) and _verify(key, signature, wrapped)


def _verify(key: AuthorizedKey, signature: bytes, message: bytes) -> bool:
    try:
        valid: bool = key.key.verify(signature, message)
    except (ValueError, TypeError, LookupError, OverflowError, struct.error) as error:
        raise PacketError("invalid signature") from error
    return valid
