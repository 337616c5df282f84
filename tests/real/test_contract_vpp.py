"""What clients may rely on: the very same cases against the simulator and against a real VPP, through vpp_papi.

A case that only one of the two passes is a mistake of the simulator - or of our knowledge of VPP. Each case has
addresses of its own, because all of a kind run on one VPP.
"""

from __future__ import annotations

import itertools
import random
import socket
import struct

import pytest
from vpp_papi.vpp_papi import VPPIOError

from tests.fakes.papi_client import papi_client, papi_stats
from tests.fakes.vpp_instance import private_vpp

pytestmark = [pytest.mark.real, pytest.mark.vpp]

TCP, UDP = 6, 17
GRE4, GRE6, L3DSR, NAT4, NAT6 = range(5)

COUNTERS = (
    "packet from existing sessions",
    "first session packet",
    "untracked packet",
    "no server configured",
)


@pytest.fixture(scope="module", params=["process", "real"])
def vpp(request):
    with private_vpp(request.param) as instance:
        yield instance


@pytest.fixture(scope="module")
def client(vpp):
    with papi_client(vpp.api_socket) as connected:
        yield connected


@pytest.fixture(scope="module")
def numbers():
    return itertools.count(1)


@pytest.fixture(params=["process", "real"])
def mortal(request):
    """A VPP for one test alone."""
    with private_vpp(request.param) as instance:
        yield instance


@pytest.fixture
def prefix(numbers):
    """An IPv4 prefix that no other case uses."""
    number = next(numbers)
    return f"198.18.{number >> 8}.{number & 255}/32"


@pytest.fixture
def prefix6(numbers):
    """An IPv6 prefix that no other case uses."""
    return f"2001:db8:ffff::{next(numbers):x}/128"


def key(prefix, protocol=TCP, port=80):
    return {"pfx": prefix, "protocol": protocol, "port": port}


def servers_of(client, prefix):
    """Return flags, weight and buckets of the servers of all VIPs on a prefix, by address."""
    packed = address_of(prefix)
    return {
        text_of(row.app_srv): (row.flags, row.weight, row.num_buckets)
        for row in client.dump("lb_as_v2_dump")
        if row.vip.pfx.address.un.ip6 == packed
    }


def vips_of(client, prefix):
    packed = address_of(prefix)
    return [row for row in client.dump("lb_vip_dump") if row.vip.pfx.address.un.ip6 == packed]


def address_of(prefix):
    """Return the 16 bytes of an address field on the wire: IPv4 first."""
    address = prefix.partition("/")[0]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.inet_pton(family, address).ljust(16, b"\0")


def text_of(address):
    family, raw = (socket.AF_INET6, address.un.ip6) if address.af else (socket.AF_INET, address.un.ip4)
    return socket.inet_ntop(family, raw)


def block_of(client, prefix):
    """Return the lines of ``show lb vips verbose`` about the VIPs on a prefix."""
    retval, output = client.cli("show lb vips verbose")
    assert retval == 0
    return [block.splitlines() for block in output.split("\n\n") if f"] {prefix}" in block]


# VIPs.


def test_the_first_vip_has_pool_index_one(mortal):
    with papi_client(mortal.api_socket) as client:
        assert client.cli("show lb vips") == (0, "")
        assert client.cli("lb vip 192.0.2.1/32") == (0, "lb_vip_add ok 1\n")


def test_a_vip_is_told_as_it_was_added(client, prefix):
    assert client.retval("lb_add_del_vip_v2", **key(prefix), encap=GRE6, new_flows_table_length=256) == 0
    (vip,) = vips_of(client, prefix)
    assert (vip.vip.protocol, vip.vip.port, vip.vip.pfx.len) == (TCP, 80, 32)
    assert (vip.encap, vip.flow_table_length) == (GRE6, 256)


def test_port_zero_means_all_protocols(client, prefix):
    assert client.retval("lb_add_del_vip_v2", pfx=prefix, protocol=TCP, port=0) == 0
    (vip,) = vips_of(client, prefix)
    assert (vip.vip.protocol, vip.vip.port) == (255, 0)


def test_without_a_protocol_it_is_255(client, prefix):
    assert client.retval("lb_add_del_vip_v2", pfx=prefix, port=80) == 0
    assert vips_of(client, prefix)[0].vip.protocol == 255


