"""Debian's Chromium, driven by playwright-core from npm, in a process of Node."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]

PACKAGES = {"axe-core": "4.14.1", "playwright-core": "1.65.1"}
"""From npm; kept apart from the sources."""

FOLDER = ROOT / "build" / "browser"


def why_no_browser():
    """Return why there is no browser; empty if there is one."""
    for name in ("node", "npm", "chromium"):
        if shutil.which(name) is None:
            return f"{name} is not installed"
    if any(not (FOLDER / "node_modules" / name / "package.json").exists() for name in PACKAGES):
        FOLDER.mkdir(parents=True, exist_ok=True)
        wanted = [f"{name}@{version}" for name, version in PACKAGES.items()]
        command = ["npm", "install", "--prefix", str(FOLDER), "--no-audit", "--no-fund", "--ignore-scripts", *wanted]
        try:
            done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=180)
        except subprocess.TimeoutExpired:
            return "npm can't fetch playwright-core in time"
        if done.returncode:
            return f"npm can't fetch playwright-core: {done.stderr.strip()[-200:]}"
    return ""


class Browser:
    """A Chromium; a context manager."""

    def __init__(self):
        self._process = None

    def __enter__(self):
        command = ["node", str(Path(__file__).with_name("browser.mjs")), str(FOLDER), shutil.which("chromium")]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        return self

    def __exit__(self, *_exc_info):
        self._process.stdin.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def run(self, script):
        """Run the body of an async function of ``browser``, ``page``, ``state`` and ``axe``; return its result.

        ``state.open(options)`` opens a page, ``state.problems`` has what it complained of.
        """
        self._process.stdin.write(json.dumps(script) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the browser has gone"
        answer = json.loads(line)
        assert "error" not in answer, answer.get("error")
        return answer["ok"]
