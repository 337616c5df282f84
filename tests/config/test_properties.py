"""Whatever the file holds: a configuration, or a `ConfigError`, and nothing else."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from maglev.config.keys import ROOT
from maglev.config.load import Loaded, load_text
from maglev.config.schema import ConfigKey, walk
from maglev.config.writing import config_lines
from maglev.model.errors import ConfigError
from maglev.model.problem import ProblemKind

WORDS = sorted(
    {name for _, section in walk(ROOT) for name in section.keys} | {"a", "b", "<<", "web", "http", "tcp", "udp"}
)
VALUES = [
    "10.0.0.1",
    "2001:db8::1",
    "5s",
    "500ms",
    "icmp",
    "https",
    "200-299",
    "/",
    "(",
    "",
    "~",
    "0",
    "80",
    "100",
    "1024",
]

scalars = st.one_of(
    st.sampled_from(WORDS + VALUES),
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.dates(),
)
keys = st.one_of(st.sampled_from(WORDS), st.text(), st.integers())
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=6)),
    max_leaves=30,
)


def outcome(text: bytes | str) -> Loaded | ConfigError:
    """What comes of a text; whatever it is, it keeps its promises."""
    try:
        result: Loaded | ConfigError = load_text(text)
    except ConfigError as error:
        result = error
    problems = result.warnings if isinstance(result, Loaded) else result.problems
    only_warnings = all(problem.kind is ProblemKind.WARNING for problem in problems)
    assert only_warnings == isinstance(result, Loaded)
    assert list(problems) == sorted(problems, key=lambda problem: (problem.line, problem.column))
    assert all(problem.text.isprintable() and problem.path.isprintable() for problem in problems)
    if isinstance(result, Loaded):
        assert load_text("\n".join(config_lines(result.config, secrets=True))).config == result.config
    return result


@given(st.binary(max_size=300))
def test_arbitrary_bytes(content):
    assert isinstance(outcome(content), ConfigError)


@given(st.text(max_size=300))
def test_arbitrary_text(content):
    assert isinstance(outcome(content), ConfigError)


@given(st.text(alphabet="maglev:{}[],&*!<>-?|'\"\\#%@ \n\tx01~", max_size=200))
def test_text_full_of_yaml_syntax(content):
    outcome(content)


@given(trees)
def test_arbitrary_trees(tree):
    outcome(yaml.safe_dump(tree, allow_unicode=True))
    outcome(yaml.safe_dump({"maglev": tree}))


@given(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("healthchecker", "vpp", "healthchecks", "backends", "frontends"), trees)
    )
)
def test_arbitrary_sections(sections):
    outcome(yaml.safe_dump({"maglev": sections}))


SECTIONS = {
    path: section for path, section in walk(ROOT) if any(isinstance(key, ConfigKey) for key in section.keys.values())
}


@given(st.sampled_from(sorted(SECTIONS)), st.data())
def test_arbitrary_values_of_every_key(path, data):
    names = st.sampled_from(sorted(SECTIONS[path].keys))
    node = data.draw(st.dictionaries(names, st.one_of(scalars, trees), max_size=8))
    for part in reversed(path.replace("[]", ".[]").split(".")):
        node = [node] if part == "[]" else {part.replace("<name>", "a"): node}

    outcome(yaml.safe_dump(node))


@given(st.data())
def test_a_good_file_cut_or_altered_anywhere(data):
    place = data.draw(st.integers(0, len(GOOD)))
    length = data.draw(st.integers(0, 20))

    outcome(GOOD[:place])
    outcome(GOOD[:place] + data.draw(st.text(max_size=5)) + GOOD[place + length :])


GOOD = """\
maglev:
  vpp: {lb: {ipv4-src-address: 192.0.2.254, ipv6-src-address: "2001:db8::1", startup-max-delay: 2m}}
  healthchecks:
    web: &web {type: https, port: 443, interval: 2s, timeout: 1s, params: {host: a.b, response-code: [200, 301-302]}}
    slow: {<<: *web, interval: 1m30s}
  backends:
    a: {address: 10.0.0.1, healthcheck: web}
    b: {address: 10.0.0.2, healthcheck: slow, enabled: no}
  frontends:
    www:
      address: 192.0.2.80
      protocol: tcp
      port: 443
      pools:
        - name: primary
          backends: {a: {weight: 50}, b: }
"""


def test_the_good_file_is_good():
    assert load_text(GOOD).warnings == ()


names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True)


@given(st.lists(names, unique=True, min_size=1, max_size=8))
def test_every_name_that_the_rule_allows_arrives_as_it_is(some):
    backends = {name: {"address": f"10.0.0.{number}"} for number, name in enumerate(some, 1)}
    vips = {
        name: {"address": f"192.0.2.{number}", "pools": [{"name": name, "backends": {name: None}}]}
        for number, name in enumerate(some, 1)
    }
    lb = {"ipv4-src-address": "192.0.2.254", "ipv6-src-address": "2001:db8::1"}
    text = yaml.safe_dump({"maglev": {"vpp": {"lb": lb}, "backends": backends, "frontends": vips}}, sort_keys=False)

    loaded = load_text(text)

    assert loaded.warnings == ()
    assert list(loaded.config.backends) == list(loaded.config.frontends) == some


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"\xff\xfe", b"---\n...\n---\n", b"\xef\xbb\xbf", b"%YAML 9.9\n---\n", b"&a", b"*a", b"!"]
)
def test_small_horrors(content):
    assert isinstance(outcome(content), ConfigError)
