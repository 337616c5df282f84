"""The program ``maglevd``: runs the service of `maglev.daemon.tap` as a process."""

from __future__ import annotations

import atexit
import errno
import gc
import os
import sys
import time
import traceback
from typing import TYPE_CHECKING, Final

from maglev.daemon.signals import hand_over, remember_end, remember_hang_ups
from maglev.model.errors import ConfigError, StartError
from maglev.runtime.garbage import settle

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from maglev.daemon.options import Options
    from maglev.daemon.signals import EarlySignal

EXIT_USAGE: Final = 64
"""``EX_USAGE`` of sysexits.h; 1 and 2 are for errors in the configuration."""

EXIT_UNAVAILABLE: Final = 69
"""``EX_UNAVAILABLE``: a listener's address is taken, or a network namespace does not exist."""

EXIT_SOFTWARE: Final = 70
"""``EX_SOFTWARE``: a bug. Python's own status would be 1, an error in the configuration, after which the unit does not
restart."""

EXIT_OUTPUT: Final = 74
"""``EX_IOERR``: what was asked for can't be written to the standard output."""

SETTLED: Final = 60.0
"""Seconds until every backend has been probed and VPP has been read: objects present then last, so they are excluded
from garbage collection too."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run maglevd; exits the process.

    Args:
        arguments: Command line without the program's name; defaults to that of the process.
    """
    remember_hang_ups()
    fill_standard_descriptors()
    # Hundreds of thousands of objects are created during the start, and last.
    gc.disable()
    try:
        status = run(sys.argv[1:] if arguments is None else arguments)
    except Exception:  # noqa: BLE001  # whatever it is: 1 is for errors in the configuration
        traceback.print_exc()
        status = EXIT_SOFTWARE
    sys.exit(status)


def fill_standard_descriptors() -> None:
    """Open ``/dev/null`` in place of standard descriptors that are closed.

    The daemon goes on without a log: checks matter more, and a closed output asks for none. Left closed, the
    number would go to the next file or socket that is opened, and the log would be written there.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, so this one
            os.set_inheritable(number, True)


def run(arguments: Sequence[str]) -> int:
    """Run maglevd until it is told to stop; return the exit status."""
    from twisted.python.usage import UsageError

    from maglev.daemon.options import Options

    options = Options()
    options.synopsis = "Usage: maglevd [options]"
    try:
        options.parseOptions(list(arguments))
    except UsageError as error:
        return _complain(f"{error}\nTry maglevd --help.", EXIT_USAGE)
    # What only looks at a file may be interrupted at once.
    end = None if options["check"] or options.imports() else remember_end()
    from maglev.daemon.tap import run_offline_action

    try:
        status = run_offline_action(options)
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        # What could not be written is not tried again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return _complain(f"can't write to the standard output: {error.strerror}", EXIT_OUTPUT)
    return _serve(options, end or remember_end()) if status is None else status


def _serve(options: Options, end: EarlySignal) -> int:
    from twisted.internet import reactor
    from twisted.internet.error import CannotListenError

    from maglev.config.check import exit_code
    from maglev.daemon.tap import build, complaint
    from maglev.runtime.clock import use_monotonic_time

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
    # A signal may have come before the reactor had a handler: what has been started is stopped in order.
    reactor.callWhenRunning(hand_over, reactor, end)
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

    # Not sys.stdout, which is None if it was closed at the start.
    render = render_text if options["demo"] or os.isatty(1) else render_json
    writer = LineWriter(1)
    atexit.register(writer.close)
    observer = LineObserver(reactor, LEVELS[options["log-level"]], render, writer, time.time)
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)


def _complain(text: str, status: int) -> int:
    print(f"maglevd: {text}", file=sys.stderr)  # noqa: T201
    return status
