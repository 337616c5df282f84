"""Loads a text or a file; the result is a configuration with its warnings, or all errors."""

from __future__ import annotations

import contextlib
import gc
from typing import TYPE_CHECKING, Final

import attrs

from maglev.config.agent_rules import check_agents, warn_of_coarse_weights
from maglev.config.announce_keys import check_announce
from maglev.config.build import build_config
from maglev.config.compose import compose_part, place_of
from maglev.config.files import read_regular, why_unreadable
from maglev.config.findings import Findings
from maglev.config.includes import Includer
from maglev.config.keys import ROOT
from maglev.config.nodes import MapNode
from maglev.config.pairs import check_pairs
from maglev.config.reader import BROKEN, Reader, Record
from maglev.config.resolver_keys import check_names
from maglev.config.rules import (
    check_blindness,
    check_delays,
    check_healthcheck,
    check_programs,
    check_references,
    warn_of_no_way,
    warn_of_times,
    warn_of_unused,
    with_credentials,
)
from maglev.config.vips import FrontendRules
from maglev.model.errors import ConfigError
from maglev.model.problem import Problem, ProblemKind
from maglev.model.text import printable

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from maglev.config.nodes import Node
    from maglev.config.reader import Broken
    from maglev.model.config import Config

SIZE_LIMIT: Final = 16 * 1024 * 1024
"""Maximum size of a file with all that it includes, in bytes or characters. 20,000 backends and 2,000 frontends take
about 2 MiB."""


@attrs.frozen
class Loaded:
    """A valid file.

    Attributes:
        config: The configuration.
        warnings: Things that may not be as intended, in the order of the file.
    """

    config: Config
    warnings: tuple[Problem, ...] = ()


def load_file(path: str | os.PathLike[str]) -> Loaded:
    """Read and check a file.

    Args:
        path: A regular file, or a link to one.

    Raises:
        ConfigError: It can't be read, or it is not valid.
    """
    try:
        content = read_regular(path, SIZE_LIMIT)
    except (OSError, ValueError) as error:
        raise _unreadable(why_unreadable(error)) from error
    return load_text(content, path)


def load_text(text: bytes | str, path: str | os.PathLike[str] | None = None) -> Loaded:
    """Check the text of a file, and of what it includes.

    Args:
        text: UTF-8, or text.
        path: Where the file is; None if it is not one, and so can't include others.

    Raises:
        ConfigError: It is not valid.
    """
    with _collector_paused():
        findings = Findings()
        root, nodes = compose_part(_decoded(text).removeprefix("\ufeff"), findings)
        if type(root) is MapNode and "include" in root.entries:
            root = Includer(findings, SIZE_LIMIT, len(text), nodes).merged(root, path)
        maglev = BROKEN if root is None else _checked(root, findings)
        problems = findings.in_file_order()
        if maglev is BROKEN or not findings.valid:
            raise ConfigError(problems)
        return Loaded(build_config(maglev), problems)


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep the cyclic garbage collector from running.

    A large file creates hundreds of thousands of small tuples at once, none of them in a cycle; the collector would
    examine them again and again, and take longer than all the rest. It is enabled again in the end, even if two threads
    load at once.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _checked(root: Node, findings: Findings) -> Record | Broken:
    """Return the section ``maglev``, read and checked by all rules."""
    file = Reader(findings).section(ROOT, root, "", root)
    maglev: Record | Broken = BROKEN if file is BROKEN else file["maglev"]
    if maglev is BROKEN:
        return BROKEN
    if maglev["vpp"] is not BROKEN and maglev["vpp"]["lb"] is not BROKEN:
        check_delays(maglev["vpp"]["lb"], findings)
    for _, healthcheck in maglev.records("healthchecks"):
        check_healthcheck(healthcheck, findings)
    if wanting := with_credentials(maglev):
        from maglev.config.credential_rules import read_credentials  # takes OpenSSL, which few files need

        read_credentials(wanting, findings)
    warn_of_times(maglev, findings)
    check_references(maglev, findings)
    check_programs(maglev, findings)
    check_names(maglev, findings)
    check_agents(maglev, findings)
    check_blindness(maglev, findings)
    check_pairs(maglev, findings)
    frontends = FrontendRules(maglev, findings)
    frontends.check()
    check_announce(maglev, findings)
    if findings.valid:
        canary = maglev["healthchecker"]["blindness"]["canary"]
        warn_of_no_way(maglev, frontends.used, findings)
        warn_of_unused(maglev, frontends.used | {canary}, findings)
        warn_of_coarse_weights(maglev, findings)
    return maglev


def _decoded(text: bytes | str) -> str:
    if len(text) > SIZE_LIMIT:
        raise _unreadable(f"is larger than {SIZE_LIMIT // 1024**2} MiB")
    if isinstance(text, str):
        return text
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        before = text[: error.start].decode()
        place = place_of(before, len(before))
        problem = Problem(ProblemKind.PARSE, "", "is not UTF-8", place.line, place.column)
        raise ConfigError([problem]) from error


def _unreadable(text: str) -> ConfigError:
    return ConfigError([Problem(ProblemKind.PARSE, "", printable(text))])
