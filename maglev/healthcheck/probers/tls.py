"""TLS probes: a handshake, and over it, if wanted, another probe.

OpenSSL is driven through its memory buffers right here, and not by Twisted's `TLSMemoryBIOProtocol`: that one sends
what was written as soon as the handshake is done, while here the name in the certificate is checked first, and it takes
the connection's application data, in which the verification is recorded, for itself. Cost did not decide: a handshake
and a request over it, in memory, took 695 us of CPU with Twisted's and 660 with this (medians; they overlap), because
nearly all of it is OpenSSL's.

Python's own ``ssl`` does not show the certificate that it refused, and its resumed handshakes cost more than twice as
much with the same OpenSSL: it takes a session apart and rebuilds it each time that it is used.

What a handshake leaves to send goes out together with the first bytes of the probe above: one packet less, and one wake
of the backend.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final, cast

from OpenSSL import SSL
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import ITransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from maglev.config.credentials import reason_of
from maglev.healthcheck.probers.connection import DONE
from maglev.healthcheck.probers.probe import Probe, how_lost
from maglev.healthcheck.probers.trust import Verification
from maglev.model.result import PASSES, Code
from maglev.model.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from OpenSSL.crypto import X509
    from twisted.internet.interfaces import IAddress, ITCPTransport

    from maglev.healthcheck.probers.base import Conclude
    from maglev.healthcheck.probers.resumption import Resumption
    from maglev.healthcheck.probers.trust import Identity

RECORD: Final = 16384
"""The largest plain text of a TLS record (RFC 8446 section 5.1)."""

FLIGHT: Final = 32768
"""More than any flight of handshake messages that a client without certificate sends; a longer one goes in pieces."""


@implementer(ITransport)
class TlsProbe(Probe):
    """Shakes hands, checks who the backend is, and then concludes, or carries another probe over the connection."""

    def __init__(
        self,
        conclude: Conclude,
        context: SSL.Context,
        identity: Identity,
        new_inner: Callable[[Conclude], Probe] | None = None,
        resumption: Resumption | None = None,
        alpn: bytes = b"",
    ) -> None:
        """Prepare for one connection.

        Args:
            conclude: Ends the probe.
            context: Verifies certificates, or not (`maglev.healthcheck.probers.trust.TlsContexts`).
            identity: Who the backend should be; learns about the certificate that it shows.
            new_inner: Returns the probe to carry; None concludes with the handshake.
            resumption: Holds the session to resume, and takes the next one; None always shakes hands in full.
            alpn: The protocol that the backend has to agree to, which the context offers; empty for any.
        """
        super().__init__(conclude)
        self._identity = identity
        self._new_inner = new_inner
        self._resumption = resumption
        self._alpn = alpn
        self._inner: Probe | None = None
        self._verification = Verification()
        self._tls: SSL.Connection | None = SSL.Connection(context, None)
        self.disconnecting = False

    @property
    def unfinished(self) -> bool:
        """Whether the probe above has concluded and reads on."""
        return self._inner is not None and self._inner.unfinished

    def connectionMade(self) -> None:
        """Say hello."""
        tls = self._tls
        if tls is None:
            return
        hello = self._hello(tls)
        if self._resumption is not None and not self._resumption.fits(len(hello)):
            tls = self._tls = SSL.Connection(tls.get_context(), None)
            hello = self._hello(tls)
        if self.transport is not None:
            self.transport.write(hello)

    def dataReceived(self, data: bytes) -> None:
        """Take what the backend sent, encrypted or not yet."""
        tls = self._tls
        if tls is None:
            return
        tls.bio_write(data)
        if self._inner is None:
            self._shake_hands(tls)
        if self._inner is not None:
            self._read(tls)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Let the probe above judge, if there is one already; else the handshake failed."""
        self._part()
        inner, self._inner = self._inner, None
        how = how_lost(reason)
        if inner is not None:
            inner.connectionLost(reason)
        elif how is not None:
            self._fail_handshake(printable(f"{how} during the handshake"))

    def timeout_verdict(self) -> tuple[Code, str]:
        """Return how far the handshake was, or the probe above."""
        if self._inner is not None:
            return self._inner.timeout_verdict()
        return Code.L6TOUT, "handshake not complete"

    # ITransport, for the probe above

    def write(self, data: bytes) -> None:
        """Encrypt and send."""
        tls = self._tls
        if tls is None:
            return
        try:
            while data:
                data = data[tls.send(data) :]
        except SSL.Error as error:
            self._conclude(Code.L6RSP, printable(f"sending failed: {reason_of(error)}"))
        else:
            self._flush(tls)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Encrypt and send several pieces as one."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """Close; there is nothing that a probe would wait for."""
        if self.transport is not None:
            self.transport.loseConnection()

    def loseWriteConnection(self) -> None:
        """End the session, and then close our side of the connection."""
        tls = self._tls
        if tls is None or self.transport is None:
            return
        with contextlib.suppress(SSL.Error):
            tls.shutdown()
        self._flush(tls)
        cast("ITCPTransport", self.transport).loseWriteConnection()

    def getPeer(self) -> IAddress:
        """Return the address of the backend."""
        return IPv4Address("TCP", "", 0) if self.transport is None else self.transport.getPeer()

    def getHost(self) -> IAddress:
        """Return our own address."""
        return IPv4Address("TCP", "", 0) if self.transport is None else self.transport.getHost()

    # Steps

    def _hello(self, tls: SSL.Connection) -> bytes:
        """Prepare a connection, and return its ClientHello."""
        tls.set_app_data(self._verification)
        tls.set_connect_state()
        if self._identity.server_name is not None:
            tls.set_tlsext_host_name(self._identity.server_name)
        if self._resumption is not None and self._resumption.offered is not None:
            tls.set_session(self._resumption.offered)
        with contextlib.suppress(SSL.WantReadError):
            tls.do_handshake()
        return tls.bio_read(FLIGHT)

    def _shake_hands(self, tls: SSL.Connection) -> None:
        try:
            tls.do_handshake()
        except SSL.WantReadError:
            self._flush(tls)
        except SSL.Error as error:
            self._flush(tls)  # the alert that tells the backend why
            self._learn(self._verification.leaf)
            self._fail_handshake(self._verification.error or printable(f"handshake failed: {reason_of(error)}"))
        else:
            self._admit(tls)

    def _fail_handshake(self, detail: str) -> None:
        if self._resumption is not None and self._resumed:
            self._resumption.broken_off()
        self._conclude(Code.L6RSP, detail)

    def _admit(self, tls: SSL.Connection) -> None:
        """The handshake is done: check whose certificate it was, unless that is known since an earlier one."""
        error = None if self._resumed else self._objection(tls)
        if error is None and self._alpn and tls.get_alpn_proto_negotiated() != self._alpn:
            error = "the backend does not agree to HTTP/2 (ALPN)"
        if error is not None:
            self._flush(tls)
            self._conclude(Code.L6RSP, error)
        elif self._new_inner is None:
            self._flush(tls)
            version = tls.get_protocol_version_name()
            # The session of TLS 1.3 is of no use yet: the ticket comes after the handshake.
            conclude = self._conclude if version == "TLSv1.3" else self._conclude_keeping
            conclude(Code.L6OK, version)
        else:
            self._inner = inner = self._new_inner(self._conclude_keeping)
            inner.makeConnection(self)
            self._flush(tls)

    @property
    def _resumed(self) -> bool:
        """Whether a session was offered, and no certificate came instead."""
        return self._verification.leaf is None and self._resumption is not None and self._resumption.offered is not None

    def _objection(self, tls: SSL.Connection) -> str | None:
        """Return why the certificate shown will not do; None if it will."""
        leaf = self._verification.leaf
        self._learn(leaf)
        if tls.get_context().get_verify_mode() == SSL.VERIFY_NONE:
            return None
        return "no certificate" if leaf is None else self._verification.error or self._identity.mismatch

    def _conclude_keeping(self, code: Code, detail: str = "") -> None:
        """Conclude; a session that served a probe that passes is kept for the next one."""
        tls = self._tls
        if tls is not None and self._resumption is not None and code in PASSES:
            self._resumption.keep(tls, full=self._verification.leaf is not None)
        self._conclude(code, detail)

    def _learn(self, leaf: X509 | None) -> None:
        if leaf is not None:
            self._identity.learn(leaf)

    def _read(self, tls: SSL.Connection) -> None:
        while self._inner is not None:
            try:
                data = tls.recv(RECORD)
            except SSL.WantReadError:
                return
            except SSL.ZeroReturnError:
                self._end(DONE)
            except SSL.Error as error:
                self._end(Failure(ConnectionLost(reason_of(error))))
            else:
                self._inner.dataReceived(data)

    def _end(self, reason: Failure) -> None:
        """The backend ended the session, while the connection below is still there."""
        inner, self._inner = self._inner, None
        if inner is not None:
            inner.connectionLost(reason)
        self._part()

    def _part(self) -> None:
        tls, self._tls = self._tls, None
        if tls is not None and self._resumption is not None:
            self._resumption.part(tls)

    def _flush(self, tls: SSL.Connection) -> None:
        """Send what OpenSSL has for the backend."""
        try:
            data = tls.bio_read(FLIGHT)
            if self.transport is not None:
                self.transport.write(data)
        except SSL.WantReadError:
            return
        if len(data) == FLIGHT:
            self._flush(tls)
