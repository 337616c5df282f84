"""The address of the page: where maglevd listens, and the names by which browsers get there."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from maglev.model.errors import StartError
from maglev.model.listen_address import strport, tcp_address
from maglev.model.text import printable

_NAME: Final = re.compile(
    r"(?P<site>https?://)?(?:(?P<host>[A-Za-z0-9._-]+)|\[(?P<v6>[0-9A-Fa-f:.]+)\])(?(site)(?::[0-9]{1,5})?/?)"
)

EVERYWHERE: Final = frozenset({"", "0.0.0.0", "::"})
"""Hosts that stand for all addresses of a machine."""


class WebAddress(NamedTuple):
    """Where the page is.

    Attributes:
        description: Of the listener (`maglev.runtime.listening`).
        host: The address that is listened on; empty for all of them, or for a socket.
        port: The port; 0 for a socket.
        names: More host names by which the page is reached.
        url: Address of the page, as a person would type it.
    """

    description: str
    host: str
    port: int
    names: tuple[str, ...]
    url: str

    @property
    def is_socket(self) -> bool:
        """Whether it is a UNIX socket."""
        return self.description.startswith("unix:")


def web_address(address: str, names: str) -> WebAddress | None:
    """Return the address that the options stand for; None if the page is off.

    Args:
        address: The value of ``--web-addr``.
        names: The value of ``--web-name``: host names, or addresses with ``http://`` or ``https://``, by commas.

    Raises:
        StartError: One of them is invalid.
    """
    description = strport("--web-addr", address)
    if description is None:
        return None
    host, port = ("", 0) if description.startswith("unix:") else tcp_address("--web-addr", address)
    hosts, urls = [], []
    for text in filter(None, map(str.strip, names.split(","))):
        hosts.append(_host_of(text))
        urls.append(text.rstrip("/") if "://" in text else _url(hosts[-1], port))
    return WebAddress(description, host, port, tuple(hosts), urls[0] if urls else _url(host, port))


def _url(host: str, port: int) -> str:
    shown = "localhost" if host in EVERYWHERE else f"[{host}]" if ":" in host else host
    return f"http://{shown}" + (f":{port}" if port else "")


def _host_of(text: str) -> str:
    """Return the host of a name or of an address of a site."""
    found = _NAME.fullmatch(text)
    if found is None:
        message = f'--web-name: invalid name "{printable(text)}": expected a host name, or https:// and a host name'
        raise StartError(message)
    return (found["v6"] or found["host"]).lower()
