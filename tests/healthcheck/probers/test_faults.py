"""What system errors say: something about the backend, or about this machine."""

from __future__ import annotations

import errno

import pytest

from maglev.healthcheck.probers.faults import bind_outcome, connect_outcome, local_fault, socket_fault
from maglev.model.result import Code, LocalFault


def verdict(outcome):
    return outcome.reason if isinstance(outcome, LocalFault) else outcome.code


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ECONNREFUSED, Code.L4CON),
        (errno.ECONNRESET, Code.L4CON),
        (errno.ENETUNREACH, Code.L4CON),
        (errno.EHOSTUNREACH, Code.L4CON),
        (errno.EINVAL, Code.L4CON),
        (errno.ETIMEDOUT, Code.L4TOUT),
        (errno.EADDRNOTAVAIL, "ports"),
        (errno.EADDRINUSE, "ports"),
        (errno.EAGAIN, "ports"),
        (errno.EMFILE, "descriptors"),
        (errno.ENOSPC, "descriptors"),
        (errno.ENOBUFS, "memory"),
        (errno.ENOMEM, "memory"),
        (errno.EPERM, "permission"),
        (errno.EACCES, "permission"),
    ],
)
def test_a_failed_connect(number, expected):
    assert verdict(connect_outcome(number)) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.EADDRNOTAVAIL, Code.L4CON),
        (errno.EINVAL, Code.L4CON),
        (errno.EADDRINUSE, "ports"),
        (errno.EAGAIN, "ports"),
        (errno.ENOMEM, "memory"),
        (errno.EACCES, "permission"),
    ],
)
def test_a_failed_bind_is_about_the_configured_source_unless_it_is_about_us(number, expected):
    outcome = bind_outcome(number)
    assert verdict(outcome) == expected
    if expected is Code.L4CON:
        assert outcome.detail.startswith("source address not usable")


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.EMFILE, "descriptors"),
        (errno.ENFILE, "descriptors"),
        (errno.ENOBUFS, "memory"),
        (errno.EPERM, "permission"),
        (errno.EAFNOSUPPORT, "unsupported"),
    ],
)
def test_no_backend_can_make_socket_fail(number, expected):
    assert socket_fault(OSError(number, "x")).reason == expected


def test_most_errors_of_a_connection_are_the_backends():
    assert local_fault(errno.ECONNRESET) is None
    assert local_fault(errno.EPIPE) is None
