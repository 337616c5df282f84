"""What each view looks like, and that it lines up whatever the colours."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.commands.render.events import event_line
from maglev.commands.render.lines import COLOURS, Cell, Columns, Style, cell, clean, line, state_cell
from maglev.commands.render.views import BATCH, address_text, duration_text, phrases
from maglev.commands.session import CommandSession
from tests.fakes.control import (
    CHECKER,
    CONF,
    OVERRIDES,
    UNTIL,
    FakeControl,
    backend_view,
    drain_view,
    finish,
    frontend_view,
    healthcheck_view,
    member_view,
    override_view,
    pool_view,
    vip_view,
)
from tests.fakes.environment import FakeEnvironment

SGR = re.compile(r"\x1b\[[0-9;]*m")


def shown(line, control=None, **environment):
    """Return the output of a line."""
    where = FakeEnvironment(**environment)
    finish(CommandSession(control or FakeControl(), where).run(line))
    assert where.errors == ""
    return where.output


PAGES = {
    "show version": """\
version     1.2.3
commit      0123abc
build-date  2026-10-01
""",
    "show frontends": """\
frontend    address       protocol  port  state  pool     up   differs  description
web         203.0.113.80  tcp         80  up     primary  2/3  -        The public site
everything  2001:db8::80  any          -  down   only     0/1  -
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
backend  address        state     health  healthcheck  last-result  since                     order
www1     198.51.100.11  up           4/4  http-check   L7OK         2026-10-12T08:00:01.250Z  -
www2     198.51.100.12  disabled     0/4  http-check   L7OK         2026-10-12T08:00:01.250Z  -
spare    198.51.100.21  up           1/1  -            -            2026-10-12T08:00:01.250Z  -
v6       2001:db8:1::1  down         0/4  http-check   L7OK         -                         -
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
  path                 /healthz
  host                 -
  response-code        200-299, 401
  response-regexp      -
  response-regexp-not  -
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
name  role      front-end  from                 since                     idle
ada   operator  ssh        ssh 192.0.2.7:50222  2026-10-12T07:00:00.000Z  1m30s
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


def test_filters_see_one_blank_between_two_words_and_none_before():
    for terminal in (True, False):
        found = shown("show frontends web | include ^www2 weight 50 effective 0 .disabled.$", terminal=terminal)
        assert found.split() == ["www2", "weight", "50", "effective", "0", "[disabled]"]


@pytest.mark.parametrize(
    ("line", "rows"),
    [
        ("show backends | include up", ["www1", "spare"]),
        ("show backends | exclude up", ["backend", "www2", "v6"]),
        ("show backends | include up | exclude ^spare", ["www1"]),
        ("show backends | include up|down", ["www1", "spare", "v6"]),
        ("show backends | include '198.51.100.1[12] '", ["www1", "www2"]),
        ("show backends | include zzz", []),
        ("show backends | count", ["4"]),
        ("show backends | include ww | count", ["2"]),
        ("show backends | include backend | count", ["0"]),
        ("show backends | json | include www2", ['{"name":']),
        ("show backends | json | count", ["6"]),
    ],
)
def test_filters_take_lines_out(line, rows):
    assert [text.split()[0] for text in shown(line).splitlines()] == rows


def test_filters_look_at_the_text_and_not_at_the_colours():
    assert shown("show backends | include 32m|x1b", colour=True) == ""
    assert "\x1b[32mup" in shown("show backends | include up", colour=True)


def test_only_the_beginning_of_a_very_long_line_is_searched():
    control = FakeControl()
    members = [member_view(f"www{index:03}", "192.0.2.1") for index in range(300)]
    control.rows["frontend"] = [frontend_view("web", "203.0.113.80", [("primary", True, members)])]

    assert shown("show frontends | json | include www010", control) != ""
    assert shown("show frontends | json | include www299", control) == ""


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
    assert shown("show vpp lb plan | json", control) == '{"conf": null, "waiting": 0, "vips": []}\n'
    control.waiting = 1
    first = "1 frontend waits for the warm-up to end, and is left alone"
    assert shown("show vpp lb plan", control).splitlines()[0] == first
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

    assert shown("show frontends | include ^web", control).split()[4:] == ["up", "-", "1/1", "-"]


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


