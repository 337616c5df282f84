"""VPP's ``lb`` plugin: its calls, what it holds as values, its limits, and the table that it builds.

Rules:

* The rules here are VPP's, each with its source; policy is in `maglev.vpp.sync`.
* Calls that would crash VPP are refused here (`maglev.vpp.lb.limits`), for every caller.
* The binary API and the command line of older versions are two implementations of the same calls.
"""
