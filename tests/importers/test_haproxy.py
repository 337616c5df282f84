"""HAProxy's configuration becomes ours, and nothing of it is dropped silently."""

import re

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID

from maglev.config.load import load_text
from maglev.importers.convert import convert
from maglev.importers.haproxy.address import BindAddress, place_of, seconds
from maglev.importers.haproxy.words import QuoteError, words_of
from maglev.model.errors import ConfigError
from tests.fakes.certificates import Authority


class HaproxyImport:
    """What became of a file."""

    def __init__(self, path, text):
        path.write_text(text)
        made = convert("haproxy", str(path))
        self.text, self.remarks, self.status = made.text, made.remarks, made.status
        self.tree = yaml.safe_load(self.text)["maglev"] if self.text else None
        # The notes about lines, as (number, text), comments joined.
        told = " ".join(line.strip().removeprefix("#").strip() for line in self.text.split("\n") if "#" in line)
        self.comments = " ".join(told.split())

    @property
    def config(self):
        return load_text(self.text).config

    def check(self, backend):
        return self.config.healthchecks[self.config.backends[backend].healthcheck]


@pytest.fixture
def run(tmp_path):
    return lambda text: HaproxyImport(tmp_path / "haproxy.cfg", text)


def listen(*lines, bind="192.0.2.1:80", server="10.0.0.1:80 check", before=""):
    """Return a file with one section."""
    inside = "".join(f"    {line}\n" for line in (f"bind {bind}", *lines, f"server s {server}"))
    return f"{before}listen site\n{inside}"


# Words


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("  # nothing", []),
        ("a\tb  c # d", ["a", "b", "c"]),
        (r"a\ b c\#d \\", ["a b", "c#d", "\\"]),
        (r"a\x41\n\q", ["aA\n\\q"]),
        ("a\\", ["a\\"]),
        ("'a $X # b' c", ["a $X # b", "c"]),
        ("a'b'\"c\"", ["abc"]),
        ('""', [""]),
        (r'"a\"b \$X"', ['a"b $X']),
        ('"$X/${X}/${Y-none}/${Z}/$"', ["1/1/none/${Z}/$"]),
        ("$X ${X}", ["$X", "${X}"]),
    ],
)
def test_lines_are_split_as_haproxy_does(line, words):
    assert words_of(line, {"X": "1"}) == words


@pytest.mark.parametrize("line", ["'a", 'a "b', '"a\\"'])
def test_a_quote_that_is_not_closed_is_an_error(line):
    with pytest.raises(QuoteError):
        words_of(line, {})


# Addresses and times


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("192.0.2.1:80", BindAddress("192.0.2.1", range(80, 81))),
        ("192.0.2.1", BindAddress("192.0.2.1", None)),
        ("192.0.2.1:80-82", BindAddress("192.0.2.1", range(80, 83))),
        ("192.0.2.1:82-80", BindAddress("192.0.2.1", None)),
        ("192.0.2.1:0", BindAddress("192.0.2.1", None)),
        ("192.0.2.1:http", BindAddress("192.0.2.1", None)),
        ("*:80", BindAddress(None, range(80, 81))),
        (":80", BindAddress(None, range(80, 81))),
        ("0.0.0.0:80", BindAddress(None, range(80, 81))),
        (":::80", BindAddress(None, range(80, 81))),
        ("[2001:DB8::1]:80", BindAddress("2001:db8::1", range(80, 81))),
        ("[2001:db8::1]", BindAddress("2001:db8::1", None)),
        ("2001:db8::1:80", BindAddress("2001:db8::1", range(80, 81))),
        ("ipv4@192.0.2.1:80", BindAddress("192.0.2.1", range(80, 81))),
        ("quic4@192.0.2.1:443", BindAddress("192.0.2.1", range(443, 444), udp=True)),
        ("/run/x.sock", BindAddress(None, None, local=True)),
        ("unix@/run/x.sock", BindAddress(None, None, local=True)),
        ("fd@3", BindAddress(None, None, local=True)),
        ("www.example.com:80", BindAddress(None, range(80, 81))),
        ("${A}:${P}", BindAddress("192.0.2.9", range(81, 82))),
        ("${B}:80", BindAddress(None, range(80, 81))),
        ("239.1.1.1:80", BindAddress(None, range(80, 81))),
    ],
)
def test_addresses_mean_what_they_mean_to_haproxy(text, place):
    assert place_of(text, {"A": "192.0.2.9", "P": "81"}) == place


