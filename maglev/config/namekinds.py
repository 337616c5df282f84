"""The kinds of values that backends by DNS name have: the name, the family, and the nameservers."""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, Final

import attrs

from maglev.config.kinds import UnfitError, forbidden, shown, text_of, wrong_type
from maglev.config.nodes import ListNode
from maglev.model import addresses
from maglev.model.names import DNS_PORT
from maglev.model.text import excerpt

if TYPE_CHECKING:
    from maglev.config.nodes import Node

NAME: Final = re.compile(r"(?=.{1,253}\.?$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
                         r"(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?")  # fmt: skip
"""RFC 1035, 2.3.1 and 2.3.4; underscores occur, and numbers at the beginning (RFC 1123, 2.1)."""

SERVER: Final = re.compile(
    r"\[(?P<v6>[0-9A-Fa-f:.]{2,45})\]:(?P<port6>[0-9]{1,5})|(?P<v4>[0-9.]{7,15}):(?P<port4>[0-9]{1,5})"
)
"""An address with a port."""


class IpVersion(enum.StrEnum):
    """A family of addresses."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"

    @property
    def number(self) -> addresses.Family:
        """4 or 6."""
        return 4 if self is IpVersion.IPV4 else 6


@attrs.frozen
class DnsName:
    """A DNS name; the value has small letters only, and no dot at the end."""

    noun = "DNS name"
    limits = "of letters, digits and '-', at most 253 characters"

    def read(self, node: Node) -> str | None:
        """Return the name; see `maglev.config.kinds.ValueKind.read`."""
        text = text_of(self.noun, self.limits, node)
        if not text:
            return None
        if addresses.is_address(text):
            raise forbidden(node, f"{shown(node)} is an address: write address: {text}")
        if not NAME.fullmatch(text):
            raise forbidden(node, f'invalid DNS name "{excerpt(text)}": expected {self.limits}')
        return text.lower().removesuffix(".")

    def spell(self, value: str) -> str:
        """Return it unchanged."""
        return value


@attrs.frozen
class Nameservers:
    """Addresses of nameservers, with ports: one, or a list; the value is a tuple of pairs.

    Attributes:
        most: Maximum length of a list.
    """

    most: int
    noun = "IP address or list"

    @property
    def limits(self) -> str:
        """How many there may be, and their form."""
        return f"at most {self.most}, optionally with ports"

    def read(self, node: Node) -> tuple[tuple[str, int], ...] | None:
        """Return the addresses and ports; see `maglev.config.kinds.ValueKind.read`."""
        if type(node) is not ListNode:
            text = text_of(self.noun, self.limits, node)
            return (self._server(node, text),) if text else None
        if len(node.items) > self.most:
            raise forbidden(node, f"must be at most {self.most} nameservers, not {len(node.items)}")
        servers = []
        for index, item in enumerate(node.items):
            try:
                servers.append(self._item(item))
            except UnfitError as error:
                error.suffix = f"[{index}]"
                raise
        return tuple(servers) or None

    def spell(self, value: tuple[tuple[str, int], ...]) -> str:
        """Return them as a list."""
        return f"[{', '.join(map(spell_server, value))}]"

    def _item(self, node: Node) -> tuple[str, int]:
        if type(node) is ListNode:
            raise wrong_type("IP address", self.limits, node)
        return self._server(node, text_of("IP address", self.limits, node))

    def _server(self, node: Node, text: str) -> tuple[str, int]:
        match = SERVER.fullmatch(text)
        address = text if match is None else match["v6"] or match["v4"]
        port = DNS_PORT if match is None else int(match["port6"] or match["port4"])
        try:
            found = addresses.canonical(address)
        except ValueError:
            text = f'invalid nameserver "{excerpt(text)}": expected an address, or one with a port as in [::1]:53'
            raise forbidden(node, text) from None
        if not 1 <= port <= 65535:
            raise forbidden(node, f"port {port} is not in 1..65535")
        return found, port


def spell_server(server: tuple[str, int]) -> str:
    """Return an address and a port as they are written."""
    address, port = server
    if port == DNS_PORT:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
