"""What valid files mean: every key, every default, every form of a value; and what is only worth a warning."""

from __future__ import annotations

import attrs
import pytest

from maglev.config.checkkinds import Healthchecks
from maglev.config.compose import compose
from maglev.config.findings import Findings
from maglev.config.keys import ROOT
from maglev.config.kinds import Percentage, Reference
from maglev.config.load import load_text
from maglev.config.netkinds import Address, Host, Regexp
from maglev.config.nodes import ScalarNode
from maglev.config.poolkinds import LeastUp
from maglev.config.schema import ConfigKey, walk
from maglev.model.announce import AnnounceConfig, AnnouncePolicy, BirdConfig, HookConfig, HookEvents, Needed
from maglev.model.blindness_rule import Blindness
from maglev.model.check_params import GrpcParams, HttpMethod, Via
from maglev.model.check_set import CheckSet
from maglev.model.config import (
    Backend,
    CheckerConfig,
    CheckType,
    Config,
    ForeignVips,
    Frontend,
    Healthcheck,
    HttpParams,
    LbConf,
    MinUp,
    Pool,
    PoolMember,
    TlsParams,
    Transport,
    VppConfig,
    WeightScale,
    WhenNoneEligible,
)
from tests.config.every_key import EVERY_KEY

LB = """\
maglev:
  vpp: {lb: {ipv4-src-address: 192.0.2.254, ipv6-src-address: 2001:db8::1}}
"""


def config_of(text: str) -> Config:
    loaded = load_text(text)
    assert loaded.warnings == ()
    return loaded.config


def warnings_of(text: str) -> list[tuple[str, str, int]]:
    return [(problem.path, problem.text, problem.line) for problem in load_text(text).warnings]


def healthcheck(keys: str) -> Healthcheck:
    """The one healthcheck of a file, read without a look at warnings."""
    return load_text(f"{LB}  healthchecks: {{web: {{interval: 2s, timeout: 1s, {keys}}}}}\n").config.healthchecks["web"]


def test_every_key_arrives_in_the_model():
    assert config_of(EVERY_KEY) == Config(
        checker=CheckerConfig(
            10,
            "dataplane",
            blindness=Blindness(60.0, 20.0, 600.0, "imap2"),
            tunnel_device="probe-gre",
            tunnel_mark=777,
        ),
        vpp=VppConfig(
            conf=LbConf(
                ipv4_src_address="192.0.2.1",
                ipv6_src_address="2001:db8::1",
                sticky_buckets_per_core=131072,
                flow_timeout=120,
            ),
            sync_interval=60.0,
            startup_min_delay=0.0,
            startup_max_delay=0.0,
            foreign_vips=ForeignVips.KEEP,
        ),
        healthchecks={
            "web": Healthcheck(
                name="web",
                type=CheckType.HTTPS,
                l4_port=443,
                interval=2.0,
                fast_interval=0.5,
                down_interval=90.0,
                timeout=1.5,
                rise=4,
                fall=5,
                probe_ipv4_src="192.0.2.2",
                probe_ipv6_src="2001:db8::2",
                http=HttpParams(
                    path="/health?full=1",
                    host="www.example.com:8443",
                    response_codes=((200, 200), (301, 302), (404, 404)),
                    response_regexp="^OK$",
                    disable_on_404=True,
                    method=HttpMethod.POST,
                    body=b'{"deep": true}\n',
                    expect_header=(("X-Health", "ready"),),
                    expect_header_regexp=(("Content-Type", "^text/"),),
                    http2=True,
                ),
                tls=TlsParams(server_name="name.example.com", verify=False, resume=False),
            ),
            "tls": Healthcheck(
                name="tls",
                type=CheckType.TCP,
                l4_port=993,
                interval=0.01,
                fast_interval=0.01,
                down_interval=0.01,
                timeout=0.0015,
                tls=TlsParams(server_name="imap.example.com", verify=True),
                via=Via.VIP,
            ),
            "rpc": Healthcheck(
                name="rpc",
                type=CheckType.GRPC,
                l4_port=50051,
                interval=1.0,
                fast_interval=1.0,
                down_interval=1.0,
                timeout=1.0,
                grpc=GrpcParams("shop.v1.Cart", "rpc.example"),
            ),
            "ping": Healthcheck(
                name="ping",
                type=CheckType.ICMP,
                l4_port=None,
                interval=86400.0,
                fast_interval=86400.0,
                down_interval=86400.0,
                timeout=86400.0,
            ),
        },
        backends={
            "www1": Backend("www1", "198.51.100.1", "web"),
            "imap1": Backend("imap1", "2001:db8::25", "tls", enabled=False),
            "imap2": Backend("imap2", "2001:db8::26", "ping"),
            "static": Backend("static", "198.51.100.9"),
            "both": Backend("both", "198.51.100.10", CheckSet(("web", "ping", "tls", "rpc"), 2)),
        },
        frontends={
            "web": Frontend(
                name="web",
                address="203.0.113.80",
                transport=Transport.TCP,
                l4_port=443,
                pools=(
                    Pool("primary", (PoolMember("www1", 10),)),
                    Pool(
                        "last-resort",
                        (
                            PoolMember("static", 100),
                            PoolMember("both", 5),
                        ),
                        MinUp(3350, share=True),
                    ),
                ),
                description="The web site",
                src_ip_sticky=True,
                flush_on_down=False,
                table_length=65536,
                weights=WeightScale.LEAST_MOVING,
                weight_tolerance=0.5,
                when_none_eligible=WhenNoneEligible.HOLD,
                failback_delay=30.0,
            ),
            "mail": Frontend(
                name="mail",
                address="2001:db8::80",
                transport=None,
                l4_port=0,
                pools=(Pool("all", (PoolMember("imap1", 100), PoolMember("imap2", 0))),),
                table_length=4096,
                weights=WeightScale.LEAST_MOVING,
                weight_tolerance=0.5,
            ),
        },
        announce=AnnounceConfig(
            20.0,
            {
                "203.0.113.80": AnnouncePolicy("203.0.113.80", Needed.ALL, 2, 5.0, when_held=False),
                "2001:db8::80": AnnouncePolicy("2001:db8::80", Needed.ANY, 1, 0.0, when_held=True),
            },
            BirdConfig("/run/maglev-bird/addresses.conf", "/run/bird.ctl", 60.0),
            {
                "pager": HookConfig("pager", ("/usr/local/bin/page", "--to", "ops"), "", HookEvents.ALL),
                "exabgp": HookConfig("exabgp", (), "/run/vpp-maglev/announce.sock", HookEvents.ANNOUNCEMENTS),
            },
        ),
    )


