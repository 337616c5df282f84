"""What a probe protocol is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.protocol import Protocol

from maglev.model.text import printable

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from maglev.healthcheck.probers.base import Conclude
    from maglev.model.result import Code


class Probe(Protocol):
    """A protocol that finds something out over one connection.

    It calls its ``conclude`` once, and does nothing after that; the connection is closed by then, unless the probe is
    `unfinished`: it then reads on, and closes the connection itself. `connectionLost` with a `ConnectionAborted` means
    that the probe is over: it only lets go of what it holds.
    """

    def __init__(self, conclude: Conclude) -> None:
        self._conclude = conclude

    @property
    def unfinished(self) -> bool:
        """Whether it has concluded while the backend still writes, which a reset would disturb."""
        return False

    def timeout_verdict(self) -> tuple[Code, str]:
        """Return what it means that time is up now."""
        raise NotImplementedError


def how_lost(reason: Failure) -> str | None:
    """Return how a connection ended, for the detail of a result; None if it was us, because the probe is over."""
    if isinstance(reason.value, ConnectionAborted):
        return None
    if isinstance(reason.value, ConnectionDone):
        return "closed"
    return printable(str(reason.value.args[0])) if reason.value and reason.value.args else "connection lost"
