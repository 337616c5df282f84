"""Entering a namespace, without one: the calls are recorded, no thread moves."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from maglev.healthcheck.probers import netns
from maglev.healthcheck.probers.netns import NetnsError, NetworkNamespace, check_netns
from maglev.model.errors import StartError
from tests.fakes.descriptors import leaked_since, open_descriptors


class Died(BaseException):
    """The process would have ended."""


def die(error):
    raise Died(error)


@pytest.fixture
def directory(tmp_path, monkeypatch):
    monkeypatch.setattr(netns, "NETNS_DIRECTORIES", (str(tmp_path / "none"), str(tmp_path)))
    return tmp_path


class Moves:
    """Stands for ``setns``: fails where the test says."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.to = []

    def __call__(self, descriptor, kind):
        assert kind == 0x40000000
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise OSError(error, os.strerror(error))
        self.to.append(os.fstat(descriptor).st_ino)


@pytest.fixture
def enter(directory, monkeypatch):
    """Return a function that makes a namespace whose moves are recorded."""
    made = []

    def make(*errors):
        (directory / "blue").touch()
        moves = Moves(*errors)
        monkeypatch.setattr(netns, "_find_setns", lambda: moves)
        namespace = NetworkNamespace("blue", die=die)
        made.append(namespace)
        return namespace, moves

    yield make
    for namespace in made:
        namespace.close()
        namespace.close()


def own():
    return Path(netns.OWN_NAMESPACE).stat().st_ino


def test_the_call_happens_inside_and_the_thread_returns(enter, directory):
    namespace, moves = enter()
    inside = (directory / "blue").stat().st_ino
    assert namespace.call(lambda value: (value, list(moves.to)), 7) == (7, [inside])
    assert moves.to == [inside, own()]


def test_the_thread_returns_also_from_a_call_that_fails(enter):
    namespace, moves = enter()
    with pytest.raises(ZeroDivisionError):
        namespace.call(lambda: 1 // 0)
    assert moves.to[-1] == own()


def test_no_descriptor_is_left_behind(enter):
    namespace, _moves = enter(None, None, errno.EPERM)
    before = open_descriptors()
    namespace.call(int)
    with pytest.raises(NetnsError):
        namespace.call(int)
    assert leaked_since(before) == set()


def test_a_namespace_of_which_the_way_back_is_lost_ends_the_process(enter):
    namespace, _moves = enter(None, errno.ENOMEM)
    with pytest.raises(Died):
        namespace.call(int)


def test_a_namespace_that_is_gone_or_forbidden_is_not_entered(enter, directory):
    namespace, moves = enter(errno.EPERM)
    with pytest.raises(NetnsError, match="CAP_SYS_ADMIN"):
        namespace.call(pytest.fail)
    (directory / "blue").unlink()
    assert namespace.identity() is None
    with pytest.raises(NetnsError, match="no such network namespace: 'blue'"):
        namespace.call(pytest.fail)
    assert moves.to == []


def test_a_namespace_recreated_is_told_from_the_old_one(enter, directory):
    namespace, moves = enter()
    before = namespace.identity()
    (directory / "green").touch()
    (directory / "green").rename(directory / "blue")
    namespace.call(int)
    assert namespace.identity() != before
    assert moves.to[0] == namespace.identity()[1]


def test_a_shortage_of_descriptors_is_not_a_matter_of_the_namespace(enter, monkeypatch):
    namespace, _moves = enter()

    def no_descriptors(*_args):
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(netns.os, "open", no_descriptors)
    with pytest.raises(OSError) as caught:
        namespace.call(int)
    assert not isinstance(caught.value, NetnsError)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/passwd"])
def test_a_name_that_is_none_is_refused_at_the_start(name):
    with pytest.raises(StartError, match="is not the name"):
        check_netns(name)


def test_a_missing_namespace_is_refused_at_the_start(directory):
    with pytest.raises(StartError, match="no such network namespace: 'red'"):
        check_netns("red")


def test_a_missing_capability_is_named_at_the_start(enter):
    enter(errno.EPERM)
    with pytest.raises(StartError, match="CAP_SYS_ADMIN"):
        check_netns("blue")


def test_a_file_that_is_not_a_namespace_is_refused_at_the_start(enter):
    enter(errno.EINVAL)
    with pytest.raises(StartError, match="is not a network namespace"):
        check_netns("blue")


def test_any_other_error_is_named_at_the_start(enter):
    enter(errno.ENOMEM)
    with pytest.raises(StartError, match=os.strerror(errno.ENOMEM)):
        check_netns("blue")


def test_a_good_namespace_is_accepted_at_the_start(enter):
    _namespace, moves = enter()
    check_netns("blue")
    assert moves.to[-1] == own()
