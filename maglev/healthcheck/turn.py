"""The turn of one backend, of one of its several checks, or of its agent: what the checker knows of its probes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from maglev.healthcheck.schedule import ScheduleEntry
from maglev.model.check_set import split_probe_name

if TYPE_CHECKING:
    from maglev.healthcheck.counters import ProbeCounters
    from maglev.interfaces import IProber
    from maglev.model.config import Backend, Healthcheck
    from maglev.state.agents import AgentStatus
    from maglev.state.backend_status import BackendStatus
    from maglev.state.checks import CheckStatus


class IProberSource(Protocol):
    """Creates the probers of backends."""

    def use_workers(self, count: int) -> bool:
        """Make future probers probe in so many worker processes; 0 means in this process.

        Returns:
            Whether probes move between this process and workers; then each prober should be replaced before its next
            probe.
        """

    def prober_for(self, backend: Backend, healthcheck: Healthcheck, netns: str | None) -> IProber:
        """Return a prober for this backend in a network namespace; it replaces the backend's previous prober."""

    def forget(self, backend: str) -> None:
        """Release the prober of a backend; it must not be used again."""

    def busy(self) -> bool:
        """Return whether answers to probes are waiting to be read: more probes would make them wait longer."""


class Turn(ScheduleEntry):
    """The schedule entry of a backend, or of one of its several checks: waits for a probe, or has one under way."""

    __slots__ = (
        "counts",
        "evidence",
        "excused",
        "excused_since",
        "healthcheck",
        "misplaced",
        "prober",
        "probing",
        "started",
        "status",
    )

    def __init__(
        self,
        status: BackendStatus | CheckStatus | AgentStatus,
        healthcheck: Healthcheck | None,
        prober: IProber | None,
        counts: ProbeCounters,
    ) -> None:
        super().__init__()
        self.status = status
        self.healthcheck = healthcheck
        self.prober = prober
        self.counts = counts
        self.evidence = 0.0  # when there was a result that counts, or when we began to ask
        self.excused = 0
        self.excused_since = 0.0
        self.misplaced = False  # another prober has to make the next probe
        self.probing = False
        self.started = 0.0


def time_of(turn: Turn) -> float:
    """Return the timeout of the probe under way."""
    assert turn.healthcheck is not None  # noqa: S101  # a static backend is never asked
    return turn.healthcheck.timeout


def subject_of(name: str) -> dict[str, str]:
    """Return the backend of a probe, and the check if it has several, as fields of a log event."""
    backend, check = split_probe_name(name)
    return {"backend": backend, "healthcheck": check} if check else {"backend": name}
