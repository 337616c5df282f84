"""The second part of the tutorial, word by word: a real VPP, a client, servers, and packets between them."""

import re
import shutil
from pathlib import Path

import attrs
import pytest

from tests.docs.blocks import blocks_of
from tests.docs.reader import PICTURES, follow
from tests.fakes.lab import why_no_lab
from tests.fakes.shell import search_path

PAGE = "tutorial.rst"

REASON = re.compile(r"it needs a VPP; tests/docs/test_tutorial\.py does it(?:, until (.*))?")
"""Why `tests.docs.test_blocks` does not run a block, and what to wait for if its last command does not end."""


SHARED = Path("/dev/shm")
"""Where a VPP has its segments, by the prefix that the tutorial gives it."""


LEFT = "ls; ls -d /run/vpp* /var/lib/vpp-maglev/*; ip -br link; ls /run/netns | grep -xE 'client|www1|www2'"
"""Shows what the last step should have taken away; other tests have namespaces of their own."""

TERMINALS = "tail -n 20 /run/terminal-*; ls -l /run/vpp; ps ax"
"""Shows what a reader would see in the other terminals."""


def second_part():
    """Return the blocks of the second part, those that need a VPP like any others."""
    blocks = blocks_of(PAGE)
    start = next(index for index, block in enumerate(blocks) if "afresh" in block.options)
    return [made_runnable(block) for block in blocks[start:]]


def made_runnable(block):
    if not block.skipped:
        return block
    said = REASON.fullmatch(block.skipped)
    assert said, f"{block}: {block.skipped}"
    options = {name: value for name, value in block.options.items() if name != "not run"}
    return attrs.evolve(block, options=options | ({"goes on": said[1]} if said[1] else {}))


def test_the_second_part_is_all_there():
    kinds = [block.language for block in second_part() if block.language not in PICTURES]

    assert kinds.count("console") > 10
    assert {"yaml", "python"} < set(kinds)
    assert [block.options["goes on"] for block in second_part() if "goes on" in block.options].count(
        "/run/vpp/api.sock"
    ) == 2


@pytest.mark.real
def test_the_second_part_does_what_it_says(machine):
    for program in ("vpp", "vppctl", "ethtool", "sysctl"):
        if shutil.which(program, path=search_path()) is None:
            pytest.skip(f"{program} is not installed")
    if reason := why_no_lab():
        pytest.skip(reason)
    machine.renew(demo=False)
    machine.shell.run("rm -r maglev.yaml /run/vpp-maglev")  # what only other pages need
    before = machine.shell.run(LEFT)
    try:
        for block in second_part():
            follow(machine.shell, block)
    except AssertionError as error:
        error.add_note(machine.shell.run(TERMINALS)[0])
        raise
    finally:
        for left in SHARED.glob("tutorial-*"):  # the one place that is not the machine's own
            left.unlink()
    assert machine.shell.run(LEFT) == before
