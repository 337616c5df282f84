"""Builds the views of announcements, in the shapes of `maglev.model.announce_views` and `maglev.model.event_views`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.model.announce import prefix_of_address
from maglev.model.moments import moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maglev.announce.announcer import Announcement, SinkStatus
    from maglev.model.announce import AnnouncePolicy
    from maglev.model.announce_views import AnnouncementView, SinkView
    from maglev.model.event_views import AnnouncementEventView, SinkEventView
    from maglev.model.events import AnnouncementEvent, SinkEvent


def announcement_view(
    policy: AnnouncePolicy, entry: Announcement, age: float, frontends: Sequence[str], changes_in: float | None
) -> AnnouncementView:
    """Return one address, whose state began some seconds ago."""
    return {
        "address": policy.address,
        "prefix": policy.prefix,
        "state": str(entry.state.now),
        "why": entry.state.why,
        "since": moment(entry.at),
        "age": round(age, 1),
        "changes_in": changes_in,
        "frontends": list(frontends),
        "needed": str(policy.frontends),
        "min_up": policy.min_up,
        "after": policy.after,
        "when_held": policy.when_held,
    }


def sink_view(status: SinkStatus) -> SinkView:
    """Return a receiver of announcements."""
    return {"sink": status.sink, "target": status.target, "connected": status.connected, "problem": status.problem}


def announcement_event_view(event: AnnouncementEvent) -> AnnouncementEventView:
    """Return that an address was announced or withdrawn."""
    return {
        "type": "announcement",
        "seq": event.seq,
        "at": moment(event.at),
        "address": event.address,
        "prefix": prefix_of_address(event.address),
        "from": str(event.old),
        "to": str(event.new),
        "why": event.why,
    }


def sink_event_view(event: SinkEvent) -> SinkEventView:
    """Return that a receiver went out of reach, or was reached again."""
    return {"type": "sink", "seq": event.seq, "at": moment(event.at), "sink": event.sink, "problem": event.problem}
