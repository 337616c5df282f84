"""Backends by DNS name in the whole daemon: answers come, change, fail and lie; VPP is told what a reload would."""

import pytest
from twisted.internet.defer import Deferred

from maglev.daemon import neighbours
from maglev.resolver.answer import Addresses, Bad
from tests.fakes.whole_daemon import FAIL, DaemonWorld, site

VIP = "192.0.2.1"
TTL = 10.0


class ScriptedLookup:
    """Answers in place of nameservers: what the test says, or never."""

    def __init__(self):
        self.answers = {}
        self.asked = []

    async def addresses(self, names, config):
        self.asked.append(names.dns_name)
        found = self.answers.get(names.dns_name, Bad("no answer in time"))
        if found is None:
            await Deferred()
        return found if isinstance(found, Bad) else Addresses(tuple(found), TTL)


def named(name="www", extra=None, resolver=None, most=4, **frontend):
    """Return a configuration with one literal backend and one name in a pool."""
    keys = {"dns-name": f"{name}.example.org", "dns-max": most, "healthcheck": "tcp", **(extra or {})}
    made = site(pools=("a",), extra={"resolver": {"max-ttl": "1m", **(resolver or {})}}, **frontend)
    made["backends"][name] = keys
    made["frontends"]["web"]["pools"][0]["backends"][name] = {}
    return made


@pytest.fixture
def lookup(monkeypatch):
    found = ScriptedLookup()
    monkeypatch.setattr(neighbours, "Lookup", lambda _: found)
    return found


@pytest.fixture
def world(tmp_path, monkeypatch, lookup):
    made = DaemonWorld(tmp_path, monkeypatch, named())
    yield made
    made.stop()


def www(lookup, *addresses):
    lookup.answers["www.example.org"] = [f"10.1.0.{each}" for each in addresses]


def rows(world):
    return world.ask("dns_names")["rows"]


def test_each_address_becomes_a_backend_that_is_probed_and_serves(world, lookup):
    www(lookup, 2, 1)
    world.boot(35)

    assert list(world.daemon.board.config.backends) == ["a", "www-1", "www-2"]
    assert world.weights() == {"a": 100, "www-1": 100, "www-2": 100}
    assert set(world.lb.vips[next(iter(world.lb.vips))].servers) == {"10.0.0.1", "10.1.0.1", "10.1.0.2"}
    world.answers["www-2"] = FAIL
    world.wait(10)
    assert world.serving() == "awww-1"


def test_unchanged_answers_touch_nothing(world, lookup):
    www(lookup, 1, 2)
    world.boot(35)
    world.written()
    generation, asked = world.daemon.board.generation, len(lookup.asked)
    www(lookup, 2, 1)
    world.wait(60)

    assert len(lookup.asked) >= asked + 5
    assert world.written() == []
    assert world.daemon.board.generation == generation


def test_a_new_address_is_added_and_one_that_vanished_leaves_after_several_answers(world, lookup):
    www(lookup, 1, 2)
    world.boot(35)
    www(lookup, 2, 3)
    world.wait(TTL)
    assert world.weights() == {"a": 100, "www-1": 100, "www-2": 100, "www-3": 100}
    assert [each["missing"] for each in rows(world)[0]["addresses"]] == [1, 0, 0]

    world.wait(2 * TTL)
    assert world.weights() == {"a": 100, "www-2": 100, "www-3": 100}
    assert [each["backend"] for each in rows(world)[0]["addresses"]] == ["www-2", "www-3"]
    events = [each for each in world.ask("log", 100) if each["type"] == "name"]
    assert [(each["action"], each["added"], each["left"]) for each in events] == [
        ("changed", ["www-1 10.1.0.1", "www-2 10.1.0.2"], []),
        ("changed", ["www-3 10.1.0.3"], []),
        ("changed", [], ["www-1 10.1.0.1"]),
    ]


def test_when_all_addresses_are_others_the_old_ones_serve_until_a_new_one_is_proved(world, lookup):
    made = named(resolver={"missing-answers": 1}, most=2)
    del made["backends"]["a"], made["frontends"]["web"]["pools"][0]["backends"]["a"]
    world.write(made)
    www(lookup, 1, 2)
    world.boot(35)
    world.answers |= {"www-3": FAIL, "www-4": FAIL}
    www(lookup, 3, 4)
    world.wait(TTL)
    assert world.weights() == {"10.1.0.1": 100, "10.1.0.2": 100, "www-3": 0, "www-4": 0}
    world.answers.clear()
    world.wait(TTL)
    assert world.weights() == {"www-3": 100, "www-4": 100}


