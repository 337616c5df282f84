"""Rows, made from views: what the page shows, without what changes by itself as time passes.

Kinds, with the names of their rows:

* ``about``: ``daemon``, ``vpp`` and ``checker``.
* ``frontends``: by name; pools have the names of their backends only.
* ``members``: by frontend, pool and backend, with slashes between: the weights.
* ``backends``: by name.
* ``checks``: by backend: whether the last result passed, its code and its detail.
* ``seen``: by backend: when that was, in seconds since the epoch, and the milliseconds that the probe took.
* ``announcements``: by address.
* ``peers``: other balancers, by name.
* ``vips``: by prefix, protocol and port, with blanks between: what all balancers that serve it have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maglev.model.announce_views import AnnouncementView
    from maglev.model.checker_views import CheckerView
    from maglev.model.health_views import ResultView
    from maglev.model.override_views import DrainView, OverrideView
    from maglev.model.peer_views import PeerView, PeerVipView, ServedServerView
    from maglev.model.views import BackendView, FrontendView, MemberView, PoolView, VppInfoView


def member_key(frontend: str, pool: str, backend: str) -> str:
    """Return the name of the row of a backend in a pool; names have no slashes."""
    return f"{frontend}/{pool}/{backend}"


def frontend_row(view: FrontendView, wall: float) -> dict[str, Any]:
    """Return the row of a frontend.

    Args:
        view: The frontend.
        wall: The wall-clock time, in seconds since the epoch.
    """
    return {
        "address": view["address"],
        "protocol": view["protocol"],
        "port": view["port"],
        "description": view["description"],
        "state": view["state"],
        "enabled": view["enabled"],
        "held": view["held"],
        "weights": view["weights"],
        "none": view["when_none_eligible"],
        "override": override_row(view["override"]),
        "departing": len(view["departing"]),
        "pools": [_pool_row(pool, wall) for pool in view["pools"]],
    }


def _pool_row(pool: PoolView, wall: float) -> dict[str, Any]:
    due = pool["fails_back_in"]
    return {
        "name": pool["name"],
        "active": pool["active"],
        "min_up": pool["min_up"],
        "in_service": pool["in_service"],
        "back_at": None if due is None else round(wall + due),
        "backends": [member["name"] for member in pool["backends"]],
    }


def member_rows(view: FrontendView) -> Iterator[tuple[str, list[int | str | None]]]:
    """Yield the rows of the backends in the pools of a frontend.

    Each has the weight in force, that of the file, the effective and the programmed one, what VPP holds, its buckets
    there, and the reason.
    """
    for pool in view["pools"]:
        for member in pool["backends"]:
            yield member_key(view["name"], pool["name"], member["name"]), _member_row(member)


def _member_row(member: MemberView) -> list[int | str | None]:
    return [
        member["weight"],
        member["file_weight"],
        member["effective_weight"],
        member["programmed_weight"],
        member["vpp_weight"],
        member["vpp_buckets"],
        member["reason"],
    ]


def is_settled(view: FrontendView) -> bool:
    """Return whether VPP holds what it should hold, as far as that is known."""
    return all(
        member["vpp_weight"] in {None, member["programmed_weight"]}
        for pool in view["pools"]
        if pool["active"]
        for member in pool["backends"]
    )


def backend_row(view: BackendView) -> dict[str, Any]:
    """Return the row of a backend."""
    last = view["transitions"][0] if view["transitions"] else None
    health = view["health"]
    return {
        "address": view["address"],
        "state": view["state"],
        "since": None if last is None else last["at"],
        "healthcheck": view["healthcheck"],
        "health": [health["value"], health["rise"], health["fall"]],
        "frontends": view["frontends"],
        "override": override_row(view["override"]),
        "drain": drain_row(view["drain"]),
    }


def check_row(result: ResultView) -> list[bool | str]:
    """Return the row of the last result of a backend."""
    return [result["ok"], result["code"], result["detail"]]


def seen_row(result: ResultView, wall: float) -> list[float]:
    """Return when the last result of a backend came, in seconds since the epoch, and the milliseconds that it took.

    Args:
        result: The result.
        wall: The wall-clock time, in seconds since the epoch.
    """
    return [round(wall - result["age"], 1), round(result["duration"] * 1000, 1)]


def override_row(view: OverrideView | None) -> dict[str, Any] | None:
    """Return the row of an override, without what changes as time passes."""
    if view is None:
        return None
    return {key: view[key] for key in ("value", "file", "who", "reason", "since", "until")}


def drain_row(view: DrainView | None) -> dict[str, Any] | None:
    """Return the row of a drain, without what changes as time passes."""
    if view is None:
        return None
    return {key: view[key] for key in ("phase", "flows", "goal", "then", "detail")}


def vpp_row(info: VppInfoView) -> dict[str, Any]:
    """Return the row of a connected VPP."""
    return {"state": "connected", "version": info["version"], "booted": info["boot_time"], "weights": info["weights"]}


def no_vpp_row(state: str, why: str) -> dict[str, Any]:
    """Return the row of a VPP that is ``off`` or ``lost``."""
    return {"state": state, "why": why}


def checker_row(view: CheckerView) -> dict[str, Any]:
    """Return the row of the checker."""
    return {
        "backends": view["backends"],
        "without_evidence": view["without_evidence"],
        "blind": [{key: each[key] for key in ("scope", "name", "backends", "total")} for each in view["blind"]],
    }


def announcement_row(view: AnnouncementView) -> dict[str, Any]:
    """Return the row of an announcement."""
    return {key: view[key] for key in ("state", "why", "since", "frontends")}


def peer_row(view: PeerView) -> dict[str, Any]:
    """Return the row of another balancer."""
    return {key: view[key] for key in ("state", "why", "version", "vpp", "shared", "differences")}


def peer_vip_row(view: PeerVipView) -> tuple[str, dict[str, Any]]:
    """Return the name and the row of a VIP that several balancers serve."""
    row = {
        "frontend": view["frontend"],
        "differences": view["differences"],
        "sides": [
            {
                "peer": side["peer"],
                "state": side["state"],
                "servers": {each["address"]: _sided(each) for each in side["servers"]},
            }
            for side in view["sides"]
        ],
    }
    return f"{view['prefix']} {view['protocol']} {view['port']}", row


def _sided(view: ServedServerView) -> list[str | int | None]:
    """Return a server at one balancer: its name, its state, its weight, the effective one, and what VPP holds."""
    return [view["name"], view["state"], view["weight"], view["effective_weight"], view["vpp_weight"]]
