"""What a probe costs: microseconds of CPU of this process for each kind, so that a regression is seen.

Run it as ``python -m tests.bench.probe_cost [PROBES]`` in the project's folder. The backends are a local nginx, if
there is one (else a plain server in another process, for HTTP and TCP only), and this machine itself for ICMP, which
needs the permission to ping. The cost includes the kernel's share of it; on loopback that is also most of what the
kernel does for the other end. ``floor`` is the same system calls in a bare loop, without any program around them.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import select
import socket
import struct
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from twisted.internet import reactor

from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.probers.source import ProberSource
from maglev.model.config import Backend, CheckType, Healthcheck, HttpParams, TlsParams
from tests.fakes.certificates import Authority
from tests.fakes.nginx import Nginx, find_nginx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from maglev.interfaces import IProber
    from maglev.model.result import Outcome

AT_ONCE = 50
PROBES = 10000


def report(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class ConcurrentProbes:
    """Keeps `AT_ONCE` probes under way until enough are finished."""

    def __init__(self, source: ProberSource, healthcheck: Healthcheck, probes: int) -> None:
        self._todo = probes
        self._under_way = 0
        self.outcomes: dict[str, int] = {}
        self._probers = [
            source.prober_for(Backend(f"b{number}", "127.0.0.1", healthcheck.name), healthcheck)
            for number in range(AT_ONCE)
        ]

    def begin(self) -> None:
        for prober in self._probers:
            self._next(prober)

    def _next(self, prober: IProber) -> None:
        if self._todo:
            self._todo -= 1
            self._under_way += 1
            prober.start(self._finished(prober))
        elif not self._under_way:
            reactor.crash()

    def _finished(self, prober: IProber) -> Callable[[Outcome], None]:
        def finished(outcome: Outcome) -> None:
            self._under_way -= 1
            self.outcomes[str(outcome[0])] = self.outcomes.get(str(outcome[0]), 0) + 1
            reactor.callLater(0, self._next, prober)

        return finished


def measure(name: str, source: ProberSource, healthcheck: Healthcheck, probes: int) -> None:
    run = ConcurrentProbes(source, healthcheck, probes)
    reactor.callWhenRunning(run.begin)
    wall, cpu = time.monotonic(), time.process_time()
    reactor.run()
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    report(f"{name:<22} {cpu / probes * 1e6:8.1f} us cpu {wall / probes * 1e6:8.1f} us wall   {run.outcomes}")


def floor(name: str, port: int, request: bytes, probes: int) -> None:
    epoll, reset = select.epoll(), struct.pack("ii", 1, 0)
    cpu = time.process_time()
    for _ in range(probes):
        one = socket.SocketType(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK, 0)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
        one.connect_ex(("127.0.0.1", port))
        epoll.register(one.fileno(), select.EPOLLOUT)
        epoll.poll(1, 1)
        one.connect_ex(("127.0.0.1", port))
        if request:
            one.send(request)
            epoll.modify(one.fileno(), select.EPOLLIN)
            epoll.poll(1, 1)
            one.recv(16384)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        one.close()
    report(f"{name:<22} {(time.process_time() - cpu) / probes * 1e6:8.1f} us cpu")


def _serve(listener: socket.socket) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\nall is well\n"
    while True:
        connection, _address = listener.accept()
        with connection, contextlib.suppress(OSError):
            if connection.recv(4096):
                connection.sendall(answer)


@contextlib.contextmanager
def plain_server() -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    process = multiprocessing.get_context("fork").Process(target=_serve, args=(listener,), daemon=True)
    process.start()
    try:
        yield listener.getsockname()[1]
    finally:
        process.terminate()
        process.join()
        listener.close()


def check(kind: CheckType, port: int | None, **params: object) -> Healthcheck:
    return Healthcheck("bench", kind, port, 1, 1, 1, timeout=5.0, **params)


def main() -> None:
    probes = int(sys.argv[1]) if len(sys.argv) > 1 else PROBES
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        authority = Authority()
        tls_port = None
        if find_nginx():
            nginx = stack.enter_context(Nginx(folder, authority.issue(folder, "backend.test")))
            port, tls_port = nginx.port, nginx.tls_port
        else:
            port = stack.enter_context(plain_server())
        source = ProberSource(reactor, LagMonitor(reactor), trust_root=authority.write_root(folder))
        http = HttpParams(path="/status")
        measure("tcp", source, check(CheckType.TCP, port), probes)
        floor("  floor", port, b"", probes)
        measure("http", source, check(CheckType.HTTP, port, http=http), probes)
        floor("  floor", port, b"GET /status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", probes)
        pattern = HttpParams(path="/status", response_regexp="all is w..l")
        measure("http with regexp", source, check(CheckType.HTTP, port, http=pattern), probes)
        measure("icmp", source, check(CheckType.ICMP, None), probes)
        if tls_port is not None:
            for name, tls in (
                ("https", TlsParams(server_name="backend.test")),
                ("https unverified", TlsParams(server_name="backend.test", verify=False)),
            ):
                measure(name, source, check(CheckType.HTTPS, tls_port, http=http, tls=tls), probes // 5)
        source.close()


if __name__ == "__main__":
    main()
