"""Reloads the configuration: reads and checks the file, then applies it as a whole or refuses it as a whole.

One reload runs at a time, and at most one waits. The waiting one reads the file after all callers that asked for it
meanwhile, so they share its result.
"""

from __future__ import annotations

from collections import Counter
from itertools import starmap
from typing import TYPE_CHECKING, Any

import attrs
from twisted.internet.defer import CancelledError, Deferred, DeferredLock
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from maglev.config.child_loader import read
from maglev.config.expansion import expand
from maglev.config.packing import unpack_steps
from maglev.control.dry_run import emptied_steps
from maglev.control.route_forecast import withdrawn_steps
from maglev.model.errors import ConfigError, StartError
from maglev.model.events import ReloadEvent
from maglev.model.problem import Problem, ProblemKind
from maglev.runtime.logs.logger import EventLogger
from maglev.runtime.tasks import Tasks
from maglev.vpp.lb.state import key_of
from maglev.vpp.sync.forecast import recreation_steps

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence

    from maglev.config.load import Loaded
    from maglev.control.overrides import Overrides
    from maglev.model.config import Config, Frontend
    from maglev.resolver.service import NameService
    from maglev.runtime.cooperator import WorkQueue
    from maglev.state.board import Board
    from maglev.state.overrides import Dropped
    from maglev.vpp.sync.service import VppService


class Reloader:
    """Reloads one file, one reload at a time.

    Attributes:
        counts: Reloads so far, by result: ``applied`` or ``refused``.
        refused: Whether the last one was refused.
        names: Knows the addresses of DNS names, and calls `follow_names` when they have changed; None without any.
        written: The configuration as loaded that the one in force was made of.
        before_apply: Called with a configuration and waited for before that is in force; it raises nothing.
    """

    _log = EventLogger()

    def __init__(
        self,
        reactor: Any,
        work: WorkQueue,
        path: str,
        board: Board,
        overrides: Overrides,
        verify: Callable[[Config], None],
        vpp: VppService,
    ) -> None:
        """Create a reloader.

        Args:
            reactor: Provides a thread in which to wait for the process that reads the file.
            work: The queue in which the new configuration is unpacked.
            path: The configuration file.
            board: Has the configuration in force.
            overrides: What operators have ordered, and stays in force; applies a new configuration.
            verify: Checks conditions outside the file, such as whether the network namespace exists; raises
                `StartError`.
            vpp: Knows what VPP holds.
        """
        self._reactor = reactor
        self._work = work
        self._path = path
        self._board = board
        self._overrides = overrides
        self._verify = verify
        self._vpp = vpp
        self._following = False
        self.names: NameService | None = None
        self.written = board.config
        self._one = DeferredLock()
        self._waiting: list[tuple[Deferred[Loaded], str, str]] = []
        self._tasks = Tasks()
        # One at a time, however many callers ask: the process that reads a large file takes some 90 MB.
        self._reading = DeferredLock()
        self.before_apply: Callable[[Config], Awaitable[object]] | None = None
        self.counts: Counter[str] = Counter(applied=0, refused=0)
        self.refused = False

    async def check(self) -> Loaded:
        """Read and check the file, and compare it with the configuration in force, without changing anything.

        Returns:
            The file, with a backend for each known address in the place of DNS names.

        Raises:
            ConfigError: It is not valid.
        """
        written, loaded = await self._check()
        if self.names is None:
            return loaded
        said = await self.names.preview(written)
        news = (_unresolved(name, said.get(name, "")) for name in self.names.unknown(written))
        return attrs.evolve(loaded, warnings=(*loaded.warnings, *news))

    async def check_written(self) -> Config:
        """Do what `check` does; return the configuration as loaded."""
        return (await self._check())[0]

    async def _check(self) -> tuple[Config, Loaded]:
        """Do what `check` does; return also the configuration as loaded."""
        async with self._reading:
            pieces = await deferToThreadPool(self._reactor, self._reactor.getThreadPool(), read, self._path)
        loaded = await self._work.run(unpack_steps(pieces, self._board.config))
        try:
            self._verify(loaded.config)
        except StartError as error:
            problem = Problem(ProblemKind.SEMANTIC, "", str(error))
            raise ConfigError((problem, *loaded.warnings)) from error
        written = loaded.config
        loaded = attrs.evolve(loaded, config=self._expanded(written))
        known, features = self._vpp.known, self._vpp.features
        sticky = features is None or features.src_ip_sticky
        found = await self._work.run(recreation_steps(self._board.config, loaded.config, known, src_ip_sticky=sticky))
        frontends = loaded.config.frontends
        announcements = tuple(_announcement(frontends[name], why, known is not None) for name, why in found.items())
        fitted = self._overrides.fit(loaded.config)
        emptied = await self._work.run(emptied_steps(self._board, fitted.config))
        routes = await self._work.run(withdrawn_steps(self._board, fitted.config))
        effects = (*announcements, *starmap(_left, (*emptied.items(), *routes.items())), *map(_ending, fitted.dropped))
        return written, attrs.evolve(loaded, warnings=(*loaded.warnings, *effects))

    async def reload(self, who: str = "", origin: str = "") -> Loaded:
        """Read, check and apply the file.

        Args:
            who: Who asks for it; empty for a signal.
            origin: Where the call comes from.

        Raises:
            ConfigError: It is not valid; the configuration in force is unchanged.
        """
        result: Deferred[Loaded] = Deferred()
        self._waiting.append((result, who, origin))
        if len(self._waiting) == 1:
            self._tasks.start(self._reload_for_all())
        return await result

    async def _reload_for_all(self) -> None:
        """Reload once for everybody who asked before this reload began."""
        async with self._one:
            waiting, self._waiting = self._waiting, []
            results = [result for result, _, _ in waiting]
            who, origin = (
                ", ".join(dict.fromkeys(filter(None, names))) for names in list(zip(*waiting, strict=True))[1:]
            )
            try:
                loaded = await self._reload(results, who, origin)
            except Exception:  # noqa: BLE001  # each of those who wait gets it
                failure = Failure()
                for result in results:
                    if not result.called:  # cancelled: its session is gone
                        result.errback(failure)
            else:
                for result in results:
                    if not result.called:
                        result.callback(loaded)

    async def _reload(self, waiting: Sequence[Deferred[Loaded]], who: str, origin: str) -> Loaded:
        self._log.info("config-reload", path=self._path)
        try:
            written, loaded = await self._check()
        except ConfigError as error:
            self._count("refused")
            for problem in error.problems:
                self._log.error("config-refused", path=self._path, problem=str(problem))
            self._board.enter(ReloadEvent(False, self._board.generation, len(error.problems), (), who, origin))
            raise
        if self.names is not None:
            news = map(_unresolved, self.names.unknown(written))
            loaded = attrs.evolve(loaded, warnings=(*loaded.warnings, *news))
        await self._work.run(self._warn_steps(loaded.warnings))
        if all(result.called for result in waiting):
            raise CancelledError  # nobody wants it any longer
        if self.before_apply is not None:
            await self.before_apply(loaded.config)
        # From here on in one go: an answer that comes meanwhile is of the configuration that is in force then.
        self.written = written
        if self.names is not None:
            self.names.configure(written)
        ended = tuple(map(str, self._overrides.apply(self._expanded(written))))
        self._board.enter(ReloadEvent(True, self._board.generation, 0, ended, who, origin))
        self._count("applied")
        return loaded

    async def try_reload(self) -> None:
        """Reload on a signal; the result is logged."""
        try:
            await self.reload("", "SIGHUP")
        except ConfigError:
            self._log.warn("config-kept", generation=self._board.generation)

    def follow_names(self) -> None:
        """Put the addresses in force that DNS names have now, as a reload would: after one that is under way."""
        if not self._following:
            self._following = True
            self._tasks.start(self._follow_names())

    async def _follow_names(self) -> None:
        async with self._one:
            self._following = False
            self._overrides.apply(self._expanded(self.written))

    def _expanded(self, written: Config) -> Config:
        return written if self.names is None else expand(written, self.names.book.numbers(written), self._board.config)

    def _count(self, result: str) -> None:
        self.counts[result] += 1
        self.refused = result == "refused"

    def _warn_steps(self, warnings: Iterable[Problem]) -> Generator[None, None, None]:
        for warning in warnings:
            self._log.warn("config-warning", path=self._path, problem=str(warning))
            yield


