"""The commands of the lb plugin: what they accept, what they do, what they print.

Source: VPP ``src/plugins/lb/cli.c`` and the output of a running VPP 26.10.
"""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, Final

from maglev.vppsim import show
from maglev.vppsim.balancer import OK, VALUE_EXIST
from maglev.vppsim.vip import ANY_PROTOCOL, NewVip, SimVipKey, VipType, is_ip4_prefix

if TYPE_CHECKING:
    from maglev.vppsim.boot import Boot

_PROTOCOLS: Final = {"tcp": 6, "udp": 17}

_TYPES: Final = {
    (True, "gre4"): VipType.IP4_GRE4,
    (True, "gre6"): VipType.IP4_GRE6,
    (True, "l3dsr"): VipType.IP4_L3DSR,
    (True, "nat4"): VipType.IP4_NAT4,
    (False, "gre4"): VipType.IP6_GRE4,
    (False, "gre6"): VipType.IP6_GRE6,
    (False, "nat6"): VipType.IP6_NAT6,
}

_IP4: Final = r"\d{1,3}(?:\.\d{1,3}){3}"
_IP6: Final = r"[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*"


class CommandError(Exception):
    """A command failed; the text is what VPP prints."""


class Arguments:
    """The rest of a command line, read from the left. As in VPP, what is looked for may be the start of a word only."""

    def __init__(self, text: str) -> None:
        self.rest = text.strip()

    def take(self, pattern: str) -> str | None:
        """Take what matches a pattern, and return its last group (or all of it)."""
        found = re.match(rf"{pattern}\s*", self.rest)
        if found is None:
            return None
        self.rest = self.rest[found.end() :]
        return found[found.lastindex or 0]

    def number(self, name: str, *, signed: bool = True) -> int | None:
        """Take a name and a number, as 32 bits; only a signed one may be negative."""
        text = self.take(rf"{name}\s+({'-?' if signed else ''}\d{{1,10}})")
        return None if text is None else int(text) & 0xFFFFFFFF

    def address(self) -> bytes | None:
        """Take an address, as 16 bytes."""
        address = self.named("", _IP4)
        return self.named("", _IP6) if address is None else address

    def named(self, name: str, pattern: str) -> bytes | None:
        """Take what matches a name, and an address behind it, as 16 bytes."""
        before = self.rest
        address = _packed(self.take(f"{name}({pattern})") or "")
        if address is None:
            self.rest = before
        return address

    def prefix(self) -> tuple[bytes, int] | None:
        """Take a prefix, as 16 bytes and the length in 128 bits."""
        before = self.rest
        text = self.take(rf"({_IP4}/\d{{1,3}})") or self.take(rf"({_IP6}/\d{{1,3}})")
        address, _, length = (text or "").partition("/")
        packed, bits = _packed(address), 0 if ":" in address else 96
        if packed is None or int(length) + bits > 128:
            self.rest = before
            return None
        return packed, int(length) + bits

    def end(self) -> None:
        """Make sure that nothing is left.

        Raises:
            CommandError: Something is.
        """
        if self.rest:
            message = f"parse error: '{self.rest}'"
            raise CommandError(message)


def _packed(text: str) -> bytes | None:
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    try:
        return socket.inet_pton(family, text).rjust(16, b"\0")
    except OSError:
        return None