def test_an_almost_empty_file_has_the_defaults_of_the_model():
    config = config_of(LB)

    assert config == Config(CheckerConfig(), VppConfig(LbConf("192.0.2.254", "2001:db8::1")), {}, {}, {})


def test_defaults_of_healthchecks_backends_and_frontends_are_those_of_the_model():
    config = config_of(
        f"""{LB}
  healthchecks: {{web: {{type: http, port: 80, interval: 2s, timeout: 1s}}}}
  backends: {{a: {{address: 10.0.0.1, healthcheck: web}}}}
  frontends: {{www: {{address: 192.0.2.80, pools: [{{name: p, backends: {{a: }}}}]}}}}
"""
    )

    assert config.healthchecks["web"] == Healthcheck("web", CheckType.HTTP, 80, 2.0, 2.0, 2.0, 1.0, http=HttpParams())
    assert config.backends["a"] == Backend("a", "10.0.0.1", "web")
    assert config.frontends["www"] == Frontend("www", "192.0.2.80", None, 0, (Pool("p", (PoolMember("a"),)),))


def test_the_order_of_the_file_is_kept():
    config = config_of(
        f"{LB}  backends: {{z: {{address: 10.0.0.1}}, a: {{address: 10.0.0.2}}, m: {{address: 10.0.0.3}}}}\n"
        "  frontends: {y: {address: 192.0.2.1, pools: [{name: p, backends: {m: , z: , a: }}]}}\n"
    )

    assert list(config.backends) == ["z", "a", "m"]
    assert config.frontends["y"].backends == ("m", "z", "a")


def test_empty_strings_and_nulls_are_absent_keys():
    config = config_of(
        f"""{LB}
  healthchecker: {{transition-history: ~, netns: ""}}
  healthchecks:
    web:
      {{type: https, port: 443, interval: 2s, timeout: 1s, fast-interval: null, probe-ipv4-src: "",
        params: {{path: "", host: "", response-code: "", response-regexp: "", server-name: ""}}}}
    ping: {{type: icmp, port: , interval: 2s, timeout: 1s, params: {{path: }}}}
  backends:
    a: {{address: 10.0.0.1, healthcheck: ""}}
    b: {{address: 10.0.0.2, healthcheck: web}}
    c: {{address: 10.0.0.2, healthcheck: ping}}
  frontends:
    x: {{address: 192.0.2.1, protocol: "", description: "", pools: [{{name: p, backends: {{a: , b: }}}}]}}
    y: {{address: 192.0.2.2, protocol: , pools: [{{name: p, backends: {{c: }}}}]}}
"""
    )

    assert config.checker == CheckerConfig()
    assert config.healthchecks["web"].http == HttpParams()
    assert config.healthchecks["web"].tls == TlsParams()
    assert config.backends["a"].healthcheck is None
    assert config.frontends["x"].transport is None


