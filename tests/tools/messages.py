"""Writes what the programs say into one file for review: `python -m tests.tools.messages`, after a change of texts.

The file lists the messages of ``maglevd --check`` over the corpus of bad and doubtful files, what each kind of value
says of values that it refuses, the ``--help`` of all programs, each kind of mistake in a line of the console, and the
``?`` help of every word of the command tree.
"""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

from maglev.commands.language.faults import UsageError
from maglev.commands.language.nodes import TreePosition
from maglev.commands.language.parse import parse
from maglev.commands.language.pipes import FILTERS
from maglev.commands.tree import ROOT as TREE
from maglev.config.load import load_text
from maglev.daemon.options import Options
from maglev.maglevc.options import _parser
from maglev.maglevt.options import _parser as _maglevt_parser
from maglev.model.errors import ConfigError
from maglev.vppsim.program import SimulatorOptions
from tests.fakes.bad_files import CASES
from tests.fakes.values import refusals

DOUBTFUL = """\
maglev:
  vpp: {lb: {ipv4-src-address: 192.0.2.1, ipv6-src-address: 2001:db8::1}}
  healthchecks:
    web: {type: http, port: 80, interval: 2s, timeout: 1s, params: {server-name: a}}
    plain: {type: tcp, port: 80, interval: 2s, timeout: 1s, params: {server-name: a}}
  backends:
    a: {address: 10.0.0.1, healthcheck: web}
    b: {address: 10.0.0.1, healthcheck: web}
    c: {address: 10.0.0.3, healthcheck: web}
  frontends:
    www:
      address: 192.0.2.80
      new-flows-table-length: 64
      pools:
        - {name: p, backends: {a: , b: }}
        - {name: q, backends: {}}
    idle:
      address: 192.0.2.81
      pools:
        - {name: p, backends: {a: {weight: 0}}}
        - {name: q, backends: {b: }}
"""
"""A valid file with a reason for each warning."""

GOLDEN = Path(__file__).parents[1] / "golden" / "messages.txt"

LINES = (
    "shwo frontends",
    "show x",
    "s",
    "show",
    "show vpp lb x",
    "set backend a/b pause",
    "set frontend web pool p backend b weight 101",
    "watch events num 0",
    "watch events 'x",
    "show backends 'x",
    "show frontends | include (",
    "show frontends | include (a{1000}){1000}",
    "show frontends | count | include x",
    "show frontends | include x | json",
    "show frontends | sort",
    "show frontends |",
    "show frontends" + " | include x" * 9,
    "show " + "x" * 5000,
    "show " + "x " * 300,
)
"""Lines that are wrong, one or more for each kind of mistake."""


def check_messages():
    """Return the distinct messages of the checker, and those of files that can't be read as they are."""
    texts = [marked.replace("§", "") for *_, marked in CASES.values()]
    messages = set()
    for text in [*texts, b"\xff", DOUBTFUL]:
        try:
            problems = load_text(text).warnings
        except ConfigError as error:
            problems = error.problems
        messages |= {f"{problem.kind}: {problem.path}: {problem.text}" for problem in problems}
    return sorted(messages)


def help_texts():
    """Return the help of each program, by its name; as wide as it is at a terminal of 80 columns."""
    with mock.patch.dict(os.environ, {"COLUMNS": "80"}):
        return {
            "maglevd --help": Options().getUsage(width=80),
            "maglevc --help": _parser({}).format_help(),
            "maglevt --help": _maglevt_parser({}).format_help(),
            "maglev-vppsim --help": SimulatorOptions().getUsage(width=80),
        }


def line_errors():
    """Return what is wrong with each of `LINES`."""
    errors = []
    for line in LINES:
        try:
            parse(line, TREE)
        except UsageError as error:
            shown = line if len(line) <= 60 else f"{line[:57]}..."
            errors.append(f"{shown}\n    {error}")
    return errors


def node_help(position: TreePosition, path=""):
    """Yield a line for each word below a position, and its summary if that is another text."""
    for node in (*position.children, *position.options):
        here = f"{path}{node.label}"
        yield f"{here}: {node.help}"
        if node.command is not None and node.command.summary not in {"", node.help}:
            yield f"{here} (summary): {node.command.summary}"
        yield from node_help(node, f"{here} ")


def written():
    """Return the content of the file."""
    parts = {
        "maglevd --check": "\n".join(check_messages()),
        "Values that a kind refuses": "\n".join(refusals()),
        **help_texts(),
        "Mistakes in a line of the console": "\n".join(line_errors()),
        "? help": "\n".join([*node_help(TREE), *node_help(FILTERS, "| ")]),
    }
    blocks = (f"=== {title}\n\n{text.strip()}\n" for title, text in parts.items())
    lines = "\n".join(blocks).splitlines()
    return "".join(f"{line.rstrip()}\n" for line in lines)


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(written(), encoding="utf-8")
