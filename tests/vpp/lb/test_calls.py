"""The lb calls over the binary API: what is sent, and what becomes of what comes back."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from maglev.model.config import LbConf
from maglev.model.errors import VppLostError, VppMissingError, VppRetvalError
from maglev.runtime.cooperator import Cooperator
from maglev.vpp.lb.calls import NO_SUCH_ENTRY, VALUE_EXIST, LbApi
from maglev.vpp.lb.cli import LbCli, lb_for
from maglev.vpp.lb.state import (
    AddServer,
    AddVip,
    ApplicationServer,
    DeleteServer,
    DeleteVip,
    Encap,
    LbState,
    SetWeight,
    Vip,
    VipKey,
)
from tests.fakes.fake_vpp import connected, has_fired, papi_messages
from tests.fakes.logs import recorded_events
from tests.fakes.outcomes import result_of

WEB = VipKey("192.0.2.1", 32, 6, 443)
DNS = VipKey("2001:db8::53", 128, 17, 53)
ALL = VipKey("192.0.2.9", 32, 255, 0)
CONF = LbConf("192.0.2.254", "2001:db8::fe", 4096, 40)
WEB_IP4, SERVER_IP4 = b"\xc0\0\2\1", b"\x0a\0\0\1"
DNS_IP6 = bytes.fromhex("20010db8000000000000000000000053")

ADD_WEB = AddVip(WEB, Encap.GRE4, src_ip_sticky=True, table_length=65536)


@pytest.fixture
def ends():
    vpp, protocol, _ = connected(Clock())
    return vpp, LbApi(protocol)


def sent(vpp):
    """Return the one message that was sent: its name, and its fields without the head."""
    ((name, fields),) = vpp.heard
    return name, fields._asdict()


def vip_row(key, encap=0, length=1024, packed=WEB_IP4):
    return "lb_vip_details", {"vip": vip(key, packed), "encap": encap, "flow_table_length": length}


def vip(key, packed=WEB_IP4):
    kind = {"ip4": packed} if len(packed) == 4 else {"ip6": packed}
    address = {"af": int(len(packed) == 16), "un": kind}
    return {"pfx": {"address": address, "len": key.length}, "protocol": key.protocol, "port": key.port}


def server_row(key, packed=SERVER_IP4, *, weight=100, flags=1, buckets=0, vip_packed=WEB_IP4):
    kind = {"ip4": packed} if len(packed) == 4 else {"ip6": packed}
    server = {"af": int(len(packed) == 16), "un": kind}
    return "lb_as_v2_details", {
        "vip": vip(key, vip_packed),
        "app_srv": server,
        "flags": flags,
        "weight": weight,
        "num_buckets": buckets,
        "in_use_since": 99,
    }


def answer_reads(vpp, vips=(), servers=(), text=""):
    conf = {
        "ip4_src_address": b"\xc0\0\2\xfe",
        "ip6_src_address": bytes.fromhex("20010db80000000000000000000000fe"),
        "sticky_buckets_per_core": 4096,
        "flow_timeout": 40,
    }
    vpp.answers["lb_conf_get"] = lambda fields: [("lb_conf_get_reply", conf)]
    vpp.answers["lb_vip_dump"] = lambda fields: list(vips)
    vpp.answers["lb_as_v2_dump"] = lambda fields: list(servers)
    vpp.answers["cli_inband"] = lambda fields: [("cli_inband_reply", {"reply": text})]


def read(vpp, lb):
    deferred = lb.read_state()
    vpp.flush()
    return result_of(deferred)


# Writing


def test_a_vip_is_added_with_every_field_filled_in(ends):
    vpp, lb = ends
    done = lb.apply(ADD_WEB)
    vpp.flush()

    assert result_of(done) is None
    name, fields = sent(vpp)
    assert name == "lb_add_del_vip_v2"
    assert fields["pfx"].address.un.ip4 == WEB_IP4
    assert fields["pfx"].address.un.ip6[4:] == bytes(12)
    picked = ("protocol", "port", "encap", "new_flows_table_length", "src_ip_sticky", "is_del")
    assert [fields[each] for each in picked] == [6, 443, 0, 65536, True, False]
    assert [fields[each] for each in ("dscp", "type", "target_port", "node_port")] == [0, 0, 0, 0]


def test_a_vip_for_ipv6_servers_has_the_other_encapsulation(ends):
    vpp, lb = ends
    lb.apply(AddVip(DNS, Encap.GRE6, src_ip_sticky=False, table_length=1))
    _, fields = sent(vpp)

    assert (fields["pfx"].address.af, fields["pfx"].address.un.ip6, fields["pfx"].len) == (1, DNS_IP6, 128)
    assert (fields["encap"], fields["src_ip_sticky"]) == (1, False)


def test_a_vip_for_all_ports_has_protocol_255(ends):
    vpp, lb = ends
    lb.apply(DeleteVip(ALL))
    _, fields = sent(vpp)

    assert (fields["protocol"], fields["port"], fields["is_del"]) == (255, 0, True)
    assert fields["new_flows_table_length"] == 1024


def test_a_server_is_added_with_its_weight_and_without_flush(ends):
    vpp, lb = ends
    lb.apply(AddServer(WEB, "10.0.0.1", 7))
    name, fields = sent(vpp)

    assert name == "lb_add_del_as_v2"
    assert (fields["as_address"].af, fields["as_address"].un.ip4) == (0, SERVER_IP4)
    assert [fields[each] for each in ("weight", "is_del", "is_flush")] == [7, False, False]


@pytest.mark.parametrize("flush", [True, False])
def test_a_server_is_deleted_with_or_without_flush(ends, flush):
    vpp, lb = ends
    lb.apply(DeleteServer(WEB, "10.0.0.1", flush=flush))
    name, fields = sent(vpp)

    assert (name, fields["is_del"], fields["is_flush"]) == ("lb_add_del_as_v2", True, flush)


@pytest.mark.parametrize("flush", [True, False])
def test_a_weight_is_set_with_or_without_flush(ends, flush):
    vpp, lb = ends
    lb.apply(SetWeight(WEB, "2001:db8::53", 0, previous=100, flush=flush))
    name, fields = sent(vpp)

    assert (name, fields["weight"], fields["is_flush"]) == ("lb_as_set_weight", 0, flush)
    assert (fields["as_address"].af, fields["as_address"].un.ip6) == (1, DNS_IP6)


def test_the_settings_are_written_in_full(ends):
    vpp, lb = ends
    lb.write_conf(CONF)
    name, fields = sent(vpp)

    assert name == "lb_conf"
    assert (fields["ip4_src_address"], fields["ip6_src_address"][-1]) == (b"\xc0\0\2\xfe", 0xFE)
    assert (fields["sticky_buckets_per_core"], fields["flow_timeout"]) == (4096, 40)


def test_what_must_never_be_sent_is_not(ends):
    vpp, lb = ends
    for deferred in (
        lb.apply(AddVip(WEB, Encap.GRE4, src_ip_sticky=False, table_length=0)),
        lb.apply(AddServer(WEB, "10.0.0.1", 101)),
        lb.apply(DeleteVip(VipKey("192.0.2.1", 33, 6, 443))),
        lb.write_conf(LbConf("192.0.2.254", "2001:db8::fe", 0, 40)),
        lb.route_index(VipKey("192.0.2.1", 33, 6, 443)),
        lb.cli("show f\u00fcr"),
    ):
        with pytest.raises(ValueError, match=r"^invalid value for VPP|ascii"):
            result_of(deferred)
    assert vpp.heard == []


def refuse(vpp, name, retval):
    vpp.answers[name] = lambda fields: [(name + "_reply", {"retval": retval})]


@pytest.mark.parametrize("operation", [ADD_WEB, AddServer(WEB, "10.0.0.1", 7)])
def test_adding_what_exists_is_told(ends, operation):
    vpp, lb = ends
    for name in ("lb_add_del_vip_v2", "lb_add_del_as_v2"):
        refuse(vpp, name, VALUE_EXIST)
    done = lb.apply(operation)
    vpp.flush()

    with pytest.raises(VppRetvalError, match="exists") as info:
        result_of(done)
    assert info.value.retval == VALUE_EXIST


@pytest.mark.parametrize("operation", [DeleteVip(WEB), DeleteServer(WEB, "10.0.0.1")])
@pytest.mark.parametrize("retval", [NO_SUCH_ENTRY, -73])
def test_deleting_what_is_not_there_is_no_failure(ends, operation, retval):
    vpp, lb = ends
    for name in ("lb_add_del_vip_v2", "lb_add_del_as_v2"):
        refuse(vpp, name, retval)
    done = lb.apply(operation)
    vpp.flush()

    if retval == NO_SUCH_ENTRY:
        assert result_of(done) is None
    else:
        with pytest.raises(VppRetvalError, match="-73"):
            result_of(done)


def test_setting_the_weight_of_what_is_not_there_is_a_failure(ends):
    vpp, lb = ends
    refuse(vpp, "lb_as_set_weight", NO_SUCH_ENTRY)
    done = lb.apply(SetWeight(WEB, "10.0.0.1", 1, previous=0))
    vpp.flush()

    with pytest.raises(VppRetvalError, match="no such entry"):
        result_of(done)


def test_operations_are_sent_in_the_order_of_the_calls(ends):
    vpp, lb = ends
    for operation in (
        ADD_WEB,
        AddServer(WEB, "10.0.0.1", 1),
        SetWeight(WEB, "10.0.0.1", 2, previous=1),
        DeleteServer(WEB, "10.0.0.1"),
        DeleteVip(WEB),
    ):
        lb.apply(operation)

    assert vpp.names() == [
        "lb_add_del_vip_v2",
        "lb_add_del_as_v2",
        "lb_as_set_weight",
        "lb_add_del_as_v2",
        "lb_add_del_vip_v2",
    ]


# Reading

TEXT = """ ip4-gre4 [3] 192.0.2.1/32 src_ip_sticky
  new_size:65536
  protocol:6 port:443
  #as:1
    10.0.0.1 weight:50 buckets:65536 flows:7 dpo:14 used

 ip4-gre4 [4] 192.0.2.9/32 removed
  new_size:64
  #as:0

