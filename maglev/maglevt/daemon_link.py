"""The connection to a daemon: the VIPs to test, their weights, and the events for the timeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from twisted.internet.task import deferLater

from maglev.maglevt.target_views import first_member, frontend_of_view, healthcheck_of_view
from maglev.maglevt.targets import FLOW_TIMEOUT, Found, VipTarget, target_of, weights_of_view
from maglev.model.errors import MaglevError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from maglev.interfaces import IControl
    from maglev.maglevt.measure.shares import Weights
    from maglev.maglevt.targets import Question
    from maglev.model.config import Healthcheck

RETRY: Final = 2.0
"""Seconds until a lost connection is tried again, each time."""


class Follower(Protocol):
    """Who learns what the daemon says (`maglev.maglevt.tester.VipTester`)."""

    daemon: str

    def apply(self, found: Found) -> None:
        """Test this."""

    def weigh(self, name: str, weights: Weights | None) -> None:
        """A VIP has these weights."""

    def take_event(self, event: Mapping[str, Any]) -> set[str]:
        """Something happened; return the names of the VIPs that it may be about."""

    def note(self, text: str, *, vip: str = "", bad: bool = False, source: str = "") -> None:
        """Say something of our own."""


class DaemonLink:
    """Reads a daemon, and follows what happens in it, over any number of connections."""

    def __init__(
        self,
        clock: Any,
        connect: Callable[[], Awaitable[Any]],
        question: Question,
        only: Collection[str] = (),
        *,
        targets: bool = True,
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            clock: Waits between two attempts to connect.
            connect: Returns a client that is logged in.
            question: How to ask the VIPs.
            only: Names of frontends; empty for all.
            targets: Whether the daemon says what to test; else it is asked for weights and events only.
        """
        self._clock = clock
        self._connect = connect
        self._question = question
        self._only = frozenset(only)
        self._targets = targets
        self._client: Any = None
        self._known: dict[str, int] = {}

    async def open(self) -> Found:
        """Connect, and return what there is to test.

        Raises:
            MaglevError: That is not possible.
        """
        self._client = await self._connect()
        return await self._read(self._client)

    async def follow(self, follower: Follower) -> None:
        """Tell a follower what happens, until cancelled. A lost connection is made again."""
        while True:
            try:
                await self._follow(follower)
            except MaglevError as error:
                self._lost(follower, str(error))
            else:
                self._lost(follower, "maglevd ended the subscription")
            found = await self._open_again(follower)
            follower.note("connected to maglevd again")
            self._renew(follower, found)

    async def close(self) -> None:
        """Close the connection, if there is one."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _follow(self, follower: Follower) -> None:
        client = self._client
        follower.daemon = "connected"
        subscription = await client.watch()
        try:
            while events := await subscription.next():
                concerned: set[str] = set()
                for event in events:
                    concerned |= follower.take_event(event)
                if any(event["type"] in {"reload", "gap"} for event in events):
                    self._renew(follower, await self._read(client))
                else:
                    for name in sorted(concerned & self._known.keys()):
                        follower.weigh(name, weights_of_view(await client.frontend(name), self._known[name]))
        finally:
            subscription.close()

    async def _read(self, client: Any) -> Found:
        found = await read_targets(client, self._question, self._only)
        self._known = {name: weights.buckets for name, weights in found.weights.items()}
        return found

    def _renew(self, follower: Follower, found: Found) -> None:
        if self._targets:
            follower.apply(found)
        else:
            for name, weights in found.weights.items():
                follower.weigh(name, weights)

    async def _open_again(self, follower: Follower) -> Found:
        await self.close()
        while True:
            await deferLater(self._clock, RETRY, _nothing)
            try:
                return await self.open()
            except MaglevError as error:
                follower.daemon = str(error)

    def _lost(self, follower: Follower, why: str) -> None:
        follower.daemon = why
        follower.note(f"{why}; its events are missing from here", bad=True)


async def read_targets(control: IControl, question: Question, only: Collection[str] = ()) -> Found:
    """Return what a daemon has to test."""
    targets: list[VipTarget] = []
    skipped: dict[str, str] = {}
    names: list[str] = []
    weights: dict[str, Weights] = {}
    checks: dict[str, Healthcheck | None] = {}
    tables, flow_timeout = await _read_vpp(control)
    after: str | None = ""
    while after is not None:
        page = await control.frontends(after)
        for view in page["rows"]:
            names.append(view["name"])
            if only and view["name"] not in only:
                continue
            check = await _check_of(control, first_member(view), checks)
            made = target_of(frontend_of_view(view), check, question)
            if isinstance(made, str):
                skipped[view["name"]] = made
            else:
                targets.append(made)
                weights[made.name] = weights_of_view(view, tables.get(made.name, 0))
        after = page["next"]
    return Found(targets, weights, skipped, flow_timeout, names)


async def _check_of(
    control: IControl, backend: str | None, checks: dict[str, Healthcheck | None]
) -> Healthcheck | None:
    """Return the healthcheck of a backend; each one is asked for once."""
    if backend is None:
        return None
    name = (await control.backend(backend))["healthcheck"]
    if name is None:
        return None
    if name not in checks:
        checks[name] = healthcheck_of_view(await control.healthcheck(name))
    return checks[name]


async def _read_vpp(control: IControl) -> tuple[dict[str, int], float]:
    """Return the length of the table of each frontend, and how long VPP remembers flows; without VPP, the default."""
    tables: dict[str, int] = {}
    flow_timeout, after = FLOW_TIMEOUT, ""
    try:
        while True:
            page = await control.vpp_lb_state(after)
            flow_timeout = float(page["conf"]["flow_timeout"])
            tables |= {row["frontend"]: row["new_flows_table_length"] for row in page["rows"] if row["frontend"]}
            if page["next"] is None:
                return tables, flow_timeout
            after = page["next"]
    except MaglevError:
        return tables, flow_timeout


def _nothing() -> None:
    """Do nothing, later."""
