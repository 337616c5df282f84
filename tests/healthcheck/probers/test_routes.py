"""What the kernel says about a route, and what is made of it; a real kernel is in `tests.real.test_carrier_real`."""

from __future__ import annotations

import errno
import socket
import struct

import pytest

from maglev.healthcheck.probers.faults import is_unanswered
from maglev.healthcheck.probers.routes import NO_ROUTE, Routes, links_of, question
from maglev.healthcheck.probers.sockets import Destination, SocketOpener
from maglev.model.result import Code, LocalFault

BACKEND = Destination(socket.AF_INET, ("192.0.2.1", 80))
HEADER = struct.Struct("=IHHII")
UNICAST, LOCAL = 1, 2
OIF, MULTIPATH = 4, 9
BOTH_DOWN = LocalFault("network", "link not operational: eth2, eth3")


def attribute(kind, value):
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def hop(link):
    return struct.pack("=HBBi", 8, 0, 0, link)


def answer(*attributes, kind=UNICAST, sequence=1):
    body = struct.pack("=8BI", 2, 32, 0, 0, 0, 0, 0, kind, 0) + b"".join(attributes)
    return HEADER.pack(16 + len(body), 24, 0, sequence, 0) + body


def refusal(number, sequence=1):
    return HEADER.pack(20, 2, 0, sequence, 0) + struct.pack("=i", -number)


def one(link):
    return attribute(OIF, struct.pack("=i", link))


