"""The file of overrides: JSON, with a format number. It is read as a whole or refused as a whole.

Whatever is in the file that this program does not know (another format, another key, another order) refuses all of it:
an operator's word that is understood by half may be the opposite of what was said.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, Final

import attrs

from maglev.model.addresses import canonical, is_address
from maglev.model.announce import AnnounceOrder
from maglev.model.config import MAX_WEIGHT
from maglev.model.errors import LocalError
from maglev.model.moments import LATEST
from maglev.model.override import MAX_CALLER, MAX_DURATION, MAX_REASON, BackendOrder, DrainGoal, Override, Target, Value

if TYPE_CHECKING:
    from collections.abc import Iterable

FILE_NAME: Final = "overrides.json"
"""Its name in the state directory."""

FORMAT: Final = 1
WITH_GOALS: Final = 2
"""The formats that are read; the second has the goals of drains, and is only written for them."""

MAX_FLOWS: Final = 4_294_967_295
"""What VPP can count."""

MAX_OVERRIDES: Final = 10_000
"""Overrides at most: one command each, and the file is written as a whole for each of them."""

SIZE_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of the file at most: so many overrides with the longest names, reasons and escapes have less."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_KEYS: Final = {"object", "value", "base", "who", "origin", "reason", "at", "until"}
_OBJECTS: Final = ({"backend"}, {"frontend"}, {"backend", "frontend", "pool"}, {"address"})


class DamagedError(LocalError):
    """The file is not one that this program has written."""


def encode(overrides: Iterable[Override]) -> bytes:
    """Return the content of the file."""
    records = [_record(override) for override in overrides]
    used = WITH_GOALS if any("goal" in record for record in records) else FORMAT
    return (json.dumps({"format": used, "overrides": records}, indent=1) + "\n").encode("ascii")


def _record(override: Override) -> dict[str, object]:
    target = override.target
    names = attrs.asdict(target)
    return {
        "object": {key: name for key, name in names.items() if name},
        "value": override.value,
        "base": override.base,
        "who": override.who,
        "origin": override.origin,
        "reason": override.reason,
        "at": override.at,
        "until": override.until,
        **({} if override.goal is None else {"goal": attrs.asdict(override.goal)}),
    }


def decode(content: bytes) -> tuple[Override, ...]:
    """Return the overrides in the content of a file.

    Raises:
        DamagedError: It is anything but what `encode` returns; the text says what was expected.
    """
    if len(content) > SIZE_LIMIT:
        message = f"larger than {SIZE_LIMIT} bytes"
        raise DamagedError(message)
    try:
        whole = json.loads(content.decode("ascii"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise DamagedError("not valid JSON") from error
    if not isinstance(whole, dict) or "format" not in whole:
        raise DamagedError("expected an object with a format")
    if whole["format"] not in (FORMAT, WITH_GOALS) or isinstance(whole["format"], bool):
        message = f"expected format {FORMAT} or {WITH_GOALS}: another version of this program has written it"
        raise DamagedError(message)
    records = whole.get("overrides")
    if whole.keys() != {"format", "overrides"} or not isinstance(records, list) or len(records) > MAX_OVERRIDES:
        message = f"expected a list of at most {MAX_OVERRIDES} overrides"
        raise DamagedError(message)
    overrides = tuple(_override(record, goals=whole["format"] == WITH_GOALS) for record in records)
    if len({override.target for override in overrides}) < len(overrides):
        raise DamagedError("expected one override for each object")
    return overrides


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _no_constant(_: str) -> object:
    raise ValueError("not a number of JSON")


def _override(record: object, *, goals: bool) -> Override:
    if not isinstance(record, dict) or record.keys() - ({"goal"} if goals else set()) != _KEYS:
        message = f"expected overrides with {', '.join(sorted(_KEYS))}"
        raise DamagedError(message)
    target = _target(record["object"])
    value, base = (_value(record[key], target) for key in ("value", "base"))
    who, origin = (_text(record[key], MAX_CALLER) for key in ("who", "origin"))
    at = _time(record["at"])
    until = None if record["until"] is None else _time(record["until"])
    if until is not None and not 0 <= until - at <= MAX_DURATION + 1:
        raise DamagedError("expected the end of an override after its beginning, and not too long after")
    goal = _goal(record["goal"], at) if "goal" in record else None
    if goal is not None and value is not BackendOrder.DRAIN:
        raise DamagedError("expected the goal of a drain only for a drain")
    return Override(target, value, base, who, origin, _text(record["reason"], MAX_REASON), at, until, goal)


def _goal(found: object, at: float) -> DrainGoal:
    if not isinstance(found, dict) or found.keys() != {"flows", "by", "disable"}:
        raise DamagedError("expected flows, by and disable of the goal of a drain")
    flows, disable = found["flows"], found["disable"]
    if not isinstance(flows, int) or isinstance(flows, bool) or not 0 <= flows <= MAX_FLOWS:
        message = f"expected flows in 0..{MAX_FLOWS}"
        raise DamagedError(message)
    if not isinstance(disable, bool):
        raise DamagedError("expected true or false for disable")
    by = None if found["by"] is None else _time(found["by"])
    if by is not None and not 0 <= by - at <= MAX_DURATION + 1:
        raise DamagedError("expected the time limit of a drain after its beginning, and not too long after")
    return DrainGoal(flows, by, disable)


def _target(found: object) -> Target:
    if not isinstance(found, dict) or found.keys() not in _OBJECTS:
        text = "expected a backend, a frontend, a frontend with a pool and a backend, or an address, as the object"
        raise DamagedError(text)
    if "address" in found:
        return Target("", address=_address(found["address"]))
    if not all(isinstance(name, str) and _NAME.fullmatch(name) for name in found.values()):
        raise DamagedError("expected names as in a configuration")
    return Target(**found)


def _address(found: object) -> str:
    if isinstance(found, str) and is_address(found) and canonical(found) == found:
        return found
    raise DamagedError("expected addresses as in a configuration")


def _value(found: Any, target: Target) -> Value:
    if target.is_weight:
        if isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= MAX_WEIGHT:
            return found
        message = f"expected weights in 0..{MAX_WEIGHT}"
        raise DamagedError(message)
    orders: tuple[BackendOrder | AnnounceOrder, ...] = tuple(AnnounceOrder if target.address else BackendOrder)
    orders = (BackendOrder.ENABLE, BackendOrder.DISABLE) if target.is_frontend else orders
    for order in orders:
        if found == order.value:
            return order
    message = f"expected one of {', '.join(orders)} for {'an address' if target.address else f'the {target}'}"
    raise DamagedError(message)


def _text(found: object, limit: int) -> str:
    if not isinstance(found, str) or len(found) > limit or not found.isprintable():
        message = f"expected texts of at most {limit} printable characters"
        raise DamagedError(message)
    return found


def _time(found: object) -> float:
    if not isinstance(found, int | float) or isinstance(found, bool) or not math.isfinite(found):
        raise DamagedError("expected times as numbers")
    if not 0 <= found <= LATEST:
        raise DamagedError("expected times as seconds since 1970")
    return float(found)