class LbCommands:
    """The commands of the lb plugin in one life of VPP. Each takes the rest of its line and returns its output.

    All raise `CommandError` when they fail.
    """

    def __init__(self, boot: Boot) -> None:
        self._boot = boot
        self._balancer = boot.balancer
        self._weighted = boot.release.has_weights

    def show_lb(self, _line: str) -> str:
        """Show the global settings."""
        return show.settings(self._balancer)

    def show_vips(self, line: str) -> str:
        """Show the VIPs; releases before 26.10 showed nothing without ``verbose``."""
        if line.startswith("verbose"):
            return "".join(
                show.vip_block(self._balancer, vip, self._boot.counts_of(vip.index), weighted=self._weighted)
                for vip in self._balancer.shown()
            )
        return "".join(show.vip_line(vip) for vip in self._balancer.shown()) if self._weighted else ""

    def conf(self, line: str) -> str:
        """Change the global settings; what is not named stays as it is."""
        if not line.strip():
            return ""
        arguments, conf = Arguments(line), self._balancer.conf
        ip4, ip6, buckets, timeout = conf.ip4_source, conf.ip6_source, conf.buckets, conf.timeout
        while arguments.rest:
            if (address := arguments.named(r"ip4-src-address\s+", _IP4)) is not None:
                ip4 = address[12:]
            elif (address := arguments.named(r"ip6-src-address\s+", _IP6)) is not None:
                ip6 = address
            elif (number := arguments.number("buckets")) is not None:
                buckets = number
            elif (number := arguments.number("buckets-log2")) is not None:
                buckets = _power_of_two(number)
            elif (number := arguments.number("timeout")) is not None:
                timeout = number
            else:
                arguments.end()
        self._balancer.collect()
        retval = self._balancer.configure(ip4, ip6, buckets, timeout)
        self._boot.record("lb conf", f"lb conf {line}", None, (), retval)
        return _output(retval, "lb_conf error")

    def vip(self, line: str) -> str:
        """Add or delete a VIP."""
        if not line.strip():
            return ""
        arguments = Arguments(line)
        prefix = arguments.prefix()
        if prefix is None:
            message = f"invalid vip prefix: '{arguments.rest}'"
            raise CommandError(message)
        options = self._vip_options(arguments)
        key = _key(prefix, options)
        type_ = _vip_type(key, options)
        self._balancer.collect()
        if "del" in options:
            return self._delete_vip(key, line)
        option = options.get("dscp", 0) if type_ is VipType.IP4_L3DSR else options.get("nodeport", 0)
        new = NewVip(
            key, type_, options.get("new_len", 1024), "src_ip_sticky" in options, option, options.get("target_port", 0)
        )
        retval, index = self._balancer.add_vip(new)
        self._boot.record("lb vip", f"lb vip {line}", key, (), retval)
        return _output(retval, "lb_vip_add error", f"lb_vip_add ok {index}\n")

    def servers(self, line: str) -> str:
        """Add servers, delete them, or change their weight."""
        if not line.strip():
            return ""
        arguments = Arguments(line)
        prefix = arguments.prefix()
        if prefix is None:
            message = f"invalid as address: '{arguments.rest}'"
            raise CommandError(message)
        addresses, options = self._server_options(arguments)
        key = _key(prefix, options)
        _check_weight(options)
        if self._balancer.find(key) is None:
            _output(-6, "lb_vip_find_index error")
        if not addresses:
            message = "No AS address provided"
            raise CommandError(message)
        retval, call = self._change(key, addresses, options)
        self._boot.record("lb as", f"lb as {line}", key, addresses, retval)
        return _output(retval, f"{call} error")

    def flush(self, line: str) -> str:
        """Forget the flows of a VIP. VPP reads on for ever at a word that it does not know; here that is an error."""
        if not line.strip():
            return ""
        arguments = Arguments(line)
        prefix = arguments.prefix()
        if prefix is None:
            message = f"invalid vip prefix: '{arguments.rest}'"
            raise CommandError(message)
        options: dict[str, int] = {}
        while arguments.rest:
            if not _take_port(arguments, options):
                arguments.end()
        key = _key(prefix, options)
        vip = self._balancer.find(key)
        if vip is None:
            return _output(-6, "lb_vip_find_index error")
        retval = self._balancer.flush(key)
        self._boot.record("lb flush vip", f"lb flush vip {line}", key, (), retval)
        return f"lb_flush_vip ok {vip.index}\n"

    # Implementation

    def _vip_options(self, arguments: Arguments) -> dict[str, int]:
        options: dict[str, int] = {}
        while arguments.rest:
            if _take_port(arguments, options):
                continue
            if (number := arguments.number("new_len")) is not None:
                options["new_len"] = number
            elif arguments.take("del"):
                options["del"] = 1
            elif self._boot.release.has_sticky and arguments.take("src_ip_sticky"):
                options["src_ip_sticky"] = 1
            elif encap := arguments.take(r"encap\s+(gre4|gre6|l3dsr|nat4|nat6)"):
                options["encap"] = ("gre4", "gre6", "l3dsr", "nat4", "nat6").index(encap)
            elif (number := arguments.number("dscp")) is not None:
                options["dscp"] = number
            elif kind := arguments.take(r"type\s+(clusterip|nodeport)"):
                options["nodeport"] = int(kind == "nodeport")
            elif (number := arguments.number("target_port")) is not None:
                options["target_port"] = number & 0xFFFF
            else:
                arguments.end()
        return options

    def _server_options(self, arguments: Arguments) -> tuple[list[bytes], dict[str, int]]:
        addresses: list[bytes] = []
        options: dict[str, int] = {}
        while arguments.rest:
            if (address := arguments.address()) is not None:
                addresses.append(address)
            elif _take_port(arguments, options):
                pass
            elif self._weighted and (number := arguments.number("weight", signed=False)) is not None:
                options["weight"] = number
            elif arguments.take("del"):
                options["del"] = 1
            elif arguments.take("flush"):
                options["flush"] = 1
            else:
                arguments.end()
        return addresses, options

    def _delete_vip(self, key: SimVipKey, line: str) -> str:
        if self._balancer.find(key) is None:
            return _output(-6, "lb_vip_find_index error")
        retval = self._balancer.delete_vip(key)
        self._boot.record("lb vip", f"lb vip {line}", key, (), retval)
        return _output(retval, "lb_vip_del error")

    def _change(self, key: SimVipKey, addresses: list[bytes], options: dict[str, int]) -> tuple[int, str]:
        """Do what ``lb as`` asks for; return the retval, and the call that it is of."""
        flush = "flush" in options
        if "del" in options:
            return self._balancer.delete_servers(key, addresses, flush=flush), "lb_vip_del_ass"
        weight = options.get("weight", 100)
        retval = self._balancer.add_servers(key, addresses, weight, flush=flush)
        if retval != VALUE_EXIST or "weight" not in options:
            return retval, "lb_vip_add_ass"
        for address in addresses:
            if retval := self._balancer.set_weight(key, address, weight, flush=flush):
                return retval, "lb_vip_set_as_weight"
        return OK, ""


