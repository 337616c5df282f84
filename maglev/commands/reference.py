"""The reference of the commands, ``docs/cli.rst``, made of the tree.

``python -m maglev.commands.reference`` prints the page.
"""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING, Final

from maglev.commands.language.nodes import TreePosition, summaries
from maglev.commands.language.pipes import FILTERS
from maglev.commands.tree import ROOT
from maglev.model.caller import Role

if TYPE_CHECKING:
    from maglev.commands.language.nodes import Node, Summary

HEAD: Final = """\
========
Commands
========

.. This page is made by "python -m maglev.commands.reference": change maglev/commands/tree.py, not this file.

These are the commands of the SSH console and of ``maglevc``. Each can be typed at the prompt, given as a one-shot
command (``ssh -p 2222 router show frontends``, ``maglevc show frontends``), or piped in, one per line.

.. contents::
   :local:
   :depth: 1


Typing commands
===============

Words may be shortened to any beginning that only one of them has: ``sh fr`` is ``show frontends``. A word typed in full
always wins. Case does not matter. Names of frontends, pools, backends and healthchecks are typed in full; TAB completes
them, as it does with all other words. ``?`` shows what can come next, and leaves the line as it was.

On this page, ``<name>`` stands for a name of your own, and words in brackets are optional; those after ``watch events``
may come in any order.

A line that begins with ``!`` or ``#`` is a comment. Quotes, single or double, keep blanks in a word together; a
backslash before the same quote keeps it.

Error messages begin with ``%``; a ``^`` marks the word in question. The exit status of a one-shot command is 0 if it
succeeded, 1 if it was refused or failed, and 2 if the line is invalid.


Filters
=======

Any command may be followed by filters, each after a ``|``:

"""

TAIL: Final = """\

``diff`` comes before all others, ``json`` next, ``count`` last, and any number of ``include``, ``exclude`` and
``begin`` in between. :doc:`json` shows what each command writes as JSON. Expressions are those of RE2_, and may consist
of several words; they need quotes only where a ``|`` in them has a blank before it. They are matched against lines with
single blanks between words and none at the beginning, whatever the columns look like: ``| include ^www2 weight 50
effective`` works. The line with the names of columns is filtered like any other, but not counted.

.. _RE2: https://github.com/google/re2/wiki/Syntax

"""


def page() -> str:
    """Return ``docs/cli.rst``."""
    filters = "".join(f"``| {each.syntax}``\n{_indented(f'{each.help}.')}\n" for each in summaries(FILTERS))
    return HEAD + filters.rstrip("\n") + "\n" + TAIL + "\n".join(map(_section, ROOT.children))


def _section(node: Node) -> str:
    """Return all commands that begin with one word."""
    title = f"{node.label}\n{'=' * len(node.label)}\n"
    below = TreePosition(help="", children=(node,))
    return "\n".join([f"\n{title}\n{node.help}.\n", *map(_entry, summaries(below))])


def _entry(summary: Summary) -> str:
    command = summary.command
    texts = [f"{summary.help}."]
    if command is not None and command.role is not Role.VIEWER:
        texts.append(f"Only for an {command.role}.")
    if command is not None and command.notes:
        texts.append(command.notes)
    words = "".join(_word(option, 1) for option in summary.options)
    return f"``{summary.syntax}``\n{_indented(' '.join(texts))}" + (f"\n{words}" if words else "")


def _word(node: Node, depth: int) -> str:
    """Return the help of a word of an option, and of what belongs to it."""
    blanks = "   " * depth
    below = "".join(_word(child, depth + 1) for child in node.children)
    return f"{blanks}``{node.label}``\n{blanks}   {node.help}.\n" + (f"\n{below}" if below else "") + "\n"


def _indented(text: str) -> str:
    return textwrap.fill(text, 117, initial_indent="   ", subsequent_indent="   ") + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
