"""The surroundings of a command session, in memory."""

from __future__ import annotations

from maglev.commands.session import CommandSession
from tests.fakes.control import FakeControl, Turn, finish


class FakeEnvironment:
    """Collects what is written; by default a person at a prompt of eight columns, without colours."""

    def __init__(self, *, prompt_width=8, terminal=True, colour=False, width=80):
        self.prompt_width = prompt_width
        self.terminal = terminal
        self.colour = colour
        self.width = width
        self.writes = []
        self.drains = 0
        self.errors = ""
        self.switches = []
        self.typed = []
        self._drained = True

    @property
    def output(self):
        """All that was written so far."""
        return "".join(self.writes)

    def write(self, text):
        assert self._drained, "written before the last text was drained"
        assert text.endswith("\n")
        self._drained = False
        self.writes.append(text)

    def write_error(self, text):
        assert text.endswith("\n")
        self.errors += text

    async def drain(self):
        await Turn()
        self._drained = True
        self.drains += 1

    def set_stop_on_key(self, on):
        self.switches.append(("stop-on-key", on))

    def set_monitor(self, on):
        self.switches.append(("monitor", on))

    def set_length(self, rows):
        self.switches.append(("length", rows))

    def set_width(self, columns):
        self.switches.append(("width", columns))

    def history(self):
        return self.typed

    def close(self):
        self.switches.append(("close",))


def shown(line, control=None, **environment):
    """Return the output of a line, in a wide window."""
    where = FakeEnvironment(**{"width": 200, **environment})
    finish(CommandSession(control or FakeControl(), where).run(line))
    assert where.errors == ""
    return where.output
