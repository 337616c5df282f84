"""Which VPP is played: the messages it has, and the mistakes that it makes.

Facts of VPP's history: the lb plugin got its weights, ``lb_conf_get`` and a binary API that works for IPv4 by two
commits after 26.06 (``db44addb60c``, ``ca870e99f61``); ``get_api_json`` came with 24.06, ``lb_add_del_vip_v2`` with
23.02.
"""

from __future__ import annotations

import enum
from typing import Final


class Release(enum.Enum):
    """A VPP to play, by the newest version that behaves so."""

    WEIGHTED = "26.10"
    """The first with weights: everything works."""

    UNWEIGHTED = "26.06"
    """No weights; the binary LB API mishandles IPv4 and every encapsulation but GRE4."""

    UNDESCRIBED = "24.02"
    """The same, and it can't send its API description."""

    UNSTICKY = "22.10"
    """The same, and VIPs can't stick to source addresses."""

    BARE = "no-lb"
    """A new VPP without the lb plugin."""

    @property
    def has_lb(self) -> bool:
        """Whether the lb plugin is loaded."""
        return self is not Release.BARE

    @property
    def has_weights(self) -> bool:
        """Whether application servers have weights, and the binary API works for IPv4."""
        return self in {Release.WEIGHTED, Release.BARE}

    @property
    def has_sticky(self) -> bool:
        """Whether a VIP can stick to source addresses."""
        return self is not Release.UNSTICKY

    @property
    def version(self) -> str:
        """The version that such a VPP reports; it differs from every real version string."""
        number = Release.WEIGHTED.value if self is Release.BARE else self.value
        return f"{number}-sim"

    def lacks(self, module: str, message: str) -> bool:
        """Return whether a message is missing from this release.

        Args:
            module: Name of the API file, such as ``lb``.
            message: Name of the message, without CRC.
        """
        if module == "lb" and not self.has_lb:
            return True
        request = message.removesuffix("_reply").replace("_details", "_dump")
        return any(request in messages for release, messages in _NEWS if _AGE[self] >= _AGE[release])


_AGE: Final = {
    Release.WEIGHTED: 0,
    Release.BARE: 0,
    Release.UNWEIGHTED: 1,
    Release.UNDESCRIBED: 2,
    Release.UNSTICKY: 3,
}

_NEWS: Final = (
    (Release.UNWEIGHTED, {"lb_conf_get", "lb_add_del_as_v2", "lb_as_set_weight", "lb_as_v2_dump"}),
    (Release.UNDESCRIBED, {"get_api_json"}),
    (Release.UNSTICKY, {"lb_add_del_vip_v2"}),
)
"""The requests that the releases from each one on (backwards) do not have."""
