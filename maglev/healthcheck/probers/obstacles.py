"""Looks for what this machine does to answers from VIPs, before any probe is lost by it: for ``maglevd --check``."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from maglev.healthcheck.probers.netns import NetworkNamespace
from maglev.healthcheck.probers.routes import Routes
from maglev.healthcheck.probers.sockets import Destination, SocketOpener
from maglev.model.problem import Problem, ProblemKind
from maglev.model.via import paths_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maglev.model.config import Config


def obstacles(config: Config) -> Iterator[Problem]:
    """Yield a warning for each VIP whose answers would be lost here; nothing where that can't be found out."""
    if not config.vips:
        return
    netns = config.checker.netns
    try:
        opener = SocketOpener(None if netns is None else NetworkNamespace(netns))
    except OSError:
        return
    with contextlib.closing(opener), contextlib.closing(Routes(opener)) as routes:
        yield from _lost(config, routes)


def _lost(config: Config, routes: Routes) -> Iterator[Problem]:
    told = set()
    for name in config.vips:
        backend = config.backends[name]
        for check in (each for paths in paths_of(config, backend) for each in paths):
            if check.path is None or check.path.vip in told:
                continue
            vip = Destination.at(check.path.vip)
            fault = routes.fault_of_answers(vip, Destination.at(backend.address))
            if fault is not None and fault.reason == "tunnel":
                told.add(check.path.vip)
                path = f"maglev.healthchecks.{check.name.partition('@')[0]}.via"
                yield Problem(ProblemKind.WARNING, path, f"on this machine, {fault.detail}; see By way of a VIP")
