"""The live record of one backend, as the board keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.model.agent import NEUTRAL
from maglev.model.config import Healthcheck
from maglev.model.health import ORDERED_OUT, PROBED, State
from maglev.model.probing import Checks
from maglev.model.result import Code
from maglev.state.agents import AgentStatus
from maglev.state.checks import CheckStatus, CombinedHealth, carried, findings_of, health_of, thresholds

if TYPE_CHECKING:
    from maglev.model.agent import AgentWord
    from maglev.model.config import Backend
    from maglev.model.health import Health, Transition
    from maglev.model.result import Result


class BackendStatus:
    """What is known about one backend.

    Attributes:
        name: Its name.
        address: Its address now.
        health: Counter and state.
        last_result: Result of its last probe, None before the first; of several checks, that of one that fails, if
            any does.
        resulted: When that came, by the monotonic clock of the board.
        transitions: The latest changes, newest first.
        proved_address: The address at which it was last proved, while its current one is still unproved; None
            otherwise. It keeps serving there until the first result.
        fresh: Whether it has never left the state in which it was first configured.
        rank: Grows with the time at which it went down last, or its agent said so; 0 if it never did.
        agent: What is known of its agent; None if it has none.
    """

    __slots__ = (
        "address",
        "agent",
        "fresh",
        "health",
        "last_result",
        "name",
        "proved_address",
        "rank",
        "resulted",
        "transitions",
    )

    def __init__(
        self, backend: Backend, probing: Healthcheck | Checks | None, agent: Healthcheck | None = None, now: float = 0.0
    ) -> None:
        self.name = backend.name
        self.address = backend.address
        self.health: Health = health_of(backend.name, probing)
        self.last_result: Result | None = None
        self.resulted = 0.0
        # A tuple: for so few entries, a deque would take eight times the memory.
        self.transitions: tuple[Transition, ...] = ()
        self.proved_address: str | None = None
        self.fresh = True
        self.rank = 0
        self.agent: AgentStatus | None = None
        self.take_agent(agent, now, moved=False)

    @property
    def state(self) -> State:
        """Its health state."""
        return self.health.state

    @property
    def checks(self) -> tuple[CheckStatus, ...]:
        """Its checks, if it has several; else none."""
        health = self.health
        return health.checks if isinstance(health, CombinedHealth) else ()

    @property
    def probe_names(self) -> tuple[str, ...]:
        """The names of what is probed (`maglev.model.check_set.probe_name`)."""
        agent = () if self.agent is None else (self.agent.name,)
        return (*(tuple(each.name for each in self.checks) or (self.name,)), *agent)

    @property
    def word(self) -> AgentWord:
        """What its agent says."""
        return NEUTRAL if self.agent is None else self.agent.word

    @property
    def nolb(self) -> bool:
        """Whether the last probe, of any check, was answered that it wants no new flows."""
        health, last = self.health, self.last_result
        if isinstance(health, CombinedHealth):
            return any(each.last_result is not None and each.last_result.code is Code.L7OKC for each in health.checks)
        return last is not None and last.code is Code.L7OKC

    @property
    def ordered_out(self) -> bool:
        """Whether an operator, or the file, has ordered it out of service."""
        return self.health.draining or self.health.state in ORDERED_OUT

    @property
    def serving_address(self) -> str:
        """The address at which it serves in VPP."""
        return self.proved_address or self.address

    def move(self, address: str) -> None:
        """Take another address, which still has to be proved."""
        proved = self.serving_address
        self.address = address
        self.proved_address = None if proved == address else proved

    def take_agent(self, healthcheck: Healthcheck | None, now: float, *, moved: bool) -> None:
        """Take another agent, or none; the same one of the same server keeps its word.

        Args:
            healthcheck: How it is asked.
            now: Seconds of a monotonic clock.
            moved: Whether the backend gets another address.
        """
        if healthcheck is None:
            self.agent = None
        elif moved or self.agent is None or self.agent.healthcheck != healthcheck:
            self.agent = AgentStatus(self, healthcheck, now)
        self.health.waits = self.agent is not None and not self.agent.known

    def reprobe(self, address: str, was: Healthcheck | Checks | None, now: Healthcheck | Checks | None) -> bool:
        """Take another address or other checks, before a `Lifecycle.CHANGE`.

        Args:
            address: Its address.
            was: How it was probed.
            now: How it is to be probed.

        Returns:
            Whether there is nothing to prove: one of its several checks is left, and goes on.
        """
        several = isinstance(was, Checks) or isinstance(now, Checks)
        stays = several and address == self.address
        found = findings_of(self.name, self.health, was, (self.last_result, self.resulted)) if stays else ()
        self.move(address)
        if not several:
            self.health.retune(*thresholds(None if isinstance(now, Checks) else now))
            return False
        old, self.health = self.health, health_of(self.name, now)
        self.health.state, self.health.draining, self.health.waits = old.state, old.draining, old.waits
        if isinstance(self.health, CombinedHealth):
            self.health.checks = tuple(carried(each, found) for each in self.health.checks)
        elif isinstance(now, Healthcheck):
            return self._go_on(carried(CheckStatus(self.name, now), found))
        return False

    def _go_on(self, check: CheckStatus) -> bool:
        """Go on with one check of several, if it is known what it says of the backend; return whether it is."""
        health = self.health
        if check.state not in {State.UP, State.DOWN} or health.state not in PROBED or health.waits:
            return False
        health.value = check.health.value
        health.state = State.DRAINING if health.draining and check.state is State.UP else check.state
        self.last_result, self.resulted = check.last_result, check.resulted
        return True
