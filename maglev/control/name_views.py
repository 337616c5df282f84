"""Builds the views of DNS names, in the shapes of `maglev.model.name_views`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.control.views import page_view
from maglev.model.names import backend_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from maglev.model.name_views import DnsNameView, NamedAddressView
    from maglev.model.views import PageView
    from maglev.resolver.book import NameEntry
    from maglev.resolver.service import NameService


def name_pages(service: NameService, now: Callable[[], float]) -> Callable[[str, int], PageView[DnsNameView]]:
    """Return what returns a page of the names of a resolver.

    Args:
        service: The resolver.
        now: Returns the seconds of a monotonic clock.
    """

    def page(after: str, limit: int) -> PageView[DnsNameView]:
        return page_view(service.book.entries.values(), after, limit, lambda entry: _name_view(entry, service, now()))

    return page


def _name_view(entry: NameEntry, service: NameService, now: float) -> DnsNameView:
    names = entry.names
    status, age = service.statuses[names.name], service.age(names.name)
    state = "unresolved" if entry.numbers is None else "failing" if status.problem else "resolved"
    return {
        "name": names.name,
        "dns_name": names.dns_name,
        "family": f"ipv{names.family}",
        "most": names.most,
        "state": state,
        "problem": status.problem,
        "failures": status.failures,
        "age": None if age is None else round(age, 1),
        "next_in": None if status.due is None else round(max(status.due - now, 0.0), 1),
        "addresses": [_address_view(entry, *each) for each in sorted((entry.numbers or {}).items())],
        "refused": list(entry.refused),
        "waiting": list(entry.waiting),
    }


def _address_view(entry: NameEntry, number: int, address: str) -> NamedAddressView:
    name = backend_name(entry.names.name, number)
    return {"backend": name, "address": address, "missing": entry.missing.get(address, 0)}
