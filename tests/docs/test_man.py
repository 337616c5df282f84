"""The man pages are clean, and have every option of the programs and no other."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from tests.docs.blocks import ROOT
from tests.docs.programs import HELP
from tests.docs.reader import unhurried

MAN = sorted((ROOT / "man").iterdir())


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


# Examples


def examples_of(page):
    """Return the commands in the examples of a man page, one per line."""
    text = source(page).partition("\n.SH EXAMPLES")[2].replace("\\e\n", "\\\n")
    return "".join(re.findall(r"^\.(?:EX|nf)\n((?!maglev:).*?)^\.(?:EE|fi)", text, re.DOTALL | re.MULTILINE))


@pytest.mark.real
def test_the_examples_of_maglevd_run(machine):
    machine.renew(demo=True)
    output, status = machine.shell.run(examples_of("maglevd.8"))

    assert (output, status) == ("maglev.yaml: valid\n", 0)
    machine.shell.run("until grep -q config-applied /run/terminal-1; do sleep 0.05; done")


@pytest.mark.real
def test_the_examples_of_maglevc_run(machine):
    machine.renew(demo=True)
    machine.shell.run("echo 'show backends' > maintenance.txt")
    lines = examples_of("maglevc.1").splitlines()
    for line in lines:
        endless = "watch" in line
        output, status = machine.shell.run(f"timeout 2 {line}" if endless else line)
        assert status == 0, f"{line}: {output}"
    assert len(lines) == 10


UNTIL_SCRAPED = """\
{} & tester=$!
until test "$(curl -sf http://127.0.0.1:9095/metrics | grep -c '^maglevt_requests_total.*good.* [1-9]')" = 2; do
    kill -0 $tester || break; sleep 0.1
done
kill -TERM $tester; wait $tester"""
"""Runs an example that serves metrics, and ends it when both VIPs have answered."""

VIPS = "maglevt: {a: {address: 127.0.0.11, port: 8480, check: http}, b: {address: 127.0.0.12, port: 8480}}"


@pytest.mark.real
def test_the_examples_of_maglevt_run(machine):
    machine.renew(demo=True)
    machine.shell.run(f"echo '{VIPS}' > vips.yml")
    lines = examples_of("maglevt.1").splitlines()
    for line in lines:
        endless = "--for" not in line
        output, status = machine.shell.run(UNTIL_SCRAPED.format(line) if endless else unhurried(line))
        assert status == 0, f"{line}: {output}"
    assert len(lines) == 3


@pytest.mark.real
def test_the_examples_of_the_simulator_run(machine):
    machine.renew(demo=False)
    machine.shell.leave_running(examples_of("maglev-vppsim.1"), "vpp-connect")


def test_the_examples_of_all_man_pages_are_run():
    assert {page.name for page in MAN if examples_of(page.name)} == {
        "maglevd.8",
        "maglevc.1",
        "maglevt.1",
        "maglev-vppsim.1",
    }