"""


def test_everything_is_asked_for_in_one_write(ends):
    vpp, lb = ends
    lb.read_state()

    assert vpp.names() == [
        "lb_conf_get",
        "lb_vip_dump",
        "control_ping",
        "lb_as_v2_dump",
        "control_ping",
        "cli_inband",
    ]
    assert len(vpp.writes) == 1
    _, dump = vpp.heard[3]
    assert (dump.pfx.address.un.ip6, dump.protocol, dump.port) == (bytes(16), 0, 0)
    assert vpp.heard[5][1].cmd == "show lb vips verbose"


def test_the_state_is_put_together_from_rows_and_text(ends):
    vpp, lb = ends
    answer_reads(
        vpp,
        vips=[vip_row(WEB, length=0), vip_row(DNS, encap=1, packed=DNS_IP6)],
        servers=[
            server_row(WEB, weight=99, flags=0),
            server_row(WEB, weight=50, buckets=65536),
            server_row(DNS, DNS_IP6, weight=7, buckets=5, vip_packed=DNS_IP6),
            server_row(ALL, vip_packed=b"\xc0\0\2\x09"),
        ],
        text=TEXT,
    )
    state = read(vpp, lb)

    web = Vip(WEB, Encap.GRE4, True, 65536, {"10.0.0.1": ApplicationServer("10.0.0.1", 50, 65536)}, 3)
    dns = Vip(DNS, Encap.GRE6, None, 1024, {"2001:db8::53": ApplicationServer("2001:db8::53", 7, 5)})
    assert state == LbState(CONF, {WEB: web, DNS: dns})
    server = state.vips[WEB].servers["10.0.0.1"]
    assert (server.flows, server.dpo) == (7, 14)
    server = state.vips[DNS].servers["2001:db8::53"]
    assert (server.flows, server.dpo) == (None, None)


def test_a_large_state_is_put_together_in_turns(ends, monkeypatch):
    vpp, lb = ends
    monkeypatch.setattr("maglev.vpp.lb.wire.VIPS_AT_ONCE", 1)
    monkeypatch.setattr("maglev.vpp.lb.wire.SERVERS_AT_ONCE", 2)
    servers = [server_row(WEB, bytes([10, 0, 0, number])) for number in range(5)]
    answer_reads(vpp, vips=[vip_row(WEB)], servers=servers, text=TEXT)
    clock = Clock()
    lb.protocol.work = Cooperator(clock, budget=0.0).queue("vpp")
    deferred = lb.read_state()
    vpp.flush()
    assert not has_fired(deferred)
    clock.advance(0)

    assert len(result_of(deferred).vips[WEB].servers) == 5


def test_without_the_text_the_rest_is_read(ends):
    vpp, lb = ends
    for text in ("", "something else"):
        answer_reads(vpp, vips=[vip_row(WEB, length=512)], servers=[server_row(WEB)], text=text)
        assert read(vpp, lb).vips[WEB] == Vip(
            WEB, Encap.GRE4, None, 512, {"10.0.0.1": ApplicationServer("10.0.0.1", 100)}
        )
    vpp.answers["cli_inband"] = lambda fields: [("cli_inband_reply", {"retval": -1, "reply": "no"})]
    assert read(vpp, lb).vips[WEB].src_ip_sticky is None


def test_a_length_that_no_message_can_hold_is_unknown(ends):
    vpp, lb = ends
    answer_reads(vpp, vips=[vip_row(WEB, length=65536 & 0xFFFF)])
    assert read(vpp, lb).vips[WEB].table_length == 0


def test_odd_but_legal_data_is_read(ends):
    vpp, lb = ends
    odd = VipKey("192.0.2.1", 33, 6, 443)
    answer_reads(vpp, vips=[vip_row(odd, encap=4)], servers=[server_row(odd, weight=255)])
    state = read(vpp, lb)

    assert state.vips[odd].encap is Encap.NAT6
    assert state.vips[odd].servers["10.0.0.1"].weight == 255


def test_a_row_that_makes_no_sense_is_left_out_alone(ends):
    vpp, lb = ends
    foreign = vip_row(DNS)
    foreign[1]["vip"]["pfx"]["address"]["af"] = 2
    server = server_row(WEB, bytes([10, 0, 0, 2]))
    server[1]["app_srv"]["af"] = 7
    with recorded_events() as events:
        answer_reads(vpp, vips=[vip_row(WEB), foreign], servers=[server, server_row(WEB)])
        state = read(vpp, lb)
        assert list(state.vips) == [WEB]
        assert list(state.vips[WEB].servers) == ["10.0.0.1"]
        answer_reads(vpp, vips=[vip_row(WEB, encap=9), vip_row(ALL)])
        assert list(read(vpp, lb).vips) == [ALL._replace(address="192.0.2.1")]
    errors = [fields["error"] for name, fields in events if name == "vpp-lb-row-unusable"]
    assert errors == ["address of family 7", "address of family 2", f"{WEB} has encapsulation 9"]


def test_a_refused_read_is_that_refusal(ends):
    vpp, lb = ends
    answer_reads(vpp)
    vpp.answers["lb_conf_get"] = lambda fields: [("lb_conf_get_reply", {"retval": -7})]
    with pytest.raises(VppRetvalError, match="lb_conf_get"):
        read(vpp, lb)


def test_a_read_ends_with_the_connection(ends):
    vpp, lb = ends
    deferred = lb.read_state()
    vpp.die()
    with pytest.raises(VppLostError):
        result_of(deferred)


def test_the_settings_are_read(ends):
    vpp, lb = ends
    answer_reads(vpp)
    deferred = lb.read_conf()
    vpp.flush()

    assert result_of(deferred) == CONF


# What every VPP has


def test_version_ping_and_commands(ends):
    vpp, lb = ends
    said = {"program": "vpe", "version": "26.10-rc0", "build_date": "today", "build_directory": "/src"}
    vpp.answers["show_version"] = lambda fields: [("show_version_reply", said)]
    vpp.answers["cli_inband"] = lambda fields: [("cli_inband_reply", {"reply": "a\nb\n"})]
    version, ping, text = lb.version(), lb.ping(), lb.cli("show x")
    vpp.flush()

    assert result_of(version) == ("vpe", "26.10-rc0", "today", "/src")
    assert result_of(ping) == 4711
    assert result_of(text) == "a\nb\n"


def test_the_route_of_a_vip_is_looked_up_exactly(ends):
    vpp, lb = ends
    route = {"stats_index": 14, "prefix": {"address": {"af": 0, "un": {"ip4": WEB_IP4}}, "len": 32}}
    vpp.answers["ip_route_lookup"] = lambda fields: [("ip_route_lookup_reply", {"route": route})]
    deferred = lb.route_index(WEB)
    vpp.flush()

    assert result_of(deferred) == 14
    _, fields = sent(vpp)
    assert (fields["table_id"], fields["exact"], fields["prefix"].len) == (0, 1, 32)


# Which calls


def test_a_new_vpp_is_driven_by_its_binary_api():
    _, protocol, _ = connected(Clock())
    lb = lb_for(protocol)

    assert isinstance(lb, LbApi)
    assert lb.features == (True, True)


@pytest.mark.parametrize("missing", ["lb_as_set_weight", "lb_conf_get", "lb_as_v2_dump", "lb_add_del_vip_v2"])
def test_anything_less_is_driven_by_its_command_line(missing):
    _, protocol, _ = connected(Clock(), without=[missing])
    lb = lb_for(protocol)

    assert isinstance(lb, LbCli)
    assert lb.features == (False, missing != "lb_add_del_vip_v2")


def test_no_plugin_is_told():
    _, protocol, _ = connected(Clock(), without=["lb_"])
    with pytest.raises(VppMissingError, match="no lb plugin"):
        lb_for(protocol)


def test_a_plugin_that_nothing_leads_to_is_told():
    _, protocol, _ = connected(Clock(), without=["lb_as_set_weight", "cli_inband"])
    with pytest.raises(VppMissingError, match="has no API that maglevd supports"):
        lb_for(protocol)


def test_papi_knows_every_message_of_the_fake():
    assert {"lb_as_set_weight", "ip_route_lookup", "cli_inband"} <= set(papi_messages())
