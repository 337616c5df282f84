"""The benchmark suite: its arithmetic, its tables, and that the peers take the configurations it writes."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
from collections import Counter
from types import SimpleNamespace
from xml.etree import ElementTree

import attrs
import pytest

from maglev.model.via import first_healthcheck
from tests.bench import haproxy, keepalived, mixed, page, probe_kinds, rebuild_cost, transition_cost
from tests.bench.backends import SERVER_NAME
from tests.bench.drawing import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, ceiling, draw
from tests.bench.figures import Figure, Target, bucket_quantile, compared, figure_of, jain, plain, quantile
from tests.bench.options import Options
from tests.bench.ours import check, lag_quantile, total
from tests.bench.overload import Point, columns, sustained
from tests.bench.place import find_program
from tests.bench.probe_ratio import resumed
from tests.bench.table import HEADINGS, rows, rst_table, text_table
from tests.bench.targets import TARGETS
from tests.fakes.certificates import Authority
from tests.fakes.large import large_config
from tests.fakes.vpp_instance import find_vpp

TARGET = Target(2, 1, of="ratio")


@pytest.mark.parametrize(
    ("values", "share", "result"),
    [([], 0.5, 0), ([3], 0.99, 3), ([4, 1, 3, 2], 0.5, 2), (range(1, 101), 0.99, 99), (range(1, 101), 1, 100)],
)
def test_quantile_is_the_smallest_value_that_enough_values_do_not_exceed(values, share, result):
    assert quantile(values, share) == result


def test_quantile_of_buckets_is_the_bound_of_the_bucket_that_holds_it():
    assert bucket_quantile([1, 2, math.inf], [90, 9, 1], 0.5) == 1
    assert bucket_quantile([1, 2, math.inf], [90, 9, 1], 0.99) == 2
    assert bucket_quantile([1, 2, math.inf], [90, 9, 1], 1) == math.inf


def test_fairness_is_one_for_equals_and_a_share_for_one_who_has_all():
    assert jain([5, 5, 5]) == 1
    assert jain([1, 0, 0, 0]) == 0.25
    assert jain([0, 0]) == 1


def test_ratio_is_the_median_of_neighbours_not_the_ratio_of_medians():
    figure = compared("k", "t", "us", "peer", [10, 40, 90], [10, 20, 30])
    assert (figure.ours, figure.peer, figure.ratio) == (40, 20, 2)


def test_each_type_of_probe_that_is_measured_has_a_title():
    web = SimpleNamespace(plain=1, plain2=2, secure=3)
    assert set(probe_kinds.checks(web, (4, 5), (6, 7))) == {probe_kinds.PLAIN, *probe_kinds.TITLES}
    assert {"grpc", "grpc-tls"}.isdisjoint(probe_kinds.checks(web, None, (6, 7)))


@pytest.mark.parametrize(("ratio", "verdict"), [(1, "aim"), (1.5, "at least"), (2.01, "missed")])
def test_verdict_says_what_was_reached(ratio, verdict):
    assert Figure("k", "t", ours=5, ratio=ratio).verdict(TARGET) == verdict


def test_verdict_of_a_measure_of_which_more_is_better():
    target = Target(8000, 12000, more_is_better=True)
    assert [target.verdict(value) for value in (7999, 8000, 12000)] == ["missed", "at least", "aim"]


def test_nothing_measured_has_no_verdict():
    assert not Figure("k", "t", missing="no nginx").verdict(TARGET)
    assert not Figure("k", "t", ours=1.0).verdict(TARGET)
    assert not Figure("k", "t", ours=1.0).verdict(None)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (0, "0"), (0.01234, "0.0123"), (1.256, "1.26"), (53.46, "53.5"), (12345.6, "12,346")],
)
def test_numbers_have_three_digits_that_matter(value, text):
    assert plain(value) == text


def test_figures_survive_json():
    figure = compared("k", "t", "us", "peer", [1.5], [2.5], "a note")
    assert Figure.from_json(json.loads(json.dumps(figure.to_json()))) == figure


def test_tables_line_up_and_say_what_was_not_measured():
    figures = [compared("k", "one", "us", "HAProxy", [3], [2]), Figure("m", "another", missing="no IPVS in the kernel")]
    lines = rows(figures, {"k": TARGET})
    assert lines[0] == ("one", "3.00 us", "2.00 us (HAProxy)", "1.50", "2.00", "1.00", "at least")
    text = text_table(HEADINGS, lines).splitlines()
    assert text[1].index("1.50") == text[0].index("ratio")
    assert text[2] == "another  not measured: no IPVS in the kernel"
    page = rst_table(HEADINGS, lines, (1,) * 7)
    assert "   :header: measure, ours, peer, ratio, at least, aim, verdict\n" in page
    assert "\n   one; 3.00 us; 2.00 us (HAProxy); 1.50; 2.00; 1.00; at least\n" in page
    assert "\n   another; not measured: no IPVS in the kernel;;;;;\n" in page


def test_cells_with_a_delimiter_or_a_quote_are_quoted():
    page = rst_table(("a, b", "c"), [("d; e", 'f "g"')], (1, 1))
    assert '   :header: "a, b", c\n' in page
    assert '   "d; e"; "f ""g"""\n' in page
    assert ":header:" not in rst_table((), [("a", "b")], (1, 1))


