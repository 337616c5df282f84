"""The man pages are clean, and have every option of the programs and no other."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from maglev.console.options import _parser
from maglev.options import Options
from maglev.vppsim.program import Options as SimulatorOptions
from tests.docs.blocks import ROOT

MAN = sorted((ROOT / "man").iterdir())

HELP = {
    "maglevd.8": lambda: Options().getUsage(width=1000),
    "maglevc.1": lambda: _parser({}).format_help(),
    "maglev-vppsim.1": lambda: SimulatorOptions().getUsage(width=1000),
}


def run(*command):
    environment = {**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8"}
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)


def source(page):
    return (ROOT / "man" / page).read_text(encoding="utf-8").replace("\\-", "-")


def faults(path):
    """Return what man and lexgrog have to say against a page."""
    if shutil.which("man") is None or shutil.which("lexgrog") is None:
        pytest.skip("man-db is not installed")
    shown = run("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", str(path))
    named = run("lexgrog", str(path))
    found = shown.stderr if shown.returncode == 0 else f"man: {shown.returncode} {shown.stderr}"
    return found + ("" if f'"{path.name.rpartition(".")[0]} - ' in named.stdout else f"lexgrog: {named.stdout}")


@pytest.mark.parametrize("page", MAN, ids=lambda page: page.name)
def test_a_man_page_is_clean_and_has_a_name(page):
    assert faults(page) == ""


@pytest.mark.parametrize(("old", "new"), [(".SH OPTIONS", ".SH OPTIONS\n.XYZ"), (" \\- ", " ")])
def test_a_page_with_a_fault_is_noticed(tmp_path, old, new):
    text = (ROOT / "man" / "maglevc.1").read_text()
    assert old in text
    broken = tmp_path / "maglevc.1"
    broken.write_text(text.replace(old, new, 1))

    assert faults(broken) != ""


def documented(page):
    """Return the options that a page describes: those in the tags of its lists."""
    tags = re.findall(r"^\.TP\n(\..*)", source(page), re.MULTILINE)
    return {option for tag in tags for option in re.findall(r"--[a-z][a-z-]*", tag)}


@pytest.mark.parametrize("page", HELP)
def test_a_man_page_has_the_options_of_its_program_and_no_other(page):
    offered = set(re.findall(r"--[a-z][a-z-]*", re.sub(r"(?m)^ {20,}.*", "", HELP[page]())))

    assert len(offered) > 5
    assert documented(page) == offered


@pytest.mark.parametrize("page", HELP)
def test_no_man_page_speaks_of_an_option_that_there_is_not(page):
    offered = {option for make in HELP.values() for option in re.findall(r"--[a-z][a-z-]*", make())}

    assert set(re.findall(r"--[a-z][a-z-]*", source(page))) <= offered


def test_every_man_page_of_a_program_is_compared():
    assert {page.name for page in MAN} == {*HELP, "maglev.yaml.5"}
