"""What the board keeps, and how it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.model.check_set import split_probe_name
from maglev.model.errors import NotFoundError
from maglev.model.health import State
from maglev.state.blindness import Doubts
from maglev.state.decision import Situation
from maglev.state.dues import Dues
from maglev.state.standing import evidence_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from maglev.model.config import Config
    from maglev.state.agents import AgentStatus
    from maglev.state.backend_status import BackendStatus
    from maglev.state.checks import CheckStatus
    from maglev.state.standing import Evidence
    from maglev.state.status import FrontendStatus


class Records:
    """The state of every configured backend and frontend.

    Attributes:
        config: The configuration in force, including weights set at run time.
        backends: Every backend, by name.
        frontends: Every frontend, by name.
        now: Returns the seconds of a monotonic clock.
        doubts: Decides which backends that are down are doubted.
    """

    def __init__(self, config: Config, now: Callable[[], float]) -> None:
        """Create it without any object.

        Args:
            config: A valid configuration.
            now: Returns the seconds of a monotonic clock.
        """
        self.now = now
        self.doubts = Doubts(config, self._is_up)
        self._dues = Dues()
        self._frontends_of: dict[str, list[FrontendStatus]] = {}
        self.config = config
        self.backends: dict[str, BackendStatus] = {}
        self.frontends: dict[str, FrontendStatus] = {}

    def backend(self, name: str) -> BackendStatus:
        """Return the status of a backend.

        Raises:
            NotFoundError: There is none of that name.
        """
        if name not in self.backends:
            message = f"unknown backend {name!r}"
            raise NotFoundError(message)
        return self.backends[name]

    def frontend(self, name: str) -> FrontendStatus:
        """Return the status of a frontend.

        Raises:
            NotFoundError: There is none of that name.
        """
        if name not in self.frontends:
            message = f"unknown frontend {name!r}"
            raise NotFoundError(message)
        return self.frontends[name]

    def frontends_of(self, backend: str) -> Iterable[str]:
        """Return the names of the frontends that use a backend."""
        return [status.frontend.name for status in self._frontends_of.get(backend, ())]

    def weight(self, frontend: str, pool: str, backend: str) -> int:
        """Return the weight of a backend in a pool, from the file or set at run time; 0 if it is not a member.

        Raises:
            NotFoundError: The frontend does not exist.
        """
        for each in self.frontend(frontend).frontend.pools:
            for member in each.members:
                if (each.name, member.backend) == (pool, backend):
                    return member.weight
        return 0

    @property
    def next_due(self) -> float | None:
        """When `Board.pass_time` is to be called next, by the monotonic clock; None if nothing depends on time."""
        frontend, doubt = self._dues.earliest, self.doubts.next_due
        if frontend is None or doubt is None:
            return doubt if frontend is None else frontend
        return min(frontend, doubt)

    def probed(self, name: str) -> BackendStatus | CheckStatus | AgentStatus | None:
        """Return what is probed under a name: a backend, one of its checks, or its agent.

        The names are those of `BackendStatus.probe_names`.
        """
        status = self.backends.get(name)
        if status is not None:
            return status
        owner = self.backends.get(split_probe_name(name)[0])
        if owner is None:
            return None
        if owner.agent is not None and owner.agent.name == name:
            return owner.agent
        return next((each for each in owner.checks if each.name == name), None)

    def knows_all(self, frontend: str) -> bool:
        """Return whether every backend of a frontend has a known state."""
        return self.frontends[frontend].knows_all

    def situation(self, frontend: str) -> Situation:
        """Return what the decision about a frontend depends on now, for `maglev.state.decision.decide`.

        Raises:
            NotFoundError: There is none of that name.
        """
        status = self.frontend(frontend)
        evidence = {name: self._evidence(name) for name in status.frontend.backends}
        return Situation(
            status.frontend,
            evidence,
            status.held,
            status.memory,
            self.now(),
            status.out,
            status.carried,
            status.former_scale,
        )

    def _evidence(self, name: str) -> Evidence:
        status = self.backends[name]
        return evidence_of(
            status.health.state,
            drained=status.health.draining,
            doubted=self.doubts.doubted(name),
            by_file=not self.config.backends[name].enabled,
            rank=status.rank,
            nolb=status.nolb,
            agent=status.word,
        )

    def _is_up(self, name: str) -> bool:
        return name in self.backends and self.backends[name].state is State.UP

    def _index(self) -> None:
        index: dict[str, list[FrontendStatus]] = {}
        for status in self.frontends.values():
            for backend in status.frontend.backends:
                index.setdefault(backend, []).append(status)
        self._frontends_of = index
