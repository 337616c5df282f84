"""Streams of pages: snapshots, frames, interruptions, slow readers and limits."""

import json
import re
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from maglev.model.event_views import EventView
from maglev.web import frames, streams
from maglev.web.feed import BEAT, FRAME, LINGER
from maglev.web.history import PERIOD
from tests.fakes.configs import make_check, make_config, make_frontend
from tests.fakes.web import WALL, WebWorld
from tests.fakes.world import PEER_VIPS, PEERS


@pytest.fixture
def world():
    made = WebWorld()
    yield made
    made.end()
    assert made.clock.getDelayedCalls() == []


def changed(message, kind):
    return message[2].get("rows", {}).get(kind, {})


def test_a_page_gets_a_snapshot_then_what_changes(world):
    page = world.open()
    ((kind, number, data),) = page.messages()
    assert (kind, number, data["boot"], data["at"]) == ("snapshot", "b007.0", "b007", WALL)
    assert data["rows"]["frontends"]["web"]["pools"][0]["backends"] == ["a", "b"]
    assert data["rows"]["about"]["daemon"] == {"host": "lb1", "version": "1.2", "commit": "abc", "build_date": "today"}
    assert data["rows"]["backends"]["a"]["state"] == "unknown"
    assert {event["type"] for event in data["events"]} == {"backend"}
    world.pass_time(0.2)
    world.result("a", ok=True)
    world.pass_time(0.15)
    frame = page.messages()[1]
    assert (frame[0], frame[1]) == ("frame", "b007.1")
    assert changed(frame, "backends")["a"]["state"] == "up"
    assert changed(frame, "frontends")["web"]["state"] == "up"
    assert changed(frame, "members")["web/pool0/a"][:3] == [100, 100, 100]
    assert changed(frame, "checks")["a"] == [True, "L7OK", "status 200"]
    assert [event["to"] for event in frame[2]["events"]] == ["up", "up"]


def test_results_without_an_event_come_with_the_next_sweep(world):
    world.result("a")
    page = world.open()
    world.pass_time(0.5)
    world.result("a")
    world.pass_time(1.5)
    seen = [changed(message, "seen").get("a") for message in page.messages()[1:]]
    assert seen[0] == [pytest.approx(WALL + 0.5, abs=0.1), 0.0]
    assert len(seen) == 1


def test_changes_are_gathered_into_frames(world):
    page = world.open()
    world.pass_time(1)
    before = len(page.messages())
    for _ in range(20):
        for name in "abc":
            world.result(name, ok=True)
            world.result(name, ok=False)
        world.pass_time(0.05)
    assert before < len(page.messages()) <= before + round(1 / FRAME) + 2
    assert sum(len(message[2].get("events", ())) for message in page.messages()[before:]) >= 120


def test_the_same_bytes_go_to_all_pages(world):
    pages = [world.open() for _ in range(3)]
    world.pass_time(0.2)
    world.result("a")
    world.pass_time(1)
    assert pages[0].text == pages[1].text == pages[2].text
    assert len(world.hub) == 1


@pytest.mark.parametrize("by", ["header", "argument"])
def test_a_page_goes_on_where_it_was(world, by):
    page = world.open()
    world.pass_time(0.2)
    page.connection.lose()
    world.connections.remove(page.connection)
    world.result("a")
    world.pass_time(1)
    asked = {"header": {"last_event_id": "b007.0"}, "argument": {"path": "/api/events?after=b007.0"}}[by]
    again = world.open(**asked)
    assert again.kinds()[0] == "frame"
    assert again.messages()[0][1] == "b007.1"


@pytest.mark.parametrize("last", ["0123.0", "b007.99", "x", "b007", "b007.-1"])
def test_a_page_from_another_run_gets_a_snapshot(world, last):
    page = world.open(last_event_id=last)
    assert page.kinds()[-1] == "snapshot"
    assert page.kinds().count("frame") == 0


def test_a_page_that_was_away_for_too_long_is_told_so(world, monkeypatch):
    monkeypatch.setattr(frames, "KEPT_FRAMES", 3)
    first = world.open()
    world.pass_time(0.2)
    for turn in range(8):
        world.result("a", ok=turn % 2 == 0)
        world.pass_time(0.2)
    page = world.open(last_event_id="b007.1")
    assert page.kinds()[:2] == ["gap", "snapshot"]
    assert page.messages()[0][2]["missed"] == world.feed.frames.number - 1
    assert (
        page.messages()[1][2]["rows"]["backends"] == json.loads(world.feed.frames.snapshot().text)["rows"]["backends"]
    )
    assert "gap" not in first.kinds()


