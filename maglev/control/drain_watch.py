"""Watches drains: asks VPP how many flows their backends still have, until there are few enough.

Theory of operation. To drain is an override: the backend gets no new flows, whatever happens here. This service reads
the flows of all backends that have a goal to reach, every few seconds and all at once, and decides what became of each
drain: its goal was reached, its time is up, or VPP could not be asked for too long, in which case nothing is claimed.

The number of flows that VPP shows is an upper bound (`maglev.vpp.lb.flows`). So a backend to which VPP has sent no
packet for as long as flows live has none, whatever is shown.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred

from maglev.model.errors import MaglevError, NotFoundError, RefusedError, VppError, VppOffError
from maglev.model.events import DrainEvent, OverrideEvent
from maglev.model.override import BackendOrder, DrainPhase
from maglev.runtime.logs.logger import EventLogger
from maglev.runtime.tasks import Tasks
from maglev.vpp.lb.flows import read_flows
from maglev.vpp.lb.state import key_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maglev.control.overrides import Overrides
    from maglev.model.events import Noted
    from maglev.model.override import DrainGoal, Override
    from maglev.model.override_views import DrainView
    from maglev.runtime.cooperator import WorkQueue
    from maglev.state.board import Board
    from maglev.vpp.lb.flows import Flows
    from maglev.vpp.lb.state import VipKey
    from maglev.vpp.stats.counts import Counts, RouteCounts
    from maglev.vpp.sync.service import VppService

POLL: Final = 2.0
"""Seconds between looks at the flows: printing a few thousand servers stops VPP's workers for two milliseconds."""

GRACE: Final = 10.0
"""Seconds without an answer after which a drain is not confirmed: attempts to reconnect are five apart at most."""

SLACK: Final = 2.0
"""Seconds more than a flow lives for which a server must be silent: VPP counts in whole seconds."""

REPORT: Final = 10.0
"""Seconds between two events about the progress of a drain, at least."""


@attrs.define(eq=False)
class WatchedDrain:
    """A drain, and what is known of its flows.

    Attributes:
        override: The order.
        goal: What it has to reach.
        phase: Where it is.
        flows: Flows of the backend in its frontends; None before the first look.
        detail: What there is to say of it.
        timeout: The longest life of a flow since the drain began, in seconds.
        route: The packets sent to its addresses, as they were read last; None if they are not known.
        silent_since: Since when these have been the same.
        reading: The reading in which they were found.
        read_at: When that reading was there.
        unseen_since: Since when VPP could not be asked; None if it could.
        reported: When the last event was.
        waiting: Callers that wait for the next look.
    """

    override: Override
    goal: DrainGoal
    phase: DrainPhase = DrainPhase.DRAINING
    flows: int | None = None
    detail: str = ""
    timeout: float = 0.0
    route: tuple[RouteCounts, ...] | None = None
    silent_since: float = 0.0
    reading: Counts | None = None
    read_at: float = 0.0
    unseen_since: float | None = None
    reported: tuple[float, int | None] = (0.0, None)
    waiting: list[Deferred[None]] = attrs.field(factory=list)

    @property
    def backend(self) -> str:
        """Name of the backend."""
        return self.override.target.backend


