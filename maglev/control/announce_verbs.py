"""The verbs about announcements: what is announced and why, and keeping an address withdrawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.control.announce_views import announcement_view, sink_view
from maglev.control.views import kept_view, page_view
from maglev.model.addresses import canonical, is_address
from maglev.model.announce import AnnounceOrder
from maglev.model.bounds import PAGE
from maglev.model.errors import NotFoundError
from maglev.model.override import Target, remark_by

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from maglev.announce.announcer import Announcer
    from maglev.control.audit import Audit
    from maglev.control.overrides import Overrides
    from maglev.model.announce_views import AnnounceChangeView, AnnouncementsView, AnnouncementView
    from maglev.model.caller import Caller
    from maglev.state.board import Board


class AnnounceVerbs:
    """These verbs, for one caller; see `maglev.interfaces.IControl` for what each does and returns."""

    caller: Caller
    _audit: Audit
    _board: Board
    _overrides: Overrides
    _announcer: Announcer

    async def announcements(self, after: str = "", limit: int = PAGE) -> AnnouncementsView:
        """A page of announced addresses."""
        page = page_view(list(self._announcer.entries), after, limit, self._announcement_view)
        return {"sinks": [sink_view(status) for status in self._announcer.sinks()], **page}

    async def announcement(self, address: str) -> AnnouncementView:
        """One announced address."""
        return self._announcement_view(self._known(address))

    async def set_announce(
        self,
        address: str,
        on: bool,  # noqa: FBT001  # a word on the wire
        duration: int = 0,
        reason: str = "",
    ) -> AnnounceChangeView:
        """Keep an address withdrawn, or let it be announced."""
        remark = remark_by(self.caller, duration, reason)
        order = AnnounceOrder.ON if on else AnnounceOrder.OFF
        what = {"action": f"set-announce-{order}", "object": address, **self._overrides.notes(remark)}
        self._audit.require_operator(what)
        target = Target("", address=self._known(address))

        def change() -> tuple[AnnounceChangeView, Awaitable[str]]:
            before = self._overrides.get(target)
            kept = self._overrides.announce(target.address, order, remark)
            made = self._overrides.get(target)
            old, new = (AnnounceOrder.ON if each is None else each.value for each in (before, made))
            state = str(self._announcer.entries[target.address].state.now)
            view = {"address": target.address, "from": str(old), "to": str(new), "state": state, **kept_view(made)}
            return view, kept  # type: ignore[return-value]

        return await self._audit.change(what, change)

    def _known(self, address: str) -> str:
        """Return an announced address in its usual form.

        Raises:
            NotFoundError: It is not announced.
        """
        usual = canonical(address) if is_address(address) else address
        if usual not in self._announcer.entries:
            message = f"unknown announced address {address!r}"
            raise NotFoundError(message)
        return usual

    def _announcement_view(self, address: str) -> AnnouncementView:
        announcer = self._announcer
        policy = self._board.config.announce.addresses[address]
        entry, due = announcer.entries[address], announcer.changes_in(address)
        return announcement_view(policy, entry, self._board.age(entry.at), announcer.frontends_of(address), due)
