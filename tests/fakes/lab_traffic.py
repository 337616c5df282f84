"""The traffic of the packet lab, as a process inside the client's namespace: new connections at a steady rate.

Run as a program: ``lab_traffic.py OUTPUT ADDRESS PORT RATE HOLD SESSIONS TIMEOUT FIRST_PORT PORTS``. It prints a line
when it begins, and stops when its standard input ends: it begins nothing more, lets what is under way end, and exits.
Uses the standard library only, and imports nothing of ours: it starts faster.

There are two kinds of traffic. *Requests* are new connections, RATE a second, each for one GET that is answered over
HOLD milliseconds. *Sessions* are SESSIONS connections that live on, with a GET every `SESSION_PERIOD`; one that fails
is replaced. What is not connected after TIMEOUT seconds has failed. That must be less than a second, after which Linux
sends a SYN again (RFC 6298): it might hide that the first one was lost. What is connected has `PATIENCE`: a flow that
went to another backend ends by a reset, and a slow answer is only the machine's fault.

Source ports are given out in turn, PORTS of them from FIRST_PORT. The kernel's own choice comes back to a port within
half a minute at this rate, and VPP remembers for 40 s where the flow of that name went.

OUTPUT gets a JSON line for each, when it ends: ``kind``, ``start`` and ``end`` (seconds of the monotonic clock, which
all processes of a machine share), ``port`` (of the client), ``backend`` (null when it never said a word), ``outcome``
(``ok``, or what failed).
A line of kind ``lag`` tells of a moment at which this process itself was late: from when to when.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import sys
import time
from pathlib import Path

SESSION_PERIOD = 0.1

PATIENCE = 4.0
"""Seconds without an answer after which an established connection has failed."""

LAG = 0.03
"""Seconds that count as late: then what is measured here says more about the machine than about the network."""


class Exchange(asyncio.Protocol):
    """One connection to the service: a request, or a session of many.

    Attributes:
        ended: Fires with the outcome.
        port: Of this side.
        backend: Who answers.
    """

    def __init__(self, path, port, timeout, period=None):
        self._loop = asyncio.get_running_loop()
        self._period = period
        self._get = f"GET /{path} HTTP/1.1\r\nHost: lab\r\nConnection: {'keep-alive' if period else 'close'}\r\n\r\n"
        self._received = b""
        self._idle = False
        self._transport = None
        self.ended = self._loop.create_future()
        self.port = port
        self.backend = None
        self._call = self._loop.call_later(timeout, self.end, "timeout")

    def connection_made(self, transport):
        self._transport = transport
        self._ask()

    def data_received(self, data):
        self._received += data
        head, complete, body = self._received.partition(b"\r\n\r\n")
        if complete and self.backend is None:
            self.backend = head.partition(b"X-Backend: ")[2].partition(b"\r\n")[0].decode()
        if body == b"ok\n":
            self._received = b""
            self._rest() if self._period else self.end("ok")

    def connection_lost(self, error):
        self.end("closed" if error is None else type(error).__name__)

    def end(self, outcome):
        """End it now."""
        self._call.cancel()
        if not self.ended.done():
            self.ended.set_result(outcome)
        if self._transport is not None:
            self._transport.abort()

    def finish(self):
        """End it when nothing is under way."""
        self._period = None
        if self._idle:
            self.end("ok")

    def _rest(self):
        self._call.cancel()
        self._idle = True
        self._call = self._loop.call_later(self._period, self._ask)

    def _expect(self, timeout):
        self._call.cancel()
        self._call = self._loop.call_later(timeout, self.end, "timeout")

    def _ask(self):
        self._idle = False
        self._expect(PATIENCE)
        self._transport.write(self._get.encode())


class ServiceTraffic:
    """All of the traffic to one service."""

    def __init__(self, output, address, port, rate, hold, sessions, timeout, ports):
        self._output = output
        self._where = address, port
        self._rate = rate
        self._hold = hold
        self._sessions = sessions
        self._timeout = timeout
        self._ports = itertools.cycle(ports)
        self._stopped = asyncio.Event()
        self._open = set()

    async def run(self):
        """Make traffic until standard input ends."""
        loop = asyncio.get_running_loop()
        loop.add_reader(sys.stdin, self._stopped.set)
        print("begun", flush=True)
        async with asyncio.TaskGroup() as group:
            for _ in range(self._sessions):
                group.create_task(self._keep_session())
            await self._make_requests(group)
            loop.remove_reader(sys.stdin)
            for exchange in tuple(self._open):
                exchange.finish()

    async def _make_requests(self, group):
        due = time.monotonic()
        while not self._stopped.is_set():
            due += 1 / self._rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            late = time.monotonic()
            if late - due > LAG:
                self._write(kind="lag", start=due, end=late)
                due = late
            group.create_task(self._exchange("request", str(self._hold)))

    async def _keep_session(self):
        while not self._stopped.is_set():
            await self._exchange("session", "", SESSION_PERIOD)
            await asyncio.sleep(SESSION_PERIOD)

    async def _exchange(self, kind, path, period=None):
        start = time.monotonic()
        exchange = Exchange(path, next(self._ports), self._timeout, period)
        self._open.add(exchange)
        connecting = asyncio.ensure_future(self._connect(exchange))
        outcome = await exchange.ended
        connecting.cancel()
        self._open.discard(exchange)
        end = time.monotonic()
        self._write(kind=kind, port=exchange.port, start=start, end=end, backend=exchange.backend, outcome=outcome)

    async def _connect(self, exchange):
        loop = asyncio.get_running_loop()
        connection = socket.socket(socket.AF_INET)
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            connection.bind(("", exchange.port))
            await loop.sock_connect(connection, self._where)
            await loop.create_connection(lambda: exchange, sock=connection)
        except (OSError, asyncio.CancelledError) as error:
            connection.close()
            exchange.end(type(error).__name__)

    def _write(self, **fields):
        self._output.write(json.dumps(fields) + "\n")


async def main(path, address, *numbers):
    """Run the program."""
    port, rate, hold, sessions, timeout, first, count = map(float, numbers)
    ports = range(int(first), int(first + count))
    with Path(path).open("w") as output:
        await ServiceTraffic(output, address, int(port), rate, int(hold), int(sessions), timeout, ports).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
