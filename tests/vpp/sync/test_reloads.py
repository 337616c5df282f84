"""Random reloads that rename, replace and move servers that all work: no VIP is ever without weight."""

from __future__ import annotations

import os
import random

import attrs
import pytest

from maglev.config.load import load_text
from maglev.model.config import Backend, Pool, PoolMember
from maglev.model.health import State
from tests.fakes.configs import make_config, make_frontend
from tests.fakes.random_reloads import RandomReloads
from tests.fakes.vpp_bench import PASS, QUICK, VppInMemory

ROUNDS = int(os.environ.get("MAGLEV_TEST_ROUNDS", "25"))


class ReloadedSite:
    """A VPP that follows files, whose servers answer some time after each reload."""

    def __init__(self, seed, weights):
        self.files = RandomReloads(seed, 80, startup_min_delay="0s", sync_interval="5s", weights=weights)
        self.random = random.Random(seed)
        self.bench = VppInMemory(load_text(self.files.text).config)
        self.bench.wait(1)

    def reload(self):
        self.files.edit()
        self.bench.board.apply(load_text(self.files.text).config)
        self.bench.wait(self.random.choice([0.05, 0.2]))

    def prove(self, share):
        """Let this share of the unknown backends be proved, one after the other."""
        backends = self.bench.board.backends
        unknown = [name for name in backends if backends[name].state is State.UNKNOWN]
        for name in self.random.sample(unknown, round(share * len(unknown))):
            self.bench.board.record(name, PASS)
            self.bench.wait(self.random.choice([0, 0.05, 0.1]))

    def expected(self):
        """Return the programmed weights, which a scale makes of those of the file."""
        statuses = {f"tcp://192.0.2.1:{status.frontend.l4_port}": status for status in self.frontends.values()}
        expected = {f"tcp://192.0.2.1:{port}": weights for (_, _, port), weights in self.files.expected.items()}
        return {
            vip: {address: statuses[vip].scales[statuses[vip].active][weight] for address, weight in weights.items()}
            for vip, weights in expected.items()
        }

    @property
    def frontends(self):
        return self.bench.board.frontends


@pytest.mark.parametrize("seed", range(max(6, ROUNDS // 25)))
@pytest.mark.parametrize("weights", ["as-written", "least-moving"])
def test_no_reload_takes_the_last_weight_from_a_vip_and_each_ends_as_the_file_says(seed, weights):
    site = ReloadedSite(seed, weights)
    for number in range(ROUNDS):
        edits = []
        # Every fourth reload comes before the one before has settled.
        for share in [0.5, 1] if number % 4 == 3 else [1]:
            site.reload()
            edits += site.files.edits
            site.prove(share)
        # The servers that were removed last have drained by then.
        site.bench.wait(1.1)
        assert site.bench.lb.zero_moments == [], f"round {number}: {edits}"
        assert site.bench.weights() == site.expected(), f"round {number}: {edits}"
    site.bench.stop()


def test_a_weight_stays_at_its_address_while_names_move_there_and_back_unproved():
    def config(first, second):
        """Return two backends, by these names; each may serve in one VIP only."""
        backends = [Backend(first, "10.0.0.1", "tcp"), Backend(second, "10.0.0.2", "tcp")]
        web = attrs.evolve(
            make_frontend("web", port=80),
            pools=(Pool("p0", (PoolMember(first, 50),)), Pool("p1", (PoolMember(second, 0),))),
        )
        tls = make_frontend("tls", port=443, pools=((second,),))
        return make_config([web, tls], backends, QUICK)

    bench = VppInMemory(config("a", "b"))
    before = bench.weights()
    assert before["tcp://192.0.2.1:80"] == {"10.0.0.1": 50, "10.0.0.2": 0}
    for names in [("b", "a"), ("a", "b"), ("b", "a")]:
        bench.board.apply(config(*names))
        bench.wait(1)
        assert bench.weights() == before
    bench.stop()
