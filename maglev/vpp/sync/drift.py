"""Drift: what somebody else has changed in VPP, as differences between what was known of it and what is found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from maglev.vpp.lb.state import ApplicationServer, Vip, VipKey

NAMED: Final = 8
"""Application servers named in one line of log; the rest is counted."""


@attrs.frozen
class Drift:
    """One VIP that is not as it was left.

    Attributes:
        differences: How many things about it are different.
        found: What is found there, as text.
        known: What should be there instead: as it was left.
    """

    key: VipKey
    differences: int
    found: str
    known: str


def drift(key: VipKey, known: Vip | None, found: Vip | None) -> Drift | None:
    """Return in what a VIP differs from how it was left; None if in nothing."""
    if known is None or found is None:
        return None if known is found else Drift(key, 1, _whole(found), _whole(known))
    texts = [*_properties(known, found), *_servers(known, found)]
    if not texts:
        return None
    shown = texts[:NAMED]
    more = f" and {len(texts) - NAMED} more" if len(texts) > NAMED else ""
    return Drift(key, len(texts), ", ".join(f for f, _ in shown) + more, ", ".join(k for _, k in shown) + more)


def drifts(
    known: Mapping[VipKey, Vip], found: Mapping[VipKey, Vip], keys: AbstractSet[VipKey]
) -> Iterator[Drift | None]:
    """Yield for each of these VIPs in what it differs, or None."""
    for key in keys:
        yield drift(key, known.get(key), found.get(key))


def _whole(vip: Vip | None) -> str:
    return "absent" if vip is None else f"a VIP with {len(vip.servers)} application servers"


def _properties(known: Vip, found: Vip) -> Iterator[tuple[str, str]]:
    if known.encap != found.encap:
        yield f"encapsulation {found.encap.name.lower()}", f"encapsulation {known.encap.name.lower()}"
    if None not in {known.src_ip_sticky, found.src_ip_sticky} and known.src_ip_sticky != found.src_ip_sticky:
        yield f"src-ip-sticky {found.src_ip_sticky}".lower(), f"src-ip-sticky {known.src_ip_sticky}".lower()
    if 0 not in {known.table_length, found.table_length} and known.table_length != found.table_length:
        yield f"{found.table_length} buckets", f"{known.table_length} buckets"


def _servers(known: Vip, found: Vip) -> Iterator[tuple[str, str]]:
    for address in {**known.servers, **found.servers}:
        before, now = known.servers.get(address), found.servers.get(address)
        if before is None or now is None or before.weight != now.weight:
            yield _server(address, now), _server(address, before)


def _server(address: str, server: ApplicationServer | None) -> str:
    return f"{address} absent" if server is None else f"{address} weight {server.weight}"
