"""What somebody else writes while a VIP is made again, and what follows when VPP refuses a write."""

from itertools import pairwise

import attrs
import pytest

from maglev.model.config import Backend
from maglev.vpp.lb.state import AddServer, AddVip, ApplicationServer, DeleteVip, Encap, SetWeight, Vip, VipKey
from maglev.vpp.sync.plan import WantedServer, WantedVip, plan_address
from maglev.vpp.sync.remaking import remaking
from tests.fakes.configs import make_config, make_frontend
from tests.fakes.lb import FakeLb
from tests.fakes.vpp_bench import FAIL, PASS, QUICK, VppInMemory

WEB = VipKey("192.0.2.1", 32, 6, 80)
TLS = WEB._replace(port=443)
ALT = WEB._replace(port=8080)
SIX = {WEB: ["2001:db8::1"]}
FOUR = {WEB: ["10.0.0.1"], TLS: ["10.0.0.1"], ALT: ["10.0.0.1"]}


class RivalLb(FakeLb):
    """A VPP that somebody else writes to as well.

    Attributes:
        rival: Called before the next script is run.
        gaps: Of each message after which a VIP that had service has none: the VIP.
        events: "read", and what was refused, in order.
    """

    def __init__(self):
        super().__init__()
        self.rival = None
        self.gaps = []
        self.events = []

    def hold(self, *keys, encap=Encap.GRE4, server="10.0.0.1"):
        """Let VPP hold just these VIPs."""
        servers = {server: ApplicationServer(server, 100)}
        self.vips = {key: Vip(key, encap, False, 1024, dict(servers)) for key in keys}

    def serving(self):
        return {key for key, vip in self.vips.items() if any(each.weight for each in vip.servers.values())}

    def _state(self):
        self.events.append("read")
        return super()._state()

    def _do_or_refuse(self, operation):
        try:
            super()._do_or_refuse(operation)
        except Exception:
            self.events.append(operation)
            raise

    def _apply_at_once(self, operations):
        if self.rival is not None:
            self.rival, rival = None, self.rival
            rival()
        before = self.serving()
        try:
            super()._apply_at_once(operations)
        finally:
            self.gaps += before - self.serving()


def of_ports(prefix, *ports, **settings):
    """Return a configuration with one backend and a VIP for each port."""
    frontends = [make_frontend(f"p{port}", port=port, pools=(("a",),)) for port in ports]
    return make_config(frontends=frontends, backends=[Backend("a", f"{prefix}1", "tcp")], checks=QUICK, **settings)


def bench_of(config):
    bench = VppInMemory(config, vpp=False)
    bench.lb = RivalLb()
    bench.connector.start_vpp(bench.lb)
    bench.wait(0.5)
    bench.lb.scripts.clear()
    bench.lb.events.clear()
    bench.writes()
    return bench


@pytest.fixture
def bench():
    made = bench_of(of_ports("2001:db8::", 80))
    yield made
    made.stop()


def move(bench):
    """Reload what has the other family, and let its backend be found in service."""
    bench.board.apply(of_ports("10.0.0.", 80, 443, 8080))
    bench.record(a=PASS)


def is_moved(bench):
    return all(bench.lb.vips[key].encap is Encap.GRE4 and key in bench.lb.serving() for key in (WEB, TLS, ALT))


# Read first


def test_what_somebody_else_has_made_already_is_not_made_again(bench):
    bench.lb.hold(WEB, TLS, ALT)
    move(bench)
    assert bench.lb.scripts == []
    assert (bench.lb.gaps, is_moved(bench)) == ([], True)
    assert bench.service.tally.failures == 0


def test_of_what_somebody_else_has_made_in_part_only_the_rest_is_made(bench):
    bench.lb.hold(WEB)
    move(bench)
    assert bench.lb.scripts == []
    assert (bench.lb.gaps, is_moved(bench)) == ([], True)
    assert bench.service.tally.failures == 0


