"""Turns lines and views into text for a front end: JSON or not, filtered, coloured, a slice at a time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, TypeVar

from maglev.commands.render.lines import Cell, Line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

    from maglev.commands.language.environment import Environment
    from maglev.commands.language.filters import Filters
    from maglev.model.views import PageView

Page = TypeVar("Page", bound="PageView[Any]")

SLICE_LINES: Final = 100
"""Maximum number of lines made and written in one turn of the event loop: some 3 ms of work, so that console output
never delays the checker."""

SLICE_TEXT: Final = 16384
"""Characters after which a slice ends. Searching them takes 30 ms at worst (`filters.PROGRAM_LIMIT`)."""

PAGE: Final = 100
"""Rows that are asked for at a time."""


class Output:
    """The output of one command.

    Attributes:
        json: Whether views are written as JSON.
        aligned: Whether rows are padded to columns, for people. For programs, words are separated by single blanks, so
            that a search pattern does not depend on the other rows.
    """

    def __init__(self, environment: Environment, filters: Filters) -> None:
        self._environment = environment
        self._filters = filters
        self._counted = 0
        self.json = filters.json
        self.aligned = environment.terminal

    async def lines(self, lines: Iterable[Line]) -> None:
        """Write lines. Pass a generator for long lists: lines are made as they are written, a slice at a time."""
        texts: list[str] = []
        count = size = 0
        for line in lines:
            plain = line.plain
            if self._filters.passes(plain) and self._wanted(line):
                texts.append(line.painted if self._environment.colour else plain)
            count += 1
            size += len(plain)
            if count >= SLICE_LINES or size >= SLICE_TEXT:
                await self._write(texts)
                texts, count, size = [], 0, 0
        await self._write(texts)

    async def view(self, view: object, lines: Iterable[Line]) -> None:
        """Write one view: as JSON, or these lines."""
        await self.lines(json_lines(view) if self.json else lines)

    async def json_rows(self, views: Iterable[object]) -> None:
        """Write each view as one line of JSON."""
        await self.lines(_raw(json_text(view)) for view in views)

    async def pages(
        self,
        fetch: Callable[[str, int], Awaitable[Page]],
        rows: Callable[[Page], Iterable[Line]],
        *,
        opening: Callable[[Page], str] = lambda _: "[",
        closing: str = "]",
        head: Callable[[Page], Iterable[Line]] = lambda _: (),
    ) -> None:
        """Write a list of any length, page by page.

        Args:
            fetch: The verb, which takes ``after`` and ``limit``.
            rows: Lines of the rows of one page.
            opening: What begins the JSON, given the first page.
            closing: What ends the JSON.
            head: Lines before the first row, given the first page.
        """
        page = await fetch("", PAGE)
        rendered = _JsonRows(opening(page), closing) if self.json else None
        if rendered is None:
            await self.lines(head(page))
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
    """A JSON list of unknown length, written one row per line."""

    def __init__(self, opening: str, closing: str) -> None:
        self._held = opening
        self._closing = closing
        self._separator = ""

    def rows(self, rows: Iterable[object]) -> Iterator[Line]:
        """Yield the text of these rows."""
        for row in rows:
            yield _raw(self._held + self._separator)
            self._held = json_text(row)
            self._separator = ","

    def end(self) -> Iterator[Line]:
        """Yield the rest."""
        if self._separator:
            yield _raw(self._held)
            yield _raw(self._closing)
        else:
            yield _raw(self._held + self._closing)


def json_text(view: object) -> str:
    """Return a view as one line of JSON: ASCII without control characters, whatever is in it."""
    return json.dumps(view)


def json_lines(view: object) -> Iterator[Line]:
    """Yield a view as JSON for people: indented, one value per line."""
    pieces: list[str] = []
    for piece in _ENCODER.iterencode(view):
        before, newline, after = piece.rpartition("\n")
        if newline:
            for text in "".join((*pieces, before)).split("\n"):
                yield _raw(text)
            pieces = [after]
        else:
            pieces.append(piece)
    yield _raw("".join(pieces))


_ENCODER: Final = json.JSONEncoder(indent=2)


def _raw(text: str) -> Line:
    """Return text that is already safe as a line."""
    return Line((Cell(text),))
