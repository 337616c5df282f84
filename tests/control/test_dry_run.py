"""The change of a reload: which states are expected of which backends, and what that makes of the VIPs."""

import attrs
import pytest

from maglev.config.diff import Difference
from maglev.control.after_reload import states_after_steps
from maglev.control.dry_run import dry_run_steps, emptied_steps, interim_steps, wanted_now
from maglev.model.blindness_rule import Blindness
from maglev.model.config import Backend, CheckerConfig, MinUp, WhenNoneEligible
from maglev.model.health import Lifecycle, State
from maglev.model.result import Code, Result
from maglev.state.board import Board
from maglev.vpp.sync.forecast import as_held
from tests.fakes.configs import make_check, make_config, make_frontend
from tests.fakes.outcomes import run_steps

QUICK = [make_check(rise=1, fall=1)]
PASS, FAIL = Result(Code.L4OK), Result(Code.L4CON)


def board_of(config=None, **results):
    board = Board(lambda: 0.0, config or make_config(checks=QUICK))
    for name in board.backends:
        board.record(name, results.get(name, PASS))
    return board


def look(board, config, weights=True, src_ip_sticky=True):
    return run_steps(dry_run_steps(board, config, weights=weights, src_ip_sticky=src_ip_sticky))


def states_after(board, config):
    return run_steps(states_after_steps(board, config))


def texts(changes):
    return {o.difference.name: [str(op) for change in o.changes for op in change.operations] for o in changes}


def backends(**changes):
    made = {name: Backend(name, f"10.0.0.{index}", "tcp") for index, name in enumerate("abc", 1)}
    return list({**made, **changes}.values())


def test_nothing_is_expected_of_the_same_file():
    assert look(board_of(), make_config(checks=QUICK)) == ()


@pytest.mark.parametrize(("kept", "recreated"), [(2048, True), (4096, False), (65536, False)])
def test_a_fitting_table_is_compared_with_the_length_that_the_vip_has_kept(kept, recreated):
    def fitting(length):
        return make_config([make_frontend(table_length=length, table_fits=True)], checks=QUICK)

    board = board_of(fitting(4096))
    vip = wanted_now(board, board.frontends["web"])
    held = {vip.key: attrs.evolve(as_held(vip), table_length=kept)}
    changes = run_steps(dry_run_steps(board, fitting(8192), weights=True, src_ip_sticky=True, held=held))
    assert [change.action for each in changes for change in each.changes] == ["recreate"] * recreated
    keeps = () if recreated else (f"the VIP keeps its table of {kept} buckets",)
    assert changes[0].difference.details == ("new-flows-table-length: auto (4096) -> auto (8192)", *keeps)


@pytest.mark.parametrize("held", [None, {}, "same"])
def test_a_table_that_is_not_known_or_fits_is_not_said_to_be_kept(held):
    old, new = (
        make_config([make_frontend(table_length=length, table_fits=True)], checks=QUICK) for length in (4096, 8192)
    )
    board = board_of(old)
    vip = wanted_now(board, board.frontends["web"])
    if held == "same":
        held = {vip.key: attrs.evolve(as_held(vip), table_length=8192)}
    changes = run_steps(dry_run_steps(board, new, weights=True, src_ip_sticky=True, held=held))
    assert changes[0].difference.details == ("new-flows-table-length: auto (4096) -> auto (8192)",)


@pytest.mark.parametrize(
    ("events", "result", "changed", "expected"),
    [
        ([], PASS, {}, State.UP),
        ([], FAIL, {}, State.DOWN),
        ([], FAIL, {"address": "10.0.0.9"}, State.UP),
        ([], FAIL, {"healthcheck": None}, State.UP),
        ([], PASS, {"enabled": False}, State.DISABLED),
        ([Lifecycle.PAUSE], PASS, {"address": "10.0.0.9"}, State.PAUSED),
        ([Lifecycle.DISABLE], PASS, {}, State.DISABLED),
        ([Lifecycle.PAUSE, Lifecycle.RESUME], PASS, {}, State.UP),
    ],
)
def test_the_state_of_a_backend_after_a_reload(events, result, changed, expected):
    board = board_of(a=result)
    for event in events:
        board.happen("a", event)
    values = {"name": "a", "address": "10.0.0.1", "healthcheck": "tcp", **changed}
    assert states_after(board, make_config(checks=QUICK, backends=backends(a=Backend(**values))))["a"] is expected


def test_the_state_of_a_backend_that_is_enabled_or_new():
    board = board_of(make_config(checks=QUICK, backends=backends(a=Backend("a", "10.0.0.1", "tcp", enabled=False))))
    new = [*backends(), Backend("d", "10.0.0.4", "tcp"), Backend("e", "10.0.0.5", enabled=False)]
    states = states_after(board, make_config(checks=QUICK, backends=new))
    assert (states["a"], states["d"], states["e"]) == (State.UP, State.UP, State.DISABLED)


