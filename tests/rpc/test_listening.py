"""Real sockets: who may come to them, and who is told apart there."""

from __future__ import annotations

import os
import socket
import stat
import time
from types import SimpleNamespace

import attrs
import pytest
import pytest_twisted
from cryptography import x509
from cryptography.x509.oid import NameOID
from twisted.internet import reactor
from twisted.internet.task import deferLater

from maglev.control.sessions import Sessions
from maglev.model.caller import Role
from maglev.model.errors import ForbiddenError, RefusedError, StartError
from maglev.rpc.client.control import connect
from maglev.rpc.server.identity import Identities, Operators, UserNames
from maglev.rpc.server.listening import TlsPort
from maglev.rpc.server.service import PbService
from maglev.rpc.tls import TlsFiles
from maglev.rpc.wire import LostError
from maglev.runtime.admission import Descriptors
from maglev.runtime.cooperator import Cooperator
from maglev.runtime.listening import UnixSocket
from tests.fakes.certificates import Authority
from tests.fakes.pb_control import ScriptedControl

pytestmark = pytest.mark.real


class Served:
    """A service on real sockets."""

    def __init__(self, *listeners, uids=None):
        self.controls = []
        operators = Operators(frozenset({os.geteuid()} if uids is None else uids))
        identities = Identities(operators, UserNames(reactor))
        self.service = PbService(
            reactor,
            Cooperator(reactor).queue("pb"),
            self._control,
            Sessions(reactor, time.time),
            identities,
            listeners,
            Descriptors(lambda: 0),
        )

    def _control(self, caller):
        self.controls.append(ScriptedControl(caller))
        return self.controls[-1]

    async def __aenter__(self):
        self.service.startService()
        return self

    async def __aexit__(self, *_):
        await self.service.stopService()
        for _ in range(12_000):
            if not self.service.limiter:
                break
            await deferLater(reactor, 0.005)
        else:
            raise AssertionError("clients are left")

    @property
    def port(self):
        return self.service._ports[0][1].getHost().port


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "pb.sock"


@pytest.fixture
def old_umask():
    before = os.umask(0)
    yield
    os.umask(before)


@pytest_twisted.ensureDeferred
async def test_p13_the_socket_is_for_owner_and_group_in_a_folder_of_theirs(path, old_umask):
    async with Served(UnixSocket(reactor, str(path))):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o750
        assert stat.S_IMODE(path.with_name("pb.sock.lock").stat().st_mode) == 0o600
    assert not path.exists()


@pytest_twisted.ensureDeferred
async def test_a_client_is_known_by_its_socket(path):
    async with Served(UnixSocket(reactor, str(path))) as served:
        client = await connect(reactor, f"unix:{path}")
        assert client.caller.role is Role.OPERATOR
        assert client.caller.origin == f"unix uid {os.getuid()} pid {os.getpid()}"
        assert await client.frontend("web") == {"verb": "frontend", "arguments": ["web"]}
        assert served.controls[0].caller == client.caller
        await client.close()


@pytest_twisted.ensureDeferred
async def test_somebody_else_on_the_same_socket_is_a_viewer(path):
    async with Served(UnixSocket(reactor, str(path)), uids=()):
        client = await connect(reactor, f"unix:{path}")
        assert client.caller.role is Role.VIEWER
        await client.close()


@pytest_twisted.ensureDeferred
async def test_a_socket_that_a_crash_left_behind_is_replaced(path):
    path.parent.mkdir()
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    path.with_name("pb.sock.lock").touch()

    async with Served(UnixSocket(reactor, str(path))):
        client = await connect(reactor, f"unix:{path}")
        await client.close()


@pytest_twisted.ensureDeferred
async def test_a_socket_that_somebody_listens_at_is_left_alone(path):
    async with Served(UnixSocket(reactor, str(path))):
        second = Served(UnixSocket(reactor, str(path)))
        with pytest.raises(StartError, match="another process listens there"):
            second.service.startService()
        client = await connect(reactor, f"unix:{path}")
        await client.close()


def test_a_file_that_is_not_a_socket_is_left_alone(path):
    path.parent.mkdir()
    path.write_text("precious")
    with pytest.raises(StartError, match="not a socket"):
        Served(UnixSocket(reactor, str(path))).service.startService()

    assert path.read_text() == "precious"


def test_a_folder_that_can_not_be_made_is_an_error_that_says_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match="can't listen there"):
        Served(UnixSocket(reactor, str(tmp_path / "file" / "pb.sock"))).service.startService()


@pytest_twisted.ensureDeferred
async def test_a_service_that_can_not_listen_everywhere_listens_nowhere(path, tmp_path):
    (tmp_path / "file").touch()
    both = Served(UnixSocket(reactor, str(path)), UnixSocket(reactor, str(tmp_path / "file" / "pb.sock")))
    with pytest.raises(StartError):
        both.service.startService()
    for _ in range(12_000):
        if not path.exists():
            break
        await deferLater(reactor, 0.005)

    assert not path.exists()
    async with Served(UnixSocket(reactor, str(path))):
        pass


@pytest.mark.parametrize("address", ["", "unix:", "tcp:localhost:1", "tls:localhost", "tls:localhost:0", "tls:a:b:1"])
@pytest_twisted.ensureDeferred
async def test_what_is_not_an_address_is_refused(address):
    with pytest.raises(RefusedError, match=r'invalid address ".*": expected unix:PATH or tls:HOST:PORT'):
        await connect(reactor, address)


