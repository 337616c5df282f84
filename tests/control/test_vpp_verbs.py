"""The verbs about VPP: what it holds, and what a sync or a reload would write."""

import attrs
import pytest

from maglev.config.load import Loaded
from maglev.model.errors import ConfigError, VppNotConnectedError, VppOffError
from maglev.model.problem import Problem, ProblemKind
from maglev.vpp.lb.state import ApplicationServer, Encap, Vip, VipKey
from maglev.vpp.lb.table import flow_table
from tests.fakes.configs import CONF, make_check, make_config, make_frontend
from tests.fakes.control_setup import ControlSetup, answer_of


def moved(before, after):
    """Return the share of the buckets that get another owner."""
    pairs = zip(flow_table(before, 1024), flow_table(after, 1024), strict=True)
    return sum(old != new for old, new in pairs) / 1024


def test_vpp_info(bench):
    bench.clock.advance(5)
    assert answer_of(bench.viewer.vpp_info()) == {
        "version": "26.10",
        "build_date": "2026-11-01",
        "build_directory": "/build",
        "pid": 4711,
        "boot_time": "1970-01-01T00:16:40.000Z",
        "connected_since": "1970-01-01T00:16:35.000Z",
        "weights": True,
    }


def test_the_state_of_the_lb_plugin_is_read_once_for_all_pages():
    frontends = [make_frontend(f"f{index}", f"192.0.2.{index + 1}", pools=(("a",),)) for index in range(3)]
    bench = ControlSetup(make_config(frontends=frontends))
    reads = bench.lb.reads
    first = answer_of(bench.viewer.vpp_lb_state(limit=2))
    assert first["conf"] == {
        "ipv4_src_address": CONF.ipv4_src_address,
        "ipv6_src_address": CONF.ipv6_src_address,
        "sticky_buckets_per_core": 65536,
        "flow_timeout": 40,
    }
    assert first["rows"][0] == {
        "frontend": "f0",
        "prefix": "192.0.2.1/32",
        "protocol": "tcp",
        "port": 80,
        "encap": "gre4",
        "src_ip_sticky": False,
        "new_flows_table_length": 1024,
        "application_servers": [{"address": "10.0.0.1", "weight": 100, "buckets": 0, "leaves_in": None}],
    }
    second = answer_of(bench.viewer.vpp_lb_state(after=first["next"], limit=2))
    assert [row["prefix"] for row in second["rows"]] == ["192.0.2.3/32"]
    assert bench.lb.reads == reads + 1
    bench.stop()


def test_a_sync_says_what_it_wrote(bench, audit):
    key = next(iter(bench.lb.vips))
    bench.lb.vips[key].servers["10.0.0.1"] = ApplicationServer("10.0.0.1", 3)
    writes = ["set weight of 10.0.0.1 in tcp://192.0.2.1:80 from 3 to 100"]
    assert answer_of(bench.operator.sync_vpp("web")) == {"writes": writes}
    assert answer_of(bench.operator.sync_vpp()) == {"writes": []}
    assert [line["writes"] for line in audit] == [1, 0]


def test_a_vip_that_is_of_no_frontend_is_shown_as_foreign(bench):
    key = VipKey("192.0.2.99", 32, 47, 1)
    bench.lb.vips[key] = Vip(key, Encap.GRE4, None, 0, {})
    rows = answer_of(bench.viewer.vpp_lb_state())["rows"]
    assert [(row["frontend"], row["protocol"]) for row in rows] == [("web", "tcp"), (None, "47")]


def test_the_plan_of_a_vpp_that_is_as_it_should_be_is_empty(bench):
    assert answer_of(bench.viewer.vpp_lb_plan()) == {"conf": None, "waiting": 0, "kept": [], "rows": [], "next": None}


def test_the_plan_tells_what_stays_for_names(bench):
    web = attrs.evolve(bench.board.config.frontends["web"], named_family=4, unresolved=("b2",))
    bench.board.apply(attrs.evolve(bench.board.config, frontends={"web": web}))
    vip = next(iter(bench.lb.vips.values()))
    vip.servers["10.9.9.9"] = ApplicationServer("10.9.9.9", 50)
    plan = answer_of(bench.viewer.vpp_lb_plan())
    assert plan == {
        "conf": None,
        "waiting": 0,
        "kept": [{"frontend": "web", "servers": 1, "names": ["b2"]}],
        "rows": [],
        "next": None,
    }


