"""Nameservers are asked over loopback: those that answer, lie, flood, fall silent, or are not there."""

import struct

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol

from maglev.model.names import NamedBackends, ResolverConfig
from maglev.resolver import lookup
from maglev.resolver.answer import MESSAGE_LIMIT, Addresses, Bad, Then
from maglev.resolver.lookup import MOST_STRAYS, Lookup, system_nameservers
from tests.fakes.names import answer_to
from tests.fakes.ports import free_port

WWW = NamedBackends("www", "www.example.test")
GOOD = Addresses(("192.0.2.1",), 60.0)
HERE = "127.0.0.1"
LATE = 0.3
"""Timeout of nameservers that are meant to be late."""
GENEROUS = 30.0


class UdpServer(DatagramProtocol):
    """Gives a question to the function of a test, with what sends."""

    def __init__(self, behaviour):
        self.behaviour = behaviour
        self.asked = []

    def datagramReceived(self, datagram, addr):
        self.asked.append((datagram, addr))
        self.behaviour(datagram, lambda answer: self.transport.write(answer, addr))


class TcpServer(Protocol):
    def __init__(self, behaviour):
        self.behaviour = behaviour

    def dataReceived(self, data):
        self.behaviour(data[2:], self.transport)


@pytest.fixture
def servers():
    """Start nameservers on one port; return (its number, the UDP one)."""
    ports = []

    async def start(udp, tcp=None, host=HERE):
        number = free_port(HERE)
        server = UdpServer(udp)
        ports.append(reactor.listenUDP(number, server, interface=host))
        if tcp is not None:
            factory = Factory.forProtocol(lambda: TcpServer(tcp))
            factory.noisy = False
            ports.append(await TCP4ServerEndpoint(reactor, number, interface=host).listen(factory))
        return number, server

    yield start
    for port in ports:
        pytest_twisted.blockon(port.stopListening() or _nothing())


async def _nothing():
    return None


async def ask(*ports, timeout=GENEROUS, names=WWW):
    config = ResolverConfig(tuple((HERE, port) for port in ports), timeout)
    return await Lookup(reactor).addresses(names, config)


def good(question, send):
    send(answer_to(question, "192.0.2.1"))


def framed(message):
    return struct.pack("!H", len(message)) + message


@pytest_twisted.ensureDeferred
async def test_a_nameserver_is_asked_from_a_random_port_with_a_random_identifier(servers):
    port, server = await servers(good)
    for _ in range(8):
        assert await ask(port) == GOOD

    assert len({datagram[:2] for datagram, _ in server.asked}) > 4
    assert len({sender[1] for _, sender in server.asked}) > 4


@pytest_twisted.ensureDeferred
async def test_over_ipv6_too(servers):
    try:
        port, _ = await servers(good, host="::1")
    except OSError:
        pytest.skip("there is no IPv6 here")
    config = ResolverConfig((("::1", port),), GENEROUS)
    assert await Lookup(reactor).addresses(WWW, config) == GOOD


@pytest_twisted.ensureDeferred
async def test_forged_answers_are_ignored_and_the_right_one_is_waited_for(servers):
    def forge(question, send):
        for wrong in range(1, 100):
            send(bytes([question[0] ^ wrong & 255, question[1]]) + answer_to(question, "203.0.113.6")[2:])
        send(answer_to(question.replace(b"www", b"ftp"), "203.0.113.6"))
        send(b"")
        send(question)
        good(question, send)

    port, _ = await servers(forge)
    assert await ask(port) == GOOD


@pytest_twisted.ensureDeferred
async def test_an_answer_from_another_address_never_arrives(servers):
    strangers = []

    def answer_from_elsewhere(question, _send):
        strangers.append(stranger)
        stranger.transport.write(answer_to(question, "203.0.113.6"), server.asked[-1][1])

    stranger_port, stranger = await servers(lambda _question, _send: None)
    port, server = await servers(answer_from_elsewhere)

    assert (await ask(port, timeout=LATE)).why == f"no answer in time (127.0.0.1 port {port})"
    assert len(strangers) == lookup.ROUNDS
    assert stranger_port != port


@pytest_twisted.ensureDeferred
async def test_a_flood_ends_the_question(servers):
    def flood(_question, send):
        for _ in range(MOST_STRAYS + 50):
            send(b"junk")

    port, _ = await servers(flood)
    found = await ask(port, timeout=LATE)
    assert isinstance(found, Bad)


