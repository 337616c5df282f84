"""Which servers of a VIP have a known owner, where the frontend has a DNS name that was never resolved.

Nobody knows what such a name stands for, so the servers that VPP holds and that it may stand for stay: those that VPP
had when this run read it first, and those that left the configuration with the reload that brought the name. A server
that was a backend beside the name is not one of them. It leaves as it would without the name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from maglev.vpp.lb.state import ApplicationServer, Vip, VipKey


class Owners:
    """The servers that have left frontends with an unresolved name, and that the name can't stand for."""

    def __init__(self) -> None:
        self._known: dict[VipKey, set[str]] = {}

    def note(self, key: VipKey, left: Collection[str], held: Collection[str] | None) -> None:
        """Note the servers whose owner was another one than the name.

        Args:
            key: The VIP.
            left: Their addresses.
            held: The addresses that VPP holds; None if it is not known. What is gone from there is forgotten.
        """
        known = self._known.get(key, set()).union(left)
        if held is not None:
            known.intersection_update(held)
        self._known[key] = known

    def forget(self, key: VipKey) -> None:
        """Forget the servers of a VIP: its names are resolved."""
        self._known.pop(key, None)

    def trim(self, keys: Collection[VipKey]) -> None:
        """Forget all VIPs but these."""
        for key in self._known.keys() - set(keys):
            del self._known[key]

    def unknown(self, held: Vip, configured: Collection[str]) -> Mapping[str, ApplicationServer]:
        """Return the servers that VPP holds and that an unresolved name may stand for, by address.

        Args:
            held: What VPP holds of the VIP.
            configured: The addresses of its backends.
        """
        known = self._known.get(held.key, ())
        return {a: server for a, server in held.servers.items() if a not in configured and a not in known}
