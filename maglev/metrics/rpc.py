"""The metric families of the Perspective Broker front end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.metrics.exposition import histogram
from maglev.metrics.families import header
from maglev.rpc.server.counters import BUCKETS

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator

    from maglev.rpc.server.counters import CallCounters


class PbCollector:
    """Calls, clients, and connections that were ended."""

    def __init__(self, calls: CallCounters, clients: Callable[[], int], dropped: Counter[str]) -> None:
        """Read from the service.

        Args:
            calls: Calls so far.
            clients: Tells how many are connected.
            dropped: Connections that the server ended, by reason.
        """
        self._calls = calls
        self._clients = clients
        self._dropped = dropped

    def scrape(self) -> Iterator[str]:
        """Yield the families."""
        yield header("maglev_pb_calls_total")
        for (method, result), count in sorted(self._calls.calls.items()):
            yield f'maglev_pb_calls_total{{method="{method}",result="{result}"}} {count}\n'
        family = "maglev_pb_call_duration_seconds"
        yield header(family)
        for method, durations in self._calls.durations.items():
            if any(durations.counts):
                yield histogram(family, f'method="{method}"', BUCKETS, durations.counts, durations.total)
        yield header("maglev_pb_clients")
        yield f"maglev_pb_clients {self._clients()}\n"
        yield header("maglev_pb_dropped_total")
        for reason, count in sorted(self._dropped.items()):
            yield f'maglev_pb_dropped_total{{reason="{reason}"}} {count}\n'
