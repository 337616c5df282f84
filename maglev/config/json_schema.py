"""The JSON Schema of the configuration (draft 2020-12), ``maglev/config/maglev.schema.json``, made of our own schema.

``python -m maglev.config.json_schema`` prints it. It is for editors, which check while one types. Every valid file is
valid by it, and it refuses unknown and missing keys, values of a wrong type, and what a single value shows to be wrong.
Limits of durations, and rules that take two or more keys, are beyond it; ``maglevd --check`` has the last word.

A JSON Schema sees what a YAML library made of the file. Those of YAML 1.1 and 1.2 disagree (``off``, ``65_536``), so
either view of a valid file is accepted.
"""

from __future__ import annotations

import json
import re
import sys
from functools import singledispatch
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from maglev.config import durations
from maglev.config.checkkinds import Healthchecks
from maglev.config.filekinds import Patterns
from maglev.config.headerkinds import HEADER_NAME, HEADER_VALUE, ExpectedHeaders, Headers
from maglev.config.keys import ROOT
from maglev.config.kinds import FALSE, PERCENTAGE, TRUE, Boolean, Duration, Integer, OneOf, Percentage, TextKind
from maglev.config.namekinds import NAME as DNS_NAME
from maglev.config.namekinds import DnsName, Nameservers
from maglev.config.netkinds import ARGUMENT, Address, Host, ProgramArguments, StatusCodes
from maglev.config.poolkinds import LeastUp
from maglev.config.probekinds import ESCAPED, EXPECT_REGEXP, HEX, REJECT, STEP_KEYS, EscapedText, HexBytes, Steps
from maglev.config.schema import NAME, ConfigKey, ConfigSection, Listing, NamedSections, Part
from maglev.model.config import CheckType, MinUp

if TYPE_CHECKING:
    from maglev.config.kinds import ValueKind
    from maglev.config.schema import Entry

Json: TypeAlias = dict[str, Any]

_ANY_TEXT: Final = ["string", "number", "boolean"]
"""The types accepted as text: ``80`` and ``true`` are text too where text is expected."""

_ABSENT: Final = ({"type": "null"}, {"const": ""})
"""Values equivalent to an absent key; the latter where text is expected."""

_NEVER_EMPTY: Final = (Integer, Boolean, Duration, Headers, ExpectedHeaders, Percentage, LeastUp, Steps)
"""Kinds that are not text."""


