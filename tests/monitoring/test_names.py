"""What the alerts, the dashboard and the page about them name is there: metrics, labels, events, commands."""

import json
import re
from pathlib import Path

import pytest
import yaml

from maglev.commands.language.parse import parse
from maglev.commands.tree import ROOT as TREE
from maglev.metrics.families import GROUPS
from tests.tools.promql import groupings, selectors

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/monitoring"
PAGE = (ROOT / "docs/monitoring.rst").read_text()
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
RULES = [
    rule for group in yaml.safe_load((FOLDER / "maglev.rules.yml").read_text())["groups"] for rule in group["rules"]
]

TARGET = {"job", "instance"}
"""Labels that Prometheus itself adds to all that it scrapes."""

PROCESS = {
    name: set()
    for name in ("process_start_time_seconds", "process_open_fds", "process_max_fds", "process_cpu_seconds_total")
}
"""Metrics of the library, about the process."""


def known():
    """Return the labels of each metric that can be asked for, by name."""
    names = {"up": set(), **PROCESS}
    for family in (family for group in GROUPS.values() for family in group):
        if family.type == "histogram":
            names[f"{family.name}_bucket"] = {*family.labels, "le"}
        else:
            names[family.name] = set(family.labels)
    return names


KNOWN = known()


def mistakes(expr):
    """Return what an expression names that is not there."""
    found, there = [], set(TARGET)
    for name, labels in selectors(expr):
        found += [name] if name not in KNOWN else sorted(labels - KNOWN[name] - TARGET)
        there |= KNOWN.get(name, set())
    return found + sorted(groupings(expr) - there)


def visible(expr):
    """Return the labels that a result of an expression can have."""
    aggregated = re.match(r"(?:histogram_quantile\([^,]*, |\d+ \* )?(?:sum|count|min|max|group) by \(([^)]*)\)", expr)
    if aggregated is not None:
        return {each.strip() for each in aggregated[1].split(",")} - {"le"}
    return set().union(TARGET, *(KNOWN[name] for name, _ in selectors(expr)))


def queries():
    """Return all queries of the dashboard."""
    return [query for panel in DASHBOARD["panels"] for query in panel.get("targets", ())]


def commands(text):
    """Return the commands of maglevc that a text names, with names in place of placeholders."""
    found = [" ".join(each.split()) for each in re.findall(r"`+(maglevc [^`]+)`+", text)]
    found += [each.strip() for each in re.findall(r"(?m)^   (maglevc .*)$", text)]
    filled = [re.sub(r"\{\{ if .*\}\}", "enable", each) for each in found]
    return [re.sub(r"\{\{[^}]*\}\}|NAME", "www1", each).removeprefix("maglevc ") for each in filled]


def test_the_registry_is_not_empty():
    assert len(KNOWN) > 30
    assert KNOWN["maglev_backend_state"] == {"backend", "address", "state"}


@pytest.mark.parametrize(
    ("expr", "wrong"),
    [
        ("maglev_backend_states", ["maglev_backend_states"]),
        ('maglev_backend_state{stat="up"}', ["stat"]),
        ('maglev_vpp_connected{instance=~"a"} == 0', []),
        ("sum by (job, frontend) (maglev_backend_health)", ["frontend"]),
        ("sum by (le) (rate(maglev_reactor_lag_seconds_bucket[5m]))", []),
        ("sum by (le) (rate(maglev_probe_total[5m]))", ["le"]),
    ],
)
def test_a_name_that_is_not_there_is_noticed(expr, wrong):
    assert mistakes(expr) == wrong


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_what_there_is(rule):
    assert list(selectors(rule["expr"]))
    assert mistakes(rule["expr"]) == []
    texts = " ".join(rule["annotations"].values())
    assert set(re.findall(r"\$labels\.(\w+)", texts)) <= visible(rule["expr"])


@pytest.mark.parametrize("query", queries(), ids=lambda query: query["expr"][:40])
def test_a_query_of_the_dashboard_asks_for_what_there_is(query):
    assert list(selectors(query["expr"]))
    assert mistakes(query["expr"]) == []
    assert set(re.findall(r"\{\{(\w+)\}\}", query["legendFormat"])) <= visible(query["expr"])


def test_variables_of_the_dashboard_ask_for_what_there_is():
    asked = [each["definition"] for each in DASHBOARD["templating"]["list"] if each["type"] == "query"]
    assert len(asked) == 2
    for each in asked:
        metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", each).groups()
        assert mistakes(metric) == []
        assert label in visible(metric)


def test_every_metric_that_the_page_names_is_there():
    named = set(re.findall(r"\bmaglev_[a-z0-9_]+", PAGE))
    assert named
    assert named <= KNOWN.keys()


def test_every_family_of_ours_is_looked_at_by_an_alert_or_on_the_dashboard_or_is_known_not_to_be():
    asked = " ".join([rule["expr"] for rule in RULES] + [query["expr"] for query in queries()])
    looked_at = {name.removesuffix("_bucket") for name, _ in selectors(asked)}
    ours = {family.name for group in GROUPS.values() for family in group}
    assert {"maglev_backend_health", "maglev_vpp_info"}.isdisjoint(looked_at)
    assert len(ours & looked_at) >= 20


def test_every_command_in_an_alert_or_on_the_page_can_be_typed():
    texts = [PAGE, *(rule["annotations"]["description"] for rule in RULES)]
    typed = [command for text in texts for command in commands(text)]
    assert len(typed) > 30
    for command in typed:
        assert parse(command, TREE) is not None, command


def test_every_event_in_an_alert_or_on_the_page_is_in_the_log():
    texts = " ".join([PAGE, *(rule["annotations"]["description"] for rule in RULES)])
    named = set(re.findall(r"[Ee]vents? (?:``)?([a-z]+(?:-[a-z]+)*)(?:``)?", " ".join(texts.split()))) - {
        "num",
        "at",
        "log",
    }
    assert {"audit", "vpp-lbsync-drift", "probe-discarded"} <= named
    operation = (ROOT / "docs/operation.rst").read_text()
    assert [each for each in named if f"``{each}``" not in operation] == []
