"""The hooks: programs that are started, and sockets that programs connect to, each sent a stream of events."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.protocol import Factory, ProcessProtocol, Protocol, connectionDone

from maglev.announce.announcer import SinkStatus
from maglev.model.errors import StartError
from maglev.model.text import printable
from maglev.runtime.listening import UnixSocket
from maglev.runtime.logs.logger import EventLogger
from maglev.runtime.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IAddress, IDelayedCall, IListeningPort
    from twisted.python.failure import Failure

    from maglev.announce.hook_stream import HookStream
    from maglev.model.announce import HookConfig

SETSID: Final = "/usr/bin/setsid"
"""Makes the program the leader of a session, and so of a process group, of its own (util-linux)."""

MIN_RESTART: Final = 1.0
MAX_RESTART: Final = 60.0
"""Seconds from the end of a program to its next start, doubling while it ends early."""

STEADY: Final = 60.0
"""Seconds after which a program that ends has not ended early."""

GRACE: Final = 0.5
"""Seconds from the end of its input, upon which a program should exit, to its SIGKILL; the daemon has two to stop."""

LINE_LIMIT: Final = 4096
LINES: Final = 20
"""Bytes of a line that a program writes, and lines a minute, that are logged."""

MAX_READERS: Final = 8
"""Connections to one socket."""

PIPES: Final = 3
"""Descriptors of the daemon for a program: its input, output and errors."""


def descriptors_of(config: HookConfig) -> int:
    """Return how many descriptors a hook may need."""
    return PIPES if config.command else MAX_READERS + 1


class HookBase(Service):
    """A hook, whatever its way to the reader.

    Attributes:
        config: The hook.
        problem: What is wrong; empty if nothing is.
    """

    _log = EventLogger()

    def __init__(
        self,
        reactor: Any,
        config: HookConfig,
        stream: Callable[[HookConfig, Any], HookStream],
        note: Callable[[str, str], object],
    ) -> None:
        """Prepare.

        Args:
            reactor: Starts processes, listens, and has a clock.
            config: The hook.
            stream: Returns a stream of events to a transport.
            note: Called with our name and the problem whenever that changes; empty for none.
        """
        self.config = config
        self.problem = ""
        self._reactor = reactor
        self._stream = stream
        self._note = note
        self._name = f"hook {config.name}"
        self._dropped = 0
        self._restarts = 0
        self._streams: dict[object, HookStream] = {}
        self._tasks = Tasks()

    def status(self) -> SinkStatus:
        """Return how it is."""
        dropped = self._dropped + sum(stream.dropped for stream in self._streams.values())
        target = self.config.socket or self.config.command[0]
        return SinkStatus(self._name, target, len(self._streams), self.problem, dropped, self._restarts)

    def reader_came(self, reader: object, transport: Any) -> None:
        """Send the events to a reader from now on."""
        stream = self._streams[reader] = self._stream(self.config, transport)
        self._tasks.start(stream.run())

    def reader_left(self, reader: object) -> None:
        """Send nothing to a reader any longer."""
        stream = self._streams.pop(reader, None)
        if stream is not None:
            stream.stop()
            self._dropped += stream.dropped

    def report(self, problem: str) -> None:
        """Note what is wrong; it is logged, and an event, whenever it changes."""
        if problem != self.problem:
            self.problem = problem
            if problem:
                self._log.error("hook-failed", hook=self.config.name, problem=problem)
            else:
                self._log.info("hook-restored", hook=self.config.name)
            self._note(self._name, problem)


class CommandHook(HookBase):
    """A program that is started, and started again when it ends."""

    _process: HookProcess | None = None
    _start_call: IDelayedCall | None = None
    _pause = MIN_RESTART
    _since = 0.0
    _ended: Deferred[None] | None = None

    def startService(self) -> None:
        """Start the program."""
        Service.startService(self)
        self._start()

    def stopService(self) -> Deferred[None]:
        """End the input of the program, and kill what is left of its group a moment later."""
        Service.stopService(self)
        if self._start_call is not None:
            self._start_call.cancel()
            self._start_call = None
        if self._process is None:
            self._tasks.cancel()
            return succeed(None)
        self._ended = Deferred()
        self._process.end(GRACE)
        return self._ended

    def _start(self) -> None:
        self._start_call = None
        self._since = self._reactor.seconds()
        process = self._process = HookProcess(self, self._reactor)
        command = [SETSID, *self.config.command]
        try:
            self._reactor.spawnProcess(process, SETSID, command, env=_environment())
        except OSError as error:
            self.ended(process, f"can't be started: {error.strerror or error}")

    def started(self, process: HookProcess, transport: Any) -> None:
        """Send the events to the program."""
        self._log.info("hook-started", hook=self.config.name, pid=process.pid)
        self.reader_came(process, transport)
        self.report("")

    def ended(self, process: HookProcess, why: str) -> None:
        """Start it again, later and later if it ends early."""
        self.reader_left(process)
        self._process = None
        if not self.running:
            self._tasks.cancel()
            ended, self._ended = self._ended, None
            if ended is not None:
                ended.callback(None)
            return
        if self._reactor.seconds() - self._since >= STEADY:
            self._pause = MIN_RESTART
        self._restarts += 1
        self.report(f"{self.config.command[0]} {why}")
        self._start_call = self._reactor.callLater(self._pause, self._start)
        self._pause = min(2 * self._pause, MAX_RESTART)


def _environment() -> dict[str, str]:
    """Return the little that a program needs; what is meant for maglevd alone stays with it."""
    return {key: os.environ[key] for key in ("PATH", "LANG", "HOME", "TZ") if key in os.environ}


class HookProcess(ProcessProtocol):
    """One run of a program.

    Attributes:
        pid: Its process id, which is that of its group; 0 before it runs.
    """

    _log = EventLogger()

    def __init__(self, hook: CommandHook, reactor: Any) -> None:
        self._hook = hook
        self._reactor = reactor
        self._rest = b""
        self._lines = 0
        self._counted_from = 0.0
        self._kill_call: IDelayedCall | None = None
        self.pid = 0

    def connectionMade(self) -> None:
        """Send it the events."""
        transport: Any = self.transport
        self.pid = transport.pid or 0
        self._hook.started(self, transport)

    def end(self, grace: float) -> None:
        """End its input, and kill it after so many seconds."""
        transport: Any = self.transport
        self._hook.reader_left(self)
        transport.closeStdin()
        self._kill_call = self._reactor.callLater(grace, self._kill)

    def _kill(self) -> None:
        """Kill its whole group: also what it has started."""
        self._kill_call = None
        if self.pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def outReceived(self, data: bytes) -> None:
        """Log what it says, some lines a minute."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_LIMIT:
            lines, self._rest = [*lines, self._rest], b""
        now = self._reactor.seconds()
        if now - self._counted_from >= STEADY:
            self._lines, self._counted_from = 0, now
        for line in lines:
            self._lines += 1
            if self._lines <= LINES:
                text = line[:LINE_LIMIT].decode("ascii", "backslashreplace")
                self._log.warn("hook-output", hook=self._hook.config.name, pid=self.pid, text=text)

    errReceived = outReceived

    def processExited(self, reason: Failure) -> None:  # noqa: ARG002
        """Kill what it has left behind, which may hold its output open."""
        if self._kill_call is not None:
            self._kill_call.cancel()
        self._kill()

    def processEnded(self, reason: Failure) -> None:
        """Have it started again."""
        value: Any = reason.value
        why = f"by signal {value.signal}" if value.signal else f"with status {value.exitCode}"
        self._hook.ended(self, printable(f"ended {why}"))


