"""The view of the checker itself, for an operator who finds checks slow."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from maglev.healthcheck.lag import LagMonitor
    from maglev.healthcheck.service import CheckerService
    from maglev.healthcheck.workers.pool import WorkerPool, WorkerSlot
    from maglev.model.checker_views import CheckerView, WorkerView
    from maglev.state.blindness import Doubts

RECENTLY: Final = 60.0
"""Seconds over which the worst lag is reported: long enough to be still visible when somebody looks."""


def checker_view(
    now: Callable[[], float], checker: CheckerService, lag: LagMonitor, pool: WorkerPool, doubts: Doubts
) -> Callable[[], CheckerView]:
    """Return the view for `IControl.checker`.

    Args:
        now: The time by the clock that lag is measured with.
        checker: The checker.
        lag: Measures how late the reactor runs.
        pool: The workers, if there are any.
        doubts: What the checks are in doubt about.
    """

    def view() -> CheckerView:
        checker.evidence.look()
        return {
            "backends": checker.probed(),
            "probes": checker.probes,
            "discarded": {reason: count for reason, count in checker.discarded.items() if count},
            "overdue": checker.oldest_wait(),
            "without_evidence": len(checker.evidence.lost),
            "oldest_evidence": checker.evidence.oldest,
            "lag": {
                "worst": lag.worst_since(now() - RECENTLY),
                "p50": _finite(lag.quantile(0.5)),
                "p99": _finite(lag.quantile(0.99)),
            },
            "waiting": len(pool.waiting),
            "workers": [_worker_view(slot) for slot in pool.slots.values()],
            "blind": [
                {
                    "scope": str(each.scope),
                    "name": each.name,
                    "backends": len(sight.down),
                    "total": sight.total,
                    "ends_in": round(max((sight.until or 0.0) - now(), 0.0), 1),
                }
                for each, sight in doubts.blind()
            ],
        }

    return view


def _finite(bound: float) -> float | None:
    return bound if math.isfinite(bound) else None


def _worker_view(slot: WorkerSlot) -> WorkerView:
    worker = slot.worker
    ready = worker is not None and worker.ready
    return {
        "worker": slot.index,
        "state": "leaving" if slot.leaving else "up" if ready else "down",
        "pid": worker.pid if worker is not None else None,
        "in_flight": len(worker.under_way) if worker is not None else 0,
        "queued": worker.status.queued if worker is not None else 0,
        "restarts": slot.restarts,
    }
