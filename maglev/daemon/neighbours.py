"""Joins services that ask others to the rest: the resolver of names, and what compares this balancer with its peers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maglev.control.name_views import name_pages
from maglev.metrics.names import NameCollector
from maglev.model.caller import Caller, Role
from maglev.model.errors import ArgumentError, StartError
from maglev.model.events import NameEvent
from maglev.resolver.lookup import Lookup
from maglev.resolver.service import NameService

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.application.service import MultiService

    from maglev.control.overrides import Overrides
    from maglev.control.reload import Reloader
    from maglev.control.verbs import Control
    from maglev.daemon.options import Options
    from maglev.metrics.exposition import ICollector
    from maglev.model.config import Config
    from maglev.resolver.service import NameNews
    from maglev.rpc.tls import TlsFiles
    from maglev.runtime.cooperator import WorkQueue
    from maglev.state.board import Board


def name_service(
    reactor: Any, wall: Callable[[], float], jitter: Callable[[], float], path: str, written: Config
) -> NameService:
    """Return the resolver of a configuration as loaded, with a file for the last good answers; empty for none."""
    return NameService(reactor, wall, Lookup(reactor).addresses, jitter, path, written)


def add_names(
    parent: MultiService, names: NameService, written: Config, overrides: Overrides, reloader: Reloader, board: Board
) -> None:
    """Let a configuration be applied for changed addresses, and enter into the event log what happens to names."""
    reloader.names, reloader.written = names, written

    def tell(news: NameNews) -> None:
        told = news.outcome
        board.enter(
            NameEvent(news.name, news.action, told.added, told.left, told.refused, told.waiting, detail=news.detail)
        )

    names.changed, names.tell, names.pinned = reloader.follow_names, tell, overrides.backends
    names.setServiceParent(parent)


def show_names(names: NameService, reactor: Any, control: Control) -> ICollector:
    """Let `Control.dns_names` ask the resolver; return its metrics."""
    control.dns_names = name_pages(names, reactor.seconds)
    return NameCollector(names)


def add_peers(
    parent: MultiService,
    reactor: Any,
    work: WorkQueue,
    options: Options,
    control: Control,
    jitter: Callable[[], float],
) -> list[ICollector]:
    """Add the service to its parent, and let `Control.peers` ask it; return its metrics, none without peers.

    Raises:
        StartError: An address is invalid, or a certificate is missing or can't be used.
    """
    if not options["peers"]:
        return []
    # Imported only here: most daemons have no peers, and TLS takes a while to load.
    from maglev.metrics.peers import PeersCollector
    from maglev.model.server_address import server_addresses
    from maglev.peers.link import ALLOWANCE
    from maglev.peers.service import PeersService
    from maglev.rpc.client.control import connect

    try:
        servers = server_addresses(options["peers"])
    except ArgumentError as error:
        message = f"--peers: {error}"
        raise StartError(message) from None
    tls = _tls(options) if any(each.address.startswith("tls:") for each in servers) else None
    viewer = control.for_caller(Caller("maglevd", Role.VIEWER, "peers"))
    service = PeersService(
        work,
        control.board,
        viewer,
        control.host,
        servers,
        lambda address: connect(reactor, address, tls, allowance=ALLOWANCE),
        jitter,
    )
    control.peers = service.view
    service.setServiceParent(parent)
    return [PeersCollector(service)]


def _tls(options: Options) -> TlsFiles:
    from maglev.rpc.tls import TlsFiles, tls_context

    paths = (options[f"peers-tls-{name}"] or options[f"pb-tls-{name}"] for name in ("ca", "cert", "key"))
    files = TlsFiles(*paths)
    if not all((files.authority, files.certificate, files.key)):
        raise StartError(
            "--peers needs --peers-tls-cert, --peers-tls-key and --peers-tls-ca, or those of --pb-tls-addr"
        )
    try:
        tls_context(files, "")
    except (OSError, ValueError) as error:
        message = f"--peers: TLS: {error}"
        raise StartError(message) from None
    return files