def test_the_first_messages_still_work(client, prefix):
    assert client.retval("lb_add_del_vip", **key(prefix)) == 0
    assert client.retval("lb_add_del_as", **key(prefix), as_address="10.0.0.1") == 0
    assert servers_of(client, prefix) == {"10.0.0.1": (1, 100, 1024)}
    assert client.retval("lb_add_del_as", **key(prefix), as_address="10.0.0.1", is_del=True, is_flush=True) == 0
    assert client.retval("lb_add_del_vip", **key(prefix), is_del=True) == 0


@pytest.mark.parametrize(
    ("first", "second", "retval"),
    [
        pytest.param({}, {}, -81, id="twice"),
        pytest.param({}, {"protocol": 0, "port": 0}, -81, id="all-port after one port"),
        pytest.param({"protocol": 0, "port": 0}, {}, -81, id="one port after all-port"),
        pytest.param({}, {"protocol": UDP, "encap": GRE6}, -73, id="other type"),
        pytest.param({}, {"protocol": UDP}, 0, id="other port"),
        pytest.param({}, {"protocol": UDP, "encap": GRE6, "new_flows_table_length": 3}, -73, id="type before length"),
    ],
)
def test_a_second_vip_on_the_prefix(client, prefix, first, second, retval):
    assert client.retval("lb_add_del_vip_v2", **(key(prefix) | first)) == 0
    assert client.retval("lb_add_del_vip_v2", **(key(prefix) | second)) == retval


@pytest.mark.parametrize(
    ("fields", "retval"),
    [
        ({"new_flows_table_length": 3}, -70),
        ({"new_flows_table_length": 1}, 0),
        ({"new_flows_table_length": 65536}, 0),
        ({"encap": NAT6}, -97),
        ({"encap": 77}, -97),
        ({"encap": NAT6, "new_flows_table_length": 3}, -70),
        ({"encap": L3DSR, "dscp": 77}, 0),
        ({"encap": NAT4, "target_port": 3307}, 0),
    ],
)
def test_what_an_ipv4_vip_may_be(client, prefix, fields, retval):
    assert client.retval("lb_add_del_vip_v2", **key(prefix), **fields) == retval


@pytest.mark.parametrize("encap", [L3DSR, NAT4, 77])
def test_what_an_ipv6_vip_cannot_be_becomes_gre6(client, prefix6, encap):
    assert client.retval("lb_add_del_vip_v2", **key(prefix6), encap=encap) == 0
    assert vips_of(client, prefix6)[0].encap == GRE6


def test_host_bits_do_not_matter(client):
    assert client.retval("lb_add_del_vip_v2", pfx="198.19.1.77/24") == 0
    assert client.retval("lb_add_del_vip_v2", pfx="198.19.1.0/24") == -81
    assert client.retval("lb_add_del_as_v2", pfx="198.19.1.3/24", protocol=255, as_address="10.0.0.1") == 0
    assert len(vips_of(client, "198.19.1.0/24")) == 1
    assert client.retval("lb_add_del_vip_v2", pfx="198.19.1.200/24", is_del=True) == 0


def test_an_impossible_length_is_taken(client):
    assert client.retval("lb_add_del_vip_v2", **key("198.19.2.1/33", port=3333)) == 0
    details = [row for row in client.dump("lb_vip_dump") if row.vip.port == 3333]
    assert [(row.vip.pfx.len, row.vip.pfx.address.un.ip4) for row in details] == [(33, bytes(4))]
    assert client.retval("lb_add_del_vip_v2", **key("198.19.2.1/33", port=3333), is_del=True) == 0


def test_the_length_of_the_largest_table_reads_zero(client, prefix):
    client.retval("lb_add_del_vip_v2", **key(prefix), new_flows_table_length=65536)
    assert vips_of(client, prefix)[0].flow_table_length == 0
    assert "  new_size:65536" in block_of(client, prefix)[0]


def test_the_target_port_is_told_with_its_bytes_swapped(client, prefix):
    client.retval("lb_add_del_vip_v2", **key(prefix), encap=NAT4, target_port=3307)
    assert vips_of(client, prefix)[0].target_port == 60172


