"""Reads rows from the verbs into the store: all of them in a sweep, or those that an event concerns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from maglev.model.errors import MaglevError, NotFoundError, VppOffError
from maglev.web.row_store import RowStore
from maglev.web.rows import (
    announcement_row,
    backend_row,
    check_row,
    checker_row,
    frontend_row,
    is_settled,
    member_rows,
    no_vpp_row,
    peer_row,
    peer_vip_row,
    seen_row,
    vpp_row,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from maglev.interfaces import IControl
    from maglev.model.event_views import EventView
    from maglev.model.views import BackendView, FrontendView, PageView
    from maglev.runtime.cooperator import WorkQueue

Row = TypeVar("Row")

CHUNK: Final = 20
"""Rows read in one turn: half a millisecond."""

SETTLE: Final = 0.25
"""Seconds after which a frontend is read again if VPP had not acknowledged a weight."""

ROUNDING: Final = 0.15
"""Seconds by which two calculations of the time of the same result differ at most: its age is rounded."""


class RowReader:
    """Fills the store, and knows what has to be read next.

    Attributes:
        store: What was read so far.
    """

    def __init__(self, work: WorkQueue, control: IControl, wall: Callable[[], float], about: Mapping[str, str]) -> None:
        """Begin with nothing; the arguments are those of `maglev.web.feed.PageFeed`."""
        self.store = RowStore()
        self._work = work
        self._control = control
        self._wall = wall
        self._about = about
        self._backends: dict[str, None] = {}
        self._frontends: dict[str, None] = {}
        self._unsettled: dict[str, float] = {}

    # What events concern

    def concern(self, event: EventView) -> bool:
        """Note what an event concerns; return whether that is known: if not, it may be anything."""
        match event:
            case {"type": "backend" | "check" | "drain", "backend": str(name)}:
                self._backends[name] = None
                row: Any = self.store.row("backends", name)
                self._frontends.update(dict.fromkeys(row["frontends"] if row else ()))
            case {"type": "frontend" | "guard" | "weight", "frontend": str(name)}:
                self._frontends[name] = None
            case _:
                return False
        return True

    @property
    def next_due(self) -> float:
        """When something is to be read, by the clock, if nothing happens before."""
        return min(self._unsettled.values(), default=float("inf"))

    async def read_concerns(self, now: float) -> None:
        """Read what events concerned, and what was not settled."""
        for name in [name for name, due in self._unsettled.items() if due <= now]:
            self._frontends[name] = None
        backends, self._backends = self._backends, {}
        frontends, self._frontends = self._frontends, {}
        for index, name in enumerate(backends):
            await self._turn(index)
            await self._read_one("backends", name, self._control.backend, self._put_backend)
        for index, name in enumerate(frontends):
            await self._turn(index * 5)  # each has several backends
            again = self._unsettled.pop(name, None) is not None
            await self._read_one("frontends", name, self._control.frontend, self._put_frontend)
            if again:
                self._unsettled.pop(name, None)  # from now on, a sweep is soon enough

    async def _turn(self, index: int) -> None:
        """Give others a turn before each chunk of rows."""
        if index % CHUNK == 0:
            await self._work.turn()

    async def _read_one(
        self, kind: str, name: str, verb: Callable[[str], Awaitable[Row]], put: Callable[[Row], object]
    ) -> None:
        try:
            put(await verb(name))
        except NotFoundError:
            self.store.remove(kind, name)

    # Everything

    async def sweep(self) -> None:
        """Read everything."""
        control, store = self._control, self.store
        found = set()
        async for backend in rows_of(control.backends, self._work, CHUNK):
            found.add(backend["name"])
            self._put_backend(backend)
        for kind in ("backends", "checks", "seen"):
            store.keep(kind, found)
        found, members = set(), set()
        async for frontend in rows_of(control.frontends, self._work, 1):
            found.add(frontend["name"])
            members.update(self._put_frontend(frontend))
        store.keep("frontends", found)
        store.keep("members", members)
        found = set()
        async for address in rows_of(control.announcements, self._work, CHUNK):
            found.add(address["address"])
            store.put("announcements", address["address"], announcement_row(address))
        store.keep("announcements", found)
        await self._sweep_peers()
        store.put("about", "daemon", {**self._about, **await control.version()})
        store.put("about", "checker", checker_row(await control.checker()))
        store.put("about", "vpp", await self._vpp())

    async def _sweep_peers(self) -> None:
        """Read the other balancers, and what they serve together with another one."""
        store, found = self.store, set()
        for peer in (await self._control.peers("", 1))["peers"]:
            store.put("peers", peer["name"], peer_row(peer))
        async for vip in rows_of(self._control.peers, self._work, 5):
            if len(vip["sides"]) > 1:
                key, row = peer_vip_row(vip)
                found.add(key)
                store.put("vips", key, row)
        store.keep("vips", found)

    async def _vpp(self) -> dict[str, Any]:
        try:
            return vpp_row(await self._control.vpp_info())
        except VppOffError as error:
            return no_vpp_row("off", str(error))
        except MaglevError as error:
            return no_vpp_row("lost", str(error))

    def _put_backend(self, view: BackendView) -> None:
        name, store = view["name"], self.store
        store.put("backends", name, backend_row(view))
        result = view["last_result"]
        if result is None:
            return
        store.put("checks", name, check_row(result))
        seen = seen_row(result, self._wall())
        known: Any = store.row("seen", name)
        if known is None or known[1] != seen[1] or abs(known[0] - seen[0]) > ROUNDING:
            store.put("seen", name, seen)

    def _put_frontend(self, view: FrontendView) -> list[str]:
        """Put a frontend and its members; return the names of their rows."""
        name, keys = view["name"], []
        self.store.put("frontends", name, frontend_row(view, self._wall()))
        for key, row in member_rows(view):
            self.store.put("members", key, row)
            keys.append(key)
        if not is_settled(view):
            self._unsettled.setdefault(name, self._work.clock.seconds() + SETTLE)
        return keys


async def rows_of(
    verb: Callable[[str, int], Awaitable[PageView[Row]]], work: WorkQueue, limit: int
) -> AsyncIterator[Row]:
    """Yield the rows of all pages, a page in each turn.

    Args:
        verb: Returns a page, given where it begins, and its limit.
        work: The queue in which to take turns.
        limit: Rows of a page.
    """
    after: str | None = ""
    while after is not None:
        await work.turn()
        page = await verb(after, limit)
        for row in page["rows"]:
            yield row
        after = page["next"]