class DrainWatch(Service):
    """The drains that have a goal.

    Attributes:
        outcomes: Drains that came to their end, by phase.
    """

    _log = EventLogger()

    def __init__(self, work: WorkQueue, board: Board, overrides: Overrides, vpp: VppService) -> None:
        """Create it; the drains of the last run are watched from its start on.

        Args:
            work: Where VPP's text is read; has a monotonic clock.
            board: Notes orders, and the progress of drains.
            overrides: The orders.
            vpp: The way to VPP.
        """
        self._clock = work.clock
        self._work = work
        self._board = board
        self._overrides = overrides
        self._vpp = vpp
        self._tasks = Tasks()
        self._drains: dict[str, WatchedDrain] = {}
        self._looking = False
        ends = (phase for phase in DrainPhase if phase is not DrainPhase.DRAINING)
        self.outcomes: Counter[DrainPhase] = Counter(dict.fromkeys(ends, 0))
        board.subscribe(noted=self._noted)

    def startService(self) -> None:
        """Watch the drains of the last run."""
        Service.startService(self)
        for override in self._overrides.all():
            self._begin(override)

    def stopService(self) -> Any:
        """Stop watching; who waits is not told that anything was reached."""
        Service.stopService(self)
        self._tasks.cancel()
        for drain in self._drains.values():
            if drain.phase is DrainPhase.DRAINING:
                drain.phase, drain.detail = DrainPhase.UNCONFIRMED, "maglevd stops"
            self._wake(drain)

    # Reading

    def view(self, backend: str) -> DrainView | None:
        """Return how the drain of a backend is going; None if it is not draining, or nothing more is to be reached."""
        drain = self._drains.get(backend)
        if drain is None or drain.phase is DrainPhase.ENDED:
            return None
        return self._view(drain) if self._override_of(drain).value is BackendOrder.DRAIN else None

    def active(self) -> Iterable[tuple[str, int]]:
        """Yield each backend whose drain goes on, and its flows, as far as they are known."""
        for drain in self._drains.values():
            if drain.phase is DrainPhase.DRAINING and drain.flows is not None:
                yield drain.backend, drain.flows

    async def progress(self, backend: str) -> DrainView:
        """Return how a drain is going after the next look, at once if it is at its end.

        Raises:
            NotFoundError: The backend does not drain.
        """
        drain = self._drains.get(backend)
        if drain is None:
            message = f"backend {backend} has no drain to wait for"
            raise NotFoundError(message)
        if drain.phase is DrainPhase.DRAINING:
            waiting: Deferred[None] = Deferred(lambda _: drain.waiting.remove(waiting))
            drain.waiting.append(waiting)
            await waiting
        return self._view(drain)

    def _view(self, drain: WatchedDrain) -> DrainView:
        goal = self._override_of(drain).goal
        left = None if goal is None or goal.by is None else round(max(self._overrides.seconds_until(goal.by), 0.0), 1)
        return {
            "backend": drain.backend,
            "phase": str(drain.phase),
            "flows": drain.flows,
            "goal": drain.goal.flows,
            "times_out_in": left,
            "then": "disable" if drain.goal.disable else None,
            "detail": drain.detail,
        }

    # Orders

    def _noted(self, event: Noted) -> None:
        if isinstance(event, OverrideEvent) and event.override.target.is_state:
            drain = self._drains.get(event.override.target.backend)
            if drain is not None and drain.phase is DrainPhase.DRAINING:
                said = (
                    f"{event.override.value} was ordered" if event.action == "set" else f"the drain was {event.action}"
                )
                self._finish(drain, DrainPhase.ENDED, said + (f" by {event.who}" if event.who else ""))
            if event.action == "set":
                self._begin(event.override)

    def _begin(self, override: Override) -> None:
        if override.goal is None or override.value is not BackendOrder.DRAIN or not self.running:
            return
        drain = self._drains[override.target.backend] = WatchedDrain(override, override.goal)
        self._report(drain)
        if not self._looking:
            self._looking = True
            self._tasks.repeat(self._clock, "drains", self._look)

    def _override_of(self, drain: WatchedDrain) -> Override:
        """Return the order as it is now: its times move with a wall clock that is set."""
        return self._overrides.get(drain.override.target) or drain.override

    # Looking

    async def _look(self) -> float | None:
        active = self._active()
        if not active:
            self._looking = False
            return None
        keys: dict[VipKey, set[str]] = {}
        for drain in active:
            for key in self._keys(drain):
                keys.setdefault(key, set()).update(self._addresses(drain))
        flows, problem = await self._read(keys)
        for drain in active:
            if drain.phase is DrainPhase.DRAINING:
                self._judge(drain, flows, problem)
                self._wake(drain)
        return POLL

    def _active(self) -> list[WatchedDrain]:
        for name in [name for name in self._drains if name not in self._board.backends]:
            del self._drains[name]
        return [drain for drain in self._drains.values() if drain.phase is DrainPhase.DRAINING]

    def _keys(self, drain: WatchedDrain) -> dict[VipKey, str]:
        """Return the VIPs of the frontends that use a backend, with their names."""
        names = self._board.frontends_of(drain.backend)
        return {key_of(self._board.frontends[name].frontend): name for name in names}

    def _addresses(self, drain: WatchedDrain) -> set[str]:
        status = self._board.backends[drain.backend]
        return {status.address, status.serving_address}

    async def _read(self, keys: dict[VipKey, set[str]]) -> tuple[Flows, VppError | None]:
        try:
            return await read_flows(self._work, self._vpp.require_link().lb, keys), None
        except VppError as error:
            return {}, error

    def _judge(self, drain: WatchedDrain, flows: Flows, problem: VppError | None) -> None:
        now = self._clock.seconds()
        by = (self._override_of(drain).goal or drain.goal).by
        late = by is not None and self._overrides.seconds_until(by) <= 0
        if problem is not None:
            drain.unseen_since = now if drain.unseen_since is None else drain.unseen_since
            drain.flows = None
            if late or isinstance(problem, VppOffError) or now - drain.unseen_since >= GRACE:
                self._finish(drain, DrainPhase.UNCONFIRMED, f"cannot confirm: {problem}")
            return
        drain.unseen_since = None
        addresses, names = self._addresses(drain), self._keys(drain)
        found = {key: [each for address, each in flows.get(key, {}).items() if address in addresses] for key in names}
        drain.flows = sum(each.flows for servers in found.values() for each in servers)
        serving = sorted(names[key] for key, servers in found.items() if any(each.serves for each in servers))
        silent = self._is_silent(drain, now)
        if serving:
            drain.detail = f"it still gets new flows in {', '.join(serving)}"
        elif silent and drain.flows:
            drain.detail = f"no packet for {drain.timeout:g} s: its {drain.flows} flows have timed out"
            drain.flows = 0
        else:
            drain.detail = ""
        if not serving and drain.flows <= drain.goal.flows:
            self._finish(drain, DrainPhase.DRAINED, drain.detail)
        elif late:
            self._finish(drain, DrainPhase.TIMED_OUT, drain.detail)
        elif drain.flows != drain.reported[1] and now - drain.reported[0] >= REPORT:
            self._report(drain)

    def _is_silent(self, drain: WatchedDrain, now: float) -> bool:
        """Return whether VPP has sent no packet to a backend for as long as its flows live."""
        drain.timeout = max(drain.timeout, self._board.config.vpp.conf.flow_timeout)
        try:
            counts = self._vpp.read_counts()
        except MaglevError:
            drain.route = None
            return False
        routes = [counts.servers.get(address) for address in sorted(self._addresses(drain))]
        route = tuple(each for each in routes if each is not None)
        if len(route) < len(routes):
            drain.route = None
            return False
        if route != drain.route:
            drain.route, drain.silent_since = route, now
        if counts is not drain.reading:
            drain.reading, drain.read_at = counts, now
        # A reading may have been made a poll before it was seen here.
        return drain.read_at - POLL - drain.silent_since >= drain.timeout + SLACK

    def _finish(self, drain: WatchedDrain, phase: DrainPhase, detail: str) -> None:
        drain.phase, drain.detail = phase, detail
        self.outcomes[phase] += 1
        self._report(drain)
        self._wake(drain)
        if phase is not DrainPhase.ENDED:
            try:
                disable = phase is DrainPhase.DRAINED and drain.goal.disable
                self._overrides.settle(drain.override.target, disable=disable)
            except RefusedError as error:
                drain.detail = f"not disabled: {error}"
                self._log.warn("drain-not-disabled", backend=drain.backend, reason=str(error))

    def _report(self, drain: WatchedDrain) -> None:
        drain.reported = (self._clock.seconds(), drain.flows)
        who, origin = drain.override.who, drain.override.origin
        self._log.info("drain", backend=drain.backend, phase=str(drain.phase), flows=drain.flows, detail=drain.detail)
        self._board.enter(DrainEvent(drain.backend, drain.phase, drain.flows, drain.detail, who, origin))

    @staticmethod
    def _wake(drain: WatchedDrain) -> None:
        waiting, drain.waiting = drain.waiting, []
        for each in waiting:
            each.callback(None)
