"""The daemon inside the process of the test: its options from a command line, and its start."""

from __future__ import annotations

from maglev.daemon.options import Options


def parse(*arguments: str) -> Options:
    """Return the options of a command line."""
    options = Options()
    options.parseOptions(arguments)
    return options


def start(service):
    """Start a service as twistd does."""
    service.privilegedStartService()
    service.startService()
