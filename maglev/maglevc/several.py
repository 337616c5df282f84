"""One command for several servers at once: one result for each, and no silence taken for an answer.

Every server has its own connection, and its own bounds in time and in output. What does not answer within them, or
answers nonsense, can't be confirmed: then the exit status is 1, and the results of the others are shown nevertheless.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.task import deferLater

from maglev.commands.handlers.watch import watch_events
from maglev.commands.language.environment import ExitStatus
from maglev.commands.session import CommandSession
from maglev.model.errors import ArgumentError, LimitError, MaglevError
from maglev.rpc.wire import METHODS, DaemonError, LostError, NoAnswerError
from maglev.runtime.tasks import Tasks
from maglev.terminal.screen import safe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from twisted.internet.interfaces import IReactorTime

    from maglev.commands.language.parse import ParsedLine
    from maglev.interfaces import IControl
    from maglev.model.server_address import ServerAddress
    from maglev.model.server_views import ServerResultView
    from maglev.terminal.stream import IStream, Opening, Window

CONNECT_LIMIT: Final = 5.0
"""Seconds for the connection and the login: a balancer of the same operator is milliseconds away."""

ANSWER_LIMIT: Final = 10.0
"""Seconds for the answer to a call that waits for nobody else."""

OUTPUT_LIMIT: Final = 16 * 1024 * 1024
"""Characters of output that are kept of a server: some twenty thousand backends as JSON."""

DAEMON_FAULTS: Final = (LostError, NoAnswerError, DaemonError)
"""Errors after which nobody knows what the server did."""


class IServer(Protocol):
    """A connection to a server."""

    async def close(self) -> None:
        """Close it."""


class BoundedVerbs:
    """The verbs of a server, each with a deadline, as an `IControl`.

    Attributes:
        caller: Our identity there.
        fault: Why an answer is missing; empty while none is.
    """

    def __init__(self, clock: IReactorTime, control: IControl) -> None:
        self.caller = control.caller
        self.fault = ""
        self._clock = clock
        self._control = control

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        """Return a verb."""

        async def verb(*args: object, **kwargs: object) -> Any:
            try:
                return await self._called(name, *args, **kwargs)
            except DAEMON_FAULTS as error:
                self.fault = self.fault or str(error)
                raise

        return verb

    async def _called(self, name: str, *args: object, **kwargs: object) -> Any:
        declared = METHODS[name].deadline
        limit = ANSWER_LIMIT if declared <= METHODS["whoami"].deadline else declared
        try:
            return await Deferred.fromCoroutine(getattr(self._control, name)(*args, **kwargs)).addTimeout(
                limit, self._clock
            )
        except DeferredTimeout:
            message = f"no answer within {limit:g} seconds"
            raise NoAnswerError(message) from None


class GatheredOutput:
    """The `Environment` of the command at one server: keeps its output, up to a limit.

    Attributes:
        errors: The error messages.
        fault: Why the output is not whole; empty if it is.
    """

    prompt_width = None

    def __init__(self, clock: IReactorTime, opening: Opening, live: Callable[[str], None] | None) -> None:
        """Start with nothing.

        Args:
            clock: Gives the others a turn now and then.
            opening: How the command was started.
            live: Takes output as it comes instead.
        """
        self._clock = clock
        self._live = live
        self.terminal = opening.window is not None
        self.colour = opening.colour
        self.width = opening.window.columns if opening.window is not None else 80
        self.errors = ""
        self.fault = ""
        self._parts: list[str] = []
        self._size = 0

    def write(self, text: str) -> None:
        """Keep output.

        Raises:
            LimitError: It is too much.
        """
        if self._live is not None:
            self._live(text)
            return
        self._size += len(text)
        if self._size > OUTPUT_LIMIT:
            self.fault = f"more than {OUTPUT_LIMIT} characters of output"
            raise LimitError(self.fault)
        self._parts.append(text)

    def write_error(self, text: str) -> None:
        """Keep error messages."""
        self.errors += text

    async def drain(self) -> None:
        """Give the others a turn."""
        await deferLater(self._clock, 0)

    def taken(self) -> str:
        """Return the output."""
        return "".join(self._parts)

    def set_stop_on_key(self, on: bool) -> None:  # noqa: FBT001
        """Do nothing: no keys are read."""

    def set_monitor(self, on: bool) -> None:  # noqa: FBT001
        """Do nothing: there is no input line."""

    def set_length(self, rows: int) -> None:
        """Do nothing: output is never held back."""

    def set_width(self, columns: int) -> None:
        """Do nothing: the width is that of the terminal."""

    def history(self) -> Sequence[str]:
        """Return nothing: no lines are typed."""
        return ()

    def close(self) -> None:
        """Do nothing: the session ends after its only command."""


class SeveralRunner:
    """Runs one command at several servers, as `maglev.terminal.stream.IRunner`."""

    def __init__(
        self,
        clock: IReactorTime,
        stream: IStream,
        opening: Opening,
        servers: Sequence[ServerAddress],
        connect: Callable[[str], Awaitable[IControl]],
    ) -> None:
        """Create a runner; `start` begins.

        Args:
            clock: Measures the limits.
            stream: Where the results go.
            opening: The command, and the terminal.
            servers: The servers.
            connect: Connects to an address of one; what it returns has ``close``, too.
        """
        self._clock = clock
        self._stream = stream
        self._opening = opening
        self._servers = servers
        self._connect = connect
        self._tasks = Tasks()

    # Called by the stream

    def start(self) -> None:
        """Start."""
        self._tasks.start(self._work())

    def data_received(self, data: bytes) -> None:
        """Ignore it: one command has no input."""

    def eof_received(self) -> None:
        """Ignore it."""

    def resized(self, window: Window) -> None:
        """Ignore it: results have the width of the beginning."""

    def interrupt(self) -> None:
        """End; what was ordered is not undone."""
        self.dismiss("interrupted")

    def dismiss(self, words: str) -> None:
        """End, with a message that says why."""
        self._tasks.cancel()
        self._complain(f"% {words}\n")
        self._stream.finish(ExitStatus.FAILED)

    def closed(self) -> None:
        """Release everything."""
        self._tasks.cancel()

    # Running

    async def _work(self) -> None:
        line = (self._opening.command or b"").decode("utf-8", "backslashreplace")
        try:
            status = await self._ask_all(line)
        except ArgumentError as error:
            self._complain(f"% {error}\n")
            status = ExitStatus.USAGE
        self._stream.finish(status)

    async def _ask_all(self, line: str) -> ExitStatus:
        own = GatheredOutput(self._clock, self._opening, None)
        statement = CommandSession(cast("IControl", None), own).statement(line)
        if isinstance(statement, ExitStatus):
            self._complain(own.errors)
            return statement
        if statement.command.handler is watch_events:
            raise ArgumentError("watch follows one server: name only one with --server")
        asking = [Deferred.fromCoroutine(self._ask(server, line, statement)) for server in self._servers]
        results = await gatherResults(asking, consumeErrors=True)
        await self._show(results, statement)
        return max((ExitStatus(each["status"]) for each in results), default=ExitStatus.OK)

    async def _ask(self, server: ServerAddress, line: str, statement: ParsedLine) -> ServerResultView:
        """Return what became of the command at one server; never raises but when cancelled."""
        output = GatheredOutput(self._clock, self._opening, self._live_lines(server) if _is_live(statement) else None)
        try:
            control = await self._connected(server)
        except MaglevError as error:
            return _result(server, output, ExitStatus.FAILED, str(error) or type(error).__name__)
        verbs = BoundedVerbs(self._clock, control)
        try:
            status = await CommandSession(cast("IControl", verbs), output).run(line)
        except CancelledError:
            raise
        except Exception as error:  # noqa: BLE001  # views without sense, whatever the renderer makes of them
            fault = f"the answer makes no sense ({type(error).__name__})"
            return _result(server, output, ExitStatus.FAILED, fault)
        finally:
            self._tasks.start(cast("IServer", control).close())
        return _result(server, output, status, verbs.fault or output.fault)

    async def _connected(self, server: ServerAddress) -> IControl:
        connecting = Deferred.fromCoroutine(_awaited(self._connect(server.address)))
        try:
            return await connecting.addTimeout(CONNECT_LIMIT, self._clock)
        except DeferredTimeout:
            message = f"no answer within {CONNECT_LIMIT:g} seconds"
            raise NoAnswerError(message) from None

    def _live_lines(self, server: ServerAddress) -> Callable[[str], None]:
        def write(text: str) -> None:
            self._write("".join(f"{server.name}: {each}\n" for each in text.splitlines()))

        return write

    async def _show(self, results: Sequence[ServerResultView], statement: ParsedLine) -> None:
        as_text = not statement.filters.json
        if not as_text:
            self._write(_json_list(results))
        for result in results:
            if as_text and not _is_live(statement) and (result["result"] or not result["error"]):
                self._write(f"{result['server']}:\n{result['result'] or ''}")
            if result["error"]:
                # Errors are written at once: what comes before them must have gone.
                await self._stream.drain()
                words = "" if result["confirmed"] else "cannot confirm: "
                lines = result["error"].splitlines()
                self._complain("".join(f"% {result['server']}: {words}{each}\n" for each in lines))

    def _write(self, text: str) -> None:
        self._stream.write(safe(text).encode("utf-8", "replace"))

    def _complain(self, text: str) -> None:
        self._stream.write(safe(text).encode("utf-8", "replace"), error=True)


def _is_live(statement: ParsedLine) -> bool:
    """Return whether output is shown as it comes: that of who waits for a drain, for minutes maybe."""
    return "wait" in statement.arguments and not statement.filters.json


async def _awaited(waiting: Awaitable[IControl]) -> IControl:
    return await waiting


def _result(server: ServerAddress, output: GatheredOutput, status: ExitStatus, fault: str) -> ServerResultView:
    """Return the result of one server; without a fault, what went wrong is what the server said."""
    said = "\n".join(each.removeprefix("% ") for each in output.errors.splitlines())
    return {
        "server": server.name,
        "address": server.address,
        "confirmed": not fault,
        "status": int(status),
        "error": fault or said,
        "result": output.taken() or None,
    }


def _json_list(results: Sequence[ServerResultView]) -> str:
    rows = [json.dumps({**each, "result": _parsed(each["result"])}) for each in results]
    return "[\n" + ",\n".join(rows) + "\n]\n"


def _parsed(text: str | None) -> Any:
    """Return the value of JSON text; the text itself if a filter left something else, or the end is missing."""
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return text
