"""Every command and every piece of configuration in the pages is run as written; ``docs/writing.rst`` has the rules."""

from __future__ import annotations

import re
import tempfile

import attrs
import pytest
import yaml

from maglev.config.load import load_text
from maglev.model.caller import Caller, Role
from maglev.model.errors import ConfigError
from maglev.model.version import VERSION
from tests.docs.blocks import PAGES, ROOT, Block, blocks_of, commands_of, matches, page_options
from tests.docs.reader import PICTURES, follow, has_prompts, last_key
from tests.fakes.json_schema import faults
from tests.fakes.ssh import SshPeer
from tests.fakes.yaml_views import of_yaml_1_1

BLOCKS = [block for name in PAGES for block in blocks_of(name)]

ELSEWHERE = {
    ("json.rst", "console"): "tests/commands/test_documents.py",
    ("pb-api.rst", "python"): "tests/rpc/test_docs.py",
}
"""Blocks that another test runs: page and language -> that test."""

TERMINALS = {"console.rst"}
"""Pages whose sessions (``lb1#``) are on a terminal, in the small world of `tests.fakes.control`."""

NOT_RUN = {
    "operation.rst": 1,
    "peers.rst": 2,
    "probes.rst": 1,
    "README.rst": 1,
    "console.rst": 1,
    "install.rst": 11,
    "tasks.rst": 5,
    "tutorial.rst": 16,
    "web.rst": 3,
}
"""How many blocks of a page are not run; the reason is before each. Those of the tutorial that need
a VPP are run by `tests.docs.test_tutorial`."""

TYPED = re.compile(
    r"(\$|lb1[#>]) |(# )?(sudo |MAGLEV_\w+=\S* )?"
    r"(maglevd|maglevc|maglevt|maglev-vppsim|twistd?|vpp|vppctl|curl|ssh|kill|make|git|pip|python3?|promtool"
    r"|systemctl|journalctl|apt|apt-get|dpkg|docker|podman)"
    r"( |$)"
)
"""What looks as if somebody should type it."""

COMPLETION = """\
vpp: {lb: {ipv4-src-address: 192.0.2.1, ipv6-src-address: "2001:db8::1"}}
healthchecks:
  web: {type: http, port: 80, interval: 2s, timeout: 1s}
  ping: {type: icmp, interval: 2s, timeout: 1s}
backends:
  www1: {address: 198.51.100.11, healthcheck: web}
  www2: {address: 198.51.100.12, healthcheck: web}
  www3: {address: 198.51.100.13, healthcheck: ping}
  sorry: {address: 198.51.100.99}
frontends:
  www: {address: 203.0.113.80, protocol: tcp, port: 80, pools: [{name: primary, backends: {www1: , www2: }}]}
"""
"""What a fragment is put into, with objects that it can refer to; those of the fragment win."""

ADA = Caller("ada@example.net", Role.OPERATOR, "ssh 192.0.2.7:50222")


def of(language, *, skipped=False):
    """Return the blocks of a language that are run here."""
    found = [block for block in BLOCKS if block.language == language and bool(block.skipped) == skipped]
    return [block for block in found if (block.page, language) not in ELSEWHERE]


# The rules


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_is_run_or_a_picture_or_says_why_not(block):
    known = {"yaml", "console", "python"} | PICTURES
    assert block.language in known, "see docs/writing.rst"
    if block.language in PICTURES:
        looks_typed = [line for line in block.text.splitlines() if TYPED.match(line.strip())]
        assert not looks_typed, "what one types is in a block of the language console"
    assert "not run" not in block.options or len(block.skipped) > 10, "the reason is missing"


def test_the_number_of_blocks_that_are_not_run_is_known():
    counts = {name: sum(bool(block.skipped) for block in BLOCKS if block.page == name) for name in PAGES}

    assert {name: count for name, count in counts.items() if count} == NOT_RUN


@pytest.mark.parametrize(("key", "test"), ELSEWHERE.items(), ids=str)
def test_what_is_run_elsewhere_is_run_there(key, test):
    page, _ = key

    assert [block for block in BLOCKS if (block.page, block.language) == key]
    assert page in (ROOT / test).read_text()


# Configuration


def whole(text):
    """Return a whole file: a fragment, whose keys are those under ``maglev``, is put into `COMPLETION`."""
    if re.search(r"^maglev:", text, re.MULTILINE):
        return text
    base, fragment = yaml.safe_load(COMPLETION), yaml.safe_load(text)
    for section, value in fragment.items():
        known = section in {"healthchecks", "backends", "frontends"}
        base[section] = base[section] | value if known else value
    return yaml.safe_dump({"maglev": base}, sort_keys=False)


