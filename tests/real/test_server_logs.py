"""What probes do to servers: their own error logs stay empty, whatever they write in how many pieces."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults

from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.probers.source import ProberSource
from maglev.model.config import Backend, CheckType, Healthcheck, HttpParams
from maglev.model.result import Code
from tests.fakes.nginx import Nginx, find_nginx

pytestmark = pytest.mark.real

PROBES = 1000
AT_ONCE = 20

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
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""

NODE = """
require("http").createServer((_request, response) => {
  response.writeHead(200); response.flushHeaders();
  setImmediate(() => { response.write("all is "); response.end("well\\n"); });
}).on("clientError", (error, stream) => { console.error(error); stream.destroy(); })
  .listen(+process.argv[1], "127.0.0.1");
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


async def probe_often(port, kind=CheckType.HTTP, path="/"):
    """Probe a server a thousand times, and return the codes."""
    from twisted.internet import reactor

    source = ProberSource(reactor, LagMonitor(reactor))
    http = HttpParams(path=path) if kind is CheckType.HTTP else None
    healthcheck = Healthcheck("check", kind, port, 1, 1, 1, 20, http=http)
    probers = [source.prober_for(Backend("b", "127.0.0.1"), healthcheck) for _ in range(AT_ONCE)]

    async def many(prober):
        codes = set()
        for _ in range(PROBES // AT_ONCE):
            outcome = Deferred()
            # Not sooner than a checker would: the next probe ends what the last one still reads.
            prober.start(lambda result, outcome=outcome: reactor.callLater(0.25, outcome.callback, result))
            codes.add((await outcome).code)
        return codes

    try:
        codes = await gatherResults([Deferred.fromCoroutine(many(prober)) for prober in probers])
    finally:
        for prober in probers:
            prober.cancel()
        source.close()
    return set().union(*codes)


class Server:
    """A program that listens, and what it writes to its standard error."""

    def __init__(self, log, command):
        self._log = log
        self.port = free_port()
        self._command = [*command, str(self.port)]

    def __enter__(self):
        self._stream = self._log.open("wb")
        self._process = subprocess.Popen(self._command, stderr=self._stream, stdout=self._stream)
        deadline = time.monotonic() + 60
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as stream:
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
        self._process.wait(10)
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
