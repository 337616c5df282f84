"""``announce`` in the file: what it becomes, and what is refused."""

from __future__ import annotations

import pytest

from maglev.config.diff import differences
from maglev.config.load import load_text
from maglev.model.announce import AnnounceConfig, AnnouncePolicy, BirdConfig, Needed
from maglev.model.errors import ConfigError

BASE = """
maglev:
  vpp: {lb: {ipv4-src-address: 192.0.2.1, ipv6-src-address: "2001:db8::1"}}
  backends: {a: {address: 10.0.0.1}}
  frontends:
    web: {address: 192.0.2.10, protocol: tcp, port: 80, pools: [{name: p, backends: {a: }}]}
  announce: """

HOOKS = "hooks: {h: {socket: /run/h}}"

COMMAND = "the path of a program and its arguments, at most 64 of 1024 characters"


def loaded(announce: str):
    return load_text(BASE + announce + "\n")


def problems(announce: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(announce)
    return [f"{each.path.removeprefix('maglev.announce')}: {each.text}" for each in caught.value.problems]


def test_nothing_is_announced_unless_it_is_configured():
    assert loaded("").config.announce == AnnounceConfig()
    assert loaded("{addresses: }").config.announce == AnnounceConfig()
    assert loaded("{addresses: []}").config.announce == AnnounceConfig()


def test_defaults():
    announce = loaded("{addresses: [{address: 192.0.2.10}], bird: {include-file: /run/b/x.conf}}").config.announce
    assert announce == AnnounceConfig(
        10.0,
        {"192.0.2.10": AnnouncePolicy("192.0.2.10", Needed.ANY, 1, 0.0, when_held=True)},
        BirdConfig("/run/b/x.conf", "/run/bird/bird.ctl", 5.0),
    )
    assert announce.addresses["192.0.2.10"].prefix == "192.0.2.10/32"


@pytest.mark.parametrize(
    ("announce", "expected"),
    [
        ("{addresses: [{address: 192.0.2.11}]}", ".addresses[0].address: no frontend has the address 192.0.2.11"),
        (
            "{addresses: [{address: 192.0.2.10}, {address: 192.0.2.10}]}",
            ".addresses[1].address: is the same address as maglev.announce.addresses[0] (line 7)",
        ),
        ("{addresses: 192.0.2.10}", ".addresses: must be a list, not 192.0.2.10"),
        ("{hooks: {h: {}}}", ".hooks.h: expected either a command or a socket"),
        ("{hooks: {h: {socket: /a, command: [/b]}}}", ".hooks.h: expected either a command or a socket"),
        (
            "{hooks: {h: {command: /b}}}",
            f".hooks.h.command: must be a list ({COMMAND}), not /b: write [/path, argument]",
        ),
        (
            "{hooks: {h: {command: [b]}}}",
            f".hooks.h.command: must be a list ({COMMAND}), which starts with '/'",
        ),
        (
            "{hooks: {h: {command: []}}}",
            f".hooks.h.command: must be a list ({COMMAND}), which starts with '/'",
        ),
        (
            '{hooks: {h: {command: [/b, "x\\ny"]}}}',
            ".hooks.h.command: expected 1 to 1024 characters without control characters, not 'x\\\\x0ay'",
        ),
        (
            f"{{hooks: {{h: {{command: [/b{', x' * 64}]}}}}}}",
            f".hooks.h.command: must be a list ({COMMAND}), not of 65",
        ),
    ],
)
def test_what_is_refused(announce, expected):
    assert problems(announce) == [expected]


def test_a_broken_frontend_hides_no_other_error_and_causes_none():
    text = BASE.replace("192.0.2.10, protocol", "nowhere, protocol")
    with pytest.raises(ConfigError) as caught:
        load_text(text + f"{{addresses: [{{address: 192.0.2.99}}], {HOOKS}}}\n")
    assert [each.path for each in caught.value.problems] == ["maglev.frontends.web.address"]


def test_broken_parts_cause_one_error_each():
    assert problems("{bird: 7, hooks: {h: {command: 7}}, addresses: [{address: x}, 7]}") == [
        ".bird: must be a map (bird), not 7",
        f".hooks.h.command: must be a list ({COMMAND}), not 7: write [/path, argument]",
        '.addresses[0].address: invalid IP address "x": expected a literal address, names are not resolved',
        ".addresses[1]: must be a map (announced address), not 7",
    ]
    assert problems("7") == [": must be a map (announce), not 7"]


def test_an_announcement_that_nobody_hears_is_worth_a_warning():
    addresses = "addresses: [{address: 192.0.2.10}]"
    assert [each.text for each in loaded(f"{{{addresses}}}").warnings] == [
        "nobody is told: set maglev.announce.bird.include-file, or a hook"
    ]
    assert loaded(f"{{{addresses}, {HOOKS}}}").warnings == ()
    assert loaded(f"{{{addresses}, bird: {{include-file: /x}}}}").warnings == ()


def diff(old: str, new: str) -> list[tuple[object, ...]]:
    found = differences(loaded(old).config, loaded(new).config)
    return [(each.kind, each.name, each.change, *each.details) for each in found]


def test_differences():
    bird = "bird: {include-file: /x}"
    assert diff("", f"{{{bird}, {HOOKS}}}") == [
        ("setting", "announce.bird", "added"),
        ("hook", "h", "added"),
    ]
    assert diff(f"{{{bird}}}", "{vpp-lost-delay: 3s}") == [
        ("setting", "announce", "changed", "vpp-lost-delay: 10.0 -> 3.0"),
        ("setting", "announce.bird", "removed"),
    ]
    assert diff(f"{{{bird}}}", "{bird: {include-file: /y}}") == [
        ("setting", "announce.bird", "changed", "include-file: /x -> /y"),
    ]
    before = f"{{{HOOKS}, addresses: [{{address: 192.0.2.10}}]}}"
    after = "{hooks: {h: {command: [/b, c]}}, addresses: [{address: 192.0.2.10, min-up: 2}]}"
    assert diff(before, after) == [
        ("announced address", "192.0.2.10", "changed", "min-up: 1 -> 2"),
        ("hook", "h", "changed", "command: none -> /b c", "socket: /run/h -> none"),
    ]
