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

EXIT_FAILED: Final = 1

EXIT_SIGNAL: Final = 128
"""What shells add to the number of a signal that ended a program: 130 after ^C, 141 when nobody reads the output."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run maglevc; exits the process.

    Args:
        arguments: Command line without the program's name; that of the process if not given.
    """
    from maglev.maglevc.options import parse

    options = parse(sys.argv[1:] if arguments is None else arguments, os.environ)
    interactive = not options.command and sys.stdin.isatty() and sys.stdout.isatty()
    if interactive:
        from twisted.internet import asyncioreactor

        asyncioreactor.install()
    from twisted.internet import reactor

    sys.exit(Run(reactor).until_done(_run(reactor, options, interactive=interactive)))


async def _run(reactor: Any, options: MaglevcOptions, *, interactive: bool) -> int:
    from maglev.maglevc.batch import BatchEnvironment, run_command, run_script
    from maglev.rpc.client.control import connect

    client = await connect(reactor, options.server, options.tls)
    try:
        if interactive:
            from maglev.maglevc.shell import Shell

            return await Shell(reactor, client, colour=options.colour).run()
        environment = BatchEnvironment(reactor, colour=options.colour)
        if options.command:
            return await run_command(client, environment, options.command)
        from maglev.maglevc.streams import Script

        return await run_script(client, environment, Script(reactor, sys.stdin.fileno()))
    finally:
        await client.close()


class Run:
    """One run of the reactor, for as long as there is something to do."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._task: Deferred[int] | None = None
        self._signal = 0
        self._status = EXIT_FAILED

    def until_done(self, work: Coroutine[Deferred[Any], Any, int]) -> int:
        """Run until the work is done, or a signal ends it; return the exit status."""
        for number in (signal.SIGINT, signal.SIGTERM):
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

        from maglev.maglevc.batch import complain
        from maglev.maglevc.streams import ReaderGoneError
        from maglev.model.errors import MaglevError

        if failure.check(ReaderGoneError):
            self._signal = signal.SIGPIPE
        elif failure.check(MaglevError):
            complain("".join(f"% {line}\n" for line in failure.getErrorMessage().splitlines()))
        elif not (failure.check(CancelledError) and self._signal):
            failure.raiseException()

    def _crashed(self, failure: Failure) -> None:
        """Show a mistake of ours as what it is."""
        failure.printTraceback(sys.stderr)

    def _on_signal(self, number: int, _: object) -> None:
        self._signal = number
        self._reactor.callFromThread(self._cancel)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
