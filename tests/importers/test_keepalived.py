"""keepalived's configuration becomes ours, and nothing of it is dropped silently."""

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID

from maglev.config.load import load_text
from maglev.importers.convert import convert
from maglev.importers.keepalived.blocks import DEPTH_LIMIT, FILE_LIMIT
from maglev.model.check_params import AnswerPattern, DnsParams, Preset, RecordType, TalkParams, UdpParams
from tests.fakes.certificates import Authority


class KeepalivedImport:
    """What became of a file."""

    def __init__(self, path, text):
        path.write_text(text)
        made = convert("keepalived", str(path))
        self.text, self.remarks, self.status = made.text, made.remarks, made.status
        self.tree = yaml.safe_load(self.text)["maglev"] if self.text else None
        told = " ".join(line.strip().removeprefix("#").strip() for line in self.text.split("\n") if "#" in line)
        self.comments = " ".join(told.split())

    @property
    def config(self):
        return load_text(self.text).config

    @property
    def frontend(self):
        (frontend,) = self.config.frontends.values()
        return frontend

    @property
    def check(self):
        (check,) = self.config.healthchecks.values()
        return check


@pytest.fixture
def run(tmp_path):
    return lambda text: KeepalivedImport(tmp_path / "keepalived.conf", text)


def virtual(*inside, at="192.0.2.1 80", real="10.0.0.1 80", check="TCP_CHECK {\n}"):
    """Return a file with one virtual server."""
    lines = "\n".join(inside)
    return f"virtual_server {at} {{\n{lines}\nreal_server {real} {{\n{check}\n}}\n}}\n"


def test_a_virtual_server_becomes_a_frontend_with_its_real_servers(run):
    made = run("""
! one site
virtual_server 192.0.2.1 80 {
    delay_loop 6        # seconds
    protocol TCP
    lb_algo wrr
    real_server 10.0.0.1 80 {
        weight 3
        TCP_CHECK {
            connect_timeout 2
        }
    }
    real_server 10.0.0.2 80 {
        weight 1
        TCP_CHECK { connect_timeout 2
            retry 4
            delay_before_retry 1.5 }
    }
    sorry_server 10.0.0.9 80
}
""")
    assert made.status == 0
    frontend = made.config.frontends["vs-192.0.2.1-80"]
    assert (frontend.address, frontend.transport, frontend.l4_port) == ("192.0.2.1", "tcp", 80)
    primary, sorry = frontend.pools
    weights = {member.backend: member.weight for member in primary.members}
    assert weights == {"rs-10.0.0.1-80": 100, "rs-10.0.0.2-80": 33}
    assert [member.backend for member in sorry.members] == ["sorry"]
    assert made.config.backends["sorry"].healthcheck is None
    first, second = made.config.healthchecks.values()
    assert (first.type, first.l4_port, first.interval, first.fast_interval) == ("tcp", 80, 6, 1)
    assert (first.timeout, first.rise, first.fall) == (2, 1, 2)
    assert (second.fast_interval, second.fall) == (1.5, 5)
    assert "line 6: lb_algo wrr" in made.comments
    assert "line 8: weight" not in made.comments
    assert "line 7: weight scaled from 3 (the largest in this pool is 3)" in made.comments
    assert "line 19: not probed and therefore always up" in made.comments


def test_everything_else_is_named_with_its_line(run):
    made = run("""global_defs {
    router_id A
}
vrrp_instance V {
    virtual_ipaddress {
        192.0.2.1
    }
}
virtual_server 192.0.2.1 80 {
    quorum 2
    real_server 10.0.0.1 80 {
        notify_up "/bin/x y"
        weight many
    }
}
virtual_server_group unused {
    192.0.2.7 80
}
virtual_server_group unused {
    192.0.2.8 80
}
""")
    for number, text in (
        (1, "global_defs {"),
        (2, "router_id A"),
        (6, "192.0.2.1"),
        (10, "quorum 2"),
        (12, 'notify_up "/bin/x y"'),
        (13, "weight many"),
        (11, "not probed and therefore always up"),
        (16, "virtual_server_group unused {"),
        (17, "192.0.2.7 80"),
        (20, "192.0.2.8 80"),
    ):
        assert f"line {number}: {text}" in made.comments
    assert made.status == 0


