"""The configuration in force as YAML, page by page, and how the file differs from it."""

from __future__ import annotations

import attrs
import pytest

from maglev.config.load import Loaded, load_text
from maglev.model.bounds import MAX_PAGE
from maglev.model.config import Backend
from maglev.model.errors import ConfigError, RefusedError
from maglev.model.problem import Problem, ProblemKind
from tests.fakes.configs import make_check, make_config, make_frontend
from tests.fakes.control_setup import ControlSetup, answer_of


def listed(fetch, limit):
    """Return all rows, and the number of pages."""
    rows, after, pages = [], "", 0
    while after is not None:
        page = answer_of(fetch(after, limit))
        assert len(page["rows"]) <= min(limit, MAX_PAGE)
        rows += page["rows"]
        after, pages = page["next"], pages + 1
    return rows, pages


@pytest.mark.parametrize("limit", [1, 7, 100, 10_000])
def test_the_running_configuration_loads_to_itself_whatever_the_size_of_pages(bench, limit):
    rows, _ = listed(bench.viewer.configuration, limit)
    text = "\n".join(row["text"] for row in rows)
    assert load_text(text).config == bench.board.config
    assert {row["change"] for row in rows} == {""}
    assert rows[0] == {"change": "", "text": "maglev:"}


def test_a_listing_goes_on_with_the_configuration_that_it_began_with(bench):
    first = answer_of(bench.viewer.configuration("", 5))
    before = bench.board.config
    bench.board.apply(make_config([make_frontend("other", "192.0.2.9")], checks=[make_check()]))
    rows, after = list(first["rows"]), first["next"]
    while after is not None:
        page = answer_of(bench.viewer.configuration(after, 5))
        rows, after = rows + page["rows"], page["next"]
    assert load_text("\n".join(row["text"] for row in rows)).config == before


@pytest.mark.parametrize("token", ["7", "x", "-1"])
def test_a_listing_that_was_not_begun_or_is_read_twice_is_refused(bench, token):
    with pytest.raises(RefusedError, match="invalid page token"):
        answer_of(bench.viewer.configuration(token))
    page = answer_of(bench.viewer.configuration("", 2))
    answer_of(bench.viewer.configuration(page["next"], 2))
    with pytest.raises(RefusedError, match="invalid page token"):
        answer_of(bench.viewer.configuration(page["next"], 2))


def test_what_the_file_says_otherwise_is_shown(bench):
    assert answer_of(bench.viewer.compare_configuration())["rows"] == []
    answer_of(bench.operator.set_weight("web", "pool0", "a", 7))
    rows, _ = listed(bench.viewer.compare_configuration, 2)
    assert [(row["change"], row["text"].strip()) for row in rows if row["change"]] == [
        ("-", "# set at run time; the file says 100:"),
        ("-", "a: {weight: 7}"),
        ("+", "a: {weight: 100}"),
    ]


def test_a_file_that_is_not_valid_is_refused_as_a_whole(bench):
    bench.reloader.outcome = ConfigError([Problem(ProblemKind.PARSE, "", "bad", 3, 4)])
    with pytest.raises(ConfigError, match="bad"):
        answer_of(bench.viewer.compare_configuration())


def test_many_backends_are_compared_in_turns_with_other_work():
    names = [f"b{number}" for number in range(5000)]
    made = [Backend(name, f"10.0.{number // 256}.{number % 256}") for number, name in enumerate(names)]
    config = make_config([make_frontend(pools=(("b7",),))], made)
    bench = ControlSetup(config)
    moved = attrs.evolve(config.backends["b4999"], address="10.9.9.9")
    bench.reloader.outcome = Loaded(attrs.evolve(config, backends={**config.backends, "b4999": moved}))
    rows, pages = listed(bench.viewer.compare_configuration, 100)
    assert pages == 1
    assert [row["change"] for row in rows] == ["", "-", "+"]
    bench.stop()
