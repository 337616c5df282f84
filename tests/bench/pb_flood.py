"""Two hundred clients watch a flood of events over Perspective Broker, and half of them read nothing.

Run as ``python -m tests.bench.pb_flood [CLIENTS] [EVENTS A SECOND] [SECONDS]``. The daemon is a process of its own; the
clients that read are ours, in one other process; those that do not read have logged in, asked for a watch, and sleep.
"""

from __future__ import annotations

import json
import multiprocessing
import socket
import sys
import tempfile
import time
from pathlib import Path

from maglev.rpc.basic import write_expression
from tests.fakes.pb_daemon import PbDaemon


def message(*expression):
    parts = []
    write_expression(expression, parts.append)
    return b"".join(parts)


class DeafClient:
    """A client that asks for all events, and never reads."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._socket.sendall(b"\x02\x82pb" + message(b"version", 6))
        self._socket.sendall(
            message(b"message", 1, b"root", b"loginAnonymous", 1, [b"tuple", [b"None"]], [b"dictionary"])
        )
        # The perspective has the number 1; the watcher, ours, the number 7.
        self._socket.sendall(message(b"message", 2, 1, b"watch", 1, [b"tuple", [b"remote", 7]], [b"dictionary"]))

    def call(self, number, method):
        """Call a method, and do not wait for the answer."""
        self._socket.sendall(message(b"message", number, 1, method, 1, [b"tuple"], [b"dictionary"]))

    def close(self):
        self._socket.close()


def read(address, clients, seconds, report):
    """Watch with so many clients; send what they saw through a pipe."""
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred, gatherResults
    from twisted.internet.task import deferLater, react

    from maglev.rpc.client.control import connect

    async def watch(reactor):
        client = await connect(reactor, address)
        watch = await client.watch()
        events = missed = wrong = 0
        last = {}
        seq = None
        until = reactor.seconds() + seconds
        reactor.callLater(seconds, watch.close)
        while reactor.seconds() < until:
            for event in await watch.next():
                events += 1
                if event["type"] == "gap":
                    missed += event["missed"]
                    seq = None if seq is None else seq + event["missed"]
                elif event["type"] == "snapshot":
                    last[event["kind"], event["name"]] = event["seq"]
                else:
                    key = event["type"], event[event["type"]]
                    wrong += seq is not None and event["seq"] != seq + 1
                    seq = event["seq"]
                    last[key] = seq
        # Answers of calls keep coming in the flood.
        began = reactor.seconds()
        await client.version()
        taken = reactor.seconds() - began
        await client.close()
        return {"events": events, "missed": missed, "wrong": wrong, "call": taken}

    async def main(reactor):
        results = await gatherResults([Deferred.fromCoroutine(watch(reactor)) for _ in range(clients)])
        report.send(json.dumps(results))
        await deferLater(reactor, 0)

    del reactor
    react(lambda reactor: Deferred.fromCoroutine(main(reactor)))


def flood(folder, clients=200, rate=500, seconds=20.0, backends=500):
    """Return what happened, as a dictionary."""
    with PbDaemon(folder, backends=backends, rate=rate) as daemon:
        time.sleep(1)
        before, descriptors = daemon.memory(), daemon.descriptors()
        daemon.lag()
        time.sleep(2)
        quiet, quiet_work = daemon.lag()
        deaf = [DeafClient(daemon.path) for _ in range(clients // 2)]
        ours, theirs = multiprocessing.Pipe(False)
        reader = multiprocessing.get_context("spawn").Process(
            target=read, args=(daemon.address, clients - len(deaf), seconds, theirs)
        )
        reader.start()
        peak = 0
        until = time.monotonic() + seconds + 2
        while time.monotonic() < until:
            time.sleep(0.5)
            peak = max(peak, daemon.memory())
        lag, work = daemon.lag()
        results = json.loads(ours.recv()) if ours.poll(60) else []
        reader.join(10)
        for each in deaf:
            each.close()
        time.sleep(1)
        after, _ = daemon.lag()
        return {
            "clients": clients,
            "readers": len(results),
            "events": sum(each["events"] for each in results),
            "missed": sum(each["missed"] for each in results),
            "out_of_order": sum(each["wrong"] for each in results),
            "slowest_call": max((each["call"] for each in results), default=0.0),
            "lag_p99_quiet": quantile(quiet, 0.99),
            "work_p99_quiet": quantile(quiet_work, 0.99),
            "work_p99": quantile(work, 0.99),
            "work_max": work[-1],
            "lag_p50": quantile(lag, 0.5),
            "lag_p99": quantile(lag, 0.99),
            "lag_max": lag[-1],
            "lag_p99_after": quantile(after, 0.99),
            "memory_before": before,
            "memory_peak": peak,
            "memory_after": daemon.memory(),
            "descriptors_before": descriptors,
            "descriptors_after": daemon.descriptors(),
        }


def quantile(values, share):
    return values[min(len(values) - 1, int(len(values) * share))]


def main():
    arguments = [float(each) for each in sys.argv[1:]]
    clients, rate, seconds = (*arguments, *(200, 500, 20)[len(arguments) :])
    with tempfile.TemporaryDirectory() as folder:
        for name, value in flood(Path(folder), int(clients), rate, seconds).items():
            print(f"{name:20} {value:.6g}")


if __name__ == "__main__":
    main()