@pytest.mark.parametrize(
    ("text", "value"),
    [("100", 0.1), ("2s", 2), ("1m", 60), ("500us", 0.0005), ("1d", 86400), ("1h", 3600), ("soon", None)],
)
def test_times_are_milliseconds_unless_they_say_otherwise(text, value):
    assert seconds(text) == (None if value is None else pytest.approx(value))


# Sections


def test_a_listen_becomes_a_frontend_with_its_servers(run):
    made = run(listen("description the site"))

    assert made.status == 0
    frontend = made.config.frontends["site"]
    assert (frontend.address, frontend.transport, frontend.l4_port) == ("192.0.2.1", "tcp", 80)
    assert frontend.description == "the site"
    (pool,) = frontend.pools
    assert [(member.backend, member.weight) for member in pool.members] == [("s", 100)]
    assert made.check("s").interval == 2
    assert "PLACEHOLDERS" in made.text
    assert made.remarks[-1].endswith("valid; replace VPP's addresses")


def test_a_frontend_leads_to_its_default_backend(run):
    made = run("""
frontend f
    bind 192.0.2.1:80
    use_backend other if { path /x }
    default_backend b
backend b
    server s1 10.0.0.1:80
backend other
    server s2 10.0.0.2:80
backend void
""")
    assert [member.backend for member in made.config.frontends["f"].pools[0].members] == ["s1"]
    assert "line 4: selection of servers not supported: use_backend other if { path /x }" in made.comments
    assert "no frontend uses the servers of other" in made.comments
    assert "servers of void" not in made.comments
    assert "warning: maglev.backends.s2: is not used" in made.remarks[0]


def test_without_a_default_the_first_choice_holds_for_everything(run):
    made = run("frontend f\n bind 192.0.2.1:80\n use_backend\n use_backend b if x\nbackend b\n server s 10.0.0.1:80\n")

    assert made.config.frontends["f"].backends == ("s",)
    assert "line 4: condition ignored, applies to all traffic: use_backend b if x" in made.comments
    assert "line 3: selection of servers not supported: use_backend" in made.comments


def test_a_frontend_that_leads_nowhere_is_left_out_and_named(run):
    made = run("frontend f\n bind 192.0.2.1:80\n default_backend none\n use_backend x\nfrontend g\n default_backend\n")

    assert made.status == 0
    assert made.config.frontends == {}
    assert "line 1: f has no servers and is left out" in made.comments
    assert "line 2: bind 192.0.2.1:80" in made.comments
    assert "line 6: default_backend" in made.comments


def test_defaults_hold_for_what_follows_and_named_ones_for_whom_names_them(run):
    made = run("""
defaults slow
    default-server inter 9s
defaults
    default-server inter 5s rise 4
    timeout check 1s
    default_backend a
frontend f
    bind 192.0.2.1:80
backend a
    server s1 10.0.0.1:80 check
backend b from slow
    server s2 10.0.0.2:80 check inter 7s
    server s3 10.0.0.3:80 check
listen c from nowhere
    bind 192.0.2.2:80
    server s4 10.0.0.4:80 check
""")
    assert made.config.frontends["f"].backends == ("s1",)
    assert [made.check(f"s{number}").interval for number in range(1, 5)] == [5, 7, 9, 2]
    assert made.check("s1").rise == 4
    assert made.check("s1").timeout == 6


def test_the_first_line_of_a_section_may_have_the_address(run):
    made = run("listen site 192.0.2.1:80\n server s 10.0.0.1:80\n")
    assert made.config.frontends["site"].address == "192.0.2.1"


def test_a_disabled_section_is_left_out_and_named(run):
    made = run(listen("disabled"))
    assert made.config.frontends == {}
    assert "line 1: site is disabled and is left out" in made.comments
    assert "line 2: bind 192.0.2.1:80" in made.comments
    assert run(listen("disabled", "enabled")).config.frontends


def test_a_disabled_backend_is_not_led_to(run):
    made = run("frontend f\n bind 192.0.2.1:80\n default_backend b\nbackend b\n disabled\n server s 10.0.0.1:80\n")
    assert made.config.frontends == {}
    assert "line 4: b is disabled and not used" in made.comments
    assert "line 1: its servers would be those of b" in made.comments


def test_a_frontend_that_is_bound_nowhere_is_named(run):
    made = run("frontend f\n default_backend b\nlisten b\n server s 10.0.0.1:80\n")
    assert made.config.frontends == {}
    assert "line 1: f has no bind address and is left out" in made.comments
    assert "line 1: its servers would be those of b" in made.comments
    assert "line 3: no frontend uses the servers of b" in made.comments


