"""A control interface with a small world in it, for tests of what sits above; and coroutines run without a loop."""

from __future__ import annotations

import copy

from zope.interface import implementer

from maglev.interfaces import ISubscription
from maglev.model.caller import Caller, Role
from maglev.model.errors import ForbiddenError, NotFoundError, RefusedError


class Turn:
    """Awaiting it takes one turn of whatever runs the coroutine."""

    def __await__(self):
        yield self


def finish(coroutine, turns: int = 1_000_000):
    """Run a coroutine that only awaits turns to its end, and return its result."""
    for _ in range(turns):
        try:
            coroutine.send(None)
        except StopIteration as done:
            return done.value
    coroutine.close()
    raise AssertionError(f"still running after {turns} turns")


def backend_view(name, address, state="up", **more):
    """Return a view as `IControl.backend` does."""
    return {
        "name": name,
        "address": address,
        "state": state,
        "enabled": state != "disabled",
        "healthcheck": "http-check",
        "health": {"value": 4 if state == "up" else 0, "rise": 2, "fall": 3},
        "last_result": {
            "ok": True,
            "layer": "L7",
            "code": "L7OK",
            "detail": "HTTP 200",
            "duration": 0.00125,
            "age": 0.4,
        },
        "transitions": [
            {
                "from": "unknown",
                "to": "up",
                "at": "2026-10-12T08:00:01.250Z",
                "code": "L7OK",
                "detail": "HTTP 200",
            },
            {"from": "unknown", "to": "unknown", "at": "2026-10-12T08:00:00.000Z", "code": "start", "detail": ""},
        ],
        "frontends": ["web"],
        "override": None,
        "drain": None,
        **more,
    }


def drain_view(phase="drained", flows=0, **more):
    """Return a view as `IControl.drain_progress` does."""
    goal = {"goal": 0, "times_out_in": None, "then": None, "detail": ""}
    return {"backend": "www1", "phase": phase, "flows": flows, **goal, **more}


def member_view(name, address, state="up", weight=100, effective=None):
    """Return a backend of a pool, as in a view of a frontend."""
    return {
        "name": name,
        "address": address,
        "state": state,
        "enabled": state != "disabled",
        "weight": weight,
        "file_weight": weight,
        "effective_weight": weight if effective is None else effective,
        "programmed_weight": weight if effective is None else effective,
        "vpp_weight": weight if effective is None else effective,
        "vpp_buckets": None,
        "reason": state if state != "up" else "active" if effective is None else "standby",
    }


def pool_view(name, active, members, **more):
    return {
        "name": name,
        "active": active,
        "min_up": "1",
        "in_service": sum(member["state"] == "up" for member in members),
        "eligible_for": 7.5 if active else None,
        "fails_back_in": None,
        "backends": members,
        **more,
    }


def frontend_view(name, address, pools, **more):
    """Return a view as `IControl.frontend` does, given name, activity and members of each pool."""
    return {
        "name": name,
        "address": address,
        "protocol": "tcp",
        "port": 80,
        "description": "",
        "state": "up",
        "src_ip_sticky": False,
        "flush_on_down": True,
        "weights": "as-written",
        "when_none_eligible": "down",
        "failback_delay": 0.0,
        "held": 0,
        "pools": [pool_view(*pool) for pool in pools],
        "departing": [],
        "enabled": True,
        "override": None,
        **more,
    }


def healthcheck_view(name, **more):
    """Return a view as `IControl.healthcheck` does."""
    return {
        "name": name,
        "type": "http",
        "port": 80,
        "interval": 2.0,
        "fast_interval": 0.5,
        "down_interval": 90.0,
        "timeout": 1.0,
        "rise": 2,
        "fall": 3,
        "probe_ipv4_src": None,
        "probe_ipv6_src": None,
        "params": {
            "path": "/healthz",
            "host": None,
            "response_code": ["200-299", "401"],
            "response_regexp": None,
            "response_regexp_not": None,
            "headers": [],
        },
        "backends": 3,
        **more,
    }


