"""Ranges of the whole numbers that callers may pass to a verb, and how many rows a page has.

The verbs (`maglev.interfaces`), the wire, the console and the live page all take them from here.
"""

# No `from __future__ import annotations`: the verbs' annotations are read at run time.

from typing import Annotated, Final, NamedTuple

from maglev.model.override import MAX_DURATION


class Within(NamedTuple):
    """The range of a whole number: the lowest, and the highest."""

    low: int
    high: int


MAX_LIMIT: Final = 10_000
"""Number of rows or names that a caller may ask for; the daemon may return fewer."""

PAGE: Final = 100
"""Rows of a page, if a caller does not say; it is what our own clients ask for."""

MAX_PAGE: Final = 200
"""Rows of a page that the daemon returns at most: they render in a few milliseconds, and stay far below the limits of
the wire."""

NAMES: Final = 1000
"""Names that are returned for completion, if a caller does not say."""

PEER_PAGE: Final = 5
"""VIPs of a page that is asked of another balancer: some ten KiB, which take a millisecond to take apart."""

MAX_PEERS_PAGE: Final = 20
"""VIPs of a page of ``peers`` at most: each has all its servers at all balancers."""

Limit = Annotated[int, Within(1, MAX_LIMIT)]
Duration = Annotated[int, Within(0, MAX_DURATION)]
Flows = Annotated[int, Within(0, 1_000_000_000)]
Last = Annotated[int, Within(1, 500)]
Weight = Annotated[int, Within(0, 100)]