def test_two_sections_of_one_name_are_told(run):
    made = run("backend b\n server s 10.0.0.1:80\nbackend b\n server t 10.0.0.2:80\n")
    assert "line 3: duplicate section b: only the first one is used" in made.comments
    assert set(made.config.backends) == {"s", "t"}


def test_everything_else_is_named_with_its_line(run):
    made = run("""
global
    maxconn 100
    setenv SITE 192.0.2.7
    setenv BROKEN
    ssl-server-verify none
userlist people
    user tim password x
.if defined(X)
defaults
    timeout client 1s
    timeout check never
    timeout
    option
    option forwardfor
    no option forwardfor
    no log
    source 10.0.0.9 usesrc client
    mode health
    default-server maxconn 10 inter 1s
listen site
    bind "${SITE}:80"
    stick-table type ip size 1
    balance roundrobin
    stick match src
    server s 10.0.0.1:80 check ssl
.endif
""")
    tail = made.text.partition("# Without an equivalent:\n")[2]
    numbers = [int(number) for number in re.findall(r"line (\d+):", tail)]
    assert numbers == sorted(numbers)
    for number, text in (
        (3, "(global) maxconn 100"),
        (8, "(userlist) user tim password x"),
        (9, ".if defined(X)"),
        (11, "timeout client 1s"),
        (12, "timeout check never"),
        (13, "timeout"),
        (14, "option"),
        (15, "option forwardfor"),
        (16, "no option forwardfor"),
        (17, "no log"),
        (18, "source 10.0.0.9 usesrc client"),
        (19, "mode health"),
        (20, "default-server: no equivalent for: maxconn 10"),
        (23, "stick-table type ip size 1"),
        (24, "balance roundrobin"),
        (25, "stick match src"),
        (27, ".endif"),
    ):
        assert f"line {number}: {text}" in made.comments
    assert made.config.frontends["site"].address == "192.0.2.7"
    assert made.check("s").tls.verify is False


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it has no section"),
        ("{json: 1}", "line 1, column 1: parse error: not an HAProxy configuration"),
        ("global\n  log 'x\n", "line 2, column 1: parse error: unclosed quote"),
    ],
)
def test_what_is_not_a_configuration_is_refused(run, text, said):
    made = run(text)
    assert (made.status, made.text) == (1, "")
    assert said in made.remarks[0]


# Frontends


def test_several_ports_are_several_frontends(run):
    made = run(listen(bind="192.0.2.1:80-81,192.0.2.2:80 ssl crt /x.pem"))

    places = {name: (each.address, each.l4_port) for name, each in made.config.frontends.items()}
    assert places == {"site": ("192.0.2.1", 80), "site-81": ("192.0.2.1", 81), "site-80": ("192.0.2.2", 80)}
    assert "TLS ends at the backends: they need the certificate" in made.comments
    assert "HAProxy sends to port 80 of s; VPP does not change port 81" in made.comments


def test_what_is_bound_to_all_addresses_is_to_be_filled_in(run):
    made = run(listen("bind :${PORT}", bind="*:80"))

    assert made.status == 2
    assert [remark for remark in made.remarks if "maglev.frontends.site.address: fill in (line 2: bind *:80)" in remark]
    assert made.tree["frontends"]["site-all"] == {
        "address": "FILL-IN",
        "protocol": "tcp",
        "port": "FILL-IN",
        "when-none-eligible": "down",
        "pools": [{"name": "primary", "backends": {"s": {"weight": 100}}}],
    }
    assert "address missing: set the one that clients connect to" in made.comments
    assert "port missing: set the one that clients connect to" in made.comments
    mended = made.text.replace("port: FILL-IN", "port: 81").replace("FILL-IN", "192.0.2.1")
    assert len(load_text(mended).config.frontends) == 2


def test_what_is_not_an_address_or_too_many_ports_is_left_out_and_named(run):
    made = run(listen("bind /run/x.sock", "bind 192.0.2.2:1-1000", "bind"))

    assert list(made.config.frontends) == ["site"]
    assert "line 3: not an IP address: /run/x.sock" in made.comments
    assert "line 5: incomplete line: bind" in made.comments
    assert "line 4: more than 64 ports: bind 192.0.2.2:1-1000" in made.comments


def test_quic_is_udp(run):
    assert run(listen(bind="quic4@192.0.2.1:443")).config.frontends["site"].transport == "udp"


