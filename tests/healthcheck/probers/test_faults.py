"""What system errors say: something about the backend, or about this machine."""

from __future__ import annotations

import errno

import pytest

from maglev.healthcheck.counters import DISCARD_REASONS
from maglev.healthcheck.probers.faults import (
    bind_fault,
    connect_outcome,
    local_fault,
    send_fault,
    setup_fault,
    socket_fault,
)
from maglev.healthcheck.workers.codec import REASONS
from maglev.model.result import Code, LocalFault

EVERY = sorted(errno.errorcode)

AT_ONCE = {errno.ECONNREFUSED, errno.ECONNRESET}
"""What a backend can do to a connection in the moment that it begins."""

LATER = AT_ONCE | {
    errno.ECONNABORTED,
    errno.EPIPE,
    errno.ENOTCONN,
    errno.ESHUTDOWN,
    errno.ETIMEDOUT,
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.EHOSTDOWN,
    errno.ENONET,
    errno.ENOPROTOOPT,
    errno.EOPNOTSUPP,
    errno.EMSGSIZE,
    errno.EPROTO,
    errno.EACCES,
}
"""What can come from the network for a connection under way; all else is ours."""


def verdict(outcome):
    return outcome.reason if isinstance(outcome, LocalFault) else outcome.code


@pytest.mark.parametrize("number", EVERY)
def test_each_error_of_connect_is_sorted_by_the_moment_at_which_it_came(number):
    for at_once, theirs in ((True, AT_ONCE), (False, LATER)):
        outcome = connect_outcome(number, at_once=at_once)
        assert isinstance(outcome, LocalFault) is (number not in theirs)
        if number in theirs:
            assert outcome.code is (Code.L4TOUT if number == errno.ETIMEDOUT else Code.L4CON)
            assert outcome.detail
        else:
            assert outcome.reason in DISCARD_REASONS


@pytest.mark.parametrize("number", EVERY)
def test_each_error_of_an_open_connection_is_sorted(number):
    fault = local_fault(number)
    assert (fault is None) is (number in LATER)
    assert fault is None or fault.reason in DISCARD_REASONS


@pytest.mark.parametrize("number", EVERY)
def test_no_backend_can_make_socket_or_bind_or_sendmsg_fail(number):
    faults = [
        socket_fault(OSError(number, "x")),
        setup_fault(number),
        bind_fault(number),
        send_fault(number, from_source=True),
        send_fault(number, from_source=False),
    ]
    for fault in faults:
        assert isinstance(fault, LocalFault)
        assert fault.reason in DISCARD_REASONS
        assert fault.reason in REASONS, "a worker can tell it"


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENETUNREACH, "network"),
        (errno.EHOSTUNREACH, "network"),
        (errno.ENETDOWN, "network"),
        (errno.EINVAL, "network"),  # a link-local address
        (errno.EADDRNOTAVAIL, "ports"),
        (errno.EADDRINUSE, "ports"),
        (errno.EAGAIN, "ports"),
        (errno.EMFILE, "descriptors"),
        (errno.ENOSPC, "descriptors"),
        (errno.ENOBUFS, "memory"),
        (errno.ENOMEM, "memory"),
        (errno.EPERM, "permission"),
        (errno.EACCES, "permission"),
        (errno.EAFNOSUPPORT, "unsupported"),
        (errno.EXFULL, "unsupported"),
    ],
)
def test_the_reason_of_a_connection_that_can_not_begin(number, expected):
    assert verdict(connect_outcome(number, at_once=True)) == expected


@pytest.mark.parametrize(
    ("number", "expected", "text"),
    [
        (errno.EADDRNOTAVAIL, "network", "source address not usable"),
        (errno.ENODEV, "network", "source address not usable"),
        (errno.EINVAL, "network", "source address not usable"),
        (errno.EADDRINUSE, "ports", "no source port"),
        (errno.EAGAIN, "ports", "no source port"),
        (errno.ENOMEM, "memory", "source address not usable"),
        (errno.EACCES, "permission", "source address not usable"),
    ],
)
def test_a_source_address_that_has_gone_is_our_fault(number, expected, text):
    fault = bind_fault(number)
    assert fault.reason == expected
    assert fault.detail.startswith(text)
