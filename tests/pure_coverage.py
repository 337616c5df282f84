"""Says how much of the pure modules the tests reached, by branches; fails unless it was all of it.

Run it after pytest with ``--cov`` has written its data: ``python -m tests.pure_coverage``. It is also the plug-in of
coverage that has only these modules measured, because every module that is traced costs time.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from coverage import Coverage, CoveragePlugin

from tests.layers import ROOT, is_pure, modules


class OnlyPure(CoveragePlugin):
    """Has only pure modules measured, unless something else is asked for, as in ``--cov=maglev``."""

    def configure(self, config) -> None:
        if not config.get_option("run:source"):
            config.set_option("run:include", [str(path) for path in pure_modules().values()])


def coverage_init(plugins, _options) -> None:
    """Register the plug-in."""
    plugins.add_configurer(OnlyPure())


def pure_modules() -> dict[str, Path]:
    """Return the pure modules that have something in them, by name."""
    return {name: path for name, path in modules().items() if is_pure(name) and path.read_text().strip()}


def measured() -> dict[str, dict]:
    """Return what was measured of each file, by its path."""
    coverage = Coverage()
    coverage.load()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coverage.json"
        coverage.json_report(outfile=str(path))
        return json.loads(path.read_text())["files"]


def missed(file: dict | None) -> list[str]:
    """Return the lines and branches of one file that no test reached."""
    if file is None:
        return ["everything"]
    lines = [str(line) for line in file["missing_lines"]]
    return lines + [f"{start}->{'exit' if end < 0 else end}" for start, end in file["missing_branches"]]


def main() -> int:
    """Print a line for each module that is not covered, and the verdict; return the exit status."""
    files = measured()
    pure = pure_modules()
    branches, bad = 0, 0
    for name, path in pure.items():
        file = files.get(str(path.relative_to(ROOT)))
        branches += file["summary"]["num_branches"] if file else 0
        gaps = missed(file)
        if gaps:
            bad += 1
            print(f"maglev.{name}: not reached: {', '.join(gaps)}")
    print(f"{len(pure)} pure modules, {branches} branches: {f'{bad} modules have gaps' if bad else 'all reached'}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