def test_an_address_and_port_can_be_had_once(run):
    made = run(listen() + "listen other\n bind 192.0.2.1:80\n server t 10.0.0.2:80\n")

    assert list(made.config.frontends) == ["site"]
    assert "line 5: bind 192.0.2.1:80 left out: frontend site already has this address and port" in made.comments


def test_a_frontend_has_servers_of_one_family_and_so_has_an_address(run):
    made = run("""
listen a
    bind 192.0.2.1:80
    server s1 10.0.0.1:80
    server s2 [2001:db8::1]:80
listen b
    bind 192.0.2.1:81
    server s3 [2001:db8::2]:80
listen c
    bind 192.0.2.3:81
    server s4 [2001:db8::3]:80
listen d
    bind 192.0.2.4:83
    server s5 name:80
listen e
    bind 192.0.2.4:84
    server s6 [2001:db8::3]:80
listen f
    bind 192.0.2.4:85
    server s7 10.0.0.7:80
""")
    assert made.status == 2
    assert set(made.tree["frontends"]) == {"a", "c", "d", "e"}
    assert made.tree["frontends"]["a"]["pools"][0]["backends"].keys() == {"s1"}
    assert "line 5: s2 (2001:db8::1) left out: all backends of a frontend must have the same family" in made.comments
    assert "one encapsulation per address" in made.comments
    assert made.tree["backends"]["s4"]["address"] == "2001:db8::3"


@pytest.mark.parametrize("line", ["balance source", "stick on src"])
def test_sessions_stick_to_the_source_where_they_did(run, line):
    made = run(listen(line))
    assert made.config.frontends["site"].src_ip_sticky
    assert "src-ip-sticky" in made.comments
    assert (
        not run(listen(line, "balance leastconn") if "balance" in line else listen())
        .config.frontends["site"]
        .src_ip_sticky
    )


# Servers


def test_weights_are_in_relation_to_the_largest_of_the_pool(run):
    made = run("""
listen site
    bind 192.0.2.1:80
    server a 10.0.0.1:80 weight 256
    server b 10.0.0.2:80 weight 64
    server c 10.0.0.3:80 weight 0
    server d 10.0.0.4:80
    server e 10.0.0.5:80 weight 300
    server f 10.0.0.6:80 backup weight 5
""")
    primary, backup = made.config.frontends["site"].pools
    assert {each.backend: each.weight for each in primary.members} == {"a": 100, "b": 25, "c": 0, "d": 1, "e": 1}
    assert [(each.backend, each.weight) for each in backup.members] == [("f", 100)]
    assert "line 5: weight scaled from 64 (the largest in this pool is 256)" in made.comments
    assert "no equivalent for: weight 300" in made.comments


@pytest.mark.parametrize(("servers", "length"), [(1, 1024), (10, 1024), (12, 2048), (40, 4096)])
def test_the_table_is_as_long_as_the_weights_need(run, servers, length):
    made = run(listen(*(f"server s{number} 10.0.1.{number}:80" for number in range(1, servers + 1))))
    frontend = made.config.frontends["site"]
    assert (frontend.table_length, frontend.table_fits, frontend.weights) == (length, True, "least-moving")
    assert len(made.remarks) == 1


def test_backups_serve_one_after_the_other_unless_all_do(run):
    servers = ("server a 10.0.0.1:80", "server b 10.0.0.2:80 backup", "server c 10.0.0.3:80 backup")

    def pools(*lines):
        text = "listen site\n bind 192.0.2.1:80\n" + "".join(f" {line}\n" for line in (*lines, *servers))
        return {pool.name: len(pool.members) for pool in run(text).config.frontends["site"].pools}

    assert pools() == {"primary": 1, "backup-1": 1, "backup-2": 1}
    assert pools("option allbackups") == {"primary": 1, "backup": 2}
    assert pools("option allbackups", "no option allbackups") == pools()


def test_only_backups_are_a_pool_too(run):
    pools = run(listen(server="10.0.0.1:80 backup")).config.frontends["site"].pools
    assert [pool.name for pool in pools] == ["backup"]


def test_a_disabled_server_is_a_disabled_backend(run):
    assert not run(listen(server="10.0.0.1:80 disabled")).config.backends["s"].enabled
    assert run(listen(server="10.0.0.1:80 disabled enabled")).config.backends["s"].enabled


