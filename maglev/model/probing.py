"""How a backend is probed: by nothing, one healthcheck, or several; and by which of them under which name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from maglev.model.check_set import CheckSet, check_names, split_probe_name

if TYPE_CHECKING:
    from maglev.model.config import Backend, Config, Healthcheck


@attrs.frozen
class Checks:
    """How a backend with several healthchecks is probed.

    Attributes:
        healthchecks: The healthchecks, in the order of the file.
        needed: How many of them have to be up.
    """

    healthchecks: tuple[Healthcheck, ...]
    needed: int


def checks_of(config: Config, backend: Backend) -> tuple[Healthcheck, ...]:
    """Return every healthcheck of a backend: none for a static one."""
    return tuple(config.healthchecks[name] for name in check_names(backend.healthcheck))


def probing_of(config: Config, backend: Backend) -> Healthcheck | Checks | None:
    """Return how a backend is probed: if it is equal in two configurations, nothing is to be proved again."""
    checks = backend.healthcheck
    if isinstance(checks, CheckSet):
        return Checks(checks_of(config, backend), checks.needed)
    return None if checks is None else config.healthchecks[checks]


def probe_of(config: Config, name: str) -> tuple[Backend, Healthcheck | None]:
    """Return what a probe is sent to, and how: by the name of a backend, or that of one of its checks.

    Args:
        config: The configuration.
        name: Name of a backend that has one healthcheck or none; or one made by `probe_name`.
    """
    backend = config.backends.get(name)
    if backend is not None:
        return backend, config.healthcheck_of(backend)
    owner, check = split_probe_name(name)
    return attrs.evolve(config.backends[owner], name=name, healthcheck=check), config.healthchecks[check]
