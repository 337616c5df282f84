"""How long lateness of the reactor excuses a backend that does not answer: per probe, and in total."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maglev.model.config import CheckType
from maglev.model.result import Code, Result

if TYPE_CHECKING:
    from maglev.model.result import LocalFault

FORBEARANCE: Final = 2
"""Timeouts in a row, while the reactor was late, after which the probes of a backend get more time: one long stall
costs a probe its evidence, and perhaps the one after it."""

MOST_TIME: Final = 20.0
"""Seconds that a probe may get then, unless its own timeout is longer: enough to be sure while the reactor is late by
two seconds all the time, and less than the service manager waits for a sign of progress."""

LONGEST_EXCUSE: Final = 30.0
"""Seconds for which all probes of a backend may be excused, unless three times its timeout is longer. After that, a
probe without an answer counts as failed: it has had several times its timeout, and a last look into the kernel."""


def extended_timeout(timeout: float, excused: int) -> float:
    """Return the timeout of a probe, in seconds, after so many excused ones in a row."""
    extended = timeout
    for _ in range(FORBEARANCE, excused):
        extended = min(2 * extended, max(timeout, MOST_TIME))
    return extended


def used_up(excused_for: float, timeout: float) -> bool:
    """Return whether a backend has been excused for too long to be excused again."""
    return excused_for > max(LONGEST_EXCUSE, 3 * timeout)


def as_timeout(fault: LocalFault, kind: str, duration: float) -> Result:
    """Return the result of a probe that a worker excused, now that it counts; ``kind`` is a `CheckType`."""
    code = Code.L4TOUT if kind == CheckType.TCP else Code.L7TOUT
    return Result(code, fault.detail, duration)
