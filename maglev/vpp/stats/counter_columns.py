"""Where VPP counts: which columns of its counters belong to which VIPs and application servers.

There are three kinds of columns. The counters of a VIP have its pool index, those of the route to an application
server the index of its load-balance object. The API tells neither; a full read takes both from the text of ``show lb
vips verbose`` and puts them into the ledger, and what was added since is found here, by that command alone. The route
to the prefix of a VIP has to be asked for, prefix by prefix: once, and again when a VIP on it was made or deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from twisted.internet.defer import Deferred, gatherResults

from maglev.model.errors import VppMissingError, VppRetvalError
from maglev.vpp.lb.calls import cause
from maglev.vpp.lb.cli_text import parse_vips

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from twisted.python.failure import Failure

    from maglev.runtime.cooperator import WorkQueue
    from maglev.vpp.lb.ledger import Ledger
    from maglev.vpp.lb.state import Prefix, Vip, VipKey

LOOKUPS_AT_ONCE: Final = 32
"""Routes asked for at once: a millisecond of VPP's time at most, in which a change of weight has to wait."""

MIN_WAIT: Final = 10.0
MAX_WAIT: Final = 60.0
"""Seconds until VPP is asked once more for what it did not show, doubling from the one to the other: printing ten
thousand servers stops its workers for ten milliseconds."""


class ILookups(Protocol):
    """The calls that find the columns."""

    def cli(self, command: str) -> Deferred[str]:
        """Run a command of VPP's command line."""

    def route_index(self, key: VipKey) -> Deferred[int]:
        """Ask for the index of the route to a VIP."""


class CounterColumns:
    """The columns of one VPP."""

    def __init__(self, work: WorkQueue, lb: ILookups, ledger: Ledger) -> None:
        """Start with what the ledger knows.

        Args:
            work: Where long texts are read; has a monotonic clock.
            lb: The calls to VPP.
            ledger: What VPP is known to hold; learns what is found here.
        """
        self._clock = work.clock
        self._work = work
        self._lb = lb
        self._ledger = ledger
        self._routes: dict[Prefix, int | None] = {}
        self._turn: list[VipKey] = []
        self._doubted = False
        self._wait = MIN_WAIT
        self._not_before = 0.0

    def route(self, key: VipKey) -> int | None:
        """Return the column of the route to a VIP; None when it is not known."""
        return self._routes.get(key[:2])

    def doubt(self) -> None:
        """Record that the known indexes of pools and servers may have changed."""
        self._doubted = True

    def doubt_route(self, key: VipKey) -> None:
        """Record that the route to a VIP may have changed."""
        self._routes.pop(key[:2], None)

    async def complete(self) -> bool:
        """Look up the columns that are unknown or in doubt; return whether routes were among them.

        Raises:
            VppTimeoutError: VPP did not answer.
            VppLostError: The connection is gone.
        """
        for key in self._ledger.changed:
            self.doubt_route(key)
        self._ledger.changed.clear()
        if self._doubted or (self._clock.seconds() >= self._not_before and self._is_missing()):
            self._doubted = False
            await self._show()
        return await self._find_routes()

    async def confirm(self) -> set[Prefix]:
        """Look up a few routes again, others each time; return the prefixes whose route is not the one known before.

        VPP answers in order. Whatever it had done for us when this was sent is therefore in the ledger when it returns.

        Raises:
            VppTimeoutError: VPP did not answer.
            VppLostError: The connection is gone.
        """
        turn = [key for key in self._turn if key in self._ledger.vips] or self._one_of_each_prefix()
        keys, self._turn = turn[:LOOKUPS_AT_ONCE], turn[LOOKUPS_AT_ONCE:]
        before = {key[:2]: self.route(key) for key in keys}
        await self._look_up(keys)
        return {prefix for prefix, index in before.items() if self._routes[prefix] != index}

    # The text

    def _is_missing(self) -> bool:
        return any(
            vip.pool_index is None or any(server.dpo is None for server in vip.servers.values())
            for vip in self._ledger.vips.values()
        )

    async def _show(self) -> None:
        asked = dict(self._ledger.vips)
        try:
            text = await self._lb.cli("show lb vips verbose")
        except VppRetvalError:
            text = ""
        if text:
            await self._work.run(self._learn_steps(text, asked))
        if self._is_missing():
            self._not_before = self._clock.seconds() + self._wait
            self._wait = min(2 * self._wait, MAX_WAIT)
        else:
            self._wait = MIN_WAIT

    def _learn_steps(self, text: str, asked: dict[VipKey, Vip]) -> Generator[None, None, None]:
        for shown in parse_vips(text):
            dpos = {each.address: each.dpo for each in shown.servers()}
            held = asked.pop(shown.key, None)
            if held is not None:
                self._ledger.learn(held, shown.pool_index, dpos)
            yield
        for held in asked.values():
            self._ledger.learn(held, None, {})

    # The routes

    async def _find_routes(self) -> bool:
        unknown = [key for key in self._one_of_each_prefix() if key[:2] not in self._routes]
        for start in range(0, len(unknown), LOOKUPS_AT_ONCE):
            await self._look_up(unknown[start : start + LOOKUPS_AT_ONCE])
        return bool(unknown)

    def _one_of_each_prefix(self) -> list[VipKey]:
        return list({key[:2]: key for key in self._ledger.vips}.values())

    async def _look_up(self, keys: Sequence[VipKey]) -> None:
        answers = [self._lb.route_index(key).addErrback(_none) for key in keys]
        indexes = await gatherResults(answers, consumeErrors=True).addErrback(cause)
        self._routes.update(zip((key[:2] for key in keys), indexes, strict=True))


def _none(failure: Failure) -> None:
    """Take it that there is no such route, no such message, or no way to ask for such a prefix: an errback."""
    failure.trap(VppRetvalError, VppMissingError, ValueError)
