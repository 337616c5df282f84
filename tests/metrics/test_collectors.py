"""The metric families: names, labels and values as the specification lists them, in a format that Prometheus reads."""

import platform

import attrs
import pytest
import twisted
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.defer import Deferred

from maglev.healthcheck.counters import BUCKETS as PROBE_BUCKETS
from maglev.healthcheck.lag import BUCKETS as LAG_BUCKETS
from maglev.metrics.exposition import ProcessFigures
from maglev.model.check_set import CheckSet
from maglev.model.config import Backend, CheckType, HttpParams
from maglev.model.errors import ConfigError
from maglev.model.health import Lifecycle
from maglev.model.result import Code, LocalFault, Result
from maglev.vpp.lb.state import SetWeight
from tests.fakes.configs import make_announce, make_check, make_config, make_frontend
from tests.fakes.lb import FakeLb
from tests.fakes.metrics import BUILD, WALL, Scraped, give_checks
from tests.fakes.metrics import ScrapedWorld as World

TCP = ("L4TOUT", "L4CON", "L4OK")
KINDS = ("vip_added", "vip_removed", "as_added", "as_removed", "as_weight_updated")
STATES = ("unknown", "up", "down", "draining", "paused", "disabled")


@pytest.fixture
def make():
    worlds = []

    def make(*args, **kwargs):
        worlds.append(World(make_config(*args, announce=make_announce("192.0.2.1"), **kwargs)))
        return worlds[-1]

    yield make
    for world in worlds:
        if world.checker.running:
            world.stop()


@pytest.fixture
def world(make):
    made = make()
    made.start()
    return made


def test_every_family_of_the_specification_that_exists_has_its_type_and_its_labels(world):
    world.connector.start_vpp(FakeLb())
    world.clock.advance(1)
    world.messages.count("show_version", "sent", "ok")
    for name in "abc":
        world.board.record(name, Result(Code.L4OK))
    world.probers.made["a"].certificate_expiry = 2e9
    world.overrides.keeper.path = "overrides.json"
    world.drains.active = lambda: [("a", 3)]
    give_checks(world.board, "b")
    scraped = world.scrape()

    expected = {
        "maglev_build_info": ("gauge", "version commit python twisted"),
        "maglev_backend_state": ("gauge", "backend address state"),
        "maglev_backend_health": ("gauge", "backend"),
        "maglev_backend_check_state": ("gauge", "backend healthcheck state"),
        "maglev_backend_check_health": ("gauge", "backend healthcheck"),
        "maglev_backend_agent": ("gauge", "backend says"),
        "maglev_backend_agent_percent": ("gauge", "backend"),
        "maglev_backend_enabled": ("gauge", "backend"),
        "maglev_frontend_state": ("gauge", "frontend state"),
        "maglev_frontend_enabled": ("gauge", "frontend"),
        "maglev_backend_drain_flows": ("gauge", "backend"),
        "maglev_drains_total": ("counter", "result"),
        "maglev_overrides_active": ("gauge", "kind"),
        "maglev_override_oldest_seconds": ("gauge", ""),
        "maglev_overrides_kept": ("gauge", ""),
        "maglev_overrides_damaged": ("gauge", ""),
        "maglev_announcement_state": ("gauge", "address state"),
        "maglev_announcements_total": ("counter", "address to"),
        "maglev_announce_sink_problem": ("gauge", "sink"),
        "maglev_announce_sink_readers": ("gauge", "sink"),
        "maglev_announce_sink_dropped_total": ("counter", "sink"),
        "maglev_frontend_active_pool": ("gauge", "frontend"),
        "maglev_frontend_held_backends": ("gauge", "frontend"),
        "maglev_checks_doubted": ("gauge", "scope"),
        "maglev_backends_doubted": ("gauge", ""),
        "maglev_frontend_departing_servers": ("gauge", "frontend"),
        "maglev_frontend_pool_backend_weight": ("gauge", "frontend pool backend"),
        "maglev_frontend_pool_backend_effective_weight": ("gauge", "frontend pool backend"),
        "maglev_frontend_pool_backend_programmed_weight": ("gauge", "frontend pool backend"),
        "maglev_probe_total": ("counter", "backend type result code"),
        "maglev_probe_duration_seconds": ("histogram", "backend type"),
        "maglev_probe_discarded_total": ("counter", "reason"),
        "maglev_probe_overdue_seconds": ("gauge", ""),
        "maglev_backends_without_evidence": ("gauge", ""),
        "maglev_oldest_evidence_seconds": ("gauge", ""),
        "maglev_certificate_expiry_timestamp_seconds": ("gauge", "backend"),
        "maglev_config_reloads_total": ("counter", "result"),
        "maglev_config_reload_refused": ("gauge", ""),
        "maglev_cooperator_turn_seconds": ("histogram", ""),
        "maglev_cooperator_waiting": ("gauge", "kind"),
        "maglev_backend_transitions_total": ("counter", "backend from to"),
        "maglev_vpp_connected": ("gauge", ""),
        "maglev_vpp_uptime_seconds": ("gauge", ""),
        "maglev_vpp_connected_seconds": ("gauge", ""),
        "maglev_vpp_info": ("gauge", "version build_date pid"),
        "maglev_vpp_api_total": ("counter", "msg direction result"),
        "maglev_vpp_lbsync_total": ("counter", "scope kind"),
        "maglev_vpp_lbsync_drift_total": ("counter", ""),
        "maglev_vpp_lbsync_failures_total": ("counter", ""),
        "maglev_reactor_lag_seconds": ("histogram", ""),
    }
    assert {family.removesuffix("_total") for family in expected} == set(scraped.families)
    for name, (kind, labels) in expected.items():
        family = scraped.families[name.removesuffix("_total")]
        assert family.type == kind, name
        assert family.documentation, name
        sample = f"{name}_count" if kind == "histogram" else name
        assert scraped.labels(sample) == {frozenset(labels.split())}, name