def test_a_deleted_vip_is_gone_from_the_dump_and_can_come_back_at_once(client, prefix):
    client.retval("lb_add_del_vip_v2", **key(prefix))
    client.retval("lb_add_del_as_v2", **key(prefix), as_address="10.0.0.1")
    assert client.retval("lb_add_del_vip_v2", **key(prefix), is_del=True) == 0
    assert client.retval("lb_add_del_vip_v2", **key(prefix), is_del=True) == -6
    assert vips_of(client, prefix) == []
    assert servers_of(client, prefix) == {"10.0.0.1": (0, 100, 0)}
    assert client.retval("lb_add_del_vip_v2", **key(prefix), encap=GRE6, src_ip_sticky=True) == 0
    assert [lines[0].split()[3:] for lines in block_of(client, prefix)] in (
        [["removed"], ["src_ip_sticky"]],
        [["src_ip_sticky"], ["removed"]],
    )


# Application servers.


def test_buckets_follow_the_weights(client, prefix):
    client.retval("lb_add_del_vip_v2", **key(prefix))
    for number, weight in ((3, 100), (1, 100), (4, 50), (2, 100)):
        fields = {"as_address": f"10.0.0.{number}", "weight": weight}
        assert client.retval("lb_add_del_as_v2", **key(prefix), **fields) == 0
    assert servers_of(client, prefix) == {
        "10.0.0.1": (1, 100, 292),
        "10.0.0.2": (1, 100, 291),
        "10.0.0.3": (1, 100, 291),
        "10.0.0.4": (1, 50, 150),
    }
    for address, weight in (("10.0.0.2", 0), ("10.0.0.1", 50), ("10.0.0.4", 100)):
        assert client.retval("lb_as_set_weight", **key(prefix), as_address=address, weight=weight) == 0
    assert [buckets for _, _, buckets in sorted(servers_of(client, prefix).values())] == [0, 208, 408, 408]


def test_no_weight_at_all_means_no_buckets(client, prefix):
    client.retval("lb_add_del_vip_v2", **key(prefix))
    client.retval("lb_add_del_as_v2", **key(prefix), as_address="10.0.0.1", weight=0)
    assert servers_of(client, prefix) == {"10.0.0.1": (1, 0, 0)}


@pytest.mark.parametrize("seed", range(6))
def test_our_table_is_the_table_of_vpp(client, prefix, seed):
    from maglev.vpp.lb.table import bucket_counts

    chosen = random.Random(seed)
    length = chosen.choice([1, 2, 16, 256, 1024, 4096])
    encap = seed % 2
    addresses = [f"10.{chosen.randrange(256)}.0.{number}" for number in range(chosen.randrange(1, 12))]
    if encap == GRE6:
        addresses = [f"2001:db8:{chosen.randrange(1 << 16):x}::{number:x}" for number in range(1, 9)]
    weights = {address: chosen.choice([0, 1, 7, 50, 100, 100, 255]) for address in addresses}
    client.retval("lb_add_del_vip_v2", **key(prefix), encap=encap, new_flows_table_length=length)
    for address, weight in weights.items():
        assert client.retval("lb_add_del_as_v2", **key(prefix), as_address=address, weight=weight) == 0
    counts = {address: buckets for address, (_, _, buckets) in servers_of(client, prefix).items()}
    expected = bucket_counts(weights, length)
    assert counts == {socket.inet_ntop(*packed(address)): count for address, count in expected.items()}


