"""What is told about logins: events for the log, numbers for the metrics."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from maglev.model.caller import Role
from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from maglev.model.caller import Caller


class Logins:
    """Tells of each login, refusal and logout.

    Attributes:
        counts: Logins by role (``none`` where nobody is known) and result (``accepted``, ``refused``).
        sessions: Shells and commands that run now.
    """

    _log = EventLogger()

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter(
            {(str(Role.OPERATOR), "accepted"): 0, (str(Role.VIEWER), "accepted"): 0, ("none", "refused"): 0}
        )
        self.sessions = 0

    def entered(self, caller: Caller, fingerprint: str) -> None:
        """Somebody logged in."""
        self.counts[str(caller.role), "accepted"] += 1
        self._log.info("ssh-login", who=caller.name, role=caller.role, origin=caller.origin, key=fingerprint)

    def left(self, caller: Caller) -> None:
        """Somebody is gone."""
        self._log.info("ssh-logout", who=caller.name, role=caller.role, origin=caller.origin)

    def refused(self, reason: str, origin: str, user: str) -> None:
        """A connection ended without a login, although one was attempted, or the peer behaved oddly."""
        self.counts["none", "refused"] += 1
        self._log.warn("ssh-login-refused", reason=reason, origin=origin, user=user)