def test_frames_are_bounded_by_their_bytes(world, monkeypatch):
    monkeypatch.setattr(frames, "KEPT_BYTES", 1000)
    world.open()
    for turn in range(10):
        world.result("a", ok=turn % 2 == 0)
        world.pass_time(0.2)
    kept = world.feed.frames._kept
    assert sum(len(frame.text) for frame in kept) == world.feed.frames._size <= 1000 + len(kept[-1].text)


def test_a_slow_page_is_written_nothing_and_catches_up(world):
    slow, quick = world.open(), world.open()
    producer = slow.connection.channel
    world.pass_time(0.2)
    producer.pauseProducing()
    written = len(slow.connection.transport.value())
    for turn in range(6):
        world.result("a", ok=turn % 2 == 0)
        world.pass_time(0.3)
    assert len(slow.connection.transport.value()) == written
    producer.resumeProducing()
    world.clock.turn()
    assert slow.messages() == quick.messages()


def test_a_page_that_is_much_too_slow_gets_a_new_snapshot(world, monkeypatch):
    monkeypatch.setattr(frames, "KEPT_FRAMES", 2)
    page = world.open()
    world.pass_time(0.2)
    page.connection.channel.pauseProducing()
    for turn in range(8):
        world.result("a", ok=turn % 2 == 0)
        world.pass_time(0.3)
    page.connection.channel.resumeProducing()
    world.clock.turn()
    assert page.kinds()[:3] == ["snapshot", "gap", "snapshot"]


def test_a_snapshot_is_written_in_pieces_while_the_page_reads(world, monkeypatch):
    monkeypatch.setattr(streams, "PIECE", 100)
    page = world.send("/api/events")  # everything is read once
    whole = len(page.transport.value())
    written = []
    stream = next(iter(world.streams._open))
    stream._had = None
    real = stream._write

    def write(data):
        written.append(data)
        real(data)
        if len(written) == 3:
            stream.pauseProducing()

    stream._write = write
    stream.wake()
    assert [len(each) for each in written] == [100, 100, 100]
    stream.resumeProducing()
    assert len(b"".join(written)) > 1000
    assert whole > 1000


def test_a_page_is_told_that_nothing_is_new(world):
    page = world.open()
    # Samples of the traffic make frames; what is between two of them is too short for two beats.
    world.pass_time(4 * BEAT, step=0.5)
    assert page.beats() >= 3
    assert "event: beat\ndata: {}\n\n" in page.text


def test_no_page_hears_nothing_for_three_beats(world):
    page = world.open()
    for _ in range(10):
        before = page.text
        world.pass_time(BEAT + 1, step=0.5)
        assert page.text != before


def test_a_page_that_comes_back_is_told_at_once_that_it_missed_nothing(world):
    world.open()
    page = world.open(last_event_id="b007.0")
    assert (page.messages(), page.beats()) == ([], 1)


def test_a_page_that_does_not_read_is_sent_no_beats(world):
    page = world.open()
    (stream,) = world.feed.frames.viewers
    stream.pauseProducing()
    world.pass_time(4 * BEAT, step=0.5)
    assert page.beats() == 0


def test_the_page_waits_for_about_three_beats():
    text = (Path(streams.__file__).parent / "static" / "stream.js").read_text()
    silence = int(re.search(r"SILENCE = ([\d_]+)", text)[1].replace("_", "")) / 1000
    assert 3 * BEAT <= silence <= 4 * BEAT


def test_the_page_has_words_for_each_kind_of_event():
    text = (Path(streams.__file__).parent / "static" / "events.js").read_text()
    kinds = {get_args(get_type_hints(view)["type"])[0] for view in get_args(EventView)}
    assert kinds - set(re.findall(r'case "(\w+)":', text)) == {"snapshot", "log"}  # these two are not sent