@pytest.mark.parametrize(
    ("text", "least"),
    [("1", MinUp()), ("12", MinUp(12)), ("100%", MinUp(10000, share=True)), ("0.01%", MinUp(1, share=True))],
)
def test_how_much_of_a_pool_is_enough(text, least):
    assert LeastUp(20).read(ScalarNode(text, True, 1, 1)) == least
    assert LeastUp(20).spell(least) == text


@pytest.mark.parametrize(
    "truth", ["true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y", "!!bool true"]
)
def test_words_for_true(truth):
    assert config_of(EVERY_KEY.replace("enabled: off", f"enabled: {truth}")).backends["imap1"].enabled is True


@pytest.mark.parametrize("untruth", ["false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"])
def test_words_for_false(untruth):
    assert config_of(EVERY_KEY.replace("enabled: off", f"enabled: {untruth}")).backends["imap1"].enabled is False


@pytest.mark.parametrize(
    ("written", "ranges"),
    [
        ("200", ((200, 200),)),
        ('"200"', ((200, 200),)),
        ("200-299", ((200, 299),)),
        ('"200-299"', ((200, 299),)),
        ("200 - 299", ((200, 299),)),
        ("[200, 204, 301-302]", ((200, 200), (204, 204), (301, 302))),
        ("[599]", ((599, 599),)),
    ],
)
def test_forms_of_response_codes(written, ranges):
    check = healthcheck(f"type: http, port: 80, params: {{response-code: {written}}}")

    assert check.http.response_codes == ranges


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ("", None),
        ("host: www.example.com", "www.example.com"),
        ("host: 'www.example.com:8443'", "www.example.com"),
        ("host: www.example.com.", "www.example.com"),
        ("host: 192.0.2.7", "192.0.2.7"),
        ("host: '[2001:DB8:0::7]'", "2001:db8::7"),
        ("host: '[2001:db8::7]:8443'", "2001:db8::7"),
        ("server-name: a.example, host: b.example", "a.example"),
        ("server-name: a.example.", "a.example"),
        ("server-name: '2001:db8::7'", "2001:db8::7"),
    ],
)
def test_the_name_that_tls_verifies(params, name):
    assert healthcheck(f"type: https, port: 443, params: {{{params}}}").tls == TlsParams(name)


def test_the_host_header_is_kept_as_written():
    check = healthcheck("type: https, port: 443, params: {host: '[2001:DB8:0::7]:8443'}")

    assert check.http.host == "[2001:DB8:0::7]:8443"


def test_plain_tcp_and_http_have_no_tls():
    assert healthcheck("type: tcp, port: 80, params: {ssl: false}").tls is None
    assert healthcheck("type: http, port: 80").tls is None


def test_a_tcp_check_with_tls_and_no_name_verifies_the_address():
    assert healthcheck("type: tcp, port: 80, params: {ssl: true}").tls == TlsParams(None)


def test_numbers_and_booleans_are_text_where_text_is_wanted():
    config = load_text(f"{LB}  backends: {{1: {{address: 10.0.0.1}}, on: {{address: 10.0.0.2}}}}\n").config

    assert list(config.backends) == ["1", "on"]


def test_anchors_aliases_and_merge_keys():
    config = config_of(
        f"""{LB}
  healthchecks:
    base: &base {{type: http, port: 80, interval: &i 2s, timeout: *i, rise: 5}}
    slow: &slow {{<<: *base, interval: 20s}}
    first: {{<<: [{{rise: 7}}, *slow], fall: 1}}
    quoted: *base
  backends:
    a: {{address: 10.0.0.1, healthcheck: base}}
    b: {{address: 10.0.0.2, healthcheck: slow}}
    c: {{address: 10.0.0.3, healthcheck: first}}
    d: {{address: 10.0.0.3, healthcheck: quoted}}
  frontends: {{x: {{address: 192.0.2.1, pools: [{{name: p, backends: {{a: , b: , c: }}}}]}},
    y: {{address: 192.0.2.2, pools: [{{name: p, backends: {{d: }}}}]}}}}
"""
    )

    checks = config.healthchecks
    assert (checks["slow"].interval, checks["slow"].timeout, checks["slow"].rise) == (20.0, 2.0, 5)
    assert (checks["first"].interval, checks["first"].rise, checks["first"].fall) == (20.0, 7, 1)
    assert attrs.evolve(checks["quoted"], name="base") == checks["base"]


