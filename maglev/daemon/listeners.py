"""Builds the front ends enabled by the options: the SSH console, Perspective Broker and the live page."""

from __future__ import annotations

import grp
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from maglev.model.errors import StartError
from maglev.model.listen_address import strport, tcp_address
from maglev.model.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twisted.application.service import Service

    from maglev.control.verbs import Control
    from maglev.daemon.options import Options
    from maglev.metrics.exposition import ICollector
    from maglev.rpc.server.service import PbListener
    from maglev.runtime.admission import Descriptors
    from maglev.runtime.cooperator import Cooperator, WorkQueue


class FrontEnd(NamedTuple):
    """One front end, ready to start.

    Attributes:
        option: The option that enables it.
        service: Its service; raises `StartError` or `CannotListenError` if it can't start.
        collector: Its metrics.
    """

    option: str
    service: Service
    collector: ICollector


def listeners(
    reactor: Any, cooperator: Cooperator, descriptors: Descriptors, options: Options, control: Control
) -> Iterator[FrontEnd]:
    """Yield the front ends enabled by the options.

    Raises:
        StartError: The value of an option is invalid.
    """
    # Some of these modules install the global reactor on import, so they are imported only after it was chosen.
    ssh = strport("--ssh-addr", options["ssh-addr"])
    if ssh is not None:
        yield _ssh(reactor, cooperator.queue("ssh"), descriptors, options, control, ssh)
    listeners = []
    if options["pb-addr"]:
        listeners.append(_unix_socket(reactor, options["pb-addr"]))
    if options["pb-tls-addr"]:
        listeners.append(_tls_port(reactor, options))
    if listeners:
        yield _pb(reactor, cooperator.queue("pb"), descriptors, options, control, listeners)
    if options["web-addr"]:
        yield _web(reactor, cooperator.queue("web"), descriptors, options, control)


def _ssh(
    reactor: Any, work: WorkQueue, descriptors: Descriptors, options: Options, control: Control, description: str
) -> FrontEnd:
    from maglev.metrics.ssh import SshCollector
    from maglev.ssh.service import SshService

    service = SshService(
        reactor,
        work,
        description,
        options["state-dir"],
        options["ssh-operator-keys"],
        options["ssh-viewer-keys"],
        control.for_caller,
        control.register,
        descriptors,
        host_name=control.host,
    )
    return FrontEnd("ssh-addr", service, SshCollector(service.logins))


def _pb(
    reactor: Any,
    work: WorkQueue,
    descriptors: Descriptors,
    options: Options,
    control: Control,
    listeners: list[PbListener],
) -> FrontEnd:
    from maglev.metrics.rpc import PbCollector
    from maglev.rpc.server.identity import Identities, Operators, UserNames
    from maglev.rpc.server.service import PbService

    operators = Operators(frozenset({0, os.geteuid()}), _group(options["pb-operator-group"]))
    identities = Identities(operators, UserNames(reactor))
    service = PbService(reactor, work, control.for_caller, control.register, identities, listeners, descriptors)
    return FrontEnd("pb-addr", service, PbCollector(service.calls, service.limiter.__len__, service.drops.counts))


def _web(reactor: Any, work: WorkQueue, descriptors: Descriptors, options: Options, control: Control) -> FrontEnd:
    from maglev.metrics.web import WebCollector
    from maglev.web.address import web_address
    from maglev.web.service import WebService

    address = web_address(options["web-addr"], options["web-name"])
    assert address is not None  # noqa: S101
    service = WebService(
        reactor,
        work,
        address,
        control.for_caller,
        control.register,
        control.web_links,
        control.wall,
        descriptors,
        host_name=control.host,
    )
    return FrontEnd("web-addr", service, WebCollector(service.streams.__len__, service.sessions.__len__))


def _unix_socket(reactor: Any, address: str) -> PbListener:
    from maglev.runtime.listening import UnixSocket

    path = address.removeprefix("unix:")
    if not path or path == address:
        raise StartError(f'--pb-addr: invalid address "{printable(address)}": expected unix:PATH')
    return UnixSocket(reactor, path)


def _tls_port(reactor: Any, options: Options) -> PbListener:
    from maglev.rpc.server.listening import TlsPort
    from maglev.rpc.tls import TlsFiles

    host, port = tcp_address("--pb-tls-addr", options["pb-tls-addr"])
    files = TlsFiles(options["pb-tls-ca"], options["pb-tls-cert"], options["pb-tls-key"])
    if not all((files.authority, files.certificate, files.key)):
        raise StartError("--pb-tls-addr needs --pb-tls-cert, --pb-tls-key and --pb-tls-ca")
    return TlsPort(reactor, host, port, files)


def _group(name: str) -> frozenset[int]:
    """Return the number of a group, if it exists."""
    try:
        return frozenset({grp.getgrnam(name).gr_gid})
    except KeyError:
        return frozenset()
