"""Who asks: the identity and the role that come with every call of a verb."""

from __future__ import annotations

import enum

import attrs


class Role(enum.StrEnum):
    """What somebody may do."""

    VIEWER = "viewer"
    """Read and watch."""

    OPERATOR = "operator"
    """Everything."""


@attrs.frozen
class Caller:
    """Who makes a call.

    Attributes:
        name: Of the person or the program, such as the comment of an SSH key or a user name; printable.
        role: What they may do.
        origin: Where they come from, such as ``ssh 192.0.2.7:50222`` or ``unix uid 1000 pid 4711``; printable.
    """

    name: str
    role: Role
    origin: str

    def __str__(self) -> str:
        return f"{self.name} ({self.role}, {self.origin})"