def test_an_address_that_changes_affects_the_frontends_that_use_it():
    changes = look(board_of(), make_config(checks=QUICK, backends=backends(a=Backend("a", "10.0.0.9", "tcp"))))
    assert [each.difference for each in changes] == [
        Difference("backend", "a", "changed", ("address: 10.0.0.1 -> 10.0.0.9",)),
        Difference("frontend", "web", "affected", ("until its first result, a serves at 10.0.0.1 with weight 100",)),
    ]
    assert texts(changes)["web"] == [
        "add 10.0.0.9 to tcp://192.0.2.1:80 with weight 100",
        "delete 10.0.0.1 from tcp://192.0.2.1:80, flush",
    ]
    assert 0.3 < changes[1].changes[0].moved < 0.7


def test_a_frontend_that_moves_has_two_vips():
    (change,) = look(board_of(), make_config(checks=QUICK, frontends=[make_frontend(port=8080)]))
    assert [(change.action, str(change.key)) for change in change.changes] == [
        ("add", "tcp://192.0.2.1:8080"),
        ("remove", "tcp://192.0.2.1:80"),
    ]


def test_a_frontend_of_another_name_takes_over_the_vip_as_it_is():
    changes = look(board_of(), make_config(checks=QUICK, frontends=[make_frontend("other")]))
    assert texts(changes) == {"web": [], "other": []}


def test_a_vpp_without_weights_is_told_apart():
    config = make_config(checks=QUICK, frontends=[make_frontend(pools=((("a", 50), "b"), ("c",)), src_ip_sticky=True)])
    (change,) = look(board_of(), config, weights=False, src_ip_sticky=False)
    assert change.changes == ()


# On the way


def interim(board, **changed):
    """Return what is said of each frontend about the time until results are known."""
    return run_steps(interim_steps(board, make_config(checks=QUICK, **changed)))


def test_a_rename_says_what_keeps_serving():
    made = [Backend("x", "10.0.0.1", "tcp"), Backend("b", "10.0.0.2", "tcp"), Backend("c", "10.0.0.3", "tcp")]
    told = interim(board_of(), frontends=[make_frontend("www", pools=(("x", "b"), ("c",)))], backends=made)
    assert told == {"www": ("until its first result, x keeps weight 100 of 10.0.0.1",)}


def test_servers_that_are_all_replaced_stay_for_now():
    made = [Backend("x", "10.0.0.8", "tcp")]
    told = interim(board_of(), frontends=[make_frontend(pools=(("x",),))], backends=made, removal_max_delay=7.0)
    assert told == {
        "web": (
            "until a new backend is up, 10.0.0.1 keeps weight 100, for 7 s at most, which a restart begins again",
            "until a new backend is up, 10.0.0.2 keeps weight 100, for 7 s at most, which a restart begins again",
        )
    }


def test_what_leaves_with_the_reload_that_brings_a_name_is_not_promised_to_go():
    named = make_frontend(pools=(("a",),), named_family=4, unresolved=("typo",))
    changes = look(board_of(), make_config([named], backends=backends(), checks=QUICK))
    assert texts(changes)["web"] == []
    (change,) = (each for each in changes if each.difference.name == "web")
    assert "until typo is resolved, 10.0.0.2 keeps weight 100" in change.difference.details


def test_servers_of_the_other_family_do_not_stay_for_a_name():
    named = make_frontend(pools=(("x",),), named_family=6, unresolved=("typo",))
    changes = look(board_of(), make_config([named], backends=[Backend("x", "2001:db8::1", "tcp")], checks=QUICK))
    assert [each.action for change in changes for each in change.changes] == ["recreate"]


def test_what_leaves_later_than_the_name_came_is_told_to_go():
    before = make_frontend(pools=(("a", "b"),), named_family=4, unresolved=("typo",))
    after = make_frontend(pools=(("a",),), named_family=4, unresolved=("typo",))
    board = board_of(make_config([before], backends=backends(), checks=QUICK))
    changes = look(board, make_config([after], backends=backends(), checks=QUICK))
    assert any("10.0.0.2" in each for each in texts(changes)["web"])


def test_a_server_that_leaves_others_in_service_is_not_worth_a_word():
    made = [Backend("b", "10.0.0.2", "tcp"), Backend("x", "10.0.0.8", "tcp", enabled=False)]
    pools = ((("b", 50), ("x", 10)),)
    assert interim(board_of(), frontends=[make_frontend(pools=pools)], backends=made) == {}


@pytest.mark.parametrize(
    ("first", "kept"),
    [
        (("x",), "a and 1 more keep their weights"),
        (("x", "a"), "b keeps weight 100"),
    ],
)
def test_servers_that_lose_their_weight_to_a_new_pool_wait_for_its_proof(first, kept):
    made = backends(x=Backend("x", "10.0.0.8", "tcp"))
    rest = tuple(name for name in "ab" if name not in first)
    frontend = make_frontend(pools=(first, rest))
    enough = attrs.evolve(frontend.pools[0], min_up=MinUp(len(first)))
    frontend = attrs.evolve(frontend, pools=(enough, *frontend.pools[1:]))
    told = interim(board_of(), frontends=[frontend], backends=made)
    assert told == {"web": (f"until pool pool0 has enough that is proved, {kept}",)}


