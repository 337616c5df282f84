"""Packs a loaded file for another process, in pieces of bytes that each take under a millisecond to unpack.

Unpacking reuses the objects of an older configuration wherever nothing has changed. So the memory for a reload, and the
time to compare the two configurations, depend only on what has changed.

The pieces are pickles: use them only between processes that trust each other, such as a parent and its child.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, Final

from maglev.config.load import Loaded
from maglev.model.config import Backend, Config, Frontend, Pool, PoolMember

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping
    from typing import TypeVar

    from maglev.model.config import Healthcheck
    from maglev.model.names import NamedBackends
    from maglev.model.problem import Problem

    T = TypeVar("T", Backend, Frontend, Healthcheck)

WEIGHT: Final = 100
"""Number of backends, pool members and warnings in a piece: some 0.3 ms to unpack and compare."""

_HEAD, _BACKENDS, _FRONTENDS, _WARNINGS = range(4)

_Row = tuple[Any, ...]


def pack(loaded: Loaded) -> Iterator[bytes]:
    """Yield the pieces of a file: first the small sections, then its backends, frontends and warnings."""
    config = loaded.config
    names = dict(config.names)
    small = config.checker, config.vpp, dict(config.healthchecks), config.announce, names, config.resolver
    yield pickle.dumps((_HEAD, small))
    yield from _pieces(_BACKENDS, map(_backend_row, config.backends.values()))
    yield from _pieces(_FRONTENDS, map(_frontend_row, config.frontends.values()))
    yield from _pieces(_WARNINGS, ((1, warning) for warning in loaded.warnings))


def unpack(pieces: Iterable[bytes]) -> Loaded:
    """Return the packed file, unpacked in one go."""
    steps = unpack_steps(pieces)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            loaded: Loaded = end.value
            return loaded


def unpack_steps(pieces: Iterable[bytes], old: Config | None = None) -> Generator[None, None, Loaded]:
    """Return the packed file; yield often, so that others can have a turn.

    Args:
        pieces: All pieces, in order.
        old: The configuration whose objects are reused where nothing has changed.
    """
    rest = map(pickle.loads, pieces)
    _, (checker, vpp, healthchecks, announce, names, resolver) = next(rest)
    known = Config(checker, vpp, {}, {}, {}) if old is None else old
    backends: dict[str, Backend] = {}
    frontends: dict[str, Frontend] = {}
    warnings: list[Problem] = []
    for what, rows in rest:
        if what == _BACKENDS:
            backends |= _kept((Backend(*row) for row in rows), known.backends)
        elif what == _FRONTENDS:
            for row in rows:
                frontend = yield from _frontend_steps(row, names, backends)
                frontends |= _kept([frontend], known.frontends)
        else:
            warnings += rows
        yield
    announce = known.announce if known.announce == announce else announce
    checks = _kept(healthchecks.values(), known.healthchecks)
    config = Config(checker, vpp, checks, backends, frontends, announce, names, resolver)
    return Loaded(config, tuple(warnings))


def _pieces(what: int, rows: Iterable[tuple[int, Any]]) -> Iterator[bytes]:
    """Yield rows, each given with its weight, in pieces of about equal weight."""
    piece: list[Any] = []
    weight = 0
    for each, row in rows:
        piece.append(row)
        weight += each
        if weight >= WEIGHT:
            yield pickle.dumps((what, piece))
            piece, weight = [], 0
    if piece:
        yield pickle.dumps((what, piece))


def _backend_row(backend: Backend) -> tuple[int, _Row]:
    return 1, (backend.name, backend.address, backend.healthcheck, backend.enabled, "", backend.agent_check)


def _frontend_row(frontend: Frontend) -> tuple[int, _Row]:
    pools = [
        (pool.name, [(member.backend, member.weight) for member in pool.members], pool.min_up)
        for pool in frontend.pools
    ]
    row = (
        frontend.name,
        frontend.address,
        frontend.transport,
        frontend.l4_port,
        pools,
        frontend.description,
        frontend.src_ip_sticky,
        frontend.flush_on_down,
        frontend.table_length,
        frontend.table_fits,
        frontend.table_enough,
        frontend.weights,
        frontend.weight_tolerance,
        frontend.when_none_eligible,
        frontend.failback_delay,
        frontend.named_family,
        frontend.unresolved,
    )
    return 1 + sum(len(members) for _, members, _ in pools), row


def _frontend_steps(
    row: _Row, names: Mapping[str, NamedBackends], backends: Mapping[str, Backend]
) -> Generator[None, None, Frontend]:
    """Return the frontend of a row; names of backends are shared with the existing objects."""
    name, address, transport, l4_port, packed, *others = row
    pools = []
    for pool, rows, min_up in packed:
        members: list[PoolMember] = []
        for start in range(0, len(rows), WEIGHT):
            some = rows[start : start + WEIGHT]
            members += [PoolMember((backends.get(name) or names[name]).name, weight) for name, weight in some]
            yield
        pools.append(Pool(pool, tuple(members), min_up))
    return Frontend(name, address, transport, l4_port, tuple(pools), *others)


def _kept(news: Iterable[T], olds: Mapping[str, T]) -> dict[str, T]:
    """Return objects by name; an old object and its name replace the new ones if they are equal."""
    kept = (old if (old := olds.get(new.name)) is not None and old == new else new for new in news)
    return {each.name: each for each in kept}
