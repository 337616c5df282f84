"""The seams of the program: what the rooms promise one another. Everything here is public and stable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from maglev.model.caller import Caller
    from maglev.model.config import Config
    from maglev.model.events import BackendEvent, FrontendEvent
    from maglev.model.result import Outcome


class IProber(Interface):
    """Probes one backend, over and over, one probe at a time."""

    certificate_expiry: float | None = Attribute(
        "When the certificate that the backend showed last expires, in seconds since the epoch; None if unknown."
    )

    def start(finished: Callable[[Outcome], None]) -> None:
        """Begin one probe.

        Args:
            finished: Called exactly once with the outcome, unless `cancel` comes first; possibly before ``start``
                returns (a connection to loopback can complete or fail at once). No probe outlives its timeout.

        Raises:
            RuntimeError: A probe is under way.
        """

    def cancel() -> None:
        """Abort the probe under way, if any: its descriptor is closed and ``finished`` is not called."""


class IBoardObserver(Interface):
    """Hears of changes of the board, after they are in place. What it raises is logged and harms no other observer."""

    def backend_changed(event: BackendEvent) -> None:
        """A backend went from one state to another."""

    def frontend_changed(event: FrontendEvent) -> None:
        """A frontend went from one state to another."""

    def weights_changed(frontends: frozenset[str]) -> None:
        """What VPP should hold for these frontends may differ from before."""

    def config_changed(old: Config, new: Config) -> None:
        """Another configuration is in force; old and new states of all objects are already on the board."""


class ISubscription(Interface):
    """A stream of events that somebody watches.

    An event is a dictionary with ``type`` and what belongs to it; all values are basic:

    * ``{"type": "backend", "seq", "at", "backend", "address", "from", "to", "code", "detail"}``
    * ``{"type": "frontend", "seq", "at", "frontend", "from", "to"}``
    * ``{"type": "log", "at", "level", "event", "fields": {...}}``
    * ``{"type": "snapshot", "kind": "backend" or "frontend", "name", "state", "seq"}``: one for each object, first
    * ``{"type": "gap", "missed"}``: so many events were dropped here, because the reader was too slow

    ``at`` is wall-clock time as ISO 8601 text in UTC; ``seq`` is the position in the event log.
    """

    def next() -> Awaitable[list[dict[str, Any]]]:
        """Wait for events, and return one or more, at most a hundred; an empty list when the watch has ended."""

    def close() -> None:
        """End it; a waiting `next` returns an empty list."""


class IControl(Interface):
    """The verbs of the control interface, bound to one caller: what every front end calls, here or far away.

    Verbs return *views*: dictionaries, lists and basic values in the shapes that ``| json`` shows and
    ``docs/json.rst`` documents. Lists come in pages, ``{"rows": [...], "next": name or None}``: ask again with
    ``after=next`` for more. Every verb may raise `LocalError` or `RemoteError` children, whose text is for a person:
    `NotFoundError`, `RefusedError`, `ForbiddenError`, `ConfigError`, `VppOffError`, `VppNotConnectedError`, `VppError`.
    """

    caller: Caller = Attribute("Who makes the calls.")

    def version() -> Awaitable[dict[str, Any]]:
        """Return ``{"version", "commit", "build_date"}``."""

    def names(kind: str, prefix: str = "", within: str = "", limit: int = 1000) -> Awaitable[list[str]]:
        """Return the names of live objects, in their order, for completion.

        Args:
            kind: ``frontend``, ``backend``, ``healthcheck``, ``pool`` or ``member``.
            prefix: What they must begin with.
            within: For pools, the frontend; for members (the backends of a pool), ``frontend/pool``.
            limit: How many at most.
        """

    def frontends(after: str = "", limit: int = 100) -> Awaitable[dict[str, Any]]:
        """Return a page of what `frontend` returns."""

    def frontend(name: str) -> Awaitable[dict[str, Any]]:
        """Return one frontend.

        ``{"name", "address", "protocol", "port", "description", "state", "src_ip_sticky", "flush_on_down",
        "pools": [{"name", "active", "backends": [{"name", "address", "state", "enabled", "weight",
        "effective_weight"}]}]}``; ``protocol`` is ``tcp``, ``udp`` or ``any``, with port 0.
        """

    def backends(after: str = "", limit: int = 100) -> Awaitable[dict[str, Any]]:
        """Return a page of what `backend` returns."""

    def backend(name: str) -> Awaitable[dict[str, Any]]:
        """Return one backend.

        ``{"name", "address", "state", "enabled", "healthcheck": name or None, "health": {"value", "rise",
        "fall"}, "last_result": None or {"ok", "layer", "code", "detail", "duration"}, "transitions": [{"from", "to",
        "at", "code", "detail"}], "frontends": [names]}``; durations in seconds, transitions newest first.
        """

    def healthchecks(after: str = "", limit: int = 100) -> Awaitable[dict[str, Any]]:
        """Return a page of what `healthcheck` returns."""

    def healthcheck(name: str) -> Awaitable[dict[str, Any]]:
        """Return one healthcheck.

        ``{"name", "type", "port", "interval", "fast_interval", "down_interval", "timeout", "rise", "fall",
        "probe_ipv4_src", "probe_ipv6_src", "params": {...}, "backends": count}``; durations in seconds.
        """

    def pause_backend(name: str) -> Awaitable[dict[str, Any]]:
        """Stop probing; return ``{"backend", "from", "to"}``, the states before and after."""

    def resume_backend(name: str) -> Awaitable[dict[str, Any]]:
        """Probe again; as `pause_backend`."""

    def enable_backend(name: str) -> Awaitable[dict[str, Any]]:
        """Put a disabled backend into service again; as `pause_backend`."""

    def disable_backend(name: str) -> Awaitable[dict[str, Any]]:
        """Take a backend out of service; as `pause_backend`."""

    def set_weight(frontend: str, pool: str, backend: str, weight: int) -> Awaitable[dict[str, Any]]:
        """Set a weight until the next reload; return ``{"frontend", "pool", "backend", "from", "to"}``."""

    def check_config() -> Awaitable[dict[str, Any]]:
        """Check the file; return ``{"ok", "problems": [{"kind", "path", "text", "line", "column"}]}``."""

    def reload_config() -> Awaitable[dict[str, Any]]:
        """Put the file in force if it is valid; return what `check_config` returns."""

    def config_diff(after: str = "", limit: int = 100) -> Awaitable[dict[str, Any]]:
        """Return what a reload of the file would do, worked out for the first page and kept for the following ones.

        ``{"ok", "problems": as `check_config`, "rows": [{"kind", "name", "change", "details": [text], "vips": [as a row
        of `vpp_lb_plan`]}], "next"}``. ``kind`` is ``setting``, ``healthcheck``, ``backend`` or ``frontend``;
        ``change`` is ``added``, ``removed``, ``changed`` or, for a frontend of which only the VIP changes,
        ``affected``. Backends that are new, or have something to prove again, are taken to be up. Without VPP it is
        one that can do everything.
        """

    def checker() -> Awaitable[dict[str, Any]]:
        """Return how the checker itself does.

        ``{"backends": how many are probed, "probes": results so far, "discarded": {reason: count}, "overdue": for how
        long the most overdue probe has been waiting, "lag": {"worst": of the last minute, "p50", "p99": upper bounds
        since the start, None if above all}, "waiting": probes for which there is no worker, "workers": [{"worker",
        "state": ``up``, ``down`` or ``leaving``, "pid", "in_flight", "queued", "restarts"}]}``; times in seconds.
        """

    def vpp_info() -> Awaitable[dict[str, Any]]:
        """Return what the connected VPP says of itself.

        ``{"version", "build_date", "build_directory", "pid", "boot_time", "connected_since", "weights"}``;
        times as ISO 8601 text in UTC, or None.
        """

    def vpp_lb_state(after: str = "", limit: int = 100) -> Awaitable[dict[str, Any]]:
        """Return what VPP holds, read for the first page and kept for the following ones.

        ``{"conf":
        {"ipv4_src_address", "ipv6_src_address", "sticky_buckets_per_core", "flow_timeout"}, "rows": [{"frontend":
        name or None, "prefix", "protocol", "port", "encap", "src_ip_sticky", "new_flows_table_length",
        "application_servers": [{"address", "weight", "buckets"}]}], "next"}``. A VIP without frontend is foreign.
        """

    def vpp_lb_plan(after: str = "", limit: int = 100) -> Awaitable[dict[str, Any]]:
        """Return what a sync would do now, worked out for the first page and kept for the following ones.

        ``{"conf": as in `vpp_lb_state`, or None if it stays, "waiting": frontends that the warm-up does not let it
        touch yet, "rows": [{"frontend": name or None, "prefix", "protocol", "port", "action", "reasons": [text],
        "moved", "operation_count", "operations": [text]}], "next"}``. A row is a VIP, in the order of doing; ``action``
        is ``add``, ``recreate``, ``change``, ``remove`` or ``wait``. ``moved`` is the share of its new flows that go to
        another application server than before, 0..1, computed with the table that VPP builds; None for a VIP that is
        new, and for a VPP without weights. Of many operations only the first are written out.
        """

    def vpp_lb_counters(after: str = "", limit: int = 100) -> Awaitable[dict[str, Any]]:
        """Return a page of what VPP has counted for each VIP, as of a few seconds ago.

        A row is ``{"frontend": name or None, "prefix", "protocol", "port", "first", "next", "untracked", "no_server",
        "fib_packets", "fib_bytes"}``. The first four counts are packets to this VIP; those of the FIB are of everything
        to its address, whatever port, and None when VPP does not tell them.
        """

    def vpp_backend_counters(after: str = "", limit: int = 100) -> Awaitable[dict[str, Any]]:
        """Return a page of what VPP has sent to each application server, for all VIPs together.

        A row is ``{"backend": name or None, "address", "fib_packets", "fib_bytes"}``; bytes with the encapsulation.
        """

    def sync_vpp(frontend: str | None = None) -> Awaitable[dict[str, Any]]:
        """Read VPP back and repair it, all or one frontend; return ``{"writes": [text, ...]}``."""

    def sessions() -> Awaitable[list[dict[str, Any]]]:
        """Return who is connected: ``[{"name", "role", "origin", "front_end", "since", "idle"}]``; idle in seconds."""

    def watch(*, log: str | None = None, backend: bool = True, frontend: bool = True) -> Awaitable[ISubscription]:
        """Watch events: first a snapshot of every state, then what happens.

        Args:
            log: The lowest level of log events to see (``debug``, ``info``, ``warn``, ``error``); None for none.
            backend: Whether to see backends.
            frontend: Whether to see frontends.
        """
