"""How a backend is probed: by nothing, one healthcheck, or several; and by which of them under which name."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import attrs

from maglev.model.check_set import CheckSet, check_names, split_probe_name
from maglev.model.via import first_healthcheck, path_named, paths_of

if TYPE_CHECKING:
    from maglev.model.config import Backend, Config, Healthcheck


@attrs.frozen
class Checks:
    """How a backend with several healthchecks is probed.

    Attributes:
        healthchecks: The healthchecks, in the order of the file; of one that goes by several VIPs, each path.
        needed: How many of them have to be up; one that goes by several VIPs is one, and up by all of them.
        sizes: How many paths each has; empty if none has several.
    """

    healthchecks: tuple[Healthcheck, ...]
    needed: int
    sizes: tuple[int, ...] = ()


def checks_of(config: Config, backend: Backend) -> tuple[Healthcheck, ...]:
    """Return every healthcheck that the file gives a backend: none for a static one."""
    return tuple(config.healthchecks[name] for name in check_names(backend.healthcheck))


def probing_of(config: Config, backend: Backend) -> Healthcheck | Checks | None:
    """Return how a backend is probed: if it is equal in two configurations, nothing is to be proved again."""
    paths = paths_of(config, backend)
    if not paths:
        return None
    if len(paths) == 1 == len(paths[0]):
        return paths[0][0]
    written = backend.healthcheck
    needed = min(written.needed, len(paths)) if isinstance(written, CheckSet) else 1
    sizes = tuple(map(len, paths))
    return Checks(tuple(chain(*paths)), needed, () if max(sizes) == 1 else sizes)


def agent_of(config: Config, backend: Backend) -> Healthcheck | None:
    """Return the healthcheck that asks the agent of a backend, if it has one."""
    return None if backend.agent_check is None else config.healthchecks[backend.agent_check]


def probe_of(config: Config, name: str) -> tuple[Backend, Healthcheck | None]:
    """Return what a probe is sent to, and how: by the name of a backend, of one of its checks, or of its agent.

    Args:
        config: The configuration.
        name: Name of a backend that has one healthcheck or none; or one made by `probe_name`. An agent may have an
            address of its own.
    """
    backend = config.backends.get(name)
    if backend is not None:
        return backend, first_healthcheck(config, backend)
    owner, check = split_probe_name(name)
    address = config.backends[owner].address
    found = path_named(config, check)
    if found.agent is not None and found.agent.address is not None:
        address = found.agent.address
    return attrs.evolve(config.backends[owner], name=name, address=address, healthcheck=check), found
