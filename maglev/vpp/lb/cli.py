"""The calls of the lb plugin of a VPP before 26.10, over its command line.

Their binary API has no weights, and misreads IPv4 prefixes and encapsulations; their command line is right. Commands
travel in ``cli_inband`` messages, one each, and what VPP holds is read from ``show lb`` and ``show lb vips verbose``.

Without weights, an application server is in a VIP or it is not: it is added with weight 100, whatever was requested,
and its weight can't be set. `maglev.vpp.sync.plan.fitted` maps desired weights to that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, fail, gatherResults

from maglev.model.config import MAX_WEIGHT, LbConf
from maglev.model.errors import VppMissingError, VppProtocolError
from maglev.vpp.api.messages import LB_PLUGIN_SIGNS, LB_REQUESTS
from maglev.vpp.lb.calls import Features, LbApi, LbPlugin, cause
from maglev.vpp.lb.cli_text import parse_conf, parse_vips
from maglev.vpp.lb.limits import check_conf
from maglev.vpp.lb.state import AddVip, ApplicationServer, LbState, Vip

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maglev.vpp.api.protocol import VppProtocol
    from maglev.vpp.lb.cli_text import ShownVip
    from maglev.vpp.lb.state import Operation, VipKey


def lb_for(protocol: VppProtocol) -> LbApi | LbCli:
    """Return the calls that this VPP understands.

    Raises:
        VppMissingError: Its lb plugin is not loaded, or has no API that we know.
    """
    if not protocol.lists(*LB_PLUGIN_SIGNS):
        raise VppMissingError("VPP has no lb plugin loaded")
    if protocol.has(*LB_REQUESTS):
        return LbApi(protocol)
    if protocol.has("cli_inband"):
        return LbCli(protocol)
    raise VppMissingError("VPP's lb plugin has no API that maglevd supports")


class LbCli(LbPlugin):
    """The lb plugin of a VPP that can't weigh its application servers.

    Attributes:
        features: What it can do.
    """

    def __init__(self, protocol: VppProtocol) -> None:
        super().__init__(protocol)
        self.features = Features(weights=False, src_ip_sticky=protocol.lists("lb_add_del_vip_v2"))
        self._conf: LbConf | None = None

    def read_conf(self) -> Deferred[LbConf]:
        """Read the global settings. Buckets and timeout are 0 if neither VPP nor `write_conf` has told them."""
        return self.cli("show lb").addCallback(self._shown_conf)

    def write_conf(self, conf: LbConf) -> Deferred[None]:
        """Write the global settings."""
        try:
            check_conf(conf)
        except ValueError:
            return fail()

        def written(_: None) -> None:
            self._conf = conf

        return self.command(
            f"lb conf ip4-src-address {conf.ipv4_src_address} ip6-src-address {conf.ipv6_src_address}"
            f" buckets {conf.sticky_buckets_per_core} timeout {conf.flow_timeout}"
        ).addCallback(written)

    def read_state(self) -> Deferred[LbState]:
        """Read everything that the plugin holds; what is deleted but not collected yet is left out."""
        with self.protocol.together():
            parts: list[Deferred[Any]] = [self.read_conf(), self.cli("show lb vips verbose").addCallback(self._vips)]
        return gatherResults(parts, consumeErrors=True).addCallbacks(lambda results: LbState(*results), cause)

    def apply(self, operation: Operation) -> Deferred[None]:
        """Do one write."""
        return self.apply_at_once([operation])

    def apply_at_once(self, operations: Sequence[Operation]) -> Deferred[None]:
        """Do several writes in one message."""
        if not self.features.src_ip_sticky and any(isinstance(e, AddVip) and e.src_ip_sticky for e in operations):
            return fail(VppMissingError("this VPP does not support src-ip-sticky"))
        return super().apply_at_once(operations)

    # Reading

    def _shown_conf(self, text: str) -> LbConf:
        shown = parse_conf(text)
        if shown is None:
            raise VppProtocolError("'show lb' does not show the settings of the lb plugin")
        sources = shown.ipv4_src_address, shown.ipv6_src_address
        # Sizes are shown of tables that exist, which are made for the first packet.
        known = self._conf
        if known is None or sources != (known.ipv4_src_address, known.ipv6_src_address):
            return LbConf(*sources, shown.buckets or 0, shown.timeout or 0)
        return LbConf(*sources, shown.buckets or known.sticky_buckets_per_core, shown.timeout or known.flow_timeout)

    def _vips(self, text: str) -> Mapping[VipKey, Vip]:
        return {vip.key: self._vip(vip) for vip in parse_vips(text)}

    def _vip(self, shown: ShownVip) -> Vip:
        servers = {
            each.address: ApplicationServer(each.address, MAX_WEIGHT, each.buckets, each.flows, each.dpo)
            for each in shown.servers()
        }
        return Vip(shown.key, shown.encap, shown.src_ip_sticky, shown.table_length, servers, shown.pool_index)
