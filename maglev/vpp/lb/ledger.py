"""What VPP is known to hold: the last full read, and every acknowledged write since.

Reads and writes overlap: a dump of a large VPP takes tens of milliseconds, and a transition must not wait for it.
VPP handles the messages of one socket strictly in the order they were sent, so the moment of *sending* decides: a
write sent before a read is in its answer, one sent after is not. Writes sent while a read is under way are therefore
kept in a journal when they are acknowledged, and done once more on top of what was read.

Who asks which weights VPP serves with must not depend on how fast it answers: writes that are decided and not answered
yet count as well (`Ledger.weights`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from maglev.model.addresses import bits
from maglev.vpp.lb.state import AddServer, AddVip, ApplicationServer, DeleteVip, SetWeight, Vip, prefix_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from maglev.model.config import LbConf
    from maglev.vpp.lb.state import LbState, Operation, Prefix, VipKey


class Ledger:
    """The known state of VPP.

    Attributes:
        conf: Global settings, None before the first read.
        changed: VIPs that were made or deleted, by us or (as a read showed) by others, since somebody last emptied this
            set: what is known of their routes is void.
    """

    def __init__(self) -> None:
        self.conf: LbConf | None = None
        self.changed: set[VipKey] = set()
        self._vips: dict[VipKey, Vip] = {}
        self._on: dict[Prefix, set[VipKey]] = {}
        self._sums: dict[VipKey, int] = {}
        self.wide: list[VipKey] = []
        self._journal: list[Operation] = []
        self._under_way: dict[VipKey, Sequence[Operation]] = {}
        self._reads = 0
        self._ended = 0
        self._reading = False

    @property
    def vips(self) -> Mapping[VipKey, Vip]:
        """The VIPs that VPP is known to hold; changes as writes are acknowledged."""
        return self._vips

    def on(self, prefix: Prefix) -> Mapping[VipKey, Vip]:
        """Return the VIPs that VPP is known to hold on a prefix."""
        return {key: self._vips[key] for key in self._on.get(prefix, ())}

    def has_any_on(self, prefix: Prefix) -> bool:
        """Return whether VPP is known to hold a VIP on a prefix."""
        return bool(self._on.get(prefix))

    def sum_of_weights(self, key: VipKey) -> int:
        """Return the sum of the weights of a VIP; it is added up only once, and kept up with each write."""
        if key not in self._sums:
            vip = self._vips.get(key)
            self._sums[key] = sum(server.weight for server in vip.servers.values()) if vip else 0
        return self._sums[key]

    def weights(self, key: VipKey) -> Mapping[str, int]:
        """Return the weights above 0 that VPP holds, or is about to hold, for a VIP, by address.

        A deletion counts only when it is acknowledged: it says nothing against what it takes out.
        """
        vip = self._vips.get(key)
        weights = {} if vip is None else {address: server.weight for address, server in vip.servers.items()}
        for operation in self._under_way.get(key, ()):
            if isinstance(operation, AddServer | SetWeight):
                weights[operation.address] = operation.weight
        return {address: weight for address, weight in weights.items() if weight}

    def begin_writing(self, key: VipKey, operations: Sequence[Operation]) -> None:
        """Record what is decided about a VIP, in order; who decides has its lock until `end_writing`."""
        self._under_way[key] = operations

    def end_writing(self, key: VipKey) -> None:
        """Record that all of what was decided about a VIP has its answer, or will not be sent."""
        self._under_way.pop(key, None)

    def begin_read(self) -> None:
        """Record that a full read is being sent now.

        Raises:
            RuntimeError: Another read is under way.
        """
        if self._reading:
            message = "two full reads at once"
            raise RuntimeError(message)
        self._reading = True
        self._reads += 1
        self._journal.clear()

    def merge_steps(self, read: LbState) -> Generator[None, None, LbState]:
        """Return what the read has brought, for `end_read`; yield often, so that others can have a turn.

        What is as it was known stays the very same object: a read every 30 s of what has not changed would otherwise
        be tens of thousands of new objects, each time, for the garbage collector to look at.
        """
        vips = {}
        for key, vip in read.vips.items():
            known = self._vips.get(key)
            if known is None or not _is_alike(known, vip):
                known = attrs.evolve(vip, servers=dict(vip.servers))
            vips[key] = known
            yield
        return attrs.evolve(read, vips=vips)

    def end_read(self, state: LbState | None) -> None:
        """Take over what the read has brought, as `merge_steps` returned it; None when it failed."""
        self._reading = False
        if state is None:
            return
        self._ended = self._reads
        self.conf = state.conf
        self.changed.update(_remade(self._vips, state.vips))
        self._vips = dict(state.vips)
        self._sums.clear()
        self._on = _by_prefix(self._vips)
        self.wide = [key for key in self._vips if key.length != bits(key.address)]
        for operation in self._journal:
            self._do(operation)
        self._journal.clear()

    def stamp(self) -> int:
        """Return what `done` needs to know about the moment at which a write is sent."""
        return self._reads

    def was_read_since(self, stamp: int) -> bool:
        """Return whether VPP was read to the end after `stamp` returned this."""
        return self._ended > stamp

    def done(self, operation: Operation, stamp: int) -> None:
        """Record a write that VPP has acknowledged.

        Args:
            operation: The write.
            stamp: What `stamp` returned when it was sent.
        """
        self._do(operation)
        if self._reading and stamp == self._reads:
            self._journal.append(operation)

    def learn(self, vip: Vip, pool_index: int | None, dpos: Mapping[str, int]) -> None:
        """Record where VPP counts the traffic of a VIP, as reported since; the rest is left as it is.

        Args:
            vip: The VIP as it was here when VPP was asked; if it has been recreated since, nothing is learnt.
            pool_index: As in `Vip`.
            dpos: As in `ApplicationServer`, by address; unknown for those that are not here.
        """
        if self._vips.get(vip.key) is vip:
            servers = {address: attrs.evolve(each, dpo=dpos.get(address)) for address, each in vip.servers.items()}
            self._vips[vip.key] = attrs.evolve(vip, pool_index=pool_index, servers=servers)

    def _do(self, operation: Operation) -> None:
        match operation:
            case AddVip(key, encap, sticky, length):
                self.changed.add(key)
                self._sums.pop(key, None)
                self._vips[key] = Vip(key, encap, sticky, length, {})
                self._on.setdefault(prefix_of(key), set()).add(key)
            case DeleteVip(key):
                self.changed.add(key)
                self._sums.pop(key, None)
                self._vips.pop(key, None)
                self._on.get(prefix_of(key), set()).discard(key)
            case AddServer(key, address, weight):
                self._put(key, ApplicationServer(address, weight))
            case SetWeight(key, address, weight):
                self._weigh(key, address, weight)
            case _:
                self._drop(operation.key, operation.address)

    def _put(self, key: VipKey, server: ApplicationServer) -> None:
        vip = self._vips.get(key)
        if vip is not None:
            self._count(vip, server.address, server.weight)
            _servers(vip)[server.address] = server

    def _weigh(self, key: VipKey, address: str, weight: int) -> None:
        vip = self._vips.get(key)
        before = vip.servers.get(address) if vip is not None else None
        self._put(key, ApplicationServer(address, weight, dpo=before.dpo if before is not None else None))

    def _drop(self, key: VipKey, address: str) -> None:
        vip = self._vips.get(key)
        if vip is not None:
            self._count(vip, address, 0)
            _servers(vip).pop(address, None)

    def _count(self, vip: Vip, address: str, weight: int) -> None:
        if vip.key in self._sums:
            before = vip.servers.get(address)
            self._sums[vip.key] += weight - (before.weight if before is not None else 0)


def _is_alike(known: Vip, found: Vip) -> bool:
    """Return whether two VIPs are the same, and their servers are counted in the same places."""
    return known == found and all(known.servers[address].dpo == each.dpo for address, each in found.servers.items())


def _remade(before: Mapping[VipKey, Vip], now: Mapping[VipKey, Vip]) -> Iterator[VipKey]:
    """Yield the VIPs that are only in one of two states, or not in the same place."""
    yield from before.keys() ^ now.keys()
    yield from (key for key in before.keys() & now.keys() if before[key].pool_index != now[key].pool_index)


def _servers(vip: Vip) -> dict[str, ApplicationServer]:
    """Return the servers of one of the ledger's own VIPs, which are dictionaries that nobody else changes."""
    assert isinstance(vip.servers, dict)  # noqa: S101
    return vip.servers


def _by_prefix(keys: Iterable[VipKey]) -> dict[Prefix, set[VipKey]]:
    found: dict[Prefix, set[VipKey]] = {}
    for key in keys:
        found.setdefault(prefix_of(key), set()).add(key)
    return found
