"""One bad file for each rule: exactly one error each, with its class, place, path and text. A `§` marks the place."""

from __future__ import annotations

import json

import pytest
import yaml

from maglev.config import findings
from maglev.config.load import load_text
from maglev.config.spelling import Spelling
from maglev.model.errors import ConfigError
from maglev.model.problem import Problem, ProblemKind
from tests.fakes.bad_files import CASES
from tests.fakes.file_parts import ADDRESS, HTTP, LB, PARSE, SEMANTIC, frontends, params, vip
from tests.fakes.json_schema import faults
from tests.fakes.yaml_views import of_yaml_1_1


def errors_of(text: str | bytes) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        load_text(text)
    return [problem for problem in caught.value.problems if problem.kind is not ProblemKind.WARNING]


@pytest.mark.parametrize("name", CASES)
def test_each_rule_reports_its_one_error_at_its_place(name):
    kind, path, text, marked = CASES[name]
    before, mark, after = marked.partition("§")
    assert mark
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")

    assert errors_of(before + after) == [Problem(kind, path, text, line, column)]


def test_all_errors_of_a_file_are_reported_at_once_in_its_order():
    problems = errors_of(
        """\
maglev:
  healthchecks:
    web: {type: htp, port: "80", interval: 5, timeout: 1s}
  backends:
    www1: {address: 10.0.0.256, healthcheck: web}
    www2: {address: 10.0.0.2, healthcheck: wbe, weight: 3}
  frontends:
    www:
      address: 192.0.2.80
      port: 80
      pools:
        - name: p
          backends: {www1: {weight: 200}, www3: }
  vpp: {lb: {flow-timeout: 0s}}
"""
    )

    assert [(problem.line, str(problem.kind), problem.path) for problem in problems] == [
        (3, "semantic", "maglev.healthchecks.web.type"),
        (3, "parse", "maglev.healthchecks.web.port"),
        (3, "parse", "maglev.healthchecks.web.interval"),
        (5, "semantic", "maglev.backends.www1.address"),
        (6, "semantic", "maglev.backends.www2.healthcheck"),
        (6, "parse", "maglev.backends.www2.weight"),
        (10, "semantic", "maglev.frontends.www.protocol"),
        (13, "semantic", "maglev.frontends.www.pools[0].backends.www1.weight"),
        (13, "semantic", "maglev.frontends.www.pools[0].backends.www3"),
        (14, "semantic", "maglev.vpp.lb.ipv4-src-address"),
        (14, "semantic", "maglev.vpp.lb.ipv6-src-address"),
        (14, "semantic", "maglev.vpp.lb.flow-timeout"),
    ]


def test_every_bad_code_of_a_list_is_reported():
    problems = errors_of(params("response-code: [1, 200, {}, x]"))

    assert [problem.path.rpartition(".")[2] for problem in problems] == [
        "response-code[0]",
        "response-code[2]",
        "response-code[3]",
    ]


@pytest.mark.parametrize(
    "broken",
    [
        "backends: {a: 5}",
        "backends: {a: {address: nowhere}}",
        "backends: {a: }",
        "backends: [a]",
        "backend: {a: {address: 10.0.0.1}}",
        "backends: *nowhere",
    ],
)
def test_a_reference_to_what_is_there_but_broken_is_not_a_further_error(broken):
    problems = errors_of(
        f"{LB}  {broken}\n  frontends: {{www: {{{ADDRESS}, pools: [{{name: p, backends: {{a: }}}}]}}}}\n"
    )

    assert len(problems) == 1


@pytest.mark.parametrize(
    "text",
    [
        "www: {address: x, pools: [{name: p, backends: {six: }}]}",
        "www: {address: 192.0.2.80, protocol: x, pools: [{name: p, backends: {a: {weight: x}}}]}",
        "www: {address: 192.0.2.80, protocol: udp, port: x, pools: [{name: p, backends: {a: }}]}",
        "www: {address: 192.0.2.80, protocol: udp, port: 1, pools: x}",
        "www: {address: 192.0.2.80, protocol: udp, port: 1, pools: [x]}",
        "www: {address: 192.0.2.80, protocol: udp, port: 1, new-flows-table-length: x, pools: [{name: p}]}",
        "www: {address: 192.0.2.80, protocol: udp, port: 1, pools: [{name: [], backends: {a: }}]}",
        "www: {address: 192.0.2.80, protocol: udp, port: 1, pools: [{name: q}, {name: p, backends: x}]}",
    ],
)
def test_broken_values_of_one_frontend_give_no_errors_in_another(text):
    problems = errors_of(frontends(vip("other", f", {HTTP}"), text))

    assert {problem.line for problem in problems} == {10}
    assert {problem.kind for problem in problems} <= {PARSE, SEMANTIC}
    assert not any("other" in problem.text for problem in problems)