def vip_view(prefix, servers, **more):
    """Return a VIP as in a page of `IControl.vpp_lb_state`, given address, weight and buckets of each server."""
    return {
        "frontend": None,
        "prefix": prefix,
        "protocol": "tcp",
        "port": 80,
        "encap": "gre4",
        "src_ip_sticky": False,
        "new_flows_table_length": 1024,
        "application_servers": [
            {"address": address, "weight": weight, "buckets": buckets, "leaves_in": None}
            for address, weight, buckets in servers
        ],
        **more,
    }


def change_view(prefix, action, *operations, **more):
    """Return a VIP as in a page of `IControl.vpp_lb_plan`."""
    return {
        "frontend": None,
        "prefix": prefix,
        "protocol": "tcp",
        "port": 80,
        "action": action,
        "reasons": [],
        "moved": None,
        "operation_count": len(operations),
        "operations": list(operations),
        **more,
    }


def difference_view(kind, name, change, *details, vips=()):
    """Return a row as in a page of `IControl.config_diff`."""
    return {"kind": kind, "name": name, "change": change, "details": list(details), "vips": list(vips)}


WWW1 = member_view("www1", "198.51.100.11")
WWW2 = member_view("www2", "198.51.100.12", "disabled", 50, 0)
SPARE = member_view("spare", "198.51.100.21", "up", 100, 0)

FRONTENDS = (
    frontend_view(
        "web",
        "203.0.113.80",
        [("primary", True, [WWW1, WWW2]), ("fallback", False, [SPARE])],
        description="The public site",
    ),
    frontend_view(
        "everything",
        "2001:db8::80",
        [("only", True, [member_view("v6", "2001:db8:1::1", "down", 100, 0)])],
        protocol="any",
        port=0,
        state="down",
    ),
)
BACKENDS = (
    backend_view("www1", "198.51.100.11"),
    backend_view("www2", "198.51.100.12", "disabled"),
    backend_view(
        "spare", "198.51.100.21", healthcheck=None, health={"value": 1, "rise": 1, "fall": 1}, last_result=None
    ),
    backend_view("v6", "2001:db8:1::1", "down", transitions=[], frontends=["everything"]),
)
HEALTHCHECKS = (
    healthcheck_view("http-check"),
    healthcheck_view("ping", type="icmp", port=None, probe_ipv4_src="192.0.2.1", params={}, backends=0),
)
VIPS = (
    vip_view(
        "203.0.113.80/32",
        [("198.51.100.11", 100, 1024), ("198.51.100.12", 0, 0), ("198.51.100.21", 0, 0)],
        frontend="web",
    ),
    vip_view(
        "2001:db8::80/128",
        [],
        protocol="any",
        port=0,
        encap="gre6",
        src_ip_sticky=None,
        new_flows_table_length=0,
    ),
)
CHANGES = (
    change_view(
        "203.0.113.80/32",
        "change",
        "set weight of 198.51.100.12 in tcp://203.0.113.80:80 from 100 to 50",
        frontend="web",
        moved=0.2509765625,
    ),
    change_view(
        "2001:db8::80/128",
        "recreate",
        "delete VIP 2001:db8::80",
        "add VIP 2001:db8::80 (gre6, 1024 buckets)",
        frontend="everything",
        protocol="any",
        port=0,
        reasons=["src-ip-sticky false -> true"],
        operation_count=3,
    ),
    change_view("192.0.2.99/32", "remove", "delete VIP tcp://192.0.2.99:80", moved=1.0),
)
DIFFERENCES = (
    difference_view("setting", "vpp.lb", "changed", "sync-interval: 30.0 -> 10.0"),
    difference_view("backend", "spare", "removed"),
    difference_view("frontend", "web", "changed", "pool fallback removed", vips=[CHANGES[0]]),
    difference_view("frontend", "everything", "affected", vips=[CHANGES[1]]),
)
VIP_COUNTERS = (
    {
        "frontend": "web",
        "prefix": "203.0.113.80/32",
        "protocol": "tcp",
        "port": 80,
        "first": 120,
        "next": 48_000,
        "untracked": 0,
        "no_server": 3,
        "fib_packets": 48_123,
        "fib_bytes": 5_100_000,
    },
    {
        "frontend": None,
        "prefix": "2001:db8::80/128",
        "protocol": "any",
        "port": 0,
        "first": 0,
        "next": 0,
        "untracked": 0,
        "no_server": 0,
        "fib_packets": None,
        "fib_bytes": None,
    },
)
BACKEND_COUNTERS = (
    {"backend": "www1", "address": "198.51.100.11", "fib_packets": 48_120, "fib_bytes": 6_200_000},
    {"backend": None, "address": "198.51.100.99", "fib_packets": 0, "fib_bytes": 0},
)
CONF = {
    "ipv4_src_address": "192.0.2.1",
    "ipv6_src_address": "2001:db8::1",
    "sticky_buckets_per_core": 65536,
    "flow_timeout": 40,
}


