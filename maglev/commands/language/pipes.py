"""The filters after ``|``, as a part of the command tree (`maglev.commands.language.filters` does the work).

``json`` comes first, ``count`` last, any number of ``include``, ``exclude`` and ``begin`` in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maglev.commands.language.arguments import Expression
from maglev.commands.language.faults import UsageError
from maglev.commands.language.nodes import Argument, Keyword, TreePosition

if TYPE_CHECKING:
    from maglev.commands.language.filters import Filters


def _expression(text: str) -> tuple[Argument, ...]:
    return (Argument("expression", type=Expression(), help=text, ends=True),)


_JSON: Final = Keyword("json", help="Show JSON", binds=("filter", "json"), ends=True)
_LINE_FILTERS: Final = (
    Keyword(
        "include",
        help="Show only lines that match",
        binds=("filter", "include"),
        children=_expression("Pattern that lines must match (RE2)"),
    ),
    Keyword(
        "exclude",
        help="Hide lines that match",
        binds=("filter", "exclude"),
        children=_expression("Pattern that lines must not match (RE2)"),
    ),
    Keyword(
        "begin",
        help="Show the first line that matches, and all after it",
        binds=("filter", "begin"),
        children=_expression("Pattern that the first line must match (RE2)"),
    ),
    Keyword("count", help="Show only the number of lines", binds=("filter", "count"), ends=True),
)

FILTERS: Final = TreePosition(help="Filters of the output", children=(_JSON, *_LINE_FILTERS))
"""What may come after the first ``|``."""

_FURTHER: Final = TreePosition(help="Filters of the output", children=_LINE_FILTERS)


def filter_root(before: Filters, column: int) -> TreePosition:
    """Return what may follow another ``|``, which is just before this column.

    Raises:
        UsageError: Nothing may follow.
    """
    if before.count:
        raise UsageError(column - 1, "count must be the last filter")
    return _FURTHER if before.any else FILTERS
