"""Decides whether an address is announced.

Theory of operation. For each frontend of an address there is evidence of two kinds: how many backends *should* have
weight (the board), and how many of these VPP is *known* to have given it. The first withdraws at once: what
should serve nobody must not attract anybody. Both together announce. If only the second is missing (VPP is gone, or has
just come back, or refuses the weights), nothing is announced, and what is announced stays so for a bounded time: most
restarts of VPP are shorter than a route takes to come back.

Only a backend that the checks say is up is evidence that something serves. VPP may also serve by others: by servers
that have left the file and stay until a successor is up, by whatever the warm-up protects, by backends that keep their
weight without a result, in doubt, or by the guard. They announce nothing; but what is announced stays so for as long as
VPP holds them, which `maglev.vpp.sync` bounds (``vpp.lb.removal-max-delay``, ``vpp.lb.startup-max-delay``).

After a start of maglevd nothing is known, and an address is *undecided*: whatever BIRD was told before stays, be it
announced or withdrawn. The same evidence ends that, within the same bounds. Until then, more may turn out to serve than
later on: backends without a result, of which a VPP that has restarted knows nothing, and what VPP still has on another
port of the address.
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
        proved: Number of the programmed ones that the checks say are up.
        pending: Number of further backends without a result, to which VPP gives no weight, soon after a start.
        elsewhere: Number of servers that VPP is known to hold with a weight on another port of the address, which is
            not configured, while it does not have that of the frontend; again those that nothing speaks against.
        disabled: Whether an operator has taken all of it out of service.
        hindered: Whether VPP is out of reach for a reason of ours, which says nothing of what it serves.
    """

    frontend: str
    wanted: int
    unproved: int = 0
    programmed: int | None = None
    held: bool = False
    staying: int = 0
    unread: bool = False
    proved: int = 0
    pending: int = 0
    elsewhere: int = 0
    hindered: bool = False
    disabled: bool = False


class Footing(enum.IntEnum):
    """What an address stands on; the higher, the better."""

    NOTHING = 0
    """It is known that too little serves."""
    UNCONFIRMED = 1
    """Enough should serve, or may; VPP is not known to do it."""
    STAYING = 2
    """VPP serves, but not by enough backends that are known to be up; or nobody can ask it, for a reason of ours."""
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
        disabled: The frontends that an operator has taken out of service.
        off: Why it is kept withdrawn; empty if it is not.
        vpp_lost_delay: Seconds for which it stays announced while VPP is not known to serve it.
        state: The decision.
        at: Wall-clock time at which it began to be announced, withdrawn or undecided.
        now: When this was found: seconds of the clock.
    """

    policy: AnnouncePolicy
    findings: Mapping[str, AddressFooting]
    held: frozenset[str]
    disabled: tuple[str, ...]
    off: str
    vpp_lost_delay: float
    state: AnnouncementState
    at: float
    now: float


AT_START = AnnouncementState(Announcing.UNDECIDED, "nothing is known yet")
"""The state of every address when maglevd starts."""

NEW = AnnouncementState(Announcing.WITHDRAWN, "nothing is known yet")
"""The state of an address that a reload brings."""


def find(policy: AnnouncePolicy, evidence: FrontendSupport, *, undecided: bool = False) -> AddressFooting:
    """Return what a frontend stands on.

    Args:
        policy: When its address is announced.
        evidence: What stands behind it.
        undecided: Whether nothing was decided about the address yet, in this run.
    """
    enough, name = policy.min_up, evidence.frontend
    programmed, proved = evidence.programmed, evidence.proved
    if programmed is not None and proved >= enough:
        return AddressFooting(Footing.SERVING, f"frontend {name} has {_of(proved, enough)} in service")
    discounted = evidence.held and not policy.when_held
    wanted, given = (0, 0) if discounted else (evidence.wanted, programmed or 0)
    elsewhere, pending = (evidence.elsewhere, evidence.pending) if undecided else (0, 0)
    if programmed is not None and given + evidence.staying + elsewhere >= enough:
        return AddressFooting(Footing.STAYING, _staying(evidence, given, elsewhere))
    known = wanted + evidence.unproved + evidence.staying + elsewhere
    if doubt := _doubt(evidence, enough, given, known, pending):
        if evidence.hindered:
            return AddressFooting(Footing.STAYING, "maglevd has no file descriptor left to ask VPP with")
        return AddressFooting(Footing.UNCONFIRMED, doubt)
    text = f"frontend {name} has {_of(evidence.wanted, enough)} in service"
    if evidence.disabled:
        text = f"an operator has disabled frontend {name}"
    elif discounted:
        text = f"only the guard keeps frontend {name} in service"
    return AddressFooting(Footing.NOTHING, text)


def _doubt(evidence: FrontendSupport, enough: int, given: int, known: int, pending: int) -> str:
    """Return what keeps it from being known whether a frontend serves, for a person; empty if nothing does.

    Args:
        evidence: What stands behind the frontend.
        enough: Number of backends that it needs.
        given: Number of those that count to which VPP gives weight.
        known: Number of servers that VPP should serve by, or may.
        pending: Number of further ones that may turn out to be up.
    """
    if known >= enough and evidence.programmed is None:
        return "VPP has not acknowledged a sync"
    if known >= enough:
        return f"VPP has weights for {_of(given + evidence.staying, enough)} of frontend {evidence.frontend}"
    if evidence.unread:
        return "VPP has not been read yet"
    return f"frontend {evidence.frontend} has backends without a result yet" if known + pending >= enough else ""


def _staying(evidence: FrontendSupport, given: int, elsewhere: int) -> str:
    """Return how VPP serves a frontend, for a person, where too few backends are known to be up."""
    name = evidence.frontend
    if evidence.held and given:
        return f"only the guard keeps frontend {name} in service"
    if elsewhere and not (given or evidence.staying):
        return f"VPP serves frontend {name} on another port, which the file no longer has"
    return f"VPP serves frontend {name} by servers that leave, or are not known to be up"


def _of(count: int, enough: int) -> str:
    plural = "" if count == 1 else "s"
    return f"{count} backend{plural}" + (f" of at least {enough}" if count < enough else "")


def weigh(policy: AnnouncePolicy, evidence: Sequence[FrontendSupport], *, undecided: bool = False) -> AddressFooting:
    """Return what an address stands on: on its best frontend, or on its worst if all are needed; see `find`."""
    findings = [find(policy, each, undecided=undecided) for each in evidence]
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
    finding = weigh(policy, tuple(evidence), undecided=before.now is Announcing.UNDECIDED)
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
    why = finding.why if now < at else f"{finding.why} for {delay:g} s"
    if before.now is Announcing.WITHDRAWN or now >= at:
        return AnnouncementState(Announcing.WITHDRAWN, why, unconfirmed_since=since)
    return AnnouncementState(before.now, why, unconfirmed_since=since, look_at=at)
