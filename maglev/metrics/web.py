"""The metrics of the live page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.metrics.families import header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class WebCollector:
    """Open pages and sessions, as `maglev.metrics.exposition.ICollector`."""

    def __init__(self, pages: Callable[[], int], sessions: Callable[[], int]) -> None:
        self._values = {"maglev_web_pages": pages, "maglev_web_sessions": sessions}

    def scrape(self) -> Iterator[str]:
        """Yield the families."""
        for family, value in self._values.items():
            yield f"{header(family)}{family} {value()}\n"
