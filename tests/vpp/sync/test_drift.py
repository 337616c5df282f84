"""Drift: what is said of a VIP that is not as it was left."""

import attrs
import pytest

from maglev.vpp.lb.state import ApplicationServer, Encap, Vip, VipKey
from maglev.vpp.sync.drift import drift, drifts

KEY = VipKey("192.0.2.1", 32, 6, 80)
OTHER = KEY._replace(port=443)


def vip(**servers):
    return Vip(
        KEY,
        Encap.GRE4,
        False,
        1024,
        {f"10.0.0.{n[1:]}": ApplicationServer(f"10.0.0.{n[1:]}", w) for n, w in servers.items()},
    )


LEFT = vip(a1=100, a2=50)


def test_nothing_is_said_of_what_is_as_it_was():
    assert drift(KEY, LEFT, LEFT) is None
    assert drift(KEY, None, None) is None
    assert drift(KEY, LEFT, attrs.evolve(LEFT, src_ip_sticky=None, table_length=0, pool_index=7)) is None


@pytest.mark.parametrize(
    ("found", "text", "known"),
    [
        (None, "absent", "a VIP with 2 application servers"),
        (vip(a1=7, a2=50), "10.0.0.1 weight 7", "10.0.0.1 weight 100"),
        (vip(a1=100), "10.0.0.2 absent", "10.0.0.2 weight 50"),
        (vip(a1=100, a2=50, a3=0), "10.0.0.3 weight 0", "10.0.0.3 absent"),
        (attrs.evolve(LEFT, encap=Encap.GRE6), "encapsulation gre6", "encapsulation gre4"),
        (attrs.evolve(LEFT, src_ip_sticky=True), "src-ip-sticky true", "src-ip-sticky false"),
        (attrs.evolve(LEFT, table_length=64), "64 buckets", "1024 buckets"),
    ],
)
def test_what_is_found_and_what_should_be_there_instead(found, text, known):
    told = drift(KEY, LEFT, found)
    assert (told.key, told.differences, told.found, told.known) == (KEY, 1, text, known)


def test_a_vip_that_somebody_added():
    assert drift(KEY, None, LEFT).known == "absent"


def test_of_many_differences_only_the_first_are_named():
    told = drift(KEY, LEFT, vip(**{f"a{n}": 1 for n in range(1, 21)}))
    assert told.differences == 20
    assert told.found.count(",") == 7
    assert told.found.endswith(" and 12 more")
    assert told.known.endswith(" and 12 more")


def test_only_the_vips_in_question_are_compared():
    assert list(drifts({KEY: LEFT}, {OTHER: LEFT}, {KEY})) == [drift(KEY, LEFT, None)]
