"""Records what the dashboard shows of the demonstration, for `tests.tools.draw`: ``python -m tests.tools.record``.

It runs ``maglevd --demo`` and a real Prometheus (Debian's package ``prometheus``) for five minutes, plays with the
backends meanwhile, and then asks Prometheus what each panel of ``docs/monitoring/dashboard.json`` asks. The answers are
kept in ``docs/monitoring/demo.json``. It needs the ports of the demonstration, 19090 to 19093 and 19444, on loopback; a
network namespace of its own (``unshare --net``, ``ip link set lo up``) has them free.
"""

from __future__ import annotations

import json
import re
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from tests.fakes.certificates import Authority
from tests.fakes.program import MAGLEVC, quiet_environment
from tests.tools.dashboard import FILE as DASHBOARD

FILE = DASHBOARD.with_name("demo.json")
METRICS = "127.0.0.1:19091"
PROMETHEUS = "127.0.0.1:19090"
CONSOLE = "127.0.0.1:19092"
PAGE = "127.0.0.1:19093"
SWITCH = "http://127.0.0.1:8481"

STEP = 2
"""Seconds between two values."""

REAL = {"$__rate_interval": "20s", "$instance": ".*", "$frontend": ".*"}
"""What Grafana would put in place of its variables. VPP's counters are read every 5 s: 20 s makes them smooth."""

CONFIG = f"""\
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: maglevd
    static_configs: [{{targets: ["{METRICS}"]}}]
    relabel_configs: [{{target_label: instance, replacement: lb1}}]
"""

SECURE, SECURE_PORT = "secure1", 19444

ADDED = {
    "  healthchecks:\n": f"""\
    tls:
      type: https
      port: {SECURE_PORT}
      interval: 1s
      timeout: 900ms
      params: {{path: /, insecure-skip-verify: true}}
""",
    "  backends:\n": f"    {SECURE}: {{address: 127.0.0.1, healthcheck: tls}}\n",
    "  frontends:\n": f"""\
    secure:
      description: one server, which is kept in service when it is down
      address: 192.0.2.2
      protocol: tcp
      port: 443
      when-none-eligible: hold
      pools: [{{name: primary, backends: {{{SECURE}: {{}}}}}}]
""",
    "maglev:\n": """\
  healthchecker: {probe-workers: 1}
  announce:
    addresses: [{address: 192.0.2.1}]
    hooks: {exabgp: {socket: FOLDER/hook.sock}}
""",
}
"""What the file of the demonstration gets besides, below these lines: something of all that there is to see."""

MAY_BE_MISSING = {
    "maglev_backend_drain_flows": "the simulated VPP keeps no flows, so that a drain is over at the first look",
    "maglev_vpp_lbsync_drift_total": "nobody else changes VPP",
    "maglev_vpp_lbsync_failures_total": "VPP refuses nothing",
    "maglev_probe_discarded_total": "nothing is wrong with the machine",
}
"""What does not happen in every recording: only these queries of the dashboard may return no series."""

PLAY = (
    (15, "extend the file"),
    (20, "beginning"),
    (40, "stop www1"),
    (30, "stop www2"),
    (30, "start www1"),
    (20, "start www2"),
    (25, "drain www2"),
    (30, "disable www2"),
    (20, "enable www2"),
    (20, f"stop {SECURE}"),
    (20, f"start {SECURE}"),
    (15, "off 192.0.2.1"),
    (15, "on 192.0.2.1"),
    (15, "spoil the file"),
    (10, "stop www1"),
    (20, "end"),
)
"""How long it takes until what happens."""


def expression(text):
    """Return a query of the dashboard as Prometheus is asked it."""
    for name, value in REAL.items():
        text = text.replace(name, value)
    return text


def ask(path, **query):
    """Return what Prometheus answers."""
    url = f"http://{PROMETHEUS}/api/v1/{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)["data"]["result"]


def legend(template, labels):
    """Return the legend of one series."""
    if template == "__auto":
        return labels.get("backend", labels.get("instance", ""))
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), template)


def number(text):
    """Return a value with four digits; None if it is not a number."""
    value = float(text)
    return None if value != value else float(f"{value:.4g}")  # noqa: PLR0124  # NaN


