"""Faults that other load balancers have had, each played against the whole of maglevd.

Each docstring states the rule that keeps ours from having it. What takes real sockets is in
``tests/real/test_hostile_backends.py``.
"""

import json
from collections import Counter

import pytest
from twisted.internet.testing import StringTransport

from maglev.control.overrides import TICK
from maglev.model.errors import RefusedError
from maglev.vpp.lb.state import ApplicationServer, Vip
from tests.fakes.logs import recorded_events
from tests.fakes.whole_daemon import FAIL, PASS, SILENCE, DaemonWorld, site

HOUR = 3600.0
DAY = 24 * HOUR


@pytest.fixture
def make(tmp_path, monkeypatch, signals):
    worlds = []

    def make(given=None, seconds=10.0, slow=0.0):
        worlds.append(DaemonWorld(tmp_path, monkeypatch, given or site()))
        return worlds[-1].boot(seconds, slow)

    yield make
    for world in worlds:
        world.stop()


def fail_all(world, names="abc"):
    world.answers |= dict.fromkeys(names, FAIL)


def gaps(world):
    """Return, and forget, the writes after which a VIP had servers and no weight."""
    moments, world.lb.zero_moments = world.lb.zero_moments, []
    return moments


# What is evidence


def test_failures_that_passes_keep_apart_never_add_up(make):
    """A backend is down after `fall` failures in a row; passes in between put it back to where it was."""
    world = make(site(check={"rise": 2, "fall": 3}))
    world.written()
    results = [FAIL, FAIL, PASS, PASS]
    world.answers["a"] = lambda: results.append(results.pop(0)) or results[-1]
    with recorded_events() as events:
        world.wait(HOUR / 6, step=0.25)
    assert [name for name, _ in events if name.endswith("transition")] == []
    assert world.written() == []
    assert world.serving() == "ab"


def test_a_stall_of_the_checker_takes_nobody_out(make):
    """A timeout while our own loop stood still says nothing of the backend: it is discarded, and probed again."""
    world = make(site(check={"fall": 1}))
    world.written()
    for _ in range(5):
        world.answers |= dict.fromkeys("abc", SILENCE)
        world.wait(0.25)
        world.answers.clear()
        world.reactor.advance(3.0)  # the answers to what is under way wait in sockets that nobody reads
        world.wait(2)
    assert world.daemon.checker.discarded["lag"] > 0
    assert {world.state_of(name) for name in "abc"} == {"up"}
    assert world.written() == []


def test_silence_without_a_stall_does_take_a_backend_out(make):
    """The excuse is for our own lateness only."""
    world = make(site(check={"fall": 1}))
    world.answers["a"] = SILENCE
    world.wait(3)
    assert (world.state_of("a"), world.serving()) == ("down", "b")


def test_five_thousand_checks_begin_evenly_though_the_start_was_slow(make):
    """First probes are spread over their interval, counted from when probing begins, however long that has taken."""
    given = site(check={"interval": "5s"}, lb={"startup-max-delay": "30s"})
    names = [f"s{number}" for number in range(5000)]
    given["backends"] = {
        name: {"address": f"10.1.{number // 250}.{number % 250 + 1}", "healthcheck": "tcp"}
        for number, name in enumerate(names)
    }
    given["frontends"]["web"]["pools"] = [{"name": "all", "backends": {name: {} for name in names[:50]}}]
    world = make(given, seconds=0.0, slow=3.8)
    world.wait(6, step=0.01)
    firsts = {}
    for at, name in world.starts:
        firsts.setdefault(name, at)
    assert len(firsts) == 5000
    tenths = Counter(int(at * 10) for at in firsts.values())
    assert len(tenths) == pytest.approx(50, abs=1)
    assert max(tenths.values()) <= 110, tenths.most_common(3)


@pytest.mark.parametrize("jump", [DAY, -DAY])
def test_a_wall_clock_that_is_set_by_a_day_changes_nothing(make, jump):
    """All timing is by the monotonic clock. The wall clock is only for display, and for the time between two runs."""
    world = make()
    world.ask("disable_backend", "c", 600, "disk swap")
    world.wait(1)
    world.written()
    begun = len(world.starts)
    world.wait(60, step=0.25)
    usual = len(world.starts) - begun
    world.ahead += jump
    with recorded_events() as events:
        world.wait(60, step=0.25)
    assert [name for name, _ in events if name.endswith("transition")] == []
    assert len(world.starts) - begun - usual == pytest.approx(usual, abs=2)
    assert world.written() == []
    assert world.state_of("c") == "disabled"
    world.wait(600 - 121 - TICK, step=1.0)
    assert world.state_of("c") == "disabled"
    world.wait(2 * TICK, step=1.0)
    assert world.state_of("c") == "up"


# The guard


HELD = {"when_none_eligible": "hold"}


