"""A backend of the packet lab, as a process inside its namespace: takes GRE off, and serves HTTP.

Run as a program: ``lab_backend.py NAME PORT TUN``. It prints a line when it serves, and ends when its standard input
does, so that it never outlives the test. Uses the standard library only, and imports nothing of ours: it starts faster.

Packets of VPP come as IP protocol 47 (GRE, RFC 2784) and are read from a raw socket, because the kernel may have no GRE
device. What is inside is written to the tun device, from where the kernel takes it as received. The answers are the
kernel's own and go straight to the client (direct server return).

Each answer says in its header who gives it, at once; its body comes after the milliseconds that the path asks for
(``/30``), so that there are always requests half way. A connection lives for as long as the client wants.
With SIGUSR1 it serves no new ones, and goes on to take GRE off.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import struct
import sys
from functools import partial

_TUNSETIFF = 0x400454CA
_IFF_TUN = 0x0001
_IFF_NO_PI = 0x1000
"""linux/if_tun.h."""

_SO_RCVBUFFORCE = 33
"""asm-generic/socket.h."""

_GRE = 47
_GRE_IPV4 = bytes.fromhex("00000800")
"""The only header that VPP's lb plugin writes before IPv4: no options, version 0."""

_BATCH = 64
"""Packets taken in one turn of the loop, so that HTTP gets its turn too."""

_RECEIVE_BUFFER = 4 << 20
"""Bytes; the default holds a few hundred small packets, which is little when this process has to wait for a CPU."""


def open_tun(name):
    """Attach to a tun device; return its descriptor."""
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return tun


def open_gre():
    """Return a socket that receives the GRE packets to this host, each with its IP header."""
    gre = socket.socket(socket.AF_INET, socket.SOCK_RAW, _GRE)
    gre.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
    gre.setblocking(False)
    return gre


def take_off(gre, tun):
    """Move the packets that have arrived from the socket to the device, without their outer headers."""
    for _ in range(_BATCH):
        try:
            packet = gre.recv(65535)
        except BlockingIOError:
            return
        start = 4 * (packet[0] & 0xF)
        if packet[start : start + 4] == _GRE_IPV4:
            with contextlib.suppress(OSError):  # a full queue loses packets, as networks do
                os.write(tun, packet[start + 4 :])


class HttpPeer(asyncio.Protocol):
    """One connection: answers GET after GET, until the client asks to close or closes."""

    def __init__(self, name):
        self._name = name.encode()
        self._received = b""

    def connection_made(self, transport):
        self._transport = transport

    def data_received(self, data):
        *heads, self._received = (self._received + data).split(b"\r\n\r\n")
        for head in heads:
            self._answer(head)

    def _answer(self, head):
        path = head.split(b" ", 2)[1].strip(b"/")
        close = b"connection: close" in head.lower()
        self._transport.write(b"HTTP/1.1 200 OK\r\nX-Backend: %b\r\nContent-Length: 3\r\n\r\n" % self._name)
        asyncio.get_running_loop().call_later(int(path or b"0") / 1000, self._finish, close)

    def _finish(self, close):
        if not self._transport.is_closing():
            self._transport.write(b"ok\n")
            if close:
                self._transport.close()


async def serve(name, port, device):
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    gre, tun = open_gre(), open_tun(device)
    loop.add_reader(gre, take_off, gre, tun)
    server = await loop.create_server(partial(HttpPeer, name), None, port, family=socket.AF_INET, backlog=512)
    loop.add_signal_handler(signal.SIGUSR1, server.close)
    print("serving", flush=True)
    ended = loop.create_future()
    loop.add_reader(sys.stdin, lambda: ended.done() or ended.set_result(None))
    await ended


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
