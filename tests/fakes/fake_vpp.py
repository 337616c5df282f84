"""VPP's end of an API connection, in memory: it reads and writes messages with vpp_papi, and answers from a script.

It knows nothing of load balancing; for a VPP that behaves like one there is `maglev.vppsim`.
"""

from __future__ import annotations

import functools
import json
import struct
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import ITCPTransport
from twisted.python.failure import Failure
from vpp_papi.vpp_papi import VPPApiJSONFiles
from zope.interface import implementer

from maglev.runtime.cooperator import Cooperator
from maglev.vpp.api.codec import FrameReader, frame
from maglev.vpp.api.connection import prepare
from maglev.vpp.api.definitions import Layouts
from maglev.vpp.api.protocol import VppProtocol
from tests.fakes.outcomes import result_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twisted.internet.task import Clock

MODULES = ("memclnt", "vlib", "vpe", "ip", "lb")
FIRST_ID = 700
"""Ids of messages other than memclnt's start here, so that a hard-coded one is noticed."""


@functools.cache
def module_text(name: str) -> str:
    """Return VPP's own definitions of a module."""
    folder = files("vpp_papi") / "data" if name == "memclnt" else files("maglev.vppsim")
    return (folder / f"{name}.api.json").read_text()


@functools.cache
def papi_messages() -> dict[str, Any]:
    """Return vpp_papi's codec of every message of `MODULES`, by name."""
    messages: dict[str, Any] = {}
    for name in MODULES:
        found, _ = VPPApiJSONFiles.process_json_str(module_text(name))
        messages.update(found)
    return messages


def api_json() -> str:
    """Return what VPP answers to get_api_json."""
    return "[\n" + ",".join(module_text(name) for name in MODULES) + "]"


@functools.cache
def message_ids() -> dict[str, int]:
    """Return ids as VPP gives them: memclnt's by position, the others somewhere."""
    fixed = [message[0] for message in json.loads(module_text("memclnt"))["messages"]]
    others = sorted(set(papi_messages()) - set(fixed), reverse=True)
    return dict(zip(fixed, range(1, 1 + len(fixed)), strict=True)) | dict(
        zip(others, range(FIRST_ID, FIRST_ID + len(others)), strict=True)
    )


Replies = "Sequence[tuple[str, dict[str, Any]]]"


@implementer(ITCPTransport)
class FakeVpp:
    """VPP's end of one connection; it is also the transport of our end.

    Attributes:
        heard: Name and fields of each message that came, in order.
        writes: What was written in each single call.
        answers: What to answer, by name of the message: a function of its fields that returns replies. Without one, the
            reply has a retval of 0 and nothing else.
        silent: Names of messages that are not answered.
        table: Names in the message table; what is missing there is not understood either.
        crcs: Checksums to list instead of the true ones.
    """

    def __init__(self, protocol: VppProtocol, *, without: Sequence[str] = ()) -> None:
        self.protocol = protocol
        self.heard: list[tuple[str, Any]] = []
        self.writes: list[bytes] = []
        self.answers: dict[str, Callable[[Any], Any]] = {
            "control_ping": lambda fields: [("control_ping_reply", {"client_index": 1, "vpe_pid": 4711})],
            "get_api_json": lambda fields: [("get_api_json_reply", {"json": api_json()})],
            "sockclnt_create": self._welcome,
        }
        self.silent: set[str] = set()
        self.table = [name for name in message_ids() if not name.startswith(tuple(without) or "-")]
        self.crcs: dict[str, str] = {}
        self.aborted = False
        self.closed = False
        self._reader = FrameReader()
        self._out: list[bytes] = []
        self._names = {number: name for name, number in message_ids().items()}

    def connect(self) -> None:
        self.protocol.makeConnection(self)

    # Our side's transport

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.writes.append(data)
        for message in self._reader.feed(data):
            self._heard(message)

    def loseConnection(self, *_: object) -> None:
        self._close(ConnectionDone())

    def abortConnection(self) -> None:
        self.aborted = True
        self._close(ConnectionAborted())

    def _close(self, why: Exception) -> None:
        if not self.closed:
            self.closed = True
            self.protocol.connectionLost(Failure(why))

    # VPP's side

    def die(self) -> None:
        self._close(ConnectionDone())

    def send(self, data: bytes) -> None:
        """Send raw bytes, with the next flush."""
        self._out.append(data)

    def say(self, name: str, context: int, **fields: Any) -> None:
        """Send a message, with the next flush."""
        number = message_ids()[name]
        message = papi_messages()[name].pack({"_vl_msg_id": number, "context": context, **fields})
        self.send(frame(message))

    def flush(self, chunk: int = 1 << 16) -> None:
        """Deliver what was sent, and what that leads to, until nothing is left."""
        while self._out and not self.closed:
            data = b"".join(self._out)
            self._out.clear()
            for start in range(0, len(data), chunk):
                if not self.closed:
                    self.protocol.dataReceived(data[start : start + chunk])

    def names(self) -> list[str]:
        """Return the names of the messages that came."""
        return [name for name, _ in self.heard]

    def _heard(self, message: bytes) -> None:
        name = self._names[struct.unpack_from(">H", message)[0]]
        fields, size = papi_messages()[name].unpack(message, ntc=True)
        assert size == len(message)
        self.heard.append((name, fields))
        if name in self.silent or name not in self.table:
            return
        answer = self.answers.get(name, lambda _: [(name + "_reply", {})] if not name.endswith("_dump") else [])
        for reply, values in answer(fields):
            if isinstance(values, dict):
                self.say(reply, **{"context": fields.context, **values})
            else:
                self.send(values)

    def _welcome(self, fields: Any) -> Any:
        entries = [
            {"index": message_ids()[name], "name": f"{name}_{self.crcs.get(name, papi_messages()[name].crc[2:])}"}
            for name in self.table
        ]
        return [
            ("sockclnt_create_reply", {"index": 0x80000001, "count": len(entries), "message_table": entries}),
        ]


class Tally:
    """Counts messages as `maglev_vpp_api_total` does."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, str, str], int] = {}

    def __call__(self, message: str, direction: str, result: str, /) -> None:
        key = message, direction, result
        self.counts[key] = self.counts.get(key, 0) + 1

    def get(self, message: str, direction: str, result: str) -> int:
        return self.counts.get((message, direction, result), 0)


def connected(
    clock: Clock, *, without: Sequence[str] = (), layouts: Layouts | None = None, **options: Any
) -> tuple[FakeVpp, VppProtocol, Tally]:
    """Return both ends of a connection that is ready for use, and the tally of our messages."""
    tally = Tally()
    protocol = VppProtocol(clock, Cooperator(clock).queue("vpp"), tally, **options)
    vpp = FakeVpp(protocol, without=without)
    vpp.connect()
    ready = Deferred.fromCoroutine(prepare(protocol, "maglevd", Layouts() if layouts is None else layouts, no_files))
    settle(vpp, clock, ready)
    assert result_of(ready) is None
    vpp.heard.clear()
    vpp.writes.clear()
    tally.counts.clear()
    return vpp, protocol, tally


async def no_files() -> list[str]:
    return []


def settle(vpp: FakeVpp, clock: Clock, waiting: Deferred[Any]) -> None:
    """Let messages and turns of the clock go on until a Deferred fires, or nothing happens any more."""
    for _ in range(100):
        vpp.flush()
        clock.advance(0)
        if waiting.called and not waiting.paused:
            return


def has_fired(deferred: Deferred[Any]) -> bool:
    return bool(deferred.called)