UNTIL = "2026-11-21T10:00:00.000Z"
"""When an override ends that was made for some time."""


def override_view(backend, value="disable", file="enable", **more):
    """Return an override as in a page of `IControl.overrides`."""
    return {
        "backend": backend,
        "frontend": None,
        "pool": None,
        "address": None,
        "value": value,
        "file": file,
        "who": "ada",
        "origin": "ssh 192.0.2.7:50222",
        "reason": "",
        "since": "2026-11-21T08:00:00.000Z",
        "age": 600.0,
        "until": None,
        "ends_in": None,
        **more,
    }


OVERRIDES = (
    override_view("www2", reason="disk swap", until=UNTIL, ends_in=6600.0),
    override_view("www1", "25", "100", frontend="web", pool="primary", who="bob", age=90_000.0),
)


def announcement_view(address, state="announced", **more):
    """Return an address as in a page of `IControl.announcements`."""
    return {
        "address": address,
        "prefix": f"{address}/32",
        "state": state,
        "why": "frontend web has 2 backends in service",
        "since": "2026-11-21T08:00:00.000Z",
        "changes_in": None,
        "frontends": ["web"],
        "needed": "any",
        "min_up": 1,
        "after": 0.0,
        "when_held": True,
        **more,
    }


ANNOUNCEMENTS = (
    announcement_view("203.0.113.80"),
    announcement_view(
        "203.0.113.81",
        "withdrawn",
        why="frontend mail has 1 backend in service, but not yet for 5 s",
        changes_in=3.4,
        frontends=["mail", "submit"],
        needed="all",
        after=5.0,
        when_held=False,
    ),
)

SINKS = (
    {"sink": "bird", "target": "/run/bird/bird.ctl", "connected": 1, "problem": ""},
    {"sink": "hook pager", "target": "/usr/bin/page", "connected": 0, "problem": "it ended with status 1"},
)


def _said(*words):
    """Return what was said besides the command, if anything was."""
    while words and not words[-1]:
        words = words[:-1]
    return (*words, "")[:2] if len(words) == 1 else words


@implementer(ISubscription)
class FakeSubscription:
    """A watch whose events are given in batches; it ends after the last."""

    def __init__(self, batches):
        self.batches = list(batches)
        self.closed = 0

    async def next(self):
        await Turn()
        return self.batches.pop(0) if self.batches else []

    def close(self):
        self.closed += 1


CHECKER = {
    "backends": 3,
    "probes": 1234,
    "discarded": {"lag": 2},
    "overdue": 0.0,
    "without_evidence": 0,
    "oldest_evidence": 1.5,
    "lag": {"worst": 0.0, "p50": 0.001, "p99": 0.005},
    "waiting": 0,
    "workers": [{"worker": 0, "state": "up", "pid": 4712, "in_flight": 1, "queued": 0, "restarts": 0}],
    "blind": [],
}
"""How the checker does, as `maglev.control.checker_view` tells it."""


