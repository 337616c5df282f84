"""A reactor in memory: listening, time, and threads whose work is done when the test says so."""

from __future__ import annotations

from twisted.internet.testing import MemoryReactorClock


class FakeReactor(MemoryReactorClock):
    """Twisted's reactor in memory, and the threads that it has not."""

    def __init__(self):
        super().__init__()
        self.work = []

    def callFromThread(self, function, *args, **kwargs):
        self.callLater(0, function, *args, **kwargs)

    def getThreadPool(self):
        return self

    def callInThreadWithCallback(self, on_result, function, *args, **kwargs):
        self.work.append((on_result, function, args, kwargs))

    def run_threads(self):
        """Do all that was given to threads, and let the reactor hear of it."""
        self.advance(0)
        while self.work:
            on_result, function, args, kwargs = self.work.pop(0)
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                on_result(False, error)
            else:
                on_result(True, result)
            self.advance(0)
