"""Reads, writes and empties the files that BIRD includes.

These functions wait for the disk: call them in a thread.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from maglev.announce.bird_text import HEAD, read_include_file
from maglev.runtime.files import read_bounded

if TYPE_CHECKING:
    from collections.abc import Iterable

FILE_LIMIT: Final = 1 << 22
"""Bytes of our own file that are read back: some 30,000 addresses."""


def read_include_files(paths: Iterable[str]) -> dict[str, bool]:
    """Return whether each address is withdrawn by the files of an earlier run; the last file wins.

    A file that can't be read says nothing.
    """
    found: dict[str, bool] = {}
    for path in paths:
        try:
            content = read_bounded(path, FILE_LIMIT)
        except OSError:
            continue
        found.update(read_include_file("" if content is None else content.decode("ascii", "replace")))
    return found


def replace_include_file(path: str, content: bytes, replaced: Iterable[str]) -> None:
    """Empty the files that this one replaces, then write it unless it has this content.

    The order matters: two files with the same protocols would let BIRD refuse its whole configuration.

    Raises:
        OSError: Something could not be written.
    """
    for old in replaced:
        empty_include_file(old, [path])
    _write(path, content)


def empty_include_file(path: str, kept: Iterable[str]) -> None:
    """Leave no protocol in a file that maglevd has written; any other file is left alone.

    Args:
        path: The file.
        kept: Files in use, which are not emptied under another name either.

    Raises:
        OSError: It could not be read or written.
    """
    if os.path.realpath(path) in {os.path.realpath(each) for each in kept}:
        return
    content = read_bounded(path, FILE_LIMIT)
    if content is not None and content.startswith(HEAD.encode("ascii")):
        _write(path, HEAD.encode("ascii"))


def _write(path: str, content: bytes) -> None:
    """Write a file, readable for BIRD, unless it has this content.

    It is not synced to the disk: after a power cut nothing is announced before maglevd has said so.
    """
    if read_bounded(path, FILE_LIMIT) == content:
        return
    draft = f"{path}.new"
    Path(draft).unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o644)  # whatever our umask is, BIRD has to read it
            file.write(content)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
