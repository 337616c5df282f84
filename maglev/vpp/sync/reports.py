"""Logs what syncs find and do: drift, VIPs that are recreated, and VIPs that wait for others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from maglev.runtime.logs.logger import EventLogger
from maglev.vpp.sync.drift import drifts
from maglev.vpp.sync.plan import differs

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from collections.abc import Set as AbstractSet

    from maglev.model.config import LbConf
    from maglev.vpp.lb.state import Vip, VipKey
    from maglev.vpp.sync.plan import AddressPlan, Plan, WantedVip
    from maglev.vpp.sync.writer import SyncCounters


class SyncReports:
    """The reports of one connection."""

    _log = EventLogger()

    def __init__(self, tally: SyncCounters) -> None:
        """Start without any reports.

        Args:
            tally: Counts the drifts.
        """
        self._tally = tally
        self._blocked: dict[VipKey, VipKey] = {}

    def settings(self, found: LbConf | None, known: LbConf | None) -> None:
        """Report settings that somebody else has changed."""
        if found is not None and known is not None and differs(known, found):
            self._tally.drifts += 1
            self._log.warn("vpp-lbsync-drift", what="settings", found=_text(found), wanted=_text(known))

    def drift_steps(
        self,
        known: Mapping[VipKey, Vip],
        found: Mapping[VipKey, Vip],
        ours: Mapping[VipKey, str],
        leaving: AbstractSet[VipKey],
    ) -> Generator[None, None, None]:
        """Report what somebody else has changed about what is ours, since it is about to be repaired; yield often.

        Args:
            known: What VPP was known to hold.
            found: What it holds.
            ours: The names of the frontends in force, by their VIPs.
            leaving: VIPs that are about to be deleted.
        """
        for each in drifts(known, found, ours.keys() | leaving):
            if each is not None:
                self._tally.drifts += 1
                self._log.warn(
                    "vpp-lbsync-drift",
                    what=str(each.key),
                    frontend=ours.get(each.key, ""),
                    differences=each.differences,
                    found=each.found,
                    wanted=each.known,
                )
            yield

    def recreated(self, plan: AddressPlan, wanted: Mapping[VipKey, WantedVip]) -> None:
        """Report which VIPs are deleted and added again, and why."""
        for key, reasons in plan.recreated.items():
            self._log.warn(
                "vpp-lbsync-vip-recreate", vip=str(key), frontend=wanted[key].frontend, reason=", ".join(reasons)
            )

    def postponed(self, plan: Plan) -> None:
        """Report which VIPs wait for another one to go: once for each."""
        blocked = {key: other for address in plan.values() for key, other in address.postponed.items()}
        for key, other in blocked.items():
            if self._blocked.get(key) != other:
                self._log.warn("vpp-lbsync-vip-postponed", vip=str(key), because_of=str(other))
        self._blocked = blocked


def _text(conf: LbConf) -> str:
    return ", ".join(f"{name} {value}" for name, value in attrs.asdict(conf).items())
