"""The metric families of DNS names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.metrics.families import header
from maglev.resolver.service import RESULTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maglev.resolver.service import NameService


class NameCollector:
    """The names and their lookups."""

    def __init__(self, service: NameService) -> None:
        self._service = service

    def scrape(self) -> Iterator[str]:
        """Yield the families."""
        entries = [(f'{{name="{name}"}}', entry) for name, entry in self._service.book.entries.items()]
        statuses = [(f'{{name="{name}"}}', status) for name, status in self._service.statuses.items()]
        yield header("maglev_dns_name_addresses")
        for label, entry in entries:
            yield f"maglev_dns_name_addresses{label} {len(entry.numbers or ())}\n"
        yield header("maglev_dns_name_refused")
        for label, entry in entries:
            yield f"maglev_dns_name_refused{label} {len(entry.refused) + len(entry.waiting)}\n"
        yield header("maglev_dns_name_failing")
        for label, status in statuses:
            yield f"maglev_dns_name_failing{label} {int(bool(status.problem))}\n"
        yield header("maglev_dns_name_answer_age_seconds")
        for name in self._service.statuses:
            age = self._service.age(name)
            if age is not None:
                yield f'maglev_dns_name_answer_age_seconds{{name="{name}"}} {age:.1f}\n'
        yield header("maglev_dns_name_lookups_total")
        for name, status in self._service.statuses.items():
            for result in RESULTS:
                yield f'maglev_dns_name_lookups_total{{name="{name}",result="{result}"}} {status.counts[result]}\n'
