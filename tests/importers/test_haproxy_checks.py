"""Checks of HAProxy's configuration become healthchecks, and what is lost of one is told."""

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from maglev.model.check_params import AnswerPattern, Preset, ProbeStep, TalkParams
from tests.fakes.certificates import Authority
from tests.fakes.haproxy_import import listen


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
    [("", "/"), ("/x", "/x"), ("GET /y", "/y"), ("head /z HTTP/1.0", "/z"), ("OPTIONS *", "/"), ("GET /%[x]", "/")],
)
def test_httpchk_is_http(run, words, path):
    made = run(listen(f"option httpchk {words}"))
    check = made.check("s")
    assert (check.type, check.http.path, check.http.response_codes) == ("http", path, ((200, 399),))
    assert check.http.method == (words.split()[0].upper() if " " in words else "OPTIONS")
    assert "requested with" not in made.comments
    assert ("path not supported, / is requested instead" in made.comments) == ("*" in words or "%" in words)


def test_a_method_that_no_probe_has_becomes_get(run):
    made = run(listen("option httpchk PUT /x"))
    assert made.check("s").http.method == "GET"
    assert "requested with GET instead of PUT" in made.comments
    made = run(listen("option httpchk HEAD /x", "http-check expect string well"))
    assert made.check("s").http.method == "GET"
    assert "requested with GET instead of HEAD" in made.comments


def test_a_body_is_sent_by_post(run):
    made = run(listen("option httpchk", r"http-check send meth POST uri /x hdr Content-Type a/b body {\"a\":\ 1}"))
    http = made.check("s").http
    assert (http.method, http.body, http.headers) == ("POST", b'{"a": 1}', (("Content-Type", "a/b"),))
    assert "not sent" not in made.comments
    made = run(listen("option httpchk GET /x", "http-check send body x"))
    assert made.check("s").http.body == b""
    assert "not sent by the healthcheck: a body with GET" in made.comments
    for body in ("%[uuid]", "x" * 2000 + "\u00e9" * 1100):
        made = run(listen("option httpchk", f"http-check send meth POST body {body}"))
        assert made.check("s").http.body == b""
        assert "not sent by the healthcheck: body" in made.comments


@pytest.mark.parametrize(
    ("rule", "pattern"),
    [
        ("hdr name X-A", ".*"),
        ("fhdr name -m str X-A", ".*"),
        ("fhdr name X-A value a.b", r"^a\.b$"),
        ("hdr name X-A value -m str a.b", r"(?:^|,)[ \t]*a\.b[ \t]*(?:,|$)"),
        ("hdr name X-A value -m beg a", r"(?:^|,)[ \t]*a"),
        ("fhdr name X-A value -m end b", "b$"),
        ("fhdr name X-A value -m sub a+b", r"a\+b"),
        ("hdr name X-A value -m sub a", "a"),
        ("fhdr name X-A value -m reg ^a.*b$", "^a.*b$"),
        ("hdr name X-A value -m reg a.*b", "a.*b"),
        ("comment c hdr name X-A", ".*"),
    ],
)
def test_an_expected_header_is_kept(run, rule, pattern):
    made = run(listen("option httpchk GET /", f"http-check expect {rule}"))
    http = made.check("s").http
    assert http.expect_header_regexp == (("X-A", pattern),)
    assert http.response_codes == ((100, 599),)
    assert "no equivalent for" not in made.comments


@pytest.mark.parametrize(
    "rule",
    [
        "! hdr name X-A",
        "hdr",
        "hdr X-A",
        "hdr name",
        "hdr name -m beg X-",
        "hdr name X:A",
        "hdr name X-A value",
        "hdr name X-A value a b",
        "hdr name X-A other a",
        "hdr name X-A value %[x]",
        "hdr name X-A value -m reg ^a",
        "hdr name X-A value -m dom a",
        "fhdr name X-A value -m reg (",
        "fhdr name-lf X-A",
    ],
)
def test_a_header_that_can_t_be_expected_is_named(run, rule):
    made = run(listen("option httpchk GET /", f"http-check expect {rule}"))
    assert made.check("s").http.expect_header_regexp == ()
    assert f"no equivalent for this expectation: {rule}" in made.comments


def test_a_header_is_expected_once_and_those_of_the_defaults_only_without_others(run):
    rules = [f"http-check expect hdr name X-{number}" for number in (*range(8), 0, 9)]
    made = run(listen("option httpchk GET /", *rules))
    assert [name for name, _ in made.check("s").http.expect_header_regexp] == [f"X-{number}" for number in range(8)]
    for rule in ("X-0", "X-9"):
        assert f"no equivalent for this expectation: hdr name {rule}" in made.comments
    before = "defaults\n option httpchk GET /\n http-check expect hdr name X-A\n"
    http = run(listen("http-check expect hdr name X-B", before=before)).check("s").http
    assert http.expect_header_regexp == (("X-B", ".*"),)


