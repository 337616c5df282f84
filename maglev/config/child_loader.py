"""Reads the configuration file: a large one in a process of its own.

To read 20,000 backends takes most of a second. In a thread of this process that would be shared with the reactor by
the interpreter's lock, which lets the other one have a turn after 5 ms, each time: probes would be late for as long as
it takes. And it takes 60 MB, of which a process that goes on keeps most.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from maglev.config.load import load_file
from maglev.config.packing import pack
from maglev.model.errors import ConfigError
from maglev.model.problem import Problem, ProblemKind
from maglev.model.result import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LARGE: Final = 32 * 1024
"""Bytes from which on a file is large: some 400 backends, which take 20 ms; to start a process takes 100."""

TIME_LIMIT: Final = 120.0
"""Seconds that reading may take: the largest file that is allowed takes some ten on a slow machine."""

REFUSED: Final = 3
"""Exit status of the child when the file is not valid; 1 is that of a Python program that failed."""

NICE: Final = 10
"""How much the child steps back: whoever checks backends comes first."""

_LENGTH: Final = struct.Struct("!I")

_PROGRAM: Final = "from maglev.config.child_loader import send; send()"


def read(path: str) -> Sequence[bytes]:
    """Read and check a file; return it in pieces (`maglev.config.packing`).

    Raises:
        ConfigError: It can't be read, or it is not valid.
    """
    try:
        large = Path(path).stat().st_size >= LARGE
    except (OSError, ValueError):  # what is wrong with it is told by whoever reads it
        large = False
    if large:
        try:
            return _received(path)
        except OSError:  # no process to be had: this one will do
            pass
    return tuple(pack(load_file(path)))


def send() -> None:
    """Be the child: read the file that the command line names, and write its pieces to the standard output."""
    with contextlib.suppress(OSError):  # a sandbox may forbid it
        os.nice(NICE)
    try:
        pieces, status = pack(load_file(sys.argv[1])), 0
    except ConfigError as error:
        pieces, status = iter([pickle.dumps(error.problems)]), REFUSED
    for piece in pieces:
        sys.stdout.buffer.write(_LENGTH.pack(len(piece)) + piece)
    sys.stdout.flush()
    # Without clearing away hundreds of thousands of objects first.
    os._exit(status)


def _received(path: str) -> Sequence[bytes]:
    """Let a child read the file.

    Raises:
        ConfigError: It is not valid, or the child failed.
        OSError: There is no child.
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
