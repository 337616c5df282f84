"""The seams of the program: what the folders promise one another. Everything here is public and stable.

There is no ``from __future__ import annotations`` here: Perspective Broker's table of methods and the JSON reference
read the annotations of `IControl` at run time.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypeVar

from zope.interface import Attribute, Interface

from maglev.model.announce_views import AnnounceChangeView, AnnouncementsView, AnnouncementView
from maglev.model.bounds import NAMES, PAGE, Duration, Flows, Last, Limit, Weight
from maglev.model.caller import Caller
from maglev.model.checker_views import CheckerView
from maglev.model.event_views import EventView
from maglev.model.explain_views import BackendExplanationView, FrontendExplanationView
from maglev.model.name_views import DnsNameView
from maglev.model.override_views import DrainView
from maglev.model.peer_views import PeersView, ServedVipsView
from maglev.model.result import Outcome
from maglev.model.session_views import SessionView, WebLoginView
from maglev.model.views import (
    BackendChangeView,
    BackendView,
    ConfigCheckView,
    ConfigDiffView,
    ConfigLineView,
    FrontendChangeView,
    FrontendView,
    HealthcheckView,
    HostChangeView,
    LbPlanView,
    LbStateView,
    OverrideClearView,
    OverridesView,
    PageView,
    ServerCountersView,
    SyncView,
    VersionView,
    VipCountersView,
    VppInfoView,
    WeightChangeView,
)


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


class ISubscription(Interface):
    """A subscription to events: first a snapshot of every object, then each event."""

    def next() -> Awaitable[list[EventView]]:
        """Wait for events, and return one or more, at most a hundred; an empty list when the watch has ended."""

    def close() -> None:
        """End it; a waiting `next` returns an empty list."""


Verb = TypeVar("Verb", bound=Callable[..., Coroutine[Any, Any, object]])


def changes(verb: Verb) -> Verb:
    """Mark a verb that changes something: once begun, it runs to its end even if the caller vanishes."""
    verb.changes = True  # type: ignore[attr-defined]
    return verb


def slow(verb: Verb) -> Verb:
    """Mark a verb that may take VPP or the disk a while."""
    verb.slow = True  # type: ignore[attr-defined]
    return verb


class IControl(Protocol):
    """The verbs of the control interface, bound to one caller: what every front end calls, here or far away.

    Verbs return *views*, in the shapes of `maglev.model.views`. Lists come in pages: ask again with ``after=next`` for
    more. Every verb may raise `LocalError` or `RemoteError` children, whose text is for a person: `NotFoundError`,
    `RefusedError`, `ForbiddenError`, `ConfigError`, `VppOffError`, `VppNotConnectedError`, `VppError`.

    A protocol for type checkers, not a zope interface: `maglev.rpc.client.control.Client` inherits the types of its
    methods from here, and everything else that Perspective Broker must know of a verb is read from its signature.
    """

    caller: Caller
    """Who makes the calls."""

    async def version(self) -> VersionView:
        """Return which build runs."""

    async def names(self, kind: str, prefix: str = "", within: str = "", limit: Limit = NAMES) -> list[str]:
        """Return the names of live objects, in their order, for completion.

        Args:
            kind: ``frontend``, ``backend``, ``address`` (of backends), ``healthcheck``, ``overridden`` (a backend with
                an override), ``announced`` (an address), ``pool`` or ``member``.
            prefix: What they must begin with.
            within: For pools, the frontend; for members (the backends of a pool), ``frontend/pool``.
            limit: How many at most.
        """

    async def frontends(self, after: str = "", limit: Limit = PAGE) -> PageView[FrontendView]:
        """Return a page of frontends."""

    async def frontend(self, name: str) -> FrontendView:
        """Return one frontend."""

    async def explain_frontend(self, name: str) -> FrontendExplanationView:
        """Return why a frontend serves as it does, step by step."""

    async def explain_backend(self, name: str) -> BackendExplanationView:
        """Return why a backend has its weight in each frontend, step by step."""

    async def backends(self, after: str = "", limit: Limit = PAGE) -> PageView[BackendView]:
        """Return a page of backends."""

    async def backend(self, name: str) -> BackendView:
        """Return one backend."""

    async def healthchecks(self, after: str = "", limit: Limit = PAGE) -> PageView[HealthcheckView]:
        """Return a page of healthchecks."""

    async def healthcheck(self, name: str) -> HealthcheckView:
        """Return one healthcheck."""

    @changes
    async def pause_backend(
        self,
        name: str,
        duration: Duration = 0,
        reason: str = "",
        force: bool = False,  # noqa: FBT001, FBT002  # a word on the wire
    ) -> BackendChangeView:
        """Stop probing a backend, over restarts as well.

        Args:
            name: Its name.
            duration: Seconds after which it is as the file says again; 0 for until further notice.
            reason: Why: one line of at most 120 characters.
            force: Do it even if it leaves a frontend with ``when-none-eligible: hold`` with nothing in service.
        """

    @changes
    async def resume_backend(self, name: str) -> BackendChangeView:
        """Probe a backend again after a pause."""

    @changes
    async def drain_backend(
        self,
        name: str,
        duration: Duration = 0,
        reason: str = "",
        force: bool = False,  # noqa: FBT001, FBT002  # a word on the wire
        flows: Flows = 0,
        timeout: Duration = 0,
        disable: bool = False,  # noqa: FBT001, FBT002
    ) -> BackendChangeView:
        """Give a backend no new flows, leave those that it has alone, and watch how many they are.

        It is probed as before, and `enable_backend` puts it back into service with what the probes have found.

        Args:
            name: Its name.
            duration: As for `pause_backend`.
            reason: As for `pause_backend`.
            force: As for `pause_backend`.
            flows: Number of flows at which it counts as drained.
            timeout: Seconds after which the drain has failed if it has more; it goes on nevertheless. 0 for never.
            disable: Whether it is disabled once it is drained.
        """

    async def drain_progress(self, name: str) -> DrainView:
        """Wait for the next look at a drain, two seconds at most while VPP answers, and return how it is going."""

    @changes
    async def set_host(
        self,
        address: str,
        order: str,
        duration: Duration = 0,
        reason: str = "",
        force: bool = False,  # noqa: FBT001, FBT002  # a word on the wire
        flows: Flows = 0,
        timeout: Duration = 0,
        disable: bool = False,  # noqa: FBT001, FBT002
    ) -> HostChangeView:
        """Order something for every backend of an address; what is refused for one does not stop the others.

        Args:
            address: The address.
            order: ``drain``, ``pause``, ``resume``, ``enable`` or ``disable``; or ``clear``, which lets those for which
                something was ordered be as the file says.
            duration: As for `pause_backend`.
            reason: As for `pause_backend`.
            force: As for `pause_backend`.
            flows: As for `drain_backend`.
            timeout: As for `drain_backend`.
            disable: As for `drain_backend`.
        """

    @changes
    async def disable_frontend(
        self,
        name: str,
        duration: Duration = 0,
        reason: str = "",
        force: bool = False,  # noqa: FBT001, FBT002  # a word on the wire
    ) -> FrontendChangeView:
        """Give all backends of a frontend weight 0 there, and forget its flows; arguments as for `pause_backend`.

        The VIP stays in VPP.
        """

    @changes
    async def enable_frontend(self, name: str) -> FrontendChangeView:
        """Put a disabled frontend back into service."""

    @changes
    async def enable_backend(self, name: str) -> BackendChangeView:
        """Put a disabled backend back into service."""

    @changes
    async def disable_backend(
        self,
        name: str,
        duration: Duration = 0,
        reason: str = "",
        force: bool = False,  # noqa: FBT001, FBT002  # a word on the wire
    ) -> BackendChangeView:
        """Take a backend out of service, over restarts as well; the arguments are those of `pause_backend`."""

    @changes
    async def set_weight(
        self,
        frontend: str,
        pool: str,
        backend: str,
        weight: Weight,
        duration: Duration = 0,
        reason: str = "",
        force: bool = False,  # noqa: FBT001, FBT002  # a word on the wire
    ) -> WeightChangeView:
        """Set a weight until the file changes it, over restarts as well.

        Args:
            frontend: Name of the frontend.
            pool: Name of its pool.
            backend: Name of a backend in the pool.
            weight: The weight.
            duration: As for `pause_backend`.
            reason: As for `pause_backend`.
            force: As for `pause_backend`.
        """

    async def overrides(self, after: str = "", limit: Limit = PAGE) -> OverridesView:
        """Return a page of what operators have ordered that differs from the file."""

    @changes
    async def clear_override(
        self,
        backend: str = "",
        frontend: str = "",
        pool: str = "",
        force: bool = False,  # noqa: FBT001, FBT002  # a word on the wire
    ) -> OverrideClearView:
        """End an override: of a backend, of a frontend, or of the weight of a backend in a pool of a frontend.

        Args:
            backend: Name of the backend; empty for a frontend.
            frontend: Name of the frontend; empty for the state of a backend.
            pool: Name of its pool, for a weight.
            force: As for `pause_backend`: the file may take out what the override keeps in service.
        """

    async def announcements(self, after: str = "", limit: Limit = PAGE) -> AnnouncementsView:
        """Return a page of the addresses that are announced while something serves behind them."""

    async def announcement(self, address: str) -> AnnouncementView:
        """Return one of these addresses."""

    @changes
    async def set_announce(
        self,
        address: str,
        on: bool,  # noqa: FBT001  # a word on the wire
        duration: Duration = 0,
        reason: str = "",
    ) -> AnnounceChangeView:
        """Keep an address withdrawn, over restarts as well, or let it be announced again.

        Args:
            address: The address.
            on: Whether it may be announced.
            duration: As for `pause_backend`.
            reason: As for `pause_backend`.
        """

    async def configuration(self, after: str = "", limit: Limit = PAGE) -> PageView[ConfigLineView]:
        """Return a page of the configuration in force as YAML, without what may be secret."""

    @slow
    async def compare_configuration(self, after: str = "", limit: Limit = PAGE) -> PageView[ConfigLineView]:
        """Return a page of how the file differs from the configuration in force, read for the first page."""

    @slow
    async def check_config(self) -> ConfigCheckView:
        """Check the file."""

    @slow
    @changes
    async def reload_config(
        self,
        now: bool = False,  # noqa: FBT001, FBT002  # a word on the wire
        reason: str = "",
    ) -> ConfigCheckView:
        """Put the file in force if it is valid.

        Args:
            now: Whether servers that left the file leave VPP at once, even if nothing else serves their VIP.
            reason: As for `pause_backend`; for the record only.
        """

    @slow
    async def config_diff(self, after: str = "", limit: Limit = PAGE) -> ConfigDiffView:
        """Return what a reload of the file would do, worked out for the first page and kept for the following ones.

        Without VPP, it is worked out for a VPP that can do everything.
        """

    async def checker(self) -> CheckerView:
        """Return the state of the checker itself."""

    async def vpp_info(self) -> VppInfoView:
        """Return version and process of the connected VPP."""

    @slow
    async def vpp_lb_state(self, after: str = "", limit: Limit = PAGE) -> LbStateView:
        """Return what VPP holds, read for the first page and kept for the following ones."""

    @slow
    async def vpp_lb_plan(self, after: str = "", limit: Limit = PAGE) -> LbPlanView:
        """Return what a sync would do now, worked out for the first page and kept for the following ones."""

    async def vpp_lb_counters(self, after: str = "", limit: Limit = PAGE) -> PageView[VipCountersView]:
        """Return a page of what VPP has counted for each VIP, as of a few seconds ago."""

    async def vpp_backend_counters(self, after: str = "", limit: Limit = PAGE) -> PageView[ServerCountersView]:
        """Return a page of what VPP has sent to each application server, for all VIPs together."""

    @slow
    @changes
    async def sync_vpp(self, frontend: str | None = None) -> SyncView:
        """Read VPP back and repair it, all or one frontend."""

    async def served_vips(self, after: str = "", limit: Limit = PAGE) -> ServedVipsView:
        """Return a page of what is served here, for another balancer to compare."""

    async def peers(self, after: str = "", limit: Limit = PAGE) -> PeersView:
        """Return the other balancers that are known, and a page of VIPs with all who serve them side by side."""

    async def dns_names(self, after: str = "", limit: Limit = PAGE) -> PageView[DnsNameView]:
        """Return a page of the DNS names that stand for backends, with their addresses."""

    async def log(self, last: Last = 50) -> list[EventView]:
        """Return the latest events and changes from memory: those of the board, and who changed what."""

    async def sessions(self) -> list[SessionView]:
        """Return who is connected, the oldest session first."""

    async def web_login(self) -> WebLoginView:
        """Return a link that opens the live page as this caller: once, within a minute."""

    async def watch(self, *, log: str | None = None, backend: bool = True, frontend: bool = True) -> ISubscription:
        """Watch events: first a snapshot of every state, then what happens.

        Args:
            log: The lowest level of log events to see (``debug``, ``info``, ``warn``, ``error``); None for none.
            backend: Whether to see backends.
            frontend: Whether to see frontends.
        """
