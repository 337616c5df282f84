"""The wire protocol shared by both ends: the methods with their arguments, and the errors with their names.

An error is sent as ``maglev.`` and the name of its class in `maglev.model.errors`, with its text, and with
machine-readable facts as ``fields``. Names do not depend on modules: an error may move, but keeps its name.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final, NamedTuple, get_origin, get_type_hints

from twisted.spread.pb import Error as PbError
from twisted.spread.pb import RemoteReference

from maglev.interfaces import IControl
from maglev.model import errors
from maglev.model.bounds import Within
from maglev.model.problem import Problem, ProblemKind, problem_view

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

MAX_NAME: Final = 256
"""Maximum length of a name in characters: those of the configuration have 63, two of them with a slash 127."""

ONE_COMMAND: Final = "one-command"
"""What a client says of itself at the login if it leaves after one command."""

# Errors

PREFIX: Final = "maglev."
"""The prefix of the names of errors."""

SENT: Final[Mapping[str, type[errors.MaglevError]]] = {
    name: each
    for name, each in vars(errors).items()
    if isinstance(each, type) and issubclass(each, errors.MaglevError)
    if each not in {errors.MaglevError, errors.StartError}
}
"""The errors of verbs, by their names without the prefix; errors at the start of the daemon are left out."""


class WireError(PbError):
    """An error in the form in which it is sent to clients.

    Attributes:
        kinds: Names of its classes, the most specific first.
        fields: Machine-readable facts, basic values.
    """

    def __init__(self, text: str, kinds: Iterable[str] = (), fields: Mapping[str, object] | None = None) -> None:
        super().__init__(text)
        self.kinds = tuple(f"{PREFIX}{name}" for name in kinds or [type(self).__name__])
        self.fields = dict(fields or {})


class InternalError(WireError):
    """The daemon made a mistake."""

    def __init__(self) -> None:
        super().__init__("internal error of maglevd; see its log")


def to_wire(error: errors.MaglevError) -> WireError:
    """Return an error in the form for clients, with the names of those of its classes that have one."""
    kinds = [each.__name__ for each in type(error).__mro__ if SENT.get(each.__name__) is each]
    return WireError(str(error), kinds, _fields(error)) if kinds else InternalError()


def _fields(error: errors.MaglevError) -> dict[str, object]:
    if isinstance(error, errors.ConfigError):
        return {"problems": [problem_view(problem) for problem in error.problems]}
    if isinstance(error, errors.VppRetvalError):
        return {"message": error.message, "retval": error.retval}
    return {}


class DaemonError(errors.RemoteError):
    """The daemon answered with an error that has no more specific class here; the text is the daemon's."""


class LostError(errors.RemoteError):
    """There is no connection to the daemon, or it was lost before the answer came."""


class NoAnswerError(errors.RemoteError):
    """The daemon did not answer in time."""


def from_wire(remote_type: bytes | str, text: str, fields: Mapping[str, Any]) -> errors.MaglevError:
    """Return an error of our tree for one from the daemon.

    Args:
        remote_type: Its qualified name. Twisted passes bytes or text, depending on the path it took.
        text: Its text.
        fields: Its machine-readable facts.
    """
    found = SENT.get(type_name(remote_type).removeprefix(PREFIX))
    if found is None:
        return DaemonError(text)
    if found is errors.ConfigError:
        return errors.ConfigError([_problem(each) for each in fields.get("problems", ())])
    error: errors.MaglevError = found.__new__(found)
    # Some classes compose their text from facts; here it is composed already.
    Exception.__init__(error, text)
    if isinstance(error, errors.VppRetvalError):
        error.message, error.retval = fields["message"], fields["retval"]
    return error


def _problem(view: Mapping[str, Any]) -> Problem:
    return Problem(ProblemKind(view["kind"]), view["path"], view["text"], view["line"], view["column"])


def type_name(remote_type: bytes | str) -> str:
    """Return the name of a remote error, from either form that Twisted uses."""
    return remote_type.decode("utf-8", "replace") if isinstance(remote_type, bytes) else remote_type


# Methods


def text(value: object) -> str:
    """Accept a text of bounded length."""
    if not isinstance(value, str):
        raise errors.ArgumentError("must be a string")
    if len(value) > MAX_NAME:
        message = f"must have at most {MAX_NAME} characters"
        raise errors.ArgumentError(message)
    return value


