"""Whose traffic it is: the verbs that show what VPP has counted, and the metrics."""

import pytest

from maglev.control.traffic import server_traffic
from maglev.demo.fixtures import VISIT_PERIOD, VISITS, TrafficGenerator
from maglev.metrics.traffic import ROUTES_AT_ONCE, TrafficCollector
from maglev.model.config import Backend
from maglev.model.errors import StatsError, VppNotConnectedError, VppOffError
from maglev.runtime.cooperator import Cooperator
from maglev.state.board import Board
from maglev.vpp.stats.counts import Counts, RouteCounts
from maglev.vpp.sync.service import VppService
from maglev.vppsim.writes import VipName
from tests.fakes.configs import make_config, make_frontend
from tests.fakes.outcomes import result_of
from tests.fakes.traffic import TrafficRig, control_of

WEB = VipName("192.0.2.1/32", 6, 80)
ALL = VipName("2001:db8::1/128", 255, 0)
FOREIGN = VipName("192.0.2.99/32", 17, 53)


@pytest.fixture
def bench():
    made = TrafficRig()
    yield made
    made.stop()


def row_of(page, **fields):
    (row,) = [row for row in page["rows"] if fields.items() <= row.items()]
    return row


# Verbs


def test_a_row_tells_all_of_a_vip(bench):
    bench.simulator.count(WEB, first=1, existing=20, untracked=300, no_server=4000, octets=99)
    bench.tick()
    page = result_of(bench.control.vpp_lb_counters())
    assert page["next"] is None
    assert row_of(page, frontend="web") == {
        "frontend": "web",
        "prefix": "192.0.2.1/32",
        "protocol": "tcp",
        "port": 80,
        "first": 1,
        "next": 20,
        "untracked": 300,
        "no_server": 4000,
        "fib_packets": 4321,
        "fib_bytes": 99,
    }


def test_vips_for_all_ports_and_foreign_ones_are_shown_too(bench):
    bench.simulator.count(FOREIGN, no_server=7)
    bench.tick()
    page = result_of(bench.control.vpp_lb_counters())
    assert len(page["rows"]) == 3
    assert row_of(page, frontend="all", prefix="2001:db8::1/128", protocol="any", port=0)["first"] == 0
    assert row_of(page, frontend=None, prefix="192.0.2.99/32", protocol="udp", port=53)["no_server"] == 7


def test_backends_of_one_address_have_the_same_counts_and_foreign_servers_no_name(bench):
    bench.simulator.count_server("10.0.0.1", 7, 700)
    bench.simulator.count_server("10.0.0.9", 1, 100)
    bench.tick()
    rows = result_of(bench.control.vpp_backend_counters())["rows"]
    assert {(row["backend"], row["address"]): (row["fib_packets"], row["fib_bytes"]) for row in rows} == {
        ("a", "10.0.0.1"): (7, 700),
        ("twin", "10.0.0.1"): (7, 700),
        ("b", "10.0.0.2"): (0, 0),
        (None, "10.0.0.9"): (1, 100),
    }


def test_a_route_that_vpp_does_not_tell_is_none(bench):
    bench.simulator.faults.retvals["ip_route_lookup"] = -6
    bench.tick()
    bench.tick()
    row = row_of(result_of(bench.control.vpp_lb_counters()), frontend="web")
    assert (row["fib_packets"], row["fib_bytes"]) == (None, None)
    assert bench.values("maglev_vpp_vip_route_packets_total") == {}
    assert len(bench.values("maglev_vpp_vip_packets_total")) == 12


def test_pages_follow_the_reading_of_the_first(bench):
    first = result_of(bench.control.vpp_lb_counters(limit=2))
    bench.simulator.count(WEB, first=1)
    bench.simulator.count(FOREIGN, first=1)
    bench.simulator.count(ALL, first=1)
    bench.tick()
    second = result_of(bench.control.vpp_lb_counters(after=first["next"], limit=2))
    assert (len(first["rows"]), len(second["rows"]), second["next"]) == (2, 1, None)
    assert [row["first"] for row in first["rows"] + second["rows"]] == [0, 0, 0]
    assert [row["first"] for row in result_of(bench.control.vpp_lb_counters())["rows"]] == [1, 1, 1]


