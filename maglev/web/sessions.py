"""Sessions of the live page: somebody who opened a link that ``web login`` had printed.

A session is known by a secret in a cookie. Sessions live in memory: they end when maglevd does.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Final, Protocol

from maglev.model.caller import Caller
from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from maglev.interfaces import IControl

LIFETIME: Final = 12 * 3600.0
"""Seconds until a session ends: a shift."""

MAX_SESSIONS: Final = 64
"""Sessions; with one more, the oldest ends."""

MAX_SESSIONS_OF_ONE: Final = 8
"""Sessions of one name: several browsers; with one more, the oldest of them ends."""

SECRET_BYTES: Final = 32
"""Bytes of a secret: 256 bits are not to be guessed."""


class WebSessionEntry(Protocol):
    """A session in the register."""

    def touch(self) -> None:
        """Record that the session did something."""

    def remove(self) -> None:
        """Remove it."""


class WebSessionRegister(Protocol):
    """The register of sessions of all front ends (`maglev.control.sessions.Sessions`)."""

    def add(self, caller: Caller, front_end: str) -> WebSessionEntry:
        """Register a new session."""


class WebSession:
    """One session.

    Attributes:
        control: The verbs, bound to its caller.
        until: When it ends, by the monotonic clock.
    """

    def __init__(self, control: IControl, entry: WebSessionEntry, until: float, alarm: IDelayedCall) -> None:
        self.control = control
        self.until = until
        self._entry = entry
        self._alarm = alarm

    @property
    def caller(self) -> Caller:
        """Whose it is."""
        return self.control.caller

    def touch(self) -> None:
        """Record that it was used."""
        self._entry.touch()

    def end(self) -> None:
        """Release what it holds."""
        self._entry.remove()
        if self._alarm.active():
            self._alarm.cancel()


class WebSessions:
    """All sessions."""

    _log = EventLogger()

    def __init__(
        self,
        clock: IReactorTime,
        redeem: Callable[[str], Caller | None],
        control_for: Callable[[Caller], IControl],
        register: WebSessionRegister,
    ) -> None:
        """Begin without sessions.

        Args:
            clock: A monotonic clock.
            redeem: Returns whom the secret of a link stands for; None if it is void.
            control_for: Returns the verbs bound to a caller.
            register: The register of sessions.
        """
        self._clock = clock
        self._redeem = redeem
        self._control_for = control_for
        self._register = register
        self._sessions: dict[bytes, WebSession] = {}

    def __len__(self) -> int:
        """Return their number."""
        return len(self._sessions)

    def log_in(self, secret: str, where: str) -> str | None:
        """Begin a session with the secret of a link; return the secret of the session, or None if the link is void.

        Args:
            secret: From the link.
            where: The address of the browser.
        """
        caller = self._redeem(secret)
        if caller is None:
            self._log.warn("web-login-refused", origin=f"web {where}")
            return None
        caller = Caller(caller.name, caller.role, f"web {where}")
        own = [key for key, each in self._sessions.items() if each.caller.name == caller.name]
        self._end_all_but(own, MAX_SESSIONS_OF_ONE - 1)
        self._end_all_but([*self._sessions], MAX_SESSIONS - 1)
        issued = secrets.token_urlsafe(SECRET_BYTES)
        key = _digest(issued)
        alarm = self._clock.callLater(LIFETIME, self._end, key)
        entry = self._register.add(caller, "web")
        self._sessions[key] = WebSession(self._control_for(caller), entry, self._clock.seconds() + LIFETIME, alarm)
        self._log.info("web-login", who=caller.name, role=str(caller.role), origin=caller.origin)
        return issued

    def find(self, secret: str) -> WebSession | None:
        """Return the session of a secret; None if there is none."""
        return self._sessions.get(_digest(secret))

    def log_out(self, secret: str) -> None:
        """End a session."""
        self._end(_digest(secret))

    def close(self) -> None:
        """End all sessions."""
        self._end_all_but([*self._sessions], 0)

    def _end_all_but(self, keys: list[bytes], count: int) -> None:
        for key in keys[: max(len(keys) - count, 0)]:
            self._end(key)

    def _end(self, key: bytes) -> None:
        session = self._sessions.pop(key, None)
        if session is not None:
            session.end()


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