def document() -> str:
    """Return ``maglev/config/maglev.schema.json``."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of maglevd (vpp-maglev)",
        "$comment": "Made by python -m maglev.config.json_schema",
    }
    return json.dumps(head | _section(ROOT), indent=2) + "\n"


def _section(section: ConfigSection) -> Json:
    """Return the schema of a map with fixed keys."""
    schema: Json = {
        "type": "object" if section.needed else ["object", "null"],
        "properties": {name: _entry(entry) for name, entry in section.keys.items()},
        "additionalProperties": False,
    }
    instead = {name: getattr(entry, "instead", "") for name, entry in section.keys.items()}
    if needed := [name for name, entry in section.keys.items() if entry.needed and not instead[name]]:
        schema["required"] = needed
    for name, other in instead.items():
        if other:
            schema["anyOf"] = [{"required": [name]}, {"required": [other]}]
    if "type" in section.keys:
        schema["allOf"] = [_if_type(kind, section) for kind in CheckType]
    return schema


def _entry(entry: Entry) -> Json:
    if isinstance(entry, ConfigKey):
        return _described(entry, _key(entry))
    below = _section(entry.section)
    if isinstance(entry, NamedSections):
        names = {"pattern": _whole(NAME.pattern)}
        below = {"type": ["object", "null"], "propertyNames": names, "additionalProperties": below}
    elif isinstance(entry, Listing):
        some = {"type": "array", "minItems": 1} if entry.needed else {"type": ["array", "null"]}
        below = {**some, "items": below}
    return {"description": entry.help, **below}


def _described(key: ConfigKey, schema: Json) -> Json:
    limits = f"{key.kind.noun}: {key.kind.limits} {key.unit}".rstrip()
    words = f"{key.help} {key.notes}".rstrip().replace("``", "")
    default = f"{key.shown_default.capitalize()}." if key.required else f"Default: {key.shown_default}."
    schema = {"description": f"{words}\n{limits[0].upper()}{limits[1:]}. {default}", **schema}
    if isinstance(key.default, MinUp):
        schema["default"] = key.default.amount
    elif isinstance(key.default, int | str) and key.default != "":
        schema["default"] = key.default
    elif isinstance(key.default, float):
        schema["default"] = key.kind.spell(key.default)
    return schema


def _key(key: ConfigKey) -> Json:
    alternatives = _value(key.kind)
    if not key.needed:
        alternatives += (
            _ABSENT[:1]
            if isinstance(
                key.kind, Integer | Boolean | Duration | Headers | ExpectedHeaders | Percentage | LeastUp | Steps
            )
            else _ABSENT
        )
    return alternatives[0] if len(alternatives) == 1 else {"anyOf": alternatives}


@singledispatch
def _value(_kind: ValueKind) -> list[Json]:
    """Return the alternative schemas of a value of this kind: any text where nothing more specific is possible."""
    return [{"type": _ANY_TEXT}]


@_value.register
def _integer(kind: Integer) -> list[Json]:
    number: Json = {"type": "integer", "minimum": kind.minimum, "maximum": kind.maximum}
    if kind.power_of_two:
        powers = [1 << exponent for exponent in range(kind.maximum.bit_length())]
        number = {"enum": [power for power in powers if kind.minimum <= power <= kind.maximum]}
    word: list[Json] = [{"const": kind.word}] if kind.word else []
    return [number, {"type": "string", "pattern": r"^\+?[0-9]+(_[0-9]+)+$"}, *word]


@_value.register
def _boolean(_kind: Boolean) -> list[Json]:
    # The boolean words that YAML 1.2 reads as text.
    words = sorted(word for word in TRUE | FALSE if word.lower() not in {"true", "false"})
    return [{"type": "boolean"}, {"enum": words}]


@_value.register
def _duration(kind: Duration) -> list[Json]:
    text = {"type": "string", "pattern": rf"^({durations.PATTERN})$"}
    zero = not kind.minimum and not kind.above_zero
    return [text, {"const": 0}] if zero else [text]


@_value.register
def _percentage(_kind: Percentage) -> list[Json]:
    return [{"type": "string", "pattern": f"^{PERCENTAGE}$"}]


@_value.register
def _least_up(kind: LeastUp) -> list[Json]:
    return [
        {"type": "integer", "minimum": 1, "maximum": kind.maximum},
        {"type": "string", "pattern": f"^{PERCENTAGE}$"},
    ]


@_value.register
def _choice(kind: OneOf) -> list[Json]:
    return [{"enum": [word.value for word in kind.words]}]


@_value.register
def _text(kind: TextKind) -> list[Json]:
    if kind.prose:
        return [{"type": _ANY_TEXT}]  # its length and characters are checked after its blanks are folded
    rules = [rule.pattern for rule in kind.rules]
    patterns = [{"pattern": _whole(rule)} for rule in rules]
    number = all(rule.fullmatch("1") for rule in rules)
    schema: Json = {"type": _ANY_TEXT if number else "string", "maxLength": kind.length}
    return [schema | (patterns[0] if len(patterns) == 1 else {"allOf": patterns})]


@_value.register
def _address(kind: Address) -> list[Json]:
    families = (kind.family,) if kind.family else (4, 6)
    return [{"type": "string", "format": f"ipv{family}"} for family in families]


@_value.register
def _host(kind: Host) -> list[Json]:
    return [{"type": _ANY_TEXT, "pattern": _whole(kind.pattern)}]


@_value.register
def _dns_name(_kind: DnsName) -> list[Json]:
    return [{"type": _ANY_TEXT, "pattern": _whole(DNS_NAME)}]


@_value.register
def _nameservers(kind: Nameservers) -> list[Json]:
    one: Json = {"type": "string"}
    return [one, {"type": "array", "maxItems": kind.most, "items": one}]


@_value.register
def _headers(kind: Headers) -> list[Json]:
    names, value = {"pattern": _whole(HEADER_NAME)}, {"type": _ANY_TEXT, "pattern": _whole(HEADER_VALUE)}
    return [
        {"type": "object", "maxProperties": kind.most, "propertyNames": names, "additionalProperties": value},
    ]


@_value.register
def _expected_headers(kind: ExpectedHeaders) -> list[Json]:
    value: Json = {"type": _ANY_TEXT}
    value |= {"pattern": _whole(HEADER_VALUE)} if kind.pattern is None else {"maxLength": kind.pattern.length}
    names = {"pattern": _whole(HEADER_NAME)}
    return [{"type": "object", "maxProperties": kind.most, "propertyNames": names, "additionalProperties": value}]


@_value.register
def _escaped_text(kind: EscapedText) -> list[Json]:
    return [{"type": _ANY_TEXT, "maxLength": 4 * kind.length, "pattern": _whole(ESCAPED)}]


@_value.register
def _hex_bytes(_kind: HexBytes) -> list[Json]:
    return [{"type": _ANY_TEXT, "pattern": _whole(HEX)}]


@_value.register
def _steps(kind: Steps) -> list[Json]:
    def step(name: str, *others: str) -> Json:
        kinds = {each: STEP_KEYS.get(each, EXPECT_REGEXP) for each in (name, *others)}
        properties = {each: _value(of)[0] for each, of in kinds.items()}
        return {"type": "object", "properties": properties, "required": [name], "additionalProperties": False}

    steps = [step(name, *(() if name.startswith("send") else (REJECT,))) for name in STEP_KEYS]
    return [{"type": "array", "maxItems": kind.most, "items": {"anyOf": steps}}]


@_value.register
def _command_line(kind: ProgramArguments) -> list[Json]:
    word = {"type": _ANY_TEXT, "maxLength": kind.length, "pattern": _whole(ARGUMENT)}
    return [{"type": "array", "minItems": 1, "maxItems": kind.most, "items": word}]


@_value.register
def _patterns(kind: Patterns) -> list[Json]:
    one: Json = {"type": _ANY_TEXT, "maxLength": kind.length}
    return [one, {"type": "array", "maxItems": kind.most, "items": one}]


@_value.register
def _healthchecks(kind: Healthchecks) -> list[Json]:
    names: Json = {"type": "array", "minItems": 1, "maxItems": kind.most, "items": {"type": _ANY_TEXT}}
    needed: Json = {"anyOf": [{"enum": ["all", "any", None]}, {"type": "integer", "minimum": 1, "maximum": kind.most}]}
    parts: Json = {"checks": names, "require": needed}
    several: Json = {"type": "object", "required": ["checks"], "properties": parts, "additionalProperties": False}
    return [{"type": _ANY_TEXT}, names, several]


@_value.register
def _status_codes(kind: StatusCodes) -> list[Json]:
    one: list[Json] = [
        {"type": "integer", "minimum": 100, "maximum": 599},
        {"type": "string", "pattern": r"^[1-5][0-9]{2}( ?- ?[1-5][0-9]{2})?$"},
    ]
    return [*one, {"type": "array", "minItems": 1, "maxItems": kind.most, "items": {"anyOf": one}}]


def _whole(pattern: re.Pattern[str]) -> str:
    """Return a pattern for JSON Schema: anchored, and in the ECMA dialect, with unnamed groups."""
    return f"^(?:{re.sub(r'[?]P<[a-z0-9]+>', '', pattern.pattern)})$"


def _if_type(kind: CheckType, section: ConfigSection) -> Json:
    """Return the conditions for one type of healthcheck: required keys, and keys of other types."""
    here = {"properties": {"type": {"const": str(kind)}}, "required": ["type"]}
    return {"if": here, "then": _of_type(kind, section)}


def _of_type(kind: CheckType, section: ConfigSection) -> Json:
    keys = [key for key in section.keys.values() if isinstance(key, ConfigKey)]
    foreign = [key.name for key in keys if kind not in key.types]
    required = [key.name for key in keys if not key.needed and kind in key.required_types]
    properties: Json = {name: {"type": "null"} for name in foreign}
    properties |= {name: {"not": {"type": "null"}} for name in required}
    for name, entry in section.keys.items():
        if isinstance(entry, Part):
            properties[name] = _of_type(kind, entry.section)
    return {"properties": properties} | ({"required": required} if required else {})


if __name__ == "__main__":
    sys.stdout.write(document())