# How it is written


def test_variables_conditions_and_quotes_are_read(run):
    made = run("""
$NET=192.0.2
$PLACE = ${NET}.1 \\
    80
$WHOLE=$NET.2
@main virtual_server $PLACE{
    @alone
    real_server 10.0.0.1 80
    {
        HTTP_GET { url { path "/a\\"b" } }
        TCP_CHECK { connect_port $UNKNOWN }
    }
}
virtual_server $WHOLE 80 { }
""")
    assert {each.address for each in made.config.frontends.values()} == {"192.0.2.1", "192.0.2.2"}
    assert "line 6: imported regardless of the condition: @main virtual_server" in made.comments
    assert "line 7: imported regardless of the condition: @alone" in made.comments
    assert [each.http.path for each in made.config.healthchecks.values() if each.http] == ['/a"b']


def test_included_files_are_read(run, tmp_path):
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites/b.conf").write_text("virtual_server 192.0.2.2 80 {\n quorum 1\n}\n")
    (tmp_path / "sites/a.conf").write_text("$PORT=81\n")
    (tmp_path / "whole.conf").write_text("real_server 10.0.0.1 80 { }\n")
    made = run(f"""include sites/*.conf
include none.conf
include
virtual_server 192.0.2.1 $PORT {{
    include {tmp_path}/whole.conf
}}
""")
    assert {(each.address, each.l4_port) for each in made.config.frontends.values()} == {
        ("192.0.2.1", 81),
        ("192.0.2.2", 80),
    }
    assert "b.conf, line 2: quorum 1" in made.comments
    assert "line 2: file not found: include none.conf" in made.comments
    assert "line 3: include" in made.comments


def test_a_mistake_in_an_included_file_is_told_with_its_place(run, tmp_path):
    (tmp_path / "worse.conf").write_text('\n"x\n')
    (tmp_path / "latin.conf").write_bytes(b"\n\n\xff")
    (tmp_path / "bad.conf").write_text("include worse.conf\n")
    for name, said in (
        ("worse.conf", "worse.conf, line 2: unclosed quote"),
        ("bad.conf", "worse.conf, line 2: unclosed quote"),
        ("latin.conf", "latin.conf: is not UTF-8, line 3"),
    ):
        made = run(f"global_defs\ninclude {name}\n")
        assert made.status == 1
        assert f"line 2, column 1: parse error: {said}" in made.remarks[0]


def test_a_loop_of_includes_is_an_error(run):
    made = run("include keepalived.conf\n")
    assert made.status == 1
    assert "line 1, column 1: parse error: keepalived.conf, line 1: too many include files" in made.remarks[0]


def test_too_many_lines_are_an_error(run):
    assert "there are more than 200000 lines" in run("\n" * 200_000).remarks[0]


def test_too_many_included_files_are_an_error(run, tmp_path):
    for number in range(FILE_LIMIT):
        (tmp_path / f"{number}.inc").write_text("")
    assert "it has no known keyword" in run("include *.inc\n").remarks[0]
    assert "line 2, column 1: parse error: too many include files" in run("include *.inc\ninclude 1.inc\n").remarks[0]


def test_variables_that_double_each_other_are_an_error(run):
    doubling = "".join(f"$A{number}=$A{number - 1}$A{number - 1}\n" for number in range(1, 40))
    made = run(f"$A0=xxxxxxxx\n{doubling}")
    assert made.status == 1
    assert "too long after variables are expanded" in made.remarks[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("virtual_server 192.0.2.1 80 {\n", "line 1, column 1: parse error: unclosed block"),
        ("global_defs { }\n}\n", "line 2, column 1: parse error: unexpected end of a block"),
        ("{\n}\n", "block without a name"),
        ("global_defs { } { }\n", "block without a name"),
        ("a { " * (DEPTH_LIMIT + 1), "blocks are nested deeper than 32 levels"),
        ('global_defs "x\n', "unclosed quote"),
        ("", "it has no known keyword"),
        ("hello world\n", "it has no known keyword"),
        ("# virtual_server\n", "it has no known keyword"),
    ],
)
def test_what_is_not_a_configuration_is_refused(run, text, said):
    made = run(text)
    assert (made.status, made.text) == (1, "")
    assert said in made.remarks[0]


