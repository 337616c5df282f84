"""The JSON Schema of the configuration, as editors get it."""

from __future__ import annotations

import json
from pathlib import Path

from jsonschema import Draft202012Validator

PATH = Path(__file__).parents[2] / "maglev" / "config" / "maglev.schema.json"
VALIDATOR = Draft202012Validator(
    json.loads(PATH.read_text(encoding="utf-8")), format_checker=Draft202012Validator.FORMAT_CHECKER
)


def faults(value):
    """Return what the schema refuses, each with its path."""
    return [f"{_path(error.absolute_path)}: {error.message}" for error in VALIDATOR.iter_errors(value)]


def _path(steps):
    """Return a path as our own errors have it."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")
