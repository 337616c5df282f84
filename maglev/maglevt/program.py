"""The program ``maglevt``."""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twisted.application.service import IService
    from twisted.internet.interfaces import IDelayedCall

    from maglev.healthcheck.lag import LagMonitor
    from maglev.maglevt.daemon_link import DaemonLink
    from maglev.maglevt.measure.timeline import TimelineEntry
    from maglev.maglevt.options import MaglevtOptions
    from maglev.maglevt.render.summary import ReportedTest
    from maglev.maglevt.requests import RequesterSource
    from maglev.maglevt.screen import LiveScreen
    from maglev.maglevt.targets import Found
    from maglev.maglevt.tester import VipTester

EXIT_UNTESTED: Final = 2

EXIT_BUG: Final = 70
"""``EX_SOFTWARE`` of sysexits.h."""

PROGRESS: Final = 10.0
"""Seconds between two lines about each VIP, without a screen."""

DESCRIPTORS_KEPT: Final = 64
"""Descriptors for everything but requests: the daemon, the scrapers, the standard streams."""

MOST_SLOTS: Final = 4096
"""Requests to one VIP that may be under way."""

SPARE: Final = 1.5
"""How many more requests may be under way than a VIP that does not answer leaves open."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run maglevt; exits the process.

    Args:
        arguments: Command line without the program's name; that of the process if not given.
    """
    from maglev.maglevt.options import parse

    options = parse(sys.argv[1:] if arguments is None else arguments, os.environ)
    screen = options.screen and sys.stdin.isatty() and sys.stdout.isatty()
    if screen:
        from twisted.internet import asyncioreactor

        asyncioreactor.install()
    from twisted.internet import reactor

    from maglev.runtime.clock import use_monotonic_time

    use_monotonic_time(reactor)
    sys.exit(MaglevtRun(reactor, options, screen=screen).until_done())


