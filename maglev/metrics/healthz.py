"""``/healthz``: whether maglevd itself is well, as a status code and a few words, for watchers that read no metrics.

It judges what only maglevd can be blamed for, or knows: that probes give results, that VPP is there to be written, and
that the reactor is on time. Backends and frontends that are down are what maglevd is for, and no reason to be unwell.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

from twisted.web.http import OK, SERVICE_UNAVAILABLE
from twisted.web.resource import Resource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twisted.internet.interfaces import IReactorTime
    from twisted.web.server import Request

    from maglev.healthcheck.lag import LagMonitor
    from maglev.healthcheck.service import CheckerService
    from maglev.vpp.sync.service import VppService

VPP_PATIENCE: Final = 60.0
"""Seconds that VPP may be absent: a restart of VPP takes a few, and the next attempt comes after 5 s at most."""

STALL_BOUND: Final = 30.0
"""Seconds that the reactor or a probe may be late if no service manager watches: ``WatchdogSec`` of our unit."""

RECENTLY: Final = 60.0
"""Seconds for which a stall is remembered: no request is answered during one, so it can only be reported after it."""

FRESH: Final = 1.0
"""Seconds for which an answer is repeated. One takes some microseconds per backend, and anybody may ask."""


class Finding(NamedTuple):
    """What was found of one part.

    Attributes:
        ok: Whether it is well.
        detail: Why, for a person; without names, addresses and paths.
    """

    ok: bool
    detail: str


class SelfCheck:
    """Judges the parts of a running maglevd."""

    def __init__(
        self,
        clock: IReactorTime,
        checker: CheckerService,
        lag: LagMonitor,
        vpp: VppService,
        watchdog: float | None = None,
    ) -> None:
        """Prepare.

        Args:
            clock: The monotonic clock that lag is measured with.
            checker: The checker.
            lag: Measures how late the reactor runs.
            vpp: The connection to VPP.
            watchdog: Seconds after which the service manager ends a maglevd that hangs; None if it does not watch.
        """
        self._clock = clock
        self._checker = checker
        self._lag = lag
        self._vpp = vpp
        self._bound = STALL_BOUND if watchdog is None else watchdog
        self._looked = float("-inf")
        self._findings: Mapping[str, Finding] = {}

    def findings(self) -> Mapping[str, Finding]:
        """Return the finding for each part, at most `FRESH` seconds old."""
        now = self._clock.seconds()
        if now - self._looked >= FRESH:
            self._looked = now
            self._findings = {"probing": self._probing(), "vpp": self._vpp_connection(), "lag": self._lateness(now)}
        return self._findings

    def _probing(self) -> Finding:
        checker = self._checker
        if lost := len(checker.evidence.lost):
            return Finding(False, f"{lost} probed {'backend has' if lost == 1 else 'backends have'} no recent result")
        if (overrun := checker.longest_overrun()) >= self._bound:
            return Finding(False, f"a probe has not ended {overrun:.0f} s after its timeout")
        if (wait := checker.oldest_wait()) >= self._bound:
            return Finding(False, f"a probe is {wait:.0f} s late to start")
        return Finding(True, "as scheduled" if self._vpp.warm_up.over else "warming up")

    def _vpp_connection(self) -> Finding:
        if self._vpp.off:
            return Finding(True, "switched off")
        absent = self._vpp.unusable_for()
        if not absent:
            return Finding(True, "connected")
        state = "not connected" if self._vpp.info is None else "connected, but not read yet,"
        return Finding(absent <= VPP_PATIENCE, f"{state} for {absent:.0f} s (allowed: {VPP_PATIENCE:.0f} s)")

    def _lateness(self, now: float) -> Finding:
        worst = self._lag.worst_since(now - RECENTLY)
        return Finding(worst < self._bound, f"at most {worst:.3f} s in the last {RECENTLY:.0f} s")


class HealthzResource(Resource):
    """Answers 200 if every part is well, else 503; the body says which is not."""

    isLeaf = True

    def __init__(self, check: SelfCheck) -> None:
        Resource.__init__(self)
        self._check = check

    def render_GET(self, request: Request) -> bytes:
        """Answer; Twisted leaves the body out for HEAD."""
        findings = self._check.findings()
        ok = all(finding.ok for finding in findings.values())
        request.setResponseCode(OK if ok else SERVICE_UNAVAILABLE)
        request.setHeader(b"content-type", b"application/json")
        request.setHeader(b"cache-control", b"no-store")
        document = {"ok": ok, "checks": {name: finding._asdict() for name, finding in findings.items()}}
        return json.dumps(document).encode() + b"\n"
