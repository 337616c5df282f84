"""The words and values that every other folder uses: configuration, addresses, callers, results, events, errors.

Rules:

* Pure: no Twisted, no clock, no I/O. Values are immutable; only `maglev.model.health.Health` has state of its own.
* Imports nothing of ours but its own modules. Every other folder may import it.
* Each term is defined here once. Code, configuration, console, metrics and logs use the same word for the same thing.
* New errors are leaves of the tree in `maglev.model.errors`; their docstrings must be fit to print.
"""
