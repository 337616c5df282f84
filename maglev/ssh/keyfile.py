"""Parses files in the format of ``authorized_keys`` (sshd(8)) line by line; a bad line does not affect others."""

from __future__ import annotations

import base64
import binascii
import struct
from typing import TYPE_CHECKING, Final

import attrs
from cryptography.exceptions import UnsupportedAlgorithm
from twisted.conch.ssh.keys import BadKeyError, FingerprintFormats, Key

from maglev.model.text import printable
from maglev.ssh.algorithms import MIN_RSA_BITS, SIGNATURES
from maglev.ssh.packets import PacketError, PacketReader

if TYPE_CHECKING:
    from collections.abc import Iterator

LINE_LIMIT: Final = 16 * 1024
"""Maximum length of a line in bytes; sshd allows 8 KiB for the base64 of a 16384-bit RSA key and its options."""

_SK_PREFIX: Final = b"sk-"


class KeyLineError(Exception):
    """A line of a key file can't be used; the text says why."""


@attrs.frozen
class AuthorizedKey:
    """An authorized key.

    Attributes:
        blob: The public key in its wire format (RFC 4253, 6.6).
        type: Its first field, such as ``ssh-ed25519``.
        key: The same key, for verifying signatures.
        name: The comment of the line, or the fingerprint if there is none; printable.
        application: Application of a hardware key (``ssh:``), else empty (OpenSSH's PROTOCOL.u2f).
    """

    blob: bytes
    type: bytes
    key: Key
    name: str
    application: bytes = b""

    @property
    def fingerprint(self) -> str:
        """The fingerprint, as ``ssh-keygen -l`` shows it."""
        return fingerprint(self.key)


@attrs.frozen
class BadLine:
    """A line that can't be used.

    Attributes:
        number: Line number, from 1.
        reason: What is wrong, for a person; printable.
    """

    number: int
    reason: str


def fingerprint(key: Key) -> str:
    """Return the fingerprint of a key, as ``ssh-keygen -l`` shows it."""
    return "SHA256:" + str(key.fingerprint(FingerprintFormats.SHA256_BASE64)).rstrip("=")


def parse_keys(content: bytes) -> Iterator[AuthorizedKey | BadLine]:
    """Yield the key or error of each line of a file, except for empty lines and comments."""
    for number, line in enumerate(content.splitlines(), 1):
        stripped = line.strip()
        if stripped and not stripped.startswith(b"#"):
            try:
                yield parse_line(stripped)
            except KeyLineError as error:
                yield BadLine(number, str(error))


def parse_line(line: bytes) -> AuthorizedKey:
    """Return the key of one line: type, base64, comment.

    Raises:
        KeyLineError: The line has no usable key.
    """
    if len(line) > LINE_LIMIT:
        raise KeyLineError("the line is too long")
    kind, _, rest = line.replace(b"\t", b" ").partition(b" ")
    if kind not in SIGNATURES:
        raise KeyLineError(_why_no_type(kind))
    encoded, _, comment = rest.strip().partition(b" ")
    blob = _decode(encoded)
    key, application = _load(kind, blob)
    name = printable(comment.strip().decode("utf-8", "backslashreplace")) if comment.strip() else fingerprint(key)
    return AuthorizedKey(blob=blob, type=kind, key=key, name=name, application=application)


def _why_no_type(word: bytes) -> str:
    if word.startswith((b"ssh-", b"ecdsa-", b"sk-", b"rsa-")) and b"=" not in word and b"," not in word:
        return f"keys of type {printable(word)} are not accepted"
    # An option that we can't honour would be a broken promise, so the whole line is refused.
    shown = printable(word)
    return f"expected a key type, not {shown!r}; options (from=, restrict ...) are not supported"


def _decode(encoded: bytes) -> bytes:
    if not encoded:
        raise KeyLineError("expected a key after its type")
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise KeyLineError("the key is not valid base64") from error


_NO_KEY: Final = (
    BadKeyError,
    PacketError,
    UnsupportedAlgorithm,
    AssertionError,
    LookupError,
    OverflowError,
    TypeError,
    ValueError,
    struct.error,
)
"""The exceptions that Conch and cryptography raise for an invalid key."""


def _load(kind: bytes, blob: bytes) -> tuple[Key, bytes]:
    try:
        reader = PacketReader(blob)
        if reader.string() != kind:
            raise KeyLineError("the key does not match its type")
        key = Key.fromString(blob, type="BLOB")
        whole = key.public().blob() == blob
        application = _application(reader, kind)
    except _NO_KEY as error:
        raise KeyLineError("the key is damaged or truncated") from error
    if not whole:
        raise KeyLineError("unexpected bytes after the key")
    if key.type() == "RSA" and key.size() < MIN_RSA_BITS:
        message = f"an RSA key of {key.size()} bits is too short (at least {MIN_RSA_BITS})"
        raise KeyLineError(message)
    return key, application


def _application(reader: PacketReader, kind: bytes) -> bytes:
    if not kind.startswith(_SK_PREFIX):
        return b""
    if b"ecdsa" in kind:
        reader.string()  # the name of the curve
    reader.string()  # the public key
    return reader.string()
