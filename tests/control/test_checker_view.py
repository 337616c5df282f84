"""How the checker says that it does."""

import json

import attrs

from maglev.control.checker_view import RECENTLY, checker_view
from maglev.healthcheck.lag import BUCKETS
from maglev.model.blindness_rule import Blindness
from maglev.model.config import Backend
from maglev.model.health import Lifecycle
from maglev.model.result import Code, LocalFault, Result
from tests.fakes.checker import PASS, CheckerRig
from tests.fakes.configs import make_check, make_config, make_frontend
from tests.fakes.logs import recorded_events
from tests.fakes.workers import WorkerPoolRig
from tests.fakes.world import CHECKER


def view_of(bench, pool=None):
    lag = bench.checker._lag
    made = checker_view(bench.clock.seconds, bench.checker, lag, pool or WorkerPoolRig(0).pool, bench.board.doubts)()
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    return made


def shape(view):
    """Return the keys of a view, inside out."""
    return view.keys(), view["lag"].keys(), {tuple(each) for each in view["workers"]}


def test_it_counts_what_is_probed_and_what_came_of_it():
    names = ("a", "b", "c", "d")
    backends = [Backend(name, f"10.0.0.{index}", "tcp" if name != "d" else None) for index, name in enumerate(names)]
    bench = CheckerRig(make_config(frontends=[make_frontend(pools=(names,))], backends=backends))
    bench.finish("a", PASS, PASS)
    bench.finish("b", LocalFault("ports"))
    bench.board.happen("c", Lifecycle.DISABLE)
    view = view_of(bench)
    assert (view["backends"], view["probes"]) == (2, 2), "neither the static one nor the disabled one"
    assert view["discarded"] == {"ports": 1}
    assert (view["waiting"], view["workers"]) == (0, [])


def test_it_tells_how_late_it_is():
    bench = CheckerRig()
    assert view_of(bench)["lag"] == {"worst": 0.0, "p50": BUCKETS[0], "p99": BUCKETS[0]}
    bench.clock.rightNow += 7.0
    view = view_of(bench)
    assert view["overdue"] > 4.0
    assert view["lag"]["worst"] > 6.0
    bench.clock.pump([1.0] * int(2 * RECENTLY))
    assert view_of(bench)["lag"]["worst"] < 2.0, "of the last minute"


def test_a_lag_above_all_buckets_has_no_bound():
    bench = CheckerRig()
    bench.clock.pump([20.0] * 10)
    assert view_of(bench)["lag"]["p99"] is None


def test_it_tells_of_its_workers():
    with recorded_events():
        rig = WorkerPoolRig(2)
        rig.start()
        view = view_of(CheckerRig(), rig.pool)
        assert shape(view) == shape(CHECKER), "the console is tried with that"
        assert [(each["worker"], each["state"], each["pid"]) for each in view["workers"]] == [
            (0, "up", 100),
            (1, "up", 101),
        ]
        rig.pool.resize(1)
        rig.slow = True
        rig.processes[0].die("killed")
        first, second = view_of(CheckerRig(), rig.pool)["workers"]
        assert (first["state"], first["restarts"], second["state"]) == ("down", 1, "leaving")
        rig.pool.stopService()


def test_what_the_checks_are_in_doubt_about():
    rig = CheckerRig(blinded(("a", "b", "c", "d")))
    for name in "abcd":
        rig.board.record(name, Result(Code.L4OK))
    for name in "abcd":
        rig.board.record(name, Result(Code.L4CON))
    rig.clock.advance(1.5)
    assert view_of(rig)["blind"] == [
        {"scope": "all", "name": "", "backends": 4, "total": 4, "ends_in": 8.5},
        {"scope": "healthcheck", "name": "tcp", "backends": 4, "total": 4, "ends_in": 8.5},
        {"scope": "path", "name": "IPv4", "backends": 4, "total": 4, "ends_in": 8.5},
    ]


def blinded(names):
    config = make_config([make_frontend(pools=(names,))], checks=[make_check(rise=1, fall=1)])
    return attrs.evolve(config, checker=attrs.evolve(config.checker, blindness=Blindness(50.0, 5.0, 10.0)))
