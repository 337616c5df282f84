"""The reference manual, the man page and the example file agree with the schema."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest

from maglev.config.keys import ROOT
from maglev.config.load import load_file
from maglev.config.reference import page
from maglev.config.schema import ConfigKey, walk

TOP = Path(__file__).parents[2]
SECTIONS = {path: section for path, section in walk(ROOT) if path}
KEYS = [(path, name) for path, section in SECTIONS.items() for name in section.keys]
MAN = (TOP / "man" / "maglev.yaml.5").read_text(encoding="utf-8").replace("\\-", "-").partition("\n.SH EXAMPLES")[0]
MAN_ENTRIES = re.split(r"\n\.(?:TP|SS)\b", MAN)


def test_the_reference_is_current():
    committed = (TOP / "docs" / "configuration-reference.rst").read_text(encoding="utf-8")

    assert committed == page(), "run python -m maglev.config.reference > docs/configuration-reference.rst"


def test_the_reference_can_be_made_from_the_command_line(capsys, monkeypatch):
    monkeypatch.delitem(sys.modules, "maglev.config.reference")
    runpy.run_module("maglev.config.reference", run_name="__main__")

    assert capsys.readouterr().out == page()


@pytest.mark.parametrize("path", SECTIONS)
def test_the_reference_has_every_key_with_its_limits_and_its_default(path):
    _, found, rest = page().partition(f"\n``{path}``\n")
    section = " ".join(rest.partition("\n\n\n")[0].split())

    assert found
    for name, entry in SECTIONS[path].keys.items():
        row = section.partition(f"* - ``{name}`` - ")[2].partition(" * - ")[0]
        assert entry.help in row
        if isinstance(entry, ConfigKey):
            assert f"{entry.kind.noun}: {entry.kind.limits}" in row
            assert entry.shown_default in row


def test_every_key_says_what_it_does_in_sentences():
    for section in SECTIONS.values():
        for entry in section.keys.values():
            for text in filter(None, (entry.help, getattr(entry, "notes", ""), section.notes)):
                assert text.endswith(".")
                assert text[0].isupper() or text.startswith("``")


@pytest.mark.parametrize(("path", "name"), KEYS)
def test_the_man_page_has_every_key_and_its_default(path, name):
    entry = SECTIONS[path].keys[name]
    places = [text for text in MAN_ENTRIES if re.search(rf"(?<![a-z0-9-]){name}(?![a-z0-9-])", text)]

    assert places
    if isinstance(entry, ConfigKey) and not entry.default_text and not entry.required and entry.default is not False:
        assert any(f"({entry.kind.spell(entry.default)}" in text for text in places)


def test_the_example_file_loads_without_warnings():
    loaded = load_file(TOP / "debian" / "maglev.yaml")

    assert loaded.warnings == ()
    assert set(loaded.config.frontends) == {"www"}
