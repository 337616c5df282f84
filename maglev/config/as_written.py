"""A configuration in force as it would have been loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from maglev.model.config import Config, Frontend


def as_written(written: Config, running: Config) -> Config:
    """Return a configuration in force as it would have been loaded: with the weights that were set at run time.

    Args:
        written: What was loaded.
        running: What was made of it: with a backend for each address of a DNS name, and with weights set at run time.
            Weights that were set for single addresses of a name have no place in a file.
    """
    if not written.names:
        return running
    frontends = {name: _with_weights(frontend, running.frontends[name]) for name, frontend in written.frontends.items()}
    return attrs.evolve(written, frontends=frontends)


def _with_weights(written: Frontend, running: Frontend) -> Frontend:
    now = {(pool.name, member.backend): member for pool in running.pools for member in pool.members}
    pools = (
        attrs.evolve(pool, members=tuple(now.get((pool.name, member.backend), member) for member in pool.members))
        for pool in written.pools
    )
    return attrs.evolve(written, pools=tuple(pools))
