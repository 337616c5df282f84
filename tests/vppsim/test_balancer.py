"""The rules of the lb plugin: who is refused and why, who stays how long, which slot comes next."""

from __future__ import annotations

import pytest

from maglev.vpp.lb.table import stored
from maglev.vppsim.balancer import KEEP, Balancer, CrashError
from maglev.vppsim.fib import Fib, PathType, RouteKey
from maglev.vppsim.vip import NewVip, SimVipKey, VipType, is_ip4, is_ip4_prefix, normalized

WEB = SimVipKey(stored("192.0.2.1"), 128, 6, 443)
DNS = WEB._replace(protocol=17, port=53)
ALL = WEB._replace(protocol=255, port=0)

A, B, C = (stored(f"10.0.0.{number}") for number in (1, 2, 3))


class BalancerWorld:
    """A balancer, its FIB, and the time."""

    def __init__(self, **options):
        self.time = 0.0
        self.cleared = []
        self.fib = Fib()
        self.balancer = Balancer(lambda: self.time, self.fib, self.cleared.append, **options)

    def vip(self, key=WEB, kind=VipType.IP4_GRE4, length=1024, **options):
        return self.balancer.add_vip(NewVip(key, kind, length, **options))[0]

    def servers(self, *addresses, key=WEB, weight=100, flush=False):
        return self.balancer.add_servers(key, addresses, weight, flush=flush)

    def delete(self, *addresses, key=WEB, flush=True):
        return self.balancer.delete_servers(key, addresses, flush=flush)

    def weight(self, address, weight, key=WEB, flush=False):
        return self.balancer.set_weight(key, address, weight, flush=flush)

    def indexes(self):
        return [vip.index for vip in self.balancer.shown()]

    def held(self, key=WEB):
        return [server.address for server in self.balancer.servers_of(self.balancer.find(key))]


@pytest.fixture
def world():
    return BalancerWorld()


def test_a_vip_is_found_by_any_address_of_its_prefix(world):
    key = SimVipKey(stored("192.0.2.0"), 120, 6, 80)
    world.vip(key)
    assert world.balancer.find(key._replace(prefix=stored("192.0.2.77"))).key == key
    assert world.balancer.find(key._replace(prefix=stored("192.0.3.1"))) is None


def test_the_same_vip_twice_is_refused(world):
    assert [world.vip(), world.vip()] == [0, -81]


def test_an_all_port_vip_is_alone_on_its_prefix(world):
    assert [world.vip(), world.vip(ALL)] == [0, -81]
    other = SimVipKey(stored("192.0.2.2"), 128, 255, 0)
    assert [world.vip(other), world.vip(other._replace(protocol=6, port=80))] == [0, -81]


def test_vips_on_one_prefix_share_their_type(world):
    assert [world.vip(), world.vip(DNS, VipType.IP4_GRE6), world.vip(DNS)] == [0, -73, 0]


def test_the_type_is_checked_before_the_length_and_the_length_before_the_family(world):
    world.vip()
    assert world.vip(DNS, VipType.IP4_GRE6, 3) == -73
    elsewhere = WEB._replace(prefix=stored("192.0.2.9"))
    assert world.vip(elsewhere, VipType.IP6_GRE6, 3) == -70
    assert world.vip(elsewhere, VipType.IP6_GRE6) == -97


@pytest.mark.parametrize("length", [0, 1 << 23])
def test_a_table_of_no_or_of_too_many_buckets_crashes(world, length):
    with pytest.raises(CrashError):
        world.vip(length=length)


def test_an_ipv6_prefix_longer_than_an_address_crashes(world):
    with pytest.raises(CrashError):
        world.vip(SimVipKey(stored("2001:db8::1"), 129, 6, 80), VipType.IP6_GRE6)


@pytest.mark.parametrize(("kind", "server"), [(VipType.IP4_NAT4, A), (VipType.IP6_NAT6, stored("2001:db8::1"))])
def test_a_server_of_an_all_port_vip_with_nat_crashes(world, kind, server):
    prefix = WEB.prefix if kind.is_ip4 else stored("2001:db8::9")
    key = SimVipKey(prefix, 128, 255, 0)
    world.vip(key, kind)
    with pytest.raises(CrashError):
        world.servers(server, key=key)
    one_port = SimVipKey(normalized(prefix, 120), 120, 6, 80)
    assert [world.vip(one_port, kind), world.servers(server, key=one_port)] == [0, 0]


