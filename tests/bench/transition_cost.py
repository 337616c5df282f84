"""What a transition costs, by the size of its frontend: CPU time on the board, and with what is written to VPP.

VPP is one in memory, which answers at once; so this is our part alone, from a recorded result to the note that VPP has
acknowledged the write. What a scale of weights adds (``weights: least-moving``) is measured at the larger size. The VIP
is never left alone in between (`maglev.vpp.sync.writer.REST`), as it is in a real mass
failure: each transition is worked out and written by itself, which is the most that it can cost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from maglev.model.config import Backend, Config, WeightScale
from maglev.state.board import Board
from tests.bench.figures import Figure, compared
from tests.bench.options import Options
from tests.fakes.configs import make_config, make_frontend
from tests.fakes.vpp_bench import FAIL, PASS, QUICK, VppInMemory

FEW, MANY = 10, 1000
TRANSITIONS = 2000


def measure(options: Options) -> Iterator[Figure]:
    """Measure in this process, each size in each run."""
    for key, what, cost in (("board", "board", on_the_board), ("vpp", "with VPP write", with_vpp)):
        many, few, scaled = [], [], []
        for _ in range(options.runs):
            few.append(cost(FEW))
            many.append(cost(MANY))
            scaled.append(cost(MANY, WeightScale.LEAST_MOVING))
        title = f"transition CPU, {MANY:,} backends, {what}"
        yield compared(f"transition-{key}", title, "us", f"{FEW} backends", many, few)
        title = f"transition CPU, least-moving, {MANY:,} backends, {what}"
        yield compared(f"transition-scaled-{key}", title, "us", "as-written", scaled, many)


def on_the_board(size: int, weights: WeightScale = WeightScale.AS_WRITTEN) -> float:
    """Return microseconds for one transition on a board that nobody observes."""
    board = Board(time.time, config_of(size, weights))
    for name in board.backends:
        board.record(name, PASS)
    return per_transition(board)


def with_vpp(size: int, weights: WeightScale = WeightScale.AS_WRITTEN) -> float:
    """Return microseconds for one transition and what it leads to, up to the answer of a VPP in memory."""
    bench = VppInMemory(config_of(size, weights))
    bench.wait(1)
    bench.lb._watch = lambda operations: None
    bench.service.sync._writer.rest = lambda key: 0.0
    took = per_transition(bench.board, bench.lb.writes.clear)
    bench.stop()
    return took


def per_transition(board: Board, tidy: Callable[[], None] = lambda: None) -> float:
    """Let one backend after another fail and come back; return microseconds for each transition."""
    names = list(board.backends)
    start = time.process_time()
    for number in range(TRANSITIONS // 2):
        name = names[number % len(names)]
        board.record(name, FAIL)
        board.record(name, PASS)
        tidy()
    return (time.process_time() - start) / TRANSITIONS * 1e6


def config_of(size: int, weights: WeightScale) -> Config:
    """Return a configuration with one frontend of so many backends, of two different weights."""
    names = [f"b{number}" for number in range(size)]
    backends = [Backend(name, f"10.0.{number >> 8}.{number & 255}", "tcp") for number, name in enumerate(names)]
    pool = [(name, 50 if number % 2 else 100) for number, name in enumerate(names)]
    return make_config([make_frontend(pools=(pool,), table_length=65536, weights=weights)], backends, QUICK)
