"""The kind of value that names files to include."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from maglev.config.kinds import UnfitError, forbidden, text_of
from maglev.config.nodes import ListNode
from maglev.model.text import excerpt

if TYPE_CHECKING:
    from maglev.config.nodes import Node


@attrs.frozen
class Patterns:
    """Names of files, with wildcards: one, or a list; the value is a tuple of them.

    Attributes:
        most: Maximum length of a list.
        length: Maximum length of each, in characters.
    """

    most: int
    length: int
    noun = "file name or list"

    @property
    def limits(self) -> str:
        """How many there may be, and how long."""
        return f"at most {self.most}, of {self.length} characters"

    def read(self, node: Node) -> tuple[str, ...] | None:
        """Return the names; see `maglev.config.kinds.ValueKind.read`."""
        if type(node) is not ListNode:
            name = self._name(node)
            return (name,) if name else None
        if len(node.items) > self.most:
            raise forbidden(node, f"must be at most {self.most} names, not {len(node.items)}")
        names = []
        for index, item in enumerate(node.items):
            try:
                names.append(self._name(item))
            except UnfitError as error:
                error.suffix = f"[{index}]"
                raise
        return tuple(filter(None, names)) or None

    def spell(self, value: tuple[str, ...]) -> str:
        """Return a single name as it is, several as a list."""
        return value[0] if len(value) == 1 else f"[{', '.join(value)}]"

    def _name(self, node: Node) -> str:
        name = text_of("file name", self.limits, node)
        if len(name) > self.length or "\0" in name:
            raise forbidden(node, f'invalid file name "{excerpt(name)}": {self.limits}')
        return name


PATTERNS: Final = Patterns(100, 1024)
