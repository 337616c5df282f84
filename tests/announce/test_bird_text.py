"""What is written for BIRD, and what is understood of its answers: both as BIRD 2.0.12 of Debian 12 has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.announce.bird_text import (
    BirdReply,
    ReplyReader,
    include_file,
    plan,
    protocol_of,
    read_include_file,
    states_of,
    switch,
)
from maglev.model.addresses import canonical

PROTOCOLS = (
    "2002-Name       Proto      Table      State  Since         Info\n"
    "1002-maglev_192_0_2_1 Static     master4    down   08:20:35.485  \n"
    " maglev_2001_db8__1 Static     master6    up     08:20:33.283  \n"
    "0000 \n"
)


def read(text):
    reader = ReplyReader()
    return [reply for line in text.removesuffix("\n").split("\n") if (reply := reader.feed(line)) is not None]


def test_the_file_has_a_protocol_for_each_address():
    assert include_file({"192.0.2.1": False, "2001:db8::1": True}).splitlines()[2:] == [
        "protocol static maglev_192_0_2_1 { disabled off; ipv4; route 192.0.2.1/32 blackhole; }",
        "protocol static maglev_2001_db8__1 { disabled on; ipv6; route 2001:db8::1/128 blackhole; }",
    ]


ADDRESSES = st.ip_addresses().map(lambda address: canonical(str(address)))


@given(st.dictionaries(ADDRESSES, st.booleans(), max_size=5))
def test_what_an_earlier_run_has_written_is_understood(disabled):
    assert read_include_file(include_file(disabled)) == disabled
    assert len({protocol_of(address) for address in disabled}) == len(disabled)


@given(st.text(max_size=200))
def test_anything_else_in_the_file_is_ignored(text):
    assert read_include_file(text) == {}


def test_replies_have_one_line_or_several():
    assert read("0001 BIRD 2.0.12 ready.\n") == [BirdReply(1, ("BIRD 2.0.12 ready.",))]
    assert read("0009-maglev_192_0_2_1: disabled\n0000 \n") == [BirdReply(0, ("maglev_192_0_2_1: disabled", ""))]
    assert read("8003 No protocols match\n0013 up\n")[0].code == 8003
    (reply,) = read(PROTOCOLS)
    assert reply.is_list
    assert states_of(reply) == {"maglev_192_0_2_1": False, "maglev_2001_db8__1": True}
    assert str(BirdReply(8002, ("bird.conf:5:1 syntax\x1b error", " "))) == "8002 bird.conf:5:1 syntax\\x1b error"
    assert not BirdReply(8002, ()).is_list
    assert states_of(BirdReply(0, ("other Static master4 up 08:20", "Access restricted"))) == {}


@pytest.mark.parametrize("line", ["", "hello", "12 x", " goes on", "99999 x", "00a1 x"])
def test_anything_else_is_refused(line):
    with pytest.raises(ValueError, match="not a reply of BIRD"):
        read(line + "\n")


def test_the_plan():
    wanted = {"maglev_1": True, "maglev_2": False, "maglev_3": None, "maglev_4": True, "maglev_5": None}
    states = {"maglev_1": False, "maglev_2": True, "maglev_3": True, "maglev_9": True, "maglev_8": False}
    todo = plan(wanted, states)
    assert todo.disable == ("maglev_2", "maglev_9")
    assert todo.enable == ("maglev_1",)
    assert todo.missing == ("maglev_4", "maglev_5")
    assert todo.stale == ("maglev_9", "maglev_8")
    assert switch("enable", todo.enable) == ['enable "maglev_1"']
    done = plan({"maglev_1": True, "maglev_2": False}, {"maglev_1": True, "maglev_2": False})
    assert (done.disable, done.enable, done.missing, done.stale) == ((), (), (), ())
