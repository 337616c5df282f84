"""A control interface in memory for the front ends: answers what it is told to, and records what it was asked."""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from maglev.interfaces import ISubscription
from maglev.model.caller import Caller, Role


@implementer(ISubscription)
class ScriptedSubscription:
    """Events that the test puts in."""

    def __init__(self):
        self.events = []
        self.closed = False
        self.asked = 0
        self._waiting = None

    def next(self):
        assert self._waiting is None
        self.asked += 1
        if self.events or self.closed:
            return succeed(self._take())
        self._waiting = Deferred(self._cancelled)
        return self._waiting

    def close(self):
        self.closed = True
        self._hand_out()

    def put(self, *events):
        self.events += events
        self._hand_out()

    def _hand_out(self):
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting.callback(self._take())

    def _take(self):
        batch, self.events = self.events[:100], self.events[100:]
        return batch

    def _cancelled(self, _):
        self._waiting = None


def _said(*words):
    """Return what was said besides the command, if anything was."""
    while words and not words[-1]:
        words = words[:-1]
    return (*words, "")[:2] if len(words) == 1 else words


class ScriptedControl:
    """Every verb answers `answers[verb]`: a value, an exception to raise, or a Deferred; else what was asked."""

    def __init__(self, caller=None):
        self.caller = caller or Caller("test", Role.OPERATOR, "nowhere")
        self.answers = {}
        self.calls = []
        self.watches = []

    async def _answer(self, verb, *arguments):
        self.calls.append((verb, *arguments))
        answer = self.answers.get(verb, {"verb": verb, "arguments": list(arguments)})
        if isinstance(answer, Exception):
            raise answer
        return await answer if isinstance(answer, Deferred) else answer

    async def _page(self, verb, after, limit):
        self.calls.append((verb, after, limit))
        rows = self.answers.get(verb, [])
        if isinstance(rows, Exception):
            raise rows
        start = int(after or 0)
        page = rows[start : start + limit]
        return {"rows": page, "next": str(start + limit) if start + limit < len(rows) else None}

    async def version(self):
        return await self._answer("version")

    async def names(self, kind, prefix="", within="", limit=1000):
        return await self._answer("names", kind, prefix, within, limit)

    async def frontends(self, after="", limit=100):
        return await self._page("frontends", after, limit)

    async def frontend(self, name):
        return await self._answer("frontend", name)

    async def backends(self, after="", limit=100):
        return await self._page("backends", after, limit)

    async def backend(self, name):
        return await self._answer("backend", name)

    async def healthchecks(self, after="", limit=100):
        return await self._page("healthchecks", after, limit)

    async def healthcheck(self, name):
        return await self._answer("healthcheck", name)

    async def pause_backend(self, name, duration=0, reason="", force=False):
        return await self._answer("pause_backend", name, *_said(duration, reason, force))

    async def resume_backend(self, name):
        return await self._answer("resume_backend", name)

    async def enable_backend(self, name):
        return await self._answer("enable_backend", name)

    async def drain_backend(self, name, duration=0, reason="", force=False, flows=0, timeout=0, disable=False):
        return await self._answer("drain_backend", name, *_said(duration, reason, force, flows, timeout, disable))

    async def drain_progress(self, name):
        return await self._answer("drain_progress", name)

    async def web_login(self):
        return await self._answer("web_login")

    async def set_host(self, address, order, duration=0, reason="", force=False, flows=0, timeout=0, disable=False):
        return await self._answer("set_host", address, order, *_said(duration, reason, force, flows, timeout, disable))

    async def disable_frontend(self, name, duration=0, reason="", force=False):
        return await self._answer("disable_frontend", name, *_said(duration, reason, force))

    async def enable_frontend(self, name):
        return await self._answer("enable_frontend", name)

    async def log(self, last=50):
        return await self._answer("log", last)

    async def disable_backend(self, name, duration=0, reason="", force=False):
        return await self._answer("disable_backend", name, *_said(duration, reason, force))

    async def set_weight(self, frontend, pool, backend, weight, duration=0, reason="", force=False):
        return await self._answer("set_weight", frontend, pool, backend, weight, *_said(duration, reason, force))

    async def overrides(self, after="", limit=100):
        return {"not_kept": "", "damage": "", **await self._page("overrides", after, limit)}

    async def served_vips(self, after="", limit=100):
        return await self._page("served_vips", after, limit)

    async def peers(self, after="", limit=100):
        return await self._page("peers", after, limit)

    async def dns_names(self, after="", limit=100):
        return await self._page("dns_names", after, limit)

    async def announcements(self, after="", limit=100):
        return {"sinks": [], **await self._page("announcements", after, limit)}

    async def announcement(self, address):
        return await self._answer("announcement", address)

    async def set_announce(self, address, on, duration=0, reason=""):
        return await self._answer("set_announce", address, on, *_said(duration, reason))

    async def clear_override(self, backend="", frontend="", pool="", force=False):
        return await self._answer("clear_override", backend, frontend, pool, *((force,) if force else ()))

    async def check_config(self):
        return await self._answer("check_config")

    async def reload_config(self, now=False, reason=""):
        return await self._answer("reload_config", now, reason)

    async def config_diff(self, after="", limit=100):
        return {"ok": True, "problems": [], **await self._page("config_diff", after, limit)}

    async def configuration(self, after="", limit=100):
        return await self._page("configuration", after, limit)

    async def compare_configuration(self, after="", limit=100):
        return await self._page("compare_configuration", after, limit)

    async def explain_frontend(self, name):
        return await self._answer("explain_frontend", name)

    async def explain_backend(self, name):
        return await self._answer("explain_backend", name)

    async def checker(self):
        return await self._answer("checker")

    async def vpp_info(self):
        return await self._answer("vpp_info")

    async def vpp_lb_state(self, after="", limit=100):
        return {"conf": {"flow_timeout": 40}, **await self._page("vpp_lb_state", after, limit)}

    async def vpp_lb_plan(self, after="", limit=100):
        return {"conf": None, "waiting": 0, "kept": [], **await self._page("vpp_lb_plan", after, limit)}

    async def vpp_lb_counters(self, after="", limit=100):
        return await self._page("vpp_lb_counters", after, limit)

    async def vpp_backend_counters(self, after="", limit=100):
        return await self._page("vpp_backend_counters", after, limit)

    async def sync_vpp(self, frontend=None):
        return await self._answer("sync_vpp", frontend)

    async def sessions(self):
        return await self._answer("sessions")

    async def watch(self, *, log=None, backend=True, frontend=True):
        self.calls.append(("watch", log, backend, frontend))
        self.watches.append(ScriptedSubscription())
        return self.watches[-1]
