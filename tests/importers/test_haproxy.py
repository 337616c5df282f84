"""Sections and frontends of HAProxy's configuration become ours, and nothing of them is dropped silently."""

import re

import pytest

from maglev.config.load import load_text
from maglev.model.errors import ConfigError
from tests.fakes.haproxy_import import listen

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


# Checks


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
