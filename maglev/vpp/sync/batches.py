"""How the operations of one VIP travel: each as a message of its own, or many at once as a script.

VPP rebuilds the table of new flows of a VIP at each change of a server or weight, while its workers stand still. In a
VIP of 10 servers that takes a tenth of a millisecond. In one of 1,000 servers of weight 100 it takes 14, and 500 of
those going down would stop all traffic for seven seconds. A script (`maglev.vpp.lb.script`) does the same in two
rebuilds and is seen by the workers at one moment. For a few servers messages are better: they cost VPP less, and say
more exactly what was refused. The figures are below.

Forgetting flows is apart from that: for each server, VPP walks through the flow tables of all threads. So a script
lowers all weights first, which moves the new flows away; further ones forget the flows of some servers each, and the
workers have their turn in between.
"""

from __future__ import annotations

from math import log2
from typing import TYPE_CHECKING, Final

import attrs

from maglev.vpp.lb.script import has_name
from maglev.vpp.lb.state import AddServer, AddVip, DeleteServer, DeleteVip, SetWeight

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from maglev.vpp.lb.state import Operation, Vip

AT_ONCE: Final = 1024
"""Operations of one script: 13 kB of text for IPv4, 40 kB for IPv6. VPP needs some 15 ms for it, half of that for
reading and looking up addresses."""

FLUSHED_AT_ONCE: Final = 32
"""Servers whose flows are forgotten in one script: each takes 0.2 ms for each of VPP's threads, at the 65,536 buckets
that are the default."""

MAX_SCRIPT: Final = 5000
"""Operations of a script that can't be cut, because it recreates VIPs: 75 ms of VPP's time."""

# What VPP takes, in microseconds, measured on 26.10.
_MESSAGE: Final = 20.0
_LINE: Final = 400.0  # most of it for the line of log that VPP writes about each
_ADDRESS: Final = 10.0
_REBUILD: Final = 40.0
_REBUILD_SORT: Final = 0.0075  # for each replica, times the logarithm of their number: VPP sorts them
_REBUILD_BUCKET: Final = 0.022

_GAIN: Final = 3.0
"""How many times cheaper a script must be: some 12 servers of weight 100 that are new to a VIP."""


@attrs.frozen
class Batch:
    """What is sent to VPP in one message.

    Attributes:
        sent: What it does; more than one operation, or the deletion of a VIP, is a script.
        completes: The operations of the plan that are done when VPP has acknowledged it.
    """

    sent: tuple[Operation, ...]
    completes: tuple[Operation, ...]

    def __str__(self) -> str:
        more = f" and {len(self.sent) - 1} more" if len(self.sent) > 1 else ""
        return f"{self.sent[0]}{more}"

    @property
    def is_script(self) -> bool:
        """Whether it goes as a script."""
        return len(self.sent) > 1 or (isinstance(self.sent[0], DeleteVip) and has_name(self.sent[0].key))


@attrs.frozen
class Batches:
    """Some operations of one VIP as they travel.

    Attributes:
        batches: In order.
        effort: What VPP has to do for them, in seconds.
    """

    batches: tuple[Batch, ...]
    effort: float


def batched(operations: Sequence[Operation], held: Vip | None, weights: int) -> Batches:
    """Return how operations of one VIP travel.

    Args:
        operations: Some that all raise, or none of which does.
        held: What VPP holds of the VIP.
        weights: The sum of the weights there.
    """
    changes = [operation for operation in operations if not isinstance(operation, AddVip | DeleteVip)]
    rebuild = _rebuild(operations, held, weights)
    as_messages = len(changes) * (rebuild + _MESSAGE)
    as_script = _script_effort(changes, rebuild)
    if _GAIN * as_script < as_messages and has_name(operations[0].key):
        return Batches(tuple(_scripts(operations)), as_script / 1e6)
    return Batches(tuple(Batch((operation,), (operation,)) for operation in operations), as_messages / 1e6)


