"""Who is at the other end: by the kernel's word for a UNIX socket, by the client's certificate over TLS.

Both are asked at login, not before: Perspective Broker builds the object that a client logs in at before there is a
connection. Nothing that the client says counts.
"""

from __future__ import annotations

import pwd
import socket
import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import attrs
from cryptography.x509.oid import NameOID
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.threads import deferToThreadPool

from maglev.model.caller import Caller, Role
from maglev.model.result import printable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from OpenSSL.crypto import X509

SO_PEERGROUPS: Final = 59
"""From ``asm-generic/socket.h`` (Linux 4.13); the socket module does not know it."""

MAX_GROUPS: Final = 256
"""Supplementary groups that are read: what `socket.socket.getsockopt` can take. Somebody with more has none."""

LOOKUP_DEADLINE: Final = 2.0
"""Seconds for the name of a user, which may come from a directory in the network."""

OPERATOR_UNIT: Final = "operator"
"""The organizational unit (OU) of a certificate that makes its owner an operator."""


class Credentials(NamedTuple):
    """What the kernel knows about the process that connected, from the moment in which it did."""

    pid: int
    uid: int
    gid: int
    groups: frozenset[int]


@attrs.frozen
class Operators:
    """Who is an operator on a UNIX socket; everybody else is a viewer.

    Attributes:
        uids: By user: root, and the user that the daemon runs as.
        gids: By group, the primary or a supplementary one.
    """

    uids: frozenset[int]
    gids: frozenset[int] = frozenset()

    def role_of(self, peer: Credentials) -> Role:
        """Return what somebody may do."""
        known = peer.uid in self.uids or peer.gid in self.gids or not self.gids.isdisjoint(peer.groups)
        return Role.OPERATOR if known else Role.VIEWER


def credentials_of(connection: socket.socket) -> Credentials:
    """Return who is at the other end of a UNIX socket."""
    pid, uid, gid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    try:
        groups = connection.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, 4 * MAX_GROUPS)
    except OSError:
        groups = b""
    return Credentials(pid, uid, gid, frozenset(each for (each,) in struct.iter_unpack("I", groups)))


class Identities:
    """Finds out who a client is."""

    def __init__(self, operators: Operators, user_name: Callable[[int], Awaitable[str]]) -> None:
        """Recognize clients.

        Args:
            operators: Who is an operator on a UNIX socket.
            user_name: Tells the name of a user by number; `UserNames` or the like.
        """
        self._operators = operators
        self._user_name = user_name

    async def identify(self, transport: Any) -> Caller | None:
        """Return who is at the other end of a connection; None for nobody that may come in."""
        if isinstance(transport.getPeer(), IPv4Address | IPv6Address):
            return _certified(transport)
        peer = credentials_of(transport.getHandle())
        name = await self._user_name(peer.uid)
        return Caller(name, self._operators.role_of(peer), f"unix uid {peer.uid} pid {peer.pid}")


def quota_key(transport: Any) -> str:
    """Return whose connection it is as far as can be told before the login: a user, or an address."""
    peer = transport.getPeer()
    if isinstance(peer, IPv4Address | IPv6Address):
        return f"address {peer.host}"
    return f"uid {credentials_of(transport.getHandle()).uid}"


def _certified(transport: Any) -> Caller | None:
    certificate: X509 | None = getattr(transport, "getPeerCertificate", lambda: None)()
    if certificate is None:
        return None
    subject = certificate.to_cryptography().subject
    names = [str(each.value) for each in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    units = [str(each.value) for each in subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)]
    if len(names) != 1 or not names[0]:
        return None
    peer = transport.getPeer()
    where = f"[{peer.host}]:{peer.port}" if isinstance(peer, IPv6Address) else f"{peer.host}:{peer.port}"
    return Caller(printable(names[0]), Role.OPERATOR if OPERATOR_UNIT in units else Role.VIEWER, f"tls {where}")


class UserNames:
    """Looks users up in the password database, in a thread: it may be far away."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    async def __call__(self, uid: int) -> str:
        """Return the name of a user, or ``uid`` and the number if there is none, or none in time."""
        lookup = deferToThreadPool(self._reactor, self._reactor.getThreadPool(), pwd.getpwuid, uid)
        lookup.addTimeout(LOOKUP_DEADLINE, self._reactor)
        try:
            return printable((await lookup).pw_name)
        except (KeyError, OSError, DeferredTimeout, CancelledError):
            return f"uid {uid}"
