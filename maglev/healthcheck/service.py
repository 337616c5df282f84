"""The checker: probes every backend at its own pace, reports to the board, and knows its own limits.

It follows the board: it probes the backends that the board says should be probed, and an operator's pause arrives as a
change of state like any other. Each backend has one `Turn`, which at any moment either waits for its next probe or has
one under way, never both and never two. A backend with several checks has one for each, under names of their own
(`maglev.model.check_set.probe_name`).

Overload slows the checks down but never marks a healthy backend down. Two rules ensure this: a *timeout* is not
evidence if the reactor itself was late during the probe, and neither is a probe that failed locally for lack of
descriptors, ports or memory. Both are counted and retried.

A reactor may be late for as long as the machine is busy, and a backend that is dead must not stay up meanwhile. So a
probe that is tried again for the third time gets twice the time, then four times, and so on, until the lateness is
small beside it, or the backend has been excused for long enough (`excuses`): then a timeout is evidence again. The
first answer ends that. A checker that learns nothing at all changes nothing either, so `evidence` raises the alarm.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import attrs
from twisted.application.service import Service

from maglev.healthcheck.counters import DISCARD_REASONS, ProbeCounters, kind_of
from maglev.healthcheck.evidence import EvidenceWatch, overdue_after
from maglev.healthcheck.excuses import as_timeout, extended_timeout, used_up
from maglev.healthcheck.schedule import PACE, Schedule, first_spread
from maglev.healthcheck.turn import Turn, subject_of, time_of
from maglev.model.health import PROBED, Lifecycle, State
from maglev.model.probing import probe_of
from maglev.model.result import TIMEOUTS, Code, LocalFault, Result
from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from twisted.internet.interfaces import IReactorTime

    from maglev.healthcheck.lag import LagMonitor
    from maglev.healthcheck.turn import IProberSource
    from maglev.model.config import Config, Healthcheck
    from maglev.model.events import BackendEvent
    from maglev.model.health import Transition
    from maglev.model.result import Outcome
    from maglev.state.backend_status import BackendStatus
    from maglev.state.board import Board

FAULT_PAUSE: Final = 0.25
"""Seconds until a probe that failed locally is retried: soon, but not in a busy loop."""

ERROR_PAUSE: Final = 1.0
"""Seconds until the next probe after one that raised: a bug must not become a busy loop."""


class CheckerService(Service):
    """Schedules the probes of every backend on the board.

    Attributes:
        counters: Probe counters of each backend, by name.
        discarded: Probes that were no evidence, by reason.
        evidence: Tracks the backends that have had no result for too long.
        probes: Results so far; more than the counters have, which go with their backends.
    """

    _log = EventLogger()

    def __init__(
        self,
        clock: IReactorTime,
        board: Board,
        probers: IProberSource,
        lag: LagMonitor,
        jitter: Callable[[], float],
        *,
        log_probes: bool = False,
    ) -> None:
        """Create the checker; nothing is probed before the service starts.

        Args:
            clock: A monotonic clock.
            board: Where states are kept; the checker subscribes to its changes.
            probers: Creates probers.
            lag: Measures how late the reactor runs.
            jitter: Returns a factor for each interval, around 1.
            log_probes: Whether each probe is logged, at debug.
        """
        self._clock = clock
        self._board = board
        self._probers = probers
        self._lag = lag
        self._jitter = jitter
        self._log_probes = log_probes
        self._turns: dict[str, Turn] = {}
        self._several: dict[str, tuple[str, ...]] = {}
        self._schedule: Schedule[Turn] = Schedule(clock, self._begin, probers.busy)
        self._next_start = 0.0
        self.counters: dict[str, ProbeCounters] = {}
        self.probes = 0
        self.evidence = EvidenceWatch(clock, self._evidence_of_all)
        self.discarded: Counter[str] = Counter(dict.fromkeys(DISCARD_REASONS, 0))
        probers.use_workers(board.config.checker.probe_workers)
        board.subscribe(backend_changed=self._backend_changed, config_changed=self._config_changed)

    def startService(self) -> None:
        """Begin to probe, with the first probes spread evenly over as much of an interval as the warm-up allows."""
        Service.startService(self)
        self._lag.start()
        names = [name for status in self._board.backends.values() for name in self._names_of(status)]
        total = len(names) or 1
        warmup = self._board.config.vpp.startup_max_delay
        for position, name in enumerate(names):
            turn = self._add_turn(name)
            if turn.healthcheck is None:
                self._begin(turn)
            elif turn.status.state in PROBED:
                spread = first_spread(turn.healthcheck.interval, turn.healthcheck.timeout, warmup, total)
                self._schedule.add(turn, spread * position / total)
        self.evidence.start()

    def stopService(self) -> None:
        """Stop probing; probes under way are aborted."""
        Service.stopService(self)
        self._lag.stop()
        self.evidence.stop()
        for turn in self._turns.values():
            self._halt(turn)
        self._turns.clear()
        self._schedule.close()

    def _evidence_of_all(self) -> Iterator[tuple[str, float, float]]:
        """Yield each probed backend, the time of its last result, and the age at which that is too old."""
        for name, turn in self._turns.items():
            if turn.healthcheck is not None and turn.status.state in PROBED:
                longest = max(turn.healthcheck.interval, self._interval(turn))
                yield name, turn.evidence, overdue_after(longest, time_of(turn))

    def probed(self) -> int:
        """Return the number of backends that wait for a probe or have one under way."""
        return sum(turn.probing or turn.slot is not None for turn in self._turns.values())

    def oldest_wait(self) -> float:
        """Return for how many seconds the most overdue probe has been waiting to start; 0 if none is overdue."""
        return self._schedule.overdue()

    def certificate_expiries(self) -> Iterator[tuple[str, float | None]]:
        """Yield each backend and when the last certificate that it presented expires, in seconds since the epoch."""
        for name, turn in list(self._turns.items()):
            yield name, None if turn.prober is None else turn.prober.certificate_expiry

    def longest_overrun(self) -> float:
        """Return by how many seconds the worst probe under way exceeds its timeout; 0 if none does."""
        now = self._clock.seconds()
        under_way = ((turn.started, turn.healthcheck) for turn in self._turns.values() if turn.probing)
        over = (now - started - healthcheck.timeout for started, healthcheck in under_way if healthcheck is not None)
        return max(0.0, max(over, default=0.0))

    # Notifications of the board

    def _backend_changed(self, event: BackendEvent) -> None:
        """Stop or start probing when a backend changed for a reason other than a probe result."""
        name = event.backend
        if not self.running or event.transition.layer or event.transition.code == Code.STATIC:
            return
        status = self._board.backends.get(name)
        former = self._several.pop(name, (name,))
        names = () if status is None else self._names_of(status)
        for each in former:
            if each not in names:
                self._drop_turn(each)
                self.counters.pop(each, None)
        for each in names:
            self._follow(each, event.transition)

    def _names_of(self, status: BackendStatus) -> tuple[str, ...]:
        """Return the names under which a backend and its agent are probed, and remember them if there are several."""
        names = status.probe_names
        if len(names) > 1:
            self._several[status.name] = names
        return names

    def _follow(self, name: str, transition: Transition) -> None:
        turn = self._turns.get(name)
        if turn is None or transition.code in {Lifecycle.START, Lifecycle.CHANGE}:
            # A check among several that a reload has not changed goes on, and so does an agent.
            if turn is None or turn.status.name in self._board.backends or turn.status is not self._board.probed(name):
                self._drop_turn(name)
                self._resume(self._add_turn(name))
        elif not {transition.old, transition.new} <= PROBED:  # a drain lets its probes go on
            self._halt(turn)
            turn.evidence = self._clock.seconds()
            self._resume(turn)

    def _config_changed(self, old: Config, new: Config) -> None:
        """Apply new settings of the checker; each backend that a reload touches is notified separately.

        In another network namespace every backend is probed afresh. A change of workers does not interrupt probes.
        """
        before, after = old.checker, new.checker
        if before.probe_workers != after.probe_workers and self._probers.use_workers(after.probe_workers):
            for turn in self._turns.values():
                turn.misplaced = True
        if self.running and before.netns != after.netns:
            for name in [name for name in self._turns if self._board.probed(name) is not None]:
                self._drop_turn(name)
                self._resume(self._add_turn(name))

    # Turns

    def _add_turn(self, name: str) -> Turn:
        backend, healthcheck = probe_of(self._board.config, name)
        status = self._board.probed(name)
        assert status is not None  # noqa: S101  # what is not on the board has no turn
        netns = self._board.config.checker.netns
        prober = None if healthcheck is None else self._probers.prober_for(backend, healthcheck, netns)
        counts = self.counters.get(name)
        if counts is None or counts.type != kind_of(healthcheck):
            counts = self.counters[name] = ProbeCounters(healthcheck)
        turn = self._turns[name] = Turn(status, healthcheck, prober, counts)
        turn.evidence = self._clock.seconds()
        return turn

    def _drop_turn(self, name: str) -> None:
        turn = self._turns.pop(name, None)
        if turn is not None:
            self._halt(turn)
            self._probers.forget(name)

    def _halt(self, turn: Turn) -> None:
        self._schedule.remove(turn)
        if turn.probing and turn.prober is not None:
            turn.probing = False
            turn.prober.cancel()

    def _resume(self, turn: Turn) -> None:
        if turn.status.state in PROBED:
            now = self._clock.seconds()
            start = max(now, self._next_start)
            self._next_start = start + PACE
            self._schedule.add(turn, start - now)

    def _begin(self, turn: Turn) -> None:
        if turn.prober is None:
            self._pass_static(turn)
            return
        turn.started = self._clock.seconds()
        turn.probing = True
        try:
            if turn.misplaced:
                self._replace_prober(turn)
            turn.prober.start(lambda outcome: self._finished(turn, outcome))
        except Exception:  # noqa: BLE001  # the next probe must come, whatever happened to this one
            self._log.failure("probe-start-failed", backend=turn.status.name)
            self._abandon(turn)

    def _abandon(self, turn: Turn) -> None:
        """Recover from a bug: discard the probe and schedule the next one."""
        try:
            self._halt(turn)
        finally:
            if self.running and self._turns.get(turn.status.name) is turn:
                self._schedule.add(turn, ERROR_PAUSE)

    def _pass_static(self, turn: Turn) -> None:
        if turn.status.state in PROBED:
            result = Result(Code.STATIC)
            turn.counts.count(result)
            self._board.record(turn.status.name, result)

    def _finished(self, turn: Turn, outcome: Outcome) -> None:
        if not turn.probing:
            return
        turn.probing = False
        try:
            delay = self._judge(turn, outcome)
        except Exception:  # noqa: BLE001  # as in _begin
            self._log.failure("probe-result-failed", backend=turn.status.name)
            delay = ERROR_PAUSE
        # A subscriber may have paused or removed the backend, or begun a new turn, in response to the result.
        if self._turns.get(turn.status.name) is turn and turn.slot is None and turn.status.state in PROBED:
            self._schedule.add(turn, delay)

    def _judge(self, turn: Turn, outcome: Outcome) -> float:
        """Process the outcome of a probe; return the seconds until the next."""
        name = turn.status.name
        late = self._lateness(turn, outcome)
        if late is not None:
            if not self._excused_enough(turn):
                self._discard(name, "lag", late)
                self._adjust_time(turn, turn.excused + 1)
                return 0.0
            if isinstance(outcome, LocalFault):
                outcome = as_timeout(outcome, turn.counts.type, self._clock.seconds() - turn.started)
        if isinstance(outcome, LocalFault):
            self._discard(name, outcome.reason, outcome.detail)
            return FAULT_PAUSE
        if turn.excused:
            # Reduce the time in steps after a timeout that counts: the reactor is probably as late as before.
            self._adjust_time(turn, turn.excused - 1 if outcome.code in TIMEOUTS else 0)
        self.probes += 1
        turn.evidence = self._clock.seconds()
        turn.counts.count(outcome)
        if self._log_probes:
            self._log.debug(
                "probe-done",
                **subject_of(name),
                code=str(outcome.code),
                detail=outcome.detail,
                duration=outcome.duration,
            )
        self._board.record(name, outcome)
        elapsed = self._clock.seconds() - turn.started
        return max(0.0, self._interval(turn) * self._jitter() - elapsed)

    def _lateness(self, turn: Turn, outcome: Outcome) -> str | None:
        """Return the detail of an outcome that may be due to lateness, here or in a worker; None for another one."""
        if isinstance(outcome, LocalFault):
            return outcome.detail if outcome.reason == "lag" else None
        excused = self._lag.excuses(outcome, turn.started, time_of(turn), turn.counts.type)
        return outcome.detail if excused else None

    def _excused_enough(self, turn: Turn) -> bool:
        """Return whether lateness has excused the backend for so long that it does not count any longer."""
        now = self._clock.seconds()
        if not turn.excused:
            turn.excused_since = now
        configured = self._configured(turn)
        return configured is not None and used_up(now - turn.excused_since, configured.timeout)

    def _configured(self, turn: Turn) -> Healthcheck | None:
        """Return the healthcheck as it is in the file: that of a turn may have more time."""
        return probe_of(self._board.config, turn.status.name)[1]

    def _adjust_time(self, turn: Turn, excused: int) -> None:
        """Set the timeout of a backend's next probe after a number of excused ones."""
        turn.excused = excused
        configured = self._configured(turn)
        if configured is None:
            return
        time = extended_timeout(configured.timeout, excused)
        if time != time_of(turn):
            turn.healthcheck = attrs.evolve(configured, timeout=time)
            self._replace_prober(turn)

    def _replace_prober(self, turn: Turn) -> None:
        config = self._board.config
        assert turn.healthcheck is not None  # noqa: S101  # a static backend has no prober
        backend, _ = probe_of(config, turn.status.name)
        turn.prober = self._probers.prober_for(backend, turn.healthcheck, config.checker.netns)
        turn.misplaced = False

    def _discard(self, name: str, reason: str, detail: str) -> None:
        self.discarded[reason] += 1
        self.evidence.discarded(reason)
        self._log.warn("probe-discarded", **subject_of(name), reason=reason, detail=detail)

    def _interval(self, turn: Turn) -> float:
        health = turn.status.health
        healthcheck = turn.healthcheck
        assert healthcheck is not None  # noqa: S101  # a static backend has no next probe
        if turn.status.state is State.UNKNOWN:
            return healthcheck.fast_interval
        if health.value == health.top:
            return healthcheck.interval
        if health.value == 0:
            return healthcheck.down_interval
        return healthcheck.fast_interval
