"""The metrics of a permanent test."""

import re
import shutil
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families

from maglev.maglevt.canary import FAMILIES, CanaryCollector, canary_site
from maglev.maglevt.measure.sample import Sample, SampleKind
from maglev.maglevt.measure.shares import Weights
from maglev.maglevt.measure.vip_statistics import VipStatistics
from maglev.runtime.cooperator import Cooperator
from tests.docs.blocks import blocks_of
from tests.fakes.http import HttpConnection, StepwiseClock
from tests.fakes.metrics import Scraped
from tests.layers import ROOT


@pytest.fixture
def figures():
    made = VipStatistics("web", 0.0, 10.0)
    made.shares.begin(Weights({"www1": 1, "www2": 1}, {}), 0.0)
    for number in range(100):
        made.add(Sample(SampleKind.GOOD, 0.1 * number, 0.1 * number, 0.1 * number + 0.004, "L7OK", who="www1"))
        made.shares.add("www2", 0.0)
    made.add(Sample(SampleKind.UNJUDGED, 10.0, 10.0, 10.0, "unsent"))
    for at in (10.1, 11.1):
        made.add(Sample(SampleKind.FAILED, at, at, at + 0.5, "L4TOUT", 'odd "text"'))
    return made


def scraped(*figures, connected=None):
    return Scraped([CanaryCollector(lambda: figures, lambda: connected)])


def test_the_figures_are_exported(figures):
    scrape = scraped(figures, connected=True)

    assert scrape.value("maglevt_requests_total", vip="web", result="good") == 100
    assert scrape.value("maglevt_requests_total", vip="web", result="failed") == 2
    assert scrape.value("maglevt_failures_total", vip="web", code="L4TOUT") == 2
    assert scrape.value("maglevt_unjudged_total", vip="web", reason="unsent") == 1
    assert scrape.value("maglevt_outage_seconds", vip="web") == 1.5
    assert scrape.value("maglevt_longest_outage_seconds", vip="web") == 1.5
    assert scrape.value("maglevt_outages_total", vip="web") == 1
    assert scrape.value("maglevt_answers_total", vip="web", who="www1") == 100
    assert scrape.value("maglevt_shares_p_value", vip="web") == 1.0
    assert scrape.value("maglevt_rate_kept", vip="web") == 1
    assert scrape.value("maglevt_latency_seconds_bucket", vip="web", le="0.005") == 100
    assert scrape.value("maglevt_latency_seconds_count", vip="web") == 100
    assert scrape.value("maglevt_daemon_connected") == 1


def test_what_is_not_known_is_not_exported():
    scrape = scraped(VipStatistics('a"b', 0.0, 10.0))

    assert scrape.value("maglevt_requests_total", vip='a"b', result="good") == 0
    assert scrape.value("maglevt_outage_seconds", vip='a"b') == 0
    assert scrape.value("maglevt_longest_outage_seconds", vip='a"b') == 0
    assert not [name for name, _ in scrape.samples if name in {"maglevt_shares_p_value", "maglevt_daemon_connected"}]


def test_every_family_is_declared_exported_and_documented(figures):
    scrape = scraped(figures, connected=False)
    exported = {family.name + "_total" * (family.type == "counter") for family in scrape.families.values()}
    documented = set(re.findall(r"\bmaglevt_[a-z_]+", (ROOT / "docs/maglevt.rst").read_text()))

    assert exported == FAMILIES.keys()
    assert {name.removesuffix("_bucket").removesuffix("_count") for name in documented} == FAMILIES.keys()


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is missing")
def test_prometheus_takes_the_alerts_of_the_page(tmp_path):
    (rules,) = [block for block in blocks_of("maglevt.rst") if block.options.get("caption") == "maglevt.rules.yml"]
    (tmp_path / "rules.yml").write_text(rules.text)
    checked = subprocess.run(
        ["promtool", "check", "rules", str(tmp_path / "rules.yml")], check=False, capture_output=True, text=True
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "3 rules found" in checked.stdout


def test_the_site_has_the_metrics_and_those_of_the_process(figures):
    clock = StepwiseClock()
    site = canary_site(Cooperator(clock).queue("metrics"), CanaryCollector(lambda: [figures], lambda: None))
    connection = HttpConnection(site)
    connection.ask()
    clock.turn()
    names = {family.name for family in text_string_to_metric_families(connection.body().decode())}

    assert {"maglevt_requests", "process_cpu_seconds"} <= names
    front = HttpConnection(site)
    front.ask(b"/")
    clock.turn()
    assert b'href="/metrics"' in front.text()
