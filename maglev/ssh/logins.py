"""Logs and counts logins: events for the log, numbers for the metrics."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from maglev.model.caller import Role
from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from maglev.model.caller import Caller


class Logins:
    """Logs and counts each login, refusal and logout.

    Attributes:
        counts: Logins by role (``none`` for an unknown user) and result (``accepted``, ``refused``).
        sessions: Number of shells and commands that run now.
    """

    _log = EventLogger()

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter(
            {(str(Role.OPERATOR), "accepted"): 0, (str(Role.VIEWER), "accepted"): 0, ("none", "refused"): 0}
        )
        self.sessions = 0

    def entered(self, caller: Caller, fingerprint: str) -> None:
        """Record a login."""
        self.counts[str(caller.role), "accepted"] += 1
        self._log.info("ssh-login", who=caller.name, role=caller.role, origin=caller.origin, key=fingerprint)

    def left(self, caller: Caller) -> None:
        """Record a logout."""
        self._log.info("ssh-logout", who=caller.name, role=caller.role, origin=caller.origin)

    def refused(self, reason: str, origin: str, user: str) -> None:
        """Record a connection that ended without a login, after an attempt or an error of the peer."""
        self.counts["none", "refused"] += 1
        self._log.warn("ssh-login-refused", reason=reason, origin=origin, user=user)
