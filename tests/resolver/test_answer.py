"""Answers of nameservers: good, bad, hostile, and not for us."""

import struct

import dns.flags
import dns.message
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.resolver.answer import RECORDS_LIMIT, Addresses, AddressQuestion, Bad, Then
from tests.fakes.names import answer_to

QUESTION = AddressQuestion("www.example.org", 4)
ID = 0x1234
ASKED = QUESTION.message(ID)


def read(message, question=QUESTION):
    return question.read(message, ID)


def chained(*links):
    """Return an answer of aliases and addresses: owner, TTL, type, value."""
    answer = dns.message.make_response(dns.message.from_wire(ASKED))
    for owner, ttl, kind, value in links:
        answer.answer.append(dns.rrset.from_text(owner, ttl, "IN", kind, value))
    return read(answer.to_wire())


def test_the_question_asks_one_name_recursively():
    asked = dns.message.from_wire(ASKED)

    assert (asked.id, str(asked.question[0].name), asked.flags & dns.flags.RD) == (ID, "www.example.org.", dns.flags.RD)
    assert asked.question[0].rdtype == dns.rdatatype.A
    assert dns.message.from_wire(AddressQuestion("a.b", 6).message(1)).question[0].rdtype == dns.rdatatype.AAAA


def test_a_good_answer_has_addresses_and_a_ttl():
    assert read(answer_to(ASKED, "192.0.2.1", "192.0.2.2", ttl=77)) == Addresses(("192.0.2.1", "192.0.2.2"), 77.0)
    six = AddressQuestion("www.example.org", 6)
    assert read(answer_to(six.message(ID), "2001:DB8:0::1"), six) == Addresses(("2001:db8::1",), 60.0)


def test_aliases_are_followed_within_the_answer_and_the_lowest_ttl_counts():
    found = chained(("www.example.org.", 300, "CNAME", "lb.example.net."), ("lb.example.net.", 20, "A", "192.0.2.9"))
    assert found == Addresses(("192.0.2.9",), 20.0)
    found = chained(("www.example.org.", 5, "CNAME", "lb.example.net."), ("lb.example.net.", 20, "A", "192.0.2.9"))
    assert found == Addresses(("192.0.2.9",), 5.0)


def test_records_of_other_names_are_not_the_answer():
    found = chained(("evil.example.org.", 300, "A", "192.0.2.9"))
    assert found == Bad("the name has no A record", Then.END)


def test_aliases_that_lead_in_a_circle_or_too_far_are_malformed():
    circle = chained(("www.example.org.", 9, "CNAME", "a."), ("a.", 9, "CNAME", "www.example.org."))
    assert isinstance(circle, Bad)
    links = [("www.example.org.", 9, "CNAME", "n0."), *((f"n{n}.", 9, "CNAME", f"n{n + 1}.") for n in range(20))]
    assert isinstance(chained(*links, ("n20.", 9, "A", "192.0.2.9")), Bad)


@pytest.mark.parametrize(("ttl", "expected"), [(0, 0.0), (2**31 - 1, 2.0**31 - 1)])
def test_a_ttl_is_what_it_says(ttl, expected):
    assert read(answer_to(ASKED, "192.0.2.1", ttl=ttl)).ttl == expected


def test_a_ttl_with_the_highest_bit_is_none():
    wire = bytearray(answer_to(ASKED, "192.0.2.1", ttl=1))
    place = wire.rindex(struct.pack("!IH", 1, 4))
    wire[place : place + 4] = struct.pack("!I", 2**31)
    assert read(bytes(wire)).ttl == 0.0


@pytest.mark.parametrize(
    ("rcode", "bad"),
    [
        (1, Bad("FORMERR")),
        (2, Bad("SERVFAIL")),
        (3, Bad("there is no such name (NXDOMAIN)", Then.END)),
        (5, Bad("REFUSED")),
        (9, Bad("status 9")),
    ],
)
def test_what_a_nameserver_refuses_has_its_name(rcode, bad):
    assert read(answer_to(ASKED, rcode=rcode)) == bad
    assert read(answer_to(ASKED, "192.0.2.1", rcode=rcode)) == bad


def test_an_answer_without_addresses_is_bad():
    assert read(answer_to(ASKED)) == Bad("the name has no A record", Then.END)


def test_a_truncated_answer_is_to_be_asked_for_over_tcp():
    assert read(answer_to(ASKED, "192.0.2.1", flags=dns.flags.TC)).then is Then.TCP


def test_what_does_not_answer_the_question_is_ignored():
    good = answer_to(ASKED, "192.0.2.1")

    assert read(b"") is None
    assert read(good[:11]) is None
    assert read(ASKED) is None
    assert read(b"\0\0" + good[2:]) is None
    assert read(answer_to(AddressQuestion("evil.example.org", 4).message(ID), "192.0.2.1")) is None
    assert read(answer_to(AddressQuestion("www.example.org", 6).message(ID), "2001:db8::1")) is None
    assert read(struct.pack("!HHHHHH", ID, 0x8000, 0, 0, 0, 0)) is None
    assert read(struct.pack("!HHHHHH", ID, 0x8001, 0, 0, 0, 0)) == Bad("FORMERR")


def test_letters_of_the_name_may_come_back_in_any_case():
    good = answer_to(ASKED, "192.0.2.1")
    assert isinstance(read(good.replace(b"\x07example", b"\x07ExAmPlE")), Addresses)


def test_the_records_of_a_huge_answer_are_not_read():
    many = [f"10.{number >> 8}.{number & 255}.1" for number in range(RECORDS_LIMIT + 1)]
    bad = read(answer_to(ASKED, *many))

    assert bad == Bad(f"the answer has more than {RECORDS_LIMIT} records", Then.END)
    assert len(read(answer_to(ASKED, *many[:150])).addresses) == 150


@pytest.mark.parametrize(
    "records",
    [
        b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + b"\x01\x02",
        b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 5) + b"\x01\x02\x03\x04\x05",
        b"\xc0\xff" + struct.pack("!HHIH", 1, 1, 60, 4) + b"\x01\x02\x03\x04",
        b"\xc0\x21" + struct.pack("!HHIH", 1, 1, 60, 4) + b"\x01\x02\x03\x04",
        b"\x40" + struct.pack("!HHIH", 1, 1, 60, 4) + b"\x01\x02\x03\x04",
        b"\xff" * 60,
        b"",
    ],
)
def test_malformed_records_and_pointers_that_loop_are_a_result(records):
    good = answer_to(ASKED)
    wire = good[:6] + struct.pack("!HHH", 1, 0, 0) + ASKED[12 : 12 + 21] + records
    found = read(wire)

    assert isinstance(found, Bad)
    assert found.then is Then.NEXT


def test_an_update_is_none_of_ours_and_nothing_else_is_read_as_one():
    assert read(struct.pack("!HHHHHH", ID, 0x8000 | 5 << 11, 1, 0, 0, 0) + ASKED[12:]) is None


@given(st.binary(max_size=120), st.booleans())
def test_nothing_in_a_message_makes_it_raise(junk, as_records):
    good = answer_to(ASKED, "192.0.2.1")
    message = good[:12] + ASKED[12 : 12 + 21] + junk if as_records else good[:2] + junk
    found = read(message)

    assert found is None or isinstance(found, Bad | Addresses)
