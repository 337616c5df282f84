"""A blocking client of any VPP: vpp_papi's own, unchanged, with what tests want of it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from vpp_papi import VPPApiClient
from vpp_papi.vpp_stats import VPPStats

if TYPE_CHECKING:
    from collections.abc import Iterator


USUAL = {"bootstrapapi": True, "read_timeout": 60.0}
"""Options of clients: they read the API from VPP, and have patience with a busy machine."""


class PapiClient:
    """A connected client.

    Attributes:
        api: The methods that vpp_papi makes of the messages.
    """

    def __init__(self, socket: str, **options: Any) -> None:
        self._client = VPPApiClient(server_address=socket, **(USUAL | options))
        try:
            self._client.connect("test")
        except BaseException:
            self._client.disconnect()  # it leaves its socket open otherwise
            raise
        self.api = self._client.api

    @property
    def table(self) -> dict[str, int]:
        """The message table."""
        return dict(self._client.transport.message_table)

    def close(self) -> None:
        """Disconnect, whether VPP still lives or not."""
        self._client.disconnect()

    @contextlib.contextmanager
    def impatient(self, seconds: float = 0.5) -> Iterator[None]:
        """Wait only so long for an answer that should not come."""
        patience = self._client.read_timeout
        self._client.read_timeout = self._client.transport.read_timeout = seconds
        try:
            yield
        finally:
            self._client.read_timeout = self._client.transport.read_timeout = patience

    def cli(self, text: str) -> tuple[int, str]:
        """Run commands and return the retval and the output."""
        answer = self.api.cli_inband(cmd=text)
        return answer.retval, answer.reply

    def retval(self, name: str, **fields: Any) -> int:
        """Send a request and return its retval."""
        return getattr(self.api, name)(**fields).retval

    def dump(self, name: str, **fields: Any) -> list[Any]:
        """Return the details of a dump, with addresses as bytes: they need not be valid."""
        return list(getattr(self.api, name)(_no_type_conversion=True, **fields))


@contextlib.contextmanager
def papi_client(socket: str, **options: Any) -> Iterator[PapiClient]:
    """Connect for as long as a test takes."""
    client = PapiClient(socket, **options)
    try:
        yield client
    finally:
        client.close()


@contextlib.contextmanager
def papi_stats(socket: str) -> Iterator[VPPStats]:
    """Map the stats segment for as long as a test takes."""
    stats = VPPStats(socket)
    stats.connect()
    try:
        yield stats
    finally:
        stats.disconnect()
