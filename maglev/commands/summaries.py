"""Lists all commands of a tree, for ``help`` and for the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maglev.commands.nodes import Command, Keyword, Node, TreePosition


@attrs.frozen
class Summary:
    """One command, or one filter.

    Attributes:
        syntax: As it is typed, such as ``show frontends <name>``.
        help: What it does, as one short line.
        command: What it does; None for a filter.
        options: The words that may follow in any order.
    """

    syntax: str
    help: str
    command: Command | None
    options: tuple[Keyword, ...]


def summaries(root: TreePosition) -> Iterator[Summary]:
    """Yield all commands of a tree, in its order."""
    return _below(root, "")


def _below(place: TreePosition, path: str) -> Iterator[Summary]:
    for node in place.children:
        syntax = f"{path}{node.label}"
        if node.command is not None or node.ends:
            options = "".join(f" [{_option(option)}]" for option in node.options)
            text = (node.command and node.command.summary) or node.help
            yield Summary(syntax + options, text, node.command, node.options)
        yield from _below(node, f"{syntax} ")


def _option(node: Node) -> str:
    """Return the syntax of an option, with what belongs to it."""
    inner = "|".join(map(_option, node.children))
    if not inner:
        return node.label
    return f"{node.label} [{inner}]" if node.ends else f"{node.label} {inner}"
