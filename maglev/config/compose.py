"""Composes YAML text into nodes, from the events of PyYAML.

PyYAML's own ``compose`` takes about as long, but it resolves types by YAML 1.1, does not detect duplicate keys, stops
at the first error, and limits neither nesting nor what aliases expand to. Without libyaml the events come from PyYAML's
own parser: slower, but the same.

It accepts what Go's ``yaml.v3`` accepts in a map with fixed keys: aliases, merge keys (an explicit key wins over a
merged one, and an earlier map of a list over a later one), no duplicate keys. A file is a single document, and only
tags of the core schema are allowed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import yaml

from maglev.config.nodes import BrokenNode, ListNode, MapNode, Node, ScalarNode, describe
from maglev.model.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maglev.config.findings import Findings

NODE_LIMIT: Final = 1_000_000
"""Maximum number of nodes in a file, each counted as often as aliases repeat it. 20,000 backends and 2,000 frontends of
ten have about 230,000; a million are read in seconds and take some 200 MB, so that an alias bomb is only an error."""

DEPTH_LIMIT: Final = 32
"""Maximum nesting depth; the deepest known key is 8 deep."""

_CORE: Final = "tag:yaml.org,2002:"
_PLAIN_TAGS: Final = frozenset({_CORE + name for name in ("int", "float", "bool", "null")})
_SCALAR_TAGS: Final = _PLAIN_TAGS | {None, "!", _CORE + "str"}
_LIST_TAGS: Final = frozenset({None, "!", _CORE + "seq"})
_MAP_TAGS: Final = frozenset({None, "!", _CORE + "map"})

# The printable characters of YAML 1.2 (5.1), without the byte order mark, which is removed at the start of a file.
_UNPRINTABLE: Final = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"  # noqa: RUF100, PLE2510
)


class _Place:
    """A line and a column, counted from 1."""

    __slots__ = ("column", "line")

    def __init__(self, line: int = 1, column: int = 1) -> None:
        self.line = line
        self.column = column


class _FatalError(Exception):
    """The rest of the text can't be read."""

    def __init__(self, text: str, at: Any) -> None:
        super().__init__(text)
        self.text = text
        self.at = at


class _Frame:
    """A list or map that is being read.

    Attributes:
        children: Its items; for a map, alternating keys and values.
        size: Number of its nodes so far, each counted as often as aliases repeat it.
    """

    __slots__ = ("anchor", "children", "column", "is_map", "line", "refused", "size")

    def __init__(self, anchor: str | None, line: int, column: int, *, is_map: bool, refused: bool) -> None:
        self.children: list[Node] = []
        self.anchor = anchor
        self.line = line
        self.column = column
        self.is_map = is_map
        self.refused = refused
        self.size = 1


def compose(text: str, findings: Findings) -> Node | None:
    """Return the root of a YAML text, an empty scalar for an empty text, or None after a fatal error.

    Args:
        text: The whole file, of bounded size, without a byte order mark.
        findings: Receives the errors.
    """
    return compose_part(text, findings)[0]


def compose_part(text: str, findings: Findings, first: int = 0, limit: int | None = None) -> tuple[Node | None, int]:
    """Return the root of one of several texts, as `compose` does, and the number of its nodes.

    Args:
        text: As above.
        findings: Receives the errors.
        first: How many lines come before this text.
        limit: Maximum number of nodes; None for that of a single file.
    """
    try:
        _check_characters(text)
        composer = _Composer(findings, first, NODE_LIMIT if limit is None else limit)
        return composer.root(_events(text)), composer.size
    except _FatalError as error:
        findings.parse("", error.text, _Place(error.at.line + first, error.at.column))
        return None, 0


def place_of(text: str, offset: int) -> _Place:
    """Return the place of a character in a text."""
    start = text.rfind("\n", 0, offset) + 1
    return _Place(text.count("\n", 0, offset) + 1, offset - start + 1)


def _check_characters(text: str) -> None:
    if match := _UNPRINTABLE.search(text):
        message = f"the character {printable(match[0])} is not allowed in YAML"
        raise _FatalError(message, place_of(text, match.start()))


