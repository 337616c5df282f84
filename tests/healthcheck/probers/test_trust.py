"""Whose certificates are believed, and for which name."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from OpenSSL import SSL

from maglev.healthcheck.probers import trust
from maglev.healthcheck.probers.trust import Identity, TlsContexts, _epoch
from maglev.model.config import Backend, CheckType, Healthcheck, HttpParams, PemFile, TlsParams


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
    assert contexts.context(TlsParams()) is contexts.context(TlsParams("a.test", resume=False))
    assert contexts.context(TlsParams()).get_verify_mode() == SSL.VERIFY_PEER
    assert contexts.context(TlsParams(verify=False)).get_verify_mode() == SSL.VERIFY_NONE


def test_backends_that_are_verified_alike_share_a_context_and_it_goes_with_the_last(root, folder):
    contexts = TlsContexts()
    pem = PemFile("/ca.pem", Path(root.write_root(folder)).read_text())
    one, other = (contexts.context(TlsParams(name, ca_file=pem)) for name in ("a.test", "b.test"))
    assert one is other
    assert one is not contexts.context(TlsParams())
    assert one is not contexts.context(TlsParams(ca_file=pem, curves="P-256"))
    assert one is not contexts.context(TlsParams(ca_file=PemFile("/ca.pem", pem.content * 2)))
    kept = len(contexts._made)
    del one, other
    assert len(contexts._made) == kept - 1
    plain = id(contexts.context(TlsParams()))
    gc.collect()
    assert id(contexts.context(TlsParams())) == plain, "those that most backends use stay"


def test_what_a_healthcheck_needs_of_openssl_is_prepared_once(monkeypatch):
    prepared = []
    monkeypatch.setattr(trust, "prepare", lambda _context, tls: prepared.append(tls))
    contexts = TlsContexts()
    kept = [contexts.context(TlsParams(f"{number}.test", curves="P-256")) for number in range(100)]
    assert prepared == [TlsParams(curves="P-256")]
    assert len(set(map(id, kept))) == 1


def test_a_waiting_connection_holds_no_empty_buffers():
    assert TlsContexts().context(TlsParams(verify=False)).set_mode(0) & SSL.MODE_RELEASE_BUFFERS


@pytest.mark.parametrize(
    ("text", "seconds"), [("19700101000010Z", 10.0), ("99991231235959Z", 253402300799.0), ("", None)]
)
def test_an_expiry_is_seconds_since_the_epoch(text, seconds):
    assert _epoch(text) == seconds
