"""How many flows stick to application servers: what a drain waits for.

VPP shows a count for each server of each VIP (``show lb vips verbose``). It is an upper bound: a flow that has timed
out is counted until another flow takes its place in the flow table, which on a quiet day may be never. The packets
that VPP sends to the server tell more: without any for as long as flows live, there are none.

Source: ``lb_hash_get`` and ``lb_hash_put`` in ``src/plugins/lb/lbhash.h``, and their use in ``node.c``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

from maglev.vpp.lb.cli_text import parse_vips

if TYPE_CHECKING:
    from collections.abc import Awaitable, Generator, Mapping
    from collections.abc import Set as AbstractSet

    from maglev.runtime.cooperator import WorkQueue
    from maglev.vpp.lb.state import VipKey


class ICommandLine(Protocol):
    """VPP's command line."""

    def cli(self, command: str) -> Awaitable[str]:
        """Run a command."""


@attrs.frozen
class ServerFlows:
    """The flows of an application server in one VIP.

    Attributes:
        flows: How many there are at most.
        serves: Whether it gets new ones.
    """

    flows: int = 0
    serves: bool = False


Flows = dict["VipKey", dict[str, ServerFlows]]
"""The flows by VIP and by address; a VIP that VPP does not have is not there."""


async def read_flows(work: WorkQueue, lb: ICommandLine, wanted: Mapping[VipKey, AbstractSet[str]]) -> Flows:
    """Ask VPP for the flows of some servers of some VIPs.

    Raises:
        VppError: VPP did not answer, or can't show them.
    """
    text = await lb.cli("show lb vips verbose")
    return await work.run(_read_steps(text, wanted))


def _read_steps(text: str, wanted: Mapping[VipKey, AbstractSet[str]]) -> Generator[None, None, Flows]:
    found: Flows = {}
    for vip in parse_vips(text):
        addresses = wanted.get(vip.key)
        if addresses is not None:
            servers = found.setdefault(vip.key, {})
            for address, serves, flows in vip.flows():
                if address in addresses:
                    # The same server may be there twice: as it is, and as it was before it was deleted.
                    before = servers.get(address, ServerFlows())
                    servers[address] = ServerFlows(before.flows + flows, before.serves or serves)
        yield
    return found