@pytest.mark.parametrize(
    ("options", "http2", "lost"),
    [
        ("", False, ""),
        ("check-proto h2", True, ""),
        ("proto h2", True, ""),
        ("proto h2 check-proto h1", False, ""),
        ("proto fcgi", False, "proto fcgi"),
        ("check-alpn h2", False, ""),
        ("ssl verify none check-alpn h2", True, ""),
        ("ssl verify none alpn h2", True, ""),
        ("ssl verify none alpn h2 check-alpn http/1.1", False, ""),
        ("ssl verify none alpn h2,http/1.1", False, "alpn h2,http/1.1"),
    ],
)
def test_http_2_is_kept(run, options, http2, lost):
    made = run(listen("option httpchk GET /", server=f"10.0.0.1:80 check {options}"))
    assert made.check("s").http.http2 is http2
    assert (f"no equivalent for: {lost}" in made.comments) is bool(lost)


def test_the_host_may_be_behind_the_version(run):
    made = run(listen(r"option httpchk GET / HTTP/1.1\r\nHost:\ www.example.com"))
    assert made.check("s").http.host == "www.example.com"


def test_what_is_sent_is_kept_as_far_as_it_can_be(run):
    made = run(
        listen("option httpchk", "http-check send meth GET uri /a ver HTTP/1.1 hdr Host a.example body x hdr A b")
    )
    check = made.check("s")
    assert (check.http.path, check.http.host) == ("/a", "a.example")
    assert "not sent by the healthcheck: a body with GET" in made.comments
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
    assert check.talk is None  # nothing is expected
    assert "in a healthcheck: port" in run(listen("tcp-check connect port +1")).comments
    assert "not part of the healthcheck: http-check" in run(listen("http-check")).comments


def test_other_checks_are_a_connection_and_told(run):
    made = run(listen("option ldap-check"))
    assert made.check("s").type == "tcp"
    assert "line 3: only the TCP connection is checked: option ldap-check" in made.comments


@pytest.mark.parametrize(
    ("option", "talk", "told"),
    [
        ("smtpchk", TalkParams(preset=Preset.SMTP), ""),
        ("smtpchk HELO localhost", TalkParams(preset=Preset.SMTP), ""),
        ("smtpchk EHLO mx.example", TalkParams(preset=Preset.SMTP), "the probe says EHLO localhost"),
        ("redis-check", TalkParams(preset=Preset.REDIS), ""),
        ("mysql-check user x", TalkParams(preset=Preset.MYSQL, user="x"), ""),
        ("mysql-check", TalkParams(preset=Preset.MYSQL), "the probe begins a login as the user maglevd"),
        (
            "pgsql-check user 'a b'",
            TalkParams(preset=Preset.POSTGRESQL),
            "the probe begins a login as the user maglevd",
        ),
    ],
)
def test_checks_of_known_protocols_are_presets(run, option, talk, told):
    made = run(listen(f"option {option}"))
    assert made.check("s").talk == talk
    assert (f"line 3: {told}" in made.comments) if told else ("the probe" not in made.comments)


def test_a_conversation_becomes_steps(run):
    rules = (
        r"send PING\r\n",
        "expect string +PONG",
        "send-binary 00ff",
        "expect binary ff",
        r"expect min-recv 3 rstring ^role:\w+",
    )
    made = run(listen("option tcp-check", *(f"tcp-check {rule}" for rule in rules)))
    assert made.check("s").talk == TalkParams(
        (
            ProbeStep(send=b"PING\r\n"),
            ProbeStep(expect=AnswerPattern(b"+PONG")),
            ProbeStep(send=b"\0\xff"),
            ProbeStep(expect=AnswerPattern(b"\xff")),
            ProbeStep(expect=AnswerPattern(regexp=r"^role:\w+")),
        )
    )
    lost = (
        "expect ! string loading",
        "expect string",
        "expect string $NOT_SET",
        "expect rstring (",
        "expect binary xyz",
        "expect string-lf x",
        f"expect string {'x' * 1025}",
        "send-lf %[x]",
        "send",
        "send %[x]",
        "send \u20ac",
        "comment x",
    )
    made = run(listen("option tcp-check", *(f"tcp-check {rule}" for rule in lost), *["tcp-check expect string a"] * 33))
    assert made.comments.count("not part of the healthcheck: tcp-check") == len(lost) + 1
    assert len(made.check("s").talk.steps) == 32
    assert run(listen("option httpchk", "no option httpchk")).check("s").type == "tcp"


def test_what_is_lost_of_a_check_is_told_even_if_nothing_is_checked(run):
    made = run(
        listen(
            "http-check expect string x",
            "http-check expect string y",
            server="10.0.0.1:80",
            before="defaults\n option ldap-check\n",
        )
    )
    assert made.config.healthchecks == {}
    assert made.comments.count("line 2: only the TCP connection is checked: option ldap-check") == 1
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


def test_disable_on_404_is_kept(run):
    assert run(listen("option httpchk", "http-check disable-on-404")).check("s").http.disable_on_404
    made = run(listen("option httpchk", "http-check disable-on-404 now"))
    assert not made.check("s").http.disable_on_404
    assert "not part of the healthcheck: http-check disable-on-404 now" in made.comments