def test_frontends_on_one_address_with_backends_of_one_family_are_fine():
    config_of(
        f"""{LB}  backends: {{a: {{address: 10.0.0.1}}}}
  frontends:
    x: {{address: 192.0.2.80, protocol: tcp, port: 80, pools: [{{name: p, backends: {{a: }}}}]}}
    y: {{address: 192.0.2.80, protocol: udp, port: 80, pools: [{{name: p, backends: {{a: }}}}]}}
    z: {{address: 192.0.2.80, protocol: tcp, port: 81, pools: [{{name: p, backends: {{a: }}}}]}}
    six: {{address: 2001:db8::80, pools: [{{name: p, backends: {{a: }}}}]}}
"""
    )


def test_an_empty_pool_is_a_warning_and_says_nothing_about_families():
    assert warnings_of(
        f"""{LB}  backends: {{a: {{address: "2001:db8::6"}}}}
  frontends:
    x: {{address: 192.0.2.80, protocol: tcp, port: 80, pools: [{{name: p}}]}}
    y: {{address: 192.0.2.80, protocol: udp, port: 80, pools: [{{name: p, backends: {{a: }}}}]}}
"""
    ) == [("maglev.frontends.x.pools[0].backends", "pool has no backends", 5)]


def test_unused_backends_and_healthchecks_are_warnings():
    assert warnings_of(
        f"""{LB}
  healthchecks:
    ping: {{type: icmp, interval: 2s, timeout: 1s}}
  backends:
    a: {{address: 10.0.0.1}}
"""
    ) == [
        ("maglev.healthchecks.ping", "is not used by any backend", 5),
        ("maglev.backends.a", "is not used by any frontend", 7),
    ]


def test_idle_tls_parameters_are_warnings():
    def check(kind: str) -> list[tuple[str, str]]:
        keys = f"type: {kind}, interval: 2s, timeout: 1s, port: 1, params: {{server-name: a}}"
        warnings = warnings_of(f"{LB}  healthchecks: {{web: {{{keys}}}}}\n")
        return [warning[:2] for warning in warnings if "params" in warning[0]]

    path = "maglev.healthchecks.web.params.server-name"
    assert check("http") == [(path, "has no effect: type http uses no TLS")]
    assert check("tcp") == [(path, "has no effect: TLS needs ssl: true")]
    assert check("https") == []


def test_two_backends_of_one_address_in_a_frontend_are_a_warning():
    assert warnings_of(
        f"""{LB}  backends: {{a: {{address: 10.0.0.1}}, b: {{address: 10.0.0.1}}}}
  frontends:
    x: {{address: 192.0.2.80, pools: [{{name: p, backends: {{a: }}}}, {{name: q, backends: {{a: , b: }}}}]}}
"""
    ) == [
        (
            "maglev.frontends.x.pools[1].backends.b",
            "has the same address as a: VPP treats both as one server, with the higher weight",
            5,
        )
    ]


def weights(*pools: tuple[int, ...], length: str = "") -> list[str]:
    """The texts of the warnings of a frontend with these weights; backend i of each pool is the same."""
    count = max(map(len, pools))
    backends = ", ".join(f"b{i}: {{address: 10.0.{i >> 8}.{(i & 255)}}}" for i in range(1, count + 1))
    listed = ", ".join(
        f"{{name: p{number}, backends: {{{', '.join(f'b{i}: {{weight: {w}}}' for i, w in enumerate(pool, 1))}}}}}"
        for number, pool in enumerate(pools)
    )
    text = f"{LB}  backends: {{{backends}}}\n  frontends: {{x: {{address: 192.0.2.80, {length} pools: [{listed}]}}}}\n"
    return [text for _, text, _ in warnings_of(text)]


def test_weights_up_to_the_table_length_are_no_warning():
    assert weights((100,) * 10 + (24,)) == []


def test_a_weight_sum_above_the_table_length_is_a_warning_with_a_cure():
    assert weights((100,) * 10 + (25,)) == [
        (
            "the weights of pools[0] add up to 1025, more than the 1024 buckets of the table: "
            "the shares will not be proportional (2048 is enough)"
        )
    ]


def test_the_largest_pool_counts_and_not_their_sum():
    assert weights((100,) * 10, (100,) * 10) == []
    assert "pools[1] add up to 1100" in weights((100,) * 10, (100,) * 11)[0]


