"""Conversations: each step, each bound, each bad answer; whole and byte by byte."""

from __future__ import annotations

import pytest

from maglev.healthcheck.probers.dialogue import (
    EAGER_SEARCHES,
    STEP_LIMIT,
    TALK_LIMIT,
    Parting,
    Script,
    StepsDialogue,
)
from maglev.model.check_params import AnswerPattern, ProbeStep
from maglev.model.result import Code


def send(text):
    return ProbeStep(send=text)


def expect(text=None, regexp=None, reject=None):
    return ProbeStep(expect=AnswerPattern(text, regexp), reject=reject)


def dialogue(*steps):
    return StepsDialogue(Script.of(steps))


def play(talk, *answers, piece=None):
    """Return what is said to each of these answers, given whole or in pieces of so many bytes."""
    said = [talk.begin()]
    for answer in answers:
        step = piece or len(answer) or 1
        said.append(b"".join(talk.feed(answer[at : at + step]) for at in range(0, len(answer), step)))
    return said


@pytest.mark.parametrize("piece", [None, 1, 3])
def test_it_says_what_comes_next_when_the_answer_is_there(piece):
    talk = dialogue(expect(b"220 "), send(b"NOOP\r\n"), expect(regexp=r"(?m)^250 .*\n"), send(b"QUIT\r\n"))
    assert play(talk, b"220 here\r\n", b"250 ok\r\n", piece=piece) == [b"", b"NOOP\r\n", b"QUIT\r\n"]
    assert (talk.verdict, talk.parting) == ((Code.L7OK, ""), Parting.WAIT)


def test_without_a_farewell_the_connection_is_closed_at_once():
    talk = dialogue(send(b"PI"), send(b"NG\r\n"), expect(b"+PONG"))
    assert play(talk, b"+PONG\r\n") == [b"PING\r\n", b""]
    assert (talk.verdict, talk.parting) == ((Code.L7OK, ""), Parting.RESET)


def test_an_expectation_is_met_by_what_is_after_that_of_the_step_before():
    talk = dialogue(expect(b"a"), expect(b"a"), expect(b"c"))
    talk.feed(b"-a-")
    assert talk.progress() == 'step 2 (expect "a"): received "-"'
    talk.feed(b"ac")
    assert talk.verdict == (Code.L7OK, "")


def test_what_came_before_something_is_said_does_not_answer_it():
    talk = dialogue(expect(b"250"), send(b"x"), expect(b"250"))
    assert talk.feed(b"250 250") == b"x"
    assert talk.verdict is None
    assert talk.progress() == 'step 3 (expect "250"): no answer'


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (b"-ERR no\r\n", (Code.L7STS, 'step 1 (expect "+OK"): received "-ERR no\\x0d\\x0a"')),
        (b"-ERR no\r\n+OK", (Code.L7STS, 'step 1 (expect "+OK"): received "-ERR no\\x0d\\x0a+OK"')),
        (b"+OK -ERR\n", (Code.L7OK, "")),
        (b"junk", None),
    ],
)
def test_what_is_rejected_fails_it_unless_the_expected_comes_first(answer, verdict):
    talk = dialogue(expect(b"+OK", reject=r"-ERR.*\r?\n"))
    talk.feed(answer)
    assert talk.verdict == verdict


@pytest.mark.parametrize("piece", [None, 1, 1000])
def test_an_answer_is_looked_at_up_to_a_bound(piece):
    talk = dialogue(expect(b"never"))
    play(talk, b"x" * (STEP_LIMIT - 1), piece=piece)
    assert talk.verdict is None
    talk.feed(b"never")
    assert talk.verdict == (Code.L7RSP, 'step 1 (expect "never"): not in the first 16384 bytes')
    assert talk.feed(b"never") == b""


def test_the_last_byte_within_the_bound_counts():
    talk = dialogue(expect(b"now"))
    talk.feed(b"x" * (STEP_LIMIT - 3))
    talk.feed(b"now and more" + b"y" * STEP_LIMIT)
    assert talk.verdict == (Code.L7OK, "")


def test_all_answers_together_have_a_bound():
    talk = dialogue(*[expect(b"x" * 1000)] * 32, *[expect(b"y" * 5000)] * 20)
    talk.feed(b"x" * 32000)
    for _ in range(20):
        talk.feed(b"y" * 5000)
    assert talk.verdict[0] is Code.L7RSP
    assert talk._total == TALK_LIMIT


class CountingFinder:
    label = "x"

    def __init__(self):
        self.searches = 0

    def find(self, answer):
        self.searches += 1
        return (0, len(answer)) if answer.endswith(b"!") else None


def test_a_backend_that_drips_does_not_have_it_searched_each_time():
    talk = dialogue(expect(b"x"))
    finder = CountingFinder()
    object.__setattr__(talk._script.answers[0], "wanted", finder)
    play(talk, b"x" * 16000, piece=1)
    assert finder.searches < EAGER_SEARCHES + 50
    talk.feed(b"!")
    assert talk.verdict is None
    assert talk.end("closed") == (Code.L7OK, "")


@pytest.mark.parametrize(
    ("came", "detail"),
    [
        (b"", 'step 1 (expect regexp "o+k"): closed, no answer'),
        (b"junk\xff\x1b[2J", 'step 1 (expect regexp "o+k"): closed, received "junk\\xff\\x1b[2J"'),
    ],
)
def test_a_connection_that_ends_before_it_is_a_failure(came, detail):
    talk = dialogue(expect(regexp="o+k"))
    talk.feed(came)
    assert talk.end("closed") == (Code.L7RSP, detail)
    assert talk.parting is Parting.RESET


def test_patterns_are_over_bytes():
    talk = dialogue(expect(regexp=r"^\xff\x00.\x80$"))
    talk.feed(b"\xff\x00\xe9\x80")
    assert talk.verdict == (Code.L7OK, "")