@pytest.mark.parametrize(
    "vpp", ["vpp: x", "vpp: {lb: x}", "vpp: {lb: {ipv4-src-address: 192.0.2.1, startup-min-delay: x}}"]
)
def test_a_broken_vpp_section_hides_nothing_and_adds_nothing(vpp):
    weights = ", ".join(f"b{i}: " for i in range(20))
    backends = ", ".join(f"b{i}: {{address: 10.0.0.{i + 1}}}" for i in range(20))
    text = f"maglev:\n  {vpp}\n  backends: {{{backends}}}\n  frontends: {{{vip('x', ', port: 80', weights)}}}\n"

    problems = errors_of(text)

    assert problems[-1].path == "maglev.frontends.x.protocol"
    assert all(problem.line == 2 for problem in problems[:-1])


@pytest.mark.parametrize("healthchecks", ["healthchecks: x", "healthchecks: {web: x}"])
def test_a_broken_healthcheck_is_not_a_missing_one(healthchecks):
    problems = errors_of(f"{LB}  {healthchecks}\n  backends: {{a: {{address: 10.0.0.1, healthcheck: web}}}}\n")

    assert [problem.line for problem in problems] == [3]


@pytest.mark.parametrize(
    ("keys", "paths"),
    [
        ("port: x, params: 3", ["port", "params"]),
        ("port: 80, params: {ssl: x, path: y}", ["params.ssl", "params.ssl", "params.path"]),
        ("type: [], params: {ssl: true}", ["type"]),
    ],
)
def test_broken_keys_of_a_healthcheck_satisfy_the_rules_for_its_type(keys, paths):
    kind = "" if "type" in keys else "type: http, "
    problems = errors_of(f"{LB}  healthchecks: {{web: {{{kind}interval: 2s, timeout: 1s, {keys}}}}}\n")

    assert [problem.path for problem in problems] == [f"maglev.healthchecks.web.{path}" for path in paths]


def test_a_shared_anchor_reports_its_error_once_for_each_use():
    text = f"{LB}  backends:\n    a: &a {{address: x}}\n    b: *a\n"

    assert [(problem.path, problem.line) for problem in errors_of(text)] == [
        ("maglev.backends.a.address", 4),
        ("maglev.backends.b.address", 4),
    ]


def test_suggestions_are_bounded_and_errors_are_not(monkeypatch):
    monkeypatch.setattr(findings, "Spelling", lambda: Spelling(comparisons=25))
    backends = "".join(f"    backend-{i}: {{address: 10.0.0.1}}\n" for i in range(10))
    uses = ", ".join(f"bakend-{i}: " for i in range(10))

    problems = errors_of(f"{LB}  backends:\n{backends}  frontends:\n    {vip('x', '', uses)}\n")

    assert [("did you mean" in problem.text) for problem in problems] == [True] * 2 + [False] * 8


def test_a_long_unknown_word_gets_no_suggestion():
    assert errors_of(f"{LB}{'maglev' * 50}: 1\n")[0].text == "unknown key"


# The JSON Schema


BEYOND = {
    "yaml-duplicate-key": "PyYAML takes the last",
    "yaml-duplicate-merge": "PyYAML takes both",
    "integer-hexadecimal": "PyYAML makes an integer of it",
    "integer-octal": "PyYAML makes an integer of it",
    "integer-fraction": "a number without a fraction is an integer",
}
"""Parse errors that no schema can see, with the reason."""


def is_yaml(text):
    """Whether PyYAML can read a text, and JSON can hold it."""
    try:
        json.dumps(of_yaml_1_1(text))
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        return False
    return True


PARSE_ERRORS = {name: text.replace("§", "") for name, (kind, *_, text) in CASES.items() if kind is ProblemKind.PARSE}
READABLE = [name for name, text in PARSE_ERRORS.items() if is_yaml(text)]


@pytest.mark.parametrize("name", READABLE)
def test_the_json_schema_refuses_parse_errors_too(name):
    assert bool(faults(of_yaml_1_1(PARSE_ERRORS[name]))) != (name in BEYOND)
    assert len(READABLE) > 30
