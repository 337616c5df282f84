"""The log observer: levels, storms, and what is said about lines that did not get out."""

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogLevel
from twisted.python.failure import Failure

from maglev.runtime.logs.observer import BURST, RATE, SUMMARY_PERIOD, LineObserver


class Lines:
    """A writer that keeps lines, or drops them."""

    def __init__(self):
        self.written = []
        self.dropped = 0
        self.blocked = False

    def write(self, line):
        if self.blocked:
            self.dropped += 1
        else:
            self.written.append(line)
            self.dropped = 0


def render(event):
    name = event.get("log_event", "message")
    own = "".join(f" {key}={event[key]}" for key in ("suppressed", "count", "n") if key in event)
    return f"{event['log_level'].name} {name}{own}\n"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def lines():
    return Lines()


def observer(clock, lines, level=LogLevel.info):
    return LineObserver(clock, level, render, lines, lambda: 0.0)


def event(name="a", level=LogLevel.info, **fields):
    return {"log_level": level, "log_time": 0.0, **({"log_event": name} if name else {}), **fields}


def test_events_below_the_level_are_left_out(clock, lines):
    observe = observer(clock, lines, LogLevel.warn)
    for level in LogLevel.iterconstants():
        observe(event(level=level))

    assert lines.written == ["warn a\n", "error a\n", "critical a\n"]


def test_what_twisted_finds_informative_is_for_debugging_here(clock, lines):
    observer(clock, lines)(event(name=None))
    assert lines.written == []
    observer(clock, lines)(event(name=None, level=LogLevel.warn))
    assert lines.written == ["warn message\n"]
    observer(clock, lines, LogLevel.debug)(event(name=None))
    assert lines.written[1:] == ["info message\n"]


def test_a_storm_of_one_name_is_cut_and_summed_up(clock, lines):
    observe = observer(clock, lines)
    for _ in range(BURST + 30):
        observe(event())
    assert lines.written == ["info a\n"] * BURST

    clock.advance(SUMMARY_PERIOD)
    assert lines.written[BURST:] == ["warn log-suppressed suppressed=a count=30\n"]
    clock.advance(10 * SUMMARY_PERIOD)
    assert len(lines.written) == BURST + 1


def test_a_storm_of_one_name_leaves_the_others_alone(clock, lines):
    observe = observer(clock, lines)
    for _ in range(2 * BURST):
        observe(event())
    observe(event("b"))

    assert lines.written[-1] == "info b\n"


def test_a_storm_that_goes_on_is_shown_at_the_rate_and_summed_up_each_time(clock, lines):
    observe = observer(clock, lines)
    for _ in range(100):
        for _ in range(100):
            observe(event())
        clock.advance(0.1)
    clock.advance(SUMMARY_PERIOD)

    shown = lines.written.count("info a\n")
    summaries = [int(line.rpartition("=")[2]) for line in lines.written if "log-suppressed" in line]
    assert BURST + 9.8 * RATE <= shown <= BURST + 10 * RATE + 1
    assert shown + sum(summaries) == 100 * 100
    assert 9 <= len(summaries) <= 11


def test_a_quiet_time_earns_the_burst_again_and_not_more(clock, lines):
    observe = observer(clock, lines)
    for _ in range(2):
        for _ in range(BURST + 1):
            observe(event())
        clock.advance(1000)

    assert lines.written.count("info a\n") == 2 * BURST


def test_bugs_are_never_held_back(clock, lines):
    observe = observer(clock, lines)
    for _ in range(BURST + 1):
        observe(event())
    for _ in range(3):
        observe(event(level=LogLevel.critical, log_failure=Failure(ValueError("x"))))

    assert lines.written[-3:] == ["critical a\n"] * 3
    clock.advance(SUMMARY_PERIOD)


def test_the_number_of_dropped_lines_is_told_with_the_next_line_that_gets_out(clock, lines):
    observe = observer(clock, lines)
    lines.blocked = True
    for _ in range(5):
        observe(event())
    lines.blocked = False
    observe(event())
    observe(event())

    assert lines.written == ["warn log-dropped count=5\ninfo a\n", "info a\n"]
