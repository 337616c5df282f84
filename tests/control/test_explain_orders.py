"""What explanations say of orders about whole frontends, and of servers that leave."""

from __future__ import annotations

import pytest

from maglev.announce.decision import Footing
from maglev.control.explain import explain_announcement, explain_frontend
from maglev.model.announce import Announcing
from maglev.vpp.lb.state import key_of
from maglev.vpp.sync.departures import Departing
from tests.fakes.announced_site import VIP, Site


@pytest.fixture
def site():
    made = Site().settled()
    yield made
    made.stop()


def steps(site, departing=None):
    view = explain_frontend(
        site.board,
        site.board.frontends["web"],
        site.service.known,
        site.service.departures.departing(key_of(site.board.frontends["web"].frontend))
        if departing is None
        else departing,
        site.announcer.trace(VIP),
        [],
    )
    return [(each["step"], each["text"]) for each in view["steps"]]


def test_a_frontend_that_an_operator_has_disabled_is_the_reason_and_among_the_orders(site):
    site.board.set_out("web", out=True)
    site.wait(1)
    trace = site.announcer.trace(VIP)
    assert (trace.state.now, trace.state.why) == (Announcing.WITHDRAWN, "an operator has disabled frontend web")
    assert trace.findings["web"].footing is Footing.NOTHING
    said = [(each["step"], each["text"]) for each in explain_announcement(trace, [])["steps"]]
    assert ("orders", "an operator has disabled frontend web") in said
    site.off = "kept off by ann"
    said = [(each["step"], each["text"]) for each in explain_announcement(site.announcer.trace(VIP), [])["steps"]]
    assert ("orders", "kept off by ann; an operator has disabled frontend web") in said


def test_servers_that_leave_are_in_the_explanation(site):
    assert "departing" not in dict(steps(site))
    site.reload("d")
    site.wait(10)
    text = "10.0.0.97 has left the frontend, and serves with weight 100 until a backend is up, for 50.0s at most"
    assert ("departing", text) in steps(site)
    drains = {"10.0.0.98": Departing(0, 0.9)}
    assert ("departing", "10.0.0.98 has left the frontend, and drains, for 0.9s at most") in steps(site, drains)
