"""DNS questions and answers: the right one, wrong ones, forged ones, and any bytes at all."""

from __future__ import annotations

import struct

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.healthcheck.probers.dns_answer import RECORDS_LIMIT, DnsDialogue, DnsExchange, DnsQuestion
from maglev.model.check_params import DnsParams, Rcode, RecordType
from maglev.model.result import Code

IDENT = 0x1234
NAME = "www.Example.com"
PASSED = (Code.L7OK, "")


def question(**params):
    return DnsQuestion(DnsParams(NAME, **params))


def answer(asked, *records, kind="A", rcode="NOERROR", flags=0, ident=IDENT, name=NAME):
    query = dns.message.from_wire(asked.message(ident))
    response = dns.message.make_response(query)
    response.set_rcode(dns.rcode.from_text(rcode))
    response.flags |= flags
    if records:
        response.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", kind, *records))
    return response.to_wire()


def test_the_question_is_as_configured():
    query = dns.message.from_wire(question(record_type=RecordType.MX, recursion=False).message(IDENT))
    assert (query.id, query.flags, query.edns, query.payload) == (IDENT, 0, 0, 1232)
    assert query.question[0].to_text() == "www.Example.com. IN MX"
    assert dns.message.from_wire(question().message(1)).flags == dns.flags.RD


@pytest.mark.parametrize(
    ("params", "records", "verdict"),
    [
        ({}, ["192.0.2.1"], PASSED),
        ({}, [], PASSED),
        ({"answer": "192.0.2.1"}, ["192.0.2.9", "192.0.2.1"], PASSED),
        ({"answer_regexp": r"^192\.0\.2\."}, ["192.0.2.9"], PASSED),
        ({"answer": "192.0.2.1"}, ["192.0.2.9"], (Code.L7RSP, 'answer does not match: received "192.0.2.9"')),
        ({"answer_regexp": "^10"}, ["192.0.2.9"], (Code.L7RSP, 'answer does not match: received "192.0.2.9"')),
        ({"answer": "192.0.2.1"}, [], (Code.L7RSP, "answer does not match: no such record")),
    ],
)
def test_an_answer_is_judged_by_its_records_if_any_is_expected(params, records, verdict):
    asked = question(**params)
    assert asked.judge(answer(asked, *records), IDENT) == verdict


def test_names_in_records_are_absolute_and_their_case_does_not_matter():
    asked = question(record_type=RecordType.MX, answer="10 MX.example.com")
    assert asked.judge(answer(asked, "10 mx.Example.com.", kind="MX"), IDENT) == PASSED


@pytest.mark.parametrize(("rcode", "verdict"), [("NXDOMAIN", PASSED), ("REFUSED", (Code.L7STS, "status REFUSED"))])
def test_the_response_code_decides_first(rcode, verdict):
    asked = question(rcode=Rcode.NXDOMAIN)
    assert asked.judge(answer(asked, rcode=rcode), IDENT) == verdict


def test_a_response_code_of_a_later_time_is_a_number():
    asked = question()
    assert asked.judge(answer(asked, rcode="NOTAUTH"), IDENT) == (Code.L7STS, "status 9")


def test_a_truncated_answer_is_judged_by_what_came():
    asked = question(answer="192.0.2.1")
    assert asked.judge(answer(asked, "192.0.2.1", flags=dns.flags.TC), IDENT) == PASSED
    hint = "answer does not match: no such record; it is truncated: ask with transport tcp"
    assert asked.judge(answer(asked, flags=dns.flags.TC), IDENT) == (Code.L7RSP, hint)


def test_what_does_not_answer_the_question_is_not_ours():
    asked = question()
    good = answer(asked)
    other = answer(DnsQuestion(DnsParams("www.example.org")))
    forged = {
        "another identifier": answer(asked, ident=IDENT + 1),
        "a question": asked.message(IDENT),
        "a notification": good[:2] + bytes((good[2] | 0x20,)) + good[3:],
        "another name": other,
        "another type": answer(DnsQuestion(DnsParams(NAME, RecordType.MX))),
        "no question": good[:4] + b"\0\0" + good[6:12],
        "two questions": good[:4] + b"\0\2" + good[6:],
        "too short": good[:11],
        "nothing": b"",
    }
    assert {name: asked.judge(message, IDENT) for name, message in forged.items()} == dict.fromkeys(forged)


def test_the_case_of_the_name_and_an_error_without_question_are_ours():
    asked = question()
    good = answer(asked)
    assert asked.judge(good.replace(b"Example", b"eXAMPLE"), IDENT) == PASSED
    error = good[:3] + bytes((good[3] | 1,)) + b"\0\0" + bytes(6)
    assert asked.judge(error, IDENT) == (Code.L7STS, "status FORMERR")


def test_a_malformed_answer_is_a_failure_if_a_record_is_expected():
    asked = question(answer="192.0.2.1")
    good = answer(asked, "192.0.2.1")
    code, detail = asked.judge(good[:-15], IDENT)
    assert code is Code.L7RSP
    assert detail.startswith("malformed answer: ")
    many = good[:6] + struct.pack("!H", RECORDS_LIMIT + 1) + good[8:]
    assert asked.judge(many, IDENT) == (Code.L7RSP, "more than 512 records")


@given(st.binary(max_size=200), st.integers(0, 60))
def test_no_bytes_make_it_raise(junk, keep):
    asked = question(answer_regexp="x")
    message = answer(asked, "192.0.2.1", "192.0.2.2")[:keep] + junk
    assert asked.judge(message, IDENT) is None or asked.judge(message, IDENT)[1].isprintable()


def test_over_udp_others_are_ignored_and_counted():
    asked = question()
    exchange = DnsExchange(asked, IDENT)
    assert exchange.payload == asked.message(IDENT)
    assert exchange.silence() == (Code.L7TOUT, "no answer")
    assert exchange.take(answer(asked, ident=1)) is None
    assert exchange.take(b"junk") is None
    assert exchange.silence() == (Code.L7TOUT, "no answer; 2 datagrams did not answer the question")
    assert exchange.take(answer(asked)) == PASSED


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_over_tcp_a_message_has_its_length_before_it(piece):
    asked = question()
    talk = DnsDialogue(asked, IDENT)
    assert talk.begin() == struct.pack("!H", len(asked.message(IDENT))) + asked.message(IDENT)
    assert talk.progress() == "no answer"
    message = answer(asked)
    data = struct.pack("!H", len(message)) + message + b"more"
    talk.feed(data[:3])
    assert talk.progress() == "answer not complete, 3 bytes"
    for at in range(3, len(data), piece):
        assert talk.feed(data[at : at + piece]) == b""
    assert talk.verdict == PASSED
    assert talk.end("closed") == PASSED


def test_over_tcp_another_answer_fails():
    talk = DnsDialogue(question(), IDENT)
    talk.feed(b"\0\x03abc")
    assert talk.verdict == (Code.L7RSP, "the answer is to another question")
    talk = DnsDialogue(question(), IDENT)
    talk.feed(b"\0")
    assert talk.end("closed") == (Code.L7RSP, "closed: answer not complete, 1 bytes")
