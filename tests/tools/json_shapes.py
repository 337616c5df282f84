"""Writes the lists of keys in ``docs/json.rst``, made of the types of views: ``python -m tests.tools.json_shapes``.

The rest of the page is written by hand. The lists stand between ``.. shapes: NAME NAME`` and ``.. end of shapes``.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, is_typeddict

from maglev.model import (
    announce_views,
    check_views,
    checker_views,
    event_views,
    explain_views,
    health_views,
    name_views,
    override_views,
    peer_views,
    server_views,
    session_views,
    views,
)
from tests.fakes.views import VERBS, answer_type, fields, row_type

PAGE = Path(__file__).parents[2] / "docs" / "json.rst"
MODULES = (
    views,
    check_views,
    health_views,
    override_views,
    announce_views,
    checker_views,
    event_views,
    explain_views,
    session_views,
    server_views,
    peer_views,
    name_views,
)
VIEWS = {name: each for each in MODULES for name, each in vars(each).items() if is_typeddict(each)}
"""The shapes, by the names of their classes."""

ABSTRACT = {"ChangeView", "KeptView", "ScaleView", "VipKeyView", "_WeightChange", "WeightEventChange", "PageView"}
"""Parts of other shapes."""

WIDTH = 120
INDENT = "   "
BLOCK = re.compile(r"(\.\. shapes: (.*)\n)(?:.*\n)*?(?=\.\. end of shapes\n)")
WORDS = {str: "text", int: "integer", float: "number", bool: "boolean", NoneType: "null", Any: "any"}


def filled(page: str) -> str:
    """Return the page with its lists of keys."""
    return BLOCK.sub(lambda block: block[1] + "".join(f"\n{shape(name)}" for name in block[2].split()) + "\n", page)


def shape(name: str) -> str:
    """Return the list of a view's keys."""
    view = VIEWS[name]
    verbs = [f"``{verb}``" for verb in VERBS if view in _roots(answer_type(verb))]
    by = f" {'Verb' if len(verbs) == 1 else 'Verbs'}: {', '.join(verbs)}." if verbs else ""
    head = textwrap.fill(f"**{_label(view)}**: {view.__doc__}{by}", WIDTH)
    return f"{head}\n\n" + "".join(_entry(key, hint) for key, hint in fields(view).items())


def _entry(key: str, hint: Any) -> str:
    kind, meaning = get_args(hint)
    meaning = re.sub(r"\bNone\b", "``null``", meaning)
    lines = textwrap.wrap(meaning, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)
    return "\n".join([f"``{key}`` : {_words(kind)}", *lines, ""])


def _words(kind: Any) -> str:
    """Return a type in words."""
    args = get_args(kind)
    if get_origin(kind) is list:
        return f"list of {_words(args[0])}"
    if get_origin(kind) is dict:
        return f"object of {_words(args[1])}"
    if get_origin(kind) is UnionType:
        return " or ".join(map(_words, args))
    if get_origin(kind) is Literal:
        return "text"
    return f"*{_label(kind)}*" if is_typeddict(kind) else WORDS[kind]


def _label(view: Any) -> str:
    """Return the name of a view in words: "vip counters" for ``VipCountersView``."""
    return re.sub("(?<=[a-z])(?=[A-Z])", " ", view.__name__.removesuffix("View")).lower()


def _roots(answer: Any) -> list[Any]:
    """Return the views that an answer is, or is a list of."""
    if is_typeddict(answer):
        return [answer]
    return [row_type(answer)] if is_typeddict(get_origin(answer)) else list(get_args(answer))


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
