"""``terminal monitor``: shows events as they happen, above the line being typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.internet.defer import CancelledError, Deferred

from maglev.model.errors import MaglevError
from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from twisted.python.failure import Failure

    from maglev.terminal.session import Session

LEVEL: Final = "warn"
"""Lowest level of log lines shown; transitions are shown as events anyway."""


class Monitor:
    """Shows the events of a session while it is switched on."""

    _log = EventLogger()

    def __init__(self, session: Session, ready: Callable[[], Awaitable[None]], show: Callable[[str], None]) -> None:
        """Create a monitor that is switched off.

        Args:
            session: The session.
            ready: Waits until events can be shown.
            show: Shows whole lines.
        """
        self._session = session
        self._ready = ready
        self._show = show
        self._task: Deferred[None] | None = None

    def switch(self, on: bool) -> None:  # noqa: FBT001  # a switch
        """Start or stop showing events."""
        if on and self._task is None:
            self._task = Deferred.fromCoroutine(self._watch())
            self._task.addErrback(self._ended)
        elif not on and self._task is not None:
            self._task.cancel()

    async def _watch(self) -> None:
        watch = await self._session.control.watch(log=LEVEL, backend=True, frontend=True)
        try:
            while events := await watch.next():
                await self._ready()
                shown = (event for event in events if event["type"] != "snapshot")
                self._show("".join(map(self._session.commands.event_text, shown)))
        finally:
            watch.close()

    def _ended(self, failure: Failure) -> None:
        self._task = None
        if failure.check(MaglevError) is not None:
            self._show(f"% No more events: {failure.getErrorMessage()}\n")
        elif failure.check(CancelledError) is None:
            self._log.failure("terminal-monitor-failed", failure=failure, caller=str(self._session.control.caller))
