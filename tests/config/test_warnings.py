"""Warnings about pairs, numbers and times that a file may have, but hardly on purpose."""

from __future__ import annotations

import pytest

from maglev.config.load import load_text

FILE = """\
maglev:
  vpp: {{lb: {{ipv4-src-address: 192.0.2.254, ipv6-src-address: 2001:db8::fe{lb}}}}}
  healthchecks: {{web: {{type: http, port: 80, {times}}}}}
  backends:
    a: {{address: {a}, healthcheck: web}}
    b: {{address: {b}, healthcheck: web}}
  frontends:
    www: {{address: 192.0.2.1, {vip}pools: [{{name: p, backends: {{a: , b: }}}}]}}
"""


def warnings_of(lb="", times="interval: 2s, timeout: 1s", a="10.0.0.1", b="10.0.0.2", vip=""):
    lb = f", {lb}" if lb else ""
    loaded = load_text(FILE.format(lb=lb, times=times, a=a, b=b, vip=vip))
    return [(problem.path.removeprefix("maglev."), problem.text) for problem in loaded.warnings]


def test_a_good_file_has_none():
    assert warnings_of() == []
    assert warnings_of(times="interval: 30s, timeout: 30s") == []


def test_a_backend_that_serves_no_vip_is_not_probed_by_any():
    text = FILE.format(lb="", times="interval: 2s, timeout: 1s, via: vip", a="10.0.0.1", b="10.0.0.2", vip="")
    assert load_text(text).warnings == ()
    more = text.replace("  backends:\n", "  backends:\n    c: {address: 10.0.0.3, healthcheck: web}\n")
    said = [(problem.path, problem.text) for problem in load_text(more).warnings]
    assert (
        "maglev.backends.c.healthcheck",
        "web probes by way of VIPs, and c serves none: that does not probe it",
    ) in said


def test_datagrams_by_way_of_a_vip_with_an_expectation():
    text = FILE.replace("type: http", "type: udp, via: vip, params: {{expect: a}}")
    text = text.format(lb="", times="interval: 2s, timeout: 1s", a="10.0.0.1", b="10.0.0.2", vip="")
    assert load_text(text).warnings == ()


def test_one_address_under_two_names():
    ((path, text),) = warnings_of(b="10.0.0.1")
    assert path == "frontends.www.pools[0].backends.b"
    assert text.startswith("has the same address as a:")


def test_a_timeout_longer_than_the_interval():
    ((path, text),) = warnings_of(times="interval: 2s, timeout: 2001ms")
    assert path == "healthchecks.web.timeout"
    assert text.startswith("2s1ms is longer than the interval (2s)")


def test_an_interval_longer_than_the_warm_up():
    ((path, text),) = warnings_of(times="interval: 31s, timeout: 1s")
    assert path == "healthchecks.web.interval"
    assert text.startswith("31s is longer than maglev.vpp.lb.startup-max-delay (30s)")
    assert warnings_of(times="interval: 31s, timeout: 1s", lb="startup-max-delay: 31s") == []
    assert warnings_of(times="interval: 31s, timeout: 1s", lb="startup-min-delay: 0s, startup-max-delay: 0s") == []


def test_loopback_backends_are_for_a_simulated_vpp():
    ((path, text),) = warnings_of(a="127.0.0.1")
    assert path == "backends.a.address"
    assert text.endswith("can use it")
    ((_, text),) = warnings_of(a="127.0.0.1", b="127.9.9.9")
    assert text.endswith("(and those of 1 more backends)")


@pytest.mark.parametrize(
    ("lb", "vip", "path", "sums"),
    [
        ("sticky-buckets-per-core: 16777216", "", "sticky-buckets-per-core", ("1024 MiB", "2048 MiB")),
        ("sticky-buckets-per-core: 4194304", "", "sticky-buckets-per-core", ("256 MiB", "512 MiB")),
        ("sticky-buckets-per-core: 2097152", "", None, ()),
    ],
)
def test_tables_that_may_not_fit_the_memory_of_vpp(lb, vip, path, sums):
    found = warnings_of(lb=lb, vip=vip)
    assert [where for where, _ in found] == ([f"vpp.lb.{path}"] if path else [])
    for number in sums:
        assert number in found[0][1]