def text_or_none(value: object) -> str | None:
    """Accept a text or None."""
    return None if value is None else text(value)


def flag(value: object) -> bool:
    """Accept a boolean."""
    if not isinstance(value, bool):
        raise errors.ArgumentError("must be true or false")
    return value


def whole(low: int, high: int) -> Callable[[object], int]:
    """Return a function that accepts whole numbers in a range."""

    def accept(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            message = f"must be a whole number from {low} to {high}"
            raise errors.ArgumentError(message)
        return value

    return accept


def reference(value: object) -> RemoteReference:
    """Accept a reference to an object of the client."""
    if not isinstance(value, RemoteReference):
        raise errors.ArgumentError("must be a referenceable object")
    return value


REQUIRED: Final = object()
"""The default of a required argument."""


class Parameter(NamedTuple):
    """One argument of a method.

    Attributes:
        name: Its name.
        accept: Returns an acceptable value, and raises `errors.ArgumentError` for any other.
        default: Its value when it is not given.
    """

    name: str
    accept: Callable[[object], Any]
    default: object = REQUIRED


class Method(NamedTuple):
    """One method that clients can call.

    Attributes:
        parameters: Its arguments in order; each can be given by position or by name.
        deadline: Seconds that our client waits for the answer.
        changes: Whether it changes something: then it runs to its end even if the client disconnects.
        paged: Whether it returns a page of rows, which the server also limits by size.
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
            raise errors.ArgumentError(message)
        given.update(kwargs)
        return {parameter.name: _accepted(parameter, given) for parameter in self.parameters}


def _accepted(parameter: Parameter, given: Mapping[object, object]) -> object:
    value = given.get(parameter.name, parameter.default)
    if value is REQUIRED:
        message = f"the argument {parameter.name} is missing"
        raise errors.ArgumentError(message)
    if value is parameter.default:
        return value
    try:
        return parameter.accept(value)
    except errors.ArgumentError as error:
        message = f"the argument {parameter.name} {error}"
        raise errors.ArgumentError(message) from None


_WATCH: Final = (
    Parameter("watcher", reference),
    Parameter("log", text_or_none, None),
    Parameter("backend", flag, True),
    Parameter("frontend", flag, True),
)

LONG: Final = 120.0
"""Deadline in seconds for methods that wait for VPP or the disk."""

OWN: Final[Mapping[str, Method]] = {
    "ping": Method(deadline=10.0),
    "whoami": Method(),
    "watch": Method(_WATCH),
    "unwatch": Method((Parameter("watch", whole(1, 2**31)),)),
}
"""Methods of the front end itself."""

ACCEPTORS: Final[Mapping[object, Callable[[object], object]]] = {str: text, str | None: text_or_none, bool: flag}
"""The function that accepts an argument, by its annotation in `IControl`; whole numbers have a `Within` there."""


def _method(verb: Callable[..., object]) -> Method:
    """Return a verb of `IControl` as a method, from its signature."""
    hints = get_type_hints(verb, include_extras=True)
    answer = hints["return"]
    _, *parameters = inspect.signature(verb).parameters.values()
    return Method(
        tuple(_parameter(each, hints[each.name]) for each in parameters),
        deadline=LONG if hasattr(verb, "slow") else Method().deadline,
        changes=hasattr(verb, "changes"),
        paged="rows" in getattr(get_origin(answer) or answer, "__annotations__", ()),
    )


def _parameter(declared: inspect.Parameter, hint: Any) -> Parameter:
    accept = ACCEPTORS.get(hint) or whole(*next(each for each in hint.__metadata__ if isinstance(each, Within)))
    return Parameter(declared.name, accept, REQUIRED if declared.default is declared.empty else declared.default)


VERBS: Final[Mapping[str, Method]] = {
    name: _method(verb)
    for name, verb in vars(IControl).items()
    if inspect.iscoroutinefunction(verb) and name not in OWN
}
"""The verbs of `maglev.interfaces.IControl`, passed on as they are."""

METHODS: Final[Mapping[str, Method]] = {**VERBS, **OWN}

EVENTS: Final = "events"
"""The server calls this method of a watcher with a list of events; the answer permits it to send more."""

ENDED: Final = "ended"
"""The server calls this method of a watcher when no more events will come."""
