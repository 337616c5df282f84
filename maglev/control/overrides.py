"""Keeps overrides: makes them, ends them on time, carries them over reloads and restarts.

Theory of operation. An override lives on the board first (a backend is paused, a weight is changed) and in this
register; the file follows, and the answer to the operator waits for it. At a start the file is read before the board is
made, so that the board has never had another state. The end of an override is scheduled by the monotonic clock: a wall
clock that is set while the daemon runs moves the recorded times, not the end. Between two runs there is only the wall
clock; then an override ends when that says so, but lasts at most as long as it was made for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
from twisted.application.service import Service
from twisted.internet.defer import succeed

from maglev.model.announce import AnnounceOrder
from maglev.model.errors import NotFoundError, RefusedError
from maglev.model.events import OverrideEvent, WeightEvent
from maglev.model.health import Lifecycle
from maglev.model.moments import moment
from maglev.model.override import BackendOrder, Override, Remark, Target
from maglev.runtime.keeper import Keeper
from maglev.runtime.logs.logger import EventLogger
from maglev.state.override_file import MAX_OVERRIDES, encode
from maglev.state.overrides import Dropped, OverriddenConfig, fit, leading, said_by_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IDelayedCall

    from maglev.control.restored import Restored
    from maglev.model.config import Config
    from maglev.model.override import DrainGoal, Value
    from maglev.state.board import Board

TICK: Final = 60.0
"""Seconds between looks at the wall clock, while there are overrides."""

SLACK: Final = 2.0
"""Seconds that the wall clock may be off the monotonic one before it counts as set: more than a look takes."""

NOBODY: Final = Remark("", "")
"""What the program does by itself."""

NO_FOLDER: Final = "there is no state directory that can be written"

_ORDERS: Final = {
    Lifecycle.PAUSE: BackendOrder.PAUSE,
    Lifecycle.RESUME: BackendOrder.ENABLE,
    Lifecycle.DRAIN: BackendOrder.DRAIN,
    Lifecycle.DISABLE: BackendOrder.DISABLE,
    Lifecycle.ENABLE: BackendOrder.ENABLE,
}
"""What an operator's command orders."""


