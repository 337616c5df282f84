"""The live page in numbers: ``python -m tests.bench.pages [BACKENDS [PAGES]]``.

A process runs the page over a board with 40 frontends, 1,000 results and 100 transitions a second. Prints how late its
reactor ran and what CPU it took with no page, one page and many pages open; and in a browser, the longest task while
the page loads, and then, and how long after a transition it was shown. The CPU of a task is what it costs on a machine
that has something else to do, too.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fakes.browser import Browser, why_no_browser
from tests.fakes.ports import free_port

FRONTENDS = 40
RESULTS = 1000
TRANSITIONS = 100
SECONDS = 20
TURN = 0.01
"""Seconds between two batches of results."""


def serve(port, count):
    from twisted.internet import reactor
    from twisted.internet.stdio import StandardIO
    from twisted.internet.task import LoopingCall
    from twisted.protocols.basic import LineReceiver

    from maglev.healthcheck.lag import LagMonitor
    from maglev.model.result import Code, Result
    from maglev.runtime.admission import Descriptors
    from maglev.runtime.clock import use_monotonic_time
    from maglev.runtime.cooperator import Cooperator
    from maglev.runtime.garbage import settle
    from maglev.web.address import web_address
    from maglev.web.service import WebService
    from tests.fakes.configs import make_check, make_config, make_frontend
    from tests.fakes.web import bare_control

    use_monotonic_time(reactor)
    size = count // FRONTENDS
    names = [f"backend-{number:04}" for number in range(FRONTENDS * size)]
    frontends = [
        make_frontend(
            f"frontend-{place:02}",
            address=f"192.0.2.{place + 1}",
            pools=(tuple(names[place * size : (place + 1) * size]),),
        )
        for place in range(FRONTENDS)
    ]
    config = make_config(checks=[make_check(rise=1, fall=1)], frontends=frontends)
    cooperator = Cooperator(reactor)
    control = bare_control(reactor, cooperator, config)
    board = control.board
    for name in names:
        board.record(name, Result(Code.L7OK, "status 200", 0.001))
    address = web_address(f"127.0.0.1:{port}", "")
    service = WebService(
        reactor, cooperator.queue("web"), address, control.for_caller, control.register, control.web_links, time.time,
        Descriptors(lambda: 0), host_name="bench",
    )  # fmt: skip
    service.startService()
    lag = LagMonitor(reactor)
    lag.heed(0.1)
    lag.start()
    lag.attend("bench", really=True)
    state = {"result": 0, "flip": 0}

    def record(name, ok):
        board.record(name, Result(*((Code.L7OK, "status 200") if ok else (Code.L4CON, "connection refused")), 0.001))

    def turn():
        for _ in range(round(RESULTS * TURN)):
            name = names[state["result"] % len(names)]
            state["result"] += 1
            record(name, board.backends[name].state == "up")
        for _ in range(round(TRANSITIONS * TURN)):
            name = names[state["flip"] * 37 % len(names)]
            state["flip"] += 1
            record(name, board.backends[name].state != "up")

    class BenchOrders(LineReceiver):
        delimiter = b"\n"

        def lineReceived(self, line):
            if line == b"mark":
                lag.counts[:] = [0] * len(lag.counts)
            times = os.times()
            quantiles = [lag.quantile(0.5), lag.quantile(0.99)]
            worst = lag.worst_since(reactor.seconds() - SECONDS)
            self.sendLine(json.dumps([times.user + times.system, quantiles, worst, len(service.streams)]).encode())

        def connectionLost(self, reason):
            reactor.stop()

    LoopingCall(turn).start(TURN)
    StandardIO(BenchOrders())
    settle()
    reactor.run()


async def read_pages(port, count, seconds):
    """Hold pages open for some time; return the bytes that came."""

    async def one():
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
        writer.write(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        size, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                size += len(await asyncio.wait_for(reader.read(2**16), max(end - time.monotonic(), 0.01)))
            except TimeoutError:
                break
        writer.close()
        return size

    return sum(await asyncio.gather(*(one() for _ in range(count))))


def load(browser, port, folder, count):
    """Load the page; return how long until all rows are there, and the longest task: its CPU and itself, in ms."""
    trace = folder / "trace.json"
    categories = json.dumps(["toplevel", "devtools.timeline"])
    browser.run("await state.open()")
    browser.run(f"await page.context().browser().startTracing(page, {{path: '{trace}', categories: {categories}}})")
    begun = time.monotonic()
    browser.run(f"await page.goto('http://127.0.0.1:{port}/')")
    browser.run(
        f"await page.waitForFunction(() => document.querySelectorAll('li.row').length >= {count}, null, "
        "{timeout: 120000})"
    )
    took = time.monotonic() - begun
    browser.run("await page.context().browser().stopTracing()")
    events = json.loads(trace.read_text())["traceEvents"]
    ours = {each["pid"] for each in events if f":{port}/" in str(each.get("args", {}).get("data"))}
    named = [each for each in events if each["name"] == "thread_name" and each["pid"] in ours]
    main = {(each["pid"], each["tid"]) for each in named if each["args"]["name"] == "CrRendererMain"}
    tasks = [each for each in events if each["name"].endswith("RunTask") and (each["pid"], each["tid"]) in main]
    longest = [max(each.get(key, 0) for each in tasks) / 1000 for key in ("tdur", "dur")]
    return took, *longest


def watch(browser, port):
    """Return the longest task of a browser in milliseconds, and how old transitions were when they were shown."""
    browser.run("await page.context().close(); await state.open()")
    browser.run(f"await page.goto('http://127.0.0.1:{port}/'); await page.locator('li.row').first().waitFor();")
    browser.run("""
        await page.evaluate(() => {
          globalThis.long = []; globalThis.delays = [];
          const note = (list) => globalThis.long.push(...list.getEntries().map((each) => Math.round(each.duration)));
          new PerformanceObserver(note).observe({type: 'longtask', buffered: true});
          new MutationObserver(() => globalThis.delays.push(Number(document.documentElement.dataset.delay)))
            .observe(document.documentElement, {attributes: true, attributeFilter: ['data-delay']});
        });
    """)
    time.sleep(SECONDS)
    rows = browser.run("return await page.locator('li.row').count()")
    long, delays = browser.run("return await page.evaluate(() => [globalThis.long, globalThis.delays])")
    delays = sorted(delays) or [0]
    return rows, max(long, default=0), len(long), delays[len(delays) // 2], delays[len(delays) * 99 // 100]


def main(count=2000, pages=20):
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.pages", "--serve", str(port), str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:

        def ask(word):
            print(word, file=server.stdin, flush=True)
            return json.loads(server.stdout.readline())

        ask("mark")  # it is there
        time.sleep(2)
        print(f"{count} backends; load of the machine {os.getloadavg()[0]:.1f}")
        for number in (0, 1, pages):
            cpu = ask("mark")[0]
            begun = time.monotonic()
            size = asyncio.run(read_pages(port, number, SECONDS)) if number else time.sleep(SECONDS) or 0
            took = time.monotonic() - begun
            used, (p50, p99), worst, _ = ask("tell")
            print(
                f"{number:3} pages: cpu {100 * (used - cpu) / took:.1f} %, lag p50 <= {1000 * p50:.1f} ms, "
                f"p99 <= {1000 * p99:.1f} ms, worst {1000 * worst:.1f} ms, "
                f"{size / max(number, 1) / took / 1024:.0f} KiB/s a page"
            )
        if not why_no_browser():
            with Browser() as browser, TemporaryDirectory() as folder:
                took, cpu, wall = load(browser, port, Path(folder), count // FRONTENDS * FRONTENDS)
                print(f"browser: loaded in {took:.1f} s, longest task {cpu:.0f} ms of CPU, in {wall:.0f} ms")
                rows, longest, many, p50, p99 = watch(browser, port)
            print(
                f"browser: {rows} rows, longest task {longest} ms ({many} of 50 ms and more), "
                f"shown after {p50} ms (p50), {p99} ms (p99)"
            )
        server.stdin.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(*map(int, sys.argv[2:]))
    else:
        main(*map(int, sys.argv[1:]))
