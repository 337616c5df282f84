"""The program ``maglevc``."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure

    from maglev.maglevc.options import MaglevcOptions
    from maglev.maglevc.stdio import StandardStream
    from maglev.model.server_address import ServerAddress
    from maglev.rpc.client.control import Client
    from maglev.terminal.session import SessionContext
    from maglev.terminal.stream import Opening

EXIT_FAILED: Final = 1

EXIT_USAGE: Final = 2

EXIT_SIGNAL: Final = 128
"""What shells add to the number of a signal that ended a program: 130 after ^C, 141 when nobody reads the output."""


ENDING_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""What ends the program in order: a terminal in raw mode gets its modes back."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run maglevc; exits the process.

    Args:
        arguments: Command line without the program's name; that of the process if not given.
    """
    from maglev.maglevc.options import parse

    options = parse(sys.argv[1:] if arguments is None else arguments, os.environ)
    from twisted.internet import reactor

    sys.exit(Run(reactor).until_done(_run(reactor, options)))


async def _run(reactor: Any, options: MaglevcOptions) -> int:
    from maglev.model.server_address import server_addresses

    servers = server_addresses(options.server)
    if len(servers) > 1:
        return await _run_at_several(reactor, options, servers)
    from maglev.maglevc.stdio import StandardStream
    from maglev.maglevc.tty import window_of
    from maglev.rpc.client.control import connect
    from maglev.runtime.cooperator import Cooperator
    from maglev.terminal.session import SessionContext
    from maglev.terminal.stream import Opening

    client = await connect(reactor, servers[0].address, options.tls, one_command=bool(options.command))
    try:
        source, target = sys.stdin.fileno(), sys.stdout.fileno()
        context = SessionContext(reactor, Cooperator(reactor).queue("terminal"), client)
        stream = StandardStream(reactor, context.work, source, target)
        opening = Opening(
            client.caller,
            options.command.encode("utf-8", "surrogateescape") or None,
            window_of(target) if sys.stdout.isatty() else None,
            os.environb.get(b"TERM", b""),
            options.colour,
        )
        if opening.command is None and opening.window is not None and sys.stdin.isatty():
            return await _serve_person(reactor, client, context, stream, opening)
        from maglev.terminal.batch import BatchRunner

        return await stream.run(BatchRunner(context, stream, opening), reads=opening.command is None)
    finally:
        await client.close()


async def _run_at_several(reactor: Any, options: MaglevcOptions, servers: Sequence[ServerAddress]) -> int:
    from maglev.maglevc.several import SeveralRunner
    from maglev.maglevc.stdio import StandardStream, complain
    from maglev.maglevc.tty import window_of
    from maglev.model.caller import Caller, Role
    from maglev.rpc.client.control import connect
    from maglev.runtime.cooperator import Cooperator
    from maglev.terminal.stream import Opening

    if not options.command.strip() or "\n" in options.command:
        complain(b"% with several servers, give one command as arguments: no prompt is shown, no script read\n")
        return EXIT_USAGE
    target = sys.stdout.fileno()
    opening = Opening(
        Caller("", Role.VIEWER, ""),
        options.command.encode("utf-8", "surrogateescape"),
        window_of(target) if sys.stdout.isatty() else None,
        os.environb.get(b"TERM", b""),
        options.colour,
    )
    stream = StandardStream(reactor, Cooperator(reactor).queue("terminal"), sys.stdin.fileno(), target)
    runner = SeveralRunner(
        reactor, stream, opening, servers, lambda address: connect(reactor, address, options.tls, one_command=True)
    )
    return await stream.run(runner, reads=False)


async def _serve_person(
    reactor: Any, client: Client, context: SessionContext, stream: StandardStream, opening: Opening
) -> int:
    import attrs

    from maglev.maglevc.tty import LocalTty
    from maglev.terminal.shell import Shell

    context = attrs.evolve(context, **await _welcome(client))
    shell = Shell(context, stream, opening)
    client.when_lost().addCallback(lambda _: shell.dismiss("% lost the connection to maglevd"))
    source, target = sys.stdin.fileno(), sys.stdout.fileno()
    with LocalTty(reactor, source, target, shell, bracketed_paste=opening.bracketed_paste):
        return await stream.run(shell, reads=True)


async def _welcome(client: Client) -> dict[str, Any]:
    """Return the host for the prompt, and what greets a person: as the SSH console does."""
    from maglev.commands.render.lines import clean
    from maglev.model.version import VERSION
    from maglev.terminal.prompt import greeting_of

    view, caller = await client.version(), client.caller
    host = view.get("host", "")  # an older daemon does not say
    other = "" if view["version"] == VERSION else f" (this is maglevc {VERSION})"
    first = clean(greeting_of(view["version"], host) + other)
    return {"host": host, "greeting": (first, clean(f"You are {caller.name} ({caller.role}). Type ? for help."))}


class Run:
    """One run of the reactor, for as long as there is something to do."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._task: Deferred[int] | None = None
        self._signal = 0
        self._status = EXIT_FAILED

    def until_done(self, work: Coroutine[Deferred[Any], Any, int]) -> int:
        """Run until the work is done, or a signal ends it; return the exit status."""
        for number in ENDING_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup does
                signal.signal(number, self._on_signal)
        self._reactor.callWhenRunning(self._start, work)
        self._reactor.run(installSignalHandlers=False)
        return EXIT_SIGNAL + self._signal if self._signal else self._status

    def _start(self, work: Coroutine[Deferred[Any], Any, int]) -> None:
        from twisted.internet.defer import Deferred

        self._task = Deferred.fromCoroutine(work)
        self._task.addCallbacks(self._done, self._failed)
        self._task.addErrback(self._crashed)
        self._task.addBoth(lambda _: self._reactor.stop())

    def _done(self, status: int) -> None:
        self._status = status

    def _failed(self, failure: Failure) -> None:
        from twisted.internet.defer import CancelledError

        from maglev.maglevc.stdio import ReaderGoneError, complain
        from maglev.model.errors import MaglevError

        if failure.check(ReaderGoneError):
            self._signal = signal.SIGPIPE
        elif failure.check(MaglevError):
            text = "".join(f"% {line}\n" for line in failure.getErrorMessage().splitlines())
            complain(text.encode("utf-8", "backslashreplace"))
        elif not (failure.check(CancelledError) and self._signal):
            failure.raiseException()

    def _crashed(self, failure: Failure) -> None:
        """Report a bug as such."""
        failure.printTraceback(sys.stderr)

    def _on_signal(self, number: int, _: object) -> None:
        self._signal = number
        self._reactor.callFromThread(self._cancel)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
