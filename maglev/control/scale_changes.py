"""What a change of the scale of a frontend moves: weights that have not changed are programmed otherwise in VPP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maglev.config.diff import reprogrammed_weights
from maglev.control.dry_run import wanted_now
from maglev.runtime.logs.logger import EventLogger
from maglev.runtime.tasks import Tasks
from maglev.vpp.sync.forecast import moved_steps

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from maglev.model.scale import Scale
    from maglev.runtime.cooperator import WorkQueue
    from maglev.state.board import Board
    from maglev.state.status import FrontendStatus

COMPUTED: Final = 50
"""Of so many frontends whose scale changes at once, it is computed what that moves: some milliseconds each."""


class ScaleBefore:
    """What VPP should hold for a frontend before one of its weights changes."""

    def __init__(self, work: WorkQueue, board: Board, frontend: str) -> None:
        """Look at a frontend as it is now; it need not exist.

        Args:
            work: Where long work is done.
            board: The present state.
            frontend: Its name.
        """
        self._work = work
        self._board = board
        self._status = status = board.frontends.get(frontend)
        self._before = None if status is None else (status.frontend, status.write_scales, wanted_now(board, status))

    async def changes(self) -> tuple[list[list[int]], float | None]:
        """Return what is different now.

        Returns:
            The weights that are programmed otherwise, each with what is programmed for it before and after; and the
            share of new flows that move, 0..1, or None if nothing but the weight itself has changed or nobody knows.
        """
        status = self._status
        if self._before is None or status is None:
            return [], None
        frontend, scales, wanted = self._before
        changed = reprogrammed_weights(frontend, status.frontend, (scales, status.write_scales))
        if not changed:
            return [], None
        moved = await self._work.run(moved_steps(wanted, wanted_now(self._board, status)))
        return [list(weights) for _, weights in changed], moved


class ScaleLog:
    """Logs each change of a scale that is in force, by a command, by time, by a reload or by a result."""

    _log = EventLogger()

    def __init__(self, work: WorkQueue, board: Board) -> None:
        """Begin to watch; the arguments are those of `ScaleBefore`."""
        self._work = work
        self._board = board
        self._tasks = Tasks()
        self._known: dict[str, tuple[str, Scale]] = {}
        self._look(board.frontends)
        board.subscribe(weights_changed=self._look)

    def _look(self, names: Iterable[str]) -> None:
        changed = []
        for name in names:
            status = self._board.frontends.get(name)
            if status is None:
                self._known.pop(name, None)
                continue
            active = "" if status.active is None else status.frontend.pools[status.active].name
            pool, scale = self._known.get(name, ("", status.scale))
            # With another pool, other servers serve.
            if scale != status.scale and pool == active != "":
                changed.append((status, scale, status.scale))
            self._known[name] = active, status.scale
        if changed:
            self._tasks.start(self._tell(changed))

    async def _tell(self, changed: Sequence[tuple[FrontendStatus, Scale, Scale]]) -> None:
        compute = len(changed) <= COMPUTED
        for status, before, after in changed:
            weights = {each.weight for each in status.desired.values()}
            weights_changed = [weight for weight in sorted(weights) if before[weight] != after[weight]]
            if weights_changed:
                # VPP is told first, and only then it is computed what that moves.
                moved = await self._work.run(self._moved_steps(status, before, after, compute=compute), later=True)
                self._log.info(
                    "scale-changed",
                    frontend=status.frontend.name,
                    programmed=", ".join(
                        f"{weight} as {after[weight]} instead of {before[weight]}" for weight in weights_changed
                    ),
                    moved=None if moved is None else round(moved, 4),
                )

    def _moved_steps(
        self, status: FrontendStatus, before: Scale, after: Scale, *, compute: bool
    ) -> Generator[None, None, float | None]:
        if not compute or not status.desired.keys() <= self._board.backends.keys():
            return None  # or it has left the file meanwhile
        was, now = (wanted_now(self._board, status, scale) for scale in (before, after))
        return (yield from moved_steps(was, now))
