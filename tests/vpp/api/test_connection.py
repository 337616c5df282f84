"""How a connection becomes usable."""

from __future__ import annotations

import struct
from importlib.resources import files

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from maglev.model.errors import VppLostError, VppProtocolError, VppRetvalError
from maglev.runtime.budget import SLICED_WORK
from maglev.runtime.cooperator import Cooperator
from maglev.vpp.api.connection import prepare, read_api_files, read_welcome
from maglev.vpp.api.definitions import Layouts
from maglev.vpp.api.messages import LB_REQUESTS
from maglev.vpp.api.protocol import VppProtocol
from tests.fakes.fake_vpp import FakeVpp, Tally, message_ids, module_text, no_files, settle
from tests.fakes.outcomes import result_of


@pytest.fixture
def clock():
    return Clock()


class Attempt:
    """One attempt to get ready."""

    def __init__(self, clock, *, layouts=None, without=(), api_files=no_files):
        self.clock = clock
        self.protocol = VppProtocol(clock, Cooperator(clock).queue("vpp"), Tally())
        self.vpp = FakeVpp(self.protocol, without=without)
        self.layouts = Layouts() if layouts is None else layouts
        self._api_files = api_files

    def run(self):
        self.vpp.connect()
        ready = Deferred.fromCoroutine(prepare(self.protocol, "maglevd", self.layouts, self._api_files))
        settle(self.vpp, self.clock, ready)
        return result_of(ready)


def test_vpp_is_greeted_by_name_and_tells_the_definitions(clock):
    attempt = Attempt(clock)
    attempt.run()

    assert attempt.vpp.names() == ["sockclnt_create", "get_api_json"]
    assert attempt.vpp.heard[0][1].name == "maglevd"
    assert attempt.protocol.client_index == 0x80000001
    assert attempt.protocol.has(*LB_REQUESTS, "cli_inband", "show_version", "ip_route_lookup", "control_ping")


def test_known_definitions_are_not_asked_for(clock):
    first = Attempt(clock)
    first.run()
    second = Attempt(clock, layouts=first.layouts)
    second.run()

    assert second.vpp.names() == ["sockclnt_create"]
    assert second.protocol.has(*LB_REQUESTS)


def test_a_new_checksum_is_asked_for_and_unusable_if_vpp_does_not_define_it(clock):
    layouts = Layouts()
    Attempt(clock, layouts=layouts).run()
    for expected in (["sockclnt_create", "get_api_json"], ["sockclnt_create"]):
        attempt = Attempt(clock, layouts=layouts)
        attempt.vpp.crcs["lb_as_set_weight"] = "deadbeef"
        attempt.run()

        assert attempt.vpp.names() == expected
        assert not attempt.protocol.has("lb_as_set_weight")
        assert attempt.protocol.has("lb_conf")
        assert attempt.protocol.lists("lb_as_set_weight")


def test_others_run_between_two_modules(clock):
    attempt = Attempt(clock)
    learn = attempt.layouts.learn
    attempt.layouts.learn = lambda module: (learn(module), clock.advance(SLICED_WORK))
    ticks = []
    clock.callLater(0, lambda: ticks.append(attempt.protocol.has("lb_conf")))
    attempt.run()

    assert ticks == [False]


def test_installed_files_define_what_an_older_vpp_cannot(clock):
    texts = ["not json", "[" * 100_000, "[]", module_text("lb"), module_text("ip")]
    attempt = Attempt(clock, without=["get_api_json"], api_files=lambda: succeed(texts))
    attempt.run()

    assert attempt.protocol.has(*LB_REQUESTS, "cli_inband")


def test_without_any_definitions_the_command_line_still_works(clock):
    layouts = Layouts()
    attempt = Attempt(clock, without=["get_api_json"], layouts=layouts)
    attempt.run()

    assert attempt.protocol.has("cli_inband", "control_ping", "show_version")
    assert not attempt.protocol.has("lb_conf")
    # Files may be installed any time: they are looked for again.
    again = Attempt(clock, without=["get_api_json"], layouts=layouts, api_files=lambda: succeed([module_text("lb")]))
    again.run()
    assert again.protocol.has(*LB_REQUESTS)


@pytest.mark.parametrize("text", ["", "nonsense", '[{"messages": []}, '])
def test_definitions_that_are_none_are_an_error(clock, text):
    attempt = Attempt(clock)
    attempt.vpp.answers["get_api_json"] = lambda fields: [("get_api_json_reply", {"json": text})]
    with pytest.raises(VppProtocolError):
        attempt.run()


def test_definitions_that_vpp_refuses_are_an_error(clock):
    attempt = Attempt(clock)
    attempt.vpp.answers["get_api_json"] = lambda fields: [("get_api_json_reply", {"retval": -1, "json": "no"})]
    with pytest.raises(VppRetvalError, match="no"):
        attempt.run()


def test_a_connection_that_ends_before_the_welcome_is_lost(clock):
    attempt = Attempt(clock)
    attempt.vpp.silent.add("sockclnt_create")
    clock.callLater(0, attempt.vpp.die)
    with pytest.raises(VppLostError):
        attempt.run()


def test_a_welcome_is_read(clock):
    names = [b"lb_conf_56cd3261", b"lb_add_del_as_35d72500", b"foo_bar_12345678", b"x" * 64, b"", b"lb_conf"]
    table = b"".join(struct.pack(">H64s", 700 + index, name) for index, name in enumerate(names))
    head = struct.pack(">HIIiIH", 16, 1, 1, 0, 0x80000002, len(names))

    assert read_welcome(head + table) == (
        0x80000002,
        {"lb_conf": (700, "56cd3261"), "lb_add_del_as": (701, "35d72500")},
    )


@pytest.mark.parametrize("cut", [0, 1, 19, 20, 85, 87, 152])
def test_a_welcome_of_the_wrong_length_is_refused(cut):
    table = struct.pack(">H64sH64s", 1, b"a_12345678", 2, b"b_12345678")
    message = struct.pack(">HIIiIH", 16, 1, 1, 0, 0x80000002, 2) + table
    assert read_welcome(message) == (0x80000002, {})
    with pytest.raises(VppProtocolError):
        read_welcome((message + b"x")[:cut] if cut < 152 else message + b"x")


def test_a_welcome_that_is_a_refusal_is_one():
    with pytest.raises(VppProtocolError, match="answered -1"):
        read_welcome(struct.pack(">HIIiIH", 16, 1, 1, -1, 0, 0))


def test_the_ids_of_this_fake_are_those_of_vpp():
    ids = message_ids()
    assert (ids["sockclnt_create"], ids["sockclnt_create_reply"], ids["control_ping"]) == (15, 16, 23)


def test_installed_definitions_are_found(tmp_path, monkeypatch):
    monkeypatch.setenv("VPP_API_DIR", str(tmp_path))
    monkeypatch.setattr("maglev.vpp.api.connection.API_DIRECTORIES", ())
    assert read_api_files() == []

    (tmp_path / "plugins").mkdir()
    lb = (files("maglev.vppsim") / "lb.api.json").read_bytes()
    (tmp_path / "plugins" / "lb.api.json").write_bytes(lb)
    assert read_api_files() == [lb.decode()]
    monkeypatch.delenv("VPP_API_DIR")
    assert read_api_files() == []
