"""Overrides: made, ended on time, and carried over reloads and restarts, on a clock of the test."""

import errno
import os
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from maglev.control.overrides import TICK, Overrides
from maglev.control.reload import Reloader
from maglev.control.restored import restore
from maglev.model.caller import Caller, Role
from maglev.model.config import Backend
from maglev.model.errors import NotFoundError, RefusedError
from maglev.model.events import OverrideEvent, WeightEvent
from maglev.model.health import Lifecycle, State
from maglev.model.override import BackendOrder, DrainGoal, Target, remark_by
from maglev.model.result import Code, Result
from maglev.runtime.cooperator import Cooperator
from maglev.state import override_file
from maglev.state.board import Board
from maglev.state.override_file import DamagedError, decode
from tests.fakes.configs import make_config, make_frontend
from tests.fakes.files import config_text
from tests.fakes.known_vpp import KnownVpp
from tests.fakes.logs import recorded_events
from tests.fakes.outcomes import result_of
from tests.fakes.overrides import WallClock
from tests.fakes.reactor import FakeReactor

ANN = Caller("ann", Role.OPERATOR, "ssh 192.0.2.7:1")
HOUR = 3600
WEIGHT = Target("a", "web", "pool0")
PASS = Result(Code.L4OK, "", 0.001)
DISABLE, PAUSE, ENABLE = BackendOrder.DISABLE, BackendOrder.PAUSE, BackendOrder.ENABLE


class Run:
    """One run of the daemon, as far as overrides are concerned."""

    def __init__(self, path, config=None, reactor=None, wall=None):
        self.reactor = reactor or FakeReactor()
        self.wall = wall or WallClock(self.reactor)
        restored = restore(path, config or make_config(), self.wall())
        self.board = Board(self.wall, restored.config, restored.orders, out=restored.out)
        self.overrides = Overrides(self.reactor, self.wall, self.board, restored)
        self.events = []
        self.board.subscribe(noted=self._noted)
        self.overrides.startService()
        self.reactor.run_threads()

    def _noted(self, event):
        if isinstance(event, OverrideEvent):
            self.events.append(event)

    def state(self, name):
        return self.board.backend(name).state

    def weight(self):
        return self.board.config.frontends["web"].pools[0].members[0].weight

    def happen(self, name, event, duration=0, reason=""):
        kept = self.overrides.happen(name, event, remark_by(ANN, duration, reason))
        self.reactor.run_threads()
        return result_of(kept)

    def set_weight(self, weight, duration=0):
        kept = self.overrides.set_weight(WEIGHT, weight, remark_by(ANN, duration))
        self.reactor.run_threads()
        return result_of(kept)

    def advance(self, seconds):
        while seconds > 0:
            self.reactor.advance(min(seconds, TICK / 2))
            seconds -= TICK / 2
        self.reactor.run_threads()

    def actions(self):
        return [(event.action, str(event.override.target), event.who) for event in self.events]


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "state" / "overrides.json")


@pytest.fixture
def run(path):
    return Run(path)


def kept(path):
    return {override.target: override for override in decode(Path(path).read_bytes())}


def test_an_order_is_recorded_with_all_that_is_known_of_it(run, path):
    assert run.happen("a", Lifecycle.DISABLE, 2 * HOUR, "disk swap") == ""
    (override,) = kept(path).values()
    now = run.wall()
    assert (override.target, override.value, override.base) == (Target("a"), DISABLE, ENABLE)
    assert (override.who, override.origin, override.reason) == ("ann", "ssh 192.0.2.7:1", "disk swap")
    assert (override.at, override.until) == (now, now + 2 * HOUR)
    detail = run.board.backend("a").transitions[0].detail
    assert detail.startswith("by ann: disk swap (until 20")
    assert run.actions() == [("set", "backend a", "ann")]


@pytest.mark.parametrize("event", [Lifecycle.DISABLE, Lifecycle.PAUSE, Lifecycle.DRAIN])
def test_a_restart_finds_the_backend_as_it_was_before_anything_else_happens(run, path, event):
    run.happen("a", event, 0, "disk swap")
    again = Run(path)
    assert again.state("a") is run.state("a")
    assert again.state("b") is State.UNKNOWN
    assert not again.board.frontend("web").flushes
    assert again.board.frontend("web").desired["a"].weight == 0
    assert "by ann: disk swap" in again.board.backend("a").transitions[0].detail
    again.board.record("a", PASS)
    assert again.state("a") is run.state("a")


def test_a_weight_is_there_from_the_beginning_of_the_next_run(run, path):
    run.set_weight(7)
    again = Run(path)
    assert again.weight() == 7
    assert again.overrides.get(WEIGHT).base == 100


