"""The verbs that show the configuration in force, as the YAML of a file, and how the file differs from it.

Of 20,000 backends, that is 40,000 lines. They are made page by page while a caller reads, in turns with other work: the
configuration is immutable, so what was begun goes on with the same one, whatever is put in force meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maglev.config.as_written import as_written
from maglev.config.text_diff import DiffLine, difference_lines
from maglev.config.writing import config_lines
from maglev.model.bounds import MAX_PAGE, PAGE
from maglev.model.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from maglev.control.reload import Reloader
    from maglev.model.config import Config
    from maglev.model.views import ConfigLineView, PageView
    from maglev.runtime.cooperator import WorkQueue
    from maglev.state.board import Board

ASIDE: Final = 20
"""Lines, or objects that do not differ, after which others have a turn."""


class ConfigListing:
    """Lines that are made as they are read."""

    def __init__(self, lines: Iterator[DiffLine | None]) -> None:
        """Begin before the first line.

        Args:
            lines: The lines; None where there was work and no line.
        """
        self._lines = lines
        self._count = 0
        self._ahead: DiffLine | None = None

    @property
    def token(self) -> str:
        """What asks for the next page."""
        return str(self._count)

    def page_steps(self, limit: int) -> Generator[None, None, PageView[ConfigLineView]]:
        """Return the next page, and be one line ahead of it; yield often."""
        rows: list[ConfigLineView] = []
        wanted = min(max(limit, 1), MAX_PAGE)
        for turn, line in enumerate(self._lines):
            if turn % ASIDE == 0:
                yield
            if line is None:
                continue
            held, self._ahead = self._ahead, line
            if held is not None:
                rows.append({"change": held.change, "text": held.text})
            if len(rows) == wanted:
                self._count += wanted
                return {"rows": rows, "next": self.token}
        if self._ahead is not None:
            rows.append({"change": self._ahead.change, "text": self._ahead.text})
        return {"rows": rows, "next": None}


class ConfigVerbs:
    """These verbs, for one caller; see `maglev.interfaces.IControl` for what each does and returns."""

    def __init__(self, work: WorkQueue, board: Board, reloader: Reloader) -> None:
        self._work = work
        self._board = board
        self._reloader = reloader
        self._listing: ConfigListing | None = None

    async def configuration(self, after: str = "", limit: int = PAGE) -> PageView[ConfigLineView]:
        """A page of the configuration in force."""
        if not after:
            self._listing = ConfigListing(DiffLine("", text) for text in config_lines(self._shown()))
        return await self._next(after, limit)

    async def compare_configuration(self, after: str = "", limit: int = PAGE) -> PageView[ConfigLineView]:
        """A page of the differences, against the file as it was read for the first page."""
        if not after:
            found = await self._reloader.check_written()
            self._listing = ConfigListing(difference_lines(self._shown(), found))
        return await self._next(after, limit)

    def _shown(self) -> Config:
        return as_written(self._reloader.written, self._board.config)

    async def _next(self, after: str, limit: int) -> PageView[ConfigLineView]:
        listing = self._listing
        if listing is None or (after and after != listing.token):
            message = f"invalid page token {after!r}: a listing is read from its beginning, page by page"
            raise RefusedError(message)
        self._listing = None
        page = await self._work.run(listing.page_steps(limit))
        if page["next"] is not None:
            self._listing = listing
        return page
