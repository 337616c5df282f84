"""Generates the reference of the configuration, ``docs/configuration-reference.rst``, from the schema.

``python -m maglev.config.reference`` prints the page.
"""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING, Final

from maglev.config.keys import ROOT
from maglev.config.kinds import TextKind
from maglev.config.schema import ConfigKey, Listing, NamedSections, Part, walk
from maglev.model.config import CheckType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maglev.config.schema import ConfigSection, Entry

HEAD: Final = """\
==================
Configuration keys
==================

.. This page is made by "python -m maglev.config.reference": change maglev/config/keys.py, not this file.

Every key of the file, with its kind of value and limits, its default, and what it does. :doc:`configuration` says how
values are written, and has the rules that take two or more keys. In the titles, ``<name>`` is a name of your own choice
and ``[]`` an item of a list.

An editor that knows JSON Schema can have the same: :download:`maglev.schema.json
<../maglev/config/maglev.schema.json>`.

.. contents::
   :local:
   :depth: 1
"""

TABLE: Final = """\
.. list-table::
   :header-rows: 1
   :widths: 20 22 18 40

   * - Key
     - Value
     - Default
     - Meaning
"""

_HOLDS: Final = {Part: "section", NamedSections: "named sections", Listing: "list of sections"}


def page() -> str:
    """Return ``docs/configuration-reference.rst``."""
    sections = (_section(path or "The file itself", section) for path, section in walk(ROOT))
    return HEAD + "".join(sections)


def _section(path: str, section: ConfigSection) -> str:
    title = f"``{path}``" if " " not in path else path
    rows = "".join(_row(entry) for entry in section.keys.values())
    notes = f"\n{textwrap.fill(section.notes, 120)}\n" if section.notes else ""
    return f"\n\n{title}\n{'=' * len(title)}\n\n{TABLE}{rows}{notes}"


def _row(entry: Entry) -> str:
    cells = (f"``{entry.name}``", _value(entry), _default(entry), " ".join(_meaning(entry)))
    return "".join(_cell(text, mark) for mark, text in zip("*   ", cells, strict=True))


def _cell(text: str, mark: str) -> str:
    # Lines are never broken at hyphens or within code.
    filled = textwrap.fill(
        text,
        120,
        initial_indent=f"   {mark} - ",
        subsequent_indent=" " * 7,
        break_on_hyphens=False,
        break_long_words=False,
    )
    return f"{filled}\n"


def _value(entry: Entry) -> str:
    if not isinstance(entry, ConfigKey):
        return _HOLDS[type(entry)]
    return f"{entry.kind.noun}: {entry.kind.limits} {entry.unit}".rstrip()


def _default(entry: Entry) -> str:
    if not isinstance(entry, ConfigKey):
        return "required" if entry.needed else "none"
    text = entry.shown_default
    return text if entry.required or entry.default_text else f"``{text}``"


def _meaning(entry: Entry) -> Iterator[str]:
    """Yield the sentences about a key."""
    yield entry.help
    if not isinstance(entry, ConfigKey):
        return
    if entry.notes:
        yield entry.notes
    if isinstance(entry.kind, TextKind) and entry.kind.rules:
        rules = "; ".join(rule.text for rule in entry.kind.rules)
        yield f"{rules[0].upper()}{rules[1:]}."
    if entry.types != tuple(CheckType):
        yield f"Only for {_listed(entry.types)}."


def _listed(types: tuple[CheckType, ...]) -> str:
    words = [f"``{each}``" for each in types]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


if __name__ == "__main__":
    sys.stdout.write(page())