@pytest_twisted.ensureDeferred
async def test_nobody_at_the_address_is_an_error_that_says_why(tmp_path):
    with pytest.raises(LostError, match="No such file or directory"):
        await connect(reactor, f"unix:{tmp_path}/none.sock")
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "left.sock"))
    left.close()
    with pytest.raises(LostError, match="Connection refused"):
        await connect(reactor, f"unix:{tmp_path}/left.sock")


# TLS


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    """Certificates: of the server, of an operator, of a viewer, and of a stranger."""
    folder = tmp_path_factory.mktemp("papers")
    authority, stranger = Authority("ours"), Authority("theirs")

    def person(issuer, name, unit=None):
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else []
        attributes += [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit)] if unit else []
        return issuer.issue_person(folder, x509.Name(attributes))

    root = authority.write_root(folder)
    server = authority.issue(folder, "localhost", "127.0.0.1")
    files = lambda pair: TlsFiles(root, str(pair[0]), str(pair[1]))  # noqa: E731
    return SimpleNamespace(
        root=root,
        server=files(server),
        elsewhere=files(authority.issue(folder, "elsewhere.example", "192.0.2.1")),
        operator=files(person(authority, "alice", "operator")),
        viewer=files(person(authority, "bob", "accounting")),
        plain=files(person(authority, "carol")),
        nameless=files(person(authority, "", "operator")),
        stranger=files(person(stranger, "mallory", "operator")),
        other_root=stranger.write_root(folder),
        folder=folder,
    )


def tls_port(papers):
    return TlsPort(reactor, "127.0.0.1", 0, papers.server)


@pytest.mark.parametrize(
    ("who", "name", "role"),
    [("operator", "alice", Role.OPERATOR), ("viewer", "bob", Role.VIEWER), ("plain", "carol", Role.VIEWER)],
)
@pytest_twisted.ensureDeferred
async def test_over_tls_a_client_is_who_its_certificate_says(papers, who, name, role):
    async with Served(tls_port(papers)) as served:
        client = await connect(reactor, f"tls:127.0.0.1:{served.port}", getattr(papers, who))
        assert (client.caller.name, client.caller.role) == (name, role)
        assert client.caller.origin.startswith("tls 127.0.0.1:")
        assert await client.frontend("web")
        await client.close()


@pytest_twisted.ensureDeferred
async def test_the_name_of_the_server_is_checked(papers):
    async with Served(tls_port(papers)) as served:
        client = await connect(reactor, f"tls:localhost:{served.port}", papers.viewer)
        await client.close()
    async with Served(TlsPort(reactor, "127.0.0.1", 0, papers.elsewhere)) as served:
        for host in ("localhost", "127.0.0.1"):
            with pytest.raises(LostError, match="certificate verify failed"):
                await connect(reactor, f"tls:{host}:{served.port}", papers.viewer)
        assert not served.controls


@pytest_twisted.ensureDeferred
async def test_a_certificate_of_another_authority_does_not_come_in(papers):
    async with Served(tls_port(papers)) as served:
        with pytest.raises(LostError, match="hung up"):
            await connect(reactor, f"tls:127.0.0.1:{served.port}", papers.stranger)
        assert not served.controls


@pytest_twisted.ensureDeferred
async def test_a_server_of_another_authority_is_not_talked_to(papers):
    async with Served(tls_port(papers)) as served:
        doubtful = TlsFiles(papers.other_root, papers.viewer.certificate, papers.viewer.key)
        with pytest.raises(LostError, match="certificate verify failed"):
            await connect(reactor, f"tls:127.0.0.1:{served.port}", doubtful)
        assert not served.controls


@pytest_twisted.ensureDeferred
async def test_a_certificate_without_a_name_does_not_come_in(papers):
    async with Served(tls_port(papers)) as served:
        with pytest.raises(ForbiddenError, match="no usable name"):
            await connect(reactor, f"tls:127.0.0.1:{served.port}", papers.nameless)


@pytest_twisted.ensureDeferred
async def test_a_client_without_a_certificate_does_not_come_in(papers):
    import ssl

    async with Served(tls_port(papers)) as served:
        from twisted.internet.threads import deferToThread

        def talk():
            context = ssl.create_default_context(cafile=papers.root)
            plain = socket.create_connection(("127.0.0.1", served.port), 60)
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as wrapped:
                return wrapped.recv(100)

        with pytest.raises(OSError):
            await deferToThread(talk)
        assert not served.controls


@pytest_twisted.ensureDeferred
async def test_tls_without_certificates_is_refused_before_anything_is_sent():
    with pytest.raises(RefusedError, match="three files"):
        await connect(reactor, "tls:localhost:1")


@pytest_twisted.ensureDeferred
async def test_files_that_are_no_certificates_are_errors_that_say_so(papers):
    (papers.folder / "empty").touch()
    for broken in (papers.folder / "missing", papers.folder / "empty", papers.viewer.authority):
        for which in ("certificate", "key", "authority"):
            if (which, broken) == ("authority", papers.viewer.authority):
                continue
            files = attrs.evolve(papers.server, **{which: str(broken)})
            with pytest.raises(StartError, match="TLS"):
                TlsPort(reactor, "127.0.0.1", 0, files)
            with pytest.raises(RefusedError, match="TLS"):
                await connect(reactor, "tls:localhost:1", files)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Twisted 24.11 leaves its socket to gc
def test_a_port_that_is_taken_is_an_error(papers):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listener = TlsPort(reactor, "127.0.0.1", taken.getsockname()[1], papers.server)
        with pytest.raises(StartError, match="Couldn't listen"):
            Served(listener).service.startService()
