"""The draft: what an importer has read, before it is fitted to our rules. Names may clash, and families may be mixed.

Everything carries notes about what could not be kept, each with its line of the file. They end up as comments where
they belong, so that nothing is dropped silently.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from maglev.importers.draft.source import refusal
from maglev.model.addresses import family

if TYPE_CHECKING:
    from maglev.model.addresses import Family
    from maglev.model.config import Healthcheck, Transport


SIZE_LIMIT: Final = 200_000
"""Maximum number of servers, frontends and pool members. A few lines with port ranges and many servers multiply, and
the result must not be too large to read."""


@attrs.frozen
class Note:
    """Something that a person should know.

    Attributes:
        place: Where it comes from, such as ``line 12``.
        text: What it is.
    """

    place: str
    text: str


@attrs.define(eq=False)
class DraftServer:
    """A server of the other program, which becomes a backend.

    Attributes:
        name: A name that may be taken already.
        section: The name of what it is part of, to tell it from others.
        address: Canonical; None if the file has none that can be kept.
        origin: Where it comes from, and what is written there.
        healthcheck: How it is probed, with an empty name; None if it is not.
        further: Other healthchecks that have to be up, too.
        dns_name: Its name in the place of an address; empty if it has none.
        dns_family: The family of its addresses.
        dns_max: How many of them are used.
        agent: How its agent is asked, with an empty name; None if it has none.
    """

    name: str
    section: str
    address: str | None
    origin: Note
    healthcheck: Healthcheck | None = None
    enabled: bool = True
    notes: list[Note] = attrs.field(factory=list)
    further: tuple[Healthcheck, ...] = ()
    agent: Healthcheck | None = None
    dns_name: str = ""
    dns_family: Family = 4
    dns_max: int = 1

    @property
    def family(self) -> Family | None:
        """The family of its addresses; None if it is not known."""
        if self.dns_name:
            return self.dns_family
        return None if self.address is None else family(self.address)

    @property
    def healthchecks(self) -> tuple[Healthcheck, ...]:
        """All of them."""
        return () if self.healthcheck is None else (self.healthcheck, *self.further)


@attrs.define(eq=False)
class Member:
    """A server in a tier.

    Attributes:
        weight: 0..100.
    """

    server: DraftServer
    weight: int
    notes: list[Note] = attrs.field(factory=list)


@attrs.define(eq=False)
class Tier:
    """What becomes a pool."""

    name: str
    members: list[Member]


@attrs.define(eq=False)
class DraftVip:
    """What becomes a frontend.

    Attributes:
        name: A name that may be taken already.
        address: Canonical; None if the file has none that can be kept.
        origin: Where it comes from, and what is written there.
        transport: None with port 0 for all ports.
        l4_port: None if the file has none that can be kept; 0 for all ports.
        flush_on_down: Whether a server that fails loses its flows.
    """

    name: str
    address: str | None
    origin: Note
    transport: Transport | None
    l4_port: int | None
    tiers: list[Tier]
    description: str = ""
    src_ip_sticky: bool = False
    flush_on_down: bool = True
    notes: list[Note] = attrs.field(factory=list)


@attrs.define(eq=False)
class Draft:
    """Everything in a file.

    Attributes:
        servers: All servers, including those that no frontend uses.
        check_notes: What could not be kept of a healthcheck, by healthcheck.
        leftovers: What belongs to none of these.
    """

    vips: list[DraftVip] = attrs.field(factory=list)
    servers: list[DraftServer] = attrs.field(factory=list)
    check_notes: dict[Healthcheck, dict[Note, None]] = attrs.field(factory=dict)
    leftovers: list[Note] = attrs.field(factory=list)
    _size: int = attrs.field(default=0, init=False)

    def add_server(self, server: DraftServer) -> None:
        """Add a server.

        Raises:
            ConfigError: There is too much.
        """
        self._grow(1)
        self.servers.append(server)

    def add_vip(self, vip: DraftVip) -> None:
        """Add a VIP.

        Raises:
            ConfigError: There is too much.
        """
        self._grow(1 + len(vip.notes) + sum(len(tier.members) for tier in vip.tiers))
        self.vips.append(vip)

    def _grow(self, count: int) -> None:
        self._size += count
        if self._size > SIZE_LIMIT:
            raise refusal(f"too large: more than {SIZE_LIMIT} servers, frontends and pool members")


def scaled(weight: int, most: int) -> int:
    """Return a weight in relation to the largest, as 0..100; one that is not 0 never becomes 0."""
    if weight <= 0 or most <= 0:
        return 0
    return max(1, round(100 * weight / most))


def words_in(text: str) -> frozenset[str]:
    """Return the words of a text as a set."""
    return frozenset(text.split())