def recorded(query, start, end):
    """Return one query, and its series as {legend, values on the grid of time}."""
    count = int((end - start) / STEP) + 1
    if query.get("instant"):
        rows = ask("query", query=expression(query["expr"]), time=end)
        return {"expr": query["expr"], "series": [
            {"legend": legend(query["legendFormat"], each["metric"]), "values": [number(each["value"][1])]}
            for each in rows
        ]}  # fmt: skip
    series = []
    for each in ask("query_range", query=expression(query["expr"]), start=start, end=end, step=STEP):
        values = [None] * count
        for moment, value in each["values"]:
            values[round((moment - start) / STEP)] = number(value)
        series.append({"legend": legend(query["legendFormat"], each["metric"]), "values": values})
    return {"expr": query["expr"], "series": series}


class SecureServer:
    """A web server over TLS that can be stopped and started."""

    def __init__(self, folder):
        self._files = Authority("recording").issue(folder, "secure.example")
        self._server = None

    def listen(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self._files)
        self._server = ThreadingHTTPServer(("127.0.0.1", SECURE_PORT), QuietHandler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves something, and says nothing."""

    def log_message(self, *_):
        """Say nothing."""


def extended(text, folder):
    """Return the file of the demonstration with more in it."""
    for line, added in ADDED.items():
        text = text.replace(line, line + added.replace("FOLDER", str(folder)), 1)
    return text


def act(action, folder, demo, secure):
    """Do one thing to the demonstration."""
    verb, _, name = action.partition(" ")
    if name == SECURE:
        secure.listen() if verb == "start" else secure.close()
        return
    if verb in {"stop", "start"}:
        request = urllib.request.Request(f"{SWITCH}/{name}/{verb}", method="POST")
        urllib.request.urlopen(request, timeout=5).close()
    elif verb in {"drain", "disable", "enable", "off", "on"}:
        object_ = "announce" if verb in {"off", "on"} else "backend"
        command = ("show", "backends", "|", "count"), ("set", object_, name, verb)
        for words in command:
            server = f"unix:{next(folder.glob('*/pb.sock'))}"
            subprocess.run([*MAGLEVC, "--server", server, *words], check=True, stdout=subprocess.DEVNULL)
    elif verb == "extend":
        path = next(folder.glob("*/maglev.yaml"))
        path.write_text(extended(path.read_text(), folder))
        demo.send_signal(1)
    elif verb == "spoil":
        with next(folder.glob("*/maglev.yaml")).open("a") as file:
            file.write("  nonsense: 1\n")
        demo.send_signal(1)


def play(folder, demo, secure):
    """Play it through; return the wall-clock times of beginning and end."""
    start = 0
    for wait, action in PLAY:
        time.sleep(wait)
        print(action, flush=True)
        if action == "beginning":
            start = time.time()
        act(action, folder, demo, secure)
    return start, time.time()


def main():
    """Record."""
    panels = [each for each in json.loads(DASHBOARD.read_text())["panels"] if each["type"] != "row"]
    with tempfile.TemporaryDirectory(prefix="rec-") as name:
        folder = Path(name)
        (folder / "prometheus.yml").write_text(CONFIG)
        environment = quiet_environment(TMPDIR=name)
        for name_of_default in ("MAGLEV_PB_ADDR", "MAGLEV_STATE_DIR"):
            environment.pop(name_of_default)
        secure = SecureServer(folder)
        secure.listen()
        demo = subprocess.Popen([sys.executable, "-m", "maglev", "--demo", "--metrics-addr", METRICS,
                                 "--ssh-addr", CONSOLE, "--web-addr", PAGE],
                                env=environment, stdout=subprocess.DEVNULL)  # fmt: skip
        store = subprocess.Popen(["prometheus", f"--config.file={name}/prometheus.yml",
                                  f"--storage.tsdb.path={name}/db",
                                  f"--web.listen-address={PROMETHEUS}", "--log.level=error"])  # fmt: skip
        try:
            start, end = play(folder, demo, secure)
            data = {str(each["id"]): [recorded(query, start, end) for query in each["targets"]] for each in panels}
        finally:
            secure.close()
            for process in (demo, store):
                process.terminate()
                process.wait(20)
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in data.items())
    FILE.write_text(f'{{"step": {STEP}, "seconds": {int(end - start)}, "panels": {{\n{lines}\n}}}}\n')


if __name__ == "__main__":
    main()
