"""What VPP's lb plugin holds, as values: the common language of the planner, the API calls and the service.

Sources: VPP ``src/plugins/lb/lb.api``, ``lb.c``, ``api.c`` (26.10).
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, NamedTuple

import attrs

from maglev.model.addresses import bits, family
from maglev.model.config import Transport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maglev.model.config import Frontend, LbConf

PROTOCOLS: Final = {Transport.TCP: 6, Transport.UDP: 17}

ANY_PROTOCOL: Final = 255
"""IP protocol of an all-port VIP, in VPP's terms."""

MIN_TABLE_LENGTH: Final = 1
MAX_TABLE_LENGTH: Final = 1 << 20
"""VPP itself has no upper bound, and aborts on 0; more than this is never sent."""


class Encap(enum.IntEnum):
    """``lb_encap_type`` of lb.api. Only the two GRE kinds are ever programmed; the others are read."""

    GRE4 = 0
    GRE6 = 1
    L3DSR = 2
    NAT4 = 3
    NAT6 = 4


class VipKey(NamedTuple):
    """What identifies a VIP in VPP.

    Attributes:
        address: Canonical address, host bits masked.
        length: Prefix length in the family of the address: 32 or 128 for ours.
        protocol: IP protocol number; 255 for all ports.
        port: 0 for all ports.
    """

    address: str
    length: int
    protocol: int
    port: int

    def __str__(self) -> str:
        mask = "" if self.length == (128 if ":" in self.address else 32) else f"/{self.length}"
        if not self.port:
            return f"{self.address}{mask}"
        protocol = {6: "tcp", 17: "udp"}.get(self.protocol, str(self.protocol))
        shown = f"[{self.address}]" if family(self.address) == 6 else self.address
        return f"{protocol}://{shown}{mask}:{self.port}"


Prefix = tuple[str, int]
"""Address and length: what VIPs of different ports share."""


def key_of(frontend: Frontend) -> VipKey:
    """Return the key of a frontend's VIP."""
    protocol = ANY_PROTOCOL if frontend.transport is None else PROTOCOLS[frontend.transport]
    return VipKey(frontend.address, bits(frontend.address), protocol, frontend.l4_port)


def prefix_of(key: VipKey) -> Prefix:
    """Return the prefix of a VIP."""
    return key.address, key.length


@attrs.frozen
class ApplicationServer:
    """A backend as VPP knows it inside one VIP.

    Attributes:
        weight: 0..100 (VPP itself allows 255).
        buckets: Buckets of the new-flow table that point at it; 0 when unknown.
        flows: Flows that stick to it; None when VPP did not say. No part of equality: it changes with the traffic.
        dpo: Index of its route in the counters ``/net/route/via``; None when VPP did not say. No part of equality.
    """

    address: str
    weight: int
    buckets: int = 0
    flows: int | None = attrs.field(default=None, eq=False)
    dpo: int | None = attrs.field(default=None, eq=False)


@attrs.frozen
class Vip:
    """A VIP as VPP holds it.

    Attributes:
        src_ip_sticky: None when VPP did not say.
        table_length: Buckets of the new-flow table; 0 when VPP did not say.
        servers: The application servers in use, by address.
        pool_index: Column of its counters in the stats segment; None when VPP did not say.
    """

    key: VipKey
    encap: Encap
    src_ip_sticky: bool | None
    table_length: int
    servers: Mapping[str, ApplicationServer]
    pool_index: int | None = None


@attrs.frozen
class LbState:
    """Everything that the plugin holds at one moment."""

    conf: LbConf
    vips: Mapping[VipKey, Vip]


# Operations: what the planner asks for and the API calls do. Each is one message to VPP, or a line of a script.


@attrs.frozen
class AddVip:
    """Create a VIP without application servers."""

    key: VipKey
    encap: Encap
    src_ip_sticky: bool
    table_length: int

    def __str__(self) -> str:
        return f"add VIP {self.key} ({self.encap.name.lower()}, {self.table_length} buckets)"


@attrs.frozen
class DeleteVip:
    """Delete a VIP; its application servers go with it."""

    key: VipKey

    def __str__(self) -> str:
        return f"delete VIP {self.key}"


@attrs.frozen
class AddServer:
    """Add an application server to a VIP.

    Attributes:
        flush: Whether flows are forgotten that still stick to it from before it was deleted.
    """

    key: VipKey
    address: str
    weight: int
    flush: bool = False

    def __str__(self) -> str:
        flush = ", flush" if self.flush else ""
        return f"add {self.address} to {self.key} with weight {self.weight}{flush}"


@attrs.frozen
class SetWeight:
    """Change the weight of an application server in use.

    Attributes:
        previous: The weight that VPP is known to have, for the log and to tell raising from lowering.
        flush: Whether flows that stick to it are forgotten.
    """

    key: VipKey
    address: str
    weight: int
    previous: int
    flush: bool = False

    def __str__(self) -> str:
        flush = ", flush" if self.flush else ""
        return f"set weight of {self.address} in {self.key} from {self.previous} to {self.weight}{flush}"


@attrs.frozen
class DeleteServer:
    """Delete an application server from a VIP.

    Attributes:
        flush: Whether flows that stick to it are forgotten; without, they drain.
    """

    key: VipKey
    address: str
    flush: bool = True

    def __str__(self) -> str:
        flush = ", flush" if self.flush else ""
        return f"delete {self.address} from {self.key}{flush}"


Operation = AddVip | DeleteVip | AddServer | SetWeight | DeleteServer
