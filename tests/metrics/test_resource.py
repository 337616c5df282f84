"""The scrape resource: real requests to a real site, over a transport in memory."""

import itertools

import pytest

from maglev.metrics.resource import MAX_SCRAPES, TIME_LIMIT, site_of
from maglev.runtime.budget import SLICED_WORK
from maglev.runtime.cooperator import Cooperator
from maglev.runtime.http import UNREAD_TIME
from tests.fakes.http import PLENTY, HttpConnection, StepwiseClock

TEXT = [f"a {number}\n" for number in range(40)]

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


def site_with(clock, *collectors, size=PLENTY):
    return site_of(Cooperator(clock).queue("metrics"), lambda: size, collectors, check=None)


@pytest.fixture
def clock():
    return StepwiseClock()


@pytest.mark.parametrize("accept", ACCEPTS)
def test_a_scrape_gets_everything_as_text_whatever_it_would_like_better(clock, accept):
    first, second = Pieces(clock, ["# a\n", "a 1\n"]), Pieces(clock, ["b 2\n"])
    connection = HttpConnection(site_with(clock, first, second))
    connection.ask(accept=accept)
    clock.turn()

    assert connection.head().startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"content-type: text/plain; version=0.0.4; charset=utf-8" in connection.head().lower()
    assert connection.body() == b"# a\na 1\nb 2\n"


def test_a_long_scrape_is_made_in_slices_one_in_each_turn_of_the_reactor(clock):
    pieces = Pieces(clock, TEXT, cost=SLICED_WORK / 4)
    connection = HttpConnection(site_with(clock, pieces))
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
    site = site_with(clock, pieces)
    connections = [HttpConnection(site) for _ in range(3)]
    for connection in connections:
        connection.ask()
    made = []
    while connections[-1].body() is None:
        before = pieces.taken
        clock.turn(1)
        made.append(pieces.taken - before)

    assert max(made) == 1
    assert [connection.body() for connection in connections] == ["".join(TEXT).encode()] * 3
    clock.turn()
    assert len(clock.getDelayedCalls()) == 3  # the limits of idle connections


def test_too_many_scrapes_at_once_are_refused_until_one_of_them_ends(clock):
    site = site_with(clock, Pieces(clock, TEXT, cost=2 * SLICED_WORK))
    many = [HttpConnection(site) for _ in range(MAX_SCRAPES + 1)]
    for connection in many:
        connection.ask()
    clock.turn(MAX_SCRAPES + 1)
    assert many[-1].head().startswith(b"HTTP/1.1 503 ")
    many[0].lose()
    again = HttpConnection(site)
    again.ask()
    clock.turn((len(TEXT) + 1) * len(many))
    assert again.body() == "".join(TEXT).encode()


def test_scrapes_that_nobody_reads_keep_nobody_out(clock):
    site = site_with(clock, Pieces(clock, TEXT, cost=2 * SLICED_WORK))
    deaf = [HttpConnection(site) for _ in range(MAX_SCRAPES)]
    for connection in deaf:
        connection.ask()
    clock.turn(MAX_SCRAPES)
    for connection in deaf[3:]:
        connection.transport.producer.pauseProducing()
    reader = HttpConnection(site)
    reader.ask()
    clock.turn((len(TEXT) + 1) * len(deaf))
    assert reader.body() == "".join(TEXT).encode()
    assert [connection for connection in deaf if connection.aborted] == [deaf[3]]


def test_a_scraper_that_stops_reading_is_cut_off_in_the_end(clock):
    connection = HttpConnection(site_with(clock, Pieces(clock, TEXT, cost=2 * SLICED_WORK)))
    connection.ask()
    clock.turn(4)
    connection.transport.producer.pauseProducing()
    clock.advance(UNREAD_TIME - 1)
    assert not connection.transport.disconnected
    clock.advance(1)
    assert connection.transport.disconnected
    connection.lose()
    assert not clock.getDelayedCalls()


