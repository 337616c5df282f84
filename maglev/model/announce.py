"""The announcing of addresses: what is configured, and the states that an address can be in."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

import attrs

from maglev.model.addresses import bits

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_CONTROL_SOCKET: Final = "/run/bird/bird.ctl"
"""Where BIRD of Debian listens for ``birdc``."""


class Announcing(enum.StrEnum):
    """Whether an address is announced, as far as this run of the program has said.

    ``UNDECIDED`` is only there after a start: what was announced before is left as it is, until it is known what
    stands behind the address.
    """

    UNDECIDED = "undecided"
    ANNOUNCED = "announced"
    WITHDRAWN = "withdrawn"


class AnnounceOrder(enum.StrEnum):
    """What an operator, or the file, orders for an address: to announce it when it may be, or not at all."""

    ON = "on"
    OFF = "off"


class Needed(enum.StrEnum):
    """How many of the frontends of an address must serve."""

    ANY = "any"
    ALL = "all"


class HookEvents(enum.StrEnum):
    """What a hook receives."""

    ANNOUNCEMENTS = "announcements"
    FRONTENDS = "frontends"
    ALL = "all"


@attrs.frozen
class AnnouncePolicy:
    """When an address is announced.

    Attributes:
        address: The address, which is that of frontends.
        frontends: Whether any or all of them must serve.
        min_up: Backends in service that a frontend needs to count as serving.
        after: Seconds for which it must have served without a break before it is announced.
        when_held: Whether it stays announced while only the guard keeps backends in service.
    """

    address: str
    frontends: Needed = Needed.ANY
    min_up: int = 1
    after: float = 0.0
    when_held: bool = True

    @property
    def prefix(self) -> str:
        """The route."""
        return prefix_of_address(self.address)


def prefix_of_address(address: str) -> str:
    """Return the prefix that stands for one address."""
    return f"{address}/{bits(address)}"


@attrs.frozen
class BirdConfig:
    """How BIRD learns of announcements.

    Attributes:
        include_file: The file that maglevd writes and the configuration of BIRD includes.
        control_socket: Where BIRD listens for commands.
        reassert_interval: Seconds between two comparisons of what BIRD has with what it should have.
    """

    include_file: str
    control_socket: str = DEFAULT_CONTROL_SOCKET
    reassert_interval: float = 5.0


@attrs.frozen
class HookConfig:
    """A stream of events for another program: to a child process, or to those who connect to a socket.

    Attributes:
        name: Its name.
        command: The program and its arguments; empty for a socket.
        socket: The path of the socket; empty for a command.
        events: What it receives.
    """

    name: str
    command: tuple[str, ...] = ()
    socket: str = ""
    events: HookEvents = HookEvents.ANNOUNCEMENTS


@attrs.frozen
class AnnounceConfig:
    """What is announced, and to whom.

    Attributes:
        vpp_lost_delay: Seconds for which an address stays announced while VPP is not known to serve it.
        addresses: The policies, by address, in the order of the file.
        bird: How BIRD learns of announcements; None if it is not used.
        hooks: The hooks, by name.
    """

    vpp_lost_delay: float = 10.0
    addresses: Mapping[str, AnnouncePolicy] = attrs.field(factory=dict)
    bird: BirdConfig | None = None
    hooks: Mapping[str, HookConfig] = attrs.field(factory=dict)
