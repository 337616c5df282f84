"""What other balancers are told: weights by address, and a hash of what must be the same everywhere."""

from __future__ import annotations

import attrs
import pytest

from maglev.control.served import HashCache, configuration_hash, served_vip_view
from maglev.model.check_params import DnsParams, ProbeStep, TalkParams, UdpParams
from maglev.model.check_set import CheckSet
from maglev.model.config import HttpParams, MinUp, PemFile, PoolMember, TlsParams, WeightScale
from maglev.model.peer_views import ServedVipView
from tests.fakes.configs import make_check, make_config, make_frontend
from tests.fakes.control_setup import ControlSetup, answer_of
from tests.fakes.views import misfits
from tests.fakes.world import member_view

KEY = {"prefix": "192.0.2.1/32", "protocol": "tcp", "port": 80}

HTTP = HttpParams(headers=(("X-Token", "secret"),))
TLS = TlsParams(
    ca_file=PemFile("/a", "AUTHORITY"), client_certificate=PemFile("/c", "C"), client_key=PemFile("/k", "K")
)


def config_of(check=None, **frontend):
    return make_config([make_frontend(**frontend)], checks=[check or make_check(http=HTTP, tls=TLS)])


def hash_of(config):
    return configuration_hash(config, next(iter(config.frontends.values())))


def with_pool(config, **changes):
    """Return the configuration with another first pool."""
    name, frontend = next(iter(config.frontends.items()))
    first, *others = frontend.pools
    frontend = attrs.evolve(frontend, pools=(attrs.evolve(first, **changes), *others))
    return attrs.evolve(config, frontends={name: frontend})


def with_backend(config, **changes):
    backends = {**config.backends, "a": attrs.evolve(config.backends["a"], **changes)}
    return attrs.evolve(config, backends=backends)


def several(*names, needed):
    """Return the configuration with several healthchecks of a backend."""
    config = with_backend(config_of(), healthcheck=CheckSet(names, needed))
    two = make_check("two", rise=1)
    return attrs.evolve(config, healthchecks={**config.healthchecks, "two": two})


SAME = config_of()
MEMBERS = next(iter(SAME.frontends.values())).pools[0].members


@pytest.mark.parametrize(
    "other",
    [
        config_of(name="site", description="another one"),
        config_of(make_check(http=attrs.evolve(HTTP, headers=(("X-Token", "other"),)), tls=TLS)),
        config_of(make_check(http=HTTP, tls=attrs.evolve(TLS, client_certificate=None, client_key=None))),
        config_of(make_check(http=HTTP, tls=attrs.evolve(TLS, ca_file=PemFile("/elsewhere", "AUTHORITY")))),
        config_of(make_check(http=HTTP, tls=TLS, probe_ipv4_src="192.0.2.7")),
        with_pool(SAME, name="other"),
        with_pool(SAME, members=MEMBERS[::-1]),
        with_pool(SAME, members=(attrs.evolve(MEMBERS[0], weight=7, written=MEMBERS[0].weight), *MEMBERS[1:])),
    ],
)
def test_what_may_differ_between_balancers_is_not_in_the_hash(other):
    assert hash_of(other) == hash_of(SAME)


@pytest.mark.parametrize(
    "other",
    [
        config_of(port=443),
        config_of(address="192.0.2.2"),
        config_of(src_ip_sticky=True),
        config_of(weights=WeightScale.LEAST_MOVING),
        config_of(failback_delay=1.0),
        config_of(make_check(http=HTTP, tls=TLS, rise=3)),
        config_of(make_check(http=attrs.evolve(HTTP, path="/x"), tls=TLS)),
        config_of(make_check(http=attrs.evolve(HTTP, headers=(("Y", "secret"),)), tls=TLS)),
        config_of(make_check(http=HTTP, tls=attrs.evolve(TLS, ca_file=None))),
        config_of(make_check(http=HTTP, tls=attrs.evolve(TLS, ca_file=PemFile("/a", "OTHER")))),
        config_of(make_check()),
        config_of(make_check(http=HTTP, tls=TLS, talk=TalkParams(steps=(ProbeStep(send=b"PING"),)))),
        config_of(make_check(http=HTTP, tls=TLS, udp=UdpParams(payload=b"x"))),
        config_of(make_check(http=HTTP, tls=TLS, dns=DnsParams("example.net"))),
        several("tcp", "two", needed=2),
        with_pool(SAME, min_up=MinUp(2)),
        with_pool(SAME, members=MEMBERS[:1]),
        with_pool(SAME, members=(PoolMember("a", 7), *MEMBERS[1:])),
        with_backend(SAME, address="192.0.2.99"),
        with_backend(SAME, healthcheck=None),
    ],
)
def test_everything_else_is(other):
    assert hash_of(other) != hash_of(SAME)


def test_several_healthchecks_are_a_set_of_which_so_many_are_needed():
    assert hash_of(several("tcp", "two", needed=1)) == hash_of(several("two", "tcp", needed=1))
    assert hash_of(several("tcp", "two", needed=1)) != hash_of(several("tcp", "two", needed=2))


def test_hashes_are_made_once_for_each_configuration():
    configs = [SAME]
    cache = HashCache(lambda: configs[-1])
    frontend = next(iter(SAME.frontends.values()))
    first = cache.get(frontend)
    assert cache.get(frontend) is first
    configs.append(with_backend(SAME, address="192.0.2.99"))

    assert cache.get(frontend) != first


def frontend_view(*pools):
    return {"name": "web", "state": "up", "pools": [{"backends": list(members)} for members in pools]}


def test_a_server_is_there_once_with_the_weight_of_the_pool_that_gives_it_one():
    view = frontend_view(
        [member_view("www1", "198.51.100.11", weight=10, effective=0), member_view("www2", "198.51.100.12")],
        [member_view("www1", "198.51.100.11", weight=50), member_view("www2", "198.51.100.12", weight=5, effective=0)],
    )
    served = served_vip_view(view, KEY, "abc")

    assert misfits(served, ServedVipView) == []
    assert [(each["name"], each["weight"], each["effective_weight"]) for each in served["servers"]] == [
        ("www1", 10, 50),
        ("www2", 100, 100),
    ]


@pytest.mark.parametrize(("more", "vpp"), [({}, "connected"), ({"vpp": False}, "lost"), ({"off": True}, "off")])
def test_a_balancer_says_what_it_serves_and_who_it_is(more, vpp):
    setup = ControlSetup(**more)
    served = answer_of(setup.viewer.served_vips())
    setup.stop()

    assert served["vpp"] == vpp
    assert served["version"] == "1.2"
    assert [row["prefix"] for row in served["rows"]] == ["192.0.2.1/32"]
    assert len(served["boot"]) == 16


def test_without_peers_there_are_none():
    setup = ControlSetup()
    found = answer_of(setup.viewer.peers())
    setup.stop()

    assert (found["peers"], found["rows"]) == ([], [])
