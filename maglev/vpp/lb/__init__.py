"""VPP's ``lb`` plugin: its calls, what it holds as values, its limits, and the table that it builds.

Rules:

* The rules here are VPP's, each with its source; policy is in `maglev.vpp.sync`.
* What crashes VPP is refused here (`maglev.vpp.lb.limits`), whoever asks.
* The binary API and the command line of older versions are two implementations of the same calls.
"""
