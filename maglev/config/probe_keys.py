"""The schema of the parameters of probes that talk over TCP, as data (see `maglev.config.keys`)."""

from __future__ import annotations

import re
from typing import Final

from maglev.config.kinds import OneOf, TextKind, TextRule
from maglev.config.probekinds import Steps
from maglev.config.schema import ConfigKey
from maglev.model.check_params import Preset
from maglev.model.config import CheckType

_TCP: Final = (CheckType.TCP,)

_USER: Final = TextRule(re.compile(r"[!-~]+"), "expected visible ASCII characters without spaces")

TALK_KEYS: Final = (
    ConfigKey(
        "preset",
        OneOf(Preset),
        "A known conversation, so that no steps need be spelled out.",
        notes="Each ends the session as its protocol wants it, see :doc:`probes`.",
        default_text="none: the connection is all that is checked",
        types=_TCP,
    ),
    ConfigKey(
        "user",
        TextKind(32, (_USER,), "name"),
        "The user whose login a preset for databases begins, without a password.",
        notes="For ``mysql`` and ``postgresql``.",
        default="maglevd",
        types=_TCP,
    ),
    ConfigKey(
        "steps",
        Steps(32),
        "What to send, and which answers to wait for, in order.",
        notes=(
            "Each step has one of ``send``, ``send-hex``, ``expect``, ``expect-hex`` and ``expect-regexp``. What is "
            "expected may be anywhere in what came since the last ``send``, and after what the step before it has "
            "matched; a pattern is RE2's, over bytes. With ``reject-regexp`` the step fails as soon as that is found "
            "first. What is sent is not shown to anybody: it may be secret."
        ),
        default_text="none",
        types=_TCP,
    ),
)
