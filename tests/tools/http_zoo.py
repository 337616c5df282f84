"""Write docs/http-answers.rst: how HAProxy and a probe judge odd answers, side by side.

``python -m tests.tools.http_zoo`` needs HAProxy; the tests compare the page with what both say.
"""

from __future__ import annotations

import csv
import io
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from maglev.healthcheck.probers.answer import Answer
from maglev.healthcheck.probers.expectation import Expectation
from maglev.model.config import HttpParams
from maglev.model.result import Code
from tests.fakes.http_zoo import REASONS, ZOO, ZooServer, ask_haproxy

if TYPE_CHECKING:
    from tests.fakes.http_zoo import Odd

PAGE = Path(__file__).parents[2] / "docs" / "http-answers.rst"

_HEAD = """\
================
Odd HTTP answers
================

How a probe and HAProxy judge {total} odd answers. They agree on {same}; the others have a number, explained below. Both
expect status 200; the columns *regexp* expect ``well`` in the body, too. HAProxy is version 2.6 with ``option
httpchk``, and a test compares the page with both programs. See :doc:`probes` for what a code means.

"""

_TABLE = """\
.. csv-table::
   :header: "Answer", "HAProxy", "probe", "HAProxy, regexp", "probe, regexp", ""
   :widths: 44, 11, 11, 13, 13, 8

"""


def judge(odd: Odd, regexp: str | None = None) -> Code:
    """Return how a probe judges an answer."""
    answer = Answer(Expectation.of(HttpParams(response_regexp=regexp)))
    for piece in odd.sent:
        answer.feed(piece)
    verdict = answer.verdict
    if verdict is None:
        verdict = (Code.L7TOUT, "") if odd.stays else answer.end("closed")
    answer.release()
    return verdict[0]


def render(haproxy: list[tuple[str, str]]) -> str:
    """Return the page, given HAProxy's results: by the status, and by the status and a pattern."""
    numbers = {key: number for number, key in enumerate(REASONS, 1)}
    rows = []
    same = 0
    for odd, (by_status, by_body) in zip(ZOO, haproxy, strict=True):
        ours = judge(odd).name, judge(odd, "well").name
        agree = ours == (by_status, by_body)
        assert agree is not bool(odd.why), f"{odd.name}: HAProxy {by_status} {by_body}, ours {ours}, why: {odd.why!r}"
        same += agree
        rows.append([odd.name, by_status, ours[0], by_body, ours[1], f"({numbers[odd.why]})" if odd.why else ""])
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    table = "".join(f"   {line}\n" for line in text.getvalue().splitlines())
    reasons = "".join(f"{number}. {text}\n" for number, text in enumerate(REASONS.values(), 1))
    return _HEAD.format(total=len(ZOO), same=same) + _TABLE + table + "\n" + reasons


def read_page() -> dict[str, list[str]]:
    """Return the rows of the page, by the name of the answer."""
    lines = [line.strip() for line in PAGE.read_text().splitlines() if line.startswith('   "')]
    return {row[0]: row[1:] for row in csv.reader(lines)}


def main() -> None:
    """Ask HAProxy, and write the page."""
    with tempfile.TemporaryDirectory() as folder, ZooServer() as server:
        PAGE.write_text(render(ask_haproxy(Path(folder), server.port)))
    sys.stdout.write(f"{PAGE}\n")


if __name__ == "__main__":
    main()
