"""The test as a whole, and what it learns from a daemon."""

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from maglev.healthcheck.lag import LagMonitor
from maglev.maglevt.daemon_link import RETRY, DaemonLink
from maglev.maglevt.measure.promises import Promises
from maglev.maglevt.measure.shares import Weights
from maglev.maglevt.options import parse
from maglev.maglevt.program import MaglevtRun
from maglev.maglevt.targets import FLOW_TIMEOUT, Found, Question, VipTarget, asked_of_vip
from maglev.maglevt.tester import GRACE, VipTester
from maglev.model.errors import NotFoundError, RemoteError, VppNotConnectedError
from maglev.model.result import Code, Result

WEIGHTS = Weights({"www1": 100, "www2": 50}, {})


def target(name, port=80, **more):
    return VipTarget(name, "192.0.2.1", port, asked_of_vip(None, port, Question(0.9)), **more)


class ScriptedRequesters:
    """Requesters whose requests end at once, as the test says at the time."""

    def __init__(self):
        self.outcome = Result(Code.L7OK)
        self.who = None
        self.held = False
        self.begun = 0

    def requesters_of(self, _target):
        return lambda: self

    def start(self, finished):
        self.begun += 1
        if not self.held:
            finished(self.outcome, self.who)

    def cancel(self):
        pass


class WholeBench:
    """A tester on a clock that the test moves."""

    def __init__(self):
        self.clock = Clock()
        self.requesters = ScriptedRequesters()
        self.noted = []
        lag = LagMonitor(self.clock)
        self.tester = VipTester(
            self.clock,
            lambda: 1000.0 + self.clock.seconds(),
            lag,
            self.requesters,
            10.0,
            lambda _: 50,
            Promises(),
            self.noted.append,
        )

    def run(self, seconds):
        self.clock.pump([0.05] * round(seconds / 0.05))

    def texts(self):
        return [each.text for each in self.noted]


@pytest.fixture
def bench():
    made = WholeBench()
    yield made
    made.tester.stop()
    made.tester.cancel()
    assert not [call for call in made.clock.getDelayedCalls() if call.active()]


def test_each_vip_is_asked_at_its_own_moments(bench):
    bench.tester.apply(Found([target("a"), target("b")], {}))
    bench.run(GRACE + 1.1)
    a, b = bench.tester.all_figures

    assert 10 <= a.total <= 12
    assert 10 <= b.total <= 12
    assert a.first != b.first
    assert not bench.noted


def test_an_outage_is_noted_when_it_begins_and_when_it_ends(bench):
    bench.tester.apply(Found([target("a")], {}))
    bench.run(1.0)
    bench.requesters.outcome = Result(Code.L4CON, "connection refused")
    bench.run(1.0)
    bench.requesters.outcome = Result(Code.L7OK)
    bench.run(1.0)

    assert bench.texts()[0] == "requests fail: L4CON connection refused"
    assert bench.texts()[1].startswith("answers again after 1 s")
    assert [each.text for each in bench.tester.timeline] == bench.texts()


def test_what_leaves_the_configuration_is_tested_no_more_and_what_stays_goes_on(bench):
    bench.tester.apply(Found([target("a"), target("b")], {}))
    bench.run(1.0)
    before = bench.tester.vips["a"].figures
    bench.tester.apply(Found([target("a"), target("b", 81), target("c")], {}))
    bench.run(1.0)

    assert bench.tester.vips["a"].figures is before
    assert list(bench.tester.vips) == ["a", "b", "c"]
    assert list(bench.tester.former) == ["b"]
    assert len(bench.tester.all_figures) == 4
    assert [each.vip for each in bench.noted] == ["b", "b", "c"]
    assert not bench.tester.uncovered  # a VIP that is another one now is tested on


def test_what_was_not_tested_to_the_end_is_remembered(bench):
    bench.tester.apply(Found([target("a"), target("b")], {}, {"dns": "UDP can't be tested"}))
    bench.run(2.0)
    bench.tester.apply(Found([target("a")], {}))
    bench.tester.apply(Found([target("a"), target("b")], {}, {"b": "UDP can't be tested"}))

    assert bench.tester.uncovered == {
        "dns": "UDP can't be tested",
        "b": "it left the configuration after 2 s",
    }


def test_the_program_reports_what_was_not_tested(bench):
    run = MaglevtRun(bench.clock, parse(["vips.yml"], {}), screen=False)
    run._tester = bench.tester
    bench.tester.apply(Found([target("a")], {}, {"dns": "UDP can't be tested"}))
    bench.run(2.0)

    assert run.report().status == 2
    assert run.report().untested == {"dns": "UDP can't be tested"}