@pytest.mark.parametrize(("there", "back"), [("DISABLE", "ENABLE"), ("PAUSE", "RESUME"), ("DRAIN", "ENABLE")])
def test_undoing_an_order_removes_its_record(run, path, there, back):
    run.happen("a", Lifecycle[there])
    run.happen("a", Lifecycle[back])
    assert kept(path) == {}
    assert [action for action, *_ in run.actions()] == ["set", "cleared"]
    assert Run(path).state("a") is State.UNKNOWN


def test_the_weight_of_the_file_removes_the_record(run, path):
    run.set_weight(7)
    run.set_weight(100)
    assert kept(path) == {}


def test_the_last_order_holds(run, path):
    run.happen("a", Lifecycle.PAUSE, HOUR)
    run.happen("a", Lifecycle.DISABLE, 0, "for good")
    assert [(each.value, each.until) for each in kept(path).values()] == [(DISABLE, None)]
    run.advance(2 * HOUR)
    assert run.state("a") is State.DISABLED


def test_an_order_without_effect_on_the_state_may_still_change_its_end(run, path):
    run.happen("a", Lifecycle.PAUSE)
    run.happen("a", Lifecycle.PAUSE, HOUR)
    assert run.overrides.left(Target("a")) == HOUR
    run.advance(HOUR)
    assert run.state("a") is State.UNKNOWN


def test_an_order_that_is_refused_leaves_no_record(run, path):
    run.happen("a", Lifecycle.DISABLE)
    with pytest.raises(RefusedError, match="can't be paused"):
        run.happen("a", Lifecycle.PAUSE, HOUR)
    with pytest.raises(NotFoundError):
        run.happen("nobody", Lifecycle.DISABLE)
    with pytest.raises(NotFoundError):
        run.overrides.set_weight(Target("nobody", "web", "pool0"), 5, remark_by(ANN))
    assert [each.value for each in run.overrides.all()] == [DISABLE]


def test_what_says_the_same_as_the_file_can_not_end(run):
    with pytest.raises(RefusedError, match="the file says 100 of the weight of backend a"):
        run.set_weight(100, HOUR)
    assert run.overrides.all() == ()


def test_a_backend_that_the_file_disables_can_be_enabled_and_that_is_an_override_too(path):
    disabled = make_config(backends=[Backend(name, f"10.0.0.{ord(name)}", "tcp", name != "a") for name in "abc"])
    run = Run(path, disabled)
    run.happen("a", Lifecycle.ENABLE)
    assert [(each.value, each.base) for each in kept(path).values()] == [(ENABLE, DISABLE)]
    assert Run(path, disabled).state("a") is State.UNKNOWN
    # With a pause, too, what it goes back to is what the file says.
    run.happen("a", Lifecycle.PAUSE, HOUR)
    run.advance(HOUR)
    assert run.state("a") is State.DISABLED
    assert kept(path) == {}
    assert run.happen("a", Lifecycle.DISABLE) == ""


def test_clearing_lets_the_file_hold_again(run, path):
    run.happen("a", Lifecycle.DISABLE)
    run.set_weight(7)
    for target in (Target("a"), WEIGHT):
        run.overrides.clear(target, remark_by(ANN))
    run.reactor.run_threads()
    assert (run.state("a"), run.weight(), kept(path)) == (State.UNKNOWN, 100, {})
    with pytest.raises(NotFoundError, match="there is no override of the backend a"):
        run.overrides.clear(Target("a"), remark_by(ANN))


# Time


def test_it_ends_on_time_and_has_to_prove_itself(run, path):
    run.board.record("a", PASS)
    run.happen("a", Lifecycle.DISABLE, 2 * HOUR)
    run.set_weight(7, HOUR)
    run.advance(HOUR - 1)
    assert run.weight() == 7
    run.advance(1)
    assert run.weight() == 100
    run.advance(HOUR - 1)
    assert run.state("a") is State.DISABLED
    with recorded_events() as events:
        run.advance(1)
    assert run.state("a") is State.UNKNOWN
    assert run.board.frontend("web").desired["a"].weight == 0
    assert kept(path) == {}
    assert [action for action, *_ in run.actions()] == ["set", "set", "expired", "expired"]
    assert ("override-ended", "its time has come") in [(name, fields.get("cause")) for name, fields in events]


def test_it_goes_on_expiring_after_a_restart(run, path):
    run.happen("a", Lifecycle.DISABLE, 2 * HOUR)
    run.advance(HOUR)
    again = Run(path, wall=run.wall)
    assert again.overrides.left(Target("a")) == pytest.approx(HOUR)
    again.advance(HOUR)
    assert again.state("a") is State.UNKNOWN


