"""The monotonic clock."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

seconds: Final[Callable[[], float]] = partial(time.clock_gettime, time.CLOCK_BOOTTIME)
"""Seconds since the machine was started, independent of its wall clock.

Unlike `time.monotonic` it goes on while the machine is suspended. A probe under way at that time has lost its answer:
after the wake-up, its timeout is long past by this clock, and the reactor was late, as after any other stall.
"""
