"""What is written of a configuration loads to the same one; and how the texts of two are compared."""

from __future__ import annotations

import json
import re
from pathlib import Path

import attrs
import pytest

from maglev.config.as_written import as_written
from maglev.config.expansion import expand
from maglev.config.keys import ROOT as SCHEMA
from maglev.config.load import load_text
from maglev.config.schema import walk
from maglev.config.text_diff import COMPARED, HIDDEN_DIFFER, difference_lines
from maglev.config.writing import HIDDEN, SECTIONS, config_lines
from maglev.config.yaml_lines import WIDTH
from maglev.model.config import MAX_WEIGHT, Backend, PemFile
from maglev.state.reweighted import reweighted
from tests.config.every_key import EVERY_KEY
from tests.config.test_properties import GOOD
from tests.fakes.certificates import Authority
from tests.fakes.configs import make_config, make_frontend
from tests.fakes.file_parts import LB, lb, params

ROOT = Path(__file__).parents[2]

WEB = "http, port: 80"
TCP = "tcp, port: 25"
UDP = "udp, port: 53"
AGENTS = f"""\
{LB.rstrip()}
  healthchecker: {{exec: {{allow: true, at-once: 200}}}}
  healthchecks:
    load: {{type: agent, port: 9, interval: 1s, timeout: 1s, params: {{send: 'a\\n', address: 10.0.0.9, hold: 1m}}}}
    idle: {{type: agent, port: 9, interval: 1s, timeout: 1s}}
    script: {{type: exec, interval: 1s, timeout: 1s, params: {{command: [/bin/check, "a b", "1"]}}}}
  backends:
    a: {{address: 10.0.0.1, healthcheck: script, agent-check: load}}
    b: {{dns-name: www.example.net, agent-check: idle}}
"""
DNS = "dns, port: 53"

ODD = f"""\
{LB.rstrip()}
  healthchecker: {{probe-workers: 2}}
  healthchecks:
    "on": {{type: icmp, interval: 1s, timeout: 500ms, rise: 7}}
    "1": {{type: icmp, interval: 1s, timeout: 1250us}}
  backends:
    "123": {{address: 10.0.0.1, healthcheck: "on"}}
    both: {{address: 10.0.0.2, healthcheck: {{checks: ["on", "1"], require: any}}}}
    {"x" * 63}: {{address: 10.0.0.3, healthcheck: {{checks: ["on", "1"], require: all}}, enabled: false}}
  frontends:
    all:
      address: 203.0.113.1
      description: "caf\u00e9 \\"\\\\ \U0001f600 #x: {{y}}"
      new-flows-table-length: auto
      weights: least-moving
      pools:
        - {{name: "no", min-up: 2, backends: {{"123": {{}}, both: {{weight: 0}}}}}}
        - {{name: empty, backends: {{}}}}
"""

NAMES = f"""\
{LB.rstrip()}
  healthchecks: {{ping: {{type: icmp, interval: 1s, timeout: 500ms}}}}
  backends:
    a: {{address: 10.0.0.1}}
    many: {{dns-name: WWW.example.net., healthcheck: ping, dns-max: 3, enabled: false}}
    six: {{dns-name: www6.example.net, dns-family: ipv6}}
  frontends:
    web: {{address: 203.0.113.1, pools: [{{name: p, backends: {{a: {{weight: 7}}, many: {{weight: 9}}}}}}]}}
    web6: {{address: 203.0.113.2, new-flows-table-length: auto, pools: [{{name: p, backends: {{six: {{}}}}}}]}}
  resolver:
    {{nameservers: [192.0.2.53, "[2001:db8::53]:5353"], timeout: 1s, min-ttl: 9s, max-ttl: 1m, missing-answers: 2}}
"""