def test_the_state_of_a_backend_is_one_and_the_others_zero(world):
    world.board.record("a", Result(Code.L4OK))
    scraped = world.scrape()

    for state in STATES:
        value = scraped.value("maglev_backend_state", backend="a", address="10.0.0.1", state=state)
        assert value == (state == "up")
        value = scraped.value("maglev_backend_state", backend="b", address="10.0.0.2", state=state)
        assert value == (state == "unknown")
    assert len(scraped.series("maglev_backend_state")) == 3 * len(STATES)
    assert scraped.value("maglev_backend_health", backend="a") == 2
    assert scraped.value("maglev_backend_health", backend="b") == 1


def test_enabled_is_zero_only_while_disabled(world):
    world.board.happen("a", Lifecycle.PAUSE)
    world.board.happen("b", Lifecycle.DISABLE)
    scraped = world.scrape()

    assert scraped.value("maglev_backend_enabled", backend="a") == 1
    assert scraped.value("maglev_backend_enabled", backend="b") == 0


def test_the_state_of_a_frontend_is_one_and_the_others_zero(world):
    world.board.record("a", Result(Code.L4CON))
    scraped = world.scrape()

    values = {state: scraped.value("maglev_frontend_state", frontend="web", state=state) for state in STATES[:3]}
    assert values == {"unknown": 0, "up": 0, "down": 1}


def test_servers_that_left_and_still_serve_are_counted_for_each_frontend(make):
    world = make([make_frontend(pools=(("a", "b"),)), make_frontend("dns", port=53, pools=(("c",),))])
    world.start()
    world.connector.start_vpp(FakeLb())
    for name in "abc":
        world.board.record(name, Result(Code.L4OK))
    world.clock.advance(1)
    new = make_config(
        frontends=[make_frontend(pools=(("x",),)), make_frontend("dns", port=53, pools=(("c", "x"),))],
        backends=[Backend("x", "10.0.0.8", "tcp"), world.board.config.backends["c"]],
        removal_drain=50.0,
    )

    def counted():
        scraped = world.scrape()
        return [scraped.value("maglev_frontend_departing_servers", frontend=name) for name in ("web", "dns")]

    assert counted() == [0, 0]
    world.board.apply(new)
    assert counted() == [2, 0]
    # They drain, which does not count as service.
    world.board.record("x", Result(Code.L4OK))
    assert counted() == [0, 0]


