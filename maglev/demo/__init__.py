"""The demonstration: a simulated VPP, web servers to stop and start, and simulated traffic, in one process.

Rules:

* Runs the real daemon, which it is given; nothing of the product may depend on the demonstration.
* Everything listens on loopback and is gone when the process ends.
"""
