"""The control interface: the verbs behind every front end, with roles and an audit log of changes."""

from __future__ import annotations

import secrets
from collections import Counter
from typing import TYPE_CHECKING, Final, TypeVar

from maglev.control.announce_verbs import AnnounceVerbs
from maglev.control.config_verbs import ConfigVerbs
from maglev.control.drain_watch import DrainWatch
from maglev.control.dry_run import dry_run_steps
from maglev.control.event_log import AuditTrail
from maglev.control.events import LEVELS
from maglev.control.explain import explain_backend, explain_frontend
from maglev.control.names import names_of
from maglev.control.order_verbs import OrderVerbs
from maglev.control.served import HashCache, served_vip_view
from maglev.control.views import (
    backend_view,
    check_view,
    dry_run_view,
    frontend_view,
    healthcheck_view,
    key_view,
    page_view,
)
from maglev.control.vpp_verbs import VppVerbs
from maglev.control.web_links import WebLinks
from maglev.interfaces import IControl
from maglev.model.bounds import NAMES, PAGE
from maglev.model.check_set import check_names
from maglev.model.errors import ConfigError, MaglevError, NotFoundError, RefusedError
from maglev.model.override import Target, remark_by
from maglev.vpp.lb.calls import Features
from maglev.vpp.lb.state import key_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from maglev.announce.announcer import Announcer
    from maglev.control.dry_run import DryRunChange
    from maglev.control.events import EventHub, Subscription
    from maglev.control.overrides import Overrides
    from maglev.control.reload import Reloader
    from maglev.control.sessions import Sessions
    from maglev.model.build import Build
    from maglev.model.caller import Caller
    from maglev.model.checker_views import CheckerView
    from maglev.model.config import Config
    from maglev.model.event_views import EventView
    from maglev.model.explain_views import BackendExplanationView, FrontendExplanationView
    from maglev.model.name_views import DnsNameView
    from maglev.model.peer_views import PeersView, ServedVipsView, ServedVipView
    from maglev.model.problem import Problem
    from maglev.model.session_views import SessionView, WebLoginView
    from maglev.model.views import (
        BackendView,
        ConfigCheckView,
        ConfigDiffView,
        FrontendView,
        HealthcheckView,
        PageView,
        SyncView,
        VersionView,
    )
    from maglev.runtime.cooperator import WorkQueue
    from maglev.state.backend_status import BackendStatus
    from maglev.state.board import Board
    from maglev.state.status import FrontendStatus
    from maglev.vpp.lb.state import Vip, VipKey
    from maglev.vpp.sync.service import VppService

Row = TypeVar("Row")
Value = TypeVar("Value")

MAX_NAMES: Final = 5000
"""Maximum number of names offered for completion: more than anybody reads."""


class Control:
    """Holds the objects that the verbs work on; `for_caller` returns the verbs for one caller.

    Attributes:
        drains: Watches drains; a service, to be started by who makes this.
        trail: What callers have changed lately.
        host: Name of this host, for other balancers.
        peers: Returns a page of what is known of other balancers, given where it begins and its limit.
        dns_names: Returns a page of DNS names, likewise.
        web_links: The links that open the live page.
    """

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
        overrides: Overrides,
        announcer: Announcer,
        host: str = "",
    ) -> None:
        self.work = work
        self.host = host
        self.boot = secrets.token_hex(8)
        self.hashes = HashCache(lambda: board.config)
        self.peers: Callable[[str, int], PeersView] = self._no_peers
        self.dns_names: Callable[[str, int], PageView[DnsNameView]] = lambda _after, _limit: {"rows": [], "next": None}
        self.board = board
        self.vpp = vpp
        self.reloader = reloader
        self.event_hub = event_hub
        self.register = sessions
        self.build = build
        self.wall = wall
        self.checker_view = checker_view
        self.overrides = overrides
        self.announcer = announcer
        self.host = host
        self.drains = DrainWatch(work, board, overrides, vpp)
        self.trail = AuditTrail(board, wall)
        self.web_links = WebLinks(work.clock)

    def _no_peers(self, _after: str, _limit: int) -> PeersView:
        return {"host": self.host, "peers": [], "rows": [], "next": None}

    def dry_run(self, config: Config) -> Awaitable[Sequence[DryRunChange]]:
        """Compute the effects of a configuration; without a connection, a VPP with all features is assumed."""
        features = self.vpp.features or Features(weights=True, src_ip_sticky=True)
        return self.work.run(dry_run_steps(self.board, config, held=self.vpp.known, **features._asdict()))

    def for_caller(self, caller: Caller) -> CallerControl:
        """Return the verbs bound to one caller, for the duration of its session."""
        return CallerControl(self, caller)


