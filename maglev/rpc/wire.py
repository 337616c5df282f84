"""What both ends share: the methods with their arguments, and the errors with their names.

An error reaches the client as the qualified name of one of the classes here, with its text, and with facts for machines
as ``fields`` on the failure. The names are part of the interface: ``maglev.rpc.wire.NotFoundError`` and so on, the same
as those of `maglev.model.errors`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from twisted.spread.pb import Error as PbError
from twisted.spread.pb import RemoteReference

from maglev.control.views import problem_view
from maglev.model import errors
from maglev.model.problem import Problem, ProblemKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MAX_NAME: Final = 256
"""Characters of a name: those of the configuration have 63, and two of them with a slash are 127."""

MAX_LIMIT: Final = 10_000
"""Rows or names that can be asked for; how many come is up to the daemon."""

# Errors


class WireError(PbError):
    """What every error is that a client is told.

    Attributes:
        fields: Facts for machines, basic values.
    """

    def __init__(self, text: str, fields: Mapping[str, object] | None = None) -> None:
        super().__init__(text)
        self.fields = dict(fields or {})


class ArgumentError(WireError):
    """There is no such method, or it does not take these arguments."""


class LimitError(WireError):
    """The client has as many of something as it may."""


class InternalError(WireError):
    """The daemon made a mistake."""

    def __init__(self) -> None:
        super().__init__("the daemon made a mistake; its log tells more")


class LocalError(WireError):
    """The one who asked made a mistake."""


class ConfigError(LocalError):
    """The configuration file is not valid; ``problems`` as `IControl.check_config` returns them."""


class NotFoundError(LocalError):
    """No object of that name is configured."""


class RefusedError(LocalError):
    """The request makes no sense in the state that the object is in."""


class ForbiddenError(LocalError):
    """The role of the one who asked does not allow it."""


class RemoteError(WireError):
    """A peer of the daemon failed or broke its protocol."""


class VppError(RemoteError):
    """VPP, or the way to it, failed."""


class VppOffError(VppError):
    """VPP is switched off by the configuration."""


class VppNotConnectedError(VppError):
    """There is no connection to VPP now."""


class VppLostError(VppNotConnectedError):
    """The connection to VPP went away before the answer came."""


class VppTimeoutError(VppError):
    """VPP did not answer in time."""


class VppProtocolError(VppError):
    """VPP sent bytes that its own definitions do not allow."""


class VppMissingError(VppError):
    """This VPP does not have a message, or not with the layout that the daemon knows."""


class VppRetvalError(VppError):
    """VPP refused a request; ``message`` is its name, ``retval`` the negative number that VPP answered."""


class StatsError(VppError):
    """The stats segment can't be read now."""


TOLD: Final[Mapping[str, type[WireError]]] = {
    each.__name__: each
    for each in (
        ArgumentError,
        LimitError,
        LocalError,
        ConfigError,
        NotFoundError,
        RefusedError,
        ForbiddenError,
        RemoteError,
        VppError,
        VppOffError,
        VppNotConnectedError,
        VppLostError,
        VppTimeoutError,
        VppProtocolError,
        VppMissingError,
        VppRetvalError,
        StatsError,
    )
}
"""The errors that a client can get, by the last part of their names."""


def to_wire(error: errors.MaglevError) -> WireError:
    """Return an error of ours as the client is told it: by the nearest of its classes that has a name there."""
    name = next((each.__name__ for each in type(error).__mro__ if each.__name__ in TOLD), None)
    return InternalError() if name is None else TOLD[name](str(error), _fields(error))


def _fields(error: errors.MaglevError) -> dict[str, object]:
    if isinstance(error, errors.ConfigError):
        return {"problems": [problem_view(problem) for problem in error.problems]}
    if isinstance(error, errors.VppRetvalError):
        return {"message": error.message, "retval": error.retval}
    return {}


class DaemonError(errors.RemoteError):
    """The daemon answered with an error that has no better class here; its text is from there."""


class LostError(errors.RemoteError):
    """There is no connection to the daemon, or it went away before the answer came."""


class NoAnswerError(errors.RemoteError):
    """The daemon did not answer in time."""


def from_wire(remote_type: bytes | str, text: str, fields: Mapping[str, Any]) -> errors.MaglevError:
    """Return an error of our tree for one that came from the daemon.

    Args:
        remote_type: Its qualified name. Twisted gives bytes or text, depending on the path it took.
        text: Its text.
        fields: Its facts for machines.
    """
    name = type_name(remote_type).removeprefix(f"{__name__}.")
    found = getattr(errors, name, None) if name in TOLD else None
    if found is None:
        return DaemonError(text)
    if found is errors.ConfigError:
        return errors.ConfigError([_problem(each) for each in fields.get("problems", ())])
    error: errors.MaglevError = found.__new__(found)
    # Some of them compose their text from facts; it has been composed already.
    Exception.__init__(error, text)
    if isinstance(error, errors.VppRetvalError):
        error.message, error.retval = fields["message"], fields["retval"]
    return error


def _problem(view: Mapping[str, Any]) -> Problem:
    return Problem(ProblemKind(view["kind"]), view["path"], view["text"], view["line"], view["column"])


def type_name(remote_type: bytes | str | type) -> str:
    """Return the qualified name of a remote error, in whichever form Twisted has it."""
    if isinstance(remote_type, bytes):
        return remote_type.decode("utf-8", "replace")
    return remote_type if isinstance(remote_type, str) else f"{remote_type.__module__}.{remote_type.__qualname__}"


# Methods


