"""The JSON Schema for editors: it is current, it accepts what is valid (see conftest), and it refuses what it can."""

from __future__ import annotations

import re
import runpy
import sys

import pytest
from jsonschema import Draft202012Validator

from maglev.config.json_schema import document
from maglev.config.keys import ROOT
from maglev.config.load import load_text
from maglev.config.schema import walk
from maglev.demo.service import CONFIG as DEMO
from tests.config.every_key import EVERY_KEY
from tests.fakes.json_schema import PATH, VALIDATOR, faults
from tests.fakes.yaml_views import of_yaml_1_1


def test_the_schema_is_current():
    assert PATH.read_text(encoding="utf-8") == document(), (
        "run python -m maglev.config.json_schema > maglev/config/maglev.schema.json"
    )


def test_the_schema_can_be_made_from_the_command_line(capsys, monkeypatch):
    monkeypatch.delitem(sys.modules, "maglev.config.json_schema")
    runpy.run_module("maglev.config.json_schema", run_name="__main__")

    assert capsys.readouterr().out == document()


def test_the_schema_is_one():
    Draft202012Validator.check_schema(VALIDATOR.schema)


def properties(schema):
    """Yield the name and the schema of every key."""
    # A value that is a map has names of one's own, and no keys.
    sections = [each for each in schema.get("properties", {}).values() if "anyOf" not in each]
    below = [*sections, schema.get("additionalProperties"), schema.get("items")]
    yield from schema.get("properties", {}).items()
    for each in below:
        if isinstance(each, dict):
            yield from properties(each)


def test_the_schema_has_every_key_and_says_what_it_does():
    described = [(name, each["description"].partition("\n")[0]) for name, each in properties(VALIDATOR.schema)]
    keys = [(name, entry) for _, section in walk(ROOT) for name, entry in section.keys.items()]

    assert sorted(name for name, _ in described) == sorted(name for name, _ in keys)
    for name, entry in keys:
        assert any(found == name and text.startswith(entry.help) for found, text in described)


@pytest.mark.parametrize("text", [EVERY_KEY, DEMO], ids=["every-key", "demo"])
def test_valid_files_are_accepted(text):
    assert load_text(text)  # and the fixture looks on
    assert faults(of_yaml_1_1(text)) == []


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("netns: dataplane", "netsn: dataplane", "maglev.healthchecker: "),
        ("type: https", "kind: https", "maglev.healthchecks.web: "),
        ("timeout: 1.5s", "timeout: 1.5", "maglev.healthchecks.web.timeout: "),
        ("timeout: 1.5s", "timeout: soon", "maglev.healthchecks.web.timeout: "),
        ("timeout: 1.5s", "timeout: 0", "maglev.healthchecks.web.timeout: "),
        ("timeout: 1.5s", "timeout:", "maglev.healthchecks.web.timeout: "),
        ("      timeout: 1.5s\n", "", "maglev.healthchecks.web: 'timeout' is a required"),
        ("rise: 4", "rise: four", "maglev.healthchecks.web.rise: "),
        ("rise: 4", "rise: 0", "maglev.healthchecks.web.rise: "),
        ("131_072", "131_073", "maglev.vpp.lb.sticky-buckets-per-core: "),
        ("foreign-vips: keep", "foreign-vips: ignore", "maglev.vpp.lb.foreign-vips: "),
        ("      ipv4-src-address: 192.0.2.1\n", "", "maglev.vpp.lb: 'ipv4-src-address' is a required"),
        ("ipv4-src-address: 192.0.2.1", "ipv4-src-address: 2001:db8::1", "maglev.vpp.lb.ipv4-src-address: "),
        ("address: 203.0.113.80", "address: www.example.com", "maglev.frontends.web.address: "),
        ("ssl: yes", "ssl: maybe", "maglev.healthchecks.tls.params.ssl: "),
        ("ssl: yes", "path: /", "maglev.healthchecks.tls.params.path: "),
        ("ping: {", "ping: {port: 7, ", "maglev.healthchecks.ping.port: "),
        ("      port: 993\n", "", "maglev.healthchecks.tls: 'port' is a required"),
        ("path: /health", "path: health", "maglev.healthchecks.web.params.path: "),
        ("[200, 301-302", "[200, 301-999", "maglev.healthchecks.web.params.response-code: "),
        ("host: www.example.com:8443", "host: a b", "maglev.healthchecks.web.params.host: "),
        ("static: {a", "'b c': {a", "maglev.backends: "),
        ("name: primary", "name: ' '", "maglev.frontends.web.pools[0].name: "),
        (
            "pools: [{name: all, backends: {imap1: {}, imap2: {weight: 0}}}]",
            "pools: []",
            "maglev.frontends.mail.pools: ",
        ),
        ("weight: 10", "weight: 101", "maglev.frontends.web.pools[0].backends.www1.weight: "),
    ],
)
def test_mistakes_are_refused_where_they_are(old, new, place):
    assert EVERY_KEY.count(old) >= 1
    found = faults(of_yaml_1_1(EVERY_KEY.replace(old, new, 1)))

    assert any(fault.startswith(place) for fault in found), found


def test_the_example_file_names_the_schema_for_editors():
    debian = PATH.parents[2] / "debian"
    example = (debian / "maglev.yaml").read_text()
    installed = (debian / "vpp-maglevd.install").read_text().splitlines()

    assert "maglev/config/maglev.schema.json usr/share/vpp-maglev" in installed
    assert re.match(r"# yaml-language-server: \$schema=/usr/share/vpp-maglev/maglev\.schema\.json\n", example)
