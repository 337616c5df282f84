"""The shapes of sessions, and of what opens one; see `maglev.model.views`."""

from __future__ import annotations

from typing import Annotated, TypedDict


class SessionView(TypedDict):
    """A session."""

    name: Annotated[str, "Name of the user."]
    role: Annotated[str, "``viewer`` or ``operator``."]
    origin: Annotated[str, "Where the session comes from."]
    front_end: Annotated[str, "``ssh``, ``pb`` or ``web``."]
    since: Annotated[str, "When it began."]
    age: Annotated[float, "Seconds since then."]
    idle: Annotated[float, "Seconds since the last command."]


class WebLoginView(TypedDict):
    """A link that opens the live page as the user who asked for it."""

    url: Annotated[str, "The link."]
    expires_in: Annotated[float, "Seconds in which it has to be opened; it works once."]
