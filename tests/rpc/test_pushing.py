"""Events on their way to watchers."""

from __future__ import annotations

import pytest
from twisted.spread.pb import Referenceable, RemoteError

from maglev.model.errors import LimitError, RefusedError
from maglev.rpc.server.perspective import MAX_WATCHES
from maglev.rpc.server.pushing import FEW, MAX_BATCH, MAX_REMEMBERED, PAUSE, WINDOW, EventBytes
from maglev.rpc.wire import LostError


def events(count, start=1, kind="backend"):
    return [{"type": kind, "seq": seq, "backend": f"b{seq}"} for seq in range(start, start + count)]


def test_events_arrive_in_order_and_all_of_them(rig):
    client = rig.connect()
    watch = rig.result(client.watch(log="info", backend=False))
    assert rig.control.calls == [("watch", "info", False, True)]
    rig.control.watches[0].put(*events(1000))

    got = []
    while len(got) < 1000:
        batch = rig.result(watch.next(), PAUSE)
        assert 0 < len(batch) <= 100
        got += batch
    assert got == events(1000)
    watch.close()
    rig.settle()


def test_a_client_that_does_not_take_events_gets_a_window_full_and_the_watch_keeps_the_rest(rig):
    client = rig.connect()
    watch = rig.result(client.watch())
    source = rig.control.watches[0]
    source.put(*events(1000))
    rig.settle(60)

    assert len(source.events) == 1000 - WINDOW * 100
    rig.result(watch.next())
    rig.settle(1)
    assert len(source.events) == 1000 - (WINDOW + 1) * 100
    watch.close()
    rig.settle()


def test_one_slow_client_does_not_hold_back_another(rig):
    slow = rig.connect()
    rig.result(slow.watch())
    fast = rig.connect()
    watch = rig.result(fast.watch())
    for control in rig.controls:
        control.watches[0].put(*events(500))

    assert sum(len(rig.result(watch.next())) for _ in range(5)) == 500


def test_single_events_are_gathered_for_a_moment(rig):
    client = rig.connect()
    watch = rig.result(client.watch())
    source = rig.control.watches[0]
    source.put(*events(1))
    assert len(rig.result(watch.next())) == 1
    for seq in range(FEW - 1):
        source.put(*events(1, seq + 2))

    results = rig.pending(watch_next(watch))
    assert results == []
    rig.settle(PAUSE)
    assert len(results[0]) == FEW - 1


async def watch_next(watch):
    return await watch.next()


def test_closing_the_watch_here_closes_it_there(rig):
    client = rig.connect()
    watch = rig.result(client.watch())
    source = rig.control.watches[0]
    results = rig.pending(watch_next(watch))
    watch.close()
    rig.settle()

    assert results == [[]]
    assert source.closed
    assert rig.result(watch.next()) == []
    assert rig.result(client.frontend("web"))


def test_closing_it_while_events_are_under_way_is_harmless(rig):
    client = rig.connect()
    watch = rig.result(client.watch())
    source = rig.control.watches[0]
    source.put(*events(1000))
    rig.settle()
    watch.close()
    rig.settle()

    assert source.closed
    assert rig.result(watch.next()) == []


def test_a_watch_that_the_daemon_ends_ends_here_after_its_last_event(rig):
    client = rig.connect()
    watch = rig.result(client.watch())
    source = rig.control.watches[0]
    source.put(*events(3))
    rig.settle(1)
    source.close()
    rig.settle(1)

    assert rig.result(watch.next()) == events(3)
    assert rig.result(watch.next()) == []


def test_a_lost_connection_is_an_error_for_anyone_who_waits_for_events(rig):
    client = rig.connect()
    watch = rig.result(client.watch())
    results = rig.pending(watch_next(watch))
    rig.links[0].server.abortConnection()
    rig.settle()

    assert results[0].check(LostError)
    with pytest.raises(LostError):
        rig.result(watch.next())
    assert rig.control.watches[0].closed


