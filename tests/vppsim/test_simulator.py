"""The simulator without sockets, on a clock that only moves when told: requests, dumps, faults, lives."""

from __future__ import annotations

import struct
import subprocess
import sys

import pytest
from twisted.internet.task import Clock

from maglev.vppsim.faults import ALWAYS
from maglev.vppsim.release import Release
from maglev.vppsim.simulator import Simulator
from maglev.vppsim.writes import VipName
from tests.fakes.memory_client import HEADER, MemoryClient

WEB = {"pfx": "192.0.2.1/32", "protocol": 6, "port": 443}
WEB_NAME = VipName("192.0.2.1/32", 6, 443)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def simulator(clock):
    made = Simulator(clock, fillers=10, wall=lambda: 1_700_000_000 + clock.seconds())
    made.start()
    yield made
    made.stop()
    assert not clock.getDelayedCalls()


@pytest.fixture
def client(simulator):
    return MemoryClient(simulator)


def verbose(client):
    return client.run("show lb vips verbose")[1]


def add_web(client, *servers, **vip):
    assert client.call("lb_add_del_vip_v2", **WEB, **vip).retval == 0
    for server in servers:
        assert client.call("lb_add_del_as_v2", **WEB, as_address=server).retval == 0


# Talking.


def test_the_table_has_fixed_numbers_for_memclnt_only(clock):
    seen = set()
    for seed in range(5):
        simulator = Simulator(clock, seed=seed, fillers=0)
        simulator.start()
        table = MemoryClient(simulator).table
        assert table["sockclnt_create_455fb9c4"] == 15
        assert table["control_ping_51077d14"] == 23
        assert len(table) > 800
        assert len(set(table.values())) == len(table)
        seen.add(table["lb_as_set_weight_2d89bdbd"])
        simulator.stop()
    assert len(seen) > 1


def test_a_ping_tells_the_process_and_echoes_the_context(client, simulator):
    answer = client.call("control_ping")
    assert (answer.retval, answer.vpe_pid, answer.client_index) == (0, simulator.boot.pid, client.index)


def test_frames_may_come_byte_by_byte_or_all_at_once(client):
    message = struct.pack(">HII", 23, client.index, 9)
    frame = HEADER.pack(0, len(message), 0) + message
    for byte in frame:
        client.protocol.dataReceived(bytes([byte]))
    assert [name for name, _ in client.receive()] == ["control_ping_reply"]
    client.protocol.dataReceived(frame * 3)
    assert len(client.receive()) == 3


@pytest.mark.parametrize(
    "message",
    [b"", b"\0", struct.pack(">HII", 60000, 1, 1), struct.pack(">HI", 23, 1), struct.pack(">HIi", 22, 5, 0)],
    ids=["empty", "one-byte", "unknown", "short", "keepalive"],
)
def test_what_vpp_does_not_understand_it_does_not_answer(client, message):
    client.send(message)
    assert client.receive() == []
    assert client.call("control_ping").retval == 0


def test_a_wrong_client_index_gets_no_answer_but_is_obeyed(client, simulator):
    client.request("lb_add_del_vip_v2", **WEB, client_index=0)
    assert client.receive() == []
    assert WEB_NAME in simulator.vips()


def test_a_farewell_is_answered_and_closes(client):
    answer = client.call("sockclnt_delete", index=client.index)
    assert answer.response == 1
    assert client.closed


def test_a_farewell_of_somebody_else_is_refused(client):
    assert client.call("sockclnt_delete", index=client.index + 5).response == -1
    assert not client.closed


def test_clients_have_indexes_of_their_own(client, simulator):
    other = MemoryClient(simulator)
    assert {client.index, other.index} == {0x80000001, 0x80000002}
    other.transport.loseConnection()
    assert MemoryClient(simulator).index == other.index


def test_who_sends_too_much_is_hung_up_on(client):
    client.protocol.dataReceived(HEADER.pack(0, 1 << 30, 0) + b"x")
    assert client.closed


def test_versions_and_descriptions_are_told(client):
    version = client.call("show_version")
    assert (version.program, version.version) == ("vpe", "26.10-sim")
    assert '"lb_as_set_weight"' in client.call("get_api_json").json