def _announcement(frontend: Frontend, reasons: Iterable[str], known: bool) -> Problem:  # noqa: FBT001
    """Return a warning about an effect of a reload that an operator should know of beforehand."""
    text = f"a reload re-creates VIP {key_of(frontend)}, which drops its flows: {', '.join(reasons)}"
    text += "" if known else " (if VPP, which was not read, holds it as the configuration in force says)"
    return Problem(ProblemKind.WARNING, f"maglev.frontends.{frontend.name}", text)


def _left(name: str, text: str) -> Problem:
    """Return a warning about a frontend that a reload leaves with nothing, or its address without a route."""
    return Problem(ProblemKind.WARNING, f"maglev.frontends.{name}", text)


def _unresolved(name: str, said: str = "") -> Problem:
    """Return a warning about backends of which a reload knows no address yet, with what nameservers say of them."""
    text = "its addresses are not known yet: a reload asks for them, and until then VPP keeps the servers that it has"
    text += f" ({said})" if said else ""
    return Problem(ProblemKind.WARNING, f"maglev.backends.{name}", text)


def _ending(dropped: Dropped) -> Problem:
    """Return a warning about an override that a reload ends."""
    target = dropped.override.target
    path = f"maglev.backends.{target.backend}" if target.is_state else f"maglev.frontends.{target.frontend}"
    path = "maglev.announce.addresses" if target.address else path
    return Problem(ProblemKind.WARNING, path, str(dropped))
