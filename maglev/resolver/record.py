"""The file of the last good answers, so that a restart without a nameserver changes nothing. No I/O.

It is read as a whole or refused as a whole, and nothing in it is trusted: addresses go through the same rules as those
of an answer (`maglev.resolver.book`).
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Final

import attrs

from maglev.model.addresses import canonical, family, is_address
from maglev.model.errors import LocalError
from maglev.model.moments import LATEST
from maglev.model.names import MAX_ADDRESSES, MAX_ALL_ADDRESSES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from maglev.model.addresses import Family

FILE_NAME: Final = "names.json"
"""Its name in the state directory."""

FORMAT: Final = 1

SIZE_LIMIT: Final = 2 * 1024 * 1024
"""Bytes at most: all the addresses that names may stand for, each under a name of its own, have less."""

MAX_NUMBER: Final = 2 * MAX_ADDRESSES
"""More than any number that is given: of a full set, each takes a new one at once."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_KEYS: Final = {"name", "dns_name", "family", "at", "addresses"}


class NamesDamagedError(LocalError):
    """The file is not one that this program has written."""


@attrs.frozen
class Remembered:
    """The last good answer for a name.

    Attributes:
        name: The name in the configuration file.
        dns_name: What was resolved.
        family: The family of the addresses.
        at: When the answer came, by the wall clock.
        numbers: The addresses by number.
    """

    name: str
    dns_name: str
    family: Family
    at: float
    numbers: Mapping[int, str]


def encode(remembered: Iterable[Remembered]) -> bytes:
    """Return the content of the file."""
    records = [
        {
            "name": each.name,
            "dns_name": each.dns_name,
            "family": each.family,
            "at": each.at,
            "addresses": {str(number): address for number, address in each.numbers.items()},
        }
        for each in remembered
    ]
    return (json.dumps({"format": FORMAT, "names": records}, indent=1) + "\n").encode("ascii")


def decode(content: bytes) -> tuple[Remembered, ...]:
    """Return the answers in the content of a file.

    Raises:
        NamesDamagedError: It is anything but what `encode` returns; the text says what was expected.
    """
    if len(content) > SIZE_LIMIT:
        raise NamesDamagedError(f"larger than {SIZE_LIMIT} bytes")
    try:
        whole = json.loads(content.decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise NamesDamagedError("not valid JSON") from error
    if not isinstance(whole, dict) or whole.get("format") != FORMAT or isinstance(whole["format"], bool):
        raise NamesDamagedError(f"expected format {FORMAT}: another version of this program has written it")
    records = whole.get("names")
    if not isinstance(records, list) or len(records) > MAX_ALL_ADDRESSES:
        raise NamesDamagedError(f"expected a list of at most {MAX_ALL_ADDRESSES} names")
    return tuple(map(_remembered, records))


def _remembered(record: object) -> Remembered:
    if not isinstance(record, dict) or record.keys() != _KEYS:
        raise NamesDamagedError(f"expected names with {', '.join(sorted(_KEYS))}")
    name, dns_name, at = record["name"], record["dns_name"], record["at"]
    if not isinstance(name, str) or not _NAME.fullmatch(name) or not isinstance(dns_name, str) or len(dns_name) > 253:
        raise NamesDamagedError("expected names as in a configuration")
    if not isinstance(at, int | float) or isinstance(at, bool) or not math.isfinite(at) or not 0 <= at <= LATEST:
        raise NamesDamagedError("expected times as seconds since 1970")
    version = _family(record["family"])
    return Remembered(name, dns_name, version, float(at), _numbers(record["addresses"], version))


def _family(found: object) -> Family:
    if found == 4 or found == 6:  # noqa: PLR1714  # tells mypy what it is
        return 4 if found == 4 else 6
    raise NamesDamagedError("expected 4 or 6 as the family")


def _numbers(found: object, version: Family) -> dict[int, str]:
    if not isinstance(found, dict) or len(found) > MAX_ADDRESSES:
        raise NamesDamagedError(f"expected at most {MAX_ADDRESSES} addresses of a name")
    numbers = {}
    for number, address in found.items():
        if not re.fullmatch(r"[1-9][0-9]{0,3}", number) or int(number) > MAX_NUMBER:
            raise NamesDamagedError(f"expected numbers in 1..{MAX_NUMBER}")
        if not isinstance(address, str) or not is_address(address) or canonical(address) != address:
            raise NamesDamagedError("expected addresses as in a configuration")
        if family(address) != version:
            raise NamesDamagedError("expected addresses of the family of the name")
        numbers[int(number)] = address
    if len(set(numbers.values())) < len(numbers):
        raise NamesDamagedError("expected each address once")
    return numbers