def test_what_has_ended_meanwhile_is_dropped_at_the_start_and_says_so(run, path):
    run.happen("a", Lifecycle.DISABLE, 2 * HOUR)
    run.advance(0)
    run.wall.ahead += 3 * HOUR
    with recorded_events() as events:
        again = Run(path, wall=run.wall)
    assert again.state("a") is State.UNKNOWN
    assert again.actions() == [("dropped", "backend a", "")]
    assert kept(path) == {}
    (fields,) = [fields for name, fields in events if name == "override-ended"]
    assert fields["cause"] == "its time has come while maglevd was not running"


@pytest.mark.parametrize("jump", [-86_400 * 365, -86_400, 86_400, 86_400 * 365])
def test_a_wall_clock_that_is_set_while_it_runs_changes_no_end(run, path, jump):
    run.happen("a", Lifecycle.DISABLE, 2 * HOUR)
    run.wall.ahead += jump
    run.advance(TICK)
    (override,) = kept(path).values()
    assert override.until == pytest.approx(run.wall() - TICK + 2 * HOUR)
    assert run.overrides.age(override) == pytest.approx(TICK)
    again = Run(path, wall=run.wall)
    assert again.state("a") is State.DISABLED
    run.advance(2 * HOUR - TICK - 1)
    assert run.state("a") is State.DISABLED
    run.advance(1)
    assert run.state("a") is State.UNKNOWN


@pytest.mark.parametrize("ahead", [0.0, 1.0, 1.5e9])
def test_a_wall_clock_that_is_behind_at_the_start_makes_nothing_last_longer_than_it_was_made_for(run, path, ahead):
    run.happen("a", Lifecycle.DISABLE, 2 * HOUR)
    run.wall.ahead = ahead
    again = Run(path, wall=run.wall)
    assert again.overrides.left(Target("a")) == pytest.approx(2 * HOUR, abs=1)
    # The right time comes later.
    run.wall.ahead = 1.6e9
    again.advance(2 * HOUR)
    assert again.state("a") is State.UNKNOWN


# Reloads


def reloaded(config, **weights):
    pools = ((tuple((name, weights.get(name, 100)) for name in "ab")), ("c",))
    return attrs.evolve(config, frontends={"web": make_frontend(pools=pools)})


def test_a_reload_keeps_what_it_does_not_change(run, path):
    run.happen("a", Lifecycle.DISABLE)
    run.set_weight(7)
    run.overrides.apply(reloaded(make_config(), b=50))
    assert (run.state("a"), run.weight(), len(kept(path))) == (State.DISABLED, 7, 2)
    assert run.board.config.frontends["web"].pools[0].members[1].weight == 50


def test_a_reload_that_changes_that_very_weight_wins(run, path):
    run.set_weight(7)
    run.overrides.apply(reloaded(make_config(), a=50))
    run.reactor.run_threads()
    assert (run.weight(), kept(path)) == (50, {})
    assert run.actions()[-1] == ("dropped", "weight of backend a in pool pool0 of frontend web", "")


@pytest.mark.parametrize("event", [Lifecycle.PAUSE, Lifecycle.DISABLE])
def test_a_reload_that_disables_a_backend_takes_its_override(run, path, event):
    run.happen("a", event)
    disabled = attrs.evolve(make_config().backends["a"], enabled=False)
    config = attrs.evolve(make_config(), backends={**make_config().backends, "a": disabled})
    run.overrides.apply(config)
    run.reactor.run_threads()
    assert (run.state("a"), kept(path)) == (State.DISABLED, {})
    run.overrides.apply(make_config())
    assert run.state("a") is State.UNKNOWN


def test_a_reload_that_enables_a_paused_backend_resumes_it(path):
    disabled = make_config(backends=[Backend(name, f"10.0.0.{ord(name)}", "tcp", name != "a") for name in "abc"])
    run = Run(path, disabled)
    run.happen("a", Lifecycle.ENABLE)
    run.happen("a", Lifecycle.PAUSE)
    backends = {**disabled.backends, "a": attrs.evolve(disabled.backends["a"], enabled=True)}
    run.overrides.apply(attrs.evolve(disabled, backends=backends))
    assert run.state("a") is State.UNKNOWN
    assert run.overrides.all() == ()


def test_a_reload_without_the_backend_drops_its_override(run, path):
    run.happen("c", Lifecycle.DISABLE)
    run.overrides.apply(make_config([make_frontend(pools=(("a", "b"),))]))
    run.reactor.run_threads()
    assert kept(path) == {}
    run.overrides.apply(make_config())
    assert run.state("c") is State.UNKNOWN


