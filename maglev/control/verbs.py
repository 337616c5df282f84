"""The control interface: the verbs behind every front end, with roles and an audit log of changes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, TypeVar

from maglev.config.diff import told_otherwise
from maglev.control.audit import Audit
from maglev.control.dry_run import dry_run_steps, wanted_now
from maglev.control.events import LEVELS
from maglev.control.traffic import server_traffic, vip_traffic
from maglev.control.views import (
    backend_view,
    change_view,
    check_view,
    conf_view,
    dry_run_view,
    frontend_view,
    healthcheck_view,
    page_view,
    server_traffic_view,
    vip_traffic_view,
    vip_view,
)
from maglev.interfaces import IControl
from maglev.model.errors import ConfigError, MaglevError, NotFoundError, RefusedError
from maglev.model.health import Lifecycle
from maglev.model.moments import moment
from maglev.vpp.lb.calls import Features
from maglev.vpp.lb.state import key_of
from maglev.vpp.sync.forecast import forecast_steps, moved_steps

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence

    from maglev.control.dry_run import DryRunChange
    from maglev.control.events import EventHub, Subscription
    from maglev.control.reload import Reloader
    from maglev.control.sessions import Sessions
    from maglev.model.build import Build
    from maglev.model.caller import Caller
    from maglev.model.config import Config
    from maglev.model.problem import Problem
    from maglev.model.views import (
        BackendChangeView,
        BackendView,
        CheckerView,
        ConfigCheckView,
        ConfigDiffView,
        FrontendView,
        HealthcheckView,
        LbPlanView,
        LbStateView,
        PageView,
        ServerCountersView,
        SessionView,
        SyncView,
        VersionView,
        VipCountersView,
        VppInfoView,
        WeightChangeView,
    )
    from maglev.runtime.cooperator import WorkQueue
    from maglev.state.board import Board
    from maglev.state.status import FrontendStatus
    from maglev.vpp.lb.state import LbState, Vip
    from maglev.vpp.stats.counters import Counters
    from maglev.vpp.stats.counts import Counts
    from maglev.vpp.sync.forecast import Preview, VipForecast
    from maglev.vpp.sync.service import VppService

Row = TypeVar("Row")
Value = TypeVar("Value")

MAX_NAMES: Final = 5000
"""Maximum number of names offered for completion: more than anybody reads."""


class Control:
    """Holds the objects that the verbs work on; `for_caller` returns the verbs for one caller."""

    def __init__(
        self,
        work: WorkQueue,
        board: Board,
        vpp: VppService,
        reloader: Reloader,
        event_hub: EventHub,
        sessions: Sessions,
        build: Build,
        wall: Callable[[], float],
        checker_view: Callable[[], CheckerView],
    ) -> None:
        self.work = work
        self.board = board
        self.vpp = vpp
        self.reloader = reloader
        self.event_hub = event_hub
        self.register = sessions
        self.build = build
        self.wall = wall
        self.checker_view = checker_view

    def forecast(self, preview: Preview) -> Awaitable[Sequence[VipForecast]]:
        """Compute what a plan does to each VIP."""
        steps = forecast_steps(preview.plan, preview.wanted, preview.state.vips, weights=preview.weights)
        return self.work.run(steps)

    def dry_run(self, config: Config) -> Awaitable[Sequence[DryRunChange]]:
        """Compute the effects of a configuration; without a connection, a VPP with all features is assumed."""
        features = self.vpp.features or Features(weights=True, src_ip_sticky=True)
        held = None if self.vpp.sync is None else self.vpp.sync.ledger.vips
        return self.work.run(dry_run_steps(self.board, config, held=held, **features._asdict()))

    def for_caller(self, caller: Caller) -> CallerControl:
        """Return the verbs bound to one caller, for the duration of its session."""
        return CallerControl(self, caller)


class CallerControl(IControl):
    """The verbs bound to one caller; see `maglev.interfaces.IControl` for what each does and returns."""

    def __init__(self, control: Control, caller: Caller) -> None:
        self.caller = caller
        self._audit = Audit(caller)
        self._control = control
        self._board = control.board
        self._lb_state: tuple[LbState, Sequence[Vip]] | None = None
        self._plan: tuple[Preview, Sequence[VipForecast]] | None = None
        self._dry_run: tuple[Sequence[Problem], Sequence[DryRunChange]] | None = None
        self._traffic: dict[object, tuple[Counters | None, Sequence[Any]]] = {}

    async def version(self) -> VersionView:
        """The running build."""
        build = self._control.build
        return {"version": build.version, "commit": build.commit, "build_date": build.date}

    async def names(self, kind: str, prefix: str = "", within: str = "", limit: int = 1000) -> list[str]:
        """Names for completion; none for a kind or object that does not exist."""
        found = []
        for name in self._names(kind, within):
            if name.startswith(prefix):
                found.append(name)
                if len(found) >= min(limit, MAX_NAMES):
                    break
        return found

    async def frontends(self, after: str = "", limit: int = 100) -> PageView[FrontendView]:
        """A page of frontends."""
        return page_view(self._board.frontends.values(), after, limit, self._frontend_view)

    async def frontend(self, name: str) -> FrontendView:
        """One frontend."""
        return self._frontend_view(self._board.frontend(name))

    def _frontend_view(self, status: FrontendStatus) -> FrontendView:
        return frontend_view(self._board, status, self._control.vpp.departures.departing(key_of(status.frontend)))

    async def backends(self, after: str = "", limit: int = 100) -> PageView[BackendView]:
        """A page of backends."""
        board = self._board
        return page_view(board.backends.values(), after, limit, lambda status: backend_view(board, status))

    async def backend(self, name: str) -> BackendView:
        """One backend."""
        return backend_view(self._board, self._board.backend(name))

    async def healthchecks(self, after: str = "", limit: int = 100) -> PageView[HealthcheckView]:
        """A page of healthchecks."""
        users = self._users()
        return page_view(
            self._board.config.healthchecks.values(),
            after,
            limit,
            lambda check: healthcheck_view(check, users[check.name]),
        )

    async def healthcheck(self, name: str) -> HealthcheckView:
        """One healthcheck."""
        check = self._board.config.healthchecks.get(name)
        if check is None:
            message = f"unknown healthcheck {name!r}"
            raise NotFoundError(message)
        return healthcheck_view(check, self._users()[name])

    async def checker(self) -> CheckerView:
        """The status of the checker."""
        return self._control.checker_view()

    # Changes

    async def pause_backend(self, name: str) -> BackendChangeView:
        """Stop probing."""
        return self._happen(name, Lifecycle.PAUSE)

    async def resume_backend(self, name: str) -> BackendChangeView:
        """Probe again."""
        return self._happen(name, Lifecycle.RESUME)

    async def enable_backend(self, name: str) -> BackendChangeView:
        """Put into service again."""
        return self._happen(name, Lifecycle.ENABLE)

    async def disable_backend(self, name: str) -> BackendChangeView:
        """Take out of service."""
        return self._happen(name, Lifecycle.DISABLE)

    async def set_weight(self, frontend: str, pool: str, backend: str, weight: int) -> WeightChangeView:
        """Set a weight until the next reload."""
        what = {"action": "set-weight", "object": f"{frontend}/{pool}/{backend}"}

        def change() -> WeightChangeView:
            before = self._weight(frontend, pool, backend)
            self._board.set_weight(frontend, pool, backend, weight)
            names = {"frontend": frontend, "pool": pool, "backend": backend}
            return {**names, "from": before, "to": weight, "programmed": [], "moved": None}  # type: ignore[typeddict-item]

        status = self._board.frontends.get(frontend)
        before = None if status is None else (status.frontend, wanted_now(self._board, status))
        view = self._audit.change(what, change)
        if status is not None and before is not None and (told := told_otherwise(before[0], status.frontend)):
            view["programmed"] = [list(weights) for _, weights in told]
            view["moved"] = await self._control.work.run(moved_steps(before[1], wanted_now(self._board, status)))
        return view

    async def reload_config(self, now: bool = False) -> ConfigCheckView:  # noqa: FBT001, FBT002
        """Put the file in force."""
        what = {"action": "reload-config now" if now else "reload-config", "object": "configuration"}
        self._audit.require_operator(what)
        before = self._board.generation
        try:
            loaded = await self._control.reloader.reload()
        except ConfigError as error:
            self._audit.record(what, refused=f"{len(error.problems)} problems")
            return check_view(error.problems, ok=False)
        if now:
            self._control.vpp.departures.release()
        self._audit.record(what, **{"from": before, "to": self._board.generation})
        return check_view(loaded.warnings, ok=True)

    async def sync_vpp(self, frontend: str | None = None) -> SyncView:
        """Read back VPP's state and repair it."""
        what = {"action": "sync-vpp", "object": frontend or "all"}
        self._audit.require_operator(what)
        try:
            writes = await self._control.vpp.sync_now(frontend)
        except MaglevError as error:
            self._audit.record(what, refused=str(error))
            raise
        self._audit.record(what, writes=len(writes))
        return {"writes": [str(write) for write in writes]}

    # Reading the file and VPP

    async def config_diff(self, after: str = "", limit: int = 100) -> ConfigDiffView:
        """The effects of a reload, computed for the first page."""
        if not after or self._dry_run is None:
            try:
                loaded = await self._control.reloader.check()
            except ConfigError as error:
                return {**check_view(error.problems, ok=False), "rows": [], "next": None}
            self._dry_run = loaded.warnings, await self._control.dry_run(loaded.config)
        warnings, changes = self._dry_run
        page = page_view(changes, after, limit, dry_run_view)
        if page["next"] is None:
            self._dry_run = None
        return {**check_view(warnings, ok=True), **page}

    async def check_config(self) -> ConfigCheckView:
        """Check the file."""
        try:
            loaded = await self._control.reloader.check()
        except ConfigError as error:
            return check_view(error.problems, ok=False)
        return check_view(loaded.warnings, ok=True)

    async def vpp_info(self) -> VppInfoView:
        """Version and process of the connected VPP."""
        info = self._control.vpp.require_link().info
        return {
            "version": info.version,
            "build_date": info.build_date,
            "build_directory": info.build_directory,
            "pid": info.pid,
            "boot_time": moment(info.boot_time) if info.boot_time else None,
            "connected_since": moment(self._control.wall() - self._control.vpp.connected_for()),
            "weights": info.weights,
        }

    async def vpp_lb_state(self, after: str = "", limit: int = 100) -> LbStateView:
        """The load balancer's state in VPP, read for the first page."""
        if not after or self._lb_state is None:
            state = await self._control.vpp.require_link().lb.read_state()
            self._lb_state = (state, tuple(state.vips.values()))
        state, vips = self._lb_state
        ours = {key_of(status.frontend): name for name, status in self._board.frontends.items()}
        departing = self._control.vpp.departures.departing
        page = page_view(vips, after, limit, lambda vip: vip_view(vip, ours.get(vip.key), departing(vip.key)))
        if page["next"] is None:
            self._lb_state = None
        return {"conf": conf_view(state.conf), **page}

    async def vpp_lb_plan(self, after: str = "", limit: int = 100) -> LbPlanView:
        """The effects of a sync, computed for the first page."""
        if not after or self._plan is None:
            preview = await self._control.vpp.require_sync().preview()
            self._plan = preview, await self._control.forecast(preview)
        preview, changes = self._plan
        page = page_view(changes, after, limit, change_view)
        if page["next"] is None:
            self._plan = None
        conf = None if preview.conf is None else conf_view(preview.conf)
        return {"conf": conf, "waiting": preview.waiting, **page}

    async def vpp_lb_counters(self, after: str = "", limit: int = 100) -> PageView[VipCountersView]:
        """VPP's counters of VIPs."""
        return await self._traffic_page(vip_traffic, after, limit, vip_traffic_view)

    async def vpp_backend_counters(self, after: str = "", limit: int = 100) -> PageView[ServerCountersView]:
        """VPP's counters of traffic sent to application servers."""
        return await self._traffic_page(server_traffic, after, limit, server_traffic_view)

    async def sessions(self) -> list[SessionView]:
        """The connected sessions."""
        return self._control.register.views()

    async def watch(self, *, log: str | None = None, backend: bool = True, frontend: bool = True) -> Subscription:
        """A subscription to events."""
        if log is not None and log not in LEVELS:
            message = f"invalid log level {log!r}: expected one of {', '.join(LEVELS)}"
            raise RefusedError(message)
        return self._control.event_hub.watch(log=log, backend=backend, frontend=frontend)

    # Implementation

    async def _traffic_page(
        self,
        traffic: Callable[[Board, Counts], Generator[None, None, Sequence[Value]]],
        after: str,
        limit: int,
        view: Callable[[Value], Row],
    ) -> PageView[Row]:
        """Return a page of the counters read for the first page; they are read again if VPP has changed since."""
        vpp = self._control.vpp
        counts = vpp.read_counts()
        reader, rows = self._traffic.pop(traffic, (None, ()))
        if not after or reader is not vpp.counters:
            reader = vpp.counters
            rows = await self._control.work.run(traffic(self._board, counts))
            vpp.require_link()
        page = page_view(rows, after, limit, view)
        if page["next"] is not None:
            self._traffic[traffic] = (reader, rows)
        return page

    def _names(self, kind: str, within: str) -> Iterable[str]:
        frontend, _, pool = within.partition("/")
        status = self._board.frontends.get(frontend)
        pools = status.frontend.pools if status is not None else ()
        kinds: dict[str, Callable[[], Iterable[str]]] = {
            "frontend": lambda: self._board.frontends,
            "backend": lambda: self._board.backends,
            "healthcheck": lambda: self._board.config.healthchecks,
            "pool": lambda: [each.name for each in pools],
            "member": lambda: [member.backend for each in pools if each.name == pool for member in each.members],
        }
        if kind not in kinds:
            message = f"invalid kind {kind!r}: expected one of {', '.join(kinds)}"
            raise RefusedError(message)
        return kinds[kind]()

    def _users(self) -> Counter[str | None]:
        return Counter(backend.healthcheck for backend in self._board.config.backends.values())

    def _weight(self, frontend: str, pool: str, backend: str) -> int:
        for each in self._board.frontend(frontend).frontend.pools:
            for member in each.members:
                if (each.name, member.backend) == (pool, backend):
                    return member.weight
        return 0  # not a member: the board will refuse it

    def _happen(self, name: str, event: Lifecycle) -> BackendChangeView:
        def change() -> BackendChangeView:
            before = self._board.backend(name).state
            self._board.happen(name, event)
            return {"backend": name, "from": str(before), "to": str(self._board.backend(name).state)}

        return self._audit.change({"action": f"{event.name.lower()}-backend", "object": name}, change)
