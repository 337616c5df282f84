"""Whose certificates are believed, and what was learned about the one that a backend showed.

Backends that are probed alike share a TLS context, so most installations have two: one that verifies and one that does
not. Each takes some ten milliseconds to make, for the system's trust store, and is never changed after its first
connection.

A certificate that does not verify is refused while the handshake is still going on, so that the backend hears why. But
not before the leaf has been seen, because its expiry is wanted above all when it is the reason: OpenSSL asks from the
top of the chain downwards, so an error above the leaf is remembered, and refused at the leaf.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

import attrs
from OpenSSL import SSL, crypto
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import verify_certificate_hostname, verify_certificate_ip_address

from maglev.config.credentials import prepare
from maglev.model.addresses import is_address, without_port
from maglev.model.config import TlsParams
from maglev.model.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from OpenSSL.crypto import X509

    from maglev.model.config import Backend, Healthcheck

# The usual suspects among the error numbers of X509_STORE_CTX_get_error(3).
_ERRORS: Final[Mapping[int, str]] = {
    2: "issuer not found",
    7: "signature wrong",
    9: "certificate not yet valid",
    10: "certificate expired",
    18: "self-signed certificate",
    19: "self-signed certificate in the chain",
    20: "issuer unknown",
    21: "issuer unknown",
    23: "certificate revoked",
    24: "issuer is not a certificate authority",
    26: "certificate not made for servers",
    66: "key too weak",
    67: "key of the issuer too weak",
    68: "signature algorithm too weak",
}


_PLAIN: Final = (TlsParams(verify=True), TlsParams(verify=False))


class TlsContexts:
    """Makes the TLS contexts of a daemon, each when it is first asked for."""

    def __init__(self, trust_root: str | None = None) -> None:
        """Remember whom to trust.

        Args:
            trust_root: Path of a PEM file with the certificates of authorities; None for those of the system.
        """
        self._trust_root = trust_root
        # Those with files of their own go with their last prober; the plain ones stay.
        self._made: WeakValueDictionary[tuple[TlsParams, bytes], SSL.Context] = WeakValueDictionary()
        self._plain: list[SSL.Context] = []

    def context(self, tls: TlsParams, alpn: bytes = b"") -> SSL.Context:
        """Return the context for probes with these parameters, which offers a protocol by ALPN if one is given.

        Raises:
            SSL.Error: OpenSSL refuses what it took when the configuration was read.
        """
        alike = attrs.evolve(tls, server_name=None, resume=True)
        made = self._made.get((alike, alpn))
        if made is None:
            made = self._made[alike, alpn] = self._make(alike)
            if alpn:
                made.set_alpn_protos([alpn])
            elif alike in _PLAIN:
                self._plain.append(made)
        return made

    def _make(self, tls: TlsParams) -> SSL.Context:
        context = SSL.Context(SSL.TLS_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        # A probe that waits for a hanging application holds 55 KB of OpenSSL's, and 16 of those are empty buffers.
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        prepare(context, tls)
        if not tls.verify:
            context.set_verify(SSL.VERIFY_NONE, _note_certificate)
            return context
        context.set_verify(SSL.VERIFY_PEER, _judge_certificate)
        if tls.ca_file is None and self._trust_root is None:
            context.set_default_verify_paths()
        elif tls.ca_file is None:
            context.load_verify_locations(self._trust_root)
        return context


def _judge_certificate(connection: SSL.Connection, certificate: X509, number: int, depth: int, passed: int) -> bool:
    """Tell OpenSSL whether to go on (the verify callback); `Verification` is the connection's application data."""
    verification = connection.get_app_data()
    if not passed and verification.error is None:
        verification.error = _ERRORS.get(number, f"certificate not valid (OpenSSL error {number})")
    if depth > 0:
        return True
    verification.leaf = certificate
    return verification.error is None


def _note_certificate(connection: SSL.Connection, certificate: X509, _number: int, depth: int, _passed: int) -> bool:
    """Remember the leaf, and tell OpenSSL to go on, whatever it thinks of the certificate (the verify callback)."""
    if depth == 0:
        connection.get_app_data().leaf = certificate
    return True


class Verification:
    """What is known about the certificate in one handshake.

    Attributes:
        leaf: The backend's own certificate, once seen; a resumed handshake shows none.
        error: Why it was refused, for a person; None if it was not.
    """

    __slots__ = ("error", "leaf")

    def __init__(self) -> None:
        self.leaf: X509 | None = None
        self.error: str | None = None


class Identity:
    """Who a backend should be, and what it showed.

    Attributes:
        server_name: The name to send (SNI), in ASCII; None to send none.
        expiry: When the certificate shown last expires, in seconds since the epoch; None before, or if it has no end.
    """

    def __init__(self, backend: Backend, healthcheck: Healthcheck) -> None:
        """Take the name from ``server-name``, else ``host``, else verify by the address."""
        tls, http = healthcheck.tls, healthcheck.http
        name = (tls and tls.server_name) or (http and http.host and without_port(http.host)) or backend.address
        self._by_address = is_address(name)
        self._name = name if self._by_address else _ascii(name)
        self.server_name = None if self._by_address else self._name.encode("ascii")
        self.expiry: float | None = None
        self._shown = b""
        self._mismatch: str | None = None

    def learn(self, leaf: X509) -> None:
        """Record the certificate that the backend presented; it is parsed only when it has changed."""
        shown = crypto.dump_certificate(crypto.FILETYPE_ASN1, leaf)
        if shown != self._shown:
            ends = leaf.get_notAfter()
            self.expiry = None if ends is None else _epoch(ends.decode("ascii"))
            self._mismatch = self._compare(leaf)
            self._shown = shown

    @property
    def mismatch(self) -> str | None:
        """Return why the certificate shown last is not the expected backend's; None if it is."""
        return self._mismatch

    def _compare(self, leaf: X509) -> str | None:
        certificate = leaf.to_cryptography()
        try:
            if self._by_address:
                verify_certificate_ip_address(certificate, self._name)
            else:
                verify_certificate_hostname(certificate, self._name)
        except VerificationError:
            return printable(f"certificate is not for {self._name}")
        except (CertificateError, ValueError) as error:  # ValueError: what cryptography can't parse
            return printable(f"certificate without a usable name: {error}")
        return None


def _ascii(name: str) -> str:
    """Return a host name as it goes over the wire (RFC 5890); unchanged if it is none that could."""
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        return name.encode("ascii", "replace").decode("ascii")


def _epoch(asn1_time: str) -> float | None:
    """Return the seconds since the epoch of an ASN.1 time as OpenSSL prints it."""
    try:
        return datetime.strptime(asn1_time, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
