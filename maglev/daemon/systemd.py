"""Notifies the service manager: sd_notify(3), over the datagram socket that ``NOTIFY_SOCKET`` names.

The protocol is a few lines of text in one datagram, so no library is needed. Nothing is sent if the variable is not
set: under ``twistd`` in a terminal, in a container, or in a unit that is not of ``Type=notify``.
"""

from __future__ import annotations

import os
import socket
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from twisted.application.service import Service

from maglev.model.text import printable
from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from maglev.healthcheck.service import CheckerService
    from maglev.state.board import Board
    from maglev.vpp.sync.service import VppService

PERIOD: Final = 1.0
"""Seconds between checks, and so the delay of READY and the status. A check costs some microseconds per backend."""

PATIENCE: Final = 15.0
"""Seconds by which each check before READY extends the manager's timeout: ``startup-max-delay`` may be longer than any
``TimeoutStartSec``, and as long as we check we are alive."""

FEEDS: Final = 4
"""Number of times the watchdog is fed within its timeout: three failed or late checks are forgiven."""

_DATAGRAMS: Final = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC


class NotifySocket:
    """The socket on which the service manager listens.

    Attributes:
        watchdog: Seconds without a ``WATCHDOG=1`` after which it ends us; None when it does not watch.
    """

    _log = EventLogger()

    def __init__(self, path: str, watchdog: float | None) -> None:
        """Create it without connecting.

        Args:
            path: Path of the socket; one that begins with ``@`` is in Linux's abstract namespace.
            watchdog: See the attribute.
        """
        self.watchdog = watchdog
        self._address = "\0" + path[1:] if path.startswith("@") else path
        self._socket: socket.socket | None = None
        self._error = ""

    def send(self, *lines: str) -> None:
        """Send assignments, such as ``READY=1``, in one datagram.

        It never waits and never raises: a manager that does not listen must not stop us. Failures are logged, once for
        each reason.
        """
        try:
            # Kept open: the watchdog must be fed even when there are no more descriptors.
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, _DATAGRAMS)
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            if str(error) != self._error:
                self._error = str(error)
                self._log.warn("notify-failed", error=self._error)

    def close(self) -> None:
        """Close the descriptor; nothing is sent afterwards."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def notify_socket(environment: Mapping[str, str]) -> NotifySocket | None:
    """Return the service manager's socket; None if there is none, or one of an unknown kind.

    Args:
        environment: Environment with ``NOTIFY_SOCKET`` and, for the watchdog, ``WATCHDOG_USEC`` and ``WATCHDOG_PID``.
    """
    path = environment.get("NOTIFY_SOCKET", "")
    # systemd also supports vsock:, for virtual machines.
    if not path.startswith(("/", "@")):
        return None
    microseconds = environment.get("WATCHDOG_USEC", "")
    # Variables inherited from another process, which is the one being watched.
    ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    watched = ours and microseconds.isascii() and microseconds.isdigit() and int(microseconds) > 0
    return NotifySocket(path, int(microseconds) / 1e6 if watched else None)


class Notifier(Service):
    """Reports readiness, status and signs of life to the service manager.

    We are ready once the first decision about everything is made: the warm-up is over, and its result has been written
    to the connected VPP. If VPP is not connected, is switched off, or goes away meanwhile, the end of the warm-up is
    enough: a service that is ordered after us must not wait for a VPP that may wait for that service.

    The watchdog is fed from the reactor's own timer, so not while the reactor hangs. It is not fed either while a probe
    is under way that should have ended long ago: then checks no longer finish, whatever else works. A restart is
    harmless, because VPP goes on and the warm-up writes nothing.
    """

    def __init__(
        self, clock: IReactorTime, channel: NotifySocket, board: Board, checker: CheckerService, vpp: VppService
    ) -> None:
        self._clock = clock
        self._channel = channel
        self._board = board
        self._checker = checker
        self._vpp = vpp
        self._period = PERIOD if channel.watchdog is None else min(PERIOD, channel.watchdog / FEEDS)
        self._call: IDelayedCall | None = None
        self._fed = 0.0
        self._shown: tuple[object, ...] = ()
        self._ready = False

    def startService(self) -> None:
        """Start checking; nothing is sent before the reactor runs."""
        Service.startService(self)
        self._fed = self._clock.seconds()
        self._call = self._clock.callLater(0, self._look)

    def stopService(self) -> None:
        """Report that we are stopping."""
        Service.stopService(self)
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self._channel.send("STOPPING=1", "STATUS=Stopping; VPP goes on as it is")
        self._channel.close()

    def reloading(self) -> None:
        """Report that a reload begins; nothing is sent before READY."""
        if self._ready:
            # The manager takes a READY for the end of this reload only if it was sent after this time (clock_gettime).
            # It requires this particular clock, which stops while the machine is suspended.
            now = time.monotonic_ns() // 1000
            self._channel.send("RELOADING=1", f"MONOTONIC_USEC={now}", "STATUS=Reloading the configuration")

    def reloaded(self) -> None:
        """Report that a reload is over, whatever its result."""
        if self._ready:
            self._channel.send("READY=1", self._status())

    def _look(self) -> None:
        self._call = self._clock.callLater(self._period, self._look)
        lines = [*self._readiness(), *self._changed_status(), *self._event_hub()]
        if lines:
            self._channel.send(*lines)

    def _readiness(self) -> Iterator[str]:
        if not self._ready:
            self._ready = self._decided()
            yield "READY=1" if self._ready else f"EXTEND_TIMEOUT_USEC={PATIENCE * 1e6:.0f}"

    def _decided(self) -> bool:
        sync = self._vpp.sync
        return self._vpp.warm_up.over and (sync is None or not sync.busy)

    def _event_hub(self) -> Iterator[str]:
        watchdog, now = self._channel.watchdog, self._clock.seconds()
        if watchdog is None or now - self._fed < watchdog / FEEDS or self._checker.longest_overrun() >= watchdog:
            return
        self._fed = now
        yield "WATCHDOG=1"

    def _changed_status(self) -> Iterator[str]:
        # Every transition increments one number and every reload the other, so most checks need not count anything.
        shown = (self._ready, self._board.seq, self._board.generation, self._vpp.info)
        if shown != self._shown:
            self._shown = shown
            yield self._status()

    def _status(self) -> str:
        frontends = Counter(str(each.state) for each in self._board.frontends.values())
        backends = Counter(str(each.state) for each in self._board.backends.values())
        parts = [_summary("frontends", frontends), _summary("backends", backends), self._vpp_status()]
        return f"STATUS={'' if self._ready else 'Warming up: '}{', '.join(parts)}"

    def _vpp_status(self) -> str:
        if self._vpp.off:
            return "VPP switched off"
        info = self._vpp.info
        return "no VPP" if info is None else f"VPP {printable(info.version)}"


def _summary(what: str, states: Counter[str]) -> str:
    """Return a line such as ``12 backends (3 down, 1 paused)``; those that are up are not listed."""
    others = ", ".join(f"{count} {state}" for state, count in sorted(states.items()) if state != "up")
    return f"{states.total()} {what}" + (f" ({others})" if others else "")