def test_only_one_waits_for_the_next_events(rig):
    client = rig.connect()
    watch = rig.result(client.watch())
    rig.pending(watch_next(watch))

    with pytest.raises(RuntimeError):
        watch.next()
    watch.close()
    rig.settle()


def test_a_reader_can_give_up_waiting_and_come_back(rig):
    client = rig.connect()
    watch = rig.result(client.watch())
    waiting = watch.next()
    waiting.addErrback(lambda _: None)
    waiting.cancel()
    rig.control.watches[0].put(*events(2))

    assert rig.result(watch.next()) == events(2)


def test_a_connection_has_so_many_watches_and_no_more(rig):
    client = rig.connect()
    watches = [rig.result(client.watch()) for _ in range(MAX_WATCHES)]
    with pytest.raises(LimitError, match=f"too many subscriptions: at most {MAX_WATCHES} "):
        rig.result(client.watch())

    watches[0].close()
    rig.settle()
    assert rig.result(client.watch())


def test_a_watcher_that_fails_ends_its_watch_and_nothing_else(rig):
    class FailingWatcher(Referenceable):
        def remote_events(self, _batch):
            raise RuntimeError("mistake of the client")

    perspective, link = rig.plain()
    rig.result(perspective.callRemote("watch", FailingWatcher()))
    rig.control.watches[0].put(*events(1))
    rig.settle(1)

    assert rig.control.watches[0].closed
    assert not link.lost


@pytest.fixture(autouse=True)
def mistakes_of_clients(logged_failures):
    yield
    logged_failures.flush(RuntimeError)


def test_a_watch_that_is_refused_is_an_error(rig):
    client = rig.connect()

    async def watch(**_):
        raise RefusedError("no such level")

    rig.control.watch = watch
    with pytest.raises(RefusedError, match="no such level"):
        rig.result(client.watch(log="nonsense"))


def test_a_watch_that_is_made_while_the_client_vanishes_is_closed(rig):
    from twisted.internet.defer import Deferred

    perspective, link = rig.plain()
    made = Deferred()
    control, watch = rig.control, rig.control.watch

    async def late(**filters):
        await made
        return await watch(**filters)

    control.watch = late
    perspective.callRemote("watch", Referenceable()).addErrback(lambda _: None)
    rig.settle()
    link.server.abortConnection()
    rig.settle()
    made.callback(None)
    rig.settle()

    assert all(each.closed for each in control.watches)


def test_large_events_are_sent_in_several_messages(rig):
    client = rig.connect()
    watch = rig.result(client.watch(log="debug"))
    large = [{"type": "log", "fields": {"traceback": "x" * 16_000}} for _ in range(20)]
    rig.control.watches[0].put(*large)

    first = rig.result(watch.next())
    assert 1 < len(first) <= MAX_BATCH // 16_000
    got = list(first)
    while len(got) < 20:
        got += rig.result(watch.next(), 1)
    assert got == large


def test_an_event_is_encoded_once_for_all():
    encoder = EventBytes()
    event = events(1)[0]

    assert encoder.encode(event) is encoder.encode(event)
    assert encoder.encode(dict(event)) == encoder.encode(event)


def test_what_is_remembered_is_bounded():
    encoder = EventBytes()
    many = events(3 * MAX_REMEMBERED)
    for event in many:
        encoder.encode(event)

    assert len(encoder._known) == MAX_REMEMBERED


def test_a_new_event_at_the_place_of_a_forgotten_one_is_not_mistaken_for_it():
    encoder = EventBytes()
    seen = set()
    for seq in range(5 * MAX_REMEMBERED):
        seen.add(encoder.encode({"type": "backend", "seq": seq}))

    assert len(seen) == 5 * MAX_REMEMBERED


def test_an_unknown_watch_can_be_ended_any_number_of_times(rig):
    perspective, _ = rig.plain()

    assert rig.result(perspective.callRemote("unwatch", 17)) is None
    with pytest.raises(RemoteError, match="whole number"):
        rig.result(perspective.callRemote("unwatch", "x"))
