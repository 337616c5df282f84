"""Which VIPs each backend serves, for healthchecks that go by way of them (`maglev.model.via`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from maglev.model.check_params import Via
from maglev.model.check_set import check_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from maglev.model.check_set import CheckSet


class HasWay(Protocol):
    """A healthcheck (`maglev.model.config.Healthcheck`)."""

    @property
    def via(self) -> Via:
        """By which way its probes go."""


class HasHealthcheck(Protocol):
    """A backend (`maglev.model.config.Backend`)."""

    @property
    def healthcheck(self) -> str | CheckSet | None:
        """The names of its healthchecks."""


class HasBackends(Protocol):
    """A frontend (`maglev.model.config.Frontend`)."""

    @property
    def address(self) -> str:
        """The address of its VIP."""

    @property
    def backends(self) -> tuple[str, ...]:
        """The names of its backends."""


def served_vips(
    healthchecks: Mapping[str, HasWay], backends: Mapping[str, HasHealthcheck], frontends: Iterable[HasBackends]
) -> Mapping[str, tuple[str, ...]]:
    """Return the addresses of the VIPs that each backend serves, by its name, if it is probed by way of them.

    Args:
        healthchecks: All healthchecks.
        backends: All backends.
        frontends: All frontends.
    """
    checks = {name for name, check in healthchecks.items() if check.via is Via.VIP}
    if not checks:
        return {}
    found: dict[str, dict[str, None]] = {
        name: {} for name, backend in backends.items() if not checks.isdisjoint(check_names(backend.healthcheck))
    }
    for frontend in frontends if found else ():
        for name in found.keys() & frozenset(frontend.backends):
            found[name][frontend.address] = None
    return {name: tuple(vips) for name, vips in found.items()}
