"""The composition root: builds the service tree from the options of maglevd.

This is the only module that knows every folder. ``maglevd`` (`maglev.daemon.program`) and ``twistd maglev`` (the
dropin) both use it; the objects below receive what they need and never look for it.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from twisted.application.service import MultiService
from twisted.logger import globalLogPublisher

from maglev.announce.announcer import Announcer
from maglev.announce.bird_record import RECORD_NAME
from maglev.announce.former_birds import FormerBirds, restore_record
from maglev.announce.hooks import descriptors_of
from maglev.announce.sinks import Sinks
from maglev.announce.support import SupportReader
from maglev.config.check import described, report
from maglev.config.child_loader import read
from maglev.config.packing import unpack
from maglev.control.checker_view import checker_view
from maglev.control.events import EventHub
from maglev.control.overrides import Overrides
from maglev.control.reload import Reloader
from maglev.control.restored import restore
from maglev.control.scale_changes import ScaleLog
from maglev.control.sessions import Sessions
from maglev.control.timekeeping import Timekeeper
from maglev.control.transition_log import TransitionLog
from maglev.control.verbs import Control
from maglev.daemon.listeners import FrontEnd, listeners
from maglev.daemon.neighbours import add_names, add_peers, name_service, show_names
from maglev.daemon.options import Options  # noqa: TC001  # twistd's ServiceMaker looks it up here
from maglev.daemon.signals import was_hung_up
from maglev.daemon.systemd import Notifier, notify_socket
from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.probers.netns import check_netns
from maglev.healthcheck.probers.obstacles import obstacles
from maglev.healthcheck.probers.sources import ProberSources
from maglev.healthcheck.programs.host import ProgramHost
from maglev.healthcheck.service import CheckerService
from maglev.healthcheck.workers.pool import WorkerPool
from maglev.healthcheck.workers.process import Spawner
from maglev.healthcheck.workers.source import PooledProbers
from maglev.metrics.announce import AnnounceCollector
from maglev.metrics.collectors import (
    BoardCollector,
    BuildCollector,
    CheckerCollector,
    CooperatorCollector,
    OverrideCollector,
    ReloadCollector,
    VppCollector,
)
from maglev.metrics.exposition import ProcessFigures
from maglev.metrics.healthz import SelfCheck
from maglev.metrics.resource import TransitionCounter, site_of
from maglev.metrics.traffic import TrafficCollector
from maglev.metrics.workers import WorkerCollector
from maglev.model.build import read_build
from maglev.model.errors import ConfigError, StartError
from maglev.model.listen_address import strport
from maglev.model.version import VERSION
from maglev.resolver.record import FILE_NAME as NAMES_FILE
from maglev.resolver.service import MOST_LOOKUPS
from maglev.runtime.admission import Descriptors
from maglev.runtime.clock import use_monotonic_time
from maglev.runtime.cooperator import Cooperator
from maglev.runtime.files import is_writable
from maglev.runtime.listening import listening
from maglev.runtime.logs.logger import EventLogger
from maglev.runtime.tasks import Tasks
from maglev.state.board import Board
from maglev.state.override_file import FILE_NAME
from maglev.vpp.sync.link import MessageCounter, VppConnector
from maglev.vpp.sync.service import VppService

if TYPE_CHECKING:
    from twisted.application.service import IService

    from maglev.interfaces import ISubscription
    from maglev.metrics.exposition import ICollector
    from maglev.model.config import Config

JITTER: Final = 0.1
"""Share by which intervals and back-offs vary either way, so that checkers and backends do not synchronize."""

METRICS_CONNECTIONS: Final = 64
"""Connections of the metrics listener: several Prometheus, browsers, and some to spare."""

PATH_DESCRIPTORS: Final = 4
"""Descriptors of a probe by way of a VIP, with those of its controls (`maglev.healthcheck.probers.via`)."""

WORKER_DESCRIPTORS: Final = 4
"""Descriptors of the daemon for each probe worker."""

_log = EventLogger()


class Daemon(MultiService):
    """The whole of maglevd as one service.

    Attributes:
        board: The states of all backends and frontends.
        checker: Probes the backends.
        pool: The worker processes that probe for it, if there are any.
        vpp: Keeps VPP programmed.
        reloader: Reloads the configuration file.
        control: The verbs behind every front end.
        overrides: What operators have ordered, kept over reloads and restarts.
        announcer: Decides which addresses are announced.
        sinks: BIRD and the hooks, which are told.
        names: Resolves the DNS names of backends.
    """

    _log = EventLogger()

    def __init__(self, reactor: Any, options: Options, config: Config) -> None:
        """Build the tree; nothing happens before it starts.

        Args:
            reactor: The reactor, whose clock must be monotonic.
            options: Complete options.
            config: The valid configuration that the options name.

        Raises:
            StartError: The options or the configuration require something that does not exist.
        """
        MultiService.__init__(self)
        verify(config)
        self._reactor = reactor
        self._tasks = Tasks()
        self._trace = options["log-level"] == "debug"
        self.names, written = name_service(reactor, time.time, jitter, _state_file(options, NAMES_FILE), config), config
        config = self.names.expanded()
        restored = restore(_state_file(options, FILE_NAME), config, time.time())
        self.board = Board(time.time, restored.config, restored.orders, reactor.seconds, restored.out)
        self._cooperator = Cooperator(reactor)
        self._descriptors = Descriptors(lambda: _needed_descriptors(self.board.config))
        self.overrides = Overrides(reactor, time.time, self.board, restored)
        TransitionLog(self.board)
        ScaleLog(self._cooperator.queue("control"), self.board)
        transitions = TransitionCounter(self.board)
        lag, self.programs = LagMonitor(reactor), ProgramHost(reactor, lambda: self.board.config.checker.exec.at_once)
        self._probers = ProberSources(reactor, lag)
        self.pool = WorkerPool(reactor, Spawner(reactor))
        self.checker = CheckerService(
            reactor,
            self.board,
            PooledProbers(self._probers, self.pool, self.programs),
            lag,
            jitter,
            log_probes=self._trace,
        )
        messages = MessageCounter()
        self.vpp = VppService(self._cooperator.queue("vpp"), self.board, self._connector(options, messages), jitter)
        self.reloader = Reloader(
            reactor, self._cooperator.queue("reload"), options["config"], self.board, self.overrides, verify, self.vpp
        )
        add_names(self, self.names, written, self.overrides, self.reloader, self.board)
        former = _former_birds(self, reactor, options)  # before VPP, which may lose the VIPs of what they announce
        timekeeper = Timekeeper(reactor, self.board)
        for service in (self.overrides, timekeeper, self.pool, self.programs, self.checker, self.vpp):
            cast("IService", service).setServiceParent(self)
        self.announcer = Announcer(
            reactor, time.time, self.board, SupportReader(self.board, self.vpp), self.overrides.kept_off
        )
        self.announcer.setServiceParent(self)
        self._event_hub = EventHub(self.board, globalLogPublisher, self.announcer.states)
        self.sinks = Sinks(reactor, self.board, self.announcer, self._watch, former)
        self.sinks.setServiceParent(self)
        self.reloader.before_apply = self.sinks.withdraw_leaving
        sessions, build = Sessions(reactor, time.time), read_build()
        self.control = Control(
            self._cooperator.queue("control"),
            self.board,
            self.vpp,
            self.reloader,
            self._event_hub,
            sessions,
            build,
            time.time,
            checker_view(reactor.seconds, self.checker, lag, self.pool, self.board.doubts),
            self.overrides,
            self.announcer,
            options["name"] or socket.gethostname(),
        )
        self.control.drains.setServiceParent(self)
        self._front_ends = tuple(listeners(reactor, self._cooperator, self._descriptors, options, self.control))
        self._given = options.given
        manager = notify_socket(os.environ)
        self._notifier = None if manager is None else Notifier(reactor, manager, self.board, self.checker, self.vpp)
        self._collectors: list[ICollector] = [
            BuildCollector(build),
            BoardCollector(self.board, self.vpp.departures, transitions.counts),
            CheckerCollector(self.checker, lag),
            WorkerCollector(self.pool),
            ReloadCollector(self.reloader),
            OverrideCollector(self.overrides, self.control.drains),
            AnnounceCollector(self.announcer),
            CooperatorCollector(self._cooperator),
            VppCollector(reactor, time.time, self.vpp, messages.counts),
            TrafficCollector(self.board, self.vpp),
            ProcessFigures(),
        ]
        self._collectors.append(show_names(self.names, reactor, self.control))
        self._collectors += add_peers(self, reactor, self._cooperator.queue("peers"), options, self.control, jitter)
        where = strport("--metrics-addr", options["metrics-addr"])
        if where is not None:
            share = self._descriptors.share(METRICS_CONNECTIONS)
            watchdog = None if manager is None else manager.watchdog
            check = SelfCheck(reactor, self.checker, lag, self.vpp, watchdog)
            site = site_of(self._cooperator.queue("metrics"), share.get_size, self._collectors, check)
            listening(reactor, where, site).setServiceParent(self)

    def startService(self) -> None:
        """Start everything, and handle SIGHUP.

        Raises:
            StartError: A front end that was explicitly enabled can't start.
            CannotListenError: The address of one is taken.
        """
        self._log.info(
            "start",
            version=VERSION,
            frontends=len(self.board.frontends),
            backends=len(self.board.backends),
            vpp="off" if self.vpp.off else "on",
        )
        MultiService.startService(self)
        for front_end in self._front_ends:
            self._start_front_end(front_end)
        if self._notifier is not None:
            cast("IService", self._notifier).setServiceParent(self)
        early = was_hung_up()
        signal.signal(signal.SIGHUP, lambda *_: self._reactor.callFromThread(self._reload))
        if early:
            self._reactor.callWhenRunning(self._reload)

    def stopService(self) -> Any:
        """Stop everything; VPP keeps forwarding as it is."""
        self._log.info("stop")
        self._tasks.cancel()
        self._event_hub.close()
        stopping = MultiService.stopService(self)
        self._probers.close()
        return stopping

    def _start_front_end(self, front_end: FrontEnd) -> None:
        """Start a front end; go on without it if it is only a default and this user lacks the permissions."""
        try:
            front_end.service.setServiceParent(self)
        except StartError as error:
            self.services.remove(front_end.service)
            if front_end.option in self._given:
                raise
            self._log.warn("front-end-off", option=front_end.option, reason=str(error))
        else:
            self._collectors.append(front_end.collector)

    def _watch(self, backends: bool) -> ISubscription:  # noqa: FBT001
        return self._event_hub.watch(log=None, backend=backends, frontend=True)

    def _reload(self) -> None:
        self._tasks.start(self._reload_and_notify())

    async def _reload_and_notify(self) -> None:
        """Reload, and notify the service manager of the beginning and end."""
        if self._notifier is not None:
            self._notifier.reloading()
        await self.reloader.try_reload()
        if self._notifier is not None:
            self._notifier.reloaded()

    def _connector(self, options: Options, messages: MessageCounter) -> VppConnector | None:
        if not options["vpp-api-addr"]:
            return None
        return VppConnector(
            self._reactor,
            self._cooperator.queue("vpp"),
            options["vpp-api-addr"],
            options["vpp-stats-addr"],
            messages,
            trace=self._trace,
        )


def _needed_descriptors(config: Config) -> int:
    """Return the number of descriptors that probes and hooks may need: for each backend, here or in the workers."""
    workers = config.checker.probe_workers
    paths = PATH_DESCRIPTORS * sum(map(len, config.vips.values()))
    probes = workers * WORKER_DESCRIPTORS if workers else len(config.backends) + paths
    lookups = MOST_LOOKUPS if config.names else 0
    return probes + lookups + sum(map(descriptors_of, config.announce.hooks.values()))


def _former_birds(parent: MultiService, reactor: Any, options: Options) -> FormerBirds:
    """Return what lets go of BIRDs that have left the configuration, as a child of a service."""
    path = _state_file(options, RECORD_NAME)
    made = FormerBirds(reactor, path, restore_record(path, time.time()))
    made.setServiceParent(parent)
    return made


def _state_file(options: Options, name: str) -> str:
    """Return a file in the state directory; empty without one, or if it is only a default that we can't use."""
    folder = options["state-dir"]
    usable = folder and ("state-dir" in options.given or is_writable(folder))
    return str(Path(folder) / name) if usable else ""