def test_one_that_reads_a_little_now_and_then_is_cut_off_too(clock):
    connection = HttpConnection(site_with(clock, Pieces(clock, ["a 1\n"] * 1000, cost=2 * SLICED_WORK)))
    connection.ask()
    clock.turn(4)
    start = clock.seconds()
    while clock.seconds() < start + TIME_LIMIT - 2:
        assert not connection.transport.disconnected
        connection.transport.producer.pauseProducing()
        clock.advance(1)
        connection.transport.producer.resumeProducing()
        clock.turn(1)
    connection.transport.producer.pauseProducing()
    clock.advance(3)
    assert connection.transport.disconnected
    connection.lose()


def test_a_scraper_that_reads_slowly_is_waited_for(clock):
    pieces = Pieces(clock, TEXT, cost=2 * SLICED_WORK)
    connection = HttpConnection(site_with(clock, pieces))
    connection.ask()
    clock.turn(4)
    connection.transport.producer.pauseProducing()
    clock.turn()
    assert pieces.taken == 3
    connection.transport.producer.resumeProducing()
    clock.turn()
    assert connection.body() == "".join(TEXT).encode()


def test_a_scraper_that_goes_away_is_forgotten(clock):
    pieces = Pieces(clock, TEXT, cost=2 * SLICED_WORK)
    connection = HttpConnection(site_with(clock, pieces))
    connection.ask()
    clock.turn(4)
    connection.transport.producer.stopProducing()
    connection.lose()
    clock.turn()
    assert pieces.taken == 3
    assert not clock.getDelayedCalls()


def test_one_that_goes_away_while_it_is_waited_for_is_forgotten(clock):
    pieces = Pieces(clock, TEXT, cost=2 * SLICED_WORK)
    connection = HttpConnection(site_with(clock, pieces))
    connection.ask()
    clock.turn(4)
    connection.transport.producer.pauseProducing()
    connection.transport.producer.stopProducing()
    connection.lose()
    clock.turn()
    assert pieces.taken == 3


def test_one_connection_serves_scrape_after_scrape(clock):
    connection = HttpConnection(site_with(clock, Pieces(clock, ["a 1\n"])))
    for _ in range(3):
        connection.ask()
        clock.turn()
        assert connection.body() == b"a 1\n"
        connection.transport.clear()


def test_asking_for_the_head_gets_no_body_and_takes_no_time(clock):
    pieces = Pieces(clock, ["a 1\n"])
    connection = HttpConnection(site_with(clock, pieces))
    connection.ask(method=b"HEAD")
    clock.turn()

    assert connection.head().startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"content-type: text/plain; version=0.0.4; charset=utf-8" in connection.head().lower()
    assert connection.text() == b""
    assert pieces.taken == 0


@pytest.mark.parametrize("target", [b"http://lb1:9091/metrics", b"http://[::1]/metrics?name=up", b"/metrics?a=b"])
def test_a_scrape_may_name_the_host_and_arguments(clock, target):
    connection = HttpConnection(site_with(clock, Pieces(clock, ["a 1\n"])))
    connection.ask(target)
    clock.turn()
    assert connection.body() == b"a 1\n"


@pytest.mark.parametrize("path", [b"/metric", b"/metrics2", b"/a/metrics", b"/%2e%2e/metrics"])
def test_an_unknown_path_is_not_found(clock, path):
    connection = HttpConnection(site_with(clock))
    connection.ask(path)
    clock.turn()

    assert connection.head().startswith(b"HTTP/1.1 404 Not Found\r\n")


def test_nothing_can_be_posted(clock):
    connection = HttpConnection(site_with(clock))
    connection.ask(method=b"POST", content_length=b"0")
    clock.turn()

    assert connection.head().startswith(b"HTTP/1.1 405 ")


def test_the_front_page_leads_to_the_metrics_and_the_health(clock):
    connection = HttpConnection(site_with(clock))
    connection.ask(b"/")
    clock.turn()

    assert connection.head().startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'href="/metrics"' in connection.transport.value()
    assert b'href="/healthz"' in connection.transport.value()
