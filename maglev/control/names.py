"""The names of live objects, for completion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.model.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from maglev.state.board import Board


def names_of(board: Board, overridden: Iterable[str], kind: str, within: str) -> Iterable[str]:
    """Return the names of the objects of a kind; none within an object that does not exist.

    Args:
        board: The objects.
        overridden: Names of the backends for which something was ordered.
        kind: The kind, as for `IControl.names`.
        within: What contains them, likewise.

    Raises:
        RefusedError: There is no such kind.
    """
    frontend, _, pool = within.partition("/")
    status = board.frontends.get(frontend)
    pools = status.frontend.pools if status is not None else ()
    kinds: dict[str, Callable[[], Iterable[str]]] = {
        "frontend": lambda: board.frontends,
        "backend": lambda: board.backends,
        "address": lambda: dict.fromkeys(status.address for status in board.backends.values()),
        "overridden": lambda: overridden,
        "announced": lambda: board.config.announce.addresses,
        "healthcheck": lambda: board.config.healthchecks,
        "pool": lambda: [each.name for each in pools],
        "member": lambda: [member.backend for each in pools if each.name == pool for member in each.members],
    }
    if kind not in kinds:
        message = f"invalid kind {kind!r}: expected one of {', '.join(kinds)}"
        raise RefusedError(message)
    return kinds[kind]()
