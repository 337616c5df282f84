"""What a system error says: something about the backend, or something about this machine.

It decides between a failed probe, which the checker counts, and no evidence at all, after which it tries again. Every
error number is sorted here, by the moment at which it came:

* *At once*: `socket`, `bind`, the call of `connect` that begins, and `sendmsg` fail before anything could travel, so
  they speak of this machine: its tables, its addresses, its limits. That includes "network unreachable", which is then
  our own routing table, as when a link or an address of ours has gone. The one exception is a backend on this very
  machine, which refuses at once.
* *Later*: what a connection under way reports came over the network (or is the neighbour that did not answer), and the
  kernel has matched it with that connection, so it is about the backend; unless nothing can leave this machine towards
  it (`routes`).

`THEIRS` lists what can come from there. Anything else is ours, whenever it comes: an unforeseen number says nothing
about a backend.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

from maglev.model.result import TIMEOUTS, Code, LocalFault, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maglev.model.result import Outcome

THEIRS_AT_ONCE: Final[Mapping[int, str]] = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset",
}
"""Error numbers that are about the backend even if ``connect()`` fails at once, and what they mean."""

THEIRS: Final[Mapping[int, str]] = {
    **THEIRS_AT_ONCE,
    errno.ECONNABORTED: "connection aborted",
    errno.EPIPE: "connection closed by the backend",
    errno.ENOTCONN: "connection closed by the backend",
    errno.ESHUTDOWN: "connection closed by the backend",
    errno.ETIMEDOUT: "no answer to the connection attempts of the kernel",
    # What icmp(7) errors become: icmp_err_convert in net/ipv4/icmp.c, tab_unreach in net/ipv6/icmp.c.
    errno.ENETUNREACH: "network unreachable",
    errno.EHOSTUNREACH: "host unreachable",
    errno.EHOSTDOWN: "host unknown",
    errno.ENONET: "host isolated",
    errno.ENOPROTOOPT: "protocol unreachable",
    errno.EOPNOTSUPP: "source route failed",
    errno.EMSGSIZE: "packet too big",
    errno.EPROTO: "parameter problem",
    errno.EACCES: "administratively prohibited",
}
"""Error numbers that are about the backend when a connection under way reports them, and what they mean."""

_ANSWERS: Final = frozenset(THEIRS_AT_ONCE.values())

_OURS: Final[Mapping[int, str]] = {
    errno.EMFILE: "descriptors",
    errno.ENFILE: "descriptors",
    # epoll_ctl: more descriptors are watched than fs.epoll.max_user_watches allows.
    errno.ENOSPC: "descriptors",
    errno.ENOBUFS: "memory",
    errno.ENOMEM: "memory",
    # Also what sendto() answers when a local packet filter drops or rejects the packet, and, as connect(), with a
    # prohibit route. TCP takes what a filter does to its packets for the network's doing.
    errno.EPERM: "permission",
    errno.EACCES: "permission",
    # No route; an address, a link or a device of ours that has gone; a link-local address without a link.
    errno.ENETUNREACH: "network",
    errno.EHOSTUNREACH: "network",
    errno.EADDRNOTAVAIL: "network",
    errno.EINVAL: "network",
    errno.ENETDOWN: "network",
    errno.ENODEV: "network",
    errno.ENXIO: "network",
}
"""Reasons of the faults of this machine; `OTHER` for every number that is not here."""

OTHER: Final = "unsupported"

_OURS_AT_CONNECT: Final[Mapping[int, str]] = {
    **_OURS,
    # connect(2): every port of ip_local_port_range is in use towards that address.
    errno.EADDRNOTAVAIL: "ports",
    errno.EADDRINUSE: "ports",
    errno.EAGAIN: "ports",
}

_OURS_AT_BIND: Final[Mapping[int, str]] = {**_OURS, errno.EADDRINUSE: "ports", errno.EAGAIN: "ports"}

SOURCE_NOT_USABLE: Final = "source address not usable"


class ProbeError(Exception):
    """A probe ended before anything could be sent.

    Attributes:
        outcome: What to report; the duration of a `Result` is filled in by the prober.
    """

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


def is_unanswered(code: Code, detail: str) -> bool:
    """Return whether a result says that nothing came from the backend itself."""
    return code in TIMEOUTS or (code is Code.L4CON and detail not in _ANSWERS)


def local_fault(number: int) -> LocalFault | None:
    """Return the fault of this machine that an error of an open connection stands for; None if it is the backend's."""
    return None if number in THEIRS else LocalFault(_OURS.get(number, OTHER), os.strerror(number))


def socket_fault(error: OSError) -> LocalFault:
    """Return what a failed ``socket()`` means; no backend can make it fail."""
    number = error.errno or 0
    return LocalFault(_OURS.get(number, OTHER), f"no socket: {os.strerror(number)}")


def setup_fault(number: int) -> LocalFault:
    """Return what it means that a socket can't be prepared or watched; no backend can make that fail."""
    return LocalFault(_OURS.get(number, OTHER), os.strerror(number))


def bind_fault(number: int) -> LocalFault:
    """Return what a failed ``bind()`` to a configured source address means: that address is ours."""
    reason = _OURS_AT_BIND.get(number, OTHER)
    what = "no source port" if reason == "ports" else SOURCE_NOT_USABLE
    return LocalFault(reason, f"{what}: {os.strerror(number)}")


def send_fault(number: int, *, from_source: bool) -> LocalFault:
    """Return what a failed ``sendmsg()`` of an echo request means, once errors of other requests are out of the way.

    Args:
        number: The error number.
        from_source: Whether it was to leave from a configured source address.
    """
    hint = "; is the source address usable?" if from_source else ""
    return LocalFault(_OURS.get(number, OTHER), f"not sent: {os.strerror(number)}{hint}")


def connect_outcome(number: int, *, at_once: bool = False) -> Outcome:
    """Return what a failed ``connect()`` means.

    Args:
        number: The error number.
        at_once: Whether the call that began the connection failed, and not the connection under way.
    """
    text = (THEIRS_AT_ONCE if at_once else THEIRS).get(number)
    if text is None:
        return LocalFault(_OURS_AT_CONNECT.get(number, OTHER), f"no connection: {os.strerror(number)}")
    return Result(Code.L4TOUT if number == errno.ETIMEDOUT else Code.L4CON, text)
