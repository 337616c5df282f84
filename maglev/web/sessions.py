"""Sessions of the live page: somebody opened a link that ``web login`` had printed.

A session is known by a secret in a cookie. Sessions live in memory: they end when maglevd does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from maglev.model.caller import Caller
from maglev.runtime.logs.logger import EventLogger
from maglev.runtime.tokens import new_token, token_key

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
    """

    def __init__(self, control: IControl, entry: WebSessionEntry, expiry: IDelayedCall) -> None:
        self.control = control
        self._entry = entry
        self._expiry = expiry

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
        if self._expiry.active():
            self._expiry.cancel()


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
        issued = new_token()
        key = token_key(issued)
        expiry = self._clock.callLater(LIFETIME, self._end, key)
        entry = self._register.add(caller, "web")
        self._sessions[key] = WebSession(self._control_for(caller), entry, expiry)
        self._log.info("web-login", who=caller.name, role=str(caller.role), origin=caller.origin)
        return issued

    def find(self, secret: str) -> WebSession | None:
        """Return the session of a secret; None if there is none."""
        return self._sessions.get(token_key(secret))

    def log_out(self, secret: str) -> None:
        """End a session."""
        self._end(token_key(secret))

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
