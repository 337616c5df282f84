"""The nodes of the YAML tree: content and places, without any meaning.

Every node has a ``line`` and a ``column``, counted from 1. An aliased node is the same object everywhere, so its place
is that of the anchor. Nodes are named tuples, because a large file has hundreds of thousands.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias


class ScalarNode(NamedTuple):
    """A single word or text.

    Attributes:
        text: The text in the file, without quotes and with escapes resolved.
        plain: Whether it is unquoted and so may be a number, a boolean or null; a quoted one is always text.
    """

    text: str
    plain: bool
    line: int
    column: int


class ListNode(NamedTuple):
    """An ordered list."""

    items: tuple[Node, ...]
    line: int
    column: int


class MapNode(NamedTuple):
    """A map, in the order of the file, merge keys (``<<``) resolved.

    Attributes:
        entries: The text of each key -> its node and its value.
    """

    entries: dict[str, tuple[ScalarNode, Node]]
    line: int
    column: int


class BrokenNode(NamedTuple):
    """A node whose error is already reported; it causes no further errors."""

    line: int
    column: int


Node: TypeAlias = ScalarNode | ListNode | MapNode | BrokenNode

_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
"""The spellings of null in the core schema of YAML 1.2 (10.3.2)."""


def is_null(node: Node) -> bool:
    """Return whether a node is empty, as in ``params:`` with all its keys commented out."""
    return type(node) is ScalarNode and node.plain and node.text in _NULLS


def describe(node: Node) -> str:
    """Return what a node is, for a person."""
    return {ScalarNode: "a single value", ListNode: "a list", MapNode: "a map", BrokenNode: "broken"}[type(node)]
