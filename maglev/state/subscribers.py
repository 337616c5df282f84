"""Subscribers to changes: notified about one change at a time, when it is complete, in the order of the changes."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING, TypedDict, Unpack, cast

from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from collections.abc import Callable

    from maglev.model.config import Config
    from maglev.model.events import (
        AgentEvent,
        AnnouncementEvent,
        BackendEvent,
        BlindnessEvent,
        CheckEvent,
        FrontendEvent,
        GuardEvent,
        Noted,
        SinkEvent,
    )


class Callbacks(TypedDict, total=False):
    """Callbacks for changes of the board, by the kind of change.

    Attributes:
        backend_changed: Called when a backend has changed state.
        check_changed: Called when one of several checks of a backend has changed state.
        agent_changed: Called when the agent of a backend says something else, or is not heard any longer.
        frontend_changed: Called when a frontend has changed state.
        weights_changed: Called with the names of frontends whose desired weights in VPP may have changed.
        config_changed: Called with the old and the new configuration. The states of all objects, old and new, are on
            the board already; their changes are notified next.
        noted: Called with what `Board.note` was called for.
        guard_changed: Called when the guard has begun or ceased to keep backends of a frontend in service.
        blindness_changed: Called when doubt about the checks has begun or ended.
        announcement_changed: Called when an address was announced or withdrawn, and when that can't be told.
    """

    backend_changed: Callable[[BackendEvent], object]
    check_changed: Callable[[CheckEvent], object]
    agent_changed: Callable[[AgentEvent], object]
    frontend_changed: Callable[[FrontendEvent], object]
    weights_changed: Callable[[frozenset[str]], object]
    config_changed: Callable[[Config, Config], object]
    noted: Callable[[Noted], object]
    guard_changed: Callable[[GuardEvent], object]
    blindness_changed: Callable[[BlindnessEvent], object]
    announcement_changed: Callable[[AnnouncementEvent | SinkEvent], object]


class Subscribers:
    """Callbacks by topic, and the news that they have not been told yet."""

    _log = EventLogger()

    def __init__(self) -> None:
        self._callbacks: defaultdict[str, list[Callable[..., object]]] = defaultdict(list)
        self._news: deque[tuple[str, tuple[object, ...]]] = deque()
        self._telling = False

    def add(self, **callbacks: Unpack[Callbacks]) -> None:
        """Register callbacks by topic."""
        for topic, callback in callbacks.items():
            self._callbacks[topic].append(cast("Callable[..., object]", callback))

    def later(self, topic: str, *args: object) -> None:
        """Note news, for the next `tell`."""
        self._news.append((topic, args))

    def clear(self) -> None:
        """Forget the news that nobody was told."""
        self._news.clear()

    def tell(self) -> None:
        """Tell all news. A callback may cause more, which are told after those that are pending."""
        if self._telling:
            return
        self._telling = True
        try:
            while self._news:
                topic, args = self._news.popleft()
                for callback in tuple(self._callbacks[topic]):
                    self._call(callback, topic, args)
        finally:
            self._telling = False

    def _call(self, callback: Callable[..., object], topic: str, args: tuple[object, ...]) -> None:
        try:
            callback(*args)
        except Exception:  # noqa: BLE001  # one failing subscriber must not stop the others
            name = getattr(callback, "__qualname__", type(callback).__name__)
            self._log.failure("board-subscriber-failed", subscriber=name, topic=topic)
