"""The shapes of what the verbs about announcements return (see `maglev.model.views`)."""

from __future__ import annotations

from typing import Annotated, TypedDict

from maglev.model.override_views import KeptView
from maglev.model.views import ChangeView, PageView


class AnnouncementView(TypedDict):
    """An address that is announced while something serves behind it."""

    address: Annotated[str, "The address."]
    prefix: Annotated[str, "The route: the address with ``/32`` or ``/128``."]
    state: Annotated[str, "``announced``, ``withdrawn``, or ``undecided``: as before the start of maglevd."]
    why: Annotated[str, "The reason, for a person."]
    since: Annotated[str, "When this state began; for ``undecided``, when maglevd started."]
    age: Annotated[float, "Seconds since then."]
    changes_in: Annotated[float | None, "Seconds after which it changes if nothing else does; None if it does not."]
    frontends: Annotated[list[str], "Names of the frontends with this address."]
    needed: Annotated[str, "Whether ``any`` or ``all`` of them must serve."]
    min_up: Annotated[int, "Backends in service that a frontend needs to count as serving."]
    after: Annotated[float, "Seconds for which it must have served before it is announced."]
    when_held: Annotated[bool, "Whether it stays announced while only the guard keeps backends in service."]


class SinkView(TypedDict):
    """A receiver of announcements."""

    sink: Annotated[str, "``bird``, or ``hook`` and its name."]
    target: Annotated[str, "The control socket, the socket, or the program."]
    connected: Annotated[int, "Number of readers that are connected, or programs that run."]
    problem: Annotated[str, "Why it can't be reached, for a person; empty if it can."]


class AnnouncementsView(PageView[AnnouncementView]):
    """The addresses: a page of them, in the order of the file, and who receives them."""

    sinks: Annotated[list[SinkView], "The receivers."]


class AnnounceChangeView(ChangeView, KeptView):
    """An address kept withdrawn, or free to be announced, by a command; ``on`` or ``off``."""

    address: Annotated[str, "The address."]
    state: Annotated[str, "Its state after the command: ``announced``, ``withdrawn`` or ``undecided``."]
