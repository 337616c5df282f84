"""The interactive shell: keys to lines, lines to commands, output to the screen.

Theory of operation. A shell is in one of three modes:

* ``TYPING``: the line being typed is in the last row; keys edit it.
* ``ASKING``: the same, while an answer to TAB or ``?`` is awaited. Keys are kept for later.
* ``RUNNING``: a command runs. Keys are kept for later, but ^C cancels it, and so does any key if it asked for that.
  While its output is held back by ``--More--``, keys are for the pager.

Kept keys are handled when typing goes on, one by one, and only as long as the mode stays ``TYPING``: a complete line
starts a command, and the rest waits again. At the end of the session, remaining keys are discarded. ^C drops what was
typed ahead, as on every terminal.

Events (``terminal monitor``) are written between two writes of a command, or above the line being typed, which is drawn
again; ``--More--`` makes them wait.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import attrs
from twisted.internet.defer import CancelledError, Deferred

from maglev.runtime.logs.logger import EventLogger
from maglev.terminal.editor import Outcome
from maglev.terminal.keys import Key, KeyDecoder
from maglev.terminal.limits import INPUT_SLICE, LOOKED_AT
from maglev.terminal.mode import Mode
from maglev.terminal.monitor import Monitor
from maglev.terminal.pages import Pages
from maglev.terminal.prompt import Prompt, prompt_of
from maglev.terminal.screen import PASTE_OFF, PASTE_ON, Screen
from maglev.terminal.session import IdleTimer, Session
from maglev.terminal.stream import Window
from maglev.terminal.typed_ahead import TypedAhead

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Any

    from twisted.python.failure import Failure

    from maglev.terminal.session import SessionContext
    from maglev.terminal.stream import IStream, Opening

_INTERRUPT: Final = Key("ctrl-c")
_EOF: Final = Key("eof")


class Shell:
    """Serves a person at a prompt, as `maglev.terminal.stream.IRunner`, and is the `Environment` of their commands."""

    _log = EventLogger()

    def __init__(self, context: SessionContext, stream: IStream, opening: Opening) -> None:
        """Create a shell; `start` shows the prompt.

        Args:
            context: The context of the session.
            stream: The stream of the session.
            opening: The parameters of the session.
        """
        self._context = context
        self._stream = stream
        self._opening = opening
        self._window = window = opening.window or Window()
        self._screen = Screen(stream)
        self._prompt = Prompt(
            self._screen, prompt_of(context.host, opening.caller.role), window.columns, dumb=opening.dumb
        )
        self._decoder = KeyDecoder()
        self._pages = Pages(self._screen, window, dumb=opening.dumb, colour=opening.colour)
        self._mode = Mode.TYPING
        self._ahead = TypedAhead()
        self._ending = False
        self._stop_on_key = False
        self._task: Deferred[None] | None = None
        self._catching_up = False
        self._begun = 0
        self._input = b""
        self._keys: deque[Key] = deque()
        self._eof = False
        self._drinking = False
        self._idle = IdleTimer(context.clock, context.idle_timeout, self._too_idle)
        self._columns = 0
        self._session = Session(context, self)
        self._monitor = Monitor(self._session, self.drain, self._announce)

    # What the stream calls

    def start(self) -> None:
        """Greet, and show the prompt."""
        self._screen.show(self._context.greeting)
        self._idle.restart()
        self.resumed(self._window)

    def data_received(self, data: bytes) -> None:
        """Obey what is typed; a long paste in several turns, between which others have theirs."""
        self._session.touch()
        self._input += data
        if not self._drinking:
            self._obey_input()

    def eof_received(self) -> None:
        """End when all that was typed is done: nobody can type any more."""
        self._eof = True
        if not self._drinking:
            self._obey_input()

    def resized(self, window: Window) -> None:
        """Draw for another size."""
        self._window = window
        if self._columns:
            window = attrs.evolve(window, columns=self._columns)
        self._pages.resize(window)
        self._prompt.resize(window.columns)
        self._update()

    def resumed(self, window: Window) -> None:
        """Go on after another program had the terminal."""
        if self._opening.bracketed_paste:
            self._screen.put(PASTE_ON)
        self.resized(window)

    def interrupt(self) -> None:
        """Obey ^C."""
        self._take(_INTERRUPT)
        self._update()

    def dismiss(self, words: str) -> None:
        """End, and say why."""
        self._end(f"\n{words}\n", 1)

    def closed(self) -> None:
        """Release everything."""
        self._mode = Mode.OVER
        self._let_go()
        if self._task is not None:
            self._task.cancel()
        self._session.end()

    # Keys

    def _obey_input(self) -> None:
        self._drinking = False
        if self._mode is Mode.OVER:
            return
        self._idle.restart()
        if not self._keys:
            piece, self._input = self._input[:INPUT_SLICE], self._input[INPUT_SLICE:]
            self._keys.extend(self._decoder.feed(piece))
            self._stream.consumed(len(self._input))
        end, begun = self._looked_at + LOOKED_AT, self._begun  # a command takes a step as it begins: one in a turn
        while self._keys and self._looked_at < end and (self._begun == begun or self._mode is not Mode.TYPING):
            self._take(self._keys.popleft())
        if self._input or self._keys:
            self._drinking = True
            self._context.work.soon(self._obey_input)
        elif self._eof:
            self._take(_EOF)
        self._update()

    @property
    def _looked_at(self) -> int:
        return self._prompt.looked_at + self._pages.looked_at

    def _take(self, key: Key) -> None:
        if self._mode is Mode.TYPING and not self._ahead:
            self._press(key)
        elif self._mode is Mode.RUNNING and self._pages.waiting:
            self._page(key)
        elif self._mode is not Mode.OVER:
            self._take_ahead(key)

    def _take_ahead(self, key: Key) -> None:
        if key.name == "ctrl-c":
            self._cancel("^C")
        elif self._stop_on_key:
            self._cancel()
        elif not self._ahead.append(key, always=key is _EOF):
            self._screen.ring()

    def _press(self, key: Key) -> None:
        if key is _EOF:
            self._end()
            return
        outcome = self._prompt.press(key)
        action = self._outcomes.get(outcome)
        if action is not None:
            action(self)

    def _line(self) -> None:
        line = self._prompt.take()
        if line.strip():
            self._pages.begin()
            self._do(Mode.RUNNING, self._run(line))

    def _logout(self) -> None:
        self._prompt.leave()
        self._end()

    _outcomes: Final[dict[Outcome, Callable[[Shell], None]]] = {
        Outcome.LINE: _line,
        Outcome.INTERRUPT: lambda self: self._prompt.give_up(),
        Outcome.LOGOUT: _logout,
        Outcome.COMPLETE: lambda self: self._do(Mode.ASKING, self._answer_tab()),
        Outcome.HELP: lambda self: self._do(Mode.ASKING, self._answer_help()),
    }

    def _page(self, key: Key) -> None:
        # Nobody can press a key any more.
        if self._pages.press(_INTERRUPT if key is _EOF else key):
            self._cancel()

    # What takes time

    def _do(self, mode: Mode, coroutine: Coroutine[Deferred[Any], Any, None]) -> None:
        """Do something while keys wait."""
        self._mode = mode
        self._begun += 1
        self._task = Deferred.fromCoroutine(coroutine)
        self._task.addErrback(self._failed)
        self._task.addCallback(self._done)

    def _failed(self, failure: Failure) -> None:
        if failure.check(CancelledError) is None:
            self._log.failure("terminal-failed", failure=failure, caller=str(self._opening.caller))

    def _done(self, _: None) -> None:
        self._task = None
        self._stop_on_key = False
        if self._mode is not Mode.OVER:
            self._pages.end()
            self._mode = Mode.TYPING
            if self._ending:
                self._end()
            self._catch_up()
            self._idle.restart()

    def _catch_up(self) -> None:
        """Obey what was typed ahead, in several turns if it is much."""
        # A line among it may be done at once, and would come here again.
        if self._catching_up:
            return
        self._catching_up = True
        end = self._looked_at + LOOKED_AT
        for _ in range(INPUT_SLICE):
            if self._ahead and self._mode is Mode.TYPING and self._looked_at < end:
                self._press(self._ahead.popleft())
        self._catching_up = False
        if self._ahead and self._mode is Mode.TYPING:
            self._context.work.soon(self._catch_up)
        self._update()

    def _cancel(self, mark: str = "") -> None:
        """Cancel what is under way, and forget what was typed meanwhile."""
        self._ahead.clear()
        self._ending = self._ending or self._eof
        if mark and self._mode is Mode.TYPING:
            self._prompt.give_up()
        elif mark and self._mode is Mode.ASKING:
            self._prompt.leave(mark)
        elif mark:
            self._screen.put(f"{mark}\n")
        if self._task is not None:
            self._task.cancel()

    async def _run(self, line: str) -> None:
        await self._session.run(line)
        # Even a command that ends at once gives others a turn: a paste may have thousands of lines.
        await self.drain()

    async def _answer_tab(self) -> None:
        completion = await self._session.commands.complete(self._prompt.line, self._prompt.cursor)
        await self._stream.drain()
        self._prompt.complete(completion)

    async def _answer_help(self) -> None:
        text = await self._session.commands.help(self._prompt.line, self._prompt.cursor)
        await self._stream.drain()
        self._prompt.help(text)

    # The screen

    def _update(self) -> None:
        """Draw the line if it changed, and send all output."""
        if self._mode is Mode.TYPING:
            self._prompt.refresh()
        self._screen.flush()

    def _announce(self, text: str) -> None:
        if text and self._mode is not Mode.OVER:
            drawn = self._prompt.drawn
            self._prompt.erase()
            self._screen.show(text.splitlines())
            if drawn:
                self._prompt.draw()
            self._screen.flush()

    # The end

    def _end(self, words: str = "", status: int = 0) -> None:
        if self._mode is Mode.OVER:
            return
        self._mode = Mode.OVER
        self._let_go()
        self._screen.put(words)
        if self._opening.bracketed_paste:
            self._screen.put(PASTE_OFF)
        self._screen.flush()
        self._stream.finish(status)

    def _let_go(self) -> None:
        """Stop everything that would still happen by itself."""
        self._ahead.clear()
        self._keys.clear()
        self._input = b""
        self._idle.stop()
        self._monitor.switch(False)

    def _too_idle(self) -> None:
        # A person waits for a running command, but --More-- waits for the person.
        if self._mode in {Mode.RUNNING, Mode.ASKING} and not self._pages.waiting:
            self._idle.restart()
            return
        self._end("\nLogged out: idle for too long.\n", 1)
        if self._task is not None:
            self._task.cancel()

    # What commands ask of their surroundings

    @property
    def prompt_width(self) -> int | None:
        """Columns before the line that was typed."""
        return self._prompt.width

    @property
    def terminal(self) -> bool:
        """A person reads the output."""
        return True

    @property
    def colour(self) -> bool:
        """Whether output may contain colours."""
        return self._opening.colour

    @property
    def width(self) -> int:
        """Columns of the terminal."""
        return self._columns or self._window.columns

    def write(self, text: str) -> None:
        """Show some output, as far as the page goes."""
        if self._mode is Mode.OVER:
            return
        self._pages.write(text)
        self._screen.flush()

    write_error = write  # the terminal has one stream only

    async def drain(self) -> None:
        """Wait for the stream, and for the person in front of ``--More--``."""
        await self._stream.drain()
        await self._pages.turned()

    def set_stop_on_key(self, on: bool) -> None:  # noqa: FBT001
        """From now on any key ends the command; so does the end of the input. Its output is not paged."""
        self._stop_on_key = on
        if on:
            self._pages.flow()
        if on and _EOF in self._ahead:
            self._context.work.soon(self._stop_at_eof)

    def _stop_at_eof(self) -> None:
        if self._stop_on_key:
            self._cancel()

    def set_monitor(self, on: bool) -> None:  # noqa: FBT001
        """Begin or end to show events above the line being typed."""
        self._monitor.switch(on)

    def set_length(self, rows: int) -> None:
        """Hold output back after so many rows; 0 is never."""
        self._pages.set_length(rows)

    def set_width(self, columns: int) -> None:
        """Fit lines into so many columns; 0 is those of the window."""
        self._columns = columns
        self.resized(self._window)

    def history(self) -> Sequence[str]:
        """Return the lines typed before, oldest first."""
        return self._prompt.history.lines

    def close(self) -> None:
        """End the session after this command."""
        self._ending = True
