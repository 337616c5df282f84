"""The log observer: filters by level, bounds storms, renders, writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.logger import ILogObserver, LogLevel
from zope.interface import implementer

from maglev.runtime.logs.render import name_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from constantly import NamedConstant
    from twisted.internet.interfaces import IReactorTime
    from twisted.logger import LogEvent

    from maglev.runtime.logs.writer import LineWriter

BURST: Final = 200
"""Burst of lines allowed for one event name: a data centre's worth of bad news, still readable."""

RATE: Final = 50.0
"""Sustained lines per second allowed for one event name."""

SUMMARY_PERIOD: Final = 1.0
"""Seconds until suppressed lines are summed up."""


class StormLimit:
    """A token bucket for each event name; suppressed lines are counted and summed up."""

    def __init__(self, clock: IReactorTime, summarize: Callable[[str, int], None]) -> None:
        """Start with full buckets.

        Args:
            clock: A monotonic clock.
            summarize: Called with a name and the number of its suppressed lines.
        """
        self._clock = clock
        self._summarize = summarize
        self._tokens: dict[str, tuple[float, float]] = {}
        self._held: dict[str, int] = {}

    def allows(self, name: str) -> bool:
        """Return whether another line of this name may be written now."""
        now = self._clock.seconds()
        tokens, since = self._tokens.get(name, (float(BURST), now))
        tokens = min(float(BURST), tokens + RATE * (now - since))
        if tokens >= 1:
            self._tokens[name] = (tokens - 1, now)
            return True
        self._tokens[name] = (tokens, now)
        if not self._held:
            self._clock.callLater(SUMMARY_PERIOD, self._sum_up)
        self._held[name] = self._held.get(name, 0) + 1
        return False

    def _sum_up(self) -> None:
        held, self._held = self._held, {}
        for name, count in held.items():
            self._summarize(name, count)


@implementer(ILogObserver)
class LineObserver:
    """Writes each event of at least a given level as one line."""

    def __init__(
        self,
        clock: IReactorTime,
        level: NamedConstant,
        render: Callable[[LogEvent], str],
        writer: LineWriter,
        wall: Callable[[], float],
    ) -> None:
        """Create an observer.

        Args:
            clock: A monotonic clock, for the limit on storms.
            level: The lowest `LogLevel` that is written.
            render: Turns an event into a line.
            writer: Takes the lines.
            wall: Returns the wall-clock time for lines of our own.
        """
        self._level = level
        self._render = render
        self._writer = writer
        self._wall = wall
        self._limit = StormLimit(clock, self._summarize)

    def __call__(self, event: LogEvent) -> None:
        """Write one event, unless it is below the level or suppressed by the limit on storms."""
        # Bugs are never suppressed: there are few, and each is different.
        if _level_of(event) >= self._level and ("log_failure" in event or self._limit.allows(name_of(event))):
            self._write(self._render(event))

    def _write(self, line: str) -> None:
        if self._writer.dropped:
            line = self._own_line("log-dropped", count=self._writer.dropped) + line
        self._writer.write(line)

    def _summarize(self, name: str, count: int) -> None:
        self._write(self._own_line("log-suppressed", suppressed=name, count=count))

    def _own_line(self, name: str, **fields: object) -> str:
        return self._render({"log_level": LogLevel.warn, "log_time": self._wall(), "log_event": name, **fields})


def _level_of(event: LogEvent) -> NamedConstant:
    """Return the level of an event; Twisted's informational messages (ports opened and closed) count as debug."""
    level = event["log_level"]
    return LogLevel.debug if level is LogLevel.info and "log_event" not in event else level