def test_pages_do_not_follow_a_vpp_that_is_gone(bench):
    for name in (WEB, FOREIGN, ALL):
        bench.simulator.count(name, first=5)
    bench.tick()
    first = result_of(bench.control.vpp_lb_counters(limit=1))
    assert [row["first"] for row in first["rows"]] == [5]
    bench.simulator.restart()
    bench.tick()
    second = result_of(bench.control.vpp_lb_counters(after=first["next"]))
    assert [row["first"] for row in second["rows"]] == [0]


def test_without_vpp_there_is_an_error_of_its_own(bench):
    for name in ("vpp_lb_counters", "vpp_backend_counters"):
        off = control_of(
            bench.clock,
            bench.board,
            VppService(Cooperator(bench.clock).queue("vpp"), bench.board, None, lambda: 1.0),
        )
        with pytest.raises(VppOffError):
            result_of(getattr(off, name)())
    bench.simulator.boot.segment.stuck = True
    for _ in range(5):
        bench.tick()
    with pytest.raises(StatsError, match="being changed"):
        result_of(bench.control.vpp_lb_counters())
    bench.simulator.kill()
    bench.clock.advance(0)
    with pytest.raises(VppNotConnectedError):
        result_of(bench.control.vpp_backend_counters())


def test_a_list_of_many_is_made_in_turns(bench):
    backends = [Backend(f"b{number}", f"10.0.{number >> 8}.{number & 255}", "tcp") for number in range(300)]
    board = Board(lambda: 0.0, make_config([make_frontend(pools=([each.name for each in backends],))], backends))
    counts = Counts({}, {each.address: RouteCounts(0, 0) for each in backends})
    steps = server_traffic(board, counts)
    assert sum(1 for _ in steps) == 2 * len(backends)


# Metrics


def test_the_metrics_are_those_of_the_specification(bench):
    bench.simulator.count(WEB, first=1, existing=20, untracked=300, no_server=4000, octets=99)
    bench.simulator.count_server("10.0.0.2", 7, 700)
    bench.tick()
    vip = ("80", "192.0.2.1/32", "tcp")
    packets = {
        labels: value for labels, value in bench.values("maglev_vpp_vip_packets_total").items() if labels[1:] == vip
    }
    assert packets == {("first", *vip): 1, ("next", *vip): 20, ("untracked", *vip): 300, ("no-server", *vip): 4000}
    assert bench.values("maglev_vpp_vip_route_packets_total")[vip] == 4321
    assert bench.values("maglev_vpp_vip_route_bytes_total")[vip] == 99
    assert bench.values("maglev_vpp_backend_route_packets_total") == {
        ("10.0.0.1", "a"): 0,
        ("10.0.0.2", "b"): 7,
        ("10.0.0.1", "twin"): 0,
        ("10.0.0.9", ""): 0,
    }
    assert bench.values("maglev_vpp_backend_route_bytes_total")["10.0.0.2", "b"] == 700
    names = {tuple(name for name, _ in labels) for family, *labels in bench.samples() if "vip_packets" in family}
    assert names == {("kind", "port", "prefix", "protocol")}


def test_metrics_are_absent_while_disconnected(bench):
    assert bench.samples()
    bench.simulator.kill()
    bench.clock.advance(0)
    assert bench.samples() == {}


def test_many_backends_are_written_in_pieces():
    backends = [Backend(f"b{number}", f"10.0.0.{number}", "tcp") for number in range(1, 2 * ROUTES_AT_ONCE + 2)]
    made = TrafficRig([make_frontend(pools=([backend.name for backend in backends],))], backends)
    made.tick()
    pieces = list(TrafficCollector(made.board, made.vpp).scrape())
    assert max(piece.count("maglev_vpp_backend_route_packets_total{") for piece in pieces) == ROUTES_AT_ONCE
    assert len(made.values("maglev_vpp_backend_route_packets_total")) == len(backends)
    made.stop()


# The demonstration


def test_visitors_of_the_demonstration_go_to_every_vip_until_they_are_stopped(bench):
    visitors = TrafficGenerator(bench.clock, bench.simulator)
    visitors.stop()
    visitors.start()
    for _ in range(3):
        bench.clock.advance(VISIT_PERIOD)
    visitors.stop()
    bench.tick()
    rows = result_of(bench.control.vpp_lb_counters())["rows"]
    assert {row["first"] for row in rows} == {3 * VISITS}
    visitors.start()
    bench.simulator.kill()
    bench.clock.advance(VISIT_PERIOD)
    visitors.stop()
    bench.simulator.start()
    bench.tick()
    assert {row["first"] for row in result_of(bench.control.vpp_lb_counters())["rows"]} == {0}
