"""Backends by DNS name: in a file, and what becomes of it when addresses are known."""

import json

import attrs
import pytest

from maglev.config.check import report
from maglev.config.expansion import AddressRules, expand, with_members
from maglev.config.json_schema import document
from maglev.config.load import load_text
from maglev.config.namekinds import DnsName, Nameservers
from maglev.config.packing import pack, unpack
from maglev.model.check_set import CheckSet
from maglev.model.config import Backend
from maglev.model.names import NamedBackends, ResolverConfig
from tests.config.test_bad_files import errors_of
from tests.fakes.file_parts import LB, WEB, frontend, lb

NAMED = f"""{LB}\
  healthchecks: {{web: {{type: http, port: 80, interval: 2s, timeout: 1s}}}}
  backends:
    a: {{address: 10.0.0.1, healthcheck: web}}
    www: {{dns-name: WWW.Example.org., dns-max: 3, healthcheck: web}}
    other: {{dns-name: other.example.org, healthcheck: [web], enabled: false}}
  frontends:
    web: {{address: 192.0.2.80, pools: [{{name: p, backends: {{a: , www: {{weight: 50}}}}}}]}}
    both: {{address: 192.0.2.81, pools: [{{name: p, backends: {{www: }}}}, {{name: q, backends: {{other: }}}}]}}
    plain: {{address: 192.0.2.82, pools: [{{name: p, backends: {{a: }}}}]}}
  resolver:
    nameservers: [192.0.2.53, '[2001:db8:0::53]:5353', '192.0.2.54:54']
    timeout: 1s
    min-ttl: 10s
    max-ttl: 2h
    missing-answers: 2
"""


def members(config, name, pool=0):
    return [(each.backend, each.weight) for each in config.frontends[name].pools[pool].members]


def named(backend, more="", pool="www: "):
    """A file with one backend by name, and another frontend's address."""
    pools = f"[{{name: p, backends: {{{pool}}}}}]"
    return f"{LB}{WEB}    www: {backend}\n  frontends: {{f: {{address: 192.0.2.80, pools: {pools}}}}}\n{more}"


def test_what_the_file_says_of_names_arrives_in_the_model():
    config = load_text(NAMED).config

    assert config.names == {
        "www": NamedBackends("www", "www.example.org", 4, 3, "web", enabled=True),
        "other": NamedBackends("other", "other.example.org", 4, 8, "web", enabled=False),
    }
    assert config.resolver == ResolverConfig(
        (("192.0.2.53", 53), ("2001:db8::53", 5353), ("192.0.2.54", 54)), 1.0, 10.0, 7200.0, 2
    )
    assert list(config.backends) == ["a"]
    assert members(config, "web") == [("a", 100), ("www", 50)]
    assert config.frontends["web"].named_family == 4
    assert config.frontends["web"].unresolved
    assert config.frontends["plain"].named_family is None
    assert unpack(pack(load_text(NAMED))).config == config


def test_without_names_nothing_is_different():
    config = load_text(frontend("address: 192.0.2.80")).config

    assert config.names == {}
    assert config.resolver == ResolverConfig()
    assert expand(config, {}) is config


def test_each_address_becomes_a_backend_in_the_place_of_its_name():
    written = load_text(NAMED).config
    config = expand(written, {"www": {3: "10.1.0.3", 1: "10.1.0.1"}})

    assert list(config.backends.values()) == [
        Backend("a", "10.0.0.1", "web"),
        Backend("www-1", "10.1.0.1", "web", named="www"),
        Backend("www-3", "10.1.0.3", "web", named="www"),
    ]
    assert members(config, "web") == [("a", 100), ("www-1", 50), ("www-3", 50)]
    assert members(config, "both", 1) == []
    assert not config.frontends["web"].unresolved
    assert config.frontends["both"].unresolved
    assert config.frontends["plain"] is written.frontends["plain"]
    assert config.names is written.names


