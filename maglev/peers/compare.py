"""Compares what balancers have for the same VIPs, and keeps which differences last.

A VIP is compared between all who serve it: the first of them, which is this balancer if it serves the VIP, against each
of the others. A VIP that only one serves can't differ. A change reaches the balancers one after the other, and each
reading has an age: a difference counts once it has been there for `GRACE` seconds without a pause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from maglev.peers.reading import ServerStanding, VipId, VipStanding

GRACE: Final = 2.5
"""Seconds for which a difference must last: longer than two readings, short enough to be told within five."""

MAX_DIFFERENCES: Final = 1000
"""Differences that are kept; nobody reads more, and the first of them are enough for an alarm."""

OURS: Final = ""
"""The name of this balancer among the sides."""


@attrs.frozen
class PeerDifference:
    """Something that is not the same at two balancers.

    Attributes:
        key: The VIP.
        peer: The balancer that is compared.
        kind: ``configuration``, ``frontend``, ``server``, ``state``, ``weight``, ``effective``, ``programmed`` or
            ``vpp``.
        subject: Address of the server; empty for the VIP as a whole.
        text: It, in words.
    """

    key: VipId
    peer: str
    kind: str
    subject: str
    text: str

    @property
    def identity(self) -> tuple[VipId, str, str, str]:
        """What remains the same while the words change."""
        return self.key, self.peer, self.kind, self.subject


def shared(sides: Mapping[str, Mapping[VipId, VipStanding]]) -> Mapping[VipId, Sequence[str]]:
    """Return who serves each VIP, in the order of the sides."""
    found: dict[VipId, list[str]] = {}
    for name, vips in sides.items():
        for key in vips:
            found.setdefault(key, []).append(name)
    return found


def differences(
    sides: Mapping[str, Mapping[VipId, VipStanding]], found: list[PeerDifference], most: int = MAX_DIFFERENCES
) -> Generator[None, None, None]:
    """Collect what differs, up to a number; yields after each VIP.

    Args:
        sides: What each balancer serves, by its name; ours is `OURS`, and comes first.
        found: Where to.
        most: The number.
    """
    for key, names in shared(sides).items():
        first, *others = names
        for name in others:
            found.extend(compare(first, sides[first][key], name, sides[name][key]))
        if len(found) > most:
            del found[most:]
            return
        yield


def compare(first: str, a: VipStanding, peer: str, b: VipStanding) -> Iterator[PeerDifference]:
    """Yield what differs in one VIP between two balancers."""

    def difference(kind: str, subject: str, text: str) -> PeerDifference:
        return PeerDifference(a.key, peer, kind, subject, text)

    if a.configuration != b.configuration:
        yield difference("configuration", "", f"the configuration of {at(first)} and of {at(peer)} differs")
    if a.state != b.state:
        yield difference("frontend", "", f"it is {a.state} {here(first)}, {b.state} {here(peer)}")
    for address in (*a.servers, *(each for each in b.servers if each not in a.servers)):
        one, other = a.servers.get(address), b.servers.get(address)
        if one is None or other is None:
            there, name = (first, one) if one is not None else (peer, other)
            assert name is not None  # noqa: S101  # it is in one of the two
            yield difference("server", address, f"{name.name} ({address}) is only {here(there)}")
        else:
            for kind, text in _of_server(first, one, peer, other):
                yield difference(kind, address, text)


def _of_server(first: str, one: ServerStanding, peer: str, other: ServerStanding) -> Iterator[tuple[str, str]]:
    """Yield what differs in a server; what only follows from its state or configured weight is not repeated."""
    name = one.name if one.name == other.name else f"{one.name} ({one.address})"
    causes = False
    if one.state != other.state:
        causes = True
        yield "state", f"{sees(first)} {name} {one.state}, {sees(peer)} it {other.state}"
    for kind, word, x, y in (
        ("weight", "configured weight", one.weight, other.weight),
        ("effective", "effective weight", one.effective_weight, other.effective_weight),
        ("programmed", "programmed weight", one.programmed_weight, other.programmed_weight),
        ("vpp", "weight in VPP", one.vpp_weight, other.vpp_weight),
    ):
        if x != y and x is not None and y is not None and (kind == "weight" or not causes):
            causes = True
            yield kind, f"{name}: {word} {x} {here(first)}, {y} {here(peer)}"


def here(name: str) -> str:
    """Return where that is."""
    return f"at {name}" if name else "here"


def at(name: str) -> str:
    """Return whose that is."""
    return name or "this balancer"


def sees(name: str) -> str:
    """Return who sees something."""
    return f"{name} sees" if name else "this balancer sees"


class LastingDifferences:
    """The differences that have lasted.

    Attributes:
        lasting: They, as found last.
    """

    def __init__(self, grace: float = GRACE) -> None:
        """Begin with none.

        Args:
            grace: Seconds for which one must last.
        """
        self._grace = grace
        self._since: dict[tuple[VipId, str, str, str], float] = {}
        self.lasting: list[PeerDifference] = []

    def update(self, found: Sequence[PeerDifference], now: float) -> None:
        """Take what differs now, by a monotonic clock."""
        self._since = {each.identity: self._since.get(each.identity, now) for each in found}
        self.lasting = [each for each in found if now - self._since[each.identity] >= self._grace]
