"""Files that another one includes: read in the order of their names, and merged into it before anything is checked.

Theory of operation. All files of a configuration have lines of their own: those of an included one are counted on from
the file before it (`Findings.begin_file`). So nodes keep a line and a column and no name of a file, and a problem gets
the name back when it is reported.
"""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from maglev.config.compose import NODE_LIMIT, compose_part, place_of
from maglev.config.filekinds import PATTERNS
from maglev.config.files import read_regular, why_unreadable
from maglev.config.kinds import UnfitError, shown
from maglev.config.nodes import BrokenNode, ListNode, MapNode, ScalarNode, is_null
from maglev.model.text import printable

if TYPE_CHECKING:
    from maglev.config.findings import Findings
    from maglev.config.nodes import Node

MOST_FILES: Final = 1000
"""Included files in all."""

SECTIONS: Final = ("healthchecks", "backends", "frontends")
"""What an included file may have."""

_WILDCARDS: Final = frozenset("*?[")

Entries = dict[str, tuple[ScalarNode, "Node"]]


def included_files(folder: Path, pattern: str) -> list[Path]:
    """Return what a name or pattern stands for, in the order of the names; hidden files only if it says so.

    Args:
        folder: What it is relative to.
        pattern: May have the wildcards ``*``, ``?``, ``[a-z]`` and ``**`` of glob(7).
    """
    if not _WILDCARDS & set(pattern):
        return [folder / pattern]
    return [folder / name for name in sorted(glob.glob(pattern, root_dir=folder, recursive=True))]  # noqa: PTH207  # it may be absolute, or begin with ..


def size_of(path: str | os.PathLike[str], most: int) -> int:
    """Return how many bytes a file and all that it includes have, but no more than that it is too many.

    What can't be read counts for nothing: it is reported when the file is loaded.

    Args:
        path: The file.
        most: From how many on the number does not matter.
    """
    try:
        size = Path(path).stat().st_size
        if size >= most:
            return size
        text = read_regular(path, most)
    except (OSError, ValueError):
        return 0
    for name in _patterns_in(text) if b"include" in text else ():
        for each in included_files(Path(path).parent, name):
            try:
                size += each.stat().st_size
            except (OSError, ValueError):
                continue
            if size >= most:
                return size
    return size


def _patterns_in(text: bytes) -> tuple[str, ...]:
    from maglev.config.findings import Findings

    root, _ = compose_part(text.decode(errors="replace"), Findings())
    value = root.entries.get("include") if type(root) is MapNode else None
    try:
        return (PATTERNS.read(value[1]) if value is not None else None) or ()
    except UnfitError:
        return ()


