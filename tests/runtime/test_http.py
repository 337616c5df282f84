"""The bounded HTTP server: what a peer may send, for how long, and how many peers there may be."""

import tempfile

import pytest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from maglev.runtime.budget import SLICED_WORK
from maglev.runtime.cooperator import Cooperator
from maglev.runtime.http import (
    CLOSE_TIME,
    IDLE_TIME,
    LINGER,
    MAX_AHEAD,
    MAX_ARGUMENTS,
    MAX_HEAD,
    MAX_HEADERS,
    MAX_TARGET,
    REQUEST_TIME,
    UNREAD_TIME,
    BoundedSite,
    Root,
)
from tests.fakes.http import PLENTY, HttpConnection, StepwiseClock

GET = b"GET /page HTTP/1.1\r\nHost: h\r\n\r\n"


class Page(Resource):
    """A page that counts how often it is asked for; it may take its time."""

    isLeaf = True

    def __init__(self, clock, size=5, cost=0.0):
        super().__init__()
        self.asked = []
        self.open = []
        self.clock = clock
        self.size = size
        self.cost = cost
        self.slow = False

    def render_GET(self, request):
        self.asked.append(request)
        self.clock.rightNow += self.cost
        if self.slow:
            self.open.append(request)
            return NOT_DONE_YET
        return b"x" * self.size

    def finish(self):
        self.open.pop(0).finish()


class World:
    """A site with one page, and its time."""

    def __init__(self, size=PLENTY, **page):
        self.clock = StepwiseClock()
        self.page = Page(self.clock, **page)
        root = Root()
        root.putChild(b"page", self.page)
        self.size = size
        self.site = BoundedSite(Cooperator(self.clock).queue("http"), lambda: self.size, root)
        self.site.startFactory()
        self.connections = []

    def connect(self, host="192.0.2.1"):
        self.connections.append(HttpConnection(self.site, host))
        return self.connections[-1]

    def ask(self, *arguments, **headers):
        connection = self.connect()
        connection.ask(*arguments, **headers)
        self.clock.turn()
        return connection

    def end(self):
        self.clock.turn()
        for each in self.connections:
            each.lose()
        assert self.clock.getDelayedCalls() == []
        assert len(self.site.room) == self.site.busy == 0
        self.site.stopFactory()


@pytest.fixture
def world():
    made = World()
    yield made
    made.end()


# Requests


def test_a_request_is_answered(world):
    connection = world.ask(b"/page")
    assert (connection.status(), connection.text()) == (200, b"xxxxx")
    assert b"server:" not in connection.head().lower()


@pytest.mark.parametrize(
    "target", [b"http://lb1.example.net:9091/page", b"HTTP://[2001:db8::1]/page", b"https://h/page?a=1", b"/page?a=1&b"]
)
def test_a_target_may_be_in_absolute_form(world, target):
    assert world.ask(target).status() == 200


@pytest.mark.parametrize(
    "target", [b"/", b"/pages", b"//page", b"/a/http://h/page", b"http://[/page", b"http://h", b"h"]
)
def test_an_unknown_target_is_not_found_and_not_quoted(world, target):
    connection = world.ask(target)
    assert (connection.status(), connection.text()) == (404, b"not found\n")


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /page HTTP/1.0\n\n",
        b"\nGET /page HTTP/1.1\nHost: h\nConnection: close\n\n",
        b"GET /page HTTP/1.1\r\nHost: h\nConnection: close\r\n\n",
    ],
)
@pytest.mark.parametrize("step", [1, 1000])
def test_lines_may_end_with_a_line_feed_alone(world, request_, step):
    connection = world.connect()
    for start in range(0, len(request_), step):
        connection.send(request_[start : start + step])
    world.clock.turn()
    assert connection.status() == 200


@pytest.mark.parametrize("request_", [b"hello\n", b"hello\r\n", b"GET /page\n", b"\n\n\n"])
def test_a_line_that_is_not_a_request_is_refused_at_once(world, request_):
    connection = world.connect()
    connection.send(request_)
    assert connection.status() == 400


def test_a_head_has_no_body(world):
    connection = world.ask(b"/page", b"HEAD")
    assert (connection.status(), connection.text()) == (200, b"")


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT", b"get", b"X" * 4000])
def test_other_methods_are_refused_and_end_the_connection(world, method):
    connection = world.ask(b"/page", method)
    assert connection.status() == 405
    assert b"allow: GET, HEAD" in connection.head().replace(b"Allow", b"allow")
    assert connection.closing
    assert world.page.asked == []


