"""Tells BIRD what is announced, through a file that it includes and over its control socket, always both.

Theory of operation. The file alone fails where somebody has half edited the configuration of BIRD: a ``configure`` is
then refused, and nothing could be withdrawn. The socket alone fails at the next ``configure`` of somebody else, which
puts every protocol back to what the file says. So each change goes to the file first, by a rename, and then over the
socket as ``enable`` or ``disable``, which neither reads a file nor touches another protocol. Only a protocol that BIRD
does not have takes a ``configure``; one that is refused is reported, and tried again ever more rarely.

What BIRD has is compared with what it should have at every change, at every connection, and every few seconds. At every
connection BIRD also checks its configuration: it may have all protocols, and yet refuse the next ``configure`` of
anybody, since a file of an earlier run defines them, too.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.threads import deferToThreadPool

from maglev.announce.announcer import SinkStatus
from maglev.announce.bird_client import BirdError, connect_bird
from maglev.announce.bird_files import read_include_files, replace_include_file
from maglev.announce.bird_text import (
    CHECKED,
    CONFIGURED,
    PATTERN,
    SWITCHED,
    include_file,
    plan,
    protocol_of,
    states_of,
    switch,
)
from maglev.model.announce import Announcing
from maglev.runtime.logs.logger import EventLogger
from maglev.runtime.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from maglev.announce.bird_client import BirdConnection
    from maglev.announce.bird_text import BirdPlan
    from maglev.model.announce import BirdConfig

SINK: Final = "bird"

FILE_DEADLINE: Final = 1.0
"""Seconds that a change waits for the disk before it goes over the socket alone."""

RECONNECT: Final = 1.0
"""Seconds between attempts to connect."""

MIN_RETRY: Final = 5.0
MAX_RETRY: Final = 300.0
"""Seconds from a refused ``configure`` to the next one, doubling: somebody may be editing ``bird.conf``."""

PASSES: Final = 3
"""Times that BIRD is compared after a change of it, before the rest waits for the next turn."""


class BirdSpeaker(Service):
    """Keeps one BIRD as it should be.

    Attributes:
        config: Where BIRD is.
    """

    _log = EventLogger()

    def __init__(
        self,
        reactor: Any,
        config: BirdConfig,
        states: Callable[[], Mapping[str, Announcing]],
        note: Callable[[str, str], object],
        replaced: tuple[str, ...] = (),
        emptied: Callable[[str, tuple[str, ...]], object] = lambda _socket, _files: None,
        free: Callable[[], bool] = lambda: True,
    ) -> None:
        """Prepare.

        Args:
            reactor: Has a clock, threads and UNIX sockets.
            config: Where BIRD is.
            states: Returns whether each address is announced.
            note: Called with our name and the problem whenever that changes; empty for none.
            replaced: Other files that were written for this BIRD: they are emptied before ours is written.
            emptied: Called with the control socket and those files when that is done.
            free: Returns whether nobody else writes those files any longer.
        """
        self.config = config
        self._reactor = reactor
        self._states = states
        self._note = note
        self._tasks = Tasks()
        self._replaced = replaced
        self._emptied = emptied
        self._free = free
        self._moved = bool(replaced)
        self._connection: BirdConnection | None = None
        self._connections = 0
        self._before: dict[str, bool] | None = None
        self._writing: Deferred[Any] | None = None
        self._sleeping: Deferred[None] | None = None
        self._changed = False
        self._waiting: list[Deferred[None]] = []
        self._problems: dict[str, str] = {}
        self._refused: frozenset[str] = frozenset()
        self._retry = MIN_RETRY
        self._retry_at = 0.0
        self._checked = False

    def status(self) -> SinkStatus:
        """Return how it is."""
        connected = int(self._connection is not None)
        restarts = max(self._connections - 1, 0)
        return SinkStatus(SINK, self.config.control_socket, connected, self.problem, restarts=restarts)

    @property
    def problem(self) -> str:
        """What is wrong; empty if nothing is."""
        return "; ".join(self._problems.values())

    def startService(self) -> None:
        """Begin."""
        Service.startService(self)
        self._tasks.repeat(self._reactor, "announce-bird", self._turn)

    def stopService(self) -> None:
        """Let go of BIRD, which goes on announcing what it announces."""
        Service.stopService(self)
        self._tasks.cancel()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @property
    def settled(self) -> bool:
        """Whether no write of the file is under way."""
        return self._writing is None

    def changed(self) -> None:
        """Compare soon: something was announced or withdrawn."""
        self._changed = True
        sleeping, self._sleeping = self._sleeping, None
        if sleeping is not None and not sleeping.called:
            sleeping.callback(None)

    def when_compared(self) -> Deferred[None]:
        """Return a Deferred that fires when BIRD has been compared, and mended if that was possible."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        self.changed()
        return waiting

    # The loop

    async def _turn(self) -> float:
        self._changed = False
        waiting, self._waiting = self._waiting, []
        try:
            await self._compare()
        finally:
            for each in waiting:
                if not each.called:
                    each.callback(None)
        pause = self.config.reassert_interval
        await self._sleep(pause if self._connection is not None else min(pause, RECONNECT))
        return 0.0

    async def _sleep(self, seconds: float) -> None:
        if self._changed:
            return
        self._sleeping = Deferred()
        with contextlib.suppress(DeferredTimeout):
            await self._sleeping.addTimeout(seconds, self._reactor)

    async def _compare(self) -> None:
        await self._keep_file()
        try:
            connection = await self._connected()
            await self._talk(connection)
        except BirdError as error:
            self._report("connection", str(error))
        else:
            self._report("connection", "")

    # The file

    def _wanted(self) -> dict[str, bool | None]:
        """Return whether each address should be announced; None if what was is left as it is."""
        return {
            address: None if state is Announcing.UNDECIDED else state is Announcing.ANNOUNCED
            for address, state in self._states().items()
        }

    async def _keep_file(self) -> None:
        """Write the file if it is not as it should be, and wait for that, but not for long."""
        if self._writing is not None or not self._free():
            self._report("file", f"{self.config.include_file}: the disk does not answer")
            return
        pool = self._reactor.getThreadPool()
        path = self.config.include_file
        if self._before is None:
            wait = deferToThreadPool(self._reactor, pool, read_include_files, (path, *self._replaced))
            self._before = await wait
        before = self._before
        off = {
            address: before.get(address, True) if up is None else not up
            for address, up in self._wanted().items()
            if protocol_of(address) not in self._refused
        }
        content, replaced = include_file(off).encode("ascii"), self._replaced
        self._writing = deferToThreadPool(self._reactor, pool, replace_include_file, path, content, replaced)
        self._writing.addCallbacks(
            lambda _: self._has_replaced(replaced), lambda failure: f"{path}: {_reason(failure.value)}"
        )
        written: Deferred[str] = Deferred()
        self._writing.addCallback(self._kept, written)
        problem = await written.addTimeout(
            FILE_DEADLINE, self._reactor, onTimeoutCancel=lambda *_: f"{path}: the disk does not answer"
        )
        self._report("file", problem)

    def _has_replaced(self, files: tuple[str, ...]) -> str:
        if files and self._replaced:
            self._replaced = ()
            self._emptied(self.config.control_socket, files)
        return ""

    def _kept(self, problem: str, written: Deferred[str]) -> None:
        self._writing = None
        if not written.called:
            written.callback(problem)

    # The control socket

    async def _connected(self) -> BirdConnection:
        if self._connection is None:
            connection = await connect_bird(self._reactor, self.config.control_socket)
            self._connection = connection
            self._connections += 1
            self._log.info("bird-connect", path=self.config.control_socket)
            connection.when_lost().addCallback(self._lost, connection)
            self._retry_at = 0.0
            self._checked = False
        return self._connection

    def _lost(self, _: None, connection: BirdConnection) -> None:
        if self._connection is connection:
            self._connection = None
            self._report("connection", connection.lost)
            self.changed()

    async def _talk(self, connection: BirdConnection) -> None:
        for _ in range(PASSES):
            reply = await connection.command(f"show protocols {PATTERN}")
            if not reply.is_list:
                message = f"expected a list of protocols from BIRD, not {reply}"
                raise BirdError(message)
            wanted = {protocol_of(address): up for address, up in self._wanted().items()}
            todo = plan(wanted, states_of(reply))
            await self._switch(connection, todo)
            if not (todo.missing or todo.stale or self._moved):
                await self._check(connection)
                return
            if not await self._configure(connection, todo):
                break
        else:
            names = ", ".join((*todo.missing, *todo.stale)[:3])
            text = f"BIRD was configured, and yet differs in {names}: does it include {self.config.include_file}?"
            self._report("configure", text)

    async def _switch(self, connection: BirdConnection, todo: BirdPlan) -> None:
        problem = ""
        for command in (*switch("disable", todo.disable), *switch("enable", todo.enable)):
            reply = await connection.command(command)
            if reply.code not in SWITCHED:
                problem = f"BIRD refused '{command}': {reply}"
        self._report("switch", problem)

    async def _configure(self, connection: BirdConnection, todo: BirdPlan) -> bool:
        """Let BIRD read its configuration, unless it has just refused to; return whether it did."""
        now = self._reactor.seconds()
        if now < self._retry_at:
            return False
        if self._refused:  # the file does not have what is missing, since BIRD took offence: it is tried once more
            self._refused = frozenset()
            await self._keep_file()
        self._retry_at = now + self._retry
        self._retry = min(2 * self._retry, MAX_RETRY)
        reply = await connection.command("configure")
        self._checked = reply.code in CONFIGURED
        if self._checked:
            self._moved = bool(self._replaced)
            return True
        self._report("configure", f"BIRD refused 'configure': {reply}")
        if self.config.include_file in str(reply):
            # Ours is at fault: without what is new in it, others can configure BIRD again.
            self._refused = frozenset(todo.missing)
            await self._keep_file()
        return False

    async def _check(self, connection: BirdConnection) -> None:
        """See that BIRD accepts its configuration: once for each connection, and again after it did not."""
        now = self._reactor.seconds()
        if not self._checked:
            if now < self._retry_at:
                return
            reply = await connection.command("configure check")
            if reply.code not in CHECKED:
                self._retry_at = now + self._retry
                self._retry = min(2 * self._retry, MAX_RETRY)
                self._report("configure", f"BIRD refuses its configuration: {reply}")
                return
            self._checked = True
        self._retry, self._retry_at = MIN_RETRY, 0.0
        self._report("configure", "")

    def _report(self, kind: str, problem: str) -> None:
        """Note what is wrong; it is logged, and an event, whenever it changes."""
        before = self._problems.get(kind, "")
        if problem == before:
            return
        if problem:
            self._problems[kind] = problem
            self._log.error("bird-failed", part=kind, problem=problem)
        else:
            del self._problems[kind]
            self._log.info("bird-restored", part=kind)
        self._note(SINK, self.problem)


def _reason(error: BaseException) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
