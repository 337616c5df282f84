"""Servers of HAProxy's configuration become backends, with their weights and their order of succession."""

import pytest

from maglev.config.load import load_text
from tests.fakes.haproxy_import import listen


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


def test_a_server_with_a_name_has_a_dns_name(run):
    made = run(listen(server="WWW.example.com.:80 check"))

    assert made.status == 0
    assert made.tree["backends"]["s"]["dns-name"] == "www.example.com"
    assert made.tree["backends"]["s"]["dns-max"] == 1
    assert "HAProxy resolves the name once, at its start; maglevd again and again" in made.comments
    assert "HAProxy prefers IPv6 addresses" in made.comments


def test_a_template_with_a_name_is_one_with_as_many_addresses(run):
    line = "server-template w 5 www.example.com:80 check resolvers dns resolve-prefer ipv6"
    made = run(listen(line, server="[2001:db8::1]:80 check"))

    assert made.tree["backends"]["w"] == {
        "dns-name": "www.example.com",
        "dns-family": "ipv6",
        "dns-max": 5,
        "healthcheck": made.tree["backends"]["w"]["healthcheck"],
    }
    assert made.config.frontends["site"].named_family == 6
    assert "the nameservers of resolvers dns belong into maglev.resolver.nameservers" in made.comments
    assert run(listen("server-template w 200 www.example.com:80")).tree["backends"]["w"]["dns-max"] == 128


def test_servers_of_one_name_share_its_addresses(run):
    made = run(listen("server a www.example.com:80", "server b www.example.com:80"))

    assert made.tree["backends"]["a"]["dns-max"] == 2
    assert "b has become the same backend" in made.comments


def test_names_of_another_family_are_left_out(run):
    made = run(listen("server a www.example.com:80 resolve-prefer ipv6"))
    assert "s (10.0.0.1) left out" in made.comments or "a (www.example.com) left out" in made.comments


def test_a_server_whose_name_has_no_domain_is_to_be_filled_in(run):
    made = run(listen(server="www:80 check"))

    assert made.status == 2
    assert made.tree["backends"]["s"]["address"] == "FILL-IN"
    assert "fill in (line 3: server s www:80 check)" in made.remarks[0]
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