def test_weights_are_those_of_each_pool(make):
    world = make([make_frontend(pools=((("a", 70), ("b", 30)), (("a", 20), "c")))])
    for name in "abc":
        world.board.record(name, Result(Code.L4OK))
    configured = "maglev_frontend_pool_backend_weight"
    effective = "maglev_frontend_pool_backend_effective_weight"

    def weights(name):
        scraped = world.scrape()
        members = (("pool0", "a"), ("pool0", "b"), ("pool1", "a"), ("pool1", "c"))
        return [scraped.value(name, frontend="web", pool=pool, backend=backend) for pool, backend in members]

    assert weights(configured) == [70, 30, 20, 100]
    assert weights(effective) == [70, 30, 0, 0]
    world.board.set_weight("web", "pool0", "a", 5)
    assert weights(configured) == [5, 30, 20, 100]
    assert weights(effective) == [5, 30, 0, 0]
    for name in "ab":
        world.board.happen(name, Lifecycle.DISABLE)
    assert weights(effective) == [0, 0, 0, 100]


def test_transitions_are_counted_from_zero(world):
    name = "maglev_backend_transitions_total"
    scraped = world.scrape()
    assert set(scraped.series(name).values()) == {0}
    for old, new in (("unknown", "up"), ("unknown", "down"), ("up", "down"), ("down", "up")):
        assert scraped.value(name, backend="a", **{"from": old, "to": new}) == 0

    for code in (Code.L4OK, Code.L4CON, Code.L4CON, Code.L4CON, Code.L4OK, Code.L4OK):
        world.board.record("a", Result(code))
    world.board.happen("a", Lifecycle.PAUSE)
    scraped = world.scrape()
    moves = {("unknown", "up"): 1, ("up", "down"): 1, ("down", "up"): 1, ("up", "paused"): 1, ("unknown", "down"): 0}
    for (old, new), count in moves.items():
        assert scraped.value(name, backend="a", **{"from": old, "to": new}) == count


def test_what_changes_no_state_is_not_a_transition(world):
    changed = [Backend("a", "10.0.0.9", "tcp"), *list(world.board.config.backends.values())[1:]]
    world.board.apply(make_config(backends=changed))

    assert set(world.scrape().series("maglev_backend_transitions_total").values()) == {0}


def test_a_removed_backend_is_forgotten_and_comes_back_as_new(world):
    whole = world.board.config
    world.board.record("c", Result(Code.L4OK))
    world.probers.made["c"].at_once = None
    world.board.apply(make_config([make_frontend(pools=(("a", "b"),))], list(whole.backends.values())[:2]))
    scraped = world.scrape()
    assert not [labels for _, labels in scraped.samples if ("backend", "c") in labels]

    world.board.apply(whole)
    scraped = world.scrape()
    assert scraped.value("maglev_backend_transitions_total", backend="c", **{"from": "unknown", "to": "up"}) == 0
    assert scraped.value("maglev_backend_state", backend="c", address="10.0.0.3", state="unknown") == 1


def test_probes_are_counted_by_code_from_zero(world):
    scraped = world.scrape()
    for code in TCP:
        result = "pass" if code == "L4OK" else "fail"
        assert scraped.value("maglev_probe_total", backend="a", type="tcp", result=result, code=code) == 0

    world.probers.made["a"].finish(Result(Code.L4OK, duration=0.003))
    scraped = world.scrape()
    assert scraped.value("maglev_probe_total", backend="a", type="tcp", result="pass", code="L4OK") == 1
    assert scraped.value("maglev_probe_total", backend="a", type="tcp", result="fail", code="L4CON") == 0


