"""What the end of a program says of a backend."""

from __future__ import annotations

import errno

import pytest

from maglev.healthcheck.programs.outcome import outcome_of
from maglev.model.result import Code, LocalFault, Result


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ({"how": "exit", "number": 0, "line": "well\x1b[31m"}, Result(Code.PROCOK, r"well\x1b[31m", 0.5)),
        ({"how": "exit", "number": 1, "line": "no replica"}, Result(Code.PROCERR, "no replica", 0.5)),
        ({"how": "exit", "number": 3, "line": "x"}, Result(Code.L7RSP, "ended with status 3: x", 0.5)),
        ({"how": "exit", "number": 127}, Result(Code.L7RSP, "ended with status 127", 0.5)),
        ({"how": "signal", "number": 11}, Result(Code.L7RSP, "ended by SIGSEGV", 0.5)),
        ({"how": "signal", "number": 99, "line": "y"}, Result(Code.L7RSP, "ended by signal 99: y", 0.5)),
        ({"how": "timeout", "line": "so far"}, Result(Code.PROCTOUT, "killed, as its time was up: so far", 0.5)),
    ],
)
def test_the_end_of_a_program(reply, outcome):
    found = outcome_of({"run": 1, "duration": 0.5, **reply})
    assert found == outcome
    assert found.layer == "L7"
    assert found.ok is (outcome.code is Code.PROCOK)


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOENT, "program"),
        (errno.EACCES, "program"),
        (errno.ENOEXEC, "program"),
        (errno.EAGAIN, "processes"),
        (errno.ENOMEM, "memory"),
        (errno.EMFILE, "descriptors"),
        (errno.ECHILD, "worker"),
        (0, "program"),
    ],
)
def test_what_could_not_be_started_says_nothing_of_the_backend(number, reason):
    assert outcome_of({"run": 1, "how": "fault", "number": number, "text": "why"}) == LocalFault(reason, "why")


def test_a_fault_without_words_has_those_of_the_system():
    assert outcome_of({"how": "fault", "number": errno.ENOENT}).detail == "No such file or directory"


@pytest.mark.parametrize(
    "reply",
    [
        None,
        [],
        {},
        {"how": "exit", "number": "0"},
        {"how": "exit", "number": True},
        {"how": "exit", "number": 0, "duration": -1.0},
        {"how": "exit", "number": 0, "duration": float("nan")},
        {"how": "exit", "number": 0, "line": 5},
        {"how": "fault", "number": 0, "text": []},
        {"how": "other", "number": 0},
    ],
)
def test_anything_else_is_refused(reply):
    with pytest.raises(ValueError, match=r"invalid|unknown|not a map"):
        outcome_of(reply)
