"""The metric families of announcements: what is announced, and whether its receivers can be reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maglev.metrics.exposition import escape
from maglev.metrics.families import header
from maglev.model.announce import Announcing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maglev.announce.announcer import Announcer

COUNTED: Final = (Announcing.ANNOUNCED, Announcing.WITHDRAWN)


class AnnounceCollector:
    """The announced addresses."""

    def __init__(self, announcer: Announcer) -> None:
        self._announcer = announcer

    def scrape(self) -> Iterator[str]:
        """Yield the families."""
        states = self._announcer.states()
        yield header("maglev_announcement_state")
        for address, now in states.items():
            yield "".join(
                f'maglev_announcement_state{{address="{address}",state="{state}"}} {int(state is now)}\n'
                for state in Announcing
            )
        yield header("maglev_announcements_total")
        for address in states:
            counts = self._announcer.counts
            yield "".join(
                f'maglev_announcements_total{{address="{address}",to="{to}"}} {counts[address, to]}\n' for to in COUNTED
            )
        sinks = [(f'{{sink="{escape(sink.sink)}"}}', sink) for sink in self._announcer.sinks()]
        yield header("maglev_announce_sink_problem")
        for label, sink in sinks:
            yield f"maglev_announce_sink_problem{label} {int(bool(sink.problem))}\n"
        yield header("maglev_announce_sink_readers")
        for label, sink in sinks:
            yield f"maglev_announce_sink_readers{label} {sink.connected}\n"
        yield header("maglev_announce_sink_dropped_total")
        for label, sink in sinks:
            yield f"maglev_announce_sink_dropped_total{label} {sink.dropped}\n"
