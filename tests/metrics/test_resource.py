"""The scrape resource: real requests to a real site, over a transport in memory."""

import itertools

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from maglev.metrics.resource import IDLE_TIMEOUT, MAX_SCRAPES, TIME_LIMIT, site_of
from maglev.runtime.budget import SLICED_WORK
from maglev.runtime.cooperator import Cooperator

TEXT = [f"a {number}\n" for number in range(40)]

# Twisted's own resources use what Twisted has deprecated.
UNSAFE = pytest.mark.filterwarnings("ignore:twisted.web.resource._Unsafe:DeprecationWarning")

ACCEPTS = [
    None,
    b"*/*",
    b"text/html",
    b"application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
    b"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
]


class Pieces:
    """A collector with some pieces; each takes some time to make."""

    def __init__(self, clock, pieces, cost=0.0):
        self._clock = clock
        self._pieces = pieces
        self._cost = cost
        self.taken = 0

    def scrape(self):
        for piece in self._pieces:
            self._clock.rightNow += self._cost
            self.taken += 1
            yield piece


class Connection:
    """A client's connection to a site."""

    def __init__(self, site):
        self.transport = StringTransport()
        self.channel = site.buildProtocol(None)
        self.channel.makeConnection(self.transport)

    def ask(self, path=b"/metrics", method=b"GET", **headers):
        lines = [method + b" " + path + b" HTTP/1.1", b"Host: h"]
        lines += [key.replace("_", "-").encode() + b": " + value for key, value in headers.items() if value is not None]
        self.channel.dataReceived(b"\r\n".join([*lines, b"", b""]))

    def lose(self):
        self.channel.connectionLost(Failure(ConnectionDone()))

    def head(self):
        return self.transport.value().partition(b"\r\n\r\n")[0]

    def body(self):
        """Return the body of a chunked answer, or None while it is not complete."""
        data, body = self.transport.value().partition(b"\r\n\r\n")[2], b""
        while data:
            size, _, data = data.partition(b"\r\n")
            if size == b"0":
                return body
            body += data[: int(size, 16)]
            data = data[int(size, 16) + 2 :]
        return None


class TurningClock(Clock):
    """A clock whose turns are those of a reactor: what is scheduled in one turn comes in the next at the earliest."""

    def turn(self, count=100):
        for _ in range(count):
            for call in [call for call in self.calls if call.getTime() <= self.seconds()]:
                if call.active():
                    self.calls.remove(call)
                    call.called = 1
                    call.func(*call.args, **call.kw)


@pytest.fixture
def clock():
    return TurningClock()


@pytest.mark.parametrize("accept", ACCEPTS)
def test_a_scrape_gets_everything_as_text_whatever_it_would_like_better(clock, accept):
    first, second = Pieces(clock, ["# a\n", "a 1\n"]), Pieces(clock, ["b 2\n"])
    connection = Connection(site_of(clock, Cooperator(clock).queue("metrics"), [first, second]))
    connection.ask(accept=accept)
    clock.turn()

    assert connection.head().startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"content-type: text/plain; version=0.0.4; charset=utf-8" in connection.head().lower()
    assert connection.body() == b"# a\na 1\nb 2\n"


def test_a_long_scrape_is_made_in_slices_one_in_each_turn_of_the_reactor(clock):
    pieces = Pieces(clock, TEXT, cost=SLICED_WORK / 4)
    connection = Connection(site_of(clock, Cooperator(clock).queue("metrics"), [pieces]))
    connection.ask()
    made = [pieces.taken]
    while connection.body() is None:
        clock.turn(1)
        made.append(pieces.taken)

    steps = [after - before for before, after in itertools.pairwise(made)]
    assert made[0] == 0
    assert max(steps) <= 5
    assert connection.body() == "".join(TEXT).encode()


def test_scrapes_at_once_take_turns_and_no_more_time_of_a_turn_than_one(clock):
    pieces = Pieces(clock, TEXT, cost=SLICED_WORK)
    site = site_of(clock, Cooperator(clock).queue("metrics"), [pieces])
    connections = [Connection(site) for _ in range(3)]
    for connection in connections:
        connection.ask()
    made = []
    while connections[-1].body() is None:
        before = pieces.taken
        clock.turn(1)
        made.append(pieces.taken - before)

    assert max(made) == 1
    assert [connection.body() for connection in connections] == ["".join(TEXT).encode()] * 3
    assert len(clock.getDelayedCalls()) == 3  # the limits of idle connections


