"""The main program of a probe worker; only the daemon starts it.

Standard input and output are the channel to the daemon. Messages for people go to standard error, which the daemon
reads too and copies into its log. The process exits when its standard input ends, that is with the daemon, however that
ended. If it is stopped at that time, or hangs, the kernel kills it together with the daemon.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from twisted.logger import ILogObserver, LogEvent

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NAME: Final = 15
"""From ``linux/prctl.h``."""

_IGNORED: Final = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT)
"""Signals that are meant for the daemon and ignored here: terminals and systemd send them to all processes, and the
daemon stops its workers itself."""


def main() -> None:
    """Run a worker until the daemon closes the channel."""
    faulthandler.enable()
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    index, daemon = sys.argv[1:]
    _introduce(index)
    if os.getppid() != int(daemon):
        return  # the daemon ended before the kernel knew that we should end with it
    requests, results = _take_channel()
    work(requests, results, 1 + int(index))


def _introduce(index: str) -> None:
    """Give the process a name for ps(1) and top(1), and tie its life to that of the daemon."""
    library = ctypes.CDLL(None, use_errno=True)
    library.prctl(_PR_SET_NAME, f"maglevd-probe-{index}".encode("ascii"), 0, 0, 0)
    library.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def _take_channel() -> tuple[int, int]:
    """Return the descriptors of the channel, moved away so that nothing else reads or writes them by accident."""
    requests, results = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, results


def work(requests: int, results: int, seat: int) -> None:
    """Run a worker over two descriptors; ``seat`` is as in `maglev.healthcheck.probers.source.ProberSource`."""
    from twisted.internet.epollreactor import EPollReactor
    from twisted.internet.stdio import StandardIO
    from twisted.logger import globalLogBeginner

    from maglev.healthcheck.lag import LagMonitor
    from maglev.healthcheck.probers.sources import ProberSources
    from maglev.healthcheck.workers.worker import Worker
    from maglev.runtime import clock
    from maglev.runtime.garbage import settle

    globalLogBeginner.beginLoggingTo([cast("ILogObserver", _show)], redirectStandardIO=False)
    reactor = EPollReactor()
    reactor.seconds = clock.seconds
    lag = LagMonitor(reactor)
    probers = ProberSources(reactor, lag, seat)
    worker = Worker(reactor, probers, lag, time.process_time, reactor.stop)
    reactor.callWhenRunning(StandardIO, worker, requests, results, reactor)
    settle()
    reactor.run(installSignalHandlers=False)


def _show(event: LogEvent) -> None:
    """Write a log event to standard error, for the daemon's log."""
    from twisted.logger import LogLevel

    from maglev.runtime.logs.render import render_json

    if event["log_level"] >= LogLevel.warn:
        sys.stderr.write(render_json(event))
        sys.stderr.flush()


if __name__ == "__main__":
    main()
