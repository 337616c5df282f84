"""The bound of one turn of the reactor: how long each kind of work may take before the others have their turn.

A turn of the reactor is what it does between two looks at its descriptors: the delayed calls that are due, then what
came in. Everything in the daemon that can be a lot of work at once stops when its time is up and goes on in the next
turn; these are the times. Each may be exceeded by one step of the work concerned, which is two milliseconds at most.

Probing has its own times and does not wait for anything else, because an answer read late proves nothing.
Everything else that works in slices, for people, for VPP and for Prometheus, shares one time: see
`maglev.runtime.cooperator`.
"""

from __future__ import annotations

from typing import Final

SLICED_WORK: Final = 0.005
"""Seconds of the cooperator: the sum of all kinds of work. Less than the lateness that makes a timeout doubtful
(`maglev.healthcheck.lag.NOISE`), and to come back in the next turn costs a hundredth of it."""

ANSWERS: Final = 0.005
"""Seconds of reading answers to probes. One takes 50 us to read; but one that takes a backend down is written to VPP
and told to every watcher, and a TLS handshake takes half a millisecond."""

EXPIRY: Final = 0.005
"""Seconds of ending the probes whose time is up, of one timeout: a rack that is gone must not hold up everybody."""

STARTS: Final = 0.001
"""Seconds of starting probes before answers are read again: a probe must not seem to take longer than it did."""

TURN: Final = SLICED_WORK + ANSWERS + EXPIRY + STARTS
"""Seconds of one turn of the reactor when everything has more to do than fits in: 16 ms."""
