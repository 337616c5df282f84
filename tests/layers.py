"""The layers of the house, as tests hold them: which module is in which, and which are pure."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "maglev"

PURE = (
    "addresses",
    "asker",
    "cli",
    "config",
    "errors",
    "events",
    "health",
    "importers",
    "interfaces",
    "listeners",
    "metrics",
    "model",
    "outlook",
    "problem",
    "probers.answer",
    "probers.echo",
    "probers.faults",
    "result",
    "sessions",
    "status",
    "tally",
    "version",
    "views",
    "vpp.call",
    "vpp.clitext",
    "vpp.codec",
    "vpp.counts",
    "vpp.definitions",
    "vpp.drift",
    "vpp.forecast",
    "vpp.lbstate",
    "vpp.ledger",
    "vpp.level",
    "vpp.limits",
    "vpp.messages",
    "vpp.parcels",
    "vpp.plan",
    "vpp.script",
    "vpp.table",
    "vpp.wire",
    "weights",
    "workers.codec",
    "workers.rendezvous",
    "workers.specs",
)
"""L0: no Twisted, no clock, no I/O but a file's; a package stands for all that is in it. These are tested to the last
branch (`tests.pure_coverage`)."""

LAYERS = {
    **dict.fromkeys(PURE, 0),
    "": 0,
    "build": 0,
    # What keeps state or time for everybody, and what everybody says.
    "apart": 1,
    "board": 1,
    "clock": 1,
    "garbage": 1,
    "lag": 1,
    "schedule": 1,
    "logs": 1,
    "tasks": 1,
    "traffic": 1,
    # Protocols.
    "probers": 2,
    "vpp": 2,
    # Services, each for itself.
    "checker": 3,
    "reload": 3,
    "vpp.link": 3,
    "vpp.service": 3,
    "watch": 3,
    "workers": 3,
    # The verbs.
    "checking": 4,
    "control": 4,
    # Front ends, and programs beside the daemon.
    "api": 5,
    "ssh": 5,
    "vppsim": 5,
    # It reads the counters of the other front ends.
    "web": 6,
    "client": 6,
    "console": 7,
    # Composition.
    "options": 7,
    "stage": 7,
    "notify": 7,
    "front_ends": 7,
    "tap": 8,
    "demo": 8,
    "daemon": 9,
    "__main__": 10,
}
"""Layer of each module, by the longest of these names that it begins with. There is a picture of it in the pages:
``python -m tests.tools.drawings`` draws it anew."""

FRONT_ENDS = ("api", "cli", "client", "console", "ssh", "web")

PURE_LIBRARIES = {"attrs", "httptools", "re2", "xxhash", "yaml", "zope.interface"}
"""What L0 may import beside the standard library: values, interfaces, and parsers in C."""


def module_name(path: Path) -> str:
    """Return the name of a module below ``maglev``; empty for ``maglev`` itself."""
    parts = path.relative_to(SOURCES).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules() -> dict[str, Path]:
    """Return every module of the program, by its name below ``maglev``."""
    return {module_name(path): path for path in sorted(SOURCES.rglob("*.py"))}


def place_of(module: str, places) -> str | None:
    """Return the longest of these names that a module is or is in; None if there is none."""
    while True:
        if module in places:
            return module
        if "." not in module:
            return None
        module = module.rpartition(".")[0]


def is_pure(module: str) -> bool:
    """Return whether a module is in L0 and has anything in it."""
    return place_of(module, PURE) is not None
