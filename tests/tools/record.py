"""Records what the dashboard shows of the demonstration, for `tests.tools.draw`: ``python -m tests.tools.record``.

It runs ``maglevd --demo`` and a real Prometheus (Debian's package ``prometheus``) for four minutes, plays with the
backends meanwhile, and then asks Prometheus what each panel of ``docs/monitoring/dashboard.json`` asks. The answers are
kept in ``docs/monitoring/demo.json``. It needs the ports of the demonstration, and 19090 and 19091, on loopback; a
network namespace of its own (``unshare --net``, ``ip link set lo up``) has them free.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

from tests.fakes.program import MAGLEVC, quiet_environment
from tests.tools.dashboard import FILE as DASHBOARD

FILE = DASHBOARD.with_name("demo.json")
METRICS = "127.0.0.1:19091"
PROMETHEUS = "127.0.0.1:19090"
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

PLAY = (
    (20, "beginning"),
    (40, "stop www1"),
    (30, "stop www2"),
    (30, "start www1"),
    (20, "start www2"),
    (25, "disable www2"),
    (30, "enable www2"),
    (20, "spoil the file"),
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
    """Return the series of one query as {legend, values on the grid of time}."""
    count = int((end - start) / STEP) + 1
    if query.get("instant"):
        rows = ask("query", query=expression(query["expr"]), time=end)
        return [{"legend": legend(query["legendFormat"], each["metric"]), "values": [number(each["value"][1])]}
                for each in rows]  # fmt: skip
    series = []
    for each in ask("query_range", query=expression(query["expr"]), start=start, end=end, step=STEP):
        values = [None] * count
        for moment, value in each["values"]:
            values[round((moment - start) / STEP)] = number(value)
        series.append({"legend": legend(query["legendFormat"], each["metric"]), "values": values})
    return series


def act(action, folder, demo):
    """Do one thing to the demonstration."""
    verb, _, name = action.partition(" ")
    if verb in {"stop", "start"}:
        request = urllib.request.Request(f"{SWITCH}/{name}/{verb}", method="POST")
        urllib.request.urlopen(request, timeout=5).close()
    elif verb in {"disable", "enable"}:
        command = ("show", "backends", "|", "count"), ("set", "backend", name, verb)
        for words in command:
            server = f"unix:{next(folder.glob('*/pb.sock'))}"
            subprocess.run([*MAGLEVC, "--server", server, *words], check=True, stdout=subprocess.DEVNULL)
    elif verb == "spoil":
        with next(folder.glob("*/maglev.yaml")).open("a") as file:
            file.write("  nonsense: 1\n")
        demo.send_signal(1)


def play(folder, demo):
    """Play it through; return the wall-clock times of beginning and end."""
    start = 0
    for wait, action in PLAY:
        time.sleep(wait)
        print(action, flush=True)
        if action == "beginning":
            start = time.time()
        act(action, folder, demo)
    return start, time.time()


def main():
    """Record."""
    panels = [each for each in json.loads(DASHBOARD.read_text())["panels"] if each["type"] != "row"]
    with tempfile.TemporaryDirectory(prefix="rec-") as name:
        folder = Path(name)
        (folder / "prometheus.yml").write_text(CONFIG)
        environment = quiet_environment(TMPDIR=name)
        environment.pop("MAGLEV_PB_ADDR")
        demo = subprocess.Popen([sys.executable, "-m", "maglev", "--demo", "--metrics-addr", METRICS],
                                env=environment, stdout=subprocess.DEVNULL)  # fmt: skip
        store = subprocess.Popen(["prometheus", f"--config.file={name}/prometheus.yml",
                                  f"--storage.tsdb.path={name}/db",
                                  f"--web.listen-address={PROMETHEUS}", "--log.level=error"])  # fmt: skip
        try:
            start, end = play(folder, demo)
            data = {str(each["id"]): [recorded(query, start, end) for query in each["targets"]] for each in panels}
        finally:
            for process in (demo, store):
                process.terminate()
                process.wait(20)
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in data.items())
    FILE.write_text(f'{{"step": {STEP}, "seconds": {int(end - start)}, "panels": {{\n{lines}\n}}}}\n')


if __name__ == "__main__":
    main()
