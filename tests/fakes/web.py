"""The live page over the real verbs, asked over transports in memory; and the events of a stream, read."""

from __future__ import annotations

import json
import time

from twisted.logger import LogPublisher

from maglev.control.events import EventHub
from maglev.control.sessions import Sessions
from maglev.control.verbs import Control
from maglev.model.build import Build
from maglev.model.caller import Caller, Role
from maglev.model.result import Code, Result
from maglev.runtime.cooperator import Cooperator
from maglev.state.board import Board
from maglev.vpp.sync.service import VppService
from maglev.web.address import web_address
from maglev.web.feed import PageFeed
from maglev.web.gate import Gate
from maglev.web.sessions import WebSessions
from maglev.web.site import Page, page_site
from maglev.web.streams import Streams
from tests.fakes.announcements import announcer_of
from tests.fakes.configs import make_check, make_config
from tests.fakes.http import PLENTY, HttpConnection, StepwiseClock
from tests.fakes.lb import FakeConnector, FakeLb
from tests.fakes.overrides import overrides_of
from tests.fakes.world import CHECKER

WALL = 1_760_000_000.0
OPERATOR = Caller("ada", Role.OPERATOR, "ssh 192.0.2.7:50222")
VIEWER = Caller("vera", Role.VIEWER, "ssh 192.0.2.8:50222")


def bare_control(clock, cooperator, config, wall=time.time, lb=None):
    """Return the verbs over a board that nobody probes for, and a VPP in memory."""
    board = Board(wall, config, now=clock.seconds)
    vpp = VppService(cooperator.queue("vpp"), board, FakeConnector(lb or FakeLb()), lambda: 1.0)
    overrides = overrides_of(board, clock)
    announcer = announcer_of(board, clock, vpp, overrides.kept_off)
    return Control(
        cooperator.queue("control"),
        board,
        vpp,
        None,
        EventHub(board, LogPublisher(), announcer.states),
        Sessions(clock, wall),
        Build("1.2", "abc", "today"),
        wall,
        lambda: CHECKER,
        overrides,
        announcer,
        "lb1",
    )


class WebWorld:
    """A site, the board behind it, and its time."""

    def __init__(self, address="127.0.0.1:9092", names="", config=None):
        self.clock = StepwiseClock()
        config = config or make_config(checks=[make_check(rise=1, fall=1)])
        cooperator = Cooperator(self.clock)
        self.lb = FakeLb()
        self.control = bare_control(self.clock, cooperator, config, self.wall, self.lb)
        self.board, self.vpp, self.hub = self.control.board, self.control.vpp, self.control.event_hub
        self.register = self.control.register
        work = cooperator.queue("web")
        address = web_address(address, names)
        self.control.web_links.page = address.url
        self.sessions = WebSessions(self.clock, self.control.web_links.redeem, self.control.for_caller, self.register)
        viewer = self.control.for_caller(Caller("anybody", Role.VIEWER, "web"))
        self.feed = PageFeed(work, viewer, self.wall, "b007", {"host": "lb1"})
        self.streams = Streams(self.feed)
        gate = Gate(self.sessions, address)
        self.site = page_site(work, lambda: 2 * PLENTY, gate, Page(gate, self.sessions, viewer), self.streams)
        self.connections = []

    def wall(self):
        return WALL + self.clock.seconds()

    def result(self, name, ok=True):
        """Let a probe end."""
        self.board.record(name, Result(Code.L7OK, "status 200") if ok else Result(Code.L4CON, "connection refused"))

    def end(self):
        self.streams.end()
        self.feed.stop()
        self.sessions.close()
        for each in self.connections:
            each.lose()
        self.hub.close()
        self.vpp.stopService()
        self.clock.turn()

    # Requests

    def send(self, path, method="GET", body=None, host="localhost:9092", source="192.0.2.1", **headers):
        """Send a request on a new connection; return that."""
        headers = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        if method == "POST":
            headers = {"origin": f"http://{host}", "content-type": "application/json", **headers}
            headers["content-length"] = str(len(data))
        lines = [
            f"{method} {path} HTTP/1.1",
            *(f"{name}: {value}" for name, value in headers.items() if value is not None),
        ]
        connection = HttpConnection(self.site, source)
        self.connections.append(connection)
        connection.send("\r\n".join([*lines, "", ""]).encode() + data)
        self.clock.turn()
        return connection

    def ask(self, path, **more):
        """Return the status and the value of an answer in JSON."""
        connection = self.send(path, **more)
        text = connection.text() if b"content-length" in connection.head().lower() else connection.body()
        return connection.status(), json.loads(text)

    def post(self, path, value, **more):
        return self.ask(path, method="POST", body=value, **more)

    def log_in(self, caller=OPERATOR, **more):
        """Return the cookie of a new session."""
        link = self.control.web_links.issue(caller)
        return self.cookie_of(self.send("/api/login", "POST", {"secret": link["url"].partition("#")[2]}, **more))

    @staticmethod
    def cookie_of(connection):
        """Return the cookie that an answer sets, as a browser would send it."""
        (line,) = [line for line in connection.head().decode().split("\r\n") if line.lower().startswith("set-cookie:")]
        return line.partition(":")[2].partition(";")[0].strip()

    def open(self, path="/api/events", **more):
        """Open a stream."""
        return PageReader(self.send(path, **more))

    def pass_time(self, seconds, step=0.05):
        """Let time pass, in small steps."""
        for _ in range(round(seconds / step)):
            self.clock.rightNow += step
            self.clock.turn(20)


class PageReader:
    """The browser's end of a stream."""

    def __init__(self, connection):
        self.connection = connection

    @property
    def text(self):
        """What was read so far."""
        data, body = self.connection.transport.value().partition(b"\r\n\r\n")[2], b""
        while data:
            size, _, data = data.partition(b"\r\n")
            body += data[: int(size, 16)]
            data = data[int(size, 16) + 2 :]
        return body.decode()

    def messages(self):
        """Return (kind, id, data) of each message with something new: not of beats."""
        return [each for each in self._all() if each[0] != "beat"]

    def beats(self):
        """Return how many messages said that there was nothing new."""
        return len(self._all()) - len(self.messages())

    def _all(self):
        found = []
        for block in self.text.split("\n\n"):
            fields = dict(line.partition(": ")[::2] for line in block.split("\n") if not line.startswith(":"))
            if "event" in fields:
                found.append((fields["event"], fields.get("id"), json.loads(fields["data"])))
        return found

    def kinds(self):
        return [kind for kind, _, _ in self.messages()]
