"""TLS session resumption: how long a backend may go without showing its certificate again.

A resumed handshake costs a half to a third of a full one, for both ends: no certificate is sent, no chain verified, no
signature made. It proves that the backend, or one that shares its ticket keys, had the right certificate not long ago.
So the checker, unlike a browser, has to ask again. The next handshake is a full one

- a while after the last full one (`LIFETIME`);
- when the certificate shown then has expired by the clock on the wall;
- after a probe that failed, unless it only timed out;
- when the backend does not accept the session, which is its right.

A probe that timed out says nothing about the certificate. Above all, when a busy daemon is the reason, full handshakes
would make it twice as busy, and it might never recover.

A backend that breaks off a handshake because of the session, where it had only to ignore it, would fail every other
probe. So one that breaks off is not offered any for some time (`TRUCE`).

The ticket travels in the ClientHello (RFC 8446 section 4.2.11, RFC 5077). One that would no longer fit in a packet with
it, because the server put our certificate into it, say, is not offered either: a server that reads the ClientHello in
one go is why it is small.

Of TLS 1.3 a session is worth something only after the backend's tickets were read, which come after the handshake (RFC
8446 section 4.6.1): the answer of HTTP brings them along.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Final

from OpenSSL import SSL

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IReactorTime

    from maglev.healthcheck.probers.trust import Identity

LIFETIME: Final = 60.0
"""Seconds after a full handshake that another one is due at the latest. At an interval of 2 s one probe in 30 or less
than that shows the certificate, which costs a few percent; and a minute is short beside the days for which an expiring
certificate is known beforehand."""

TRUCE: Final = 3600.0
"""Seconds without resumption after a backend broke off a handshake. The session was probably not the reason, but full
handshakes only cost CPU, while false failures must stay too rare ever to reach ``fall``."""

SEGMENT: Final = 1220
"""Bytes of a ClientHello that go in one packet everywhere: the IPv6 minimum of 1,280 (RFC 8200 section 5) less the
headers of IPv6 and TCP."""

_SPREAD: Final = 0.5
"""The part of `LIFETIME` after which it may be due already, so that backends which started together part company."""

_FAREWELLS: Final = SSL.SENT_SHUTDOWN | SSL.RECEIVED_SHUTDOWN


def _between_half_and_whole() -> float:
    return random.uniform(_SPREAD, 1.0)


class Resumption:
    """The TLS session with one backend, from one probe to the next."""

    __slots__ = ("_clock", "_due", "_hello_limit", "_identity", "_kept", "_offered", "_spread", "_truce", "_wall")

    def __init__(
        self,
        clock: IReactorTime,
        identity: Identity,
        wall: Callable[[], float] = time.time,
        spread: Callable[[], float] = _between_half_and_whole,
        hello_limit: int | None = SEGMENT,
    ) -> None:
        """Begin without a session.

        Args:
            clock: A monotonic clock.
            identity: Knows when the certificate expires.
            wall: Returns the seconds since the epoch.
            spread: Returns the part of `LIFETIME` that is to pass between two full handshakes.
            hello_limit: Maximum number of bytes of a ClientHello with a session; None for any number.
        """
        self._clock = clock
        self._identity = identity
        self._wall = wall
        self._spread = spread
        self._hello_limit = hello_limit
        self._kept: SSL.Session | None = None
        self._offered: SSL.Session | None = None
        self._due = 0.0
        self._truce = 0.0

    def begin(self) -> None:
        """Decide whether the probe that begins is to resume what is kept."""
        if self._kept is not None and not self._still_good():
            self._kept = None
        self._offered = self._kept

    @property
    def offered(self) -> SSL.Session | None:
        """The session to resume in this probe; None for a full handshake."""
        return self._offered

    def fits(self, hello: int) -> bool:
        """Return whether a ClientHello of this many bytes may go out; if not, no session is offered for some time."""
        if self._offered is None or self._hello_limit is None or hello <= self._hello_limit:
            return True
        self._offered = self._kept = None
        self._truce = self._clock.seconds() + TRUCE
        return False

    def keep(self, tls: SSL.Connection, *, full: bool) -> None:
        """The probe passed: keep the session of its connection.

        Args:
            tls: The connection.
            full: Whether the backend showed its certificate.
        """
        if full:
            self._due = self._clock.seconds() + LIFETIME * self._spread()
        if self._clock.seconds() >= self._truce:
            self._kept = tls.get_session()

    def drop(self) -> None:
        """The probe failed: the next handshake is a full one."""
        self._kept = None

    def broken_off(self) -> None:
        """The handshake failed in which the session was offered."""
        self._truce = self._clock.seconds() + TRUCE

    @staticmethod
    def part(tls: SSL.Connection) -> None:
        """Make OpenSSL believe that a connection, which nothing will be sent or read over any more, ended in order.

        It takes the session of one that did not for tainted. TLS no longer does (RFC 5246 section 7.2.1), and we end
        every connection with a reset.
        """
        tls.set_shutdown(_FAREWELLS)

    def _still_good(self) -> bool:
        expiry = self._identity.expiry
        return self._clock.seconds() < self._due and (expiry is None or self._wall() < expiry)
