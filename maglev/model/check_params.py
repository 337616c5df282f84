"""What the probes of a type send and expect, beyond HTTP and TLS: immutable values, like `maglev.model.config`."""

from __future__ import annotations

import enum

import attrs


class Preset(enum.StrEnum):
    """A conversation over TCP that need not be spelled out."""

    SMTP = "smtp"
    IMAP = "imap"
    POP3 = "pop3"
    REDIS = "redis"
    MYSQL = "mysql"
    POSTGRESQL = "postgresql"
    SSH = "ssh"


@attrs.frozen
class AnswerPattern:
    """What has to be in an answer: these bytes, or a match of this pattern.

    Attributes:
        text: The bytes; None if there is a pattern.
        regexp: RE2 pattern over bytes (Latin-1); None if there are bytes.
    """

    text: bytes | None = None
    regexp: str | None = None


@attrs.frozen
class ProbeStep:
    """One step of a conversation over TCP: bytes to send, or an answer to wait for.

    Attributes:
        send: The bytes; None if this is an answer to wait for.
        expect: What has to come; None if this sends.
        reject: RE2 pattern that ends the probe as failed if it is found first; None for none.
    """

    send: bytes | None = None
    expect: AnswerPattern | None = None
    reject: str | None = None


@attrs.frozen
class TalkParams:
    """What a tcp probe says once it is connected.

    Attributes:
        steps: The conversation; empty if there is a preset.
        preset: Takes the place of the steps.
        user: Whose login the presets mysql and postgresql begin.
    """

    steps: tuple[ProbeStep, ...] = ()
    preset: Preset | None = None
    user: str = "maglevd"