def test_answers_that_rotate_make_no_server_come_and_go(world, lookup):
    www(lookup, 1, 2, 3)
    world.boot(35)
    world.written()
    for _ in range(6):
        www(lookup, 1, 2)
        world.wait(TTL)
        www(lookup, 2, 3)
        world.wait(TTL)

    assert world.written() == []


@pytest.mark.parametrize("why", ["no answer in time", "SERVFAIL", "there is no such name (NXDOMAIN)"])
def test_a_failure_removes_nothing_and_is_told(world, lookup, why):
    www(lookup, 1, 2)
    world.boot(35)
    world.written()
    lookup.answers["www.example.org"] = Bad(why)
    world.wait(400)

    assert world.written() == []
    row = rows(world)[0]
    assert (row["state"], row["problem"]) == ("failing", why)
    assert row["failures"] > 3
    assert row["age"] > 390
    assert [each["action"] for each in world.ask("log", 100) if each["type"] == "name"] == ["changed", "failed"]
    www(lookup, 1, 2)
    world.wait(70)
    assert rows(world)[0]["state"] == "resolved"
    assert world.written() == []


def test_an_answer_without_any_address_that_can_be_used_is_a_failure(world, lookup):
    www(lookup, 1, 2)
    world.boot(35)
    world.written()
    lookup.answers["www.example.org"] = ["127.0.0.1", VIP, "192.0.2.254", "224.0.0.1", "169.254.1.1", "10.0.0.1", "::1"]
    world.wait(200)

    assert world.written() == []
    assert rows(world)[0]["state"] == "failing"
    assert "127.0.0.1 is a loopback address" in rows(world)[0]["problem"]


def test_a_bad_address_in_a_good_answer_is_refused_and_told(world, lookup):
    lookup.answers["www.example.org"] = [VIP, "10.1.0.1", "192.0.2.254", "10.0.0.1"]
    world.boot(35)

    assert world.weights() == {"a": 100, "www-1": 100}
    assert rows(world)[0]["refused"] == [
        "10.0.0.1 is the address of backend a of the same frontend",
        "192.0.2.1 is the address of frontend web",
        "192.0.2.254 is a source address of VPP",
    ]
    assert [each["action"] for each in world.ask("log", 100) if each["type"] == "name"] == ["changed", "refused"]


def test_more_addresses_than_there_is_room_for_wait_in_order(world, lookup):
    www(lookup, 9, 7, 5, 3, 1)
    world.boot(35)

    assert [each["address"] for each in rows(world)[0]["addresses"]] == [f"10.1.0.{each}" for each in (1, 3, 5, 7)]
    assert rows(world)[0]["waiting"] == ["10.1.0.9"]


def test_a_restart_with_a_dead_resolver_changes_nothing_and_goes_on_checking(world, lookup):
    www(lookup, 1, 2)
    world.boot(35)
    world.stop()
    world.written()
    lookup.answers.clear()
    world.boot(100)

    assert world.written() == []
    assert world.weights() == {"a": 100, "www-1": 100, "www-2": 100}
    assert rows(world)[0]["state"] == "failing"
    assert rows(world)[0]["age"] > 100
    world.answers["www-1"] = FAIL
    world.wait(10)
    assert world.serving() == "awww-2"


def test_without_a_memory_what_vpp_holds_stays_until_the_first_answer(world, lookup):
    www(lookup, 1, 2)
    world.boot(35)
    world.stop()
    (world.state / "names.json").unlink()
    world.written()
    lookup.answers.clear()
    world.answers["a"] = FAIL
    world.boot(100)

    assert rows(world)[0]["state"] == "unresolved"
    assert world.weights() == {"a": 0, "10.1.0.1": 100, "10.1.0.2": 100}
    world.written()
    www(lookup, 2, 3)
    world.wait(80)
    assert world.weights() == {"a": 0, "www-1": 100, "www-2": 100}


def test_without_a_memory_what_vpp_holds_stays_beside_backends_that_are_up(world, lookup):
    www(lookup, 1, 2)
    world.boot(35)
    world.stop()
    (world.state / "names.json").unlink()
    world.written()
    lookup.answers.clear()
    world.boot(100)

    assert world.weights() == {"a": 100, "10.1.0.1": 100, "10.1.0.2": 100}
    assert world.written() == []


def test_what_a_name_replaced_serves_until_an_address_of_it_is_proved(world, lookup):
    world.write(site(pools=("ab",)))
    world.boot(35)
    made = named()
    del made["backends"]["a"], made["frontends"]["web"]["pools"][0]["backends"]["a"]
    world.reload(made)
    world.wait(100)
    world.answers["www-1"] = FAIL
    www(lookup, 1)
    world.wait(70)
    assert [each["address"] for each in rows(world)[0]["addresses"]] == ["10.1.0.1"]
    assert world.weights() == {"10.0.0.1": 100, "10.0.0.2": 100, "www-1": 0}
    world.answers.clear()
    world.wait(TTL)
    assert world.weights() == {"www-1": 100}


