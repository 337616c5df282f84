"""What it says of a backend how a program ended. No I/O."""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING, Any, Final

from maglev.model.result import Code, LocalFault, Result
from maglev.model.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maglev.model.result import Outcome

FAULTS: Final[Mapping[int, str]] = {
    errno.EAGAIN: "processes",
    errno.ENOMEM: "memory",
    errno.EMFILE: "descriptors",
    errno.ENFILE: "descriptors",
    errno.ECHILD: "worker",
}
"""Reasons for which no program could be started; ``program`` for every other number: it is missing, or can't be run."""

LONGEST: Final = 1e6
"""Seconds; the longest timeout is a day."""


def outcome_of(reply: Any) -> Outcome:
    """Return the outcome of a run, from what the process that runs programs tells of it.

    Raises:
        ValueError: It is not what such a process tells.
    """
    if type(reply) is not dict:
        message = "not a map"
        raise ValueError(message)
    how, number, text = reply.get("how"), reply.get("number", 0), reply.get("text", "")
    duration, line = reply.get("duration", 0.0), reply.get("line", "")
    texts = isinstance(text, str) and isinstance(line, str)
    if not (texts and type(number) is int and type(duration) is float and 0.0 <= duration <= LONGEST):
        message = f"an invalid result: {printable(str(reply))}"
        raise ValueError(message)
    if how == "fault":
        return LocalFault(FAULTS.get(number, "program"), printable(text or os.strerror(number)))
    said = f": {line}" if line else ""
    if how == "timeout":
        return Result(Code.PROCTOUT, printable(f"killed, as its time was up{said}"), duration)
    if how == "signal":
        return Result(Code.L7RSP, printable(f"ended by {_signal_name(number)}{said}"), duration)
    if how == "exit":
        if number in {0, 1}:
            return Result(Code.PROCERR if number else Code.PROCOK, printable(line), duration)
        return Result(Code.L7RSP, printable(f"ended with status {number}{said}"), duration)
    message = f"an unknown end: {printable(str(how))}"
    raise ValueError(message)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