NASTY = "x\x1b[2J\r\n\x07\x9b31m\x7f\u202e\ud800" + "y" * 300


def test_nothing_from_outside_reaches_the_terminal_unescaped():
    control = FakeControl()
    result = {"ok": False, "layer": "L7", "code": NASTY, "detail": NASTY, "duration": 1.0}
    change = {"from": NASTY, "to": NASTY, "at": NASTY, "code": NASTY, "detail": NASTY}
    control.rows["backend"] = [backend_view("www1", NASTY, NASTY, last_result=result, transitions=[change])]
    control.rows["frontend"] = [frontend_view("web", NASTY, [(NASTY, True, [member_view(NASTY, NASTY, NASTY)])])]

    for command in ("show backends", "show backends www1", "show frontends", "show frontends web"):
        for filters in ("", " | json"):
            output = shown(command + filters, control)
            assert output.replace("\n", "").isascii()
            assert output.replace("\n", "").isprintable()
            assert max(map(len, output.splitlines())) < 5000
    assert json.loads(shown("show backends www1 | json", control))["address"] == NASTY


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.00125, "1.25ms"),
        (0.000004, "0s"),
        (0.5, "500ms"),
        (0.999999, "1s"),
        (1, "1s"),
        (1.5, "1.5s"),
        (59.9999, "1m"),
        (60, "1m"),
        (90.25, "1m30.25s"),
        (3600, "1h"),
        (86400 * 2 + 61, "48h1m1s"),
        (3601.001, "1h1.001s"),
    ],
)
def test_durations_are_written_as_in_the_configuration(seconds, text):
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("prefix", "text"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1/32", "192.0.2.1"),
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("2001:db8::1/128", "2001:db8::1"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("2001:db8::/64", "2001:db8::/64"),
    ],
)
def test_masks_of_hosts_are_not_shown(prefix, text):
    assert address_text(prefix) == text


AT = "2026-10-12T08:00:00.000Z"
BY = {"who": "ada", "origin": "ssh 192.0.2.7:1"}


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (
            {
                "type": "weight",
                "at": AT,
                "frontend": "web",
                "pool": "p",
                "backend": "a",
                "from": 100,
                "to": 25,
                **BY,
                "reason": "less",
            },
            f"{AT} weight frontend web pool p backend a 100 -> 25 by ada (ssh 192.0.2.7:1): less",
        ),
        (
            {
                "type": "weight",
                "at": AT,
                "frontend": "web",
                "pool": "p",
                "backend": "a",
                "from": 25,
                "to": 100,
                "who": "",
                "origin": "",
                "reason": "",
            },
            f"{AT} weight frontend web pool p backend a 25 -> 100",
        ),
        (
            {"type": "reload", "at": AT, "applied": True, "generation": 3, "problems": 0, "ended": ["x ends"], **BY},
            f"{AT} reload applied, generation 3; x ends by ada (ssh 192.0.2.7:1)",
        ),
        (
            {
                "type": "reload",
                "at": AT,
                "applied": False,
                "generation": 3,
                "problems": 2,
                "ended": [],
                "who": "",
                "origin": "SIGHUP",
            },
            f"{AT} reload refused, 2 problems by (SIGHUP)",
        ),
        (
            {"type": "drain", "at": AT, "backend": "a", "phase": "drained", "flows": 1, "detail": "quiet", **BY},
            f"{AT} drain a drained, 1 flow: quiet by ada (ssh 192.0.2.7:1)",
        ),
        ({"type": "snapshot", "kind": "backend", "name": "www1", "state": "up", "seq": 1}, "snapshot backend www1 up"),
        (
            {
                "type": "backend",
                "at": "T",
                "backend": "www1",
                "address": "192.0.2.1",
                "from": "up",
                "to": "paused",
                "code": "paused",
                "detail": "",
            },
            "T backend www1 192.0.2.1 up -> paused paused",
        ),
        ({"type": "frontend", "at": "T", "frontend": "web", "from": "up", "to": "down"}, "T frontend web up -> down"),
        (
            {
                "type": "log",
                "at": "T",
                "level": "info",
                "event": "vpp-connect",
                "fields": {"pid": 4711, "version": "2\n6"},
            },
            "T log info vpp-connect pid=4711 version=2\\x0a6",
        ),
        ({"type": "log", "at": "T", "level": "warn", "event": "odd", "fields": {}}, "T log warn odd"),
        ({"type": "gap", "missed": 7}, "gap 7 events were missed here: they came faster than they were read"),
        ({"type": "newer", "what": "\x1b"}, "{'type': 'newer', 'what': '\\x1b'}"),
    ],
)
def test_each_type_of_event_is_a_line(event, text):
    assert event_line(event).plain == text