class MaglevtRun:
    """One run of the program."""

    def __init__(self, reactor: Any, options: MaglevtOptions, *, screen: bool) -> None:
        """Prepare it.

        Args:
            reactor: The reactor, whose clock must be monotonic.
            options: The options.
            screen: Whether to draw on the terminal.
        """
        self._reactor = reactor
        self._options = options
        self._wants_screen = screen
        self._screen: LiveScreen | None = None
        self._status = EXIT_BUG
        self._ended: Any = None
        self._tester: VipTester | None = None
        self._where: dict[str, str] = {}
        self._now: float | None = None

    def until_done(self) -> int:
        """Run until the test is over; return the exit status."""
        from twisted.internet.defer import Deferred

        self._ended = Deferred()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup does
                signal.signal(number, lambda *_: self._reactor.callFromThread(self.end))
        self._reactor.callWhenRunning(self._start)
        self._reactor.run(installSignalHandlers=False)
        return self._status

    def end(self) -> None:
        """End the test; a second time, do not wait for what is under way."""
        if not self._ended.called:
            self._ended.callback(None)
        elif self._tester is not None:
            self._tester.cancel()

    def _start(self) -> None:
        from twisted.internet.defer import Deferred

        running = Deferred.fromCoroutine(self._run())
        running.addErrback(self._failed)
        running.addBoth(lambda _: self._reactor.stop())

    def _failed(self, failure: Any) -> None:
        from twisted.internet.error import CannotListenError

        from maglev.model.errors import MaglevError

        if failure.check(MaglevError, CannotListenError):
            self._could_not(failure.getErrorMessage())
        else:
            failure.printTraceback(sys.stderr)

    def _could_not(self, why: str) -> None:
        self._status = EXIT_UNTESTED
        for line in why.splitlines():
            _say(f"maglevt: could not test: {line}", error=True)

    async def _run(self) -> None:
        from maglev.healthcheck.lag import LagMonitor
        from maglev.maglevt.requests import RequesterSource

        link = self._link()
        found = await self._find(link)
        for name, reason in found.skipped.items():
            _say(f"maglevt: not tested: {name}: {reason}", error=True)
        unknown = found.unknown(self._options.only)
        if unknown or not found.targets:
            if link is not None:
                await link.close()
            self._could_not("\n".join(unknown) or "no VIP to test")
            return
        lag = LagMonitor(self._reactor)
        lag.start()
        source = RequesterSource(self._reactor, lag, self._options.who)
        try:
            await self._test(link, found, lag, source)
        finally:
            lag.stop()
            source.close()
            if link is not None:
                await link.close()

    def _link(self) -> DaemonLink | None:
        from maglev.maglevt.daemon_link import DaemonLink
        from maglev.rpc.client.control import connect

        options, server = self._options, self._options.server
        if server is None:
            return None
        return DaemonLink(
            self._reactor,
            lambda: connect(self._reactor, server, options.tls),
            options.question,
            options.only,
            targets=options.file is None,
        )

    async def _find(self, link: DaemonLink | None) -> Found:
        from maglev.maglevt.targets_file import targets_of_file

        options = self._options
        said = None if link is None else await link.open()
        if options.file is None:
            assert said is not None  # noqa: S101  # without a file, the options name a server
            return said
        found = targets_of_file(options.file, options.question, options.only)
        if said is None:
            return found
        from attrs import evolve

        return evolve(found, weights={**found.weights, **said.weights}, flow_timeout=said.flow_timeout)

    async def _test(self, link: DaemonLink | None, found: Found, lag: LagMonitor, source: RequesterSource) -> None:
        from twisted.internet.defer import CancelledError, Deferred

        from maglev.maglevt.tester import VipTester

        options = self._options
        tester = self._tester = VipTester(
            self._reactor, time.time, lag, source, options.rate, self._slots, options.promises, self._noted
        )
        self._where = {target.name: target.where for target in found.targets}
        gc.freeze()  # what the start has made stays, and need not be looked at again
        listener = self._listen(tester)
        shown = self._show(tester)
        tester.apply(found)
        for target in found.targets:
            if target.note:
                tester.note(target.note, vip=target.name)
        following = None if link is None else Deferred.fromCoroutine(link.follow(tester))
        if following is not None:
            following.addErrback(lambda failure: failure.trap(CancelledError))
            following.addErrback(self._link_broke)
        calls = self._schedule()
        await self._ended
        self._now = self._reactor.seconds()
        for call in calls:
            if call.active():
                call.cancel()
        await tester.stop()
        tester.cancel()  # connections that linger
        if self._screen is not None:
            self._screen.end()
        if shown is not None:
            await shown
        if following is not None:
            following.cancel()
        if listener is not None:
            await _stopped(listener)
        self._report()

    def _link_broke(self, failure: Any) -> None:
        """A bug in following the daemon must not end the test."""
        if self._tester is not None:
            self._tester.daemon = "lost by a bug"
        failure.printTraceback(sys.stderr)

    def _slots(self, vips: int) -> int:
        """Return how many requests to each of so many VIPs may be under way: as descriptors allow.

        Each may have two connections, as one whose answer has not ended lingers.
        """
        options = self._options
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        wanted = int(SPARE * options.rate * options.question.timeout) + 8
        return max(1, min(wanted, MOST_SLOTS, (min(hard, 1 << 20) - DESCRIPTORS_KEPT) // (2 * vips)))

    # What people see

    def report(self) -> ReportedTest:
        """Return the test as it is now."""
        from maglev.maglevt.render.summary import ReportedTest

        tester = self._tester
        assert tester is not None  # noqa: S101  # nobody asks before there is a test
        now = self._reactor.seconds() if self._now is None else self._now
        return ReportedTest(
            tester.all_figures,
            self._where,
            tester.timeline,
            tester.promises,
            tester.begun,
            now,
            tester.wall_offset,
            tester.uncovered,
        )

    def _noted(self, entry: TimelineEntry) -> None:
        if not (self._wants_screen or self._options.json) and self._tester is not None:
            from maglev.maglevt.render.summary import entry_line

            _say(entry_line(self.report(), entry, 0))

    def _schedule(self) -> list[IDelayedCall]:
        from maglev.maglevt.tester import GRACE

        calls = []
        if self._options.seconds is not None:
            calls.append(self._reactor.callLater(GRACE + self._options.seconds, self.end))
        if not (self._wants_screen or self._options.json):
            self._progress(calls)
        return calls

    def _progress(self, calls: list[IDelayedCall], *, say: bool = False) -> None:
        from maglev.maglevt.render.summary import progress_line

        if say:
            test = self.report()
            for figures in test.figures:
                _say(progress_line(test, figures))
        calls[:] = [each for each in calls if each.active()]
        calls.append(self._reactor.callLater(PROGRESS, lambda: self._progress(calls, say=True)))

    def _show(self, tester: VipTester) -> Any:
        if not self._wants_screen:
            return None
        import asyncio

        from twisted.internet.defer import Deferred

        from maglev.maglevt.screen import LiveScreen

        screen = self._screen = LiveScreen(self.report, lambda: tester.daemon, self.end, colour=self._options.colour)
        return Deferred.fromFuture(asyncio.ensure_future(screen.run())).addErrback(self._screen_broke)

    def _screen_broke(self, failure: Any) -> None:
        """Without its terminal, the test ends; a bug is shown."""
        if not failure.check(EOFError, OSError):
            failure.printTraceback(sys.stderr)
        if not self._ended.called:
            self.end()

    def _listen(self, tester: VipTester) -> IService | None:
        if self._options.listen is None:
            return None
        from maglev.maglevt.canary import CanaryCollector, canary_site
        from maglev.runtime.cooperator import Cooperator
        from maglev.runtime.listening import listening

        connected = None if self._options.server is None else lambda: tester.daemon == "connected"
        collector = CanaryCollector(lambda: tester.all_figures, connected or (lambda: None))
        service = listening(
            self._reactor, self._options.listen, canary_site(Cooperator(self._reactor).queue("metrics"), collector)
        )
        service.privilegedStartService()
        service.startService()
        return service

    def _report(self) -> None:
        from maglev.maglevt.render.json_report import json_report
        from maglev.maglevt.render.summary import summary

        test = self.report()
        self._status = test.status
        for line in [json_report(test)] if self._options.json else summary(test):
            _say(line)


async def _stopped(service: IService) -> None:
    from twisted.internet.defer import maybeDeferred

    await maybeDeferred(service.stopService)


def _say(line: str, *, error: bool = False) -> None:
    """Write a line. When nobody reads it any more, the test goes on to its verdict, which is the exit status."""
    try:
        print(line, file=sys.stderr if error else sys.stdout, flush=True)
    except OSError:
        # What could not be written is not tried again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2 if error else 1)
