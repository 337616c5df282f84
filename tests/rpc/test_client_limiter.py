"""How many clients there may be, and who is kept out by whom: nobody by those who are trusted less."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from maglev.rpc.server.client_limiter import LOCAL, REMOTE, UNKNOWN
from maglev.rpc.server.peer import LOGIN_DEADLINE
from maglev.runtime.admission import OWN, Descriptors
from tests.fakes.pb_rig import PbRig
from tests.rpc.test_peer import HELLO, LOGIN, message

STAFF = 7


def certificate(name, *units):
    """Return what a TLS connection shows of the certificate of a client."""
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    subject += [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in units]
    return SimpleNamespace(to_cryptography=lambda: SimpleNamespace(subject=x509.Name(subject)))


@pytest.fixture
def rig():
    made = PbRig(operators=(0,), gids=(STAFF,))
    yield made
    made.close()


def fill(rig, **who):
    """Connect and log in until that is refused; return how many got in."""
    return next(count for count in range(1000) if not gets_in(rig, **who))


def gets_in(rig, **who):
    """Connect and log in; return whether that is granted."""
    before = len(rig.controls)
    rig.raw(HELLO + message(*LOGIN), **who)
    return len(rig.controls) > before


def test_one_viewer_leaves_places_to_another_and_all_of_them_to_operators_and_root(rig):
    assert [fill(rig, uid=uid) for uid in (1000, 1001, 1002, 1003)] == [48, 48, 32, 0]
    assert rig.service.drops.counts["too-many"] == 4
    assert [fill(rig, uid=uid, gid=STAFF) for uid in (1004, 1005)] == [96, 16]
    assert fill(rig, uid=0) == 16
    assert len(rig.service.limiter) == LOCAL


@pytest.mark.parametrize("uid", [0, 1000])
def test_a_user_gets_in_in_spite_of_its_own_connections_that_say_nothing(rig, uid):
    silent = [rig.raw(uid=uid)[1] for _ in range(300)]
    alive = sum(not link.lost for link in silent)
    assert alive == (LOCAL if uid == 0 else 48)
    other = rig.raw(uid=2000)[1]
    for _ in range(20):
        assert gets_in(rig, uid=uid)
    assert sum(not link.lost for link in silent) == alive - 20
    assert uid == 0 or not other.lost, "only its own connections make room"


def test_a_client_that_has_logged_in_makes_no_room(rig):
    assert fill(rig, uid=1000) == 48
    rig.raw(uid=1000)
    assert len(rig.service.limiter) == 48


def test_root_gets_in_with_few_descriptors():
    rig = PbRig(operators=(0,), gids=(STAFF,), descriptors=Descriptors(lambda: 10, lambda: 230))
    for _ in range(300):
        rig.raw(uid=0)
    assert len(rig.service.limiter) < 120
    assert gets_in(rig, uid=0)
    rig.close()


def test_a_place_is_free_again_when_its_client_goes(rig):
    fill(rig, uid=1000)
    rig.links[0].server.abortConnection()
    rig.settle()
    assert fill(rig, uid=1000) == 1


@pytest.mark.parametrize("hosts", [["192.0.2.66"], [f"198.51.100.{number}" for number in range(250)]])
def test_strangers_at_the_tls_port_keep_nobody_out(rig, hosts):
    strangers = [rig.raw(host=host)[1] for host, _ in zip(itertools.cycle(hosts), range(512), strict=False)]
    assert sum(not link.lost for link in strangers) == UNKNOWN
    assert len(rig.service.limiter) == UNKNOWN

    assert gets_in(rig, uid=0)
    assert gets_in(rig, uid=1000)
    assert gets_in(rig, host="192.0.2.1", certificate=certificate("ada", "operator"))
    assert gets_in(rig, host=hosts[0], certificate=certificate("vera"))
    rig.settle(LOGIN_DEADLINE)
    assert len(rig.service.limiter) == 4


def test_viewers_over_tls_leave_places_to_operators(rig):
    viewers = [certificate(name) for name in ("va", "vb", "vc", "vd")]
    assert [fill(rig, host="192.0.2.1", certificate=each) for each in viewers] == [24, 24, 16, 0]
    operators = [certificate(name, "operator") for name in ("ada", "bob")]
    assert [fill(rig, host="192.0.2.1", certificate=each) for each in operators] == [48, 16]
    assert len(rig.service.limiter) - 6 == REMOTE  # those that were refused wait for their deadline
    assert gets_in(rig, uid=0)


def test_many_backends_leave_fewer_places():
    # 64 descriptors for 512 places.
    rig = PbRig(operators=(0,), gids=(STAFF,), descriptors=Descriptors(lambda: 5000, lambda: 5000 + OWN + 64))
    for number in range(100):
        rig.raw(host=f"198.51.100.{number}")
    assert len(rig.service.limiter) == UNKNOWN // 8
    rig.settle(LOGIN_DEADLINE)
    assert fill(rig, uid=0) == LOCAL // 8
    operators = [certificate(name, "operator") for name in ("ada", "bob", "carl")]
    assert sum(fill(rig, host="192.0.2.1", certificate=each) for each in operators) == REMOTE // 8
    rig.close()


def test_a_client_that_is_refused_is_told_why(rig):
    for _ in range(24):
        rig.raw(HELLO + message(*LOGIN), host="192.0.2.1", certificate=certificate("va"))
    raw, link = rig.raw(HELLO + message(*LOGIN), host="192.0.2.1", certificate=certificate("va"))
    assert b"too many sessions of va: at most 24" in raw.received
    rig.settle(LOGIN_DEADLINE)
    assert link.lost