def test_every_style_has_one_colour_and_states_have_theirs():
    assert set(COLOURS) == set(Style) - {Style.PLAIN}
    assert {
        state_cell(state).style for state in ("up", "down", "unknown", "draining", "paused", "disabled", "removed")
    } == {
        Style.UP,
        Style.DOWN,
        Style.UNKNOWN,
        Style.DRAINING,
        Style.PAUSED,
        Style.DISABLED,
        Style.REMOVED,
    }
    # What merely is named like a style of ours is not a state.
    assert state_cell("heading").style is Style.PLAIN
    assert Cell("", Style.UP).painted == ""
    assert cell("x").painted == "x"


def test_long_lists_of_phrases_line_up_in_batches():
    rows = [(cell(f"w{index}"), cell("weight"), cell(1)) for index in range(BATCH + 5)]
    lines = [each.plain for each in phrases(rows, aligned=True)]

    assert len(lines) == BATCH + 5
    assert lines[0] == "    w0  weight 1"
    assert lines[-1] == "    w104 weight 1"
    assert list(phrases([], aligned=True)) == []


def test_empty_cells_at_the_end_leave_no_blanks_and_an_empty_row_is_an_empty_line():
    rows = [(cell("a"), cell(""), cell("")), (cell(""), cell("")), ()]

    assert [each.plain for each in Columns(indent=2).rows(rows)] == ["  a", "", ""]


TEXTS = st.text(st.characters(max_codepoint=0x2FFF), max_size=30)


@given(st.lists(st.lists(st.tuples(TEXTS, st.sampled_from(list(Style)), st.booleans()), min_size=3, max_size=3)))
def test_columns_line_up_whatever_is_in_them(rows):
    made = [[cell(text or "-", style, right=right) for text, style, right in row] for row in rows]
    lines = list(Columns().rows(made))
    widths = [max((len(row[index].text) for row in made), default=0) for index in range(3)]

    for row, each in zip(made, lines, strict=True):
        assert SGR.sub("", each.painted) == each.plain
        assert each.plain.isprintable()
        assert each.plain[widths[0] : widths[0] + 2] == "  "
        assert each.plain[: widths[0]].strip(" ") == row[0].text.strip(" ")
        assert each.plain[widths[0] + 2 :][: widths[1]].strip(" ") == row[1].text.strip(" ")


@given(st.one_of(st.text(), st.binary(), st.integers(), st.none()))
def test_any_value_becomes_printable_ascii_of_bounded_length(value):
    text = clean(value)

    assert len(text) <= 200
    assert text.isascii()
    assert text.isprintable()
    assert line(text).plain == text


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


def test_overrides_are_a_table():
    assert [" ".join(line.split()) for line in shown("show overrides").splitlines()] == [
        "backend frontend pool value file who age ends-in reason",
        "www2 - - disable enable ada 10m 1h50m disk swap",
        "www1 web primary 25 100 bob 25h - -",
    ]


def test_what_is_wrong_with_the_file_of_overrides_comes_first():
    control = FakeControl()
    control.not_kept, control.damage = "No space left on device", "overrides.json: not valid JSON"
    head = shown("show overrides", control).splitlines()[:2]
    assert head == [
        "Damaged at the start, and set aside: overrides.json: not valid JSON",
        "Not kept over a restart: No space left on device",
    ]


