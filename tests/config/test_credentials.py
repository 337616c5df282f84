"""Certificates, keys and curves that a file names: read with it, checked as OpenSSL will, and a part of the result."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from maglev.config import credentials
from maglev.config.check import report
from maglev.config.credentials import SMALL, prepare, why_outdated
from maglev.config.diff import differences
from maglev.config.healthcheck_keys import HEADERS
from maglev.config.load import load_text
from maglev.config.packing import pack, unpack
from maglev.model.config import HttpParams, PemFile, TlsParams
from maglev.model.errors import ConfigError
from maglev.model.problem import Problem, ProblemKind
from tests.fakes.certificates import DAY, Authority, now

CHECK = """\
maglev:
  vpp: {{lb: {{ipv4-src-address: 192.0.2.254, ipv6-src-address: 2001:db8::1}}}}
  healthchecks:
    web:
      type: {kind}
      port: 443
      interval: 2s
      timeout: 1s
      params: {{{params}}}
  backends: {{a: {{address: 10.0.0.1, healthcheck: web}}}}
  frontends: {{www: {{address: 192.0.2.80, pools: [{{name: p, backends: {{a: }}}}]}}}}
"""


def file(params, kind="https"):
    return CHECK.format(kind=kind, params=params)


def config_of(params, kind="https"):
    loaded = load_text(file(params, kind))
    assert loaded.warnings == ()
    return loaded.config


def tls_of(params, kind="https"):
    return config_of(params, kind).healthchecks["web"].tls


def errors_of(params):
    """Return key, text and column of each error."""
    with pytest.raises(ConfigError) as caught:
        load_text(file(params))
    assert {(problem.kind, problem.line) for problem in caught.value.problems} == {(ProblemKind.SEMANTIC, 9)}
    return [(each.path.rpartition(".")[2], each.text, each.column) for each in caught.value.problems]


@pytest.fixture(scope="module")
def root():
    return Authority()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pem")


@pytest.fixture
def ca(folder, root):
    return root.write_root(folder)


@pytest.fixture
def client(folder, root):
    below = Authority("below", root)
    return below.issue_person(folder, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "maglevd")]))


def test_what_files_hold_becomes_a_part_of_the_configuration(ca, client):
    certificate, key = map(str, client)
    for kind, more in (("https", ""), ("tcp", "ssl: true, ")):
        tls = tls_of(f"{more}ca-file: {ca}, client-certificate: {certificate}, client-key: {key}", kind)
        assert (tls.ca_file.path, tls.ca_file.content) == (ca, Path(ca).read_text())
        assert tls.client_certificate.content == client[0].read_text()
        assert tls.client_certificate.content.count("BEGIN") == 2, "with its chain"
        assert tls.client_key.content == client[1].read_text()


def test_certificate_and_key_may_be_in_one_file_as_for_haproxy(folder, client):
    both = folder / "both.pem"
    both.write_text("a key: \u00e9\n" + client[1].read_text() + "and\r\n" + client[0].read_text())
    tls = tls_of(f"client-certificate: {both}")
    assert (tls.client_certificate.path, tls.client_key.path) == (str(both), str(both))
    assert tls.client_certificate.content == client[0].read_text()
    assert tls.client_key.content == client[1].read_text()


def test_a_key_is_not_shown_by_accident(client):
    tls = tls_of(f"client-certificate: {client[0]}, client-key: {client[1]}")
    assert "BEGIN" not in repr(tls)


def test_they_are_packed_for_the_other_process_with_the_rest(ca, client):
    loaded = load_text(file(f"ca-file: {ca}, client-certificate: {client[0]}, client-key: {client[1]}"))
    assert unpack(pack(loaded)) == loaded


def test_a_file_is_read_once_however_many_use_it(ca, monkeypatch):
    read = []
    monkeypatch.setattr(
        credentials, "read_regular", lambda path, limit: read.append((path, limit)) or Path(path).read_bytes()
    )
    text = file(f"ca-file: {ca}").replace(
        "healthchecks:\n",
        f"healthchecks:\n    other: {{type: https, port: 1, interval: 2s, timeout: 1s, params: {{ca-file: {ca}}}}}\n",
    )
    checks = load_text(text).config.healthchecks
    assert checks["other"].tls.ca_file == checks["web"].tls.ca_file
    assert read == [(ca, credentials.FILE_LIMIT)]


def test_what_is_replaced_is_another_configuration_and_the_difference_names_the_file_only(ca, folder, root):
    path = folder / "replaced.pem"
    path.write_text(Path(ca).read_text())
    old = config_of(f"ca-file: {path}")
    assert differences(old, config_of(f"ca-file: {path}")) == ()
    path.write_text("# with a comment\n" + Path(ca).read_text())
    assert differences(old, config_of(f"ca-file: {path}")) == (), "only the certificates count"
    path.write_text(Path(Authority().write_root(folder)).read_text())
    new = config_of(f"ca-file: {path}")
    (difference,) = differences(old, new)
    assert difference.details == (f"ca-file: {path} has another content",)
    (difference,) = differences(old, config_of(f"ca-file: {ca}"))
    assert difference.details == (f"ca-file: {path} -> {ca}",)
    (difference,) = differences(old, config_of("curves: P-384"))
    assert difference.details == ("curves: none -> P-384", f"ca-file: {path} -> none")
    path.unlink()
    assert errors_of(f"ca-file: {path}") == [("ca-file", f"{path} can't be read: No such file or directory", 25)]


def test_check_names_the_place_the_key_and_the_file(tmp_path, folder):
    (folder / "empty.pem").write_text("")
    path = tmp_path / "maglev.yaml"
    path.write_text(file(f"ca-file: {folder}/empty.pem"))
    lines, status = report(path)
    assert lines[0] == (
        f"{path}: line 9, column 25: semantic error: maglev.healthchecks.web.params.ca-file: "
        f"{folder}/empty.pem: expected certificates in PEM, found none"
    )
    assert status == 2


BROKEN = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("", "expected certificates in PEM, found none"),
        ("-----BEGIN X-----\n-----END X-----", "expected certificates in PEM, found none"),
        (f"hello\n\n{BROKEN}", "line 3: not a valid certificate"),
        (BROKEN[:40], 'line 1: no "-----END CERTIFICATE-----" after what begins here'),
        (f"{BROKEN[:33]}{BROKEN}", 'line 1: no "-----END CERTIFICATE-----" after what begins here'),
        (BROKEN.replace("MIIB", "MII\u00e9"), "line 1: not PEM: it is not ASCII"),
    ],
)
@pytest.mark.parametrize("key", ["ca-file", "client-certificate"])
def test_files_that_are_no_certificates_are_refused_with_the_line(folder, client, content, text, key):
    path = folder / "bad.pem"
    path.write_text(content)
    more = f", client-key: {client[1]}" if key == "client-certificate" else ""
    assert errors_of(f"{key}: {path}{more}") == [(key, f"{path}: {text}", 16 + len(key) + 2)]


def test_an_error_after_good_certificates_is_one(folder, ca):
    path = folder / "half.pem"
    path.write_text(Path(ca).read_text() * 2 + BROKEN)
    line = Path(ca).read_text().count("\n") * 2 + 1
    assert errors_of(f"ca-file: {path}")[0][1] == f"{path}: line {line}: not a valid certificate"
    path.write_text(Path(ca).read_text() * 2)
    assert tls_of(f"ca-file: {path}").ca_file.content == path.read_text(), "twice the same is none"


def written_key(path, key, password=None):
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    return path


def test_keys_that_are_none_or_another_ones_are_refused_at_the_place_that_names_them(folder, client):
    certificate = client[0]
    column = 16 + len(f"client-certificate: {certificate}, client-key: ")
    ours = ec.generate_private_key(ec.SECP256R1())

    def with_key(path):
        ((key, text, at),) = errors_of(f"client-certificate: {certificate}, client-key: {path}")
        assert (key, at) == ("client-key", column)
        return text.removeprefix(f"{path}: ")

    other = f"the key does not belong to the certificate in {certificate}"
    assert with_key(written_key(folder / "other", ours)) == other
    assert with_key(written_key(folder / "rsa", rsa.generate_private_key(65537, 2048))) == other
    assert with_key(written_key(folder / "x25519", x25519.X25519PrivateKey.generate())) == other
    encrypted = "the private key is encrypted; expected one without a passphrase"
    assert with_key(written_key(folder / "encrypted", ours, b"secret")) == encrypted
    assert with_key(certificate) == "expected one private key in PEM, found none"
    (folder / "two").write_text(client[1].read_text() * 2)
    assert with_key(folder / "two") == "expected one private key in PEM, found 2"
    (folder / "bad").write_text("-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n")
    assert with_key(folder / "bad") == "not a valid private key"
    assert with_key("/no/such/key") == "/no/such/key can't be read: No such file or directory"
    ((key, text, _),) = errors_of(f"client-certificate: {certificate}")
    assert (key, text) == ("client-certificate", f"{certificate}: expected one private key in PEM, found none")


def test_what_openssl_finds_too_weak_is_refused_now_and_not_by_every_backend_later(folder):
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "weak")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now() - DAY)
        .not_valid_after(now() + DAY)
        .sign(key, hashes.SHA256())
    )
    path = written_key(folder / "weak.pem", key)
    path.write_bytes(path.read_bytes() + certificate.public_bytes(serialization.Encoding.PEM))
    ((_, text, _),) = errors_of(f"client-certificate: {path}")
    assert text == f"{path}: not usable: ee key too small"


def test_each_of_two_bad_files_is_reported(folder, client):
    (folder / "none").write_text("")
    problems = errors_of(f"client-certificate: {folder}/none, client-key: {client[0]}")
    assert [key for key, _, _ in problems] == ["client-certificate", "client-key"]


def test_the_size_of_a_file_and_of_all_is_bounded(folder, ca, monkeypatch):
    path = folder / "large.pem"
    path.write_bytes(Path(ca).read_bytes() + b" " * credentials.FILE_LIMIT)
    assert errors_of(f"ca-file: {path}")[0][1] == f"{path} is larger than 512 KiB"
    monkeypatch.setattr(credentials, "TOTAL_LIMIT", 1000)
    path.write_bytes(Path(ca).read_bytes() + b" " * 1000)
    expected = f"{path}: all files of certificates and keys are larger than 0 MiB together"
    assert errors_of(f"ca-file: {path}")[0][1] == expected


def test_a_file_that_would_have_to_be_waited_for_is_not_read(folder):
    os.mkfifo(folder / "fifo")
    assert errors_of(f"ca-file: {folder}/fifo")[0][1] == f"{folder}/fifo can't be read: it is not a regular file"


def test_files_of_healthchecks_without_tls_are_not_read_and_worth_a_warning():
    for kind, more in (("http", ""), ("tcp", "ssl: false, ")):
        loaded = load_text(file(f"{more}ca-file: /no, client-certificate: /no, client-key: /no, curves: no", kind))
        assert {warning.text.partition(":")[0] for warning in loaded.warnings} == {"has no effect"}
        assert len(loaded.warnings) == 4
        assert loaded.config.healthchecks["web"].tls is None


def test_authorities_without_verification_are_worth_a_warning_and_dropped(ca):
    loaded = load_text(file(f"insecure-skip-verify: true, ca-file: {ca}"))
    text = "has no effect: insecure-skip-verify accepts any certificate"
    assert loaded.warnings == (Problem(ProblemKind.WARNING, "maglev.healthchecks.web.params.ca-file", text, 9, 44),)
    assert loaded.config.healthchecks["web"].tls == TlsParams(verify=False)


def test_curves_are_those_of_openssl(ca):
    assert tls_of("curves: X25519:P-256") == TlsParams(curves="X25519:P-256")
    assert tls_of("curves: secp384r1").curves == "secp384r1"
    assert tls_of("curves: DEFAULT").curves == "DEFAULT"
    assert tls_of("curves: ''").curves is None
    assert len(errors_of(f"curves: nonsense, ca-file: {ca}")) == 1


def test_an_openssl_that_does_not_take_them_together_says_so(monkeypatch):
    offer = credentials._offer  # before 3.5 it took none twice
    monkeypatch.setattr(credentials, "_offer", lambda context, curves: curves.count("P") < 2 and offer(context, curves))
    ((_, text, _),) = errors_of("curves: P-256:P-256")
    assert text == "OpenSSL does not take these curves together: is one given twice?"


def test_headers_are_taken_as_they_are_and_their_values_are_in_no_difference():
    old = config_of('headers: {X-A: "1", Authorization: "Basic c2VjcmV0", X-Empty: "", X-Tab: "a\\tb", X-N: 007}')
    headers = (("X-A", "1"), ("Authorization", "Basic c2VjcmV0"), ("X-Empty", ""), ("X-Tab", "a\tb"), ("X-N", "007"))
    assert old.healthchecks["web"].http == HttpParams(headers=headers)
    new = config_of("headers: {X-A: 2, X-Empty: '', X-Tab: \"a\\tb\", X-N: 007, X-New: 1}, response-regexp-not: bad")
    (difference,) = differences(old, new)
    assert difference.details == (
        "response-regexp-not: none -> bad",
        "header X-A changed",
        "header Authorization removed",
        "header X-New added",
    )
    (difference,) = differences(config_of("headers: {X-A: 1, X-B: 2}"), config_of("headers: {X-B: 2, X-A: 1}"))
    assert difference.details == ("order of headers: X-A X-B -> X-B X-A",)
    assert config_of("headers: {}") == config_of("headers: ~") == config_of("path: /")
    assert len(config_of(f"headers: {{X-A: {'a' * 4093}}}").healthchecks["web"].http.headers[0][1]) == 4093


def test_headers_are_spelled_as_they_are_written():
    assert HEADERS.spell((("X-A", "1"), ("X-B", 'a "b"'))) == '{"X-A": "1", "X-B": "a \\"b\\""}'


def hello(tls, name=b"www.example.com"):
    context = SSL.Context(SSL.TLS_METHOD)
    prepare(context, tls)
    connection = SSL.Connection(context, None)
    connection.set_connect_state()
    connection.set_tlsext_host_name(name)
    with pytest.raises(SSL.WantReadError):
        connection.do_handshake()
    return connection.bio_read(65536)


def test_the_clienthello_fits_in_a_packet_even_with_the_longest_name():
    assert len(hello(TlsParams())) < 400
    assert len(hello(TlsParams(), b".".join([b"x" * 63] * 3 + [b"y" * 61]))) < 700


def test_curves_that_this_openssl_does_not_have_are_left_out_and_leave_no_error_behind(monkeypatch):
    monkeypatch.setattr(credentials, "SMALL", ("X25518", *SMALL))
    assert len(hello(TlsParams())) == len(hello(TlsParams(curves=":".join(SMALL))))
    assert not credentials._offer(SSL.Context(SSL.TLS_METHOD), "X25518")
    with pytest.raises(SSL.Error) as caught:
        SSL._raise_current_error()
    assert caught.value.args == ([],), "the queue is empty"


NOW = now()


@pytest.mark.parametrize(
    ("spans", "first_only", "reason"),
    [
        ([(-10, 10)], False, ""),
        ([(-10, -1)], False, f"expired on {NOW - DAY:%Y-%m-%d}"),
        ([(-10, -1)], True, f"expired on {NOW - DAY:%Y-%m-%d}"),
        ([(2, 10)], True, f"is not valid before {NOW + 2 * DAY:%Y-%m-%d}"),
        ([(-10, -1), (-10, 10)], False, ""),
        ([(-10, -1), (-10, 10)], True, f"expired on {NOW - DAY:%Y-%m-%d}"),
        ([(-10, 10), (-10, -1)], True, ""),
    ],
)
def test_why_no_certificate_is_valid_now(folder, root, spans, first_only, reason):
    issued = [
        root.issue(folder, "x.example", not_before=NOW + begin * DAY, not_after=NOW + end * DAY)[0].read_text()
        for begin, end in spans
    ]
    assert why_outdated(PemFile("/x", "".join(issued)), NOW, first_only=first_only) == reason


def test_a_certificate_that_openssl_alone_can_read_counts_as_valid():
    assert why_outdated(PemFile("/x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), NOW) == ""


def test_expired_certificates_are_worth_a_warning_and_refuse_nothing(folder, root):
    certificate, key = root.issue(folder, "x.example", not_before=NOW - 9 * DAY, not_after=NOW - DAY)
    loaded = load_text(file(f"ca-file: {certificate}, client-certificate: {certificate}, client-key: {key}"))
    texts = [(warning.path.rpartition(".")[2], warning.text) for warning in loaded.warnings]
    day = f"{NOW - DAY:%Y-%m-%d}"
    assert ("ca-file", f"no certificate in it is valid now: the last one expired on {day}") in texts
    assert ("client-certificate", f"the certificate expired on {day}") in texts
