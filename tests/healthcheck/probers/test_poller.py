"""The epoll set of the probes."""

from __future__ import annotations

import socket
from functools import partial
from select import EPOLLIN, EPOLLOUT

import pytest
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.probers.poller import BATCH, Poller
from maglev.runtime.budget import ANSWERS


class ReaderRegistry:
    def __init__(self):
        self.readers = []

    def addReader(self, reader):
        self.readers.append(reader)

    def removeReader(self, reader):
        self.readers.remove(reader)


class SocketOwner:
    def __init__(self, action=None):
        self.events = []
        self.crashes = 0
        self.action = action

    def ready(self, events):
        self.events.append(events)
        if self.action is not None:
            self.action()

    def crash(self):
        self.crashes += 1


def make_poller():
    clock = Clock()
    return Poller(ReaderRegistry(), clock, LagMonitor(clock))


@pytest.fixture
def poller():
    poller = make_poller()
    yield poller
    poller.close()


@pytest.fixture
def pairs():
    """Return a function that makes connected sockets."""
    made = []

    def make():
        pair = socket.socketpair()
        made.extend(pair)
        return pair

    yield make
    for one in made:
        one.close()


def test_it_is_one_reader_of_the_reactor_until_it_is_closed():
    poller = make_poller()
    verifyObject(IReadDescriptor, poller)
    assert poller._reactor.readers == [poller]
    assert poller.fileno() >= 0
    assert poller.logPrefix() == "probes"
    poller.close()
    poller.close()
    assert poller._reactor.readers == []
    assert poller.fileno() == -1


def test_it_tells_what_was_asked_for(poller, pairs):
    ours, theirs = pairs()
    listener = SocketOwner()
    poller.watch(ours.fileno(), EPOLLIN, listener)
    poller.doRead()
    assert listener.events == []
    theirs.send(b"x")
    poller.doRead()
    assert listener.events == [EPOLLIN]
    poller.change(ours.fileno(), EPOLLOUT)
    poller.doRead()
    assert listener.events == [EPOLLIN, EPOLLOUT]


def test_a_closed_socket_is_out_of_the_set(poller, pairs):
    ours, theirs = pairs()
    listener = SocketOwner()
    poller.watch(ours.fileno(), EPOLLIN, listener)
    theirs.send(b"x")
    poller.forget(ours.fileno())
    ours.close()
    poller.doRead()
    assert listener.events == []


def test_one_that_is_closed_by_an_earlier_event_hears_nothing(poller, pairs):
    ours, other = pairs()
    listeners = []

    def close_both():
        for one in (ours, other):
            poller.forget(one.fileno())

    for one in (ours, other):
        listener = SocketOwner(close_both)
        listeners.append(listener)
        poller.watch(one.fileno(), EPOLLOUT, listener)
    poller.doRead()
    assert sum(len(listener.events) for listener in listeners) == 1


def test_a_bug_of_one_does_not_cost_the_others_their_events(poller, pairs, logged_failures):
    ours, other = pairs()
    bad, good = SocketOwner(lambda: 1 // 0), SocketOwner()
    poller.watch(ours.fileno(), EPOLLOUT, bad)
    poller.watch(other.fileno(), EPOLLOUT, good)
    poller.doRead()
    assert (bad.crashes, good.crashes, good.events) == (1, 0, [EPOLLOUT])
    assert len(logged_failures.flush(ZeroDivisionError)) == 1


def test_it_may_be_closed_from_within_an_event(poller, pairs):
    ours, other = pairs()
    for one in (ours, other):
        poller.watch(one.fileno(), EPOLLOUT, SocketOwner(poller.close))
    poller.doRead()
    assert poller.fileno() == -1


def test_everybody_has_a_turn_in_one_turn_of_the_reactor_if_it_does_not_take_long(poller, pairs):
    # What was told is not ready any more, as with real probes: otherwise it would never end.
    descriptors = [one for _ in range(2 * BATCH) for one in pairs()]
    listeners = [SocketOwner(partial(poller.change, one.fileno(), EPOLLIN)) for one in descriptors]
    for one, listener in zip(descriptors, listeners, strict=True):
        poller.watch(one.fileno(), EPOLLOUT, listener)
    poller.doRead()
    assert all(listener.events == [EPOLLOUT] for listener in listeners)


def test_the_reactor_has_its_turn_when_the_events_took_long(poller, pairs):
    descriptors = [one.fileno() for _ in range(BATCH) for one in pairs()]
    listeners = [SocketOwner(lambda: poller._clock.advance(ANSWERS / BATCH)) for _ in descriptors]
    for descriptor, listener in zip(descriptors, listeners, strict=True):
        poller.watch(descriptor, EPOLLOUT, listener)
    poller.doRead()
    assert sum(len(listener.events) for listener in listeners) == BATCH
    assert poller.busy()
    poller._clock.advance(1.0)
    assert poller._lag.worst_since(0.0) == pytest.approx(1.0)
    poller.doRead()
    assert all(len(listener.events) == 1 for listener in listeners), "who had no turn goes first in the next"


def test_it_is_busy_no_more_when_nothing_is_left(poller, pairs):
    # Exactly as many as there were: what is asked for next time would never come.
    descriptors = [one for _ in range(BATCH // 2) for one in pairs()]
    for one in descriptors:
        listener = SocketOwner(lambda: poller._clock.advance(ANSWERS))
        poller.watch(one.fileno(), EPOLLOUT, listener)
    poller.doRead()
    for one in descriptors:
        poller.change(one.fileno(), EPOLLIN)
    poller._clock.advance(0.5)
    assert not poller.busy()
    assert poller._lag.worst_since(0.0) == pytest.approx(0.5), "until then, for all anybody knew, answers were waiting"
    poller._clock.advance(10.0)
    assert poller._lag.worst_since(5.0) == 0.0