def test_each_kind_of_probe_has_the_codes_that_it_can_end_with(make):
    checks = [
        make_check("tcp"),
        make_check("http", type=CheckType.HTTP, http=HttpParams()),
        make_check("icmp", type=CheckType.ICMP, l4_port=None),
    ]
    backends = [Backend(check.name, f"10.0.0.{index}", check.name) for index, check in enumerate(checks, 1)]
    backends.append(Backend("static", "10.0.0.9", None))
    world = make([make_frontend(pools=(tuple(each.name for each in backends),))], backends, checks)
    world.start()
    codes = {}
    for labels in map(dict, world.scrape().series("maglev_probe_total")):
        assert labels["type"] == labels["backend"]
        codes.setdefault(labels["type"], set()).add(labels["code"])
    assert codes == {
        "tcp": {*TCP},
        "http": {"L4TOUT", "L4CON", "L7OK", "L7TOUT", "L7RSP", "L7STS"},
        "icmp": {"L7OK", "L7TOUT", "L4CON"},
        "static": {"static"},
    }


def test_the_buckets_of_a_duration_are_cumulative(world):
    prober = world.probers.made["a"]
    durations = (0.0001, 0.003, 0.0031, 0.3, 9.0)
    for duration in durations:
        prober.finish(Result(Code.L4OK, duration=duration))
        world.clock.advance(2)
    scraped = world.scrape()

    name = "maglev_probe_duration_seconds"
    for bound in PROBE_BUCKETS:
        expected = sum(duration <= bound for duration in durations)
        assert scraped.value(f"{name}_bucket", backend="a", type="tcp", le=str(bound)) == expected
    assert scraped.value(f"{name}_bucket", backend="a", type="tcp", le="+Inf") == len(durations)
    assert scraped.value(f"{name}_count", backend="a", type="tcp") == len(durations)
    assert scraped.value(f"{name}_sum", backend="a", type="tcp") == pytest.approx(sum(durations))


def test_a_duration_on_the_bound_of_a_bucket_belongs_to_it(world):
    world.probers.made["a"].finish(Result(Code.L4OK, duration=PROBE_BUCKETS[3]))
    bucket = "maglev_probe_duration_seconds_bucket"
    scraped = world.scrape()

    assert scraped.value(bucket, backend="a", type="tcp", le=str(PROBE_BUCKETS[2])) == 0
    assert scraped.value(bucket, backend="a", type="tcp", le=str(PROBE_BUCKETS[3])) == 1


def test_the_expiry_of_a_certificate_is_exported_for_those_that_have_shown_one(world):
    world.probers.made["b"].certificate_expiry = 1_900_000_000.0
    expiries = world.scrape().series("maglev_certificate_expiry_timestamp_seconds")
    assert expiries == {(("backend", "b"),): 1_900_000_000.0}


def test_a_static_backend_has_no_certificate(make):
    world = make([make_frontend(pools=(("s",),))], [Backend("s", "10.0.0.1", None)], [])
    world.start()
    assert world.scrape().series("maglev_certificate_expiry_timestamp_seconds") == {}


def test_the_pool_in_service_is_told_by_its_position(world):
    def active():
        return world.scrape().value("maglev_frontend_active_pool", frontend="web")

    assert active() == -1
    world.board.record("c", Result(Code.L4OK))
    assert active() == 1
    world.board.record("a", Result(Code.L4OK))
    assert active() == 0


def test_reloads_are_counted_from_zero_and_the_last_one_tells_whether_it_was_refused(world):
    def to_wire():
        scraped = world.scrape()
        counts = [scraped.value("maglev_config_reloads_total", result=each) for each in ("applied", "refused")]
        return [*counts, scraped.value("maglev_config_reload_refused")]

    assert to_wire() == [0, 0, 0]
    task = Deferred.fromCoroutine(world.reloader.reload())
    world.reloader._reactor.run_threads()
    task.addErrback(lambda failure: failure.trap(ConfigError))
    assert to_wire() == [0, 1, 1]


