"""The calls of the lb plugin of a VPP before 26.10, over its command line.

The binary API of those has no weights, and mistakes IPv4 prefixes and encapsulations for others; what their command
line does was right all along. Commands travel in ``cli_inband`` messages, one each, and what VPP holds is read from
``show lb`` and ``show lb vips verbose``.

Without weights an application server is in a VIP or it is not. Weight 0 is an application server deleted without flush,
so that its flows drain; any other weight is one that is there. Which weights were asked for is remembered here and told
by `LbCli.read_state`, so that a sync sees no difference where none can be made.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred, fail, gatherResults, succeed

from maglev.errors import VppMissingError, VppProtocolError, VppRetvalError
from maglev.model import MAX_WEIGHT, LbConf
from maglev.vpp.clitext import parse_conf, parse_vips
from maglev.vpp.lb import Features, LbApi, VppApi, already_gone, cause
from maglev.vpp.lbstate import (
    AddServer,
    AddVip,
    ApplicationServer,
    DeleteServer,
    DeleteVip,
    LbState,
    SetWeight,
    Vip,
    VipKey,
)
from maglev.vpp.limits import check, check_conf
from maglev.vpp.messages import LB_PLUGIN_SIGNS, LB_REQUESTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twisted.python.failure import Failure

    from maglev.vpp.clitext import ShownVip
    from maglev.vpp.lbstate import Operation
    from maglev.vpp.protocol import VppProtocol

PROTOCOLS: Final = {6: "tcp", 17: "udp"}
"""The IP protocols that VPP's command line knows, by number."""

_CODE: Final = re.compile(r"error (-\d+)")


def lb_for(protocol: VppProtocol) -> LbApi | LbCli:
    """Return the calls that this VPP understands.

    Raises:
        VppMissingError: Its lb plugin is not loaded, or nothing that we know leads to it.
    """
    if not protocol.lists(*LB_PLUGIN_SIGNS):
        raise VppMissingError("this VPP has no lb plugin")
    if protocol.has(*LB_REQUESTS):
        return LbApi(protocol)
    if protocol.has("cli_inband"):
        return LbCli(protocol)
    raise VppMissingError("this VPP has an lb plugin, but no API of it that we know")


class LbCli(VppApi):
    """The lb plugin of a VPP that can't weigh its application servers.

    Attributes:
        features: What it can do.
    """

    def __init__(self, protocol: VppProtocol) -> None:
        super().__init__(protocol)
        self.features = Features(weights=False, src_ip_sticky=protocol.lists("lb_add_del_vip_v2"))
        self._weights: dict[tuple[VipKey, str], int] = {}
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

        return self._do(
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
        try:
            check(operation)
            name = _vip_name(operation.key)
        except ValueError:
            return fail()
        match operation:
            case AddVip():
                return self._add_vip(operation, name)
            case DeleteVip(key):
                self._forget(key)
                return self._do(f"lb vip {name} del").addErrback(already_gone)
            case AddServer(key, address, weight):
                return self._weigh(name, key, address, 0, weight, flush=False)
            case SetWeight(key, address, weight, previous, flush):
                return self._weigh(name, key, address, previous, weight, flush=flush)
            case DeleteServer(key, address, flush):
                self._weights.pop((key, address), None)
                return self._drop(name, address, flush=flush)

    # Writing

    def _add_vip(self, vip: AddVip, name: str) -> Deferred[None]:
        if vip.src_ip_sticky and not self.features.src_ip_sticky:
            return fail(VppMissingError("this VPP can't make a VIP stick to source addresses"))
        sticky = " src_ip_sticky" if vip.src_ip_sticky else ""
        self._forget(vip.key)
        return self._do(f"lb vip {name} encap {vip.encap.name.lower()} new_len {vip.table_length}{sticky}")

    def _weigh(
        self, name: str, key: VipKey, address: str, previous: int, weight: int, *, flush: bool
    ) -> Deferred[None]:
        self._weights[key, address] = weight
        if weight and previous:
            return succeed(None)
        if weight:
            return self._do(f"lb as {name} {address}")
        return self._drop(name, address, flush=flush) if previous or flush else succeed(None)

    def _drop(self, name: str, address: str, *, flush: bool) -> Deferred[None]:
        return self._do(f"lb as {name} {address} del{' flush' if flush else ''}").addErrback(already_gone)

    def _forget(self, key: VipKey) -> None:
        self._weights = {server: weight for server, weight in self._weights.items() if server[0] != key}

    def _do(self, command: str) -> Deferred[None]:
        return self.cli(command).addCallbacks(lambda _: None, _decode_refusal, errbackArgs=(command,))

    # Reading

    def _shown_conf(self, text: str) -> LbConf:
        shown = parse_conf(text)
        if shown is None:
            raise VppProtocolError("'show lb' does not show the settings of the lb plugin")
        sources = shown.ipv4_src_address, shown.ipv6_src_address
        # Sizes are shown of tables that exist, which are made for the first packet.
        told = self._conf
        if told is None or sources != (told.ipv4_src_address, told.ipv6_src_address):
            return LbConf(*sources, shown.buckets or 0, shown.timeout or 0)
        return LbConf(*sources, shown.buckets or told.sticky_buckets_per_core, shown.timeout or told.flow_timeout)

    def _vips(self, text: str) -> Mapping[VipKey, Vip]:
        return {vip.key: self._vip(vip) for vip in parse_vips(text)}

    def _vip(self, shown: ShownVip) -> Vip:
        servers = {
            address: ApplicationServer(address, 0)
            for (key, address), weight in self._weights.items()
            if key == shown.key and not weight
        }
        for each in shown.servers():
            weight = self._weights.get((shown.key, each.address)) or MAX_WEIGHT
            servers[each.address] = ApplicationServer(each.address, weight, each.buckets, each.flows, each.dpo)
        return Vip(shown.key, shown.encap, shown.src_ip_sticky, shown.table_length, servers, shown.pool_index)


def _vip_name(key: VipKey) -> str:
    """Return a VIP as VPP's command line names it.

    Raises:
        ValueError: The command line can't name it.
    """
    if not key.port:
        return f"{key.address}/{key.length}"
    if key.protocol not in PROTOCOLS:
        message = f"VPP's command line has no word for IP protocol {key.protocol}"
        raise ValueError(message)
    return f"{key.address}/{key.length} protocol {PROTOCOLS[key.protocol]} port {key.port}"


def _decode_refusal(failure: Failure, command: str) -> None:
    """Give the refusal of a command the code that its text has: an errback."""
    failure.trap(VppRetvalError)
    code = _CODE.search(str(failure.value))
    if code is None:
        failure.raiseException()
    else:
        raise VppRetvalError(" ".join(command.split()[:2]), int(code[1])) from failure.value
