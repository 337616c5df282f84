"""What probes do to servers: their own error logs stay empty, whatever they write in how many pieces."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.probers.source import ProberSource
from maglev.model.config import Backend, CheckType, Healthcheck, HttpParams, TlsParams
from maglev.model.result import Code
from tests.fakes.certificates import Authority
from tests.fakes.nginx import Nginx, find_nginx
from tests.fakes.ports import free_port

pytestmark = pytest.mark.real

PROBES = 1000
FEW = 100
"""Probes of the servers that are slow, or of which there is more than one test."""

AT_ONCE = 20

TIMEOUT = 60
"""Seconds for a probe, and then for the rest of its answer: enough for a server on a busy machine."""

LOOK = 0.01
"""Seconds between looks whether all of an answer has been read. Checkers wait for two seconds from probe to probe; here
the next one begins as soon as that is so, as its result ends what is still read of the one before."""

PYTHON = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "12") if self.path != "/close" else None
        self.end_headers()
        self.wfile.write(b"all is ")
        self.wfile.write(b"well\\n")
    def log_request(self, *_): pass
http.server.ThreadingHTTPServer.request_queue_size = 1024
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""

NODE = """
require("http").createServer((_request, response) => {
  response.writeHead(200); response.flushHeaders();
  setImmediate(() => { response.write("all is "); response.end("well\\n"); });
}).on("clientError", (error, stream) => { console.error(error); stream.destroy(); })
  .listen(+process.argv[1], "127.0.0.1");
"""


UVICORN = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    headers = [] if scope["path"] == "/close" else [(b"content-length", b"12")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"all is ", "more_body": True})
    await send({"type": "http.response.body", "body": b"well\\n"})
"""

JAVA = """
import com.sun.net.httpserver.*;
import java.net.InetSocketAddress;
import java.util.concurrent.Executors;

class Server {
    public static void main(String[] words) throws Exception {
        int port = Integer.parseInt(words[0]);
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 1024);
        server.createContext("/", exchange -> {
            try (exchange) {
                boolean chunked = exchange.getRequestURI().getPath().equals("/chunked");
                exchange.sendResponseHeaders(200, chunked ? 0 : 12);
                var body = exchange.getResponseBody();
                body.write("all is ".getBytes());
                body.flush();
                body.write("well\\n".getBytes());
                body.flush();
            } catch (Exception error) {
                error.printStackTrace();
                throw error;
            }
        });
        server.setExecutor(Executors.newFixedThreadPool(8));
        server.start();
    }
}
"""

APACHE = """
ServerRoot {folder}
ServerName backend.test
PidFile {folder}/pid
Listen 127.0.0.1:{plain}
Listen 127.0.0.1:{secure}
{user}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule mime_module {modules}/mod_mime.so
LoadModule filter_module {modules}/mod_filter.so
LoadModule include_module {modules}/mod_include.so
LoadModule socache_shmcb_module {modules}/mod_socache_shmcb.so
LoadModule ssl_module {modules}/mod_ssl.so
ErrorLog {folder}/error.log
DocumentRoot {folder}/www
TypesConfig /dev/null
AddType text/html .html .shtml
AddOutputFilter INCLUDES .shtml
<Directory {folder}/www>
  Options +Includes
</Directory>
<VirtualHost 127.0.0.1:{secure}>
  SSLEngine on
  SSLCertificateFile {certificate}
  SSLCertificateKeyFile {key}
</VirtualHost>
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    folder.chmod(0o755)
    return Authority().issue(folder, "backend.test", "127.0.0.1")


async def probe_often(port, kind=CheckType.HTTP, path="/", probes=PROBES, *, resume=True):
    """Probe a server many times, and return the codes."""
    from twisted.internet import reactor

    source = ProberSource(reactor, LagMonitor(reactor))
    http = None if kind is CheckType.TCP else HttpParams(path=path)
    tls = None if kind is CheckType.HTTP else TlsParams(verify=False, resume=resume)
    healthcheck = Healthcheck("check", kind, port, 1, 1, 1, TIMEOUT, http=http, tls=tls)
    probers = [source.prober_for(Backend("b", "127.0.0.1"), healthcheck) for _ in range(AT_ONCE)]

    async def many(prober):
        codes = set()
        for _ in range(probes // AT_ONCE):
            outcome = Deferred()
            prober.start(outcome.callback)
            codes.add((await outcome).code)
            while reads_on(prober):
                await deferLater(reactor, LOOK)
        return codes

    try:
        codes = await gatherResults([Deferred.fromCoroutine(many(prober)) for prober in probers])
    finally:
        for prober in probers:
            prober.cancel()
        source.close()
    return set().union(*codes)


def reads_on(prober):
    """Return whether what the server still writes after the verdict is being read."""
    lingering = prober._lingering
    return lingering is not None and not lingering._connection.disconnecting


class Server:
    """A program that listens, and what it writes to its standard error."""

    def __init__(self, log, command, port=None, **options):
        self._log = log
        self._options = options
        self.port = port or free_port()
        self._command = [*command, str(self.port)] if port is None else command

    def __enter__(self):
        self._stream = self._log.open("wb")
        self._process = subprocess.Popen(self._command, stderr=self._stream, stdout=self._stream, **self._options)
        deadline = time.monotonic() + 60
        while True:
            try:
                # Who hangs up before the answer is in the log: the first one of Java takes seconds.
                with socket.create_connection(("127.0.0.1", self.port), 60) as stream:
                    stream.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    while stream.recv(4096):
                        pass
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            else:
                return self

    def __exit__(self, *_exc_info):
        self._process.terminate()
        self._process.wait(60)
        self._stream.close()


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("path", ["/length", "/close"])
async def test_pythons_own_server_logs_nothing(tmp_path, path):
    log = tmp_path / "log"
    with Server(log, [sys.executable, "-c", PYTHON]) as server:
        assert await probe_often(server.port, path=path) == {Code.L7OK}
    assert log.read_text() == ""


@pytest_twisted.ensureDeferred
@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
async def test_node_logs_nothing(tmp_path):
    log = tmp_path / "log"
    with Server(log, ["node", "-e", NODE]) as server:
        assert await probe_often(server.port) == {Code.L7OK}
    assert log.read_text() == ""


@pytest_twisted.ensureDeferred
@pytest.mark.skipif(find_nginx() is None, reason="nginx is not installed")
@pytest.mark.parametrize("path", ["/status", "/chunked/page.html"])
async def test_nginx_logs_nothing(tmp_path, path):
    with Nginx(tmp_path) as nginx:
        assert await probe_often(nginx.port, path=path) == {Code.L7OK}
    assert (tmp_path / "error.log").read_text() == ""


# Apache, over both of its ports. What it says at its start is not an error.

APACHE_PROGRAM = shutil.which("apache2", path="/usr/sbin:/usr/bin")
APACHE_MODULES = Path("/usr/lib/apache2/modules")


@pytest.fixture
def open_folder():
    """A folder that Apache's workers, another user, can read: each run of pytest closes those of all."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest_twisted.ensureDeferred
