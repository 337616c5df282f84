"""One kind of request as a particular VPP understands it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from maglev.model.errors import VppRetvalError
from maglev.model.text import printable
from maglev.vpp.api.codec import Layout, Tail, retval_of
from maglev.vpp.api.messages import RETVAL_TEXTS, answer_to

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maglev.vpp.api.definitions import Layouts

    Table = Mapping[str, tuple[int, str]]
    """VPP's message table: the id and the checksum of each message, by name."""

_HEAD_FIELDS = 2  # id and context
_REPLY_FIELDS = 3  # and retval


class Call(NamedTuple):
    """Ids and layouts of a request and of what answers it: the reply, or the rows of a dump."""

    id: int
    layout: Layout
    answer_id: int
    answer: Layout

    def read(self, message: bytes) -> tuple[Any, ...]:
        """Return the values of an answer, from the first one that is not in every answer.

        Raises:
            VppRetvalError: VPP refused.
            VppProtocolError: It is not what VPP's own definition says.
        """
        if not self.answer.has_retval:
            return self.answer.unpack(message)[_HEAD_FIELDS:]
        retval = retval_of(self.layout.name, message)
        if retval:
            raise VppRetvalError(self.layout.name, retval, self._reason(retval, message))
        return self.answer.unpack(message)[_REPLY_FIELDS:]

    def _reason(self, retval: int, message: bytes) -> str:
        if self.answer.tail is Tail.TEXT:
            return printable(self.answer.unpack(message)[-1].strip())
        return RETVAL_TEXTS.get(retval, "")


def calls(table: Table, layouts: Layouts) -> dict[str, Call]:
    """Return the requests that can be made of a VPP with this message table, by name."""
    usable = {}
    for name, (number, crc) in table.items():
        layout = layouts.get(name, crc)
        answer_id, answer_crc = table.get(answer_to(name), (0, ""))
        answer = layouts.get(answer_to(name), answer_crc)
        if layout is not None and answer is not None:
            usable[name] = Call(number, layout, answer_id, answer)
    return usable
