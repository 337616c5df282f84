"""How the board brings the weights of its frontends in line with what is known of their backends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.model.events import BlindnessEvent, FrontendEvent, FrontendState, GuardEvent
from maglev.state.holds import Holds
from maglev.state.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from collections.abc import Set as AbstractSet

    from maglev.model.config import Config
    from maglev.state.status import FrontendStatus


class Weighing(Journal):
    """What the board keeps, and how weights follow from it.

    Attributes:
        holds: Decides which weights unknown backends keep.
    """

    def __init__(self, wall: Callable[[], float], config: Config, now: Callable[[], float]) -> None:
        """Create it without any object; the arguments are those of `Journal`."""
        super().__init__(wall, config, now)
        self._unweighed: dict[str, set[str]] = {}
        self.holds = Holds(self.backends)

    def _doubt(self, names: Iterable[str]) -> None:
        """Have backends weighed again whose doubt has changed, and tell what began or ended."""
        for name in names:
            for frontend in self._frontends_of.get(name, ()):
                self._unweighed.setdefault(frontend.frontend.name, set()).add(name)
        for each in self.doubts.notices:
            scope, name = str(each.view.scope), each.view.name
            what = (scope, name, each.blind, each.backends, each.total, each.why)
            self._happened("blindness_changed", BlindnessEvent, *what, self._wall())
        self.doubts.notices.clear()

    def _weigh_all(self, reconfigured: AbstractSet[str] = frozenset()) -> None:
        """Reweigh every frontend with pending changes, once, and notify subscribers of their names.

        Args:
            reconfigured: Names of frontends that were added, removed or changed, and are weighed in full. The others
                are updated incrementally.
        """
        unweighed, self._unweighed = self._unweighed, {}
        names = dict.fromkeys((*unweighed, *reconfigured))
        for name in names:
            if name in self.frontends:
                self._weigh(self.frontends[name], None if name in reconfigured else unweighed[name])
        if names:
            self._later("weights_changed", frozenset(names))

    def _weigh(self, status: FrontendStatus, backends: AbstractSet[str] | None) -> None:
        names = status.frontend.backends if backends is None else backends
        evidence = {name: self._evidence(name) for name in names}
        choice, guarded = status.choice, status.guarded
        (status.weigh if backends is None else status.shift)(evidence, self.now(), self._wall())
        if status.choice is not choice:
            self._dues.set(status.frontend.name, status.due)
            self._guard(status, guarded)
        self._reduce(status)

    def _guard(self, status: FrontendStatus, before: AbstractSet[str]) -> None:
        """Tell if the guard keeps others in service than before."""
        if status.guarded != before:
            kept, released = sorted(status.guarded - before), sorted(before - status.guarded)
            what = status.frontend.name, (*kept,), (*released,), len(status.guarded), self._wall()
            self._happened("guard_changed", GuardEvent, *what)

    def _reduce(self, status: FrontendStatus) -> None:
        """Let the state of a frontend follow from its weights, and from what VPP refuses."""
        state = status.reduction
        if status.refused and state is FrontendState.UP and not self.holds.is_served(status):
            state = FrontendState.DOWN
        if state is not status.state:
            self._happened("frontend_changed", FrontendEvent, status.frontend.name, status.state, state, self._wall())
            status.state = state