def test_a_server_with_a_name_is_to_be_filled_in(run):
    made = run(listen(server="www.example.com:80 check"))

    assert made.status == 2
    assert made.tree["backends"]["s"]["address"] == "FILL-IN"
    assert "fill in (line 3: server s www.example.com:80 check)" in made.remarks[0]
    assert made.remarks[-1].endswith("1 value to fill in before it is valid")
    assert load_text(made.text.replace("FILL-IN", "10.0.0.1")).config.frontends["site"].backends == ("s",)


def test_a_template_is_as_many_servers(run):
    made = run(listen("server-template w 2-3 name:80", "server-template v 2 10.0.0.9:80"))

    assert set(made.tree["backends"]) == {"w2", "w3", "v1", "s"}
    assert "(w2)" in made.comments
    assert "same as: server-template v 2 10.0.0.9:80 (v2)" in made.comments
    assert made.tree["frontends"]["site"]["pools"][0]["backends"].keys() == {"w2", "w3", "v1", "s"}
    assert "v2 has become the same backend" in made.comments


@pytest.mark.parametrize(
    "line", ["server-template w 1000 name:80", "server-template w 0 name:80", "server-template w x n"]
)
def test_a_template_of_too_many_is_named(run, line):
    assert f"expected a number or range of 1 to 256 servers: {line}" in run(listen(line)).comments


def test_servers_that_are_none_are_named(run):
    made = run(listen("server a", "server b /run/x.sock", "server"))
    assert "line 3: incomplete line: server a" in made.comments
    assert "line 4: not an IP address: server b /run/x.sock" in made.comments
    assert set(made.config.backends) == {"s"}


def test_servers_of_one_name_get_others(run):
    made = run("""
backend a
    server s 10.0.0.1:80
backend b
    server s 10.0.0.2:80
backend b
    server s 10.0.0.3:80
    server s 10.0.0.4:80
    server s:% 10.0.0.5:80
    server - 10.0.0.6:80
    server on 10.0.0.7:80
""")
    assert set(made.config.backends) == {"s", "b-s", "b-s-2", "b-s-3", "s-2", "unnamed", "on"} - {"s-2"} | {"b-s-4"}


def test_what_a_server_is_told_and_can_t_be_kept_is_named(run):
    made = run(listen(server="10.0.0.1:80 check cookie c maxconn 5 send-proxy inter soon port 0 rise x verify maybe"))
    said = "line 3: no equivalent for: cookie c, maxconn 5, send-proxy, inter soon, port 0, rise x, verify maybe"
    assert said in made.comments


# Checks


def test_times_and_counts_of_checks_are_kept(run):
    check = run(listen(server="10.0.0.1:80 check inter 3s fastinter 500 downinter 1m rise 5 fall 7")).check("s")
    assert (check.interval, check.fast_interval, check.down_interval) == (3, 0.5, 60)
    assert (check.rise, check.fall, check.timeout) == (5, 7, 3)


def test_times_out_of_our_bounds_become_the_nearest(run):
    check = run(listen(server="10.0.0.1:80 check inter 1 downinter 2d fall 5000")).check("s")
    assert (check.interval, check.down_interval, check.fall) == (0.01, 86400, 1000)


def test_a_check_time_out_begins_after_the_connection(run):
    assert run(listen("timeout check 1s", "timeout connect 500ms")).check("s").timeout == 1.5
    assert run(listen("timeout check 1s", "timeout connect 5s")).check("s").timeout == 3
    assert run(listen("timeout connect 500ms")).check("s").timeout == 2


def test_a_server_without_check_is_always_up(run):
    assert run(listen(server="10.0.0.1:80")).config.backends["s"].healthcheck is None
    assert run(listen(server="10.0.0.1:80 check no-check")).config.backends["s"].healthcheck is None
    made = run(listen(server="10.0.0.1 check"))
    assert made.config.backends["s"].healthcheck is None
    assert "not probed and therefore always up: no port to check" in made.comments


@pytest.mark.parametrize(
    ("words", "path"),
    [("", "/"), ("/x", "/x"), ("GET /y", "/y"), ("GET /z HTTP/1.0", "/z"), ("OPTIONS *", "/"), ("GET /%[x]", "/")],
)
def test_httpchk_is_http(run, words, path):
    made = run(listen(f"option httpchk {words}"))
    check = made.check("s")
    assert (check.type, check.http.path, check.http.response_codes) == ("http", path, ((200, 399),))
    assert ("requested with GET instead of OPTIONS" in made.comments) == (not words.startswith("GET"))
    assert ("path not supported, / is requested instead" in made.comments) == ("*" in words or "%" in words)