def test_many_long_tables_may_not_fit_the_memory_of_vpp():
    frontends = "".join(
        f"    f{n}: {{address: 192.0.{n >> 8}.{n & 255}, pools: [{{name: p, backends: {{a: , b: }}}}]}}\n"
        for n in range(0x300, 0x300 + 1024)
    )
    text = FILE.format(
        lb=", new-flows-table-length: 65536", times="interval: 2s, timeout: 1s", a="10.0.0.1", b="10.0.0.2", vip=""
    )
    (found,) = load_text(text + frontends).warnings
    assert found.path == "maglev.vpp.lb.new-flows-table-length"
    assert "512.5 MiB for the new-flow tables of 1025 frontends" in found.text


POOLS = """\
maglev:
  vpp: {lb: {ipv4-src-address: 192.0.2.254, ipv6-src-address: 2001:db8::fe}}
  backends:
    a: {address: 10.0.0.1}
    b: {address: 10.0.0.2}
    off: {address: 10.0.0.3, enabled: false}
  frontends:
    www:
      address: 192.0.2.1
      pools:
        - {name: extra, backends: {off: }}
"""


def hidden(*pools):
    """Return path and pool that gets nothing, of each warning about these pools, which come after another one."""
    lines = [f"        - {{name: p{number}, backends: {pool}}}\n" for number, pool in enumerate(pools)]
    warnings = load_text(POOLS + "".join(lines)).warnings
    found = [problem for problem in warnings if "gives every backend weight 0" in problem.text]
    assert all(problem.column == 11 for problem in found)
    return [(problem.line, problem.path.rpartition("www.")[2], problem.text.split(": ")[1][:8]) for problem in found]


def test_a_pool_without_weights_that_hides_another_one():
    assert hidden("{a: {weight: 0}}", "{b: }") == [(12, "pools[1].backends", "pools[2]")]
    assert hidden("{a: {weight: 0}}", "{b: {weight: 0}}", "{a: , b: }") == [
        (12, "pools[1].backends", "pools[3]"),
        (13, "pools[2].backends", "pools[3]"),
    ]
    # The last pool hides nothing, and neither does one in which nobody can be up, or somebody has weight.
    assert hidden("{b: }", "{a: {weight: 0}}") == []
    assert hidden("{off: {weight: 0}}", "{b: }") == []
    assert hidden("{a: {weight: 0}, b: }", "{b: }") == []
    assert hidden("{a: {weight: 0}}", "{b: {weight: 0}}") == []
    assert hidden("{}", "{b: }") == []
    assert hidden("{off: {weight: 0}, a: {weight: 0}}", "{b: }") == [(12, "pools[1].backends", "pools[2]")]


@pytest.mark.parametrize(("least", "warned"), [("3", True), ("2", False), ("100%", False)])
def test_a_pool_that_can_never_have_enough(least, warned):
    loaded = load_text(
        FILE.format(lb="", times="interval: 2s, timeout: 1s", a="10.0.0.1", b="10.0.0.2", vip="").replace(
            "name: p,", f"name: p, min-up: {least},"
        )
    )
    found = [(each.path, each.text) for each in loaded.warnings]
    text = "asks for 3 backends, but the pool has 2: it never has enough"
    assert found == ([("maglev.frontends.www.pools[0].min-up", text)] if warned else [])


GOOD = FILE.format(lb="", times="interval: 2s, timeout: 1s", a="10.0.0.1", b="10.0.0.2", vip="")


@pytest.mark.parametrize(
    ("blindness", "warned"),
    [
        ("{share: 50%, canary: a}", {}),
        ("{share: 50%, canary: }", {}),
        ("{share: 0%, hold: 1m}", {"hold": "has no effect without share"}),
        ("{canary: a}", {"canary": "has no effect without share"}),
        ("{share: 50%, canary: c}", {"canary": "has no effect: c has no healthcheck, and so is always up"}),
    ],
)
def test_a_doubt_that_never_begins_or_never_ends(blindness, warned):
    more = f"  healthchecker: {{blindness: {blindness}}}\n  backends:\n    c: {{address: 10.0.0.9}}\n"
    loaded = load_text(GOOD.replace("  backends:\n", more))
    found = {each.path.rpartition(".")[2]: each.text for each in loaded.warnings if "blindness" in each.path}
    assert found == warned


def test_a_canary_need_not_be_in_a_frontend():
    more = "  healthchecker: {blindness: {share: 50%, canary: c}}\n  backends:\n"
    more += "    c: {address: 10.0.0.9, healthcheck: web}\n"
    assert load_text(GOOD.replace("  backends:\n", more)).warnings == ()
