"""What a kind says of a value that it refuses: the value as it is written, what was expected, and the limits."""

from __future__ import annotations

import re

import pytest

from maglev.config import checkkinds, filekinds, headerkinds, namekinds, netkinds, poolkinds, probekinds
from maglev.config import kinds as kinds_module
from maglev.config.checkkinds import Healthchecks
from maglev.config.kinds import Integer, TextKind, UnfitError
from maglev.config.namekinds import DnsName, Nameservers
from maglev.config.netkinds import Address, ProgramArguments, Regexp, StatusCodes
from maglev.config.nodes import ScalarNode
from maglev.config.probekinds import STEP_KEYS, Steps
from maglev.model.problem import ProblemKind
from tests.config.test_bad_files import errors_of
from tests.fakes.file_parts import ADDRESS, LB, backend, check, frontend, frontends, lb_key, vip
from tests.fakes.values import VALUES, kinds, node_of, refusal

KINDS = kinds() | {f"steps.{name}": kind for name, kind in STEP_KEYS.items()}
REFUSED = [
    (path, name) for path, kind in KINDS.items() for name, text in VALUES.items() if refusal(kind, text) is not None
]
LONGEST = 300
"""Characters of a refusal: a few lines of a terminal, however long the value is."""


def expectations(kind):
    """Return what a refusal may say was expected: the limits, or the one rule that the value broke."""
    more = {
        TextKind: lambda: [rule.text for rule in kind.rules],
        Address: lambda: ["expected", f"must be an {kind.noun}", "write 192.0.2.1"],
        DnsName: lambda: ["write address: "],
        Nameservers: lambda: ["expected an address, or one with a port", "is not in 1..65535"],
        Regexp: lambda: [f"must have at most {kind.length} characters"],
        StatusCodes: lambda: [f"1..{kind.most}"],
        Healthchecks: lambda: [f"1..{kind.most}", "expected checks and require"],
        Steps: lambda: ["a map with", "expects something"],
    }
    return [kind.limits, *more.get(type(kind), list)()]


@pytest.mark.parametrize(("path", "name"), REFUSED)
def test_a_refusal_shows_the_value_what_was_expected_and_the_limits(path, name):
    kind, node = KINDS[path], node_of(VALUES[name])
    error = refusal(kind, VALUES[name])

    if type(node) is ScalarNode:
        written = node.text.encode("ascii", "backslashreplace").decode().replace("\x1b", "\\x1b")
        assert (written if len(written) <= 40 else written[:37] + "...") in error.text
    else:
        assert "a list" in error.text or "a map" in error.text or error.suffix or not node.items
    assert any(text in error.text for text in expectations(kind)), error.text
    assert error.text.isascii()
    assert error.text.isprintable()
    assert len(error.text) <= LONGEST


def test_every_kind_is_in_the_table_and_refuses_something():
    modules = (kinds_module, checkkinds, filekinds, headerkinds, namekinds, netkinds, poolkinds, probekinds)
    everything = [each for module in modules for each in vars(module).values()]
    classes = {each for each in everything if isinstance(each, type) and hasattr(each, "spell")}
    assert {type(kind) for kind in KINDS.values()} == classes - {kinds_module.ValueKind}
    assert {path for path, _ in REFUSED} == set(KINDS)


@pytest.mark.parametrize("text", ["8443" + "0" * 25, "9" * 5000, "-" + "9" * 5000, "1" + "_0" * 25, "+" + "9" * 19])
def test_a_number_is_one_however_long_it_is(text):
    with pytest.raises(UnfitError, match=r"^must be 1\.\.65535, not ") as caught:
        Integer(1, 65535).read(node_of(text))

    assert caught.value.kind is ProblemKind.SEMANTIC


def test_an_integer_at_its_limit_may_have_underscores():
    assert Integer(1, 65535).read(node_of("+6_5_5_3_5")) == 65535


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        (
            check("interval: 2s, timeout: 1s", kind="http, port: 84430000000000000000000000000"),
            "healthchecks.web.port",
            "must be 1..65535, not 84430000000000000000000000000",
        ),
        (
            lb_key("flow-timeout: 9999999999999h"),
            "vpp.lb.flow-timeout",
            "must be whole seconds, 1s..2m, not 9999999999999h",
        ),
        (backend("{address: 10.0.0.1, healthcheck: dns}"), "backends.a.healthcheck", "no such healthcheck: dns"),
        (
            backend(f"{{address: 10.0.0.1, healthcheck: {'d' * 5000}}}"),
            "backends.a.healthcheck",
            f"no such healthcheck: {'d' * 37}...",
        ),
        (
            frontends(vip("www", "", "ams-1: ")),
            "frontends.www.pools[0].backends.ams-1",
            "no such backend: ams-1",
        ),
    ],
)
def test_reported_inputs(text, path, expected):
    assert [(problem.path, problem.text) for problem in errors_of(text)] == [(f"maglev.{path}", expected)]


POOL = "maglev.frontends.www.pools[0].backends.a"


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        (frontend(ADDRESS, "[{name: p, backends: {a: 100}}]"), POOL, "100; did you mean {weight: 100}?"),
        (frontend(ADDRESS, "[{name: p, backends: {a: 101}}]"), POOL, "101"),
        (frontend(ADDRESS, "[{name: p, backends: {a: heavy}}]"), POOL, "heavy"),
        (frontend(ADDRESS, '[{name: p, backends: {a: "100"}}]'), POOL, '"100"'),
        (frontend(ADDRESS, "[{name: p, backends: {a: [100]}}]"), POOL, "a list"),
        (frontend(ADDRESS, "[primary]"), "maglev.frontends.www.pools[0]", "primary; did you mean {name: primary}?"),
        (frontend(ADDRESS, f"[{'p' * 63}]"), "maglev.frontends.www.pools[0]", f"{'p' * 37}..."),
        (
            backend('"2001:db8::1"'),
            "maglev.backends.a",
            '"2001:db8::1"; did you mean {address: "2001:db8::1"}?',
        ),
        (backend("web"), "maglev.backends.a", "web"),
        (f"{LB}  healthchecks: {{web: http}}\n", "maglev.healthchecks.web", "http; did you mean {type: http}?"),
        (check("interval: 2s, timeout: 1s, params: /health"), "maglev.healthchecks.web.params", "/health"),
    ],
)
def test_a_value_in_the_place_of_a_map_is_shown_as_the_map_that_was_meant(text, path, expected):
    (problem,) = errors_of(text)

    assert problem.path == path
    assert re.fullmatch(r"must be a map \([a-z ]+\), not (.*)", problem.text)[1] == expected


def test_a_program_is_spelled_as_it_would_be_typed():
    assert ProgramArguments(64, 1024).spell(("/usr/bin/logger", "-t", "maglev")) == "/usr/bin/logger -t maglev"
