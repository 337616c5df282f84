"""Who may ask, log in and order; what strangers and other sites get."""

import json
import re

import pytest
from twisted.internet.defer import Deferred, succeed

from maglev.control.verbs import CallerControl
from maglev.web.sessions import LIFETIME, MAX_SESSIONS_OF_ONE
from maglev.web.site import MAX_BODY, STATIC
from maglev.web.streams import READ_LIMIT
from tests.fakes.logs import recorded_events
from tests.fakes.web import VIEWER, WebWorld

DRAIN = {"verb": "drain_backend", "arguments": {"name": "a", "reason": "disk"}}


@pytest.fixture
def make_world():
    made = []

    def make(*arguments, **named):
        made.append(WebWorld(*arguments, **named))
        return made[-1]

    yield make
    for each in made:
        each.end()
        assert each.clock.getDelayedCalls() == []


@pytest.fixture
def world(make_world):
    return make_world()


# Files


@pytest.mark.parametrize("path", ["/", "/login", *(f"/static/{each.name}" for each in STATIC.iterdir())])
def test_each_file_is_served_with_a_policy_that_lets_nothing_else_run(world, path):
    connection = world.send(path)
    head = connection.head().decode().lower()
    assert connection.status() == 200
    assert "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'" in head
    assert "x-content-type-options: nosniff" in head
    assert "access-control" not in head
    tag = re.search(r'etag: ("\w+")', head)[1]
    assert world.send(path, if_none_match=tag).status() == 304


def test_the_page_has_nothing_inline_and_nothing_from_elsewhere():
    page = (STATIC / "index.html").read_text()
    assert re.findall(r"<script(?![^>]* src=\"/static/)", page) == []
    assert re.findall(r"\b(?:style|on\w+)=", page) == []
    for path in STATIC.iterdir():
        assert re.findall(r"https?://(?!www\.w3\.org)", path.read_text()) == [], path
        assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", path.read_text()) == [], (
            path
        )
    assert len((STATIC / "style.css").read_bytes()) < 15_000


@pytest.mark.parametrize("path", ["/static/", "/static/../site.py", "/static/%2e%2e/site.py", "/api/", "/x"])
def test_nothing_else_is_served(world, path):
    assert world.send(path).status() == 404


# Hosts and sites


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:9092", "", "localhost.evil.example", "192.0.2.9", "[::1", "a b"]
)
def test_a_host_that_is_not_ours_is_refused(world, host):
    assert world.ask("/api/me", host=host)[0] == 403


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:9092", "127.0.0.1:9092", "[::1]:9092", "lb1.example.net", "localhost."]
)
def test_a_host_that_is_ours_is_answered(make_world, host):
    world = make_world(names="lb1.example.net")
    assert world.ask("/api/me", host=host) == (200, {"name": None, "role": "viewer"})


def test_addresses_are_ours_where_all_are_listened_on(make_world):
    world = make_world("0.0.0.0:9092")
    assert world.ask("/api/me", host="192.0.2.9:9092")[0] == 401
    assert world.ask("/api/me", host="evil.example")[0] == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("path", ["/api/events", "/api/me", "/"])
def test_what_another_site_asks_for_is_refused(world, site, path):
    assert world.ask(path, sec_fetch_site=site)[0] == 403
    assert len(world.streams) == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": None},
        {"origin": "null"},
        {"origin": "http://evil.example"},
        {"origin": "http://localhost:9093"},
        {"origin": "ftp://localhost:9092"},
        {"origin": "http://[x"},
        {"content_type": None},
        {"content_type": "text/plain"},
        {"content_type": "application/x-www-form-urlencoded"},
    ],
)
def test_an_order_of_another_site_is_refused_even_with_a_session(world, headers):
    cookie = world.log_in()
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    assert world.post("/api/order", DRAIN, cookie=cookie, **headers)[0] == 403
    assert world.board.backends["a"].state == "unknown"
    assert world.post("/api/order", DRAIN, cookie=cookie)[0] == 200


# Looking


def test_anybody_on_the_machine_may_look(world):
    status, answer = world.ask("/api/backend?name=a")
    assert (status, answer["view"]["name"], answer["why"]["name"]) == (200, "a", "a")
    status, answer = world.ask("/api/frontend?name=web")
    assert (status, answer["view"]["name"], len(answer["why"]["backends"])) == (200, "web", 3)
    assert world.ask("/api/snapshot")[1]["rows"]["backends"].keys() == {"a", "b", "c"}


