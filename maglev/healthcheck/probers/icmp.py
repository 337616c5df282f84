"""ICMP echo probes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.healthcheck.probers.base import Prober
from maglev.healthcheck.probers.faults import ProbeError
from maglev.healthcheck.probers.ping import ancillary_for
from maglev.model.result import Code

if TYPE_CHECKING:
    from maglev.healthcheck.probers.base import PathFault
    from maglev.healthcheck.probers.deadlines import Deadlines
    from maglev.healthcheck.probers.ping import PingSocket
    from maglev.healthcheck.probers.sockets import Destination


class IcmpProber(Prober):
    """Probes a backend with one echo request each time, over the socket of its family."""

    __slots__ = ("_ancillary", "_destination", "_ping", "_sequence", "_variant")

    def __init__(
        self, deadlines: Deadlines, ping: PingSocket, destination: Destination, path_fault: PathFault | None = None
    ) -> None:
        """Prepare the prober of one backend.

        Args:
            deadlines: Keeps the deadlines of all probes that have as much time as this one's.
            ping: Sends the requests.
            destination: Where to.
            path_fault: As in `Prober`.
        """
        super().__init__(deadlines, path_fault)
        self._ping = ping
        self._destination = destination
        self._ancillary = ancillary_for(destination)
        self._sequence: int | None = None
        self._variant = 0

    def replied(self) -> None:
        """The reply came."""
        self._sequence = None
        self.conclude(Code.L7OK)

    def unreachable(self, reason: str) -> None:
        """An error message came instead."""
        self.conclude(Code.L4CON, reason)

    def _begin(self) -> None:
        try:
            self._sequence = self._ping.send(self._destination, self._ancillary, self, self._variant)
        except ProbeError as error:
            self.conclude_with(error.outcome)

    def _look_again(self) -> None:
        self._ping.look_again()

    def _timeout_verdict(self) -> tuple[Code, str]:
        return Code.L7TOUT, "no reply"

    def _drop(self) -> None:
        sequence, self._sequence = self._sequence, None
        if sequence is not None:
            self._ping.forget(sequence)
            # There was no reply: whatever the network remembers of these requests may be why.
            self._variant = self._ping.next_variant()
