"""The verbs by which operators order something at run time: backends, hosts, frontends and weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maglev.control.audit import Audit
from maglev.control.guard import refuse_frontend, refuse_to_clear, refuse_to_take_out, refuse_weight
from maglev.control.scale_changes import ScaleBefore
from maglev.control.views import kept_view, override_view, page_view
from maglev.model.addresses import canonical, is_address
from maglev.model.bounds import PAGE
from maglev.model.errors import NotFoundError, RefusedError
from maglev.model.health import Lifecycle
from maglev.model.override import DrainGoal, Target, remark_by

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from maglev.control.drain_watch import DrainWatch
    from maglev.control.event_log import AuditTrail
    from maglev.control.overrides import Overrides
    from maglev.model.caller import Caller
    from maglev.model.override import Override
    from maglev.model.override_views import DrainView, OverrideView
    from maglev.model.views import (
        BackendChangeView,
        FrontendChangeView,
        HostChangeView,
        HostResultView,
        OverrideClearView,
        OverridesView,
        ScaleView,
        WeightChangeView,
    )
    from maglev.runtime.cooperator import WorkQueue
    from maglev.state.board import Board

HOST_ORDERS: Final = {
    each.name.lower(): each
    for each in (Lifecycle.DRAIN, Lifecycle.PAUSE, Lifecycle.RESUME, Lifecycle.ENABLE, Lifecycle.DISABLE)
}
"""What can be ordered for a host; besides `CLEAR`."""

CLEAR: Final = "clear"
"""The order for a host to let its backends be as the file says."""

UNSCALED: Final[ScaleView] = {"programmed": [], "moved": None}
"""What is said of the scale before it is known whether it changes."""


class OrderVerbs:
    """These verbs, for one caller; see `maglev.interfaces.IControl` for what each does and returns.

    Attributes:
        caller: Who orders.
    """

    def __init__(
        self,
        work: WorkQueue,
        board: Board,
        overrides: Overrides,
        drains: DrainWatch,
        caller: Caller,
        trail: AuditTrail,
    ) -> None:
        self.caller = caller
        self._audit = Audit(caller, trail)
        self._work = work
        self._board = board
        self._overrides = overrides
        self._drains = drains

    async def overrides(self, after: str = "", limit: int = PAGE) -> OverridesView:
        """A page of overrides."""
        kept = {"not_kept": self._overrides.not_kept, "damage": self._overrides.damage}
        return {**page_view(self._overrides.all(), after, limit, self._override_view), **kept}  # type: ignore[typeddict-item]

    def _override_view(self, override: Override) -> OverrideView:
        return override_view(override, self._overrides.age(override), self._overrides.left(override.target))

    async def pause_backend(
        self,
        name: str,
        duration: int = 0,
        reason: str = "",
        force: bool = False,  # noqa: FBT001, FBT002
    ) -> BackendChangeView:
        """Stop probing."""
        return await self._happen(name, Lifecycle.PAUSE, duration, reason, force)

    async def resume_backend(self, name: str) -> BackendChangeView:
        """Probe again."""
        return await self._happen(name, Lifecycle.RESUME)

    async def drain_backend(
        self,
        name: str,
        duration: int = 0,
        reason: str = "",
        force: bool = False,  # noqa: FBT001, FBT002
        flows: int = 0,
        timeout: int = 0,
        disable: bool = False,  # noqa: FBT001, FBT002
    ) -> BackendChangeView:
        """Give it no new flows."""
        goal = _goal(flows, timeout, disable=disable)
        return await self._happen(name, Lifecycle.DRAIN, duration, reason, force, goal)

    async def drain_progress(self, name: str) -> DrainView:
        """How a drain is going."""
        return await self._drains.progress(name)

    async def set_host(
        self,
        address: str,
        order: str,
        duration: int = 0,
        reason: str = "",
        force: bool = False,  # noqa: FBT001, FBT002
        flows: int = 0,
        timeout: int = 0,
        disable: bool = False,  # noqa: FBT001, FBT002
    ) -> HostChangeView:
        """Order something for every backend of an address."""
        event = HOST_ORDERS.get(order)
        if event is None and order != CLEAR:
            message = f"invalid order {order!r}: expected one of {', '.join((*HOST_ORDERS, CLEAR))}"
            raise RefusedError(message)
        self._audit.require_operator({"action": f"{order}-host", "object": address})
        names = self._backends_at(address) if event is not None else self._overridden_at(address)
        goal = _goal(flows, timeout, disable=disable) if event is Lifecycle.DRAIN else None
        if not force:
            self._refuse_for_host(event, names)
        results: list[HostResultView] = []
        for name in names:
            try:
                if event is None:
                    change = await self._cleared(name)
                else:
                    change = await self._happen(name, event, duration, reason, True, goal)
            except (RefusedError, NotFoundError) as error:
                results.append({"backend": name, "change": None, "refused": str(error)})
            else:
                results.append({"backend": name, "change": change, "refused": ""})
        return {"address": address, "results": results}

    def _backends_at(self, address: str) -> list[str]:
        wanted = canonical(address) if is_address(address) else address
        names = [name for name, status in self._board.backends.items() if status.address == wanted]
        if not names:
            message = f"no backend has the address {address}"
            raise NotFoundError(message)
        return names

    def _overridden_at(self, address: str) -> list[str]:
        names = [name for name in self._backends_at(address) if self._overrides.get(Target(name)) is not None]
        if not names:
            message = f"no override of a backend with the address {address}"
            raise NotFoundError(message)
        return names

    def _refuse_for_host(self, event: Lifecycle | None, names: list[str]) -> None:
        if event is None:
            found = (self._overrides.get(Target(name)) for name in names)
            refuse_to_clear(self._board, [each for each in found if each is not None])
        elif event not in {Lifecycle.RESUME, Lifecycle.ENABLE}:
            refuse_to_take_out(self._board, names)

    async def _cleared(self, name: str) -> BackendChangeView:
        """Let a backend be as the file says; return that as a change of its state."""
        before, served = str(self._board.backend(name).state), self._served_by(name)
        view = await self.clear_override(name, force=True)
        states = {"from": before, "to": str(self._board.backend(name).state)}
        unserved = {"unserved": [frontend for frontend in served if not self._serves(frontend)]}
        return {"backend": name, **states, **unserved, **kept_view(None), "not_kept": view["not_kept"]}  # type: ignore[typeddict-item]

    async def disable_frontend(
        self,
        name: str,
        duration: int = 0,
        reason: str = "",
        force: bool = False,  # noqa: FBT001, FBT002
    ) -> FrontendChangeView:
        """Take a whole frontend out of service."""
        return await self._set_out(name, duration, reason, out=True, force=force)

    async def enable_frontend(self, name: str) -> FrontendChangeView:
        """Put a frontend back into service."""
        return await self._set_out(name, 0, "", out=False, force=True)

    async def _set_out(self, name: str, duration: int, reason: str, *, out: bool, force: bool) -> FrontendChangeView:
        remark = remark_by(self.caller, duration, reason)
        states = {True: "disabled", False: "enabled"}

        def change() -> tuple[FrontendChangeView, Awaitable[str]]:
            before = states[self._board.frontend(name).out]
            if not force:
                refuse_frontend(self._board, name)
            kept = self._overrides.set_out(name, remark, out=out)
            until = kept_view(self._overrides.get(Target("", name)))
            return {"frontend": name, "from": before, "to": states[out], **until}, kept

        what = {"action": f"{states[out][:-1]}-frontend", "object": name, **self._overrides.notes(remark)}
        return await self._audit.change(what, change)

    async def enable_backend(self, name: str) -> BackendChangeView:
        """Put into service again."""
        return await self._happen(name, Lifecycle.ENABLE)

    async def disable_backend(
        self,
        name: str,
        duration: int = 0,
        reason: str = "",
        force: bool = False,  # noqa: FBT001, FBT002
    ) -> BackendChangeView:
        """Take out of service."""
        return await self._happen(name, Lifecycle.DISABLE, duration, reason, force)

    async def set_weight(
        self,
        frontend: str,
        pool: str,
        backend: str,
        weight: int,
        duration: int = 0,
        reason: str = "",
        force: bool = False,  # noqa: FBT001, FBT002
    ) -> WeightChangeView:
        """Set a weight."""
        target = Target(backend, frontend, pool)
        remark = remark_by(self.caller, duration, reason)
        what = {"action": "set-weight", "object": f"{frontend}/{pool}/{backend}", **self._overrides.notes(remark)}

        def change() -> tuple[WeightChangeView, Awaitable[str]]:
            before = self._board.weight(frontend, pool, backend)
            if not force:
                refuse_weight(self._board, target, weight)
            kept = self._overrides.set_weight(target, weight, remark)
            names = {"frontend": frontend, "pool": pool, "backend": backend}
            found = {"from": before, "to": weight, **UNSCALED}
            return {**names, **found, **kept_view(self._overrides.get(target))}, kept  # type: ignore[typeddict-item]

        scale = ScaleBefore(self._work, self._board, frontend)
        view = await self._audit.change(what, change)
        view["programmed"], view["moved"] = await scale.changes()
        return view

    async def clear_override(
        self,
        backend: str = "",
        frontend: str = "",
        pool: str = "",
        force: bool = False,  # noqa: FBT001, FBT002
    ) -> OverrideClearView:
        """End an override."""
        target = Target(backend, frontend, pool)
        remark = remark_by(self.caller)

        def change() -> tuple[OverrideClearView, Awaitable[str]]:
            found = self._overrides.get(target)
            if found is not None and not force:
                refuse_to_clear(self._board, [found])
            kept = self._overrides.clear(target, remark)
            changed = {"from": str(found.value), "to": str(found.base)} if found is not None else {}
            return {"object": str(target), **changed, **UNSCALED, **kept_view(None)}, kept  # type: ignore[typeddict-item]

        scale = ScaleBefore(self._work, self._board, frontend)
        view = await self._audit.change({"action": "clear-override", "object": str(target)}, change)
        view["programmed"], view["moved"] = await scale.changes()
        return view

    async def _happen(
        self,
        name: str,
        event: Lifecycle,
        duration: int = 0,
        reason: str = "",
        force: bool = True,  # noqa: FBT001, FBT002
        goal: DrainGoal | None = None,
    ) -> BackendChangeView:
        remark = remark_by(self.caller, duration, reason)

        def change() -> tuple[BackendChangeView, Awaitable[str]]:
            before = self._board.backend(name).state
            served = self._served_by(name)
            if not force:
                refuse_to_take_out(self._board, [name])
            kept = self._overrides.happen(name, event, remark, goal)
            states = {"from": str(before), "to": str(self._board.backend(name).state)}
            unserved = {"unserved": [frontend for frontend in served if not self._serves(frontend)]}
            view = {"backend": name, **states, **unserved, **kept_view(self._overrides.get(Target(name)))}
            return view, kept  # type: ignore[return-value]

        what = {"action": f"{event.name.lower()}-backend", "object": name, **self._overrides.notes(remark)}
        return await self._audit.change(what, change)

    def _served_by(self, name: str) -> list[str]:
        return [frontend for frontend in self._board.frontends_of(name) if self._serves(frontend)]

    def _serves(self, frontend: str) -> bool:
        return self._board.frontend(frontend).active is not None

    def _ordered(self, target: Target) -> OverrideView | None:
        override = self._overrides.get(target)
        return None if override is None else self._override_view(override)


def _goal(flows: int, timeout: int, *, disable: bool) -> DrainGoal:
    """Return the goal of a drain; a ``timeout`` of 0 seconds is none."""
    return DrainGoal(flows, float(timeout) if timeout else None, disable)
