"""The work on many VIPs of one connection, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred, DeferredList, DeferredSemaphore

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence

    from twisted.python.failure import Failure

    from maglev.runtime.cooperator import WorkQueue
    from maglev.vpp.lb.state import Operation

BEGUN_AT_ONCE: Final = 16
"""Frontends of a full sync begun before other work has its turn: of ten servers each they take some 2 ms."""

UNDER_WAY: Final = 64
"""Frontends of a full sync under way: of ten servers each that is some 700 messages, more than VPP is sent before it
answers (`maglev.vpp.api.pipeline.WINDOW`), and what a transition waits for is 30 ms at most."""


class SideBySide:
    """Runs coroutines that write."""

    def __init__(self, work: WorkQueue, failed: Callable[[Failure], Sequence[Operation]]) -> None:
        """Prepare.

        Args:
            work: Gives other work its turn.
            failed: The errback of each coroutine, which returns what was written.
        """
        self._work = work
        self._failed = failed

    async def run(self, coroutines: Iterable[Coroutine[Deferred[Any], Any, Sequence[Operation]]]) -> list[Operation]:
        """Run coroutines side by side, but not all at once: a transition must not wait for all of them."""
        slots = DeferredSemaphore(UNDER_WAY)
        running: list[Deferred[Sequence[Operation]]] = []
        for coroutine in coroutines:
            await slots.acquire()
            task = Deferred.fromCoroutine(coroutine).addErrback(self._failed)
            running.append(task.addBoth(_releasing, slots))
            if len(running) % BEGUN_AT_ONCE == 0:
                await self._work.turn()
        results = await DeferredList(running, fireOnOneErrback=True, consumeErrors=True)
        return [operation for _, operations in results for operation in operations]


def _releasing(result: Any, slots: DeferredSemaphore) -> Any:
    slots.release()
    return result
