"""BIRDs that leave the configuration, by a reload or between two runs: they let go, or it is told why not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from twisted.internet.error import ConnectError
from twisted.python.failure import Failure

from maglev.announce.bird_record import RECORD_NAME, decode_record
from maglev.announce.bird_text import HEAD, include_file, protocol_of, read_include_file
from maglev.announce.former_birds import FormerBirds, restore_record
from maglev.announce.sinks import Sinks
from maglev.model.announce import AnnounceConfig, Announcing, BirdConfig
from tests.fakes.memory_bird import AnsweringTransport, MemoryBird
from tests.fakes.reactor import FakeReactor

ONE = "192.0.2.1"
UP = Announcing.ANNOUNCED
ENOENT, EACCES = 2, 13


class SinkSite:
    """Runs of maglevd with one state directory, and two BIRDs that outlive them, by name.

    Attributes:
        states: What is announced.
        events: What was said about receivers.
    """

    def __init__(self, folder):
        self.folder = folder
        self.record = folder / RECORD_NAME
        self.birds = {name: MemoryBird(folder / name / "maglev.conf") for name in ("one", "two")}
        for name in self.birds:
            (folder / name).mkdir()
        self.unreachable = {}
        self.states = {ONE: UP}
        self.events = []
        self.dead_disk = False

    def socket(self, name="one"):
        return str(self.folder / f"{name}.ctl")

    def config(self, file="maglev.conf", socket="one", folder="one"):
        return BirdConfig(str(self.folder / folder / file), self.socket(socket), 5.0)

    def start(self, bird, record=True):
        self.reactor = FakeReactor()
        announce = AnnounceConfig(bird=bird)
        self.board = SimpleNamespace(
            config=SimpleNamespace(announce=announce),
            subscribe=lambda config_changed: None,
            note=lambda _event, _kind, sink, problem: self.events.append((sink, problem)),
        )
        announcer = SimpleNamespace(states=lambda: self.states, subscribe=lambda _: None, sinks=None)
        path = str(self.record) if record else ""
        former = FormerBirds(self.reactor, path, restore_record(path, 1.0))
        self.sinks = Sinks(self.reactor, self.board, announcer, lambda _: None, former)
        self.former = former
        former.startService()
        self.sinks.startService()
        self.turn()
        return self

    def reload(self, bird):
        old = self.board.config
        self.board.config = SimpleNamespace(announce=AnnounceConfig(bird=bird))
        self.sinks._config_changed(old, self.board.config)
        self.turn()

    def stop(self):
        self.sinks.stopService()
        self.former.stopService()
        self.turn()
        assert self.reactor.getDelayedCalls() == []

    def turn(self):
        for _ in range(12):
            if not self.dead_disk:
                self.reactor.run_threads()
            clients, self.reactor.unixClients[:] = list(self.reactor.unixClients), []
            for path, factory, *_ in clients:
                self._connect(path.rpartition("/")[2].removesuffix(".ctl"), factory)
            self.reactor.advance(0)

    def _connect(self, name, factory):
        if name in self.unreachable or name not in self.birds:
            factory.clientConnectionFailed(None, Failure(ConnectError(self.unreachable.get(name, ENOENT))))
            return
        protocol = factory.buildProtocol(None)
        transport = AnsweringTransport(self.reactor, self.birds[name])
        transport.protocol = protocol
        protocol.makeConnection(transport)
        protocol.dataReceived(b"0001 BIRD 2.0.12 ready.\n")

    def wait(self, seconds):
        for _ in range(round(seconds * 2)):
            self.reactor.advance(0.5)
            self.turn()

    def announces(self, name="one"):
        return any(self.birds[name].protocols.values())

    def reads(self, file="maglev.conf", folder="one"):
        """Return what a file says of each address; None without a file."""
        path = self.folder / folder / file
        return read_include_file(path.read_text()) if path.exists() else None

    def problems(self):
        return [(each.sink, each.problem) for each in self.sinks.statuses()]


@pytest.fixture
def site(tmp_path):
    made = SinkSite(tmp_path)
    yield made
    made.dead_disk = False
    made.stop()


def test_a_bird_that_left_the_file_between_two_runs_lets_go_at_the_start(site):
    site.start(site.config())
    assert site.announces()
    site.stop()
    site.states = {}
    site.start(None)
    assert (site.announces(), site.reads(), site.birds["one"].protocols) == (False, {}, {})
    assert (site.problems(), site.events) == ([], [])
    site.stop()
    assert decode_record(site.record.read_bytes()) == {}


def test_a_bird_that_leaves_by_a_reload_lets_go(site):
    site.start(site.config())
    site.reload(None)
    assert (site.announces(), site.reads(), site.birds["one"].protocols) == (False, {}, {})
    assert site.problems() == []


def test_a_bird_that_does_not_let_go_is_reported_and_tried_again_also_after_a_restart(site):
    site.start(site.config())
    site.birds["one"].refusal = "bird.conf:3:1 syntax error"
    site.reload(None)
    name = f"former bird {site.socket()}"
    problem = "BIRD refused 'configure': 8002 bird.conf:3:1 syntax error"
    assert (site.announces(), site.reads()) == (False, {})  # the socket works nevertheless
    assert (site.problems(), site.events) == ([(name, problem)], [(name, problem)])
    site.birds["one"].told()
    site.wait(60)
    assert site.birds["one"].told() == ["configure"] * 5  # after 1, 2, 4, 8 and 16 s
    site.stop()
    site.start(None)
    assert site.problems() == [(name, problem)]
    site.birds["one"].refusal = ""
    site.wait(2)
    assert (site.problems(), site.events[-1]) == ([], (name, ""))


def test_a_bird_that_is_gone_counts_as_left_after_some_attempts_and_one_that_is_closed_to_us_does_not(site):
    site.start(site.config())
    site.unreachable = {"one": EACCES}
    site.reload(None)
    site.wait(20)
    assert site.problems()[0][1]
    site.unreachable = {"one": ENOENT}
    site.wait(180)
    assert (site.problems(), site.events[-1][1], site.reads()) == ([], "", {})


def test_a_renamed_file_leaves_nothing_behind_that_would_let_bird_refuse(site):
    site.start(site.config())
    site.birds["one"].told()
    site.reload(site.config("maglev-new.conf"))
    assert (site.reads(), site.reads("maglev-new.conf")) == ({}, {ONE: False})
    assert site.birds["one"].told() == ["configure"]
    assert site.announces()
    assert site.birds["one"].reply("configure").startswith("0002")


def test_a_file_renamed_between_two_runs_goes_on_with_what_the_old_one_said(site):
    site.start(site.config())
    site.stop()
    site.states = {ONE: Announcing.UNDECIDED}
    site.start(site.config("maglev-new.conf"))
    assert (site.reads(), site.reads("maglev-new.conf"), site.announces()) == ({}, {ONE: False}, True)


def test_the_new_file_waits_until_the_old_one_is_empty(site):
    site.start(site.config())
    old = site.folder / "one" / "maglev.conf"
    draft = site.folder / "one" / "maglev.conf.new"
    draft.mkdir()  # the old file can't be replaced
    site.reload(site.config("maglev-new.conf"))
    assert (site.reads(), site.reads("maglev-new.conf")) == ({ONE: False}, None)
    assert str(old.parent) in site.problems()[0][1]
    draft.rmdir()
    site.wait(5)
    assert (site.reads(), site.reads("maglev-new.conf"), site.announces()) == ({}, {ONE: False}, True)
    assert site.problems() == [("bird", "")]


def test_an_old_file_that_maglevd_has_not_written_is_left_alone(site):
    site.start(site.config())
    theirs = f"# mine\n{include_file({})}"
    (site.folder / "one" / "maglev.conf").write_text(theirs)
    site.reload(site.config("maglev-new.conf"))
    assert (site.folder / "one" / "maglev.conf").read_text() == theirs
    assert site.reads("maglev-new.conf") == {ONE: False}


def test_another_control_socket_lets_the_old_bird_withdraw(site):
    site.start(site.config())
    site.reload(site.config(socket="two", folder="two"))
    assert (site.announces("one"), site.announces("two")) == (False, True)
    assert (site.reads(), site.reads(folder="two")) == ({}, {ONE: False})


def test_an_old_bird_that_includes_the_same_file_is_disabled_only(site):
    site.start(site.config())
    site.birds["two"].file = site.birds["one"].file
    site.birds["one"].told()
    site.reload(site.config(socket="two"))
    assert site.birds["one"].told() == [f'disable "{protocol_of(ONE)}"']
    assert (site.announces("two"), site.reads()) == (True, {ONE: False})
    assert site.problems() == [("bird", "")]


def test_the_same_bird_under_another_name_goes_on(site):
    (site.folder / "alias.ctl").symlink_to(site.socket())
    site.birds["alias"] = site.birds["one"]
    site.start(site.config())
    site.birds["one"].told()
    site.reload(site.config(socket="alias"))
    assert (site.announces(), site.reads(), site.birds["one"].told()) == (True, {ONE: False}, [])


def test_a_bird_that_comes_back_into_the_configuration_is_let_go_no_longer(site):
    site.start(site.config())
    site.birds["one"].refusal = "bird.conf:3:1 syntax error"
    site.reload(None)
    site.birds["one"].refusal = ""
    site.reload(site.config())
    site.wait(20)
    assert (site.announces(), site.problems()) == (True, [("bird", "")])
    assert site.events[-1][1] == ""


def test_a_write_under_way_ends_before_the_file_is_emptied(site):
    site.start(site.config())
    site.states = {ONE: Announcing.WITHDRAWN}
    site.dead_disk = True
    site.sinks._changed()
    site.turn()
    site.reload(None)
    assert "the disk does not answer" in site.problems()[0][1]
    site.dead_disk = False
    site.wait(3)
    assert (site.problems(), site.reads(), site.announces()) == ([], {}, False)


def test_a_write_under_way_ends_before_a_renamed_file_is_written(site):
    site.start(site.config())
    site.states = {ONE: Announcing.WITHDRAWN}
    site.dead_disk = True
    site.sinks._changed()
    site.turn()
    under_way = list(site.reactor.work)
    site.reload(site.config("maglev-new.conf"))
    assert [work for work in site.reactor.work if work not in under_way][1:] == []  # the record, and no file
    site.dead_disk = False
    site.wait(6)
    assert (site.reads(), site.reads("maglev-new.conf")) == ({}, {ONE: True})


def test_a_disk_that_does_not_answer_is_told(site):
    site.start(site.config())
    site.dead_disk = True
    site.reload(None)
    site.wait(10)
    assert "the disk does not answer" in site.problems()[0][1]
    site.dead_disk = False
    site.wait(20)
    assert (site.problems(), site.reads()) == ([], {})


def test_a_damaged_record_is_set_aside(site):
    site.record.write_text('{"format": 2}')
    site.start(None)
    assert (site.record.exists(), (site.folder / f"{RECORD_NAME}.damaged-1").read_text()) == (False, '{"format": 2}')
    assert site.problems() == []


def test_without_a_state_directory_only_a_reload_is_known(site):
    site.start(site.config(), record=False)
    site.reload(site.config("maglev-new.conf"))
    assert (site.reads(), site.reads("maglev-new.conf")) == ({}, {ONE: False})
    site.stop()
    site.start(None, record=False)
    assert site.announces()


def test_an_emptied_file_has_its_heading_still(site):
    site.start(site.config())
    site.reload(None)
    assert (site.folder / "one" / "maglev.conf").read_text() == HEAD
