"""Clients that mean no good, as a process of their own: each kind does one thing, again and again, until it is killed.

``python -m tests.fakes.attackers METRICS SSH TLS`` (ports on 127.0.0.1; ``-`` leaves one in peace) writes a line of
JSON each half second: how often each kind of attack has happened so far.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

POSTS = 4
"""Posts at once, of a gigabyte each."""

PIPELINERS = 4
"""Connections that send requests as fast as they can and read no answer."""

SLOW = 1000
"""Connections that send a byte of a header each second."""

SSH_RATE = 350
"""Connections to the SSH console each second."""

TLS = 512
"""Connections to the TLS port."""

PACE = 0.01
"""Seconds between two portions of a post, or of requests. What fills the buffers of the kernel is enough."""

PAUSE = 5.0
"""Seconds until somebody who was thrown out comes again."""

_RESET = struct.pack("ii", 1, 0)


class Attack:
    """All attacks at once.

    Attributes:
        done: How often each has happened: connections, or requests that were sent.
    """

    def __init__(self, metrics, ssh, tls):
        self.done = Counter({"posts": 0, "pipelined": 0, "slow": 0, "ssh": 0, "tls": 0})
        self._ports = {"metrics": metrics, "ssh": ssh, "tls": tls}

    async def run(self):
        kinds = []
        if self._ports["metrics"]:
            kinds += [self._again(self._post, 0.1) for _ in range(POSTS)]
            kinds += [self._again(self._pipeline, 0.1) for _ in range(PIPELINERS)]
            kinds += [self._again(self._dawdle, PAUSE) for _ in range(SLOW)]
        if self._ports["tls"]:
            kinds += [self._again(self._stay, PAUSE) for _ in range(TLS)]
        if self._ports["ssh"]:
            kinds.append(self._knock())
        await asyncio.gather(*kinds, self._report())

    async def _report(self):
        while True:
            print(json.dumps(self.done), flush=True)
            await asyncio.sleep(0.5)

    async def _again(self, attack, pause):
        while True:
            # Cut off, refused, or not answered.
            with contextlib.suppress(OSError):
                await attack()
            await asyncio.sleep(pause)

    @contextlib.asynccontextmanager
    async def _connected(self, whom):
        loop = asyncio.get_running_loop()
        with socket.socket() as made:
            made.setblocking(False)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            await loop.sock_connect(made, ("127.0.0.1", self._ports[whom]))
            yield loop, made

    async def _post(self):
        async with self._connected("metrics") as (loop, connection):
            self.done["posts"] += 1
            await loop.sock_sendall(connection, b"POST /metrics HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n")
            for _ in range(1000):
                await loop.sock_sendall(connection, b"x" * 1_000_000)
                await asyncio.sleep(PACE)

    async def _pipeline(self):
        async with self._connected("metrics") as (loop, connection):
            while True:
                await loop.sock_sendall(connection, b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n" * 100)
                self.done["pipelined"] += 100
                await asyncio.sleep(PACE)

    async def _dawdle(self):
        async with self._connected("metrics") as (loop, connection):
            self.done["slow"] += 1
            await loop.sock_sendall(connection, b"GET /metrics HTTP/1.1\r\nX-A: ")
            while True:
                await asyncio.sleep(1)
                await loop.sock_sendall(connection, b"x")

    async def _stay(self):
        async with self._connected("tls") as (loop, connection):
            self.done["tls"] += 1
            await loop.sock_recv(connection, 1)

    async def _knock(self):
        """Open connections at a rate; each stays until it is thrown out, or for a while."""
        staying = set()
        last = time.monotonic()
        while True:
            now = time.monotonic()
            # Not all at once, where this process could not run for a while.
            for _ in range(min(round((now - last) * SSH_RATE), SSH_RATE // 10)):
                task = asyncio.create_task(self._stand_at_the_door())
                staying.add(task)
                task.add_done_callback(staying.discard)
            last = now
            await asyncio.sleep(0.02)

    async def _stand_at_the_door(self):
        with contextlib.suppress(OSError, TimeoutError):
            async with self._connected("ssh") as (loop, connection):
                self.done["ssh"] += 1
                async with asyncio.timeout(PAUSE):
                    while await loop.sock_recv(connection, 4096):
                        pass


class Attackers:
    """Such a process; a context manager."""

    def __init__(self, folder, metrics="-", ssh="-", tls="-"):
        self._output = folder / "attackers"
        self._ports = [str(port) for port in (metrics, ssh, tls)]

    def __enter__(self):
        command = [sys.executable, "-m", "tests.fakes.attackers", *self._ports]
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=output, stderr=output)
        return self

    def __exit__(self, *_exc_info):
        self._process.kill()
        self._process.wait(60)

    @property
    def done(self):
        """How often each attack has happened so far."""
        lines = self._output.read_text().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("}\n")]
        return json.loads(whole[-1]) if whole else {}

    def wait_for(self, seconds=300.0, **counts):
        """Wait until the attacks have happened so many times."""
        deadline = time.monotonic() + seconds
        while any(self.done.get(name, 0) < count for name, count in counts.items()):
            assert self._process.poll() is None, self._output.read_text()[-2000:]
            assert time.monotonic() < deadline, self.done
            time.sleep(0.05)


def main():
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if soft < 4096 else soft, hard))
    ports = [0 if text == "-" else int(text) for text in sys.argv[1:4]]
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(Attack(*ports).run())


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
