"""What has happened lately: the event log of the board, and what people changed or tried to change.

Both are in memory and bounded, each on its own: a bad day for backends does not push out who did what.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final

from maglev.control.event_views import event_view
from maglev.model.moments import moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from maglev.model.caller import Caller
    from maglev.model.event_views import AuditEventView, EventView
    from maglev.state.board import Board

AUDITS: Final = 1000
"""Changes and attempts that are remembered."""


class AuditTrail:
    """The latest changes that people made, and those that they were refused.

    Attributes:
        entries: Each with the position in the event log after which it was made, the oldest first.
    """

    def __init__(self, board: Board, wall: Callable[[], float]) -> None:
        """Begin an empty one.

        Args:
            board: Has the event log.
            wall: Returns the wall-clock time, in seconds since the epoch.
        """
        self._board = board
        self._wall = wall
        self.entries: deque[tuple[int, AuditEventView]] = deque(maxlen=AUDITS)

    def record(self, caller: Caller, action: str, object_: str, result: str, reason: str) -> None:
        """Remember one."""
        view: AuditEventView = {
            "type": "audit",
            "at": moment(self._wall()),
            "who": caller.name,
            "role": str(caller.role),
            "origin": caller.origin,
            "action": action,
            "object": object_,
            "result": result,
            "reason": reason,
        }
        self.entries.append((self._board.seq, view))

    def latest(self, count: int) -> list[EventView]:
        """Return the latest events and changes, in the order in which they came."""
        rows: list[tuple[int, int, EventView]] = [
            (event.seq, 0, event_view(event)) for event in islice(reversed(self._board.events), count)
        ]
        rows += [(seq, 1, view) for seq, view in islice(reversed(self.entries), count)][::-1]
        return [view for _, _, view in sorted(rows, key=lambda row: row[:2])[-count:]]
