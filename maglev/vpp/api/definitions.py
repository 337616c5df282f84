"""VPP's API definitions (``.api.json``), compiled to layouts.

Theory of operation. VPP describes its API in JSON: one object a module, with its types (imported ones included, so that
a module stands for itself) and its messages. A message is a list: its name, its fields, a dictionary with its checksum.
A field is a list too: type, name, and for arrays a length and perhaps the name of the field that holds it, with
dictionaries of options anywhere after the name (``src/tools/vppapigen/vppapigen_json.py``).

`elements` reads the array of all modules one by one, so that the caller can let others run between two;
`compile_module` turns the messages that we know into layouts; `Layouts` keeps them for as long as the program runs, by
name and checksum, because VPP is asked again at each connection and nearly always has the same.
"""

from __future__ import annotations

import json
import re
import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from maglev.model.errors import VppProtocolError
from maglev.vpp.api.codec import Layout, Tail
from maglev.vpp.api.messages import BOOTSTRAP, EXPECTED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_BASE: Final = {
    "u8": "B",
    "i8": "b",
    "u16": "H",
    "i16": "h",
    "u32": "I",
    "i32": "i",
    "u64": "Q",
    "i64": "q",
    "f64": "8s",  # in the byte order of the machine that VPP runs on; none of our messages has one
    "bool": "?",
}

_MAX_DEPTH: Final = 16
"""Maximum nesting of types; VPP's deepest has 6. More means a cycle."""

_MAX_FIELDS: Final = 1 << 15
"""Maximum number of fields of all messages of ours in one module, with those of their types; there are some
hundreds."""

_MARK: Final = re.compile(r"\s*([\[,\]])\s*")

_ODDITIES = (KeyError, IndexError, TypeError, ValueError, AttributeError, struct.error)
"""What walking JSON of an unexpected shape may raise."""


class _Part(NamedTuple):
    name: str
    code: str
    tail: Tail = Tail.NONE


def elements(text: str) -> Iterator[Any]:
    """Yield the elements of a JSON array one by one.

    Raises:
        VppProtocolError: The text is not a JSON array.
    """
    decoder = json.JSONDecoder()
    position = 0
    while True:
        mark = _MARK.match(text, position)
        if mark is None or (mark[1] == "[") is not (position == 0):
            raise VppProtocolError(f"API definitions are not a JSON array at character {position}")
        position = mark.end()
        if mark[1] == "]" or text.startswith("]", position):
            return
        try:
            element, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            raise VppProtocolError(f"API definitions are not JSON at character {position}") from error
        yield element