class CallerControl(VppVerbs, OrderVerbs, AnnounceVerbs, ConfigVerbs, IControl):
    """The verbs bound to one caller; see `maglev.interfaces.IControl` for what each does and returns."""

    def __init__(self, control: Control, caller: Caller) -> None:
        VppVerbs.__init__(self, control.work, control.board, control.vpp, control.wall)
        OrderVerbs.__init__(self, control.work, control.board, control.overrides, control.drains, caller, control.trail)
        ConfigVerbs.__init__(self, control.work, control.board, control.reloader)
        self._control = control
        self._announcer = control.announcer
        self._dry_run: tuple[Sequence[Problem], Sequence[DryRunChange]] | None = None

    async def version(self) -> VersionView:
        """The running build, and the machine."""
        build = self._control.build
        return {"host": self._control.host, "version": build.version, "commit": build.commit, "build_date": build.date}

    async def names(self, kind: str, prefix: str = "", within: str = "", limit: int = NAMES) -> list[str]:
        """Names for completion; none for a kind or object that does not exist."""
        found = []
        for name in names_of(self._board, self._overrides.backends(), kind, within):
            if name.startswith(prefix):
                found.append(name)
                if len(found) >= min(limit, MAX_NAMES):
                    break
        return found

    async def frontends(self, after: str = "", limit: int = PAGE) -> PageView[FrontendView]:
        """A page of frontends."""
        return page_view(self._board.frontends.values(), after, limit, self._frontend_view)

    async def frontend(self, name: str) -> FrontendView:
        """One frontend."""
        return self._frontend_view(self._board.frontend(name))

    async def explain_frontend(self, name: str) -> FrontendExplanationView:
        """Why a frontend serves as it does."""
        status, announcer = self._board.frontend(name), self._announcer
        announced = announcer.trace(status.frontend.address)
        departing = self._control.vpp.departures.departing(key_of(status.frontend))
        return explain_frontend(self._board, status, self._ledger(), departing, announced, announcer.sinks())

    async def explain_backend(self, name: str) -> BackendExplanationView:
        """Why a backend has its weights."""
        status = self._board.backend(name)
        override = self._overrides.get(Target(name))
        return explain_backend(self._board, status, override, self._ledger(), self._announcer.trace)

    def _ledger(self) -> Mapping[VipKey, Vip]:
        return {} if self._control.vpp.sync is None else self._control.vpp.sync.ledger.vips

    def _frontend_view(self, status: FrontendStatus) -> FrontendView:
        key = key_of(status.frontend)
        departing = self._control.vpp.departures.departing(key)
        ordered = self._ordered(Target("", status.frontend.name))
        return frontend_view(self._board, status, departing, ordered, self._ledger().get(key))

    async def backends(self, after: str = "", limit: int = PAGE) -> PageView[BackendView]:
        """A page of backends."""
        return page_view(self._board.backends.values(), after, limit, self._backend_view)

    async def backend(self, name: str) -> BackendView:
        """One backend."""
        return self._backend_view(self._board.backend(name))

    def _backend_view(self, status: BackendStatus) -> BackendView:
        ordered = self._ordered(Target(status.name))
        return backend_view(self._board, status, ordered, self._control.drains.view(status.name))

    async def healthchecks(self, after: str = "", limit: int = PAGE) -> PageView[HealthcheckView]:
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

    async def reload_config(self, now: bool = False, reason: str = "") -> ConfigCheckView:  # noqa: FBT001, FBT002
        """Put the file in force."""
        what = {"action": "reload-config now" if now else "reload-config", "object": "configuration"}
        self._audit.require_operator(what)
        what |= self._overrides.notes(remark_by(self.caller, reason=reason))
        before = self._board.generation
        try:
            loaded = await self._control.reloader.reload(self.caller.name, self.caller.origin)
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

    async def config_diff(self, after: str = "", limit: int = PAGE) -> ConfigDiffView:
        """The effects of a reload, computed for the first page."""
        if not after or self._dry_run is None:
            try:
                loaded = await self._control.reloader.check()
            except ConfigError as error:
                return {**check_view(error.problems, ok=False), "rows": [], "next": None}
            self._dry_run = loaded.warnings, await self._control.dry_run(self._overrides.fit(loaded.config).config)
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

    async def served_vips(self, after: str = "", limit: int = PAGE) -> ServedVipsView:
        """A page of what is served here."""
        control = self._control
        return {
            **page_view(self._board.frontends.values(), after, limit, self._served_view),
            "host": control.host,
            "boot": control.boot,
            "version": control.build.version,
            "vpp": "off" if self._vpp.off else "lost" if self._vpp.features is None else "connected",
        }

    def _served_view(self, status: FrontendStatus) -> ServedVipView:
        frontend = status.frontend
        return served_vip_view(
            self._frontend_view(status), key_view(key_of(frontend)), self._control.hashes.get(frontend)
        )

    async def peers(self, after: str = "", limit: int = PAGE) -> PeersView:
        """The other balancers, and a page of VIPs."""
        return self._control.peers(after, limit)

    async def dns_names(self, after: str = "", limit: int = PAGE) -> PageView[DnsNameView]:
        """A page of DNS names."""
        return self._control.dns_names(after, limit)

    async def log(self, last: int = 50) -> list[EventView]:
        """The latest events and changes."""
        return self._control.trail.latest(last)

    async def sessions(self) -> list[SessionView]:
        """The connected sessions."""
        return self._control.register.views()

    async def web_login(self) -> WebLoginView:
        """A link that opens the live page as this caller."""
        return self._control.web_links.issue(self.caller)

    async def watch(self, *, log: str | None = None, backend: bool = True, frontend: bool = True) -> Subscription:
        """A subscription to events."""
        if log is not None and log not in LEVELS:
            message = f"invalid log level {log!r}: expected one of {', '.join(LEVELS)}"
            raise RefusedError(message)
        return self._control.event_hub.watch(log=log, backend=backend, frontend=frontend)

    # Implementation

    def _users(self) -> Counter[str]:
        backends = self._board.config.backends.values()
        checks = Counter(name for backend in backends for name in check_names(backend.healthcheck))
        return checks + Counter(each.agent_check for each in backends if each.agent_check is not None)