def test_a_length_that_overflows_kills_vpp(client, simulator):
    client.protocol.dataReceived(HEADER.pack(0, 0xFFFFFFF0, 0) + b"x")
    assert client.closed
    assert not simulator.running


# Load balancing.


def test_vips_and_servers_are_told_as_they_were_added(client):
    add_web(client, "10.0.0.1", "10.0.0.2", src_ip_sticky=True)
    (vip,) = client.dump("lb_vip_dump")
    assert (vip.vip.protocol, vip.vip.port, vip.encap, vip.flow_table_length) == (6, 443, 0, 1024)
    first, second = client.dump("lb_as_v2_dump")
    assert (first.flags, first.weight, first.num_buckets) == (1, 100, 512)
    assert second.app_srv.un.ip4 == b"\x0a\0\0\2"
    assert client.dump("lb_as_dump")[0].flags == 1


def test_a_dump_filter_knows_only_raw_bytes(client):
    add_web(client, "10.0.0.1")
    assert client.dump("lb_as_v2_dump", **WEB) == []
    raw = {"pfx": "::192.0.2.1/12", "protocol": 6, "port": 443}
    assert len(client.dump("lb_as_v2_dump", **raw)) == 1
    assert len(client.dump("lb_vip_dump", pfx="203.0.113.1/32")) == 1


def test_removed_servers_stay_in_dumps_and_removed_vips_do_not(client):
    add_web(client, "10.0.0.1")
    client.call("lb_add_del_vip_v2", **WEB, is_del=True)
    assert client.dump("lb_vip_dump") == []
    assert [server.flags for server in client.dump("lb_as_v2_dump")] == [0]


def test_what_was_removed_is_collected_within_two_minutes(client, clock, simulator):
    add_web(client, "10.0.0.1")
    client.call("lb_add_del_vip_v2", **WEB, is_del=True)
    clock.pump([1] * 119)
    assert client.dump("lb_as_v2_dump") == []
    assert list(simulator.boot.balancer.shown()) == []


def test_the_length_of_the_largest_table_reads_zero(client):
    add_web(client, new_flows_table_length=65536)
    assert client.dump("lb_vip_dump")[0].flow_table_length == 0


def test_the_target_port_is_told_with_its_bytes_swapped(client):
    add_web(client, encap=3, target_port=3307)
    assert client.dump("lb_vip_dump")[0].target_port == 60172


def test_a_table_without_buckets_kills_vpp(client, simulator):
    client.request("lb_add_del_vip_v2", **WEB, new_flows_table_length=0)
    assert client.closed
    assert not simulator.running


def test_settings_are_read_back(client):
    addresses = {"ip4_src_address": "10.9.9.9", "ip6_src_address": "2001:db8::9"}
    assert client.call("lb_conf", **addresses, sticky_buckets_per_core=65536).retval == 0
    conf = client.call("lb_conf_get")
    assert (conf.ip4_src_address, conf.sticky_buckets_per_core, conf.flow_timeout) == (b"\x0a\x09\x09\x09", 65536, 40)


def test_routes_are_counted_under_the_index_that_show_tells(client, simulator):
    add_web(client, "10.0.0.1")
    route = client.call("ip_route_lookup", exact=1, prefix="10.0.0.1/32").route
    assert f"    10.0.0.1 weight:100 buckets:1024 flows:0 dpo:{route.stats_index} used\n" in verbose(client)
    assert client.call("ip_route_lookup", exact=1, prefix="10.0.0.9/32").retval == -6
    assert client.call("ip_route_lookup", prefix="10.0.0.9/32").route.prefix.len == 0


# Counters.


def read(simulator, name, index):
    return simulator.boot.segment.read(name, index)


def test_counters_of_vips_come_with_the_first_vip(client, simulator):
    assert "first session packet" not in simulator.boot.segment
    add_web(client)
    simulator.count(WEB_NAME, existing=5, first=2, untracked=1, no_server=3, octets=700)
    assert simulator.boot.counts_of(1) == [5, 2, 1, 3]
    index = client.call("ip_route_lookup", exact=1, prefix="192.0.2.1/32").route.stats_index
    assert read(simulator, "/net/route/to", index) == (11, 700)
    assert "    first session packet: 2\n" in verbose(client)


