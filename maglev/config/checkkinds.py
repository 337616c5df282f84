"""The kind of value that names the healthchecks of a backend: one, a list of them, or a map that says how many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from maglev.config.kinds import Reference, UnfitError, forbidden, shown, wrong_type
from maglev.config.nodes import ListNode, MapNode, ScalarNode, is_null
from maglev.model.check_set import CheckSet
from maglev.model.problem import ProblemKind
from maglev.model.text import excerpt, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maglev.config.nodes import Node

MOST_CHECKS: Final = 8
"""Most healthchecks of a backend: each is a probe of its own."""

KEYS: Final = ("checks", "require")
"""The keys of the map."""

_WORDS: Final = ("all", "any")
_ONE: Final = Reference("healthchecks", "healthcheck")


@attrs.frozen
class Healthchecks:
    """The name of a healthcheck, a list of names, or a map with such a list and how many of them have to be up.

    Attributes:
        most: Maximum number of healthchecks.
    """

    most: int
    noun = "healthcheck, list or map"

    @property
    def limits(self) -> str:
        """The section in which they must be defined, and how many there may be."""
        return f"{_ONE.limits}; at most {self.most} in a list"

    def read(self, node: Node) -> str | CheckSet | None:
        """Return the name, or the names if there are several; see `maglev.config.kinds.ValueKind.read`."""
        if type(node) is MapNode:
            return self._from_map(node)
        return self._set(node, None) if type(node) is ListNode else _ONE.read(node)

    def spell(self, value: str | CheckSet) -> str:
        """Return the name, or the map."""
        if isinstance(value, CheckSet):
            return f"{{checks: [{', '.join(value.names)}], require: {value.require}}}"
        return value

    def _from_map(self, node: MapNode) -> str | CheckSet | None:
        for name, (key, _) in node.entries.items():
            if name not in KEYS:
                text = f"unknown key: expected {' and '.join(KEYS)}"
                raise UnfitError(ProblemKind.PARSE, text, key, suffix=f".{printable(name)}", candidates=KEYS)
        if "checks" not in node.entries:
            raise forbidden(node, "needs checks: a list of healthchecks")
        names = node.entries["checks"][1]
        if type(names) is not ListNode:
            error = wrong_type("list", "of healthchecks", names)
            error.suffix = ".checks"
            raise error
        require = node.entries.get("require")
        return self._set(names, None if require is None or is_null(require[1]) else require[1], ".checks")

    def _set(self, node: ListNode, require: Node | None, suffix: str = "") -> str | CheckSet:
        """Return what a list means; a list of one is that one."""
        if not 1 <= len(node.items) <= self.most:
            text = f"must be 1..{self.most} healthchecks, not {len(node.items)}"
            raise UnfitError(ProblemKind.SEMANTIC, text, node, suffix=suffix)
        names: list[str] = []
        for index, item in enumerate(node.items):
            where = f"{suffix}[{index}]"
            if type(item) is not ScalarNode:
                error = wrong_type("healthcheck", _ONE.limits, item)
                error.suffix = where
                raise error
            name = item.text
            if not name or name in names:
                text = f"{excerpt(name)} is named twice" if name else "must be the name of a healthcheck"
                raise UnfitError(ProblemKind.SEMANTIC, text, item, suffix=where)
            names.append(name)
        needed = len(names) if require is None else _needed(require, len(names))
        return names[0] if len(names) == 1 else CheckSet(tuple(names), needed)


def _needed(node: Node, count: int) -> int:
    """Return how many of so many checks have to be up."""
    limits = f"all, any, or 1..{count}"
    if type(node) is not ScalarNode:
        error = wrong_type("word or integer", limits, node)
        error.suffix = ".require"
        raise error
    text = node.text
    if text in _WORDS:
        return count if text == "all" else 1
    if not (text.isascii() and text.isdigit() and len(text) < 3 and 1 <= int(text) <= count):
        message = f"must be {limits}, not {shown(node)}"
        raise UnfitError(ProblemKind.SEMANTIC, message, node, suffix=".require", candidates=_WORDS)
    return int(text)


def named_in(node: Node) -> Iterator[tuple[str, Node]]:
    """Yield where each of several healthchecks is named: what the path of the key goes on with, and the node."""
    suffix = ""
    if type(node) is MapNode:
        suffix, node = ".checks", node.entries["checks"][1]
    items = node.items if type(node) is ListNode else (node,)
    yield from ((f"{suffix}[{index}]", item) for index, item in enumerate(items))