def test_a_reload_reads_if_a_vip_is_made_again_and_only_then():
    config = of_ports("10.0.0.", 80, 443)
    bench = bench_of(config)
    bench.board.apply(of_ports("10.0.0.", 80, 443, 8080))
    assert is_moved(bench)
    assert bench.lb.events == []
    sticky = {name: attrs.evolve(frontend, src_ip_sticky=True) for name, frontend in config.frontends.items()}
    bench.board.apply(attrs.evolve(config, frontends=sticky))
    assert bench.lb.events == ["read"]
    assert {key: vip.src_ip_sticky for key, vip in bench.lb.vips.items()} == {WEB: True, TLS: True}
    bench.stop()


def test_changes_that_wait_for_a_read_wait_for_the_same_one():
    bench = bench_of(of_ports("2001:db8::", 80, 443, 8080))
    bench.board.apply(of_ports("10.0.0.", 80, 443, 8080))
    bench.lb.events.clear()
    bench.lb.manual = True
    bench.record(a=PASS)
    while bench.lb.waiting:
        bench.lb.answer()
    # The first begins at once; all that come while it is under way have one together.
    assert (bench.lb.events, len(bench.lb.scripts)) == (["read", "read"], 1)
    assert is_moved(bench)
    bench.stop()


# A script that stops halfway


def test_a_vip_made_again_serves_although_its_neighbour_is_refused(bench):
    bench.lb.rival = lambda: bench.lb.vips.update({TLS: Vip(TLS, Encap.GRE6, False, 1024, {})})
    move(bench)
    # VPP takes no neighbour of another encapsulation either: so it stops at the VIP itself.
    bench.clock.advance(0)
    assert is_moved(bench)


def test_what_was_made_meanwhile_stops_no_vip_that_served(bench):
    bench.lb.rival = lambda: bench.lb.hold(WEB, TLS, ALT)
    move(bench)
    assert bench.lb.gaps == []
    assert [each for each in bench.lb.events if each != "read"] == [AddVip(TLS, Encap.GRE4, False, 1024)]
    bench.clock.advance(0)
    assert is_moved(bench)
    assert len(bench.lb.scripts) == 1


def test_a_script_that_stops_at_a_deletion_is_made_good_at_once():
    bench = bench_of(of_ports("2001:db8::", 80, 443, 8080))
    bench.lb.rival = lambda: bench.lb.vips.pop(TLS)
    move(bench)
    assert bench.lb.gaps == [WEB]
    bench.clock.advance(0)
    assert is_moved(bench)
    bench.stop()


# After a refusal


def test_nothing_is_repeated_without_a_read():
    bench = VppInMemory(vpp=False)
    bench.lb = RivalLb()
    bench.connector.start_vpp(bench.lb)
    bench.wait(0.5)
    bench.lb.events.clear()
    bench.lb.refuse[SetWeight] = -7
    bench.record(a=FAIL)
    for _ in range(3):
        bench.record(a=PASS)
        bench.record(a=FAIL)
    refused = [index for index, each in enumerate(bench.lb.events) if each != "read"]
    assert len(refused) >= 2
    assert all("read" in bench.lb.events[a:b] for a, b in pairwise(refused))
    bench.lb.refuse.clear()
    bench.wait(31)
    assert bench.weights()["tcp://192.0.2.1:80"]["10.0.0.1"] == 0
    bench.stop()


def test_a_refused_write_is_followed_by_a_read_at_once_and_then_ever_later():
    bench = VppInMemory(vpp=False, sync_interval=3600.0)
    bench.lb = RivalLb()
    bench.connector.start_vpp(bench.lb)
    bench.wait(0.5)
    bench.lb.refuse[SetWeight] = -7
    bench.record(a=FAIL)
    reads = []
    for seconds in (0, 0, 0.9, 0.2, 1.7, 0.3, 3.6, 0.4):
        bench.lb.events.clear()
        bench.clock.advance(seconds)
        bench.clock.advance(0)
        reads.append(bench.lb.events.count("read"))
    assert reads == [1, 0, 0, 1, 0, 1, 0, 1]
    bench.lb.refuse.clear()
    bench.wait(20)
    bench.lb.vips[WEB].servers.clear()  # behind our back
    bench.record(b=FAIL)
    bench.clock.advance(0)
    assert bench.weights()["tcp://192.0.2.1:80"].keys() == {"10.0.0.1", "10.0.0.2", "10.0.0.3"}
    bench.stop()


