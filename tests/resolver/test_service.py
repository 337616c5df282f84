"""When names are looked up, and what becomes of answers: with a clock of the test, and answers that it gives."""

import pytest
from twisted.internet.defer import Deferred

from maglev.control.name_views import name_pages
from maglev.metrics.names import NameCollector
from maglev.resolver.answer import Addresses, Bad
from maglev.resolver.record import decode
from maglev.resolver.service import (
    KEEP_AFTER,
    MAX_PAUSE,
    MOST_LOOKUPS,
    MOST_PREVIEWS,
    PREVIEW,
    SETTLE,
    NameService,
)
from tests.fakes.logs import recorded_events
from tests.fakes.names import named_config
from tests.fakes.reactor import FakeReactor

ONE, TWO = ("10.1.0.1",), ("10.1.0.1", "10.1.0.2")


class ResolverRig:
    """A resolver whose lookups wait for the test."""

    def __init__(self, config, path="", ahead=1_700_000_000.0):
        self.reactor = FakeReactor()
        self.ahead = ahead
        self.waiting = []
        self.changes = 0
        self.news = []
        self.service = NameService(self.reactor, self.wall, self.ask, lambda: 1.0, str(path), config)
        self.service.changed = self.change
        self.service.tell = lambda news: self.news.append(news.action)

    def wall(self):
        return self.reactor.seconds() + self.ahead

    def change(self):
        self.changes += 1

    def ask(self, names, config):
        answer = Deferred()
        self.waiting.append((names.name, answer))
        return answer

    def start(self):
        self.service.startService()
        return self.pass_time(0)

    def pass_time(self, seconds):
        self.reactor.advance(seconds)
        self.reactor.run_threads()
        return self

    def answer(self, found, name="www"):
        """Answer the lookup of a name that is under way."""
        (index,) = [number for number, (each, _) in enumerate(self.waiting) if each == name]
        _, answer = self.waiting.pop(index)
        answer.callback(found if isinstance(found, Bad) else Addresses(*found))
        self.reactor.run_threads()

    def due(self, name="www"):
        due = self.service.statuses[name].due
        return None if due is None else due - self.reactor.seconds()

    def stop(self):
        self.service.stopService()
        self.pass_time(2)
        assert self.reactor.getDelayedCalls() == []


@pytest.fixture
def rigs():
    made = []

    def rig(config=None, **arguments):
        made.append(ResolverRig(config or named_config(min_ttl=5.0, max_ttl=100.0), **arguments))
        return made[-1]

    yield rig
    for each in made:
        each.stop()


@pytest.mark.parametrize(("ttl", "pause"), [(0.0, 5.0), (4.0, 5.0), (30.0, 30.0), (100.0, 100.0), (2.0**31 - 1, 100.0)])
def test_the_next_lookup_is_when_the_answer_no_longer_holds_within_bounds(rigs, ttl, pause):
    rig = rigs().start()
    assert rig.due() is None
    rig.answer((TWO, ttl))

    assert rig.due() == pause
    rig.pass_time(pause - 0.1)
    assert rig.waiting == []
    rig.pass_time(0.2)
    assert len(rig.waiting) == 1


def test_pauses_after_failures_double_up_to_a_bound_and_end_with_a_good_answer(rigs):
    rig = rigs().start()
    pauses = []
    for _ in range(7):
        rig.answer(Bad("SERVFAIL"))
        pauses.append(rig.due())
        rig.pass_time(rig.due())
    assert pauses == [5.0, 10.0, 20.0, 40.0, MAX_PAUSE, MAX_PAUSE, MAX_PAUSE]
    rig.answer((ONE, 7.0))

    assert rig.due() == 7.0
    assert rig.news == ["failed", "recovered", "changed"]
    assert rig.service.statuses["www"].counts == {"good": 1, "failed": 7}
    assert rig.service.statuses["www"].failures == 0


def test_a_change_is_told_once_for_all_that_come_together(rigs):
    rig = rigs(named_config(names=("www", "api"))).start()
    rig.answer((ONE, 7.0))
    rig.answer((("10.2.0.1",), 7.0), "api")
    assert rig.changes == 0
    rig.pass_time(SETTLE)

    assert rig.changes == 1
    rig.pass_time(7)
    rig.answer((ONE, 7.0))
    rig.pass_time(1)
    assert rig.changes == 1


def test_what_can_not_be_used_is_told_when_it_changes(rigs):
    rig = rigs().start()
    with recorded_events() as events:
        for _ in range(3):
            rig.answer((("10.1.0.1", "192.0.2.1"), 5.0))
            rig.pass_time(5)
        rig.answer((ONE, 5.0))

    assert rig.news == ["changed", "refused"]
    assert [name for name, _ in events if name.startswith("name")] == [
        "name-changed",
        "name-refused",
    ]


def test_lookups_at_once_are_bounded(rigs):
    names = [f"n{number}" for number in range(MOST_LOOKUPS + 4)]
    rig = rigs(named_config(names=names)).start()
    assert len(rig.waiting) == MOST_LOOKUPS
    rig.answer((("10.3.0.1",), 5.0), "n0")
    assert len(rig.waiting) == MOST_LOOKUPS


def test_a_lookup_that_raises_is_followed_by_another(rigs, logged_failures):
    rig = rigs().start()
    _, answer = rig.waiting.pop()
    answer.errback(ZeroDivisionError())
    assert len(logged_failures.flush(ZeroDivisionError)) == 1

    assert rig.due() == 5.0
    rig.pass_time(5)
    rig.answer((ONE, 9.0))
    assert rig.changes == 0
    rig.pass_time(1)
    assert rig.changes == 1


