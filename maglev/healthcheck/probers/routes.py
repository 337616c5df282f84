"""Asks the kernel whether the way to a backend that did not answer leaves this machine at all.

When the cable, the switch or the other end of a link fails, every backend behind it goes silent, and the kernel says
nothing about it to sockets: probes time out, or end with "host unreachable" as nobody answers ARP. That says nothing
about the backends. So a probe without an answer counts only if some link that the route to the backend goes over is
operational (RFC 2863 ``ifOperStatus``; ``IFF_RUNNING`` in netdevice(7)). No carrier, a VLAN whose lower link is down,
and a dormant link (802.1X, LACP) are all the same here.

It takes one request to rtnetlink(7), which the kernel answers before `send` returns, and two ioctls; none of them waits
for the lock that changes of links hold. Only probes without an answer pay for it. Whatever goes wrong here, the result
of the probe stands.
"""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
from typing import TYPE_CHECKING, Final

from maglev.healthcheck.probers.faults import ProbeError
from maglev.model.result import LocalFault
from maglev.model.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maglev.healthcheck.probers.sockets import Destination, SocketAddress, SocketOpener

NO_ROUTE: Final = LocalFault("network", "no route")

# linux/netlink.h, linux/rtnetlink.h, linux/sockios.h, linux/if.h
_KIND: Final = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
_NETLINK_ROUTE: Final = 0
_HEADER: Final = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_ROUTE: Final = struct.Struct("=8BI")  # rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags
_ATTRIBUTE: Final = struct.Struct("=HH")  # rtattr: length, type
_NEXT_HOP: Final = struct.Struct("=HBBi")  # rtnexthop: length, flags, hops, index
_NUMBER: Final = struct.Struct("=i")
_INTERFACE: Final = struct.Struct("=16si20x")  # ifreq with an index
_NLMSG_ERROR: Final = 2
_RTM_NEWROUTE: Final = 24
_RTM_GETROUTE: Final = 26
_NLM_F_REQUEST: Final = 1
_RTM_F_FIB_MATCH: Final = 0x2000
"""Return the route with all its next hops, and not the one next hop that a packet without ports would take."""
_RTN_UNICAST: Final = 1
_RTN_LOCAL: Final = 2
_RTA_DST: Final = 1
_RTA_SRC: Final = 2
_RTA_OIF: Final = 4
_RTA_MULTIPATH: Final = 9
# linux/netconf.h
_NETCONF: Final = struct.Struct("=B3x")  # netconfmsg: family
_RTM_NEWNETCONF: Final = 80
_RTM_GETNETCONF: Final = 82
_NETCONFA_IFINDEX: Final = 1
_NETCONFA_RP_FILTER: Final = 3
_EVERY_LINK: Final = -1
_STRICT: Final = 1
_SIOCGIFNAME: Final = 0x8910
_SIOCGIFFLAGS: Final = 0x8913
_IFF_RUNNING: Final = 0x40
_ANSWER_SIZE: Final = 16384
_NO_ROUTES: Final = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH})
"""Without a route, or with one of type ``unreachable``."""


