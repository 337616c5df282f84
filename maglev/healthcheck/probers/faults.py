"""What a system error says: something about the backend, or something about this machine.

The difference is the difference between a failed probe and no evidence at all: the checker counts the former, and tries
again after the latter. Socket calls fail for local reasons mostly before anything is sent.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

from maglev.model.result import Code, LocalFault, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maglev.model.result import Outcome

_LOCAL: Final[Mapping[int, str]] = {
    errno.EMFILE: "descriptors",
    errno.ENFILE: "descriptors",
    # epoll_ctl: more descriptors are watched than fs.epoll.max_user_watches allows.
    errno.ENOSPC: "descriptors",
    errno.ENOBUFS: "memory",
    errno.ENOMEM: "memory",
    # Also what connect() and sendto() answer when a local packet filter rejects the packet.
    errno.EPERM: "permission",
    errno.EACCES: "permission",
}

_CONNECT_LOCAL: Final[Mapping[int, str]] = {
    **_LOCAL,
    # connect(2): every port of ip_local_port_range is in use towards that address.
    errno.EADDRNOTAVAIL: "ports",
    errno.EADDRINUSE: "ports",
    errno.EAGAIN: "ports",
}

_CONNECT_TEXTS: Final[Mapping[int, str]] = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset",
    errno.ENETUNREACH: "network unreachable",
    errno.EHOSTUNREACH: "host unreachable",
}

SOURCE_NOT_USABLE: Final = "source address not usable"


class ProbeError(Exception):
    """A probe ended before anything could be sent.

    Attributes:
        outcome: What to report; the duration of a `Result` is filled in by the prober.
    """

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


def local_fault(number: int) -> LocalFault | None:
    """Return the fault of this machine that an error number of a send or receive call stands for, if any."""
    reason = _LOCAL.get(number)
    return None if reason is None else LocalFault(reason, os.strerror(number))


def socket_fault(error: OSError) -> LocalFault:
    """Return what a failed ``socket()`` means; no backend can make it fail."""
    number = error.errno or 0
    reason = _LOCAL.get(number, "unsupported")
    return LocalFault(reason, f"no socket: {os.strerror(number)}")


def bind_outcome(number: int) -> Outcome:
    """Return what a failed ``bind()`` to a configured source address means."""
    reason = "ports" if number in {errno.EADDRINUSE, errno.EAGAIN} else _LOCAL.get(number)
    if reason is not None:
        return LocalFault(reason, f"no source port: {os.strerror(number)}")
    return Result(Code.L4CON, f"{SOURCE_NOT_USABLE}: {os.strerror(number)}")


def connect_outcome(number: int) -> Outcome:
    """Return what a failed ``connect()`` means."""
    reason = _CONNECT_LOCAL.get(number)
    if reason is not None:
        return LocalFault(reason, f"no connection: {os.strerror(number)}")
    if number == errno.ETIMEDOUT:
        return Result(Code.L4TOUT, "no answer to the connection attempts of the kernel")
    return Result(Code.L4CON, _CONNECT_TEXTS.get(number) or os.strerror(number))
