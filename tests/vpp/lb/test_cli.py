"""The lb calls over the command line of a VPP without weights."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from maglev.model.config import LbConf
from maglev.model.errors import VppMissingError, VppProtocolError, VppRetvalError
from maglev.vpp.lb.calls import NO_SUCH_ENTRY, VALUE_EXIST
from maglev.vpp.lb.cli import LbCli
from maglev.vpp.lb.state import AddServer, AddVip, DeleteServer, DeleteVip, Encap, SetWeight, VipKey
from tests.fakes.fake_vpp import connected
from tests.fakes.outcomes import result_of

WEB = VipKey("192.0.2.1", 32, 6, 443)
DNS = VipKey("2001:db8::53", 128, 17, 53)
ALL = VipKey("192.0.2.9", 32, 255, 0)
CONF = LbConf("192.0.2.254", "2001:db8::fe", 4096, 30)
ONE, TWO = "10.0.0.1", "10.0.0.2"

SHOWN_CONF = "lb_main ip4-src-address: 192.0.2.254 \n ip6-src-address: 2001:db8::fe \n #vips: 1\n #ass: 0\n"
SHOWN_SIZES = "core 0\n  timeout: 40s\n  usage: 0 / 1027\n"
SHOWN_VIP = """ ip4-gre4 [1] 192.0.2.1/32 src_ip_sticky
  new_size:512
  protocol:6 port:443
  #as:1
    10.0.0.1 512 buckets   7 flows  dpo:9 used

