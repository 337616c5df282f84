"""The certificates, keys and curves of healthchecks: read from their files, and put into OpenSSL's contexts.

They are read when the configuration is, and become a part of it: a file that is replaced later has no effect before the
next reload, and one that vanishes later has none at all. A reload that finds one unreadable or invalid is refused.

Reading prepares a context just as the probes will, so that what is accepted works: OpenSSL also refuses keys that are
too weak, say. Its names for curves, and which of them there are, depend on how it was built.
"""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import attrs
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto

from maglev.config.files import read_regular, why_unreadable
from maglev.model.config import PemFile, TlsParams
from maglev.model.text import excerpt, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

FILE_LIMIT: Final = 512 * 1024
"""Maximum size of a file, in bytes: twice the authorities of Debian or Mozilla. OpenSSL takes 30 ms for that many, and
nothing else is done meanwhile."""

TOTAL_LIMIT: Final = 4 * 1024 * 1024
"""Maximum size of all files of a configuration, in bytes; one that is used many times counts once."""

SMALL: Final = ("X25519", "P-256", "X448", "P-384", "P-521", "ffdhe2048", "ffdhe3072")
"""What OpenSSL 4.0 offers by default, but for the post-quantum X25519MLKEM768, whose share alone takes 1,216 bytes. The
share of the first goes out with the ClientHello; a server that wants another one asks for it (RFC 8446, 4.1.4)."""

OPENSSL_DEFAULT: Final = "DEFAULT"
"""Leaves the curves to OpenSSL, and to its own configuration file."""

_MARK: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----")
_CERTIFICATES: Final = frozenset({"CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"})
_KEY: Final = "PRIVATE KEY"


class CredentialError(Exception):
    """A file, or a list of curves, can't be used; the text says why."""


@attrs.frozen
class _Block:
    """A block of PEM (RFC 7468).

    Attributes:
        label: Such as ``CERTIFICATE``.
        text: All of it, with both marks and a line end.
        line: Where it begins, counted from 1.
    """

    label: str
    text: str
    line: int


