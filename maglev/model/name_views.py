"""The shapes of what the verb about DNS names returns (see `maglev.model.views`)."""

from __future__ import annotations

from typing import Annotated, TypedDict


class NamedAddressView(TypedDict):
    """An address of a DNS name."""

    backend: Annotated[str, "Name of its backend."]
    address: Annotated[str, "The address."]
    missing: Annotated[int, "Number of good answers in a row that lacked it."]


class DnsNameView(TypedDict):
    """A DNS name that stands for backends."""

    name: Annotated[str, "Its name in the file."]
    dns_name: Annotated[str, "What is looked up."]
    family: Annotated[str, "``ipv4`` or ``ipv6``."]
    most: Annotated[int, "How many addresses are used at most: ``dns-max``."]
    state: Annotated[str, "``resolved``, ``failing`` (the last lookup failed), or ``unresolved``: never resolved yet."]
    problem: Annotated[str, "Why the last lookup failed; empty if it did not."]
    failures: Annotated[int, "Number of lookups that failed in a row."]
    age: Annotated[float | None, "Seconds since the last good answer, over restarts as well; None if there was none."]
    next_in: Annotated[float | None, "Seconds until the next lookup; None while one is under way."]
    addresses: Annotated[list[NamedAddressView], "The backends, by number."]
    refused: Annotated[list[str], "Addresses of the last good answer that can't be used, each with the reason."]
    waiting: Annotated[list[str], "Its addresses beyond the room that it has."]