def test_a_site_may_allow_more_methods():
    world = World()
    world.site.methods = (b"GET", b"POST")
    world.page.render_POST = world.page.render_GET
    assert world.ask(b"/page", b"POST").status() == 200
    world.end()


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"GET", b"HEAD", b"FROB"])
@pytest.mark.parametrize("header", [{"content_length": b"1000000000"}, {"transfer_encoding": b"chunked"}])
def test_a_body_is_refused_at_its_header_and_never_kept(world, monkeypatch, method, header):
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda *_, **__: pytest.fail("a body is kept in a file"))
    connection = world.connect()
    connection.ask(b"/page", method, **header)
    assert connection.status() == 413
    assert connection.paused
    assert connection.transport.half_closed
    # Whatever was read along with the header, or before the reading stopped.
    connection.send(b"x" * 1_000_000 + GET)
    world.clock.turn()
    assert (connection.count(), world.page.asked) == (1, [])
    world.clock.advance(LINGER - 0.1)
    assert not connection.aborted
    world.clock.advance(0.1)
    assert connection.aborted


def test_the_body_of_a_pipelined_request_is_refused_too(world):
    connection = world.connect()
    connection.send(GET + b"POST /page HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello" + GET)
    world.clock.turn()
    assert [each[:3] for each in connection.transport.value().split(b"HTTP/1.1 ")[1:]] == [b"200", b"413"]
    assert len(world.page.asked) == 1


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /" + b"a" * MAX_HEAD + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET /page HTTP/1.1\r\nA: " + b"a" * MAX_HEAD + b"\r\n\r\n", 431),
        (b"GET /page HTTP/1.1\r\n" + b"A: aaaaaa\r\n" * (MAX_HEADERS + 1) + b"\r\n", 400),
        (b"GET /page HTTP/1.1\r\n" + b"A: %s\r\n" % (b"a" * 1000) * 9 + b"\r\n", 400),
        (b"GET /page HTTP/1.1\r\nA: a\r\n" + b" a\r\n" * MAX_HEAD, 400),
        (b"GET /" + b"a" * MAX_TARGET + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET /page?" + b"a&" * MAX_ARGUMENTS + b" HTTP/1.1\r\n\r\n", 400),
        (b"GET /page HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET /page HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        (b"GET /page HTTP/2.0\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
    ],
    ids=range(11),
)
def test_what_is_too_large_or_no_request_ends_the_connection(world, request_, status):
    connection = world.connect()
    connection.send(request_)
    world.clock.turn()
    assert connection.status() == status
    assert world.page.asked == []
    assert connection.closing or connection.transport.half_closed
    world.clock.advance(CLOSE_TIME)
    assert connection.aborted


def test_a_line_without_an_end_is_not_kept(world):
    connection = world.connect()
    connection.send(b"a" * (MAX_HEAD + 2))
    assert connection.status() == 431
    connection.send(b"a" * 1_000_000)
    assert connection.channel.clearLineBuffer() == b""


def test_cookies_are_not_taken_apart(world):
    connection = world.connect()
    connection.send(b"GET /page HTTP/1.1\r\nCookie: a=1; b=2\r\n\r\n")
    world.clock.turn()
    assert world.page.asked[0].received_cookies == {}


# Pipelining


def test_pipelined_requests_are_answered_in_order_one_at_a_time(world):
    world.page.slow = True
    connection = world.connect()
    connection.send(GET * 3)
    for number in range(1, 4):
        world.clock.turn()
        assert len(world.page.asked) == number
        world.page.finish()
    world.clock.turn()
    assert connection.count() == 3


def test_no_more_than_a_little_is_taken_while_a_request_is_answered(world):
    world.page.slow = True
    connection = world.connect()
    connection.send(GET)
    world.clock.turn()
    connection.send(b"x" * MAX_AHEAD)
    assert not connection.paused
    connection.send(b"x")
    assert connection.paused


def test_a_peer_that_does_not_read_is_not_answered_any_more_and_not_read_either(world):
    """Twisted goes on reading from it as long as a request is being answered."""
    world.page.slow = True
    connection = world.connect()
    connection.send(GET * 2)
    world.clock.turn()
    connection.transport.producer.pauseProducing()
    world.page.finish()
    world.clock.turn()
    assert len(world.page.asked) == 1
    connection.send(b"x" * (MAX_AHEAD + 1))
    assert connection.paused

    connection.transport.producer.resumeProducing()
    world.clock.turn()
    assert len(world.page.asked) == 2
    assert not connection.paused


def test_a_peer_that_stops_reading_just_after_an_answer_is_waited_for(world):
    connection = world.connect()
    connection.send(GET * 2)
    world.clock.turn(1)
    connection.transport.producer.pauseProducing()
    world.clock.turn()
    assert len(world.page.asked) == 1
    connection.transport.producer.resumeProducing()
    world.clock.turn()
    assert len(world.page.asked) == 2


def test_a_peer_that_does_not_read_is_cut_off_in_the_end(world):
    connection = world.ask(b"/page")
    connection.transport.producer.pauseProducing()
    world.clock.advance(UNREAD_TIME - 1)
    connection.transport.producer.resumeProducing()
    connection.transport.producer.pauseProducing()
    world.clock.advance(UNREAD_TIME - 1)
    assert not connection.aborted
    world.clock.advance(1)
    assert connection.aborted