def test_a_slot_that_is_used_again_counts_from_zero(client, simulator):
    add_web(client)
    simulator.count(WEB_NAME, first=2)
    client.call("lb_add_del_vip_v2", **WEB, is_del=True)
    client.run("lb conf timeout 40")
    add_web(client)
    assert simulator.boot.counts_of(1) == [0, 0, 0, 0]


def test_sessions_go_where_the_buckets_point(client, simulator):
    add_web(client, "10.0.0.1", "10.0.0.2")
    client.call("lb_as_set_weight", **WEB, as_address="10.0.0.2", weight=0)
    simulator.carry(WEB_NAME, 100, packets=4, octets=100)
    indexes = [
        client.call("ip_route_lookup", exact=1, prefix=f"10.0.0.{number}/32").route.stats_index for number in (1, 2)
    ]
    assert [read(simulator, "/net/route/via", index) for index in indexes] == [(400, 400 * 124), (0, 0)]
    assert simulator.boot.counts_of(1) == [300, 100, 0, 0]
    client.call("lb_as_set_weight", **WEB, as_address="10.0.0.1", weight=0)
    simulator.carry(WEB_NAME, 1)
    assert simulator.boot.counts_of(1)[3] == 10


def test_all_sessions_are_carried_by_somebody(client, simulator):
    add_web(client, "10.0.0.1", "10.0.0.2", "10.0.0.3")
    simulator.carry(WEB_NAME, 7, packets=1)
    segment = simulator.boot.segment
    assert sum(segment.read("/net/route/via", index)[0] for index in range(segment["/net/route/via"].columns)) == 7


def test_counting_for_strangers_is_an_error(client, simulator):
    add_web(client, "10.0.0.1")
    simulator.count_server("10.0.0.1", 3, 300)
    with pytest.raises(KeyError):
        simulator.count_server("10.0.0.9", 1, 1)
    with pytest.raises(KeyError):
        simulator.count(VipName("192.0.2.9/32", 6, 443))
    with pytest.raises(KeyError):
        simulator.stick(WEB_NAME, "10.0.0.9", 1)


def test_sticking_flows_keep_a_deleted_server(client, clock, simulator):
    add_web(client, "10.0.0.1")
    simulator.stick(WEB_NAME, "10.0.0.1", 3)
    client.call("lb_add_del_as_v2", **WEB, as_address="10.0.0.1", is_del=True)
    clock.pump([1] * 200)
    assert len(client.dump("lb_as_v2_dump")) == 1
    assert "flows:3" in verbose(client)


def test_the_heart_beats_every_ten_seconds_unless_frozen(simulator, clock):
    segment = simulator.boot.segment
    assert (segment.get("/sys/boottime"), segment.get("/sys/heartbeat")) == (1_700_000_000, 1)
    clock.pump([10, 10])
    assert segment.get("/sys/heartbeat") == 3
    simulator.freeze()
    clock.pump([10, 10])
    assert segment.get("/sys/heartbeat") == 3


# Faults.


def test_a_dropped_answer_was_carried_out_all_the_same(client, simulator):
    simulator.faults.drop("lb_add_del_vip_v2")
    client.request("lb_add_del_vip_v2", **WEB)
    assert client.receive() == []
    assert client.call("lb_add_del_vip_v2", **WEB).retval == -81
    simulator.faults.drop("control_ping", ALWAYS)
    for _ in range(3):
        client.request("control_ping")
    assert client.receive() == []


def test_a_delayed_answer_holds_up_everything_behind_it(client, clock, simulator):
    simulator.faults.delays["show_version"] = 2.0
    client.request("show_version")
    client.request("control_ping")
    clock.advance(1.9)
    assert client.receive() == []
    clock.advance(0.2)
    assert [name for name, _ in client.receive()] == ["show_version_reply", "control_ping_reply"]


def test_a_retval_can_be_had_instead_of_the_deed(client, simulator):
    simulator.faults.retvals["lb_add_del_vip_v2"] = -12
    assert client.call("lb_add_del_vip_v2", **WEB).retval == -12
    assert simulator.vips() == {}
    assert len(simulator.writes) == 0


