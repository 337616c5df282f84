"""Orders from the page: which verbs it may call, with which arguments; what changes something needs a reason."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any, Final, get_type_hints

from maglev.interfaces import IControl
from maglev.model.bounds import Within
from maglev.model.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

ORDERS: Final = (
    "clear_override",
    "disable_backend",
    "disable_frontend",
    "drain_backend",
    "enable_backend",
    "enable_frontend",
    "pause_backend",
    "reload_config",
    "resume_backend",
    "set_announce",
    "set_host",
    "set_weight",
    "sync_vpp",
)
"""The verbs that the page may call."""

MAX_TEXT: Final = 256
"""Characters of a name or a reason; those of the configuration have 63, a reason 120."""


def carry_out(control: IControl, order: object) -> Awaitable[Any]:
    """Call the verb of an order; return what it returns.

    Args:
        control: The verbs, bound to a caller.
        order: ``{"verb": NAME, "arguments": {NAME: VALUE}}``.

    Raises:
        ArgumentError: It is not an order, an argument is invalid, or the reason is missing.
    """
    match order:
        case {"verb": str(verb), "arguments": dict(arguments)} if verb in ORDERS:
            answer: Awaitable[Any] = getattr(control, verb)(**_accepted(verb, arguments))
            return answer
        case _:
            raise ArgumentError("expected a verb of the page and its arguments")


def _accepted(verb: str, arguments: Mapping[object, object]) -> dict[str, Any]:
    hints = get_type_hints(getattr(IControl, verb), include_extras=True)
    hints.pop("return")
    accepted = {}
    for name, value in arguments.items():
        if not isinstance(name, str) or name not in hints or not _fits(value, hints[name]):
            message = f"{verb}: invalid argument {str(name)[:MAX_TEXT]!r}"
            raise ArgumentError(message)
        accepted[name] = value
    if "reason" in hints and not str(accepted.get("reason", "")).strip():
        raise ArgumentError("a reason is needed")
    try:
        signature(getattr(IControl, verb)).bind(None, **accepted)
    except TypeError as error:
        message = f"{verb}: {error}"
        raise ArgumentError(message) from None
    return accepted


def _fits(value: object, hint: Any) -> bool:
    """Return whether a value may be an argument of a type."""
    if hint is bool:
        return isinstance(value, bool)
    within = next((each for each in getattr(hint, "__metadata__", ()) if isinstance(each, Within)), None)
    if within is not None:
        return isinstance(value, int) and not isinstance(value, bool) and within.low <= value <= within.high
    return isinstance(value, str) and len(value) <= MAX_TEXT