def test_requests_of_many_share_the_time_of_a_turn():
    world = World(cost=SLICED_WORK)
    connections = [world.connect() for _ in range(10)]
    for each in connections:
        each.send(GET * 3)
    before = 0
    for _ in range(40):
        world.clock.turn(1)
        assert len(world.page.asked) - before <= 1
        before = len(world.page.asked)
    world.clock.turn(60)
    assert len(world.page.asked) == 30
    world.end()


def test_a_connection_that_is_lost_before_its_turn_is_forgotten(world):
    connection = world.connect()
    connection.send(GET * 2)
    connection.lose()
    world.connections.clear()
    world.clock.turn()
    assert world.page.asked == []


def test_one_that_is_lost_after_its_answer_is_forgotten(world):
    connection = world.connect()
    connection.send(GET * 2)
    world.clock.turn(1)
    connection.lose()
    world.connections.clear()
    world.clock.turn()
    assert len(world.page.asked) == 1


# Time


def test_a_connection_has_some_time_for_its_first_request_however_it_spends_it(world):
    connection = world.connect()
    for byte in GET[: int(REQUEST_TIME)]:
        assert not connection.closing
        connection.send(bytes([byte]))
        world.clock.advance(1)
    assert connection.closing


def test_the_same_holds_for_each_further_request(world):
    connection = world.ask(b"/page")
    world.clock.advance(IDLE_TIME - 1)
    connection.send(GET[:3])
    world.clock.advance(REQUEST_TIME - 1)
    assert not connection.closing
    connection.send(GET[3:5])
    world.clock.advance(1)
    assert connection.closing


def test_an_idle_connection_is_closed(world):
    connection = world.ask(b"/page")
    world.clock.advance(IDLE_TIME - 1)
    assert not connection.closing
    world.clock.advance(1)
    assert connection.closing
    assert not connection.aborted
    world.clock.advance(CLOSE_TIME)
    assert connection.aborted


def test_an_answer_may_take_as_long_as_its_resource_wants(world):
    world.page.slow = True
    connection = world.ask(b"/page")
    world.clock.advance(10 * IDLE_TIME)
    assert not connection.closing
    world.page.finish()


def test_after_an_answer_of_http_1_0_the_connection_is_closed_in_time(world):
    connection = world.connect()
    connection.send(b"GET /page HTTP/1.0\r\n\r\n")
    world.clock.turn()
    assert connection.status() == 200
    assert connection.closing
    world.clock.advance(CLOSE_TIME)
    assert connection.aborted


def test_nothing_wakes_up_without_connections(world):
    assert world.clock.getDelayedCalls() == []


# Numbers


def alive(connections):
    return [each for each in connections if not each.aborted]


def lose_aborted(world):
    """Tell the site of the connections that it has aborted, as the reactor does."""
    for each in world.connections:
        if each.aborted:
            each.lose()
    world.connections[:] = alive(world.connections)


def test_slow_requests_make_room_for_others():
    world = World(size=8)
    for number in range(100):
        world.connect(f"192.0.2.{number}").send(b"GET /pa")
        lose_aborted(world)
        assert len(world.connections) <= 8
    scraper = world.connect("198.51.100.1")
    scraper.ask(b"/page")
    world.clock.turn()
    assert scraper.status() == 200
    lose_aborted(world)
    world.end()


@pytest.mark.parametrize("hosts", [["192.0.2.1"] * 20, [f"2001:db8::{number}" for number in range(20)]])
def test_one_source_has_half_of_the_places_at_most(hosts):
    world = World(size=8)
    for host in hosts:
        world.connect(host)
        lose_aborted(world)
    assert len(world.connections) == 4
    world.end()


def test_requests_that_are_being_answered_make_no_room():
    world = World(size=8)
    world.page.slow = True
    busy = [world.connect(f"192.0.2.{number}") for number in range(8)]
    for each in busy:
        each.ask(b"/page")
    world.clock.turn()
    newcomer = world.connect("198.51.100.1")
    assert newcomer.aborted
    assert alive(busy) == busy
    lose_aborted(world)
    for _ in busy:
        world.page.finish()
    world.clock.turn()
    world.connect("198.51.100.1")
    assert len(alive(world.connections)) == 8
    lose_aborted(world)
    world.end()


def test_one_that_is_turned_away_before_its_answer_ends_is_not_counted_again(world):
    world.page.slow = True
    connection = world.ask(b"/page")
    world.page.finish()
    connection.channel.turn_away()
    connection.send(GET)
    world.clock.turn()
    assert len(world.site.room) == world.site.busy == 0
    assert len(world.page.asked) == 1


def test_the_number_of_places_may_change():
    world = World(size=8)
    for number in range(8):
        world.connect(f"192.0.2.{number}")
    world.size = 4
    world.connect("198.51.100.1")
    lose_aborted(world)
    assert len(world.connections) == 4
    world.end()