def test_discarded_probes_are_counted_by_reason_from_zero(world):
    name = "maglev_probe_discarded_total"
    reasons = (
        "lag",
        "descriptors",
        "memory",
        "netns",
        "network",
        "permission",
        "ports",
        "unsupported",
        "tunnel",
        "program",
        "processes",
        "internal",
        "worker",
    )
    assert {dict(labels)["reason"] for labels in world.scrape().series(name)} == set(reasons)

    world.probers.made["a"].finish(LocalFault("descriptors", "too many open files"))
    scraped = world.scrape()
    assert [scraped.value(name, reason=reason) for reason in reasons] == [0, 1, *[0] * 11]
    assert scraped.value("maglev_probe_total", backend="a", type="tcp", result="fail", code="L4CON") == 0


def test_the_lag_of_the_reactor_is_a_histogram(world):
    world.clock.pump([0.1, 0.1, 0.1])
    world.clock.advance(0.4)
    scraped = world.scrape()
    name = "maglev_reactor_lag_seconds"

    assert scraped.value(f"{name}_count") == 4
    assert scraped.value(f"{name}_bucket", le="+Inf") == 4
    assert scraped.value(f"{name}_bucket", le="0.001") == 3
    assert scraped.value(f"{name}_bucket", le="0.5") == 4
    assert scraped.value(f"{name}_sum") == pytest.approx(0.3)
    assert len(scraped.series(f"{name}_bucket")) == len(LAG_BUCKETS) + 1


def test_backends_of_which_nothing_is_heard_are_counted(world):
    world.clock.pump([1.0] * 40)
    scraped = world.scrape()
    assert scraped.value("maglev_backends_without_evidence") > 0
    assert scraped.value("maglev_oldest_evidence_seconds") > 15


def test_overdue_probes_are_told(world):
    assert world.scrape().value("maglev_probe_overdue_seconds") == 0
    # A reactor that hangs: time goes by, and nothing that is due is done.
    world.clock.rightNow += 7
    assert world.scrape().value("maglev_probe_overdue_seconds") > 5


def test_without_a_vpp_its_gauges_are_absent_and_its_counters_are_there(world):
    scraped = world.scrape()

    assert scraped.value("maglev_vpp_connected") == 0
    assert not {"maglev_vpp_info", "maglev_vpp_uptime_seconds", "maglev_vpp_connected_seconds"} & set(scraped.families)
    for scope in ("all", "vip"):
        for kind in KINDS:
            assert scraped.value("maglev_vpp_lbsync_total", scope=scope, kind=kind) == 0


def test_a_connected_vpp_is_described(world):
    world.connector.start_vpp(FakeLb())
    world.clock.advance(1)
    world.clock.advance(5)
    scraped = world.scrape()

    assert scraped.value("maglev_vpp_connected") == 1
    assert scraped.value("maglev_vpp_info", version="26.10", build_date="2026-11-01", pid="4711") == 1
    assert scraped.value("maglev_vpp_uptime_seconds") == WALL - 1000
    assert scraped.value("maglev_vpp_connected_seconds") == pytest.approx(5, abs=1)

    world.connector.kill_vpp()
    scraped = world.scrape()
    assert scraped.value("maglev_vpp_connected") == 0
    assert "maglev_vpp_info" not in scraped.families


def test_an_uptime_that_vpp_did_not_tell_is_absent(world):
    world.connector.start_vpp(FakeLb())
    world.clock.advance(1)
    world.vpp.info = attrs.evolve(world.vpp.info, boot_time=0.0)
    assert "maglev_vpp_uptime_seconds" not in world.scrape().families


def test_writes_to_vpp_are_counted_by_scope_and_kind(world):
    lb = FakeLb()
    for name in "abc":
        world.board.record(name, Result(Code.L4OK))
    world.connector.start_vpp(lb)
    world.clock.advance(1)
    world.board.happen("a", Lifecycle.DISABLE)
    scraped = world.scrape()
    name = "maglev_vpp_lbsync_total"

    counted = {(scope, kind): scraped.value(name, scope=scope, kind=kind) for scope in ("all", "vip") for kind in KINDS}
    assert {key: value for key, value in counted.items() if value} == {
        ("all", "vip_added"): 1,
        ("all", "as_added"): 3,
        ("vip", "as_weight_updated"): 1,
    }