def test_frames_can_be_split_over_many_turns(client, clock, simulator):
    simulator.faults.split = 5
    client.request("control_ping")
    assert client.receive() == []
    assert len(client._received) == 5
    clock.pump([0] * 10)
    assert [name for name, _ in client.receive()] == ["control_ping_reply"]


def test_a_farewell_in_pieces_is_still_whole(client, clock, simulator):
    simulator.faults.split = 5
    client.request("sockclnt_delete", index=client.index)
    client.request("control_ping")
    clock.pump([0] * 10)
    assert [name for name, _ in client.receive()] == ["sockclnt_delete_reply"]
    assert client.closed


def test_a_connection_can_break_in_the_middle_of_a_dump(client, simulator):
    add_web(client, "10.0.0.1", "10.0.0.2", "10.0.0.3")
    simulator.faults.hang_up_after = 2
    client.request("lb_as_v2_dump")
    client.request("control_ping")
    assert [name for name, _ in client.receive()] == ["lb_as_v2_details"] * 2
    assert client.closed
    assert len(MemoryClient(simulator).dump("lb_as_v2_dump")) == 3


def test_a_frozen_vpp_answers_when_it_thaws(client, clock, simulator):
    simulator.freeze(3)
    client.request("control_ping")
    clock.advance(2.9)
    assert client.receive() == []
    clock.advance(0.2)
    assert len(client.receive()) == 1


def test_faults_can_be_cleared(simulator):
    simulator.faults.drop("control_ping", ALWAYS)
    simulator.faults.split = 3
    simulator.faults.clear()
    assert not simulator.faults.is_dropped("control_ping")
    assert simulator.faults.split == 0


# Lives.


def test_a_restart_forgets_everything_and_changes_the_numbers(client, clock, simulator):
    add_web(client, "10.0.0.1")
    pid, segment, number = simulator.boot.pid, simulator.boot.segment, client.table["lb_vip_dump_56110cb7"]
    clock.advance(30)
    simulator.restart()
    assert client.closed
    assert segment.fd is None
    again = MemoryClient(simulator)
    assert again.dump("lb_vip_dump") == []
    assert again.call("control_ping").vpe_pid != pid
    assert simulator.boot.segment.get("/sys/boottime") == 1_700_000_030
    assert again.table["lb_vip_dump_56110cb7"] != number


def test_a_stopped_one_has_no_life(clock):
    simulator = Simulator(clock, fillers=0)
    assert not simulator.running
    with pytest.raises(RuntimeError):
        _ = simulator.boot
    with pytest.raises(RuntimeError):
        _ = simulator.factory
    simulator.start()
    client = MemoryClient(simulator)
    stopped = simulator.stop()
    assert client.closed
    assert stopped.called
    assert simulator.stop().called


# The record of writes.


def test_writes_are_recorded_in_order_with_what_they_led_to(client, simulator):
    add_web(client, "10.0.0.1", "10.0.0.2")
    client.call("lb_as_set_weight", **WEB, as_address="10.0.0.2", weight=50)
    client.call("lb_as_set_weight", **WEB, as_address="10.0.0.1", weight=0)
    client.dump("lb_as_v2_dump")
    assert simulator.writes.names() == ["lb_add_del_vip_v2", *["lb_add_del_as_v2"] * 2, *["lb_as_set_weight"] * 2]
    assert [write.weights for write in simulator.writes][-2:] == [
        {"10.0.0.1": 100, "10.0.0.2": 50},
        {"10.0.0.1": 0, "10.0.0.2": 50},
    ]
    assert simulator.writes[-1].vip == WEB_NAME
    assert simulator.writes[-1].servers == ("10.0.0.1",)
    assert simulator.weights("192.0.2.1/32", 6, 443) == {"10.0.0.1": 0, "10.0.0.2": 50}


def test_refused_writes_are_recorded_with_their_retval(client, simulator):
    client.call("lb_as_set_weight", **WEB, as_address="10.0.0.2", weight=50)
    assert (simulator.writes[0].retval, simulator.writes[0].weights) == (-6, {})


