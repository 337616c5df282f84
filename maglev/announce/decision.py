"""Decides whether an address is announced.

Theory of operation. For each frontend of an address there is evidence of two kinds: how many backends *should* have
weight (the board), and how many of these VPP is *known* to have given it. The first withdraws at once: what
should serve nobody must not attract anybody. Both together announce. If only the second is missing (VPP is gone, or has
just come back, or refuses the weights), nothing is announced, and what is announced stays so for a bounded time: most
restarts of VPP are shorter than a route takes to come back.

VPP may also serve by servers about which the board says nothing: those that have left the file and stay until a
successor is up, and whatever the warm-up protects. They announce nothing, since nobody probes them; but
what is announced stays so for as long as VPP holds them, which `maglev.vpp.sync` bounds
(``vpp.lb.removal-max-delay``, ``vpp.lb.startup-max-delay``).

After a start of maglevd nothing is known, and an address is *undecided*: whatever was announced before stays. The same
evidence ends that, within the same bounds.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs

from maglev.model.announce import Announcing, Needed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from maglev.model.announce import AnnouncePolicy


@attrs.frozen
class FrontendSupport:
    """What is known to stand behind one frontend of an address.

    Attributes:
        frontend: Its name.
        wanted: Number of backends that should have weight in VPP.
        unproved: Number of further servers that may turn out to serve: backends without a result while VPP has not
            acknowledged a sync, and servers that VPP had, or gets back.
        programmed: Number of the wanted ones that VPP is known to have given weight; None unless VPP has acknowledged
            a sync over the present connection.
        held: Whether only the guard keeps its backends in service.
        staying: Number of further servers that VPP is known to hold with a weight, and that nothing speaks against:
            they have left the configuration, or have no result yet.
        unread: Whether the board has not taken over yet, in this run, what VPP holds, so that servers may be there that
            nobody knows of.
    """

    frontend: str
    wanted: int
    unproved: int = 0
    programmed: int | None = None
    held: bool = False
    staying: int = 0
    unread: bool = False


class Footing(enum.IntEnum):
    """What an address stands on; the higher, the better."""

    NOTHING = 0
    """It is known that too little serves."""
    UNCONFIRMED = 1
    """Enough should serve, or may; VPP is not known to do it."""
    STAYING = 2
    """VPP serves, but by servers that leave or have no result yet."""
    SERVING = 3
    """Enough serves, as VPP has acknowledged."""


@attrs.frozen
class AddressFooting:
    """What the evidence about a frontend, or an address, amounts to.

    Attributes:
        footing: What it stands on.
        why: The reason, for a person.
    """

    footing: Footing
    why: str


@attrs.frozen
class AnnouncementState:
    """Whether an address is announced, and since when its evidence is what it is.

    Attributes:
        now: Whether it is announced.
        why: The reason, for a person.
        serving_since: When it began to serve, as far as it has since without a break: seconds of the clock.
        unconfirmed_since: When VPP ceased to be known to serve it, likewise.
        look_at: When time alone will change the decision; None if it will not.
        staying: Whether it stays as it is only for what VPP holds, which tells nobody when that goes.
    """

    now: Announcing
    why: str = ""
    serving_since: float | None = None
    unconfirmed_since: float | None = None
    look_at: float | None = None
    staying: bool = False


@attrs.frozen
class AnnouncementTrace:
    """Why an address is announced, or is not: all that `decide` looks at, and what came of it.

    Attributes:
        policy: When it is announced.
        findings: What each of its frontends stands on, by name.
        held: The frontends that only the guard keeps in service.
        off: Why it is kept withdrawn; empty if it is not.
        vpp_lost_delay: Seconds for which it stays announced while VPP is not known to serve it.
        state: The decision.
        at: Wall-clock time at which it began to be announced, withdrawn or undecided.
        now: When this was found: seconds of the clock.
    """

    policy: AnnouncePolicy
    findings: Mapping[str, AddressFooting]
    held: frozenset[str]
    off: str
    vpp_lost_delay: float
    state: AnnouncementState
    at: float
    now: float


AT_START = AnnouncementState(Announcing.UNDECIDED, "nothing is known yet")
"""The state of every address when maglevd starts."""

NEW = AnnouncementState(Announcing.WITHDRAWN, "nothing is known yet")
"""The state of an address that a reload brings."""


def find(policy: AnnouncePolicy, evidence: FrontendSupport) -> AddressFooting:
    """Return what a frontend stands on."""
    enough, name = policy.min_up, evidence.frontend
    if evidence.held and not policy.when_held:
        return AddressFooting(Footing.NOTHING, f"only the guard keeps frontend {name} in service")
    programmed = evidence.programmed
    if programmed is not None and programmed >= enough:
        return AddressFooting(Footing.SERVING, f"frontend {name} has {_of(programmed, enough)} in service")
    if programmed is not None and programmed + evidence.staying >= enough:
        text = f"VPP serves frontend {name} by servers that leave, or have no result yet"
        return AddressFooting(Footing.STAYING, text)
    if evidence.wanted + evidence.unproved + evidence.staying < enough:
        footing, text = Footing.NOTHING, f"frontend {name} has {_of(evidence.wanted, enough)} in service"
        if evidence.unread:
            footing, text = Footing.UNCONFIRMED, "VPP has not been read yet"
        return AddressFooting(footing, text)
    text = "VPP has not acknowledged a sync"
    if programmed is not None:
        text = f"VPP has weights for {_of(programmed + evidence.staying, enough)} of frontend {name}"
    return AddressFooting(Footing.UNCONFIRMED, text)


def _of(count: int, enough: int) -> str:
    plural = "" if count == 1 else "s"
    return f"{count} backend{plural}" + (f" of at least {enough}" if count < enough else "")


def weigh(policy: AnnouncePolicy, evidence: Sequence[FrontendSupport]) -> AddressFooting:
    """Return what an address stands on: on its best frontend, or on its worst if all are needed."""
    findings = [find(policy, each) for each in evidence]
    if not findings:
        return AddressFooting(Footing.NOTHING, "no frontend has this address")
    choose = max if policy.frontends is Needed.ANY else min
    return choose(findings, key=lambda finding: finding.footing)


def decide(
    policy: AnnouncePolicy,
    evidence: Iterable[FrontendSupport],
    before: AnnouncementState,
    now: float,
    vpp_lost_delay: float,
    off: str = "",
) -> AnnouncementState:
    """Return the next state of an address.

    Args:
        policy: When it is announced.
        evidence: What stands behind each of its frontends.
        before: Its state until now.
        now: Seconds of a monotonic clock.
        vpp_lost_delay: Seconds for which it stays announced while VPP is not known to serve it.
        off: Why an operator keeps it withdrawn; empty if nobody does.
    """
    finding = weigh(policy, tuple(evidence))
    serving = unconfirmed = None
    if finding.footing is Footing.SERVING:
        serving = now if before.serving_since is None else before.serving_since
    elif finding.footing is Footing.UNCONFIRMED:
        unconfirmed = now if before.unconfirmed_since is None else before.unconfirmed_since
    if off:
        return AnnouncementState(Announcing.WITHDRAWN, off, serving, unconfirmed)
    if serving is not None:
        return _serving(policy, finding, before, now, serving)
    if finding.footing is Footing.STAYING:
        return AnnouncementState(before.now, finding.why, staying=True)
    if unconfirmed is not None:
        return _unconfirmed(finding, before, now, unconfirmed, vpp_lost_delay)
    return AnnouncementState(Announcing.WITHDRAWN, finding.why)


def _serving(
    policy: AnnouncePolicy, finding: AddressFooting, before: AnnouncementState, now: float, since: float
) -> AnnouncementState:
    at = since + policy.after
    if before.now is Announcing.ANNOUNCED or now >= at:
        return AnnouncementState(Announcing.ANNOUNCED, finding.why, serving_since=since)
    why = f"{finding.why}, but not yet for {policy.after:g} s"
    return AnnouncementState(before.now, why, serving_since=since, look_at=at)


def _unconfirmed(
    finding: AddressFooting, before: AnnouncementState, now: float, since: float, delay: float
) -> AnnouncementState:
    at = since + delay
    if before.now is Announcing.WITHDRAWN:
        return AnnouncementState(Announcing.WITHDRAWN, finding.why, unconfirmed_since=since)
    if now >= at:
        return AnnouncementState(Announcing.WITHDRAWN, f"{finding.why} for {delay:g} s", unconfirmed_since=since)
    return AnnouncementState(before.now, finding.why, unconfirmed_since=since, look_at=at)