STEPS = [
    {"step": "results", "text": "the last one passed, L7OK: status 200"},
    {"step": "health", "text": "up since 2026-11-21T07:00:00.000Z; the counter is 4 of 0..4, and up from 2 on"},
]
EXPLAINED = {
    "frontend": "web",
    "backend": "www1",
    "reason": "active",
    "effective_weight": 100,
    "programmed_weight": 1,
    "vpp_weight": 1,
    "steps": [{"step": "eligible", "text": "yes: it is up"}],
    "changed": {
        "at": "2026-11-21T07:00:00.000Z",
        "from": 0,
        "to": 100,
        "step": "health",
        "text": "its own health changed: before, it is down; now, it is up, in the active pool",
    },
}

ANNOUNCED = {
    "address": "203.0.113.80",
    "state": "announced",
    "since": "2026-11-21T08:00:00.000Z",
    "changes_in": None,
    "steps": [{"step": "needed", "text": "any frontend of the address with at least 1 in service (min-up)"}],
}

HOST_STATES = {
    "drain": "draining",
    "pause": "paused",
    "resume": "unknown",
    "enable": "unknown",
    "disable": "disabled",
    "clear": "unknown",
}

_BY = {"who": "ada", "origin": "ssh 192.0.2.7:50222"}

LOGGED = [
    {
        **_BY,
        "type": "audit",
        "at": "2026-10-12T08:00:02.000Z",
        "role": "operator",
        "action": "disable-backend",
        "object": "www2",
        "result": "up -> disabled",
        "reason": "disk swap",
    },
    {
        **_BY,
        "type": "drain",
        "seq": 12,
        "at": "2026-10-12T08:00:03.000Z",
        "backend": "www1",
        "phase": "draining",
        "flows": 7,
        "detail": "",
    },
]


WEB_LOGIN = {"url": "http://127.0.0.1:9092/login#QkFTRTY0", "expires_in": 60.0}


