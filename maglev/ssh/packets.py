"""Reads the fields of SSH packets (RFC 4251, 5); any malformed packet raises `PacketError`."""

from __future__ import annotations

from typing import Final

_UINT32: Final = 4


class PacketError(Exception):
    """A peer sent a malformed packet."""


class PacketReader:
    """Reads the fields of a packet one after another."""

    def __init__(self, packet: bytes) -> None:
        self._packet = packet
        self._at = 0

    def take(self, count: int) -> bytes:
        """Return so many bytes.

        Raises:
            PacketError: The packet is too short.
        """
        end = self._at + count
        if end > len(self._packet):
            raise PacketError("a packet ends too early")
        taken = self._packet[self._at : end]
        self._at = end
        return taken

    def uint32(self) -> int:
        """Return a ``uint32``."""
        return int.from_bytes(self.take(_UINT32), "big")

    def string(self) -> bytes:
        """Return a ``string``."""
        return self.take(self.uint32())

    def boolean(self) -> bool:
        """Return a ``boolean``: any value but 0 is true."""
        return self.take(1) != b"\0"

    def rest(self) -> bytes:
        """Return what is left."""
        return self.take(len(self._packet) - self._at)