def test_pages_are_limited_in_number(world, monkeypatch):
    monkeypatch.setattr(streams, "MAX_PAGES", 4)
    monkeypatch.setattr(streams, "MAX_PAGES_OF_ONE", 2)
    pages = [world.open(source=source) for source in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3")]
    assert [page.connection.status() for page in pages] == [200] * 4
    assert world.send("/api/events", source="192.0.2.1").status() == 503
    assert world.send("/api/events", source="192.0.2.4").status() == 503
    pages[0].connection.lose()
    world.connections.remove(pages[0].connection)
    assert world.send("/api/events", source="192.0.2.1").status() == 200


def test_nothing_is_read_while_nobody_looks(world):
    page = world.open()
    page.connection.lose()
    world.connections.remove(page.connection)
    world.pass_time(LINGER + 2, step=0.5)
    assert (len(world.hub), world.clock.getDelayedCalls()) == (0, [])
    assert world.open(last_event_id="b007.0").kinds() == ["gap", "snapshot"]
    assert len(world.hub) == 1


def test_a_page_that_comes_back_in_time_finds_its_frames(world):
    page = world.open()
    page.connection.lose()
    world.connections.remove(page.connection)
    world.pass_time(LINGER / 2, step=0.5)
    world.result("a")
    world.pass_time(1)
    assert world.open(last_event_id="b007.0").kinds()[0] == "frame"


def test_one_snapshot_needs_no_stream(world):
    status, answer = world.ask("/api/snapshot")
    assert (status, answer["boot"], len(world.streams)) == (200, "b007", 0)
    assert len(world.feed.frames.viewers) == 0


def test_too_many_events_leave_a_gap(world):
    page = world.open()
    world.pass_time(0.5)
    for turn in range(300):
        world.result("a", ok=turn % 2 == 0)
    world.pass_time(0.3)
    events = [event for message in page.messages()[1:] for event in message[2].get("events", ())]
    assert events[200]["type"] == "gap"
    assert events[200]["missed"] > 100


def test_an_override_shows_at_once_and_what_is_removed_goes(world):
    page = world.open()
    world.pass_time(0.2)
    cookie = world.log_in()
    order = {"verb": "drain_backend", "arguments": {"name": "a", "reason": "disk"}}
    world.post("/api/order", order, cookie=cookie)
    world.pass_time(0.3)
    rows = {}
    for message in page.messages()[1:]:
        rows |= changed(message, "backends")
    assert rows["a"]["override"]["reason"] == "disk"
    assert rows["a"]["state"] == "draining"
    world.board.apply(make_config(checks=[make_check(rise=1, fall=1)], frontends=[make_frontend(pools=(("b",),))]))
    world.pass_time(1.5)
    gone = {}
    for message in page.messages()[1:]:
        for kind in ("backends", "members"):
            gone |= changed(message, kind)
    assert gone["a"] is None
    assert gone["web/pool0/a"] is None


def test_traffic_is_sampled_before_anybody_looks(world):
    counts = {"a": 0}

    async def counters(after="", limit=100):
        counts["a"] += 1000
        view = {
            "frontend": "web",
            "backend": "a",
            "first": counts["a"],
            "next": 0,
            "untracked": 0,
            "fib_packets": counts["a"],
        }
        return {"rows": [view, {**view, "frontend": None, "backend": None}], "next": None}

    world.feed._control.vpp_lb_counters = counters
    world.feed._control.vpp_backend_counters = counters
    world.feed.start()
    world.pass_time(3 * PERIOD + 1, step=0.5)
    page = world.open()
    assert page.messages()[0][2]["traffic"] == {"vips": {"web": [0, 200, 200]}, "backends": {"a": [0, 200, 200]}}
    world.pass_time(PERIOD, step=0.5)
    (traffic,) = [message[2]["traffic"] for message in page.messages()[1:] if "traffic" in message[2]]
    assert traffic == {"vips": {"web": 200}, "backends": {"a": 200}}


def test_other_balancers_are_shown_with_what_several_serve(world):
    answer = {"host": "lb1", "peers": PEERS, "rows": [*PEER_VIPS, {**PEER_VIPS[0], "port": 443}], "next": None}
    answer["rows"][1]["sides"] = answer["rows"][1]["sides"][:1]
    pages = [{**answer, "rows": answer["rows"][:1], "next": "1"}, {**answer, "rows": answer["rows"][1:]}]
    world.control.peers = lambda after, _limit: pages[int(after or 0)]
    page = world.open()
    rows = page.messages()[0][2]["rows"]

    assert rows["peers"]["lb3"]["state"] == "cannot-confirm"
    assert "age" not in rows["peers"]["lb2"]
    assert list(rows["vips"]) == ["203.0.113.80/32 tcp 80"]
    (vip,) = rows["vips"].values()
    assert vip["differences"] == ["www1: configured weight 100 here, 50 at lb2"]
    assert [side["servers"]["198.51.100.11"][2] for side in vip["sides"]] == [100, 50]
    pages[:] = [{**answer, "rows": []}]
    world.pass_time(2)
    assert changed(page.messages()[1], "vips") == {"203.0.113.80/32 tcp 80": None}
