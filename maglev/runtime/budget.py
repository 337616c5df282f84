"""Time budgets within one turn of the reactor, which bound how long any kind of work delays the others.

A turn of the reactor is what it does between two polls of its descriptors: first the due delayed calls, then input.
Any potentially long work in the daemon stops when its budget is used up, and goes on in the next turn. A budget may be
exceeded by one step of the work concerned, which is two milliseconds at most.

Probing has budgets of its own and does not wait for anything else, because an answer read late proves nothing. All
other work in slices, for people, for VPP and for Prometheus, shares one budget: see `maglev.runtime.cooperator`.
"""

from __future__ import annotations

from typing import Final

SLICED_WORK: Final = 0.005
"""Seconds of the cooperator, for all kinds of work together. Less than the lateness that makes a timeout doubtful
(`maglev.healthcheck.lag.NOISE`); continuing in the next turn costs a hundredth of it."""

ANSWERS: Final = 0.005
"""Seconds of reading answers to probes. An answer takes 50 us to read; but one that takes a backend down is written to
VPP and sent to every subscriber, and a TLS handshake takes half a millisecond."""

EXPIRY: Final = 0.005
"""Seconds of ending timed-out probes, for each length of timeout: losing a rack must not hold up everything else."""

STARTS: Final = 0.001
"""Seconds of starting probes before answers are read again, so that probes do not appear slower than they were."""

TURN: Final = SLICED_WORK + ANSWERS + EXPIRY + STARTS
"""Seconds of one turn of the reactor when all kinds of work use up their budgets: 16 ms where all healthchecks have one
timeout, and `EXPIRY` more for each further timeout that expires in the same turn. Not in it: probes that are handed to
workers, 64 at a time (`maglev.healthcheck.workers.pool`)."""