class _Types:
    """The types of one module, by the names that fields use."""

    def __init__(self, module: Mapping[str, Any]) -> None:
        self._structures = {_type_name(name): members for name, *members in module.get("types", ())}
        self._unions = {_type_name(name): members for name, *members in module.get("unions", ())}
        self._enums = {
            _type_name(name): next((m["enumtype"] for m in members if isinstance(m, dict) and "enumtype" in m), "u32")
            for name, *members in (*module.get("enums", ()), *module.get("enumflags", ()))
        }
        self._aliases = {_type_name(name): alias for name, alias in module.get("aliases", {}).items()}
        self._fields = 0

    def members(self, members: list[Any], prefix: str = "", depth: int = 0) -> Iterator[_Part]:
        """Yield the flattened parts of a structure or message."""
        for member in members:
            if not isinstance(member, dict):
                kind, name, *rest = member
                lengths = [item for item in rest if not isinstance(item, dict)]
                yield from self._field(kind, prefix + name, lengths, depth)

    def _field(self, kind: str, name: str, lengths: list[Any], depth: int) -> Iterator[_Part]:
        if not lengths:
            yield from self._single(kind, name, depth)
        elif lengths[0] == 0:
            yield _Part(name, "I", Tail.TEXT) if kind == "string" else _Part(name, "", Tail.REST)
        else:
            yield from self._array(kind, name, int(lengths[0]), depth)

    def _array(self, kind: str, name: str, length: int, depth: int) -> Iterator[_Part]:
        if kind == "string":
            yield _Part(name, f"{length}s")
        elif kind == "u8":
            yield _Part(f"{name}:{length}", f"{length}s")
        else:
            for index in range(length):
                yield from self._single(kind, f"{name}[{index}]", depth)

    def _single(self, kind: str, name: str, depth: int) -> Iterator[_Part]:
        self._fields += 1
        if depth > _MAX_DEPTH or self._fields > _MAX_FIELDS:
            message = "the types are too complex"
            raise ValueError(message)
        kind = self._enums.get(kind, kind)
        if kind in _BASE:
            yield _Part(name, _BASE[kind])
        elif kind in self._aliases:
            alias = self._aliases[kind]
            yield from self._field(alias["type"], name, [alias["length"]] if "length" in alias else [], depth + 1)
        elif kind in self._unions:
            size = max(self._size([member], depth) for member in self._unions[kind] if not isinstance(member, dict))
            yield _Part(f"{name}:{size}", f"{size}s")
        else:
            yield from self.members(self._structures[kind], name + ".", depth + 1)

    def _size(self, members: list[Any], depth: int) -> int:
        return struct.calcsize(">" + "".join(part.code for part in self.members(members, "", depth + 1)))


def _type_name(name: str) -> str:
    return f"vl_api_{name}_t"


def compile_module(module: Any) -> Iterator[tuple[str, str, Layout | None]]:
    """Yield name, checksum and layout of each message of a module that we know; None for one with other fields.

    Args:
        module: The parsed content of one ``.api.json`` file.
    """
    try:
        types = _Types(module)
        messages = [message for message in module["messages"] if message[0] in EXPECTED]
        named = [(name, _crc(members), members) for name, *members in messages]
    except _ODDITIES:
        # Not the shape of a module: none of it can be trusted, so none of it is used.
        return
    for name, crc, members in named:
        yield name, crc, _layout(types, name, crc, members)


def _crc(members: list[Any]) -> str:
    return next(str(member["crc"]) for member in members if isinstance(member, dict) and "crc" in member)[2:]


def _layout(types: _Types, name: str, crc: str, members: list[Any]) -> Layout | None:
    try:
        parts = list(types.members(members))
        packing = struct.Struct(">" + "".join(part.code for part in parts))
    except _ODDITIES:
        return None
    if any(part.tail is not Tail.NONE for part in parts[:-1]):
        return None
    tail = parts[-1].tail
    fields = tuple(part.name for part in parts if part.tail is not Tail.REST)
    return Layout(name, crc, fields, packing, tail) if fields == EXPECTED[name] else None


class Layouts:
    """The layouts known so far, by name and checksum of the message: give the same one to every connection."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Layout | None] = {}
        self.learn(BOOTSTRAP)

    def learn(self, module: Any) -> None:
        """Take in what a module defines; messages that we don't know are passed over."""
        for name, crc, layout in compile_module(module):
            self._known[name, crc] = layout

    def get(self, name: str, crc: str) -> Layout | None:
        """Return the layout of a message; None if its definition is not known or has other fields than ours."""
        return self._known.get((name, crc))

    def is_settled(self, name: str, crc: str) -> bool:
        """Return whether the definition of a message has been seen, usable or not."""
        return (name, crc) in self._known

    def settle(self, name: str, crc: str) -> None:
        """Remember that VPP lists a message that it does not define, so that it is not asked again for that."""
        self._known.setdefault((name, crc), None)


def bootstrap_layout(name: str) -> Layout:
    """Return the layout of a message of `BOOTSTRAP`, whatever the checksum in VPP's table: to get that table."""
    return next(layout for known, _, layout in compile_module(BOOTSTRAP) if known == name and layout is not None)