class FakeControl:
    """Verbs over fixed views. Everything that is asked of it is in `calls`; what is in `errors` is raised.

    Attributes:
        page: Rows of a page at most, whatever limit is asked for.
    """

    def __init__(self, role=Role.OPERATOR):
        self.caller = Caller("ada", role, "ssh 192.0.2.7:50222")
        self.rows = {
            "frontend": list(FRONTENDS),
            "backend": list(BACKENDS),
            "healthcheck": list(HEALTHCHECKS),
            "vip": list(VIPS),
            "change": list(CHANGES),
            "difference": list(DIFFERENCES),
            "vip-counters": list(VIP_COUNTERS),
            "backend-counters": list(BACKEND_COUNTERS),
            "override": list(OVERRIDES),
            "announcement": list(ANNOUNCEMENTS),
        }
        self.checker_view = CHECKER
        self.sinks = SINKS
        self.not_kept = ""
        self.damage = ""
        self.page = 1000
        self.calls = []
        self.errors = {}
        self.checked = {"ok": True, "problems": []}
        self.diffed = {"ok": True, "problems": []}
        self.planned_conf = None
        self.unserved = []
        self.host_refused = {}
        self.progress = [drain_view()]
        self.logged = copy.deepcopy(LOGGED)
        self.waiting = 0
        self.writes = []
        self.watches = []
        self.events = []

    async def _call(self, verb, *arguments):
        self.calls.append((verb, *arguments))
        await Turn()
        if verb in self.errors:
            raise self.errors[verb]

    async def _change(self, verb, *arguments):
        await self._call(verb, *arguments)
        if self.caller.role is not Role.OPERATOR:
            raise ForbiddenError(f"permission denied: your role is {self.caller.role}")

    async def _page(self, verb, kind, after, limit):
        await self._call(verb, after, limit)
        start = int(after or 0)
        end = start + min(limit, self.page)
        rows = self.rows[kind]
        return {"rows": copy.deepcopy(rows[start:end]), "next": str(end) if end < len(rows) else None}

    async def _one(self, kind, name):
        await self._call(kind, name)
        for row in self.rows[kind]:
            if row["name"] == name:
                return copy.deepcopy(row)
        raise NotFoundError(f"unknown {kind} {name!r}")

    async def version(self):
        await self._call("version")
        return {"version": "1.2.3", "commit": "0123abc", "build_date": "2026-10-01"}

    async def names(self, kind, prefix="", within="", limit=1000):
        await self._call("names", kind, prefix, within, limit)
        frontend, _, pool = within.partition("/")
        pools = [each for row in self.rows["frontend"] if row["name"] == frontend for each in row["pools"]]
        if kind == "pool":
            found = [each["name"] for each in pools]
        elif kind == "member":
            found = [member["name"] for each in pools if each["name"] == pool for member in each["backends"]]
        elif kind == "announced":
            found = [row["address"] for row in self.rows["announcement"]]
        elif kind == "address":
            found = list(dict.fromkeys(row["address"] for row in self.rows["backend"]))
        else:
            found = [row["name"] for row in self.rows[kind]]
        return [name for name in found if name.startswith(prefix)][:limit]

    async def frontends(self, after="", limit=100):
        return await self._page("frontends", "frontend", after, limit)

    async def frontend(self, name):
        return await self._one("frontend", name)

    async def explain_frontend(self, name):
        await self._call("explain_frontend", name)
        return {"name": name, "state": "up", "steps": STEPS, "backends": [EXPLAINED], "announcement": ANNOUNCED}

    async def explain_backend(self, name):
        await self._call("explain_backend", name)
        return {"name": name, "state": "up", "steps": STEPS, "frontends": [EXPLAINED]}

    async def backends(self, after="", limit=100):
        return await self._page("backends", "backend", after, limit)

    async def backend(self, name):
        return await self._one("backend", name)

    async def healthchecks(self, after="", limit=100):
        return await self._page("healthchecks", "healthcheck", after, limit)

    async def healthcheck(self, name):
        return await self._one("healthcheck", name)

    async def pause_backend(self, name, duration=0, reason="", force=False):
        return await self._happen("pause_backend", name, "paused", *_said(duration, reason, force))

    async def resume_backend(self, name):
        return await self._happen("resume_backend", name, "unknown")

    async def enable_backend(self, name):
        return await self._happen("enable_backend", name, "unknown")

    async def drain_backend(self, name, duration=0, reason="", force=False, flows=0, timeout=0, disable=False):
        said = _said(duration, reason, force, flows, timeout, disable)
        return await self._happen("drain_backend", name, "draining", *said)

    async def drain_progress(self, name):
        await self._call("drain_progress", name)
        return copy.deepcopy(self.progress.pop(0) if len(self.progress) > 1 else self.progress[0])

    async def set_host(self, address, order, duration=0, reason="", force=False, flows=0, timeout=0, disable=False):
        await self._change("set_host", address, order, *_said(duration, reason, force, flows, timeout, disable))
        results = []
        for row in self.rows["backend"]:
            if row["address"] == address:
                refused = self.host_refused.get(row["name"], "")
                states = {"from": row["state"], "to": HOST_STATES[order]}
                change = {"backend": row["name"], **states, "unserved": [], **self._kept(duration)}
                results.append({"backend": row["name"], "change": None if refused else change, "refused": refused})
        return {"address": address, "results": results}

    async def disable_frontend(self, name, duration=0, reason=""):
        await self._change("disable_frontend", name, *_said(duration, reason))
        return {"frontend": name, "from": "enabled", "to": "disabled", **self._kept(duration)}

    async def enable_frontend(self, name):
        await self._change("enable_frontend", name)
        return {"frontend": name, "from": "disabled", "to": "enabled", **self._kept()}

    async def log(self, last=50):
        await self._call("log", last)
        return copy.deepcopy(self.logged[-last:])

    async def disable_backend(self, name, duration=0, reason="", force=False):
        return await self._happen("disable_backend", name, "disabled", *_said(duration, reason, force))

    async def _happen(self, verb, name, to, *said):
        await self._change(verb, name, *said)
        view = await self._one("backend", name)
        if verb == "pause_backend" and view["state"] == "disabled":
            raise RefusedError(f"backend {name}: it is disabled")
        unserved = {"unserved": list(self.unserved)}
        return {"backend": name, "from": view["state"], "to": to, **unserved, **self._kept(said[0] if said else 0)}

    async def set_weight(self, frontend, pool, backend, weight, duration=0, reason="", force=False):
        await self._change("set_weight", frontend, pool, backend, weight, *_said(duration, reason, force))
        names = {"frontend": frontend, "pool": pool, "backend": backend}
        return {**names, "from": 100, "to": weight, "programmed": [], "moved": None, **self._kept(duration)}

    def _kept(self, duration=0):
        return {"until": UNTIL if duration else None, "not_kept": self.not_kept}

    async def overrides(self, after="", limit=100):
        page = await self._page("overrides", "override", after, limit)
        return {"not_kept": self.not_kept, "damage": self.damage, **page}

    async def announcements(self, after="", limit=100):
        page = await self._page("announcements", "announcement", after, limit)
        return {"sinks": list(self.sinks), **page}

    async def announcement(self, address):
        await self._call("announcement", address)
        found = [view for view in self.rows["announcement"] if view["address"] == address]
        if not found:
            raise NotFoundError(f"unknown announced address {address!r}")
        return found[0]

    async def set_announce(self, address, on, duration=0, reason=""):
        await self._change("set_announce", address, on, *_said(duration, reason))
        before, after = ("off", "on") if on else ("on", "off")
        state = "announced" if on else "withdrawn"
        return {"address": address, "from": before, "to": after, "state": state, **self._kept(duration)}

    async def clear_override(self, backend="", frontend="", pool="", force=False):
        await self._change("clear_override", backend, frontend, pool, *((force,) if force else ()))
        kept = {"programmed": [], "moved": None, **self._kept()}
        if not backend:
            return {"object": f"frontend {frontend}", "from": "disable", "to": "enable", **kept}
        if frontend:
            what = f"weight of backend {backend} in pool {pool} of frontend {frontend}"
            return {"object": what, "from": "25", "to": "100", **kept}
        return {"object": f"backend {backend}", "from": "disable", "to": "enable", **kept}

    async def check_config(self):
        await self._call("check_config")
        return self.checked

    async def reload_config(self, now=False):
        await self._change("reload_config", now)
        return self.checked

    async def config_diff(self, after="", limit=100):
        return {**self.diffed, **await self._page("config_diff", "difference", after, limit)}

    async def checker(self):
        await self._call("checker")
        return self.checker_view

    async def vpp_info(self):
        await self._call("vpp_info")
        return {
            "version": "26.10-release",
            "build_date": "2026-10-28T12:00:00",
            "build_directory": "/build/vpp",
            "pid": 4711,
            "boot_time": "2026-10-30T06:00:00.000Z",
            "connected_since": "2026-10-30T06:00:02.500Z",
            "weights": True,
        }

    async def vpp_lb_state(self, after="", limit=100):
        return {"conf": dict(CONF), **await self._page("vpp_lb_state", "vip", after, limit)}

    async def vpp_lb_plan(self, after="", limit=100):
        page = await self._page("vpp_lb_plan", "change", after, limit)
        return {"conf": self.planned_conf, "waiting": self.waiting, **page}

    async def vpp_lb_counters(self, after="", limit=100):
        return await self._page("vpp_lb_counters", "vip-counters", after, limit)

    async def vpp_backend_counters(self, after="", limit=100):
        return await self._page("vpp_backend_counters", "backend-counters", after, limit)

    async def sync_vpp(self, frontend=None):
        await self._change("sync_vpp", frontend)
        return {"writes": list(self.writes)}

    async def web_login(self):
        await self._call("web_login")
        return dict(WEB_LOGIN)

    async def sessions(self):
        await self._call("sessions")
        return [
            {
                "name": "ada",
                "role": "operator",
                "origin": "ssh 192.0.2.7:50222",
                "front_end": "ssh",
                "since": "2026-10-12T07:00:00.000Z",
                "idle": 90.4,
            }
        ]

    async def watch(self, *, log=None, backend=True, frontend=True):
        await self._call("watch", log, backend, frontend)
        watch = FakeSubscription(self.events)
        self.watches.append(watch)
        return watch
