"""Packing: a file means the same after a journey through bytes, and what has not changed stays the very same object."""

from __future__ import annotations

import attrs
import pytest

from maglev.config.load import load_text
from maglev.config.packing import WEIGHT, pack, unpack, unpack_steps
from tests.fakes.large import large_config
from tests.fakes.outcomes import run_steps

TEXT = """
maglev:
  vpp: {lb: {ipv4-src-address: 192.0.2.1, ipv6-src-address: 2001:db8::1, sync-interval: 7s}}
  healthchecker: {transition-history: 9}
  healthchecks:
    web: {type: https, port: 443, interval: 2s, timeout: 1s, params: {host: a.example, response-code: 200-204}}
    ping: {type: icmp, interval: 1s, timeout: 1s}
  backends:
    a: {address: 10.0.0.1, healthcheck: web}
    b: {address: 10.0.0.2, enabled: false}
    idle: {address: 10.0.0.3}
  frontends:
    all: {address: 192.0.2.9, pools: [{name: only, backends: {a: {}}}]}
    web:
      address: 192.0.2.10
      protocol: tcp
      port: 443
      description: the shop
      src-ip-sticky: true
      flush-on-down: false
      new-flows-table-length: 4096
      pools: [{name: one, backends: {a: {weight: 7}, b: {}}}, {name: two, backends: {b: {weight: 0}}}]
"""


def packed(text):
    return tuple(pack(load_text(text)))


def unpacked_onto(old, pieces):
    return run_steps(unpack_steps(pieces, old)).config


@pytest.mark.parametrize("text", [TEXT, large_config(250)])
def test_what_is_unpacked_is_what_was_packed(text):
    loaded = load_text(text)
    again = unpack(pack(loaded))

    assert again == loaded
    assert list(again.config.backends) == list(loaded.config.backends)
    assert list(again.config.frontends) == list(loaded.config.frontends)


def test_warnings_travel_too():
    warnings = unpack(packed(TEXT)).warnings
    assert any("is not used by any frontend" in warning.text for warning in warnings)


def test_every_name_of_a_backend_is_one_text():
    config = unpack(packed(TEXT)).config
    members = [member for frontend in config.frontends.values() for pool in frontend.pools for member in pool.members]
    assert all(member.backend is config.backends[member.backend].name for member in members)


def test_what_has_not_changed_is_the_very_same_object():
    old = load_text(TEXT).config
    new = unpacked_onto(old, packed(TEXT.replace("10.0.0.2", "10.0.0.99").replace("weight: 7", "weight: 8")))

    assert new.healthchecks["web"] is old.healthchecks["web"]
    assert [name for name in "ab" if new.backends[name] is not old.backends[name]] == ["b"]
    assert new.backends["b"] == attrs.evolve(old.backends["b"], address="10.0.0.99")
    assert new.frontends["all"] is old.frontends["all"]
    assert all(name is before for name, before in zip(new.backends, old.backends, strict=True))
    assert new.frontends["web"].pools[0].members[0].weight == 8


def test_what_is_gone_or_new_is_so_afterwards():
    old = load_text(TEXT).config
    new = unpacked_onto(old, packed(TEXT.replace("idle:", "idler:").replace("    all:", "    every:")))

    assert list(new.backends) == ["a", "b", "idler"]
    assert list(new.frontends) == ["every", "web"]


def test_the_file_comes_in_small_pieces_and_small_steps():
    pieces = packed(large_config(2000))
    assert max(map(len, pieces)) < 10_000
    assert len(pieces) > 2 * 2000 / WEIGHT
    assert sum(1 for _ in unpack_steps(pieces)) > len(pieces)


def test_a_frontend_of_very_many_backends_is_unpacked_in_steps_too():
    names = [f"x{number}" for number in range(1000)]
    text = TEXT.replace("{a: {}}", f"{{{', '.join(f'{name}: {{}}' for name in names)}}}")
    backends = "".join(f"    {name}: {{address: 10.0.1.1}}\n" for name in names)
    pieces = packed(text.replace("  frontends:", f"{backends}  frontends:"))

    assert sum(1 for _ in unpack_steps(pieces)) > len(pieces) + 1000 / WEIGHT - 1