def test_the_host_may_be_behind_the_version(run):
    made = run(listen(r"option httpchk GET / HTTP/1.1\r\nHost:\ www.example.com"))
    assert made.check("s").http.host == "www.example.com"


def test_what_is_sent_is_kept_as_far_as_it_can_be(run):
    made = run(
        listen("option httpchk", "http-check send meth GET uri /a ver HTTP/1.1 hdr Host a.example body x hdr A b")
    )
    check = made.check("s")
    assert (check.http.path, check.http.host) == ("/a", "a.example")
    assert "line 4: not sent by the healthcheck: body x" in made.comments
    assert check.http.headers == (("A", "b"),)
    assert "Host header not supported: a b" in run(listen("option httpchk", "http-check send hdr Host a\\ b")).comments


@pytest.mark.parametrize(
    ("rule", "codes", "regexp"),
    [
        ("status 200", ((200, 200),), None),
        ("status 200,204 300-301", ((200, 200), (204, 204), (300, 301)), None),
        ("! status 100-499", ((500, 599),), None),
        ("rstatus ^[23]", ((200, 399),), None),
        ("! rstatus ^5", ((100, 499),), None),
        ("min-recv 5 string a.b", ((100, 599),), r"a\.b"),
        ("rstring a.b", ((100, 599),), "a.b"),
    ],
)
def test_what_is_expected_is_kept(run, rule, codes, regexp):
    http = run(listen("option httpchk GET /", f"http-check expect {rule}")).check("s").http
    assert (http.response_codes, http.response_regexp) == (codes, regexp)


@pytest.mark.parametrize(
    "rule",
    [
        "status x",
        "! string ''",
        "! hdr name x",
        "rstring (",
        "rstatus (",
        "string ''",
        "hdr name x",
        "",
        "! status 100-599",
        "rstatus x",
    ],
)
def test_what_can_t_be_expected_is_named(run, rule):
    made = run(listen("option httpchk GET /", f"http-check expect {rule}"))
    assert made.check("s").http.response_codes == ((200, 399),)
    assert "line 4: no equivalent for this expectation:" in made.comments


def test_one_expectation_of_a_kind_can_be_kept(run):
    rules = ("status 204", "string x", "! rstring y+", "! string z", "! status 500", "rstring w")
    made = run(listen("option httpchk GET /", *(f"http-check expect {rule}" for rule in rules)))
    http = made.check("s").http
    assert (http.response_codes, http.response_regexp, http.response_regexp_not) == (((204, 204),), "x", "y+")
    for number, rule in enumerate(rules[3:], 7):
        assert f"line {number}: no equivalent for this expectation: {rule}" in made.comments


def test_what_must_not_be_in_the_body_is_kept(run):
    http = run(listen("option httpchk GET /", "http-check expect ! string a.b")).check("s").http
    assert (http.response_codes, http.response_regexp, http.response_regexp_not) == (((100, 599),), None, r"a\.b")


def test_expectations_of_a_section_take_the_place_of_the_defaults(run):
    before = "defaults\n option httpchk GET /\n http-check expect status 204\n"
    assert run(listen(before=before)).check("s").http.response_codes == ((204, 204),)
    http = run(listen("http-check expect string x", before=before)).check("s").http
    assert (http.response_codes, http.response_regexp) == (((100, 599),), "x")


def test_headers_are_sent_as_far_as_a_probe_may(run):
    behind = r"option httpchk GET / HTTP/1.1\r\nHost:\ a.example\r\nX-A:\ 1\ \r\nConnection:\ close\r\nX-B:2"
    made = run(listen(behind))
    assert made.check("s").http.host == "a.example"
    assert made.check("s").http.headers == (("X-A", "1"), ("X-B", "2"))
    assert "Connection" not in made.comments
    words = (
        "User-Agent 'me \"x\"'",
        "X-C ''",
        "user-agent y",
        "X-D %[x]",
        "X-E $NOT_SET",
        "TE x",
        "X:Y z",
        "X-F \u00e9",
    )
    made = run(listen("option httpchk", f"http-check send {' '.join(f'hdr {each}' for each in words)}"))
    assert made.check("s").http.headers == (("User-Agent", 'me "x"'), ("X-C", ""))
    for lost in ("user-agent y", "X-D %[x]", "X-E $NOT_SET", "TE x", "X:Y z"):
        assert f"not sent by the healthcheck: hdr {lost}" in made.comments


