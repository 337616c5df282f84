"""A certificate authority for tests, and the certificates it issues."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from pathlib import Path

DAY = dt.timedelta(days=1)


def now() -> dt.datetime:
    """Return the time to which validities refer, in whole seconds as certificates have them."""
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


class Authority:
    """Issues certificates; one without `issuer` is its own root.

    Attributes:
        certificate: Its own certificate.
    """

    def __init__(self, name: str = "test authority", issuer: Authority | None = None) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._issuer = issuer
        self._name = _name(name)
        self.certificate = self._certify(self._name, self._key.public_key(), by=issuer or self, authority=True)

    def issue(
        self,
        folder: Path,
        *names: str,
        not_after: dt.datetime | None = None,
        not_before: dt.datetime | None = None,
    ) -> tuple[Path, Path]:
        """Write a certificate (with the chain up to the root, which is left out) and its key; return their paths."""
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = self._certify(
            _name(names[0]), key.public_key(), by=self, names=names, not_after=not_after, not_before=not_before
        )
        return write(folder, [leaf, *self._chain()], key)

    def issue_person(self, folder: Path, subject: x509.Name) -> tuple[Path, Path]:
        """Write a certificate of a client and its key; return their paths."""
        key = ec.generate_private_key(ec.SECP256R1())
        return write(folder, [self._certify(subject, key.public_key(), by=self), *self._chain()], key)

    def issue_itself(self, folder: Path) -> tuple[Path, Path]:
        """Write its own certificate and key, as a server would use them; return their paths."""
        return write(folder, [self.certificate], self._key)

    def write_root(self, folder: Path) -> str:
        """Write the certificate of this authority; return its path, as a trust root."""
        path = folder / f"root-{x509.random_serial_number():x}.pem"
        path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return str(path)

    def _chain(self) -> list[x509.Certificate]:
        return [] if self._issuer is None else [self.certificate, *self._issuer._chain()]

    @staticmethod
    def _certify(subject, public_key, *, by, authority=False, names=(), not_after=None, not_before=None):
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(by._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(not_before or now() - 10 * DAY)
            .not_valid_after(not_after or now() + 10 * DAY)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by._key.public_key()), critical=False)
        )
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
            ).add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        return builder.sign(by._key, hashes.SHA256())


def write(folder: Path, chain: list[x509.Certificate], key: ec.EllipticCurvePrivateKey) -> tuple[Path, Path]:
    """Write a chain and a key as PEM; return their paths."""
    stem = f"{x509.random_serial_number():x}"
    certificate_path, key_path = folder / f"{stem}.pem", folder / f"{stem}.key"
    certificate_path.write_bytes(b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_path, key_path


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
