"""Questions to nameservers for addresses, and what their answers say. No I/O.

A message counts only if it has the identifier and the question that were sent, is a response, and comes from whom was
asked (`maglev.resolver.lookup` sees to that); all else is ignored, and the right one waited for. Nothing in a message
can make this raise. What is bounded: its records, to `RECORDS_LIMIT`; aliases in a row, by dnspython, to 16.
"""

from __future__ import annotations

import enum
import struct
from typing import TYPE_CHECKING, Final

import attrs
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype

from maglev.model.addresses import canonical
from maglev.model.text import excerpt, printable

if TYPE_CHECKING:
    from maglev.model.addresses import Family

RECORDS_LIMIT: Final = 160
"""Records that are read: as many as a name may stand for, and some more; to read them takes some 5 ms."""

MESSAGE_LIMIT: Final = 16 * 1024
"""Bytes of an answer over TCP: `RECORDS_LIMIT` records with room to spare."""

PAYLOAD_SIZE: Final = 1232
"""Bytes of an answer over UDP that we say to take: what fits into a packet on every path (DNS Flag Day 2020)."""

_HEADER: Final = struct.Struct("!HHHHHH")
_RESPONSE: Final = 0x8000
_OPCODE: Final = 0x7800
_TRUNCATED: Final = 0x0200
_NO_ERROR: Final = 0
_NO_NAME: Final = 3
_RCODES: Final = {1: "FORMERR", 2: "SERVFAIL", 4: "NOTIMP", 5: "REFUSED"}


@attrs.frozen
class Addresses:
    """A good answer.

    Attributes:
        addresses: At least one, in canonical form.
        ttl: Seconds for which the nameserver says that it holds, 0 to 2^31 - 1: the lowest TTL on the way.
    """

    addresses: tuple[str, ...]
    ttl: float


class Then(enum.Enum):
    """What to do after a bad answer."""

    END = "end"
    NEXT = "next"
    TCP = "tcp"


@attrs.frozen
class Bad:
    """An answer without addresses.

    Attributes:
        why: What it says, for a person.
        then: ``END`` if any nameserver would say so, ``NEXT`` if another one may know more, ``TCP`` if it did not fit.
    """

    why: str
    then: Then = Then.NEXT


class AddressQuestion:
    """A question for the addresses of a name."""

    def __init__(self, dns_name: str, family: Family) -> None:
        """Prepare.

        Args:
            dns_name: A valid name; it is absolute, with or without a dot at the end.
            family: Of the addresses.
        """
        self._kind = dns.rdatatype.A if family == 4 else dns.rdatatype.AAAA
        name = dns.name.from_text(dns_name)
        query = dns.message.make_query(name, self._kind, id=0, use_edns=0, payload=PAYLOAD_SIZE)
        self._wire = query.to_wire()[2:]
        self._name = name.to_wire() or b""

    def message(self, identifier: int) -> bytes:
        """Return the question with this identifier."""
        return struct.pack("!H", identifier) + self._wire

    def read(self, message: bytes, identifier: int) -> Addresses | Bad | None:
        """Return what a message says; None for what does not answer the question."""
        if len(message) < _HEADER.size:
            return None
        ident, flags, questions, *counts = _HEADER.unpack_from(message)
        code = flags & 0xF
        is_response = ident == identifier and flags & (_RESPONSE | _OPCODE) == _RESPONSE
        # A server that does not understand the question may leave it out.
        if not is_response or not (self._is_ours(message) or (code and not questions)):
            return None
        return self._judge(message, flags, sum(counts))

    def _judge(self, message: bytes, flags: int, records: int) -> Addresses | Bad:
        code = flags & 0xF
        if flags & _TRUNCATED:
            return Bad("the answer is truncated", Then.TCP)
        if code == _NO_NAME:
            return Bad("there is no such name (NXDOMAIN)", Then.END)
        if code != _NO_ERROR:
            return Bad(_RCODES.get(code, f"status {code}"))
        if records > RECORDS_LIMIT:
            return Bad(f"the answer has more than {RECORDS_LIMIT} records", Then.END)
        return self._read_records(message)

    def _is_ours(self, message: bytes) -> bool:
        end = _HEADER.size + len(self._name)
        name, kind = message[_HEADER.size : end], message[end : end + 4]
        return name.lower() == self._name.lower() and kind == struct.pack("!HH", self._kind, dns.rdataclass.IN)

    def _read_records(self, message: bytes) -> Addresses | Bad:
        try:
            found = dns.message.from_wire(message, ignore_trailing=True)
            assert isinstance(found, dns.message.QueryMessage)  # noqa: S101  # as its opcode says
            chain = found.resolve_chaining()
            records = () if chain.answer is None else tuple(record.to_text() for record in chain.answer)
            addresses = tuple(sorted(map(canonical, records)))
        except (dns.exception.DNSException, ValueError, IndexError, struct.error) as error:
            return Bad(printable(f"malformed answer: {excerpt(str(error) or type(error).__name__)}"))
        if not addresses or chain.answer is None:
            return Bad(f"the name has no {self._kind.name} record", Then.END)
        return Addresses(addresses, float(min(chain.minimum_ttl, chain.answer.ttl)))
