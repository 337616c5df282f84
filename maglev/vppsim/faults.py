"""What can be made to go wrong, on purpose."""

from __future__ import annotations

from collections import Counter
from typing import Final

import attrs

ALWAYS: Final = -1
"""Instead of a number of times."""


@attrs.define
class Faults:
    """The faults that are switched on; all are off at first. Change the attributes at any time.

    Requests are named without CRC, such as ``lb_as_set_weight``.

    Attributes:
        drops: How often the answer to a request is still to be left out; the request is carried out all the same.
        delays: Seconds by which the answer to a request comes late. As in VPP, where one thread does everything,
            nothing else is done on that connection meanwhile.
        retvals: What a request is answered with *instead* of being carried out.
        split: Bytes per write: what is sent is cut into pieces of that size, each sent in a turn of its own. 0 is off.
        hang_up_after: Number of further details messages after which a connection is closed. None is off.
        frozen: The main loop stands still: nothing is read, answered or counted. Use `Simulator.freeze`.
    """

    drops: Counter[str] = attrs.field(factory=Counter)
    delays: dict[str, float] = attrs.field(factory=dict)
    retvals: dict[str, int] = attrs.field(factory=dict)
    split: int = 0
    hang_up_after: int | None = None
    frozen: bool = False

    def drop(self, request: str, times: int = 1) -> None:
        """Leave out the answers to the next requests of a kind; `ALWAYS` for all."""
        self.drops[request] = times

    def is_dropped(self, request: str) -> bool:
        """Return whether this answer is to be left out, and count it."""
        left = self.drops[request]
        if left > 0:
            self.drops[request] -= 1
        return left != 0

    def hangs_up(self) -> bool:
        """Return whether the connection is to be closed instead of sending this details message, and count it."""
        if self.hang_up_after is None:
            return False
        if self.hang_up_after > 0:
            self.hang_up_after -= 1
            return False
        self.hang_up_after = None
        return True

    def clear(self) -> None:
        """Switch all faults off but the frozen main loop."""
        self.drops.clear()
        self.delays.clear()
        self.retvals.clear()
        self.split, self.hang_up_after = 0, None
