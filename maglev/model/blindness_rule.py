"""When the checks are in doubt, as the file says."""

from __future__ import annotations

import attrs


@attrs.frozen
class Blindness:
    """When the checks are in doubt, because so many backends went down together.

    Attributes:
        share: How many of those in service, in percent.
        window: Seconds within which they went down.
        hold: Seconds after which the checks are believed after all.
        canary: Name of a backend that shows by being up that there is nothing wrong; None for none.
    """

    share: float
    window: float = 30.0
    hold: float = 300.0
    canary: str | None = None
