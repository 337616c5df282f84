"""The board: the single mutable record of every backend and frontend, with an event log and subscribers.

`Board.record`, `Board.happen`, `Board.set_weight` and `Board.apply` first complete their change and then notify the
subscribers (`maglev.state.subscribers`), who must not rely on the order in which they are called.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import attrs

from maglev.config.diff import concerned_backends, removed, touched
from maglev.model.check_set import named, split_probe_name
from maglev.model.errors import RefusedError
from maglev.model.events import AgentEvent, BackendEvent, CheckEvent
from maglev.model.health import PROBED, CheckTransition, Lifecycle, State, Transition
from maglev.model.override import BackendOrder
from maglev.model.probing import agent_of, probing_of
from maglev.model.result import Code
from maglev.state.backend_status import BackendStatus
from maglev.state.checks import CombinedHealth
from maglev.state.overrides import leading
from maglev.state.reweighted import reweighted
from maglev.state.status import FrontendStatus
from maglev.state.weighing import Weighing
from maglev.state.weights import flushes, flushes_for_agent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from maglev.model.config import Backend, Config, Frontend
    from maglev.model.override import Override
    from maglev.model.result import Result
    from maglev.state.agents import AgentStatus


class Board(Weighing):
    """Holds the state of every configured backend and frontend, and changes it.

    Attributes:
        generation: Incremented with each configuration applied.
    """

    def __init__(
        self,
        wall: Callable[[], float],
        config: Config,
        orders: Mapping[str, Override] = MappingProxyType({}),
        now: Callable[[], float] = float,
        out: Iterable[str] = (),
    ) -> None:
        """Create it.

        Args:
            wall: Returns the wall-clock time in seconds since the epoch, for display.
            config: A valid configuration.
            orders: What operators have ordered for backends, by name, and what holds from the beginning.
            now: Returns the seconds of a monotonic clock; by default, it stands still.
            out: Names of the frontends that operators have taken out of service.
        """
        super().__init__(wall, config, now)
        self.generation = 1
        for backend in config.backends.values():
            self._add_backend(backend, orders.get(backend.name))
        self._place_frontends({})
        for name in out:
            self.set_out(name, out=True)
        self._subscribers.clear()

    # Changing

    def record(self, name: str, result: Result) -> None:
        """Count the result of a probe; ignored if the backend does not exist or is not probed.

        Args:
            name: Name of a backend, of one of its checks if it has several, or of its agent
                (`BackendStatus.probe_names`).
            result: The result.
        """
        status = self.backends.get(name)
        if status is None:
            self._record_check(name, result)
            return
        old, last = status.state, status.last_result
        wants_none = result.code is Code.L7OKC
        status.last_result = result
        status.resulted = self.now()
        # As in HAProxy, what is down does not come up by saying that it wants no new flows.
        moved = status.health.record(old is not State.DOWN if wants_none else result.ok)
        if moved or (old is State.UP and wants_none is not (last is not None and last.code is Code.L7OKC)):
            self._moved(status, Transition(old, status.state, self._wall(), result.layer, result.code, result.detail))
            self._weigh_all()
            self._tell()

    def happen(self, name: str, event: Lifecycle, detail: str = "") -> None:
        """Apply an operator's command: pause, resume, disable or enable.

        Args:
            name: Name of the backend.
            event: The command.
            detail: Who commands it, and why.

        Raises:
            NotFoundError: There is no such backend.
            RefusedError: It makes no sense in the state that the backend is in.
        """
        status = self.backend(name)
        try:
            self._happen(status, event, detail)
        except RefusedError as error:
            message = f"backend {name} can't be {'drained' if event is Lifecycle.DRAIN else event}: {error}"
            raise RefusedError(message) from None
        self._weigh_all()
        self._tell()

    def set_weight(self, frontend: str, pool: str, backend: str, weight: int) -> None:
        """Change the configured weight of a backend in a pool, in the configuration in force.

        Args:
            frontend: Name of the frontend.
            pool: Name of one of its pools.
            backend: Name of a backend in that pool.
            weight: 0..100.

        Raises:
            NotFoundError: One of the names does not exist there.
            RefusedError: The weight is out of range.
        """
        status = self.frontend(frontend)
        changed = reweighted(status.frontend, pool, backend, weight)
        if changed == status.frontend:
            return
        status.configure(changed)
        status.lower_hold(backend)
        self.config = attrs.evolve(self.config, frontends={**self.config.frontends, frontend: changed})
        self._weigh_all({frontend})
        self._tell()

    def set_out(self, frontend: str, *, out: bool) -> None:
        """Take a whole frontend, which must exist, out of service and forget its flows; or put it back."""
        status = self.frontend(frontend)
        if status.out is not out:
            status.out = out
            status.flushes = set(status.desired) if out else set()
            self._weigh_all({frontend})
            self._tell()

    def pass_time(self) -> None:
        """Do what has become due: let pools take over again, and end doubts."""
        now = self.now()
        self._doubt(self.doubts.pass_time(now))
        for name in self._dues.until(now):
            self._unweighed.setdefault(name, set())
        self._weigh_all()
        self._tell()

    def flushed(self, frontend: str, backends: Iterable[str]) -> None:
        """Record that the requested flushes of these backends' flows are done."""
        status = self.frontends.get(frontend)
        if status is not None:
            status.flushes.difference_update(backends)

    def hold_programmed(self, frontends: Iterable[str], *, first: bool = False) -> None:
        """Let unproved backends keep what VPP was just found to hold in frontends; `first`: it was not read before."""
        changed = set()
        for status in [self.frontends[name] for name in frontends if name in self.frontends]:
            if first:
                self.holds.learn(status)
            self.doubts.served_early(self.holds.served(status, self.doubts.early))
            if not status.knows_all and self.holds.hold(status, self.holds.unproved(status)):
                changed.add(status.frontend.name)
        if changed:
            self._weigh_all(changed)
            self._tell()

    def judge_early(self) -> None:
        """Judge what went down before VPP was read: `hold_programmed` has seen all frontends."""
        self._doubt(self.doubts.judge_early())
        self._weigh_all()
        self._tell()

    def refused(self, frontend: str, addresses: AbstractSet[str]) -> None:
        """Note which servers of a frontend VPP refuses: a frontend that has no others is not up.

        Args:
            frontend: Name of the frontend.
            addresses: Addresses of the servers; empty when VPP has taken all.
        """
        status = self.frontends.get(frontend)
        if status is not None and status.refused != addresses:
            status.refused = frozenset(addresses)
            self._reduce(status)
            self._tell()

    def apply(self, config: Config) -> None:
        """Put another configuration in force, leaving unchanged objects untouched."""
        old = self.config
        self.holds.begin_reload(self._concerned_frontends(old, config))
        self.config = config
        self.generation += 1
        self._later("config_changed", old, config)
        if old.checker.transition_history != config.checker.transition_history:
            for status in self.backends.values():
                status.transitions = status.transitions[: config.checker.transition_history]
        for name in removed(old.backends, config.backends):
            self._remove_backend(self.backends[name])
        for backend in concerned_backends(old, config):
            self._update_backend(old, backend)
        self._doubt(self.doubts.apply(config))
        self._place_frontends(old.frontends)
        self.holds.end_reload()
        self._tell()

    # Implementation

    def _record_check(self, name: str, result: Result) -> None:
        """Count the result of one of several checks, or take what an agent says."""
        status = self.backends.get(split_probe_name(name)[0])
        if status is not None and status.agent is not None and status.agent.name == name:
            self._record_agent(status, status.agent, result)
            return
        health = None if status is None else status.health
        check = health.check(name) if isinstance(health, CombinedHealth) else None
        if status is None or not isinstance(health, CombinedHealth) or check is None:
            return
        old, said, nolb = status.state, check.state, status.nolb
        check.last_result, check.resulted = result, self.now()
        moved = check.health.record(said is not State.DOWN if result.code is Code.L7OKC else result.ok)
        shown = health.shown()
        status.last_result, status.resulted = shown.last_result, shown.resulted
        turned = status.nolb is not nolb and old is State.UP
        if not moved and not turned:
            return
        what = result.layer, result.code, result.detail
        if health.follow() or turned:
            because = result.layer, result.code, named(check.healthcheck.name, result.detail), check.healthcheck.name
            self._moved(status, CheckTransition(old, status.state, self._wall(), *because))
            self._weigh_all()
        elif self.doubts.rule is not None and status.state is State.DOWN and check.state is State.DOWN:
            self._doubt(self.doubts.confirmed(status.name, check.healthcheck.name))
            self._weigh_all()
        if moved and (said is not State.UNKNOWN or not result.ok):
            where = status.name, check.healthcheck.name, said, check.state, status.state
            self._happened("check_changed", CheckEvent, *where, *what, self._wall())
        self._tell()

    def _record_agent(self, status: BackendStatus, agent: AgentStatus, result: Result) -> None:
        """Take what an agent says, or that it says nothing."""
        if status.state not in PROBED:
            return
        old, word, said, kind = status.state, agent.word, agent.said, agent.kind
        agent.hear(result, self.now())
        what = result.layer, result.code, named(agent.healthcheck.name, result.detail)
        if agent.word != word:
            if agent.word.down and not word.down:
                status.rank = self.seq + 1
            for frontend in self._frontends_of.get(status.name, ()):
                self._unweighed.setdefault(frontend.frontend.name, set()).add(status.name)
                if flushes_for_agent(frontend.frontend, agent.word):
                    if not status.fresh and not flushes_for_agent(frontend.frontend, word):
                        frontend.flushes.add(status.name)
                elif not frontend.out and not flushes(frontend.frontend, status.state):
                    frontend.flushes.discard(status.name)
        if agent.kind != kind and (said, agent.said) != ("unknown", "up"):
            where = status.name, agent.healthcheck.name, said, agent.said
            self._happened("agent_changed", AgentEvent, *where, result.code, result.detail, self._wall())
        if agent.known and status.health.waits and status.health.settle():
            self._moved(status, CheckTransition(old, status.state, self._wall(), *what, agent.healthcheck.name))
        self._weigh_all()
        self._tell()

    def _add_backend(self, backend: Backend, override: Override | None = None) -> None:
        agent = agent_of(self.config, backend)
        status = BackendStatus(backend, probing_of(self.config, backend), agent, self.now())
        self.backends[backend.name] = status
        self._happen(status, Lifecycle.START)
        if override is not None:
            if (event := leading(status.health, BackendOrder(str(override.value)))) is not None:
                self._happen(status, event, str(override))
        elif not backend.enabled:
            self._happen(status, Lifecycle.DISABLE)

    def _remove_backend(self, status: BackendStatus) -> None:
        self._frontends_of.pop(status.name, None)
        self._happen(status, Lifecycle.REMOVE)
        del self.backends[status.name]

    def _update_backend(self, old: Config, backend: Backend) -> None:
        before = old.backends.get(backend.name)
        if before is None:
            self._add_backend(backend)
            return
        was, now = probing_of(old, before), probing_of(self.config, backend)
        agent = agent_of(self.config, backend)
        status = self.backends[backend.name]
        if before.address != backend.address or was != now or agent_of(old, before) != agent:
            state = status.state
            status.take_agent(agent, self.now(), moved=before.address != backend.address)
            if status.reprobe(backend.address, was, now):
                self._moved(status, Transition(state, status.state, self._wall(), "", Lifecycle.CHANGE.value))
            else:
                self._happen(status, Lifecycle.CHANGE)
        if before.enabled and not backend.enabled:
            self._happen(status, Lifecycle.DISABLE)
        elif backend.enabled and not before.enabled and status.state is State.DISABLED:
            self._happen(status, Lifecycle.ENABLE)

    def _place_frontends(self, old: Mapping[str, Frontend]) -> None:
        """Bring the frontends in line with the configuration in force, and reweigh those affected."""
        frontends = {}
        changed = set(removed(self.frontends, self.config.frontends))
        for name, frontend in self.config.frontends.items():
            status = self.frontends.get(name) or FrontendStatus(frontend)
            frontends[name] = status
            if old.get(name) is not frontend and old.get(name) != frontend:
                if status.frontend.identity != frontend.identity:
                    status.leave_vip()
                status.configure(frontend)
                self.holds.hold(status, self.holds.unproved(status))
                changed.add(name)
        self.frontends = frontends
        if changed:
            self._index()
            self._dues.keep(frontends)
        self._weigh_all(changed)

    def _happen(self, status: BackendStatus, event: Lifecycle, detail: str = "") -> None:
        old = status.state
        happened = status.health.happen(event)
        if status.agent is not None and not {old, status.state} <= PROBED:
            status.agent.forget(self.now())  # nobody asked it meanwhile
            status.health.waits = True
        # A changed backend has something to prove again even if its state has the same name as before.
        if happened or event in {Lifecycle.START, Lifecycle.CHANGE}:
            self._moved(status, Transition(old, status.state, self._wall(), "", event.value, detail))

    def _moved(self, status: BackendStatus, transition: Transition) -> None:
        status.transitions = (transition, *status.transitions)[: self.config.checker.transition_history]
        frontends = self._frontends_of.get(status.name, ())
        doubts = self.doubts.rule is not None
        served = doubts and any(status.name in each.held for each in frontends)
        for frontend in frontends:
            self._settle(frontend, status, transition)
            self._unweighed.setdefault(frontend.frontend.name, set()).add(status.name)
        if transition.new is not State.UNKNOWN:
            status.fresh = False
            status.proved_address = None
        self._happened("backend_changed", BackendEvent, status.name, status.address, transition)
        if transition.new is State.DOWN:
            status.rank = self.seq
        if doubts:
            # What is ordered out is not doubted, even if it is down.
            state = State.DRAINING if status.health.draining else transition.new
            failing = status.health.down() if isinstance(status.health, CombinedHealth) else None
            self._doubt(self.doubts.moved(status.name, state, served=served, now=self.now(), failing=failing))

    def _settle(self, frontend: FrontendStatus, status: BackendStatus, transition: Transition) -> None:
        """Update held weights and pending flushes after a transition."""
        name = status.name
        if transition.new is State.UNKNOWN:
            self.holds.hold(frontend, [name])
        else:
            frontend.release(name)
        if transition.new is transition.old:
            return
        # A backend that is down from its first probe on has no flows from us. After a restart, lowering the weight that
        # VPP still holds flushes them; a weight that is already 0 is left alone.
        first_down = status.fresh and transition.new is State.DOWN
        if flushes(frontend.frontend, transition.new) and not first_down:
            frontend.flushes.add(name)
        elif not frontend.out and not flushes_for_agent(frontend.frontend, status.word):
            frontend.flushes.discard(name)

    def _concerned_frontends(self, old: Config, new: Config) -> Iterable[FrontendStatus]:
        """Return the frontends that another configuration may change, or whose backends it may change."""
        names = {*touched(new.frontends, old.frontends), *touched(old.frontends, new.frontends)}
        names |= {name for backend in concerned_backends(old, new) for name in self.frontends_of(backend.name)}
        return [self.frontends[name] for name in names if name in self.frontends]
