"""Whose certificates are believed, and for which name."""

from __future__ import annotations

import pytest
from OpenSSL import SSL

from maglev.healthcheck.probers.trust import Identity, TlsContexts, _epoch
from maglev.model.config import Backend, CheckType, Healthcheck, HttpParams, TlsParams


def identity(server_name=None, host=None, address="192.0.2.1"):
    healthcheck = Healthcheck(
        "web", CheckType.HTTPS, 443, 1, 1, 1, 1, tls=TlsParams(server_name), http=HttpParams(host=host)
    )
    return Identity(Backend("b", address), healthcheck)


@pytest.mark.parametrize(
    ("server_name", "host", "sent"),
    [
        ("name.test", "host.test", b"name.test"),
        (None, "host.test", b"host.test"),
        (None, "host.test:8443", b"host.test"),
        (None, "[2001:db8::1]:8443", None),
        (None, "2001:db8::1", None),
        (None, "192.0.2.7:8443", None),
        (None, None, None),
        ("b\u00fccher.test", None, b"xn--bcher-kva.test"),
        ("a" * 70 + ".test", None, b"a" * 70 + b".test"),
    ],
)
def test_the_name_is_server_name_else_host_else_none(server_name, host, sent):
    assert identity(server_name, host).server_name == sent


def test_a_tcp_check_has_no_host_to_fall_back_on():
    healthcheck = Healthcheck("t", CheckType.TCP, 443, 1, 1, 1, 1, tls=TlsParams())
    assert Identity(Backend("b", "192.0.2.1"), healthcheck).server_name is None


def test_the_system_is_trusted_unless_told_otherwise_and_contexts_are_shared():
    contexts = TlsContexts()
    assert contexts.context(verify=True) is contexts.context(verify=True)
    assert contexts.context(verify=True).get_verify_mode() == SSL.VERIFY_PEER
    assert contexts.context(verify=False).get_verify_mode() == SSL.VERIFY_NONE


def test_a_waiting_connection_holds_no_empty_buffers():
    assert TlsContexts().context(verify=False).set_mode(0) & SSL.MODE_RELEASE_BUFFERS


@pytest.mark.parametrize(
    ("text", "seconds"), [("19700101000010Z", 10.0), ("99991231235959Z", 253402300799.0), ("", None)]
)
def test_an_expiry_is_seconds_since_the_epoch(text, seconds):
    assert _epoch(text) == seconds
