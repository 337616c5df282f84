"""Backends that answer slowly: one HTTP server on all of 127.0.0.0/8, in a thread."""

from __future__ import annotations

import asyncio
import threading

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"


class _Connection(asyncio.Protocol):
    def __init__(self, delay):
        self._delay = delay

    def connection_made(self, transport):
        self._transport = transport

    def data_received(self, data):
        if data.endswith(b"\r\n\r\n"):
            asyncio.get_running_loop().call_later(self._delay, self._answer)

    def _answer(self):
        if not self._transport.is_closing():
            self._transport.write(_ANSWER)
            self._transport.close()


class SlowBackends:
    """An HTTP server on every address of 127.0.0.0/8; a context manager.

    Attributes:
        port: Where it listens.
    """

    def __init__(self, delay):
        """Prepare it.

        Args:
            delay: Seconds from a request to its answer.
        """
        self._delay = delay
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self):
        self._thread.start()
        starting = self._loop.create_server(lambda: _Connection(self._delay), "0.0.0.0", 0, backlog=512)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result()
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_exc_info):
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