@pytest_twisted.ensureDeferred
async def test_the_next_nameserver_is_asked_when_one_is_silent_refuses_or_is_not_there(servers):
    silent, _ = await servers(lambda _question, _send: None)
    failing, _ = await servers(lambda question, send: send(answer_to(question, rcode=2)))
    last, _ = await servers(good)

    assert await ask(silent, free_port(HERE), failing, last, timeout=LATE) == GOOD
    assert (await ask(failing)).why == f"SERVFAIL (127.0.0.1 port {failing})"
    absent = await ask(free_port(HERE))
    assert absent.why.startswith("refused: nothing listens there (127.0.0.1 port ")


@pytest_twisted.ensureDeferred
async def test_that_there_is_no_such_name_ends_the_question(servers):
    first, _ = await servers(lambda question, send: send(answer_to(question, rcode=3)))
    second, server = await servers(good)

    assert (await ask(first, second)).then is Then.END
    assert server.asked == []


def truncated(question, send):
    send(answer_to(question, flags=0x0200))


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        (lambda question, send: send.write(framed(answer_to(question, "192.0.2.1"))), None),
        (lambda question, send: send.loseConnection(), "closed before the answer"),
        (lambda question, send: send.write(b"\0"), "no whole answer in time"),
        (lambda question, send: send.write(struct.pack("!H", MESSAGE_LIMIT + 1)), "more than"),
        (lambda question, send: send.write(framed(b"\0\0" + answer_to(question, "192.0.2.1")[2:])), "another question"),
        (lambda question, send: send.write(framed(answer_to(question, flags=0x0200))), "truncated over TCP, too"),
        (lambda question, send: send.write(framed(answer_to(question, "192.0.2.1")) * 3), None),
    ],
    ids=["good", "closed", "late", "huge", "forged", "truncated", "thrice"],
)
@pytest_twisted.ensureDeferred
async def test_what_did_not_fit_is_asked_for_over_tcp(servers, behaviour, why):
    port, _ = await servers(truncated, behaviour)
    found = await ask(port, timeout=LATE if why and "time" in why else GENEROUS)

    if why is None:
        assert found == GOOD
    else:
        assert why in found.why


@pytest_twisted.ensureDeferred
async def test_a_nameserver_without_tcp_is_a_failure(servers):
    port, _ = await servers(truncated)
    assert "no connection over TCP" in (await ask(port)).why


@pytest_twisted.ensureDeferred
async def test_a_socket_that_can_not_be_had_or_used_is_a_failure(servers, monkeypatch):
    config = ResolverConfig((("255.255.255.255", 53),), 0.2)
    assert isinstance(await Lookup(reactor).addresses(WWW, config), Bad)

    def no_socket(*_args):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(lookup.socket, "socket", no_socket)
    found = await Lookup(reactor).addresses(WWW, ResolverConfig(((HERE, 53),)))
    assert found.why == "can't be asked: Too many open files (127.0.0.1)"


@pytest_twisted.ensureDeferred
async def test_without_nameservers_those_of_the_machine_are_asked(tmp_path, monkeypatch):
    file = tmp_path / "resolv.conf"
    monkeypatch.setattr(lookup, "system_nameservers", lambda: system_nameservers(str(file)))
    found = await Lookup(reactor).addresses(WWW, ResolverConfig())
    assert found.why == "/etc/resolv.conf has no nameserver"


@pytest.mark.parametrize(
    ("content", "servers"),
    [
        (b"", ()),
        (b"search example.org\nnameserver 192.0.2.53\n# nameserver 192.0.2.54\n", (("192.0.2.53", 53),)),
        (b"nameserver 2001:DB8:0::53\nnameserver fe80::1%eth0\nnameserver\nnameserver x\n", (("2001:db8::53", 53),)),
        (b"\xff\n" + b"nameserver 192.0.2.53\n" * 5, (("192.0.2.53", 53),) * 3),
    ],
)
def test_resolv_conf_is_read_with_its_bounds(tmp_path, content, servers):
    file = tmp_path / "resolv.conf"
    file.write_bytes(content)
    assert system_nameservers(str(file)) == servers
    assert system_nameservers(str(tmp_path)) == ()
