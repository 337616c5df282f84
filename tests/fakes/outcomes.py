"""The outcomes of work whose clock stands still: Deferreds, coroutines, and work that is done in steps."""

from __future__ import annotations

import json
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Generator

T = TypeVar("T")


def result_of(work: Deferred[Any] | Coroutine[Any, Any, Any]) -> Any:
    """Return the result of a Deferred or of a coroutine that need not wait; raise the exception that it ended with."""
    results: list[Any] = []
    deferred = work if isinstance(work, Deferred) else Deferred.fromCoroutine(work)
    deferred.addBoth(results.append)
    assert results, "it has not fired"
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]


def basic_result_of(work: Deferred[Any] | Coroutine[Any, Any, Any]) -> Any:
    """Return the result as `result_of` does; it must consist of basic types, as everything that goes to PB does."""
    result = result_of(work)
    assert json.loads(json.dumps(result)) == result
    return result


def run_steps(steps: Generator[Any, None, T]) -> T:
    """Take all steps of a piece of work at once, and return its result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