def test_too_many_scrapes_at_once_are_refused_until_one_of_them_ends(clock):
    site = site_of(clock, Cooperator(clock).queue("metrics"), [Pieces(clock, TEXT, cost=2 * SLICED_WORK)])
    many = [Connection(site) for _ in range(MAX_SCRAPES + 1)]
    for connection in many:
        connection.ask()
    assert many[-1].head().startswith(b"HTTP/1.1 503 ")
    many[0].lose()
    again = Connection(site)
    again.ask()
    clock.turn((len(TEXT) + 1) * len(many))
    assert again.body() == "".join(TEXT).encode()


def test_a_scraper_that_stops_reading_is_cut_off_in_the_end(clock):
    connection = Connection(
        site_of(clock, Cooperator(clock).queue("metrics"), [Pieces(clock, TEXT, cost=2 * SLICED_WORK)])
    )
    connection.ask()
    clock.turn(3)
    connection.transport.producer.pauseProducing()
    clock.advance(TIME_LIMIT - 1)
    assert not connection.transport.disconnected
    clock.advance(1)
    assert connection.transport.disconnected
    connection.lose()
    assert not clock.getDelayedCalls()


def test_a_scraper_that_reads_slowly_is_waited_for(clock):
    pieces = Pieces(clock, TEXT, cost=2 * SLICED_WORK)
    connection = Connection(site_of(clock, Cooperator(clock).queue("metrics"), [pieces]))
    connection.ask()
    clock.turn(3)
    connection.transport.producer.pauseProducing()
    clock.turn()
    assert pieces.taken == 3
    connection.transport.producer.resumeProducing()
    clock.turn()
    assert connection.body() == "".join(TEXT).encode()


def test_a_scraper_that_goes_away_is_forgotten(clock):
    pieces = Pieces(clock, TEXT, cost=2 * SLICED_WORK)
    connection = Connection(site_of(clock, Cooperator(clock).queue("metrics"), [pieces]))
    connection.ask()
    clock.turn(3)
    connection.transport.producer.stopProducing()
    connection.lose()
    clock.turn()
    assert pieces.taken == 3
    assert not clock.getDelayedCalls()


def test_one_that_goes_away_while_it_is_waited_for_is_forgotten(clock):
    pieces = Pieces(clock, TEXT, cost=2 * SLICED_WORK)
    connection = Connection(site_of(clock, Cooperator(clock).queue("metrics"), [pieces]))
    connection.ask()
    clock.turn(3)
    connection.transport.producer.pauseProducing()
    connection.transport.producer.stopProducing()
    connection.lose()
    clock.turn()
    assert pieces.taken == 3


def test_one_connection_serves_scrape_after_scrape(clock):
    connection = Connection(site_of(clock, Cooperator(clock).queue("metrics"), [Pieces(clock, ["a 1\n"])]))
    for _ in range(3):
        connection.ask()
        clock.turn()
        assert connection.body() == b"a 1\n"
        connection.transport.clear()


def test_a_client_that_says_nothing_is_cut_off(clock):
    connection = Connection(site_of(clock, Cooperator(clock).queue("metrics"), []))
    clock.advance(IDLE_TIMEOUT - 1)
    assert not connection.transport.disconnecting
    clock.advance(2)
    assert connection.transport.disconnecting


def test_asking_for_the_head_gets_no_body(clock):
    connection = Connection(site_of(clock, Cooperator(clock).queue("metrics"), [Pieces(clock, ["a 1\n"])]))
    connection.ask(method=b"HEAD")
    clock.turn()

    assert connection.head().startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"a 1" not in connection.transport.value()


@UNSAFE
@pytest.mark.parametrize("path", [b"/metric", b"/metrics2", b"/a/metrics", b"/%2e%2e/metrics"])
def test_an_unknown_path_is_not_found(clock, path):
    connection = Connection(site_of(clock, Cooperator(clock).queue("metrics"), []))
    connection.ask(path)

    assert connection.head().startswith(b"HTTP/1.1 404 Not Found\r\n")


@UNSAFE
def test_nothing_can_be_posted(clock):
    connection = Connection(site_of(clock, Cooperator(clock).queue("metrics"), []))
    connection.ask(method=b"POST", content_length=b"0")

    assert connection.head().startswith(b"HTTP/1.1 405 ")


def test_the_front_page_leads_to_the_metrics(clock):
    connection = Connection(site_of(clock, Cooperator(clock).queue("metrics"), []))
    connection.ask(b"/")

    assert connection.head().startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'href="/metrics"' in connection.transport.value()
