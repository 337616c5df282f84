"""Backends by DNS name, as immutable values: what the file says of them, and how names are resolved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from maglev.model.addresses import Family
    from maglev.model.check_set import CheckSet

DEFAULT_ADDRESSES: Final = 8
MAX_ADDRESSES: Final = 128
"""Backends that one name may stand for: to read that many records takes some milliseconds, and few zones have them."""

MAX_ALL_ADDRESSES: Final = 4096
"""Backends that all names may stand for: a lookup must never grow the daemon by more than the file allows."""

DNS_PORT: Final = 53


@attrs.frozen
class NamedBackends:
    """Backends that a DNS name stands for: one for each of its addresses, named ``<name>-1``, ``<name>-2`` and so on.

    Attributes:
        name: Their name in the file, which pools have as a member.
        dns_name: What is resolved: absolute, without the dot at the end.
        family: The family of the addresses.
        most: How many addresses are used.
        healthcheck: As in `maglev.model.config.Backend`.
        enabled: As there.
        agent_check: As there.
    """

    name: str
    dns_name: str
    family: Family = 4
    most: int = DEFAULT_ADDRESSES
    healthcheck: str | CheckSet | None = None
    enabled: bool = True
    agent_check: str | None = None


@attrs.frozen
class ResolverConfig:
    """How DNS names are resolved.

    Attributes:
        nameservers: Addresses and ports; empty for those of ``/etc/resolv.conf``.
        timeout: Seconds that a nameserver has for an answer.
        min_ttl: Seconds for which an answer holds at least.
        max_ttl: Seconds for which it holds at most.
        missing_answers: From how many answers in a row an address must be missing before its backend leaves.
    """

    nameservers: tuple[tuple[str, int], ...] = ()
    timeout: float = 2.0
    min_ttl: float = 5.0
    max_ttl: float = 3600.0
    missing_answers: int = 3


def backend_name(name: str, number: int) -> str:
    """Return the name of one of the backends that a DNS name stands for."""
    return f"{name}-{number}"
