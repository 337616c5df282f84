"""Wall-clock times as text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

LATEST: Final = 250_000_000_000.0
"""The latest time that `moment` can tell, in seconds since the epoch: in the year 9892."""


def moment(seconds: float) -> str:
    """Return a wall-clock time as ISO 8601 text in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
