"""Operations and VIPs as people read them."""

import pytest

from maglev.vpp.lb.state import AddServer, AddVip, DeleteServer, DeleteVip, Encap, SetWeight, VipKey

KEY = VipKey("192.0.2.1", 32, 6, 80)

TEXTS = {
    AddVip(KEY, Encap.GRE4, False, 1024): "add VIP tcp://192.0.2.1:80 (gre4, 1024 buckets)",
    DeleteVip(KEY): "delete VIP tcp://192.0.2.1:80",
    AddServer(KEY, "10.0.0.1", 50): "add 10.0.0.1 to tcp://192.0.2.1:80 with weight 50",
    AddServer(KEY, "10.0.0.1", 0, flush=True): "add 10.0.0.1 to tcp://192.0.2.1:80 with weight 0, flush",
    SetWeight(KEY, "10.0.0.1", 50, 100): "set weight of 10.0.0.1 in tcp://192.0.2.1:80 from 100 to 50",
    SetWeight(KEY, "10.0.0.1", 0, 9, flush=True): "set weight of 10.0.0.1 in tcp://192.0.2.1:80 from 9 to 0, flush",
    DeleteServer(KEY, "10.0.0.1"): "delete 10.0.0.1 from tcp://192.0.2.1:80, flush",
    DeleteServer(KEY, "10.0.0.1", flush=False): "delete 10.0.0.1 from tcp://192.0.2.1:80",
}

KEYS = {
    VipKey("192.0.2.1", 32, 17, 53): "udp://192.0.2.1:53",
    VipKey("2001:db8::1", 128, 6, 443): "tcp://[2001:db8::1]:443",
    VipKey("192.0.2.0", 24, 6, 80): "tcp://192.0.2.0/24:80",
    VipKey("192.0.2.1", 32, 132, 9): "132://192.0.2.1:9",
    VipKey("192.0.2.1", 32, 255, 0): "192.0.2.1",
    VipKey("2001:db8::", 64, 255, 0): "2001:db8::/64",
}


@pytest.mark.parametrize(("operation", "text"), TEXTS.items())
def test_an_operation_reads_as_what_it_does(operation, text):
    assert str(operation) == text


@pytest.mark.parametrize(("key", "text"), KEYS.items())
def test_a_vip_reads_as_people_write_it(key, text):
    assert str(key) == text
