"""Configurations at the edge: equal and neighbouring addresses, extreme numbers; and packets to their VIPs."""

from __future__ import annotations

import ipaddress
import struct

EDGES = {
    4: (
        "0.0.0.0", "0.255.255.255", "1.0.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.254.0.0",
        "169.255.0.0", "223.255.255.255", "224.0.0.0", "239.255.255.255", "240.0.0.0", "255.255.255.255",
    ),
    6: (
        "::", "::1", "::2", "::ffff:ffff", "::1:0:0", "::fffe:ffff:ffff", "::ffff:0:0", "::ffff:ffff:ffff",
        "::1:0:0:0", "fe7f:ffff::", "fe80::", "febf:ffff::", "fec0::", "feff::", "ff00::", "ff02::1",
        "64:ff9b::102:304", "2002:102:304::1", "fc00::1",
    ),
}  # fmt: skip
"""Addresses on both sides of each bound that the check knows."""

NEAR = {4: "192.0.2.1", 6: "2001:db8::1"}
"""Where most addresses are; they differ by a few."""

TIMES = ("1ms", "10ms", "1s", "24h")
BUCKETS = (1, 2, 1024, 65536, 1 << 20, 1 << 21, 1 << 22, 1 << 23, 1 << 24)
LENGTHS = (1, 2, 4, 1024, 4096)


class OddConfigs:
    """A source of files, of which about half are valid."""

    def __init__(self, chance):
        self.chance = chance

    def text(self):
        """Return a file."""
        chance = self.chance
        backends = {f"b{n}": self._address() for n in range(chance.randint(1, 6))}
        lines = [
            "maglev:",
            "  vpp:",
            "    lb:",
            f"      ipv4-src-address: {self._address(4, source=True)}",
            f'      ipv6-src-address: "{self._address(6, source=True)}"',
            "      startup-min-delay: 0s",
            "      startup-max-delay: 0s",
            f"      sticky-buckets-per-core: {chance.choice(BUCKETS)}",
            f"      flow-timeout: {chance.choice(('1s', '40s', '120s'))}",
            "  backends:",
            *(f'    {name}: {{address: "{address}"}}' for name, address in backends.items()),
            "  frontends:",
        ]
        family = chance.choice((4, 6))
        names = [name for name, address in backends.items() if (":" in address) == (family == 6)] or list(backends)
        for number in range(chance.randint(1, 4)):
            lines += self._frontend(number, names)
        return "\n".join(lines) + "\n"

    def _frontend(self, number, names):
        chance = self.chance
        # A long table is leaked with its VIP.
        length = 65536 if chance.random() < 0.02 else chance.choice(LENGTHS)
        yield f"    f{number}:"
        yield f'      address: "{self._address()}"'
        if chance.random() < 0.4:
            port = chance.choice((1, 80, 4789, 65535))
            yield f"      protocol: {chance.choice(('tcp', 'udp'))}"
            yield f"      port: {port}"
        yield f"      src-ip-sticky: {chance.choice(('true', 'false'))}"
        yield f"      new-flows-table-length: {length}"
        yield "      pools:"
        for pool in range(chance.randint(1, 2)):
            some = chance.sample(names, chance.randint(1, len(names)))
            members = ", ".join(f"{name}: {{weight: {chance.choice((0, 1, 99, 100))}}}" for name in some)
            yield f"        - {{name: p{pool}, backends: {{{members}}}}}"

    def _address(self, family=0, *, source=False):
        chance = self.chance
        family = family or chance.choice((4, 6))
        if chance.random() < (0.02 if source else 0.04):
            return chance.choice(EDGES[family])
        steps = chance.choice((200, 201)) if source and chance.random() < 0.9 else chance.randint(-1, 16)
        return str(ipaddress.ip_address(NEAR[family]) + steps)


def packet_to(address, protocol, port):
    """Return the bytes of a packet from a client to a VIP: IP header, ports, and some more."""
    client = {4: "198.51.100.7", 6: "2001:db8:ffff::7"}
    to = ipaddress.ip_address(address)
    body = struct.pack(">HHHH", 40000, port or 443, 28, 0) + bytes(20)
    source = ipaddress.ip_address(client[to.version]).packed
    if to.version == 4:
        return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, protocol, 0) + source + to.packed + body
    return struct.pack(">IHBB", 6 << 28, len(body), protocol, 64) + source + to.packed + body


def inject(name, address, protocol, port):
    """Return the commands that make VPP route such a packet, as if it had come from outside."""
    data = packet_to(address, protocol, port)
    node = "ip6-lookup" if ":" in address else "ip4-lookup"
    size = len(data)
    return (
        f"packet-generator new {{ name {name} limit 3 node {node} size {size}-{size} data {{ hex 0x{data.hex()} }} }}",
        f"packet-generator enable-stream {name}",
        f"packet-generator delete {name}",
    )
