"""Describes the differences between two valid configurations: what is added, removed and changed."""

from __future__ import annotations

from itertools import compress, filterfalse
from operator import is_not
from typing import TYPE_CHECKING, Any, Final

import attrs

from maglev.model.config import PemFile
from maglev.model.scale import scales_of
from maglev.model.text import excerpt
from maglev.model.via import tunnel_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from maglev.config.headerkinds import HeaderLines
    from maglev.model.announce import AnnounceConfig
    from maglev.model.check_params import ProbeStep
    from maglev.model.check_set import CheckSet
    from maglev.model.config import Backend, Config, Frontend, Pool
    from maglev.model.scale import Scale

_NAMES: Final = {
    "l4_port": "port",
    "transport": "protocol",
    "table_length": "new-flows-table-length",
    "verify": "verification",
    "host": "host",
}
"""The keys in the file of attributes for which they are not simply the name with dashes."""


@attrs.frozen
class Difference:
    """An object that differs between the two.

    Attributes:
        kind: ``setting``, ``healthcheck``, ``backend``, ``frontend``, ``announced address`` or ``hook``.
        name: Its name; for a setting, the section.
        change: ``added``, ``removed`` or ``changed``.
        details: A text for each change, as ``key: old -> new``; empty if it was added or removed.
    """

    kind: str
    name: str
    change: str
    details: tuple[str, ...] = ()