"""


class CommandLineVpp:
    """A VPP that has nothing but a command line."""

    def __init__(self, without=("lb_as_set_weight",)):
        self.vpp, protocol, _ = connected(Clock(), without=list(without))
        self.lb = LbCli(protocol)
        self.output = {"show lb": SHOWN_CONF, "show lb vips verbose": ""}
        self.error = ""
        self.vpp.answers["cli_inband"] = self._answer

    def _answer(self, fields):
        if self.error and not fields.cmd.startswith("show"):
            return [("cli_inband_reply", {"retval": -1, "reply": self.error})]
        return [("cli_inband_reply", {"reply": self.output.get(fields.cmd, "")})]

    def run(self, deferred):
        self.vpp.flush()
        return result_of(deferred)

    def apply(self, *operations):
        """Return the commands that these operations lead to."""
        self.vpp.heard.clear()
        for operation in operations:
            self.run(self.lb.apply(operation))
        return [fields.cmd for _, fields in self.vpp.heard]


@pytest.fixture
def shell():
    return CommandLineVpp()


# Writing


def test_vips_are_made_and_deleted_by_command(shell):
    assert shell.apply(
        AddVip(WEB, Encap.GRE4, src_ip_sticky=True, table_length=512),
        AddVip(DNS, Encap.GRE6, src_ip_sticky=False, table_length=1),
        AddVip(ALL, Encap.GRE4, src_ip_sticky=False, table_length=1024),
        DeleteVip(WEB),
        DeleteVip(ALL),
    ) == [
        "lb vip 192.0.2.1/32 protocol tcp port 443 encap gre4 new_len 512 src_ip_sticky",
        "lb vip 2001:db8::53/128 protocol udp port 53 encap gre6 new_len 1",
        "lb vip 192.0.2.9/32 encap gre4 new_len 1024",
        "lb flush vip 192.0.2.1/32 protocol tcp port 443\nlb vip 192.0.2.1/32 protocol tcp port 443 del",
        "lb flush vip 192.0.2.9/32\nlb vip 192.0.2.9/32 del",
    ]


def test_servers_are_there_or_not(shell):
    web = "lb as 192.0.2.1/32 protocol tcp port 443 10.0.0.1"
    assert shell.apply(AddServer(WEB, ONE, 100)) == [web]
    assert shell.apply(DeleteServer(WEB, TWO, flush=False)) == [web.replace(ONE, TWO) + " del"]
    assert shell.apply(DeleteServer(WEB, ONE)) == [web + " del flush"]


def test_weights_cannot_be_set(shell):
    with pytest.raises(ValueError, match="does not support weights"):
        shell.apply(SetWeight(WEB, ONE, 0, previous=1))
    assert shell.vpp.heard == []


def test_several_writes_travel_as_one_message(shell):
    shell.run(
        shell.lb.apply_at_once([AddServer(WEB, ONE, 100), AddServer(WEB, TWO, 100), DeleteServer(WEB, "10.0.0.3")])
    )
    ((_, fields),) = shell.vpp.heard
    web = "lb as 192.0.2.1/32 protocol tcp port 443"
    assert fields.cmd == f"{web} 10.0.0.3 del flush\n{web} 10.0.0.1 10.0.0.2"


def test_the_settings_are_written_by_command(shell):
    done = shell.lb.write_conf(CONF)
    assert shell.run(done) is None
    ((_, fields),) = shell.vpp.heard
    assert fields.cmd == "lb conf ip4-src-address 192.0.2.254 ip6-src-address 2001:db8::fe buckets 4096 timeout 30"


def test_a_vpp_that_cannot_stick_says_so():
    shell = CommandLineVpp(without=["lb_add_del_vip_v2", "lb_as_set_weight"])
    assert not shell.lb.features.src_ip_sticky
    with pytest.raises(VppMissingError, match="stick"):
        result_of(shell.lb.apply(AddVip(WEB, Encap.GRE4, src_ip_sticky=True, table_length=512)))
    assert shell.vpp.heard == []


def test_what_must_never_be_sent_is_not(shell):
    for deferred in (
        shell.lb.apply(AddVip(WEB, Encap.GRE4, src_ip_sticky=False, table_length=0)),
        shell.lb.apply(AddServer(WEB, "10.0.0.1 del", 1)),
        shell.lb.apply(DeleteVip(VipKey("192.0.2.1", 32, 47, 1))),
        shell.lb.write_conf(LbConf("192.0.2.254", "2001:db8::fe", 0, 40)),
    ):
        with pytest.raises(ValueError, match=r"^invalid value for VPP|address|does not support IP protocol"):
            result_of(deferred)
    assert shell.vpp.heard == []


def test_the_code_of_a_refusal_is_in_its_text(shell):
    shell.error = f"lb as: lb_vip_add_ass error {VALUE_EXIST}\n"
    with pytest.raises(VppRetvalError, match="lb as") as info:
        shell.apply(AddServer(WEB, ONE, 1))
    assert info.value.retval == VALUE_EXIST


def test_deleting_what_is_not_there_is_no_failure(shell):
    shell.error = f"lb as: lb_vip_find_index error {NO_SUCH_ENTRY}\n"
    assert len(shell.apply(DeleteServer(WEB, ONE), DeleteVip(WEB))) == 2


def test_one_that_is_missing_among_several_is_a_failure(shell):
    shell.error = f"lb as: lb_vip_del_ass error {NO_SUCH_ENTRY}\n"
    with pytest.raises(VppRetvalError, match="lb as") as info:
        shell.run(shell.lb.apply_at_once([DeleteServer(WEB, ONE), DeleteServer(WEB, TWO)]))
    assert info.value.retval == NO_SUCH_ENTRY


def test_a_refusal_without_code_stays_what_it_is(shell):
    shell.error = "lb vip: parse error: 'x'\n"
    with pytest.raises(VppRetvalError, match="parse error") as info:
        shell.apply(DeleteVip(WEB))
    assert info.value.retval == -1


# Reading


def test_the_state_is_read_from_text_in_one_write(shell):
    shell.output["show lb"] += SHOWN_SIZES
    shell.output["show lb vips verbose"] = SHOWN_VIP
    state = shell.run(shell.lb.read_state())

    assert len(shell.vpp.writes) == 1
    assert state.conf == LbConf("192.0.2.254", "2001:db8::fe", 1024, 40)
    vip = state.vips[WEB]
    assert (vip.encap, vip.src_ip_sticky, vip.table_length, vip.pool_index) == (Encap.GRE4, True, 512, 1)
    server = vip.servers[ONE]
    assert (server.weight, server.buckets, server.flows, server.dpo) == (100, 512, 7, 9)


def test_sizes_that_vpp_does_not_show_are_those_last_written(shell):
    assert shell.run(shell.lb.read_conf()) == LbConf("192.0.2.254", "2001:db8::fe", 0, 0)
    shell.run(shell.lb.write_conf(CONF))
    assert shell.run(shell.lb.read_conf()) == CONF
    shell.output["show lb"] = SHOWN_CONF.replace(".254", ".253")
    assert shell.run(shell.lb.read_conf()) == LbConf("192.0.2.253", "2001:db8::fe", 0, 0)


def test_settings_that_were_refused_are_not_remembered(shell):
    shell.error = "lb conf: lb_conf error -70"
    with pytest.raises(VppRetvalError):
        shell.run(shell.lb.write_conf(CONF))
    assert shell.run(shell.lb.read_conf()).flow_timeout == 0


def test_text_that_is_not_settings_is_an_error(shell):
    shell.output["show lb"] = "nothing"
    with pytest.raises(VppProtocolError, match="show lb"):
        shell.run(shell.lb.read_state())
