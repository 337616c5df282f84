"""A prober whose outcome the test decides."""

from __future__ import annotations

from zope.interface import implementer

from maglev.interfaces import IProber


@implementer(IProber)
class FakeProber:
    """Waits to be told the outcome of each probe."""

    def __init__(self, backend, healthcheck):
        self.backend = backend
        self.healthcheck = healthcheck
        self.finished = None
        self.certificate_expiry = None
        self.starts = 0
        self.cancels = 0
        self.at_once = None
        self.error = None

    def start(self, finished):
        if self.finished is not None:
            raise RuntimeError("a probe is under way")
        self.starts += 1
        if self.error is not None:
            raise self.error
        if self.at_once is not None:
            finished(self.at_once)
            return
        self.finished = finished

    def cancel(self):
        self.cancels += 1
        self.finished = None

    def finish(self, outcome):
        finished, self.finished = self.finished, None
        finished(outcome)


class FakeProbers:
    """Makes fake probers and keeps the latest of each backend."""

    def __init__(self):
        self.made = {}
        self.netns = []
        self.forgotten = []
        self.workers = 0
        self.is_busy = False

    def use_workers(self, count):
        before, self.workers = self.workers, count
        return bool(before) != bool(count)

    def forget(self, backend):
        self.forgotten.append(backend)

    def busy(self):
        return self.is_busy

    def prober_for(self, backend, healthcheck, netns=None):
        self.netns.append(netns)
        prober = self.made[backend.name] = FakeProber(backend, healthcheck)
        return prober
