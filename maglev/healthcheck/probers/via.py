"""The prober of a backend by way of a VIP: any prober, with its packets in GRE, and what its silence means.

Theory of operation. What is sent to the VIP, and how an answer is judged, is for the prober inside, which knows nothing
of tunnels. Around it, three questions are asked that a probe straight to a backend does not have:

* Did the packets take this way at all? If none has come out of the tun device, another route has led them elsewhere,
  perhaps to VPP itself, and even a perfect answer says nothing about the backend. That is a fault of this machine.
* Could an answer arrive here? It comes from an address that is not ours, by the backend's own route. A VIP on a local
  interface, and a strict ``rp_filter``, lose it; that is asked only after silence (`Routes.fault_of_answers`).
* What is it that does not answer? Half of the time into a silence, up to three *controls* begin. Each only connects: to
  the backend's own address by way of the tunnel; to that address directly; and, for probes over UDP, to the VIP by way
  of the tunnel. A refusal is an answer. They tell a VIP that is missing there (`Code.L4VIP`) from GRE that is not taken
  off (`Code.L4GRE`), and both from a backend that is gone.

A router or the backend itself may also say that the VIP can't be reached: what is quoted in that is the inner packet,
so GRE has been taken off.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from zope.interface import implementer

from maglev.healthcheck.probers.faults import is_unanswered
from maglev.interfaces import IProber
from maglev.model.result import Code, LocalFault, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from maglev.healthcheck.probers.base import PathFault, Prober
    from maglev.healthcheck.probers.deadlines import Deadlines
    from maglev.healthcheck.probers.tunnel import Tunnel, TunnelOpener
    from maglev.model.result import Outcome

AT_VIP: Final = "at the VIP"
THROUGH: Final = "through GRE"
DIRECT: Final = "direct"

_NOT_SENT: Final = frozenset({"network", "tunnel"})
"""Reasons of a fault for which a missing route into the device may be the cause."""


@implementer(IProber)
class ViaProber:
    """Probes one backend by way of one VIP."""

    __slots__ = (
        "_answers_fault",
        "_controls",
        "_datagrams",
        "_finished",
        "_found",
        "_halfway",
        "_inner",
        "_new_controls",
        "_opener",
        "_tunnel",
    )

    def __init__(
        self,
        inner: Prober,
        tunnel: Tunnel,
        opener: TunnelOpener,
        halfway: Deadlines,
        new_controls: Callable[[], Mapping[str, Prober]],
        answers_fault: PathFault,
        *,
        datagrams: bool = False,
    ) -> None:
        """Prepare.

        Args:
            inner: Probes the VIP, with sockets of the opener.
            tunnel: The tunnel.
            opener: Opens the sockets of the prober inside.
            halfway: Expires when half of the time of a probe is over.
            new_controls: Makes the controls, when they are first needed.
            answers_fault: Returns why no answer can arrive here, if one can't.
            datagrams: Whether it probes over UDP, so that silence may be that of the application.
        """
        self._inner = inner
        self._tunnel = tunnel
        self._opener = opener
        self._halfway = halfway
        self._new_controls = new_controls
        self._answers_fault = answers_fault
        self._datagrams = datagrams
        self._controls: Mapping[str, Prober] = {}
        self._found: dict[str, Outcome] = {}
        self._finished: Callable[[Outcome], None] | None = None

    @property
    def certificate_expiry(self) -> float | None:
        """When the certificate that the backend showed last expires, in seconds since the epoch; None if unknown."""
        return self._inner.certificate_expiry

    def start(self, finished: Callable[[Outcome], None]) -> None:
        """Begin one probe (`IProber.start`)."""
        if self._finished is not None:
            message = "a probe is under way"
            raise RuntimeError(message)
        fault = self._tunnel.fault()
        if fault is not None:
            finished(fault)
            return
        self._finished = finished
        self._opener.flow.begin()
        self._halfway.begin(self)
        try:
            self._inner.start(self._ended)
            self._tunnel.ready()  # it is cheaper than to wait for what was just sent
        except Exception:
            if self._finished is finished:
                self._release()
            raise

    def cancel(self) -> None:
        """Abort the probe under way, if any (`IProber.cancel`)."""
        self._inner.cancel()
        self._release()
        self._tunnel.ready()  # the reset, while it is known whose it is

    def expire(self) -> None:
        """Half of the time is over: find out who else is silent (`maglev.healthcheck.probers.deadlines`)."""
        self._controls = self._controls or self._new_controls()
        self._found.clear()
        for name, control in self._controls.items():
            control.start(partial(self._found.__setitem__, name))

    def _release(self) -> None:
        self._finished = None
        self._halfway.end(self)
        for control in self._controls.values():
            control.cancel()
        self._found.clear()

    def _ended(self, outcome: Outcome) -> None:
        finished = self._finished
        if finished is None:
            return
        try:
            judged = self._judge(outcome)
        finally:
            self._release()
        finished(judged)

    def _judge(self, outcome: Outcome) -> Outcome:
        """Return what the outcome of the prober inside says of the backend, or of us."""
        passed = isinstance(outcome, Result) and outcome.ok
        flow = self._opener.flow
        self._tunnel.ready()  # the reset as well
        if not passed:
            self._opener.forget_source()
        if not flow.seen:
            return self._unsent(outcome)
        if isinstance(outcome, LocalFault) or passed or not self._is_silence(outcome):
            return outcome
        fault = flow.fault() or self._answers_fault()
        return fault or self._diagnosed(outcome)

    def _is_silence(self, result: Result) -> bool:
        """Return whether a failure says that nothing came from the VIP."""
        if result.code is Code.L7TOUT:
            return self._datagrams
        return result.code is not Code.L6TOUT and is_unanswered(result.code, result.detail)

    def _unsent(self, outcome: Outcome) -> LocalFault:
        """Return the fault of a probe of which nothing came out of the device."""
        if isinstance(outcome, LocalFault) and not (self._opener.flow.opened and outcome.reason in _NOT_SENT):
            return outcome
        fault = self._answers_fault()
        if fault is not None and fault.reason == "tunnel":
            return fault
        device = self._tunnel.device
        if isinstance(outcome, LocalFault):
            return LocalFault("tunnel", f"no way into {device}: {outcome.detail}")
        return LocalFault("tunnel", f"not routed into {device} (mark {self._tunnel.mark:#x}): {outcome.code}")

    def _diagnosed(self, silence: Result) -> Result:
        """Return the result of a probe to which nothing has answered."""
        if silence.code is Code.L4CON:
            return silence._replace(code=Code.L4VIP)
        for control in self._controls.values():
            control.expire()  # the reactor may be late, and an answer waiting
        if self._answered(AT_VIP):
            return silence
        if self._answered(THROUGH):
            return silence._replace(code=Code.L4VIP, detail="takes GRE off, and is silent at the VIP")
        if self._answered(DIRECT):
            return silence._replace(code=Code.L4GRE, detail="answers directly, and not through GRE")
        return silence._replace(detail=f"{silence.detail}; silent without GRE as well") if self._found else silence

    def _answered(self, control: str) -> bool:
        """Return whether a control had an answer from a host: a connection, or a refusal."""
        found = self._found.get(control)
        return isinstance(found, Result) and not is_unanswered(found.code, found.detail)
