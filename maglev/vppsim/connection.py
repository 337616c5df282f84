"""One client of the API socket: frames in, frames out, in order, with everything that VPP does not say.

VPP answers nothing at all to an unknown message, to one that is too short, and to one that bears a wrong client index;
it carries the last kind out all the same. A dump does not end itself: clients send a ``control_ping`` behind it.

Source: VPP ``vlibmemory/socket_api.c``; the frame is its ``msgbuf_t``.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger

from maglev.vppsim.balancer import CrashError

if TYPE_CHECKING:
    from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime
    from twisted.python.failure import Failure

    from maglev.vppsim.boot import Boot
    from maglev.vppsim.requests import Answer, Requests

HEADER: Final = struct.Struct(">QII")

LARGEST_FRAME: Final = 16 << 20
"""Bytes; VPP's own limit is the memory of its API segment, 16 MB. A client that sends more is disconnected."""

OVERFLOW: Final = 0xFFFFFFF0
"""The length of such a frame with its header exceeds 32 bits: VPP aborts."""

SOCKET_CLIENT: Final = 0x80000000
"""The bit that tells clients of the socket from those of shared memory in a client index."""


class ApiConnection(Protocol):
    """A connected client, registered from the first byte on."""

    _log = Logger()

    def __init__(self, factory: ApiFactory) -> None:
        self._factory = factory
        self._clock = factory.clock
        self._input = bytearray()
        self._frames: deque[bytes] = deque()
        self._pieces: deque[bytes] = deque()
        self._calls: set[IDelayedCall] = set()
        self._busy = False
        self._parting = False
        self.index = 0

    def connectionMade(self) -> None:
        """Register the client."""
        self.index = self._factory.register(self)

    def dataReceived(self, data: bytes) -> None:
        """Cut the stream into frames, however it comes."""
        self._input += data
        while len(self._input) > HEADER.size:
            _, length, _ = HEADER.unpack_from(self._input)
            if length >= OVERFLOW:
                self._log.info("vppsim-crash", reason="the length of a frame wraps around")
                self._factory.crash()
                return
            if length > LARGEST_FRAME:
                self._log.warn("vppsim-frame-too-large", length=length)
                self.hang_up()
                return
            if len(self._input) < HEADER.size + length:
                break
            self._frames.append(bytes(self._input[HEADER.size : HEADER.size + length]))
            del self._input[: HEADER.size + length]
        self.proceed()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002
        """Forget everything."""
        self._frames.clear()
        self._pieces.clear()
        for call in self._calls:
            call.cancel()
        self._calls.clear()
        self._factory.unregister(self)

    def hang_up(self) -> None:
        """Close the connection without a farewell."""
        self._frames.clear()
        if self.transport is not None:
            ITCPTransport(self.transport).abortConnection()

    def part(self) -> None:
        """Close the connection when all that was sent is out."""
        self._frames.clear()
        self._parting = True
        if self.transport is not None and not self._pieces:
            self.transport.loseConnection()

    def proceed(self) -> None:
        """Work on what has arrived, as far as nothing stands in the way."""
        while self._frames and not (self._busy or self._parting or self._factory.faults.frozen):
            self._serve(self._frames.popleft())

    def send(self, *messages: bytes) -> None:
        """Send messages, each in its frame."""
        framed = b"".join(HEADER.pack(0, len(message), 0) + message for message in messages)
        size = self._factory.faults.split
        if not size and not self._pieces:
            self._write(framed)
            return
        idle = not self._pieces
        size = size or len(framed)
        self._pieces.extend(framed[start : start + size] for start in range(0, len(framed), size))
        if idle:
            self._send_piece()

    # Implementation

    def _serve(self, message: bytes) -> None:
        decoded = self._factory.boot.messages.unpack(message)
        if decoded is None:
            self._log.debug("vppsim-dropped", length=len(message))
            return
        name, fields = decoded
        self._log.debug("vppsim-request", name=name)
        if name == "sockclnt_create":
            self._greet(fields)
        elif name == "sockclnt_delete":
            self._dismiss(fields)
        else:
            self._answer(name, fields)

    def _greet(self, fields: Any) -> None:
        table = self._factory.boot.messages.listed
        self._reply(
            "sockclnt_create_reply",
            {
                "context": fields.context,
                "index": self.index,
                "count": len(table),
                "message_table": table,
            },
        )

    def _dismiss(self, fields: Any) -> None:
        """Say farewell to the client that is named, which should be the one that asks."""
        client = self._factory.registered(fields.index)
        self._reply("sockclnt_delete_reply", {"context": fields.context, "response": 1 if client else -1})
        if client:
            client.part()

    def _answer(self, name: str, fields: Any) -> None:
        faults = self._factory.faults
        if name in faults.retvals and f"{name}_reply" in self._factory.boot.messages:
            answers: Any = ((f"{name}_reply", {"retval": faults.retvals[name]}),)
        else:
            try:
                answers = self._factory.requests.answer(name, fields)
            except CrashError as error:
                self._log.info("vppsim-crash", reason=str(error))
                self._factory.crash()
                return
        if faults.is_dropped(name):
            return
        receiver = self._factory.registered(getattr(fields, "client_index", 0))
        if name in faults.delays:
            self._busy = True
            self._later(faults.delays[name], self._resume, receiver, answers, fields.context)
        else:
            self._send_answers(receiver, answers, fields.context)

    def _resume(self, receiver: ApiConnection | None, answers: Any, context: int) -> None:
        self._busy = False
        self._send_answers(receiver, answers, context)
        self.proceed()

    def _send_answers(self, receiver: ApiConnection | None, answers: Any, context: int) -> None:
        """Send answers to the client that the request named, which is mostly the one that sent it."""
        if receiver is None:
            return
        messages, closing = self._encode(answers, context)
        receiver.send(*messages)
        if closing:
            receiver.part()

    def _encode(self, answers: list[Answer], context: int) -> tuple[list[bytes], bool]:
        """Return the messages up to where the connection is to break, and whether it is."""
        messages: list[bytes] = []
        for name, fields in answers:
            if name.endswith("_details") and self._factory.faults.hangs_up():
                return messages, True
            messages.append(self._factory.boot.messages.pack(name, {**fields, "context": context}))
        return messages, False

    def _reply(self, name: str, fields: dict[str, Any]) -> None:
        self.send(self._factory.boot.messages.pack(name, fields))

    def _send_piece(self) -> None:
        if self._pieces:
            self._write(self._pieces.popleft())
        if self._pieces:
            self._later(0, self._send_piece)
        elif self._parting:
            self.part()

    def _write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def _later(self, delay: float, what: Any, *arguments: Any) -> None:
        def run() -> None:
            self._calls.discard(call)
            what(*arguments)

        call = self._clock.callLater(delay, run)
        self._calls.add(call)


