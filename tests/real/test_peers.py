"""Three balancers with simulators, over TLS: one that differs, one that is frozen, one that is killed."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import signal
import socket
import subprocess
import time
from collections import Counter

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from tests.fakes.browser import Browser, why_no_browser
from tests.fakes.certificates import Authority
from tests.fakes.daemon import MaglevDaemon
from tests.fakes.ports import free_port
from tests.fakes.program import MAGLEVC
from tests.fakes.vpp_instance import SimulatorProcess

pytestmark = pytest.mark.real

NAMES = ("lb1", "lb2", "lb3")

CONFIG = """\
maglev:
  vpp:
    lb:
      ipv4-src-address: 192.0.2.254
      ipv6-src-address: '2001:db8::fe'
      startup-min-delay: 0s
      startup-max-delay: 1s
  backends:
    www1: {address: 198.51.100.11}
    www2: {address: 198.51.100.12}
  frontends:
    web:
      address: 203.0.113.80
      protocol: tcp
      port: 80
      pools: [{name: primary, backends: {www1: {}, www2: {}}}]
"""

SET_WEIGHT = ("set", "frontend", "web", "pool", "primary", "backend", "www1", "weight")


class ThreeBalancers:
    """Three maglevd, each with a simulator, that know each other; a context manager."""

    def __init__(self, folder):
        self._folder = folder
        self._stack = contextlib.ExitStack()
        authority = Authority()
        self._ca = authority.write_root(folder)
        certificate, key = authority.issue(folder, "localhost", "127.0.0.1")
        name = x509.NameAttribute(NameOID.COMMON_NAME, "lb")
        unit = x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "operator")
        peer, self._person = (authority.issue_person(folder, x509.Name(each)) for each in ([name], [name, unit]))
        self.ports = {each: free_port() for each in NAMES}
        self.page_port = free_port()
        self._options = [
            *(f"--pb-tls-cert={certificate}", f"--pb-tls-key={key}", f"--pb-tls-ca={self._ca}"),
            *(f"--peers-tls-cert={peer[0]}", f"--peers-tls-key={peer[1]}"),
            f"--peers={','.join(self.address(each) for each in NAMES)}",
        ]
        self.daemons = {}
        self._told = Counter()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            for name in NAMES:
                simulator = stack.enter_context(SimulatorProcess())
                self.daemons[name] = stack.enter_context(self._daemon(name, simulator))
            for port in self.ports.values():
                wait_until_it_listens(port)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc_info):
        for daemon in self.daemons.values():
            with contextlib.suppress(ProcessLookupError):
                daemon.process.send_signal(signal.SIGCONT)
        self._stack.__exit__(*exc_info)

    def _daemon(self, name, simulator):
        folder = self._folder / name
        folder.mkdir()
        sockets = [f"--vpp-api-addr={simulator.api_socket}", f"--vpp-stats-addr={simulator.stats_socket}"]
        page = [f"--web-addr=127.0.0.1:{self.page_port}"] if name == "lb1" else []
        listen = f"--pb-tls-addr=127.0.0.1:{self.ports[name]}"
        daemon = MaglevDaemon(folder, *sockets, listen, *page, *self._options)
        daemon.config.write_text(CONFIG)
        return daemon

    def address(self, name):
        return f"127.0.0.1:{self.ports[name]}"

    def maglevc(self, names, *words):
        """Run a command at some of them, by TLS."""
        files = ["--tls-ca", self._ca, "--tls-cert", str(self._person[0]), "--tls-key", str(self._person[1])]
        servers = ",".join(map(self.address, names))
        command = [*MAGLEVC, "--server", servers, *files, *words]
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)

    def peers(self):
        """Return what lb1 says of the others, by their names."""
        found = json.loads(self.maglevc(["lb1"], "show peers | json").stdout)["peers"]
        return {each["name"]: each["state"] for each in found}

    def wait_for(self, event, name):
        """Wait until lb1 tells something of a balancer once more; return when that was, in seconds since the epoch."""
        told = self._told[event, name]
        self._told[event, name] += 1
        found = self.daemons["lb1"].wait_for_event
        return moment_of(found(event, peer=self.address(name), after=self._position(event, name, told)))

    def _position(self, event, name, told):
        """Return the position after so many of these events."""
        places = [at for at, each in enumerate(self.daemons["lb1"].events(event)) if each["peer"] == self.address(name)]
        return 0 if told == 0 else places[told - 1] + 1


def moment_of(event):
    return dt.datetime.fromisoformat(event["time"]).timestamp()


def wait_until_it_listens(port):
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


@pytest.fixture(scope="module")
def balancers(tmp_path_factory):
    with ThreeBalancers(tmp_path_factory.mktemp("peers")) as made:
        yield made


@pytest.fixture(scope="module")
def browser():
    if why_no_browser():
        yield None
        return
    with Browser() as made:
        yield made


def seen(browser, text):
    """Wait until the alarm of the page says something, if there is a browser."""
    if browser is not None:
        browser.run(f"await page.locator('#alarm', {{hasText: {json.dumps(text)}}}).waitFor({{timeout: 30000}})")


def test_three_balancers_tell_who_differs_and_who_is_silent(balancers, browser, record_property):
    for name in ("lb2", "lb3"):
        balancers.wait_for("peer-agrees", name)
    if browser is not None:
        browser.run("await state.open()")
        browser.run(f"await page.goto('http://127.0.0.1:{balancers.page_port}/')")
        browser.run("await page.locator('#peers li', {hasText: 'agrees'}).nth(1).waitFor({timeout: 30000})")
        assert browser.run("return await page.locator('#alarm:visible').count()") == 0

    # One with another weight
    assert balancers.maglevc(["lb2"], *SET_WEIGHT, "10").returncode == 0
    began = moment_of(balancers.daemons["lb2"].wait_for_event("audit", action="set-weight"))
    done = balancers.maglevc(NAMES, "show frontends web | json")
    assert done.returncode == 0
    weights = [each["result"]["pools"][0]["backends"][0]["weight"] for each in json.loads(done.stdout)]
    assert weights == [100, 10, 100]
    seen(browser, f"www1: configured weight 100 here, 10 at {balancers.address('lb2')}")
    took = balancers.wait_for("peer-differs", "lb2") - began
    print(f"a changed weight was told after {took:.1f} s")
    record_property("seconds until a changed weight was told", round(took, 1))
    shown = balancers.maglevc(["lb1"], "show", "peers").stdout
    assert f"www1: configured weight 100 here, 10 at {balancers.address('lb2')}" in shown
    assert list(balancers.peers().values()) == ["itself", "differs", "agrees"]
    if browser is not None:
        look_at_page(browser)

    # One that is frozen, and one that is killed
    balancers.daemons["lb3"].process.send_signal(signal.SIGSTOP)
    began = time.time()
    balancers.daemons["lb2"].kill()
    took = balancers.wait_for("peer-lost", "lb2") - began
    print(f"a killed balancer was told after {took:.1f} s")
    record_property("seconds until a killed balancer was told", round(took, 1))
    balancers.wait_for("peer-lost", "lb3")
    seen(browser, f"{balancers.address('lb2')}, {balancers.address('lb3')} can't be confirmed")
    gone = balancers.maglevc(NAMES, "set", "backend", "www2", "disable")
    assert gone.returncode == 1
    assert gone.stdout.count("disabled") == 1
    assert f"% {balancers.address('lb2')}: cannot confirm: can't connect" in gone.stderr
    assert f"% {balancers.address('lb3')}: cannot confirm: no answer within 5 seconds" in gone.stderr


def look_at_page(browser):
    """Look at the VIP side by side: legible, accessible, and on a telephone."""
    browser.run(
        "await page.locator('#peers summary').click(); await page.locator('.sides tr.differs').first().waitFor()"
    )
    row = browser.run("return await page.locator('.sides tr.differs').first().locator('td').allInnerTexts()")
    assert row == ["up 100 → 100", "up 10 → 10", "up 100 → 100"]
    browser.run("await page.evaluate(axe)")
    found = browser.run("return (await page.evaluate(() => globalThis.axe.run())).violations")
    assert [each["id"] for each in found if each["impact"] in {"serious", "critical"}] == []
    browser.run("await page.setViewportSize({width: 360, height: 740})")
    fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert browser.run(f"return await page.evaluate(() => {fits})")
    assert browser.run("return state.problems") == []
