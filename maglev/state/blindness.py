"""Blindness: many backends that go down together are a fault of the checker's view until proven otherwise.

A *view* is what backends have in common on the checker's side: a healthcheck (a bad one may have been deployed), the
path to a family from a source address (a link may be down), and everything (the machine itself). If a `share` of the
backends of a view that were in service goes down within a `window`, and at least three do, the view is in doubt. What
went down, and what goes down from now on, is *doubted*: frontends treat it as up (`maglev.state.standing`).

Doubt ends for a view, and with it for all that is still down,

* when the results say so: what is doubted has become less than half of what raised the doubt;
* when the *canary* is up: a backend that shares the view, and of which it is known that it is there;
* after a time (`hold`): then the checks are believed, whatever they say.

After a start, a result may come before VPP was read: whether that backend was in service, VPP says only then. Such
losses are kept (`Doubts.early`), and judged when VPP has been read, as if it had been known all along.
"""

from __future__ import annotations

import enum
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from maglev.model.addresses import family
from maglev.model.health import State
from maglev.model.via import first_healthcheck, paths_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from collections.abc import Set as AbstractSet

    from maglev.model.blindness_rule import Blindness
    from maglev.model.config import Backend, Config, Healthcheck

FLOOR: Final = 3
"""Fewer backends than that go down together by chance."""

_WHOLE: Final = 10_000
"""Shares are in hundredths of a percent."""


class Scope(enum.StrEnum):
    """What the backends of a view have in common."""

    HEALTHCHECK = "healthcheck"
    PATH = "path"
    ALL = "all"


class View(NamedTuple):
    """What some backends have in common.

    Attributes:
        scope: The kind.
        name: Name of the healthcheck; or the family, and the source address if one is set; empty for everything.
    """

    scope: Scope
    name: str = ""


class Notice(NamedTuple):
    """Doubt about a view has begun or ended.

    Attributes:
        view: The view.
        blind: Whether it has begun.
        backends: Number of backends that are doubted, or were at the end.
        total: Number of backends that were in service there.
        why: ``share``, or why it has ended: ``recovered``, ``canary``, ``hold`` or ``config``.
    """

    view: View
    blind: bool
    backends: int
    total: int
    why: str


class Sight:
    """What is known of a view.

    Attributes:
        up: Number of its backends that are in service.
        down: When each of those that went down lately did, or which are doubted, by name; the earliest first.
        until: Until when the doubt lasts; None if there is none.
    """

    __slots__ = ("down", "until", "up")

    def __init__(self) -> None:
        self.up = 0
        self.down: dict[str, float] = {}
        self.until: float | None = None

    @property
    def total(self) -> int:
        """Number of backends that are in service, or were until lately."""
        return self.up + len(self.down)


def views_of(config: Config, name: str) -> tuple[View, ...]:
    """Return the views that a backend shares; none for one that is not probed, or is not in the configuration."""
    backend = config.backends.get(name)
    check = None if backend is None else first_healthcheck(config, backend)
    if backend is None or check is None:
        return ()
    path = _path(backend, check)
    checks = tuple(chain(*paths_of(config, backend)))
    if len(checks) == 1:
        return View(Scope.HEALTHCHECK, check.name), path, View(Scope.ALL)
    paths = dict.fromkeys(_path(backend, each) for each in checks)
    return (*(View(Scope.HEALTHCHECK, each.name) for each in checks), *paths, View(Scope.ALL))


def _path(backend: Backend, check: Healthcheck) -> View:
    version = family(backend.address)
    source = check.probe_ipv4_src if version == 4 else check.probe_ipv6_src
    return View(Scope.PATH, f"IPv{version} from {source}" if source else f"IPv{version}")