def test_a_check_may_connect_elsewhere(run):
    made = run(
        listen("option tcp-check", "tcp-check connect port 81 ssl sni a.example send-proxy default", "tcp-check send x")
    )
    check = made.check("s")
    assert (check.type, check.l4_port, check.tls.server_name) == ("tcp", 81, "a.example")
    assert "line 4: no equivalent in a healthcheck: send-proxy" in made.comments
    assert "line 5: not part of the healthcheck: tcp-check send x" in made.comments
    assert "in a healthcheck: port" in run(listen("tcp-check connect port +1")).comments
    assert "not part of the healthcheck: http-check" in run(listen("http-check")).comments


def test_other_checks_are_a_connection_and_told(run):
    made = run(listen("option mysql-check user x"))
    assert made.check("s").type == "tcp"
    assert "line 3: only the TCP connection is checked: option mysql-check user x" in made.comments
    assert run(listen("option httpchk", "no option httpchk")).check("s").type == "tcp"


def test_what_is_lost_of_a_check_is_told_even_if_nothing_is_checked(run):
    made = run(
        listen(
            "http-check expect string x",
            "http-check expect string y",
            server="10.0.0.1:80",
            before="defaults\n option mysql-check\n",
        )
    )
    assert made.config.healthchecks == {}
    assert made.comments.count("line 2: only the TCP connection is checked: option mysql-check") == 1
    assert "line 6: no equivalent for this expectation: string y" in made.comments


@pytest.fixture
def pem(tmp_path):
    root = Authority()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "haproxy")])
    certificate, key = root.issue_person(tmp_path, subject)
    (tmp_path / "both.pem").write_bytes(certificate.read_bytes() + key.read_bytes())
    return root.write_root(tmp_path), str(tmp_path / "both.pem")


def test_authorities_certificate_and_curves_of_a_server_are_those_of_its_checks(run, pem):
    ca, crt = pem
    folder, _, name = ca.rpartition("/")
    words = f"10.0.0.1:80 check ssl curves X25519:P-256 crt both.pem ca-file {name}"
    bases = f"global\n ca-base {folder}\n crt-base {folder}\n ca-base\n"
    made = run(listen(server=words, before=bases))
    tls = made.check("s").tls
    assert (tls.curves, tls.ca_file.path) == ("X25519:P-256", ca)
    assert (tls.client_certificate.path, tls.client_key.path) == (crt, crt)
    assert "no equivalent for:" not in made.comments
    assert "line 4: (global) ca-base" in made.comments
    lost = run(listen(server=words.replace("X25519:P-256", "X25519,P-256")))
    assert lost.check("s").tls.curves is None
    for text in ("curves X25519,P-256", "path: crt both.pem", f"path: ca-file {name}"):
        assert text in lost.comments


def test_authorities_that_are_not_used_are_not_taken(run):
    for words in ("ssl verify none ca-file /no.pem", "ssl ca-file @system-ca"):
        assert run(listen(server=f"10.0.0.1:80 check {words}")).check("s").tls.ca_file is None
    made = run(listen(server="10.0.0.1:80 check ssl ca-file $NOT_SET/ca.pem"))
    assert made.check("s").tls.ca_file is None
    assert "expected an absolute path: ca-file $NOT_SET/ca.pem" in made.comments


def test_a_file_that_is_not_here_is_left_to_the_check_of_the_output(run):
    made = run(listen(server="10.0.0.1:80 check ssl ca-file /no/such/ca.pem crt /no/such/crt.pem"))
    assert made.status == 2
    assert sum("/no/such/" in remark and "can't be read" in remark for remark in made.remarks) == 2


def test_tls_of_a_check_is_as_haproxy_has_it(run):
    def tls(words, *lines):
        return run(listen(*lines, server=f"10.0.0.1:80 check {words}")).check("s").tls

    assert tls("") is None
    assert tls("ssl verify required").verify is True
    assert tls("ssl no-ssl") is None
    assert tls("ssl verify none").verify is False
    assert tls("ssl port 81") is None
    assert tls("ssl port 81 check-ssl") is not None
    assert tls("ssl no-check-ssl") is None
    assert tls("ssl check-sni a.example").server_name == "a.example"
    assert tls("ssl verifyhost b.example").server_name == "b.example"
    assert tls("ssl verify none verifyhost b.example").server_name is None
    assert tls("ssl verifyhost b.example check-sni a.example").server_name == "a.example"
    own = ("option tcp-check", "tcp-check connect ssl sni c.example")
    assert tls("ssl check-sni a.example", *own).server_name == "c.example"
    assert tls("ssl check-sni a.example", "option tcp-check", "tcp-check connect ssl").server_name is None
    assert tls("ssl check-sni a.example", "option tcp-check", "tcp-check connect port 81") is None
    assert tls("ssl check-sni a.example", "option tcp-check", "tcp-check connect default").server_name == "a.example"
    assert tls("", "option ssl-hello-chk").verify is False
    made = run(listen("option httpchk GET /", server="10.0.0.1:80 check ssl check-sni a\\ b"))
    assert made.check("s").type == "https"
    assert "invalid server name: a b" in made.comments
    assert "the name in the certificate is verified, too" in made.comments


