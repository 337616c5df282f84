"""One stream of events to one reader of a hook: JSON, a line each, in the order in which things happened.

A reader that is slow makes nobody wait. Its transport pauses us, the subscription holds a bounded number of events, and
drops what comes beyond (`maglev.control.events`). The reader then gets a ``gap`` with the number of events that it has
missed, and all states again, as at the beginning.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import deferLater
from zope.interface import implementer

from maglev.model.announce import HookEvents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from twisted.internet.interfaces import IReactorTime

    from maglev.interfaces import ISubscription

ALWAYS: Final = frozenset({"announcement", "sink", "gap"})
FRONTENDS: Final = ALWAYS | {"frontend"}
KINDS: Final = {
    HookEvents.ANNOUNCEMENTS: (ALWAYS, frozenset({"announcement"})),
    HookEvents.FRONTENDS: (FRONTENDS, frozenset({"announcement", "frontend"})),
    HookEvents.ALL: (FRONTENDS | {"backend", "override"}, frozenset({"announcement", "frontend", "backend"})),
}
"""What a hook is sent: types of events, and kinds of objects in a snapshot."""


@implementer(IPushProducer)
class HookStream:
    """Writes a subscription to a transport, as fast as that takes it.

    Attributes:
        dropped: Number of events that the reader has missed.
    """

    def __init__(
        self,
        clock: IReactorTime,
        watch: Callable[[], ISubscription],
        addresses: Callable[[], Iterable[str]],
        events: HookEvents,
        transport: Any,
    ) -> None:
        """Begin to write.

        Args:
            clock: Leaves the turn of the reactor in which something happened: it may be that of a probe.
            watch: Returns a new subscription.
            addresses: Returns the announced addresses: the reader withdraws all others.
            events: What the reader is sent.
            transport: The way to it; a consumer of a push producer.
        """
        self._clock = clock
        self._watch = watch
        self._addresses = addresses
        self._types, self._kinds = KINDS[events]
        self._transport = transport
        self._resumed: Deferred[None] = succeed(None)
        self._stopped = False
        self._subscription: ISubscription | None = None
        self.dropped = 0
        transport.registerProducer(self, streaming=True)

    async def run(self) -> None:
        """Write until it is stopped."""
        try:
            while not self._stopped:
                await self._follow(self._watch())
        except Exception:
            self._transport.loseConnection()  # a bug of ours; the reader comes again, and gets every state
            raise

    async def _follow(self, subscription: ISubscription) -> None:
        """Write all of a subscription, until it is stopped or something was missed."""
        self._subscription = subscription
        self._write([{"type": "addresses", "addresses": list(self._addresses())}])
        try:
            while not self._stopped and await self._pass_on(subscription):
                pass
        finally:
            subscription.close()

    async def _pass_on(self, subscription: ISubscription) -> bool:
        """Write the next events; return whether none was missed."""
        views: list[Any] = list(await subscription.next())
        await deferLater(self._clock, 0)
        if self._stopped:
            return False
        missed = sum(view["missed"] for view in views if view["type"] == "gap")
        self.dropped += missed
        self._write(view for view in views if self._is_wanted(view))
        if not self._resumed.called:
            await self._resumed
        return bool(views) and not missed

    def _is_wanted(self, view: Any) -> bool:
        return view["kind"] in self._kinds if view["type"] == "snapshot" else view["type"] in self._types

    def _write(self, views: Iterable[Any]) -> None:
        text = "".join(f"{json.dumps(view)}\n" for view in views)
        if text:
            self._transport.write(text.encode("ascii"))

    def stop(self) -> None:
        """End it."""
        self._stopped = True
        if self._subscription is not None:
            self._subscription.close()
        self.resumeProducing()

    # IPushProducer

    def pauseProducing(self) -> None:
        """Write no more for now."""
        if self._resumed.called:
            self._resumed = Deferred()

    def resumeProducing(self) -> None:
        """Go on."""
        if not self._resumed.called:
            self._resumed.callback(None)

    def stopProducing(self) -> None:
        """End it: the reader has gone."""
        self.stop()
