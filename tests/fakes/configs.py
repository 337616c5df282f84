"""Small valid configurations, made in code."""

from __future__ import annotations

from maglev.model.announce import AnnounceConfig, AnnouncePolicy
from maglev.model.config import (
    Backend,
    CheckerConfig,
    CheckType,
    Config,
    Frontend,
    Healthcheck,
    LbConf,
    Pool,
    PoolMember,
    Transport,
    VppConfig,
)

CONF = LbConf("192.0.2.254", "2001:db8::fe")


def make_announce(*addresses, **changes):
    """Make the part about announcements: of addresses, or of policies."""
    policies = [AnnouncePolicy(each) if isinstance(each, str) else each for each in addresses]
    return AnnounceConfig(addresses={each.address: each for each in policies}, **changes)


def make_check(name="tcp", **changes):
    values = {
        "type": CheckType.TCP,
        "l4_port": 80,
        "interval": 2.0,
        "fast_interval": 1.0,
        "down_interval": 4.0,
        "timeout": 1.0,
        "rise": 2,
        "fall": 3,
    }
    return Healthcheck(name, **{**values, **changes})


def make_pool(name, *members):
    """Make a pool; a member is a name, or a name and a weight."""
    return Pool(name, tuple(PoolMember(*((each,) if isinstance(each, str) else each)) for each in members))


def make_frontend(name="web", address="192.0.2.1", pools=(("a", "b"), ("c",)), port=80, **changes):
    made = tuple(make_pool(f"pool{index}", *members) for index, members in enumerate(pools))
    return Frontend(name, address, Transport.TCP if port else None, port, made, **changes)


def make_config(frontends=None, backends=None, checks=None, history=5, netns=None, announce=None, **vpp):
    """Make a configuration: by default one frontend with two pools, ``a b`` and ``c``, checked by tcp.

    There is neither a warm-up nor a drain by default, so that what is decided is written at once.
    """
    frontends = [make_frontend()] if frontends is None else frontends
    checks = [make_check()] if checks is None else checks
    names = dict.fromkeys(name for frontend in frontends for name in frontend.backends)
    if backends is None:
        backends = [Backend(name, f"10.0.0.{index}", "tcp") for index, name in enumerate(names, 1)]
    return Config(
        CheckerConfig(history, netns),
        VppConfig(**{"conf": CONF, "startup_min_delay": 0.0, "startup_max_delay": 0.0, "removal_drain": 0.0, **vpp}),
        {each.name: each for each in checks},
        {each.name: each for each in backends},
        {each.name: each for each in frontends},
        announce or AnnounceConfig(),
    )
