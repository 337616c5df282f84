"""The caller: the identity and the role that accompany every call of a verb."""

from __future__ import annotations

import enum

import attrs


class Role(enum.StrEnum):
    """What a caller may do."""

    VIEWER = "viewer"
    """Read and watch."""

    OPERATOR = "operator"
    """Everything."""


@attrs.frozen
class Caller:
    """The person or program that makes a call.

    Attributes:
        name: Name of the person or program, such as the comment of an SSH key or a user name; printable.
        role: What the caller may do.
        origin: Where the call comes from, such as ``ssh 192.0.2.7:50222`` or ``unix uid 1000 pid 4711``; printable.
    """

    name: str
    role: Role
    origin: str

    def __str__(self) -> str:
        return f"{self.name} ({self.role}, {self.origin})"
