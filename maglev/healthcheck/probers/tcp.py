"""The plainest probe: the backend accepts a connection."""

from __future__ import annotations

from maglev.healthcheck.probers.probe import Probe
from maglev.model.result import Code


class TcpProbe(Probe):
    """Concludes as soon as the connection is made; nothing is sent, and nothing is waited for."""

    def connectionMade(self) -> None:
        """Conclude with success."""
        self._conclude(Code.L4OK)

    def timeout_verdict(self) -> tuple[Code, str]:
        """Never called: the probe concludes as soon as it is connected."""
        return Code.L4TOUT, ""