def _power_of_two(exponent: int) -> int:
    if exponent >= 32:
        message = "buckets-log2 value is too high"
        raise CommandError(message)
    return 1 << exponent


def _take_port(arguments: Arguments, options: dict[str, int]) -> bool:
    if protocol := arguments.take(r"protocol\s+(tcp|udp)"):
        options["protocol"] = _PROTOCOLS[protocol]
        return True
    port = arguments.number("port")
    if port is not None:
        options["port"] = port & 0xFFFF
    return port is not None


def _key(prefix: tuple[bytes, int], options: dict[str, int]) -> SimVipKey:
    port = options.get("port", 0)
    return SimVipKey(*prefix, options.get("protocol", 0) if port else ANY_PROTOCOL, port)


def _vip_type(key: SimVipKey, options: dict[str, int]) -> VipType:
    is_ip4 = is_ip4_prefix(key.prefix, key.length)
    encap = ("gre4", "gre6", "l3dsr", "nat4", "nat6")[options.get("encap", 0)]
    if encap != "l3dsr" and "dscp" in options:
        message = "lb_vip_add error: should not configure dscp for none L3DSR."
        raise CommandError(message)
    if encap == "l3dsr" and options.get("dscp", 64) >= 64:
        message = "lb_vip_add error: dscp for L3DSR should be less than 64."
        raise CommandError(message)
    if encap == ("nat6" if is_ip4 else "nat4"):
        message = f"currently does not support {'NAT46' if is_ip4 else 'NAT64'}"
        raise CommandError(message)
    # L3DSR on an IPv6 prefix: VPP reads what happened to be in memory; the plugin refuses the wrong family.
    return _TYPES.get((is_ip4, encap), VipType.IP4_L3DSR)


def _check_weight(options: dict[str, int]) -> None:
    if options.get("weight", 0) > 100:
        message = "weight must be between 0 and 100"
        raise CommandError(message)
    if "weight" in options and "del" in options:
        message = "weight and del are mutually exclusive"
        raise CommandError(message)


def _output(retval: int, error: str, output: str = "") -> str:
    """Return the output of a command that succeeded, or raise with the number if it did not."""
    if retval:
        message = f"{error} {retval}"
        raise CommandError(message)
    return output
