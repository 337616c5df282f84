"""What a probe of each type costs, beside the plainest one: CPU of this process, the kernel's share included.

One nginx, one grpcio, and a server of datagrams, each in a process of its own on another core. The types are measured
in turn, round after round, so that what else the machine does meanwhile falls on all of them; the peer of each type is
``tcp`` in the same round. Run it alone as ``python -m tests.bench probe_kinds``.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent import futures
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path

from maglev.model.check_params import AnswerPattern, DnsParams, GrpcParams, ProbeStep, TalkParams, UdpParams
from maglev.model.config import CheckType, Healthcheck, HttpParams, TlsParams
from tests.bench.backends import SERVER_NAME, NotThereError
from tests.bench.figures import Figure, compared
from tests.bench.options import Options
from tests.bench.place import CHECKER_CORE, SERVER_CORE, on_core
from tests.fakes.certificates import Authority
from tests.fakes.web_servers import WebServer, why_not

PLAIN = "tcp"
PROBES = 2000
"""Probes of a type in a round; of those with TLS a quarter."""
WARM_UP = 200

TITLES = {
    "tcp-steps": "tcp with steps",
    "http": "http",
    "http-headers": "http, a POST and an expected header",
    "http2": "http with http2",
    "https": "https, sessions resumed",
    "https2": "https with http2, sessions resumed",
    "grpc": "grpc",
    "grpc-tls": "grpc over TLS",
    "udp": "udp",
    "dns": "dns over UDP",
    "dns-tcp": "dns over TCP",
    "icmp": "icmp",
}
"""What is compared with `PLAIN`, and its title."""


def check(kind: CheckType, port: int | None, **params: object) -> Healthcheck:
    """Return a healthcheck."""
    return Healthcheck("bench", kind, port, 1, 1, 1, timeout=60.0, **params)


def checks(web: WebServer, rpc: tuple[int, int] | None, datagrams: tuple[int, int]) -> dict[str, Healthcheck]:
    """Return the healthcheck of each type that can be measured here."""
    tls = TlsParams(SERVER_NAME)
    steps = (ProbeStep(send=b"GET / HTTP/1.0\r\n\r\n"), ProbeStep(expect=AnswerPattern(b"200")))
    post = HttpParams(method="POST", body=b"{}", expect_header=(("X-Health", "ready"),))
    made = {
        PLAIN: check(CheckType.TCP, web.plain),
        "tcp-steps": check(CheckType.TCP, web.plain, talk=TalkParams(steps)),
        "http": check(CheckType.HTTP, web.plain, http=HttpParams()),
        "http-headers": check(CheckType.HTTP, web.plain, http=post),
        "http2": check(CheckType.HTTP, web.plain2, http=HttpParams(http2=True)),
        "https": check(CheckType.HTTPS, web.secure, http=HttpParams(), tls=tls),
        "https2": check(CheckType.HTTPS, web.secure, http=HttpParams(http2=True), tls=tls),
        "udp": check(CheckType.UDP, datagrams[0], udp=UdpParams(b"ping", AnswerPattern(b"ping"))),
        "dns": check(CheckType.DNS, datagrams[0], dns=DnsParams("www.example.com")),
        "dns-tcp": check(CheckType.DNS, datagrams[1], dns=DnsParams("www.example.com", tcp=True)),
        "icmp": check(CheckType.ICMP, None),
    }
    if rpc is not None:
        made["grpc"] = check(CheckType.GRPC, rpc[0], grpc=GrpcParams())
        made["grpc-tls"] = check(CheckType.GRPC, rpc[1], grpc=GrpcParams(), tls=tls)
    return made


def answer_datagrams(ports: Connection) -> None:
    """Send datagrams back, and DNS questions over TCP, as answers: a question with the bit for that is one."""
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("127.0.0.1", 0))
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    ports.send((datagrams.getsockname()[1], listener.getsockname()[1]))
    threading.Thread(target=_answer_streams, args=(listener,), daemon=True).start()
    while True:
        data, address = datagrams.recvfrom(4096)
        datagrams.sendto(data if data == b"ping" else data[:2] + b"\x81\x80" + data[4:], address)


def _answer_streams(listener: socket.socket) -> None:
    while True:
        connection, _address = listener.accept()
        with connection, contextlib.suppress(OSError):
            data = connection.recv(4096)
            connection.sendall(data[:4] + b"\x81\x80" + data[6:])


def serve_grpc(ports: Connection, pair: tuple[bytes, bytes]) -> None:
    """Serve the health service of grpcio."""
    import grpc
    from grpc_health.v1 import health, health_pb2_grpc

    server = grpc.server(futures.ThreadPoolExecutor(2))
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    plain = server.add_insecure_port("127.0.0.1:0")
    secure = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    server.start()
    ports.send((plain, secure))
    server.wait_for_termination()


@contextlib.contextmanager
def process(target: object, *arguments: object) -> Iterator[tuple[int, int]]:
    """Run a server in a process of its own; yield its ports."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with on_core(SERVER_CORE):
        server = context.Process(target=target, args=(theirs, *arguments), daemon=True)
        server.start()
    try:
        if not ours.poll(60):
            raise NotThereError("a server did not start")
        yield ours.recv()
    finally:
        server.terminate()
        server.join()


