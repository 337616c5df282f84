"""The authorized keys: one file for each role, read again whenever it changes."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from maglev.model.caller import Role
from maglev.runtime.logs.logger import EventLogger
from maglev.ssh.keyfile import AuthorizedKey, parse_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

SIZE_LIMIT: Final = 1024 * 1024
"""Maximum size of a file in bytes: ten thousand keys. A larger one is refused as a whole; half would be a lottery."""

_Stamp = tuple[int, int, int, int]


@attrs.frozen
class Authorization:
    """A key with its role.

    Attributes:
        key: The key.
        role: The role of its owner.
    """

    key: AuthorizedKey
    role: Role


class KeyFile:
    """One file of keys.

    Only the present keys of the file are valid: a file that is gone or can't be read lets nobody in.
    """

    _log = EventLogger()

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._stamp: _Stamp | None = None
        self._trouble = ""
        self._keys: dict[bytes, AuthorizedKey] = {}

    def find(self, blob: bytes) -> AuthorizedKey | None:
        """Return a key, if the file contains it now."""
        self.refresh()
        return self._keys.get(blob)

    def refresh(self) -> None:
        """Read the file if it has changed."""
        try:
            stamp = _stamp(self._path.stat())
            if stamp != self._stamp:
                self._stamp, content = self._read()
                self._take(content)
        except OSError as error:
            self._forget(error.strerror or str(error))

    def _read(self) -> tuple[_Stamp, bytes]:
        # O_NONBLOCK: opening a FIFO that somebody put there must not stop the reactor.
        descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(0, "is not a regular file")
            if status.st_mode & 0o022:
                raise OSError(0, f"is writable by others (mode {stat.S_IMODE(status.st_mode):04o})")
            content = file.read(SIZE_LIMIT + 1)
        if len(content) > SIZE_LIMIT:
            raise OSError(0, f"is larger than {SIZE_LIMIT} bytes")
        return _stamp(status), content

    def _take(self, content: bytes) -> None:
        self._trouble = ""
        self._keys = {}
        for entry in parse_keys(content):
            if isinstance(entry, AuthorizedKey):
                self._keys.setdefault(entry.blob, entry)
            else:
                self._log.error("ssh-key-refused", file=self._path, line=entry.number, reason=entry.reason)
        self._log.info("ssh-keys", file=self._path, keys=len(self._keys))

    def _forget(self, trouble: str) -> None:
        self._stamp = None
        self._keys = {}
        # Logged once, not at each login.
        if trouble != self._trouble:
            self._trouble = trouble
            self._log.warn("ssh-keys-unreadable", file=self._path, reason=trouble)


class KeyRing:
    """The keys of all roles. A key in several files has the most powerful of their roles."""

    def __init__(self, paths: Mapping[Role, str]) -> None:
        """Create it; files are read when needed.

        Args:
            paths: A file for each role; a missing file counts as empty.
        """
        order = (Role.OPERATOR, Role.VIEWER)
        self._files = [(role, KeyFile(paths[role])) for role in order if role in paths]

    def find(self, blob: bytes) -> Authorization | None:
        """Return the authorization of a key by the present files; None for an unknown key."""
        for role, file in self._files:
            key = file.find(blob)
            if key is not None:
                return Authorization(key, role)
        return None

    def refresh(self) -> None:
        """Read changed files, so that mistakes are reported at the start and not at the first login."""
        for _, file in self._files:
            file.refresh()


def _stamp(status: os.stat_result) -> _Stamp:
    return status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size
