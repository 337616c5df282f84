"""The rows that all pages show, by kind and name, each encoded once; and what changed since the last frame."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

KINDS: Final = ("about", "frontends", "members", "backends", "checks", "seen", "announcements", "peers", "vips")
"""The kinds of rows, which `maglev.web.rows` describes."""

_GONE: Final = b"null"


def encode(value: object) -> bytes:
    """Return a basic value as JSON, in one line of ASCII."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def object_of(items: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a JSON object of names with values that are encoded already."""
    return b"{" + b",".join(b"%s:%s" % (encode(name), value) for name, value in items) + b"}"


class RowStore:
    """The rows."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, object]] = {kind: {} for kind in KINDS}
        self._texts: dict[str, dict[str, bytes]] = {kind: {} for kind in KINDS}
        self._changed: dict[str, dict[str, bytes]] = {}

    def names(self, kind: str) -> Collection[str]:
        """Return the names of the rows of a kind."""
        return self._rows[kind].keys()

    def row(self, kind: str, name: str) -> object:
        """Return a row; None if there is none."""
        return self._rows[kind].get(name)

    def put(self, kind: str, name: str, row: object) -> None:
        """Add or replace a row; nothing changes if it is the same."""
        rows = self._rows[kind]
        if name in rows and rows[name] == row:
            return
        text = encode(row)
        rows[name] = row
        self._texts[kind][name] = text
        self._changed.setdefault(kind, {})[name] = text

    def remove(self, kind: str, name: str) -> None:
        """Remove a row; harmless if there is none."""
        if self._rows[kind].pop(name, None) is not None:
            del self._texts[kind][name]
            self._changed.setdefault(kind, {})[name] = _GONE

    def keep(self, kind: str, names: Collection[str]) -> None:
        """Remove the rows of a kind but for these."""
        for name in [name for name in self._rows[kind] if name not in names]:
            self.remove(kind, name)

    def take(self) -> bytes:
        """Return what changed since the last call, by kind and name, as JSON; ``null`` is a row that is gone.

        Empty if nothing changed.
        """
        if not self._changed:
            return b""
        changed, self._changed = self._changed, {}
        return _by_kind(changed)

    def whole(self) -> bytes:
        """Return all rows, by kind and name, as JSON."""
        return _by_kind(self._texts)


def _by_kind(texts: Mapping[str, Mapping[str, bytes]]) -> bytes:
    return object_of((kind, object_of(rows.items())) for kind, rows in texts.items())
