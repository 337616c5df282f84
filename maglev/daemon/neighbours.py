"""Builds the service that compares this balancer with its peers, if there are any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maglev.model.caller import Caller, Role
from maglev.model.errors import ArgumentError, StartError

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.application.service import MultiService

    from maglev.control.verbs import Control
    from maglev.daemon.options import Options
    from maglev.metrics.exposition import ICollector
    from maglev.rpc.tls import TlsFiles
    from maglev.runtime.cooperator import WorkQueue


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
