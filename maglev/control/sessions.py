"""The register of sessions of all front ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.model.moments import moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IReactorTime

    from maglev.model.caller import Caller
    from maglev.model.session_views import SessionView


class SessionEntry:
    """One session in the register."""

    def __init__(self, register: Sessions, caller: Caller, front_end: str) -> None:
        self.caller = caller
        self.front_end = front_end
        self.since = register.wall()
        self._register = register
        self.began = self.touched = register.clock.seconds()

    def touch(self) -> None:
        """Reset the idle time of the session."""
        self.touched = self._register.clock.seconds()

    def remove(self) -> None:
        """Remove it from the register; harmless if it is removed already."""
        self._register.forget(self)


class Sessions:
    """The register of sessions.

    Attributes:
        clock: Measures idle times.
        wall: Returns the wall-clock time, for the start of each session.
    """

    def __init__(self, clock: IReactorTime, wall: Callable[[], float]) -> None:
        self.clock = clock
        self.wall = wall
        self._entries: dict[SessionEntry, None] = {}

    def add(self, caller: Caller, front_end: str) -> SessionEntry:
        """Register a new session.

        Args:
            caller: The caller.
            front_end: The front end in use: ``ssh``, ``pb`` or ``web``.
        """
        entry = SessionEntry(self, caller, front_end)
        self._entries[entry] = None
        return entry

    def forget(self, entry: SessionEntry) -> None:
        """Remove a session."""
        self._entries.pop(entry, None)

    def views(self) -> list[SessionView]:
        """Return all sessions, the oldest first."""
        now = self.clock.seconds()
        return [
            {
                "name": entry.caller.name,
                "role": str(entry.caller.role),
                "origin": entry.caller.origin,
                "front_end": entry.front_end,
                "since": moment(entry.since),
                "age": round(now - entry.began, 1),
                "idle": round(now - entry.touched, 1),
            }
            for entry in self._entries
        ]
