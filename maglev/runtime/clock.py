"""The clock that everything is measured by."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

seconds: Final[Callable[[], float]] = partial(time.clock_gettime, time.CLOCK_BOOTTIME)
"""Seconds since the machine was started, whatever is done to its clock on the wall.

Unlike `time.monotonic` it goes on while the machine is suspended. A probe that was under way meanwhile has lost its
answer; by this clock its time was up long ago when we wake, and we were late, as after any other stall.
"""
