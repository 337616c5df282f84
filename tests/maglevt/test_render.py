"""What people and programs read: the summary, the screen, the JSON."""

import json

import pytest

from maglev.maglevt.measure.promises import Promises
from maglev.maglevt.measure.sample import Sample, SampleKind
from maglev.maglevt.measure.shares import Weights
from maglev.maglevt.measure.timeline import CLIENT, DAEMON, Timeline, TimelineEntry
from maglev.maglevt.measure.vip_statistics import VipStatistics
from maglev.maglevt.render.json_report import json_report
from maglev.maglevt.render.screen_text import now_word, screen
from maglev.maglevt.render.summary import ReportedTest, event_marks, progress_line, summary, vip_lines

GOOD, FAILED, UNJUDGED = SampleKind.GOOD, SampleKind.FAILED, SampleKind.UNJUDGED

WALL = 1796040000.0
"""2026-11-30T12:00:00Z, when the clock of the tests is 0."""


def add(figures, kind, at, *, took=0.01, late=0.0, code="L7OK", detail="", who=None):
    figures.add(Sample(kind, at, at + late, at + late + took, code, detail, who))


def drill(name="web"):
    """Return the figures of a minute in which a backend died, and those who noticed."""
    figures = VipStatistics(name, 0.0, 20.0, 0.05)
    figures.shares.begin(Weights({"www1": 100, "www2": 50}, {}), 0.0)
    for number in range(1200):
        at = number / 20
        if 30.0 <= at < 30.4:
            add(figures, FAILED, at, code="L4CON", detail="connection refused")
        elif at == 40.0:
            add(figures, UNJUDGED, at, code="unsent")
        else:
            add(figures, GOOD, at, who="www2" if number % 3 == 0 else "www1")
    return figures


def reported(*figures, timeline=(), now=60.0, uncovered=(), **promises):
    entries = Timeline()
    for each in timeline:
        entries.add(each)
    where = {each.name: "192.0.2.1:80" for each in figures}
    return ReportedTest(figures, where, entries, Promises(**promises), 0.0, now, WALL, dict(uncovered))


DOWN = TimelineEntry(30.25, DAEMON, "backend www2 up -> down (L4CON)", bad=True)
FAILS = TimelineEntry(30.0, CLIENT, "requests fail: L4CON connection refused", "web", bad=True)

SUMMARY = """\
web 192.0.2.1:80
  requests   1,200 at 20/s: 8 failed (0.667 %)
  latency    p50 10 ms  p95 10 ms  p99 10 ms  max 10 ms
  outages    1; the longest 410 ms, from 12:00:30.000
  failures   L4CON 8; last: L4CON connection refused
  not judged 1 of 1,200 requests say nothing about it (unsent 1)
  answers    www1 794 (66.7 %), www2 397 (33.3 %)
  shares     answers follow the weights (chi2 0.0, 1 df, p 1.00)

Timeline: 60 columns of 1 s from 12:00:00.000 UTC
          . answers   x fails   + both   ? not judged
  web     |..............................+.............................|
  events  |                              1                             |
  12:00:30.000   +30.000 s  web      requests fail: L4CON connection refused
  12:00:30.250   +30.250 s  maglevd  backend www2 up -> down (L4CON)

web: max-fail broken: 8 of 1,200 failed (0.667 %)
web: max-gap kept: no answer for 410 ms at most
verdict: broken
"""


def test_the_summary_of_a_drill():
    test = reported(drill(), timeline=[FAILS, DOWN], max_fail=0.001, max_gap=0.5)

    assert "\n".join([*summary(test), ""]) == SUMMARY
    assert test.status == 1


def test_nothing_was_promised_or_tested():
    quiet = VipStatistics("web", 0.0, 20.0)

    assert summary(reported(quiet))[-2:] == ["web: could not test: no request was judged", "verdict: could not test"]
    assert "  requests   0 at 0/s: none" in summary(reported(quiet))
    assert summary(reported())[-2:] == ["could not test: no VIP to test", "verdict: could not test"]
    assert reported().status == reported(quiet).status == 2
    assert summary(reported(drill()))[-1] == "nothing was promised"
    assert reported(drill()).status == 0