@pytest.mark.parametrize(
    "path", ["/api/me", "/api/backend?name=a", "/api/frontend?name=web", "/api/snapshot", "/api/events"]
)
def test_elsewhere_looking_needs_a_session(make_world, path):
    world = make_world("192.0.2.9:9092")
    status, answer = world.ask(path, host="192.0.2.9:9092")
    assert status == 401
    assert "type web login" in answer["error"]
    cookie = world.log_in(VIEWER, host="192.0.2.9:9092")
    assert world.send(path, host="192.0.2.9:9092", cookie=cookie).status() == 200


@pytest.mark.parametrize("header", ["x_forwarded_for", "forwarded", "x_real_ip", "via"])
def test_what_a_proxy_passes_on_needs_a_session_on_loopback_too(world, header):
    assert world.ask("/api/me", **{header: "192.0.2.1"})[0] == 401


@pytest.mark.parametrize(
    ("path", "verb"),
    [
        ("/api/backend?name=a", "backend"),
        ("/api/backend?name=a", "explain_backend"),
        ("/api/frontend?name=web", "frontend"),
        ("/api/configuration", "config_diff"),
    ],
)
def test_what_takes_too_long_to_read_is_given_up(world, monkeypatch, path, verb):
    cookie, given_up = world.log_in(), []
    hanging = Deferred(given_up.append)
    monkeypatch.setattr(CallerControl, verb, lambda *_: hanging)
    connection = world.send(path, cookie=cookie)
    world.clock.advance(READ_LIMIT - 1)
    assert connection.transport.value() == b""
    world.clock.advance(1)
    world.clock.turn()
    assert (connection.status(), given_up) == (504, [hanging])
    assert json.loads(connection.body()) == {"error": "no answer in time"}


def test_a_snapshot_that_is_not_ready_in_time_is_given_up(world, monkeypatch):
    monkeypatch.setattr(CallerControl, "backends", lambda *_: Deferred())
    connection = world.send("/api/snapshot")
    world.clock.advance(READ_LIMIT)
    assert connection.status() == 504
    assert world.feed.frames.viewers == {}


def test_the_deadline_of_a_snapshot_ends_with_it(world):
    assert world.send("/api/snapshot").status() == 200
    gone = world.send("/api/snapshot")
    gone.lose()
    world.clock.advance(READ_LIMIT)


def test_what_does_not_exist_is_not_found(world):
    assert (
        world.ask("/api/backend?name=x") == (404, {"error": "no backend named x"})
        or world.ask("/api/backend")[0] == 404
    )


# Sessions


def test_a_link_becomes_a_session_with_its_name_and_role(world):
    with recorded_events() as events:
        cookie = world.log_in()
    assert world.ask("/api/me", cookie=cookie) == (200, {"name": "ada", "role": "operator"})
    (view,) = world.register.views()
    assert (view["name"], view["role"], view["front_end"], view["origin"]) == (
        "ada",
        "operator",
        "web",
        "web 192.0.2.1",
    )
    assert [name for name, _ in events] == ["web-login"]


def test_the_cookie_is_for_nobody_else(world):
    secret = world.control.web_links.issue(VIEWER)["url"].partition("#")[2]
    head = world.send("/api/login", "POST", {"secret": secret}).head().decode()
    assert re.search(
        r"(?i)set-cookie: maglev-9092=[\w-]{43}; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict\r\n", head
    )
    secret = world.control.web_links.issue(VIEWER)["url"].partition("#")[2]
    head = world.send("/api/login", "POST", {"secret": secret}, **{"x-forwarded-proto": "https"}).head().decode()
    assert "SameSite=Strict; Secure" in head


def test_a_link_that_was_used_or_is_old_opens_nothing(world):
    secret = world.control.web_links.issue(VIEWER)["url"].partition("#")[2]
    assert world.post("/api/login", {"secret": secret})[0] == 200
    with recorded_events() as events:
        status, answer = world.post("/api/login", {"secret": secret})
    assert (status, len(world.sessions)) == (401, 1)
    assert "works once" in answer["error"]
    assert [name for name, _ in events] == ["web-login-refused"]
    secret = world.control.web_links.issue(VIEWER)["url"].partition("#")[2]
    world.clock.advance(60)
    assert world.post("/api/login", {"secret": secret})[0] == 401


@pytest.mark.parametrize("body", [b"", b"[", b"{}", b'{"secret": 7}', b"[" * 4000])
def test_a_login_without_a_secret_is_refused(world, body):
    assert world.post("/api/login", body)[0] == 400