def test_a_name_of_the_same_family_makes_no_vip_again(world):
    world.write(site(pools=("a",), backends={"a": {"address": "2001:db8:1::1"}}))
    world.boot(35)
    made = named(extra={"dns-family": "ipv6"})
    del made["backends"]["a"], made["frontends"]["web"]["pools"][0]["backends"]["a"]
    world.write(made)

    assert not [each for each in world.ask("check_config")["problems"] if "re-creates" in each["text"]]


def test_a_file_that_is_damaged_is_set_aside(world, lookup):
    world.state.mkdir()
    (world.state / "names.json").write_text("{")
    www(lookup, 1)
    world.boot(35)

    assert world.daemon.names.damage
    assert world.weights() == {"a": 100, "www-1": 100}
    assert len(list(world.state.glob("names.json.damaged-*"))) == 1


def test_literals_replaced_by_a_name_serve_until_it_is_resolved_and_go_on_afterwards(world, lookup):
    world.write(site(pools=("ab",)))
    world.boot(35)
    world.written()
    lookup.answers["www.example.org"] = None
    made = named()
    del made["backends"]["a"], made["frontends"]["web"]["pools"][0]["backends"]["a"]
    answer = world.reload(made)
    assert any("its addresses are not known yet" in each["text"] for each in answer["problems"])
    world.wait(100)
    assert world.written() == []
    assert world.weights() == {"10.0.0.1": 100, "10.0.0.2": 100}


def test_a_disabled_backend_stays_disabled_while_its_name_loses_and_regains_the_address(world, lookup):
    www(lookup, 1, 2)
    world.boot(35)
    world.ask("disable_backend", "www-1", 0, "broken")
    www(lookup, 2, 3)
    world.wait(60)
    assert world.state_of("www-1") == "disabled"
    assert world.weights() == {"a": 100, "www-1": 0, "www-2": 100, "www-3": 100}
    www(lookup, 1, 2, 3)
    world.wait(20)
    assert world.state_of("www-1") == "disabled"
    world.stop()
    lookup.answers.clear()
    world.boot(35)
    assert world.state_of("www-1") == "disabled"


def test_a_reload_takes_other_names_and_settings(world, lookup):
    www(lookup, 1, 2)
    lookup.answers["api.example.org"] = ["10.2.0.1"]
    world.boot(35)
    world.reload(named("api"))
    world.wait(20)
    assert world.weights() == {"a": 100, "api-1": 100}
    world.reload(named("api", extra={"dns-max": 1}, resolver={"min-ttl": "30s"}))
    world.wait(20)
    assert world.weights() == {"a": 100, "api-1": 100}
    world.reload(site(pools=("a",)))
    world.wait(20)
    assert world.weights() == {"a": 100}
    assert rows(world) == []


def test_a_reload_that_gives_a_vip_the_address_of_a_server_takes_that_server_out(world, lookup):
    www(lookup, 1, 2)
    world.boot(35)
    world.reload(named(extra={}, address="10.1.0.1"))
    world.wait(20)

    assert [each["address"] for each in rows(world)[0]["addresses"]] == ["10.1.0.2"]


def test_a_check_says_what_new_names_resolve_to_now(world, lookup):
    www(lookup, 1, 2)
    world.boot(35)
    lookup.answers["api.example.org"] = [f"10.2.0.{each}" for each in range(1, 11)]
    world.write(named("api"))
    texts = [each["text"] for each in world.ask("check_config")["problems"]]
    assert texts[-1].endswith(
        "VPP keeps the servers that it has (it resolves to 10.2.0.1, 10.2.0.2, 10.2.0.3, 10.2.0.4, 10.2.0.5, 10.2.0.6, "
        "10.2.0.7, 10.2.0.8, ... now)"
    )
    lookup.answers["api.example.org"] = Bad("SERVFAIL")
    texts = [each["text"] for each in world.ask("check_config")["problems"]]
    assert texts[-1].endswith("(it is not resolved here: SERVFAIL)")
    assert list(world.daemon.names.statuses) == ["www"]


def test_the_difference_of_a_file_names_the_backends(world, lookup):
    www(lookup, 1, 2)
    world.boot(35)
    made = named(most=1)
    world.write(made)
    changes = world.ask("config_diff")["rows"]
    assert ("backend", "www-2", "removed") in [(each["kind"], each["name"], each["change"]) for each in changes]
