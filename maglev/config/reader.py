"""Reads nodes into records: the keys and values of each section, by the schema, with every error reported.

An invalid value is `BROKEN` in the record: its error has been reported, and later checks skip it. So one mistake causes
one error, and never hides another.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Final

from maglev.config.kinds import UnfitError, shown
from maglev.config.nodes import BrokenNode, ListNode, MapNode, ScalarNode, is_null
from maglev.config.schema import NAME, ConfigKey, ConfigSection, Listing, NamedSections, Part
from maglev.model.problem import ProblemKind
from maglev.model.text import excerpt, printable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from maglev.config.findings import Findings, SourcePosition
    from maglev.config.nodes import Node
    from maglev.config.schema import Entry


class Broken(enum.Enum):
    """The type of `BROKEN`."""

    BROKEN = "broken"


BROKEN: Final = Broken.BROKEN
"""Stands for a value that is present but invalid."""

Entries = dict[str, tuple[ScalarNode, "Node"]]


class Record:
    """One section of the file, as read.

    Attributes:
        path: Its path, such as ``maglev.backends.www1``.
        place: The place to report for the section as a whole: the key that holds it.
        values: Values by key, with the defaults of absent keys; `BROKEN` for invalid ones. Nested sections are
            `Record`; tables are ``dict[str, Record | Broken]``; listings are ``list[Record | Broken]``.
        entries: The node of each present key and that of its value, by key.
    """

    __slots__ = ("entries", "path", "place", "values")

    def __init__(self, path: str, place: SourcePosition, values: dict[str, Any], entries: Entries) -> None:
        self.path = path
        self.place = place
        self.values = values
        self.entries = entries

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def sound(self, *names: str) -> bool:
        """Return whether none of these keys is broken."""
        # A loop, not `all`, at half its cost: a large file asks this 100,000 times.
        for name in names:  # noqa: SIM110
            if self.values[name] is BROKEN:
                return False
        return True

    def place_of(self, name: str) -> SourcePosition:
        """Return the place of the value of a key, or of the section if the key is absent."""
        return self.entries[name][1] if name in self.entries else self.place

    def table(self, name: str) -> Mapping[str, Record | Broken]:
        """Return a table; one that is broken as a whole is empty."""
        value: dict[str, Record | Broken] | Broken = self.values[name]
        return {} if value is BROKEN else value

    def records(self, name: str) -> Iterator[tuple[str, Record]]:
        """Yield names and records of a table, without the broken ones."""
        return ((key, value) for key, value in self.table(name).items() if value is not BROKEN)


class Reader:
    """Reads nodes by the schema."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    def section(self, section: ConfigSection, node: Node, path: str, place: SourcePosition) -> Record | Broken:
        """Read a map with fixed keys.

        Args:
            section: The schema of the section.
            node: The map.
            path: Its path.
            place: The place to report for the section as a whole.
        """
        entries = self._entries(section.noun, node, path, section)
        if entries is None:
            return BROKEN
        values = dict(section.defaults)
        for name, (key, value) in entries.items():
            if entry := section.keys.get(name):
                values[name] = self._entry(entry, value, _join(path, name), key)
            else:
                self._unknown(section, key, path, entries, values)
        for name in section.always:
            if name not in entries and values.get(name) is not BROKEN:
                values[name] = self._absent(section.keys[name], _join(path, name), place, entries)
        return Record(path, place, values, entries)

    def _entries(self, noun: str, node: Node, path: str, section: ConfigSection | None = None) -> Entries | None:
        if type(node) is MapNode:
            return node.entries
        if is_null(node):
            return {}
        if type(node) is not BrokenNode:
            hint = _as_map(node, section) if section else ""
            self._findings.parse(path, f"must be a map ({noun}), not {shown(node)}{hint}", node)
        return None

    def _unknown(
        self, section: ConfigSection, key: ScalarNode, path: str, present: Collection[str], values: dict[str, Any]
    ) -> None:
        """Report an unknown key. The key that was probably meant counts as broken, not as missing."""
        meant = self._findings.closest(key.text, section.keys)
        hint = f"; did you mean {meant!r}?" if meant else ""
        self._findings.parse(_join(path, printable(key.text)), f"unknown key{hint}", key)
        if meant and meant not in present:
            values[meant] = BROKEN

    def _absent(self, entry: Entry, path: str, place: SourcePosition, present: Collection[str] = ()) -> Any:
        """Return the value of a key that matters when it is absent."""
        if isinstance(entry, ConfigKey) and entry.instead in present:
            return None
        if isinstance(entry, Part) and not entry.required:
            return self.section(entry.section, ScalarNode("", True, place.line, place.column), path, place)
        if isinstance(entry, NamedSections):
            return {}
        if isinstance(entry, Listing) and not entry.needed:
            return None
        what = "at least one is required" if isinstance(entry, Listing) else "is required"
        self._findings.semantic(path, what, place)
        return BROKEN

    def _entry(self, entry: Entry, node: Node, path: str, key: ScalarNode) -> Any:
        if isinstance(entry, ConfigKey):
            return self._value(entry, node, path, key)
        if isinstance(entry, NamedSections):
            return self._table(entry, node, path)
        if isinstance(entry, Listing):
            return self._listing(entry, node, path, key)
        return self.section(entry.section, node, path, key)

    def _value(self, entry: ConfigKey, node: Node, path: str, key: ScalarNode) -> Any:
        if _is_broken(node):
            return BROKEN
        try:
            value = None if is_null(node) else entry.kind.read(node)
        except UnfitError as error:
            for each in (error, *error.others):
                self._unfit(each, path)
            return BROKEN
        if value is not None:
            return value
        return self._absent(entry, path, key) if entry.needed else entry.default

    def _unfit(self, error: UnfitError, path: str) -> None:
        report = self._findings.parse if error.kind is ProblemKind.PARSE else self._findings.semantic
        word = error.node.text if type(error.node) is ScalarNode else ""
        report(path + error.suffix, error.text + self._findings.hint(word, error.candidates), error.node)

    def _table(self, entry: NamedSections, node: Node, path: str) -> dict[str, Record | Broken] | Broken:
        entries = self._entries(entry.name, node, path)
        if entries is None:
            return BROKEN
        return {name: self._named(entry, path, *pair) for name, pair in entries.items()}

    def _named(self, entry: NamedSections, path: str, key: ScalarNode, node: Node) -> Record | Broken:
        path = f"{path}.{key.text}"
        if not NAME.pattern.fullmatch(key.text):
            path = printable(path)
            self._findings.semantic(path, NAME.text, key)
        return self.section(entry.section, node, path, key)

    def _listing(self, entry: Listing, node: Node, path: str, key: ScalarNode) -> list[Record | Broken] | Broken | None:
        if type(node) is not ListNode:
            if is_null(node):
                absent: Broken | None = self._absent(entry, path, key)
                return absent
            if type(node) is not BrokenNode:
                self._findings.parse(path, f"must be a list, not {shown(node)}", node)
            return BROKEN
        if not node.items and entry.needed:
            self._absent(entry, path, node)
        return [self.section(entry.section, item, f"{path}[{i}]", item) for i, item in enumerate(node.items)]


def _as_map(node: Node, section: ConfigSection) -> str:
    """Return a hint at how to write a single value that stands where a section should: ``{weight: 100}`` for 100.

    It was probably meant for the first required key, or for the only one, if it is valid there.
    """
    for key in section.keys.values():
        if isinstance(key, ConfigKey) and (key.needed or len(section.keys) == 1):
            try:
                valid = key.kind.read(node) is not None
            except UnfitError:
                valid = False
            clipped = type(node) is ScalarNode and excerpt(node.text) != node.text
            return f"; did you mean {{{key.name}: {shown(node)}}}?" if valid and not clipped else ""
    return ""


def _is_broken(node: Node) -> bool:
    if type(node) is ListNode:
        return any(type(item) is BrokenNode for item in node.items)
    if type(node) is MapNode:
        return any(type(value) is BrokenNode for _, value in node.entries.values())
    return type(node) is BrokenNode


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
