"""The rules for addresses of different kinds, on records: what VPP does with the combination.

VPP sends a packet for a VIP on to a server in a GRE packet, from one of its two source addresses to the address of the
server. If that is the address of a VIP, the packet comes back to the load balancer. A VIP for all ports takes it and
sends it on again: back to itself, or to another VIP that leads back to it, until VPP dies of it (SIGSEGV). A VIP for
one port drops it, and counts it for nobody (seen with 26.10). A packet to a source address of VPP itself, or from an
address that is somebody else's, goes astray.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.config.reader import BROKEN
from maglev.model.addresses import LOOPBACK, misfit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maglev.config.findings import Findings
    from maglev.config.reader import Record

_SOURCES = ("ipv4-src-address", "ipv6-src-address")


def check_pairs(maglev: Record, findings: Findings) -> None:
    """Check that no backend, frontend and source of VPP have one address."""
    sources = dict(_sources(maglev))
    frontends: dict[str, Record] = {}
    loopbacks: list[Record] = []
    for record in _addressed(maglev, "frontends"):
        frontends.setdefault(record["address"], record)
        if record["address"] in sources:
            _report(record, f"{_source(sources, record)}: expected an address for this frontend alone", findings)
    for record in _addressed(maglev, "backends"):
        address = record.values["address"]
        if address in frontends:
            other = frontends[address]
            text = f"{address} is the address of {other.path} ({findings.where(other.place.line)}), so VPP would send "
            text += "the packets to itself: expected the address of a server"
            _report(record, text, findings)
        elif address in sources:
            _report(record, f"{_source(sources, record)}: expected the address of a server", findings)
        elif misfit(address) == LOOPBACK:
            loopbacks.append(record)
    if loopbacks:
        text = f"{loopbacks[0]['address']} is {LOOPBACK}: VPP has no route to it, only a simulated VPP can use it"
        text += f" (and those of {len(loopbacks) - 1} more backends)" if len(loopbacks) > 1 else ""
        findings.warning(f"{loopbacks[0].path}.address", text, loopbacks[0].place_of("address"))


def _sources(maglev: Record) -> Iterator[tuple[str, str]]:
    """Yield the sources that are known, with the names of their keys."""
    if maglev["vpp"] is BROKEN or maglev["vpp"]["lb"] is BROKEN:
        return
    lb = maglev["vpp"]["lb"]
    for name in _SOURCES:
        if lb.sound(name) and lb[name] is not None:
            yield lb[name], name


def _addressed(maglev: Record, section: str) -> Iterator[Record]:
    """Yield the records whose address is known."""
    for _, record in maglev.records(section):
        address = record.values["address"]
        if address is not BROKEN and address is not None:
            yield record


def _source(sources: dict[str, str], record: Record) -> str:
    return f"{record['address']} is maglev.vpp.lb.{sources[record['address']]}"


def _report(record: Record, text: str, findings: Findings) -> None:
    findings.semantic(f"{record.path}.address", text, record.place_of("address"))
