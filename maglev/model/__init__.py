"""The words and values that every other folder uses: configuration, addresses, callers, results, events, errors.

Rules:

* Pure: no Twisted, no clock, no I/O. Values are immutable; only `maglev.model.health.Health` has state of its own.
* Imports nothing of ours but its own modules. Every other folder may import it.
* A word is defined here once. Code, configuration, console, metrics and logs use the same word for the same thing.
* Whoever adds an error adds a leaf to the tree in `maglev.model.errors`; its docstring must be fit to print.
"""
