"""The sockets of all probes in one epoll set of our own, which is itself one reader of the reactor.

Why not in the reactor's set: Twisted enters and leaves a logging context and asks for a log prefix for each event of
each descriptor, and keeps two books for each registration. That is right for a connection that lives for long; for one
that lives for two events it is most of its cost (see ``tests/bench/probe_cost.py``). An epoll descriptor is readable
while anything in it is ready, so the reactor sees one descriptor, whatever reactor it is.

Closing a socket takes it out of the set (epoll(7)), so a probe costs one registration, one change of it if it waits for
an answer, and no removal. An event can be stale: a socket closed by an earlier event of the same batch may have left
its number to a new one. The owner of a `ready` socket therefore asks the kernel again and accepts "not yet".
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Final, Protocol

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from zope.interface import implementer

from maglev.runtime.budget import ANSWERS

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorFDSet, IReactorTime
    from twisted.python.failure import Failure

    from maglev.healthcheck.lag import LagMonitor

BATCH: Final = 8
"""Events asked for at a time, and all handled: asking costs a fiftieth of handling them."""


class PolledSocket(Protocol):
    """The owner of a socket in the set."""

    def ready(self, events: int) -> object:
        """Something may have happened: ``EPOLLIN``, ``EPOLLOUT``, ``EPOLLERR``, ``EPOLLHUP``."""

    def crash(self) -> None:
        """It raised (a bug of ours, already logged): give up, and close the socket."""


@implementer(IReadDescriptor)
class Poller:
    """Waits for the sockets of all probes."""

    _log = Logger()

    def __init__(self, reactor: IReactorFDSet, clock: IReactorTime, lag: LagMonitor) -> None:
        self._reactor = reactor
        self._clock = clock
        self._lag = lag
        self._epoll = select.epoll()
        self._watched: dict[int, PolledSocket] = {}
        # Polling the set itself would move the event that it reports to the end of the list.
        self._left = select.poll()
        self._left.register(self._epoll, select.POLLIN)
        self._busy = False
        reactor.addReader(self)

    def watch(self, descriptor: int, events: int, watched: PolledSocket) -> None:
        """Begin to wait for events of a socket.

        Raises:
            OSError: The kernel has no room for it.
        """
        self._epoll.register(descriptor, events)
        self._watched[descriptor] = watched

    def change(self, descriptor: int, events: int) -> None:
        """Wait for these events of a watched socket from now on."""
        self._epoll.modify(descriptor, events)

    def forget(self, descriptor: int) -> None:
        """Stop waiting for a socket, just before it is closed."""
        self._watched.pop(descriptor, None)

    def close(self) -> None:
        """Stop waiting altogether."""
        if not self._epoll.closed:
            self._reactor.removeReader(self)
            self._epoll.close()
            self._watched.clear()
            self._take_note(busy=False)

    def doRead(self) -> None:
        """Notify the owners of ready sockets, within the budget; the others stay ready, and come first next time.

        In level-triggered mode, the kernel moves each socket that it has reported to the end of its list.
        """
        until = self._clock.seconds() + ANSWERS
        while True:
            events = self._epoll.poll(0, BATCH)
            self._tell(events)
            if len(events) < BATCH or self._epoll.closed:
                self._take_note(busy=False)
                return
            if self._clock.seconds() >= until:
                self._take_note(busy=True)
                return

    def busy(self) -> bool:
        """Return whether there were more events than fitted into the last turn of the reactor, and still are some."""
        if self._busy and (self._epoll.closed or not self._left.poll(0)):
            self._take_note(busy=False)
        return self._busy

    def _take_note(self, *, busy: bool) -> None:
        if busy is not self._busy:
            self._busy = busy
            self._lag.behind(self, really=busy)

    def _tell(self, events: list[tuple[int, int]]) -> None:
        for descriptor, event in events:
            watched = self._watched.get(descriptor)
            if watched is not None:
                try:
                    watched.ready(event)
                except Exception:  # noqa: BLE001  # one probe's bug must not cost the others their events
                    self._log.failure("probe-crash")
                    watched.crash()

    def fileno(self) -> int:
        """Return the descriptor of the set, -1 once closed."""
        return -1 if self._epoll.closed else self._epoll.fileno()

    def logPrefix(self) -> str:
        """Return the prefix of log lines that are written meanwhile."""
        return "probes"

    def connectionLost(self, reason: Failure) -> None:
        """Only a reactor that removes all its descriptors does that, at the end; `close` is our end."""
