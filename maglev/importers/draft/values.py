"""Checks values from elsewhere against the rules of our own file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from maglev.config.headerkinds import HEADER_NAME
from maglev.config.healthcheck_keys import DAY, HEADERS, HEALTHCHECK, MIN_INTERVAL, PARAMS, PROBES
from maglev.config.kinds import UnfitError
from maglev.config.netkinds import Address
from maglev.config.nodes import MapNode, ScalarNode
from maglev.config.schema import ConfigKey

if TYPE_CHECKING:
    from collections.abc import Iterable

_ADDRESS: Final = Address(loopback=(4,))

_CODES: Final = re.compile(r"([0-9]{3})(?:-([0-9]{3}))?")


def fits(key: str, text: str) -> bool:
    """Return whether a text is a valid value of a key of a healthcheck or of its parameters."""
    entry = PARAMS.keys.get(key) or HEALTHCHECK.keys[key]
    assert isinstance(entry, ConfigKey)  # noqa: S101  # only such keys are asked for
    try:
        return entry.kind.read(ScalarNode(text, False, 1, 1)) is not None
    except UnfitError:
        return False


def header_fits(name: str, value: str) -> bool:
    """Return whether a header is one that a healthcheck may send."""
    key, text = (ScalarNode(each, False, 1, 1) for each in (name, value))
    try:
        return HEADERS.read(MapNode({name: (key, text)}, 1, 1)) is not None
    except UnfitError:
        return False


def header_name_fits(name: str) -> bool:
    """Return whether a name is that of a header."""
    return HEADER_NAME.fullmatch(name) is not None


def address_of(text: str) -> str | None:
    """Return the canonical form of an address that is valid in the file; None for anything else."""
    try:
        read = _ADDRESS.read(ScalarNode(text, False, 1, 1))
    except UnfitError:
        return None
    return None if read is None else str(read)


def interval(seconds: float) -> float:
    """Return the nearest valid interval."""
    return round(min(max(seconds, MIN_INTERVAL), DAY), 6)


def probes(count: int) -> int:
    """Return the nearest valid ``rise`` or ``fall``."""
    return min(max(count, PROBES.minimum), PROBES.maximum)


def code_ranges(words: Iterable[str]) -> tuple[tuple[int, int], ...] | None:
    """Return status codes such as ``200`` and ``300-399`` as ranges; None if one is invalid."""
    ranges = []
    for word in words:
        match = _CODES.fullmatch(word)
        if match is None:
            return None
        first, last = int(match[1]), int(match[2] or match[1])
        if not 100 <= first <= last <= 599:
            return None
        ranges.append((first, last))
    return tuple(ranges) or None
