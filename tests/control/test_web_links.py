"""Links that open the live page."""

import pytest
from twisted.internet.task import Clock

from maglev.control.web_links import LIFETIME, MAX_LINKS, WebLinks
from maglev.model.caller import Caller, Role
from maglev.model.errors import RefusedError

ADA = Caller("ada", Role.OPERATOR, "ssh 192.0.2.7:50222")


@pytest.fixture
def links():
    made = WebLinks(Clock())
    made.page = "http://lb1:9092"
    return made


def secret_of(view):
    return view["url"].removeprefix("http://lb1:9092/login#")


def test_a_link_works_once(links):
    secret = secret_of(links.issue(ADA))
    assert len(secret) >= 43
    assert links.redeem(secret) == ADA
    assert links.redeem(secret) is None


def test_a_link_works_for_a_minute(links):
    early, late = secret_of(links.issue(ADA)), secret_of(links.issue(ADA))
    links._clock.advance(LIFETIME - 0.1)
    assert links.redeem(early) == ADA
    links._clock.advance(0.1)
    assert links.redeem(late) is None


def test_other_secrets_are_void(links):
    links.issue(ADA)
    assert links.redeem("") is None
    assert links.redeem("x" * 43) is None


def test_links_are_limited_in_number(links):
    secrets = [secret_of(links.issue(ADA)) for _ in range(MAX_LINKS + 1)]
    assert links.redeem(secrets[0]) is None
    assert links.redeem(secrets[1]) == ADA
    assert len(links._links) == MAX_LINKS - 1


def test_without_a_page_there_is_no_link(links):
    links.page = ""
    with pytest.raises(RefusedError, match="the live page is off"):
        links.issue(ADA)