def test_an_ipv4_prefix_longer_than_an_address_is_taken(world):
    assert world.vip(SimVipKey(stored("192.0.2.1"), 129, 6, 80)) == 0
    assert world.balancer.find(SimVipKey(stored("192.0.2.99"), 129, 6, 80)).key.prefix == bytes(16)


def test_a_new_vip_clears_its_counters(world):
    world.vip()
    world.vip(DNS)
    assert world.cleared == [1, 2]


def test_servers_have_the_family_of_the_encapsulation(world):
    world.vip(kind=VipType.IP4_GRE6)
    assert world.servers(A) == -97
    assert world.servers(stored("2001:db8::1")) == 0


def test_adding_is_all_or_nothing(world):
    world.vip()
    world.servers(B)
    assert world.servers(A, B) == -81
    assert world.servers(A, stored("2001:db8::1")) == -97
    assert world.held() == [B]


def test_several_servers_are_placed_last_first_and_each_once(world):
    world.vip()
    assert world.servers(A, B, A) == 0
    assert world.held() == [B, A]


def test_weights_go_up_to_255_and_only_for_servers_in_use(world):
    world.vip()
    world.servers(A)
    assert [world.weight(A, 255), world.weight(B, 1), world.weight(A, 1, key=DNS)] == [0, -6, -6]
    world.delete(A)
    assert world.weight(A, 1) == -6


def test_a_removed_server_comes_back_to_its_slot_with_a_new_weight(world):
    world.vip()
    world.servers(A, B)
    before = {server.address: server.index for server in world.balancer.servers_of(world.balancer.find(WEB))}
    assert world.delete(A) == 0
    assert world.servers(A, weight=7) == 0
    again = next(s for s in world.balancer.servers_of(world.balancer.find(WEB)) if s.address == A)
    assert (again.index, again.weight, again.used) == (before[A], 7, True)


def test_deleting_is_all_or_nothing_and_may_be_repeated(world):
    world.vip()
    world.servers(A, B)
    assert [world.delete(A, C), world.delete(A), world.delete(A), world.delete(A, key=DNS)] == [-6, 0, 0, -6]
    assert world.balancer.weights_of(world.balancer.find(WEB)) == {B: 100}


def test_only_a_flush_makes_flows_forget_their_server(world):
    world.vip()
    world.servers(A)
    (server,) = world.balancer.servers_of(world.balancer.find(WEB))
    server.flows = 5
    world.weight(A, 0)
    assert server.flows == 5
    world.weight(A, 0, flush=True)
    assert server.flows == 0


def test_flushing_says_that_all_is_well_whatever_there_is(world):
    assert world.balancer.flush(WEB) == 0
    world.vip()
    world.servers(A)
    (server,) = world.balancer.servers_of(world.balancer.find(WEB))
    server.flows = 5
    assert world.balancer.flush(WEB) == 0
    assert server.flows == 0


def test_removed_servers_are_collected_a_minute_after_the_last_collection(world):
    world.vip()
    world.servers(A, B)
    world.time = 30
    world.delete(A)
    world.time = 59
    world.balancer.collect()
    assert A in world.held()
    world.time = 60
    world.balancer.collect()
    assert world.held() == [B]


def test_a_server_is_kept_for_ten_seconds_at_least(world):
    world.vip()
    world.servers(A)
    world.time = 55
    world.delete(A)
    world.time = 60
    world.balancer.collect()
    assert world.held() == [A]


def test_a_server_with_flows_is_never_collected(world):
    world.vip()
    world.servers(A)
    world.balancer.servers_of(world.balancer.find(WEB))[0].flows = 1
    world.delete(A, flush=False)
    world.time = 1000
    world.balancer.collect()
    assert world.held() == [A]


def test_adding_a_server_collects_too(world):
    world.vip()
    world.servers(A)
    world.delete(A)
    world.time = 60
    world.servers(B)
    assert world.held() == [B]


