"""The speaker against a BIRD in memory, on a clock of the test: what it tells, when it tries again, what it reports."""

from __future__ import annotations

from itertools import pairwise

import pytest
from twisted.internet.error import ConnectError
from twisted.python.failure import Failure

from maglev.announce.bird import FILE_DEADLINE, MAX_RETRY, MIN_RETRY, RECONNECT, BirdSpeaker
from maglev.announce.bird_text import include_file, protocol_of, read_include_file
from maglev.model.announce import Announcing, BirdConfig
from tests.fakes.memory_bird import AnsweringTransport, MemoryBird
from tests.fakes.reactor import FakeReactor

ONE, TWO = "192.0.2.1", "192.0.2.2"
UP, DOWN, LEFT = Announcing.ANNOUNCED, Announcing.WITHDRAWN, Announcing.UNDECIDED
REASSERT = 5.0


class SpeakerRig:
    """A speaker, its states, and its BIRD."""

    def __init__(self, folder):
        self.reactor = FakeReactor()
        self.file = folder / "maglev.conf"
        self.bird = MemoryBird(self.file)
        self.states = {ONE: UP, TWO: DOWN}
        self.problems = []
        self.transport = None
        self.dead_disk = False
        config = BirdConfig(str(self.file), "/run/bird.ctl", REASSERT)
        self.speaker = BirdSpeaker(
            self.reactor, config, lambda: self.states, lambda _, text: self.problems.append(text)
        )

    def _noted(self, _sink, problem):
        self.problems.append(problem)

    def start(self):
        self.speaker.startService()
        self.turn()
        return self

    def turn(self):
        """Let everything happen that needs no time."""
        for _ in range(8):
            if not self.dead_disk:
                self.reactor.run_threads()
            clients, self.reactor.unixClients[:] = list(self.reactor.unixClients), []
            for _, factory, *_ in clients:
                self._connect(factory)
            self.reactor.advance(0)

    def _connect(self, factory):
        if not self.bird.listens:
            factory.clientConnectionFailed(None, Failure(ConnectError(111)))
            return
        protocol = factory.buildProtocol(None)
        self.transport = AnsweringTransport(self.reactor, self.bird)
        self.transport.protocol = protocol
        protocol.makeConnection(self.transport)
        protocol.dataReceived(b"0001 BIRD 2.0.12 ready.\n")

    def wait(self, seconds, step=0.5):
        for _ in range(round(seconds / step)):
            self.reactor.advance(step)
            self.turn()

    def change(self, **states):
        self.states = {**self.states, **states}
        self.speaker.changed()
        self.turn()

    def announced(self):
        """Return what BIRD announces."""
        return {address for address in (ONE, TWO) if self.bird.protocols.get(protocol_of(address))}

    def written(self):
        """Return what the file announces."""
        return {address for address, off in read_include_file(self.file.read_text()).items() if not off}


@pytest.fixture
def rig(tmp_path):
    made = SpeakerRig(tmp_path)
    yield made
    made.dead_disk = False
    made.speaker.stopService()
    made.turn()
    assert made.reactor.getDelayedCalls() == []


def test_what_bird_does_not_have_is_configured_and_each_change_goes_to_the_file_and_the_socket(rig):
    rig.start()
    assert (rig.announced(), rig.written(), rig.bird.told()) == ({ONE}, {ONE}, ["configure"])
    rig.change(**{ONE: DOWN, TWO: UP})
    assert rig.bird.told() == ['disable "maglev_192_0_2_1"', 'enable "maglev_192_0_2_2"']
    assert (rig.announced(), rig.written()) == ({TWO}, {TWO})
    assert rig.speaker.status().problem == ""


def test_what_is_undecided_after_a_start_is_left_as_the_last_run_has_left_it(rig):
    rig.file.write_text(include_file({ONE: False, TWO: True}))
    rig.bird.reply("configure")
    rig.bird.told()
    rig.states = {ONE: LEFT, TWO: LEFT}
    rig.start()
    rig.wait(2 * REASSERT)
    assert (rig.announced(), rig.written(), rig.bird.told()) == ({ONE}, {ONE}, [])


def test_what_somebody_else_changes_is_put_right_within_the_interval(rig):
    rig.start()
    rig.bird.told()
    rig.bird.protocols[protocol_of(TWO)] = True
    rig.file.write_text("")
    rig.wait(REASSERT - 1)
    assert (rig.announced(), rig.bird.told()) == ({ONE, TWO}, [])
    rig.wait(1)
    assert (rig.announced(), rig.written()) == ({ONE}, {ONE})
    assert rig.bird.told() == ['disable "maglev_192_0_2_2"']