@pytest.mark.skipif(APACHE_PROGRAM is None, reason="apache2 is not installed")
async def test_apache_logs_nothing(open_folder, certificate):
    (open_folder / "www").mkdir()
    (open_folder / "www" / "index.html").write_text("all is well\n")
    (open_folder / "www" / "large.html").write_text("all is well\n" * 100_000)
    (open_folder / "www" / "chunked.shtml").write_text('<!--#echo var="DATE_GMT" --> all is well\n')
    plain, secure = free_port(), free_port()
    text = APACHE.format(
        folder=open_folder,
        plain=plain,
        secure=secure,
        modules=APACHE_MODULES,
        certificate=certificate[0],
        key=certificate[1],
        user="User www-data\nGroup www-data" if os.geteuid() == 0 else "",
    )
    (open_folder / "apache.conf").write_text(text)
    log = open_folder / "error.log"
    command = [APACHE_PROGRAM, "-X", "-f", str(open_folder / "apache.conf")]
    with Server(open_folder / "output", command, plain):
        before = log.read_text()
        for path in ("/index.html", "/chunked.shtml", "/large.html"):
            assert await probe_often(plain, path=path, probes=FEW) == {Code.L7OK}
            assert await probe_often(secure, CheckType.HTTPS, path, FEW) == {Code.L7OK}
        assert await probe_often(secure, CheckType.HTTPS, "/index.html", FEW, resume=False) == {Code.L7OK}
        assert log.read_text()[len(before) :] == ""
    assert (open_folder / "output").read_text() == ""


# uvicorn


@pytest_twisted.ensureDeferred
@pytest.mark.skipif(find_spec("uvicorn") is None, reason="uvicorn is not installed")
@pytest.mark.parametrize("path", ["/length", "/close"])
@pytest.mark.parametrize("kind", [CheckType.HTTP, CheckType.HTTPS])
async def test_uvicorn_logs_nothing(tmp_path, certificate, path, kind):
    (tmp_path / "served.py").write_text(UVICORN)
    command = [sys.executable, "-m", "uvicorn", "served:app", "--app-dir", str(tmp_path), "--log-level", "warning"]
    if kind is CheckType.HTTPS:
        command += ["--ssl-certfile", str(certificate[0]), "--ssl-keyfile", str(certificate[1])]
    log = tmp_path / "log"
    with Server(log, [*command, "--port"]) as server:
        before = log.read_text()  # a port of TLS logs the request in plain text by which its start was noticed
        assert await probe_often(server.port, kind, path, FEW) == {Code.L7OK}
        assert log.read_text()[len(before) :] == ""


# Java's own server: it takes the compiler, and a second to start


@pytest_twisted.ensureDeferred
@pytest.mark.skipif(shutil.which("javac") is None, reason="a JDK is not installed")
@pytest.mark.parametrize("path", ["/length", "/chunked"])
async def test_java_logs_nothing(tmp_path, path):
    (tmp_path / "Server.java").write_text(JAVA)
    log = tmp_path / "log"
    with Server(log, ["java", str(tmp_path / "Server.java")]) as server:
        assert await probe_often(server.port, path=path, probes=FEW) == {Code.L7OK}
        assert log.read_text() == ""