def touched(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    """Return the names that are new or have another object than before, which may still be equal.

    A reload keeps unchanged objects (`maglev.config.packing`), and has to find the others among 20,000 within a
    millisecond or two.
    """
    return list(compress(new, map(is_not, map(old.get, new), new.values())))


def removed(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    """Return the names that are gone."""
    return list(filterfalse(new.__contains__, old))


def concerned_backends(old: Config, new: Config) -> Iterable[Backend]:
    """Return the backends that another configuration may change; of thousands, mostly none."""
    if any(old.healthchecks.get(name) != check for name, check in new.healthchecks.items()):
        return new.backends.values()
    names = touched(old.backends, new.backends)
    if new.vips:
        elsewhere = tunnel_of(old) != tunnel_of(new)
        moved = (name for name, vips in new.vips.items() if elsewhere or old.vips.get(name) != vips)
        names = list(dict.fromkeys((*names, *moved)))
    return [new.backends[name] for name in names]


def differences(old: Config, new: Config) -> tuple[Difference, ...]:
    """Return the differences: settings first, then healthchecks, backends and frontends, each in the order of the file.

    Removed objects come before the others of their kind. A renamed object counts as one removed and one added.
    """
    return (
        *_settings("healthchecker", old.checker, new.checker),
        *_settings("vpp.lb", old.vpp, new.vpp),
        *_objects("healthcheck", old.healthchecks, new.healthchecks),
        *_objects("backend", old.backends, new.backends),
        *_objects("frontend", old.frontends, new.frontends),
        *_announce(old.announce, new.announce),
    )


def reprogrammed_weights(
    old: Frontend, new: Frontend, scales: tuple[Sequence[Scale], Sequence[Scale]] | None = None
) -> list[tuple[str, tuple[int, int, int]]]:
    """Return the weights that VPP is told otherwise although they have not changed.

    Args:
        old: The frontend before.
        new: The same after.
        scales: The scales of its pools, before and after; by default those that follow from the configuration.

    Returns:
        The name of each pool, with a weight that it has in both, and what VPP is told for it before and after.
    """
    was, now = scales or (scales_of(old), scales_of(new))
    before = {pool.name: (pool, scale) for pool, scale in zip(old.pools, was, strict=True)}
    return [
        (pool.name, (weight, before[pool.name][1][weight], scale[weight]))
        for pool, scale in zip(new.pools, now, strict=True)
        if pool.name in before and before[pool.name][1] != scale
        for weight in sorted(_weights(pool) & _weights(before[pool.name][0]))
        if before[pool.name][1][weight] != scale[weight]
    ]


def _weights(pool: Pool) -> set[int]:
    return {member.weight for member in pool.members}


def _announce(old: AnnounceConfig, new: AnnounceConfig) -> Iterator[Difference]:
    if old.vpp_lost_delay != new.vpp_lost_delay:
        detail = f"vpp-lost-delay: {old.vpp_lost_delay} -> {new.vpp_lost_delay}"
        yield Difference("setting", "announce", "changed", (detail,))
    if old.bird is not None and new.bird is not None:
        yield from _settings("announce.bird", old.bird, new.bird)
    elif old.bird is not new.bird:
        yield Difference("setting", "announce.bird", "removed" if new.bird is None else "added")
    yield from _objects("announced address", old.addresses, new.addresses)
    yield from _objects("hook", old.hooks, new.hooks)


def _settings(name: str, old: Any, new: Any) -> Iterator[Difference]:
    details = tuple(_changes(old, new))
    if details:
        yield Difference("setting", name, "changed", details)


def _objects(kind: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for name in removed(old, new):
        yield Difference(kind, name, "removed")
    for name in touched(old, new):
        if name not in old:
            yield Difference(kind, name, "added")
        elif new[name] != old[name]:
            changed = _reprogrammed(old[name], new[name]) if kind == "frontend" else ()
            details = (*_changes(old[name], new[name]), *changed)
            if details:  # none if only what follows from the addresses of its backends is different
                yield Difference(kind, name, "changed", details)


def _changes(old: Any, new: Any) -> Iterator[str]:
    """Yield the differences between two values of one class, attribute by attribute."""
    for attribute in attrs.fields(type(new)):
        before, after = getattr(old, attribute.name), getattr(new, attribute.name)
        if before == after or attribute.name == "table_enough":  # that follows from the pools
            continue
        if attribute.name in _BY_NAME:
            yield from _BY_NAME[attribute.name](before, after)
        elif attribute.name in {"weight_tolerance", "share"}:
            yield f"{_key(attribute.name)}: {before:g}% -> {after:g}%"
        elif attribute.name == "table_length" and (old.table_fits or new.table_fits):
            yield f"{_key(attribute.name)}: {_length(old)} -> {_length(new)}"
        elif attribute.name == "table_fits":
            if old.table_length == new.table_length:
                yield f"{_key('table_length')}: {_length(old)} -> {_length(new)}"
        elif attrs.has(type(before)) and type(before) is type(after) is not PemFile:
            yield from _changes(before, after)
        elif _text(before) == _text(after):
            yield f"{_key(attribute.name)}: {_text(after)} has another content"
        else:
            yield f"{_key(attribute.name)}: {_text(before)} -> {_text(after)}"


def _reprogrammed(old: Frontend, new: Frontend) -> Iterator[str]:
    for pool, (weight, before, after) in reprogrammed_weights(old, new):
        yield f"pool {pool}: weight {weight} is programmed as {after} instead of {before}"


def _length(frontend: Frontend) -> str:
    return f"auto ({frontend.table_length})" if frontend.table_fits else str(frontend.table_length)


def _headers(before: HeaderLines, after: HeaderLines) -> Iterator[str]:
    """Yield the differences between header lines, but not their values: they may be secrets."""
    old, new = dict(before), dict(after)
    for name in {**old, **new}:
        if name not in new:
            yield f"header {name} removed"
        elif name not in old:
            yield f"header {name} added"
        elif old[name] != new[name]:
            yield f"header {name} changed"
    if sorted(old.items()) == sorted(new.items()):
        yield f"order of headers: {' '.join(old)} -> {' '.join(new)}"


def _expected(key: str, before: HeaderLines, after: HeaderLines) -> Iterator[str]:
    """Yield the differences between headers that answers must have; their order does not matter."""
    old, new = dict(before), dict(after)
    for name in {**old, **new}:
        if old.get(name) != new.get(name):
            yield f"{key} {name}: {_quoted(old.get(name))} -> {_quoted(new.get(name))}"


def _quoted(value: str | None) -> str:
    return "none" if value is None else f'"{excerpt(value)}"'


def _steps(before: Sequence[ProbeStep], after: Sequence[ProbeStep]) -> Iterator[str]:
    """Yield which steps differ, but not in what: what is sent may be secret."""
    common = min(len(before), len(after))
    for number in range(common):
        if before[number] != after[number]:
            yield f"step {number + 1} changed"
    if len(before) != len(after):
        yield f"steps: {len(before)} -> {len(after)}"


def _pools(old: tuple[Pool, ...], new: tuple[Pool, ...]) -> Iterator[str]:
    before, after = ({pool.name: pool for pool in pools} for pools in (old, new))
    for name in {**before, **after}:
        if name not in after:
            yield f"pool {name} removed"
        elif name not in before:
            yield f"pool {name} added"
        else:
            yield from _members(before[name], after[name])
    common = before.keys() & after.keys()
    order = [name for name in before if name in common], [name for name in after if name in common]
    if order[0] != order[1]:
        yield f"order of pools: {' '.join(before)} -> {' '.join(after)}"


def _members(old: Pool, new: Pool) -> Iterator[str]:
    if old.min_up != new.min_up:
        yield f"pool {new.name}: min-up: {old.min_up} -> {new.min_up}"
    before, after = ({member.backend: member.weight for member in pool.members} for pool in (old, new))
    for name in {**before, **after}:
        if name not in after:
            yield f"pool {new.name}: backend {name} removed"
        elif name not in before:
            yield f"pool {new.name}: backend {name} added with weight {after[name]}"
        elif before[name] != after[name]:
            yield f"pool {new.name}: weight of backend {name}: {before[name]} -> {after[name]}"


def _healthchecks(before: str | CheckSet | None, after: str | CheckSet | None) -> Iterator[str]:
    yield f"healthcheck: {before or 'none'} -> {after or 'none'}"


_BY_NAME: Final[Mapping[str, Callable[[Any, Any], Iterator[str]]]] = {
    "pools": _pools,
    "headers": _headers,
    "body": lambda _before, _after: iter(("body changed",)),
    "expect_header": lambda before, after: _expected("expect-header", before, after),
    "expect_header_regexp": lambda before, after: _expected("expect-header-regexp", before, after),
    "healthcheck": _healthchecks,
    "steps": _steps,
    "request": lambda _before, _after: iter(("send changed",)),
    "payload": lambda _before, _after: iter(("send changed",)),
    "expect": lambda _before, _after: iter(("expect changed",)),
    "tcp": lambda before, after: iter((f"transport: {_transport(before)} -> {_transport(after)}",)),
}
"""What yields the differences of an attribute, for those that are not simply an old and a new value."""


def _transport(tcp: bool) -> str:  # noqa: FBT001  # the value is the point here
    return "tcp" if tcp else "udp"


def _key(attribute: str) -> str:
    return _NAMES.get(attribute, attribute.replace("_", "-"))


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, PemFile):
        return value.path
    if attrs.has(type(value)):
        return "set"
    if isinstance(value, tuple):
        return _listed(value)
    return str(value) or "none"


def _listed(values: tuple[Any, ...]) -> str:
    """Return the words of a command, or ranges of numbers."""
    if not values or isinstance(values[0], str):
        return " ".join(values) or "none"
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in values)