def packed(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return family, socket.inet_pton(family, address)


def test_a_server_needs_its_vip_and_the_family_of_the_encapsulation(client, prefix):
    assert client.retval("lb_add_del_as_v2", **key(prefix), as_address="10.0.0.1") == -6
    client.retval("lb_add_del_vip_v2", **key(prefix), encap=GRE6)
    assert client.retval("lb_add_del_as_v2", **key(prefix), as_address="10.0.0.1") == -97
    assert client.retval("lb_add_del_as_v2", **key(prefix), as_address="2001:db8::1") == 0
    assert client.retval("lb_add_del_as_v2", **key(prefix), as_address="2001:db8::1", weight=5) == -81
    assert servers_of(client, prefix) == {"2001:db8::1": (1, 100, 1024)}


def test_a_weight_may_be_255_and_only_servers_in_use_have_one(client, prefix):
    def weigh(address, weight):
        return client.retval("lb_as_set_weight", **key(prefix), as_address=address, weight=weight)

    assert weigh("10.0.0.1", 1) == -6
    client.retval("lb_add_del_vip_v2", **key(prefix))
    assert weigh("10.0.0.1", 1) == -6
    client.retval("lb_add_del_as_v2", **key(prefix), as_address="10.0.0.1")
    assert weigh("10.0.0.1", 255) == 0
    assert servers_of(client, prefix) == {"10.0.0.1": (1, 255, 1024)}
    client.retval("lb_add_del_as_v2", **key(prefix), as_address="10.0.0.1", is_del=True)
    assert weigh("10.0.0.1", 1) == -6


def test_a_deleted_server_stays_in_the_dump_and_comes_back_to_its_place(client, prefix):
    def change(**fields):
        return client.retval("lb_add_del_as_v2", **key(prefix), as_address="10.0.0.1", **fields)

    client.retval("lb_add_del_vip_v2", **key(prefix))
    assert change(is_del=True) == -6
    assert [change(), change(is_del=True), change(is_del=True, is_flush=True)] == [0, 0, 0]
    assert servers_of(client, prefix) == {"10.0.0.1": (0, 100, 0)}
    assert change(weight=9, is_flush=True) == 0
    assert servers_of(client, prefix) == {"10.0.0.1": (1, 9, 1024)}


def test_a_flush_is_always_good_news(client, prefix):
    assert client.retval("lb_flush_vip", **key(prefix)) == 0
    client.retval("lb_add_del_vip_v2", **key(prefix))
    assert client.retval("lb_flush_vip", **key(prefix)) == 0


def test_dump_filters_match_raw_bytes_only(client, prefix):
    client.retval("lb_add_del_vip_v2", **key(prefix))
    client.retval("lb_add_del_as_v2", **key(prefix), as_address="10.0.0.1")
    stored = f"::{prefix.partition('/')[0]}/1"
    for name in ("lb_as_dump", "lb_as_v2_dump"):
        assert client.dump(name, **key(prefix)) == []
        assert len(client.dump(name, **key(stored))) == 1
        assert client.dump(name, **key(stored, protocol=UDP)) == []
    assert len(client.dump("lb_vip_dump", **key(prefix))) == len(client.dump("lb_vip_dump"))


def test_the_old_dump_knows_no_weights(client, prefix):
    client.retval("lb_add_del_vip_v2", **key(prefix))
    client.retval("lb_add_del_as_v2", **key(prefix), as_address="10.0.0.1", weight=5)
    (row,) = client.dump("lb_as_dump", **key(f"::{prefix.partition('/')[0]}/128"))
    assert (row.flags, text_of(row.app_srv)) == (1, "10.0.0.1")
    assert not hasattr(row, "weight")


# Settings.


def test_settings_are_read_back_and_kept_where_asked(client):
    sources = {"ip4_src_address": "192.0.2.254", "ip6_src_address": "2001:db8::fe"}
    assert client.retval("lb_conf", **sources, sticky_buckets_per_core=4096, flow_timeout=30) == 0
    assert client.retval("lb_conf", **sources, sticky_buckets_per_core=3, flow_timeout=9) == -70
    assert client.retval("lb_conf", **sources) == 0
    conf = client.api.lb_conf_get()
    assert (conf.sticky_buckets_per_core, conf.flow_timeout) == (4096, 30)
    assert (str(conf.ip4_src_address), str(conf.ip6_src_address)) == ("192.0.2.254", "2001:db8::fe")
    output = client.cli("show lb")[1]
    assert output.startswith("lb_main ip4-src-address: 192.0.2.254 \n ip6-src-address: 2001:db8::fe \n #vips: ")


# The command line.


def test_the_verbose_output_is_read_by_programs(client, prefix):
    client.retval("lb_add_del_vip_v2", **key(prefix, port=443), src_ip_sticky=True, new_flows_table_length=8)
    client.retval("lb_add_del_as_v2", **key(prefix, port=443), as_address="10.250.0.1", weight=50)
    client.retval("lb_add_del_as_v2", **key(prefix, port=443), as_address="10.250.0.3")
    client.retval("lb_add_del_as_v2", **key(prefix, port=443), as_address="10.250.0.3", is_del=True)
    route = [client.api.ip_route_lookup(exact=1, prefix=f"10.250.0.{number}/32").route for number in (1, 3)]
    ((head, *lines),) = block_of(client, prefix)
    assert head.startswith(" ip4-gre4 [")
    assert head.endswith(f"] {prefix} src_ip_sticky")
    assert lines == [
        "  new_size:8",
        "  protocol:6 port:443",
        "  counters:",
        *(f"    {name}: 0" for name in COUNTERS),
        "  #as:2",
        f"    10.250.0.1 weight:50 buckets:8 flows:0 dpo:{route[0].stats_index} used",
        f"    10.250.0.3 weight:100 buckets:0 flows:0 dpo:{route[1].stats_index}  removed",
    ]


def test_the_command_line_adds_several_servers_at_once(client, prefix):
    client.cli(f"lb vip {prefix} protocol tcp port 80 encap gre4 new_len 64")
    assert client.cli(f"lb as {prefix} protocol tcp port 80 10.0.0.1 10.0.0.2 weight 30") == (0, "")
    assert client.cli(f"lb as {prefix} protocol tcp port 80 10.0.0.2 10.0.0.1 weight 20") == (0, "")
    assert servers_of(client, prefix) == {"10.0.0.1": (1, 20, 32), "10.0.0.2": (1, 20, 32)}
    mixed = client.cli(f"lb as {prefix} protocol tcp port 80 10.0.0.1 10.0.0.3 weight 10")
    assert mixed == (-1, "lb as: lb_vip_set_as_weight error -6\n")
    assert servers_of(client, prefix)["10.0.0.1"][1] == 10
    assert client.cli(f"lb as {prefix} protocol tcp port 80 10.0.0.1 10.0.0.2 del flush") == (0, "")
    assert [flags for flags, _, _ in servers_of(client, prefix).values()] == [0, 0]


@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("foo", "unknown input `foo'\n"),
        ("foo\nshow lb", "unknown input `foo\\nshow lb'\n"),
        ("", "unknown input `'\n"),
        ("show foo", "show: unknown input `foo'\n"),
        ("lb", "lb: unknown input `'\n"),
        ("lb vip 1.2.3.4", "lb vip: invalid vip prefix: '1.2.3.4'\n"),
        ("lb vip 1.2.3.4/33", "lb vip: invalid vip prefix: '1.2.3.4/33'\n"),
        ("lb vip 1.2.3.4/32 foo bar", "lb vip: parse error: 'foo bar'\n"),
        ("lb vip 1.2.3.4/32 new_len 3", "lb vip: lb_vip_add error -70\n"),
        ("lb vip 1.2.3.4/32 del", "lb vip: lb_vip_find_index error -6\n"),
        ("lb vip 1.2.3.4/32 encap nat6", "lb vip: currently does not support NAT46\n"),
        ("lb as 1.2.3.4/32 10.0.0.1", "lb as: lb_vip_find_index error -6\n"),
        ("lb as 1.2.3.4/32 10.0.0.1 weight 101", "lb as: weight must be between 0 and 100\n"),
        ("lb as 1.2.3.4/32 10.0.0.1 weight 1 del", "lb as: weight and del are mutually exclusive\n"),
        ("lb conf buckets 3", "lb conf: lb_conf error -70\n"),
        ("lb conf\nshow lb", "lb conf: parse error: 'show lb'\n"),
        ("lb flush vip 1.2.3.4/32", "lb flush vip: lb_vip_find_index error -6\n"),
    ],
)
def test_errors_of_commands(client, command, output):
    assert client.cli(command) == (-1, output)


