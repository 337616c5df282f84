from __future__ import annotations

import os
import pwd
import socket

import pytest
import pytest_twisted
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, succeed

from maglev.model.caller import Role
from maglev.model.errors import ForbiddenError
from maglev.rpc.server import identity
from maglev.rpc.server.identity import Credentials, Identities, Operators, UserNames, credentials_of
from tests.fakes.pb_rig import PbRig


def peer(uid=1000, gid=1000, groups=()):
    return Credentials(1, uid, gid, frozenset(groups))


@pytest.mark.parametrize(
    ("who", "role"),
    [
        (peer(0, 0), Role.OPERATOR),
        (peer(998), Role.OPERATOR),
        (peer(1000, 50), Role.OPERATOR),
        (peer(1000, 1000, [4, 50]), Role.OPERATOR),
        (peer(), Role.VIEWER),
        (peer(1000, 0, [0, 4]), Role.VIEWER),
        (peer(50, 998), Role.VIEWER),
    ],
)
def test_operators_are_certain_users_and_members_of_certain_groups(who, role):
    assert Operators(frozenset({0, 998}), frozenset({50})).role_of(who) is role


@given(st.integers(1, 2**31), st.integers(0, 2**31), st.frozensets(st.integers(0, 2**31)))
def test_without_a_group_only_the_users_are_operators(uid, gid, groups):
    assert Operators(frozenset({0})).role_of(Credentials(1, uid, gid, groups)) is Role.VIEWER


def test_the_kernel_tells_who_is_at_the_other_end():
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        found = credentials_of(ours)

    assert found == Credentials(os.getpid(), os.getuid(), os.getgid(), frozenset(os.getgroups()))


def test_a_kernel_that_does_not_tell_groups_gives_none(monkeypatch):
    monkeypatch.setattr(identity, "SO_PEERGROUPS", 9999)
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert credentials_of(ours).groups == frozenset()


def test_what_the_client_says_of_itself_does_not_count():
    rig = PbRig()
    from twisted.cred.credentials import Anonymous
    from twisted.spread.pb import PBClientFactory, Referenceable

    factory = PBClientFactory()
    rig.link(factory.buildProtocol(None), uid=1000)
    perspective = rig.result(factory.login(Anonymous(), client=Referenceable()))

    assert rig.result(perspective.callRemote("whoami")) == {
        "name": "user1000",
        "role": "viewer",
        "origin": "unix uid 1000 pid 4711",
    }
    rig.close()


def test_the_client_knows_who_it_is():
    rig = PbRig(operators=(0,), gids=(50,))
    client = rig.connect(uid=1000, groups=(50,))

    assert (client.caller.name, client.caller.role) == ("user1000", Role.OPERATOR)
    rig.close()


def test_somebody_without_a_name_does_not_come_in():
    rig = PbRig()

    class NamelessIdentities(Identities):
        async def identify(self, _transport):
            return None

    rig.service._identities = NamelessIdentities(Operators(frozenset()), lambda _: succeed("x"))
    with pytest.raises(ForbiddenError, match="certificate"):
        rig.connect()
    assert not rig.controls
    rig.close()


def test_a_client_that_vanishes_during_the_login_leaves_no_session():
    rig = PbRig()
    name = Deferred()
    rig.service._identities = Identities(Operators(frozenset({0})), lambda _: name)
    from twisted.cred.credentials import Anonymous
    from twisted.spread.pb import PBClientFactory

    factory = PBClientFactory()
    link = rig.link(factory.buildProtocol(None))
    factory.login(Anonymous()).addErrback(lambda _: None)
    rig.settle()
    link.server.abortConnection()
    rig.settle()
    name.callback("late")
    rig.settle()

    assert rig.sessions.views() == []
    assert not rig.controls
    rig.close()


@pytest.mark.real
@pytest_twisted.ensureDeferred
async def test_the_name_of_a_user_comes_from_the_password_database():
    from twisted.internet import reactor

    names = UserNames(reactor)
    assert await names(0) == pwd.getpwuid(0).pw_name
    assert await names(3_999_999_999) == "uid 3999999999"


@pytest.mark.real
@pytest_twisted.ensureDeferred
async def test_a_password_database_that_does_not_answer_costs_two_seconds_and_no_more(monkeypatch):
    import threading

    from twisted.internet import reactor

    release = threading.Event()
    monkeypatch.setattr(identity, "LOOKUP_DEADLINE", 0.05)
    monkeypatch.setattr(pwd, "getpwuid", lambda _: release.wait(60))
    try:
        assert await UserNames(reactor)(1234) == "uid 1234"
    finally:
        release.set()