def test_the_table_of_the_frontend_is_the_one_that_counts():
    assert weights((100,) * 11, length="new-flows-table-length: 2048,") == []
    assert "the 64 buckets" in weights((65,), length="new-flows-table-length: 64,")[0]


def test_a_sum_that_no_table_can_hold_says_so():
    assert "(lower the weights)" in weights((100,) * 656)[0]


def test_backends_of_one_address_count_once_with_the_highest_weight():
    text = f"""{LB}  backends: {{a: {{address: 10.0.0.1}}, b: {{address: 10.0.0.1}}}}
  frontends:
    x:
      address: 192.0.2.80
      new-flows-table-length: 64
      pools: [{{name: p, backends: {{a: {{weight: 64}}, b: {{weight: 40}}}}}}]
"""

    assert [path for path, _, _ in warnings_of(text)] == ["maglev.frontends.x.pools[0].backends.b"]


def test_the_default_of_every_key_reads_back_from_its_spelling():
    for _, section in walk(ROOT):
        for key in section.keys.values():
            if isinstance(key, ConfigKey) and key.default not in {None, ""}:
                text = key.kind.spell(key.default)
                node = _node_of(text)

                assert key.kind.read(node) == key.default, key.name


@pytest.mark.parametrize("kind", [Address(), Host(), Reference("backends", "backend"), Regexp(9)])
def test_texts_are_spelt_as_they_are(kind):
    assert kind.spell("10.0.0.1") == "10.0.0.1"


def _node_of(text: str):
    return compose(text, Findings())


def test_a_table_that_fits_is_as_long_as_the_weights_need():
    text = f"""{LB}
  backends: {{{", ".join(f"s{number}: {{address: 10.0.0.{number}}}" for number in range(1, 13))}}}
  frontends:
    web:
      address: 192.0.2.1
      weights: least-moving
      new-flows-table-length: auto
      pools: [{{name: all, backends: {{{", ".join(f"s{number}: " for number in range(1, 13))}}}}}]
"""
    frontend = config_of(text).frontends["web"]
    assert (frontend.table_length, frontend.table_fits) == (2048, True)
    assert (frontend.weights, frontend.weight_tolerance) == (WeightScale.LEAST_MOVING, 2.0)


@pytest.mark.parametrize(("text", "percent"), [("0%", 0.0), ("2.5%", 2.5), ("50%", 50.0), ("0.01%", 0.01)])
def test_a_tolerance_is_a_percentage(text, percent):
    assert Percentage(50).read(ScalarNode(text, True, 1, 1)) == percent
    assert Percentage(50).spell(percent) == text


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("web", "web"),
        ("[web]", "web"),
        ("{checks: [web], require: 1}", "web"),
        ("[web, gre]", CheckSet(("web", "gre"), 2)),
        ("{checks: [web, gre]}", CheckSet(("web", "gre"), 2)),
        ("{checks: [web, gre], require: all}", CheckSet(("web", "gre"), 2)),
        ("{checks: [web, gre], require: any}", CheckSet(("web", "gre"), 1)),
        ("{checks: [web, gre], require: }", CheckSet(("web", "gre"), 2)),
        ("{checks: [web, gre, dns], require: 2}", CheckSet(("web", "gre", "dns"), 2)),
        ("", None),
    ],
)
def test_one_healthcheck_or_several_and_how_many_of_them_are_required(written, expected):
    checks = "".join(f"    {name}: {{type: icmp, interval: 2s, timeout: 1s}}\n" for name in ("web", "gre", "dns"))
    text = f"{LB}  healthchecks:\n{checks}  backends:\n    a: {{address: 10.0.0.1, healthcheck: {written}}}\n"
    assert load_text(text).config.backends["a"].healthcheck == expected
    if expected is not None:
        spelled = Healthchecks(8).spell(expected)
        again = text.replace(f"healthcheck: {written}}}", f"healthcheck: {spelled}}}")
        assert load_text(again).config.backends["a"].healthcheck == expected


def test_every_healthcheck_of_a_list_is_used():
    checks = "".join(f"    {name}: {{type: icmp, interval: 2s, timeout: 1s}}\n" for name in ("web", "gre", "dns"))
    text = f"{LB}  healthchecks:\n{checks}  backends:\n    a: {{address: 10.0.0.1, healthcheck: [web, gre]}}\n"
    assert [path for path, _, _ in warnings_of(text)] == ["maglev.healthchecks.dns", "maglev.backends.a"]
