"""Files that follow one another as an operator edits them: renames, replacements and moves, all of servers that work.

Every server has a weight, so nothing in these files asks for a VIP to be without service.
"""

from __future__ import annotations

import itertools
import random

import yaml

PORTS = (80, 443, 8080)
WEIGHTS = (1, 10, 50, 100)


class RandomReloads:
    """A configuration, and changes to it; always the same for a seed.

    Attributes:
        edits: Names of the latest changes.
    """

    def __init__(self, seed, port, **settings):
        """Begin with three frontends of two pools each.

        Args:
            seed: What all choices come from.
            port: Where servers are probed.
            settings: The section ``vpp.lb``, with underscores for hyphens.
        """
        self._random = random.Random(seed)
        self._port = port
        self._settings = {name.replace("_", "-"): value for name, value in settings.items()}
        self._fresh = itertools.count(1)
        self._check = {"interval": "300ms", "timeout": "2s"}
        self._backends = {self._name("b"): self._address() for _ in range(8)}
        self._frontends = {self._name("f"): (port, []) for port in PORTS}
        self.edits = []
        for name in self._frontends:
            self._regroup(name)

    @property
    def text(self):
        """The file."""
        check = {"type": "http", "port": self._port, "fast-interval": "100ms", "rise": 1, "fall": 2, **self._check}
        conf = {"ipv4-src-address": "192.0.2.254", "ipv6-src-address": "2001:db8::fe", "sticky-buckets-per-core": 1024}
        frontends = {
            name: {
                "address": "192.0.2.1",
                "protocol": "tcp",
                "port": port,
                "pools": [
                    {"name": f"p{number}", "backends": {each: {"weight": weight} for each, weight in pool.items()}}
                    for number, pool in enumerate(pools)
                ],
            }
            for name, (port, pools) in self._frontends.items()
        }
        backends = {name: {"address": address, "healthcheck": "web"} for name, address in self._backends.items()}
        site = {
            "vpp": {"lb": {**conf, **self._settings}},
            "healthchecks": {"web": check},
            "backends": backends,
            "frontends": frontends,
        }
        return yaml.safe_dump({"maglev": site})

    @property
    def expected(self):
        """What VPP should hold while every server is up: {(prefix, protocol, port): {address: weight}}."""
        found = {}
        for port, pools in self._frontends.values():
            servers = found.setdefault(("192.0.2.1/32", 6, port), {})
            for number, pool in enumerate(pools):
                for name, weight in pool.items():
                    servers[self._backends[name]] = 0 if number else weight
        return found

    def edit(self):
        """Change one to three things."""
        kinds = [
            self._rename_backends,
            self._rename_frontends,
            self._swap_addresses,
            self._swap_ports,
            self._replace_all,
            self._replace_some,
            self._move,
            self._change_check,
            self._change_weights,
        ]
        chosen = self._random.sample(kinds, self._random.choice([1, 1, 2, 3]))
        self.edits = [kind.__name__.strip("_") for kind in chosen]
        for kind in chosen:
            kind()

    def _rename_backends(self):
        names = {name: self._name("b") for name in self._backends}
        self._rename(names)

    def _rename(self, names):
        self._backends = {names[name]: address for name, address in self._backends.items()}
        self._frontends = {
            frontend: (port, [{names[name]: weight for name, weight in pool.items()} for pool in pools])
            for frontend, (port, pools) in self._frontends.items()
        }

    def _rename_frontends(self):
        self._frontends = {self._name("f"): frontend for frontend in self._frontends.values()}

    def _swap_addresses(self):
        addresses = list(self._backends.values())
        self._random.shuffle(addresses)
        self._backends = dict(zip(self._backends, addresses, strict=True))

    def _swap_ports(self):
        """Let each name stand for the VIP that another one had."""
        names = list(self._frontends)
        self._random.shuffle(names)
        self._frontends = dict(zip(names, self._frontends.values(), strict=True))

    def _replace_all(self):
        self._rename_backends()
        self._backends = {name: self._address() for name in self._backends}

    def _replace_some(self):
        names = {name: self._name("b") if self._random.random() < 0.5 else name for name in self._backends}
        old = self._backends
        self._rename(names)
        for before, now in names.items():
            self._backends[now] = old[before] if before == now else self._address()

    def _move(self):
        for name in self._frontends:
            self._regroup(name)

    def _regroup(self, frontend):
        names = self._random.sample(list(self._backends), 5)
        cut = self._random.randint(1, 4)
        pools = [{name: self._random.choice(WEIGHTS) for name in part} for part in (names[:cut], names[cut:])]
        self._frontends[frontend] = (self._frontends[frontend][0], pools)

    def _change_check(self):
        self._check = {
            "interval": f"{self._random.randint(200, 400)}ms",
            "timeout": "2s",
            "params": {"path": self._name("/")},
        }

    def _change_weights(self):
        for _, pools in self._frontends.values():
            for pool in pools:
                pool.update({name: self._random.choice(WEIGHTS) for name in pool})

    def _name(self, prefix):
        return f"{prefix}{next(self._fresh)}"

    def _address(self):
        number = next(self._fresh)
        return f"127.77.{number >> 8}.{number & 255}"
