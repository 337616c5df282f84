"""The reference of the metrics, ``docs/metrics.rst``, made of `maglev.metrics.families`.

``python -m maglev.metrics.reference`` prints the page.
"""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING, Final

from maglev.metrics.families import GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maglev.metrics.family import Family

HEAD: Final = """\
=======
Metrics
=======

.. This page is made by "python -m maglev.metrics.reference": change maglev/metrics/families.py, not this file.

``http://127.0.0.1:9091/metrics`` serves these to Prometheus, in its text format; ``--metrics-addr`` sets the address.

Behind each name are its type and its labels.

Counters start at 0 with ``maglevd``; those whose labels are known beforehand are exported from the start. A backend or
frontend that a reload removes is no longer exported. *Absent* says when a family is not exported.

Beside these there are ``process_cpu_seconds_total``, ``process_resident_memory_bytes``, ``process_open_fds`` and others
about the process itself. :doc:`monitoring` says what deserves an alert.

.. contents::
   :local:
   :depth: 1
"""


def page() -> str:
    """Return ``docs/metrics.rst``."""
    return HEAD + "".join(_group(title, families) for title, families in GROUPS.items())


def _group(title: str, families: Iterable[Family]) -> str:
    entries = "\n".join(map(_entry, families))
    return f"\n\n{title}\n{'=' * len(title)}\n\n{entries}"


def _entry(family: Family) -> str:
    """Return the definition of one family: its type and its labels stand behind its name."""
    labels = f" : {', '.join(f'``{label}``' for label in family.labels)}" if family.labels else ""
    text = textwrap.fill(_meaning(family), 120, initial_indent="   ", subsequent_indent="   ", break_on_hyphens=False)
    return f"``{family.name}`` : {family.type}{labels}\n{text}\n"


def _meaning(family: Family) -> str:
    absent = f"*Absent while {family.absent}.*" if family.absent else ""
    return " ".join(filter(None, (f"{family.help}.", family.notes, absent)))


if __name__ == "__main__":
    sys.stdout.write(page())