def test_targets_of_plain_figures_bear_their_unit():
    assert rows([figure_of("k", "start", "s", [0.5])], {"k": Target(0.7, 0.4)})[0][4:] == (
        "0.700 s",
        "0.400 s",
        "at least",
    )


def test_every_target_is_stricter_in_its_aim():
    for target in TARGETS.values():
        assert target.verdict(target.aim) == "aim"
        assert target.verdict(target.least) in {"at least", "aim", "short of the aim"}


def test_shares_of_resumed_sessions_are_told_apart():
    assert resumed([(0, 0), (3000, 1500), (6000, 4500), (7000, 5000), (9000, 7000)]) == (0.5, 1.0)


def test_samples_are_summed_by_label():
    samples = {'a{to="down",x="1"}': 2.0, 'a{to="up"}': 4.0, 'ab{to="down"}': 8.0}
    assert total(samples, "a", 'to="down"') == 2
    assert total(samples, "a") == 6


def test_lag_counts_only_what_came_in_between():
    name = 'maglev_reactor_lag_seconds_bucket{le="%s"}'
    before = {name % "0.1": 100.0, name % "1": 100.0, name % "+Inf": 100.0}
    after = {name % "0.1": 100.0, name % "1": 109.0, name % "+Inf": 110.0}
    assert lag_quantile(before, after, 0.5) == 1
    assert lag_quantile(before, after, 0.99) == math.inf


@pytest.mark.parametrize("kind", ["tcp", "http", "https", "https-full", "icmp"])
def test_our_own_configuration_is_valid(kind, tmp_path):
    from maglev.config.load import load_file

    (tmp_path / "maglev.yaml").write_text(large_config(20, check(kind, 1.0, 0.9)))
    assert len(load_file(tmp_path / "maglev.yaml").config.backends) == 20


@pytest.mark.real
@pytest.mark.parametrize("kind", ["tcp", "http", "https", "https-full"])
def test_haproxy_takes_the_configuration(kind, tmp_path):
    program = find_program("haproxy")
    if program is None:
        pytest.skip("HAProxy is not installed")
    authority = Authority()
    authority.issue(tmp_path, SERVER_NAME)
    text = haproxy.configuration(tmp_path / "sock", kind, 10, 1.0, 0.9, authority.write_root(tmp_path))
    path = tmp_path / "haproxy.cfg"
    path.write_text(text)
    done = subprocess.run([program, "-c", "-f", str(path)], capture_output=True, text=True, check=False)
    assert "ALERT" not in done.stderr + done.stdout
    assert "Configuration file is valid" in done.stdout


def point(**changes):
    values = {each.name: 0.0 for each in attrs.fields(Point)} | {"offered": 100.0, "achieved": 100.0, "lag_p99": 0.01}
    return Point(**(values | changes))


def test_sustained_load_is_the_highest_that_is_done_in_time_without_a_false_down():
    late, short, false = (
        point(offered=300.0, achieved=300.0, lag_p99=0.1),
        point(offered=300.0, achieved=290.0),
        point(offered=300.0, achieved=300.0, downs=1.0),
    )
    best = point(offered=200.0, achieved=195.0)
    assert sustained([point(), late, best, short, false]) is best
    assert sustained([late, short, false]) is None


