"""The host key: an ed25519 key in the state directory, created at the first start."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.ssh.keys import Key

from maglev.model.errors import StartError
from maglev.model.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

FILE_NAME: Final = "ssh_host_ed25519_key"
"""File name, the same as that of OpenSSH; ``ssh-keygen -lf`` reads it."""

_SIZE_LIMIT: Final = 16 * 1024
"""Maximum size in bytes; a key has 400."""


def host_key(state_dir: str) -> Key:
    """Return the host key, which is created if it does not exist.

    Raises:
        StartError: The directory or the key can't be created, read or parsed, or other users may read the key.
    """
    path = Path(state_dir) / FILE_NAME
    try:
        try:
            return _read(path)
        except FileNotFoundError:
            Path(state_dir).mkdir(mode=0o700, parents=True, exist_ok=True)
            _make(path)
            return _read(path)
    except OSError as error:
        message = f"the SSH host key {path}: {error.strerror or error}"
        raise StartError(message) from error


def _read(path: Path) -> Key:
    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        content = file.read(_SIZE_LIMIT)
    if not stat.S_ISREG(mode) or mode & 0o077:
        message = f"the SSH host key {path} is readable by others (mode {stat.S_IMODE(mode):04o}): set 0600"
        raise StartError(message)
    try:
        private = serialization.load_ssh_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        message = f"the SSH host key {path} is not a private key without a passphrase: {printable(str(error))}"
        raise StartError(message) from error
    if not isinstance(private, Ed25519PrivateKey):
        message = f"the SSH host key {path} is not an ed25519 key"
        raise StartError(message)
    return Key(private)


def _make(path: Path) -> None:
    """Write a new key, atomically and with safe permissions, whatever the umask and even if the power fails."""
    content = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        _write(descriptor, content)
        # Two daemons that start at once agree on the key of the first.
        _unless_there(lambda: os.link(draft, path))
    finally:
        draft.unlink(missing_ok=True)


def _write(descriptor: int, content: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _unless_there(link: Callable[[], None]) -> None:
    try:
        link()
    except FileExistsError:
        return