def test_several_commands_stop_at_the_first_error(client, prefix):
    retval, output = client.cli(f"lb vip {prefix}\nlb vip {prefix}\nlb vip {prefix} del")
    assert retval == -1
    assert output.splitlines()[1:] == ["lb vip: lb_vip_add error -81"]
    assert len(vips_of(client, prefix)) == 1


def test_a_command_without_arguments_swallows_the_next_line(client, prefix):
    assert client.cli(f"show lb vips\nlb vip {prefix}")[0] == 0
    assert vips_of(client, prefix) == []


def test_words_of_commands_may_be_shortened(client):
    assert client.cli("sh lb vi")[1] == client.cli("show lb vips")[1]


def test_the_version_is_told_twice(client):
    version = client.api.show_version().version
    assert client.cli("show version")[1].startswith(f"vpp v{version}")


# Routes and counters.


def test_a_vip_has_a_route_while_any_vip_is_on_its_prefix(client, prefix):
    def look():
        answer = client.api.ip_route_lookup(table_id=0, exact=1, prefix=prefix)
        return answer.retval, answer.route.stats_index

    assert look() == (-6, 0)
    client.retval("lb_add_del_vip_v2", **key(prefix, port=80))
    client.retval("lb_add_del_vip_v2", **key(prefix, port=81))
    retval, index = look()
    assert retval == 0
    assert client.api.ip_route_lookup(prefix=prefix).route.stats_index == index
    client.retval("lb_add_del_vip_v2", **key(prefix, port=80), is_del=True)
    assert look() == (0, index)
    client.retval("lb_add_del_vip_v2", **key(prefix, port=81), is_del=True)
    assert look() == (-6, 0)


