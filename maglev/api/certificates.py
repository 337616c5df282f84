"""Certificates out of PEM files, for both ends of TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twisted.internet.ssl import Certificate, trustRootFromCertificates

if TYPE_CHECKING:
    from collections.abc import Iterable

_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"


def certificates(pem: bytes) -> list[Certificate]:
    """Return all certificates of a PEM file, at least one.

    Raises:
        ValueError: There is none.
        OpenSSL.SSL.Error: One is broken.
    """
    found = [Certificate.loadPEM(_BEGIN + each) for each in pem.split(_BEGIN)[1:]]
    if not found:
        raise ValueError("a file that should have certificates in it has none")
    return found


def trust_in(authorities: Iterable[Certificate]) -> Any:
    """Return a trust root of these authorities."""
    return trustRootFromCertificates(authorities)