# Frontends


def test_a_group_is_several_frontends(run):
    made = run("""
virtual_server group web {
    real_server 10.0.0.1 80 { TCP_CHECK { } }
}
virtual_server group none { }
virtual_server group
virtual_server_group web {
    192.0.2.1-3 80
    192.0.2.9 81
    2001:db8::a-b 80
    fwmark 7
    192.0.2.0-999 80
}
""")
    assert made.status == 2
    places = {(each["address"], each.get("port")) for each in made.tree["frontends"].values()}
    assert places == {
        ("192.0.2.1", 80),
        ("192.0.2.2", 80),
        ("192.0.2.3", 80),
        ("192.0.2.9", 81),
        ("2001:db8::a", 80),
        ("2001:db8::b", 80),
        ("FILL-IN", "FILL-IN"),
    }
    assert "line 5: unknown group: virtual_server group none { }" in made.comments
    assert "line 6: unknown group: virtual_server group" in made.comments
    assert "line 12: more than 256 addresses: 192.0.2.0-999" in made.comments
    assert "line 11: expected an address, not a firewall mark: fwmark 7" in made.comments
    assert "the port of rs-10.0.0.1-80 is 80; VPP does not change port 81" in made.comments


def test_a_mark_of_the_firewall_is_to_be_filled_in(run):
    made = run(virtual(at="fwmark 1"))
    assert made.status == 2
    assert any(
        "vs-fwmark-1.address: fill in (line 1: expected an address, not a firewall mark" in remark
        for remark in made.remarks
    )
    assert "port missing: set the one that clients connect to" in made.comments


def test_an_address_that_is_none_is_to_be_filled_in(run):
    made = run(virtual(at="192.0.2.x-y 80"))
    assert made.tree["frontends"]["vs-192.0.2.x-y-80"]["address"] == "FILL-IN"
    made = run(virtual(at="192.0.2.a-b 80000"))
    assert made.tree["frontends"]["vs-192.0.2.a-b-80000"]["port"] == "FILL-IN"


@pytest.mark.parametrize("at", ["192.0.2.1 0", "192.0.2.1"])
def test_port_0_is_all_ports(run, at):
    made = run(virtual(at=at))
    assert (made.frontend.transport, made.frontend.l4_port) == (None, 0)


def test_all_ports_leave_room_for_nothing_else_on_an_address(run):
    for first, second in (("192.0.2.1", "192.0.2.1 80"), ("192.0.2.1 80", "192.0.2.1")):
        made = run(virtual(at=first) + virtual(at=second))
        assert len(made.config.frontends) == 1
        assert "one of the two serves all ports" in made.comments


@pytest.mark.parametrize(("name", "transport"), [("UDP", "udp"), ("tcp", "tcp")])
def test_the_protocol_is_kept(run, name, transport):
    assert run(virtual(f"protocol {name}")).frontend.transport == transport


def test_sctp_is_left_out_and_named(run):
    made = run(virtual("protocol SCTP", "quorum 1"))
    assert made.config.frontends == {}
    assert "only TCP and UDP are supported: virtual_server 192.0.2.1 80 {" in made.comments
    assert "quorum 1" in made.comments


@pytest.mark.parametrize("line", ["persistence_timeout 60", "lb_algo sh", "lvs_sched sh"])
def test_persistence_is_sticking_to_the_source(run, line):
    assert run(virtual(line)).frontend.src_ip_sticky


def test_inhibition_keeps_flows(run):
    assert run(virtual()).frontend.flush_on_down
    assert not run(virtual("inhibit_on_failure")).frontend.flush_on_down
    assert run(virtual("inhibit_on_failure false")).frontend.flush_on_down


# Checks


def test_times_may_be_told_anywhere_and_the_nearest_wins(run):
    def check(*inside, server="", checker=""):
        made = run(virtual(*inside, check=f"{server}\nTCP_CHECK {{\n{checker}\n}}")).check
        return made.interval, made.fall - 1, made.fast_interval, made.timeout

    assert check() == (60, 1, 1, 5)
    told = ("delay_loop 10", "retry 2", "delay_before_retry 3", "connect_timeout 4")
    assert check(*told) == (10, 2, 3, 4)
    assert check(*told, server="delay_loop 11\nretry 3") == (11, 3, 3, 4)
    assert check(*told, server="delay_loop 11", checker="delay_loop 12\nretry 0") == (12, 0, 3, 4)
    assert check("delay_loop soon", "retry -1", "delay_loop 0") == (60, 1, 1, 5)


