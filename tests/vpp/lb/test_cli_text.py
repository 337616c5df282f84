"""The text of show lb, as VPP 26.10 and those before it print it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from maglev.vpp.lb.cli_text import ShownConf, ShownServer, parse_conf, parse_vips
from maglev.vpp.lb.state import Encap, VipKey

COUNTERS = """  counters:
    packet from existing sessions: 7
    first session packet: 1
    untracked packet: 0
    no server configured: 0
"""

WEB = (
    " ip4-gre4 [1] 192.0.2.1/32 src_ip_sticky\n  new_size:65536\n  protocol:6 port:443\n"
    + COUNTERS
    + "  #as:3\n    10.0.0.1 weight:50 buckets:200 flows:12 dpo:14 used\n"
    "    10.0.0.3 weight:100 buckets:0 flows:0 dpo:16  removed\n"
    "    2001:db8:0:0:1:0:0:1 weight:0 buckets:5 flows:0 dpo:17 used\n\n"
)
GONE = " ip4-gre4 [2] 192.0.2.1/32 removed\n  new_size:64\n  protocol:6 port:443\n" + COUNTERS + "  #as:0\n\n"
ALL = " ip6-gre6 [3] 2001:db8::/64\n  new_size:1\n" + COUNTERS + "  #as:0\n\n"
NAT = (
    " ip4-nat4 [4] 192.0.2.9/32\n  new_size:1024\n  protocol:6 port:3306\n"
    "  type:clusterip port:59916 target_port:3307" + COUNTERS + "  #as:0\n\n"
)
DSR = " ip4-l3dsr [5] 192.0.2.8/32\n  new_size:1024\n  protocol:17 port:53\n  dscp:7\n" + COUNTERS + "  #as:0\n\n"
OLD = (
    " ip4-gre6 [7] 192.0.2.7/32\n  new_size:512\n  protocol:17 port:53\n"
    + COUNTERS
    + "  #as:2\n    2001:db8::1 512 buckets   7 flows  dpo:9 used\n"
    "    2001:db8::2 0 buckets   0 flows  dpo:10  removed\n\n"
)

TEXT = WEB + GONE + ALL + NAT + DSR + OLD

WEB_KEY = VipKey("192.0.2.1", 32, 6, 443)


def test_vips_in_use_are_read_and_removed_ones_are_not():
    vips = list(parse_vips(TEXT))

    assert [(vip.key, vip.encap, vip.pool_index, vip.src_ip_sticky, vip.table_length) for vip in vips] == [
        (WEB_KEY, Encap.GRE4, 1, True, 65536),
        (VipKey("2001:db8::", 64, 255, 0), Encap.GRE6, 3, False, 1),
        (VipKey("192.0.2.9", 32, 6, 3306), Encap.NAT4, 4, False, 1024),
        (VipKey("192.0.2.8", 32, 17, 53), Encap.L3DSR, 5, False, 1024),
        (VipKey("192.0.2.7", 32, 17, 53), Encap.GRE6, 7, False, 512),
    ]


def test_servers_in_use_are_read_in_both_forms():
    vips = {vip.key: list(vip.servers()) for vip in parse_vips(TEXT)}

    assert vips[WEB_KEY] == [
        ShownServer("10.0.0.1", 50, 200, 12, 14),
        ShownServer("2001:db8::1:0:0:1", 0, 5, 0, 17),
    ]
    assert vips[VipKey("192.0.2.7", 32, 17, 53)] == [ShownServer("2001:db8::1", None, 512, 7, 9)]


def test_no_vips_are_no_vips():
    assert list(parse_vips("")) == []


def test_what_is_not_understood_is_left_out():
    strange = WEB.replace("gre4", "gre9") + WEB.replace("192.0.2.1", "192.0.2") + GONE.replace("[2]", "") + ALL
    assert [vip.pool_index for vip in parse_vips(strange)] == [3]
    (vip,) = parse_vips(WEB.replace("new_size", "size").replace("weight", "heft"))
    assert (vip.table_length, list(vip.servers())) == (0, [])


def test_a_bad_row_concerns_itself_alone():
    long = "7" * 5000
    server = "    10.0.0.1 weight:50 buckets:200 flows:12 dpo:14 used\n"
    for bad in ("1:2:3", "1.2.3", "::1::", "..", "1" * 40):
        (vip,) = parse_vips(WEB.replace(server, server.replace("10.0.0.1", bad) + server))
        assert [each.address for each in vip.servers()] == ["10.0.0.1", "2001:db8::1:0:0:1"]
    for field in ("weight:50", "buckets:200", "flows:12", "dpo:14"):
        (vip,) = parse_vips(WEB.replace(field, field.partition(":")[0] + ":" + long))
        assert [each.address for each in vip.servers()] == ["2001:db8::1:0:0:1"]
    (vip,) = parse_vips(WEB.replace("new_size:65536", "new_size:" + long))
    assert vip.table_length == 0
    for head in ("[1]", "/32"):
        bad = WEB.replace(head, head.replace(head.strip("[]/"), long))
        assert [vip.pool_index for vip in parse_vips(bad + ALL)] == [3]
    conf = "lb_main ip4-src-address: 192.0.2.254 \n ip6-src-address: 2001:db8::fe \n"
    for core in (f"  timeout: {long}s\n", f"  usage: 0 / {long}\n", f"  usage: {long} / 1027\n"):
        assert parse_conf(conf + core) == ShownConf("192.0.2.254", "2001:db8::fe", None, None)


@given(cut=st.integers(0, len(TEXT)), end=st.integers(0, len(TEXT)), junk=st.text(max_size=20) | st.just("9" * 5000))
def test_any_text_can_be_read(cut, end, junk):
    for vip in parse_vips(TEXT[:cut] + junk + TEXT[end:]):
        list(vip.servers())


def test_the_settings_are_read():
    head = "lb_main ip4-src-address: 192.0.2.254 \n ip6-src-address: 2001:db8:0:0:0:0:0:fe \n #vips: 1\n #ass: 0\n"
    assert parse_conf(head) == ShownConf("192.0.2.254", "2001:db8::fe", None, None)
    # What VPP calls the size is the mask, plus 4.
    core = "core 0\n  timeout: 40s\n  usage: 0 / 1027\n"
    assert parse_conf(head + core + core) == ShownConf("192.0.2.254", "2001:db8::fe", 1024, 40)


def test_other_text_is_not_settings():
    for text in ("", "lb_main ip4-src-address: 1.2.3.4", "ip4-src-address: x ip6-src-address: y"):
        assert parse_conf(text) is None


def test_flows_of_what_is_not_an_address_are_left_out():
    text = WEB.replace("    10.0.0.1 weight", "    1:2:3 weight")
    (vip,) = parse_vips(text)

    assert [address for address, _, _ in vip.flows()] == ["10.0.0.3", "2001:db8::1:0:0:1"]
