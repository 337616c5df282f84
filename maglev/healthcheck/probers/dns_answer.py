"""DNS questions, and what their answers have to be. No I/O.

A message that does not answer the question (another identifier, no response, another question) is none of ours, as
every resolver sees it: over UDP it may be forged, so it is ignored, and the right one waited for. The response code
decides before any record is read; only an expected record needs the message as a whole.

What is bounded: a message, by UDP to 4 KiB and by TCP to 64 KiB; the records that are read, to 512.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from maglev.healthcheck.probers.dialogue import NO_ANSWER, Parting, RegexpFinder
from maglev.model.check_params import RCODES
from maglev.model.result import Code
from maglev.model.text import excerpt, printable

if TYPE_CHECKING:
    from maglev.healthcheck.probers.dialogue import Verdict
    from maglev.model.check_params import DnsParams

RECORDS_LIMIT: Final = 512

PAYLOAD_SIZE: Final = 1232
"""Bytes of an answer over UDP that we say to take: what fits into a packet on every path (DNS Flag Day 2020)."""

_HEADER: Final = struct.Struct("!HHHHHH")
_LENGTH: Final = struct.Struct("!H")
_RESPONSE: Final = 0x8000
_OPCODE: Final = 0x7800
_TRUNCATED: Final = 0x0200


class DnsQuestion:
    """What the probes of a healthcheck ask, ready to be used many times."""

    def __init__(self, params: DnsParams) -> None:
        """Prepare.

        Raises:
            re2.error: The pattern is not valid.
            dns.exception.DNSException: The name or the expected record is not valid.
        """
        flags = dns.flags.RD if params.recursion else 0
        kind = dns.rdatatype.from_text(params.record_type)
        query = dns.message.make_query(params.name, kind, id=0, flags=flags, use_edns=0, payload=PAYLOAD_SIZE)
        self._query = query.to_wire()[2:]
        self._name = query.question[0].name.to_wire() or b""
        self._kind = kind
        self._rcode = params.rcode
        self._record = None if params.answer is None else record_of(params.record_type, params.answer)
        self._finder = None if params.answer_regexp is None else RegexpFinder(params.answer_regexp)

    def message(self, identifier: int) -> bytes:
        """Return the question with this identifier."""
        return _LENGTH.pack(identifier) + self._query

    def judge(self, message: bytes, identifier: int) -> Verdict | None:
        """Return the verdict on an answer; None for what does not answer the question. Nothing can make it raise."""
        if len(message) < _HEADER.size:
            return None
        ident, flags, questions, *counts = _HEADER.unpack_from(message)
        number = flags & 0xF
        if ident != identifier or flags & (_RESPONSE | _OPCODE) != _RESPONSE or not self._is_ours(message, questions):
            return None
        if number >= len(RCODES) or RCODES[number] is not self._rcode:
            return Code.L7STS, f"status {RCODES[number] if number < len(RCODES) else number}"
        if self._record is None and self._finder is None:
            return Code.L7OK, ""
        if sum(counts) > RECORDS_LIMIT:
            return Code.L7RSP, f"more than {RECORDS_LIMIT} records"
        return self._judge_records(message, truncated=bool(flags & _TRUNCATED))

    def _is_ours(self, message: bytes, questions: int) -> bool:
        """Return whether the question is ours; a server that does not understand it may leave it out."""
        if questions != 1:
            return questions == 0 and message[3] & 0xF != 0
        end = _HEADER.size + len(self._name)
        name, kind = message[_HEADER.size : end], message[end : end + 4]
        return name.lower() == self._name.lower() and kind == struct.pack("!HH", self._kind, dns.rdataclass.IN)

    def _judge_records(self, message: bytes, *, truncated: bool) -> Verdict:
        try:
            answer = dns.message.from_wire(message, ignore_trailing=True).answer
            records = [record for rrset in answer if rrset.rdtype == self._kind for record in rrset]
            texts = [record.to_text() for record in records]
        except (dns.exception.DNSException, ValueError, IndexError, struct.error) as error:
            return Code.L7RSP, printable(f"malformed answer: {error or type(error).__name__}")
        if self._record is not None:
            found = self._record in records
        else:
            found = self._finder is not None and any(self._finder.find(text.encode()) for text in texts)
        if found:
            return Code.L7OK, ""
        shown = f'received "{excerpt(", ".join(texts))}"' if texts else "no such record"
        hint = "; it is truncated: ask with transport tcp" if truncated else ""
        return Code.L7RSP, printable(f"answer does not match: {shown}{hint}")


def record_of(record_type: str, text: str) -> dns.rdata.Rdata:
    """Return a record from its text, as in a zone file; names in it are absolute.

    Raises:
        dns.exception.DNSException: It is not valid.
    """
    return dns.rdata.from_text("IN", record_type, text, origin=dns.name.root, relativize=False)


class DnsExchange:
    """One question over UDP."""

    __slots__ = ("_identifier", "_ignored", "_question", "payload")

    def __init__(self, question: DnsQuestion, identifier: int) -> None:
        self._question = question
        self._identifier = identifier
        self._ignored = 0
        self.payload = question.message(identifier)

    def take(self, datagram: bytes) -> Verdict | None:
        """Return the verdict on a datagram; None waits for another one."""
        verdict = self._question.judge(datagram, self._identifier)
        if verdict is None:
            self._ignored += 1
        return verdict

    def silence(self) -> Verdict:
        """Return what it means that nothing else has come in time."""
        others = f"; {self._ignored} datagrams did not answer the question" if self._ignored else ""
        return Code.L7TOUT, f"{NO_ANSWER}{others}"


class DnsDialogue:
    """One question over TCP (RFC 7766, 8): each message has its length before it."""

    def __init__(self, question: DnsQuestion, identifier: int) -> None:
        self.verdict: Verdict | None = None
        self.parting = Parting.RESET
        self._question = question
        self._identifier = identifier
        self._data = bytearray()

    def begin(self) -> bytes:
        """Return the question (`Dialogue.begin`)."""
        message = self._question.message(self._identifier)
        return _LENGTH.pack(len(message)) + message

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the backend (`Dialogue.feed`)."""
        self._data += data
        if self.verdict is None and len(self._data) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._data)
            if len(self._data) >= _LENGTH.size + length:
                message = bytes(self._data[_LENGTH.size : _LENGTH.size + length])
                verdict = self._question.judge(message, self._identifier)
                self.verdict = verdict or (Code.L7RSP, "the answer is to another question")
        return b""

    def progress(self) -> str:
        """Return what is missing (`Dialogue.progress`)."""
        return f"answer not complete, {len(self._data)} bytes" if self._data else NO_ANSWER

    def end(self, how: str) -> Verdict:
        """Return the verdict on what came (`Dialogue.end`)."""
        return self.verdict or (Code.L7RSP, printable(f"{how}: {self.progress()}"))
