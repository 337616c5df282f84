"""Files and bytes: what can't be read is one clear error; and what ``maglevd --check`` says."""

from __future__ import annotations

import gc
import os
import sys

import pytest
import yaml

from maglev.config import compose as compose_module
from maglev.config import load as load_module
from maglev.config.check import exit_code, report
from maglev.config.compose import compose
from maglev.config.findings import Findings
from maglev.config.load import load_file, load_text
from maglev.model.errors import ConfigError
from maglev.model.problem import Problem, ProblemKind
from tests.fakes.descriptors import leaked_since, open_descriptors

GOOD = "maglev:\n  vpp: {lb: {ipv4-src-address: 192.0.2.1, ipv6-src-address: 2001:db8::1}}\n"
UNUSED = GOOD + "  backends: {a: {address: 10.0.0.1}}\n"


def problem_of(text: bytes | str) -> Problem:
    with pytest.raises(ConfigError) as caught:
        load_text(text)
    (problem,) = caught.value.problems
    return problem


def file_problem(path) -> Problem:
    with pytest.raises(ConfigError) as caught:
        load_file(path)
    (problem,) = caught.value.problems
    return problem


def parse_error(text: str, line: int = 0, column: int = 0) -> Problem:
    return Problem(ProblemKind.PARSE, "", text, line, column)


def test_bytes_text_and_a_file_mean_the_same(tmp_path):
    path = tmp_path / "maglev.yaml"
    path.write_text(GOOD)
    link = tmp_path / "link.yaml"
    link.symlink_to(path)

    assert load_text(GOOD) == load_text(GOOD.encode()) == load_file(path) == load_file(str(link))


def test_a_byte_order_mark_and_crlf_are_read_over():
    assert load_text(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()) == load_text(GOOD)


def test_a_missing_file(tmp_path):
    assert file_problem(tmp_path / "no") == parse_error("can't be read: No such file or directory")


def test_a_directory(tmp_path):
    assert file_problem(tmp_path) == parse_error("can't be read: it is a directory")


def test_a_fifo_is_refused_without_waiting_for_a_writer(tmp_path):
    os.mkfifo(tmp_path / "fifo")

    assert file_problem(tmp_path / "fifo") == parse_error("can't be read: it is not a regular file")


def test_a_device():
    assert file_problem("/dev/null") == parse_error("can't be read: it is not a regular file")


def test_what_is_refused_leaves_no_descriptor_open(tmp_path):
    before = open_descriptors()

    for path in (tmp_path, "/dev/null"):
        file_problem(path)

    assert leaked_since(before) == set()


def test_a_path_with_nul():
    assert file_problem("/tmp/\0") == parse_error("can't be read: embedded null byte")


def test_a_file_without_permission(tmp_path, monkeypatch):
    # Root may read every file, so the refusal is made up.
    def refuse(*_args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)

    assert file_problem(tmp_path / "secret") == parse_error("can't be read: Permission denied")


def test_a_large_file(tmp_path, monkeypatch):
    monkeypatch.setattr(load_module, "SIZE_LIMIT", 1024**2)
    path = tmp_path / "large.yaml"
    path.write_bytes(b"#" * (1024**2 + 1))

    assert file_problem(path) == parse_error("is larger than 1 MiB")
    assert problem_of("#" * (1024**2 + 1)) == parse_error("is larger than 1 MiB")


def test_what_is_not_utf_8():
    assert problem_of("maglev:\n  bücher".encode("latin-1")) == parse_error("is not UTF-8", 2, 4)
    assert problem_of("ü: ".encode() + b"\xff") == parse_error("is not UTF-8", 1, 4)


def test_an_alias_bomb_is_an_error():
    bomb = "a: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"b{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12))

    problem = problem_of(bomb)

    assert problem.text == "more than 1000000 values, counting repetitions by aliases"
    assert problem.line == 5


def test_a_bomb_of_merge_keys_is_an_error():
    bomb = "a0: &a0 {k: v}\n"
    bomb += "".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}\n" for i in range(1, 12))

    assert problem_of(bomb).text == "more than 1000000 values, counting repetitions by aliases"


def test_a_file_with_too_many_values_is_an_error(monkeypatch):
    monkeypatch.setattr(compose_module, "NODE_LIMIT", 1000)

    assert problem_of("[" + "a," * 1000 + "]").text == "more than 1000 values, counting repetitions by aliases"


def test_a_broken_key_or_merge_is_reported_once():
    findings = Findings()
    compose("a: {<<: [*x, 5], *y : 1}\n", findings)

    assert [problem.text for problem in findings.in_file_order()] == [
        "unknown anchor &x (an anchor must precede its aliases)",
        "a merge key needs a map or a list of maps, not a single value",
        "unknown anchor &y (an anchor must precede its aliases)",
    ]


def test_an_anchor_may_be_defined_again():
    assert load_text(GOOD + "  backends: {}\n  frontends: &x {}\n  healthchecks: &x {}\n").warnings == ()