HOST = ("option httpchk", "http-check send hdr Host www.example:8443")


@pytest.mark.parametrize(
    ("words", "lines", "note"),
    [
        ("ssl", HOST, "SNI www.example is sent; HAProxy sends it since 3.3, and none before without check-sni"),
        ("ssl no-check-sni-auto", HOST, "SNI www.example is sent; HAProxy sends none in this check"),
        ("ssl verifyhost b.example", HOST, "SNI b.example is sent; HAProxy sends none in this check"),
        ("ssl verifyhost b.example", (), "SNI b.example is sent; HAProxy sends none in this check"),
        ("ssl check-sni-auto", HOST, ""),
        ("ssl check-sni www.example", HOST, ""),
        ("ssl", ("option httpchk", "http-check send hdr Host 192.0.2.7:8443"), ""),
        ("ssl", ("option httpchk",), ""),
        ("ssl", (), ""),
        ("", HOST, ""),
    ],
)
def test_a_name_that_haproxy_may_not_send_is_told(run, words, lines, note):
    made = run(listen(*lines, server=f"10.0.0.1:80 check {words}"))
    assert note in made.comments
    assert ("SNI" in made.comments) is bool(note)


def test_the_name_that_haproxy_sends_is_one_that_it_verifies(run):
    assert "is verified, too" not in run(listen(server="10.0.0.1:80 check ssl check-sni a.example")).comments
    assert "is verified, too" in run(listen(*HOST, server="10.0.0.1:80 check ssl")).comments


def test_probes_come_from_the_source_of_the_traffic(run):
    made = run(listen("source 10.0.0.8", server="10.0.0.1:80 check"))
    assert made.check("s").probe_ipv4_src == "10.0.0.8"
    made = run(listen(server="[2001:db8::1]:80 check source [2001:db8::8]"))
    assert made.check("s").probe_ipv6_src == "2001:db8::8"
    assert "source address not supported: eth0" in run(listen(server="10.0.0.1:80 check source eth0")).comments


def test_a_check_of_another_address_is_told(run):
    made = run(listen(server="10.0.0.1:80 check addr 10.0.0.2 port 81"))
    assert made.check("s").l4_port == 81
    assert "the server itself is probed instead of 10.0.0.2" in made.comments
    assert "is probed itself" not in run(listen(server="10.0.0.1:80 check addr 10.0.0.1")).comments


def test_ways_to_probe_that_are_the_same_are_one(run):
    made = run(listen("server t 10.0.0.2:80 check", "server u 10.0.0.3:81 check"))
    assert {name: check.l4_port for name, check in made.config.healthchecks.items()} == {"site": 81, "site-80": 80} or {
        name: check.l4_port for name, check in made.config.healthchecks.items()
    } == {"site": 80, "site-81": 81}


def test_what_multiplies_beyond_measure_is_refused(run):
    servers = [f"server-template t{number} 256 10.0.0.1:80" for number in range(10)]
    binds = [f"bind 192.0.2.{number}:1-64" for number in range(2, 8)]
    made = run(listen(*servers, *binds))
    assert (made.status, made.text) == (1, "")
    assert "too large: more than 200000" in made.remarks[0]


def test_text_from_the_file_can_t_break_out_of_a_comment_or_a_value(run):
    expected = 'http-check expect string "b\\x1b \U0001f600 \u00e9 \\"\\x5c: - #"'
    made = run(listen("description a\\n \U0001f600: - \\#", "acl x\x1b[31m y", "option httpchk GET /", expected))
    assert made.config.frontends["site"].description == "a\\x0a \\U0001f600: - #"
    regexp = made.check("s").http.response_regexp
    assert re.sub(r"\\(.)", r"\1", regexp) == 'b\x1b \U0001f600 \u00e9 "\\: - #'
    assert "\x1b" not in made.text
    assert made.text.isascii()


def test_the_result_is_what_the_check_of_the_program_says(run):
    with pytest.raises(ConfigError):
        load_text(run(listen(bind="*:80")).text)
