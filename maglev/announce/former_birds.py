"""Withdraws everything from BIRDs that have left the configuration, in this run or before it.

Theory of operation. Which include files were written, and for which BIRD, is recorded in the state directory before
anything is announced. Whatever the configuration no longer names is emptied, and its BIRD is told to let go, again and
again until it has nothing of ours; only then it leaves the record. A BIRD that does not listen counts as gone after
some attempts: if it starts, it reads the emptied file.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any, Final, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from maglev.announce.announcer import SinkStatus
from maglev.announce.bird_client import BirdError, connect_bird
from maglev.announce.bird_files import empty_include_file
from maglev.announce.bird_record import RECORD_LIMIT, BirdRecord, decode_record, encode_record
from maglev.announce.bird_text import CONFIGURED, PATTERN, SWITCHED, states_of, switch
from maglev.runtime.files import read_bounded, set_aside
from maglev.runtime.keeper import Keeper
from maglev.runtime.logs.logger import EventLogger
from maglev.runtime.tasks import Tasks
from maglev.state.override_file import DamagedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from maglev.announce.bird_client import BirdConnection
    from maglev.model.announce import BirdConfig

FORMER: Final = "former bird"

MIN_LEAVE_RETRY: Final = 1.0
MAX_LEAVE_RETRY: Final = 60.0
"""Seconds from a failed attempt to the next one, doubling."""

LEAVE_FILE_DEADLINE: Final = 5.0
"""Seconds that an attempt waits for the disk."""

ABSENCES: Final = 3
"""Attempts in a row after which a BIRD that does not listen counts as gone: it may be starting, with the old file."""

_ABSENT: Final = frozenset({errno.ENOENT, errno.ECONNREFUSED})

_log = EventLogger()


def restore_record(path: str, now: float) -> BirdRecord:
    """Read the record of the last run; one that can't be used is set aside.

    It waits for the disk, so it is called before the reactor runs.

    Args:
        path: The file; empty for none.
        now: The wall-clock time.
    """
    if not path:
        return {}
    try:
        content = read_bounded(path, RECORD_LIMIT)
        return {} if content is None else decode_record(content)
    except (OSError, DamagedError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        _log.error("bird-record-damaged", path=path, reason=reason, set_aside=set_aside(path, now))
        return {}


class FormerBird(Service):
    """A BIRD that is to announce nothing of ours any longer.

    Attributes:
        socket: Its control socket.
        files: The include files that were written for it.
        problem: Why it may still announce something; empty while nothing has failed.
        left: Whether nothing is left to do.
    """

    def __init__(
        self,
        reactor: Any,
        socket: str,
        files: tuple[str, ...],
        present: Callable[[], BirdConfig | None],
        changed: Callable[[FormerBird], object],
        settled: Callable[[], bool],
    ) -> None:
        """Prepare.

        Args:
            reactor: Has a clock, threads and UNIX sockets.
            socket: Its control socket.
            files: The include files that were written for it.
            present: Returns the BIRD of the configuration, whose file and socket are left alone.
            changed: Called with us when the problem has changed, and when nothing is left to do.
            settled: Returns whether nobody writes the files any longer.
        """
        self.socket = socket
        self.files = files
        self.problem = ""
        self.left = False
        self._reactor = reactor
        self._present = present
        self._changed = changed
        self._settled = settled
        self._tasks = Tasks()
        self._retry = MIN_LEAVE_RETRY
        self._absences = 0
        self._emptying = False

    def startService(self) -> None:
        """Begin."""
        Service.startService(self)
        self._tasks.repeat(self._reactor, "announce-former-bird", self._turn)

    def stopService(self) -> None:
        """Try no more."""
        Service.stopService(self)
        self._tasks.cancel()

    async def _turn(self) -> float | None:
        try:
            done = await self._leave()
        except BirdError as error:
            if str(error) != self.problem:
                self.problem = str(error)
                _log.error("former-bird-failed", path=self.socket, problem=self.problem)
                self._changed(self)
        else:
            if done:
                _log.info("former-bird-left", path=self.socket)
                self.left = True
                self._changed(self)
                return None
        retry, self._retry = self._retry, min(2 * self._retry, MAX_LEAVE_RETRY)
        return retry

    async def _leave(self) -> bool:
        """Empty the files and let BIRD go; return whether nothing is left to do.

        Raises:
            BirdError: A file can't be emptied, or BIRD can't be told.
        """
        shares, same = await self._empty()
        if same:
            return True
        try:
            connection = await connect_bird(self._reactor, self.socket)
        except BirdError as error:
            if getattr(error.__cause__, "osError", None) not in _ABSENT:
                raise
            self._absences += 1
            return self._absences >= ABSENCES
        self._absences = 0
        try:
            await self._withdraw(connection, shares=shares)
        finally:
            connection.close()
        return True

    async def _empty(self) -> tuple[bool, bool]:
        """Empty the files; return whether one of them is in use, and whether the present BIRD is the same one."""
        late = f"{self.files[-1]}: the disk does not answer"
        if self._emptying or not self._settled():
            raise BirdError(late)
        self._emptying = True
        answer: Deferred[Any] = Deferred()
        pool = self._reactor.getThreadPool()
        emptying = deferToThreadPool(self._reactor, pool, _empty_all, self.socket, self.files, self._present())
        emptying.addBoth(self._emptied, answer)
        found = await answer.addTimeout(LEAVE_FILE_DEADLINE, self._reactor, onTimeoutCancel=lambda *_: late)
        if isinstance(found, str):
            raise BirdError(found)
        return cast("tuple[bool, bool]", found)

    def _emptied(self, result: Any, answer: Deferred[Any]) -> None:
        self._emptying = False
        if not answer.called:
            answer.callback(str(result.value) if isinstance(result, Failure) else result)

    async def _withdraw(self, connection: BirdConnection, *, shares: bool) -> None:
        """Disable our protocols, and let BIRD forget them unless it includes a file that is in use."""
        states = await self._states(connection)
        for command in switch("disable", [name for name, up in states.items() if up]):
            reply = await connection.command(command)
            if reply.code not in SWITCHED:
                message = f"BIRD refused '{command}': {reply}"
                raise BirdError(message)
        if shares or not states:
            return
        reply = await connection.command("configure")
        if reply.code not in CONFIGURED:
            message = f"BIRD refused 'configure': {reply}"
            raise BirdError(message)
        left = await self._states(connection)
        if left:
            message = f"BIRD was configured, and yet has {', '.join(list(left)[:3])}"
            raise BirdError(message)

    async def _states(self, connection: BirdConnection) -> dict[str, bool]:
        reply = await connection.command(f"show protocols {PATTERN}")
        if not reply.is_list:
            message = f"expected a list of protocols from BIRD, not {reply}"
            raise BirdError(message)
        return states_of(reply)


class FormerBirds(Service):
    """The BIRDs that have left the configuration, and the record of all that were written for.

    Attributes:
        note: Called with the name of a former BIRD and its problem whenever that changes; empty for none.
        keeper: Keeps the record.
    """

    def __init__(self, reactor: Any, path: str, record: BirdRecord) -> None:
        """Take over the record of the last run.

        Args:
            reactor: Has a clock, threads and UNIX sockets.
            path: The file of the record; empty to keep none.
            record: What it said.
        """
        self._reactor = reactor
        self._record = dict(record)
        self._saved = dict(record)
        self._present: BirdConfig | None = None
        self._leaving: dict[str, FormerBird] = {}
        self.note: Callable[[str, str], object] = lambda _sink, _problem: None
        self.keeper: Keeper[BirdRecord] = Keeper(reactor, path, lambda: dict(self._record), encode_record)

    def startService(self) -> None:
        """Begin to let go."""
        Service.startService(self)
        self._save()
        for each in tuple(self._leaving.values()):
            each.startService()

    def stopService(self) -> Deferred[Any]:
        """Stop; what is left to do is in the record."""
        Service.stopService(self)
        for each in self._leaving.values():
            each.stopService()
        return self.keeper.stop()

    def statuses(self) -> list[SinkStatus]:
        """Return those that may still announce something."""
        return [SinkStatus(_name(each), each.files[-1], 0, each.problem) for each in self._leaving.values()]

    def use(self, config: BirdConfig | None, settled: Callable[[], bool] = lambda: True) -> tuple[str, ...]:
        """Let go of all BIRDs but that of the configuration.

        Args:
            config: Where BIRD is; None if there is none.
            settled: Returns whether nobody writes the former files any longer.

        Returns:
            Other files that were written for this BIRD: empty them with the write of its file, then call `emptied`.
        """
        self._present = config
        for each in self._leaving.values():  # their files may be in use now, or no longer
            each.stopService()
            if each.problem:
                self.note(_name(each), "")
        self._leaving = {}
        replaced: tuple[str, ...] = ()
        socket = ""
        if config is not None:
            socket = config.control_socket
            replaced = tuple(file for file in self._record.get(socket, ()) if file != config.include_file)
            self._record[socket] = (*replaced, config.include_file)
        for former, files in self._record.items():
            if former != socket:
                self._leaving[former] = FormerBird(
                    self._reactor, former, files, lambda: self._present, self._heard, settled
                )
        if self.running:
            self._save()
            for each in tuple(self._leaving.values()):
                each.startService()
        return replaced

    def emptied(self, socket: str, files: Iterable[str]) -> None:
        """Forget files of a BIRD, which are empty."""
        gone = frozenset(files)
        self._record[socket] = tuple(file for file in self._record[socket] if file not in gone)
        self._save()

    def _save(self) -> None:
        if self._record != self._saved:
            self._saved = dict(self._record)
            self.keeper.changed()

    def _heard(self, former: FormerBird) -> None:
        if not former.left:
            self.note(_name(former), former.problem)
            return
        del self._leaving[former.socket]
        del self._record[former.socket]
        self._save()
        if former.problem:
            self.note(_name(former), "")


def _name(former: FormerBird) -> str:
    return f"{FORMER} {former.socket}"


def _empty_all(socket: str, files: tuple[str, ...], present: BirdConfig | None) -> tuple[bool, bool]:
    """Empty the files that are not in use; return whether one is, and whether the socket is the present one.

    Raises:
        OSError: A file can't be emptied.
    """
    if present is None:
        for file in files:
            empty_include_file(file, ())
        return False, False
    for file in files:
        empty_include_file(file, [present.include_file])
    in_use = os.path.realpath(present.include_file)
    same = os.path.realpath(socket) == os.path.realpath(present.control_socket)
    return any(os.path.realpath(file) == in_use for file in files), same