class ApiFactory(Factory):
    """Makes a connection of each client of one life of VPP, and knows them by their index.

    Args:
        clock: For late answers.
        boot: The life.
        requests: What its requests do.
        crash: Called when VPP would abort.
    """

    noisy = False

    def __init__(self, clock: IReactorTime, boot: Boot, requests: Requests, crash: Any) -> None:
        self.clock = clock
        self.boot = boot
        self.requests = requests
        self.crash = crash
        self.faults = boot.faults
        self._clients: dict[int, ApiConnection] = {}
        self._free: list[int] = []
        self._next_slot = 1  # Slot 0 is the listener's.
        self._waiting: list[Deferred[None]] = []

    def buildProtocol(self, addr: IAddress | None) -> ApiConnection:  # noqa: ARG002
        """Return a connection that is not yet made."""
        return ApiConnection(self)

    @property
    def clients(self) -> list[ApiConnection]:
        """The connected clients."""
        return list(self._clients.values())

    def register(self, client: ApiConnection) -> int:
        """Return the index of a new client: the one that was freed last, if any was."""
        index = self._free.pop() if self._free else SOCKET_CLIENT | self._next_slot
        self._next_slot = max(self._next_slot, (index & ~SOCKET_CLIENT) + 1)
        self._clients[index] = client
        return index

    def unregister(self, client: ApiConnection) -> None:
        """Forget a client."""
        if self._clients.pop(client.index, None):
            self._free.append(client.index)
        if not self._clients:
            waiting, self._waiting = self._waiting, []
            for deferred in waiting:
                deferred.callback(None)

    def when_empty(self) -> Deferred[None]:
        """Return a Deferred that fires when the last client has disconnected."""
        deferred: Deferred[None] = Deferred()
        if self._clients:
            self._waiting.append(deferred)
        else:
            deferred.callback(None)
        return deferred

    def registered(self, index: int) -> ApiConnection | None:
        """Return the client of an index."""
        return self._clients.get(index)
