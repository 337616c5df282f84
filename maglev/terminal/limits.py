"""The bounds of a session at a terminal, with the reason of each number."""

from __future__ import annotations

from typing import Final

TYPED_AHEAD: Final = 64 * 1024
"""Bytes kept of what is typed or pasted while a command runs; the rest is dropped, with a bell, as terminals do."""

LINE_LENGTH: Final = 4096
"""Characters of a command line: forty times the longest useful command."""

HISTORY: Final = 500
"""Lines remembered in a session."""

INPUT_SLICE: Final = 1024
"""Bytes of what is typed or pasted that are obeyed in one turn of the reactor: some 3 ms."""
