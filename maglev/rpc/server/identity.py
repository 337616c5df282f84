"""Identifies clients: through the kernel on a UNIX socket, by the client's certificate over TLS.

Both are consulted at login, not before, because Perspective Broker builds the login object before there is a
connection. Claims of the client do not count.
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
from maglev.model.text import printable
from maglev.runtime.admission import Trust

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from OpenSSL.crypto import X509

SO_PEERGROUPS: Final = 59
"""From ``asm-generic/socket.h`` (Linux 4.13); missing in the socket module."""

MAX_GROUPS: Final = 256
"""Maximum number of supplementary groups: all that `socket.socket.getsockopt` can return. A user with more has
none."""

LOOKUP_DEADLINE: Final = 2.0
"""Seconds for the name of a user, which may come from a directory in the network."""

OPERATOR_UNIT: Final = "operator"
"""The organizational unit (OU) of a certificate that makes its owner an operator."""


class Credentials(NamedTuple):
    """The kernel's record of the process that connected, as of that moment."""

    pid: int
    uid: int
    gid: int
    groups: frozenset[int]


@attrs.frozen
class Operators:
    """The operators on a UNIX socket; everybody else is a viewer.

    Attributes:
        uids: Users who are operators: root, and the user that the daemon runs as.
        gids: Groups whose members are operators, as primary or supplementary group.
    """

    uids: frozenset[int]
    gids: frozenset[int] = frozenset()

    def role_of(self, peer: Credentials) -> Role:
        """Return the role of a peer."""
        known = peer.uid in self.uids or peer.gid in self.gids or not self.gids.isdisjoint(peer.groups)
        return Role.OPERATOR if known else Role.VIEWER

    def trust_in(self, peer: Credentials) -> Trust:
        """Return how much a peer is trusted, for the number of its connections."""
        if peer.uid in self.uids:
            return Trust.ROOT
        return Trust.OPERATOR if self.role_of(peer) is Role.OPERATOR else Trust.VIEWER


def credentials_of(connection: socket.socket) -> Credentials:
    """Return the credentials of the peer of a UNIX socket."""
    pid, uid, gid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    try:
        groups = connection.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, 4 * MAX_GROUPS)
    except OSError:
        groups = b""
    return Credentials(pid, uid, gid, frozenset(each for (each,) in struct.iter_unpack("I", groups)))


class Identities:
    """Identifies clients."""

    def __init__(self, operators: Operators, user_name: Callable[[int], Awaitable[str]]) -> None:
        """Create it.

        Args:
            operators: The operators on a UNIX socket.
            user_name: Returns the name of a user by number; `UserNames` or the like.
        """
        self._operators = operators
        self._user_name = user_name

    def local_trust(self, transport: Any) -> Trust | None:
        """Return how much the peer of a UNIX socket is trusted; None for other connections."""
        if isinstance(transport.getPeer(), IPv4Address | IPv6Address):
            return None
        return self._operators.trust_in(credentials_of(transport.getHandle()))

    async def identify(self, transport: Any) -> Caller | None:
        """Return the caller at the other end of a connection; None if it may not log in."""
        if isinstance(transport.getPeer(), IPv4Address | IPv6Address):
            return _certified(transport)
        peer = credentials_of(transport.getHandle())
        name = await self._user_name(peer.uid)
        return Caller(name, self._operators.role_of(peer), f"unix uid {peer.uid} pid {peer.pid}")


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
    """Looks users up in the password database, in a thread, because it may be remote."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    async def __call__(self, uid: int) -> str:
        """Return the name of a user, or ``uid`` and the number if there is no name, or none in time."""
        lookup = deferToThreadPool(self._reactor, self._reactor.getThreadPool(), pwd.getpwuid, uid)
        lookup.addTimeout(LOOKUP_DEADLINE, self._reactor)
        try:
            return printable((await lookup).pw_name)
        except (KeyError, OSError, DeferredTimeout, CancelledError):
            return f"uid {uid}"
