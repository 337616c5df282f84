"""The filters after ``|``, as a part of the command tree (`maglev.commands.language.filters` does the work).

``diff`` comes first, where a command can be compared with the file; then ``json``; ``count`` comes last. Any number of
``include``, ``exclude`` and ``begin`` may be in between.
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


DIFF: Final = Keyword(
    "diff", help="Compare with the file (show configuration only)", binds=("filter", "diff"), ends=True
)
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

FILTERS: Final = TreePosition(help="Filters of the output", children=(DIFF, _JSON, *_LINE_FILTERS))
"""What may come after the first ``|`` of a command that can be compared."""

_USUAL: Final = TreePosition(help="Filters of the output", children=(_JSON, *_LINE_FILTERS))

_FURTHER: Final = TreePosition(help="Filters of the output", children=_LINE_FILTERS)


def filter_root(before: Filters, column: int, *, compares: bool) -> TreePosition:
    """Return what may follow another ``|``, which is just before this column.

    Args:
        before: The filters before it.
        column: The column.
        compares: Whether the command can be compared with the file.

    Raises:
        UsageError: Nothing may follow.
    """
    if before.count:
        raise UsageError(column - 1, "count must be the last filter")
    if before.any:
        return _FURTHER
    return FILTERS if compares and not before.diff else _USUAL
