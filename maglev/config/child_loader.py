"""Reads the configuration file; a large one in a separate process.

Reading 20,000 backends takes most of a second. A thread of this process would compete with the reactor for the
interpreter's lock, which changes hands only every 5 ms: probes would be late all the time. Reading also takes 60 MB,
most of which a process that goes on running would keep.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import struct
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from maglev.config.includes import size_of
from maglev.config.load import load_file
from maglev.config.packing import pack
from maglev.model.errors import ConfigError
from maglev.model.problem import Problem, ProblemKind
from maglev.model.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LARGE: Final = 32 * 1024
"""Size in bytes, with what it includes, from which a file is large: some 400 backends, which take 20 ms; starting a
process takes 100."""

TIME_LIMIT: Final = 120.0
"""Timeout for reading, in seconds: the largest allowed file takes some ten on a slow machine."""

REFUSED: Final = 3
"""Exit status of the child when the file is not valid; a Python program that failed exits with 1."""

NICE: Final = 10
"""Niceness of the child: processes that check backends come first."""

_LENGTH: Final = struct.Struct("!I")

_PROGRAM: Final = "from maglev.config.child_loader import send; send()"


def read(path: str) -> Sequence[bytes]:
    """Read and check a file; return its content in pieces (`maglev.config.packing`).

    Raises:
        ConfigError: It can't be read, or it is not valid.
    """
    if size_of(path, LARGE) >= LARGE:
        try:
            return _received(path)
        except OSError:  # no child could be started: read in this process
            pass
    return tuple(pack(load_file(path)))


def send() -> None:
    """Run as the child: read the file named on the command line, and write its pieces to the standard output."""
    with contextlib.suppress(OSError):  # a sandbox may forbid it
        os.nice(NICE)
    try:
        pieces, status = pack(load_file(sys.argv[1])), 0
    except ConfigError as error:
        pieces, status = iter([pickle.dumps(error.problems)]), REFUSED
    for piece in pieces:
        sys.stdout.buffer.write(_LENGTH.pack(len(piece)) + piece)
    sys.stdout.flush()
    # Exit without freeing hundreds of thousands of objects first.
    os._exit(status)


def _received(path: str) -> Sequence[bytes]:
    """Read the file in a child.

    Raises:
        ConfigError: It is not valid, or the child failed.
        OSError: No child could be started.
    """
    # The child imports from where this process does.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", _PROGRAM, path]
    try:
        child = subprocess.run(  # noqa: S603
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIME_LIMIT, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        raise _failed(f"timed out after {TIME_LIMIT:.0f} s") from None
    if child.returncode == REFUSED:
        raise ConfigError(pickle.loads(next(_split(child.stdout))))  # noqa: S301  # of our own child
    if child.returncode:
        words = child.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise _failed(f"the loader process ended with status {child.returncode}: {printable(words)}")
    return tuple(_split(child.stdout))


def _split(stream: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(stream):
        (length,) = _LENGTH.unpack_from(stream, start)
        start += _LENGTH.size
        yield stream[start : start + length]
        start += length


def _failed(text: str) -> ConfigError:
    return ConfigError([Problem(ProblemKind.PARSE, "", f"can't be checked: {text}")])
