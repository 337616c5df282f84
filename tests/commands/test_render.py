"""What each view looks like, and that it lines up whatever the colours."""

from __future__ import annotations

import json
import re

import pytest

from tests.fakes.control import FakeControl
from tests.fakes.environment import shown
from tests.fakes.world import (
    CHECKER,
    CONF,
    backend_view,
    frontend_view,
    healthcheck_view,
    member_view,
    pool_view,
    vip_view,
)

SGR = re.compile(r"\x1b\[[0-9;]*m")
PAGES = {
    "show version": """\
version     1.2.3
commit      0123abc
build-date  2026-10-01
host        lb1
""",
    "show frontends": """\
frontend    address       protocol  port  state  pool     up   differs  description
web         203.0.113.80  tcp         80  up     primary  1/2  -        The public site
everything  2001:db8::80  any          -  down   -          -  -
""",
    "show frontends web": """\
frontend web
  description    The public site
  address        203.0.113.80
  protocol       tcp
  port           80
  state          up
  src-ip-sticky  no
  flush-on-down  yes
  pool primary [active]
    www1 weight 100 effective 100
    www2 weight 50  effective 0   [disabled]
  pool fallback
    spare weight 100 effective 0
""",
    "show frontends everything": """\
frontend everything
  description    -
  address        2001:db8::80
  protocol       any
  port           -
  state          down
  src-ip-sticky  no
  flush-on-down  yes
  pool only [active]
    v6 weight 100 effective 0 [down]
""",
    "show backends": """\
backend  address        state     health  healthcheck  last-result  since  order
www1     198.51.100.11  up           4/4  http-check   L7OK         3m12s  -
www2     198.51.100.12  disabled     0/4  http-check   L7OK         3m12s  -
spare    198.51.100.21  up           1/1  -            -            3m12s  -
v6       2001:db8:1::1  down         0/4  http-check   L7OK             -  -
""",
    "show backends www1": """\
backend www1
  address      198.51.100.11
  state        up
  enabled      yes
  healthcheck  http-check
  health       4/4 rise 2 fall 3
  last-result  L7OK in 1.25ms HTTP 200
  frontend     web
  transitions
    2026-10-12T08:00:01.250Z unknown -> up L7OK HTTP 200
    2026-10-12T08:00:00.000Z unknown -> unknown start
""",
    "show healthchecks": """\
healthcheck  type  port  interval  timeout  rise  fall  backends
http-check   http    80        2s       1s     2     3         3
ping         icmp     -        2s       1s     2     3         0
""",
    "show healthchecks http-check": """\
healthcheck http-check
  type                 http
  port                 80
  interval             2s
  fast-interval        500ms
  down-interval        1m30s
  timeout              1s
  rise                 2
  fall                 3
  probe-ipv4-src       -
  probe-ipv6-src       -
  via                  direct
  method               GET
  path                 /healthz
  host                 -
  response-code        200-299, 401
  response-regexp      -
  response-regexp-not  -
  http2                no
  disable-on-404       no
  headers              -
  backends             3
""",
    "show vpp info": """\
version          26.10-release
build-date       2026-10-28T12:00:00
build-directory  /build/vpp
pid              4711
boot-time        2026-10-30T06:00:00.000Z
connected-since  2026-10-30T06:00:02.500Z
weights          supported
""",
    "show vpp lb state": """\
conf
  ipv4-src-address         192.0.2.1
  ipv6-src-address         2001:db8::1
  sticky-buckets-per-core  65536
  flow-timeout             40s
vip 203.0.113.80 tcp 80
  frontend                web
  encap                   gre4
  src-ip-sticky           no
  new-flows-table-length  1024
    address 198.51.100.11 weight 100 flow-table-buckets 1024
    address 198.51.100.12 weight 0   flow-table-buckets 0
    address 198.51.100.21 weight 0   flow-table-buckets 0
vip 2001:db8::80 any
  frontend                -
  encap                   gre6
  src-ip-sticky           -
  new-flows-table-length  -
""",
    "show vpp lb plan": """\
vip 203.0.113.80 tcp 80 change moved 25.1%
  set weight of 198.51.100.12 in tcp://203.0.113.80:80 from 100 to 50
vip 2001:db8::80 any recreate: src-ip-sticky false -> true
  delete VIP 2001:db8::80
  add VIP 2001:db8::80 (gre6, 1024 buckets)
  and 1 more
vip 192.0.2.99 tcp 80 remove moved 100.0%
  delete VIP tcp://192.0.2.99:80
""",
    "config diff": """\
setting vpp.lb changed
  sync-interval: 30.0 -> 10.0
backend spare removed
frontend web changed
  pool fallback removed
  vip 203.0.113.80 tcp 80 change moved 25.1%
    set weight of 198.51.100.12 in tcp://203.0.113.80:80 from 100 to 50
frontend everything affected
  vip 2001:db8::80 any recreate: src-ip-sticky false -> true
    delete VIP 2001:db8::80
    add VIP 2001:db8::80 (gre6, 1024 buckets)
    and 1 more
""",
    "show vpp lb counters": """\
vip           protocol  port  first  next   untracked  no-server  fib-packets  fib-bytes
203.0.113.80  tcp         80    120  48000          0          3        48123    5100000
2001:db8::80  any          -      0      0          0          0            -          -
""",
    "show vpp lb backends": """\
backend  address        fib-packets  fib-bytes
www1     198.51.100.11        48120    6200000
-        198.51.100.99            0          0
""",
    "show sessions": """\
name  role      front-end  from                 since  idle
ada   operator  ssh        ssh 192.0.2.7:50222   5h7m  1m30s
""",
}


