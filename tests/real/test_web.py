"""The live page in Chromium, before a maglevd that probes real sockets."""

from __future__ import annotations

import json
import re
import signal
import socket
import socketserver
import subprocess
import threading

import pytest

from tests.fakes.browser import Browser, why_no_browser
from tests.fakes.daemon import MaglevDaemon
from tests.fakes.ports import free_port
from tests.fakes.program import MAGLEVC

pytestmark = pytest.mark.real

HOSTS = {"www1": "127.0.0.41", "www2": "127.0.0.42", "www3": "127.0.0.43"}

CONFIG = """\
maglev:
  vpp: {{lb: {{ipv4-src-address: 192.0.2.254, ipv6-src-address: '2001:db8::fe'}}}}
  healthchecks:
    tcp:
      {{type: tcp, port: {port}, interval: 200ms, fast-interval: 50ms, down-interval: 200ms, timeout: 20s, fall: 2}}
  backends:
    www1: {{address: 127.0.0.41, healthcheck: tcp}}
    www2: {{address: 127.0.0.42, healthcheck: tcp}}
    www3: {{address: 127.0.0.43, healthcheck: tcp}}
  frontends:
    web:
      description: "a <b>bold</b> one"
      address: 192.0.2.1
      protocol: tcp
      port: 80
      pools:
        - {{name: primary, backends: {{www1: {{}}, www2: {{weight: 50}}}}}}
        - {{name: fallback, backends: {{www3: {{}}}}}}
    mail:
      address: 2001:db8::25
      protocol: tcp
      port: 25
      when-none-eligible: hold
      pools: [{{name: only, backends: {{www3: {{}}}}}}]
"""