def test_commands_that_write_are_recorded_and_those_that_show_are_not(client, simulator):
    client.run("lb vip 192.0.2.1/32 protocol tcp port 443\nlb as 192.0.2.1/32 protocol tcp port 443 10.0.0.1")
    client.run("show lb vips verbose")
    assert simulator.writes.names() == ["lb vip", "lb as"]
    assert simulator.writes[1].weights == {"10.0.0.1": 100}


def test_writes_can_be_counted_from_outside(client):
    add_web(client, "10.0.0.1")
    retval, output = client.run("show sim writes")
    assert retval == 0
    assert output.splitlines()[0] == "writes: 2"
    assert "192.0.2.1/32 protocol 6 port 443 weight 100" in output
    client.run("clear sim")
    assert client.run("show sim") == (0, "writes: 0\n")


# Older releases.


def names_of(release):
    simulator = Simulator(Clock(), release=release, fillers=0)
    simulator.start()
    names = {name.rpartition("_")[0] for name in MemoryClient(simulator).table}
    simulator.stop()
    return names


def test_older_releases_lack_messages():
    new = names_of(Release.WEIGHTED)
    weights = {"lb_conf_get", "lb_add_del_as_v2", "lb_as_set_weight", "lb_as_v2_dump"}
    gone = {f"{name}_reply" for name in weights - {"lb_as_v2_dump"}} | weights | {"lb_as_v2_details"}

    def lost(release):
        return {name for name in new - names_of(release) if not name.startswith("stranger")}

    assert lost(Release.UNWEIGHTED) == gone
    assert lost(Release.UNDESCRIBED) == gone | {"get_api_json", "get_api_json_reply"}
    assert lost(Release.UNSTICKY) - lost(Release.UNDESCRIBED) == {"lb_add_del_vip_v2", "lb_add_del_vip_v2_reply"}
    assert all(name.startswith("lb_") for name in lost(Release.BARE))


@pytest.fixture
def old(clock):
    simulator = Simulator(clock, release=Release.UNWEIGHTED, fillers=0)
    simulator.start()
    yield MemoryClient(simulator)
    simulator.stop()


def test_the_old_binary_api_takes_ipv4_for_ipv6(old):
    assert old.call("lb_add_del_vip_v2", **WEB).retval == 0
    assert " ip6-gre4 [1] ::/32\n" in verbose(old)


def test_the_old_command_line_works_and_shows_the_old_lines(old):
    old.run("lb vip 192.0.2.1/32 protocol tcp port 443 encap gre4 src_ip_sticky")
    assert old.run("lb as 192.0.2.1/32 protocol tcp port 443 10.0.0.1 10.0.0.2") == (0, "")
    assert old.run("lb as 192.0.2.1/32 protocol tcp port 443 10.0.0.1 weight 4")[0] == -1
    output = verbose(old)
    assert " ip4-gre4 [1] 192.0.2.1/32 src_ip_sticky\n" in output
    assert "    10.0.0.1 512 buckets   0 flows  dpo:" in output
    assert old.run("show lb vips") == (0, "")


def test_old_details_lie(old):
    old.run("lb vip 192.0.2.1/32 protocol tcp port 443 encap gre4")
    old.run("lb vip 192.0.2.2/32 del\nlb vip 192.0.2.2/32")
    (vip,) = old.dump("lb_vip_dump")
    assert (vip.vip.pfx.len, vip.vip.protocol, vip.encap, vip.flow_table_length) == (128, 0, 3, 0)


def test_old_releases_collect_only_when_a_command_asks(old, clock):
    old.run("lb vip 192.0.2.1/32")
    old.run("lb vip 192.0.2.1/32 del")
    clock.pump([1] * 200)
    assert "removed" in verbose(old)
    old.run("lb conf timeout 40")
    assert old.run("show lb vips verbose") == (0, "")


def test_without_the_plugin_there_are_no_commands_either():
    simulator = Simulator(Clock(), release=Release.BARE, fillers=0)
    simulator.start()
    assert MemoryClient(simulator).run("show lb") == (-1, "show: unknown input `lb'\n")
    simulator.stop()


def test_importing_the_simulator_installs_no_reactor():
    check = "import sys, maglev.vppsim.program; sys.exit('twisted.internet.reactor' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