def test_the_last_good_answers_are_kept(rigs, tmp_path):
    path = tmp_path / "names.json"
    rig = rigs(path=path).start()
    rig.answer((TWO, 5.0))
    rig.pass_time(1)
    assert [dict(each.numbers) for each in decode(path.read_bytes())] == [{1: TWO[0], 2: TWO[1]}]
    kept_at = decode(path.read_bytes())[0].at
    rig.pass_time(4)
    rig.answer((TWO, 5.0))
    assert decode(path.read_bytes())[0].at == kept_at
    rig.pass_time(KEEP_AFTER)
    rig.answer((TWO, 5.0))
    rig.pass_time(1)
    assert decode(path.read_bytes())[0].at > kept_at

    again = rigs(path=path, ahead=1_700_010_000.0)
    assert again.service.expanded().backends["www-2"].address == TWO[1]
    assert again.service.age("www") > 9000
    back = rigs(path=path, ahead=1_600_000_000.0)
    assert back.service.age("www") == 0


def test_a_file_that_can_not_be_read_is_set_aside(rigs, tmp_path):
    path = tmp_path / "names.json"
    path.mkdir()
    with recorded_events() as events:
        rig = rigs(path=path)

    assert rig.service.damage
    assert [name for name, _ in events] == ["names-damaged"]
    assert rig.service.book.numbers() == {}


def test_an_answer_to_a_name_that_is_no_longer_there_is_forgotten(rigs):
    rig = rigs().start()
    rig.service.configure(named_config(dns_name="new.example.org", min_ttl=5.0, max_ttl=100.0))
    old = rig.waiting.pop(0)[1]
    rig.pass_time(0)
    (new,) = rig.waiting
    old.callback(Addresses(ONE, 5.0))
    rig.pass_time(0)
    assert rig.service.book.numbers() == {}
    assert rig.waiting == [new]
    rig.answer((TWO, 5.0))
    assert rig.service.book.numbers() == {"www": {1: TWO[0], 2: TWO[1]}}


def test_another_configuration_asks_for_what_is_new_at_once(rigs):
    rig = rigs().start()
    rig.answer((ONE, 50.0))
    rig.service.configure(named_config(names=("www", "api"), min_ttl=5.0, max_ttl=100.0))
    rig.pass_time(0)
    assert [name for name, _ in rig.waiting] == ["api"]
    rig.answer((("10.2.0.1",), 50.0), "api")
    rig.service.configure(named_config(names=("www", "api"), min_ttl=6.0, max_ttl=100.0))
    rig.pass_time(0)
    assert [name for name, _ in rig.waiting] == ["www", "api"]
    rig.service.configure(named_config(names=("www",), min_ttl=7.0, max_ttl=100.0))
    assert list(rig.service.statuses) == ["www"]
    rig.answer((ONE, 50.0))
    rig.service.configure(named_config(names=()))
    assert rig.service.statuses == {}
    rig.service.configure(named_config(names=()))


def test_a_check_does_not_wait_for_nameservers_for_long(rigs):
    rig = rigs(named_config(names=()))
    said = Deferred.fromCoroutine(rig.service.preview(named_config(names=[f"n{number}" for number in range(20)])))
    assert len(rig.waiting) == MOST_PREVIEWS
    rig.answer((ONE, 5.0), "n1")
    rig.pass_time(PREVIEW)

    found = []
    said.addCallback(found.append)
    assert found[0]["n0"] == "it is not resolved here: no answer within 2 s"
    assert found[0]["n1"] == "it resolves to 10.1.0.1 now"
    assert rig.service.statuses == {}


def test_before_it_starts_and_after_it_stops_nothing_is_asked(rigs):
    rig = rigs()
    rig.service.configure(named_config(names=("www", "api")))
    rig.pass_time(100)
    assert rig.waiting == []
    rig.start()
    rig.service.stopService()
    rig.pass_time(100)
    assert len(rig.waiting) == 2


def test_the_view_and_the_metrics_say_how_it_goes(rigs):
    rig = rigs().start()
    view = name_pages(rig.service, rig.reactor.seconds)
    (row,) = view("", 100)["rows"]
    assert (row["state"], row["age"], row["next_in"], row["addresses"]) == ("unresolved", None, None, [])
    text = "".join(NameCollector(rig.service).scrape())
    assert 'maglev_dns_name_addresses{name="www"} 0\n' in text
    assert "maglev_dns_name_answer_age_seconds{" not in text
    rig.answer(((*TWO, "127.0.0.1"), 50.0))
    rig.pass_time(20)

    (row,) = view("", 100)["rows"]
    assert row == {
        "name": "www",
        "dns_name": "www.example.org",
        "family": "ipv4",
        "most": 4,
        "state": "resolved",
        "problem": "",
        "failures": 0,
        "age": 20.0,
        "next_in": 30.0,
        "addresses": [
            {"backend": "www-1", "address": TWO[0], "missing": 0},
            {"backend": "www-2", "address": TWO[1], "missing": 0},
        ],
        "refused": ["127.0.0.1 is a loopback address"],
        "waiting": [],
    }
    text = "".join(NameCollector(rig.service).scrape())
    for line in (
        'maglev_dns_name_addresses{name="www"} 2',
        'maglev_dns_name_refused{name="www"} 1',
        'maglev_dns_name_failing{name="www"} 0',
        'maglev_dns_name_answer_age_seconds{name="www"} 20.0',
        'maglev_dns_name_lookups_total{name="www",result="good"} 1',
        'maglev_dns_name_lookups_total{name="www",result="failed"} 0',
    ):
        assert f"{line}\n" in text