class Routes:
    """The routes of the namespace that probes run in."""

    def __init__(self, opener: SocketOpener) -> None:
        """Prepare; a socket is opened when it is first needed.

        Args:
            opener: Opens it where the probes belong.
        """
        self._opener = opener
        self._socket: socket.SocketType | None = None
        self._namespace: tuple[int, int] | None = None
        self._sequence = 0

    def fault_towards(self, destination: Destination) -> LocalFault | None:
        """Return why no probe can reach a backend now, if it is for this machine; None if one can, or nobody knows."""
        try:
            return self._link_fault(destination)
        except (OSError, ProbeError, struct.error):
            self.close()
            return None

    def fault_of_answers(self, vip: Destination, backend: Destination) -> LocalFault | None:
        """Return why answers of a backend from a VIP can't arrive here, if it is for this machine.

        The kernel drops a packet whose source is an address of its own. It also drops one over IPv4 that came by a link
        by which nothing would go back (``rp_filter``, RFC 3704), unless that is off; where it is loose, there has to be
        a route back at all. The link by which answers come is that of the route to the backend.

        Args:
            vip: The VIP.
            backend: The backend itself.
        """
        try:
            back = self._ask(question(vip, self._next()))
            if back is not None and _kind_of(back) == _RTN_LOCAL:
                return LocalFault("tunnel", f"{vip.address[0]} is an address of this machine: its answers are dropped")
            if vip.family == socket.AF_INET:
                ways = [] if back is None else links_of(back)
                filtered = self._filtered(self._links(backend) or [], ways)
                if filtered:
                    return LocalFault("tunnel", f"rp_filter of {filtered} drops answers from {vip.address[0]}")
            return self._link_fault(backend)
        except (OSError, ProbeError, struct.error):
            self.close()
            return None

    def close(self) -> None:
        """Close the socket; the next question opens another one."""
        opened, self._socket = self._socket, None
        if opened is not None:
            opened.close()

    def _link_fault(self, destination: Destination) -> LocalFault | None:
        links = self._links(destination)
        if links is None:
            return NO_ROUTE
        names = [name for name, runs in map(self._state, links) if not runs]
        if not names or len(names) < len(links):
            return None  # on this machine, or another link of the same route is well
        return LocalFault("network", f"link not operational: {printable(', '.join(names))}")

    def _links(self, destination: Destination) -> list[int] | None:
        """Return the links that the route goes over; empty if it does not leave this machine, None without a route."""
        answer = self._ask(question(destination, self._next()))
        return None if answer is None else links_of(answer)

    def _filtered(self, links: list[int], ways: list[int]) -> str:
        """Return the name of the link that drops what would go back by other ways; empty if one does not."""
        every = self._reverse_filter(_EVERY_LINK)
        for link in links:
            strict = max(every, self._reverse_filter(link))
            if not strict or (link in ways if strict == _STRICT else ways):
                return ""
        return self._state(links[0])[0] if links else ""

    def _reverse_filter(self, link: int) -> int:
        """Return ``rp_filter`` of a link: 0 is off, 1 strict, 2 loose."""
        answer = self._ask(_filter_question(link, self._next()))
        if answer is None or _HEADER.unpack_from(answer)[1] != _RTM_NEWNETCONF:
            return 0
        values = dict(_attributes(answer[_HEADER.size + _NETCONF.size :]))
        found = values.get(_NETCONFA_RP_FILTER)
        return 0 if found is None else int(_NUMBER.unpack(found)[0])

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    def _ask(self, request: bytes) -> bytes | None:
        """Return the answer to a request; None without a route.

        Raises:
            OSError: The kernel did not answer.
        """
        opened = self._opened()
        opened.send(request)
        while True:
            answer = opened.recv(_ANSWER_SIZE)
            _length, kind, _flags, sequence, _port = _HEADER.unpack_from(answer)
            if sequence == self._sequence:
                break  # what is older belongs to a question that failed half way
        if kind == _NLMSG_ERROR:
            number = -_NUMBER.unpack_from(answer, _HEADER.size)[0]
            if number in _NO_ROUTES:
                return None
            raise OSError(number, "no answer about a route")
        return answer

    def _state(self, link: int) -> tuple[str, bool]:
        """Return the name of a link, and whether it is operational."""
        opened = self._opened()
        request = fcntl.ioctl(opened, _SIOCGIFNAME, _INTERFACE.pack(b"", link))
        name = request[:16].split(b"\0")[0]
        flags = fcntl.ioctl(opened, _SIOCGIFFLAGS, _INTERFACE.pack(name, 0))
        return name.decode("ascii", "replace"), bool(_NUMBER.unpack_from(flags, 16)[0] & _IFF_RUNNING)

    def _opened(self) -> socket.SocketType:
        namespace = self._opener.namespace_identity()
        if self._socket is None or namespace != self._namespace:
            self.close()
            self._socket = self._opener.open(socket.AF_NETLINK, _KIND, _NETLINK_ROUTE)
            self._namespace = namespace
        return self._socket


def question(destination: Destination, sequence: int) -> bytes:
    """Return a request for the route to a destination, from its source address if it has one."""
    of_family = destination.family
    to = _packed(of_family, destination.address)
    source = b"" if destination.source is None else _packed(of_family, destination.source)
    route = _ROUTE.pack(of_family, 8 * len(to), 8 * len(source), 0, 0, 0, 0, 0, _RTM_F_FIB_MATCH)
    body = route + _attribute(_RTA_DST, to) + (_attribute(_RTA_SRC, source) if source else b"")
    return _HEADER.pack(_HEADER.size + len(body), _RTM_GETROUTE, _NLM_F_REQUEST, sequence, 0) + body


def _filter_question(link: int, sequence: int) -> bytes:
    body = _NETCONF.pack(socket.AF_INET) + _attribute(_NETCONFA_IFINDEX, _NUMBER.pack(link))
    return _HEADER.pack(_HEADER.size + len(body), _RTM_GETNETCONF, _NLM_F_REQUEST, sequence, 0) + body


def _kind_of(answer: bytes) -> int:
    """Return the type of a route: 0 if the answer is none."""
    if _HEADER.unpack_from(answer)[1] != _RTM_NEWROUTE:
        return 0
    return int(_ROUTE.unpack_from(answer, _HEADER.size)[7])


def links_of(answer: bytes) -> list[int]:
    """Return the indexes of the links in a route; empty if it is a local one, or none that packets can take.

    Raises:
        struct.error: The answer is cut short.
    """
    if _kind_of(answer) != _RTN_UNICAST:
        return []
    links = set()
    for kind, value in _attributes(answer[_HEADER.size + _ROUTE.size :]):
        if kind == _RTA_OIF:
            links.add(_NUMBER.unpack_from(value)[0])
        elif kind == _RTA_MULTIPATH:
            links.update(_next_hops(value))
    return sorted(links)


def _packed(of_family: int, address: SocketAddress) -> bytes:
    return socket.inet_pton(of_family, address[0])


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while data:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            return
        yield kind, data[_ATTRIBUTE.size : length]
        data = data[(length + 3) & ~3 :]


def _next_hops(data: bytes) -> Iterator[int]:
    while data:
        length, _flags, _hops, link = _NEXT_HOP.unpack_from(data)
        yield link
        if length < _NEXT_HOP.size:
            return
        data = data[(length + 3) & ~3 :]
