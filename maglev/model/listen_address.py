"""Addresses of our listeners as people write them: ``HOST:PORT``, ``[v6]:PORT``, ``unix:PATH``, or empty for off."""

from __future__ import annotations

import re
from typing import Final

from maglev.model.errors import StartError
from maglev.model.text import printable

_TCP: Final = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\[\]:/\s]*)):(?P<port>[0-9]{1,5})")

MAX_PORT: Final = 65535


def strport(option: str, text: str) -> str | None:
    """Return the description of a listener, for `maglev.runtime.listening`; None when it is switched off.

    Args:
        option: The name of the option, for the error.
        text: Its value.

    Raises:
        StartError: The text is not an address.
    """
    if not text:
        return None
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if path:
            return f"unix:{_quote(path)}"
    match = _TCP.fullmatch(text)
    if match is None or int(match["port"]) > MAX_PORT:
        message = f'{option}: invalid address "{printable(text)}": expected HOST:PORT, [v6]:PORT or unix:PATH'
        raise StartError(message)
    if match["v6"]:
        return f"tcp6:{match['port']}:interface={_quote(match['v6'])}"
    return f"tcp:{match['port']}" + (f":interface={_quote(match['host'])}" if match["host"] else "")


def tcp_address(option: str, text: str) -> tuple[str, int]:
    """Return host and port of a TCP address; an empty host stands for all of our addresses.

    Raises:
        StartError: The text is not a TCP address.
    """
    match = _TCP.fullmatch(text)
    if match is None or int(match["port"]) > MAX_PORT:
        message = f'{option}: invalid address "{printable(text)}": expected HOST:PORT or [v6]:PORT'
        raise StartError(message)
    return match["v6"] or match["host"] or "", int(match["port"])


def _quote(value: str) -> str:
    """Escape special characters of endpoint descriptions (`twisted.internet.endpoints.quoteStringArgument`)."""
    return value.replace("\\", "\\\\").replace(":", "\\:").replace("=", "\\=")
