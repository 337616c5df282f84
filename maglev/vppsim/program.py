"""The command ``maglev-vppsim``: a simulated VPP on two UNIX sockets, until a signal ends it."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, react
from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    LogEvent,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    eventAsText,
    globalLogBeginner,
)
from twisted.python import usage

from maglev.model.version import VERSION
from maglev.vppsim.release import Release
from maglev.vppsim.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twisted.python.failure import Failure

_RELEASES = ", ".join(release.value for release in Release)


class SimulatorOptions(usage.Options):
    """The command line."""

    synopsis = "Usage: maglev-vppsim --api-socket PATH --stats-socket PATH [options]"
    longdesc = "Answers on the API and stats sockets as a VPP with the lb plugin would, for tests and demonstrations."

    optParameters = [  # noqa: RUF012
        ["api-socket", None, None, "Path of the API socket (required)."],
        ["stats-socket", None, None, "Path of the stats socket (required)."],
        ["release", None, Release.WEIGHTED.value, f"VPP release to simulate: one of {_RELEASES}."],
        ["workers", None, 0, "Worker threads, 0 to 64.", int],
        ["seed", None, None, "Make the message numbers repeatable.", int],
        ["split", None, 0, "Send in pieces of this many bytes.", int],
        ["hang-up-after", None, None, "Close the connection once, after this many details messages.", int],
        ["epoch-churn", None, 0.0, "Seconds between changes of the epoch of the stats segment.", float],
        ["log-level", None, "info", "One of debug, info, warn, error."],
    ]
    optFlags = [  # noqa: RUF012
        ["stats-stuck", None, "Never finish a change of the stats segment (in_progress stays 1)."],
        ["frozen", None, "Accept connections, but never answer."],
    ]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.drops: dict[str, int] = {}
        self.delays: dict[str, float] = {}
        self.retvals: dict[str, int] = {}

    def opt_drop(self, value: str) -> None:
        """Leave out the answer to MESSAGE=TIMES; -1 times is always."""
        self.drops.update([_pair("drop", value, int, least=-1)])

    def opt_delay(self, value: str) -> None:
        """Answer MESSAGE=SECONDS late."""
        self.delays.update([_pair("delay", value, float)])

    def opt_retval(self, value: str) -> None:
        """Answer MESSAGE=RETVAL instead of carrying it out."""
        self.retvals.update([_pair("retval", value, int, least=-(1 << 31))])

    def opt_version(self) -> None:
        """Print the version and exit."""
        sys.stdout.write(f"maglev-vppsim {VERSION}\n")
        sys.exit(0)

    def postOptions(self) -> None:
        """Check what argument types alone do not."""
        for name in ("api-socket", "stats-socket"):
            if not self[name]:
                message = f"--{name} is required"
                raise usage.UsageError(message)
        if self["release"] not in {release.value for release in Release}:
            message = f"--release must be one of {_RELEASES}"
            raise usage.UsageError(message)
        if not 0 <= self["workers"] <= 64:
            message = "--workers must be 0 to 64"
            raise usage.UsageError(message)
        for name in ("split", "hang-up-after", "epoch-churn"):
            if (self[name] or 0) < 0:
                message = f"--{name} must not be negative"
                raise usage.UsageError(message)
        if self["log-level"] not in {level.name for level in LogLevel.iterconstants()}:
            message = "--log-level must be one of debug, info, warn, error"
            raise usage.UsageError(message)


def _pair(option: str, value: str, number: Callable[[str], Any], least: int = 0) -> tuple[str, Any]:
    message, _, text = value.partition("=")
    try:
        parsed = number(text)
    except ValueError:
        parsed = None
    if parsed is None or not message or not least <= parsed < 1 << 31:
        problem = f"--{option} needs MESSAGE=NUMBER, not {value!r}"
        raise usage.UsageError(problem)
    return message, parsed


ABORTED: Final = 134
"""Exit status when VPP would have aborted: what a shell makes of SIGABRT."""


def run(reactor: Any, options: SimulatorOptions) -> Deferred[None]:
    """Start a simulator as the options ask, and stop it when the reactor stops; the Deferred fires at a crash only."""
    finished: Deferred[None] = Deferred()
    simulator = Simulator(
        reactor,
        options["api-socket"],
        options["stats-socket"],
        release=Release(options["release"]),
        seed=options["seed"],
        workers=options["workers"],
        crashed=partial(finished.errback, SystemExit(ABORTED)),
    )
    faults = simulator.faults
    faults.drops.update(options.drops)
    faults.delays.update(options.delays)
    faults.retvals.update(options.retvals)
    faults.split, faults.hang_up_after = options["split"], options["hang-up-after"]
    simulator.start()
    # To standard error, where its log goes: standard output is for nobody to parse.
    sys.stderr.write(
        f"maglev-vppsim: listening on {options['api-socket']} (API) and {options['stats-socket']} (stats)\n"
    )
    faults.frozen = bool(options["frozen"])
    simulator.boot.segment.stuck = bool(options["stats-stuck"])
    if options["epoch-churn"] > 0:
        churn = LoopingCall(_churn, simulator)
        churn.clock = reactor
        churn.start(options["epoch-churn"]).addErrback(_churn_failed)
        reactor.addSystemEventTrigger("before", "shutdown", churn.stop)
    reactor.addSystemEventTrigger("before", "shutdown", simulator.stop)
    return finished


def _churn(simulator: Simulator) -> None:
    if simulator.running:
        simulator.boot.segment.churn()


def _churn_failed(failure: Failure) -> None:
    Logger().failure("can't change the epoch of the stats segment", failure)


def _line(event: LogEvent) -> str:
    """Return a line of the log: our events are a name, and their fields come behind it."""
    fields = [f"{name}={value!r}" for name, value in event.items() if not name.startswith("log_")]
    return " ".join([eventAsText(event, includeSystem=False), *fields]) + "\n"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; exit status 2 for a wrong command line, 1 when a socket can't be made, 134 after a crash."""
    options = SimulatorOptions()
    try:
        options.parseOptions(sys.argv[1:] if argv is None else list(argv))
    except usage.UsageError as error:
        sys.stderr.write(f"maglev-vppsim: {error}\n")
        sys.exit(2)
    level = LogLevel.levelWithName(options["log-level"])
    observer = FilteringLogObserver(FileLogObserver(sys.stderr, _line), [LogLevelFilterPredicate(level)])
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
    try:
        react(run, (options,))
    except OSError as error:
        sys.stderr.write(f"maglev-vppsim: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
