"""The command line: what VPP accepts, does and prints, and the commands that are ours."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from maglev.vppsim.simulator import Simulator
from maglev.vppsim.writes import LIMIT, WEIGHTS_LIMIT, Write, WriteLog
from tests.fakes.memory_client import MemoryClient


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def simulator(clock):
    made = Simulator(clock, fillers=0)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def client(simulator):
    return MemoryClient(simulator)


@pytest.fixture
def run(client):
    return client.run


@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("foo", "unknown input `foo'"),
        ("foo\tx\r\nshow lb", "unknown input `foo\\tx\\r\\nshow lb'"),
        ("", "unknown input `'"),
        ("s", "unknown input `s'"),
        ("show", "show: unknown input `'"),
        ("lb flush", "lb flush: unknown input `'"),
        ("lb vip 1.2.3.4", "lb vip: invalid vip prefix: '1.2.3.4'"),
        ("lb vip 1.2.3.4/33", "lb vip: invalid vip prefix: '1.2.3.4/33'"),
        ("lb vip 1.2.3.400/32", "lb vip: invalid vip prefix: '1.2.3.400/32'"),
        ("lb vip ::1/129", "lb vip: invalid vip prefix: '::1/129'"),
        ("lb vip 1.2.3.4/32 foo bar", "lb vip: parse error: 'foo bar'"),
        ("lb vip 1.2.3.4/32 delete", "lb vip: parse error: 'ete'"),
        ("lb vip 1.2.3.4/32 protocol icmp port 1", "lb vip: parse error: 'protocol icmp port 1'"),
        ("lb vip 1.2.3.4/32 del", "lb vip: lb_vip_find_index error -6"),
        ("lb vip 1.2.3.4/32 encap nat6", "lb vip: currently does not support NAT46"),
        ("lb vip ::9:0:1/128 encap nat4", "lb vip: currently does not support NAT64"),
        ("lb vip 1.2.3.4/32 dscp 3", "lb vip: lb_vip_add error: should not configure dscp for none L3DSR."),
        ("lb vip 1.2.3.4/32 encap l3dsr", "lb vip: lb_vip_add error: dscp for L3DSR should be less than 64."),
        ("lb vip 2001:db8::1/128 encap l3dsr dscp 3", "lb vip: lb_vip_add error -97"),
        ("lb as 1.2.3.4", "lb as: invalid as address: '1.2.3.4'"),
        ("lb as 1.2.3.4/32", "lb as: lb_vip_find_index error -6"),
        ("lb as 1.2.3.4/32 10.0.0.1/32", "lb as: parse error: '/32'"),
        ("lb as 1.2.3.4/32 10.0.0.1 weight -1", "lb as: parse error: 'weight -1'"),
        ("lb as 1.2.3.4/32 10.0.0.1 weight 101", "lb as: weight must be between 0 and 100"),
        ("lb as 1.2.3.4/32 10.0.0.1 del weight 1", "lb as: weight and del are mutually exclusive"),
        ("lb conf buckets 3", "lb conf: lb_conf error -70"),
        ("lb conf buckets-log2 32", "lb conf: buckets-log2 value is too high"),
        ("lb conf ip4-src-address 1.2.3.400", "lb conf: parse error: 'ip4-src-address 1.2.3.400'"),
        ("lb conf ip6-src-address 1.2.3.4", "lb conf: parse error: 'ip6-src-address 1.2.3.4'"),
        ("lb flush vip 1.2.3.4", "lb flush vip: invalid vip prefix: '1.2.3.4'"),
        ("lb flush vip 1.2.3.4/32 protocol tcp port 1", "lb flush vip: lb_vip_find_index error -6"),
        ("lb flush vip 1.2.3.4/32 now", "lb flush vip: parse error: 'now'"),
    ],
)
def test_errors(run, command, output):
    assert run(command) == (-1, output + "\n")


@pytest.mark.parametrize("command", ["lb vip", "lb as", "lb conf", "lb flush vip", "show lb vips"])
def test_nothing_to_do_is_not_an_error(run, command):
    assert run(command) == (0, "")


def test_commands_may_be_shortened_and_spaced_at_will(run):
    assert run("  lb   vip\n192.0.2.1/32   encap    gre6 ") == (0, "lb_vip_add ok 1\n")
    assert run("sh lb vi") == (0, "ip4-gre6 192.0.2.1/32 new_size:1024 #as:0\n")


def test_an_empty_command_swallows_the_next_line(run):
    assert run("show lb vips\nlb vip 192.0.2.1/32\nshow lb vips") == (0, "")


def test_the_first_error_ends_the_input_and_keeps_the_output_so_far(run):
    output = "lb_vip_add ok 1\nlb vip: lb_vip_add error -81\n"
    assert run("lb vip 192.0.2.1/32\nlb vip 192.0.2.1/32\nlb vip 192.0.2.2/32") == (-1, output)
    assert "192.0.2.2" not in run("show lb vips")[1]


def test_every_type_of_vip_has_its_lines(run):
    commands = """\