def test_the_answer_of_a_reload_says_which_overrides_it_ends(tmp_path, path):
    file = tmp_path / "maglev.yaml"
    file.write_text(config_text("ab"))
    run = Run(path)
    reloader = Reloader(
        run.reactor,
        Cooperator(run.reactor).queue("reload"),
        str(file),
        run.board,
        run.overrides,
        lambda _: None,
        KnownVpp(),
    )
    run.happen("c", Lifecycle.DISABLE, 0, "disk swap")
    with recorded_events() as events:
        task = Deferred.fromCoroutine(reloader.reload())
        run.reactor.run_threads()
        (warning,) = [each for each in result_of(task).warnings if "override" in each.text]
    assert warning.path == "maglev.backends.c"
    assert "the file no longer has the backend c (it was made by ann: disk swap)" in warning.text
    assert {"config-warning", "override-ended"} <= {name for name, _ in events}


# The file


def test_a_restart_at_any_moment_finds_the_old_record_or_the_new_one_and_after_the_answer_the_new_one(run, path):
    run.happen("a", Lifecycle.DISABLE, 0, "one")
    answer = run.overrides.happen("a", Lifecycle.DISABLE, remark_by(ANN, 0, "two"))
    assert not answer.called
    assert Run(path).state("a") is State.DISABLED
    run.reactor.run_threads()
    assert answer.called
    assert Run(path).overrides.get(Target("a")).reason == "two"


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_a_file_that_is_cut_anywhere_is_set_aside_whole_and_nothing_of_it_is_believed(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("state")
    path = str(folder / "overrides.json")
    run = Run(path)
    run.happen("a", Lifecycle.DISABLE, HOUR, "disk swap")
    run.set_weight(7)
    content = Path(path).read_bytes()
    cut = content[: data.draw(st.integers(0, len(content) - 2))]
    Path(path).write_bytes(cut)
    with recorded_events() as events:
        again = Run(path)
    assert (again.state("a"), again.weight(), again.overrides.all()) == (State.UNKNOWN, 100, ())
    (fields,) = [fields for name, fields in events if name == "overrides-damaged"]
    assert Path(fields["set_aside"]).read_bytes() == cut
    assert path in again.overrides.damage
    assert kept(path) == {}


def test_a_file_that_can_not_be_read_is_set_aside_too(path):
    Path(path).mkdir(parents=True)
    run = Run(path)
    assert "not a regular file" in run.overrides.damage
    assert run.happen("a", Lifecycle.DISABLE) == ""


def test_a_file_that_can_not_even_be_set_aside_is_not_fatal(path, monkeypatch):
    Path(path).parent.mkdir()
    Path(path).write_text("{")

    def refuse(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "rename", refuse)
    run = Run(path)
    assert run.overrides.damage == f"{path}: not valid JSON"
    assert run.overrides.all() == ()


def test_a_full_disk_is_told_and_the_order_is_in_force_and_kept_as_soon_as_that_is_possible(run, path, monkeypatch):
    really = os.fsync

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert run.happen("a", Lifecycle.DISABLE) == "No space left on device"
    assert run.state("a") is State.DISABLED
    assert run.overrides.not_kept == "No space left on device"
    monkeypatch.setattr(os, "fsync", really)
    run.advance(TICK)
    assert run.overrides.not_kept == ""
    assert Run(path).state("a") is State.DISABLED


def test_without_a_state_directory_it_works_and_says_once_that_nothing_is_kept():
    with recorded_events() as events:
        run = Run("")
        assert run.happen("a", Lifecycle.DISABLE, HOUR) == ""
        run.advance(HOUR)
    assert run.state("a") is State.UNKNOWN
    assert [name for name, _ in events].count("overrides-not-kept") == 1
    assert "no state directory" in run.overrides.not_kept


def test_there_is_a_limit(run, monkeypatch):
    monkeypatch.setattr("maglev.control.overrides.MAX_OVERRIDES", 1)
    run.happen("a", Lifecycle.DISABLE)
    with pytest.raises(RefusedError, match="too many overrides: at most 1"):
        run.happen("b", Lifecycle.DISABLE)
    assert run.state("b") is State.UNKNOWN
    run.happen("a", Lifecycle.DISABLE, HOUR)
    run.happen("a", Lifecycle.ENABLE)


def test_a_stop_leaves_nothing_to_do(run):
    run.happen("a", Lifecycle.DISABLE, HOUR)
    assert run.overrides.stopService().called
    assert run.reactor.getDelayedCalls() == []


def test_a_file_of_another_version_is_refused_whole(path):
    Path(path).parent.mkdir()
    Path(path).write_bytes(override_file.encode([]).replace(b'"format": 1', b'"format": 3'))
    with pytest.raises(DamagedError, match="another version"):
        decode(Path(path).read_bytes())
    assert "another version" in Run(path).overrides.damage


# Frontends


FRONTEND = Target("", "web")


def test_a_frontend_is_out_of_service_and_its_flows_are_forgotten_over_restarts_as_well(run, path):
    run.board.record("a", PASS)
    run.overrides.set_out("web", remark_by(ANN, HOUR, "moved"), out=True)
    run.reactor.run_threads()
    status = run.board.frontend("web")
    assert status.out
    assert {each.weight for each in status.desired.values()} == {0}
    assert status.flushes == set(status.desired)
    assert all(each.flush for each in status.desired.values())
    again = Run(path)
    again.board.record("a", PASS)
    assert again.board.frontend("web").out
    assert {each.weight for each in again.board.frontend("web").desired.values()} == {0}
    again.advance(HOUR + 60)
    assert not again.board.frontend("web").out
    assert again.board.frontend("web").desired["a"].weight == 100
    assert not again.board.frontend("web").flushes
    assert kept(path) == {}


def test_a_frontend_is_put_back_by_a_command_or_by_the_end_of_its_override(run):
    for end in (
        lambda: run.overrides.set_out("web", remark_by(ANN), out=False),
        lambda: run.overrides.clear(FRONTEND, remark_by(ANN)),
    ):
        run.overrides.set_out("web", remark_by(ANN), out=True)
        assert run.board.frontend("web").out
        end()
        assert not run.board.frontend("web").out
        assert run.overrides.get(FRONTEND) is None
    with pytest.raises(NotFoundError):
        run.overrides.set_out("nope", remark_by(ANN), out=True)


def test_a_frontend_that_leaves_the_file_takes_its_override_along(run):
    run.overrides.set_out("web", remark_by(ANN), out=True)
    (dropped,) = run.overrides.apply(make_config([make_frontend("api")]))
    assert "the file no longer has the frontend web" in str(dropped)
    assert run.overrides.get(FRONTEND) is None


# Events


def test_a_changed_weight_is_an_event_with_who_did_it(run):
    seen = []
    run.board.subscribe(noted=seen.append)
    run.set_weight(7, HOUR)
    run.advance(HOUR + 60)
    weights = [each for each in seen if isinstance(each, WeightEvent)]
    assert [(each.frontend, each.pool, each.backend) for each in weights] == [("web", "pool0", "a")] * 2
    assert [(each.old, each.new, each.who, each.origin) for each in weights] == [
        (100, 7, "ann", "ssh 192.0.2.7:1"),
        (7, 100, "", ""),
    ]
    assert weights[1].reason.startswith("the override ends: by ann")
    seen.clear()
    run.set_weight(100)
    assert [each for each in seen if isinstance(each, WeightEvent)] == []


def test_the_end_of_a_drain_is_recorded_and_disables_if_that_was_ordered(run, path):
    goal = DrainGoal(5, 60.0, disable=True)
    run.overrides.happen("a", Lifecycle.DRAIN, remark_by(ANN, HOUR, "disk swap"), goal)
    run.reactor.run_threads()
    override = kept(path)[Target("a")]
    assert override.goal == DrainGoal(5, override.at + 60, disable=True)
    assert Run(path).overrides.get(Target("a")).goal == override.goal
    run.overrides.settle(Target("a"))
    run.reactor.run_threads()
    assert kept(path)[Target("a")].goal is None
    run.overrides.settle(Target("a"), disable=True)
    assert (run.events[-1].who, run.events[-1].origin) == ("ann", "ssh 192.0.2.7:1")
    run.reactor.run_threads()
    disabled = kept(path)[Target("a")]
    assert (disabled.value, disabled.until, disabled.who) == (DISABLE, override.until, "ann")
    assert run.state("a") is State.DISABLED


def test_a_drained_backend_that_the_file_disables_needs_no_override_to_be_disabled(path):
    config = make_config()
    off = attrs.evolve(config, backends={**config.backends, "a": attrs.evolve(config.backends["a"], enabled=False)})
    run = Run(path, off)
    run.happen("a", Lifecycle.ENABLE)
    run.happen("a", Lifecycle.DRAIN)
    run.overrides.settle(Target("a"), disable=True)
    assert run.state("a") is State.DISABLED
    assert run.overrides.get(Target("a")) is None