class Talk:
    """A netlink socket that answers what the test says, and links by their index: name, flags."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.closed = 0

    def send(self, data):
        self.asked = data

    def recv(self, _size):
        found = self.answers.pop(0)
        if isinstance(found, OSError):
            raise found
        return found

    def close(self):
        self.closed += 1


class Opener(SocketOpener):
    """Opens sockets that talk."""

    def __init__(self, *talks):
        super().__init__()
        self.talks = list(talks)
        self.identity = None

    def open(self, of_family, kind, protocol=0):
        assert of_family == socket.AF_NETLINK
        return self.talks.pop(0)

    def namespace_identity(self):
        return self.identity


@pytest.fixture
def links(monkeypatch):
    """Which links are operational."""
    states = {2: True, 3: True}

    def ioctl(_socket, request, data):
        if request == 0x8910:
            link = struct.unpack_from("=i", data, 16)[0]
            if link not in states:
                raise OSError(errno.ENODEV, "gone")
            return struct.pack("=16s24x", b"eth%d" % link)
        name = data[:16].rstrip(b"\0")
        return struct.pack("=16si20x", name, 0x40 if states[int(name[3:])] else 0)

    monkeypatch.setattr("maglev.healthcheck.probers.routes.fcntl.ioctl", ioctl)
    return states


@pytest.mark.parametrize(
    ("code", "detail", "unanswered"),
    [
        (Code.L4TOUT, "no connection in time", True),
        (Code.L6TOUT, "", True),
        (Code.L7TOUT, "no reply", True),
        (Code.L4CON, "host unreachable", True),
        (Code.L4CON, "connection refused", False),
        (Code.L4CON, "connection reset", False),
        (Code.L7STS, "503", False),
        (Code.L7RSP, "closed", False),
        (Code.L4OK, "", False),
    ],
)
def test_what_says_that_nothing_came_from_the_backend(code, detail, unanswered):
    assert is_unanswered(code, detail) is unanswered


@pytest.mark.parametrize(
    ("found", "links"),
    [
        (answer(one(2)), [2]),
        (answer(attribute(1, b"abcde"), one(7)), [7]),
        (answer(attribute(MULTIPATH, hop(3) + hop(2))), [2, 3]),
        (answer(one(1), kind=LOCAL), []),
        (answer(), []),
        (answer(struct.pack("=HH", 0, 1)), []),
        (answer(attribute(MULTIPATH, struct.pack("=HBBi", 0, 0, 0, 3))), [3]),
    ],
)
def test_the_links_of_a_route(found, links):
    assert links_of(found) == links


def test_the_question_names_the_destination_and_the_source():
    asked = question(Destination(socket.AF_INET, ("192.0.2.1", 80), ("192.0.2.9", 0)), 5)
    assert HEADER.unpack_from(asked) == (len(asked), 26, 1, 5, 0)
    assert asked[28:] == attribute(1, bytes([192, 0, 2, 1])) + attribute(2, bytes([192, 0, 2, 9]))
    asked = question(Destination(socket.AF_INET6, ("2001:db8::1", 0, 0, 0)), 1)
    assert (asked[16], asked[17], len(asked)) == (socket.AF_INET6, 128, 28 + 20)


@pytest.mark.parametrize(
    ("found", "down", "fault"),
    [
        (answer(one(2)), [], None),
        (answer(one(2)), [2], LocalFault("network", "link not operational: eth2")),
        (answer(one(2)), [3], None),
        (answer(attribute(MULTIPATH, hop(2) + hop(3))), [2], None),
        (
            answer(attribute(MULTIPATH, hop(2) + hop(3))),
            [2, 3],
            LocalFault("network", "link not operational: eth2, eth3"),
        ),
        (answer(one(2), kind=LOCAL), [2], None),
        (refusal(errno.ENETUNREACH), [], NO_ROUTE),
        (refusal(errno.EINVAL), [], None),
        (HEADER.pack(16, 3, 0, 1, 0), [], None),
        (answer(one(9)), [], None),
        (answer(one(2))[:20], [2], None),
        (OSError(errno.EAGAIN, "nothing"), [2], None),
    ],
)
def test_only_what_the_kernel_is_sure_of_is_a_fault(links, found, down, fault):
    links.update(dict.fromkeys(down, False))
    routes = Routes(Opener(Talk(found)))
    assert routes.fault_towards(BACKEND) == fault
    routes.close()


# Answers from a VIP

VIP = Destination.at("203.0.113.1")
VIP6, BACKEND6 = Destination.at("2001:db8::1"), Destination.at("2001:db8:1::1")
LOCAL_VIP = LocalFault("tunnel", "203.0.113.1 is an address of this machine: its answers are dropped")
FILTERED = LocalFault("tunnel", "rp_filter of eth2 drops answers from 203.0.113.1")
OFF, STRICT, LOOSE = 0, 1, 2


def filtering(value, kind=80):
    body = struct.pack("=B3x", socket.AF_INET) + attribute(3, struct.pack("=i", value))
    return HEADER.pack(16 + len(body), kind, 0, 0, 0) + body


def renumbered(answers):
    """Return answers with the numbers of the questions."""
    return [found[:8] + struct.pack("=I", number) + found[12:] for number, found in enumerate(answers, 1)]


def fault_of_answers(*answers, vip=VIP, backend=BACKEND):
    routes = Routes(Opener(Talk(*renumbered(answers))))
    found = routes.fault_of_answers(vip, backend)
    routes.close()
    return found


@pytest.mark.parametrize(("way", "every", "link", "fault"), [
    (one(2), OFF, OFF, None),
    (one(2), STRICT, OFF, None),
    (one(3), STRICT, OFF, FILTERED),
    (one(3), OFF, STRICT, FILTERED),
    (one(3), STRICT, LOOSE, None),
    (attribute(MULTIPATH, hop(3) + hop(2)), OFF, STRICT, None),
])  # fmt: skip
def test_a_filter_drops_what_would_not_go_back_by_the_link(links, way, every, link, fault):
    # The way to the VIP, that to the backend, both filters, and again that to the backend.
    answers = [answer(way), answer(one(2)), filtering(every), filtering(link), answer(one(2))]
    assert fault_of_answers(*answers) == fault


@pytest.mark.parametrize(("link", "fault"), [(OFF, None), (LOOSE, FILTERED), (STRICT, FILTERED)])
def test_without_a_way_back_a_loose_filter_drops_too(links, link, fault):
    answers = [refusal(errno.ENETUNREACH), answer(one(2)), filtering(OFF), filtering(link), answer(one(2))]
    assert fault_of_answers(*answers) == fault


def test_one_link_that_takes_the_answers_is_enough(links):
    both = answer(attribute(MULTIPATH, hop(2) + hop(3)))
    answers = [answer(one(3)), both, filtering(OFF), filtering(STRICT), filtering(STRICT), both]
    assert fault_of_answers(*answers) is None


def test_a_vip_of_our_own(links):
    assert fault_of_answers(answer(one(1), kind=LOCAL)) == LOCAL_VIP


def test_ipv6_has_no_such_filter(links):
    assert fault_of_answers(answer(one(3)), answer(one(2)), vip=VIP6, backend=BACKEND6) is None


def test_a_link_that_is_down_is_the_fault_of_this_machine_here_too(links):
    links[2] = False
    answers = [answer(one(2)), answer(one(2)), filtering(OFF), filtering(OFF), answer(one(2))]
    assert fault_of_answers(*answers) == LocalFault("network", "link not operational: eth2")


@pytest.mark.parametrize("odd", [
    HEADER.pack(16, 3, 0, 0, 0),
    filtering(STRICT, kind=81),
    filtering(STRICT)[:20],
])  # fmt: skip
def test_a_filter_of_which_the_kernel_says_nothing_is_off(links, odd):
    answers = [answer(one(3)), answer(one(2)), odd, odd, answer(one(2))]
    assert fault_of_answers(*answers) is None


def test_a_backend_on_this_machine_is_not_asked_about(links):
    local = answer(one(1), kind=LOCAL)
    assert fault_of_answers(answer(one(3)), local, filtering(STRICT), local) is None


def test_what_the_kernel_does_not_answer_makes_no_fault(links):
    assert fault_of_answers(refusal(errno.EINVAL)) is None
    assert (
        fault_of_answers(HEADER.pack(16, 3, 0, 1, 0), answer(one(2)), filtering(OFF), filtering(OFF), answer(one(2)))
        is None
    )


def test_an_older_answer_is_passed_over(links):
    links[3] = False
    routes = Routes(Opener(Talk(answer(one(2), sequence=0), answer(one(3)))))
    assert routes.fault_towards(BACKEND) == LocalFault("network", "link not operational: eth3")
    routes.close()


def test_the_socket_is_kept_until_something_fails_or_the_namespace_is_another(links):
    talks = [
        Talk(answer(one(2)), answer(one(2), sequence=2), refusal(errno.EPERM, 3)),
        Talk(answer(one(2), sequence=4)),
    ]
    talks.append(Talk(answer(one(2), sequence=5)))
    opener = Opener(*talks)
    routes = Routes(opener)
    for _ in range(4):
        assert routes.fault_towards(BACKEND) is None
    opener.identity = (1, 2)
    assert routes.fault_towards(BACKEND) is None
    assert [talk.closed for talk in talks] == [1, 1, 0]
    routes.close()
    routes.close()
    assert [talk.closed for talk in talks] == [1, 1, 1]