def test_http_get_is_http(run):
    made = run(
        virtual(
            "virtualhost a.example",
            check="""HTTP_GET {
                url {
                    path status
                    status_code 200 300-399
                    regex "ok|fine"
                    digest abc
                }
                url {
                    path /other
                }
                connect_port 8080
                connect_ip 10.0.0.7
                bindto 10.0.0.8
            }""",
        )
    )
    check = made.check
    assert (check.type, check.l4_port, check.fast_interval, check.probe_ipv4_src) == ("http", 8080, 3, "10.0.0.8")
    assert (check.http.path, check.http.host, check.http.response_regexp) == ("/status", "a.example", "ok|fine")
    assert check.http.response_codes == ((200, 200), (300, 399))
    for text in ("digest abc", "url {", "path /other", "connect_ip 10.0.0.7"):
        assert f": {text}" in made.comments
    assert ": path status" not in made.comments


def test_ssl_get_is_https_without_verification(run):
    made = run(virtual(check="virtualhost b.example\nSSL_GET {\nurl {\npath /\n}\nenable_sni\n}"))
    assert (made.check.type, made.check.tls.verify, made.check.http.host) == ("https", False, "b.example")
    assert "enable_sni" not in made.comments
    assert made.check.http.response_codes == ((200, 299),)
    assert "SNI" not in made.comments
    made = run(virtual(check="SSL_GET {\nurl {\nvirtualhost c.example\n}\n}"))
    assert made.check.http.host == "c.example"
    assert "SNI c.example is sent; keepalived sends none without enable_sni" in made.comments
    for other in ("SSL_GET {\nurl {\nvirtualhost 192.0.2.7\n}\n}", "HTTP_GET {\nurl {\nvirtualhost c.example\n}\n}"):
        assert "SNI" not in run(virtual(check=other)).comments


def test_a_pattern_may_have_to_be_absent(run):
    for lines in ("regex bad\nregex_no_match", "regex_no_match\nregex bad"):
        made = run(virtual(check=f"HTTP_GET {{\nurl {{\n{lines}\n}}\n}}"))
        assert (made.check.http.response_regexp, made.check.http.response_regexp_not) == (None, "bad")
        assert "regex" not in made.comments


def test_the_certificate_of_keepalived_is_the_one_of_its_checks(run, tmp_path):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "keepalived")])
    certificate, key = Authority().issue_person(tmp_path, subject)
    block = f"SSL {{\ncertificate {certificate}\nkeyfile {key}\nca /ca.pem\npassword x\n}}\n"
    made = run(block + virtual(check="SSL_GET {\nurl {\npath /\n}\n}"))
    tls = made.check.tls
    assert (tls.client_certificate.path, tls.client_key.path, tls.ca_file) == (str(certificate), str(key), None)
    for text in ("ca /ca.pem", "password x"):
        assert f": {text}" in made.comments
    assert "keyfile" not in made.comments
    alone = run("SSL {\nkeyfile /k\n}\n" + virtual(check="SSL_GET {\nurl {\npath /\n}\n}"))
    assert alone.check.tls.client_key is None
    assert ": keyfile /k" in alone.comments
    relative = run("SSL {\ncertificate c\n}\n" + virtual(check="SSL_GET {\nurl {\npath /\n}\n}"))
    assert ": certificate c" in relative.comments


def test_what_a_check_can_t_have_is_named(run):
    made = run(
        virtual(
            check="""HTTP_GET {
                url {
                    path "a b"
                    status_code many
                    status_code 200-
                    status_code 700
                    status_code
                    regex (
                    regex
                    virtualhost "c d"
                }
                connect_port 0
                connect_port x
                bindto eth0
            }"""
        )
    )
    assert (made.check.http.path, made.check.http.host, made.check.http.response_codes) == ("/", None, ((200, 299),))
    for text in ('path "a b"', "status_code many", "status_code 700", "regex (", 'virtualhost "c d"', "bindto eth0"):
        assert f": {text}" in made.comments
    for text in ("connect_port 0", "connect_port x", "status_code", "regex"):
        assert f": {text}" in made.comments