class Overrides(Service):
    """The overrides in force.

    Attributes:
        keeper: Keeps them in the file.
        damage: What was wrong with the file at the start; empty if nothing was.
    """

    _log = EventLogger()

    def __init__(self, reactor: Any, wall: Callable[[], float], board: Board, restored: Restored) -> None:
        """Take over what holds of the last run.

        Args:
            reactor: Has a monotonic clock, and threads.
            wall: Returns the wall-clock time, in seconds since the epoch.
            board: Was made with what was restored.
            restored: The overrides of the last run.
        """
        self._reactor = reactor
        self._wall = wall
        self._board = board
        self._restored = restored
        self._offset = wall() - float(reactor.seconds())
        self._entries: dict[Target, Override] = {}
        self._deadlines: dict[Target, float] = {}
        self._call: IDelayedCall | None = None
        self.damage = restored.damage
        self.keeper: Keeper[tuple[Override, ...]] = Keeper(reactor, restored.path, self.all, encode)
        for override in restored.kept:
            self._enter(override)

    def startService(self) -> None:
        """Tell what became of the overrides of the last run, and begin to watch the time."""
        Service.startService(self)
        if not self.keeper.path:
            self._log.warn("overrides-not-kept", reason=NO_FOLDER)
        for override in self._entries.values():
            self._log.info("override-restored", **_fields(override))
        for dropped in self._restored.dropped:
            self._ended("dropped", dropped)
        if self._restored.dropped or self._restored.damage:
            self.keeper.changed()
        self._schedule()

    def stopService(self) -> Deferred[Any]:
        """Wait for a write under way, for a moment."""
        Service.stopService(self)
        self._schedule()
        return self.keeper.stop()

    # Reading

    def all(self) -> tuple[Override, ...]:
        """Return them all, the oldest first."""
        return tuple(self._entries.values())

    def get(self, target: Target) -> Override | None:
        """Return the one about an object; None if there is none."""
        return self._entries.get(target)

    def backends(self) -> list[str]:
        """Return the names of the backends for which something was ordered."""
        return [target.backend for target in self._entries if target.is_state]

    def kept_off(self, address: str) -> str:
        """Return why an operator keeps an announced address withdrawn; empty if nobody does."""
        override = self._entries.get(Target("", address=address))
        return "" if override is None else f"kept off {override}"

    def left(self, target: Target) -> float | None:
        """Return in how many seconds an override ends; None if it does not end by itself."""
        deadline = self._deadlines.get(target)
        return None if deadline is None else max(deadline - self._reactor.seconds(), 0.0)

    def seconds_until(self, at: float) -> float:
        """Return in how many seconds a recorded time is."""
        return at - self._offset - float(self._reactor.seconds())

    def age(self, override: Override) -> float:
        """Return for how many seconds an override has been in force."""
        return max(float(self._reactor.seconds()) + self._offset - override.at, 0.0)

    @property
    def not_kept(self) -> str:
        """Why a restart would forget the overrides; empty if it would not."""
        return self.keeper.problem if self.keeper.path else NO_FOLDER

    def notes(self, remark: Remark) -> dict[str, str]:
        """Return what a caller says, as fields of an audit line."""
        until = {"until": moment(self._wall() + remark.duration)} if remark.duration else {}
        return {**({"reason": remark.reason} if remark.reason else {}), **until}

    def fit(self, config: Config) -> OverriddenConfig:
        """Return what a configuration from the file would be with the overrides, and which of them it would end."""
        return fit(config, self._entries.values())

    # Changing

    # Each of these returns when the file has the change, or could not be written: the reason then.

    def happen(self, name: str, event: Lifecycle, remark: Remark, goal: DrainGoal | None = None) -> Deferred[str]:
        """Do what an operator commands for a backend.

        Args:
            name: Its name.
            event: The command.
            remark: What the operator says of it.
            goal: That of a drain; its ``by`` counts from now.

        Raises:
            NotFoundError: There is no such backend.
            RefusedError: It makes no sense in the state that the backend is in.
        """
        self._board.backend(name)
        target = Target(name)
        made = self._made(target, _ORDERS[event], remark, goal)
        self._board.happen(name, event, _detail(made, remark))
        return self._put(target, made, remark)

    def set_weight(self, target: Target, weight: int, remark: Remark) -> Deferred[str]:
        """Set a weight.

        Raises:
            NotFoundError: There is no such member of a pool.
            RefusedError: The weight is out of range.
        """
        made = self._made(target, weight, remark)
        self._weigh(target, weight, remark)
        return self._put(target, made, remark)

    def announce(self, address: str, order: AnnounceOrder, remark: Remark) -> Deferred[str]:
        """Keep an address withdrawn, or let it be announced again.

        Raises:
            NotFoundError: No such address is announced.
            RefusedError: It can't be ordered.
        """
        if address not in self._board.config.announce.addresses:
            message = f"{address} is not under maglev.announce.addresses"
            raise NotFoundError(message)
        target = Target("", address=address)
        return self._put(target, self._made(target, order, remark), remark)

    def set_out(self, frontend: str, remark: Remark, *, out: bool) -> Deferred[str]:
        """Take a whole frontend out of service, or put it back.

        Raises:
            NotFoundError: The frontend does not exist.
        """
        target = Target("", frontend)
        self._board.frontend(frontend)
        made = self._made(target, BackendOrder.DISABLE if out else BackendOrder.ENABLE, remark)
        self._board.set_out(frontend, out=out)
        return self._put(target, made, remark)

    def settle(self, target: Target, *, disable: bool = False) -> None:
        """Forget the goal of a drain, which is decided, and disable the backend if it was ordered to do so.

        The order to disable is that of who ordered the drain, and ends when the drain would have ended.

        Raises:
            RefusedError: It can't be disabled.
        """
        drain = self._entries[target]
        self._entries[target] = settled = attrs.evolve(drain, goal=None)
        self._changed()
        if disable:
            made = attrs.evolve(settled, value=BackendOrder.DISABLE)
            self._board.happen(target.backend, Lifecycle.DISABLE, str(made))
            self._put(
                target, None if made.base == made.value else made, Remark(drain.who, drain.origin, 0, drain.reason)
            )

    def clear(self, target: Target, remark: Remark) -> Deferred[str]:
        """End an override: from now on the file holds.

        Raises:
            NotFoundError: There is no such override.
        """
        if target not in self._entries:
            message = f"there is no override of the {target}"
            raise NotFoundError(message)
        self._back(target, _detail(None, remark), remark)
        return self._put(target, None, remark)

    def apply(self, config: Config) -> tuple[Dropped, ...]:
        """Put a configuration from the file in force, with the overrides that still hold; return the others."""
        fitted = self.fit(config)
        self._board.apply(fitted.config)
        for dropped in fitted.dropped:
            target = dropped.override.target
            self._forget(target)
            if said_by_file(config, target) is not None:
                self._back(target, f"the override ends: {dropped.why}")
            self._ended("dropped", dropped)
        if fitted.dropped:
            self._changed()
        return fitted.dropped

    # Implementation

    def _made(self, target: Target, value: Value, remark: Remark, goal: DrainGoal | None = None) -> Override | None:
        """Return the override that an order makes; None if it says what the file says.

        Raises:
            RefusedError: It can't be made.
        """
        base = said_by_file(self._board.config, target)
        if value == base or base is None:
            if remark.duration:
                message = f"the file says {base} of the {target} already: there is nothing to end"
                raise RefusedError(message)
            return None
        if target not in self._entries and len(self._entries) >= MAX_OVERRIDES:
            message = f"too many overrides: at most {MAX_OVERRIDES}"
            raise RefusedError(message)
        at = self._reactor.seconds() + self._follow_clock()
        until = at + remark.duration if remark.duration else None
        if goal is not None and goal.by is not None:
            goal = attrs.evolve(goal, by=at + goal.by)
        return Override(target, value, base, remark.who, remark.origin, remark.reason, at, until, goal).shifted(0.0)

    def _put(self, target: Target, made: Override | None, remark: Remark) -> Deferred[str]:
        old = self._forget(target)
        if made is not None:
            self._enter(made)
            self._board.enter(OverrideEvent("set", made, remark.who, remark.reason, remark.origin))
        elif old is not None:
            self._board.enter(OverrideEvent("cleared", old, remark.who, remark.reason, remark.origin))
        return succeed("") if made is None and old is None else self._changed()

    def _enter(self, override: Override) -> None:
        self._entries[override.target] = override
        if override.until is not None:
            self._deadlines[override.target] = override.until - self._offset

    def _forget(self, target: Target) -> Override | None:
        self._deadlines.pop(target, None)
        return self._entries.pop(target, None)

    def _weigh(self, target: Target, weight: int, remark: Remark) -> None:
        names = target.frontend, target.pool, target.backend
        before = self._board.weight(*names)
        self._board.set_weight(*names, weight)
        if before != weight:
            self._board.enter(WeightEvent(*names, before, weight, remark.who, remark.origin, remark.reason))

    def _back(self, target: Target, detail: str, remark: Remark = NOBODY) -> None:
        """Let an object be as the file says."""
        base = said_by_file(self._board.config, target)
        assert base is not None  # noqa: S101  # overrides of what the file does not have were dropped
        if isinstance(base, AnnounceOrder):
            return  # the announcer looks when it is told that the override has ended
        if not isinstance(base, BackendOrder):
            self._weigh(target, base, attrs.evolve(remark, reason=remark.reason or detail))
        elif target.is_frontend:
            self._board.set_out(target.frontend, out=False)
        elif (event := leading(self._board.backend(target.backend).health, base)) is not None:
            self._board.happen(target.backend, event, detail)

    def _changed(self) -> Deferred[str]:
        self._schedule()
        return self.keeper.changed()

    def _ended(self, action: str, dropped: Dropped) -> None:
        self._log.warn("override-ended", **_fields(dropped.override), cause=dropped.why)
        self._board.enter(OverrideEvent(action, dropped.override, "", dropped.why))

    # Time

    def _schedule(self) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if self.running and self._entries:
            next_end = min(self._deadlines.values(), default=float("inf")) - self._reactor.seconds()
            self._call = self._reactor.callLater(min(max(next_end, 0.0), TICK), self._look)

    def _look(self) -> None:
        self._call = None
        self._follow_clock()
        now = self._reactor.seconds()
        due = [target for target, deadline in self._deadlines.items() if deadline <= now]
        for target in due:
            override = self._forget(target)
            if override is not None:
                self._back(target, f"the override ends: {override}")
                self._ended("expired", Dropped(override, "its time has come"))
        if due:
            self.keeper.changed()
        self._schedule()

    def _follow_clock(self) -> float:
        """Move the recorded times with a wall clock that was set; return what it is ahead of the monotonic clock."""
        offset = self._wall() - float(self._reactor.seconds())
        moved = offset - self._offset
        if abs(moved) > SLACK:
            self._offset = offset
            if self._entries:
                self._log.warn("overrides-clock-set", seconds=round(moved, 3))
                self._entries = {target: each.shifted(moved) for target, each in self._entries.items()}
                self.keeper.changed()
        return self._offset


def _detail(made: Override | None, remark: Remark) -> str:
    """Return what the transition that an order causes says of it."""
    if made is not None:
        return str(made)
    return f"by {remark.who}: {remark.reason}" if remark.reason else f"by {remark.who}"


def _fields(override: Override) -> dict[str, object]:
    """Return an override as fields of a log event."""
    return {
        "object": str(override.target),
        "value": override.value,
        "base": override.base,
        "who": override.who,
        "origin": override.origin,
        "reason": override.reason,
        "since": moment(override.at),
        "until": None if override.until is None else moment(override.until),
    }
