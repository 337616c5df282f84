"""The kind of value that says how much of a pool is enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from maglev.config.kinds import Integer, Percentage, UnfitError, forbidden, shown, text_of, wrong_type
from maglev.model.config import MinUp
from maglev.model.problem import ProblemKind

if TYPE_CHECKING:
    from maglev.config.nodes import Node

_SHARE: Final = Percentage(100)


@attrs.frozen
class LeastUp:
    """A number of backends, or a part of the configured weight with a percent sign."""

    maximum: int
    noun = "number of backends or percentage"

    @property
    def limits(self) -> str:
        """The ranges."""
        return f"1..{self.maximum}, or more than 0%, at most 100%"

    def read(self, node: Node) -> MinUp:
        """Return what is enough; see `maglev.config.kinds.ValueKind.read`."""
        is_share = text_of(self.noun, self.limits, node).endswith("%")
        try:
            value = _SHARE.read(node) if is_share else Integer(1, self.maximum).read(node)
        except UnfitError as error:
            if error.kind is ProblemKind.PARSE:
                raise wrong_type(self.noun, self.limits, node) from None
            value = 0
        if not value:
            raise forbidden(node, f"must be {self.limits}, not {shown(node)}")
        return MinUp(round(100 * float(value)), share=True) if is_share else MinUp(int(value))

    def spell(self, value: MinUp) -> str:
        """Return the digits, with the sign if it is a percentage."""
        return str(value)