def test_an_outage_that_goes_on_and_a_rate_that_was_not_kept():
    figures = VipStatistics("web", 0.0, 20.0)
    for number in range(50):
        add(figures, GOOD if number < 20 else FAILED if number < 40 else UNJUDGED, number / 20, code="unsent", late=0.1)
    lines = vip_lines(reported(figures), figures)

    assert "could not keep the rate of 20/s" in lines[1]
    assert "(it goes on)" in lines[3]
    assert lines[4] == "  own delay  requests began late by up to 100 ms; latencies contain that"
    assert "web: 50 at" in progress_line(reported(figures), figures)


def test_names_that_do_not_fit_are_counted():
    figures = VipStatistics("web", 0.0, 20.0)
    for number in range(20):
        add(figures, GOOD, number / 20, who=f"www{number % 10}" if number else None)
    (line,) = [line for line in vip_lines(reported(figures), figures) if "answers" in line]

    assert line.endswith("and 2 more, not identified 1")
    assert not [line for line in vip_lines(reported(figures), figures) if "shares" in line]


def test_a_long_timeline_says_how_much_is_missing():
    entries = [TimelineEntry(float(number), CLIENT, "something") for number in range(100)]

    assert "  and 40 more" in summary(reported(drill(), timeline=entries))


def test_events_in_one_column_are_counted():
    events = [TimelineEntry(at, DAEMON, "e") for at in (-1.0, 0.0, 59.0, 70.0, *[30.0] * 12)]

    assert event_marks(events, 0.0, 60.0) == "2" + " " * 29 + "*" + " " * 28 + "2"


def test_what_was_not_tested_is_never_kept():
    udp = {"dns": "UDP can't be tested"}
    test = reported(drill(), uncovered=udp, max_fail=0.01)

    assert summary(test)[-3:] == [
        "web: max-fail kept: 9 of 1,200 failed",
        "dns: could not test: UDP can't be tested",
        "verdict: could not test",
    ]
    assert test.status == reported(drill(), uncovered=udp).status == 2
    assert summary(reported(drill(), uncovered=udp, max_fail=0.001))[-1] == "verdict: broken"


def test_what_was_not_tested_all_the_time_has_kept_nothing():
    left = {"web": "it left the configuration after 7 s"}
    test = reported(drill(), uncovered=left, max_fail=0.01)

    assert summary(test)[-3:] == [
        "web: max-fail could not test: 9 of 1,200 failed, but it left the configuration after 7 s",
        "web: could not test: it left the configuration after 7 s",
        "verdict: could not test",
    ]
    broken = reported(drill(), uncovered=left, max_fail=0.001)
    assert (broken.status, broken.judgements[0].verdict.value) == (1, "broken")


# JSON


def test_the_report_as_json():
    report = json.loads(json_report(reported(drill(), timeline=[FAILS, DOWN], max_fail=0.01)))
    (vip,) = report["vips"]

    assert (report["begun"], report["seconds"], report["verdict"]) == ("2026-11-30T12:00:00.000Z", 60.0, "kept")
    assert report["promises"] == [{"vip": "web", "promise": "max-fail", "verdict": "kept", "text": "9 of 1,200 failed"}]
    assert [each["source"] for each in report["timeline"]] == [CLIENT, DAEMON]
    assert vip["longest_outage"] == {
        "start": "2026-11-30T12:00:30.000Z",
        "seconds": 0.41,
        "failed": 8,
        "code": "L4CON",
        "over": True,
    }
    assert vip["failures"] == {"L4CON": 8}
    assert vip["shares"]["follow"] is True
    assert vip["latency"]["max"] == 0.01


def test_the_report_has_what_was_not_tested_with_the_reason():
    report = json.loads(json_report(reported(drill(), uncovered={"dns": "UDP can't be tested"}, max_fail=0.01)))

    assert report["verdict"] == "could not test"
    assert report["untested"] == [{"vip": "dns", "text": "UDP can't be tested"}]


def test_a_report_of_nothing_has_no_numbers():
    report = json.loads(json_report(reported(VipStatistics("web", 0.0, 20.0))))
    (vip,) = report["vips"]

    assert (report["verdict"], report["untested"]) == (
        "could not test",
        [{"vip": "web", "text": "no request was judged"}],
    )
    assert vip["latency"] == {"p50": None, "p95": None, "p99": None, "max": None}
    assert vip["longest_outage"] is None