def test_a_session_ends_by_log_out_and_by_itself(world):
    cookie = world.log_in()
    other = world.log_in(VIEWER)
    assert world.post("/api/logout", {}, cookie=cookie)[0] == 200
    assert world.ask("/api/me", cookie=cookie)[1]["name"] is None
    assert world.ask("/api/me", cookie=other)[1]["name"] == "vera"
    world.clock.advance(LIFETIME)
    assert world.ask("/api/me", cookie=other)[1]["name"] is None
    assert world.register.views() == []


def test_sessions_of_one_name_are_limited(world):
    cookies = [world.log_in() for _ in range(MAX_SESSIONS_OF_ONE + 1)]
    names = [world.ask("/api/me", cookie=cookie)[1]["name"] for cookie in cookies]
    assert names == [None] + ["ada"] * MAX_SESSIONS_OF_ONE


def test_a_stream_ends_with_its_session(make_world):
    world = make_world("192.0.2.9:9092")
    cookie = world.log_in(host="192.0.2.9:9092")
    page = world.open(host="192.0.2.9:9092", cookie=cookie)
    assert page.kinds() == ["snapshot"]
    world.post("/api/logout", {}, host="192.0.2.9:9092", cookie=cookie)
    world.pass_time(16, step=0.5)
    assert page.connection.transport.value().endswith(b"0\r\n\r\n")
    assert len(world.streams) == 0


# Orders


def test_an_order_is_carried_out_in_the_name_of_the_session(world):
    with recorded_events() as events:
        status, answer = world.post("/api/order", DRAIN, cookie=world.log_in())
    assert (status, answer["view"]["to"]) == (200, "draining")
    (fields,) = [fields for name, fields in events if name == "audit"]
    assert (fields["who"], fields["origin"], fields["reason"]) == ("ada", "web 192.0.2.1", "disk")


def test_a_host_is_taken_out_in_the_name_of_the_session(world):
    address = world.board.backends["a"].address
    arguments = {"address": address, "order": "disable", "reason": "new memory"}
    with recorded_events() as events:
        status, answer = world.post("/api/order", {"verb": "set_host", "arguments": arguments}, cookie=world.log_in())
    assert (status, [each["backend"] for each in answer["view"]["results"]]) == (200, ["a"])
    assert world.board.backends["a"].state == "disabled"
    (fields,) = [fields for name, fields in events if name == "audit"]
    assert (fields["who"], fields["reason"]) == ("ada", "new memory")


def test_the_configuration_is_checked_and_compared_for_those_who_have_a_session(world, monkeypatch):
    difference = {"ok": True, "problems": [], "rows": [{"name": "web"}], "next": None}
    monkeypatch.setattr(CallerControl, "config_diff", lambda _: succeed(difference))
    assert world.ask("/api/configuration")[0] == 401
    assert world.ask("/api/configuration", cookie=world.log_in(VIEWER)) == (200, {"view": difference})


def test_a_viewer_may_not_act(world):
    status, answer = world.post("/api/order", DRAIN, cookie=world.log_in(VIEWER))
    assert (status, world.board.backends["a"].state) == (403, "unknown")
    assert answer["error"].startswith("permission denied")


def test_nobody_acts_without_a_session(world):
    assert world.post("/api/order", DRAIN)[0] == 401
    assert world.post("/api/order", DRAIN, cookie="maglev-9092=" + "x" * 43)[0] == 401
    assert world.ask("/api/order")[0] == 400
    assert world.board.backends["a"].state == "unknown"


@pytest.mark.parametrize(
    ("order", "status", "error"),
    [
        ({"verb": "drain_backend", "arguments": {"name": "a"}}, 400, "a reason is needed"),
        ({"verb": "drain_backend", "arguments": {"name": "x", "reason": "r"}}, 404, "x"),
        ({"verb": "enable_backend", "arguments": {"name": "a"}}, 409, "can't be"),
        ({"verb": "names", "arguments": {"kind": "backend"}}, 400, "expected a verb"),
    ],
)
def test_a_refused_order_says_why(world, order, status, error):
    found, answer = world.post("/api/order", order, cookie=world.log_in())
    assert found == status
    assert error in answer["error"]


def test_a_large_body_is_refused_at_its_header(world):
    assert world.send("/api/order", "POST", b"x" * (MAX_BODY + 1)).status() == 413
    assert world.send("/api/order", "POST", b"x" * MAX_BODY, cookie=world.log_in()).status() == 400