def measure_rounds(made: Mapping[str, Healthcheck], root: str, options: Options) -> dict[str, list[float]]:
    """Return microseconds of CPU for a probe of each type, by round."""
    from twisted.internet import reactor

    from maglev.healthcheck.lag import LagMonitor
    from maglev.healthcheck.probers.source import ProberSource
    from tests.bench.probe_cost import ConcurrentProbes

    source = ProberSource(reactor, LagMonitor(reactor), trust_root=root)
    costs: dict[str, list[float]] = {name: [] for name in made}

    def run(healthcheck: Healthcheck, probes: int) -> float:
        probing = ConcurrentProbes(source, healthcheck, probes)
        reactor.callWhenRunning(probing.begin)
        used = time.process_time()
        reactor.run()
        used = time.process_time() - used
        if sum(probing.outcomes.values()) != sum(probing.outcomes.get(code, 0) for code in ("L4OK", "L7OK")):
            raise RuntimeError(f"{healthcheck.type}: {probing.outcomes}")
        return 1e6 * used / probes

    for healthcheck in made.values():
        run(healthcheck, WARM_UP)
    for _ in range(options.runs):
        for name, healthcheck in made.items():
            share = 1 if healthcheck.tls is None else 4
            costs[name].append(run(healthcheck, max(WARM_UP, int(PROBES * options.scale) // share)))
    source.close()
    return costs


def measure(options: Options) -> Iterator[Figure]:
    """Compare each type with the plainest."""
    if why_not("nginx"):
        raise NotThereError(why_not("nginx"))
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        authority = Authority()
        certificate = authority.issue(folder, SERVER_NAME)
        with on_core(SERVER_CORE):
            web = stack.enter_context(WebServer("nginx", folder, certificate))
        rpc = None
        if find_spec("grpc_health"):
            pair = (certificate[1].read_bytes(), certificate[0].read_bytes())
            rpc = stack.enter_context(process(serve_grpc, pair))
        datagrams = stack.enter_context(process(answer_datagrams))
        with on_core(CHECKER_CORE):
            made = checks(web, rpc, datagrams)
            costs = measure_rounds(made, authority.write_root(folder), options)
    for name, title in TITLES.items():
        key = f"kind-{name}"
        if name in costs:
            yield compared(key, f"CPU per probe: {title}", "us", PLAIN, costs[name], costs[PLAIN])
        else:
            yield Figure(key, f"CPU per probe: {title}", missing="grpcio-health-checking is not installed")
