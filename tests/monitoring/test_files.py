"""The alerts, the dashboard and their pictures: whole, tested, taken by Prometheus's own tool, and of one date."""

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml

from tests.tools import dashboard, draw, record

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/monitoring"
PAGE = (ROOT / "docs/monitoring.rst").read_text()
RULES = [
    rule for group in yaml.safe_load((FOLDER / "maglev.rules.yml").read_text())["groups"] for rule in group["rules"]
]
TESTS = sorted(FOLDER.glob("*.test.yml"))
MODEL = json.loads(dashboard.FILE.read_text())
PANELS = [panel for panel in MODEL["panels"] if panel["type"] != "row"]

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is missing")


def promtool(*arguments, folder=FOLDER, **kwargs):
    return subprocess.run(
        ["promtool", *map(str, arguments)],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        **kwargs,
    )


# Alerts


@needs_promtool
def test_prometheus_takes_the_rules():
    checked = promtool("check", "rules", "maglev.rules.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(RULES)} rules found" in checked.stdout


@needs_promtool
@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_the_alerts_fire_when_they_should_and_only_then(path):
    tested = promtool("test", "rules", path.name)
    assert tested.returncode == 0, tested.stdout + tested.stderr


@needs_promtool
def test_the_tests_of_the_alerts_notice_a_rule_that_is_wrong(tmp_path):
    text = (FOLDER / "maglev.rules.yml").read_text()
    (tmp_path / "maglev.rules.yml").write_text(text.replace("maglev_vpp_connected == 0", "maglev_vpp_connected == 1"))
    tests = yaml.safe_load((FOLDER / "maglev.rules.test.yml").read_text())
    tests["tests"] = [each for each in tests["tests"] if each["name"].startswith("VPP is gone")]
    (tmp_path / "maglev.rules.test.yml").write_text(yaml.safe_dump(tests))
    tested = promtool("test", "rules", "maglev.rules.test.yml", folder=tmp_path)
    assert tested.returncode == 1
    assert "MaglevVppNotConnected" in tested.stdout + tested.stderr


def fired(path):
    """Return the alerts that a file of tests sees fire."""
    names = set()
    for test in yaml.safe_load(path.read_text())["tests"]:
        for each in test.get("promql_expr_test", ()):
            for sample in each["exp_samples"]:
                names |= set(re.findall(r'alertname="(\w+)"', sample["labels"]))
        names |= {each["alertname"] for each in test.get("alert_rule_test", ()) if each["exp_alerts"]}
    return names


def test_every_alert_is_seen_to_fire():
    assert set().union(*map(fired, TESTS)) == {rule["alert"] for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_what_it_is_and_what_to_look_at(rule):
    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"].keys() == {"summary", "description"}
    assert not rule["annotations"]["summary"].endswith(".")
    assert rule["annotations"]["description"].endswith(".")


def test_every_alert_has_a_section_with_what_to_do_and_no_other_has_one():
    sections = re.findall(r"(?m)^(Maglev\w+)\n-+$", PAGE)
    assert sections == [rule["alert"] for rule in RULES]


# What the page says to write down


def snippets():
    found = re.findall(r"(?m)^\.\. code-block:: yaml\n(?:   :.*\n)*\n((?:   .*\n|\n)+)", PAGE)
    return [yaml.safe_load(re.sub(r"(?m)^   ", "", each)) for each in found]


@needs_promtool
def test_the_configuration_of_prometheus_on_the_page_is_good(tmp_path):
    (config,) = (each for each in snippets() if "scrape_configs" in each)
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    shutil.copy(FOLDER / "maglev.rules.yml", tmp_path)
    checked = promtool("check", "config", "prometheus.yml", folder=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    (job,) = config["scrape_configs"]
    jobs = {job for rule in RULES for job in re.findall(r'job="(\w+)"', rule["expr"])}
    assert jobs == {job["job_name"]}


def test_the_inhibition_on_the_page_names_alerts_that_there_are():
    (config,) = (each for each in snippets() if "inhibit_rules" in each)
    named = re.findall(r"Maglev\w+", json.dumps(config))
    assert len(config["inhibit_rules"]) == 3
    assert set(named) <= {rule["alert"] for rule in RULES}


# The dashboard


def test_the_dashboard_is_what_its_source_makes():
    assert dashboard.FILE.read_text() == dashboard.text(), "run: python -m tests.tools.dashboard"


def test_the_dashboard_is_one_that_grafana_can_import():
    assert MODEL["schemaVersion"] >= 38
    assert MODEL["uid"]
    numbers = [panel["id"] for panel in MODEL["panels"]]
    assert len(set(numbers)) == len(numbers)
    source, *variables = MODEL["templating"]["list"]
    assert (source["type"], source["query"]) == ("datasource", "prometheus")
    for holder in (*variables, *PANELS, *(query for panel in PANELS for query in panel["targets"])):
        assert holder["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    for panel in PANELS:
        assert {"title", "description", "type", "fieldConfig", "options", "targets"} <= panel.keys()
        letters = [query["refId"] for query in panel["targets"]]
        assert letters == list("ABCDEFGH"[: len(letters)])
    assert {row["title"] for row in MODEL["panels"] if row["type"] == "row"} == set(dashboard.ROWS)


def test_no_panel_lies_on_another():
    taken = set()
    for panel in MODEL["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_variable_that_is_used_is_declared():
    declared = {each["name"] for each in MODEL["templating"]["list"]} | {"__rate_interval"}
    assert set(re.findall(r"\$\{?(\w+)", json.dumps(MODEL))) - {"__all"} <= declared


@needs_promtool
def test_prometheus_can_parse_every_query_of_the_dashboard(tmp_path):
    queries = [record.expression(query["expr"]) for panel in PANELS for query in panel["targets"]]
    rules = [{"record": f"query:number:{number}", "expr": query} for number, query in enumerate(queries)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    checked = promtool("check", "rules", "rules.yml", folder=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(queries)} rules found" in checked.stdout


# The picture


def test_the_picture_is_what_its_source_draws_from_what_was_recorded():
    assert draw.FILE.read_text() == draw.picture(), "run: python -m tests.tools.draw"


def test_the_picture_is_well_formed_and_shows_every_panel():
    root = ET.fromstring(draw.FILE.read_text())
    words = {each.text for each in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {panel["title"] for panel in PANELS} <= words


def recorded(title):
    """Return the queries of a panel as they were recorded."""
    (panel,) = (panel for panel in PANELS if panel["title"] == title)
    return json.loads(record.FILE.read_text())["panels"][str(panel["id"])]


def test_prometheus_was_asked_every_query_of_the_dashboard_as_it_is_now():
    data = json.loads(record.FILE.read_text())
    asked = {number: [query["expr"] for query in queries] for number, queries in data["panels"].items()}
    assert asked == {str(panel["id"]): [query["expr"] for query in panel["targets"]] for panel in PANELS}, (
        "run: python -m tests.tools.record && python -m tests.tools.draw"
    )


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_every_query_of_the_dashboard_returned_a_series_on_recorded_data(panel):
    for query in recorded(panel["title"]):
        if any(each in query["expr"] for each in record.MAY_BE_MISSING):
            continue
        values = [value for each in query["series"] for value in each["values"]]
        assert any(value is not None for value in values), query["expr"]


def test_the_recording_tells_the_story_of_the_demonstration():
    def values(title, legend):
        found = [each for query in recorded(title) for each in query["series"] if each["legend"] == legend]
        assert found, (title, legend)
        return {value for each in found for value in each["values"]}

    assert {0, 1} <= values("Pool in service", "demo")
    assert {0, 1} <= values("Guard", "secure, held")
    assert {1} <= values("Orders of operators", "drain") & values("Orders of operators", "disable")
    assert {1, 2} <= values("State of announced addresses", "192.0.2.1")


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (0, "short", "0"),
        (0.5, "short", "0.5"),
        (1500, "pps", "1.5 kp/s"),
        (0.0042, "s", "4.2 ms"),
        (0.125, "percentunit", "12.5 %"),
    ],
)
def test_numbers_of_the_picture_are_for_people(value, unit, words):
    assert draw.shown(value, unit) == words


@pytest.mark.parametrize(("value", "top"), [(1, 1), (0.034, 0.04), (150, 150), (151, 200), (7, 8), (1e-5, 1e-5)])
def test_a_chart_ends_at_a_round_number(value, top):
    assert draw.ceiling(value) == pytest.approx(top)
