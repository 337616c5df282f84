"""The files that are imported: read whole, of bounded size, and refused with a reason if they are not text."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from maglev.model.errors import ConfigError
from maglev.model.problem import Problem, ProblemKind
from maglev.model.text import printable

if TYPE_CHECKING:
    from pathlib import Path

SIZE_LIMIT: Final = 4 * 1024 * 1024
"""Maximum size of a file, in bytes: forty thousand servers with a line of a hundred characters each."""

LINE_LIMIT: Final = 65_536
"""Maximum length of a line, in characters: more than either program reads (HAProxy stops at 2,048 by default)."""


def refusal(text: str, line: int = 0) -> ConfigError:
    """Return the error of a file that can't be imported.

    Args:
        text: What is wrong, for a person.
        line: The line, counted from 1; 0 if there is none to name.
    """
    return ConfigError([Problem(ProblemKind.PARSE, "", text, line, min(line, 1))])


def read_lines(path: Path) -> list[str]:
    """Return the lines of a file, without their ends.

    Raises:
        ConfigError: It can't be read, is too large, or is not text.
    """
    try:
        content = _content(path)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise refusal(printable(f"can't be read: {getattr(error, 'strerror', None) or error}")) from error
    return lines_of(content)


def lines_of(content: bytes) -> list[str]:
    """Return the lines of the content of a file.

    Raises:
        ConfigError: It is too large, or not text.
    """
    if len(content) > SIZE_LIMIT:
        raise refusal(f"is larger than {SIZE_LIMIT // 1024**2} MiB")
    lines = []
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if b"\0" in line:
            raise refusal("not a text file: it contains a NUL", number)
        if len(line) > LINE_LIMIT:
            raise refusal(f"is longer than {LINE_LIMIT} characters", number)
        try:
            lines.append(line.decode().rstrip("\r"))
        except UnicodeDecodeError as error:
            raise refusal("is not UTF-8", number) from error
    return lines


def _content(path: Path) -> bytes:
    """Return the content of a regular file, read without ever waiting for a FIFO or a device."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "it is not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(SIZE_LIMIT + 1)
    finally:
        os.close(descriptor)
