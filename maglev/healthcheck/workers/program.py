"""The process of a probe worker; the daemon starts it, and it is of no use to anybody else.

Standard input and output are the channel to the daemon; what this process has to tell people goes to the standard
error, which the daemon reads too and puts into its log. The process ends when its standard input does: with the daemon,
whatever became of it. In case that it is stopped then, or hangs, the kernel kills it with the daemon too.
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
"""Meant for the daemon: a terminal, and systemd, send them to all processes; the daemon ends its workers itself."""


def main() -> None:
    """Work until the daemon says no more."""
    faulthandler.enable()
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    index, daemon = sys.argv[1:]
    _introduce(index)
    if os.getppid() != int(daemon):
        return  # it ended before the kernel knew that we should then
    requests, results = _take_channel()
    work(requests, results)


def _introduce(index: str) -> None:
    """Give the process a name for ps(1) and top(1), and tie its life to that of the daemon."""
    library = ctypes.CDLL(None, use_errno=True)
    library.prctl(_PR_SET_NAME, f"maglevd-probe-{index}".encode("ascii"), 0, 0, 0)
    library.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def _take_channel() -> tuple[int, int]:
    """Return the descriptors of the channel; nothing else may read or write them by accident."""
    requests, results = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, results


def work(requests: int, results: int) -> None:
    """Run a worker over two descriptors."""
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
    probers = ProberSources(reactor, lag)
    worker = Worker(reactor, probers, lag, time.process_time, reactor.stop)
    reactor.callWhenRunning(StandardIO, worker, requests, results, reactor)
    settle()
    reactor.run(installSignalHandlers=False)


def _show(event: LogEvent) -> None:
    """Write what the daemon should put into its log."""
    from twisted.logger import LogLevel

    from maglev.runtime.logs.render import render_json

    if event["log_level"] >= LogLevel.warn:
        sys.stderr.write(render_json(event))
        sys.stderr.flush()


if __name__ == "__main__":
    main()