def test_unchanged_objects_are_those_of_the_configuration_in_force():
    written = load_text(NAMED).config
    old = expand(written, {"www": {1: "10.1.0.1", 2: "10.1.0.2"}, "other": {1: "10.2.0.1"}})
    new = expand(written, {"www": {1: "10.1.0.1", 2: "10.1.0.2"}, "other": {1: "10.2.0.2"}}, old)

    assert new.backends["www-1"] is old.backends["www-1"]
    assert new.backends["other-1"] is not old.backends["other-1"]
    assert new.frontends["web"] is old.frontends["web"]
    assert new.frontends["both"] is old.frontends["both"]
    assert not new.backends["other-1"].enabled


def test_a_table_that_fits_fits_all_that_a_name_may_stand_for():
    text = NAMED.replace("address: 192.0.2.80,", "address: 192.0.2.80, new-flows-table-length: auto,")
    few = load_text(text).config.frontends["web"]
    many = load_text(text.replace("dns-max: 3", "dns-max: 120")).config.frontends["web"]

    assert few.table_fits
    assert few.table_enough == ()
    assert many.table_length > few.table_length
    assert with_members(many, {"www": [1]}).table_length == many.table_length


def test_the_weights_of_all_that_a_name_may_stand_for_have_to_fit():
    loaded = load_text(NAMED.replace("dns-max: 3", "dns-max: 40"))

    assert any("add up to 2100" in warning.text for warning in loaded.warnings)


@pytest.mark.parametrize(
    ("backend", "path", "text"),
    [
        ("{address: 10.0.0.9, dns-name: x.org}", "www.dns-name", "has an address, too: expected one of them"),
        ("{dns-max: 3}", "www.address", "is required"),
        ("{address: 10.0.0.9, dns-max: 3}", "www.dns-max", "needs dns-name"),
        ("{address: 10.0.0.9, dns-family: ipv6}", "www.dns-family", "needs dns-name"),
        ("{dns-name: 10.0.0.9}", "www.dns-name", "10.0.0.9 is an address: write address: 10.0.0.9"),
        ("{dns-name: a..b}", "www.dns-name", 'invalid DNS name "a..b": expected of letters'),
        ("{dns-name: x.org, dns-max: 129}", "www.dns-max", "must be 1..128, not 129"),
        ("{dns-name: x.org, dns-family: ipv5}", "www.dns-family", "must be"),
        ("{address: www.example.org}", "www.address", "a DNS name is written dns-name"),
    ],
)
def test_what_is_wrong_with_a_name_is_one_error(backend, path, text):
    problems = errors_of(named(backend))

    assert problems[0].path == f"maglev.backends.{path}"
    assert text in problems[0].text
    assert len(problems) == (2 if backend == "{dns-max: 3}" else 1)


@pytest.mark.parametrize(
    ("more", "path", "text"),
    [
        ("  resolver: {min-ttl: 2h}\n", "resolver.min-ttl", "min-ttl (2h) is longer than max-ttl (1h)"),
        ("  resolver: {max-ttl: 2s}\n", "resolver.max-ttl", "min-ttl (5s) is longer than max-ttl (2s)"),
        ("  resolver: {nameservers: [x]}\n", "resolver.nameservers[0]", "expected an address, or one with a port"),
        ("  resolver: {nameservers: [[x]]}\n", "resolver.nameservers[0]", "must be an IP address"),
        ("  resolver: {nameservers: '1.1.1.1:70000'}\n", "resolver.nameservers", "port 70000 is not in 1..65535"),
        (f"  resolver: {{nameservers: [{'1.1.1.1, ' * 9}]}}\n", "resolver.nameservers", "must be at most 8"),
        (
            "  healthchecker: {blindness: {share: 50%, canary: www}}\n",
            "healthchecker.blindness.canary",
            "has a dns-name",
        ),
    ],
)
def test_what_is_wrong_around_names_is_one_error(more, path, text):
    (problem,) = errors_of(named("{dns-name: x.org, healthcheck: web}", more))

    assert problem.path == f"maglev.{path}"
    assert text in problem.text


