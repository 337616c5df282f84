"""The source of probers: each healthcheck gets the prober that it asks for."""

from __future__ import annotations

import pytest
from twisted.internet.interfaces import IReactorFDSet
from twisted.internet.task import Clock
from zope.interface import implementer

from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.probers import netns
from maglev.healthcheck.probers.icmp import IcmpProber
from maglev.healthcheck.probers.resumption import SEGMENT
from maglev.healthcheck.probers.source import ProberSource
from maglev.healthcheck.probers.stream import StreamProber, TlsProber
from maglev.model.config import Backend, CheckType, Healthcheck, HttpParams, TlsParams
from maglev.model.result import Code, LocalFault
from tests.fakes.descriptors import leaked_since, open_descriptors
from tests.fakes.peers import refusing_port


@implementer(IReactorFDSet)
class ReaderClock(Clock):
    """A clock that takes readers, as reactors do, and reads when told."""

    def __init__(self):
        super().__init__()
        self.readers = []

    def addReader(self, reader):
        self.readers.append(reader)

    def removeReader(self, reader):
        self.readers.remove(reader)


@pytest.fixture
def source():
    clock = ReaderClock()
    before = open_descriptors()
    source = ProberSource(clock, LagMonitor(clock))
    yield source
    source.close()
    assert clock.readers == []
    assert leaked_since(before) == set()


def check(kind, port=80, **params):
    return Healthcheck("c", kind, port, 1, 1, 1, 1, **params)


BACKEND = Backend("b", "127.0.0.1", "c")


def test_lateness_is_measured_as_finely_as_the_shortest_timeout_needs():
    clock = ReaderClock()
    lag = LagMonitor(clock)
    source = ProberSource(clock, lag)
    checks = [Healthcheck("c", CheckType.TCP, refusing_port(), 1, 1, 1, timeout) for timeout in (0.2, 1.0)]
    probers = [source.prober_for(BACKEND, each) for each in checks]
    lag.attend("somebody", really=True)
    lag.start()
    (tick,) = clock.getDelayedCalls()
    assert tick.getTime() == pytest.approx(0.02)
    for prober in probers:
        prober.cancel()
    lag.stop()
    source.close()


@pytest.mark.parametrize(
    ("healthcheck", "prober"),
    [
        (check(CheckType.TCP), StreamProber),
        (check(CheckType.TCP, tls=TlsParams()), TlsProber),
        (check(CheckType.HTTP, http=HttpParams()), StreamProber),
        (check(CheckType.HTTPS, http=HttpParams(), tls=TlsParams(verify=False)), TlsProber),
        (check(CheckType.ICMP, None), IcmpProber),
    ],
)
def test_each_type_has_its_prober(source, healthcheck, prober):
    assert type(source.prober_for(BACKEND, healthcheck)) is prober


@pytest.mark.parametrize(("curves", "limit"), [(None, SEGMENT), ("X25519", None), ("DEFAULT", None)])
def test_only_a_clienthello_that_is_meant_to_be_small_is_kept_small(source, curves, limit):
    prober = source.prober_for(BACKEND, check(CheckType.TCP, tls=TlsParams(curves=curves)))
    assert prober._resumption._hello_limit == limit


def test_an_http_check_without_parameters_contradicts_itself(source):
    with pytest.raises(ValueError, match="no parameters for http"):
        source.prober_for(BACKEND, check(CheckType.HTTP))


def test_a_refused_connection_needs_no_reactor_but_the_sources(source):
    outcomes = []
    prober = source.prober_for(BACKEND, check(CheckType.TCP, refusing_port()))
    prober.start(outcomes.append)
    source._poller.doRead()
    assert [outcome.code for outcome in outcomes] == [Code.L4CON]


def test_a_probe_that_crashes_says_nothing_about_the_backend(source, logged_failures):
    outcomes = []
    prober = source.prober_for(BACKEND, check(CheckType.TCP, refusing_port()))
    prober.start(outcomes.append)
    prober._connection._owner = FailingOwner(prober)
    source._poller.doRead()
    assert outcomes == [LocalFault("internal", "a bug; see the log")]
    assert len(logged_failures.flush(ZeroDivisionError)) == 1


class FailingOwner:
    """An owner with a bug."""

    def __init__(self, prober):
        self.crash = prober.crash

    def conclude_with(self, outcome):
        raise ZeroDivisionError


def test_a_namespace_that_is_not_there_is_the_fault_of_this_machine(monkeypatch, tmp_path):
    monkeypatch.setattr(netns, "NETNS_DIRECTORIES", (str(tmp_path),))
    source = ProberSource(ReaderClock(), LagMonitor(ReaderClock()), "nowhere")
    outcomes = []
    for healthcheck in (check(CheckType.TCP), check(CheckType.ICMP, None)):
        source.prober_for(BACKEND, healthcheck).start(outcomes.append)
    source.close()
    assert [outcome.reason for outcome in outcomes] == ["netns", "netns"]
    assert "nowhere" in outcomes[0].detail


def test_backends_that_are_probed_alike_share_what_is_expected(source):
    healthcheck = check(CheckType.HTTP, http=HttpParams(response_regexp="x" * 100))
    probers = [source.prober_for(Backend(name, "127.0.0.1"), healthcheck) for name in "ab"]
    one, other = (prober._new_probe._expectation for prober in probers)
    assert one is other
    del one, other, probers
    assert len(source._expectations) == 0, "and it is forgotten with them"


def test_backends_that_are_asked_in_the_same_words_share_them(source):
    addresses = ("127.0.0.1", "127.0.0.2")

    def requests(params):
        healthcheck = check(CheckType.HTTP, http=params)
        probers = [source.prober_for(Backend(each, each), healthcheck) for each in addresses]
        return [prober._new_probe._request for prober in probers]

    one, other = requests(HttpParams(host="site.example"))
    assert one is other
    assert b"Host: site.example\r\n" in one
    assert requests(HttpParams(host="other.example"))[0] != one
    assert [each.split(b"Host: ")[1].split(b"\r")[0].decode() for each in requests(HttpParams())] == list(addresses)
    assert len(source._probes) == 0
