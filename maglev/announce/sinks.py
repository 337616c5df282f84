"""BIRD and the hooks: made from the configuration, and made again when a reload changes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from twisted.application.service import MultiService

from maglev.announce.bird import BirdSpeaker
from maglev.announce.hook_stream import HookStream
from maglev.announce.hooks import CommandHook, SocketHook
from maglev.model.announce import HookEvents
from maglev.model.events import SinkEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.application.service import IService

    from maglev.announce.announcer import Announcer, SinkStatus
    from maglev.announce.former_birds import FormerBirds
    from maglev.announce.hooks import HookBase
    from maglev.interfaces import ISubscription
    from maglev.model.announce import AnnounceConfig, BirdConfig, HookConfig
    from maglev.model.config import Config
    from maglev.state.board import Board


LEAVE_DEADLINE: Final = 1.0
"""Seconds that a reload waits for BIRD at most."""


class Sinks(MultiService):
    """BIRD and the hooks of the configuration in force."""

    def __init__(
        self,
        reactor: Any,
        board: Board,
        announcer: Announcer,
        watch: Callable[[bool], ISubscription],
        former: FormerBirds,
    ) -> None:
        """Make those that the configuration has; they start with this service.

        Args:
            reactor: The reactor.
            board: Says what is configured, and keeps the events.
            announcer: Says what is announced, and calls when that changes.
            watch: Returns a new subscription to events; of backends as well if it is called with True.
            former: Lets go of BIRDs that leave the configuration.
        """
        MultiService.__init__(self)
        self._reactor = reactor
        self._board = board
        self._announcer = announcer
        self._watch = watch
        self._former = former
        former.note = self._note
        self._bird: BirdSpeaker | None = None
        self._hooks: dict[str, HookBase] = {}
        announcer.sinks = self.statuses
        announcer.subscribe(self._changed)
        board.subscribe(config_changed=self._config_changed)
        self._use(board.config.announce.bird)
        self._make(board.config.announce)

    def statuses(self) -> list[SinkStatus]:
        """Return how they are: BIRD first, then those that have left the configuration."""
        bird = [] if self._bird is None else [self._bird.status()]
        return bird + self._former.statuses() + [hook.status() for hook in self._hooks.values()]

    async def withdraw_leaving(self, config: Config) -> None:
        """Withdraw what a configuration announces no longer, and wait until BIRD has done it, but not for long."""
        if self._announcer.leave(config) and self._bird is not None and self._bird.running:
            await self._bird.when_compared().addTimeout(LEAVE_DEADLINE, self._reactor, onTimeoutCancel=lambda *_: None)

    def _changed(self) -> None:
        if self._bird is not None:
            self._bird.changed()

    def _config_changed(self, old: Config, new: Config) -> None:
        if old.announce != new.announce:
            self._make(new.announce)

    def _make(self, config: AnnounceConfig) -> None:
        """Make what is new or has changed, and let go of what is gone."""
        if config.bird != (None if self._bird is None else self._bird.config):
            self._use(config.bird)
        for name, hook in tuple(self._hooks.items()):
            if config.hooks.get(name) != hook.config:
                self.removeService(self._hooks.pop(name))
        kept = self._hooks
        self._hooks = {name: kept.get(name) or self._hook(hook) for name, hook in config.hooks.items()}

    def _use(self, config: BirdConfig | None) -> None:
        """Speak to the BIRD of a configuration, and let go of the one before."""
        before, self._bird = self._bird, None
        if before is not None:
            self.removeService(before)

        def settled() -> bool:
            return before is None or before.settled

        replaced = self._former.use(config, settled)
        if config is not None:
            self._bird = BirdSpeaker(
                self._reactor, config, self._announcer.states, self._note, replaced, self._former.emptied, settled
            )
            self._bird.setServiceParent(self)

    def _hook(self, config: HookConfig) -> HookBase:
        kind = CommandHook if config.command else SocketHook
        made = kind(self._reactor, config, self._stream, self._note)
        cast("IService", made).setServiceParent(self)
        return made

    def _stream(self, config: HookConfig, transport: Any) -> HookStream:
        everything = config.events is HookEvents.ALL
        return HookStream(
            self._reactor, lambda: self._watch(everything), self._announcer.states, config.events, transport
        )

    def _note(self, sink: str, problem: str) -> None:
        self._board.note("announcement_changed", SinkEvent, sink, problem)
