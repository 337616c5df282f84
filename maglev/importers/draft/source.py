"""The files that are imported: read whole, of bounded size, and refused with a reason if they are not text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maglev.config.files import read_regular, why_unreadable
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
        content = read_regular(path, SIZE_LIMIT)
    except (OSError, ValueError) as error:
        raise refusal(printable(why_unreadable(error))) from error
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
