"""Several healthchecks of one backend: which, how many of them have to be up, and the names under which they probe."""

from __future__ import annotations

import attrs


@attrs.frozen
class CheckSet:
    """Several healthchecks of one backend.

    Attributes:
        names: Their names, at least two, each once.
        needed: How many of them have to be up for the backend to be up, 1..len(names).
    """

    names: tuple[str, ...]
    needed: int

    @property
    def require(self) -> str:
        """The needed ones in a word: ``all``, ``any`` or a number."""
        return {len(self.names): "all", 1: "any"}.get(self.needed, str(self.needed))

    def __str__(self) -> str:
        return f"{', '.join(self.names)} (require {self.require})"


def check_names(healthcheck: str | CheckSet | None) -> tuple[str, ...]:
    """Return the names of the healthchecks of a backend, whether it has none, one or several."""
    if isinstance(healthcheck, CheckSet):
        return healthcheck.names
    return () if healthcheck is None else (healthcheck,)


def probe_name(backend: str, check: str) -> str:
    """Return the name under which one of several checks of a backend is probed; no backend can have that name."""
    return f"{backend}/{check}"


def split_probe_name(name: str) -> tuple[str, str]:
    """Return the names of the backend and of the check; that of the check is empty if the backend has no others."""
    backend, _, check = name.partition("/")
    return backend, check


def named(check: str, detail: str) -> str:
    """Return the detail of a result for people: with the name of the check in front, if it is one of several."""
    return ": ".join(filter(None, [check, detail])) if check else detail
