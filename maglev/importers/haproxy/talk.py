"""From HAProxy's checks that talk over TCP to steps and presets (``tcp-check``, ``option smtpchk`` and its like)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maglev.importers.draft.values import fits
from maglev.importers.haproxy.words import is_known
from maglev.model.check_params import AnswerPattern, Preset, ProbeStep, TalkParams

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PRESETS: Final[Mapping[str, Preset]] = {
    "smtpchk": Preset.SMTP,
    "mysql-check": Preset.MYSQL,
    "pgsql-check": Preset.POSTGRESQL,
    "redis-check": Preset.REDIS,
}
"""The options that a preset takes the place of."""

LONGEST: Final = 1024
"""Bytes of an expectation; a longer one is none that anybody wrote by hand."""

_DEFAULT_HELO: Final = ("localhost",)


def preset_of(option: str, words: Sequence[str]) -> tuple[TalkParams, str]:
    """Return what takes the place of an option, and what is different; empty if nothing is."""
    preset = PRESETS[option]
    if preset is Preset.SMTP:
        other = words[1:2] and words[1:2] != _DEFAULT_HELO
        return TalkParams(preset=preset), "the probe says EHLO localhost" if other else ""
    if preset is Preset.REDIS:
        return TalkParams(preset=preset), ""
    user = words[1] if len(words) > 1 and words[0] == "user" and fits("user", words[1]) else None
    if user is None:
        return TalkParams(preset=preset), "the probe begins a login as the user maglevd"
    return TalkParams(preset=preset, user=user), ""


def step_of(kind: str, words: Sequence[str]) -> ProbeStep | None:
    """Return the step for a rule ``tcp-check send`` or ``expect`` (its kind); None without an equivalent."""
    if kind in {"send", "send-binary"} and words:
        data = _bytes(words[0], in_hex=kind == "send-binary")
        return None if data is None else ProbeStep(send=data)
    if kind != "expect" or len(words) < 2:
        return None
    pattern = _pattern(words[-2], words[-1])
    return None if pattern is None or "!" in words[:-2] else ProbeStep(expect=pattern)


def _pattern(kind: str, text: str) -> AnswerPattern | None:
    if kind == "rstring":
        return AnswerPattern(regexp=text) if fits("expect-regexp", text) else None
    if kind not in {"string", "binary"}:
        return None
    data = _bytes(text, in_hex=kind == "binary")
    return None if data is None or len(data) > LONGEST else AnswerPattern(data)


def _bytes(text: str, *, in_hex: bool) -> bytes | None:
    """Return what HAProxy sends for a word; None if that is nothing, or not known here."""
    if not is_known(text) or "%[" in text:
        return None
    try:
        return (bytes.fromhex(text) if in_hex else text.encode("latin-1")) or None
    except ValueError:
        return None