def _events(text: str) -> Iterator[Any]:
    """Yield the events of PyYAML; errors become `_FatalError`.

    PyYAML's own parser raises ValueError and OverflowError for escapes beyond Unicode.
    """
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        yield from yaml.parse(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        raise _FatalError(_syntax_text(text, error), _error_place(error)) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise _FatalError(f"not YAML: {printable(str(error))}", _Place()) from error


def _error_place(error: yaml.MarkedYAMLError) -> _Place:
    mark = error.problem_mark or error.context_mark
    return _Place(mark.line + 1, mark.column + 1) if mark else _Place()


def _syntax_text(text: str, error: yaml.MarkedYAMLError) -> str:
    words = printable(error.problem or "not YAML")
    if error.context:
        words += f", {printable(error.context)}"
    if error.context_mark and error.context_mark.index != getattr(error.problem_mark, "index", None):
        words += f" that starts at line {error.context_mark.line + 1}, column {error.context_mark.column + 1}"
    place = _error_place(error)
    line = text.split("\n", place.line)[place.line - 1 : place.line]
    return words + (" (a tab? YAML is indented with spaces)" if line and "\t" in line[0][: place.column] else "")


class _Composer:
    """Builds the tree of one document."""

    def __init__(self, findings: Findings, first: int, limit: int) -> None:
        self._findings = findings
        self._first = first
        self._start_line = first + 1
        self._limit = limit
        self.size = 0
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._root: Node | None = None
        self._documents = 0

    def root(self, events: Iterator[Any]) -> Node:
        """Return the root node.

        Raises:
            _FatalError: The rest of the text can't be read.
        """
        # A local variable: as an attribute, it would form a cycle with this object, and the tree of a large file would
        # stay in memory until the garbage collector finds it.
        on = {
            yaml.ScalarEvent: self._scalar,
            yaml.AliasEvent: self._alias,
            yaml.MappingStartEvent: self._start,
            yaml.SequenceStartEvent: self._start,
            yaml.MappingEndEvent: self._end,
            yaml.SequenceEndEvent: self._end,
            yaml.DocumentStartEvent: self._document,
        }
        for event in events:
            if step := on.get(type(event)):
                step(event)
        return self._root or ScalarNode("", True, self._start_line, 1)

    def _document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            raise _FatalError("only one document (---) is allowed in the file", _place(event))

    def _scalar(self, event: Any) -> None:
        mark = event.start_mark
        tag = event.tag
        node: Node
        if tag is None:
            node = ScalarNode(event.value, event.implicit[0], mark.line + self._start_line, mark.column + 1)
        elif tag in _SCALAR_TAGS:
            node = ScalarNode(event.value, tag in _PLAIN_TAGS, mark.line + self._start_line, mark.column + 1)
        else:
            node = self._refuse_tag(event)
        self._add(node, 1, event.anchor)

    def _alias(self, event: Any) -> None:
        place = self._place(event)
        node, size = self._anchors.get(event.anchor, (None, 1))
        if node is None:
            inside = any(frame.anchor == event.anchor for frame in self._stack)
            name = printable(event.anchor)
            unknown = f"unknown anchor &{name} (an anchor must precede its aliases)"
            problem = f"alias *{name} is used inside its own anchor" if inside else unknown
            self._findings.parse(self._path(), problem + self._findings.hint(name, self._anchors), place)
            node = BrokenNode(place.line, place.column)
        self._add(node, size, None)

    def _start(self, event: Any) -> None:
        mark = event.start_mark
        if len(self._stack) == DEPTH_LIMIT:
            raise _FatalError(f"nested deeper than {DEPTH_LIMIT} levels", _place(event))
        is_map = type(event) is yaml.MappingStartEvent
        refused = event.tag not in (_MAP_TAGS if is_map else _LIST_TAGS)
        if refused:
            self._refuse_tag(event)
        frame = _Frame(event.anchor, mark.line + self._start_line, mark.column + 1, is_map=is_map, refused=refused)
        if event.anchor is not None:
            self._anchors.pop(event.anchor, None)
        self._stack.append(frame)

    def _end(self, _event: Any) -> None:
        frame = self._stack.pop()
        node: Node
        if frame.refused:
            node = BrokenNode(frame.line, frame.column)
        elif frame.is_map:
            node = self._map(frame)
        else:
            node = ListNode(tuple(frame.children), frame.line, frame.column)
        self._add(node, frame.size, frame.anchor)

    def _add(self, node: Node, size: int, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node, size
        if not self._stack:
            self._root, self.size = node, size
            return
        frame = self._stack[-1]
        frame.children.append(node)
        frame.size += size
        if frame.size > self._limit:
            at = _Place(node.line - self._first, node.column)
            raise _FatalError(f"more than {NODE_LIMIT} values, counting repetitions by aliases", at)

    def _map(self, frame: _Frame) -> MapNode:
        entries: dict[str, tuple[ScalarNode, Node]] = {}
        merge: tuple[ScalarNode, Node] | None = None
        children = iter(frame.children)
        for key, value in zip(children, children, strict=True):
            if type(key) is not ScalarNode:
                self._bad_key(key)
            elif key.text == "<<" and key.plain:
                merge = self._once(merge, key, value)
            elif key.text in entries:
                self._once(entries[key.text], key, value)
            else:
                entries[key.text] = key, value
        if merge is not None:
            self._merge(entries, merge[1])
        return MapNode(entries, frame.line, frame.column)

    def _bad_key(self, key: Node) -> None:
        if type(key) is not BrokenNode:
            text = f"a key must be a word, not {describe(key)} (text that starts with {{ or [ needs quotes)"
            self._findings.parse(self._path(), text, key)

    def _once(self, first: tuple[ScalarNode, Node] | None, key: ScalarNode, value: Node) -> tuple[ScalarNode, Node]:
        """Report the second of two entries of one key, and return the first."""
        if first is None:
            return key, value
        path = ".".join(filter(None, (self._path(), printable(key.text))))
        self._findings.parse(path, f"duplicate key, already defined at {self._findings.where(first[0].line)}", key)
        return first

    def _merge(self, entries: dict[str, tuple[ScalarNode, Node]], value: Node) -> None:
        for source in value.items if type(value) is ListNode else (value,):
            if type(source) is MapNode:
                for name, entry in source.entries.items():
                    entries.setdefault(name, entry)
            elif type(source) is not BrokenNode:
                text = f"a merge key needs a map or a list of maps, not {describe(source)}"
                self._findings.parse(".".join(filter(None, (self._path(), "<<"))), text, source)

    def _refuse_tag(self, event: Any) -> BrokenNode:
        place = self._place(event)
        tag = printable(event.tag.replace(_CORE, "!!"))
        self._findings.parse(self._path(), f"tag {tag} is not supported here", place)
        return BrokenNode(place.line, place.column)

    def _place(self, event: Any) -> _Place:
        place = _place(event)
        place.line += self._first
        return place

    def _path(self) -> str:
        """Return the path of the current value; for errors only, because it walks the stack."""
        path = ""
        for frame in self._stack:
            if not frame.is_map:
                path += f"[{len(frame.children)}]"
            elif len(frame.children) % 2:
                key = frame.children[-1]
                path += f".{printable(key.text)}" if type(key) is ScalarNode else ".?"
        return path.removeprefix(".")


def _place(event: Any) -> _Place:
    return _Place(event.start_mark.line + 1, event.start_mark.column + 1)