def test_a_duplicate_below_a_list_as_key_has_a_path_all_the_same():
    findings = Findings()
    compose("{{a: 1, a: 2}: 3, {x: y}: {b: 1, b: 2}}\n", findings)

    paths = [problem.path for problem in findings.in_file_order() if "duplicate" in problem.text]
    assert paths == ["a", "?.b"]


@pytest.fixture
def _without_libyaml(monkeypatch):
    monkeypatch.delattr(yaml, "CSafeLoader")


@pytest.mark.usefixtures("_without_libyaml")
def test_without_libyaml_a_file_means_the_same():
    assert load_text(UNUSED).config.backends["a"].address == "10.0.0.1"
    assert problem_of("maglev: [\n").line == 2


@pytest.mark.usefixtures("_without_libyaml")
@pytest.mark.parametrize("escape", ["\\UFFFFFFFF", "\\U00110000"])
def test_without_libyaml_an_escape_beyond_unicode_is_an_error_too(escape):
    assert problem_of(f'maglev: "{escape}"\n').text.startswith("not YAML: ")


@pytest.mark.usefixtures("_without_libyaml")
def test_without_libyaml_a_lone_surrogate_gets_nowhere():
    check = '{type: http, port: 1, interval: 2s, timeout: 1s, params: {response-regexp: "\\uD800"}}'
    text = f"{GOOD}  healthchecks: {{a: {check}}}\n"

    expected = 'invalid regular expression "\\ud800": not valid Unicode (expected RE2, at most 1024 characters)'
    assert problem_of(text).text == expected


def test_an_error_without_any_place_is_at_the_start(monkeypatch):
    def fail(*_args, **_kwargs):
        raise yaml.MarkedYAMLError

    monkeypatch.setattr(yaml, "parse", fail)

    assert problem_of("") == parse_error("not YAML", 1, 1)


def test_the_garbage_collector_runs_again_afterwards():
    load_text(GOOD)
    assert gc.isenabled()
    problem_of("[")
    assert gc.isenabled()


def test_a_garbage_collector_that_was_off_stays_off():
    gc.disable()
    try:
        load_text(GOOD)
        assert not gc.isenabled()
    finally:
        gc.enable()


def garbage_of(backends: int) -> int:
    """Return how many objects are left to the garbage collector by the reading of a file."""
    text = GOOD + "  backends:\n" + "".join(f"    b{number}: {{address: 10.0.0.1}}\n" for number in range(backends))
    gc.collect()
    gc.disable()
    try:
        load_text(text)
        return gc.collect()
    finally:
        gc.enable()


def test_nothing_of_a_file_is_left_to_the_garbage_collector():
    garbage_of(1)
    assert garbage_of(100) == garbage_of(1)


def test_the_configuration_is_read_without_twisted():
    script = "import sys, maglev.config.check; sys.exit(any(m.split('.')[0] == 'twisted' for m in sys.modules))"

    assert os.spawnl(os.P_WAIT, sys.executable, sys.executable, "-c", script) == 0


def problem(kind: ProblemKind) -> Problem:
    return Problem(kind, "", "")


def test_exit_codes():
    parse, semantic, warning = map(problem, (ProblemKind.PARSE, ProblemKind.SEMANTIC, ProblemKind.WARNING))

    assert exit_code([]) == 0
    assert exit_code([warning]) == 0
    assert exit_code([warning, semantic]) == 2
    assert exit_code([semantic, parse, warning]) == 1


@pytest.mark.parametrize(
    ("text", "lines", "code"),
    [
        (GOOD, ["valid"], 0),
        (
            UNUSED,
            ["line 3, column 14: warning: maglev.backends.a: is not used by any frontend", "valid, 1 warning"],
            0,
        ),
        ("a: 1", ["line 1, column 1: semantic error: maglev: is required"], 1),
        (GOOD + "  frontends: {x: {}}\n", [], 2),
    ],
)
def test_a_report_has_a_line_for_each_problem_and_a_verdict(tmp_path, text, lines, code):
    path = tmp_path / "maglev.yaml"
    path.write_text(text)

    said, status = report(path)

    assert status == code
    assert all(line.startswith(f"{path}: ") for line in said)
    assert set(lines) <= {line.removeprefix(f"{path}: ") for line in said}
    assert (": valid" in said[-1]) == (code == 0)


def test_the_verdict_counts():
    said, _ = report("/nonexistent\x1b")

    assert said == [
        "/nonexistent\\x1b: parse error: can't be read: No such file or directory",
        "/nonexistent\\x1b: not valid, 1 error",
    ]


def test_the_verdict_counts_errors_and_warnings(tmp_path):
    path = tmp_path / "maglev.yaml"
    path.write_text(GOOD + "  frontends: {x: {pools: [{name: p}]}, y: {}}\n")

    assert report(path)[0][-1] == f"{path}: not valid, 3 errors, 1 warning"