class Listener:
    """A backend: accepts connections at an address, or does not."""

    def __init__(self, host, port):
        self._place = (host, port)
        self._server = None
        self.start()

    def start(self):
        class BackendServer(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 1024  # more than probes come while a busy machine does not run this

        self._server = BackendServer(self._place, socketserver.BaseRequestHandler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class LiveSite:
    """maglevd with its page, and three backends."""

    def __init__(self, folder):
        port = free_port(*HOSTS.values())
        self.listeners = {name: Listener(host, port) for name, host in HOSTS.items()}
        self.page_port = free_port()
        self.url = f"http://127.0.0.1:{self.page_port}"
        self.daemon = MaglevDaemon(folder, "--vpp-api-addr=", f"--web-addr=127.0.0.1:{self.page_port}")
        self.daemon.config.write_text(CONFIG.format(port=port))
        self.daemon.start()
        self.daemon.wait_for_event("web-start")

    def console(self, *words):
        """Run a command as the user of the tests, who is an operator."""
        command = [*MAGLEVC, "--server", f"unix:{self.daemon.pb_socket}", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def link(self):
        return json.loads(self.console("web login | json"))["url"]

    def heal(self):
        for listener in self.listeners.values():
            listener.stop()
            listener.start()

    def end(self):
        self.daemon.kill()
        for listener in self.listeners.values():
            listener.stop()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    if why_no_browser():
        pytest.skip(why_no_browser())
    made = LiveSite(tmp_path_factory.mktemp("web"))
    yield made
    made.end()


@pytest.fixture(scope="module")
def browser(site):
    with Browser() as made:
        yield made


@pytest.fixture
def page(site, browser):
    """Open the page, with everything up, as somebody without a session; return what runs scripts in the browser."""
    browser.run("state.problems.length = 0; if (page) await page.context().close(); await state.open();")
    browser.run(
        f"await page.goto('{site.url}/'); {wait_for('www1', 'up')}{wait_for('www2', 'up')}{wait_for('www3', 'up')}"
    )
    yield browser.run
    site.heal()
    if json.loads(site.console("show backends www1 | json"))["override"]:
        site.console("clear override backend www1")
    assert browser.run("return state.problems") == []


EXPLAINED = "await page.locator('dialog dt').first().waitFor()"


def clicked(kind, name):
    """Return the script that opens the window of something."""
    return f"await page.locator(\"button[data-{kind}='{name}']\").first().click(); {EXPLAINED}"


def wait_for(backend, state):
    """Return the script that waits until a backend is shown in a state."""
    row = f"li.row[data-key$='/{backend}'] .state.is-{state}"
    return f"await page.locator({json.dumps(row)}).first().waitFor();"


def test_everything_is_on_one_page(page):
    text = page("return await page.locator('#frontends').innerText()")
    for word in ("web", "mail", "primary", "fallback", "tcp [2001:db8::25]:25", "127.0.0.41", "L4OK"):
        assert word in text
    assert page("return await page.locator('li.row').count()") == 4
    assert page("return await page.title()") == socket.gethostname()
    assert "VPP is switched off" in page("return await page.locator('#vpp').innerText()")


def test_text_from_outside_is_text(page):
    assert page("return await page.locator('.description').first().innerText()") == "a <b>bold</b> one"
    assert page("return await page.locator('.description b').count()") == 0


def test_a_change_is_shown_as_it_happens(site, page, record_property):
    site.listeners["www1"].stop()
    page(wait_for("www1", "down"))
    row = "page.locator(\"li.row[data-key='web/primary/www1']\")"
    # The state comes with the event; the weight with the same frame.
    assert page(f"return await {row}.innerText()").split("\n")[:3] == ["down", "www1", "127.0.0.41"]
    assert "L4CON connection refused" in page(f"return await {row}.textContent()")
    assert page(f"return await {row}.locator('.number').nth(1).innerText()") == "0"
    page("await page.locator('#events li', {hasText: 'www1 up → down'}).first().waitFor()")
    delay = page("return await page.evaluate(() => document.documentElement.dataset.delay)")
    record_property("ms from the result to the page", delay)
    site.listeners["www1"].start()
    page(wait_for("www1", "up"))
    events = page("return await page.locator('#events li b').allInnerTexts()")
    assert events[:2] == ["www1", "www1"]


def test_only_what_is_not_well_is_a_filter_and_an_address(site, page):
    site.listeners["www2"].stop()
    page(wait_for("www2", "down"))
    page("await page.getByLabel('Only what is not well').check()")
    shown = "return await page.locator('li.row:visible button').allInnerTexts()"
    assert page(shown) == ["www2"]
    assert page("return new URL(page.url()).search") == "?only=unwell"
    page(f"await page.reload(); {wait_for('www2', 'down')}")
    assert page(shown) == ["www2"]
    site.listeners["www2"].start()
    page("await page.locator('li.row:visible').first().waitFor({state: 'hidden'})")
    assert page("return await page.locator('section.frontend:visible').count()") == 0


def test_a_search_finds_names_and_addresses(page):
    page("await page.keyboard.press('/'); await page.keyboard.type('.43')")
    assert page("return await page.locator('li.row:visible button').allInnerTexts()") == ["www3", "www3"]
    assert page("return new URL(page.url()).search") == "?q=.43"
    page("await page.locator('#search').fill('mail')")
    assert page("return await page.locator('section.frontend:visible h2').allInnerTexts()") == ["mail"]


def test_a_click_explains(page):
    page("await page.locator(\"button[data-backend='www2']\").first().click()")
    text = page("await page.locator('dialog .steps').nth(2).waitFor(); return await page.locator('dialog').innerText()")
    for words in ("In web: 50, active", "primary, active; configured weight 50", "History", "unknown → up"):
        assert words in text
    assert page("return new URL(page.url()).search") == "?backend=www2"
    assert page("return await page.locator('dialog button').allInnerTexts()") == ["Close"]
    page("await page.keyboard.press('Escape'); await page.locator('dialog').waitFor({state: 'hidden'})")
    page(clicked("frontend", "mail"))
    assert "only, active" in page("return await page.locator('dialog').innerText()")


def test_an_operator_acts_with_a_reason(site, page):
    page(f"await page.goto('{site.link()}'); {wait_for('www1', 'up')}")
    assert "operator" in page("return await page.locator('#who').innerText()")
    assert page("return page.url()") == f"{site.url}/"
    page("await page.locator(\"button[data-backend='www1']\").first().click()")
    page("await page.getByRole('button', {name: 'Drain', exact: true}).click()")
    page("await page.locator('dialog form button[type=submit]').click()")
    assert page("return await page.locator('dialog form input:invalid').count()") == 1
    page(
        "await page.getByLabel('Reason').fill('<i>disk</i>'); await page.locator('dialog select').selectOption('3600')"
    )
    page("await page.locator('dialog form button[type=submit]').click()")
    page(f"await page.locator('dialog form').waitFor({{state: 'hidden'}}); {wait_for('www1', 'draining')}")
    mark = page("return await page.locator(\"li.row[data-key='web/primary/www1'] .mark\").last().innerText()")
    assert mark.startswith("drain by ")
    assert "until" in mark
    assert page("return await page.locator('.mark i, .events i').count()") == 0
    audit = site.daemon.wait_for_event("audit", action="drain-backend")
    assert (audit["reason"], audit["origin"], audit["role"]) == ("<i>disk</i>", "web 127.0.0.1", "operator")
    page(f"await page.getByRole('button', {{name: 'Put back'}}).click(); {wait_for('www1', 'up')}")


def ordered(button, reason):
    """Return the script that gives an order which asks for a reason, in the open window."""
    return (
        f"await page.getByRole('button', {{name: {button!r}, exact: true}}).click();"
        f"await page.getByLabel('Reason').fill({reason!r});"
        "await page.locator('dialog form button[type=submit]').click();"
        "await page.locator('dialog form').waitFor({state: 'hidden'});"
    )


def test_an_operator_takes_out_a_host_and_puts_it_back(site, page):
    page(f"await page.goto('{site.link()}'); {wait_for('www1', 'up')}")
    page("await page.locator(\"button[data-backend='www1']\").first().click()")
    page(ordered("Disable host", "new memory") + wait_for("www1", "disabled"))
    audit = site.daemon.wait_for_event("audit", action="disable-backend", reason="new memory")
    assert (audit["origin"], audit["object"]) == ("web 127.0.0.1", "www1")
    page(ordered("Enable host", "it is in") + wait_for("www1", "up"))


def test_an_operator_disables_a_guarded_frontend_only_by_force(site, page):
    page(f"await page.goto('{site.link()}'); {wait_for('www3', 'up')}")
    page(clicked("frontend", "mail"))
    page("await page.getByRole('button', {name: 'Disable', exact: true}).click()")
    page("await page.getByLabel('Reason').fill('moved'); await page.locator('dialog form button[type=submit]').click()")
    assert "add force" in page("return await page.locator('dialog form .fault').innerText()")
    # The browser's console has the refusal as well.
    (refusal,) = page("return state.problems.splice(0)")
    assert "409" in refusal
    page("await page.getByLabel('force').check(); await page.locator('dialog form button[type=submit]').click()")
    page("await page.getByRole('button', {name: 'Enable', exact: true}).click()")
    site.daemon.wait_for_event("audit", action="disable-frontend", reason="moved", to="disabled")
    site.daemon.wait_for_event("audit", action="enable-frontend")


def test_an_operator_sees_what_a_reload_changes_and_puts_the_file_in_force(site, page):
    page(f"await page.goto('{site.link()}'); {wait_for('www2', 'up')}")
    before = site.daemon.config.read_text()
    shown = "await page.locator('dialog p', {{hasText: '{}'}}).waitFor();"
    try:
        site.daemon.config.write_text(before.replace("weight: 50", "weight: 500"))
        page("await page.getByRole('button', {name: 'Configuration'}).click();" + shown.format("The file is not valid"))
        assert "500" in page("return await page.locator('dialog .steps').innerText()")
        assert page("return await page.getByRole('button', {name: 'Reload'}).count()") == 0
        site.daemon.config.write_text(before.replace("weight: 50", "weight: 40"))
        page("await page.getByRole('button', {name: 'Check again'}).click();" + shown.format("would change"))
        assert "frontend web: changed" in page("return await page.locator('dialog').innerText()")
        assert serious(page) == []
        page(ordered("Reload", "less for www2") + shown.format("in force"))
        page("await page.locator(\"li.row[data-key='web/primary/www2'] .number\", {hasText: '40'}).first().waitFor()")
        audit = site.daemon.wait_for_event("audit", action="reload-config")
        assert (audit["reason"], audit["origin"]) == ("less for www2", "web 127.0.0.1")
    finally:
        site.daemon.config.write_text(before)
        site.console("config reload")


def test_a_link_that_was_used_is_told_so(site, page):
    link = site.link()
    page(f"await page.goto('{link}'); await page.getByRole('button', {{name: 'Log out'}}).waitFor()")
    # "read only" is in the new page alone: www1 is up in the page that is about to be left, too
    page("await page.getByRole('button', {name: 'Log out'}).click(); await page.getByText('read only').waitFor()")
    page(f"await page.goto('{link}'); await page.getByRole('alert').waitFor()")
    assert "no longer valid" in page("return await page.getByRole('alert').innerText()")
    page("state.problems.length = 0")  # the browser reports the refusal


def test_the_page_goes_on_when_maglevd_comes_back(site, page):
    boot = "return await page.evaluate(() => document.documentElement.dataset.boot)"
    before = page(boot)
    site.daemon.kill(signal.SIGTERM)
    page("await page.locator('#link', {hasText: 'does not answer'}).waitFor()")
    site.listeners["www3"].stop()
    started = len(site.daemon.events("web-start"))
    site.daemon.start()
    site.daemon.wait_for_event("web-start", after=started)
    page("await page.locator('#link.live').waitFor()")
    page(wait_for("www3", "down") + wait_for("www1", "up"))
    assert page(boot) != before
    assert page("return await page.locator('section.frontend').count()") == 2
    page("state.problems.length = 0")  # the browser reports each attempt that failed


def test_the_page_says_that_maglevd_stands_still(site, page):
    shown = "return [await page.locator('#link').innerText(), await page.locator('#stale').isVisible()]"
    page("await page.getByLabel('Only what is not well').check()")
    site.daemon.process.send_signal(signal.SIGSTOP)
    try:
        page("await page.locator('#link.silent', {hasText: 'no word from maglevd for'}).waitFor()")
        link, visible = page(shown)
        assert visible
        assert re.fullmatch(r"no word from maglevd for \d+s", link)
        assert "Nothing has come from maglevd since " in page("return await page.locator('#stale').innerText()")
        assert page("return await page.title()").startswith("stale: ")
        assert serious(page) == []
    finally:
        site.daemon.process.send_signal(signal.SIGCONT)
    page("await page.locator('#link.live').waitFor()")
    assert page(shown) == ["live", False]
    assert page("return await page.title()") == socket.gethostname()
    # It is live indeed, whichever connection it has now.
    site.listeners["www1"].stop()
    page(wait_for("www1", "down"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_are_legible_to_everybody(site, page, scheme):
    site.listeners["www2"].stop()
    page(f"await page.emulateMedia({{colorScheme: '{scheme}', reducedMotion: 'reduce'}}); {wait_for('www2', 'down')}")
    light = page("return await page.evaluate(() => getComputedStyle(document.body).backgroundColor)")
    assert (light == "rgb(246, 247, 249)") is (scheme == "light")
    assert serious(page) == []
    page(clicked("backend", "www2"))
    assert serious(page) == []


def test_the_forms_of_operators_are_accessible(site, page):
    page(f"await page.goto('{site.link()}'); {wait_for('www1', 'up')}")
    page("await page.locator(\"button[data-backend='www1']\").first().click()")
    page("await page.getByRole('button', {name: 'Weight in primary'}).click()")
    assert serious(page) == []


def serious(page):
    """Return what axe finds that is serious or critical."""
    page("await page.evaluate(axe)")
    found = page("return (await page.evaluate(() => globalThis.axe.run())).violations")
    return [(each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in {"serious", "critical"}]


def test_a_telephone_needs_no_scrolling_sideways(site, page):
    fits = (
        "return await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth)"
    )
    page("await page.setViewportSize({width: 360, height: 740})")
    assert page(fits)
    page(clicked("backend", "www2"))
    assert page(fits)
    assert page("return await page.locator('dialog').evaluate((each) => each.scrollWidth <= each.clientWidth)")


def test_the_keyboard_is_enough(page):
    focused = "return await page.evaluate(() => document.activeElement.dataset.backend ?? document.activeElement.id)"
    page("await page.locator('#search').focus()")
    stops = []
    for _ in range(5):
        page("await page.keyboard.press('Tab')")
        stops.append(page(focused))
    assert stops[0] == "unwell"
    assert stops[2:4] == ["www1", "www2"]
    page(f"await page.keyboard.press('Shift+Tab'); await page.keyboard.press('Enter'); {EXPLAINED}")
    page("await page.keyboard.press('Escape'); await page.locator('dialog').waitFor({state: 'hidden'})")
    assert page(focused) == "www2"
    page("await page.locator('#unwell').focus(); await page.keyboard.press('Space')")
    assert page("return await page.locator('section.frontend:visible').count()") == 0


def test_a_page_that_loses_its_session_says_what_to_do(site, page):
    page("await page.route('**/api/events*', (route) => route.fulfill({status: 401, body: '{}'}))")
    page("await page.route('**/api/me', (route) => route.fulfill({status: 401, body: '{\"error\": \"x\"}'}))")
    page("await page.reload(); await page.locator('.notice', {hasText: 'web login'}).waitFor()")
    page("state.problems.length = 0")
