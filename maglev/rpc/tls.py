"""TLS for both ends: each presents a certificate, and each trusts one authority.

OpenSSL itself loads the contexts from files, because Twisted's own options take certificates as objects that pyOpenSSL
has deprecated.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
from OpenSSL import SSL
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import verify_certificate_hostname, verify_certificate_ip_address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator
from twisted.protocols.tls import BufferingTLSTransport, TLSMemoryBIOFactory
from zope.interface import implementer

from maglev.model.addresses import is_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from OpenSSL.crypto import X509
    from twisted.internet.interfaces import IReactorTime
    from twisted.internet.protocol import ServerFactory
    from twisted.python.failure import Failure

_SESSIONS = b"maglev-pb"
"""The session id context, which OpenSSL requires for resumption where clients present certificates."""

_RELEASE_BUFFERS: Final = 0x10
"""SSL_MODE_RELEASE_BUFFERS of openssl/ssl.h: idle connections keep no buffers. Older pyOpenSSL does not name it."""


@attrs.frozen
class TlsFiles:
    """PEM files of one end.

    Attributes:
        authority: Certificates of the authorities that may issue the other end's certificate.
        certificate: Our own certificate, with the chain to its root.
        key: Its private key.
    """

    authority: str
    certificate: str
    key: str


def tls_context(files: TlsFiles, name: str | None = None) -> SSL.Context:
    """Return the TLS settings of one end.

    Args:
        files: Our certificate, its key, and the trusted authority.
        name: The name or address that the other end's certificate must have; None if it is a client.

    Raises:
        OSError, ValueError: A file can't be read, or has other content.
    """
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_session_id(_SESSIONS)
    context.set_mode(_RELEASE_BUFFERS)
    _load(files.certificate, context.use_certificate_chain_file)
    _load(files.key, context.use_privatekey_file)
    _load(files.authority, context.load_verify_locations)
    try:
        context.check_privatekey()
    except SSL.Error:
        message = f"{files.key} is not the key of {files.certificate}"
        raise ValueError(message) from None
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, functools.partial(_judge, name))
    return context


def _load(path: str, use: Callable[[str], object]) -> None:
    Path(path).open("rb").close()  # the error that this raises names the file
    try:
        use(path)
    except SSL.Error:
        message = f"{path}: expected a certificate or key in PEM format"
        raise ValueError(message) from None


def _judge(name: str | None, _: SSL.Connection, certificate: X509, _number: int, depth: int, passed: int) -> bool:
    """Tell OpenSSL whether to go on (the verify callback)."""
    return bool(passed) and (depth > 0 or name is None or _is_for(certificate, name))


def _is_for(certificate: X509, name: str) -> bool:
    shown = certificate.to_cryptography()
    try:
        if is_address(name):
            verify_certificate_ip_address(shown, name)
        else:
            verify_certificate_hostname(shown, name)
    except (VerificationError, CertificateError, ValueError):  # ValueError: what cryptography can't parse
        return False
    return True


@implementer(IOpenSSLServerConnectionCreator)
class ServerTls:
    """Makes the server's end of TLS connections."""

    def __init__(self, files: TlsFiles) -> None:
        """Prepare; raises as `tls_context`."""
        self._context = tls_context(files)

    def serverConnectionForTLS(self, _: Any) -> SSL.Connection:
        """Return a new one."""
        return SSL.Connection(self._context, None)


class TlsLayer(BufferingTLSTransport):
    """TLS of one connection, which leaves no cycles when that is lost.

    Twisted makes a failure of a TLS error, such as a client that vanishes in the handshake. The failure refers to its
    traceback, whose frames refer to the failure and to both transports: so a flood of connections would pile up until
    the cyclic collector runs.
    """

    def _tlsShutdownFinished(self, reason: Failure | None) -> None:
        """Drop the traceback; without this hook of Twisted's, only memory is lost."""
        if reason is not None:
            reason.tb = reason.value.__traceback__ = None  # type: ignore[union-attr]
        super()._tlsShutdownFinished(reason)  # type: ignore[no-untyped-call]


class TlsLayers(TLSMemoryBIOFactory):
    """Puts a `TlsLayer` below each protocol of a server."""

    protocol = TlsLayer

    def __init__(self, tls: ServerTls, factory: ServerFactory, clock: IReactorTime) -> None:
        """Make the protocols of a factory speak TLS.

        Args:
            tls: Makes the server's end.
            factory: Makes the protocols.
            clock: Delays small writes, to send them together.
        """
        super().__init__(tls, False, factory, clock)


@implementer(IOpenSSLClientConnectionCreator)
class ClientTls:
    """Makes the client's end of TLS connections to one server."""

    def __init__(self, files: TlsFiles, name: str) -> None:
        """Prepare; raises as `tls_context`."""
        self._context = tls_context(files, name)
        self._name = name

    def clientConnectionForTLS(self, _: Any) -> SSL.Connection:
        """Return a new one."""
        connection = SSL.Connection(self._context, None)
        if not is_address(self._name):
            connection.set_tlsext_host_name(self._name.encode("idna"))
        return connection
