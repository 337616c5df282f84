"""Puts a backend for each address in the place of a DNS name: what was loaded becomes what can be in force.

The rules of a file for literal addresses (`maglev.config.pairs`, `maglev.config.vips`) are applied here to those that
nameservers say: what a file could not have, an answer can't bring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from maglev.model.addresses import family, misfit
from maglev.model.config import Backend
from maglev.model.names import backend_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from typing import TypeVar

    from maglev.model.config import Config, Frontend, PoolMember
    from maglev.model.names import NamedBackends

    T = TypeVar("T", Backend, Frontend)


def expand(written: Config, numbers: Mapping[str, Mapping[int, str]], known: Config | None = None) -> Config:
    """Return a configuration in which pools have backends in the place of names.

    Args:
        written: The configuration as loaded.
        numbers: The addresses of each name that was ever resolved, by their numbers.
        known: The configuration in force, whose objects are used where nothing has changed.
    """
    if not written.names:
        return written
    old = written if known is None else known
    made = (backend for each in written.names.values() for backend in _backends(each, numbers.get(each.name, {})))
    backends = {each.name: _kept(each, old.backends.get(each.name)) for each in made}
    frontends = {
        name: frontend if frontend.named_family is None else _expanded(frontend, written, numbers, old)
        for name, frontend in written.frontends.items()
    }
    return attrs.evolve(written, backends={**written.backends, **backends}, frontends=frontends)


def with_members(frontend: Frontend, numbers: Mapping[str, Collection[int]]) -> Frontend:
    """Return a frontend with members of these numbers in the place of names."""

    def members(pool: Collection[PoolMember]) -> Iterator[PoolMember]:
        for member in pool:
            if member.backend not in numbers:
                yield member
                continue
            for number in sorted(numbers[member.backend]):
                yield attrs.evolve(member, backend=backend_name(member.backend, number))

    pools = tuple(attrs.evolve(pool, members=tuple(members(pool.members))) for pool in frontend.pools)
    return attrs.evolve(frontend, pools=pools)


def _expanded(frontend: Frontend, written: Config, numbers: Mapping[str, Mapping[int, str]], old: Config) -> Frontend:
    named = [name for name in frontend.backends if name in written.names]
    made = with_members(frontend, {name: numbers.get(name, {}).keys() for name in named})
    made = attrs.evolve(made, unresolved=tuple(name for name in named if name not in numbers))
    return _kept(made, old.frontends.get(frontend.name))


def _backends(names: NamedBackends, numbers: Mapping[int, str]) -> Iterator[Backend]:
    for number, address in sorted(numbers.items()):
        name = backend_name(names.name, number)
        yield Backend(name, address, names.healthcheck, names.enabled, names.name, names.agent_check)


def _kept(new: T, old: T | None) -> T:
    return old if old is not None and old == new else new


class AddressRules:
    """Which addresses the backends of names may have, in one configuration."""

    def __init__(self, written: Config) -> None:
        """Prepare.

        Args:
            written: The configuration as loaded.
        """
        conf = written.vpp.conf
        self._names = written.names
        self._vips = {frontend.address: frontend.name for frontend in written.frontends.values()}
        self._sources = {conf.ipv4_src_address, conf.ipv6_src_address}
        self._others: dict[str, dict[str, None]] = {name: {} for name in written.names}
        self._literal: dict[str, dict[str, str]] = {name: {} for name in written.names}
        for frontend in written.frontends.values():
            if frontend.named_family is not None:
                self._note(frontend.backends, written)

    def _note(self, members: Collection[str], written: Config) -> None:
        named = [name for name in members if name in written.names]
        literal = {written.backends[name].address: name for name in members if name not in self._names}
        for name in named:
            self._literal[name] |= literal
            self._others[name] |= dict.fromkeys(other for other in named if other != name)

    def why_not(self, name: str, address: str, numbers: Mapping[str, Mapping[int, str]]) -> str:
        """Return why the backends of a name can't have an address; empty if they can.

        Args:
            name: The name in the file.
            address: The address, in its canonical form.
            numbers: What the names have now.
        """
        return next(self._reasons(name, address, numbers), "")

    def _reasons(self, name: str, address: str, numbers: Mapping[str, Mapping[int, str]]) -> Iterator[str]:
        if family(address) != self._names[name].family:
            yield f"is IPv{family(address)}"
        if reason := misfit(address):
            yield f"is {reason}"
        if address in self._vips:
            yield f"is the address of frontend {self._vips[address]}"
        if address in self._sources:
            yield "is a source address of VPP"
        if address in self._literal[name]:
            yield f"is the address of backend {self._literal[name][address]} of the same frontend"
        for other in self._others[name]:
            if address in numbers.get(other, {}).values():
                yield f"is an address of {other}, of the same frontend"
