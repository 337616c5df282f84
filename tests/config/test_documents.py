"""The reference manual and the example file agree with the schema."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from maglev.config.keys import ROOT
from maglev.config.load import load_file, load_text
from maglev.config.schema import Key, Listing, Part, Table, walk

TOP = Path(__file__).parents[2]
MANUAL = (TOP / "docs" / "configuration.rst").read_text(encoding="utf-8")
SECTIONS = {path: section for path, section in walk(ROOT) if path}
KINDS = {Part: "section", Table: "named sections", Listing: "list of sections"}


def rows(path: str) -> dict[str, list[str]]:
    """The rows of the key table of a section: key -> type, default, meaning; markup and line breaks removed."""
    title = f"``{path}``"
    _, found, rest = MANUAL.partition(f"\n{title}\n{'=' * len(title)}\n")
    assert found, f"no section {path}"
    table = rest.partition("\n\n\n")[0].partition(".. list-table::")[2]
    cells = [
        re.split(r"\n     - ", row)
        for row in re.split(r"\n   \* - ", re.sub(r"\n       +", " ", table).partition("\n\n")[2])
    ]
    plain = [[" ".join(cell.partition("\n\n")[0].replace("``", "").split()) for cell in row] for row in cells]
    return {row[0].removeprefix("* - "): row[1:] for row in plain}


@pytest.mark.parametrize("path", SECTIONS)
def test_the_manual_has_every_key_and_no_other(path):
    assert list(rows(path)) == ["Key", *SECTIONS[path].keys]


@pytest.mark.parametrize("path", SECTIONS)
def test_the_manual_has_the_types_limits_defaults_and_meanings_of_the_schema(path):
    shown = rows(path)
    for name, entry in SECTIONS[path].keys.items():
        kind, default, meaning = shown[name]
        if isinstance(entry, Key):
            assert kind == f"{entry.kind.noun}: {entry.kind.limits}"
            assert default == entry.shown_default
        else:
            assert kind == KINDS[type(entry)]
        assert meaning.startswith(entry.help)


def test_every_key_says_what_it_does_in_a_sentence():
    for section in SECTIONS.values():
        for entry in section.keys.values():
            assert entry.help.endswith(".")
            assert entry.help[0].isupper()


def test_the_example_in_the_manual_loads_without_warnings():
    example = MANUAL.partition(".. code-block:: yaml\n\n")[2].partition("\n\n\n")[0]

    assert load_text(example).warnings == ()


def test_the_example_file_loads_without_warnings():
    loaded = load_file(TOP / "debian" / "maglev.yaml")

    assert loaded.warnings == ()
    assert set(loaded.config.frontends) == {"www"}
