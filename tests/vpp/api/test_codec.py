"""Messages and frames; vpp_papi's codec is the oracle."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maglev.model.errors import VppProtocolError
from maglev.vpp.api.codec import FRAME_HEADER, MAX_MESSAGE, FrameReader, Tail, frame
from maglev.vpp.api.definitions import compile_module
from maglev.vpp.api.messages import BOOTSTRAP, EXPECTED
from tests.fakes.fake_vpp import MODULES, module_text, papi_messages

LAYOUTS = {
    name: layout for module in MODULES for name, _, layout in compile_module(json.loads(module_text(module))) if layout
}
FIXED = sorted(name for name, layout in LAYOUTS.items() if layout.tail is Tail.NONE)
NUMBERS = {"B": (0, 255), "H": (0, 65535), "I": (0, 2**32 - 1), "i": (-(2**31), 2**31 - 1)}


def codes(layout):
    """Return the format code of each field, as (letter, length)."""
    found = []
    digits = ""
    for letter in layout.packing.format[1:]:
        if letter.isdigit():
            digits += letter
        else:
            found.append((letter, int(digits or 1)))
            digits = ""
    return found


def values_of(name):
    """A strategy for the values of all fixed fields of a message."""
    strategies = []
    for field, (letter, length) in zip(LAYOUTS[name].fields, codes(LAYOUTS[name]), strict=False):
        if letter == "?":
            strategies.append(st.booleans())
        elif letter != "s":
            strategies.append(st.integers(*NUMBERS[letter]))
        elif ":" in field:
            strategies.append(st.binary(min_size=length, max_size=length))
        else:
            text = st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=length - 1)
            strategies.append(text.map(lambda value, length=length: value.encode().ljust(length, b"\0")))
    return st.tuples(*strategies)


def nested(fields, values):
    """Return flat fields as vpp_papi takes them: dictionaries in dictionaries, and unions by their widest member."""
    tree = {}
    for field, value in zip(fields, values, strict=True):
        *path, last = field.partition(":")[0].split(".")
        node = tree
        for step in path:
            node = node.setdefault(step, {})
        node[last] = {"ip6": value} if last == "un" else as_papi_has_it(field, value)
    return tree


def flat(value):
    """Return what vpp_papi unpacked as flat values; of a union, the widest member."""
    if hasattr(value, "ip6") and hasattr(value, "ip4"):
        return [value.ip6]
    if isinstance(value, tuple):
        return [item for part in value for item in flat(part)]
    return [value]


def as_papi_has_it(field, value):
    """Return a value as vpp_papi gives it back: texts are str there."""
    return value.rstrip(b"\0").decode() if isinstance(value, bytes) and ":" not in field else value


# Not parametrized: pytest-twisted wraps the inner function of a Hypothesis test again for each parameter.
@settings(max_examples=500)
@given(name=st.sampled_from(FIXED), data=st.data())
def test_it_packs_and_unpacks_what_papi_does(name, data):
    layout, oracle = LAYOUTS[name], papi_messages()[name]
    values = data.draw(values_of(name))
    message = layout.pack(*values)

    assert message == oracle.pack(nested(layout.fields, values))
    assert layout.unpack(message) == values
    unpacked, size = oracle.unpack(message, ntc=True)
    assert size == len(message)
    assert flat(unpacked) == list(map(as_papi_has_it, layout.fields, values))


@given(text=st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=300))
def test_texts_of_any_length_agree_with_papi(text):
    for name, field in (("cli_inband", "cmd"), ("cli_inband_reply", "reply"), ("get_api_json_reply", "json")):
        layout, oracle = LAYOUTS[name], papi_messages()[name]
        head = dict.fromkeys(layout.fields[:-1], 7)
        message = layout.pack(*head.values(), text.encode())

        assert message == oracle.pack({**head, field: text})
        assert layout.unpack(message) == (*head.values(), text.encode())
        # VPP appends a terminator that it does not count.
        assert layout.unpack(message + b"\0") == layout.unpack(message)


def test_the_fixed_part_before_elements_agrees_with_papi():
    path = {"sw_if_index": 1, "nh": {"address": {"ip6": bytes(16)}}, "label_stack": [{}] * 16}
    route = {
        "table_id": 1,
        "stats_index": 14,
        "prefix": {"address": {"af": 1, "un": {"ip6": bytes(range(16))}}, "len": 64},
        "n_paths": 2,
        "paths": [path, path],
    }
    message = papi_messages()["ip_route_lookup_reply"].pack(
        {"_vl_msg_id": 5, "context": 6, "retval": 0, "route": route}
    )

    assert LAYOUTS["ip_route_lookup_reply"].unpack(message) == (5, 6, 0, 1, 14, 1, bytes(range(16)), 64, 2)


def test_every_message_that_we_know_is_compiled():
    assert set(LAYOUTS) == set(EXPECTED)


def test_what_is_built_in_is_what_vpp_defines():
    for name, crc, layout in compile_module(BOOTSTRAP):
        true = LAYOUTS[name]
        assert (crc, layout.fields, layout.packing.format, layout.tail) == (
            true.crc,
            true.fields,
            true.packing.format,
            true.tail,
        )


def test_values_that_do_not_fit_are_refused():
    weigh = LAYOUTS["lb_as_set_weight"]
    good = (1, 2, 3, 0, bytes(16), 32, 6, 80, 0, bytes(16), 100, False)
    assert len(weigh.pack(*good)) == 50
    for bad in ((*good[:10], 256, False), (*good[:10], -1, False), good[:-1], (*good, 1), (*good[:10], "x", False)):
        with pytest.raises(ValueError, match="lb_as_set_weight"):
            weigh.pack(*bad)


@pytest.mark.parametrize("name", ["lb_vip_details", "show_version_reply", "control_ping_reply"])
def test_a_message_of_another_length_is_refused(name):
    layout = LAYOUTS[name]
    for length in {0, 1, 6, layout.packing.size - 1, layout.packing.size + 1}:
        with pytest.raises(VppProtocolError, match=name):
            layout.unpack(bytes(length))


def test_a_text_that_is_longer_than_its_message_is_refused():
    layout = LAYOUTS["cli_inband_reply"]
    for length in (1, 5, 2**32 - 1):
        with pytest.raises(VppProtocolError, match="text"):
            layout.unpack(struct.pack(">HIiI", 1, 2, 0, length))


@given(message=st.binary(max_size=80))
def test_any_bytes_are_a_message_or_a_protocol_error(message):
    for layout in LAYOUTS.values():
        assert layout.describe(message).isascii()
        try:
            layout.unpack(message)
        except VppProtocolError:
            continue


def test_a_described_message_is_readable_and_safe():
    layout = LAYOUTS["cli_inband"]
    assert layout.describe(layout.pack(1, 2, 3, b"show\x1b[31m")) == "client_index=2 context=3 cmd='show\\x1b[31m'"
    vip = LAYOUTS["lb_as_v2_dump"]
    shown = vip.describe(vip.pack(1, 2, 3, 0, bytes([10, 0, 0, 1]) + bytes(12), 32, 6, 80))
    assert "pfx.address.un:16=0a000001" in shown


# Frames


@given(messages=st.lists(st.binary(min_size=2, max_size=40), max_size=8), data=st.data())
def test_frames_survive_any_chunking(messages, data):
    stream = b"".join(map(frame, messages))
    reader, found = FrameReader(), []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        found += reader.feed(stream[:cut])
        stream = stream[cut:]

    assert found == messages


def test_a_frame_is_what_vpp_reads():
    assert frame(b"\x00\x17abc") == bytes(8) + b"\0\0\0\5" + bytes(4) + b"\x00\x17abc"


def test_a_message_waits_for_its_last_byte_only():
    reader, large = FrameReader(), bytes(100_000)
    stream = frame(large) + frame(b"xy")
    assert reader.feed(stream[:-19]) == []
    assert reader.feed(stream[-19:-18]) == [large]
    assert reader.feed(stream[-18:]) == [b"xy"]


@pytest.mark.parametrize("length", [0, 1, MAX_MESSAGE + 1, 0xFFFFFFF0, 0xFFFFFFFF])
def test_an_impossible_length_is_refused(length):
    with pytest.raises(VppProtocolError, match="frame"):
        FrameReader().feed(FRAME_HEADER.pack(0, length, 0))


def test_wrong_lengths_are_never_sent():
    for message in (b"", b"x"):
        with pytest.raises(ValueError, match="bytes"):
            frame(message)
