"""The exception tree.

The text of each error is written for the caller, and front ends print it unchanged. Machine-readable facts (`retval`,
`code`) are attributes beside the text, never parsed out of it. Programming mistakes are not in this tree: they stay
ordinary exceptions, and are logged with a traceback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maglev.model.problem import Problem


class MaglevError(Exception):
    """Base class for the errors of this program."""


class LocalError(MaglevError):
    """The caller made a mistake."""


class RemoteError(MaglevError):
    """A peer (VPP, a backend) failed or broke its protocol."""


class ConfigError(LocalError):
    """The configuration file is not valid.

    Attributes:
        problems: Every error and warning found, in the order of the file.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class StartError(LocalError):
    """The daemon can't start as it was asked to."""


class NotFoundError(LocalError):
    """No object of that name is configured."""


class RefusedError(LocalError):
    """The request makes no sense in the state that the object is in."""


class ForbiddenError(LocalError):
    """The caller's role does not allow it."""


class ArgumentError(LocalError):
    """The method is unknown, or does not take these arguments."""


class LimitError(LocalError):
    """The client has reached a limit."""


class VppError(RemoteError):
    """Base class for failures of VPP or its connection.

    Attributes:
        is_ours: Whether the reason is in maglevd, so that it says nothing of VPP.
    """

    is_ours = False


class VppOffError(VppError):
    """VPP is switched off by the configuration (an empty API address)."""


class VppNotConnectedError(VppError):
    """There is no connection to VPP now."""


class VppLostError(VppNotConnectedError):
    """The connection to VPP was lost before the answer came."""


class VppShortageError(VppNotConnectedError):
    """maglevd has no file descriptor left for VPP, which is not VPP's fault."""

    is_ours = True


class VppTimeoutError(VppError):
    """VPP did not answer in time."""


class VppProtocolError(VppError):
    """VPP sent bytes that its own definitions do not allow."""


class VppMissingError(VppError):
    """This VPP lacks a message that is needed, or defines it with other fields."""


class VppRetvalError(VppError):
    """VPP refused a request.

    Attributes:
        message: Name of the request, such as ``lb_add_del_vip_v2``.
        retval: The negative number that VPP answered (``vnet/error.h``).
    """

    def __init__(self, message: str, retval: int, text: str = "") -> None:
        super().__init__(f"VPP refused {message}: {text or 'error'} ({retval})")
        self.message = message
        self.retval = retval


class StatsError(VppError):
    """The stats segment can't be read now."""