@pytest.mark.parametrize("command", PAGES)
def test_each_view_looks_as_it_should(command):
    assert shown(command) == PAGES[command]


@pytest.mark.parametrize("command", PAGES)
def test_colours_change_nothing_but_colours(command):
    coloured = shown(command, colour=True)

    assert SGR.sub("", coloured) == PAGES[command]
    assert coloured.count("\x1b") == len(SGR.findall(coloured)) > 0
    # Each line leaves the terminal as it was.
    for text in coloured.splitlines():
        found = SGR.findall(text)
        assert [code == "\x1b[0m" for code in found] == [False, True] * (len(found) // 2)


def test_rows_for_other_programs_are_not_padded():
    output = shown("show frontends web", terminal=False)

    assert "    www2 weight 50 effective 0 [disabled]\n" in output
    assert "    address 198.51.100.12 weight 0 flow-table-buckets 0\n" in shown("show vpp lb state", terminal=False)


def empty_control():
    """Return a control without anything in it."""
    control = FakeControl()
    control.rows = {kind: [] for kind in control.rows}
    return control


@pytest.mark.parametrize("command", ["show frontends", "show backends", "show healthchecks"])
def test_a_list_of_nothing_is_nothing(command):
    assert shown(command, empty_control()) == ""
    assert shown(f"{command} | json", empty_control()) == "[]\n"
    assert shown(f"{command} | count", empty_control()) == "0\n"


def test_a_plan_without_operations_says_so():
    control = empty_control()
    assert shown("show vpp lb plan", control) == "VPP holds what it should: nothing would be written\n"
    assert (
        shown("show vpp lb plan | json", control, terminal=False)
        == '{"conf": null, "waiting": 0, "kept": [], "vips": []}\n'
    )
    assert (
        shown("show vpp lb plan | json", control)
        == '{\n  "conf": null,\n  "waiting": 0,\n  "kept": [],\n  "vips": []\n}\n'
    )
    control.kept = [
        {"frontend": "web", "servers": 2, "names": ["b2"]},
        {"frontend": "x", "servers": 1, "names": ["b", "c"]},
    ]
    assert shown("show vpp lb plan", control).splitlines() == [
        "frontend web: 2 servers in VPP are kept until b2 is resolved",
        "frontend x: 1 server in VPP is kept until b, c are resolved",
        "Nothing would be written",
    ]
    control.kept = []
    control.waiting = 1
    first = "1 frontend waits for the warm-up to end, and is left alone"
    of_others = "Of all others, VPP holds what it should: nothing would be written now"
    assert shown("show vpp lb plan", control).splitlines() == [first, of_others]
    control.waiting, control.planned_conf = 2, {**CONF, "flow_timeout": 9}
    lines = shown("show vpp lb plan", control).splitlines()
    assert lines[0] == "2 frontends wait for the warm-up to end, and are left alone"
    assert (lines[1], lines[-1].split()) == ("conf", ["flow-timeout", "9s"])


def test_a_file_that_would_change_nothing_says_so():
    assert (
        shown("config diff", empty_control())
        == "The file matches the running configuration: a reload would change nothing\n"
    )


def test_servers_that_left_the_file_are_shown_with_the_time_that_is_left():
    control = FakeControl()
    members = [member_view("www3", "198.51.100.13", state="unknown", effective=0)]
    departing = [
        {"address": "198.51.100.11", "weight": 100, "programmed_weight": 1, "leaves_in": 57.04},
        {"address": "2001:db8::1", "weight": 0, "programmed_weight": 0, "leaves_in": 0.5},
    ]
    control.rows["frontend"] = [
        frontend_view("web", "203.0.113.80", [("primary", True, members)], state="down", departing=departing)
    ]
    assert shown("show frontends web", control, terminal=False).endswith("""\
  pool primary [active]
    www3 weight 100 effective 0 [unknown]
  departing
    198.51.100.11 weight 100 leaves-in 57.0s
    2001:db8::1 weight 0 leaves-in 0.5s
""")
    control.rows["frontend"][0]["weights"] = "least-moving"
    assert shown("show frontends web", control, terminal=False).endswith("""\
  departing
    198.51.100.11 weight 100 programmed 1 leaves-in 57.0s
    2001:db8::1 weight 0 programmed 0 leaves-in 0.5s
""")
    vip = vip_view("203.0.113.80/32", [("198.51.100.11", 100, 1024), ("198.51.100.13", 0, 0)], frontend="web")
    vip["application_servers"][0]["leaves_in"] = 57.04
    control.rows["vip"] = [vip]
    assert shown("show vpp lb state", control, terminal=False).endswith("""\
    address 198.51.100.11 weight 100 flow-table-buckets 1024 [leaves in 57.0s]
    address 198.51.100.13 weight 0 flow-table-buckets 0
""")


def test_a_load_balancer_without_vips_has_its_settings():
    assert shown("show vpp lb state", empty_control()).splitlines()[0] == "conf"
    assert json.loads(shown("show vpp lb state | json", empty_control()))["vips"] == []


def test_the_names_of_columns_come_once_and_later_pages_line_up_with_wider_rows():
    control = FakeControl()
    control.page = 1
    control.rows["healthcheck"] = [healthcheck_view(name) for name in ("a", "a-much-longer-name", "b")]
    lines = shown("show healthchecks", control).splitlines()

    assert [text.split()[0] for text in lines] == ["healthcheck", "a", "a-much-longer-name", "b"]
    assert lines[0].index("type") == lines[1].index("http")
    assert lines[2].index("http") == lines[3].index("http") > lines[1].index("http")


def test_more_of_a_healthcheck():
    control = FakeControl()
    params = {"ssl": True, "server_name": "www.example.org", "insecure_skip_verify": False}
    control.rows["healthcheck"] = [healthcheck_view("tls", type="tcp", params=params, probe_ipv6_src="2001:db8::1")]
    lines = [text.split(maxsplit=1) for text in shown("show healthchecks tls", control).splitlines()]

    assert ["ssl", "yes"] in lines
    assert ["server-name", "www.example.org"] in lines
    assert ["insecure-skip-verify", "no"] in lines
    assert ["probe-ipv6-src", "2001:db8::1"] in lines


def test_a_time_among_the_parameters_has_its_unit():
    control = FakeControl()
    control.rows["healthcheck"] = [healthcheck_view("load", type="agent", params={"hold": 15.0})]

    assert "hold 15s" in " ".join(shown("show healthchecks load", control).split())


def test_a_file_that_says_the_same_as_the_running_configuration_is_said_to():
    control = FakeControl()
    control.rows["compared"] = []

    assert shown("show configuration | diff", control) == "The file says the same as the running configuration\n"


def test_a_backend_without_history_or_frontends():
    control = FakeControl()
    control.rows["backend"] = [
        backend_view("new", "192.0.2.1", "unknown", last_result=None, transitions=[], frontends=[], healthcheck=None)
    ]

    assert shown("show backends new", control).splitlines()[4:] == [
        "  healthcheck  - (static)",
        "  health       0/4 rise 2 fall 3",
        "  last-result  -",
        "  frontend     -",
    ]


def test_a_backend_in_many_frontends_has_a_line_for_each():
    control = FakeControl()
    control.rows["backend"] = [backend_view("www1", "192.0.2.1", frontends=["web", "api"])]

    assert shown("show backends www1 | include ^frontend", control).split() == ["frontend", "web", "frontend", "api"]


def test_a_frontend_without_an_active_pool_and_with_a_backend_in_two_pools():
    control = FakeControl()
    member = member_view("www1", "192.0.2.1")
    control.rows["frontend"] = [frontend_view("web", "203.0.113.80", [("a", False, [member]), ("b", False, [member])])]

    assert shown("show frontends | include ^web", control).split()[4:] == ["up", "-", "-", "-"]


def test_an_older_vpp_says_that_weights_are_unsupported():
    control = FakeControl()

    async def vpp_info():
        return {**dict.fromkeys(["build_date", "build_directory", "pid", "boot_time", "connected_since"])} | {
            "version": "24.02",
            "weights": False,
        }

    control.vpp_info = vpp_info

    assert shown("show vpp info | include weights|boot", control).split() == [
        "boot-time",
        "-",
        "weights",
        "unsupported",
    ]


def test_the_checker_tells_of_lag_and_of_its_workers():
    control = FakeControl()
    assert shown("show checker", control).splitlines() == [
        "backends          3",
        "probes            1234",
        "discarded         lag 2",
        "overdue           0s",
        "without-evidence  0",
        "oldest-evidence   1.5s ago",
        "lag               0s at worst in the last minute",
        "lag-p50           up to 1ms",
        "lag-p99           up to 5ms",
        "workers           1",
        "waiting           0",
        "worker 0 up",
        "  pid        4712",
        "  in-flight  1",
        "  queued     0",
        "  restarts   0",
    ]


def test_a_checker_without_workers_that_is_later_than_all_buckets():
    control = FakeControl()

    async def checker():
        lag = {"worst": 12.5, "p50": 5.0, "p99": None}
        return {**CHECKER, "discarded": {}, "overdue": 1.5, "lag": lag, "workers": []}

    control.checker = checker
    assert shown("show checker", control).splitlines() == [
        "backends          3",
        "probes            1234",
        "discarded         none",
        "overdue           1.5s",
        "without-evidence  0",
        "oldest-evidence   1.5s ago",
        "lag               12.5s at worst in the last minute",
        "lag-p50           up to 5s",
        "lag-p99           more than all buckets",
        "workers           none",
    ]


class ScaledControl(FakeControl):
    """A control whose frontend has a scale."""

    async def frontend(self, name):
        member = {**member_view("www1", "198.51.100.11"), "programmed_weight": 2}
        return frontend_view(name, "203.0.113.80", [("primary", True, [member])], weights="least-moving")

    async def set_weight(self, frontend, pool, backend, weight):
        view = await super().set_weight(frontend, pool, backend, weight)
        return {**view, "programmed": [[50, 1, 5], [100, 2, 10]], "moved": 0.1251}

    async def clear_override(self, backend="", frontend="", pool=""):
        view = await super().clear_override(backend, frontend, pool)
        return {**view, "programmed": [[100, 34, 2]], "moved": 0.3}


def test_a_frontend_with_a_scale_shows_what_is_programmed():
    output = shown("show frontends web", ScaledControl())

    assert "  weights        least-moving\n" in output
    assert "    www1 weight 100 effective 100 programmed 2\n" in output


def test_a_weight_that_changes_the_scale_says_so():
    output = shown("set frontend web pool primary backend www1 weight 10", ScaledControl())

    assert output.splitlines()[1] == (
        "the scale changes: weight 50 is programmed as 5 instead of 1, 100 is programmed as 10 instead of 2; "
        "12.5% of new flows move"
    )
    output = shown("clear override frontend web pool primary backend www1", ScaledControl())
    assert output.splitlines()[1:] == [
        "the scale changes: weight 100 is programmed as 2 instead of 34; 30.0% of new flows move"
    ]


# Overrides


def test_pools_say_what_is_enough_and_when_they_take_over_again():
    control = FakeControl()
    members = [member_view("www1", "10.0.0.1"), {**member_view("www2", "10.0.0.2", "down"), "reason": "guarded"}]
    view = frontend_view("web", "192.0.2.1", [], when_none_eligible="hold", failback_delay=30.0, held=1)
    view["pools"] = [
        pool_view("primary", False, members, min_up="60%", eligible_for=18.2, fails_back_in=11.8),
        pool_view("last", True, [member_view("sorry", "10.0.0.3")]),
    ]
    control.rows["frontend"] = [view]
    text = shown("show frontends web", control)
    assert "when-none-eligible hold" in " ".join(text.split())
    assert "failback-delay 30s" in " ".join(text.split())
    assert " held 1 " in " ".join(text.split())
    assert "pool primary [min-up 60%, 1 in service] [eligible for 18.2s, fails back in 11.8s]\n" in text
    assert "pool last [active]\n" in text
    assert "[down] [held]" in text


def test_what_is_in_doubt_is_shown_with_the_checker():
    control = FakeControl()
    blind = {"scope": "path", "name": "IPv4", "backends": 5, "total": 8, "ends_in": 250.0}
    control.checker_view = {**CHECKER, "blind": [blind, {**blind, "scope": "all", "name": ""}]}
    lines = shown("show checker", control).splitlines()
    assert "blind path IPv4 5 of 8 backends are doubted, for 4m10s at most" in lines
    assert "blind all 5 of 8 backends are doubted, for 4m10s at most" in lines
