"""Reload: read the file, check it, and put that very object in force; or refuse it whole and go on as before."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import attrs
from twisted.internet.defer import DeferredLock
from twisted.internet.threads import deferToThreadPool

from maglev.config.load import Loaded, load_file
from maglev.errors import ConfigError, StartError
from maglev.logs.logger import EventLogger
from maglev.problem import Problem, ProblemKind
from maglev.vpp.forecast import recreations
from maglev.vpp.plan import key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from twisted.internet.interfaces import IReactorThreads

    from maglev.board import Board
    from maglev.model import Config


class Reloader:
    """Reloads one file, one reload at a time.

    Attributes:
        counts: Reloads so far, by result: ``applied`` or ``refused``.
        refused: Whether the last one was refused.
    """

    _log = EventLogger()

    def __init__(self, reactor: IReactorThreads, path: str, board: Board, verify: Callable[[Config], None]) -> None:
        """Prepare to reload.

        Args:
            reactor: Lends a thread for reading and checking, which takes seconds for a very large file.
            path: The configuration file.
            board: Where a new configuration is applied.
            verify: Checks what the file alone does not tell, such as whether the network namespace is there; raises
                `StartError`.
        """
        self._reactor = reactor
        self._path = path
        self._board = board
        self._verify = verify
        self._one = DeferredLock()
        self.counts: Counter[str] = Counter(applied=0, refused=0)
        self.refused = False

    async def check(self) -> Loaded:
        """Read and check the file, and compare it with the configuration in force; change nothing.

        Raises:
            ConfigError: It is not valid.
        """
        loaded: Loaded = await deferToThreadPool(self._reactor, self._reactor.getThreadPool(), load_file, self._path)
        try:
            self._verify(loaded.config)
        except StartError as error:
            problem = Problem(ProblemKind.SEMANTIC, "", str(error))
            raise ConfigError((problem, *loaded.warnings)) from error
        return attrs.evolve(loaded, warnings=(*loaded.warnings, *self._announcements(loaded.config)))

    async def reload(self) -> Loaded:
        """Read and check the file and put it in force.

        Raises:
            ConfigError: It is not valid; the configuration in force is what it was.
        """
        async with self._one:
            self._log.info("config-reload", path=self._path)
            try:
                loaded = await self.check()
            except ConfigError as error:
                self._count("refused")
                for problem in error.problems:
                    self._log.error("config-refused", path=self._path, problem=str(problem))
                raise
            for warning in loaded.warnings:
                self._log.warn("config-warning", path=self._path, problem=str(warning))
            self._board.apply(loaded.config)
            self._count("applied")
            return loaded

    async def try_reload(self) -> None:
        """Reload for a signal: whoever sent it reads the log."""
        try:
            await self.reload()
        except ConfigError:
            self._log.warn("config-kept", generation=self._board.generation)

    def _count(self, result: str) -> None:
        self.counts[result] += 1
        self.refused = result == "refused"

    def _announcements(self, config: Config) -> Iterator[Problem]:
        """Yield what a reload would do that an operator should know beforehand."""
        for name, reasons in recreations(self._board.config, config).items():
            vip = key_of(config.frontends[name])
            text = f"a reload deletes VIP {vip} and makes it anew, and so forgets its flows: {', '.join(reasons)}"
            yield Problem(ProblemKind.WARNING, f"maglev.frontends.{name}", text)
