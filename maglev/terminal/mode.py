"""The modes of a shell; `maglev.terminal.shell` explains them."""

from __future__ import annotations

import enum


class Mode(enum.Enum):
    """The meaning of keys."""

    TYPING = enum.auto()
    ASKING = enum.auto()
    RUNNING = enum.auto()
    OVER = enum.auto()