@pytest.mark.parametrize(
    ("value", "top"), [(0.05, 0.05), (0.051, 0.1), (1, 1), (1.1, 2), (13000, 20000), (24000, 25000)]
)
def test_axes_end_at_round_numbers(value, top):
    assert ceiling(value) == pytest.approx(top)


def test_picture_is_xml_and_stays_in_its_frame():
    picture = ElementTree.fromstring(
        draw("HTTP", columns([point(), point(offered=400.0, achieved=150.0, lag_p99=0.5)]))
    )
    lines = [each.get("points") for each in picture.iter("{http://www.w3.org/2000/svg}polyline")]
    places = [tuple(map(float, pair.split(","))) for line in lines for pair in line.split()]
    assert len(lines) == 3
    assert all(LEFT <= x <= WIDTH - RIGHT and TOP <= y <= HEIGHT - BOTTOM for x, y in places)


def test_page_is_made_from_the_figures_that_are_committed():
    document = json.loads(page.FIGURES.read_text())
    text = page.PAGE.read_text()
    assert page.fill(text, page.parts(document)) == text, "python -m tests.bench.page"
    for name, picture in page.pictures(document).items():
        assert (page.DOCS / name).read_text() == picture


def test_page_keeps_what_is_written_by_hand_and_says_what_is_not_measured():
    text = "before\n.. made: table\n\nold\n\n.. made end\nbetween\n.. made: notes\n\n.. made end\nafter\n"
    made = (
        "before\n.. made: table\n\nnew\n\n.. made end\nbetween\n.. made: notes\n\nNot measured.\n\n.. made end\nafter\n"
    )
    assert page.fill(text, {"table": "new\n"}) == made
    assert page.fill(made, {"table": "new\n"}) == made


def test_committed_figures_do_not_name_the_machine():
    assert platform.node() not in json.loads(page.FIGURES.read_text())["machine"].values()


def test_mixed_backends_are_of_all_kinds(tmp_path):
    from maglev.config.load import load_file

    (tmp_path / "maglev.yaml").write_text(mixed.configuration(40, workers=2))
    config = load_file(tmp_path / "maglev.yaml").config
    kinds = Counter(str(first_healthcheck(config, each).type) for each in config.backends.values())
    assert sorted(kinds.values()) == [2, 2, 18, 18]


@pytest.mark.real
@pytest.mark.parametrize("kind", ["tcp", "http"])
def test_keepalived_takes_the_configuration(kind, tmp_path):
    program = find_program("keepalived")
    if program is None:
        pytest.skip("keepalived is not installed")
    path = tmp_path / "keepalived.conf"
    path.write_text(keepalived.configuration(kind, 10, 1.0, 0.9))
    done = subprocess.run([program, "-t", "-f", str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_transitions_are_measured_on_the_board_and_up_to_vpp(monkeypatch):
    monkeypatch.setattr(transition_cost, "TRANSITIONS", 4)
    monkeypatch.setattr(transition_cost, "MANY", 20)
    figures = list(transition_cost.measure(Options(runs=1)))
    assert [figure.key for figure in figures] == [
        "transition-board",
        "transition-scaled-board",
        "transition-vpp",
        "transition-scaled-vpp",
    ]
    assert all(figure.ours > 0 and figure.peer > 0 for figure in figures)


@pytest.mark.real
@pytest.mark.vpp
def test_a_changed_weight_is_measured_in_a_real_vpp(monkeypatch):
    if find_vpp() is None or os.geteuid() != 0:
        pytest.skip("no VPP here, or no root")
    monkeypatch.setattr(rebuild_cost, "SIZES", {4: 4, 20: 4})
    figures = list(rebuild_cost.measure(Options(runs=1)))
    assert [figure.key for figure in figures] == ["rebuild-4", "rebuild-20"]
    assert all(figure.ours > 0 and figure.peer > 0 for figure in figures)


def test_what_needs_a_vpp_says_that_there_is_none(monkeypatch):
    monkeypatch.setattr(rebuild_cost, "find_vpp", lambda: None)
    (figure,) = rebuild_cost.measure(Options())
    assert figure.missing
