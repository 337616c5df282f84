"""Shows output on the screen a page at a time, with the pager, its prompt and its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.internet.defer import CancelledError, Deferred

from maglev.terminal.pager import Pager

if TYPE_CHECKING:
    from maglev.terminal.keys import Key
    from maglev.terminal.screen import Screen
    from maglev.terminal.stream import Window

_WIPE: Final = "\r\x1b[K"


class Pages:
    """Shows the output of one command after the other."""

    def __init__(self, screen: Screen, window: Window, *, dumb: bool, colour: bool) -> None:
        """Begin with pages of the height of the window.

        Args:
            screen: The screen.
            window: The size of the terminal.
            dumb: Whether the terminal knows no escape sequences.
            colour: Whether the prompt may be shown inverse.
        """
        self._screen = screen
        self._window = window
        self._dumb = dumb
        self._colour = colour
        self._prompt_width = 0
        self._length: int | None = None
        self._pager = Pager()
        self._readers: list[Deferred[None]] = []

    @property
    def waiting(self) -> bool:
        """Whether ``--More--`` is shown, and keys are for it."""
        return self._pager.waiting

    @property
    def looked_at(self) -> int:
        """Characters of output that were shown or skipped."""
        return self._pager.looked_at

    def set_length(self, rows: int) -> None:
        """Set the rows of a page, whatever the window; 0 means unlimited."""
        self._length = rows
        self._pager.resize(rows)

    def resize(self, window: Window) -> None:
        """Go on in a window of another size."""
        self._window = window
        self._pager.resize(self._rows)
        if self.waiting:
            self._show_prompt()

    def begin(self) -> None:
        """Begin with the output of another command."""
        self._pager.begin(self._rows)

    def flow(self) -> None:
        """Hold nothing back of the output that follows: it comes by itself, and any key ends it."""
        self._pager.begin(0)

    def end(self) -> None:
        """Discard unshown output, and release all waiting callers."""
        self._pager.begin(self._rows)
        self._release()

    def write(self, text: str) -> None:
        """Show output, as far as the page goes."""
        self._pager.take(text)
        self._show()

    def press(self, key: Key) -> bool:
        """Handle a key; return whether the reader has seen enough."""
        self._wipe_prompt()
        self._pager.press(key)
        if not self._pager.quit:
            self._show()
        return self._pager.quit

    async def turned(self) -> None:
        """Wait until everything is shown or discarded."""
        while self.waiting:
            waiting: Deferred[None] = Deferred()
            self._readers.append(waiting)
            try:
                await waiting
            except CancelledError:
                if waiting in self._readers:
                    self._readers.remove(waiting)
                raise

    @property
    def _rows(self) -> int:
        return self._window.rows if self._length is None else self._length

    def _show(self) -> None:
        self._screen.show(self._pager.lines(self._window.columns))
        if self.waiting:
            self._show_prompt()
        else:
            self._release()

    def _show_prompt(self) -> None:
        prompt = self._pager.prompt[: max(self._window.columns - 1, 1)]
        self._wipe_prompt()
        self._screen.put(f"\x1b[7m{prompt}\x1b[0m" if self._colour and not self._dumb else prompt)
        self._prompt_width = len(prompt)

    def _wipe_prompt(self) -> None:
        if self._prompt_width:
            self._screen.put(f"\r{' ' * self._prompt_width}\r" if self._dumb else _WIPE)
        self._prompt_width = 0

    def _release(self) -> None:
        readers, self._readers = self._readers, []
        for each in readers:
            each.callback(None)
