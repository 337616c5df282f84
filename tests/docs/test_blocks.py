"""Every command and every piece of configuration in the pages is run as written; ``docs/writing.rst`` has the rules."""

from __future__ import annotations

import re
import shlex
import time

import attrs
import pytest
import yaml

from maglev.config.load import load_text
from maglev.model.caller import Caller, Role
from maglev.model.errors import ConfigError
from maglev.model.version import VERSION
from tests.docs.blocks import PAGES, ROOT, Block, blocks_of, commands_of, matches, page_options
from tests.fakes.json_schema import faults
from tests.fakes.screen import ScreenDouble
from tests.fakes.ssh import Peer
from tests.fakes.yaml_views import of_yaml_1_1

BLOCKS = [block for name in PAGES for block in blocks_of(name)]

ELSEWHERE = {
    ("json.rst", "console"): "tests/commands/test_documents.py",
    ("pb-api.rst", "python"): "tests/rpc/test_docs.py",
}
"""Blocks that another test runs: page and language -> that test."""

TERMINALS = {"console.rst"}
"""Pages whose sessions (``maglev#``) are on a terminal, in the small world of `tests.fakes.control`."""

PICTURES = {"", "text", "http", "ini"}
"""Languages of what is shown and not run."""

NOT_RUN = {"README.rst": 1, "console.rst": 1, "install.rst": 11, "tasks.rst": 1, "tutorial.rst": 16}
"""How many blocks of a page are not run; the reason is before each. Those of the tutorial that need
a VPP are run by `tests.docs.test_tutorial`."""

TYPED = re.compile(
    r"(\$|maglev[#>]) |(# )?(sudo |MAGLEV_\w+=\S* )?"
    r"(maglevd|maglevc|maglev-vppsim|twistd?|vpp|vppctl|curl|ssh|kill|make|git|pip|python3?|promtool"
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

TABS = {"show backends www"}
"""Lines of sessions on a terminal that end with TAB; those that end with ``?`` say so, and all others with RETURN."""

ADA = Caller("ada@example.net", Role.OPERATOR, "ssh 192.0.2.7:50222")

PATIENCE = 15.0
"""Seconds until a command that only looks must show what the page shows: states take a moment to change."""


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


OURS = [block.text for block in of("yaml") if not of_others(block)]


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


def has_prompts(block):
    """Return whether something is typed at the console."""
    return re.search(r"^maglev[#>] ", block.text, re.MULTILINE) is not None


@pytest.mark.real
@pytest.mark.parametrize("page", shell_pages())
def test_the_commands_of_a_page_show_what_it_says(machine, page):
    machine.renew(demo="starts with nothing" not in page_options(page))
    for block in blocks_of(page):
        if "afresh" in block.options:
            machine.renew(demo=block.options["afresh"] != "with nothing")
        if not block.skipped and not on_a_terminal(block) and (page, block.language) not in ELSEWHERE:
            follow(machine.shell, block)


def follow(shell, block):
    """Do what a block says."""
    if name := block.options.get("caption"):
        output, status = shell.run(f"cat > {name} <<'END OF FILE'\n{block.text}END OF FILE\n")
        assert status == 0, output
    elif block.language == "python":
        output, status = shell.run(f"python - <<'END OF SCRIPT'\n{block.text}END OF SCRIPT\n")
        assert status == 0, f"{block}: {output}"
    elif block.language == "console" and block.text.startswith("$ ssh ") and has_prompts(block):
        run_session(shell, block)
    elif block.language == "console":
        run_block(shell, block)


def run_session(shell, block):
    """Log in as the first line says, type what follows, and leave; the screen must then look as shown."""
    login, *lines = commands_of(block)
    keys = "".join(f"{line.text}{last_key(line.text)}" for line in lines) + "exit\r"
    ssh = login.text.replace("ssh", "ssh -tt", 1)
    output, status = shell.run(f"printf %s {shlex.quote(keys)} | {ssh}")
    screen = ScreenDouble(columns=120)
    screen.feed(output.encode())
    assert status == 0, f"{block}: {output}"
    shown = block.text.partition("\n")[2].removesuffix("maglev#\n")
    assert matches(shown, screen.text.rstrip("\n").removesuffix("maglev# exit")), screen.text


def run_block(shell, block):
    *first, last = commands_of(block)
    for command in first:
        run_command(shell, block, command)
    if until := block.options.get("goes on"):
        shell.leave_running(typed(last), until)
    else:
        run_command(shell, block, last)


def typed(command):
    """Return what a shell gets: a line for the console is a command of ``maglevc``."""
    return f"maglevc '{command.text}'" if command.prompt.startswith("maglev") else command.text


def run_command(shell, block, command):
    deadline = time.monotonic() + PATIENCE
    while True:
        output, status = shell.run(typed(command))
        if matches(command.shown, output) if command.shown is not None else status == 0:
            return
        patient = only_looks(command) and time.monotonic() < deadline
        assert patient, f"{block}: {command.text}\n{output}({status})"
        shell.run("sleep 0.1")


def only_looks(command):
    return re.search(r"\b(show|sh|curl)\b", command.text) and not re.search(r"-X|--request", command.text)


SESSION = """\
$ ssh lb1
maglevd ... on ...
You are demo (operator). Type ? for help.
maglev# set backend ?
  <name>  Which backend
  www1  www2  www3
maglev# set backend www1 pause
backend www1 up -> paused
maglev#
"""


@pytest.mark.real
def test_commands_and_sessions_that_go_otherwise_are_noticed(machine):
    machine.renew(demo=True)
    block = Block("README.rst", 1, "console", SESSION, {})
    follow(machine.shell, block)

    for text in (SESSION, "$ false\n", "$ echo a\nb\n", "maglev# set backend www9 pause\n", "$ echo b\nb\nc\n"):
        with pytest.raises(AssertionError):
            follow(machine.shell, attrs.evolve(block, text=text))  # it is paused already
    follow(machine.shell, attrs.evolve(block, text="$ echo b; echo c\n...\nc\n# false || echo $?\n1\n"))


# Sessions on a terminal


def last_key(line):
    """Return what follows a line: RETURN, or, where its last key shows something by itself, ^U for a new line."""
    return "\x15" if line.endswith("?") else "\t\x15" if line in TABS else "\r"


@pytest.mark.parametrize("block", [block for block in of("console") if on_a_terminal(block)], ids=str)
def test_a_session_on_a_terminal_looks_as_shown(block):
    height = re.search(r"^--More--", block.text, re.MULTILINE) and len(block.text.splitlines()) - 1
    peer = Peer(ADA, greeting=f"maglevd {VERSION} on lb1")
    if height:
        peer.world.grow(100)
    channel = peer.terminal(columns=100, rows=height or 24)
    for command in commands_of(block):
        if command.prompt.startswith("maglev"):
            channel.type(command.text + last_key(command.text))

    greeted = block.text.startswith("$ ")
    shown = block.text.partition("\n")[2] if greeted else block.text
    found = channel.screen.text if greeted else "maglev" + channel.screen.text.partition("\nmaglev")[2]
    assert matches(shown, found), channel.screen.text
