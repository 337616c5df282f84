"""The kinds of values of probes that talk: bytes as text or in hexadecimal, and the steps of a conversation."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import attrs

from maglev.config.kinds import UnfitError, forbidden, not_hidden, text_of, wrong_type
from maglev.config.netkinds import Regexp
from maglev.config.nodes import ListNode, MapNode, Node, is_null
from maglev.model.check_params import AnswerPattern, ProbeStep
from maglev.model.problem import ProblemKind
from maglev.model.text import excerpt, printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maglev.config.kinds import ValueKind
    from maglev.config.nodes import ScalarNode

ESCAPED: Final = re.compile(r"(?:[^\\]|\\(?:[rnt0\\]|x[0-9A-Fa-f]{2}))*")
_ESCAPE: Final = re.compile(r"\\(x[0-9A-Fa-f]{2}|.|\Z)", re.DOTALL)
_ESCAPES: Final = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}

HEX: Final = re.compile(r"\s*(?:[0-9A-Fa-f]{2}\s*)*")


def spell_bytes(data: bytes) -> str:
    r"""Return bytes as a text with escapes, as `EscapedText` reads it; ``\x`` for all that is not printable ASCII."""
    names = {value[0]: f"\\{name}" for name, value in _ESCAPES.items() if name != "0"}
    return "".join(names.get(byte) or (chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}") for byte in data)


@attrs.frozen
class EscapedText:
    r"""Bytes, written as text with escapes: ``\r \n \t \0 \\`` and ``\xHH``; other characters are sent as UTF-8.

    Attributes:
        length: Maximum number of bytes.
    """

    length: int
    noun = "text"

    @property
    def limits(self) -> str:
        """The escapes and the length."""
        return rf"at most {self.length} bytes, with the escapes \r \n \t \0 \\ \xHH"

    def read(self, node: Node) -> bytes | None:
        """Return the bytes, or None for an empty text; see `ValueKind.read`."""
        text = not_hidden(text_of(self.noun, self.limits, node), node)
        data = b""
        position = 0
        for escape in _ESCAPE.finditer(text):
            word = escape[1]
            if word not in _ESCAPES and len(word) < 3:
                what = f'invalid escape {printable(escape[0])} in "{excerpt(text)}"'
                raise forbidden(node, f"{what}: expected {self.limits}")
            data += _utf8(text[position : escape.start()], node)
            data += _ESCAPES.get(word) or bytes.fromhex(word[1:])
            position = escape.end()
        data += _utf8(text[position:], node)
        if len(data) > self.length:
            raise forbidden(node, f'must have {self.limits}, not {len(data)}: "{excerpt(text)}"')
        return data or None

    def spell(self, value: bytes) -> str:
        """Return it with escapes."""
        return spell_bytes(value)


def _utf8(text: str, node: Node) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # libyaml lets none pass
        raise forbidden(node, f'invalid text "{excerpt(text)}": expected valid Unicode') from None


@attrs.frozen
class HexBytes:
    """Bytes, written as pairs of hexadecimal digits; blanks between them do not matter.

    Attributes:
        length: Maximum number of bytes.
    """

    length: int
    noun = "hexadecimal text"

    @property
    def limits(self) -> str:
        """The form and the length."""
        return f"pairs of digits, such as 0d0a, at most {self.length} bytes"

    def read(self, node: Node) -> bytes | None:
        """Return the bytes, or None for an empty text; see `ValueKind.read`."""
        text = text_of(self.noun, self.limits, node)
        if not HEX.fullmatch(text):
            raise forbidden(node, f'invalid {self.noun} "{excerpt(text)}": expected {self.limits}')
        data = bytes.fromhex(text)
        if len(data) > self.length:
            raise forbidden(node, f'must have {self.limits}, not {len(data)}: "{excerpt(text)}"')
        return data or None

    def spell(self, value: bytes) -> str:
        """Return the digits."""
        return value.hex()


SEND_LENGTH: Final = 4096
EXPECT_LENGTH: Final = 1024

SEND: Final = EscapedText(SEND_LENGTH)
SEND_HEX: Final = HexBytes(SEND_LENGTH)
EXPECT: Final = EscapedText(EXPECT_LENGTH)
EXPECT_HEX: Final = HexBytes(EXPECT_LENGTH)
EXPECT_REGEXP: Final = Regexp(1024)

STEP_KEYS: Final[Mapping[str, ValueKind]] = {
    "send": SEND,
    "send-hex": SEND_HEX,
    "expect": EXPECT,
    "expect-hex": EXPECT_HEX,
    "expect-regexp": EXPECT_REGEXP,
}
"""The keys of a step, of which it has one."""

REJECT: Final = "reject-regexp"
"""What a step that expects something may have besides."""

_KEYS: Final = (*STEP_KEYS, REJECT)


def pattern_of(text: bytes | None, in_hex: bytes | None, regexp: str | None) -> AnswerPattern | None:
    """Return what an answer has to have, from the values of the three keys; None if none is set."""
    data = text or in_hex
    return None if data is None and regexp is None else AnswerPattern(data, None if data is not None else regexp)


@attrs.frozen
class Steps:
    """The steps of a conversation, as a list of maps; the value is a tuple of `ProbeStep`.

    Attributes:
        most: Maximum number of steps.
    """

    most: int
    noun = "list of steps"

    @property
    def limits(self) -> str:
        """The number and the form."""
        return f"at most {self.most}, such as {{send: 'PING\\r\\n'}} or {{expect: +PONG}}"

    def read(self, node: Node) -> tuple[ProbeStep, ...] | None:
        """Return the steps; see `ValueKind.read`."""
        if type(node) is not ListNode:
            raise wrong_type(self.noun, self.limits, node)
        if len(node.items) > self.most:
            raise forbidden(node, f"must be at most {self.most} steps, not {len(node.items)}")
        steps: list[ProbeStep] = []
        errors: list[UnfitError] = []
        for index, item in enumerate(node.items):
            try:
                steps.append(_step(item))
            except UnfitError as error:
                error.suffix = f"[{index}]{error.suffix}"
                errors.append(error)
        if errors:
            errors[0].others = errors[1:]
            raise errors[0]
        if steps and not any(step.expect for step in steps):
            raise forbidden(node, "must have a step that expects something: else nothing is checked but the connection")
        return tuple(steps) or None

    def spell(self, value: Sequence[ProbeStep]) -> str:
        """Return the steps as a list, in JSON, which is also YAML."""
        return json.dumps([step_map(step) for step in value])


def step_map(step: ProbeStep) -> dict[str, str]:
    """Return a step as the keys and values that it is written with."""
    if step.expect is None:
        return {"send": spell_bytes(step.send or b"")}
    written = (
        {"expect": spell_bytes(step.expect.text)}
        if step.expect.text is not None
        else {"expect-regexp": step.expect.regexp or ""}
    )
    return written if step.reject is None else {**written, REJECT: step.reject}


def _step(node: Node) -> ProbeStep:
    if type(node) is not MapNode:
        raise wrong_type("step", f"a map with {', '.join(STEP_KEYS)}", node)
    values: dict[str, Any] = {}
    for name, (key, value) in node.entries.items():
        if name not in _KEYS:
            raise UnfitError(ProblemKind.PARSE, "unknown key", key, suffix=f".{printable(name)}", candidates=_KEYS)
        values[name] = _step_value(name, key, value)
    kinds = [name for name in STEP_KEYS if name in values]
    if len(kinds) != 1:
        what = f"not {' and '.join(kinds)}" if kinds else "and has none"
        raise forbidden(node, f"must have one of {', '.join(STEP_KEYS)}, {what}")
    if kinds[0].startswith("send"):
        if REJECT in values:
            raise UnfitError(ProblemKind.SEMANTIC, "needs an answer to wait for", node, suffix=f".{REJECT}")
        return ProbeStep(send=values[kinds[0]])
    pattern = pattern_of(values.get("expect"), values.get("expect-hex"), values.get("expect-regexp"))
    return ProbeStep(expect=pattern, reject=values.get(REJECT))


def _step_value(name: str, key: ScalarNode, node: Node) -> Any:
    kind = STEP_KEYS.get(name, EXPECT_REGEXP)
    try:
        value = None if is_null(node) else kind.read(node)
    except UnfitError as error:
        error.suffix = f".{name}"
        raise
    if value is None:
        raise UnfitError(ProblemKind.SEMANTIC, f"must not be empty: expected {kind.noun}", key, suffix=f".{name}")
    return value