def test_the_guard_holds_through_a_reload_a_change_of_a_pool_and_a_start(make):
    """The guard is judged on every way to a new set: results, reloads, and starts alike."""
    world = make(site(**HELD))
    fail_all(world, "abcd")
    world.wait(10)
    assert world.serving() == "c"
    gaps(world)
    assert world.reload(site(check={"interval": "2s"}, **HELD))["ok"]  # everything has to be proved again
    world.wait(10)
    assert world.serving() == "c"
    assert world.reload(site(pools=("ab", "cd"), check={"interval": "2s"}, **HELD))["ok"]
    world.wait(10)
    assert world.serving()
    assert world.reload(site(pools=("ab",), check={"interval": "2s"}, **HELD))["ok"]
    world.wait(10)
    assert world.serving()
    before = world.weights()
    world.kill()
    world.boot(0.0)
    assert world.weights() == before
    world.wait(60)
    assert world.serving()
    assert gaps(world) == []


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("least", ["1", "67%"])
def test_the_guard_judges_what_would_be_left_whatever_the_size_of_the_pool(make, size, least):
    """What counts is the set after the change: the backend that would cross the floor is kept, not the next one."""
    names = "abc"[:size]
    needed = {"1": 1, "67%": {1: 1, 2: 2, 3: 3}[size]}[least]
    pool = {"name": "only", "min-up": least if "%" in least else int(least), "backends": {name: {} for name in names}}
    world = make(site(pools=(pool,), **HELD))
    for count, name in enumerate(names, 1):
        world.answers[name] = FAIL
        world.wait(10)
        assert len(world.serving()) >= min(size, max(size - count, needed)), (count, world.serving())
        assert world.serving()
    assert "".join(sorted(world.daemon.board.frontends["web"].guarded)) == world.serving() == names
    assert gaps(world) == []


def test_an_order_that_the_guard_would_not_survive_is_refused_unless_forced(make):
    """The same floor for operators, judged on what their order would leave."""
    world = make(site(pools=("ab",), **HELD))
    world.ask("disable_backend", "a")
    with pytest.raises(RefusedError, match="add force"):
        world.ask("disable_backend", "b")
    assert world.serving() == "b"
    world.ask("disable_backend", "b", 0, "", True)
    world.wait(1)
    assert world.serving() == ""


# What operators ordered


def test_a_disabled_backend_comes_back_from_a_restart_with_its_state_and_its_reason(make):
    """Each cause is its own mark: a restart confuses neither an order with a failure nor whose it was."""
    world = make()
    world.ask("disable_backend", "a", 0, "disk swap")
    fail_all(world, "b")
    world.wait(10)
    world.kill()
    world.boot(0.0)
    assert world.state_of("a") == "disabled"
    world.wait(10)
    assert world.serving() == "c"
    view = world.ask("backend", "a")
    assert (view["state"], view["override"]["who"], view["override"]["reason"]) == ("disabled", "ann", "disk swap")
    (orders,) = (each["text"] for each in world.ask("explain_backend", "a")["steps"] if each["step"] == "orders")
    assert "disable, by ann: disk swap" in orders
    assert world.ask("backend", "b")["override"] is None
    world.ask("enable_backend", "a")
    assert world.state_of("a") == "unknown"
    world.wait(5)
    assert world.state_of("a") == "up"
    assert world.serving() == "a"


@pytest.mark.parametrize("cut", [0, 1, 40, -30, -3])
def test_a_truncated_file_of_overrides_is_set_aside_and_nothing_of_it_is_believed(make, cut):
    """The file is read whole or not at all; what is set aside is named, and the start goes on."""
    world = make()
    world.ask("disable_backend", "a", 0, "disk swap")
    world.ask("drain_backend", "b", 0, "reboot")
    path = world.state / "overrides.json"
    whole = path.read_bytes()
    world.kill()
    path.write_bytes(whole[:cut])
    with recorded_events() as events:
        world.boot(10.0)
    (damaged,) = (fields for name, fields in events if name == "overrides-damaged")
    assert damaged["set_aside"]
    assert {world.state_of(name) for name in "abc"} == {"up"}
    assert damaged["set_aside"] in world.ask("overrides")["damage"]


def test_a_file_of_overrides_of_another_format_is_set_aside(make):
    """A format that is not ours, older or newer, is refused whole rather than guessed at."""
    world = make()
    world.ask("disable_backend", "a", 0, "disk swap")
    path = world.state / "overrides.json"
    for number in (0, 99):
        world.kill()
        path.write_text(json.dumps({**json.loads(path.read_text()), "format": number}))
        with recorded_events() as events:
            world.boot(5.0)
        assert "overrides-damaged" in [name for name, _ in events]
        assert world.state_of("a") == "up"
        world.ask("disable_backend", "a", 0, "disk swap")


def test_overrides_of_what_the_file_no_longer_has_are_dropped_with_a_line_and_the_others_hold(make):
    """An override holds only for what it was made for; a start drops the others one by one, and says so."""
    world = make()
    world.ask("disable_backend", "c", 0, "gone tomorrow")
    world.ask("disable_backend", "b", 0, "disk swap")
    world.ask("set_weight", "web", "pool0", "a", 30)
    world.kill()
    world.write(site(pools=({"name": "pool0", "backends": {"a": {"weight": 50}, "b": {}}},)))
    with recorded_events() as events:
        world.boot(10.0)
    dropped = {fields["object"]: fields["cause"] for name, fields in events if name == "override-ended"}
    assert dropped.keys() == {"backend c", "weight of backend a in pool pool0 of frontend web"}
    assert "no longer has" in dropped["backend c"]
    assert world.weights() == {"a": 50, "b": 0}
    assert [each["backend"] for each in world.ask("overrides")["rows"]] == ["b"]


