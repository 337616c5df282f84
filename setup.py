"""Build script; all metadata is in setup.cfg. A built package records which commit it is made from, and when."""

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


def record() -> dict[str, str]:
    """Return the commit and the date of this build; the date is that of SOURCE_DATE_EPOCH, if set."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    when = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    return {"commit": commit() or "unknown", "date": when.isoformat(timespec="seconds")}


def commit() -> str:
    """Return the commit of this checkout; empty where it is none, or there is no git."""
    command = ["git", "rev-parse", "--short=12", "HEAD"]
    try:
        folder = Path(__file__).parent
        git = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return ""
    return git.stdout.strip()


class BuildWithRecord(build_py):
    """Adds the record to what is built; an editable install has none, and reads its checkout instead."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            Path(self.build_lib, "maglev", "build.json").write_text(json.dumps(record()))


setup(cmdclass={"build_py": BuildWithRecord})
