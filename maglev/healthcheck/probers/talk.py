"""TCP probes that talk: what is said is a dialogue's, how it gets there is here."""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.protocol import connectionDone

from maglev.healthcheck.probers.agent import AgentDialogue
from maglev.healthcheck.probers.databases import MysqlDialogue, PostgresqlDialogue
from maglev.healthcheck.probers.dialogue import Parting, Script, StepsDialogue
from maglev.healthcheck.probers.dns_answer import DnsDialogue, DnsExchange
from maglev.healthcheck.probers.greetings import LINES_PRESETS, LinesDialogue
from maglev.healthcheck.probers.probe import Probe, how_lost
from maglev.model.check_params import Preset
from maglev.model.result import Code

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import ITCPTransport
    from twisted.python.failure import Failure

    from maglev.healthcheck.probers.base import Conclude
    from maglev.healthcheck.probers.dialogue import Dialogue
    from maglev.healthcheck.probers.dns_answer import DnsQuestion
    from maglev.model.check_params import AgentParams, TalkParams

FAREWELL_LIMIT: Final = 1 << 16
"""Bytes that are read after the verdict, while the backend takes its leave."""


def dialogues_for(params: TalkParams) -> Callable[[], Dialogue]:
    """Return what makes the dialogue of each probe.

    Raises:
        re2.error: A pattern is not valid.
    """
    if params.preset is None:
        return partial(StepsDialogue, Script.of(params.steps))
    if params.preset is Preset.MYSQL:
        return partial(MysqlDialogue, params.user)
    if params.preset is Preset.POSTGRESQL:
        return partial(PostgresqlDialogue, params.user)
    return partial(LinesDialogue, LINES_PRESETS[params.preset])


class TalkProbes:
    """Makes the probes of the backends that are talked to alike."""

    __slots__ = ("__weakref__", "_new_dialogue")

    def __init__(self, params: TalkParams) -> None:
        self._new_dialogue = dialogues_for(params)

    def __call__(self, conclude: Conclude) -> TalkProbe:
        """Return a new probe."""
        return TalkProbe(conclude, self._new_dialogue())


class DnsProbes:
    """Makes the dns probes over TCP of the backends that are asked alike."""

    __slots__ = ("_question",)

    def __init__(self, question: DnsQuestion) -> None:
        self._question = question

    def __call__(self, conclude: Conclude) -> TalkProbe:
        """Return a new probe."""
        return TalkProbe(conclude, DnsDialogue(self._question, new_identifier()))


class AgentProbes:
    """Makes the probes of the backends whose agents are asked alike."""

    __slots__ = ("_request",)

    def __init__(self, params: AgentParams) -> None:
        self._request = params.request

    def __call__(self, conclude: Conclude) -> TalkProbe:
        """Return a new probe."""
        return TalkProbe(conclude, AgentDialogue(self._request))


class DnsExchanges:
    """Makes the exchanges of dns probes over UDP of the backends that are asked alike."""

    __slots__ = ("_question",)

    def __init__(self, question: DnsQuestion) -> None:
        self._question = question

    def __call__(self) -> DnsExchange:
        """Return a new exchange."""
        return DnsExchange(self._question, new_identifier())


def new_identifier() -> int:
    """Return an identifier that nobody can guess (RFC 5452, 9.2)."""
    return secrets.randbits(16)


class TalkProbe(Probe):
    """Carries one dialogue.

    It concludes with the verdict. If the backend is to close first, the connection stays until it does; what it says
    till then is thrown away.
    """

    def __init__(self, conclude: Conclude, dialogue: Dialogue) -> None:
        super().__init__(conclude)
        self._dialogue = dialogue
        self._concluded = False
        self._room = FAREWELL_LIMIT

    @property
    def unfinished(self) -> bool:
        """Whether it has concluded, and the backend is to close."""
        return self._concluded and self._dialogue.parting is not Parting.RESET

    def connectionMade(self) -> None:
        """Say what comes first, or let the backend do that at once."""
        first = self._dialogue.begin()
        self._say(first)
        if not first and (acknowledge := getattr(self.transport, "acknowledge", None)) is not None:
            acknowledge()  # over TLS, the handshake has said something

    def dataReceived(self, data: bytes) -> None:
        """Take what the backend says, and answer."""
        if self._concluded:
            self._room -= len(data)
            if self._room <= 0:
                self._hang_up()
            return
        self._say(self._dialogue.feed(data))
        verdict = self._dialogue.verdict
        if verdict is not None:
            if self._dialogue.parting is Parting.HALF_CLOSE and self.transport is not None:
                cast("ITCPTransport", self.transport).loseWriteConnection()
            self._concluded = True
            self._conclude(*verdict)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Judge what came, unless the probe is over already."""
        how = how_lost(reason)
        if how is None:
            return
        if self._concluded:
            self._hang_up()  # what ended may be the TLS session only
            return
        self._dialogue.parting = Parting.RESET
        self._concluded = True
        self._conclude(*self._dialogue.end(how))

    def timeout_verdict(self) -> tuple[Code, str]:
        """Return how far the dialogue was."""
        return Code.L7TOUT, self._dialogue.progress()

    def _say(self, data: bytes) -> None:
        if data and self.transport is not None:
            self.transport.write(data)

    def _hang_up(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()
