"""The record of the BIRDs that maglevd has written for: JSON, with a format number, read as a whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, TypeAlias

from maglev.state.override_file import DamagedError

RECORD_NAME: Final = "birds.json"
"""Its name in the state directory."""

RECORD_FORMAT: Final = 1

MAX_FILES: Final = 100
"""Include files at most."""

MAX_PATH: Final = 4096
RECORD_LIMIT: Final = 1 << 20
"""Characters of a path, and bytes of the record."""

BirdRecord: TypeAlias = Mapping[str, tuple[str, ...]]
"""The include files that were written, by the control socket of their BIRD."""


def encode_record(record: BirdRecord) -> bytes:
    """Return the content of the file."""
    birds = [{"control-socket": socket, "include-files": list(files)} for socket, files in record.items()]
    return (json.dumps({"format": RECORD_FORMAT, "birds": birds}, indent=1) + "\n").encode("ascii")


def decode_record(content: bytes) -> BirdRecord:
    """Return the record in the content of a file.

    Raises:
        DamagedError: It is anything but what `encode_record` returns; the text says what was expected.
    """
    try:
        whole = json.loads(content.decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise DamagedError("not valid JSON") from error
    if not isinstance(whole, dict) or whole.keys() != {"format", "birds"}:
        raise DamagedError("expected an object with format and birds")
    if whole["format"] != RECORD_FORMAT or isinstance(whole["format"], bool):
        message = f"expected format {RECORD_FORMAT}: another version of this program has written it"
        raise DamagedError(message)
    birds = whole["birds"]
    if not isinstance(birds, list):
        raise DamagedError("expected a list of birds")
    record = dict(map(_bird, birds))
    if len(record) < len(birds) or sum(map(len, record.values())) > MAX_FILES:
        message = f"expected each control socket once, and at most {MAX_FILES} include files"
        raise DamagedError(message)
    return record


def _bird(found: object) -> tuple[str, tuple[str, ...]]:
    if not isinstance(found, dict) or found.keys() != {"control-socket", "include-files"}:
        raise DamagedError("expected birds with control-socket and include-files")
    socket, files = found["control-socket"], found["include-files"]
    if not isinstance(files, list) or not files or not all(map(_is_path, (socket, *files))):
        raise DamagedError("expected absolute paths")
    return socket, tuple(files)


def _is_path(found: object) -> bool:
    return isinstance(found, str) and found.startswith("/") and len(found) <= MAX_PATH and "\0" not in found
