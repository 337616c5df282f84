"""A TLS probe and OpenSSL's own server side, in memory."""

from __future__ import annotations

from functools import partial

from cryptography import x509
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from OpenSSL.crypto import X509
from twisted.internet.testing import StringTransport

from maglev.healthcheck.probers.connection import ABORTED
from maglev.healthcheck.probers.expectation import Expectation
from maglev.healthcheck.probers.http import HttpProbe
from maglev.healthcheck.probers.tls import TlsProbe
from maglev.healthcheck.probers.trust import Identity
from maglev.model.config import Backend, CheckType, Healthcheck, PemFile, TlsParams

NAME = "backend.test"


def server_context(certificate, version=None):
    context = SSL.Context(SSL.TLS_METHOD)
    if version is not None:
        context.set_max_proto_version(version)
    context.use_certificate_chain_file(str(certificate[0]))
    context.use_privatekey_file(str(certificate[1]))
    return context


def require_certificates(context, root):
    """Let a server accept only clients that show a certificate of this authority."""
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *arguments: bool(arguments[-1]))
    context.get_cert_store().add_cert(X509.from_cryptography(root.certificate))
    context.set_session_id(b"maglev")


def pem_file(path):
    """Return what the configuration makes of a file."""
    return PemFile(str(path), path.read_text())


def client_of(folder, root, name="maglevd", units=0):
    """Return TLS parameters with a certificate of this authority; units make it large."""
    unit = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, f"{number:064}") for number in range(units)]
    subject = x509.Name([*unit, x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate, key = root.issue_person(folder, subject)
    return TlsParams(NAME, client_certificate=pem_file(certificate), client_key=pem_file(key))


class ClosingTransport(StringTransport):
    """Tells the protocol when it is aborted, as the connection does."""

    protocol = None
    half_closed = False

    def loseWriteConnection(self):
        self.half_closed = True

    def abortConnection(self):
        if not self.disconnecting:
            self.disconnecting = True
            self.protocol.connectionLost(ABORTED)

    loseConnection = abortConnection


class TlsExchange:
    """A TLS probe and a server, joined by hand.

    The server has a certificate, or a context with one: it takes back the sessions of those with the same context.
    """

    def __init__(
        self,
        contexts,
        certificate,
        tls=None,
        *,
        http=None,
        address="192.0.2.1",
        version=None,
        identity=None,
        resumption=None,
        conclude=None,
    ):
        self.verdicts = []
        self.conclude = conclude
        self.transport = ClosingTransport()
        tls = tls or TlsParams(server_name=NAME)
        healthcheck = Healthcheck("web", CheckType.HTTPS, 443, 1, 1, 1, 1, tls=tls, http=http)
        self.identity = identity or Identity(Backend("b", address), healthcheck)
        inner = None
        if http is not None:
            inner = partial(HttpProbe, request=b"GET / HTTP/1.1\r\n\r\n", expectation=Expectation.of(http))
        context = contexts.context(tls)
        self.probe = TlsProbe(self._conclude, context, self.identity, inner, resumption)
        self.transport.protocol = self.probe
        if not isinstance(certificate, SSL.Context):
            certificate = server_context(certificate, version)
        self.server = SSL.Connection(certificate, None)
        self.server.set_accept_state()
        self.received = b""
        self.answers = []
        self.server_error = None

    def _conclude(self, code, detail=""):
        self.verdicts.append((code, detail))
        self.transport.abortConnection()
        if self.conclude is not None:
            self.conclude(code, detail)

    def run(self, size=1 << 20):
        """Let both talk until they have nothing more to say; bytes reach the probe in pieces of this size."""
        if self.probe.transport is None:
            self.probe.makeConnection(self.transport)
        while True:
            sent = self.transport.value()
            self.transport.clear()
            if sent:
                self.server.bio_write(sent)
            back = self._turn_of_server()
            if not sent and not back:
                return self
            for start in range(0, len(back), size):
                if not self.transport.disconnecting:
                    self.probe.dataReceived(back[start : start + size])

    def _turn_of_server(self):
        try:
            self.server.do_handshake()
            self.received += self.server.recv(65536)
            while self.answers:
                answer = self.answers.pop(0)
                self.server.shutdown() if answer is None else self.server.sendall(answer)
        except SSL.WantReadError:
            pass
        except SSL.Error as error:
            self.server_error = self.server_error or error
        try:
            return self.server.bio_read(1 << 20)
        except SSL.WantReadError:
            return b""

    @property
    def saw_certificate(self):
        """Whether the probe was shown a certificate: the handshake was a full one."""
        return self.probe._verification.leaf is not None

    @property
    def verdict(self):
        assert len(self.verdicts) == 1, self.verdicts
        return self.verdicts[0]