def test_a_refused_write_does_not_put_others_off():
    config = make_config(
        frontends=[make_frontend(), make_frontend("other", address="192.0.2.2", pools=(("x",),))], checks=QUICK
    )
    bench = VppInMemory(config, vpp=False)
    bench.lb = RivalLb()
    bench.connector.start_vpp(bench.lb)
    bench.wait(0.5)
    bench.lb.refuse[SetWeight] = -7
    bench.record(a=FAIL)
    bench.lb.refuse.clear()
    bench.lb.events.clear()
    bench.record(x=FAIL)
    assert bench.lb.events == []
    assert bench.weights()["tcp://192.0.2.2:80"] == {"10.0.0.4": 0}
    bench.stop()


# The order


def in_doubt(*ports):
    """Return a bench on which VPP has just refused a weight of each VIP, and answers only when told to from now on."""
    bench = bench_of(of_ports("10.0.0.", *ports))
    bench.record(a=PASS)
    bench.lb.refuse[SetWeight] = -7
    bench.record(a=FAIL)
    bench.lb.refuse.clear()
    bench.lb.events.clear()
    bench.lb.writes.clear()
    bench.lb.manual = True
    return bench


def finish(bench):
    bench.lb.manual = False
    bench.lb.answer()
    bench.wait(0.5)


def test_a_neighbour_of_a_vip_in_doubt_is_made_when_vpp_was_read():
    bench = in_doubt(80)
    bench.board.apply(of_ports("10.0.0.", 80, 443))
    bench.lb.answer(1)
    assert (bench.lb.events, bench.lb.writes) == (["read"], [])
    finish(bench)
    assert bench.lb.vips.keys() == {WEB, TLS}
    assert bench.weights()["tcp://192.0.2.1:80"] == {"10.0.0.1": 0}
    bench.stop()


def test_a_vip_in_doubt_is_removed_when_vpp_was_read():
    bench = in_doubt(80, 443)
    bench.board.apply(of_ports("10.0.0.", 80))
    bench.lb.answer(1)
    assert (bench.lb.events, bench.lb.writes) == (["read"], [])
    finish(bench)
    assert bench.lb.vips.keys() == {WEB}
    bench.stop()


def wanted(key, encap=Encap.GRE4, *, sticky=False):
    return WantedVip(
        f"p{key.port}",
        key=key,
        encap=encap,
        src_ip_sticky=sticky,
        table_length=1024,
        servers={"10.0.0.1": WantedServer(100)},
    )


def order_of(vips, held, to_delete=frozenset()):
    plan = plan_address({vip.key: vip for vip in vips}, held, to_delete)
    return [
        (type(each).__name__, each.key.port)
        for each in remaking(plan, {vip.key: vip for vip in vips}, held)
        if not isinstance(each, AddServer)
    ]


def test_vips_that_can_be_are_made_again_one_after_the_other_and_new_ones_last():
    held = {key: Vip(key, Encap.GRE4, False, 1024, {}) for key in (WEB, TLS)}
    vips = [wanted(ALT), wanted(TLS, sticky=True), wanted(WEB, sticky=True)]
    assert order_of(vips, held) == [
        (DeleteVip.__name__, 443),
        (AddVip.__name__, 443),
        (DeleteVip.__name__, 80),
        (AddVip.__name__, 80),
        (AddVip.__name__, 8080),
    ]


def test_what_vpp_refuses_beside_one_is_deleted_before_it():
    held = {key: Vip(key, Encap.GRE6, False, 1024, {}) for key in (WEB, TLS)}
    assert order_of([wanted(WEB), wanted(ALT)], held, {TLS}) == [
        (DeleteVip.__name__, 80),
        (DeleteVip.__name__, 443),
        (AddVip.__name__, 80),
        (AddVip.__name__, 8080),
    ]
