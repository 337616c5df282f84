"""What is written for BIRD to include, and what BIRD answers, as text.

One static protocol stands for each address. Whether it is disabled is written in the file and said over the control
socket: either alone is undone by somebody (`maglev.announce.bird`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

from maglev.model.addresses import family
from maglev.model.announce import prefix_of_address
from maglev.model.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PREFIX: Final = "maglev_"
"""What the names of our protocols begin with; no other protocol of BIRD may have such a name."""

PATTERN: Final = f'"{PREFIX}*"'
"""Our protocols, for a command."""

HEAD: Final = """\
# Written by maglevd, which writes it again whenever it differs: do not edit it.
# Include it from bird.conf, and export these protocols to BGP only, never to the kernel.
"""

CONFIGURED: Final = frozenset({3, 4, 5})
"""Replies to ``configure`` that accept it: done, in progress, queued (``nest/reply_codes`` of BIRD)."""

CHECKED: Final = frozenset({20})
"""Reply to ``configure check`` for a configuration that would be accepted."""

NO_MATCH: Final = 8003
"""No protocol matches."""

SWITCHED: Final = frozenset({0, 8, 9, 10, 11, NO_MATCH})
"""Replies to ``enable`` and ``disable``: the protocol is as asked, or there is none."""

TABLE: Final = 2002
ROW: Final = 1002
_LIST: Final = frozenset({0, NO_MATCH})

_OURS: Final = re.compile(
    r"protocol static maglev_[0-9a-f_]+ \{ disabled (on|off); ipv[46]; route ([0-9a-f:.]+)/[0-9]+ blackhole; \}"
)
_PROTOCOL: Final = re.compile(r"(maglev_[0-9a-f_]+) +\S+ +\S+ +(\S+)(?: |$)")
_REPLY: Final = re.compile(r"([0-9]{4})([ -])(.*)", re.DOTALL)

EXCERPT: Final = 200
"""Characters shown of what BIRD says."""


def protocol_of(address: str) -> str:
    """Return the name of the protocol that stands for an address."""
    return PREFIX + re.sub("[.:]", "_", address)


def include_file(disabled: Mapping[str, bool]) -> str:
    """Return the content of the file.

    Args:
        disabled: Whether each address is withdrawn.
    """
    return HEAD + "".join(_protocol(address, off=off) for address, off in disabled.items())


def _protocol(address: str, *, off: bool) -> str:
    word = "on" if off else "off"
    route = prefix_of_address(address)
    head = f"protocol static {protocol_of(address)}"
    return f"{head} {{ disabled {word}; ipv{family(address)}; route {route} blackhole; }}\n"


def read_include_file(content: str) -> dict[str, bool]:
    """Return whether each address is withdrawn by a file; what this program has not written is ignored."""
    found = (_OURS.fullmatch(line) for line in content.splitlines())
    return {match[2]: match[1] == "on" for match in found if match is not None}


@attrs.frozen
class BirdReply:
    """The reply to one command.

    Attributes:
        code: That of its last line.
        lines: All its lines, without codes.
    """

    code: int
    lines: tuple[str, ...]

    def __str__(self) -> str:
        text = "; ".join(line.strip() for line in self.lines if line.strip())
        return f"{self.code:04} {printable(text[:EXCERPT])}".strip()

    @property
    def is_list(self) -> bool:
        """Whether it lists protocols, or says that there are none."""
        return self.code in _LIST


class ReplyReader:
    """Puts the lines of a reply together.

    A line has a code of four digits, then ``-`` if others follow, and a blank if it is the last one; a line that begins
    with a blank goes on with the code of the one before.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []

    def feed(self, line: str) -> BirdReply | None:
        """Take a line; return the reply that it ends, if it does.

        Raises:
            ValueError: It is not a line of a reply.
        """
        if line.startswith(" ") and self._lines:
            self._lines.append(line[1:])
            return None
        match = _REPLY.fullmatch(line)
        if match is None:
            message = f"not a reply of BIRD: {printable(line[:EXCERPT])!r}"
            raise ValueError(message)
        self._lines.append(match[3])
        if match[2] == "-":
            return None
        reply, self._lines = BirdReply(int(match[1]), tuple(self._lines)), []
        return reply


def states_of(reply: BirdReply) -> dict[str, bool]:
    """Return whether each of our protocols is up, from the reply to ``show protocols``."""
    found = (_PROTOCOL.match(line) for line in reply.lines)
    return {match[1]: match[2] == "up" for match in found if match is not None}


@attrs.frozen
class BirdPlan:
    """What BIRD lacks.

    Attributes:
        disable: Protocols to disable: first, since nothing serves there.
        enable: Protocols to enable.
        missing: Protocols that BIRD does not have and should.
        stale: Protocols that BIRD has and should not.
    """

    disable: tuple[str, ...]
    enable: tuple[str, ...]
    missing: tuple[str, ...]
    stale: tuple[str, ...]


def plan(wanted: Mapping[str, bool | None], states: Mapping[str, bool]) -> BirdPlan:
    """Return what to do.

    Args:
        wanted: Whether each protocol should be up; None leaves it as it is.
        states: Whether each protocol that BIRD has is up.
    """
    return BirdPlan(
        tuple(name for name, is_up in states.items() if is_up and wanted.get(name, False) is False),
        tuple(name for name, up in wanted.items() if up and states.get(name) is False),
        tuple(name for name in wanted if name not in states),
        tuple(name for name in states if name not in wanted),
    )


def switch(verb: str, names: Iterable[str]) -> list[str]:
    """Return the commands that enable or disable protocols."""
    return [f'{verb} "{name}"' for name in names]
