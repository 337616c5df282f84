"""Decides what becomes of overrides: which are needed, which still hold for a configuration, and what they mean for it.

An override exists exactly as long as what an operator ordered differs from what the file says. It is dropped when the
file no longer has its object, or has changed that very value since the override was made: then the file is newer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from maglev.model.announce import AnnounceOrder
from maglev.model.health import Lifecycle, State
from maglev.model.override import BackendOrder, Override
from maglev.state.reweighted import reweighted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from maglev.model.config import Config, Frontend, PoolMember
    from maglev.model.health import Health
    from maglev.model.override import Target, Value


@attrs.frozen
class Dropped:
    """An override that no longer holds.

    Attributes:
        override: The override.
        why: The reason, for a person.
    """

    override: Override
    why: str

    def __str__(self) -> str:
        value, target = self.override.value, self.override.target
        what = f"{value} of {target}" if target.is_state or target.is_frontend else f"{target} {value}"
        return f"the override {what!r} ends: {self.why} (it was made {self.override})"


@attrs.frozen
class OverriddenConfig:
    """A configuration from the file, with what holds of the overrides put over it.

    Attributes:
        config: The configuration with the weights of the overrides.
        kept: The overrides that hold.
        dropped: Those that do not.
    """

    config: Config
    kept: tuple[Override, ...]
    dropped: tuple[Dropped, ...]


def order_in(health: Health) -> BackendOrder:
    """Return the order that a backend follows."""
    if health.draining:
        return BackendOrder.DRAIN
    states = {State.PAUSED: BackendOrder.PAUSE, State.DISABLED: BackendOrder.DISABLE}
    return states.get(health.state, BackendOrder.ENABLE)


def leading(health: Health, order: BackendOrder) -> Lifecycle | None:
    """Return the event that brings a backend to what is ordered; None if it is there.

    ``PAUSE`` and ``DRAIN`` are only asked of backends that are not disabled.
    """
    if order_in(health) is order:
        return None
    if order is BackendOrder.ENABLE and health.state is State.PAUSED:
        return Lifecycle.RESUME
    return Lifecycle[order.name]


def said_by_file(config: Config, target: Target) -> Value | None:
    """Return what the file says of an object; None if it has no such object.

    Args:
        config: A configuration from the file, also with weights that were set at run time.
        target: The object.
    """
    if target.address:
        return AnnounceOrder.ON if target.address in config.announce.addresses else None
    if target.is_frontend:
        return BackendOrder.ENABLE if target.frontend in config.frontends else None
    if target.is_state:
        backend = config.backends.get(target.backend)
        if backend is None:
            return None
        return BackendOrder.ENABLE if backend.enabled else BackendOrder.DISABLE
    member = _member(config, target)
    if member is None:
        return None
    return member.weight if member.written is None else member.written


def _member(config: Config, target: Target) -> PoolMember | None:
    frontend = config.frontends.get(target.frontend)
    pools = () if frontend is None else frontend.pools
    found = (member for pool in pools if pool.name == target.pool for member in pool.members)
    return next((member for member in found if member.backend == target.backend), None)


def fit(config: Config, overrides: Iterable[Override]) -> OverriddenConfig:
    """Put overrides over a configuration from the file.

    Args:
        config: The configuration.
        overrides: What was ordered until now.
    """
    kept, dropped = [], []
    for override in overrides:
        base = said_by_file(config, override.target)
        if base is None:
            dropped.append(Dropped(override, f"the file no longer has the {override.target}"))
        elif base != override.base:
            dropped.append(Dropped(override, f"the file has changed from {override.base} to {base}"))
        else:
            kept.append(override)
    return OverriddenConfig(_weighted(config, kept), tuple(kept), tuple(dropped))


def _weighted(config: Config, overrides: Iterable[Override]) -> Config:
    frontends: dict[str, Frontend] = {}
    for override in overrides:
        target, value = override.target, override.value
        if isinstance(value, int):
            frontend = frontends.get(target.frontend, config.frontends[target.frontend])
            frontends[target.frontend] = reweighted(frontend, target.pool, target.backend, value)
    return attrs.evolve(config, frontends={**config.frontends, **frontends}) if frontends else config


def orders(overrides: Iterable[Override]) -> Mapping[str, Override]:
    """Return the overrides of backends, by the name of the backend."""
    return {each.target.backend: each for each in overrides if each.target.is_state}


def remaining(override: Override, now: float) -> float | None:
    """Return for how many seconds an override read from the file still holds; None if it does not end by itself.

    A wall clock that has been set back, or that is wrong after the machine has started, does not make it last longer
    than it was made for.

    Args:
        override: The override.
        now: The wall-clock time.
    """
    if override.until is None:
        return None
    return min(override.until - now, override.until - override.at)


def resumed(overrides: Iterable[Override], now: float) -> tuple[tuple[Override, ...], tuple[Dropped, ...]]:
    """Return the overrides read from the file at a start that go on, and those that have ended meanwhile.

    Args:
        overrides: The overrides.
        now: The wall-clock time.
    """
    going, ended = [], []
    for override in overrides:
        rest = remaining(override, now)
        if rest is not None and rest <= 0:
            ended.append(Dropped(override, "its time has come while maglevd was not running"))
        else:
            # From the future: it counts from now, by the clock that there is.
            going.append(override.shifted(now - override.at) if override.at > now else override)
    return tuple(going), tuple(ended)