def test_servers_of_which_nothing_is_proved_later_lose_their_weight_at_once():
    """There is no pool that could have enough later, or what is proved has all there is to say."""
    down = Backend("x", "10.0.0.8", "tcp", enabled=False)
    assert interim(board_of(), frontends=[make_frontend(pools=(("x",), ("a",)))], backends=backends(x=down)) == {}
    new = Backend("x", "10.0.0.8", "tcp")
    nothing = make_frontend(pools=((("x", 0), ("a", 0), ("b", 0)),))
    assert interim(board_of(), frontends=[nothing], backends=backends(x=new)) == {}
    standby = make_frontend(pools=(("a", "b"), ("x",)))
    assert interim(board_of(), frontends=[standby], backends=backends(x=new)) == {}


def test_what_served_nothing_keeps_nothing():
    made = [Backend("x", "10.0.0.1", "tcp"), Backend("b", "10.0.0.2", "tcp"), Backend("z", "10.0.0.3", "tcp")]
    pools = (("x", ("b", 0)), ("z",))
    assert interim(board_of(a=FAIL), frontends=[make_frontend(pools=pools)], backends=made) == {}


def test_a_new_vip_has_nothing_to_keep():
    assert interim(board_of(), frontends=[make_frontend(), make_frontend("new", "192.0.2.9")]) == {}


# Frontends that a reload empties

HOLD = WhenNoneEligible.HOLD


def emptied(board, config):
    return run_steps(emptied_steps(board, config))


def config_of(frontend, **changes):
    return make_config([frontend], backends(**changes), checks=QUICK)


def out(*names):
    return {name: Backend(name, f"10.0.0.{'abc'.index(name) + 1}", "tcp", enabled=False) for name in names}


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(config_of(make_frontend(when_none_eligible=HOLD), **out("a", "b", "c")), id="enabled"),
        pytest.param(
            config_of(make_frontend(pools=((("a", 0), ("b", 0)), (("c", 0),)), when_none_eligible=HOLD)), id="weights"
        ),
        pytest.param(config_of(make_frontend(pools=(("c",),), when_none_eligible=HOLD), **out("c")), id="pools"),
        pytest.param(
            config_of(make_frontend("www", when_none_eligible=HOLD), **out("a", "b", "c")), id="under another name"
        ),
    ],
)
def test_a_file_that_takes_all_out_of_a_guarded_frontend_is_told(after):
    for results in ({}, dict.fromkeys("abc", FAIL)):
        board = board_of(config_of(make_frontend(when_none_eligible=HOLD)), **results)
        ((name, text),) = emptied(board, after).items()
        assert name in after.frontends
        assert "when-none-eligible: hold keeps what is down, but not what the file takes out" in text
        board.apply(after)
        assert not any(each.weight for each in board.frontends[name].desired.values())


def test_a_file_that_takes_all_out_of_any_other_frontend_is_told_without_a_word_of_the_guard():
    assert emptied(board_of(), config_of(make_frontend(), **out("a", "b", "c"))) == {
        "web": "a reload leaves nothing in service"
    }


@pytest.mark.parametrize(
    ("before", "after", "results"),
    [
        pytest.param(make_frontend(), config_of(make_frontend(), **out("a", "b")), {}, id="one is left"),
        pytest.param(
            make_frontend(when_none_eligible=HOLD),
            config_of(make_frontend(when_none_eligible=HOLD), **out("a")),
            dict.fromkeys("abc", FAIL),
            id="the guard keeps the others",
        ),
        pytest.param(make_frontend(), config_of(make_frontend(description="x")), dict.fromkeys("abc", FAIL), id="down"),
        pytest.param(
            make_frontend(),
            config_of(make_frontend(address="192.0.2.9"), **out("a", "b", "c")),
            {},
            id="another VIP",
        ),
        pytest.param(make_frontend(), config_of(make_frontend()), {}, id="nothing changes"),
    ],
)
def test_a_file_that_empties_nothing_is_not(before, after, results):
    assert emptied(board_of(config_of(before), **results), after) == {}


def test_what_is_down_but_doubted_counts_as_left():
    checker = CheckerConfig(blindness=Blindness(50.0, 10.0, 60.0))
    board = board_of(attrs.evolve(config_of(make_frontend()), checker=checker))
    for name in "abc":
        board.record(name, FAIL)
    after = attrs.evolve(config_of(make_frontend(description="x"), **out("c")), checker=checker)
    assert emptied(board, after) == {}
    assert emptied(board, attrs.evolve(after, backends={**after.backends, **out("a", "b")})).keys() == {"web"}