def text(value: object) -> str:
    """Accept a text of bounded length."""
    if not isinstance(value, str):
        raise ArgumentError("must be a text")
    if len(value) > MAX_NAME:
        message = f"must have at most {MAX_NAME} characters"
        raise ArgumentError(message)
    return value


def text_or_none(value: object) -> str | None:
    """Accept a text or None."""
    return None if value is None else text(value)


def flag(value: object) -> bool:
    """Accept a boolean."""
    if not isinstance(value, bool):
        raise ArgumentError("must be true or false")
    return value


def whole(low: int, high: int) -> Callable[[object], int]:
    """Return what accepts whole numbers of a range."""

    def accept(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            message = f"must be a whole number from {low} to {high}"
            raise ArgumentError(message)
        return value

    return accept


def reference(value: object) -> RemoteReference:
    """Accept a reference to an object of the client."""
    if not isinstance(value, RemoteReference):
        raise ArgumentError("must be a referenceable object")
    return value


REQUIRED: Final = object()
"""The default of an argument that has none."""


class Parameter(NamedTuple):
    """One argument of a method.

    Attributes:
        name: Its name.
        accept: Returns a value that is acceptable, and raises `ArgumentError` for any other.
        default: What it is when it is not given.
    """

    name: str
    accept: Callable[[object], Any]
    default: object = REQUIRED


class Method(NamedTuple):
    """One method that clients can call.

    Attributes:
        parameters: Its arguments in order; each can be given by position or by name.
        deadline: Seconds that our client waits for the answer.
        changes: Whether it changes something: then it runs to its end even if the client vanishes.
        paged: Whether it answers with a page of rows, which the server cuts by its size, too.
    """

    parameters: tuple[Parameter, ...] = ()
    deadline: float = 30.0
    changes: bool = False
    paged: bool = False

    def bind(self, args: Sequence[object], kwargs: Mapping[object, object]) -> dict[str, Any]:
        """Return the arguments by name, each acceptable.

        Raises:
            ArgumentError: One is missing, unknown, given twice, or not acceptable.
        """
        names = [parameter.name for parameter in self.parameters]
        given: dict[object, object] = dict(zip(names, args, strict=False))
        if len(args) > len(names) or not kwargs.keys() <= set(names) - given.keys():
            message = f"takes the arguments {', '.join(names) or 'none'}, each once"
            raise ArgumentError(message)
        given.update(kwargs)
        return {parameter.name: _accepted(parameter, given) for parameter in self.parameters}


def _accepted(parameter: Parameter, given: Mapping[object, object]) -> object:
    value = given.get(parameter.name, parameter.default)
    if value is REQUIRED:
        message = f"the argument {parameter.name} is missing"
        raise ArgumentError(message)
    if value is parameter.default:
        return value
    try:
        return parameter.accept(value)
    except ArgumentError as error:
        message = f"the argument {parameter.name} {error}"
        raise ArgumentError(message) from None


_NAME: Final = (Parameter("name", text),)
_PAGE: Final = (Parameter("after", text, ""), Parameter("limit", whole(1, MAX_LIMIT), 100))
_WEIGHT: Final = (
    Parameter("frontend", text),
    Parameter("pool", text),
    Parameter("backend", text),
    Parameter("weight", whole(0, 100)),
)
_NAMES: Final = (
    Parameter("kind", text),
    Parameter("prefix", text, ""),
    Parameter("within", text, ""),
    Parameter("limit", whole(1, MAX_LIMIT), 1000),
)
_WATCH: Final = (
    Parameter("watcher", reference),
    Parameter("log", text_or_none, None),
    Parameter("backend", flag, True),
    Parameter("frontend", flag, True),
)

LONG: Final = 120.0
"""Seconds for what may take VPP or the disk a while."""

VERBS: Final[Mapping[str, Method]] = {
    "version": Method(),
    "names": Method(_NAMES),
    "frontends": Method(_PAGE, paged=True),
    "frontend": Method(_NAME),
    "backends": Method(_PAGE, paged=True),
    "backend": Method(_NAME),
    "healthchecks": Method(_PAGE, paged=True),
    "healthcheck": Method(_NAME),
    "pause_backend": Method(_NAME, changes=True),
    "resume_backend": Method(_NAME, changes=True),
    "enable_backend": Method(_NAME, changes=True),
    "disable_backend": Method(_NAME, changes=True),
    "set_weight": Method(_WEIGHT, changes=True),
    "check_config": Method(deadline=LONG),
    "config_diff": Method(_PAGE, deadline=LONG, paged=True),
    "reload_config": Method(deadline=LONG, changes=True),
    "checker": Method(),
    "vpp_info": Method(),
    "vpp_lb_state": Method(_PAGE, deadline=LONG, paged=True),
    "vpp_lb_plan": Method(_PAGE, deadline=LONG, paged=True),
    "vpp_lb_counters": Method(_PAGE, paged=True),
    "vpp_backend_counters": Method(_PAGE, paged=True),
    "sync_vpp": Method((Parameter("frontend", text_or_none, None),), deadline=LONG, changes=True),
    "sessions": Method(),
}
"""The verbs of `maglev.interfaces.IControl`, passed on as they are."""

OWN: Final[Mapping[str, Method]] = {
    "ping": Method(deadline=10.0),
    "whoami": Method(),
    "watch": Method(_WATCH),
    "unwatch": Method((Parameter("watch", whole(1, 2**31)),)),
}
"""Methods of this front end itself."""

METHODS: Final[Mapping[str, Method]] = {**VERBS, **OWN}

EVENTS: Final = "events"
"""The server calls this method of a watcher with a list of events; its answer is the permission to send more."""

ENDED: Final = "ended"
"""The server calls this method of a watcher when no more events will come."""
