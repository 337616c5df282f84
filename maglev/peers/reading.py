"""What a balancer says that it serves, checked: a peer may be another version, broken, or in foreign hands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import attrs

from maglev.model.addresses import is_address
from maglev.model.errors import RemoteError
from maglev.model.text import printable

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

MAX_VIPS: Final = 10_000
MAX_SERVERS: Final = 20_000
"""VIPs of a balancer, and servers of all its VIPs together: more than a balancer has."""

MAX_TEXT: Final = 128
"""Characters of a name, a state or a version."""

MAX_WEIGHT: Final = 100

VPP_STATES: Final = ("connected", "lost", "off")


class JunkError(RemoteError):
    """What a peer said makes no sense."""


class VipId(NamedTuple):
    """What identifies a VIP on all balancers: not the name of its frontend."""

    prefix: str
    protocol: str
    port: int

    def __str__(self) -> str:
        return f"{self.prefix} {self.protocol} {self.port}"


@attrs.frozen
class ServerStanding:
    """A server of a VIP at one balancer, as `maglev.model.peer_views.ServedServerView`."""

    address: str
    name: str
    state: str
    weight: int
    effective_weight: int
    programmed_weight: int
    vpp_weight: int | None


@attrs.frozen
class VipStanding:
    """A VIP at one balancer.

    Attributes:
        servers: By address.
    """

    key: VipId
    frontend: str
    state: str
    configuration: str
    servers: Mapping[str, ServerStanding]


@attrs.frozen
class BalancerIdentity:
    """Which balancer answers."""

    host: str
    boot: str
    version: str
    vpp: str


@attrs.frozen
class BalancerStanding:
    """All that a balancer serves."""

    identity: BalancerIdentity
    vips: Mapping[VipId, VipStanding]


class StandingReader:
    """Collects the pages of one balancer."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._identity: BalancerIdentity | None = None
        self._vips: dict[VipId, VipStanding] = {}
        self._servers = 0

    def page(self, view: Any) -> Generator[None, None, None]:
        """Take a page; yields after each VIP.

        Raises:
            JunkError: It is not one, or it is too much.
        """
        page = _dictionary(view)
        vpp = _text(page, "vpp")
        if vpp not in VPP_STATES:
            raise _junk("vpp")
        self._identity = BalancerIdentity(_text(page, "host"), _text(page, "boot"), _text(page, "version"), vpp)
        for row in _list(page, "rows"):
            vip = _vip(row)
            self._servers += len(vip.servers)
            if len(self._vips) >= MAX_VIPS or self._servers > MAX_SERVERS:
                raise JunkError("too many VIPs or servers")
            self._vips[vip.key] = vip
            yield

    def after(self, view: Any) -> str | None:
        """Return where the next page begins; None after the last.

        Raises:
            JunkError: It does not say.
        """
        page = _dictionary(view)
        if page.get("next", "") is None:
            return None
        if not page["rows"]:
            raise JunkError("a page without rows that is not the last")
        return _text(page, "next")

    def standing(self) -> BalancerStanding:
        """Return what was read; at least one page."""
        assert self._identity is not None  # noqa: S101  # `page` came first
        return BalancerStanding(self._identity, self._vips)


def _vip(view: Any) -> VipStanding:
    row = _dictionary(view)
    prefix = _text(row, "prefix")
    address, slash, length = prefix.partition("/")
    if not (slash and is_address(address) and length.isdecimal()):
        raise _junk("prefix")
    servers = [_server(each) for each in _list(row, "servers")]
    return VipStanding(
        VipId(prefix, _text(row, "protocol"), _number(row, "port", 65535)),
        _text(row, "frontend"),
        _text(row, "state"),
        _text(row, "configuration"),
        {each.address: each for each in servers},
    )


def _server(view: Any) -> ServerStanding:
    row = _dictionary(view)
    address = _text(row, "address")
    if not is_address(address):
        raise _junk("address")
    return ServerStanding(
        address,
        _text(row, "name"),
        _text(row, "state"),
        _number(row, "weight", MAX_WEIGHT),
        _number(row, "effective_weight", MAX_WEIGHT),
        _number(row, "programmed_weight", MAX_WEIGHT),
        None if row.get("vpp_weight", "") is None else _number(row, "vpp_weight", MAX_WEIGHT),
    )


def _dictionary(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise JunkError("the answer makes no sense: expected a dictionary")
    return value


def _list(row: dict[str, Any], name: str) -> list[Any]:
    value = row.get(name)
    if not isinstance(value, list):
        raise _junk(name)
    return value


def _text(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or len(value) > MAX_TEXT or printable(value) != value:
        raise _junk(name)
    return value


def _number(row: dict[str, Any], name: str, most: int) -> int:
    value = row.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise _junk(name)
    return value


def _junk(name: str) -> JunkError:
    message = f"the answer makes no sense: invalid {name}"
    return JunkError(message)
