"""The agent of a backend: what it has said, kept apart from the health counter.

What an agent says lowers what the checks say, and never raises it (`maglev.state.standing`). If it is not heard, or
says nothing that is a word of the protocol, its last word holds for a time (`AgentParams.hold`); then it is as if it
had said nothing. That time passes only with results: a fault of ours does not prove that the agent is silent.

At first nothing is known. Until the agent has spoken, or been silent for as long, the backend does not come up: it
stays unknown and keeps what VPP holds, which may well be what the agent had made of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from maglev.model.agent import NEUTRAL, answer_of
from maglev.model.check_set import probe_name
from maglev.model.result import Code

if TYPE_CHECKING:
    from maglev.model.check_params import AgentParams
    from maglev.model.config import Healthcheck
    from maglev.model.health import Health, State
    from maglev.model.result import Result
SUMMARIES: Final = ("unknown", "silent", "up", "down", "drain", "maint")
"""The values of `AgentStatus.summary`."""

SPOKEN: Final = frozenset({Code.L7OK, Code.L7STS})
"""The codes of answers; the detail of such a result is the answer."""


class HasHealth(Protocol):
    """The backend of an agent."""

    name: str
    health: Health

    @property
    def state(self) -> State:
        """Its state."""


class AgentStatus:
    """What is known of the agent of a backend.

    Attributes:
        name: Under which it is asked (`maglev.model.check_set.probe_name`).
        healthcheck: How it is asked.
        word: What holds of all that it has said.
        known: Whether anything is known of it: it has spoken, or been silent for long enough.
        silent: Whether it has been silent for long enough.
        heard: When it spoke last, or when we began to ask, by the monotonic clock of the board.
        last_result: Result of the last question, None before the first.
        resulted: When that came, by the same clock.
    """

    __slots__ = ("_owner", "healthcheck", "heard", "known", "last_result", "name", "resulted", "silent", "word")

    def __init__(self, owner: HasHealth, healthcheck: Healthcheck, now: float) -> None:
        self._owner = owner
        self.name = probe_name(owner.name, healthcheck.name)
        self.healthcheck = healthcheck
        self.last_result: Result | None = None
        self.resulted = now
        self.forget(now)

    @property
    def params(self) -> AgentParams:
        """How it is asked, and for how long it is believed."""
        params = self.healthcheck.agent
        assert params is not None  # noqa: S101  # the type of the healthcheck is agent
        return params

    @property
    def health(self) -> Health:
        """The health of the backend: an agent is asked while its backend is probed, always at the same pace."""
        return self._owner.health

    @property
    def state(self) -> State:
        """The state of the backend."""
        return self._owner.state

    @property
    def said(self) -> str:
        """What it said last, in words: ``unknown`` before that, and ``silent`` when it is not heard any longer."""
        return "unknown" if not self.known else "silent" if self.silent else str(self.word)

    @property
    def kind(self) -> tuple[str, ...] | tuple[str, str, int]:
        """What is worth telling of it; the same while only a percentage trembles."""
        return self.word.kind if self.known and not self.silent else (self.said,)

    @property
    def summary(self) -> str:
        """What it said last, in one of `SUMMARIES`, whatever the percentage."""
        if not self.known or self.silent:
            return self.said
        return self.word.order or ("down" if self.word.down else "up")

    def forget(self, now: float) -> None:
        """Begin again: the backend was not probed, or its agent is another one."""
        self.word = NEUTRAL
        self.known = self.silent = False
        self.heard = now

    def hear(self, result: Result, now: float) -> None:
        """Take the result of a question."""
        self.last_result, self.resulted = result, now
        if result.code in SPOKEN:
            self.word = answer_of(result.detail.encode()).after(self.word)
            self.known, self.silent = True, False
            self.heard = now
        elif now - self.heard >= self.params.hold:
            self.word = NEUTRAL
            self.known = self.silent = True
