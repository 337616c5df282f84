"""The sessions of one connection (RFC 4254): opens them, carries their packets, and refuses everything else."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from twisted.conch.ssh.common import NS
from twisted.conch.ssh.connection import (
    MSG_CHANNEL_CLOSE,
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EOF,
    MSG_CHANNEL_EXTENDED_DATA,
    MSG_CHANNEL_FAILURE,
    MSG_CHANNEL_OPEN,
    MSG_CHANNEL_OPEN_CONFIRMATION,
    MSG_CHANNEL_OPEN_FAILURE,
    MSG_CHANNEL_REQUEST,
    MSG_CHANNEL_SUCCESS,
    MSG_CHANNEL_WINDOW_ADJUST,
    MSG_GLOBAL_REQUEST,
    MSG_REQUEST_FAILURE,
    OPEN_ADMINISTRATIVELY_PROHIBITED,
    OPEN_RESOURCE_SHORTAGE,
    SSHConnection,
)
from twisted.conch.ssh.transport import DISCONNECT_BY_APPLICATION

from maglev.ssh.channel import SessionChannel
from maglev.ssh.packets import PacketError, PacketReader

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from maglev.model.caller import Caller
    from maglev.runtime.cooperator import WorkQueue
    from maglev.ssh.channel import Opener
    from maglev.ssh.limits import Limits

MIN_PACKET: Final = 1024
"""The smallest "maximum packet size" that a client may request; with 1 each character would be a separate packet (and
with 0, no output would ever end). RFC 4253, 6.1 requires support for 32768."""


class ConsoleConnection(SSHConnection):
    """The service ``ssh-connection``.

    Clients send packets for channels that have just been closed, for which Conch would end the connection: so every
    packet is checked here first. Of Conch's class, only sending and closing are used.
    """

    def __init__(self, clock: IReactorTime, work: WorkQueue, limits: Limits, caller: Caller, opener: Opener) -> None:
        """Create a service without sessions.

        Args:
            clock: A monotonic clock.
            work: The queue shared by all sessions of the console.
            limits: Bounds on the number of channels, and on the time without any.
            caller: The user who logged in.
            opener: Creates the runner of a channel.
        """
        SSHConnection.__init__(self)
        self.transport: Any = None
        self.clock = clock
        self.work = work
        self.limits = limits
        self.caller = caller
        self._opener = opener
        self._idle: IDelayedCall | None = None
        self._serving = False
        self._packets = {
            MSG_GLOBAL_REQUEST: self._global_request,
            MSG_CHANNEL_OPEN: self._open,
        }
        self._channel_packets = {
            MSG_CHANNEL_WINDOW_ADJUST: self._window_adjust,
            MSG_CHANNEL_DATA: self._data,
            MSG_CHANNEL_EXTENDED_DATA: self._extended_data,
            MSG_CHANNEL_EOF: self._eof,
            MSG_CHANNEL_CLOSE: self._close,
            MSG_CHANNEL_REQUEST: self._request,
        }

    def serviceStarted(self) -> None:
        """Wait for the first session, but not for ever."""
        self._serving = True
        self._watch_idle()

    def serviceStopped(self) -> None:
        """End all sessions."""
        self._serving = False
        if self._idle is not None and self._idle.active():
            self._idle.cancel()
        self._idle = None
        for channel in tuple(self.channels.values()):
            self.channelClosed(channel)

    def packetReceived(self, messageNum: int, packet: bytes) -> None:
        """Process a packet; one for a channel that is closed already is ignored.

        Raises:
            PacketError: It is malformed.
        """
        reader = PacketReader(packet)
        if messageNum in self._packets:
            self._packets[messageNum](reader)
        elif messageNum in self._channel_packets:
            channel = self.channels.get(reader.uint32())
            if channel is not None:
                self._channel_packets[messageNum](channel, reader)
        # We never open channels or send requests, so there is nothing that a client could confirm.

    def channelClosed(self, channel: SessionChannel) -> None:
        """Forget a channel that both sides have closed."""
        SSHConnection.channelClosed(self, channel)
        self.session_ended()

    def session_ended(self) -> None:
        """Record that the session of a channel has ended, whether or not the client has closed the channel too."""
        if self._serving and all(channel.localClosed for channel in self.channels.values()):
            self._watch_idle()

    def stalled(self) -> None:
        """End the connection, because its client does not read the output."""
        self.transport.give_up_on_reader()

    def dismiss(self, words: str) -> None:
        """End all sessions, with a message that says why."""
        for channel in tuple(self.channels.values()):
            channel.dismiss(words)

    def resume(self) -> None:
        """Resume the output of all sessions, because the client reads again."""
        for channel in tuple(self.channels.values()):
            channel.outlet.flush()

    # Packets of the connection

    def _global_request(self, reader: PacketReader) -> None:
        """Refuse all global requests: forwarding is not offered, and keep-alives are content with a refusal."""
        reader.string()
        if reader.boolean():
            self.transport.sendPacket(MSG_REQUEST_FAILURE, b"")

    def _open(self, reader: PacketReader) -> None:
        kind, sender, window, packet_size = reader.string(), reader.uint32(), reader.uint32(), reader.uint32()
        if kind != SessionChannel.name:
            self._refuse_channel(sender, OPEN_ADMINISTRATIVELY_PROHIBITED, b"there are only sessions here")
        elif len(self.channels) >= self.limits.channels:
            self._refuse_channel(sender, OPEN_RESOURCE_SHORTAGE, b"too many sessions on one connection")
        elif packet_size < MIN_PACKET:
            self._refuse_channel(sender, OPEN_RESOURCE_SHORTAGE, b"packets must be larger")
        else:
            self._confirm(SessionChannel(self, self._opener, window, packet_size), sender)

    def _confirm(self, channel: SessionChannel, sender: int) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        channel.id = self.localChannelID
        self.localChannelID += 1
        self.channels[channel.id] = channel
        self.channelsToRemoteChannel[channel] = sender
        self.localToRemoteChannel[channel.id] = sender
        sizes = channel.localWindowSize, channel.localMaxPacket
        self.transport.sendPacket(MSG_CHANNEL_OPEN_CONFIRMATION, struct.pack(">4L", sender, channel.id, *sizes))

    def _refuse_channel(self, sender: int, reason: int, text: bytes) -> None:
        self.transport.sendPacket(MSG_CHANNEL_OPEN_FAILURE, struct.pack(">2L", sender, reason) + NS(text) + NS(b""))

    # Packets of channels

    def _window_adjust(self, channel: SessionChannel, reader: PacketReader) -> None:
        channel.outlet.widen(reader.uint32())

    def _data(self, channel: SessionChannel, reader: PacketReader) -> None:
        data = reader.string()
        self._account(channel, len(data))
        channel.data_received(data)

    def _extended_data(self, channel: SessionChannel, reader: PacketReader) -> None:
        reader.uint32()
        self._account(channel, len(reader.string()))
        # Data for a server's stderr is ignored; its window is returned.
        channel.consumed()

    def _account(self, channel: SessionChannel, count: int) -> None:
        if count > channel.localWindowLeft:
            raise PacketError("more data than the window of the channel has room for")
        channel.localWindowLeft -= count

    def _eof(self, channel: SessionChannel, _: PacketReader) -> None:
        channel.eof_received()

    def _close(self, channel: SessionChannel, _: PacketReader) -> None:
        channel.remoteClosed = True
        channel.close_now()
        self.channelClosed(channel)

    def _request(self, channel: SessionChannel, reader: PacketReader) -> None:
        kind, wants_reply = reader.string(), reader.boolean()
        granted = channel.request(kind, reader)
        # The request itself may have ended the channel.
        remote = self.localToRemoteChannel.get(channel.id)
        if wants_reply and remote is not None and not channel.localClosed:
            reply = MSG_CHANNEL_SUCCESS if granted else MSG_CHANNEL_FAILURE
            self.transport.sendPacket(reply, struct.pack(">L", remote))
        # Started only now, because the reply to the request must precede the output of the command.
        channel.start()

    # Connections without a session

    def _watch_idle(self) -> None:
        if self.limits.idle_timeout and self._idle is None:
            self._idle = self.clock.callLater(self.limits.idle_timeout, self._too_idle)

    def _too_idle(self) -> None:
        self._idle = None
        self.transport.sendDisconnect(DISCONNECT_BY_APPLICATION, b"no session for too long")
