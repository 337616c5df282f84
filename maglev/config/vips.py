"""The rules for frontends, on records: each one by itself, and those that share an address with others.

VPP's reasons: all application servers of a VIP, and all VIPs of one prefix, have one encapsulation, which the family of
the backends decides (``lb_vip_add`` in ``lb.c``); a VIP for all ports can't share its prefix; and the table of new
flows is proportional to the weights only while it is at least as long as their sum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from maglev.config.keys import AUTO
from maglev.config.reader import BROKEN, Record
from maglev.config.resolver_keys import is_named
from maglev.model import addresses
from maglev.model.config import MAX_TABLE_LENGTH, ONE_UP
from maglev.model.names import backend_name
from maglev.model.scale import AS_WRITTEN, fitting_length, scale_for
from maglev.model.text import excerpt
from maglev.model.vpp_memory import DEFAULT_HEAP, sticky_bytes, table_bytes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from maglev.config.findings import Findings, SourcePosition
    from maglev.config.reader import Broken
    from maglev.model.scale import Scale


class _Member(NamedTuple):
    """A backend in a pool.

    Attributes:
        name: Its name.
        path: Its path in the pool.
        place: Where its name is.
        weight: 0 if it is not known.
        address: None if it is not known.
        server: What VPP knows it by: the address, or something for it.
        version: The IP version; None if it is not known.
    """

    name: str
    path: str
    place: SourcePosition
    weight: int
    address: str | None
    server: str
    version: addresses.Family | None


class _Pool(NamedTuple):
    record: Record
    members: tuple[_Member, ...]

    @property
    def weight(self) -> int:
        """The sum of the weights of its application servers."""
        return sum(self.weights(AS_WRITTEN))

    def weights(self, scale: Scale) -> Collection[int]:
        """Return the programmed weights of its servers: of two backends with one address, the higher counts."""
        highest: dict[str, int] = {}
        for member in self.members:
            highest[member.server] = max(scale[member.weight], highest.get(member.server, 0))
        return highest.values()


class _Vip(NamedTuple):
    """A frontend.

    Attributes:
        witness: The first of its backends whose address is known; its family is that of the VIP.
    """

    record: Record
    witness: _Member | None


class FrontendRules:
    """Checks all frontends of a file."""

    def __init__(self, maglev: Record, findings: Findings) -> None:
        self._findings = findings
        self._maglev = maglev
        self._backends = maglev.table("backends")
        self._lengths: list[int] = []
        self.used: set[str] = set()
        """The names of all backends that a frontend uses."""

    def check(self) -> None:
        """Check every frontend, then those that share an address."""
        by_address: dict[str, list[_Vip]] = {}
        for _, record in self._maglev.records("frontends"):
            vip = self._frontend(record)
            if record.sound("address"):
                by_address.setdefault(record["address"], []).append(vip)
        self._check_memory()
        for vips in by_address.values():
            if len(vips) > 1:
                self._check_ports(vips)
                self._check_all_ports(vips)
                self._check_encapsulation(vips)

    def _frontend(self, record: Record) -> _Vip:
        pools = tuple(self._pools(record))
        members = [member for pool in pools for member in pool.members]
        self.used.update(member.name for member in members)
        self._check_pairing(record)
        self._check_pools(pools)
        self._check_twins(members)
        self._check_hidden(pools)
        self._check_min_up(pools)
        self._check_table_length(record, pools)
        return _Vip(record, self._check_family(members))

    def _pools(self, record: Record) -> Iterator[_Pool]:
        if record.sound("pools"):
            for pool in record["pools"]:
                if pool is not BROKEN:
                    yield _Pool(pool, tuple(self._members(pool)))

    def _members(self, pool: Record) -> Iterator[_Member]:
        for name, member in pool.records("backends"):
            weight = member["weight"] if member.sound("weight") else 0
            address, backend = self._address(name, member), self._backends.get(name, BROKEN)
            if backend is BROKEN or not is_named(backend):
                version = None if address is None else addresses.family(address)
                yield _Member(name, member.path, member.place, weight, address, address or name, version)
            elif backend.sound("dns-max", "dns-family"):
                # As if the name had all the addresses that it may have.
                for number in range(1, backend["dns-max"] + 1):
                    server, version = backend_name(name, number), backend["dns-family"].number
                    yield _Member(name, member.path, member.place, weight, None, server, version)

    def _address(self, name: str, member: Record) -> str | None:
        """Return the address of a backend if it is known; report a backend that does not exist."""
        backend = self._backends.get(name, None)
        if backend is None:
            if self._maglev.sound("backends"):
                hint = self._findings.hint(name, self._backends)
                self._findings.semantic(member.path, f"no such backend: {excerpt(name)}{hint}", member.place)
            return None
        if backend is BROKEN or not backend.sound("address"):
            return None
        address: str = backend["address"]
        return address

    def _check_pairing(self, record: Record) -> None:
        """Check that there are both a protocol and a port, or neither."""
        if not record.sound("protocol", "port"):
            return
        protocol, port = record["protocol"], record["port"]
        if protocol is None and port:
            text = f"port {port} needs a protocol (tcp or udp)"
            self._findings.semantic(f"{record.path}.protocol", text, record.place_of("port"))
        elif protocol is not None and not port:
            text = f"protocol {protocol} needs a port (omit both to serve all ports)"
            self._findings.semantic(f"{record.path}.port", text, record.place_of("protocol"))

    def _check_pools(self, pools: Iterable[_Pool]) -> None:
        """Check that each pool has a name of its own, and backends."""
        first: dict[str, Record] = {}
        for record, _ in pools:
            if record.sound("name") and first.setdefault(record["name"], record) is not record:
                text = f"duplicate name {record['name']}, already used by {first[record['name']].path}"
                self._findings.semantic(f"{record.path}.name", text, record.place_of("name"))
            if not record.table("backends") and record.sound("backends"):
                self._findings.warning(f"{record.path}.backends", "pool has no backends", record.place)

    def _check_family(self, members: Iterable[_Member]) -> _Member | None:
        """Check that all backends are of one family; return the first whose family is known."""
        witness = None
        for member in members:
            if member.version and witness is None:
                witness = member
            elif member.version and witness and member.version != witness.version:
                text = f"is IPv{member.version}, but {witness.name} is IPv{witness.version}"
                text += ": all backends of a frontend must have the same family"
                self._findings.semantic(member.path, text, member.place)
                break
        return witness

    def _check_twins(self, members: Iterable[_Member]) -> None:
        """Warn of two backends with one address."""
        first: dict[str, _Member] = {}
        for member in members:
            twin = first.setdefault(member.server, member)
            if twin.name != member.name:
                text = f"has the same address as {twin.name}: VPP treats both as one server, with the higher weight"
                self._findings.warning(member.path, text, member.place)

    def _check_hidden(self, pools: tuple[_Pool, ...]) -> None:
        """Warn of a pool that gives no weight to anybody and yet is the active one before others that would.

        A pool is active as soon as a backend in it is up, whatever its weight there.
        """
        heavy = [number for number, pool in enumerate(pools) if pool.weight]
        for number, pool in enumerate(pools):
            later = next((each for each in heavy if each > number), None)
            if later is not None and not pool.weight and any(map(self._may_be_up, pool.members)):
                text = f"gives every backend weight 0, yet is the active pool while one of them is up: pools[{later}] "
                text += "then gets no traffic (expected a weight above 0, or the pool left out)"
                self._findings.warning(f"{pool.record.path}.backends", text, pool.record.place)

    def _check_min_up(self, pools: Iterable[_Pool]) -> None:
        """Warn of pools that can never have enough in service."""
        for pool in pools:
            record, least = pool.record, pool.record["min-up"] if pool.record.sound("min-up", "backends") else ONE_UP
            if not least.share and len(pool.members) < least.amount > 1:
                text = f"asks for {least} backends, but the pool has {len(pool.members)}: it never has enough"
                self._findings.warning(f"{record.path}.min-up", text, record.place_of("min-up"))

    def _may_be_up(self, member: _Member) -> bool:
        """Return whether a backend is probed, as far as its record can be read."""
        backend = self._backends.get(member.name, BROKEN)
        return backend is not BROKEN and backend.sound("enabled") and bool(backend["enabled"])

    def _check_table_length(self, record: Record, pools: tuple[_Pool, ...]) -> None:
        """Warn of weights that add up to more than the table has buckets.

        Only the active pool has weights above 0, so the largest sum of one pool counts, not the sum of all pools.
        """
        weights = {pool.record.path: self._programmed(record, pool) for pool in pools}
        length = self._inherited(record, "new-flows-table-length")
        if length == AUTO:
            length = fitting_length(weights.values())
        self._lengths.append(length or 0)
        heaviest = max(weights, key=lambda path: sum(weights[path]), default="")
        total = sum(weights.get(heaviest, ()))
        if length is None or total <= length:
            return
        enough = 1 << (total - 1).bit_length()
        cure = f"{enough} is enough" if enough <= MAX_TABLE_LENGTH else "lower the weights"
        text = f"the weights of {heaviest.rpartition('.')[2]} add up to {total}, more than the "
        text += f"{length} buckets of the table: the shares will not be proportional ({cure})"
        name = "new-flows-table-length"
        self._findings.warning(f"{record.path}.{name}", text, record.place_of(name))

    def _lb(self) -> Record | Broken:
        vpp = self._maglev["vpp"]
        lb: Record | Broken = BROKEN if vpp is BROKEN else vpp["lb"]
        return lb

    def _inherited(self, record: Record, key: str) -> Any:
        """Return what a frontend sets, or else what the section of the plugin does; None if it is not known."""
        lb = self._lb()
        own = record[key]
        value = own if own is not None or lb is BROKEN else lb[key]
        return None if value is BROKEN else value

    def _programmed(self, record: Record, pool: _Pool) -> Collection[int]:
        """Return the weights that would be programmed of a pool, as far as they are known."""
        weights, tolerance = self._inherited(record, "weights"), self._inherited(record, "weight-tolerance")
        if weights is None or tolerance is None:
            return ()
        return pool.weights(scale_for(frozenset(member.weight for member in pool.members), weights, tolerance))

    def _check_memory(self) -> None:
        """Warn of tables that may not fit VPP's memory: it aborts at the packet that needs them."""
        lb = self._lb()
        buckets = 0 if lb is BROKEN or not lb.sound("sticky-buckets-per-core") else lb["sticky-buckets-per-core"]
        sticky, tables = sticky_bytes(buckets, 0), sum(map(table_bytes, self._lengths))
        if lb is BROKEN or 2 * sticky + tables < DEFAULT_HEAP // 2:
            return
        name = "sticky-buckets-per-core" if 2 * sticky >= tables else "new-flows-table-length"
        text = f"VPP would need {_mib(sticky)} for the flow table of each thread ({_mib(2 * sticky)} with one worker) "
        text += f"and {_mib(tables)} for the new-flow tables of {len(self._lengths)} frontends: its default memory is "
        text += f"{_mib(DEFAULT_HEAP)} (main-heap-size)"
        self._findings.warning(f"{lb.path}.{name}", text, lb.place_of(name))

    def _check_ports(self, vips: Iterable[_Vip]) -> None:
        """Check that no two frontends of an address have the same protocol and port."""
        first: dict[tuple[object, int], Record] = {}
        for record, _ in vips:
            if record.sound("protocol", "port"):
                same = first.setdefault((record["protocol"], record["port"]), record)
                if same is not record:
                    where = self._findings.where(same.place.line)
                    text = f"has the same address, protocol and port as {same.path} ({where})"
                    self._findings.semantic(record.path, text, record.place)

    def _check_all_ports(self, vips: list[_Vip]) -> None:
        """Check that a frontend for all ports is alone on its address. Two of them are reported as duplicates."""
        alone = next((record for record, _ in vips if _is_all_ports(record)), None)
        for record, _ in vips if alone else ():
            if alone and record.sound("protocol", "port") and not _is_all_ports(record):
                where = self._findings.where(alone.place.line)
                text = f"shares its address with {alone.path} ({where}), which serves all ports"
                self._findings.semantic(record.path, text, record.place)

    def _check_encapsulation(self, vips: Iterable[_Vip]) -> None:
        """Check that all frontends of an address have backends of one family."""
        first: tuple[Record, _Member] | None = None
        for record, witness in vips:
            if witness is None:
                continue
            first = first or (record, witness)
            if witness.version != first[1].version:
                text = f"its backends are IPv{witness.version}, those of {first[0].path} on the same address are "
                text += f"IPv{first[1].version}: VPP supports only one encapsulation per address"
                self._findings.semantic(record.path, text, record.place)


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.4g} MiB"


def _is_all_ports(record: Record) -> bool:
    return record.sound("protocol", "port") and record["protocol"] is None and not record["port"]
