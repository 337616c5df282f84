"""Long computations in turns: a generator that yields often, and somebody who lets others go first now and then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from twisted.internet.task import deferLater

if TYPE_CHECKING:
    from collections.abc import Generator

    from twisted.internet.interfaces import IReactorTime

    T = TypeVar("T")

TURN: Final = 0.005
"""Seconds of one turn: nobody notices it, and what it costs to come back is a hundredth."""


async def in_turns(clock: IReactorTime, steps: Generator[None, None, T]) -> T:
    """Run a computation and return its result; give others their turn whenever `TURN` is over.

    Args:
        clock: A monotonic clock.
        steps: The computation, which yields wherever it may be interrupted: at most a millisecond apart.
    """
    until = clock.seconds() + TURN
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        if clock.seconds() >= until:
            await deferLater(clock, 0)
            until = clock.seconds() + TURN
