"""Differences between configurations, as people read them."""

import attrs

from maglev.config.diff import Difference, differences, removed, reprogrammed_weights, touched
from maglev.model.config import Backend, CheckType, HttpParams, MinUp, TlsParams, WeightScale
from tests.fakes.configs import make_check, make_config, make_frontend

OLD = make_config()


def details(new, old=OLD):
    """Return the details of the one thing that differs."""
    (difference,) = differences(old, new)
    assert difference.change == "changed"
    return difference.details


def test_the_same_has_no_differences():
    assert differences(OLD, make_config()) == ()


def test_what_is_added_and_removed():
    new = make_config(frontends=[make_frontend("new", pools=(("a", "d"),))], checks=[make_check(), make_check("more")])
    assert differences(OLD, new) == (
        Difference("healthcheck", "more", "added"),
        Difference("backend", "b", "removed"),
        Difference("backend", "c", "removed"),
        Difference("backend", "d", "added"),
        Difference("frontend", "web", "removed"),
        Difference("frontend", "new", "added"),
    )


def test_settings():
    conf = attrs.evolve(OLD.vpp.conf, flow_timeout=9)
    found = differences(OLD, make_config(netns="blue", conf=conf, sync_interval=10.0))
    assert found == (
        Difference("setting", "healthchecker", "changed", ("netns: none -> blue",)),
        Difference("setting", "vpp.lb", "changed", ("flow-timeout: 40 -> 9", "sync-interval: 30.0 -> 10.0")),
    )


def test_healthchecks():
    assert details(make_config(checks=[make_check(rise=1, fast_interval=0.5)])) == (
        "fast-interval: 1.0 -> 0.5",
        "rise: 2 -> 1",
    )
    http = make_check(type=CheckType.HTTPS, http=HttpParams(), tls=TlsParams())
    assert details(make_config(checks=[http])) == ("type: tcp -> https", "http: none -> set", "tls: none -> set")
    changed = attrs.evolve(http, http=HttpParams(response_codes=((200, 299), (401, 401))), tls=TlsParams(verify=False))
    assert details(make_config(checks=[changed]), make_config(checks=[http])) == (
        "response-codes: 200 -> 200-299,401",
        "verification: true -> false",
    )


def test_backends():
    backends = [Backend("a", "10.0.0.9"), *list(OLD.backends.values())[1:]]
    assert details(make_config(backends=backends)) == ("address: 10.0.0.1 -> 10.0.0.9", "healthcheck: tcp -> none")


def test_frontends():
    changed = make_frontend(description="mine", src_ip_sticky=True, table_length=64, flush_on_down=False)
    assert details(make_config(frontends=[changed])) == (
        "description: none -> mine",
        "src-ip-sticky: false -> true",
        "flush-on-down: true -> false",
        "new-flows-table-length: 1024 -> 64",
    )
    assert details(make_config(frontends=[make_frontend(port=0)])) == ("protocol: tcp -> none", "port: 80 -> 0")


def test_pools():
    def pools(*pools):
        backends = [Backend(name, f"10.0.0.{index}", "tcp") for index, name in enumerate("abc", 1)]
        return details(make_config(frontends=[make_frontend(pools=pools)], backends=backends))

    assert pools((("a", 50), "c"), ("c",)) == (
        "pool pool0: weight of backend a: 100 -> 50",
        "pool pool0: backend b removed",
        "pool pool0: backend c added with weight 100",
    )
    assert pools(("a", "b"), ("c",), ("a",)) == ("pool pool2 added",)
    assert pools(("a", "b")) == ("pool pool1 removed",)
    frontend = make_frontend()
    swapped = attrs.evolve(frontend, pools=frontend.pools[::-1])
    assert details(make_config(frontends=[swapped], backends=list(OLD.backends.values()))) == (
        "order of pools: pool0 pool1 -> pool1 pool0",
    )


def test_what_is_not_the_very_same_object_may_have_changed_and_the_rest_has_not():
    same, other, equal = make_check(), make_check(rise=7), make_check()
    old = {"same": same, "other": same, "equal": same, "gone": same}
    new = {"new": same, "equal": equal, "same": same, "other": other}
    assert touched(old, new) == ["new", "equal", "other"]
    assert removed(old, new) == ["gone"]


def test_a_change_of_the_scale_is_announced_with_what_is_programmed():
    written = make_frontend(pools=((("a", 100), ("b", 50)),))
    least = attrs.evolve(written, weights=WeightScale.LEAST_MOVING)
    exact = attrs.evolve(least, weight_tolerance=0.5)
    more = attrs.evolve(make_frontend(pools=((("a", 100), ("b", 50), ("c", 30)), ("d",))), weights=least.weights)
    told = "pool pool0: weight {} is programmed as {} instead of {}"
    old, new = make_config([written]), make_config([least])
    assert details(new, old) == (
        "weights: as-written -> least-moving",
        told.format(50, 1, 50),
        told.format(100, 2, 100),
    )
    assert details(make_config([exact]), new) == ("weight-tolerance: 2% -> 0.5%",)
    assert reprogrammed_weights(least, more) == [("pool0", (50, 1, 5)), ("pool0", (100, 2, 10))]


def test_the_length_of_a_table_that_fits():
    fixed, fits = make_frontend(), make_frontend(table_fits=True)
    longer = make_frontend(table_fits=True, table_length=4096)
    key = "new-flows-table-length: "
    assert details(make_config([fits]), make_config([fixed])) == (f"{key}1024 -> auto (1024)",)
    assert details(make_config([longer]), make_config([fixed])) == (f"{key}1024 -> auto (4096)",)
    assert details(make_config([longer]), make_config([fits])) == (f"{key}auto (1024) -> auto (4096)",)
    assert details(make_config([make_frontend(table_length=2048)]), make_config([fits])) == (
        f"{key}auto (1024) -> 2048",
    )


def test_lengths_that_follow_from_addresses_make_no_difference_of_their_own():
    old = make_config([make_frontend(table_fits=True, table_enough=(256,))])
    new = make_config([make_frontend(table_fits=True, table_enough=())])
    assert differences(old, new) == ()


def test_what_a_pool_needs_to_be_chosen_is_told():
    frontend = OLD.frontends["web"]
    half = attrs.evolve(frontend.pools[0], min_up=MinUp(5000, share=True))
    new = make_config(frontends=[attrs.evolve(frontend, pools=(half, *frontend.pools[1:]))])
    assert f"pool {half.name}: min-up: 1 -> 50%" in details(new)
