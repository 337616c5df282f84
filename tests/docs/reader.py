"""A reader who does what a page says, and looks whether it shows what the page says."""

from __future__ import annotations

import re
import shlex
import time

from tests.docs.blocks import commands_of, matches
from tests.fakes.screen import ScreenDouble

PICTURES = {"", "text", "http", "ini"}
"""Languages of what is shown and not run."""

PATIENCE = 60.0
"""Seconds until a command that only looks must show what the page shows: states take a moment to change."""

ON_TERMINAL = """\
import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(["bash", "-c", "stty columns 200; " + sys.argv[1]])))
"""
"""Runs a command on a wide terminal of its own: what ``maglevc`` writes there is padded to columns."""

TABS = {"show backends www"}
"""Lines of sessions on a terminal that end with TAB; those that end with ``?`` say so, and all others with RETURN."""


def follow(shell, block):
    """Do what a block says."""
    if name := block.options.get("caption"):
        folder, _, _ = name.rpartition("/")
        make = f"mkdir -p {folder} && " if folder else ""
        output, status = shell.run(f"{make}cat > {name} <<'END OF FILE'\n{block.text}END OF FILE\n")
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
    shown = block.text.partition("\n")[2].removesuffix("lb1#\n")
    assert matches(shown, screen.text.rstrip("\n").removesuffix("lb1# exit")), screen.text


def run_block(shell, block):
    *first, last = commands_of(block)
    for command in first:
        run_command(shell, block, command)
    if until := block.options.get("goes on"):
        shell.leave_running(typed(last), until)
    else:
        run_command(shell, block, last)


def typed(command):
    """Return what a shell gets: lines for the console as commands of ``maglevc``, on a terminal as a reader has it."""
    text = f"maglevc '{command.text}'" if command.prompt.startswith("lb1") else unhurried(command.text)
    return f"python -c {shlex.quote(ON_TERMINAL)} {shlex.quote(text)}" if is_on_terminal(text) else text


def unhurried(text):
    """Return a command; if it tests VIPs, with more time for requests: pages show what is so where nobody is busy."""
    return re.sub(r"^maglevt ", "maglevt --timeout 60s ", text)


def is_on_terminal(text):
    """Return whether a line is one command of ``maglevc`` whose output goes nowhere else."""
    tokens = list(shlex.shlex(text, posix=True, punctuation_chars=True))
    return tokens[0] == "maglevc" and not any(set(token) <= set("|&;<>()") for token in tokens)


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


def has_prompts(block):
    """Return whether something is typed at the console."""
    return re.search(r"^lb1[#>] ", block.text, re.MULTILINE) is not None


def last_key(line):
    """Return what follows a line: RETURN, or, where its last key shows something by itself, ^U for a new line."""
    return "\x15" if line.endswith("?") else "\t\x15" if line in TABS else "\r"
