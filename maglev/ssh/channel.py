"""One channel: handles the requests of a client, and carries the bytes of the session in it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs
from twisted.conch.ssh.channel import SSHChannel
from twisted.conch.ssh.connection import EXTENDED_DATA_STDERR

from maglev.ssh.outlet import Outlet
from maglev.terminal.stream import IRunner, Opening, Window

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from maglev.ssh.packets import PacketReader

Opener = Callable[["SessionChannel", Opening], IRunner]


class SessionChannel(SSHChannel):
    """A channel of type ``session`` (RFC 4254, 6), as `maglev.terminal.stream.IStream` for the session in it."""

    name = b"session"
    id: Any  # Conch declares that it is None

    def __init__(self, connection: Any, opener: Opener, window: int, packet_size: int) -> None:
        """Open the channel.

        Args:
            connection: The `maglev.ssh.connection.ConsoleConnection` that it belongs to.
            opener: Creates the runner of the session.
            window: Initial window of the client, in bytes.
            packet_size: Maximum packet size of the client, in bytes.
        """
        SSHChannel.__init__(self, remoteWindow=window, remoteMaxPacket=packet_size, conn=connection)
        self._connection = connection
        self._opener = opener
        self._opening = Opening(connection.caller)
        self._runner: IRunner | None = None
        self._started = False
        self._early = b""
        self._early_eof = False
        self._ended = False
        self.outlet = Outlet(
            connection.clock,
            connection.work,
            window,
            self._send,
            lambda: bool(connection.transport.can_write),
            self._stalled,
            connection.limits.stalled_timeout,
        )
        self._requests: dict[bytes, Callable[[PacketReader], bool]] = {
            b"pty-req": self._pty,
            b"shell": self._shell,
            b"exec": self._exec,
            b"window-change": self._window_change,
            b"signal": self._signal,
        }

    # For the session

    def write(self, data: bytes, *, error: bool = False) -> None:
        r"""Send output; on a terminal, lines end with ``\r\n``, and errors are not sent separately."""
        if self._opening.window is None:
            self.outlet.write(data, error=error)
        else:
            self.outlet.write(data.replace(b"\n", b"\r\n"))

    def drain(self) -> Deferred[None]:
        """Wait for the client to read."""
        return self.outlet.drain()

    def finish(self, status: int) -> None:
        """End the channel with an exit status, once everything written has been sent."""
        self.outlet.finish(lambda: self._close(status))

    def consumed(self, kept: int = 0) -> None:
        """Let the client send more.

        Args:
            kept: Bytes that were received and still take up room.
        """
        room = self.localWindowSize - self.localWindowLeft - kept
        if room > self.localWindowSize // 2:
            self._connection.adjustWindow(self, room)

    # From the connection

    def request(self, kind: bytes, reader: PacketReader) -> bool:
        """Handle a request and return whether it is granted; variables, forwarding and subsystems are refused."""
        granted = self._requests.get(kind)
        return granted is not None and not self._ended and granted(reader)

    def start(self) -> None:
        """Start the requested session, if it has not been started."""
        if self._runner is None or self._started or self._ended:
            return
        self._started = True
        self._runner.start()
        early, self._early = self._early, b""
        if early:
            self.data_received(early)
        if self._early_eof:
            self.eof_received()

    def data_received(self, data: bytes) -> None:
        """Pass on input; before the start it is kept, as far as the window goes."""
        if self._ended:
            return
        if self._started and self._runner is not None:
            self._runner.data_received(data)
        else:
            self._early += data

    def dismiss(self, words: str) -> None:
        """End the session, with a message that says why."""
        if self._started and self._runner is not None and not self._ended:
            self._runner.dismiss(words)

    def eof_received(self) -> None:
        """Pass on the end of input."""
        if self._started and self._runner is not None and not self._ended:
            self._runner.eof_received()
        else:
            self._early_eof = True

    def close_now(self) -> None:
        """Close our side at once, because the client has closed its own."""
        self._end()
        self._connection.sendClose(self)

    def closed(self) -> None:
        """Clean up; Conch may call this repeatedly, when both sides are closed or the connection is lost."""
        self._end()

    # Requests

    def _pty(self, reader: PacketReader) -> bool:
        if self._runner is not None or self._opening.window is not None:
            return False
        term = reader.string()
        columns, rows = reader.uint32(), reader.uint32()
        self._opening = attrs.evolve(self._opening, term=term, window=Window.guarded(columns, rows))
        return True

    def _shell(self, _: PacketReader) -> bool:
        return self._open(self._opening)

    def _exec(self, reader: PacketReader) -> bool:
        return self._open(attrs.evolve(self._opening, command=reader.string()))

    def _open(self, opening: Opening) -> bool:
        if self._runner is not None:
            return False
        self._runner = self._opener(self, opening)
        return True

    def _window_change(self, reader: PacketReader) -> bool:
        window = Window.guarded(reader.uint32(), reader.uint32())
        if self._opening.window is None:
            return False
        self._opening = attrs.evolve(self._opening, window=window)
        if self._started and self._runner is not None:
            self._runner.resized(window)
        return True

    def _signal(self, reader: PacketReader) -> bool:
        if reader.string() != b"INT" or not self._started or self._runner is None:
            return False
        self._runner.interrupt()
        return True

    # The end

    def _send(self, data: bytes, error: bool) -> None:  # noqa: FBT001  # as Outlet calls it
        for start in range(0, len(data), self.remoteMaxPacket):
            piece = data[start : start + self.remoteMaxPacket]
            if error:
                self._connection.sendExtendedData(self, EXTENDED_DATA_STDERR, piece)
            else:
                self._connection.sendData(self, piece)

    def _close(self, status: int) -> None:
        self._connection.sendRequest(self, b"exit-status", struct.pack(">L", status))
        self._connection.sendEOF(self)
        self._end()
        self._connection.sendClose(self)
        self._connection.session_ended()

    def _stalled(self) -> None:
        self._connection.stalled()

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self.outlet.close()
            if self._runner is not None:
                self._runner.closed()