lb vip 192.0.2.1/32 encap l3dsr dscp 7
lb vip 192.0.2.2/32 protocol tcp port 80 encap nat4 type clusterip target_port 3307
lb vip 192.0.2.3/32 protocol tcp port 80 encap nat4 type nodeport target_port 3307
lb vip 2001:db8::1/128 protocol udp port 53 encap nat6 target_port 5353
lb vip 2001:db8::/64 encap gre4 src_ip_sticky new_len 16"""
    assert run(commands)[0] == 0
    assert run("show lb vips")[1].splitlines() == [
        "ip4-l3dsr 192.0.2.1/32 new_size:1024 #as:0  dscp:7",
        "ip4-nat4 192.0.2.2/32 new_size:1024 #as:0  protocol:6 port:80  type:clusterip port:20480 target_port:3307",
        "ip4-nat4 192.0.2.3/32 new_size:1024 #as:0  protocol:6 port:80  type:nodeport port:20480 target_port:3307",
        "ip6-nat6 2001:db8::1/128 new_size:1024 #as:0  protocol:17 port:53  type:clusterip port:13568 target_port:5353",
        "ip6-gre4 2001:db8::/64 new_size:16 #as:0",
    ]
    blocks = run("show lb vips verbose")[1].split("\n\n")
    assert blocks[0].startswith(" ip4-l3dsr [1] 192.0.2.1/32\n  new_size:1024\n  dscp:7\n  counters:\n")
    # VPP forgets the end of the line.
    assert "  protocol:6 port:80\n  type:clusterip port:20480 target_port:3307  counters:\n" in blocks[1]
    assert blocks[4].startswith(" ip6-gre4 [5] 2001:db8::/64 src_ip_sticky\n  new_size:16\n  counters:\n")


def test_servers_are_added_changed_and_deleted_together(run, simulator):
    run("lb vip 192.0.2.1/32")
    assert run("lb as 192.0.2.1/32 10.0.0.1 10.0.0.2") == (0, "")
    assert run("lb as 192.0.2.1/32 10.0.0.1 10.0.0.2 weight 5 flush") == (0, "")
    assert run("lb as 192.0.2.1/32 10.0.0.1 10.0.0.3") == (-1, "lb as: lb_vip_add_ass error -81\n")
    assert run("lb as 192.0.2.1/32 10.0.0.1 10.0.0.3 weight 6") == (-1, "lb as: lb_vip_set_as_weight error -6\n")
    assert simulator.weights("192.0.2.1/32") == {"10.0.0.1": 6, "10.0.0.2": 5}
    assert run("lb as 192.0.2.1/32 10.0.0.1 10.0.0.3 del") == (-1, "lb as: lb_vip_del_ass error -6\n")
    assert run("lb as 192.0.2.1/32 10.0.0.1 10.0.0.2 del flush") == (0, "")
    assert run("lb as 192.0.2.1/32") == (-1, "lb as: No AS address provided\n")
    assert simulator.weights("192.0.2.1/32") == {}


def test_settings_change_only_where_named(run):
    assert run("lb conf ip4-src-address 192.0.2.9 buckets-log2 12 timeout 50") == (0, "")
    assert run("lb conf ip6-src-address 2001:db8::9 buckets 64") == (0, "")
    assert run("show lb") == (
        0,
        "lb_main ip4-src-address: 192.0.2.9 \n ip6-src-address: 2001:db8::9 \n #vips: 1\n #ass: 0\n",
    )


def test_a_flush_tells_the_pool_index(run, simulator):
    run("lb vip 192.0.2.1/32 protocol udp port 53\nlb as 192.0.2.1/32 protocol udp port 53 10.0.0.1")
    assert run("lb flush vip 192.0.2.1/32 protocol udp port 53") == (0, "lb_flush_vip ok 1\n")
    assert simulator.writes.names() == ["lb vip", "lb as", "lb flush vip"]


def test_the_version_has_a_short_and_a_long_form(run, simulator):
    assert run("show version") == (0, "vpp v26.10-sim built by maglev-vppsim\n")
    assert f"Current PID:              {simulator.boot.pid}\n" in run("show version verbose")[1]


# Ours.


def test_faults_are_switched_on_and_off(run, simulator):
    faults = simulator.faults
    faults.split = 7  # The last of these commands switches it off before it is answered.
    commands = ["drop lb_conf 2", "delay lb_conf 1500", "retval lb_conf -5", "split 9", "split 0"]
    assert run("\n".join(f"sim fault {command}" for command in commands)) == (0, "")
    assert (faults.drops["lb_conf"], faults.delays, faults.retvals) == (2, {"lb_conf": 1.5}, {"lb_conf": -5})
    assert faults.split == 0
    assert run("sim fault none") == (0, "")
    assert (faults.drops, faults.delays, faults.retvals) == ({}, {}, {})
    assert run("sim fault drop lb_conf") == (-1, "sim fault: parse error: 'drop lb_conf'\n")
    assert run("sim fault") == (0, "")


def test_a_freeze_ends_by_itself(client, clock, simulator):
    client.request("cli_inband", cmd="sim freeze 2.5")
    client.request("control_ping")
    assert [name for name, _ in client.receive()] == ["cli_inband_reply"]
    clock.advance(2.6)
    assert [name for name, _ in client.receive()] == ["control_ping_reply"]


def test_a_restart_lets_its_answer_out_first(client, clock, simulator):
    boot = simulator.boot
    assert client.run("sim restart") == (0, "")
    assert simulator.boot is boot
    clock.advance(1)
    assert client.closed
    assert simulator.boot is not boot


# The record.


def write(weights):
    return Write(0.0, "x", "x", None, (), 0, weights)


def test_the_oldest_writes_go_first():
    log = WriteLog()
    for _ in range(LIMIT + 5):
        log.add(write({}))
    assert (len(log), log.total) == (LIMIT, LIMIT + 5)


def test_large_vips_do_not_fill_the_memory():
    log, weights = WriteLog(), dict.fromkeys(map(str, range(1000)), 100)
    for _ in range(WEIGHTS_LIMIT // 1000 + 5):
        log.add(write(weights))
    assert len(log) == WEIGHTS_LIMIT // 1000
    log.clear()
    assert (len(log), log.total) == (0, 0)
