"""Healthchecks that probe by way of a VIP, as VPP delivers packets: one path for each VIP that the backend serves.

A backend keeps what the file says of it: the name of a healthcheck. Which paths that makes follows from the frontends
that use the backend. Each is a healthcheck of its own, whose name ends with the VIP (``gre@192.0.2.1``), which no name
in a file does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from maglev.model.check_params import Via, VipPath
from maglev.model.check_set import check_names

if TYPE_CHECKING:
    from maglev.model.config import Backend, Config, Healthcheck

AT: Final = "@"
"""What is between the names of a healthcheck and of a VIP."""


def paths_of(config: Config, backend: Backend) -> tuple[tuple[Healthcheck, ...], ...]:
    """Return the healthchecks of a backend as it is probed: for each that the file names, its paths.

    One that does not go by VIPs is its own path. One that does and has no VIP to go by is left out.
    """
    written = (config.healthchecks[name] for name in check_names(backend.healthcheck))
    made = (
        (check,)
        if check.via is Via.DIRECT
        else tuple(path_by(config, check, vip) for vip in config.vips.get(backend.name, ()))
        for check in written
    )
    return tuple(each for each in made if each)


def first_healthcheck(config: Config, backend: Backend) -> Healthcheck | None:
    """Return the healthcheck that probes a backend, the first path of several; None for a static one."""
    paths = paths_of(config, backend)
    return paths[0][0] if paths else None


def path_named(config: Config, name: str) -> Healthcheck:
    """Return a healthcheck by the name of its path."""
    written, _, vip = name.partition(AT)
    check = config.healthchecks[written]
    return path_by(config, check, vip) if vip else check


def tunnel_of(config: Config) -> tuple[str, str, str, int]:
    """Return what the paths by all VIPs have in common: the sources of VPP, the device and the mark."""
    conf, checker = config.vpp.conf, config.checker
    return conf.ipv4_src_address, conf.ipv6_src_address, checker.tunnel_device, checker.tunnel_mark


def path_by(config: Config, check: Healthcheck, vip: str) -> Healthcheck:
    """Return the path of a healthcheck by one VIP: the same object for all backends."""
    name = f"{check.name}{AT}{vip}"
    found: Healthcheck | None = config.made_paths.get(name)
    if found is None:
        found = config.made_paths[name] = attrs.evolve(check, name=name, path=VipPath(vip, *tunnel_of(config)))
    return found
