"""Who changed what: the caller's role is checked, and every change leaves a line in the log, refused ones as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from maglev.model.caller import Role
from maglev.model.errors import ForbiddenError, MaglevError
from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from maglev.control.event_log import AuditTrail
    from maglev.model.announce_views import AnnounceChangeView
    from maglev.model.caller import Caller
    from maglev.model.views import BackendChangeView, FrontendChangeView, OverrideClearView, WeightChangeView

Change = TypeVar(
    "Change",
    "AnnounceChangeView",
    "BackendChangeView",
    "FrontendChangeView",
    "OverrideClearView",
    "WeightChangeView",
)


class Audit:
    """The changes of one caller."""

    _log = EventLogger()

    def __init__(self, caller: Caller, trail: AuditTrail) -> None:
        self._caller = caller
        self._trail = trail

    async def change(self, what: Mapping[str, str], change: Callable[[], tuple[Change, Awaitable[str]]]) -> Change:
        """Make a change that the caller may make, and record it, whether it was made or refused.

        Args:
            what: The action and its object, as fields of the log line.
            change: Makes it. Returns an answer that says from what to what, and what to wait for: until a restart does
                not forget the change, or the reason why it would.

        Raises:
            ForbiddenError: The caller may not.
            MaglevError: What the change raised.
        """
        self.require_operator(what)
        try:
            view, kept = change()
        except MaglevError as error:
            self.record(what, refused=str(error))
            raise
        self.record(what, **{"from": view["from"], "to": view["to"]})
        view["not_kept"] = await kept
        return view

    def require_operator(self, what: Mapping[str, str]) -> None:
        """Record and refuse what a caller of another role asks for.

        Raises:
            ForbiddenError: The caller is not an operator.
        """
        if self._caller.role is not Role.OPERATOR:
            self.record(what, refused="forbidden")
            needed = f"{what['action']} needs the role {Role.OPERATOR}"
            message = f"permission denied: {needed}, your role is {self._caller.role}"
            raise ForbiddenError(message)

    def record(self, what: Mapping[str, str], **outcome: Any) -> None:
        """Write the line."""
        caller = self._caller
        self._log.info("audit", who=caller.name, role=str(caller.role), origin=caller.origin, **what, **outcome)
        self._trail.record(caller, what["action"], what["object"], _in_words(outcome), what.get("reason", ""))


def _in_words(outcome: Mapping[str, Any]) -> str:
    """Return the outcome of a change for a person."""
    if "refused" in outcome:
        return f"refused: {outcome['refused']}"
    if "from" in outcome:
        return f"{outcome['from']} -> {outcome['to']}"
    return ", ".join(f"{value} {key}" for key, value in outcome.items())