def test_a_removed_vip_stays_until_its_servers_are_gone(world):
    world.vip()
    world.servers(A)
    assert world.balancer.delete_vip(WEB) == 0
    assert world.balancer.delete_vip(WEB) == -6
    world.balancer.collect()
    assert world.indexes() == [1]
    world.time = 60
    world.balancer.collect()
    assert world.indexes() == []


def test_a_removed_vip_without_servers_goes_at_the_next_collection(world):
    world.vip()
    world.balancer.delete_vip(WEB)
    world.balancer.collect()
    assert world.indexes() == []


def test_a_vip_may_come_back_at_once_with_another_type_and_in_another_slot(world):
    world.vip()
    world.servers(A)
    world.balancer.delete_vip(WEB)
    assert world.vip(kind=VipType.IP4_GRE6, sticky=True) == 0
    assert world.balancer.find(WEB).index == 2
    assert world.indexes() == [1, 2]


def test_a_slot_is_used_again_with_what_the_last_one_left_in_it(world):
    world.vip(kind=VipType.IP4_NAT4, option=1, target_port=3307)
    world.balancer.delete_vip(WEB)
    world.balancer.collect()
    world.vip(DNS)
    vip = world.balancer.find(DNS)
    assert (vip.index, vip.option, vip.target_port) == (1, 1, 3307)


def test_the_slot_of_a_server_remembers_when_the_last_one_was_deleted(world):
    world.vip()
    world.servers(A)
    world.time = 42
    world.delete(A)
    world.time = 120
    world.balancer.collect()
    world.servers(B)
    assert world.balancer.servers_of(world.balancer.find(WEB))[0].last_used == 42


def test_the_route_of_a_prefix_lives_as_long_as_any_vip_on_it(world):
    host = RouteKey(is_ip6=False, network=A[12:], length=32)
    prefix = RouteKey(is_ip6=False, network=WEB.prefix[12:], length=32)
    world.vip()
    world.vip(DNS)
    world.servers(A)
    index = world.fib.exact(prefix).index
    assert world.fib.exact(host).path is PathType.DROP
    world.balancer.delete_vip(WEB)
    assert world.fib.exact(prefix).index == index
    world.balancer.delete_vip(DNS)
    assert world.fib.exact(prefix) is None
    assert world.fib.exact(host) is not None


def test_buckets_follow_the_weights(world):
    world.vip()
    world.servers(A, B)
    vip = world.balancer.find(WEB)
    assert sorted(world.balancer.buckets_of(vip).values()) == [512, 512]
    world.weight(A, 0)
    assert list(world.balancer.buckets_of(vip).values()) == [1024]
    world.weight(B, 0)
    assert not world.balancer.buckets_of(vip)


def test_a_release_without_weights_counts_every_server_once():
    world = BalancerWorld(weighted=False)
    world.vip()
    world.servers(A, weight=10)
    world.servers(B)
    assert sorted(world.balancer.buckets_of(world.balancer.find(WEB)).values()) == [512, 512]


def test_settings_are_kept_where_they_are_asked_to_be(world):
    balancer = world.balancer
    assert balancer.configure(b"1234", bytes(16), KEEP, KEEP) == 0
    assert (balancer.conf.buckets, balancer.conf.timeout, balancer.conf.ip4_source) == (1024, 40, b"1234")
    assert balancer.configure(b"5678", bytes(16), 3, 1) == -70
    assert balancer.conf.ip4_source == b"1234"
    assert balancer.configure(b"5678", bytes(16), 0, 0) == 0


@pytest.mark.parametrize(
    ("address", "length", "expected"),
    [
        ("192.0.2.77", 120, "192.0.2.0"),
        ("192.0.2.77", 128, "192.0.2.77"),
        ("192.0.2.77", 96, "0.0.0.0"),
        ("2001:db8::1", 0, "::"),
        ("2001:db8::1", 64, "2001:db8::"),
        ("2001:db8::1", 65, "2001:db8::"),
        ("2001:dbf::1", 29, "2001:db8::"),
    ],
)
def test_host_bits_are_cut_off(address, length, expected):
    assert normalized(stored(address), length) == (bytes(16) if expected == "0.0.0.0" else stored(expected))


def test_whatever_starts_with_zeros_is_taken_for_ipv4():
    assert is_ip4(stored("::1"))
    assert not is_ip4(stored("::1:0:0"))
    assert not is_ip4_prefix(stored("::1"), 64)
