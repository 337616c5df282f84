"""The program ``maglevd``: runs the service of `maglev.daemon.tap` as a process."""

from __future__ import annotations

import gc
import sys
import time
from typing import TYPE_CHECKING, Final

from maglev.daemon.signals import remember_hang_ups
from maglev.model.errors import ConfigError, StartError
from maglev.runtime.garbage import settle

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from maglev.daemon.options import Options

EXIT_USAGE: Final = 64
"""``EX_USAGE`` of sysexits.h; 1 and 2 are for errors in the configuration."""

EXIT_UNAVAILABLE: Final = 69
"""``EX_UNAVAILABLE``: a listener's address is taken, or a network namespace does not exist."""

SETTLED: Final = 60.0
"""Seconds until every backend has been probed and VPP has been read: objects present then last, so they are excluded
from garbage collection too."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run maglevd; exits the process.

    Args:
        arguments: Command line without the program's name; defaults to that of the process.
    """
    remember_hang_ups()
    # Hundreds of thousands of objects are created during the start, and last.
    gc.disable()
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run maglevd until it is told to stop; return the exit status."""
    from twisted.python.usage import UsageError

    from maglev.daemon.options import Options
    from maglev.daemon.tap import run_offline_action

    options = Options()
    options.synopsis = "Usage: maglevd [options]"
    try:
        options.parseOptions(list(arguments))
    except UsageError as error:
        return _complain(f"{error}\nTry maglevd --help.", EXIT_USAGE)
    status = run_offline_action(options)
    if status is not None:
        return status
    return _serve(options)


def _serve(options: Options) -> int:
    from twisted.internet import reactor
    from twisted.internet.error import CannotListenError

    from maglev.config.check import exit_code
    from maglev.daemon.tap import build, complaint, use_monotonic_time

    try:
        use_monotonic_time(reactor)
        service = build(reactor, options)
        _start_log(reactor, options)
        service.privilegedStartService()
        service.startService()
    except ConfigError as error:
        return _complain(complaint(options, error), exit_code(error.problems))
    except (StartError, CannotListenError) as error:
        return _complain(complaint(options, error), EXIT_UNAVAILABLE)
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.callWhenRunning(_settle, reactor)
    reactor.run()
    return 0


def _settle(reactor: Any) -> None:
    settle()
    reactor.callLater(SETTLED, gc.freeze)


def _start_log(reactor: Any, options: Options) -> None:
    from twisted.logger import globalLogBeginner

    from maglev.daemon.options import LEVELS
    from maglev.runtime.logs.observer import LineObserver
    from maglev.runtime.logs.render import render_json, render_text
    from maglev.runtime.logs.writer import LineWriter

    render = render_text if options["demo"] or sys.stdout.isatty() else render_json
    writer = LineWriter(sys.stdout.fileno())
    observer = LineObserver(reactor, LEVELS[options["log-level"]], render, writer, time.time)
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)


def _complain(text: str, status: int) -> int:
    print(f"maglevd: {text}", file=sys.stderr)  # noqa: T201
    return status