class Includer:
    """Merges included files into one tree."""

    def __init__(self, findings: Findings, limit: int, size: int, nodes: int) -> None:
        """Begin with the file that includes.

        Args:
            findings: Gets the errors, and learns of the files.
            limit: Bytes of all files together.
            size: Bytes of the first one.
            nodes: Its nodes.
        """
        self._findings = findings
        self._limit = limit
        self._left = limit - size
        self._nodes = NODE_LIMIT - nodes
        self._seen: set[str] = set()
        self._files = 0

    def merged(self, root: MapNode, path: str | os.PathLike[str] | None) -> MapNode:
        """Return the tree with everything that it includes.

        Args:
            root: The tree of the first file, which has the key ``include``.
            path: Where that file is; None if it is not a file.
        """
        node = root.entries["include"][1]
        try:
            patterns = () if is_null(node) else PATTERNS.read(node) or ()
        except UnfitError:
            return root  # reported when the key is read
        if not patterns:
            return root
        if path is None:
            self._findings.semantic("include", "works only in a file: the names are relative to its folder", node)
            return root
        key, maglev = root.entries.get(
            "maglev", (root.entries["include"][0], ScalarNode("", True, node.line, node.column))
        )
        entries: Entries = dict(maglev.entries) if type(maglev) is MapNode else {}
        if type(maglev) is not MapNode and not is_null(maglev):
            return root  # reported when the section is read
        self._seen.add(os.path.realpath(path))
        folder = Path(path).parent
        items = node.items if type(node) is ListNode else (node,)
        for name, at in zip(patterns, [each for each in items if not is_null(each)], strict=False):
            for file in included_files(folder, name):
                if not self._include(file, at, entries):
                    break
        return MapNode(
            {**root.entries, "maglev": (key, MapNode(entries, maglev.line, maglev.column))}, root.line, root.column
        )

    def _include(self, path: Path, at: Node, entries: Entries) -> bool:
        """Take one file; return whether there is room for more."""
        real = os.path.realpath(path)
        if real in self._seen:
            return True  # a pattern and a name may both stand for it
        self._seen.add(real)
        self._files += 1
        name = printable(str(path))
        if self._files > MOST_FILES:
            self._findings.semantic("include", f"more than {MOST_FILES} files", at)
            return False
        try:
            content = read_regular(path, self._left)
        except (OSError, ValueError) as error:
            self._findings.parse("include", f"{name}: {why_unreadable(error)}", at)
            return True
        self._left -= len(content)
        if self._left < 0:
            self._findings.parse(
                "include", f"{name}: all files together are larger than {self._limit // 1024**2} MiB", at
            )
            return False
        self._merge(name, content, entries)
        return True

    def _merge(self, name: str, content: bytes, entries: Entries) -> None:
        try:
            text = content.decode().removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            before = content[: error.start].decode()
            first = self._findings.begin_file(name, before.count("\n"))
            place = place_of(before, len(before))
            self._findings.parse("", "is not UTF-8", ScalarNode("", True, first + place.line, place.column))
            return
        first = self._findings.begin_file(name, text.count("\n"))
        root, nodes = compose_part(text, self._findings, first, self._nodes)
        self._nodes -= nodes
        if root is None or is_null(root):
            return
        for key, section in self._sections(root):
            self._add(key, section, entries)

    def _sections(self, root: Node) -> list[tuple[ScalarNode, Node]]:
        """Return the sections of an included file; anything else there is an error."""
        found: list[tuple[ScalarNode, Node]] = []
        for path, node, allowed in (("", root, ("maglev",)), ("maglev", _below(root), SECTIONS)):
            if type(node) is not MapNode:
                if node is not None and type(node) is not BrokenNode and not is_null(node):
                    self._findings.parse(path, f"must be a map ({', '.join(allowed)}), not {shown(node)}", node)
                return []
            for name, (key, value) in node.entries.items():
                if name not in allowed:
                    text = f"an included file has {' and '.join(allowed)} only"
                    where = ".".join(filter(None, (path, printable(name))))
                    self._findings.parse(where, text + self._findings.hint(name, allowed), key)
                elif allowed is SECTIONS:
                    found.append((key, value))
        return found

    def _add(self, key: ScalarNode, section: Node, entries: Entries) -> None:
        if is_null(section):
            return
        if type(section) is not MapNode:
            if type(section) is not BrokenNode:
                text = f"must be a map ({key.text}), not {shown(section)}"
                self._findings.parse(f"maglev.{key.text}", text, section)
            return
        first_key, first = entries.get(key.text, (key, None))
        if first is None or is_null(first):
            entries[key.text] = first_key, section
            return
        if type(first) is not MapNode:
            return  # reported when it is read
        merged = dict(first.entries)
        for name, (named, value) in section.entries.items():
            if name in merged:
                path = f"maglev.{key.text}.{printable(name)}"
                text = f"duplicate key, already defined at {self._findings.where(merged[name][0].line)}"
                self._findings.parse(path, text, named)
            else:
                merged[name] = named, value
        entries[key.text] = first_key, MapNode(merged, first.line, first.column)


def _below(root: Node) -> Node | None:
    entry = root.entries.get("maglev") if type(root) is MapNode else None
    return None if entry is None else entry[1]
