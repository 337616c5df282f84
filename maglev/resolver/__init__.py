"""Backends by DNS name: who asks the nameservers, what an answer is, and which address has which number.

Rules:

* A failure removes nothing: only good answers change which addresses there are.
* Nothing from a nameserver is unbounded, and nothing that it sends raises.
* ``book`` (the numbers, and what was refused), ``answer`` (messages) and ``record`` (the file of the last good answers)
  are pure. ``lookup`` asks over UDP and TCP; ``service`` decides when.
* Nothing here knows the board or VPP: a changed answer becomes a configuration, which is applied as one from a reload
  is (`maglev.control.reload`).
"""
