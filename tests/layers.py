"""The layer rule, as tests hold it: one ordered list of folders, and what "pure" means.

A folder may import folders to its left, and never one to its right. Folders that share a place are siblings and must
not import one another.
"""

from __future__ import annotations

import ast
import functools
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "maglev"

ORDER = (
    "model",
    "config",
    "importers",
    "commands",
    "runtime",
    "terminal",
    "state",
    "healthcheck | resolver | vpp",
    "announce",
    "control",
    "rpc | ssh | web",
    "peers",
    "metrics",
    "vppsim",
    "demo",
    "daemon | maglevc | maglevt",
)
"""The folders of ``maglev``, from the left to the right."""

INNER_ORDERS = {
    "commands": ("render", "language", "handlers"),
    "healthcheck": ("probers", "programs", "workers"),
    "importers": ("draft", "haproxy | keepalived"),
    "maglevt": ("measure", "render"),
    "rpc": ("client | server",),
    "runtime": ("logs",),
    "vpp": ("api", "lb", "stats", "sync"),
}
"""The folders within these folders, by the same rule."""

USES = {
    "config": {"model"},
    "importers": {"config", "model"},
    "commands": {"interfaces", "model"},
    "commands.render": {"model"},
    "terminal": {"commands", "interfaces", "model", "runtime"},
    "runtime": {"model"},
    "state": {"config", "model", "runtime"},
    "vpp": {"config", "model", "runtime", "state"},
    "announce": {"interfaces", "model", "runtime", "state", "vpp"},
    "vpp.api": {"model", "runtime"},
    "ssh": {"interfaces", "model", "runtime", "terminal"},
    "peers": {"interfaces", "model", "runtime", "state"},
    "resolver": {"config", "model", "runtime"},
    "rpc.client": {"interfaces", "model", "rpc"},
    "web": {"interfaces", "model", "runtime"},
}
"""All that these folders use of ours, as their docstrings say; less than the order would allow."""

ANYWHERE = {"", "interfaces"}
"""What every folder may import, and what imports nothing but words: the package, and its seams."""

PURE = (
    "model",
    "config",
    "importers",
    "commands",
    "interfaces",
    "announce.bird_record",
    "announce.bird_text",
    "announce.decision",
    "control.after_reload",
    "control.announce_views",
    "control.check_views",
    "control.dry_run",
    "control.event_views",
    "control.explain",
    "control.route_forecast",
    "control.served",
    "control.sessions",
    "control.views",
    "healthcheck.counters",
    "healthcheck.probers.agent",
    "healthcheck.probers.answer",
    "healthcheck.probers.databases",
    "healthcheck.probers.dialogue",
    "healthcheck.probers.dns_answer",
    "healthcheck.probers.echo",
    "healthcheck.probers.expectation",
    "healthcheck.probers.faults",
    "healthcheck.probers.gre",
    "healthcheck.probers.greetings",
    "healthcheck.probers.grpc_answer",
    "healthcheck.probers.http2_answer",
    "healthcheck.probers.http2_exchange",
    "healthcheck.programs.outcome",
    "healthcheck.workers.codec",
    "healthcheck.workers.rendezvous",
    "maglevt.measure",
    "maglevt.render",
    "maglevt.target_views",
    "maglevt.targets",
    "maglevt.targets_file",
    "maglevt.who",
    "metrics.families",
    "peers.compare",
    "peers.reading",
    "resolver.answer",
    "resolver.book",
    "resolver.record",
    "state.agents",
    "state.backend_status",
    "state.blindness",
    "state.changes",
    "state.checks",
    "state.decision",
    "state.found_weights",
    "state.override_file",
    "state.overrides",
    "state.pools",
    "state.reweighted",
    "state.scales",
    "state.standing",
    "state.status",
    "state.weights",
    "vpp.api.call",
    "vpp.api.codec",
    "vpp.api.definitions",
    "vpp.api.messages",
    "vpp.lb.cli_text",
    "vpp.lb.ledger",
    "vpp.lb.limits",
    "vpp.lb.script",
    "vpp.lb.state",
    "vpp.lb.table",
    "vpp.lb.wire",
    "vpp.stats.counts",
    "vpp.sync.batches",
    "vpp.sync.drift",
    "vpp.sync.forecast",
    "vpp.sync.in_sync",
    "vpp.sync.owners",
    "vpp.sync.plan",
    "vpp.sync.remaking",
    "web.history",
    "web.orders",
    "web.row_store",
    "web.rows",
)
"""Folders and modules without Twisted, clock or I/O (but a file's); `tests.pure_coverage` wants every branch tested."""

NOT_PURE = ("config.child_loader", "config.credentials", "model.build")
"""What is in a pure folder and is not pure: it runs a process, asks OpenSSL, or reads the files of a checkout."""

_DNS = {f"dns.{name}" for name in ("exception", "flags", "message", "name", "rdata", "rdataclass", "rdatatype")}
_H2 = {f"h2.{name}" for name in ("config", "connection", "errors", "events", "settings")}
PURE_LIBRARIES = {"attrs", "httptools", "re2", "xxhash", "yaml", "zope.interface"} | _DNS | _H2
"""What a pure module may import beside the standard library: values, interfaces, and parsers."""


def module_name(path: Path) -> str:
    """Return the name of a module below ``maglev``; empty for ``maglev`` itself."""
    parts = path.relative_to(SOURCES).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def modules() -> dict[str, Path]:
    """Return every module of the program, by its name below ``maglev``."""
    return {module_name(path): path for path in sorted(SOURCES.rglob("*.py"))}


@functools.cache
def tree_of(module: str) -> ast.Module:
    """Return the syntax tree of a module."""
    return ast.parse(modules()[module].read_text())


def walk(node: ast.AST):
    """Walk a tree, but for what is only there for type checkers."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            yield child
            yield from walk(child)


@functools.cache
def imports(module: str, *, for_types: bool = False) -> tuple[frozenset[str], frozenset[str]]:
    """Return what a module imports: of ours, the names below ``maglev``; and everything else.

    Args:
        module: Its name below ``maglev``.
        for_types: Whether what only type checkers import counts, too.
    """
    found: set[str] = set()
    for node in ast.walk(tree_of(module)) if for_types else walk(tree_of(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            whole = node.module or ""
            # "from package import module" imports both.
            found |= {whole} | {f"{whole}.{alias.name}" for alias in node.names if is_ours(f"{whole}.{alias.name}")}
    own = {name for name in found if name == "maglev" or name.startswith("maglev.")}
    return frozenset(name.removeprefix("maglev").removeprefix(".") for name in own), frozenset(found - own)


def is_ours(name: str) -> bool:
    """Return whether a dotted name is one of our modules."""
    return name.startswith("maglev.") and name.removeprefix("maglev.") in modules()


def folder_of(module: str) -> str:
    """Return the folder that a module is in; what lies beside the folders stands for itself."""
    return module.partition(".")[0]


def path_of(module: str) -> str:
    """Return the folder that a module lies in directly, such as ``vpp.sync``."""
    return ".".join(modules()[module].parent.relative_to(SOURCES).parts)


def place_of(folder: str, order: tuple[str, ...] = ORDER) -> int:
    """Return the place of a folder in an order."""
    for place, folders in enumerate(order):
        if folder in folders.split(" | "):
            return place
    message = f"the folder {folder!r} has no place in tests/layers.py"
    raise AssertionError(message)


def is_pure(module: str) -> bool:
    """Return whether a module is one of `PURE`, or in one of these folders."""
    return module not in NOT_PURE and any(module == name or module.startswith(f"{name}.") for name in PURE)
