"""Random configurations and random changes by hand, always the same for a seed."""

from __future__ import annotations

import random

from maglev.model.config import Backend, ForeignVips, Frontend, LbConf, Pool, PoolMember, Transport, WeightScale
from maglev.model.health import Lifecycle
from maglev.model.result import Code, Result
from tests.fakes.configs import make_check, make_config

ADDRESSES = ("192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2")
PORTS = (80, 443, 53)
FAMILIES = ("10.0.0.", "2001:db8:a::")
FOREIGN = "192.0.2.99"
CHECK = make_check(rise=1, fall=1)


class RandomSite:
    """Makes configurations of a few frontends, and troubles those who have them.

    Attributes:
        random: Where everything comes from.
    """

    def __init__(self, seed, servers=6):
        self.random = random.Random(seed)
        self._servers = servers
        # One that came back after we had deleted it would be taken for another daemon's.

    def config(self, **vpp):
        """Return a valid configuration."""
        backends = [
            Backend(f"{name}{n}", f"{prefix}{n}", "tcp", enabled=self.random.random() < 0.9)
            for name, prefix in zip("ab", FAMILIES, strict=True)
            for n in range(1, self._servers + 1)
        ]
        frontends = []
        for address in self.random.sample(ADDRESSES, self.random.randint(0, 3)):
            names = [backend.name for backend in backends if backend.name[0] == self.random_family]
            if self.random.random() < 0.2:
                frontends.append(self._frontend(address, None, 0, names))
            else:
                ports = self.random.sample(PORTS, self.random.randint(1, 3))
                frontends += [self._frontend(address, self._transport(), port, names) for port in ports]
            self._family = None
        conf = LbConf("192.0.2.254", "2001:db8::fe", 1024, self.random.choice([40, 41]))
        keep = self.random.choice([ForeignVips.KEEP, ForeignVips.REMOVE, ForeignVips.REMOVE])
        settings = {"conf": conf, "foreign_vips": keep, "sync_interval": 10.0, **vpp}
        return make_config(frontends=frontends, backends=backends, checks=[CHECK], **settings)

    def happen(self, board):
        """Let something happen to a few backends."""
        for name in self.random.sample(list(board.backends), 4):
            if self.random.random() < 0.7:
                board.record(name, Result(self.random.choice([Code.L4OK, Code.L4CON])))
                continue
            event = self.random.choice(
                [Lifecycle.PAUSE, Lifecycle.RESUME, Lifecycle.DRAIN, Lifecycle.DISABLE, Lifecycle.ENABLE]
            )
            try:
                board.happen(name, event)
            except Exception:
                board.record(name, Result(Code.L4OK))

    def prove(self, board):
        """Let every backend be known."""
        for name in board.backends:
            board.record(name, Result(Code.L4OK))

    def command(self, names, *, weights=True):
        """Return a change by hand, for VPP's command line, which may refuse it.

        Args:
            names: VIPs that are there, as the command line calls them, with the family of their servers (0 or 1).
            weights: Whether this VPP has weights.
        """
        name, family = self.random.choice([*names, (f"{FOREIGN}/32 protocol tcp port 80", 0)])
        servers = " ".join(
            f"{FAMILIES[family]}{n}" for n in self.random.sample(range(1, 12), self.random.randint(1, 3))
        )
        weight = f" weight {self.random.choice([0, 1, 50, 100])}" if weights else ""
        length = self.random.choice([64, 1024, 4096])
        return self.random.choice(
            [
                f"lb as {name} {servers}{weight}",
                f"lb as {name} {servers.split()[0]} del",
                f"lb as {name} {servers.split()[0]} del flush",
                f"lb vip {name} del",
                f"lb vip {name} encap {('gre4', 'gre6')[family]} new_len {length}",
                f"lb vip {FOREIGN}/32 protocol udp port {self.random.randint(1000, 60000)} encap gre4",
                f"lb conf timeout {self.random.choice([30, 40, 50])}",
                f"lb conf ip4-src-address 192.0.2.{self.random.randint(1, 3)}",
                f"lb flush vip {name}",
            ]
        )

    @property
    def random_family(self):
        """The family of the backends of one address: the same until it is forgotten."""
        if self._family is None:
            self._family = self.random.choice("ab")
        return self._family

    _family = None

    def _transport(self):
        return self.random.choice([Transport.TCP, Transport.UDP])

    def _frontend(self, address, transport, port, names):
        pools = []
        for number in range(self.random.randint(1, 3)):
            members = self.random.sample(names, self.random.randint(1, min(4, len(names))))
            weights = [self.random.choice([0, 10, 100]) for _ in members]
            pools.append(Pool(f"p{number}", tuple(map(PoolMember, members, weights))))
        return Frontend(
            f"{address}-{port}",
            address,
            transport,
            port,
            tuple(pools),
            src_ip_sticky=self.random.random() < 0.3,
            flush_on_down=self.random.random() < 0.5,
            table_length=self.random.choice([64, 1024]),
            weights=self.random.choice(list(WeightScale)),
        )
