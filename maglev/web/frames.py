"""Frames: the numbered changes of the rows, the latest of which are kept, and the pages that they go to."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

KEPT_FRAMES: Final = 600
"""Frames that are kept: those of a minute at least."""

KEPT_BYTES: Final = 4 * 1024 * 1024
"""Bytes of frames that are kept: where frames are that large, a snapshot serves a late page better."""

SNAPSHOT_AGE: Final = 10
"""Frames for which a snapshot is used again: all pages that come within a second get the same."""


class Frame(NamedTuple):
    """A change of the rows, or all of them.

    Attributes:
        number: Counted from 1; for a snapshot, the number of the frame that it includes last.
        text: As JSON.
    """

    number: int
    text: bytes


class Viewer(Protocol):
    """An open page."""

    def wake(self) -> None:
        """There may be a new frame."""

    def beat(self) -> None:
        """Nothing has happened for a while: what the page has is still so."""


class Frames:
    """The latest frames, and the open pages.

    Attributes:
        boot: Differs from that of any other run of maglevd, in which the same numbers mean other frames.
        number: Of the latest frame.
        ready: Whether everything has been read, so that there can be a snapshot.
        viewers: The open pages, in the order in which they came.
    """

    def __init__(self, boot: str, whole: Callable[[int], bytes]) -> None:
        """Begin without frames.

        Args:
            boot: See the attribute.
            whole: Returns a snapshot as JSON, given the number of the latest frame.
        """
        self.boot = boot
        self.number = 0
        self.ready = False
        self.viewers: dict[Viewer, None] = {}
        self._whole = whole
        self._kept: deque[Frame] = deque()
        self._size = 0
        self._snapshot: Frame | None = None

    def add(self, text: Callable[[int], bytes]) -> None:
        """Add a frame, given its text by its number, and tell the pages."""
        self.number += 1
        frame = Frame(self.number, text(self.number))
        self._kept.append(frame)
        self._size += len(frame.text)
        while len(self._kept) > KEPT_FRAMES or (self._size > KEPT_BYTES and len(self._kept) > 1):
            self._size -= len(self._kept.popleft().text)
        self.wake()

    def wake(self) -> None:
        """Tell the pages that there may be something new."""
        for viewer in tuple(self.viewers):
            viewer.wake()

    def beat(self) -> None:
        """Tell the pages that nothing has happened for a while."""
        for viewer in tuple(self.viewers):
            viewer.beat()

    def clear(self) -> None:
        """Forget all frames: no page can go on with them."""
        self.ready = False
        self.number += 1
        self._kept.clear()
        self._size = 0
        self._snapshot = None

    def has_after(self, number: int) -> bool:
        """Return whether all frames after one are here; also if there are none yet."""
        first = self._kept[0].number if self._kept else self.number + 1
        return self.ready and first - 1 <= number <= self.number

    def after(self, number: int) -> Frame | None:
        """Return the frame after one; None if there is none yet. It must be here."""
        return None if number >= self.number else self._kept[number + 1 - self._kept[0].number]

    def snapshot(self) -> Frame:
        """Return a snapshot, as of a frame after which all others are here."""
        known = self._snapshot
        if known is None or not self.has_after(known.number) or self.number - known.number > SNAPSHOT_AGE:
            known = self._snapshot = Frame(self.number, self._whole(self.number))
        return known