def test_answers_count_for_the_weights_once_vpp_has_forgotten_earlier_flows(bench):
    bench.requesters.who = "www1"
    bench.tester.apply(Found([target("a")], {"a": WEIGHTS}, flow_timeout=2.0))
    bench.run(1.0)
    shares = bench.tester.vips["a"].figures.shares
    assert shares.counts["www1"] > 5

    bench.tester.weigh("a", WEIGHTS)
    assert shares.counts["www1"] > 5
    bench.tester.weigh("a", Weights({"www1": 100, "www2": 0}, {}))
    bench.run(1.9)
    assert not shares.counts
    bench.run(1.0)
    assert shares.counts["www1"] > 5
    bench.tester.weigh("gone", WEIGHTS)


def test_a_vip_that_keeps_clients_on_one_backend_has_no_shares(bench):
    bench.tester.apply(Found([target("a", sticky=True)], {"a": WEIGHTS}))

    assert bench.tester.vips["a"].figures.shares.weights is None


BACKEND_DOWN = {
    "type": "backend",
    "seq": 9,
    "at": "1970-01-01T00:16:40.900Z",
    "backend": "www1",
    "address": "198.51.100.11",
    "from": "up",
    "to": "down",
    "code": "L4CON",
    "detail": "",
}


def test_events_about_what_is_tested_are_on_the_timeline_at_their_time(bench):
    bench.tester.apply(Found([target("a"), target("b")], {"a": WEIGHTS}))
    bench.run(1.0)

    assert bench.tester.take_event(BACKEND_DOWN) == {"a"}
    assert bench.tester.take_event(BACKEND_DOWN | {"backend": "other"}) == set()
    assert bench.tester.take_event({"type": "gap", "missed": 2}) == set()
    assert bench.tester.take_event({"type": "frontend", "frontend": "b", "from": "up", "to": "down"}) == {"b"}
    assert bench.texts() == [
        "backend www1 198.51.100.11 up -> down L4CON",
        "gap 2 events were missed here: they came faster than they were read",
        "frontend b up -> down",
    ]
    assert bench.noted[0].at == pytest.approx(0.9)
    assert bench.noted[0].bad


def test_the_end_waits_for_what_is_under_way(bench):
    bench.requesters.held = True
    bench.tester.apply(Found([target("a")], {}))
    bench.run(1.0)
    ended = []
    bench.tester.stop().addCallback(ended.append)
    assert not ended
    bench.tester.cancel()

    assert ended
    assert bench.tester.vips["a"].figures.unjudged["cancelled"] > 5


# The daemon


def frontend(name="web", weight=100):
    member = {"name": "www1", "address": "198.51.100.11", "programmed_weight": weight}
    return {
        "name": name,
        "address": "192.0.2.1",
        "protocol": "udp" if name == "dns" else "tcp",
        "port": 80,
        "description": "",
        "src_ip_sticky": False,
        "pools": [] if name == "bare" else [{"backends": [member]}],
        "departing": [],
    }


class ScriptedEvents:
    """A subscription whose events the test sends."""

    def __init__(self):
        self.waiting = None
        self.closed = False

    def next(self):
        self.waiting = Deferred()
        return self.waiting

    def send(self, *events):
        self.waiting.callback(list(events))

    def break_off(self):
        self.waiting.errback(RemoteError("lost the connection to maglevd"))

    def close(self):
        self.closed = True


class ScriptedDaemon:
    """The answers of a daemon, as far as they are asked for."""

    def __init__(self):
        self.rows = [frontend(), frontend("dns"), frontend("bare")]
        self.healthcheck_name = None
        self.vpp = True
        self.subscription = ScriptedEvents()
        self.asked = []
        self.closed = False

    async def frontends(self, after):
        first, rest = self.rows[:1], self.rows[1:]
        return {"rows": rest, "next": None} if after else {"rows": first, "next": "web" if rest else None}

    async def frontend(self, name):
        self.asked.append(name)
        return next(row for row in self.rows if row["name"] == name)

    async def backend(self, name):
        self.asked.append(name)
        return {"healthcheck": self.healthcheck_name}

    async def healthcheck(self, name):
        self.asked.append(name)
        intervals = dict.fromkeys(("interval", "fast_interval", "down_interval", "timeout"), 1.0)
        params = {"path": "/h", "host": None, "response_code": ["200"], "response_regexp": None}
        return {"name": name, "type": "http", "port": 80, "params": params, **intervals}

    async def vpp_lb_state(self, after):
        if not self.vpp:
            raise VppNotConnectedError("no VPP")
        foreign = {"frontend": None, "new_flows_table_length": 1}
        own = {"frontend": "web", "new_flows_table_length": 64}
        rows, more = ([own], None) if after else ([foreign], "own")
        return {"conf": {"flow_timeout": 7}, "rows": rows, "next": more}

    async def watch(self):
        return self.subscription

    async def close(self):
        self.closed = True