def test_the_default_routes_have_indexes_too(client):
    found = [client.api.ip_route_lookup(exact=1, prefix=prefix).route for prefix in ("0.0.0.0/0", "::/0", "fe80::/10")]
    assert [route.stats_index for route in found] == [1, 6, 7]
    assert found[0].paths[0].type == 2


def test_every_vip_and_every_route_has_its_column(vpp, client, prefix):
    client.retval("lb_add_del_vip_v2", **key(prefix))
    client.retval("lb_add_del_as_v2", **key(prefix), as_address="10.251.0.1")
    pool_index = int(block_of(client, prefix)[0][0].partition("[")[2].partition("]")[0])
    route = client.api.ip_route_lookup(exact=1, prefix="10.251.0.1/32").route.stats_index
    with papi_stats(vpp.stats_socket) as stats:
        for name in COUNTERS:
            assert stats.directory[name].type == 2
            assert stats[name][0][pool_index] == 0
        for name in ("/net/route/to", "/net/route/via"):
            assert stats.directory[name].type == 3
            assert stats[name][0][route] == (0, 0)
        assert stats.directory["/sys/boottime"].type == 1
        assert stats["/sys/boottime"] > 1_500_000_000
        assert stats["/sys/heartbeat"] >= 1


def test_all_kinds_of_entries_can_be_read(vpp, client):
    with papi_stats(vpp.stats_socket) as stats:
        kinds = {}
        for name, entry in stats.directory.items():
            kinds.setdefault(entry.type, name)
        assert set(kinds) >= {1, 2, 3, 4, 6, 9}
        for name in kinds.values():
            assert stats[name] is not None
        assert stats["/if/names"] == ["local0"]
        assert len(stats.directory) > 2500


# What goes wrong.