MAN = (ROOT / "man" / "maglev.yaml.5").read_text(encoding="utf-8")
MAN_EXAMPLES = [
    text.replace("\\-", "-") for text in re.findall(r"^\.EX\n(maglev:.*?)^\.EE", MAN, re.DOTALL | re.MULTILINE)
]


def of_others(block):
    """Return whether a block is for another program: its caption says so, as in ``prometheus.yml``."""
    name = block.options.get("caption", "maglev.yaml").rpartition("/")[2]
    return not name.endswith(".yaml")


def test_what_is_for_other_programs_is_yaml():
    for block in of("yaml"):
        assert not of_others(block) or yaml.safe_load(block.text), str(block)


def of_several(block):
    """Return whether a block is one of several files of a configuration: then the page itself has them checked."""
    return "/" in block.options.get("caption", "") or re.search(r"^include:", block.text, re.MULTILINE)


OURS = [block.text for block in of("yaml") if not of_others(block) and not of_several(block)]


@pytest.mark.parametrize("text", [*OURS, *MAN_EXAMPLES])
def test_each_piece_of_configuration_is_valid(text):
    file = whole(text)
    fragment = file != text

    assert [str(warning) for warning in load_text(file).warnings if not fragment] == []
    assert faults(of_yaml_1_1(file)) == []


def test_there_are_pieces_of_configuration():
    assert len(OURS) >= 2
    assert len(MAN_EXAMPLES) == 1
    with pytest.raises(ConfigError):
        load_text(whole("backends: {a: {adress: 192.0.2.9}}"))


# Commands


def shell_pages():
    """Return the pages with something to type in a shell."""
    kinds = {"console", "python"}
    return [name for name in PAGES if any(b.page == name for kind in kinds for b in of(kind) if not on_a_terminal(b))]


def on_a_terminal(block):
    return block.page in TERMINALS and has_prompts(block)


@pytest.mark.real
@pytest.mark.parametrize("page", shell_pages())
def test_the_commands_of_a_page_show_what_it_says(machine, page):
    machine.renew(demo="starts with nothing" not in page_options(page))
    for block in blocks_of(page):
        if "afresh" in block.options:
            machine.renew(demo=block.options["afresh"] != "with nothing")
        if not block.skipped and not on_a_terminal(block) and (page, block.language) not in ELSEWHERE:
            follow(machine.shell, block)


SESSION = """\
$ ssh lb1
maglevd ... on ...
You are demo (operator). Type ? for help.
lb1# set backend ?
  <name>  Name of the backend
  www1  www2  www3
lb1# set backend www1 pause
backend www1 up -> paused
lb1#
"""


@pytest.mark.real
def test_commands_and_sessions_that_go_otherwise_are_noticed(machine):
    machine.renew(demo=True)
    block = Block("README.rst", 1, "console", SESSION, {})
    follow(machine.shell, block)

    for text in (SESSION, "$ false\n", "$ echo a\nb\n", "lb1# set backend www9 pause\n", "$ echo b\nb\nc\n"):
        with pytest.raises(AssertionError):
            follow(machine.shell, attrs.evolve(block, text=text))  # it is paused already
    follow(machine.shell, attrs.evolve(block, text="$ echo b; echo c\n...\nc\n# false || echo $?\n1\n"))


@pytest.mark.real
def test_what_others_put_into_tmp_meanwhile_does_not_appear(machine):
    machine.renew(demo=False)
    with tempfile.TemporaryDirectory(prefix="somebody-elses-", dir="/tmp"):
        assert machine.shell.run("ls -d /tmp/somebody-elses-*")[1] != 0


# Sessions on a terminal


@pytest.mark.parametrize("block", [block for block in of("console") if on_a_terminal(block)], ids=str)
def test_a_session_on_a_terminal_looks_as_shown(block):
    height = re.search(r"^--More--", block.text, re.MULTILINE) and len(block.text.splitlines()) - 1
    peer = SshPeer(ADA, greeting=f"maglevd {VERSION} on lb1", host="lb1")
    if height:
        peer.world.grow(100)
    channel = peer.terminal(columns=100, rows=height or 24)
    for command in commands_of(block):
        if command.prompt.startswith("lb1"):
            channel.type(command.text + last_key(command.text))

    greeted = block.text.startswith("$ ")
    shown = block.text.partition("\n")[2] if greeted else block.text
    found = channel.screen.text if greeted else "lb1" + channel.screen.text.partition("\nlb1")[2]
    assert matches(shown, found), channel.screen.text
