"""Every measurement, or those that are named: ``python -m tests.bench [NAME...]``, or ``make bench``.

Each is a process of its own, so that none disturbs the next. Prints a table and writes ``build/bench/figures.json``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import time
from pathlib import Path

import attrs

from tests.bench.backends import NotThereError
from tests.bench.figures import Figure
from tests.bench.options import KINDS, Options
from tests.bench.place import enter_network, load_average, machine
from tests.bench.table import HEADINGS, rows, text_table
from tests.bench.targets import TARGETS

SUITE = (
    "probe_ratio",
    "probe_kinds",
    "overload",
    "scale",
    "check_cost",
    "transition_cost",
    "rebuild_cost",
    "sync",
    "mixed",
    "several",
)
"""Modules of this package with a ``measure``, in the order in which they run."""

PROGRAMS = ("probe_cost", "vpp_api_cost", "vpp_sync", "counters_cost", "watchers", "pb_flood")
"""Older ones that print for themselves; they run when they are named."""

FOLDER = Path(__file__).parents[2] / "build" / "bench"


def numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of a list with commas."""
    return tuple(map(int, text.split(",")))


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(SUITE)}")
    parser.add_argument("--runs", type=int, default=5, help="how often; the median counts (default: 5)")
    parser.add_argument("--scale", type=float, default=1.0, help="factor for how long each run lasts")
    parser.add_argument(
        "--kinds", type=lambda text: tuple(text.split(",")), default=KINDS, help=f"of {','.join(KINDS)}"
    )
    parser.add_argument("--long", action="store_true", help="20,000 backends for ten minutes instead of one")
    parser.add_argument("--workers", type=numbers, default=(0, 2), help="workers for the 20,000 (default: 0,2)")
    parser.add_argument("--output", type=Path, default=FOLDER / "figures.json", help="where the JSON goes")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    namespace = parser.parse_args(arguments)
    unknown = set(namespace.names) - {*SUITE, *PROGRAMS}
    if unknown:
        parser.error(f"no such measurement: {', '.join(sorted(unknown))}; there are {', '.join((*SUITE, *PROGRAMS))}")
    return namespace


def measure_one(name: str, options: Options, output: Path) -> None:
    """Make one measurement in this process, and write its figures as they come."""
    figures: list[Figure] = []
    module = importlib.import_module(f"tests.bench.{name}")
    try:
        for figure in module.measure(options):
            figures.append(figure)
            sys.stdout.write(text_table(HEADINGS, rows([figure], TARGETS)).splitlines()[1] + "\n")
            sys.stdout.flush()
    except NotThereError as error:
        figures.append(Figure(name.replace("_", "-"), name.replace("_", " "), missing=str(error)))
    finally:
        output.write_text(json.dumps([figure.to_json() for figure in figures]))


def measure_apart(name: str, arguments: argparse.Namespace) -> dict[str, object]:
    """Make one measurement in a process of its own; return its part of the JSON."""
    partial = arguments.output.with_name(f"{name}.part.json")
    partial.unlink(missing_ok=True)
    load, start = load_average(), time.monotonic()
    command = [sys.executable, "-m", "tests.bench", "--one", name, "--output", str(partial)]
    command += ["--runs", str(arguments.runs), "--scale", str(arguments.scale), *["--long"] * arguments.long]
    command += ["--kinds", ",".join(arguments.kinds), "--workers", ",".join(map(str, arguments.workers))]
    status = subprocess.run(command, check=False).returncode
    figures = json.loads(partial.read_text()) if partial.exists() else []
    partial.unlink(missing_ok=True)
    if status:
        figures.append(Figure(f"{name}-failed", name, missing=f"ended with status {status}").to_json())
    took = round(time.monotonic() - start, 1)
    return {
        "name": name,
        "runs": arguments.runs,
        "load-before": load,
        "load-after": load_average(),
        "seconds": took,
        "figures": figures,
    }


def main() -> None:
    """Measure; exit with 1 if a measurement failed."""
    arguments = parse(sys.argv[1:])
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    if arguments.one:
        chosen = {
            each.name: getattr(arguments, each.name) for each in attrs.fields(Options) if hasattr(arguments, each.name)
        }
        measure_one(arguments.names[0], Options(**chosen), arguments.output)
        return
    enter_network(["-m", "tests.bench", *sys.argv[1:]])
    results = []
    for name in arguments.names or SUITE:
        sys.stdout.write(f"-- {name}\n")
        sys.stdout.flush()
        if name in PROGRAMS:
            subprocess.run([sys.executable, "-m", f"tests.bench.{name}"], check=True)
        else:
            results.append(measure_apart(name, arguments))
    document = {"machine": machine(), "runs": arguments.runs, "measurements": results}
    arguments.output.write_text(json.dumps(document, indent=1) + "\n")
    figures = [Figure.from_json(each) for result in results for each in result["figures"]]
    sys.stdout.write("\n" + text_table(HEADINGS, rows(figures, TARGETS)))
    sys.exit(any(figure.key.endswith("-failed") for figure in figures))


if __name__ == "__main__":
    main()
