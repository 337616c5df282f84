"""The bounds of the SSH console, with the reason of each number; `maglev.terminal.limits` has those of its sessions."""

from __future__ import annotations

from typing import Final

import attrs


@attrs.frozen
class Limits:
    """The configurable limits; they apply to the whole console unless stated otherwise.

    Attributes:
        login_timeout: Seconds from the connection to the end of the login. A person with a hardware key needs ten;
            OpenSSH gives 120.
        attempts: Keys that may be offered on one connection; OpenSSH's MaxAuthTries.
        idle_timeout: Seconds without a key pressed while nothing runs; 0 turns it off.
        stalled_timeout: Seconds that a client may leave output unread before it is dropped.
        startups: Connections that are not logged in yet, in each stage of the way there; one more cuts off another.
            OpenSSH's MaxStartups is 100.
        logins: Connections that are logged in. Half of them are out of reach for viewers, and no person can have all
            (`maglev.runtime.admission.Places`).
        channels: Sessions on one connection; OpenSSH's MaxSessions.
    """

    login_timeout: float = 30.0
    attempts: int = 6
    idle_timeout: float = 900.0
    stalled_timeout: float = 60.0
    startups: int = 64
    logins: int = 128
    channels: int = 10


GRACE: Final = 5.0
"""Seconds for a client to take our last words before the connection is aborted."""

UNKNOWN_PEER_BUFFER: Final = 64 * 1024
"""Bytes buffered from a peer that is not logged in: a key exchange and a 16384-bit RSA signature are below 8 KiB."""

KEXINIT_LIMIT: Final = 16 * 1024
"""Bytes of a client's lists of algorithms: ten times OpenSSH's. Choosing among many takes time."""

PACKET_LIMIT: Final = 256 * 1024
"""Bytes of a packet whose length is not encrypted: OpenSSH's limit. What claims to be larger is refused unread."""

SLICE: Final = 16 * 1024
"""Bytes of output handed to a connection at a time, so that what it buffers stays small."""

BACKLOG: Final = 64 * 1024
"""Bytes of output that may wait in a session before a command has to wait too."""