class RecordingFollower:
    """Who follows a daemon, and remembers what it said."""

    def __init__(self):
        self.daemon = ""
        self.said = []

    def apply(self, found):
        self.said.append(("apply", [each.name for each in found.targets]))

    def weigh(self, name, weights):
        assert weights.buckets == (64 if name == "web" else 0)
        self.said.append(("weigh", name, dict(weights.weights)))

    def take_event(self, event):
        return {"web", "of-the-file"} if event["type"] == "backend" else set()

    def note(self, text, *, vip="", bad=False, source=""):
        self.said.append(("note", text))


class LinkBench:
    """A link to a daemon that the test plays."""

    def __init__(self, **options):
        self.clock = Clock()
        self.client = ScriptedDaemon()
        self.refused = None
        self.follower = RecordingFollower()
        self.link = DaemonLink(self.clock, self._connect, Question(0.9), **options)
        self.failures = []

    async def _connect(self):
        if self.refused is not None:
            raise self.refused
        return self.client

    def open(self):
        found = []
        Deferred.fromCoroutine(self.link.open()).addCallbacks(found.append, self.failures.append)
        return found[0] if found else None

    def follow(self):
        self.open()
        following = Deferred.fromCoroutine(self.link.follow(self.follower))
        following.addErrback(self.failures.append)
        return following


def test_the_daemon_says_what_to_test():
    bench = LinkBench()
    bench.client.healthcheck_name = "http"
    found = bench.open()

    assert [(each.name, each.healthcheck.http and each.healthcheck.http.path) for each in found.targets] == [
        ("web", "/h"),
        ("bare", None),
    ]
    assert found.skipped == {"dns": "UDP can't be tested"}
    assert found.weights["web"] == Weights({"www1": 100}, {"www1": "198.51.100.11"}, 64)
    assert found.flow_timeout == 7.0
    assert bench.client.asked.count("http") == 1  # two frontends have it


def test_some_frontends_only_and_no_vpp():
    bench = LinkBench(only=["bare", "wbe", "dns"])
    bench.client.vpp = False
    found = bench.open()

    assert [each.name for each in found.targets] == ["bare"]
    assert found.skipped == {"dns": "UDP can't be tested"}
    assert found.unknown(["bare", "wbe", "dns"]) == ['there is no frontend "wbe"; did you mean "web"?']
    assert found.flow_timeout == FLOW_TIMEOUT


def test_events_bring_new_weights_and_a_reload_new_vips():
    bench = LinkBench()
    following = bench.follow()
    assert bench.follower.daemon == "connected"
    bench.client.subscription.send({"type": "snapshot"})
    bench.client.rows[0] = frontend(weight=50)
    bench.client.subscription.send({"type": "backend"}, {"type": "frontend"})
    bench.client.rows = [frontend("new")]
    bench.client.subscription.send({"type": "reload"})

    assert bench.follower.said == [("weigh", "web", {"www1": 50}), ("apply", ["new"])]
    following.cancel()
    assert bench.client.subscription.closed
    assert bench.failures[0].check(CancelledError)


def test_with_a_file_only_the_weights_are_the_daemons():
    bench = LinkBench(targets=False)
    following = bench.follow()
    bench.client.subscription.send({"type": "gap", "missed": 1})

    assert bench.follower.said == [("weigh", "web", {"www1": 100}), ("weigh", "bare", {})]
    following.cancel()


def test_a_lost_connection_is_noted_and_made_again():
    bench = LinkBench()
    following = bench.follow()
    bench.client.subscription.break_off()
    assert bench.follower.said == [("note", "lost the connection to maglevd; its events are missing from here")]
    bench.refused = RemoteError("can't connect")
    bench.clock.advance(RETRY)
    assert bench.follower.daemon == "can't connect"
    bench.clock.advance(RETRY)
    bench.refused = None
    bench.clock.advance(RETRY)

    assert bench.follower.daemon == "connected"
    assert bench.follower.said[1:] == [("note", "connected to maglevd again"), ("apply", ["web", "bare"])]
    following.cancel()


def test_a_subscription_that_ends_is_made_again():
    bench = LinkBench()
    following = bench.follow()
    bench.client.subscription.send()
    bench.clock.advance(RETRY)

    assert bench.follower.said == [
        ("note", "maglevd ended the subscription; its events are missing from here"),
        ("note", "connected to maglevd again"),
        ("apply", ["web", "bare"]),
    ]
    following.cancel()


def test_a_daemon_that_can_not_be_asked_is_an_error_of_the_start():
    bench = LinkBench()
    bench.refused = NotFoundError("no")
    assert bench.open() is None
    assert bench.failures[0].check(NotFoundError)


def test_the_connection_is_closed_at_the_end():
    bench = LinkBench()
    Deferred.fromCoroutine(bench.link.close())
    bench.open()
    Deferred.fromCoroutine(bench.link.close())

    assert bench.client.closed
