"""The screen, with prompt_toolkit: shows the test until somebody has seen enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prompt_toolkit.application import Application
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.layout import Layout, Window
from prompt_toolkit.layout.controls import FormattedTextControl
from prompt_toolkit.styles import Style

from maglev.maglevt.render.screen_text import screen

if TYPE_CHECKING:
    from collections.abc import Callable

    from prompt_toolkit.formatted_text import StyleAndTextTuples
    from prompt_toolkit.key_binding import KeyPressEvent

    from maglev.maglevt.render.summary import ReportedTest

REFRESH: Final = 0.25
"""Seconds between two looks at the figures: as fast as anybody reads."""

_STYLES: Final = {
    "bad": "ansired bold",
    "good": "ansigreen",
    "doubt": "ansiyellow",
    "head": "bold",
    "chosen": "reverse",
    "dim": "ansibrightblack",
}


class LiveScreen:
    """Shows a test, and takes keys."""

    def __init__(
        self,
        report: Callable[[], ReportedTest],
        daemon: Callable[[], str],
        quit_: Callable[[], None],
        *,
        colour: bool,
    ) -> None:
        """Prepare it.

        Args:
            report: Returns the test as it is now.
            daemon: Returns what to say of the connection to the daemon.
            quit_: Called when somebody wants to stop.
            colour: Whether to use colours.
        """
        self._report = report
        self._daemon = daemon
        self._quit = quit_
        self._chosen = 0
        self._application: Application[None] = Application(
            layout=Layout(Window(FormattedTextControl(self._text, show_cursor=False), wrap_lines=False)),
            key_bindings=self._keys(),
            style=Style.from_dict(_STYLES if colour else {"chosen": "reverse"}),
            full_screen=True,
            refresh_interval=REFRESH,
        )

    async def run(self) -> None:
        """Show it until `end`."""
        await self._application.run_async(handle_sigint=False)

    def end(self) -> None:
        """Give the terminal back."""
        if self._application.is_running:
            self._application.exit()

    def _text(self) -> StyleAndTextTuples:
        test = self._report()
        self._chosen = max(0, min(self._chosen, len(test.figures) - 1))
        size = self._application.output.get_size()
        lines = screen(test, self._daemon(), self._chosen, size.columns, size.rows)
        pieces: StyleAndTextTuples = []
        for line in lines:
            pieces += [(f"class:{style}" if style else "", text) for style, text in line]
            pieces.append(("", "\n"))
        return pieces[:-1]

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        @keys.add("q")
        @keys.add("c-c")
        @keys.add("c-d")
        def _quit(_: KeyPressEvent) -> None:
            self._quit()

        @keys.add("up")
        @keys.add("k")
        def _up(_: KeyPressEvent) -> None:
            self._chosen -= 1

        @keys.add("down")
        @keys.add("j")
        def _down(_: KeyPressEvent) -> None:
            self._chosen += 1

        return keys
