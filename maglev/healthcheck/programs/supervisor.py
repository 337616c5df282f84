"""A process that runs one program, and leaves nothing of it behind. It is forked, and never returns."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import select
import signal
import time
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

FIRST_LINE: Final = 400
"""Bytes of the first line that are kept: twice what a detail shows."""

CHUNK: Final = 1 << 16

MANY: Final = 1 << 20
"""A descriptor number beyond all that we have: ``close_range(2)`` closes them in one call."""

PATIENCE: Final = 2.0
"""Seconds after which the result is told, although processes that were killed have not ended: one that waits for a dead
disk can't."""

PAUSE: Final = 0.005
"""Seconds between two rounds of killing."""

_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
"""From ``linux/prctl.h``."""

_LIBRARY: Final = ctypes.CDLL(None, use_errno=True)


class ProgramRun(NamedTuple):
    """What is to be run.

    Attributes:
        command: The program and its arguments.
        environment: All of its environment.
        timeout: Seconds that it has.
        namespace: Path of the network namespace; None for our own.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    timeout: float
    namespace: str | None


def prctl(option: int, *values: int) -> None:
    """Call ``prctl(2)``.

    Raises:
        OSError: It failed.
    """
    padded = (*values, 0, 0, 0, 0)[:4]
    if _LIBRARY.prctl(option, *(ctypes.c_ulong(each) for each in padded)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def become_reaper() -> None:
    """Become the parent of every descendant whose own parent ends."""
    prctl(_PR_SET_CHILD_SUBREAPER, 1)


def supervise(run: ProgramRun, control: int, results: int) -> NoReturn:
    """Run the program, write how it ended to a pipe, and exit.

    Args:
        run: What is to be run.
        control: Ends when nobody wants to know the result any longer.
        results: For the result, as JSON in one write.
    """
    status = 1
    try:
        outcome = _outcome(run, control)
        kill_all(time.monotonic() + PATIENCE)
        with contextlib.suppress(OSError):  # nobody reads it any longer
            os.write(results, json.dumps(outcome).encode("ascii"))
        os.close(results)
        kill_all(float("inf"))
        status = 0
    finally:
        os._exit(status)


def _outcome(run: ProgramRun, control: int) -> dict[str, object]:
    """Return how the run ended; what is left of it is still there."""
    started = time.monotonic()
    try:
        if run.namespace is not None:
            _enter(run.namespace)
        become_reaper()
        output, program = _start(run)
    except OSError as error:
        return {"how": "fault", "number": error.errno or 0, "text": str(error)}
    line, status = _follow(program, output, control, started + run.timeout)
    ended = {"duration": time.monotonic() - started, "line": line.partition(b"\n")[0][:FIRST_LINE].decode("latin-1")}
    if status is None:
        return {"how": "timeout", **ended}
    if os.WIFSIGNALED(status):
        return {"how": "signal", "number": os.WTERMSIG(status), **ended}
    return {"how": "exit", "number": os.WEXITSTATUS(status), **ended}


def _enter(namespace: str) -> None:
    descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _LIBRARY.setns(descriptor, 0x40000000) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"network namespace {namespace}: {os.strerror(number)}")
    finally:
        os.close(descriptor)


def _start(run: ProgramRun) -> tuple[int, int]:
    """Start the program; return its output and its process id.

    Raises:
        OSError: It could not be started.
    """
    output, inside = os.pipe()
    failure, told = os.pipe()
    try:
        program = os.fork()
    except OSError:
        for each in (output, inside, failure, told):
            os.close(each)
        raise
    if not program:
        _become(run, inside, told)
    os.close(inside)
    os.close(told)
    said = os.read(failure, 16)
    os.close(failure)
    if said:
        os.waitpid(program, 0)
        os.close(output)
        number = int(said)
        raise OSError(number, f"{run.command[0]}: {os.strerror(number)}")
    os.set_blocking(output, False)
    return output, program


def _become(run: ProgramRun, inside: int, told: int) -> NoReturn:
    """Become the program, in a session without a terminal, without privileges and without our descriptors."""
    try:
        os.setsid()
        with contextlib.suppress(OSError):
            prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
        # A program of another user could not be killed.
        prctl(_PR_SET_NO_NEW_PRIVS, 1)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(inside, 1)
        os.dup2(inside, 2)
        os.dup2(told, 3, inheritable=False)
        os.closerange(4, MANY)
        os.chdir("/")
        os.execve(run.command[0], list(run.command), dict(run.environment))  # noqa: S606
    except OSError as error:
        with contextlib.suppress(OSError):
            os.write(3, str(error.errno or errno.EIO).encode("ascii"))
    finally:
        os._exit(127)


def _follow(program: int, output: int, control: int, deadline: float) -> tuple[bytes, int | None]:
    """Return the first line and the status of the program; None if it has not ended in time, or nobody waits."""
    poll = select.poll()
    ended = os.pidfd_open(program)
    for descriptor in (output, control, ended):
        poll.register(descriptor, select.POLLIN)
    line = b""
    while (left := deadline - time.monotonic()) > 0:
        ready = dict(poll.poll(min(left * 1000 + 1, 60_000)))
        if control in ready:
            return line, None
        if output in ready:
            line, open_still = _read(output, line)
            if not open_still:
                poll.unregister(output)
        if ended in ready:
            _, status = os.waitpid(program, 0)
            return _rest(output, line), status
        reap(frozenset({program}))
    return line, None


def _rest(output: int, line: bytes) -> bytes:
    """Return the first line with what the program wrote last; others may go on writing to its output."""
    for _ in range(16):
        if b"\n" in line or len(line) > FIRST_LINE:
            break
        before = line
        line, open_still = _read(output, line)
        if not open_still or line == before:
            break
    return line


def _read(output: int, line: bytes) -> tuple[bytes, bool]:
    """Return the first line with what there is to read, and whether there may be more later."""
    try:
        data = os.read(output, CHUNK)
    except BlockingIOError:
        return line, True
    if len(line) <= FIRST_LINE and b"\n" not in line:
        line = (line + data)[: FIRST_LINE + 1]
    return line, bool(data)


def reap(spared: frozenset[int] = frozenset()) -> bool:
    """Let the children go that have ended and are not spared; return whether any other is left."""
    left = False
    for child in children(os.getpid()):
        if child not in spared:
            done = 0
            with contextlib.suppress(ChildProcessError):
                done, _ = os.waitpid(child, os.WNOHANG)
            left = left or not done
    return left


def kill_all(until: float, spared: frozenset[int] = frozenset()) -> None:
    """Kill everything below this process, again and again until nothing is left or the time is over.

    Args:
        until: By the monotonic clock.
        spared: Children that are left alone, and what is below them.
    """
    while time.monotonic() < until:
        # First they are stopped, so that none goes on making others while it is killed.
        known: set[int] = set()
        while new := [each for each in below(os.getpid(), spared) if each not in known]:
            _signal(new, signal.SIGSTOP)
            known.update(new)
        _signal(known, signal.SIGKILL)
        if not reap(spared):
            return
        time.sleep(PAUSE)


def _signal(processes: Iterable[int], number: int) -> None:
    for each in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(each, number)


def below(process: int, spared: frozenset[int] = frozenset()) -> Iterator[int]:
    """Yield the living descendants of a process."""
    for child in children(process):
        if child not in spared:
            if not _is_dead(child):
                yield child
            yield from below(child)


def children(process: int) -> list[int]:
    """Return the children of a process."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{process}/task"):  # noqa: PTH208
            with contextlib.suppress(OSError), open(f"/proc/{process}/task/{thread}/children") as file:  # noqa: PTH123
                found += map(int, file.read().split())
    return found


def _is_dead(process: int) -> bool:
    """Return whether a process has ended and waits for its parent, or is gone."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:  # noqa: PTH123
            return file.read().rpartition(b")")[2].split()[0] in {b"Z", b"X"}
    except OSError:
        return True
