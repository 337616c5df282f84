"""Identifies the build: the commit and date that packaging recorded, or those of the running checkout."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from maglev.model.version import VERSION

UNKNOWN = "unknown"


class Build(NamedTuple):
    """The build, as ``show version`` shows it.

    Attributes:
        version: Version of the release.
        commit: Abbreviated hash of the commit, or ``unknown``.
        date: When it was built, ISO 8601, or ``unknown`` when it runs from a checkout.
    """

    version: str
    commit: str
    date: str


def read_build() -> Build:
    """Return the running build; reads a file or two, once."""
    try:
        recorded = json.loads(files("maglev").joinpath("build.json").read_text())
        return Build(VERSION, str(recorded["commit"]), str(recorded["date"]))
    except (OSError, ValueError, KeyError):
        return Build(VERSION, _commit_of(Path(__file__).parents[2] / ".git"), UNKNOWN)


def _commit_of(git: Path) -> str:
    """Return the commit of a checkout, read from git's own files."""
    try:
        head = (git / "HEAD").read_text().strip()
        if head.startswith("ref: "):
            head = (git / head.removeprefix("ref: ")).read_text().strip()
    except OSError:
        return UNKNOWN
    return head[:12]