def test_a_refused_configure_is_told_and_tried_ever_more_rarely_while_withdrawing_works(rig):
    rig.start()
    rig.bird.refusal = "bird.conf:3:1 syntax error"
    rig.states["192.0.2.3"] = UP
    rig.bird.told()
    rig.speaker.changed()
    rig.turn()
    assert rig.bird.told() == ["configure"]
    assert rig.problems == ["BIRD refused 'configure': 8002 bird.conf:3:1 syntax error"]
    rig.change(**{ONE: DOWN})
    assert (rig.announced(), rig.bird.told()) == (set(), ['disable "maglev_192_0_2_1"'])
    tries = []
    for second in range(1, 1300):
        rig.wait(1.0, step=1.0)
        tries += [second] * rig.bird.told().count("configure")
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert tries[0] <= MIN_RETRY + REASSERT
    assert pauses == sorted(pauses)
    assert MAX_RETRY <= pauses[-1] <= MAX_RETRY + REASSERT
    rig.bird.refusal = ""
    rig.wait(MAX_RETRY + REASSERT, step=1.0)
    assert rig.bird.protocols[protocol_of("192.0.2.3")]
    assert rig.problems[-1] == ""


def test_addresses_that_bird_takes_offence_at_leave_the_file_so_that_others_can_configure(rig):
    rig.start()
    rig.bird.refusal = f"{rig.file}:5:1 syntax error"
    rig.states["192.0.2.3"] = UP
    rig.speaker.changed()
    rig.turn()
    assert "192.0.2.3" not in read_include_file(rig.file.read_text())
    rig.bird.refusal = ""
    rig.wait(MIN_RETRY + REASSERT)
    assert rig.bird.protocols[protocol_of("192.0.2.3")]


def test_a_bird_that_goes_away_is_looked_for_and_compared_when_it_is_back(rig):
    rig.start()
    rig.bird.listens = False
    rig.transport.loseConnection()
    rig.turn()
    assert rig.speaker.status().connected == 0
    assert "can't connect to /run/bird.ctl" in rig.problems[-1]
    rig.change(**{ONE: DOWN})
    assert rig.written() == set()
    rig.bird.listens = True
    rig.wait(RECONNECT)
    assert (rig.announced(), rig.speaker.status().connected, rig.speaker.status().restarts) == (set(), 1, 1)
    assert rig.problems[-1] == ""


def test_a_disk_that_does_not_answer_delays_a_withdrawal_by_a_second_and_is_told(rig):
    rig.start()
    rig.bird.told()
    rig.dead_disk = True
    rig.change(**{ONE: DOWN})
    assert rig.announced() == {ONE}
    rig.wait(FILE_DEADLINE)
    assert rig.announced() == set()
    assert rig.problems[-1] == f"{rig.file}: the disk does not answer"
    rig.change(**{TWO: UP})  # it is not waited for a second time
    assert rig.announced() == {TWO}
    rig.dead_disk = False
    rig.wait(REASSERT)
    assert (rig.written(), rig.problems[-1]) == ({TWO}, "")


def test_who_waits_for_a_comparison_is_told_when_bird_has_done_it(rig):
    rig.start()
    rig.states[ONE] = DOWN
    compared = rig.speaker.when_compared()
    assert not compared.called
    rig.turn()
    assert compared.called
    assert rig.announced() == set()


def test_a_stop_withdraws_nothing(tmp_path):
    rig = SpeakerRig(tmp_path).start()
    rig.speaker.stopService()
    rig.turn()
    assert rig.announced() == {ONE}
    assert rig.reactor.getDelayedCalls() == []


def test_a_configuration_that_bird_would_refuse_is_told_at_each_connection_even_if_nothing_is_to_do(rig):
    rig.start()
    assert (rig.bird.checks, rig.problems) == (0, [])  # its own configure says it
    rig.speaker.stopService()
    old = rig.file.with_name("maglev-old.conf")
    old.write_text(rig.file.read_text())

    rig.bird.told()
    rig.speaker = BirdSpeaker(rig.reactor, rig.speaker.config, lambda: rig.states, rig._noted)
    rig.start()
    (problem,) = rig.problems
    assert problem.startswith("BIRD refuses its configuration: 8002 ")
    assert problem.endswith("Symbol already defined")
    rig.wait(MIN_RETRY - 1)
    assert rig.bird.checks == 1
    old.unlink()
    rig.wait(2 * REASSERT)
    assert (rig.bird.checks, rig.problems[1:], rig.bird.told()) == (2, [""], [])
    rig.wait(10 * REASSERT)
    assert rig.bird.checks == 2
