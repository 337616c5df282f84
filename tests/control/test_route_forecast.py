"""What a reload does to a route: what is said beforehand, against what an announcer then does."""

import pytest

from maglev.control.dry_run import dry_run_steps
from maglev.control.route_forecast import route_steps, withdrawn_steps
from maglev.model.announce import AnnouncePolicy, Needed
from maglev.model.config import Backend
from tests.fakes.announced_site import Site
from tests.fakes.configs import make_announce, make_check, make_config, make_frontend
from tests.fakes.outcomes import run_steps
from tests.fakes.vpp_bench import PASS

UNTIL = "192.0.2.1 is withdrawn until enough new backends are up"
STAYS = "192.0.2.1 stays announced while servers that leave serve it"
GONE = "192.0.2.1 is withdrawn"
SMTP = make_frontend("mail", pools=("d",), port=25)


def web(*pools, **changes):
    return make_frontend(pools=pools, **changes)


def file_of(*frontends, needed=Needed.ANY, min_up=1, disabled=(), **changes):
    names = dict.fromkeys(name for frontend in frontends for name in frontend.backends)
    made = [Backend(name, f"10.0.0.{ord(name)}", "tcp", enabled=name not in disabled) for name in names]
    announce = make_announce(AnnouncePolicy("192.0.2.1", needed, min_up))
    check = make_check(rise=1, fall=1)
    return make_config(
        frontends, made, [check], announce=announce, startup_min_delay=5.0, startup_max_delay=30.0, **changes
    )


@pytest.fixture
def site():
    made = Site("ab").settled()
    yield made
    made.stop()


@pytest.mark.parametrize(
    ("config", "told", "route"),
    [
        pytest.param(file_of(web("ab")), {}, True, id="nothing changes"),
        pytest.param(file_of(web("bc")), {}, True, id="one stays"),
        pytest.param(file_of(web("cd")), {"web": STAYS}, True, id="all are replaced"),
        pytest.param(file_of(web("cd"), removal_max_delay=0.0), {"web": UNTIL}, False, id="all are replaced at once"),
        pytest.param(file_of(web("bc"), min_up=2), {"web": UNTIL}, False, id="too few stay"),
        pytest.param(file_of(web("ab"), SMTP), {}, True, id="another frontend"),
        pytest.param(file_of(web("ab"), SMTP, needed=Needed.ALL), {"mail": UNTIL}, False, id="another that is needed"),
        pytest.param(
            file_of(web("ab"), make_frontend("mail", pools=("a",), port=25), needed=Needed.ALL),
            {},
            True,
            id="another that is needed, of proven servers",
        ),
        pytest.param(file_of(web("cd", port=81)), {"web": UNTIL}, False, id="another VIP"),
        pytest.param(file_of(web("ab"), disabled="ab", removal_max_delay=0.0), {"web": GONE}, False, id="all disabled"),
        pytest.param(file_of(web((("a", 0), ("b", 0)))), {"web": GONE}, False, id="all without a weight"),
    ],
)
def test_what_is_said_of_the_route_beforehand_is_what_becomes_of_it(site, config, told, route):
    said = run_steps(route_steps(site.board, config))
    assert said == {name: (text,) for name, text in told.items()}
    changes = run_steps(dry_run_steps(site.board, config, weights=True, src_ip_sticky=True))
    details = {each.difference.name: each.difference.details for each in changes}
    assert all(text in details[name] for name, text in told.items())
    withdrawn = run_steps(withdrawn_steps(site.board, config))
    assert withdrawn == {name: f"a reload takes its route: {text}" for name, text in told.items() if text != STAYS}
    site.board.apply(config)
    site.wait(0.2)
    assert site.route is route
    for name in config.backends:
        site.board.record(name, PASS)
    site.wait(1)
    assert site.route is (GONE not in told.values())


def test_servers_under_another_name_keep_the_route(site):
    names = {"x": "a", "y": "b"}
    made = [Backend(name, f"10.0.0.{ord(was)}", "tcp") for name, was in names.items()]
    config = make_config([web("xy")], made, announce=make_announce("192.0.2.1"))
    assert run_steps(route_steps(site.board, config)) == {}
    site.board.apply(config)
    site.wait(1)
    assert site.route


def test_an_address_that_is_not_served_or_leaves_is_not_worth_a_word(site):
    config = file_of(web("cd"))
    assert run_steps(route_steps(site.board, make_config([web("cd")]))) == {}
    site.probe({"a": False, "b": False})
    site.wait(1)
    assert run_steps(route_steps(site.board, config)) == {}
