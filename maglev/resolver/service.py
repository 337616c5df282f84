"""Decides when each name is looked up, and what becomes of the answer.

Theory of operation. Each name has one lookup under way or one call due, never both. A good answer is asked for again
when its TTL is over, which is kept within the bounds of the configuration; after a failure the pause is the lower
bound, doubled with each further one up to `MAX_PAUSE`. Both vary a little, so that many names don't ask at once. At
most `MOST_LOOKUPS` are under way. What an answer changes is told a moment later, together with the changes of others.

The last good answers are in a file (`maglev.resolver.record`), read before anything is checked or written to VPP.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredSemaphore

from maglev.config.expansion import expand
from maglev.resolver.answer import Addresses, Bad
from maglev.resolver.book import AnswerOutcome, NameBook
from maglev.resolver.record import SIZE_LIMIT, NamesDamagedError, Remembered, decode, encode
from maglev.runtime.files import read_bounded, set_aside
from maglev.runtime.keeper import Keeper
from maglev.runtime.logs.logger import EventLogger
from maglev.runtime.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from twisted.internet.interfaces import IDelayedCall

    from maglev.model.config import Config
    from maglev.model.names import NamedBackends, ResolverConfig

MOST_LOOKUPS: Final = 8
"""Lookups at once: their answers may come in one turn of the reactor, and take a few milliseconds each to read."""

MAX_PAUSE: Final = 60.0
"""Seconds between lookups of a name that fails, at most, unless ``min-ttl`` is longer."""

SETTLE: Final = 0.2
"""Seconds in which the changes of several names are collected: at a start they all come at once."""

KEEP_AFTER: Final = 600.0
"""Seconds after which the file gets the times of good answers that have changed nothing."""

PREVIEW: Final = 2.0
"""Seconds that a check of a configuration waits for nameservers: people wait for it."""

MOST_PREVIEWS: Final = 8
"""New names that a check looks up, all at once."""

MOST_SHOWN: Final = 8
"""Addresses that it shows of each."""

RESULTS: Final = ("good", "failed")


@attrs.define
class NameStatus:
    """How the lookups of a name go.

    Attributes:
        good_at: Wall-clock time of the last good answer; None if there was none.
        problem: Why the last lookup failed; empty if it did not, or there was none yet.
        failures: Lookups that failed in a row.
        counts: Lookups so far, by result: ``good`` or ``failed``.
        call: What begins it.
        asking: Whether one is under way.
    """

    good_at: float | None = None
    problem: str = ""
    failures: int = 0
    counts: Counter[str] = attrs.field(factory=lambda: Counter(dict.fromkeys(RESULTS, 0)))
    call: IDelayedCall | None = None
    asking: bool = False

    @property
    def due(self) -> float | None:
        """When the next lookup begins, by the monotonic clock; None while one is under way, or without a schedule."""
        return None if self.call is None or not self.call.active() else float(self.call.getTime())


@attrs.frozen
class NameNews:
    """What a lookup has changed about a name, for the event log.

    Attributes:
        name: The name in the file.
        action: ``changed`` (its addresses), ``refused`` (what can't be used of an answer), ``failed`` (the first
            failure in a row) or ``recovered`` (after one).
        outcome: What an answer has changed.
        detail: Why it failed; else empty.
    """

    name: str
    action: str
    outcome: AnswerOutcome = attrs.field(factory=AnswerOutcome)
    detail: str = ""


class NameService(Service):
    """The resolver of the daemon.

    Attributes:
        book: The addresses and their numbers.
        statuses: How the lookups go, by name.
        damage: What was wrong with the file at the start; empty if nothing was.
        changed: Called when the configuration in force has to follow the book.
        tell: Called with what happened.
        pinned: Returns the backends that stay whatever an answer has: those that operators have ordered out of service.
    """

    _log = EventLogger()

    def __init__(
        self,
        reactor: Any,
        wall: Callable[[], float],
        ask: Callable[[NamedBackends, ResolverConfig], Awaitable[Addresses | Bad]],
        jitter: Callable[[], float],
        path: str,
        written: Config,
    ) -> None:
        """Read the last good answers; nothing is asked before it starts.

        Args:
            reactor: Has a monotonic clock, and threads.
            wall: Returns the wall-clock time, in seconds since the epoch.
            ask: Looks a name up, as `maglev.resolver.lookup.Lookup.addresses` does.
            jitter: Returns a factor around 1, for the pauses.
            path: The file of the last good answers; empty for none. It is read at once.
            written: The configuration as loaded.
        """
        self._reactor = reactor
        self._wall = wall
        self._ask = ask
        self._jitter = jitter
        self._config = written.resolver
        self._written = written
        self._tasks = Tasks()
        self._places = DeferredSemaphore(MOST_LOOKUPS)
        self._change: IDelayedCall | None = None
        self._kept_at = reactor.seconds()
        self.damage = ""
        remembered = self._remembered(path)
        self.book = NameBook(written, remembered)
        self.statuses = {name: NameStatus() for name in self.book.entries}
        times = {each.name: each.at for each in remembered}
        for name in self.book.numbers():
            self.statuses[name].good_at = min(times[name], wall())
        self.keeper: Keeper[tuple[Remembered, ...]] = Keeper(reactor, path, self._remember, encode)
        self.changed: Callable[[], object] = lambda: None
        self.tell: Callable[[NameNews], object] = lambda _: None
        self.pinned: Callable[[], Collection[str]] = tuple

    def startService(self) -> None:
        """Begin to ask for all names."""
        Service.startService(self)
        for name in self.statuses:
            self._schedule(name, 0.0)

    def stopService(self) -> Deferred[Any]:
        """End all lookups; wait for a write of the file under way, for a moment."""
        Service.stopService(self)
        for status in self.statuses.values():
            _cancel(status.call)
        _cancel(self._change)
        self._tasks.cancel()
        return self.keeper.stop()

    def configure(self, written: Config) -> None:
        """Take another configuration as loaded, which is about to be in force."""
        anew = written.resolver != self._config
        old, self._written, self._config = self._written, written, written.resolver
        self.book.configure(written)
        for name in self.statuses.keys() - self.book.entries.keys():
            _cancel(self.statuses.pop(name).call)
        for name, names in written.names.items():
            was = old.names.get(name)
            fresh = was is None or (was.dns_name, was.family) != (names.dns_name, names.family)
            if fresh and name in self.statuses:
                _cancel(self.statuses.pop(name).call)
            status = self.statuses.setdefault(name, NameStatus())
            if self.running and not status.asking and (fresh or anew or was != names):
                self._schedule(name, 0.0)
        if old.names or written.names:
            self.keeper.changed()

    def expanded(self) -> Config:
        """Return the configuration with the addresses that are known now."""
        return expand(self._written, self.book.numbers())

    def unknown(self, written: Config) -> list[str]:
        """Return the names of a configuration as loaded of which no address was ever learnt, in their order."""
        known = self.book.numbers(written)
        return [name for name in written.names if name not in known]

    async def preview(self, written: Config) -> dict[str, str]:
        """Return what new names of a configuration as loaded resolve to now, in words: of some, and what comes soon."""
        names = [written.names[name] for name in self.unknown(written)[:MOST_PREVIEWS]]
        asked = [Deferred.fromCoroutine(self._preview(each, written.resolver)) for each in names]
        return {each.name: await found for each, found in zip(names, asked, strict=True)}

    async def _preview(self, names: NamedBackends, config: ResolverConfig) -> str:
        async def ask() -> Addresses | Bad:
            return await self._ask(names, config)

        late = Bad(f"no answer within {PREVIEW:.0f} s")
        found = await Deferred.fromCoroutine(ask()).addTimeout(PREVIEW, self._reactor, lambda *_: late)
        if isinstance(found, Bad):
            return f"it is not resolved here: {found.why}"
        shown = ", ".join(found.addresses[:MOST_SHOWN]) + (", ..." if len(found.addresses) > MOST_SHOWN else "")
        return f"it resolves to {shown} now"

    def age(self, name: str) -> float | None:
        """Return how many seconds ago the last good answer came; None if there was none."""
        at = self.statuses[name].good_at
        return None if at is None else max(self._wall() - at, 0.0)

    # Implementation

    def _remembered(self, path: str) -> tuple[Remembered, ...]:
        if not path:
            return ()
        try:
            content = read_bounded(path, SIZE_LIMIT)
            return () if content is None else decode(content)
        except (OSError, NamesDamagedError) as error:
            reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
            place = set_aside(path, self._wall())
            self._log.error("names-damaged", path=path, reason=reason, set_aside=place)
            self.damage = f"{path}: {reason}; it is now {place}" if place else f"{path}: {reason}"
            return ()

    def _remember(self) -> tuple[Remembered, ...]:
        found = []
        for name, entry in self.book.entries.items():
            at = self.statuses[name].good_at
            if entry.numbers is not None and at is not None:
                names = entry.names
                found.append(Remembered(name, names.dns_name, names.family, at, dict(entry.numbers)))
        return tuple(found)

    def _schedule(self, name: str, pause: float) -> None:
        status = self.statuses[name]
        _cancel(status.call)
        status.call = self._reactor.callLater(pause * self._jitter(), self._begin, name, status)

    def _begin(self, name: str, status: NameStatus) -> None:
        status.asking = True
        self._tasks.start(self._look_up(name, status))

    async def _look_up(self, name: str, status: NameStatus) -> None:
        """Look a name up once, and schedule the next time, whatever happens."""
        names = self.book.entries[name].names
        pause = self._config.min_ttl
        try:
            await self._places.acquire()
            try:
                found = await self._ask(names, self._config)
            finally:
                self._places.release()
            if self._is_current(name, status, names):
                pause = self._take(name, status, found)
        except Exception:
            if not self.running:
                raise  # we are told to end
            self._log.failure("name-lookup-failed", name=name)
        finally:
            status.asking = False
            if self.running and self.statuses.get(name) is status:
                self._schedule(name, pause)

    def _is_current(self, name: str, status: NameStatus, names: NamedBackends) -> bool:
        """Return whether an answer is still about what the configuration has."""
        entry = self.book.entries.get(name)
        same = entry is not None and (entry.names.dns_name, entry.names.family) == (names.dns_name, names.family)
        return same and self.statuses.get(name) is status

    def _take(self, name: str, status: NameStatus, found: Addresses | Bad) -> float:
        """Take an answer; return the seconds until the next lookup."""
        if isinstance(found, Bad):
            return self._fail(name, status, found.why)
        first, entry = self.book.entries[name].numbers is None, self.book.entries[name]
        before = entry.refused, entry.waiting
        outcome = self.book.answered(name, found.addresses, frozenset(self.pinned()))
        if not outcome.usable:
            return self._fail(name, status, f"no address can be used: {', '.join(outcome.refused)}")
        recovered = status.problem
        status.good_at, status.problem, status.failures = self._wall(), "", 0
        status.counts["good"] += 1
        if recovered:
            self._log.info("name-recovered", name=name)
            self.tell(NameNews(name, "recovered"))
        if outcome.added or outcome.left:
            self._log.info("name-changed", name=name, added=", ".join(outcome.added), left=", ".join(outcome.left))
            self.tell(NameNews(name, "changed", outcome))
        if (outcome.refused, outcome.waiting) != before and (outcome.refused or outcome.waiting):
            refused, waiting = ", ".join(outcome.refused), ", ".join(outcome.waiting)
            self._log.warn("name-refused", name=name, refused=refused, waiting=waiting)
            self.tell(NameNews(name, "refused", outcome))
        if first or outcome.added or outcome.left:
            self._changed_soon()
            self._keep()
        elif self._reactor.seconds() - self._kept_at >= KEEP_AFTER:
            self._keep()
        return min(max(found.ttl, self._config.min_ttl), self._config.max_ttl)

    def _fail(self, name: str, status: NameStatus, why: str) -> float:
        first, status.problem = not status.problem, why
        status.failures += 1
        status.counts["failed"] += 1
        if first:
            self._log.warn("name-failed", name=name, reason=why)
            self.tell(NameNews(name, "failed", detail=why))
        longest = max(MAX_PAUSE, self._config.min_ttl)
        return min(self._config.min_ttl * 2.0 ** min(status.failures - 1, 16), longest)

    def _keep(self) -> None:
        self._kept_at = self._reactor.seconds()
        self.keeper.changed()

    def _changed_soon(self) -> None:
        if self._change is None:
            self._change = self._reactor.callLater(SETTLE, self._tell_change)

    def _tell_change(self) -> None:
        self._change = None
        self.changed()


def _cancel(call: IDelayedCall | None) -> None:
    if call is not None and call.active():
        call.cancel()
