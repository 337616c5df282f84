"""Subscribers to changes: notified about one change at a time, when it is complete, in the order of the changes."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING

from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from collections.abc import Callable


class Subscribers:
    """Callbacks by topic, and the news that they have not been told yet."""

    _log = EventLogger()

    def __init__(self) -> None:
        self._callbacks: defaultdict[str, list[Callable[..., object]]] = defaultdict(list)
        self._news: deque[tuple[str, tuple[object, ...]]] = deque()
        self._telling = False

    def add(self, **callbacks: Callable[..., object] | None) -> None:
        """Register callbacks by topic; None is none."""
        for topic, callback in callbacks.items():
            if callback is not None:
                self._callbacks[topic].append(callback)

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