def rescales(operations: Iterable[Operation]) -> bool:
    """Return whether the operations of a VIP change the weights of several servers that serve before and after.

    Written one by one, they would give it shares in between that nobody wants: as the first of ten servers, one whose
    weight goes from 100 to 1 would lose nearly all it has, and the last one take it.
    """
    between = (each for each in operations if isinstance(each, SetWeight) and each.previous and each.weight)
    return next(between, None) is not None and next(between, None) is not None


def at_one_moment(operations: Sequence[Operation], held: Vip | None, weights: int) -> Batches | None:
    """Return operations of one VIP as a script that VPP's workers see all of or nothing of; None if that can't be.

    What forgets flows follows in further scripts, if it is much.

    Args:
        operations: Changes and deletions of servers that VPP has: what it can't refuse halfway.
        held: What VPP holds of the VIP.
        weights: The sum of the weights there.
    """
    if len(operations) > MAX_SCRIPT or not has_name(operations[0].key):
        return None
    effort = _script_effort(operations, _rebuild(operations, held, weights)) / 1e6
    return Batches(tuple(_scripts(operations, MAX_SCRIPT)), effort)


def _script_effort(changes: Sequence[Operation], rebuild: float) -> float:
    sets = sum(isinstance(each, SetWeight) for each in changes)
    flushes = sum(map(_flushes, changes))
    again = flushes if flushes > FLUSHED_AT_ONCE else 0
    groups = {(type(each) is DeleteServer, getattr(each, "weight", 0), _flushes(each)) for each in changes}
    lines = len(groups) + bool(sets) + 2 * -(-again // FLUSHED_AT_ONCE)
    return lines * (rebuild + _LINE) + (len(changes) + sets + 2 * again) * _ADDRESS


def _scripts(operations: Sequence[Operation], size: int = AT_ONCE) -> Iterator[Batch]:
    flushing = [operation for operation in operations if _flushes(operation)]
    if len(flushing) <= FLUSHED_AT_ONCE:
        yield from (Batch(some, some) for some in _chunks(operations, size))
        return
    for some in _chunks(operations, size):
        yield Batch(tuple(map(_without_flush, some)), tuple(each for each in some if not _flushes(each)))
    for some in _chunks(flushing, FLUSHED_AT_ONCE):
        yield Batch(tuple(map(_flush_only, some)), some)


def _rebuild(operations: Sequence[Operation], held: Vip | None, weights: int) -> float:
    """Return what one rebuild of the table takes, with the larger of the weights before and after."""
    servers = held.servers if held else {}
    length = held.table_length if held else 0
    raised: dict[str, int] = {}
    for operation in operations:
        match operation:
            case AddVip():
                length = operation.table_length
            case AddServer(_, address, weight) | SetWeight(_, address, weight):
                before = servers[address].weight if address in servers else 0
                raised[address] = max(weight - before, raised.get(address, 0))
            case _:
                pass
    replicas = max(weights + sum(raised.values()), 1)
    return _REBUILD + _REBUILD_SORT * replicas * log2(replicas) + _REBUILD_BUCKET * length


def _chunks(operations: Sequence[Operation], size: int) -> Iterator[tuple[Operation, ...]]:
    for start in range(0, len(operations), size):
        yield tuple(operations[start : start + size])


def _flushes(operation: Operation) -> bool:
    return isinstance(operation, AddServer | SetWeight | DeleteServer) and operation.flush


def _without_flush(operation: Operation) -> Operation:
    if isinstance(operation, AddServer | SetWeight | DeleteServer):
        return attrs.evolve(operation, flush=False)
    return operation


def _flush_only(operation: Operation) -> Operation:
    """Return what forgets the flows, after the operation was done without that."""
    if isinstance(operation, AddServer | SetWeight):
        return SetWeight(operation.key, operation.address, operation.weight, operation.weight, flush=True)
    return operation  # deleting what is deleted already is fine for as long as VPP has not collected it