TEXTS = [
    NAMES,
    f"{LB}  resolver: {{timeout: 1s}}",
    EVERY_KEY,
    GOOD,
    ODD,
    AGENTS,
    (ROOT / "debian/maglev.yaml").read_text(),
    f"{LB}  announce: {{vpp-lost-delay: 3s}}",
    lb("      removal-drain: 2s\n      removal-max-delay: 5s\n"),
    params("headers: {Authorization: 'Basic x', X-Probe: ''}, response-regexp-not: 'a\\b'", WEB),
    params("method: POST, body: 'a\\r\\n', expect-header: {X-A: b}, expect-header-regexp: {X-B: '.*'}", WEB),
    params("http2: true", "https, port: 443"),
    params("", "grpc, port: 50051"),
    params("service: shop.v1.Cart, host: shop.example, ssl: true", "grpc, port: 50051"),
    params("preset: smtp", TCP),
    params("preset: mysql, user: me", TCP),
    params(r"steps: [{send: 'A\r\n\x00'}, {expect: 'b\\'}, {expect-regexp: '^c', reject-regexp: d}]", TCP),
    params("ssl: true, curves: X25519", TCP),
    params("send-hex: 00ff, expect-hex: 41ff", UDP),
    params("send: hello, expect-regexp: '^w'", UDP),
    params("", UDP),
    params("name: example.com, record-type: MX, transport: tcp, answer: 10 mx.example.com.", DNS),
    params("name: '.', rcode: NXDOMAIN, recursion: no", DNS),
    params("name: a.example, answer-regexp: '^x'", DNS),
]


def lines(text_or_config, **how):
    config = load_text(text_or_config).config if isinstance(text_or_config, str) else text_or_config
    return list(config_lines(config, **how))


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_what_is_written_loads_to_the_same_configuration(text):
    config = load_text(text).config
    written = lines(config, secrets=True)
    assert load_text("\n".join(written)).config == config
    assert all(line.isascii() and line.isprintable() for line in written)


def test_no_key_is_forgotten():
    written = {line.strip(" -").partition(":")[0] for text in TEXTS for line in lines(text, secrets=True)}
    within = {word for text in TEXTS for line in lines(text) for word in re.findall(r"[{ ]([a-z0-9-]+):", line)}
    keys = {key.name for _, section in walk(SCHEMA) for key in section.keys.values()}
    assert keys - written - within == {
        "include",  # what it includes is written
        "send-hex", "expect-hex",  # written as text
        "ca-file", "client-certificate", "client-key",  # in a test of their own
    }  # fmt: skip


def test_what_may_be_secret_is_not_shown():
    shown = "\n".join(lines(params("headers: {Authorization: 'Basic c2VjcmV0'}", WEB)))
    assert f'headers: {{"Authorization": "{HIDDEN}"}}' in shown
    shown = "\n".join(lines(params("steps: [{send: 'AUTH secret'}, {expect: OK}]", TCP)))
    assert f'steps: [{{send: "{HIDDEN}"}}, {{expect: "OK"}}]' in shown
    shown = "\n".join(lines(params("send: secret, expect: OK", UDP)))
    assert f'send: "{HIDDEN}"' in shown
    assert "secret" not in shown


def test_of_certificates_and_keys_there_are_paths_only(tmp_path):
    authority = Authority()
    certificate, key = authority.issue(tmp_path, "client")
    files = f"ca-file: {authority.write_root(tmp_path)}, client-certificate: {certificate}, client-key: {key}"
    text = params(f"ssl: true, {files}", TCP)
    config = load_text(text).config
    shown = lines(config)
    assert load_text("\n".join(shown)).config == config
    assert isinstance(config.healthchecks["web"].tls.client_key, PemFile)
    assert any(line.startswith('        client-key: "/') for line in shown)
    assert "BEGIN" not in "\n".join(shown)


def test_a_weight_that_was_set_at_run_time_says_what_the_file_says():
    config = make_config()
    changed = attrs.evolve(config, frontends={"web": reweighted(config.frontends["web"], "pool0", "a", 7)})
    shown = lines(changed)
    place = shown.index("            a: {weight: 7}")
    assert shown[place - 1] == "            # set at run time; the file says 100:"
    assert load_text("\n".join(lines(changed))).config.frontends["web"].pools[0].members[0].weight == 7


def test_names_are_written_in_the_place_of_their_backends():
    written = load_text(NAMES).config
    running = expand(written, {"many": {1: "10.0.0.2", 3: "10.0.0.3"}})
    pools = running.frontends["web"].pools[0].members
    assert [each.backend for each in pools] == ["a", "many-1", "many-3"]
    assert as_written(written, running) == written
    changed = {**running.frontends, "web": reweighted(running.frontends["web"], "p", "a", 8)}
    shown = lines(as_written(written, attrs.evolve(running, frontends=changed)))
    assert "            a: {weight: 8}" in shown
    assert "            many: {weight: 9}" in shown
    assert '    six: {dns-name: "www6.example.net", dns-family: ipv6, dns-max: 8}' in shown
    ours = make_config()
    assert as_written(ours, ours) is ours


