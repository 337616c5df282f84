"""The bounds of a session at a terminal, with the reason of each number."""

from __future__ import annotations

from typing import Final

TYPED_AHEAD: Final = 720 * 1024
"""Bytes of memory for the keys typed or pasted while a command runs; the rest is dropped, with a bell, as terminals do.
64 KiB of pasted ASCII fit, or 2,500 keys that all differ (`maglev.terminal.typed_ahead`)."""

LINE_LENGTH: Final = 4096
"""Characters of a command line: forty times the longest useful command."""

HISTORY: Final = 500
"""Lines remembered in a session."""

HISTORY_TEXT: Final = 64 * 1024
"""Characters of all these lines together: 500 lines of 130. A key of a search looks at all of them."""

INPUT_SLICE: Final = 1024
"""Bytes of what is typed or pasted that are obeyed in one turn of the reactor: some 3 ms."""

LOOKED_AT: Final = 16 * 1024
"""Characters of the line, the history and the output that the keys of one turn may look at: some 4 ms where each is a
step of Python. The key that exceeds it is the last one of the turn."""
