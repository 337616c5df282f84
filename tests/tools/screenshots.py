"""Takes the pictures in ``docs/web/``: ``python -m tests.tools.screenshots``, as root, with Chromium and Node.

They show a maglevd in a network namespace of its own (`tests.tools.stage`).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fakes.browser import Browser, why_no_browser
from tests.fakes.program import MAGLEVC
from tests.tools.png import reduced
from tests.tools.stage import BACKENDS

FOLDER = Path(__file__).parents[2] / "docs" / "web"
PORT = 9092
INSIDE = "MAGLEV_SCREENSHOTS_INSIDE"

HISTORY = 62
"""Seconds until the sparklines are full."""

WIDE = "{viewport: {width: 1360, height: 900}, colorScheme: '%s', reducedMotion: 'reduce'}"
PHONE = "{viewport: {width: 360, height: 780}, deviceScaleFactor: 2, colorScheme: 'dark', reducedMotion: 'reduce'}"


def take() -> None:
    """Take all pictures."""
    addresses = [address for address, _ in BACKENDS.values()]
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in addresses:
        length = 128 if ":" in address else 32
        subprocess.run(
            ["ip", "addr", "add", f"{address}/{length}", "dev", "lo", *(["nodad"] if length == 128 else [])], check=True
        )
    with tempfile.TemporaryDirectory() as folder, Browser() as browser:
        command = [sys.executable, "-m", "tests.tools.stage", str(PORT), folder]
        with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as stage:
            try:
                _play(stage, folder, browser)
            finally:
                stage.stdin.close()


def _play(stage, folder, browser):
    def order(*words):
        print(*words, file=stage.stdin, flush=True)

    def console(*words):
        command = [*MAGLEVC, "--server", f"unix:{folder}/pb.sock", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def opened(query, options):
        link = console("web", "login").split()[0]
        browser.run(f"if (page) await page.context().close(); await state.open({options});")
        browser.run(f"await page.goto('{link}'); await page.locator('li.row').first().waitFor();")
        browser.run(f"await page.goto('http://127.0.0.1:{PORT}/{query}');")
        browser.run(
            "await page.locator('li.row').nth(9).waitFor({state: 'attached'}); await page.waitForTimeout(1500);"
        )

    def shoot(name):
        path = f"{folder}/{name}.png"
        browser.run(f"await page.screenshot({{path: '{path}'}})")
        (FOLDER / f"{name}.png").write_bytes(reduced(Path(path).read_bytes()))

    time.sleep(HISTORY)
    console("set", "frontend", "mail", "pool", "only", "backend", "mx2", "weight", "40", "reason", '"mx1 runs hot"')
    opened("", WIDE % "light")
    shoot("overview")
    order("stop", "web2")
    console("set", "backend", "web4", "drain", "for", "4h", "reason", '"kernel update"')
    for name in ("api1", "api2", "api3"):
        order("stop", name)
    time.sleep(3)
    opened("", WIDE % "dark")
    shoot("night")
    opened("?only=unwell", WIDE % "light")
    shoot("unwell")
    opened("?backend=web2", WIDE % "light")
    shoot("explain")
    opened("?backend=web1", WIDE % "dark")
    browser.run("await page.getByRole('button', {name: 'Drain', exact: true}).click();")
    browser.run("await page.getByLabel('Reason').fill('disk swap, ticket 4711');")
    browser.run("await page.locator('dialog select').selectOption('3600');")
    shoot("order")
    opened("?only=unwell", PHONE)
    shoot("phone")


def main() -> None:
    """Take them in a network namespace."""
    if os.environ.get(INSIDE):
        take()
        return
    if why_no_browser():
        sys.exit(why_no_browser())
    FOLDER.mkdir(exist_ok=True)
    command = ["unshare", "--net", sys.executable, "-m", "tests.tools.screenshots"]
    sys.exit(subprocess.run(command, check=False, env={**os.environ, INSIDE: "1"}).returncode)


if __name__ == "__main__":
    main()