def test_an_override_is_shown_with_its_backend():
    control = FakeControl()
    control.rows["backend"][1] = backend_view("www2", "198.51.100.12", "disabled", override=OVERRIDES[0])
    control.rows["backend"][0] = backend_view(
        "www1", "198.51.100.11", override=override_view("www1", value="pause", ends_in=None, reason="")
    )
    expected = "disable by ada since 2026-11-21T08:00:00.000Z, ends in 1h50m: disk swap"
    assert expected in shown("show backends www2", control)
    assert "pause by ada since 2026-11-21T08:00:00.000Z\n" in shown("show backends www1", control)


def test_lists_mark_what_is_not_as_in_the_file():
    control = FakeControl()
    control.rows["backend"][1] = backend_view("www2", "198.51.100.12", "disabled", override=OVERRIDES[0])
    members = [{**member_view(name, "198.51.100.11", weight=25), "file_weight": 100} for name in ("www1", "www2")]
    order = override_view(None, frontend="web", value="disable", ends_in=None, reason="")
    control.rows["frontend"] = [
        frontend_view("web", "203.0.113.80", [("primary", True, members)], enabled=False, override=order),
        frontend_view("api", "203.0.113.80", [("primary", True, members[:1])]),
    ]
    assert shown("show backends | include ^www2", control).endswith("  disable by ada\n")
    assert " disabled, 2 weights" in shown("show frontends | include ^web", control)
    assert shown("show frontends | include ^api", control).endswith("  1 weight\n")
    assert "override       disable by ada since 2026" in shown("show frontends web", control)
    control.rows["override"] = [order]
    assert shown("show overrides | include disable", control).split()[:4] == ["-", "web", "-", "disable"]


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({}, "drained 0 flows"),
        ({"phase": "draining", "flows": 1}, "draining 1 flow"),
        (
            {"phase": "draining", "flows": 7, "goal": 5, "times_out_in": 90.0, "then": "disable"},
            "draining 7 flows, until there are 5, times out in 1m30s, then disable",
        ),
        ({"phase": "unconfirmed", "flows": None, "detail": "cannot confirm: off"}, "unconfirmed, cannot confirm: off"),
    ],
)
def test_a_drain_is_shown_with_its_backend(more, text):
    control = FakeControl()
    control.rows["backend"][0] = backend_view("www1", "198.51.100.11", "draining", drain={**drain_view(), **more})
    assert f"  drain        {text}\n" in shown("show backends www1", control)


def test_a_weight_that_is_not_that_of_the_file_is_marked():
    control = FakeControl()
    member = {**member_view("www1", "198.51.100.11", weight=25), "file_weight": 100}
    control.rows["frontend"][0] = frontend_view("web", "203.0.113.80", [("primary", True, [member])])
    assert "www1 weight 25 effective 25 [file 100]\n" in shown("show frontends web", control)


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (
            {"action": "set", "who": "ada", "reason": "disk swap"},
            "set by ada until 2026-11-21T10:00:00.000Z: disk swap",
        ),
        ({"action": "cleared", "who": "ada", "reason": ""}, "cleared by ada"),
        ({"action": "expired", "who": "", "reason": "its time has come"}, "expired: its time has come"),
    ],
)
def test_an_override_is_an_event(more, text):
    event = {"type": "override", "seq": 9, "at": "2026-11-21T08:00:00.000Z", "object": "backend www1"}
    event |= {"value": "disable", "file": "enable", "until": UNTIL, **more}
    assert event_line(event).plain == f"2026-11-21T08:00:00.000Z override backend www1 disable {text}"


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


def test_events_of_the_guard_and_of_doubt():
    at = "2026-10-01T09:00:00.000Z"
    guard = {"type": "guard", "seq": 1, "at": at, "frontend": "web", "kept": ["a", "b"], "released": [], "held": 2}
    doubt = {"type": "blindness", "seq": 2, "at": at, "scope": "all", "name": "", "blind": True}
    doubt |= {"backends": 3, "total": 4, "why": "share"}
    told = [
        event_line(event).plain
        for event in (guard, {**guard, "kept": [], "released": ["a"], "held": 1}, doubt, {**doubt, "blind": False})
    ]
    assert told == [
        f"{at} guard web keeps a, b (2 held)",
        f"{at} guard web releases a (1 held)",
        f"{at} blindness all 3 of 4 backends are doubted",
        f"{at} blindness all 3 of 4 backends were doubted until now (share)",
    ]
