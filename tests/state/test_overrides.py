"""What becomes of overrides: which hold for a configuration, which have ended, and what they mean for it."""

import attrs
import pytest

from maglev.model.config import Backend
from maglev.model.health import Health, Lifecycle, State
from maglev.model.override import BackendOrder, Override, Target
from maglev.state.overrides import Dropped, fit, leading, order_in, orders, remaining, resumed, said_by_file
from maglev.state.reweighted import reweighted
from tests.fakes.configs import make_config, make_frontend

PAUSE, DISABLE, ENABLE, DRAIN = (BackendOrder[name] for name in ("PAUSE", "DISABLE", "ENABLE", "DRAIN"))
WEIGHT = Target("a", "web", "pool0")


def override(target, value, base, at=1000.0, until=None):
    return Override(target, value, base, "ann", "ssh", "disk swap", at, until)


def with_backend(config, name, **changes):
    backend = attrs.evolve(config.backends[name], **changes)
    return attrs.evolve(config, backends={**config.backends, name: backend})


def health(state, *, draining=False):
    made = Health(2, 3)
    made.state, made.draining = state, draining or state is State.DRAINING
    return made


@pytest.mark.parametrize("draining", [False, True])
@pytest.mark.parametrize("state", [state for state in State if state is not State.REMOVED])
@pytest.mark.parametrize("order", BackendOrder)
def test_the_event_that_leads_to_an_order_is_possible_and_leads_there(state, order, draining):
    if state is State.DISABLED and order in {PAUSE, DRAIN}:
        return  # nobody asks for that
    made = health(state, draining=draining and state is State.DOWN)
    event = leading(made, order)
    if event is not None:
        made.happen(event)
    assert order_in(made) is order


def test_a_backend_that_is_where_it_should_be_needs_no_event():
    assert leading(health(State.DOWN), ENABLE) is None
    assert leading(health(State.DOWN, draining=True), DRAIN) is None
    assert leading(health(State.PAUSED), ENABLE) is Lifecycle.RESUME
    assert leading(health(State.DISABLED), ENABLE) is Lifecycle.ENABLE
    assert leading(health(State.DRAINING), ENABLE) is Lifecycle.ENABLE
    assert leading(health(State.UP), PAUSE) is Lifecycle.PAUSE
    assert leading(health(State.PAUSED), DISABLE) is Lifecycle.DISABLE


def test_what_the_file_says():
    config = make_config([make_frontend(pools=((("a", 40), "b"), ("c",)))])
    assert said_by_file(config, Target("a")) is ENABLE
    assert said_by_file(with_backend(config, "a", enabled=False), Target("a")) is DISABLE
    assert said_by_file(config, Target("nobody")) is None
    assert said_by_file(config, WEIGHT) == 40
    for target in (Target("c", "web", "pool0"), Target("a", "web", "pool9"), Target("a", "mail", "pool0")):
        assert said_by_file(config, target) is None


def test_what_the_file_says_of_a_weight_that_was_set_at_run_time():
    config = make_config()
    changed = reweighted(config.frontends["web"], "pool0", "a", 7)
    assert said_by_file(attrs.evolve(config, frontends={"web": changed}), WEIGHT) == 100


def test_overrides_hold_while_the_file_says_the_same():
    config = make_config()
    overrides = (override(Target("a"), DISABLE, ENABLE), override(WEIGHT, 7, 100))
    fitted = fit(config, overrides)
    assert fitted.kept == overrides
    assert fitted.dropped == ()
    (member, other) = fitted.config.frontends["web"].pools[0].members
    assert (member.weight, member.written, other.weight, other.written) == (7, 100, 100, None)


def test_several_weights_of_one_frontend_all_hold():
    config = make_config([make_frontend(), make_frontend("mail", port=25)])
    overrides = [
        override(Target("a", "web", "pool0"), 7, 100),
        override(Target("c", "web", "pool1"), 8, 100),
        override(Target("b", "mail", "pool0"), 9, 100),
    ]
    frontends = fit(config, overrides).config.frontends
    weights = {name: [[each.weight for each in pool.members] for pool in frontends[name].pools] for name in frontends}
    assert weights == {"web": [[7, 100], [8]], "mail": [[100, 9], [100]]}


def test_without_weights_the_configuration_is_the_same_object():
    config = make_config()
    assert fit(config, [override(Target("a"), PAUSE, ENABLE)]).config is config


def test_what_the_file_no_longer_has_is_dropped():
    gone = override(Target("www9"), DISABLE, ENABLE)
    fitted = fit(make_config(), [gone])
    assert fitted.kept == ()
    assert fitted.dropped == (Dropped(gone, "the file no longer has the backend www9"),)
    assert str(fitted.dropped[0]) == (
        "the override 'disable of backend www9' ends: the file no longer has the backend www9 "
        "(it was made by ann: disk swap)"
    )


def test_what_the_file_has_changed_is_dropped_and_says_so():
    changed = override(WEIGHT, 7, 50)
    fitted = fit(make_config(), [changed])
    assert fitted.config.frontends["web"].pools[0].members[0].weight == 100
    assert str(fitted.dropped[0]) == (
        "the override 'weight of backend a in pool pool0 of frontend web 7' ends: the file has changed from 50 to 100 "
        "(it was made by ann: disk swap)"
    )


def test_another_change_of_the_file_drops_nothing():
    config = with_backend(make_config(), "a", address="10.9.9.9")
    assert fit(config, [override(Target("a"), DISABLE, ENABLE)]).dropped == ()


def test_the_orders_of_backends_go_by_name():
    disabled = override(Target("a"), DISABLE, ENABLE)
    assert orders([disabled, override(WEIGHT, 7, 100)]) == {"a": disabled}


@pytest.mark.parametrize(
    ("now", "rest"),
    [(1000.0, 7200.0), (4600.0, 3600.0), (8200.0, 0.0), (9000.0, -800.0), (900.0, 7200.0), (0.0, 7200.0)],
)
def test_it_never_lasts_longer_than_it_was_made_for(now, rest):
    assert remaining(override(Target("a"), DISABLE, ENABLE, until=8200.0), now) == rest
    assert remaining(override(Target("a"), DISABLE, ENABLE), now) is None


def test_at_a_start_what_has_ended_meanwhile_is_dropped():
    ended, going = (
        override(Target(name), DISABLE, ENABLE, until=until) for name, until in (("a", 2000.0), ("b", 2001))
    )
    forever = override(WEIGHT, 7, 100)
    kept, dropped = resumed([ended, going, forever], 2000.0)
    assert kept == (going, forever)
    assert [each.override for each in dropped] == [ended]
    assert "while maglevd was not running" in str(dropped[0])


def test_at_a_start_with_a_clock_that_was_set_back_it_counts_from_now():
    (kept,), dropped = resumed([override(Target("a"), DISABLE, ENABLE, until=8200.0)], 10.0)
    assert (kept.at, kept.until) == (10.0, 7210.0)
    assert dropped == ()


def test_a_backend_without_a_frontend_is_a_backend_of_the_file():
    config = make_config(backends=[Backend(name, f"10.0.0.{number}", None) for number, name in enumerate("abcd")])
    assert said_by_file(config, Target("d")) is ENABLE
