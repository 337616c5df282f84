"""Scripts of VPP's command line: what each says, and what it can't say."""

import pytest

from maglev.vpp.lb.script import add_vip, has_name, script, vip_name
from maglev.vpp.lb.state import AddServer, AddVip, DeleteServer, DeleteVip, Encap, SetWeight, VipKey

WEB = VipKey("192.0.2.1", 32, 6, 443)
DNS = VipKey("2001:db8::53", 128, 17, 53)
ALL = VipKey("192.0.2.9", 32, 255, 0)
OTHER = VipKey("192.0.2.1", 32, 47, 1)
AS = "lb as 192.0.2.1/32 protocol tcp port 443"


def test_how_the_command_line_names_a_vip():
    assert vip_name(WEB) == "192.0.2.1/32 protocol tcp port 443"
    assert vip_name(DNS) == "2001:db8::53/128 protocol udp port 53"
    assert vip_name(ALL) == "192.0.2.9/32"


def test_what_it_has_no_word_for_cannot_be_named():
    assert [has_name(key) for key in (WEB, DNS, ALL, OTHER)] == [True, True, True, False]
    with pytest.raises(ValueError, match="does not support IP protocol 47"):
        vip_name(OTHER)


def test_how_a_vip_is_added():
    assert add_vip(AddVip(ALL, Encap.GRE6, False, 64)) == "lb vip 192.0.2.9/32 encap gre6 new_len 64"
    assert add_vip(AddVip(ALL, Encap.GRE4, True, 64)).endswith(" src_ip_sticky")


def test_a_vip_is_recreated_in_one_script():
    operations = [
        DeleteVip(WEB),
        AddVip(WEB, Encap.GRE4, True, 1024),
        AddServer(WEB, "10.0.0.1", 100),
        AddServer(WEB, "10.0.0.2", 0),
        AddServer(WEB, "10.0.0.3", 100),
    ]
    assert script(operations, weights=True).split("\n") == [
        "lb flush vip 192.0.2.1/32 protocol tcp port 443",
        "lb vip 192.0.2.1/32 protocol tcp port 443 del",
        "lb vip 192.0.2.1/32 protocol tcp port 443 encap gre4 new_len 1024 src_ip_sticky",
        f"{AS} 10.0.0.1 10.0.0.3 weight 100",
        f"{AS} 10.0.0.2 weight 0",
    ]
    assert script(operations[2:], weights=False) == f"{AS} 10.0.0.1 10.0.0.3\n{AS} 10.0.0.2"


def test_a_script_keeps_the_order_of_the_vips():
    operations = [
        DeleteVip(WEB),
        AddVip(WEB, Encap.GRE6, False, 64),
        AddServer(WEB, "2001:db8::1", 100),
        DeleteVip(ALL),
        AddVip(ALL, Encap.GRE6, False, 64),
    ]
    verbs = [
        line.split()[-1] if line.endswith("del") else line.split()[1]
        for line in script(operations, weights=True).split("\n")
    ]
    assert verbs == ["flush", "del", "vip", "as", "flush", "del", "vip"]


def test_weights_of_servers_in_use_are_set_by_deleting_and_adding_them():
    operations = [
        SetWeight(WEB, "10.0.0.1", 0, 100, flush=True),
        SetWeight(WEB, "10.0.0.2", 0, 100),
        SetWeight(WEB, "10.0.0.3", 50, 100),
        AddServer(WEB, "10.0.0.4", 50),
    ]
    assert script(operations, weights=True).split("\n") == [
        f"{AS} 10.0.0.1 10.0.0.2 10.0.0.3 del",
        f"{AS} 10.0.0.1 weight 0 flush",
        f"{AS} 10.0.0.2 weight 0",
        f"{AS} 10.0.0.3 10.0.0.4 weight 50",
    ]


def test_weights_cannot_be_set_where_there_are_none():
    with pytest.raises(ValueError, match="does not support weights"):
        script([SetWeight(WEB, "10.0.0.1", 0, 100)], weights=False)


def test_servers_are_deleted_with_and_without_their_flows():
    operations = [
        DeleteServer(WEB, "10.0.0.1"),
        DeleteServer(WEB, "10.0.0.2", flush=False),
        DeleteServer(WEB, "10.0.0.3"),
    ]
    assert script(operations, weights=True).split("\n") == [
        f"{AS} 10.0.0.2 del",
        f"{AS} 10.0.0.1 10.0.0.3 del flush",
    ]


def test_no_line_is_a_command_without_arguments():
    # Such a command would take the next line for its arguments.
    operations = [DeleteVip(ALL), AddVip(ALL, Encap.GRE4, False, 1), AddServer(ALL, "10.0.0.1", 1)]
    assert all(len(line.split()) >= 4 for line in script(operations, weights=True).split("\n"))
