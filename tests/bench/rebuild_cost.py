"""What a changed weight costs VPP itself, in VIPs of 10, 100 and 1,000 servers: weight 1 each against weight 100 each.

VPP rebuilds the table of the VIP while its workers stand still. What is measured is the CPU time of its main thread,
for each of many changes that are sent at once. The two VIPs are in one VPP, and have their turns.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

from maglev.model.scale import fitting_length
from maglev.vpp.lb.wire import pack_address
from tests.bench.figures import Figure, compared
from tests.bench.options import Options
from tests.fakes.papi import PapiReader
from tests.fakes.vpp_instance import ProcessVpp, find_vpp, private_vpp

SIZES = {10: 400, 100: 200, 1000: 60}
"""Servers of a VIP, and how many changes are measured in a run."""

LEAST, WRITTEN = ("192.0.2.1", 1), ("192.0.2.2", 100)
"""A VIP, and the weight of its servers."""

_VIP = "{} protocol tcp port 80"

_HELLO = struct.Struct(">HI64s")
_WELCOME = struct.Struct(">HIIiIH")
_NAME = struct.Struct(">H64s")
_WEIGHT = struct.Struct(">HIIB16sBBHB16sB?")
_FRAME = struct.Struct(">QII")
_ANSWER = struct.Struct(">HIi")


def measure(options: Options) -> Iterator[Figure]:
    """Measure against a real VPP."""
    if find_vpp() is None or os.geteuid() != 0:
        yield Figure("rebuild", "a changed weight, VPP", missing="there is no VPP here, or no root")
        return
    with private_vpp("real") as vpp, Changes(vpp) as changes:
        for size, count in SIZES.items():
            addresses = [f"10.0.{number >> 8}.{number & 255}" for number in range(1, size + 1)]
            length = fitting_length([[1] * size])
            with PapiReader(vpp.api_socket) as reader:
                for vip, weight in (LEAST, WRITTEN):
                    reader.cli(f"lb vip {_VIP.format(vip + '/32')} encap gre4 new_len {length}")
                    reader.cli(f"lb as {_VIP.format(vip + '/32')} {' '.join(addresses)} weight {weight}")
            ours, theirs = [], []
            for _ in range(options.runs):
                ours.append(changes.micros(*LEAST, addresses[0], count))
                theirs.append(changes.micros(*WRITTEN, addresses[0], count))
            with PapiReader(vpp.api_socket) as reader:
                for vip, _ in (LEAST, WRITTEN):
                    reader.cli(f"lb as {_VIP.format(vip + '/32')} {' '.join(addresses)} del flush")
                    reader.cli(f"lb vip {_VIP.format(vip + '/32')} del")
            title = f"a changed weight in VPP, {size:,} servers, {length:,} buckets"
            yield compared(f"rebuild-{size}", title, "us", "as written", ours, theirs, "weight 1 each, and 100 each")


class Changes:
    """A bare connection to VPP that changes weights; a context manager."""

    def __init__(self, vpp: ProcessVpp) -> None:
        self._vpp = vpp
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(vpp.api_socket)
        self._file = self._socket.makefile("rb")
        self._socket.sendall(_frame(_HELLO.pack(15, 1, b"changes")))
        welcome = self._read()
        *_, self._client, count = _WELCOME.unpack_from(welcome)
        names = _NAME.iter_unpack(welcome[_WELCOME.size : _WELCOME.size + _NAME.size * count])
        numbers = {name.rstrip(b"\0").rpartition(b"_")[0]: number for number, name in names}
        self._number = numbers[b"lb_as_set_weight"]

    def __enter__(self) -> Changes:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._file.close()
        self._socket.close()

    def micros(self, vip: str, weight: int, address: str, count: int) -> float:
        """Take a server of a VIP out and back so many times; return microseconds of VPP's CPU for each."""
        frames = [
            _frame(
                _WEIGHT.pack(
                    self._number, self._client, 1, *pack_address(vip), 32, 6, 80, *pack_address(address), each, False
                )
            )
            for each in (0, weight)
        ]
        start = self._vpp.used
        self._socket.sendall(b"".join(frames) * (count // 2))
        for _ in range(count // 2 * 2):
            _, _, retval = _ANSWER.unpack(self._read())
            if retval:
                message = f"VPP refuses with {retval}"
                raise RuntimeError(message)
        return (self._vpp.used - start) / count * 1e6

    def _read(self) -> bytes:
        _, size, _ = _FRAME.unpack(self._file.read(_FRAME.size))
        return self._file.read(size)


def _frame(message: bytes) -> bytes:
    return _FRAME.pack(0, len(message), 0) + message
