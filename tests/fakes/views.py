"""What `IControl` promises, checked: every verb with its arguments, and every answer in its shape."""

from __future__ import annotations

import inspect
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints, is_typeddict

from maglev.interfaces import IControl

VERBS = {name: verb for name, verb in vars(IControl).items() if inspect.iscoroutinefunction(verb)}
"""The verbs of the interface, by name."""


def has_every_verb(control):
    """Return whether a control has all verbs of the interface, with the same arguments and defaults."""
    for name, declared in VERBS.items():
        _, *wanted = inspect.signature(declared).parameters.values()
        given = inspect.signature(getattr(control, name)).parameters.values()
        assert [(each.name, each.kind, each.default) for each in given] == [
            (each.name, each.kind, each.default) for each in wanted
        ], name
    return control.caller is not None


def answer_type(name):
    """Return the type of a verb's answer."""
    return get_type_hints(VERBS[name], include_extras=True)["return"]


def misfits(value, hint, place="answer"):
    """Return what is wrong with a value of a type; a view must have the declared keys and no others."""
    origin = get_origin(hint)
    if is_typeddict(origin or hint):
        return _misfits_of_view(value, hint, place)
    if origin in _MISFITS:
        return _MISFITS[origin](value, get_args(hint), place)
    kinds = {float: (int, float), Any: object}.get(hint, hint)
    right = isinstance(value, kinds) and (hint in {bool, Any} or not isinstance(value, bool))
    return [] if right else [f"{place} is not of type {hint}: {value!r}"]


_MISFITS = {
    Annotated: lambda value, args, place: misfits(value, args[0], place),
    list: lambda value, args, place: (
        misfits(value, list, place)
        or [each for index, row in enumerate(value) for each in misfits(row, args[0], f"{place}[{index}]")]
    ),
    dict: lambda value, args, place: (
        misfits(value, dict, place)
        or [each for key, item in value.items() for each in misfits(item, args[1], f"{place}.{key}")]
    ),
    UnionType: lambda value, args, place: min((misfits(value, each, place) for each in args), key=len),
    Literal: lambda value, args, place: [] if value in args else [f"{place} is not one of {args}: {value!r}"],
}


def _misfits_of_view(value, hint, place):
    if not isinstance(value, dict):
        return [f"{place} is not a dictionary: {value!r}"]
    hints, kind = fields(hint), get_origin(hint) or hint
    missing, extra = kind.__required_keys__ - value.keys(), value.keys() - hints.keys()
    found = [f"{place} has no {key}" for key in sorted(missing)] + [f"{place} has {key}, too" for key in sorted(extra)]
    return found + [
        each for key in value.keys() & hints.keys() for each in misfits(value[key], hints[key], f"{place}.{key}")
    ]


def fields(view):
    """Return the types of a view's keys, as annotated."""
    hints = get_type_hints(get_origin(view) or view, include_extras=True)
    rows = row_type(view)
    return hints if rows is None else {**hints, "rows": Annotated[list[rows], get_args(hints["rows"])[1]]}


def row_type(view):
    """Return the type of a page's rows; None for what is not a page."""
    if get_origin(view) is not None:
        return get_args(view)[0]
    return next(
        (get_args(base)[0] for base in getattr(view, "__orig_bases__", ()) if get_origin(base) is not None), None
    )
