"""When frontends are due for another decision, although nothing happens to them but that time passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container


class Dues:
    """Moments by name, of which the earliest is known without looking at all of them: each transition asks for it."""

    def __init__(self) -> None:
        self._dues: dict[str, float] = {}
        self._earliest: float | None = None
        self._stale = False

    @property
    def earliest(self) -> float | None:
        """The earliest moment; None without any."""
        if self._stale:
            self._earliest = min(self._dues.values(), default=None)
            self._stale = False
        return self._earliest

    def set(self, name: str, due: float | None) -> None:
        """Replace the moment of a name; None for none."""
        before = self._dues.pop(name, None)
        if due is not None:
            self._dues[name] = due
            if self._earliest is None or due < self._earliest:
                self._earliest = due
        # Only one that is the earliest makes it necessary to look for the next one.
        self._stale = self._stale or (before is not None and before == self._earliest and before != due)

    def until(self, now: float) -> list[str]:
        """Return the names whose moment has come, in the order in which they were set."""
        return [name for name, due in self._dues.items() if due <= now]

    def keep(self, names: Container[str]) -> None:
        """Forget all names but these."""
        self._dues = {name: due for name, due in self._dues.items() if name in names}
        self._stale = True
