from __future__ import annotations

import enum
from io import BytesIO
from ipaddress import ip_address

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.spread.banana import SIZE_LIMIT, Banana
from twisted.spread.jelly import jelly, unjelly

from maglev.rpc.basic import MAX_DEPTH, BasicError, Encoded, decode, encode, encode_list, write_expression
from maglev.rpc.tokens import TokenReader

LEAVES = st.none() | st.booleans() | st.integers(-(2**69), 2**69) | st.floats(allow_nan=False) | st.text()
KEYS = st.text(max_size=8) | st.integers(0, 9)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=10)


class TwistedBanana(Banana):
    """Twisted's own reader and writer."""

    def __init__(self, dialect=b"pb"):
        Banana.__init__(self, isClient=0)
        self.transport = BytesIO()
        self.setPrefixLimit(64)
        self.currentDialect = dialect
        self.got = []

    def expressionReceived(self, expression):
        self.got.append(expression)


def read(data):
    reader = TokenReader(Banana.incomingVocabulary, 1 << 24)
    [expression] = reader.feed(data)
    return expression


@given(VALUES)
def test_what_is_encoded_here_is_what_twisted_reads(value):
    twisted = TwistedBanana()
    # A value of its own is not a message; in a list it is.
    twisted.dataReceived(encode_list([encode(value)]))

    assert unjelly(twisted.got[0]) == [value]
    assert decode(read(encode_list([encode(value)]))) == [value]


@given(VALUES)
def test_what_twisted_writes_is_what_is_decoded_here(value):
    twisted = TwistedBanana()
    twisted.sendEncoded(jelly([value]))

    assert decode(read(twisted.transport.getvalue())) == [value]


def test_a_tuple_arrives_as_a_list():
    assert decode(read(encode((1, ("a",))))) == [1, ["a"]]


def test_a_value_of_an_enum_of_text_is_sent_as_its_text():
    class TextColour(enum.StrEnum):
        RED = "red"

    assert decode(read(encode([TextColour.RED]))) == ["red"]


@attrs.frozen
class PlainObject:
    name: str = "x"


class Plain(enum.Enum):
    ONE = 1


@pytest.mark.parametrize("value", [PlainObject(), Plain.ONE, ip_address("192.0.2.1"), {1, 2}, object(), b"bytes", 1j])
def test_anything_that_is_not_basic_is_an_error_at_the_sender(value):
    # P1: Twisted sends an object that the client gets as a successful result.
    for where in (value, [value], {"key": value}):
        with pytest.raises(BasicError):
            encode(where)


def test_a_text_over_the_limit_is_an_error_before_anything_is_written():
    # P3: through a Deferred, Twisted loses the error and the caller waits for ever.
    with pytest.raises(BasicError, match="too long"):
        encode(["x" * (SIZE_LIMIT + 1)])


def test_a_text_at_the_limit_goes_through():
    text = "x" * SIZE_LIMIT

    assert decode(read(encode([text]))) == [text]


def test_a_number_over_64_bits_and_a_bit_is_an_error():
    with pytest.raises(BasicError):
        encode(128**10)


def test_nesting_is_bounded():
    value = []
    for _ in range(MAX_DEPTH + 1):
        value = [value]

    with pytest.raises(BasicError):
        encode(value)


def test_a_value_that_contains_itself_is_an_error():
    value = []
    value.append(value)

    with pytest.raises(BasicError):
        encode(value)


def test_an_undecodable_byte_of_a_file_name_can_be_sent():
    assert decode(read(encode(["a\udce4"]))) == ["a\\udce4"]


@pytest.mark.parametrize(
    "expression",
    [
        [],
        [b"set", 1],
        [b"unicode"],
        [b"unicode", 5],
        [b"unicode", b"\xff"],
        [b"boolean", b"maybe"],
        [b"boolean"],
        [b"dictionary", 5],
        [b"dictionary", [1, 2, 3]],
        [b"dictionary", [[b"list", 1], 2]],
        [b"list", [b"instance", b"os.system", []]],
        [b"maglev.model.errors.ConfigError", [b"dictionary"]],
        [b"twisted.spread.pb.CopyableFailure", [b"dictionary"]],
        [b"remote", 1],
        [b"module", b"os"],
        [[b"list"], 1],
        [5],
        [b"decimal", 1, 10**9],
        [b"reference", 1, [b"list"]],
    ],
)
def test_an_expression_that_is_not_a_basic_value_is_refused(expression):
    with pytest.raises(BasicError):
        decode(expression)


def test_a_reference_is_made_only_where_references_are_wanted():
    assert decode([b"tuple", [b"remote", 7]], remote=lambda number: ("reference", number)) == [("reference", 7)]


def test_decoding_is_bounded_in_depth():
    expression = [b"list"]
    for _ in range(10_000):
        expression = [b"list", expression]

    with pytest.raises(BasicError):
        decode(expression)


def test_an_expression_with_encoded_values_is_written_in_one_go():
    parts = []
    write_expression([b"answer", 3, Encoded(encode({"a": 1.5})), 2.5, -(2**40)], parts.append)

    expression = read(b"".join(parts))
    assert expression[:2] == [b"answer", 3]
    assert decode(expression[2]) == {"a": 1.5}
    assert expression[3:] == [2.5, -(2**40)]


def test_an_expression_with_anything_else_is_refused():
    with pytest.raises(BasicError):
        write_expression([b"answer", "text"], [].append)