class Doubts:
    """Decides which backends are doubted.

    Attributes:
        early: When backends went down of which it is not known yet whether they were in service, by name; stays empty
            once VPP has been read.
        notices: What is to be told next.
    """

    def __init__(self, config: Config, is_up: Callable[[str], bool]) -> None:
        """Create it without any backend.

        Args:
            config: The configuration in force.
            is_up: Says whether a backend is up, by name.
        """
        self._config = config
        self._is_up = is_up
        self._served: dict[str, tuple[View, ...]] = {}
        self._failing: dict[str, frozenset[str]] = {}
        self._sights: dict[View, Sight] = {}
        self._blind: set[View] = set()
        self._knows_served = False
        self._served_early: set[str] = set()
        self.early: dict[str, float] = {}
        self.notices: list[Notice] = []

    @property
    def rule(self) -> Blindness | None:
        """The rule in force; None if nothing is ever doubted."""
        return self._config.checker.blindness

    @property
    def next_due(self) -> float | None:
        """When a doubt ends by itself, by the monotonic clock; None if there is none."""
        return min((until for _, until in self._ends()), default=None)

    def blind(self) -> Iterator[tuple[View, Sight]]:
        """Yield the views in doubt."""
        return ((view, self._sights[view]) for view in sorted(self._blind))

    def doubted(self, name: str) -> bool:
        """Return whether a backend that is down is in doubt."""
        return bool(self._blind) and any(name in self._sights[view].down for view in self._blind)

    def moved(
        self, name: str, new: State, *, served: bool, now: float, failing: frozenset[str] | None = None
    ) -> AbstractSet[str]:
        """Note a backend's new state; return the names of those whose doubt has changed by that.

        Args:
            name: Its name.
            new: Its new state.
            served: Whether it served somewhere before, although it had not been proved.
            now: Seconds of a monotonic clock.
            failing: Names of the healthchecks that are down, if it has several.
        """
        rule = self.rule
        self.early.pop(name, None)
        if rule is None or new is State.UNKNOWN:
            return frozenset()
        counted = self._served.pop(name, ())
        for view in counted:
            self._sights[view].up -= 1
        self._failing.pop(name, None)
        views = views_of(self._config, name)
        changed: set[str] = set()
        if new is State.DOWN:
            if failing is not None:
                self._failing[name] = failing
            if not (counted or served):
                self._keep_early(name, now)
                return changed
            for view in self._lost_in(name, views):
                changed |= self._lose(rule, view, name, now)
            return changed
        if new is State.UP:
            self._count(name, views)
        for view in views:
            changed |= self._find(rule, view, name)
            if new is State.UP and name == rule.canary:
                changed |= self._end(view, "canary")
        return changed

    def confirmed(self, name: str, check: str) -> AbstractSet[str]:
        """Note that another check of a backend that is down fails, too; return the names whose doubt has changed.

        A second check that fails speaks for the first: the backend is not doubted for that one any longer.
        """
        rule, views = self.rule, views_of(self._config, name)
        if rule is None or name not in self._failing:
            return frozenset()
        self._failing[name] |= {check}
        before = self.doubted(name)
        others = [view for view in views if view.scope is Scope.HEALTHCHECK and view.name != check]
        changed = {each for view in others for each in self._find(rule, view, name)}
        return changed | {name} if before else changed

    def served_early(self, names: Iterable[str]) -> None:
        """Note which backends VPP was found to serve; they count when `judge_early` is called."""
        self._served_early.update(names)

    def judge_early(self) -> AbstractSet[str]:
        """Count what went down before VPP was read, and was in service; return those whose doubt has changed by that.

        Each is counted at the time when it went down, so that a doubt is as old as its results. From now on, it is
        known at once whether a backend is in service.
        """
        self._knows_served = True
        rule, early, served = self.rule, self.early, self._served_early
        self.early, self._served_early = {}, set()
        changed: set[str] = set()
        if rule is None:
            return changed
        lost: dict[View, dict[str, float]] = {}
        for name in served & early.keys():
            for view in self._lost_in(name, views_of(self._config, name)):
                lost.setdefault(view, {})[name] = early[name]
        for view, late in lost.items():
            sight = self._sight(view)
            times, sight.down = {**sight.down, **late}, {}
            for name in sorted(times, key=times.__getitem__):
                changed |= self._lose(rule, view, name, times[name])
        return changed

    def pass_time(self, now: float) -> AbstractSet[str]:
        """Believe what was doubted for long enough; return the names of those whose doubt has changed by that."""
        over = [view for view, until in self._ends() if until <= now]
        return frozenset(name for view in over for name in self._end(view, "hold"))

    def apply(self, config: Config) -> AbstractSet[str]:
        """Take another configuration; return the names of those whose doubt has changed by that."""
        old, self._config = self._config, config
        if old.checker.blindness is None and self.rule is None:
            return frozenset()
        if (old.checker, old.healthchecks, old.backends) == (config.checker, config.healthchecks, config.backends) and (
            old.vips == config.vips
        ):
            return frozenset()
        before = {name for view in self._blind for name in self._sights[view].down}
        sights, self._sights = self._sights, {}
        blind, self._blind = self._blind, set()
        served, self._served = list(self._served), {}
        if old.checker.blindness is None:
            served = [name for name in config.backends if self._is_up(name)]
        if self.rule is not None:
            for name in served:
                self._count(name, views_of(config, name))
            lost = {name: at for sight in sights.values() for name, at in sight.down.items()}
            for name in sorted(lost, key=lost.__getitem__):
                for view in self._lost_in(name, views_of(config, name)):
                    self._sight(view).down[name] = lost[name]
        else:
            self.early.clear()
        for view in blind:
            if view in self._sights:
                self._sights[view].until = sights[view].until
                self._blind.add(view)
            else:
                self.notices.append(Notice(view, False, len(sights[view].down), sights[view].total, "config"))
        after = {name for view in self._blind for name in self._sights[view].down}
        return before ^ after

    def _keep_early(self, name: str, now: float) -> None:
        """Keep it in mind that a backend went down that may have been in service."""
        if not self._knows_served:
            self.early[name] = now

    def _lost_in(self, name: str, views: tuple[View, ...]) -> Iterator[View]:
        """Yield the views that a backend that is down says something of: not those of checks that are not down."""
        failing = self._failing.get(name)
        return (
            view for view in views if failing is None or view.scope is not Scope.HEALTHCHECK or view.name in failing
        )

    def _sight(self, view: View) -> Sight:
        return self._sights.setdefault(view, Sight())

    def _count(self, name: str, views: tuple[View, ...]) -> None:
        """Count a backend that is in service."""
        if views:
            self._served[name] = views
        for view in views:
            self._sight(view).up += 1

    def _lose(self, rule: Blindness, view: View, name: str, now: float) -> AbstractSet[str]:
        """Note that a backend went down that was in service."""
        sight = self._sight(view)
        if sight.until is None:
            while sight.down and sight.down[other := next(iter(sight.down))] < now - rule.window:
                del sight.down[other]
        sight.down[name] = now
        if sight.until is not None:
            return {name}
        if len(sight.down) < _suspicious(rule, sight) or self._is_seen(rule, view):
            return frozenset()
        sight.until = now + rule.hold
        self._blind.add(view)
        self.notices.append(Notice(view, True, len(sight.down), sight.total, "share"))
        return set(sight.down)

    def _find(self, rule: Blindness, view: View, name: str) -> AbstractSet[str]:
        """Note that a backend is not down, or that its health is of no interest any longer."""
        sight = self._sights.get(view)
        if sight is None or sight.down.pop(name, None) is None:
            return frozenset()
        if sight.until is not None and 2 * len(sight.down) < _suspicious(rule, sight):
            return self._end(view, "recovered")
        return frozenset()

    def _is_seen(self, rule: Blindness, view: View) -> bool:
        """Return whether the canary shows that there is nothing wrong with a view."""
        return rule.canary is not None and view in views_of(self._config, rule.canary) and self._is_up(rule.canary)

    def _end(self, view: View, why: str) -> AbstractSet[str]:
        if view not in self._blind:
            return frozenset()
        sight = self._sights[view]
        names = set(sight.down)
        self.notices.append(Notice(view, False, len(names), sight.total, why))
        self._blind.discard(view)
        sight.down.clear()
        sight.until = None
        return names

    def _ends(self) -> Iterator[tuple[View, float]]:
        yield from ((view, sight.until) for view, sight in self.blind() if sight.until is not None)


def _suspicious(rule: Blindness, sight: Sight) -> int:
    """Return how many backends of a view have to go down together for it to be in doubt."""
    return max(FLOOR, -(-round(100 * rule.share) * sight.total // _WHOLE))
