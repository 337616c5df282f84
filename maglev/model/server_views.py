"""The view of a command that several servers were asked; see `maglev.model.views`."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict


class ServerResultView(TypedDict):
    """What one of several servers (``maglevc --server lb1,lb2``) said to a command."""

    server: Annotated[str, "Host of the server; its address where two have the same host."]
    address: Annotated[str, "Address of the server, such as ``tls:lb1:2223``."]
    confirmed: Annotated[bool, "Whether it answered. If not, nobody knows whether a change was made."]
    status: Annotated[int, "Exit status of the command for this server alone: 0 or 1."]
    error: Annotated[str, "Why it failed, or why it can't be confirmed; empty if it succeeded."]
    result: Annotated[Any, "The JSON of the command; null if there is none, text if a filter made it something else."]
