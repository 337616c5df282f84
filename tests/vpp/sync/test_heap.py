"""Flow tables that do not fit VPP's memory are not sent, and everything else is."""

import attrs
import pytest
from twisted.internet.defer import Deferred, fail, succeed

from maglev.model.config import ForeignVips, LbConf
from maglev.model.errors import VppRetvalError
from maglev.vpp.lb.state import Encap, Vip, VipKey
from maglev.vpp.sync.heap import Heap, HeapGuard, count_workers, parse_heap
from tests.fakes.configs import make_config
from tests.fakes.logs import recorded_events
from tests.fakes.outcomes import result_of
from tests.fakes.vpp_bench import QUICK, VppInMemory

HEAP = """\
  base 0x7fe4de516000, size 256m, locked, unmap-on-destroy, name 'main heap'
    page stats: page-size 4K, total 65536, populated 31356, not-populated 34180
      numa 0: 31356 pages, 122.48m bytes
    total: {total}, used: 29.46M, free: {free}, trimmable: 133.52M
"""
THREADS = """\
\x1b[33mID\x1b[0m  Name  LWP
 0\x1b[0m vpp_main\x1b[0m 18677
 1\x1b[0m vpp_wk_0\x1b[0m 18678
 2\x1b[0m vpp_wk_1\x1b[0m 18679
"""
HELD = LbConf("192.0.2.254", "2001:db8::fe", 1024, 40)
TALLY = type("Tally", (), {"failures": 0})


class Cli:
    def __init__(self, total="1.00G", free="900.00M", threads=THREADS):
        self.texts = {"show memory main-heap": HEAP.format(total=total, free=free), "show threads": threads}
        self.asked = []

    def cli(self, command):
        self.asked.append(command)
        text = self.texts[command]
        return succeed(text) if isinstance(text, str) else fail(text)


def fitted(cli, buckets, held=HELD):
    tally = TALLY()
    with recorded_events() as events:
        guard = HeapGuard(cli, tally)
        for _ in range(2):
            conf = result_of(
                Deferred.fromCoroutine(guard.fitting(attrs.evolve(HELD, sticky_buckets_per_core=buckets), held))
            )
    told = [fields for name, fields in events if name == "vpp-lb-conf-too-large"]
    return conf.sticky_buckets_per_core, tally.failures, told


def test_what_vpp_says_is_read():
    assert parse_heap(HEAP.format(total="256.00M", free="226.54M")) == Heap(256 << 20, 226.54 * (1 << 20))
    assert parse_heap(HEAP.format(total="1.00G", free="12")) == Heap(1 << 30, 12)
    for text in ("", "total: 1", HEAP.format(total="9" * 5000, free="1M"), HEAP.format(total="1X", free="1M")):
        assert parse_heap(text) is None
    assert count_workers(THREADS) == 2
    assert count_workers("") == 0


def test_usual_numbers_are_sent_without_a_question():
    cli = Cli(free="1K")
    assert fitted(cli, 65536) == (65536, 0, [])
    # What VPP has is no more with fewer.
    assert fitted(cli, 1 << 20, attrs.evolve(HELD, sticky_buckets_per_core=1 << 20)) == (1 << 20, 0, [])
    assert cli.asked == []


@pytest.mark.parametrize(
    ("buckets", "sent"), [(1 << 22, 1 << 22), (1 << 23, 1024), (1 << 24, 1024)], ids=["768M", "1.5G", "3G"]
)
def test_what_does_not_fit_on_all_threads_is_not_sent_and_told_once(buckets, sent):
    found, failures, told = fitted(Cli(), buckets)
    assert found == sent
    if sent == buckets:
        assert (failures, told) == (0, [])
    else:
        assert failures == 2
        ((fields),) = told
        assert fields["needed_mib"] == buckets * 64 * 3 >> 20
        assert (fields["threads"], fields["free_mib"], fields["kept"]) == (3, 900, 1024)


def test_vpp_keeps_some_memory_for_all_else():
    assert fitted(Cli(total="1.00G", free="1000.00M"), 1 << 22)[0] == 1 << 22
    assert fitted(Cli(total="1.00G", free="800.00M"), 1 << 22)[0] == 1024


def test_a_vpp_that_does_not_say_gets_what_is_wanted():
    cli = Cli()
    cli.texts["show memory main-heap"] = VppRetvalError("cli_inband", -1, "unknown")
    assert fitted(cli, 1 << 24) == (1 << 24, 0, [])


def test_a_vpp_that_does_not_say_what_it_has_keeps_what_it_begins_with():
    assert fitted(Cli(), 1 << 24, attrs.evolve(HELD, sticky_buckets_per_core=0))[0] == 1024
    assert fitted(Cli(), 1 << 24, None)[0] == 1024


def test_the_rest_of_the_sync_goes_on():
    config = make_config(checks=QUICK)
    vpp = attrs.evolve(config.vpp, conf=attrs.evolve(config.vpp.conf, sticky_buckets_per_core=1 << 24))
    bench = VppInMemory(attrs.evolve(config, vpp=vpp), vpp=False)
    bench.connector.start_vpp()
    bench.connector.lb.text = HEAP.format(total="1.00G", free="900.00M")
    bench.wait(1)
    assert bench.connector.lb.conf == attrs.evolve(vpp.conf, sticky_buckets_per_core=1024)
    assert bench.connector.lb.vips
    assert bench.service.tally.failures == 1
    bench.stop()


def test_a_server_with_the_address_of_somebody_elses_vip_is_not_added():
    bench = VppInMemory(vpp=False, foreign_vips=ForeignVips.KEEP)
    bench.connector.start_vpp()
    lb = bench.connector.lb
    for key in (VipKey("10.0.0.1", 32, 255, 0), VipKey("10.0.0.2", 31, 255, 0)):
        lb.vips[key] = Vip(key, Encap.GRE4, False, 1024, {})
    with recorded_events() as events:
        bench.wait(1)
    ours = next(vip for key, vip in lb.vips.items() if key.address == "192.0.2.1")
    assert not ours.servers.keys() & {"10.0.0.1", "10.0.0.2", "10.0.0.3"}
    errors = [fields["error"] for name, fields in events if name == "vpp-lbsync-refused"]
    assert any("the address of the VIP 10.0.0.1" in error for error in errors)
    bench.stop()
