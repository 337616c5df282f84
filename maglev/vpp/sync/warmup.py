"""The warm-up: after a start of ours, VPP keeps what it has until we know better.

For ``startup-min-delay`` nothing is written. From then on each frontend is released as soon as all its backends are
known. At ``startup-max-delay`` everything is released. The warm-up counts from the start of the daemon, not from the
connection to VPP, and no reload restarts it. It protects what VPP has: a frontend whose VIP VPP had and has no longer,
as after a restart of VPP, is released at once.

Orders do not wait for it: what an operator or the file has ordered out loses its weight. Of a VIP in which that was so,
VPP no longer has what is protected, so whatever should have more weight there gets it, in the same write and from then
on (`raises_in`). Otherwise the VIP might be left without any weight while a backend is up. What is not ordered keeps
its weight until the frontend is released.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from maglev.state.board import Board
    from maglev.vpp.lb.state import VipKey


class WarmUp:
    """Decides which frontends may be written to VPP already.

    Attributes:
        over: Whether everything is released, for good.
        open: Whether ``startup-min-delay`` is over.
        raises_in: VIPs in which an order has lowered something, so that weights are raised there.
    """

    def __init__(self, clock: IReactorTime, board: Board, released: Callable[[frozenset[str]], None]) -> None:
        """Prepare the warm-up.

        Args:
            clock: A monotonic clock.
            board: Says what is known of which backend.
            released: Called with the names of frontends whenever some become free; the last call is made when `over`
                has become true.
        """
        self._clock = clock
        self._board = board
        self._tell = released
        self._free: set[str] = set()
        self._calls: list[IDelayedCall] = []
        self.raises_in: set[VipKey] = set()
        self.open = False
        self.over = False

    def start(self) -> None:
        """Begin, with the delays of the configuration in force."""
        vpp = self._board.config.vpp
        if vpp.startup_max_delay <= 0:
            self._finish()
            return
        self._calls.append(self._clock.callLater(vpp.startup_min_delay, self._open))
        self._calls.append(self._clock.callLater(vpp.startup_max_delay, self._finish))

    def stop(self) -> None:
        """Stop releasing frontends."""
        self._cancel()

    @property
    def begun(self) -> bool:
        """Whether anything may be written at all."""
        return self.open or bool(self._free)

    def end_for(self, frontends: Iterable[str]) -> None:
        """Release frontends of which VPP has nothing to protect; the caller is about to write them."""
        self._free.update(frontends)

    def is_free(self, frontend: str) -> bool:
        """Return whether a frontend may be written."""
        return self.over or frontend in self._free

    def consider(self, frontends: Iterable[str]) -> None:
        """Release those of these frontends whose backends are all known by now."""
        if not self.open or self.over:
            return
        known = {
            name
            for name in frontends
            if name not in self._free and name in self._board.frontends and self._board.knows_all(name)
        }
        self._free |= known
        # The lengths first: this is asked at each transition, and there may be thousands of frontends.
        if len(self._free) >= len(self._board.frontends) and self._free >= self._board.frontends.keys():
            self._finish()
        elif known:
            self._tell(frozenset(known))

    def _open(self) -> None:
        self.open = True
        self.consider(tuple(self._board.frontends))

    def _finish(self) -> None:
        self._cancel()
        self.open = self.over = True
        self._tell(frozenset(self._board.frontends))

    def _cancel(self) -> None:
        for call in self._calls:
            if call.active():
                call.cancel()
        self._calls.clear()