def test_a_name_that_is_none_is_named(run):
    made = run(virtual('virtualhost "a b"', check='virtualhost "c d"\nHTTP_GET {\n}'))
    assert made.check.http.host is None
    assert 'virtualhost "a b"' in made.comments
    assert 'virtualhost "c d"' in made.comments


def test_ping_is_icmp(run):
    made = run(virtual(check="PING_CHECK {\nretry 3\n}"))
    assert (made.check.type, made.check.l4_port, made.check.fall) == ("icmp", None, 4)


def test_smtp_is_a_preset(run):
    made = run(virtual(check="SMTP_CHECK {\nhelo_name x\n}"))
    assert (made.check.type, made.check.l4_port) == ("tcp", 25)
    assert made.check.talk == TalkParams(preset=Preset.SMTP)
    assert "helo_name x" in made.comments


def test_dns_asks_for_the_same_record(run):
    made = run(virtual(check="DNS_CHECK {\ntype a\nname www.example.com\n}", real="10.0.0.1 53"))
    assert (made.check.type, made.check.l4_port) == ("dns", 53)
    assert made.check.dns == DnsParams("www.example.com", RecordType.A)
    made = run(virtual(check="DNS_CHECK {\ntype WHAT\nname a..b\n}"))
    assert made.check.dns == DnsParams(".", RecordType.SOA)
    assert "type WHAT" in made.comments
    assert "name a..b" in made.comments


def test_udp_sends_and_expects_the_same_bytes(run):
    made = run(virtual(check="UDP_CHECK {\npayload 00ff\nrequire_reply ff01\nmin_reply_length 2\n}"))
    assert made.check.udp == UdpParams(b"\0\xff", AnswerPattern(b"\xff\1"))
    assert "min_reply_length 2" in made.comments
    made = run(virtual(check="UDP_CHECK {\npayload 0\nrequire_reply x\n}"))
    assert made.check.udp == UdpParams()
    assert "payload 0" in made.comments
    assert "require_reply x" in made.comments


@pytest.mark.parametrize("name", ["MISC_CHECK", "BFD_CHECK", "FILE_CHECK"])
def test_other_checkers_are_none_and_told(run, name):
    made = run(virtual(check=f"{name} {{\n}}"))
    assert next(iter(made.config.backends.values())).healthcheck is None
    assert f"no equivalent for {name}" in made.comments
    assert "not probed and therefore always up" in made.comments


def test_of_several_checkers_all_that_can_be_are_kept_and_all_are_required(run):
    made = run(virtual(check="MISC_CHECK {\nmisc_path x\n}\nTCP_CHECK {\n}\nPING_CHECK {\n}\nTCP_CHECK {\n}"))
    several = next(iter(made.config.backends.values())).healthcheck
    assert [made.config.healthchecks[name].type for name in several.names] == ["tcp", "icmp"]
    assert several.needed == 2
    assert "misc_path x" in made.comments


def test_of_more_checkers_than_there_may_be_the_first_are_kept(run):
    checks = "".join(f"TCP_CHECK {{\nconnect_port {port}\n}}\n" for port in range(1, 11))
    made = run(virtual(check=checks))
    assert len(next(iter(made.config.backends.values())).healthcheck.names) == 8
    assert made.comments.count("at most 8 healthchecks per server, ignored: TCP_CHECK") == 2


def test_without_a_port_there_is_nothing_to_check(run):
    made = run(virtual(at="192.0.2.1", real="10.0.0.1", check="TCP_CHECK {\nwarmup 1\n}"))
    assert made.config.backends["rs-10.0.0.1"].healthcheck is None
    assert "no port for TCP_CHECK" in made.comments
    assert "warmup 1" in made.comments


def test_a_real_server_with_a_name_is_to_be_filled_in(run):
    made = run(virtual(real="www.example.com 80"))
    assert made.status == 2
    assert made.tree["backends"]["rs-www.example.com-80"]["address"] == "FILL-IN"
