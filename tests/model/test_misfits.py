"""Which addresses VPP's load balancer can't have."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.model.addresses import LOOPBACK, canonical, misfit

WHOLE = [
    "0.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/96",
    "::ffff:0:0/96",
    "fe80::/10",
    "ff00::/8",
]
NETWORKS = [ipaddress.ip_network(each) for each in WHOLE]


@pytest.mark.parametrize("network", NETWORKS, ids=WHOLE)
def test_a_network_is_refused_from_its_first_address_to_its_last_and_no_further(network):
    first, last = int(network.network_address), int(network.broadcast_address)
    kind = type(network.network_address)
    for number in (first, first + 1, last - 1, last):
        assert misfit(canonical(str(kind(number))))
    for number in (first - 1, last + 1):
        if 0 <= number < 1 << network.max_prefixlen and not any(kind(number) in each for each in NETWORKS):
            assert misfit(canonical(str(kind(number)))) == ""


@given(st.ip_addresses())
def test_an_address_is_refused_if_and_only_if_it_is_in_one_of_these(address):
    assert bool(misfit(canonical(str(address)))) == any(address in network for network in NETWORKS)


def test_reasons_name_what_it_is():
    assert misfit("::1") == misfit("127.0.0.1") == LOOPBACK
    assert misfit("255.255.255.255") == "the broadcast address"
    assert misfit("0.0.0.0") == misfit("::") == "the unspecified address"
    assert misfit("::ffff:10.0.0.1") == "an IPv4 address in IPv6 form: write 10.0.0.1"
