"""The schema of the parameters of probes that talk, by TCP, UDP or DNS, as data (see `maglev.config.keys`)."""

from __future__ import annotations

import re
from typing import Final

from maglev.config.kinds import Boolean, Duration, Integer, OneOf, TextKind, TextRule
from maglev.config.netkinds import Address, ProgramArguments
from maglev.config.probekinds import EXPECT, EXPECT_HEX, EXPECT_REGEXP, SEND, SEND_HEX, Steps
from maglev.config.schema import ConfigKey, ConfigSection
from maglev.model.check_params import Preset, Rcode, RecordType
from maglev.model.config import CheckType, Transport

_TCP: Final = (CheckType.TCP,)
_UDP: Final = (CheckType.UDP,)
_DNS: Final = (CheckType.DNS,)
_AGENT: Final = (CheckType.AGENT,)

_USER: Final = TextRule(re.compile(r"[!-~]+"), "expected visible ASCII characters without spaces")

_DOMAIN: Final = TextRule(
    re.compile(r"\.|(?:[A-Za-z0-9_*-]{1,63}\.)*[A-Za-z0-9_*-]{1,63}\.?"),
    "expected a domain name: labels of 1 to 63 letters, digits, '-' or '_', with dots between them",
)
_PRINTABLE: Final = TextRule(re.compile(r"[ -~]*"), "expected printable ASCII characters")

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

UDP_KEYS: Final = (
    ConfigKey(
        "send",
        SEND,
        "What to send, as text: the datagram, or a request to the agent.",
        notes="It is not shown to anybody: it may be secret.",
        default_text="an empty datagram, or no request",
        types=(CheckType.UDP, CheckType.AGENT),
    ),
    ConfigKey("send-hex", SEND_HEX, "The same in hexadecimal.", default_text="send", types=_UDP),
    ConfigKey(
        "expect",
        EXPECT,
        "Text that the answer must contain.",
        notes="Without any expectation, silence passes: only an ICMP error fails.",
        default_text="no answer is expected",
        types=_UDP,
    ),
    ConfigKey("expect-hex", EXPECT_HEX, "The same in hexadecimal.", default_text="expect", types=_UDP),
    ConfigKey(
        "expect-regexp",
        EXPECT_REGEXP,
        "Pattern that must match in the answer: RE2, over bytes.",
        default_text="expect",
        types=_UDP,
    ),
)

DNS_KEYS: Final = (
    ConfigKey("name", TextKind(254, (_DOMAIN,), "domain name"), "The name to ask for.", required=True, types=_DNS),
    ConfigKey("record-type", OneOf(RecordType), "The type of its records.", default=RecordType.A, types=_DNS),
    ConfigKey("transport", OneOf(Transport), "How to ask.", default=Transport.UDP, types=_DNS),
    ConfigKey("rcode", OneOf(Rcode), "The response code that passes.", default=Rcode.NOERROR, types=_DNS),
    ConfigKey(
        "answer",
        TextKind(1024, (_PRINTABLE,), "record"),
        "A record that the answer must have, without its name, as in a zone file.",
        notes="``192.0.2.80``, or ``10 mx1.example.com.``; names in it are absolute.",
        default_text="any answer passes",
        types=_DNS,
    ),
    ConfigKey(
        "answer-regexp",
        EXPECT_REGEXP,
        "Pattern that a record of that type must match, as text.",
        default_text="any answer passes",
        types=_DNS,
    ),
    ConfigKey("recursion", Boolean(), "Whether the server is asked to ask others (RD).", default=True, types=_DNS),
)

AGENT_KEYS: Final = (
    ConfigKey(
        "address",
        Address(loopback=(4, 6)),
        "Where the agent is, if one speaks for several servers.",
        default_text="the address of the backend",
        types=_AGENT,
    ),
    ConfigKey(
        "hold",
        Duration(0.0, 86400.0, above_zero=True),
        "How long the last word of an agent holds when it is heard no longer.",
        notes="After that it is as if it had said nothing. HAProxy believes it for ever.",
        default_text="three intervals and the timeout, at least 15s",
        types=_AGENT,
    ),
)

EXEC_KEYS: Final = (
    ConfigKey(
        "command",
        ProgramArguments(32, 1024),
        "The program to run, and its arguments. No shell reads them.",
        notes="It must be allowed: ``healthchecker.exec``. What it is told, and what it may do, is in :doc:`probes`.",
        required=True,
        types=(CheckType.EXEC,),
    ),
)

EXEC_SECTION: Final = ConfigSection(
    "exec",
    (
        ConfigKey(
            "allow",
            Boolean(),
            "Whether healthchecks of type exec may run programs.",
            notes="Included files can't allow it.",
            default=False,
        ),
        ConfigKey(
            "at-once",
            Integer(1, 256),
            "How many programs may run at once; others wait.",
            default=16,
            unit="programs",
        ),
    ),
)