def test_broken_values_give_no_further_errors():
    assert len(errors_of(named("{dns-name: [], dns-max: 3}"))) == 1
    assert len(errors_of(named("{dns-name: x.org}", "  resolver: 5\n"))) == 1
    assert len(errors_of(named("{dns-name: x.org}", "  healthchecker: 5\n"))) == 1
    assert len(errors_of(named("{dns-name: x.org}", "  healthchecker: {blindness: 5}\n"))) == 1


def test_no_other_backend_may_be_named_like_one_of_a_name():
    text = named("{dns-name: x.org}").replace("    b: {", "    www-12: {")
    (problem,) = [each for each in errors_of(text) if "www-12" in each.path]

    assert "is what a backend of www may be named" in problem.text
    long = "w" * 59
    (problem,) = errors_of(named("{dns-name: x.org}", pool="a: ").replace("    www:", f"    {long}:"))
    assert "at most 58 characters" in problem.text


def test_all_names_together_are_bounded():
    lines = "".join(f"    n{number}: {{dns-name: n{number}.org, dns-max: 128}}\n" for number in range(33))
    (problem,) = errors_of(f"{lb('')}  backends:\n{lines}")

    assert problem.path == "maglev.backends.n32.dns-max"
    assert "4224" in problem.text


def test_families_are_known_before_any_address_is():
    (problem,) = errors_of(named("{dns-name: x.org, dns-family: ipv6}", pool="a: , www: "))
    assert "is IPv6, but a is IPv4" in problem.text
    assert load_text(named("{dns-name: x.org, dns-family: ipv6}")).config.frontends["f"].named_family == 6


def test_the_check_says_that_it_resolved_nothing(tmp_path):
    file = tmp_path / "maglev.yaml"
    file.write_text(NAMED)
    lines, status = report(file)

    assert lines[-1] == f"{file}: valid; 2 DNS names not resolved here"
    assert status == 0


def test_values_are_spelled_as_they_are_written():
    assert Nameservers(8).spell((("192.0.2.53", 53), ("2001:db8::53", 5353), ("192.0.2.54", 54))) == (
        "[192.0.2.53, [2001:db8::53]:5353, 192.0.2.54:54]"
    )
    assert DnsName().spell("x.org") == "x.org"
    assert load_text(named("{dns-name: '', address: 10.0.0.9}")).config.names == {}
    assert load_text(named("{dns-name: x.org}", "  resolver: {nameservers: ''}\n")).config.resolver == ResolverConfig()


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("10.1.0.1", ""),
        ("2001:db8::1", "is IPv6"),
        ("127.0.0.1", "is a loopback address"),
        ("224.0.0.1", "is a multicast address"),
        ("169.254.0.1", "is a link-local address (169.254.0.0/16)"),
        ("0.0.0.0", "is the unspecified address"),
        ("192.0.2.81", "is the address of frontend both"),
        ("192.0.2.1", "is a source address of VPP"),
        ("10.0.0.1", "is the address of backend a of the same frontend"),
        ("10.2.0.9", "is an address of other, of the same frontend"),
    ],
)
def test_what_a_file_could_not_have_an_answer_can_not_bring(address, why):
    rules = AddressRules(load_text(NAMED).config)

    assert rules.why_not("www", address, {"other": {4: "10.2.0.9"}}) == why


def test_a_name_may_have_an_address_that_another_frontend_uses():
    config = load_text(NAMED).config
    assert AddressRules(config).why_not("other", "10.0.0.1", {}) == ""


def test_the_schema_for_editors_wants_one_of_the_two():
    backend = json.loads(document())["properties"]["maglev"]["properties"]["backends"]["additionalProperties"]

    assert backend["anyOf"] == [{"required": ["address"]}, {"required": ["dns-name"]}]


def test_several_checks_are_those_of_each_backend():
    text = NAMED.replace("healthcheck: [web]", "healthcheck: [web, icmp]").replace(
        "timeout: 1s}}", "timeout: 1s}, icmp: {type: icmp, interval: 2s, timeout: 1s}}"
    )
    config = expand(load_text(text).config, {"other": {1: "10.2.0.1"}})

    assert isinstance(config.backends["other-1"].healthcheck, CheckSet)
    assert attrs.evolve(config.backends["other-1"], named="").named == ""