class RawClient:
    """A client that sends whatever it likes."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(60)
        try:
            self._socket.connect(path)
        except OSError:
            self._socket.close()
            raise
        self.send(struct.pack(">HI64s", 15, 77, b"wire"))
        self.hello = self.receive()
        (self.index,) = struct.unpack_from(">I", self.hello, 14)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._socket.close()

    def send(self, message):
        self._socket.sendall(struct.pack(">QII", 0, len(message), 0) + message)

    def receive(self):
        """Return a message; empty when VPP hung up."""
        header = self._exactly(16)
        return self._exactly(struct.unpack(">QII", header)[1]) if header else b""

    def is_left_without_an_answer(self):
        """Ask something else: what is answered is that alone, as VPP answers in order."""
        answer = struct.unpack_from(">HI", self.ping())
        return answer == (24, 5)

    def _exactly(self, size):
        data = b""
        while len(data) < size:
            more = self._socket.recv(size - len(data))
            if not more:
                return b""
            data += more
        return data

    def ping(self):
        self.send(struct.pack(">HII", 23, self.index, 5))
        return self.receive()


@pytest.fixture
def wire(vpp):
    with RawClient(vpp.api_socket) as opened:
        yield opened


def test_the_greeting_has_the_documented_layout(wire):
    number, client_index, context, response, index, count = struct.unpack_from(">HIIiIH", wire.hello)
    assert (number, client_index, context, response) == (16, 0, 77, 0)
    assert index & 0x80000000
    assert len(wire.hello) == 20 + 66 * count
    names = [wire.hello[start + 2 : start + 66].rstrip(b"\0") for start in range(20, len(wire.hello), 66)]
    assert b"lb_as_set_weight_2d89bdbd" in names
    assert len(set(names)) == count > 800


@pytest.mark.parametrize(
    "message",
    [b"", b"\0", struct.pack(">HII", 60000, 1, 1), struct.pack(">HI", 23, 1), struct.pack(">HIi", 22, 5, 0)],
    ids=["empty", "one-byte", "unknown", "short", "keepalive"],
)
def test_nonsense_gets_no_answer(wire, message):
    wire.send(message)
    assert wire.is_left_without_an_answer()


def test_a_wrong_client_index_gets_no_answer_but_is_obeyed(wire, client, prefix):
    number = client.table["lb_add_del_vip_v2_7c520e0f"]
    body = struct.pack(">B16sBBH", 0, address_of(prefix), 32, TCP, 80)
    body += struct.pack(">IBIHHI??", 0, 0, 0, 0, 0, 16, False, False)
    wire.send(struct.pack(">HII", number, 0, 1) + body)
    assert wire.is_left_without_an_answer()
    assert len(vips_of(client, prefix)) == 1


def test_more_than_a_message_needs_is_fine(wire):
    wire.send(struct.pack(">HII", 23, wire.index, 5) + b"and more")
    assert wire.receive() is not None


def test_a_farewell_is_answered_and_the_connection_closed(wire):
    wire.send(struct.pack(">HIII", 17, wire.index, 9, wire.index))
    assert wire.receive() == struct.pack(">HIi", 18, 9, 1)
    assert wire.receive() == b""


def test_a_farewell_for_nobody_is_refused(wire):
    wire.send(struct.pack(">HIII", 17, wire.index, 9, 0x80001000))
    assert wire.receive() == struct.pack(">HIi", 18, 9, -1)
    assert wire.ping() is not None


def test_a_frame_may_come_in_pieces(vpp):
    with RawClient(vpp.api_socket) as wire:
        message = struct.pack(">HII", 23, wire.index, 5)
        for byte in struct.pack(">QII", 0, len(message), 0) + message:
            wire._socket.sendall(bytes([byte]))
        assert wire.receive() is not None


def test_many_requests_may_be_sent_ahead_and_are_answered_in_order(vpp):
    with RawClient(vpp.api_socket) as wire:
        for context in range(1, 501):
            wire.send(struct.pack(">HII", 23, wire.index, context))
        contexts = [struct.unpack_from(">I", wire.receive(), 2)[0] for _ in range(500)]
    assert contexts == list(range(1, 501))


@pytest.mark.parametrize(
    "fields",
    [{"pfx": "192.0.2.1/32", "new_flows_table_length": 0}, {"pfx": "2001:db8::1/129"}],
    ids=["no-buckets", "too-long-prefix"],
)
def test_what_kills_vpp(mortal, fields):
    with papi_client(mortal.api_socket) as client, pytest.raises(VPPIOError):
        client.api.lb_add_del_vip_v2(**fields)


@pytest.mark.parametrize(
    ("prefix", "encap", "server"), [("192.0.2.1/32", NAT4, "10.0.0.1"), ("2001:db8::1/128", NAT6, "2001:db8::2")]
)
def test_a_server_in_an_all_port_vip_with_nat_kills_vpp(mortal, prefix, encap, server):
    with papi_client(mortal.api_socket) as client:
        assert client.retval("lb_add_del_vip_v2", pfx=prefix, encap=encap) == 0
        with pytest.raises(VPPIOError):
            client.api.lb_add_del_as_v2(pfx=prefix, as_address=server)


def test_a_frame_length_that_overflows_kills_vpp(mortal):
    with RawClient(mortal.api_socket) as wire:
        wire._socket.sendall(struct.pack(">QII", 0, 0xFFFFFFF0, 0) + b"x")
        assert wire.receive() == b""
    mortal.restart()
    with RawClient(mortal.api_socket) as wire:
        assert wire.ping() is not None


def test_after_a_restart_nothing_is_left_and_the_old_counters_stand_still(mortal):
    with papi_client(mortal.api_socket) as client, papi_stats(mortal.stats_socket) as stats:
        pid = client.api.control_ping().vpe_pid
        client.retval("lb_add_del_vip_v2", pfx="192.0.2.1/32")
        mortal.kill()
        assert stats["first session packet"] == [[0, 0]]
        with pytest.raises(ConnectionRefusedError):
            RawClient(mortal.api_socket)
        with pytest.raises((VPPIOError, OSError)):
            client.api.control_ping()
    mortal.restart()
    with papi_client(mortal.api_socket) as client, papi_stats(mortal.stats_socket) as stats:
        assert client.api.control_ping().vpe_pid != pid
        assert client.dump("lb_vip_dump") == []
        assert client.api.lb_conf_get().sticky_buckets_per_core == 1024
        assert "first session packet" not in stats.directory


def test_a_clean_end_removes_the_stats_socket_and_leaves_the_api_socket(mortal):
    mortal.terminate()
    with pytest.raises(ConnectionRefusedError):
        RawClient(mortal.api_socket)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe, pytest.raises(FileNotFoundError):
        probe.connect(mortal.stats_socket)


# Both at once.


class Twins:
    """The simulator and VPP, asked the same questions."""

    def __init__(self, clients):
        self._clients = clients
        self.asked = []

    def ask(self, method, *arguments, **fields):
        self.asked.append((method, arguments, fields))
        simulated, real = (getattr(client, method)(*arguments, **fields) for client in self._clients)
        assert simulated == real, self.asked[-20:]

    def compare(self):
        """Compare everything that can be seen, but for the seconds of deletion and the numbers of messages."""
        self.ask("cli", "show lb vips verbose")
        self.ask("cli", "show lb vips")
        self.ask("cli", "show lb")
        for name in ("lb_vip_dump", "lb_as_dump", "lb_as_v2_dump"):
            simulated, real = ([timeless(row) for row in client.dump(name)] for client in self._clients)
            assert simulated == real, self.asked[-20:]


def timeless(row):
    return tuple(value for name, value in row._asdict().items() if name not in {"_0", "context", "in_use_since"})


def random_step(chosen, twins):
    """Ask for one thing, often an impossible one."""
    prefix = chosen.choice(["192.0.2.1/32", "192.0.2.2/32", "192.0.2.0/24", "2001:db8::1/128", "2001:db8::/64"])
    protocol, port = chosen.choice([(TCP, 80), (TCP, 81), (UDP, 80), (255, 0), (TCP, 0)])
    vip = key(prefix, protocol, port)
    server = chosen.choice([f"10.0.0.{number}" for number in range(1, 6)] + ["2001:db8:1::1", "2001:db8:1::2"])
    words = f"{prefix} protocol {'udp' if protocol == UDP else 'tcp'} port {port}"
    match chosen.randrange(10):
        case 0 | 1:
            # A server in an all-port VIP with NAT kills VPP.
            encap = chosen.choice([GRE4, GRE4, GRE6, GRE6, L3DSR, NAT6 if port else L3DSR])
            length = chosen.choice([1, 2, 64, 1024, 3])
            fields = {"encap": encap, "new_flows_table_length": length, "src_ip_sticky": chosen.random() < 0.5}
            twins.ask("retval", "lb_add_del_vip_v2", **vip, **fields, dscp=chosen.randrange(256))
        case 2:
            twins.ask("retval", "lb_add_del_vip_v2", **vip, is_del=True)
        case 3 | 4:
            fields = {"weight": chosen.randrange(256), "is_flush": chosen.random() < 0.5}
            twins.ask("retval", "lb_add_del_as_v2", **vip, as_address=server, **fields)
        case 5:
            fields = {"is_del": True, "is_flush": chosen.random() < 0.5}
            twins.ask("retval", "lb_add_del_as_v2", **vip, as_address=server, **fields)
        case 6:
            twins.ask("retval", "lb_as_set_weight", **vip, as_address=server, weight=chosen.randrange(256))
        case 7:
            tail = chosen.choice(["encap gre4", "encap gre6", "src_ip_sticky", "new_len 16", "del"])
            twins.ask("cli", f"lb vip {words} {tail}")
        case 8:
            several = " ".join(chosen.sample([f"10.0.0.{number}" for number in range(1, 6)], 3))
            twins.ask("cli", f"lb as {words} {several} {chosen.choice(['', 'weight 30', 'del', 'del flush', 'flush'])}")
        case _:
            twins.ask("cli", chosen.choice([f"lb flush vip {words}", "lb conf timeout 30", f"lb as {words}"]))


@pytest.mark.parametrize("seed", range(3))
def test_random_requests_get_the_same_answers_from_both(seed):
    chosen = random.Random(seed)
    with (
        private_vpp("real") as real,
        private_vpp("process") as simulated,
        papi_client(simulated.api_socket) as first,
        papi_client(real.api_socket) as second,
    ):
        twins = Twins((first, second))
        for step in range(600):
            random_step(chosen, twins)
            if step % 20 == 0:
                twins.compare()
        twins.compare()
