"""The order in which the VIPs of a prefix are made again, if VPP may stop halfway.

All of it is one script where possible (`maglev.vpp.lb.script`), and VPP leaves out what follows a line that it refuses,
as it does when somebody else has written meanwhile. So a VIP that serves is deleted as late as possible, and what it
needs to serve again follows at once; VIPs that are new come last, because it is they that may be there already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.vpp.lb.state import DeleteVip
from maglev.vpp.sync.plan import excludes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from maglev.vpp.lb.state import Operation, Vip, VipKey
    from maglev.vpp.sync.plan import AddressPlan, WantedVip


def remaking(plan: AddressPlan, wanted: Mapping[VipKey, WantedVip], held: Mapping[VipKey, Vip]) -> Iterator[Operation]:
    """Yield what belongs together if anything has to be deleted first: that, and all that is added.

    Args:
        plan: What has to be done on a prefix.
        wanted: What it was made from.
        held: What VPP is known to hold there.
    """
    left = {key: held[key] for key in plan.clearing}
    for key in sorted(plan.added, key=lambda key: key not in plan.recreated):
        for other in [other for other, vip in left.items() if other == key or excludes(vip, wanted[key])]:
            del left[other]
            yield DeleteVip(other)
        yield from plan.vips[key]