class SocketHook(HookBase):
    """A socket that readers connect to."""

    _port: IListeningPort | None = None
    _socket: UnixSocket | None = None

    def startService(self) -> None:
        """Listen; a socket that can't be used is reported, and does not keep the daemon from running."""
        Service.startService(self)
        self._socket = UnixSocket(self._reactor, self.config.socket)
        try:
            self._port = self._socket.listen(_ReaderFactory(self))
        except StartError as error:
            self.report(str(error))

    async def _stop(self) -> None:
        port, self._port = self._port, None
        for reader in tuple(self._streams):
            self.reader_left(reader)
            reader.transport.loseConnection()  # type: ignore[attr-defined]
        self._tasks.cancel()
        if port is not None and self._socket is not None:
            await maybeDeferred(port.stopListening)
            self._socket.stopped()

    def stopService(self) -> Deferred[None]:
        """Listen no more, and hang up on the readers."""
        Service.stopService(self)
        return Deferred.fromCoroutine(self._stop())

    def takes_more(self) -> bool:
        """Return whether there is room for another reader."""
        return len(self._streams) < MAX_READERS


class HookReader(Protocol):
    """One reader; whatever it says is ignored."""

    def __init__(self, hook: SocketHook) -> None:
        self._hook = hook

    def connectionMade(self) -> None:
        """Send it the events."""
        self._hook.reader_came(self, self.transport)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002
        """Send it nothing more."""
        self._hook.reader_left(self)


class _ReaderFactory(Factory[HookReader]):
    noisy = False

    def __init__(self, hook: SocketHook) -> None:
        self._hook = hook

    def buildProtocol(self, _: IAddress | None) -> HookReader | None:
        return HookReader(self._hook) if self._hook.takes_more() else None
