"""The page about a bad check that was deployed everywhere is played, with each of the settings that it compares."""

from __future__ import annotations

import csv
from pathlib import Path

import attrs
import pytest

from maglev.model.blindness_rule import Blindness
from maglev.model.config import WhenNoneEligible
from maglev.model.result import Code, Result
from tests.fakes.configs import make_check, make_config, make_frontend
from tests.fakes.random_boards import TimedBoard

PAGE = Path(__file__).parents[2] / "docs" / "incident.rst"
NAMES = "abcdefghij"
GOOD, BAD = Result(Code.L7OK, "status 200"), Result(Code.L7STS, "status 404")
COLUMNS = {
    "neither": (WhenNoneEligible.DOWN, None),
    "hold": (WhenNoneEligible.HOLD, None),
    "blindness": (WhenNoneEligible.DOWN, Blindness(50.0, window=30.0, hold=300.0)),
    "both": (WhenNoneEligible.HOLD, Blindness(50.0, window=30.0, hold=300.0)),
}


def table():
    """Return the numbers of the table on the page, by column."""
    lines = PAGE.read_text().partition("csv-table:: Servers in service")[2].splitlines()[1:]
    rows = list(csv.reader([line.strip() for line in lines[3:9]], skipinitialspace=True))
    names = [name.strip() for name in lines[0].partition(":header:")[2].split(",")]
    return {name: [int(row[number]) for row in rows] for number, name in enumerate(names) if number}


def played(when, blindness):
    """Return how many servers are in service at the moments of the table."""
    config = make_config([make_frontend(pools=(NAMES,), when_none_eligible=when)], checks=[make_check(rise=1, fall=1)])
    config = attrs.evolve(config, checker=attrs.evolve(config.checker, blindness=blindness))
    board = TimedBoard(config)

    def serving():
        return sum(each.weight > 0 for each in board.frontends["web"].desired.values())

    def probe(result):
        for name in NAMES:
            board.wait(0.2)
            board.record(name, result)
            seen.append(serving())

    seen = []
    probe(GOOD)
    found = [serving()]
    seen.clear()
    (check,) = config.healthchecks.values()
    board.apply(attrs.evolve(config, healthchecks={check.name: attrs.evolve(check, timeout=0.5)}))
    assert serving() == 10
    probe(BAD)
    found += [min(seen), serving()]
    board.wait(238.0)
    found.append(serving())
    board.wait(120.0)
    found.append(serving())
    board.wait(240.0)
    board.apply(config)
    probe(GOOD)
    return [*found, serving()]


@pytest.mark.parametrize("column", COLUMNS)
def test_the_table_of_the_incident_is_what_happens(column):
    assert table()[column] == played(*COLUMNS[column])
