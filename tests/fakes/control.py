"""A control interface with a small world in it, for tests of what sits above; and coroutines run without a loop."""

from __future__ import annotations

import copy

from zope.interface import implementer

from maglev.interfaces import ISubscription
from maglev.model.caller import Caller, Role
from maglev.model.errors import ForbiddenError, NotFoundError, RefusedError
from tests.fakes.world import (
    ANNOUNCED,
    ANNOUNCEMENTS,
    BACKEND_COUNTERS,
    BACKENDS,
    CHANGES,
    CHECKER,
    COMPARED_LINES,
    CONF,
    CONFIG_LINES,
    DIFFERENCES,
    DNS_NAMES,
    EXPLAINED,
    FRONTENDS,
    HEALTHCHECKS,
    LOGGED,
    OVERRIDES,
    PEER_VIPS,
    PEERS,
    SERVED,
    SINKS,
    STEPS,
    UNTIL,
    VIP_COUNTERS,
    VIPS,
    WEB_LOGIN,
    drain_view,
)


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


HOST_STATES = {
    "drain": "draining",
    "pause": "paused",
    "resume": "unknown",
    "enable": "unknown",
    "disable": "disabled",
    "clear": "unknown",
}


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
            "configuration": list(CONFIG_LINES),
            "compared": list(COMPARED_LINES),
            "vip-counters": list(VIP_COUNTERS),
            "backend-counters": list(BACKEND_COUNTERS),
            "override": list(OVERRIDES),
            "announcement": list(ANNOUNCEMENTS),
            "served": list(SERVED),
            "peer-vip": list(PEER_VIPS),
            "dns-name": list(DNS_NAMES),
        }
        self.peer_rows = list(PEERS)
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
        self.kept = []
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
        return {"host": "lb1", "version": "1.2.3", "commit": "0123abc", "build_date": "2026-10-01"}

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

    async def served_vips(self, after="", limit=100):
        page = await self._page("served_vips", "served", after, limit)
        return {**page, "host": "lb1", "boot": "0123", "version": "1.2.3", "vpp": "connected"}

    async def peers(self, after="", limit=100):
        return {
            **await self._page("peers", "peer-vip", after, limit),
            "host": "lb1",
            "peers": copy.deepcopy(self.peer_rows),
        }

    async def dns_names(self, after="", limit=100):
        return await self._page("dns_names", "dns-name", after, limit)

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

    async def disable_frontend(self, name, duration=0, reason="", force=False):
        await self._change("disable_frontend", name, *_said(duration, reason, force))
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

    async def reload_config(self, now=False, reason=""):
        await self._change("reload_config", now, *([reason] if reason else []))
        return self.checked

    async def configuration(self, after="", limit=100):
        return await self._page("configuration", "configuration", after, limit)

    async def compare_configuration(self, after="", limit=100):
        return await self._page("compare_configuration", "compared", after, limit)

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
        return {"conf": self.planned_conf, "waiting": self.waiting, "kept": self.kept, **page}

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
                "age": 18_420.0,
                "idle": 90.4,
            }
        ]

    async def watch(self, *, log=None, backend=True, frontend=True):
        await self._call("watch", log, backend, frontend)
        watch = FakeSubscription(self.events)
        self.watches.append(watch)
        return watch
