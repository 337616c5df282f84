"""The monotonic clock, and how a reactor comes to go by it."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from maglev.model.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Callable

seconds: Final[Callable[[], float]] = partial(time.clock_gettime, time.CLOCK_BOOTTIME)
"""Seconds since the machine was started, independent of its wall clock.

Unlike `time.monotonic` it goes on while the machine is suspended. A probe under way at that time has lost its answer:
after the wake-up, its timeout is long past by this clock, and the reactor was late, as after any other stall.
"""


def use_monotonic_time(reactor: Any) -> None:
    """Make a reactor measure time by a clock that nobody sets (`seconds`).

    Twisted's reactors use the wall clock (``twisted.python.runtime.seconds`` is `time.time`): when somebody sets it
    back an hour, every probe would be an hour late. They look up `seconds` on themselves each time, so replacing it is
    enough, as long as nothing has been scheduled by the other clock.

    Raises:
        StartError: Something has been scheduled already.
    """
    if reactor.seconds is seconds:
        return
    if reactor.getDelayedCalls():
        raise StartError("the reactor has calls scheduled by the wall clock already")
    reactor.seconds = seconds
