"""The verbs that read VPP: what it is, what it holds, what a sync would do, what it has counted."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

from maglev.control.traffic import server_traffic, vip_traffic
from maglev.control.views import change_view, conf_view, page_view, server_traffic_view, vip_traffic_view, vip_view
from maglev.model.bounds import PAGE
from maglev.model.moments import moment
from maglev.vpp.lb.state import key_of
from maglev.vpp.sync.forecast import forecast_steps

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Sequence

    from maglev.model.views import (
        KeptForNamesView,
        LbPlanView,
        LbStateView,
        PageView,
        ServerCountersView,
        VipCountersView,
        VppInfoView,
    )
    from maglev.runtime.cooperator import WorkQueue
    from maglev.state.board import Board
    from maglev.vpp.lb.state import LbState, Vip
    from maglev.vpp.stats.counters import Counters
    from maglev.vpp.stats.counts import Counts
    from maglev.vpp.sync.forecast import Preview, VipForecast
    from maglev.vpp.sync.service import VppService

Row = TypeVar("Row")
Value = TypeVar("Value")

_KEPT_SHOWN: Final = 50
"""Frontends with servers kept for names that a plan lists, and names of each."""


class VppVerbs:
    """These verbs, for one caller; see `maglev.interfaces.IControl` for what each does and returns."""

    def __init__(self, work: WorkQueue, board: Board, vpp: VppService, wall: Callable[[], float]) -> None:
        self._work = work
        self._board = board
        self._vpp = vpp
        self._wall = wall
        self._lb_state: tuple[LbState, Sequence[Vip]] | None = None
        self._plan: tuple[Preview, Sequence[VipForecast]] | None = None
        self._traffic: dict[object, tuple[Counters | None, Sequence[Any]]] = {}

    async def vpp_info(self) -> VppInfoView:
        """Version and process of the connected VPP."""
        info = self._vpp.require_link().info
        return {
            "version": info.version,
            "build_date": info.build_date,
            "build_directory": info.build_directory,
            "pid": info.pid,
            "boot_time": moment(info.boot_time) if info.boot_time else None,
            "connected_since": moment(self._wall() - self._vpp.connected_for()),
            "weights": info.weights,
        }

    async def vpp_lb_state(self, after: str = "", limit: int = PAGE) -> LbStateView:
        """The load balancer's state in VPP, read for the first page."""
        if not after or self._lb_state is None:
            state = await self._vpp.require_link().lb.read_state()
            self._lb_state = (state, tuple(state.vips.values()))
        state, vips = self._lb_state
        ours = {key_of(status.frontend): name for name, status in self._board.frontends.items()}
        departing = self._vpp.departures.departing
        page = page_view(vips, after, limit, lambda vip: vip_view(vip, ours.get(vip.key), departing(vip.key)))
        if page["next"] is None:
            self._lb_state = None
        return {"conf": conf_view(state.conf), **page}

    async def vpp_lb_plan(self, after: str = "", limit: int = PAGE) -> LbPlanView:
        """The effects of a sync, computed for the first page."""
        if not after or self._plan is None:
            preview = await self._vpp.require_sync().preview()
            self._plan = preview, await self._forecast(preview)
        preview, changes = self._plan
        page = page_view(changes, after, limit, change_view)
        if page["next"] is None:
            self._plan = None
        conf = None if preview.conf is None else conf_view(preview.conf)
        kept = [self._kept_view(name, count) for name, count in islice(preview.kept.items(), _KEPT_SHOWN)]
        return {"conf": conf, "waiting": preview.waiting, "kept": kept, **page}

    def _kept_view(self, name: str, count: int) -> KeptForNamesView:
        status = self._board.frontends.get(name)
        names = () if status is None else status.frontend.unresolved
        return {"frontend": name, "servers": count, "names": list(names[:_KEPT_SHOWN])}

    async def vpp_lb_counters(self, after: str = "", limit: int = PAGE) -> PageView[VipCountersView]:
        """VPP's counters of VIPs."""
        return await self._traffic_page(vip_traffic, after, limit, vip_traffic_view)

    async def vpp_backend_counters(self, after: str = "", limit: int = PAGE) -> PageView[ServerCountersView]:
        """VPP's counters of traffic sent to application servers."""
        return await self._traffic_page(server_traffic, after, limit, server_traffic_view)

    async def _traffic_page(
        self,
        traffic: Callable[[Board, Counts], Generator[None, None, Sequence[Value]]],
        after: str,
        limit: int,
        view: Callable[[Value], Row],
    ) -> PageView[Row]:
        """Return a page of the counters read for the first page; they are read again if VPP has changed since."""
        vpp = self._vpp
        counts = vpp.read_counts()
        reader, rows = self._traffic.pop(traffic, (None, ()))
        if not after or reader is not vpp.counters:
            reader = vpp.counters
            rows = await self._work.run(traffic(self._board, counts))
            vpp.require_link()
        page = page_view(rows, after, limit, view)
        if page["next"] is not None:
            self._traffic[traffic] = (reader, rows)
        return page

    def _forecast(self, preview: Preview) -> Awaitable[Sequence[VipForecast]]:
        """Compute what a plan does to each VIP."""
        steps = forecast_steps(preview.plan, preview.wanted, preview.state.vips, weights=preview.weights)
        return self._work.run(steps)
