"""The reference of the metrics, ``docs/metrics.rst``, made of `maglev.metrics`.

``python -m maglev.web.reference`` prints the page.
"""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING, Final

from maglev.metrics import GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maglev.metrics import Family

HEAD: Final = """\
=======
Metrics
=======

.. This page is made by "python -m maglev.web.reference": change maglev/metrics.py, not this file.

``http://127.0.0.1:9091/metrics`` serves these to Prometheus, in its text format; ``--metrics-addr`` sets the address.

Counters count from the start of ``maglevd``, and those whose labels are known are there from then on, with 0. A backend
or frontend that a reload removes is not told of any more. What is missing under some condition says so as *absent*.

Beside these there are ``process_cpu_seconds_total``, ``process_resident_memory_bytes``, ``process_open_fds`` and others
about the process itself. :doc:`operation` tells what is worth an alarm.

.. contents::
   :local:
   :depth: 1
"""

TABLE: Final = """\
.. list-table::
   :header-rows: 1
   :widths: 42 10 16 32

   * - Metric
     - Type
     - Labels
     - Meaning
"""


def page() -> str:
    """Return ``docs/metrics.rst``."""
    return HEAD + "".join(_group(title, families) for title, families in GROUPS.items())


def _group(title: str, families: Iterable[Family]) -> str:
    return f"\n\n{title}\n{'=' * len(title)}\n\n{TABLE}{''.join(map(_row, families))}"


def _row(family: Family) -> str:
    labels = ", ".join(f"``{label}``" for label in family.labels)
    cells = (f"``{family.name}``", family.type, labels, _meaning(family))
    return "".join(_cell(text, mark) for mark, text in zip("*   ", cells, strict=True))


def _cell(text: str, mark: str) -> str:
    filled = textwrap.fill(text, 120, initial_indent=f"   {mark} - ", subsequent_indent=" " * 7, break_on_hyphens=False)
    return f"{filled or f'   {mark} -'}\n"


def _meaning(family: Family) -> str:
    absent = f"*Absent while {family.absent}.*" if family.absent else ""
    return " ".join(filter(None, (f"{family.help}.", family.notes, absent)))


if __name__ == "__main__":
    sys.stdout.write(page())
