"""VPP's API definitions, compiled."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.model.errors import VppProtocolError
from maglev.vpp.api.definitions import Layouts, compile_module, elements
from maglev.vpp.api.messages import BOOTSTRAP, EXPECTED, answer_to
from tests.fakes.fake_vpp import api_json, module_text

LB = json.loads(module_text("lb"))


def changed(**parts):
    """Return the lb module with other parts."""
    return {**LB, **parts}


def layout_of(name, module):
    return next(layout for found, _, layout in compile_module(module) if found == name)


def replaced(message, field):
    """Return a message with another field in the place of its weight."""
    return [field if isinstance(part, list) and part[1] == "weight" else part for part in message]


def with_message(name, change):
    """Return the lb module with one message changed."""
    return changed(messages=[change(message) if message[0] == name else message for message in LB["messages"]])


# The array of modules


def test_the_modules_are_read_one_by_one():
    found = list(elements(api_json()))
    assert [module["messages"][0][0] for module in found][-1].startswith("lb_")
    assert len(found) == 5


@given(value=st.lists(st.recursive(st.none() | st.text() | st.integers(), st.lists, max_leaves=5)))
def test_any_array_is_read(value):
    assert list(elements(json.dumps(value))) == value
    assert list(elements(json.dumps(value, indent=3) + "\0")) == value


@pytest.mark.parametrize("text", ["", "{}", "]", "[1", "[1,", "[1 2]", "[,]", "[nope]", "1]", "[" * 100_000])
def test_what_is_not_an_array_is_refused(text):
    with pytest.raises(VppProtocolError, match="API definitions"):
        list(elements(text))


# Compiling


def test_only_messages_that_we_know_are_compiled():
    assert {name for name, _, _ in compile_module(LB)} == {name for name in EXPECTED if name.startswith("lb_")}


def test_other_fields_make_a_message_unusable():
    def renamed(message):
        return replaced(message, ["u8", "heft"])

    def longer(message):
        return [*message[:-1], ["u32", "more"], message[-1]]

    for change in (renamed, longer):
        assert layout_of("lb_as_set_weight", with_message("lb_as_set_weight", change)) is None
        assert layout_of("lb_conf", with_message("lb_as_set_weight", change)) is not None


def test_a_number_may_have_another_width():
    def wider(message):
        return replaced(message, ["u32", "weight"])

    layout = layout_of("lb_as_set_weight", with_message("lb_as_set_weight", wider))
    assert layout.packing.size == 53


def test_raw_bytes_may_not_have_another_length():
    aliases = {**LB["aliases"], "ip6_address": {"type": "u8", "length": 17}}
    assert layout_of("lb_conf", changed(aliases=aliases)) is None
    assert layout_of("lb_as_set_weight", changed(aliases=aliases)) is None


def test_options_and_comments_of_fields_are_passed_over():
    def decorated(message):
        return [[*part, {"default": 7}] if isinstance(part, list) else part for part in message] + [{"comment": "x"}]

    assert layout_of("lb_as_set_weight", with_message("lb_as_set_weight", decorated)) is not None


def test_arrays_of_numbers_and_structures_are_flattened():
    pair = ["pair", ["u8", "one"], ["i16", "two"]]
    message = ["lb_conf", ["u16", "a", 2], ["vl_api_pair_t", "b", 2], ["f64", "c"], {"crc": "0x1"}]
    assert layout_of("lb_conf", {"types": [pair], "messages": [message]}) is None  # not what we expect, but no error


@pytest.mark.parametrize(
    "damage",
    [
        {"types": [["prefix", ["vl_api_prefix_t", "again"]]]},
        {"types": []},
        {"types": [["address"]]},
        {"unions": []},
        {"unions": [["address_union"]]},
        {"aliases": {}},
        {"aliases": {"address_with_prefix": {"type": "vl_api_address_with_prefix_t"}}},
        {"aliases": {"address_with_prefix": {}}},
        {"enums": []},
    ],
)
def test_types_that_are_missing_or_circular_make_messages_unusable(damage):
    assert layout_of("lb_add_del_vip_v2", changed(**damage)) is None


@pytest.mark.parametrize("field", [["u32", "weight", 10**9], ["vl_api_lb_vip_t", "weight", 10**9], ["u32"], [], [1, 2]])
def test_monstrous_fields_make_a_message_unusable(field):
    def monstrous(message):
        return replaced(message, field)

    assert layout_of("lb_as_set_weight", with_message("lb_as_set_weight", monstrous)) is None


def test_nothing_may_follow_a_part_of_variable_length():
    message = ["cli_inband", ["u16", "_vl_msg_id"], ["u32", "client_index"], ["u32", "context"]]
    for tail in (["string", "cmd", 0], ["u8", "cmd", 0, "context"]):
        module = {"messages": [[*message, tail, ["u8", "x"], {"crc": "0x1"}]]}
        assert layout_of("cli_inband", module) is None


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.sampled_from(["u8", "vl_api_prefix_t"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(module=anything | st.fixed_dictionaries({"messages": anything, "types": anything, "aliases": anything}))
def test_any_json_is_a_module_or_is_not(module):
    for _, _, layout in compile_module(module):
        assert layout is None


@given(part=st.sampled_from(["types", "unions", "enums", "aliases", "messages"]), value=anything)
def test_any_part_of_a_module_may_be_nonsense(part, value):
    list(compile_module(changed(**{part: value})))


# Remembering


def test_layouts_remember_by_name_and_checksum():
    layouts = Layouts()
    assert not layouts.is_settled("lb_conf", "56cd3261")
    layouts.learn(LB)

    assert layouts.get("lb_conf", "56cd3261") is not None
    assert layouts.get("lb_conf", "56cd3262") is None
    assert not layouts.is_settled("lb_conf", "56cd3262")
    layouts.settle("lb_conf", "56cd3262")
    layouts.settle("lb_conf", "56cd3261")
    assert layouts.is_settled("lb_conf", "56cd3262")
    assert layouts.get("lb_conf", "56cd3261") is not None


def test_what_is_built_in_is_known_from_the_start():
    for name, *members in BOOTSTRAP["messages"]:
        assert Layouts().get(name, members[-1]["crc"][2:]) is not None


def test_answers_have_names():
    assert answer_to("lb_conf") == "lb_conf_reply"
    assert answer_to("lb_as_v2_dump") == "lb_as_v2_details"