def jitter() -> float:
    """Return a factor around 1."""
    return random.uniform(1 - JITTER, 1 + JITTER)


def verify(config: Config) -> None:
    """Check conditions outside the file.

    Raises:
        StartError: The network namespace does not exist, or can't be entered.
    """
    if config.checker.netns is not None:
        check_netns(config.checker.netns)


def makeService(options: Options) -> IService:
    """Return the service for ``twistd maglev``.

    Raises:
        SystemExit: There is nothing to run: the configuration is not valid, requires something that does not exist, or
            was only to be checked. (An ordinary exception is shown as a traceback by both ``twistd`` and ``twist``.)
    """
    from twisted.internet import reactor

    status = run_offline_action(options)
    if status is not None:
        raise SystemExit(status)
    try:
        use_monotonic_time(reactor)
        return build(reactor, options)
    except (ConfigError, StartError) as error:
        raise SystemExit(f"maglevd: {complaint(options, error)}") from error


def run_offline_action(options: Options) -> int | None:
    """Run a check or an import if one is requested; return its exit status, or None to run the daemon."""
    for program, path in options.imports().items():
        # Imported only here: the daemon does not need it, and starts a tenth faster without it.
        from maglev.importers.convert import convert

        converted = convert(program, path)
        print(converted.text, end="")  # noqa: T201
        print("\n".join(converted.remarks), file=sys.stderr)  # noqa: T201
        return converted.status
    return check(options["config"]) if options["check"] else None


def check(path: str) -> int:
    """Print the report on a file, to standard error if it is not valid; return the exit status."""
    lines, status = report(path, obstacles)
    print("\n".join(lines), file=sys.stderr if status else sys.stdout)
    return status


def complaint(options: Options, error: Exception) -> str:
    """Return an error message for the person who tried to start the daemon."""
    if isinstance(error, ConfigError):
        return "\n".join(described(options["config"], error.problems))
    return str(error)


def build(reactor: Any, options: Options) -> IService:
    """Return the service for the options.

    Raises:
        ConfigError: The configuration file is not valid. StartError: The options or the file require something that
        does not exist.
    """
    if options["demo"]:
        from maglev.demo.service import Demo

        return cast("IService", Demo(reactor, options, cast("Any", Daemon)))
    loaded = unpack(read(options["config"]))
    for warning in loaded.warnings:
        _log.warn("config-warning", path=options["config"], problem=str(warning))
    return cast("IService", Daemon(reactor, options, loaded.config))
