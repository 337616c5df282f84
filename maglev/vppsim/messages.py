"""The binary API as descriptions and numbers: what VPP's messages look like, and which number each has in this life.

The layouts are data: ``memclnt.api.json`` comes with vpp_papi, the few others that are spoken here lie beside this
file in the same format. vpp_papi is the codec, but of it only the codec: no transport, no threads. Addresses are never
turned into objects while decoding, because odd but legal data (a length of 33) would raise, and because a conversion
that raised once spoils the next one in vpp_papi.
"""

from __future__ import annotations

import json
import struct
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import attrs
from vpp_papi.vpp_papi import VPPApiJSONFiles

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

    from maglev.vppsim.release import Release

MODULES: Final = ("vlib", "vpe", "ip", "lb")
"""API files beside this one; ``memclnt`` comes first, from vpp_papi."""

FIRST_FREE_ID: Final = 29
"""The messages of ``memclnt.api`` have fixed numbers, by their place in the file: 1 to 28."""

STRANGERS: Final = 780
"""Messages in the table that nobody here speaks, so that it is as long as that of a VPP with two plugins."""

NAME_SIZE: Final = 64
"""Bytes of a name in the message table."""


@attrs.frozen
class Definition:
    """One message.

    Attributes:
        codec: The VPPMessage of vpp_papi.
        number: Its number in this life of VPP.
        least: Bytes that a message has at least; VPP drops shorter ones.
    """

    name: str
    codec: Any
    number: int
    least: int

    @property
    def key(self) -> str:
        """The name by which the message table lists it: with the CRC of its layout."""
        return f"{self.name}_{self.codec.crc[2:]}"


class MessageTable:
    """The messages of one life of VPP.

    Args:
        random: Where the numbers come from: every life has others, so that nobody gets away with fixed ones.
        release: The VPP to play; it may lack messages.
    """

    def __init__(self, random: random.Random, release: Release) -> None:
        self.descriptions = describe(release)
        self._random = random
        self._by_name: dict[str, Definition] = {}
        self._by_number: dict[int, Definition] = {}
        self._listed: list[tuple[int, str]] = []
        self._define(self.descriptions[0], 1, release)
        number, left = FIRST_FREE_ID, STRANGERS
        for description in random.sample(self.descriptions[1:], len(self.descriptions) - 1):
            strangers = random.randrange(1, STRANGERS // len(self.descriptions))
            number = self._define(description, self._list_strangers(number, strangers), release)
            left -= strangers
        self._list_strangers(number, left)
        random.shuffle(self._listed)

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    @property
    def listed(self) -> Sequence[Mapping[str, object]]:
        """The table as ``sockclnt_create_reply`` tells it."""
        return [{"index": number, "name": name} for number, name in self._listed]

    @property
    def json(self) -> str:
        """The descriptions as ``get_api_json`` tells them."""
        return json.dumps(self.descriptions)

    def number(self, name: str) -> int:
        """Return the number of a message.

        Raises:
            KeyError: This release does not have it.
        """
        return self._by_name[name].number

    def pack(self, name: str, fields: Mapping[str, object]) -> bytes:
        """Encode a message, without frame.

        Raises:
            KeyError: This release does not have it.
        """
        definition = self._by_name[name]
        packed: bytes = definition.codec.pack({"_vl_msg_id": definition.number, **fields})
        return packed

    def unpack(self, message: bytes) -> tuple[str, Any] | None:
        """Decode a message to its name and a named tuple, or return None where VPP would drop it without a word."""
        definition = self._by_number.get(int.from_bytes(message[:2]))
        if definition is None or len(message) < definition.least:
            return None
        if definition.name == "sockclnt_create":
            message = message[:-NAME_SIZE] + _plain(message[-NAME_SIZE:])
        try:
            fields, _ = definition.codec.unpack(message, ntc=True)
        except (ValueError, LookupError, struct.error):
            return None
        return definition.name, fields

    def _list_strangers(self, number: int, count: int) -> int:
        for offset in range(count):
            self._listed.append((number + offset, f"stranger_{number + offset}_{self._random.randrange(1 << 32):08x}"))
        return number + count

    def _define(self, description: Mapping[str, Any], number: int, release: Release) -> int:
        """Number the messages of an API file in their order, gaps for the missing ones included."""
        # vpp_papi changes what it parses, so it gets a copy.
        codecs, _ = VPPApiJSONFiles.process_json_str(json.dumps(description))
        numbered = description["messages"] if number > 1 else _all_of_memclnt()
        for name, *_ in numbered:
            if name in codecs and not release.lacks(description.get("module", "memclnt"), name):
                definition = Definition(name, codecs[name], number, _least(codecs[name]))
                self._by_name[name] = self._by_number[number] = definition
                self._listed.append((number, definition.key))
            number += 1
        return number


def _plain(name: bytes) -> bytes:
    """Return a name that vpp_papi can decode: VPP takes any bytes."""
    return bytes(byte if byte < 0x80 else ord("?") for byte in name)


def describe(release: Release) -> list[dict[str, Any]]:
    """Return the API descriptions of a release, ``memclnt`` first, in the JSON that VPP itself publishes."""
    found = [_memclnt()]
    files = resources.files("maglev.vppsim")
    found += [json.loads((files / f"{module}.api.json").read_text("ascii")) for module in MODULES]
    if not release.has_lb:
        found.pop()
    for description in found:
        module = description.setdefault("module", "memclnt")
        description["messages"] = [
            message for message in description["messages"] if not release.lacks(module, message[0])
        ]
        names = {message[0] for message in description["messages"]}
        services = description["services"]
        description["services"] = {name: services[name] for name in services if name in names}
    return found


def _memclnt() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((resources.files("vpp_papi.data") / "memclnt.api.json").read_text("ascii"))
    return loaded


def _all_of_memclnt() -> list[Any]:
    """Return the messages that fix the numbers 1 to 28, whatever the release lacks of them."""
    messages: list[Any] = _memclnt()["messages"]
    return messages


def _least(codec: Any) -> int:
    """Return the smallest size of a message; a string of variable length has at least its own length field."""
    size: int = codec.size
    return size + 4 if codec.fieldtypes[-1] == "string" and codec.packers[-1].fixed is False else size