def test_what_others_change_in_vpp_and_what_it_refuses_is_counted_from_zero(world):
    def troubles():
        scraped = world.scrape()
        names = ("maglev_vpp_lbsync_drift_total", "maglev_vpp_lbsync_failures_total")
        return [scraped.value(name) for name in names]

    lb = FakeLb()
    for name in "abc":
        world.board.record(name, Result(Code.L4OK))
    world.connector.start_vpp(lb)
    world.clock.advance(1)
    assert troubles() == [0, 0]
    lb.vips.clear()
    lb.conf = attrs.evolve(lb.conf, flow_timeout=99)
    Deferred.fromCoroutine(world.vpp.sync_now())
    assert troubles() == [2, 0]
    lb.refuse[SetWeight] = -1
    world.board.happen("a", Lifecycle.DISABLE)
    assert troubles() == [2, 1]


def test_api_messages_are_counted_and_what_vpp_says_is_escaped(world):
    world.messages.count("lb_conf", "sent", "ok")
    world.messages.count("lb_conf", "sent", "ok")
    world.messages.count('odd"\\\n', "received", "unknown")
    scraped = world.scrape()

    assert scraped.value("maglev_vpp_api_total", msg="lb_conf", direction="sent", result="ok") == 2
    assert scraped.value("maglev_vpp_api_total", msg='odd"\\\n', direction="received", result="unknown") == 1


def test_a_reload_in_the_middle_of_a_scrape_breaks_nothing(world):
    whole = world.board.config
    smaller = make_config([make_frontend("other", "192.0.2.9", pools=(("a",),))], list(whole.backends.values())[:1])
    pieces = [len(list(collector.scrape())) for collector in world.collectors]
    for collector, count in zip(world.collectors, pieces, strict=True):
        for stop in range(count):
            world.board.apply(whole)
            scrape = collector.scrape()
            text = "".join(next(scrape) for _ in range(stop))
            world.board.apply(smaller)
            text += "".join(scrape)
            assert list(text_string_to_metric_families(text))


def test_the_process_tells_about_itself():
    scraped = Scraped([ProcessFigures()])

    assert scraped.value("process_resident_memory_bytes") > 1_000_000
    assert scraped.value("process_open_fds") > 3


def test_the_build_is_told_in_labels(world):
    ((labels, value),) = world.scrape().series("maglev_build_info").items()

    assert value == 1
    assert dict(labels) == {
        "version": BUILD.version,
        "commit": BUILD.commit,
        "python": platform.python_version(),
        "twisted": twisted.__version__,
    }


def test_several_checks_of_a_backend_have_samples_of_their_own():
    several = CheckSet(("web", "gre"), 2)
    backends = [Backend("a", "10.0.0.1", several), Backend("b", "10.0.0.2", "web")]
    config = make_config([make_frontend(pools=(("a", "b"),))], backends, [make_check("web"), make_check("gre")])
    world = World(config)
    world.start()
    world.probers.made["a/web"].certificate_expiry = 2e9
    world.checker.counters["a/gre"].count(Result(Code.L4CON, duration=0.01))
    world.board.record("a/gre", Result(Code.L4CON))
    scraped = world.scrape()
    world.stop()
    where = {"backend": "a", "healthcheck": "gre"}
    assert scraped.value("maglev_probe_total", **where, type="tcp", result="fail", code="L4CON") == 1
    assert scraped.value("maglev_probe_duration_seconds_count", **where, type="tcp") == 1
    assert scraped.value("maglev_probe_duration_seconds_count", backend="b", type="tcp") == 0
    assert scraped.value("maglev_backend_check_state", **where, state="down") == 1
    assert scraped.value("maglev_backend_check_state", backend="a", healthcheck="web", state="unknown") == 1
    assert scraped.value("maglev_backend_check_health", **where) == 0
    assert scraped.value("maglev_backend_health", backend="a") == 0
    assert scraped.value("maglev_certificate_expiry_timestamp_seconds", backend="a", healthcheck="web") == 2e9