def test_a_backend_is_one_line_if_it_fits():
    assert "    www1: {address: 198.51.100.1, healthcheck: web}" in lines(EVERY_KEY)
    assert '      healthcheck: {checks: ["on", "1"], require: all}' in lines(ODD)


def test_no_line_is_longer_than_a_window():
    """Not even of the longest names and texts; what is broken is the same when it is loaded."""
    name, word = "n" * 63, 'a b\\\u00e9\U0001f600"' * 80
    long = f"""\
{LB.rstrip()}
  healthchecks:
    {name}:
      {{type: http, port: 80, interval: 1s, timeout: 1s, params: {{headers: {{X: "{"v w" * 90}"}},
      path: "/{"%20" * 90}", response-code: [{", ".join(str(code) for code in range(200, 290))}]}}}}
    {name[:-1]}2:
      type: tcp
      port: 80
      interval: 1s
      timeout: 1s
      params: {{steps: [{{send: "{" " * 200}"}}, {{expect-regexp: "{"x" * 200}", reject-regexp: "{"y " * 100}"}}]}}
  backends: {{{name}: {{address: 10.0.0.1, healthcheck: {{checks: [{name}, {name[:-1]}2], require: 1}}}}}}
  frontends:
    {name}:
      address: 203.0.113.1
      description: {json.dumps(word, ensure_ascii=False)}
      pools: [{{name: {name}, backends: {{{name}: {{}}}}}}]
  announce: {{hooks: {{h: {{command: ["/{"x" * 200}", "{"b" * 200}"]}}}}}}
"""
    config = load_text(long).config
    written = lines(config, secrets=True)
    assert load_text("\n".join(written)).config == config
    assert max(map(len, written)) <= WIDTH


# Differences


def told(old, new):
    return [f"{each.change or ' '}{each.text}" for each in difference_lines(old, new) if each is not None]


def test_equal_configurations_do_not_differ():
    config = load_text(EVERY_KEY).config
    assert told(config, load_text(EVERY_KEY).config) == []
    objects = len(config.healthchecks) + len(config.backends) + len(config.frontends)
    assert list(difference_lines(config, config)) == [None] * (len(SECTIONS) + objects)


def test_each_object_that_differs_is_named_with_its_lines():
    old = load_text(EVERY_KEY).config
    new = load_text(
        EVERY_KEY.replace("rise: 4", "rise: 5")
        .replace("    static: {address: 198.51.100.9}", "    new: {address: 9.9.9.9}")
        .replace("            static:\n", "")
        .replace("sync-interval: 1m", "sync-interval: 2m")
    ).config
    assert told(old, new) == [
        " @@ vpp.lb",
        "       sticky-buckets-per-core: 131072",
        "       flow-timeout: 2m",
        "-      sync-interval: 1m",
        "+      sync-interval: 2m",
        "       startup-min-delay: 0s",
        "       startup-max-delay: 0s",
        " @@ healthcheck web",
        "       down-interval: 1m30s",
        "       timeout: 1s500ms",
        "-      rise: 4",
        "+      rise: 5",
        "       fall: 5",
        "       probe-ipv4-src: 192.0.2.2",
        " @@ backend static",
        "-    static: {address: 198.51.100.9}",
        " @@ backend new",
        "+    new: {address: 9.9.9.9}",
        " @@ frontend web",
        "           min-up: 33.5%",
        "           backends:",
        "-            static: {weight: 100}",
        "             both: {weight: 5}",
    ]


def test_a_secret_that_differs_is_not_shown():
    old, new = (load_text(params(f"headers: {{A: {value}}}", WEB)).config for value in "xy")
    assert told(old, new) == [" @@ healthcheck web", f" {HIDDEN_DIFFER}"]


def test_long_objects_are_compared_by_the_lines_that_they_have():
    names = [f"b{number}" for number in range(COMPARED)]
    made = [Backend(name, f"10.0.{number // 250}.{number % 250}", "tcp") for number, name in enumerate(names)]
    config = make_config([make_frontend(pools=(names,))], made)
    changed = attrs.evolve(config, frontends={"web": reweighted(config.frontends["web"], "pool0", "b7", 7)})
    assert told(config, changed) == [
        " @@ frontend web",
        f"-            b7: {{weight: {MAX_WEIGHT}}}",
        "+            # set at run time; the file says 100:",
        "+            b7: {weight: 7}",
    ]