class CredentialReader:
    """Reads the files of one configuration, each once."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[_Block, ...]] = {}
        self._size = 0

    def authorities(self, path: str) -> PemFile:
        """Return the certificates in a file, each of which OpenSSL can read.

        Raises:
            CredentialError: It can't be read or used.
        """
        blocks = self._certificates(path)
        for block in blocks:
            try:
                crypto.load_certificate(crypto.FILETYPE_PEM, block.text.encode("ascii"))
            except crypto.Error:
                raise _invalid(path, block) from None
        file = _file(path, blocks)
        prepare(SSL.Context(SSL.TLS_METHOD), TlsParams(ca_file=file))
        return file

    def chain(self, path: str) -> PemFile:
        """Return our own certificate in a file, and those above it.

        Raises:
            CredentialError: It can't be read or used.
        """
        blocks = self._certificates(path)
        for block in blocks:
            try:
                x509.load_pem_x509_certificate(block.text.encode("ascii"))
            except ValueError:
                raise _invalid(path, block) from None
        return _file(path, blocks)

    def key(self, path: str) -> PemFile:
        """Return the private key in a file.

        Raises:
            CredentialError: It can't be read or used.
        """
        blocks = [block for block in self._blocks(path) if block.label.endswith(_KEY)]
        if len(blocks) != 1:
            raise CredentialError(f"{printable(path)}: expected one private key in PEM, found {len(blocks) or 'none'}")
        file = _file(path, blocks)
        try:
            _private_key(file)
        except TypeError:
            text = f"{printable(path)}: the private key is encrypted; expected one without a passphrase"
            raise CredentialError(text) from None
        except (ValueError, UnsupportedAlgorithm):
            raise CredentialError(f"{printable(path)}: not a valid private key") from None
        return file

    def _certificates(self, path: str) -> list[_Block]:
        blocks = [block for block in self._blocks(path) if block.label in _CERTIFICATES]
        if not blocks:
            raise CredentialError(f"{printable(path)}: expected certificates in PEM, found none")
        return blocks

    def _blocks(self, path: str) -> tuple[_Block, ...]:
        if path not in self._read:
            self._read[path] = tuple(_parsed(path, self._content(path)))
        return self._read[path]

    def _content(self, path: str) -> str:
        try:
            content = read_regular(path, FILE_LIMIT)
        except (OSError, ValueError) as error:
            raise CredentialError(f"{printable(path)} {printable(why_unreadable(error))}") from None
        if len(content) > FILE_LIMIT:
            raise CredentialError(f"{printable(path)} is larger than {FILE_LIMIT // 1024} KiB")
        self._size += len(content)
        if self._size > TOTAL_LIMIT:
            text = f"{printable(path)}: all files of certificates and keys are larger than {TOTAL_LIMIT // 1024**2} MiB"
            raise CredentialError(f"{text} together")
        return content.decode("ascii", "replace")  # text between the blocks may be anything


def _parsed(path: str, content: str) -> Iterator[_Block]:
    """Yield the blocks of a file; what is between them does not matter."""
    at, line = 0, 1
    while mark := _MARK.search(content, at):
        line, at = line + content.count("\n", at, mark.start()), mark.start()
        end = f"-----END {mark[1]}-----"
        stop = content.find("-----", mark.end())  # base64 has no dashes
        if not content.startswith(end, max(stop, 0)):
            raise CredentialError(f'{printable(path)}: line {line}: no "{end}" after what begins here')
        text = content[at : stop + len(end)]
        if not text.isascii():
            raise CredentialError(f"{printable(path)}: line {line}: not PEM: it is not ASCII")
        yield _Block(mark[1], f"{text}\n", line)
        line, at = line + text.count("\n"), at + len(text)


def _file(path: str, blocks: list[_Block]) -> PemFile:
    return PemFile(path, "".join(block.text for block in blocks))


def _invalid(path: str, block: _Block) -> CredentialError:
    return CredentialError(f"{printable(path)}: line {block.line}: not a valid certificate")


def check_pair(certificate: PemFile, key: PemFile) -> None:
    """Check that OpenSSL takes a certificate, and that this is its key.

    Raises:
        CredentialError: It does not, or it is not.
    """
    context = SSL.Context(SSL.TLS_METHOD)
    try:
        _use_chain(context, certificate)
    except SSL.Error as error:
        raise CredentialError(f"{printable(certificate.path)}: not usable: {printable(reason_of(error))}") from None
    try:
        _use_key(context, key)
        context.check_privatekey()
    except (SSL.Error, TypeError):
        text = f"{printable(key.path)}: the key does not belong to the certificate in {printable(certificate.path)}"
        raise CredentialError(text) from None


def why_outdated(file: PemFile, now: datetime | None = None, *, first_only: bool = False) -> str:
    """Return why no certificate of a file that was read before is valid now; empty if one is, or may be.

    Args:
        file: The file.
        now: The time; None asks the clock.
        first_only: Whether only the first one counts: our own, before those above it.
    """
    now = datetime.now(UTC) if now is None else now
    reason = ""
    for text in _split(file)[: 1 if first_only else None]:
        try:
            certificate = x509.load_pem_x509_certificate(text)
        except ValueError:  # OpenSSL takes more
            return ""
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if begins <= now <= ends:
            return ""
        reason = f"expired on {ends:%Y-%m-%d}" if ends < now else f"is not valid before {begins:%Y-%m-%d}"
    return reason


def check_curves(curves: str) -> None:
    """Check that OpenSSL knows each of these curves, and takes all of them together.

    Raises:
        CredentialError: It does not.
    """
    if curves == OPENSSL_DEFAULT:
        return
    context = SSL.Context(SSL.TLS_METHOD)
    for name in curves.split(":"):
        if not _offer(context, name):
            raise CredentialError(f'OpenSSL knows no curve "{excerpt(name)}"; expected names such as {":".join(SMALL)}')
    if not _offer(context, curves):
        raise CredentialError("OpenSSL does not take these curves together: is one given twice?")


def prepare(context: SSL.Context, tls: TlsParams) -> None:
    """Put the curves, the authorities and our own certificate into a context.

    Raises:
        SSL.Error: OpenSSL refuses what it took when the configuration was read.
    """
    if tls.curves is None:
        _offer(context, ":".join(name for name in SMALL if _offer(context, name)))
    elif tls.curves != OPENSSL_DEFAULT:
        _offer(context, tls.curves)
    if tls.ca_file is not None:
        store = context.get_cert_store()
        for text in _split(tls.ca_file):
            assert store is not None  # noqa: S101  # a context that was just made has one
            store.add_cert(crypto.load_certificate(crypto.FILETYPE_PEM, text))
    if tls.client_certificate is not None and tls.client_key is not None:
        _use_chain(context, tls.client_certificate)
        _use_key(context, tls.client_key)


def _use_chain(context: SSL.Context, file: PemFile) -> None:
    leaf, *above = (x509.load_pem_x509_certificate(text) for text in _split(file))
    context.use_certificate(leaf)
    for certificate in above:
        context.add_extra_chain_cert(certificate)


def _use_key(context: SSL.Context, file: PemFile) -> None:
    context.use_privatekey(_private_key(file))  # type: ignore[arg-type]  # it refuses others than TLS has


def _private_key(file: PemFile) -> PrivateKeyTypes:
    return load_pem_private_key(file.content.encode("ascii"), None)


def _split(file: PemFile) -> list[bytes]:
    """Return the blocks of a file that was read before."""
    return [f"-----BEGIN {each}".encode("ascii") for each in file.content.split("-----BEGIN ")[1:]]


def _offer(context: SSL.Context, curves: str) -> bool:
    """Offer these curves, the share of the first one at once; return whether OpenSSL knows them.

    pyOpenSSL has no method for it, only the function.
    """
    accept = SSL._lib.SSL_CTX_set1_curves_list  # type: ignore[attr-defined]  # noqa: SLF001
    if accept(context._context, curves.encode("ascii")) == 1:  # noqa: SLF001
        return True
    with contextlib.suppress(SSL.Error):
        SSL._raise_current_error()  # noqa: SLF001  # some versions leave an error behind, for the next call to find
    return False


def reason_of(error: Exception) -> str:
    """Return what OpenSSL says about an error; its arguments are (library, function, reason) triples, oldest first."""
    queue = error.args[0] if error.args else ()
    return str(queue[-1][-1]) if isinstance(queue, list | tuple) and queue else "connection lost"