# The screen


def shown(test, daemon="", chosen=0, columns=80, rows=24):
    lines = screen(test, daemon, chosen, columns, rows)
    return ["".join(text for _, text in line) for line in lines]


SCREEN = """\
maglevt  0:01:00  1 VIPs  20/s each  maglevd: connected
VIP              requests  failed      p50      p99      max   outage      now
web                  1200  0.667%     10ms     10ms     10ms    410ms       ok

web 192.0.2.1:80
latency   p50 10 ms  p95 10 ms  p99 10 ms  max 10 ms
failures  L4CON 8; last: L4CON connection refused
answers   www1 794 (66.7 %), www2 397 (33.3 %)
shares    answers follow the weights (chi2 0.0, 1 df, p 1.00)
max-fail  broken: 8 of 1,200 failed (0.667 %)
last 2 min|                                  .................+................|
events    |                                                   ^                |

12:00:30.000 web: requests fail: L4CON connection refused
12:00:30.250 maglevd: backend www2 up -> down (L4CON)








q quit   up/down choose a VIP"""


def test_the_screen_of_a_drill():
    test = reported(drill(), timeline=[FAILS, DOWN], max_fail=0.001)

    assert "\n".join(line.rstrip() for line in shown(test, "connected")) == SCREEN


def test_an_empty_screen():
    assert shown(reported()) == ["maglevt  0:01:00  0 VIPs", "no VIP to test"]


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (40, 10), (20, 5), (200, 60), (80, 3)])
@pytest.mark.parametrize("vips", [1, 3, 40])
def test_every_line_fits_the_window(columns, rows, vips):
    figures = [drill(f"a-frontend-with-a-long-name-{number}") for number in range(vips)]
    entries = [TimelineEntry(float(at), CLIENT, "x" * 300, "web") for at in range(30)]
    lines = shown(reported(*figures, timeline=entries, max_gap=0.1), "lost", vips - 1, columns, rows)

    assert all(len(line) <= columns for line in lines)
    assert len(lines) <= rows
    assert lines[-1].startswith("q quit")


def test_the_chosen_vip_is_among_those_that_are_shown():
    figures = [VipStatistics(f"vip{number}", 0.0, 20.0) for number in range(40)]
    lines = shown(reported(*figures), chosen=30)

    assert [line.split()[0] for line in lines if line.startswith("vip30")] == ["vip30", "vip30"]
    assert "8 of 40 shown" in lines


def test_how_a_vip_is_doing_now():
    figures = VipStatistics("web", 0.0, 20.0)
    assert now_word(figures) == ("doubt", "?")
    add(figures, GOOD, 0.0)
    assert now_word(figures) == ("good", "ok")
    add(figures, FAILED, 0.1)
    assert now_word(figures) == ("bad", "FAILS")
    add(figures, GOOD, 0.2)
    add(figures, UNJUDGED, 0.3, code="unsent")
    assert now_word(figures) == ("doubt", "rate?")


def test_failures_have_their_colour_and_large_numbers_fit():
    figures = drill()
    figures.good += 200_000_000
    lines = screen(reported(figures, timeline=[DOWN], shares=True), "", 0, 80, 24)

    assert any(("bad", "+") in line for line in lines)
    assert "200M" in lines[2][0][1]
    figures.good = 123_456
    assert "123k" in screen(reported(figures), "", 0, 80, 24)[2][0][1]


@pytest.mark.parametrize(("counts", "style"), [((100, 100), "bad"), ((10, 5), "doubt")])
def test_shares_have_the_colour_of_what_they_say(counts, style):
    figures = VipStatistics("web", 0.0, 20.0)
    figures.shares.begin(Weights({"www1": 100, "www2": 50}, {}), 0.0)
    for who, count in zip(("www1", "www2"), counts, strict=True):
        for _ in range(count):
            add(figures, GOOD, 0.0, who=who)
    lines = screen(reported(figures, shares=True), "", 0, 80, 24)

    assert [line[1][0] for line in lines if line and line[0][1].startswith("shares ")] == [style, style]
