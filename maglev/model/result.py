"""The outcome of one probe, in the vocabulary of HAProxy's ``check_status``; nothing about counters or time."""

from __future__ import annotations

import enum
from typing import Final, NamedTuple


class Layer(enum.StrEnum):
    """The layer that a probe reached."""

    L4 = "L4"
    L6 = "L6"
    L7 = "L7"


class Code(enum.StrEnum):
    """The outcome of a probe, under the names that HAProxy's users know; `L4VIP` and `L4GRE` are ours."""

    L4OK = "L4OK"
    L4TOUT = "L4TOUT"
    L4CON = "L4CON"
    L4VIP = "L4VIP"
    """The backend takes GRE off, and nothing answers there at the VIP."""
    L4GRE = "L4GRE"
    """The backend answers, and not through GRE."""
    L6OK = "L6OK"
    L6TOUT = "L6TOUT"
    L6RSP = "L6RSP"
    L7OK = "L7OK"
    L7OKC = "L7OKC"
    """It passed, and asks for no new flows (HAProxy's conditional pass, ``disable-on-404``)."""
    L7TOUT = "L7TOUT"
    L7RSP = "L7RSP"
    L7STS = "L7STS"
    PROCOK = "PROCOK"
    PROCERR = "PROCERR"
    PROCTOUT = "PROCTOUT"
    STATIC = "static"
    """The synthetic pass of a backend without healthcheck: nothing was sent."""


PASSES: Final = frozenset({Code.L4OK, Code.L6OK, Code.L7OK, Code.L7OKC, Code.PROCOK, Code.STATIC})
_OF_PROGRAMS: Final = frozenset({Code.PROCOK, Code.PROCERR, Code.PROCTOUT})
TIMEOUTS: Final = frozenset({Code.L4TOUT, Code.L4VIP, Code.L4GRE, Code.L6TOUT, Code.L7TOUT, Code.PROCTOUT})


class Result(NamedTuple):
    """The outcome of one probe.

    Attributes:
        code: The kind of outcome.
        detail: Details for a person: printable ASCII, at most 200 characters, safe for any log or terminal.
        duration: Seconds from the start of the probe to its outcome.
    """

    code: Code
    detail: str = ""
    duration: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the backend passed."""
        return self.code in PASSES

    @property
    def layer(self) -> str:
        """The layer that the probe reached, or empty for a static backend; for a program it is the highest."""
        return "" if self.code is Code.STATIC else Layer.L7 if self.code in _OF_PROGRAMS else self.code[:2]


class LocalFault(NamedTuple):
    """A probe that failed for a local reason, which is not evidence about the backend.

    Attributes:
        reason: A short stable word for the metrics: ``descriptors``, ``ports``, ``memory``, ``permission``, ``netns``,
            ``network`` (no route, or an address or link of ours has gone), ``unsupported`` (the kernel lacks it),
            ``tunnel`` (nothing can be sent by way of a VIP, or answers to that are lost here),
            ``worker`` (the process that made it has gone), ``processes`` (no more can be had), ``program`` (it is
            missing, or can't be run), ``internal`` (a bug of ours).
        detail: More of it for a person; printable, bounded.
    """

    reason: str
    detail: str = ""


Outcome = Result | LocalFault
