"""Values of every form, for every kind of value that a key of the configuration has."""

from __future__ import annotations

from maglev.config.compose import compose
from maglev.config.findings import Findings
from maglev.config.keys import ROOT
from maglev.config.kinds import UnfitError
from maglev.config.schema import ConfigKey, walk

VALUES = {
    "huge": "84430000000000000000000000000",
    "huge beyond Python's conversion": "9" * 5000,
    "huge with underscores": "1_000_000_000_000_000_000_000_000",
    "tiny": "0.0000000001",
    "zero": "0",
    "negative": "-8443",
    "huge negative": "-" + "9" * 30,
    "float": "80.0",
    "exponent": "1e3",
    "hexadecimal": "0x50",
    "octal": "0120",
    "octal of YAML 1.2": "0o120",
    "sexagesimal": "1:30",
    "not a number": ".nan",
    "infinite": ".inf",
    "empty": '""',
    "null": "~",
    "list": "[1, 2]",
    "empty list": "[]",
    "map": "{a: 1}",
    "boolean": "true",
    "boolean in quotes": '"true"',
    "number in quotes": '"80"',
    "unknown word": "htps",
    "text with spaces": "two words",
    "spaces around": '" 80 "',
    "unicode digits": "\u0668\u0664\u0664\u0663",
    "control character": '"a\\eb"',
    "long": "x" * 5000,
    "long duration": "9" * 70 + "h",
    "duration out of range": "9999999999999h",
    "fine duration": "1.0000000001s",
    "duration without a unit": "1500",
    "duration without a unit, out of range": "9" * 50,
    "negative duration": "-1m90s",
    "address in another spelling": "::FFFF:192.0.2.1",
    "address of both families": "2001:DB8:0::1",
    "address on a link": "FE80:0::1",
    "name beyond DNS": "h" * 254,
    "port beyond 65535": "name:99999",
    "pattern": "(unclosed",
}
"""YAML, by what it is."""


def kinds():
    """Return every distinct kind of value in the schema, by the first key that has it."""
    found = {}
    for path, section in walk(ROOT):
        for key in section.keys.values():
            if isinstance(key, ConfigKey):
                found.setdefault(key.kind, f"{path}.{key.name}")
    return {path: kind for kind, path in found.items()}


def node_of(text):
    """Return the node of a value, as in a file."""
    findings = Findings()
    node = compose(text, findings)
    assert findings.valid, text
    return node


def refusal(kind, text):
    """Return what a kind says of a value, or None if it accepts it."""
    try:
        kind.read(node_of(text))
    except UnfitError as error:
        return error
    return None


def refusals():
    """Yield a line for each value that a kind refuses; of kinds that differ in limits only, for the first."""
    for path, kind in {type(kind): (path, kind) for path, kind in reversed(kinds().items())}.values():
        for name, text in VALUES.items():
            if error := refusal(kind, text):
                yield f"{path}, {name}: {error.text}"