def test_the_plan_is_what_a_sync_then_does(bench):
    vip = next(iter(bench.lb.vips.values()))
    vip.servers["10.0.0.1"] = ApplicationServer("10.0.0.1", 50)
    key = VipKey("192.0.2.99", 32, 6, 80)
    bench.lb.vips[key] = Vip(key, Encap.GRE4, False, 1024, {"10.9.9.9": ApplicationServer("10.9.9.9", 1)})
    bench.lb.conf = attrs.evolve(CONF, flow_timeout=9)
    bench.lb.writes.clear()
    reads = bench.lb.reads
    first = answer_of(bench.viewer.vpp_lb_plan(limit=1))
    second = answer_of(bench.viewer.vpp_lb_plan(after=first["next"]))
    assert bench.lb.reads == reads + 1
    assert bench.lb.writes == []
    assert first["conf"]["flow_timeout"] == 40
    assert first["rows"] == [
        {
            "frontend": "web",
            "prefix": "192.0.2.1/32",
            "protocol": "tcp",
            "port": 80,
            "action": "change",
            "reasons": [],
            "moved": moved({"10.0.0.1": 50, "10.0.0.2": 100}, {"10.0.0.1": 100, "10.0.0.2": 100}),
            "operation_count": 1,
            "operations": ["set weight of 10.0.0.1 in tcp://192.0.2.1:80 from 50 to 100"],
        }
    ]
    assert second["rows"][0] | {"prefix": ""} == {
        "frontend": None,
        "prefix": "",
        "protocol": "tcp",
        "port": 80,
        "action": "remove",
        "reasons": [],
        "moved": 1.0,
        "operation_count": 1,
        "operations": ["delete VIP tcp://192.0.2.99:80"],
    }
    planned = [text for page in (first, second) for row in page["rows"] for text in row["operations"]]
    assert answer_of(bench.operator.sync_vpp()) == {"writes": planned}


def test_of_many_operations_on_one_vip_only_the_first_are_written_out():
    bench = ControlSetup(make_config(frontends=[make_frontend(pools=([f"b{index}" for index in range(60)],))]))
    bench.lb.vips.clear()
    (row,) = answer_of(bench.viewer.vpp_lb_plan())["rows"]
    assert (row["action"], row["operation_count"], len(row["operations"])) == ("add", 61, 50)
    bench.stop()


def test_what_a_reload_would_do(bench):
    frontends = [make_frontend(src_ip_sticky=True, pools=(("a", ("b", 50)), ("c",))), make_frontend("new", "192.0.2.2")]
    config = make_config(frontends=frontends, checks=[make_check(rise=1, fall=1, timeout=0.5)])
    bench.reloader.outcome = Loaded(config, (Problem(ProblemKind.WARNING, "maglev", "hm", 1, 2),))
    bench.lb.writes.clear()
    first = answer_of(bench.viewer.config_diff(limit=2))
    second = answer_of(bench.viewer.config_diff(after=first["next"], limit=2))
    assert (first["ok"], second["ok"], second["next"]) == (True, True, None)
    assert [problem["text"] for problem in second["problems"]] == ["hm"]
    check, web = first["rows"]
    (new,) = second["rows"]
    assert check == {
        "kind": "healthcheck",
        "name": "tcp",
        "change": "changed",
        "details": ["timeout: 1.0 -> 0.5"],
        "vips": [],
    }
    assert web["details"] == [
        "pool pool0: weight of backend b: 100 -> 50",
        "src-ip-sticky: false -> true",
        "until its first result, a keeps weight 100 of 10.0.0.1",
        "until its first result, b keeps weight 100 of 10.0.0.2",
    ]
    (vip,) = web["vips"]
    assert (vip["action"], vip["reasons"]) == ("recreate", ["src-ip-sticky false -> true"])
    assert vip["operations"] == [
        "delete VIP tcp://192.0.2.1:80",
        "add VIP tcp://192.0.2.1:80 (gre4, 1024 buckets)",
        "add 10.0.0.1 to tcp://192.0.2.1:80 with weight 100",
        "add 10.0.0.2 to tcp://192.0.2.1:80 with weight 50",
        "add 10.0.0.3 to tcp://192.0.2.1:80 with weight 0",
    ]
    assert (new["name"], new["change"], new["vips"][0]["action"]) == ("new", "added", "add")
    assert bench.lb.writes == []


def test_the_outlook_of_a_file_that_is_not_valid(bench):
    bench.reloader.outcome = ConfigError([Problem(ProblemKind.PARSE, "", "bad", 3, 4)])
    view = answer_of(bench.viewer.config_diff())
    assert (view["ok"], len(view["problems"]), view["rows"], view["next"]) == (False, 1, [], None)


def test_the_outlook_needs_no_vpp():
    bench = ControlSetup(off=True)
    bench.reloader.outcome = Loaded(make_config(frontends=[], backends=[]), ())
    kinds = [(row["kind"], row["name"], row["change"]) for row in answer_of(bench.viewer.config_diff())["rows"]]
    assert kinds[1:] == [("backend", name, "removed") for name in "abc"] + [("frontend", "web", "removed")]
    bench.stop()


@pytest.mark.parametrize("verb", ["vpp_info", "vpp_lb_state", "vpp_lb_plan", "sync_vpp"])
def test_without_vpp_there_is_an_error_that_says_so(verb):
    for options, error in (({"vpp": False}, VppNotConnectedError), ({"off": True}, VppOffError)):
        bench = ControlSetup(**options)
        with pytest.raises(error):
            answer_of(getattr(bench.operator, verb)())
        bench.stop()
