"""What must never be sent to VPP."""

from __future__ import annotations

import attrs
import pytest

from maglev.model.config import LbConf
from maglev.vpp.lb.limits import check, check_conf
from maglev.vpp.lb.state import AddServer, AddVip, DeleteServer, DeleteVip, Encap, SetWeight, VipKey

WEB = VipKey("192.0.2.1", 32, 6, 443)
GOOD = AddVip(WEB, Encap.GRE4, src_ip_sticky=False, table_length=1024)
CONF = LbConf("192.0.2.254", "2001:db8::fe", 4096, 40)


@pytest.mark.parametrize("length", [1, 2, 1024, 65536, 1 << 20])
def test_table_lengths_are_powers_of_two(length):
    check(attrs.evolve(GOOD, table_length=length))


@pytest.mark.parametrize("length", [0, -1, -1024, 3, 1000, 1 << 21, 1 << 32])
def test_lengths_that_abort_vpp_are_never_sent(length):
    with pytest.raises(ValueError, match="invalid value for VPP: table length"):
        check(attrs.evolve(GOOD, table_length=length))


@pytest.mark.parametrize("encap", [Encap.L3DSR, Encap.NAT4, Encap.NAT6])
def test_other_encapsulations_are_never_sent(encap):
    with pytest.raises(ValueError, match="encapsulation"):
        check(attrs.evolve(GOOD, encap=encap))


@pytest.mark.parametrize(
    "key",
    [
        VipKey("192.0.2.1", 33, 6, 443),
        VipKey("192.0.2.1", -1, 6, 443),
        VipKey("192.0.2.1", 24, 6, 443),
        VipKey("2001:db8::1", 129, 6, 443),
        VipKey("2001:db8::1", 64, 6, 443),
        VipKey("192.0.2.1", 32, 255, 443),
        VipKey("192.0.2.1", 32, 6, 0),
        VipKey("192.0.2.1", 32, 6, 65536),
        VipKey("192.0.2.1", 32, 6, -1),
        VipKey("192.0.2.1", 32, 256, 1),
        VipKey("2001:DB8::1", 128, 6, 443),
    ],
)
def test_keys_that_vpp_would_take_for_others_are_never_sent(key):
    for operation in (attrs.evolve(GOOD, key=key), DeleteVip(key), DeleteServer(key, "10.0.0.1")):
        with pytest.raises(ValueError, match=r"^invalid value for VPP: "):
            check(operation)


@pytest.mark.parametrize(
    "key",
    [
        VipKey("192.0.2.0", 24, 6, 443),
        VipKey("0.0.0.0", 0, 255, 0),
        VipKey("2001:db8::", 64, 17, 53),
        VipKey("2001:db8::1", 128, 255, 0),
        VipKey("192.0.2.1", 32, 47, 1),
    ],
)
def test_whatever_another_may_have_made_can_be_deleted(key):
    check(DeleteVip(key))
    check(DeleteServer(key, "2001:db8::1"))


@pytest.mark.parametrize("weight", [-1, 101, 255, 256])
def test_weights_are_percentages(weight):
    for operation in (AddServer(WEB, "10.0.0.1", weight), SetWeight(WEB, "10.0.0.1", weight, previous=0)):
        with pytest.raises(ValueError, match=f"weight {weight}"):
            check(operation)


@pytest.mark.parametrize("address", ["10.0.0.01", "example.org", "fe80::1%eth0", "2001:DB8::1", "10.0.0.1/32", ""])
def test_servers_are_canonical_addresses(address):
    for operation in (AddServer(WEB, address, 1), DeleteServer(WEB, address), SetWeight(WEB, address, 1, previous=0)):
        with pytest.raises(ValueError, match=r"address|spelling"):
            check(operation)


def test_good_settings_pass():
    check_conf(CONF)


@pytest.mark.parametrize(
    "change",
    [
        {"sticky_buckets_per_core": 0},
        {"sticky_buckets_per_core": 3},
        {"sticky_buckets_per_core": 0xFFFFFFFF},
        {"flow_timeout": 0},
        {"flow_timeout": -1},
        {"flow_timeout": 0xFFFFFFFF},
        {"ipv4_src_address": "2001:db8::1"},
        {"ipv6_src_address": "192.0.2.1"},
        {"ipv4_src_address": ""},
    ],
)
def test_settings_that_harm_vpp_are_never_sent(change):
    with pytest.raises(ValueError, match=r"^invalid value for VPP: |not an IP"):
        check_conf(attrs.evolve(CONF, **change))


@pytest.mark.parametrize(
    ("key", "address"),
    [
        (WEB, "192.0.2.1"),
        (VipKey("192.0.2.1", 32, 255, 0), "192.0.2.1"),
        (VipKey("192.0.2.0", 24, 255, 0), "192.0.2.77"),
        (VipKey("2001:db8::1", 128, 255, 0), "2001:db8::1"),
    ],
)
def test_a_server_that_is_its_own_vip_is_never_sent(key, address):
    with pytest.raises(ValueError, match="the address of the VIP"):
        check(AddServer(key, address, 100))
    check(AddServer(key, "10.0.0.1", 100))
    check(DeleteServer(key, address))


MISFITS = [
    "0.0.0.0", "0.1.2.3", "169.254.1.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::192.0.2.1", "::ffff:192.0.2.1", "fe80::1", "febf::1", "ff02::1",
]  # fmt: skip


@pytest.mark.parametrize("address", MISFITS)
def test_addresses_that_no_machine_has_are_never_sent(address):
    number = 6 if ":" in address else 4
    with pytest.raises(ValueError, match="invalid value for VPP"):
        check(AddServer(WEB, address, 100))
    with pytest.raises(ValueError, match="invalid value for VPP"):
        check(attrs.evolve(GOOD, key=VipKey(address, 32 if number == 4 else 128, 255, 0)))
    with pytest.raises(ValueError, match="invalid value for VPP"):
        check_conf(attrs.evolve(CONF, **{f"ipv{number}_src_address": address}))
    check(DeleteVip(VipKey(address, 32 if number == 4 else 128, 255, 0)))


@pytest.mark.parametrize("address", ["1.0.0.0", "169.253.1.1", "223.255.255.255", "::1:0:0:1", "fec0::1", "fe7f::1"])
def test_their_neighbours_are_sent(address):
    check(AddServer(WEB, address, 100))
