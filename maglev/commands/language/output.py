"""Turns lines and views into text for a front end: JSON or not, filtered, coloured, a slice at a time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, TypeVar

from maglev.commands.language.choices import guarded
from maglev.commands.render.lines import fitted, whole
from maglev.model.bounds import PAGE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

    from maglev.commands.language.environment import Environment
    from maglev.commands.language.filters import Filters
    from maglev.commands.render.lines import Line
    from maglev.model.views import PageView

Page = TypeVar("Page", bound="PageView[Any]")

SLICE_LINES: Final = 100
"""Maximum number of lines made and written in one turn of the event loop: some 3 ms of work, so that console output
never delays the checker."""

SLICE_TEXT: Final = 16384
"""Characters after which a slice ends. Searching them takes 30 ms at worst (`filters.PROGRAM_LIMIT`)."""


class Output:
    """The output of one command.

    Attributes:
        json: Whether views are written as JSON.
        diff: Whether the command is to compare with the file.
        aligned: Whether rows are padded to columns, for people. For programs, words are separated by single blanks, so
            that a search pattern does not depend on the other rows.
    """

    def __init__(self, environment: Environment, filters: Filters) -> None:
        self._environment = environment
        self._filters = filters
        self._sieve = filters.sieve()
        self._counted = 0
        self.json = filters.json
        self.diff = filters.diff
        self.aligned = environment.terminal

    async def lines(self, lines: Iterable[Line]) -> None:
        """Write lines. Pass a generator for long lists: lines are made as they are written, a slice at a time.

        Filters look at whole lines; only then, and only on a terminal, lines are made to fit into the window.
        """
        texts: list[str] = []
        count = size = 0
        for line in lines:
            plain = line.plain
            if self._sieve.passes(plain) and self._wanted(line):
                width = guarded(self._environment.width) if self._environment.terminal else None
                texts += [each.painted if self._environment.colour else each.plain for each in fitted(line, width)]
            count += 1
            size += len(plain)
            if count >= SLICE_LINES or size >= SLICE_TEXT:
                await self._write(texts)
                texts, count, size = [], 0, 0
        await self._write(texts)

    async def note(self, line: Line) -> None:
        """Write a line about the output, which no filter sees, for a person who reads all of it."""
        if not self._filters.any:
            await self._write([line.painted if self._environment.colour else line.plain])

    async def view(self, view: object, lines: Iterable[Line]) -> None:
        """Write one view: as JSON, or these lines."""
        await self.lines(json_lines(view) if self.json else lines)

    async def json_rows(self, views: Iterable[object]) -> None:
        """Write each view as one line of JSON."""
        await self.lines(whole(json_text(view)) for view in views)

    async def pages(
        self,
        fetch: Callable[[str, int], Awaitable[Page]],
        rows: Callable[[Page], Iterable[Line]],
        *,
        members: Callable[[Page], Mapping[str, object]] | None = None,
        key: str = "rows",
        head: Callable[[Page], Iterable[Line]] = lambda _: (),
    ) -> None:
        """Write a list of any length, page by page.

        Args:
            fetch: The verb, which takes ``after`` and ``limit``.
            rows: Lines of the rows of one page.
            members: What else is in the JSON, by its key, given the first page; without it, the JSON is a list.
            key: The key of the list, if it is not all.
            head: Lines before the first row, given the first page.
        """
        page = await fetch("", PAGE)
        rendered = None
        if self.json:
            known = None if members is None else members(page)
            rendered = _JsonRows(known, key, indented=self._environment.terminal and self._filters.only_json)
        await self.lines(head(page) if rendered is None else rendered.start())
        while True:
            await self.lines(rows(page) if rendered is None else rendered.rows(page["rows"]))
            if not page["next"]:
                break
            page = await fetch(page["next"], PAGE)
        if rendered is not None:
            await self.lines(rendered.end())

    async def finish(self) -> None:
        """Write what is known only at the end."""
        if self._filters.count:
            await self._write([str(self._counted)])

    def _wanted(self, line: Line) -> bool:
        """Return whether a line is to be written; with ``count`` it is only counted."""
        if self._filters.count:
            self._counted += not line.heading
        return not self._filters.count

    async def _write(self, texts: Sequence[str]) -> None:
        if texts:
            self._environment.write("\n".join((*texts, "")))
        await self._environment.drain()


class _JsonRows:
    """A JSON list of unknown length, alone or in an object: for programs one row per line, for people indented."""

    def __init__(self, members: Mapping[str, object] | None, key: str, *, indented: bool) -> None:
        """Begin.

        Args:
            members: What is in the object before the list; None if the list is alone.
            key: The key of the list.
            indented: Whether every value gets a line of its own.
        """
        self._margin = "" if not indented else "  " if members is None else "    "
        if members is None:
            self._opening, self._closing = ["["], ["]"]
        elif indented:
            first = json.dumps(members, indent=2).split("\n")[:-1]
            self._opening = [*first[:-1], f"{first[-1]},", f'  "{key}": [']
            self._closing = ["  ]", "}"]
        else:
            self._opening, self._closing = [f'{json_text(members)[:-1]}, "{key}": ['], ["]}"]
        self._held = self._opening[-1]
        self._separator = ""

    def start(self) -> Iterator[Line]:
        """Yield what is before the list."""
        return map(whole, self._opening[:-1])

    def rows(self, rows: Iterable[object]) -> Iterator[Line]:
        """Yield the text of these rows."""
        for row in rows:
            yield whole(self._held + self._separator)
            self._separator = ","
            texts = _json_texts(row) if self._margin else iter([json_text(row)])
            self._held = self._margin + next(texts)
            for text in texts:
                yield whole(self._held)
                self._held = self._margin + text

    def end(self) -> Iterator[Line]:
        """Yield the rest."""
        first, *rest = self._closing
        if self._separator:
            yield whole(self._held)
            yield whole(first)
        else:
            yield whole(self._held + first.strip())
        yield from map(whole, rest)


def json_text(view: object) -> str:
    """Return a view as one line of JSON: ASCII without control characters, whatever is in it."""
    return json.dumps(view)


def json_lines(view: object) -> Iterator[Line]:
    """Yield a view as JSON for people: indented, one value per line."""
    return map(whole, _json_texts(view))


def _json_texts(view: object) -> Iterator[str]:
    pieces: list[str] = []
    for piece in _ENCODER.iterencode(view):
        before, newline, after = piece.rpartition("\n")
        if newline:
            yield from "".join((*pieces, before)).split("\n")
            pieces = [after]
        else:
            pieces.append(piece)
    yield "".join(pieces)


_ENCODER: Final = json.JSONEncoder(indent=2)