def test_the_file_decides_about_ports_and_addresses_whatever_was_ordered_before(make):
    """The state that is kept is the operator's word alone: it never brings back an old port or address."""
    world = make()
    world.ask("disable_backend", "b", 0, "disk swap")
    world.kill()
    world.write(site(port=8080, check={"port": 8081}, backends={"b": {"address": "10.0.0.99"}}))
    world.boot(20.0)
    (key,) = (key for key in world.lb.vips if key.port == 8080)
    assert {address: server.weight for address, server in world.lb.vips[key].servers.items()} == {
        "10.0.0.1": 100,
        "10.0.0.99": 0,
        "10.0.0.3": 0,
    }
    assert world.state_of("b") == "disabled"
    assert world.daemon.board.config.healthchecks["tcp"].l4_port == 8081


# VPP


def test_what_is_deleted_or_changed_in_vpp_by_hand_is_back_with_the_next_sync(make):
    """VPP is read back every `sync-interval`, and what differs is repaired: a whole VIP as well as one weight."""
    world = make(site(lb={"sync-interval": "10s"}))
    (key,) = world.lb.vips
    del world.lb.vips[key]
    world.wait(10)
    assert world.weights() == {"a": 100, "b": 100, "c": 0}
    del world.lb.vips[key].servers["10.0.0.2"]
    world.lb.vips[key].servers["10.0.0.1"] = ApplicationServer("10.0.0.1", 7)
    world.wait(10)
    assert world.weights() == {"a": 100, "b": 100, "c": 0}
    assert isinstance(world.lb.vips[key], Vip)


def test_a_change_of_tier_is_never_without_any_weight(make):
    """What is raised is written first, and what is lowered only when VPP has acknowledged that."""
    world = make()
    gaps(world)
    world.written()
    for _ in range(3):
        fail_all(world, "ab")
        world.wait(10)
        assert world.serving() == "c"
        world.answers.clear()
        world.wait(10)
        assert world.serving() == "ab"
    assert gaps(world) == []
    world.lb.manual = True
    fail_all(world, "ab")
    world.wait(5)
    while world.lb.waiting:  # VPP is slow: each write takes half a second
        world.lb.answer(1)
        assert world.serving()
        world.wait(0.5)
    world.lb.manual = False
    world.lb.answer()
    world.wait(2)
    assert world.serving() == "c"
    assert gaps(world) == []


# Hooks


class HangingReader(StringTransport):
    """The transport of a reader that takes a little, then hangs, and may go on later."""

    def registerProducer(self, producer, streaming):
        super().registerProducer(producer, streaming)
        producer.pauseProducing()


def lines(reader):
    """Return what a reader was told."""
    return [json.loads(line) for line in reader.value().splitlines()]


def test_a_hook_that_hangs_delays_no_probe_and_gets_what_it_can_in_order(make, tmp_path):
    """A sink has a bounded queue of its own: probes never wait for it, and it gets things in the order of events."""
    hooks = {name: {"socket": str(tmp_path / f"{name}.sock"), "events": "all"} for name in ("well", "hung")}
    world = make(site(extra={"announce": {"hooks": hooks}}))
    ports = {port[0].rpartition("/")[2]: port[1] for port in world.reactor.unixServers}
    readers = {}
    for name, kind in (("well", StringTransport), ("hung", HangingReader)):
        protocol = ports[f"{name}.sock"].buildProtocol(None)
        readers[name] = kind()
        protocol.makeConnection(readers[name])
    world.wait(1)
    began = len(world.starts)
    world.wait(20)
    usual = len(world.starts) - began
    for _ in range(150):
        fail_all(world, "abc")
        world.wait(4, step=0.25)
        world.answers.clear()
        world.wait(3, step=0.25)
    began = len(world.starts)
    world.wait(20)
    assert len(world.starts) - began == pytest.approx(usual, abs=2)

    def numbers(name):
        return [line["seq"] for line in lines(readers[name]) if line["type"] in {"backend", "frontend"}]

    assert len(numbers("well")) > 1000
    assert numbers("well") == sorted(set(numbers("well")))
    status = {each.sink: each for each in world.daemon.sinks.statuses()}
    assert status["hook well"].dropped == 0
    readers["hung"].producer.resumeProducing()
    world.wait(2)
    assert numbers("hung") == sorted(set(numbers("hung")))
    status = {each.sink: each for each in world.daemon.sinks.statuses()}
    assert status["hook hung"].dropped > 0
    (gap,) = (line for line in lines(readers["hung"]) if line["type"] == "gap")
    assert gap["missed"] == status["hook hung"].dropped
