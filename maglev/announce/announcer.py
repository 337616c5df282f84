"""Keeps the decision about each announced address up to date, and notifies those who tell the world.

What withdraws an address is on the board, which calls: the next turn of the reactor looks at what has changed, once for
however many changes there were. What announces it is in VPP, which calls nobody: while something waits for that, or for
time to pass, there is a look every `TICK`; all others take turns, some at each look.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import attrs
from twisted.application.service import Service

from maglev.announce.decision import AT_START, NEW, AnnouncementState, AnnouncementTrace, decide, find
from maglev.model.announce import Announcing
from maglev.model.events import AnnouncementEvent, OverrideEvent
from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from maglev.announce.decision import FrontendSupport
    from maglev.announce.support import SupportReader
    from maglev.model.config import Config
    from maglev.model.events import Noted
    from maglev.state.board import Board

TICK: Final = 0.05
"""Seconds between two looks."""

LEAVING: Final = "it leaves the configuration"

TURNS: Final = 100
"""Looks after which every address has had its turn: five seconds."""


@attrs.frozen
class Announcement:
    """An address and what became of it.

    Attributes:
        state: The decision.
        at: Wall-clock time at which it began to be announced, withdrawn or undecided.
    """

    state: AnnouncementState
    at: float


@attrs.frozen
class SinkStatus:
    """A receiver of announcements, and whether it can be reached.

    Attributes:
        sink: ``bird``, or ``hook`` and its name.
        target: The control socket, the socket, or the program.
        connected: Number of readers that are connected, or programs that run.
        problem: Why it can't be reached, for a person; empty if it can.
        dropped: Events that were dropped, since readers were too slow.
        restarts: How often it was started or connected to again.
    """

    sink: str
    target: str
    connected: int
    problem: str = ""
    dropped: int = 0
    restarts: int = 0


class Announcer(Service):
    """Decides about every address under ``announce``.

    Attributes:
        entries: What was decided, by address, in the order of the file.
        counts: How often addresses were announced and withdrawn, by address and new state.
        sinks: Returns the receivers of announcements.
    """

    _log = EventLogger()

    def __init__(
        self,
        clock: IReactorTime,
        wall: Callable[[], float],
        board: Board,
        support: SupportReader,
        kept_off: Callable[[str], str],
    ) -> None:
        """Leave everything undecided.

        Args:
            clock: A monotonic clock.
            wall: Returns the wall-clock time, in seconds since the epoch.
            board: Says what is configured, and calls when it changes.
            support: Says what stands behind frontends.
            kept_off: Returns why an operator keeps an address withdrawn; empty if nobody does.
        """
        self._clock = clock
        self._wall = wall
        self._board = board
        self._support = support
        self._kept_off = kept_off
        self._call: IDelayedCall | None = None
        self._soon: IDelayedCall | None = None
        self._changed: dict[str, None] = {}
        self._acknowledged = False
        self._turn = 0
        self._leaving: frozenset[str] = frozenset()
        self._frontends: dict[str, list[str]] = {}
        self._addresses: dict[str, str] = {}
        self._listeners: list[Callable[[], object]] = []
        self.counts: Counter[tuple[str, str]] = Counter()
        self.sinks: Callable[[], list[SinkStatus]] = list
        self.entries: dict[str, Announcement] = dict.fromkeys(
            board.config.announce.addresses, Announcement(AT_START, wall())
        )
        self._index(board.config)
        board.subscribe(
            weights_changed=self._weights_changed,
            config_changed=self._config_changed,
            noted=self._noted,
        )

    def subscribe(self, changed: Callable[[], object]) -> None:
        """Register a callback for whenever something was announced or withdrawn, or an address has come or gone."""
        self._listeners.append(changed)

    def states(self) -> Mapping[str, Announcing]:
        """Return whether each address is announced, in the order of the file."""
        return {address: entry.state.now for address, entry in self.entries.items()}

    def frontends_of(self, address: str) -> list[str]:
        """Return the names of the frontends with an address."""
        return self._frontends.get(address, [])

    def changes_in(self, address: str) -> float | None:
        """Return after how many seconds time alone changes the state of an address; None if it does not."""
        at = self.entries[address].state.look_at
        return None if at is None else max(at - self._clock.seconds(), 0.0)

    def trace(self, address: str) -> AnnouncementTrace | None:
        """Return why an address is announced, or is not; None if it is not to be announced at all."""
        if address not in self.entries:
            return None
        if self._soon is not None:
            self._look_at_changed()
        entry, announce = self.entries[address], self._board.config.announce
        policy, support = announce.addresses[address], self._support_of(address)
        undecided = entry.state.now is Announcing.UNDECIDED
        return AnnouncementTrace(
            policy,
            {each.frontend: find(policy, each, undecided=undecided) for each in support},
            frozenset(each.frontend for each in support if each.held),
            tuple(each.frontend for each in support if each.disabled),
            self._off(address),
            announce.vpp_lost_delay,
            entry.state,
            entry.at,
            self._clock.seconds(),
        )

    def startService(self) -> None:
        """Begin to look."""
        Service.startService(self)
        self._look(self.entries)
        self._tick()

    def stopService(self) -> None:
        """Look no more: whatever is announced stays so."""
        Service.stopService(self)
        for call in (self._call, self._soon):
            if call is not None:
                call.cancel()
        self._call = self._soon = None
        self._changed.clear()

    def leave(self, config: Config) -> bool:
        """Withdraw what a configuration announces no longer, or has no VIP for; return whether there is anything.

        It stays withdrawn until that configuration is in force: routes go before the VIPs in VPP do.
        """
        served = {frontend.address for frontend in config.frontends.values()}
        self._leaving = frozenset(self.entries) - (config.announce.addresses.keys() & served)
        self._look(self._leaving)
        return bool(self._leaving)

    # Reasons to look

    def _weights_changed(self, frontends: frozenset[str]) -> None:
        if self._addresses and self.running:
            self._changed.update(dict.fromkeys(self._addresses[name] for name in frontends if name in self._addresses))
            if self._changed and self._soon is None:
                self._soon = self._clock.callLater(0, self._look_at_changed)

    def _noted(self, event: Noted) -> None:
        address = event.override.target.address if isinstance(event, OverrideEvent) else ""
        if address in self.entries and self.running:
            self._look([address])

    def _config_changed(self, old: Config, new: Config) -> None:
        self._leaving = frozenset()
        if old.announce == new.announce and old.frontends == new.frontends:
            return
        now = Announcement(NEW, self._wall())
        before = self.entries
        self.entries = {address: before.get(address, now) for address in new.announce.addresses}
        self._index(new)
        for address in before.keys() - self.entries.keys():
            entry = before[address]
            if entry.state.now is Announcing.WITHDRAWN:
                continue
            self._tell(
                address, entry.state.now, AnnouncementState(Announcing.WITHDRAWN, "it has left the configuration")
            )
        if self.running:
            self._look(self.entries)
            if self._call is None:
                self._tick()
        if before.keys() != self.entries.keys():
            self._notify()

    def _tick(self) -> None:
        self._call = self._clock.callLater(TICK, self._tick) if self.entries else None
        if self._call is None:
            return  # until a configuration has something to announce
        acknowledged = self._support.acknowledged
        if acknowledged is not self._acknowledged:
            self._acknowledged = acknowledged
            self._look(self.entries)
            return
        addresses = list(self.entries)
        self._turn = (self._turn + 1) % TURNS
        waiting = [address for address, entry in self.entries.items() if _is_waiting(entry.state)]
        self._look(dict.fromkeys((*waiting, *addresses[self._turn :: TURNS])))

    # Looking

    def _look_at_changed(self) -> None:
        """Look at the addresses whose frontends have changed since the last turn."""
        if self._soon is not None and self._soon.active():
            self._soon.cancel()
        self._soon = None
        changed, self._changed = self._changed, {}
        self._look(address for address in changed if address in self.entries)

    def _index(self, config: Config) -> None:
        self._frontends = {}
        for name, frontend in config.frontends.items():
            if frontend.address in config.announce.addresses:
                self._frontends.setdefault(frontend.address, []).append(name)
        self._addresses = {name: address for address, names in self._frontends.items() for name in names}

    def _look(self, addresses: Iterable[str]) -> None:
        changed = [self._decide(address) for address in tuple(addresses)]
        if any(changed):
            self._notify()

    def _decide(self, address: str) -> bool:
        """Decide about one address; return whether it was announced or withdrawn."""
        announce = self._board.config.announce
        before = self.entries[address]
        state = decide(
            announce.addresses[address],
            self._support_of(address),
            before.state,
            self._clock.seconds(),
            announce.vpp_lost_delay,
            self._off(address),
        )
        if state.now is before.state.now:
            self.entries[address] = Announcement(state, before.at)
            return False
        self.entries[address] = Announcement(state, self._wall())
        self._tell(address, before.state.now, state)
        return True

    def _support_of(self, address: str) -> list[FrontendSupport]:
        statuses = (self._board.frontends.get(name) for name in self._frontends.get(address, ()))
        return [self._support.of(status) for status in statuses if status is not None]

    def _off(self, address: str) -> str:
        return LEAVING if address in self._leaving else self._kept_off(address)

    def _tell(self, address: str, old: Announcing, new: AnnouncementState) -> None:
        self.counts[address, str(new.now)] += 1
        fields = {"address": address, "old": str(old), "new": str(new.now), "reason": new.why}
        if new.now is Announcing.WITHDRAWN:
            self._log.warn("announcement", **fields)
        else:
            self._log.info("announcement", **fields)
        self._board.note("announcement_changed", AnnouncementEvent, address, old, new.now, new.why)

    def _notify(self) -> None:
        for changed in self._listeners:
            changed()


def _is_waiting(state: AnnouncementState) -> bool:
    return state.look_at is not None or state.unconfirmed_since is not None or state.staying
