"""The shapes of what the control interface tells of the checker itself; see `maglev.model.views`."""

from __future__ import annotations

from typing import Annotated, TypedDict


class LagView(TypedDict):
    """How late the checker's event loop runs."""

    worst: Annotated[float, "The longest delay of the last minute, in seconds."]
    p50: Annotated[float | None, "Upper bound of the median since the start, in seconds; None above all buckets."]
    p99: Annotated[float | None, "Upper bound of the 99th percentile likewise, in seconds; None above all buckets."]


class WorkerView(TypedDict):
    """A worker process."""

    worker: Annotated[int, "Its number, counted from 0."]
    state: Annotated[str, "``up``, ``down`` or ``leaving``."]
    pid: Annotated[int | None, "Its process; None while there is none."]
    in_flight: Annotated[int, "Probes that it works on."]
    queued: Annotated[int, "Probes that it was asked for and could not begin yet."]
    restarts: Annotated[int, "Number of times that it was started again."]


class BlindView(TypedDict):
    """A view of backends that is in doubt, since many of them went down together."""

    scope: Annotated[str, "What they have in common: ``healthcheck``, ``path`` or ``all``."]
    name: Annotated[str, "Name of the healthcheck, or the family and the source address; empty for all."]
    backends: Annotated[int, "Number of backends that are doubted."]
    total: Annotated[int, "Number of backends that were in service."]
    ends_in: Annotated[float, "Seconds for which they are doubted at most."]


class CheckerView(TypedDict):
    """The checker itself."""

    backends: Annotated[int, "Number of backends that are probed."]
    probes: Annotated[int, "Results so far."]
    discarded: Annotated[dict[str, int], "Number of results that were no evidence, by the reason."]
    overdue: Annotated[float, "Seconds that the most overdue probe has been waiting."]
    without_evidence: Annotated[
        int,
        "Number of backends that are probed and have had no result for three intervals and a timeout, 15 s at least.",
    ]
    oldest_evidence: Annotated[float, "Seconds since the last result of the backend that has waited longest for one."]
    lag: Annotated[LagView, "How late the event loop runs."]
    waiting: Annotated[int, "Probes for which there is no worker."]
    workers: Annotated[list[WorkerView], "The worker processes."]
    blind: Annotated[list[BlindView], "What the checks are in doubt about."]
