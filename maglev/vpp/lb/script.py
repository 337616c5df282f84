"""Several writes as one script of VPP's command line, sent in one message.

VPP runs a whole ``cli_inband`` message while its workers stand at the barrier, so they see all of a script or nothing
of it (``vlibmemory/memory_api.c``, ``msg_handler_internal``: the message is not marked as safe for threads). And one
line can name many application servers, for which VPP rebuilds the table of new flows once instead of once for each.
Both together make two things possible that single messages can't do:

* A VIP is deleted and recreated without a moment in which it is missing.
* The weights of many application servers change in two or three rebuilds. ``lb as`` of servers that are in use would
  set one weight after the other; so they are deleted and added again, by two lines of one script. Deleting without
  flush leaves the flows where they are, and adding takes the same slot again (``lb_vip_add_ass``).

VPP runs the lines in order and stops at the first that fails: what a VIP loses by one line, the next ones give back to
it before anything is said about another VIP, where VPP allows that (see ``remaking`` in the sync). Every command here
has arguments on its own line: one without would swallow the next line.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from maglev.vpp.lb.state import AddServer, AddVip, DeleteServer, DeleteVip, SetWeight

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from maglev.vpp.lb.state import Operation, VipKey

PROTOCOLS: Final = {6: "tcp", 17: "udp"}
"""The IP protocols that VPP's command line knows, by number."""


def has_name(key: VipKey) -> bool:
    """Return whether VPP's command line can name a VIP: all of ours, but not all that others may have made."""
    return not key.port or key.protocol in PROTOCOLS


def vip_name(key: VipKey) -> str:
    """Return a VIP as VPP's command line names it.

    Raises:
        ValueError: The command line can't name it.
    """
    if not key.port:
        return f"{key.address}/{key.length}"
    if key.protocol not in PROTOCOLS:
        message = f"VPP's command line does not support IP protocol {key.protocol}"
        raise ValueError(message)
    return f"{key.address}/{key.length} protocol {PROTOCOLS[key.protocol]} port {key.port}"


def add_vip(vip: AddVip) -> str:
    """Return the command that adds a VIP."""
    sticky = " src_ip_sticky" if vip.src_ip_sticky else ""
    return f"lb vip {vip_name(vip.key)} encap {vip.encap.name.lower()} new_len {vip.table_length}{sticky}"


def script(operations: Sequence[Operation], *, weights: bool) -> str:
    """Return the script that does all these operations, in lines.

    The order of the VIPs is kept. What is said in a row about one VIP is its deletion, its addition and the changes of
    its servers, those of one kind in one line.

    Args:
        operations: No two about the same server; every weight that is set is of a server in use.
        weights: Whether this VPP has weights; without, a server is added with the only weight there is, and weights
            can't be set.

    Raises:
        ValueError: The command line can't say this.
    """
    lines: list[str] = []
    for key, group in groupby(operations, _key):
        of_vip = list(group)
        lines += _deletions(of_vip)
        lines += (add_vip(each) for each in of_vip if isinstance(each, AddVip))
        lines += _changes(key, of_vip, weights=weights)
    return "\n".join(lines)


def _key(operation: Operation) -> VipKey:
    return operation.key


def _deletions(operations: Sequence[Operation]) -> Iterator[str]:
    for operation in operations:
        if isinstance(operation, DeleteVip):
            name = vip_name(operation.key)
            # A VIP lingers in VPP, out of sight, for as long as flow slots point at its servers: flows first.
            yield f"lb flush vip {name}"
            yield f"lb vip {name} del"


def _changes(key: VipKey, operations: Sequence[Operation], *, weights: bool) -> Iterator[str]:
    begin = f"lb as {vip_name(key)}"
    for flush in (False, True):
        gone = [each.address for each in operations if isinstance(each, DeleteServer) and each.flush is flush]
        if gone:
            yield f"{begin} {' '.join(gone)} del{' flush' if flush else ''}"
    changed = [each.address for each in operations if isinstance(each, SetWeight)]
    if changed and not weights:
        message = "this VPP does not support weights"
        raise ValueError(message)
    if changed:
        yield f"{begin} {' '.join(changed)} del"
    groups: dict[tuple[int, bool], list[str]] = {}
    for each in operations:
        if isinstance(each, AddServer | SetWeight):
            groups.setdefault((each.weight, each.flush), []).append(each.address)
    for (weight, flush), addresses in groups.items():
        yield f"{begin} {' '.join(addresses)}{f' weight {weight}' if weights else ''}{' flush' if flush else ''}"
