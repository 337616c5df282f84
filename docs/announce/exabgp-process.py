#!/usr/bin/env python3
"""Announces by ExaBGP what maglevd says on the socket of a hook: a process for ExaBGP 4 (Debian's exabgp).

Usage, in exabgp.conf: ``run /usr/share/doc/vpp-maglevd/announce/exabgp-process.py /run/vpp-maglev/announce.sock;``

While maglevd is away, everything stays as it is. Standard library only.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time

RETRY = 1.0
"""Seconds between attempts to connect."""


def leave_with_exabgp() -> None:
    """Read what ExaBGP answers, so that it never waits for us; exit when it does."""
    while os.read(0, 65536):
        pass
    os._exit(0)


def say(verb: str, prefix: str) -> None:
    """Give ExaBGP a command."""
    sys.stdout.write(f"{verb} route {prefix} next-hop self\n")
    sys.stdout.flush()


def prefix_of(address: str) -> str:
    """Return the route to an address."""
    return f"{address}/{128 if ':' in address else 32}"


def take(event: dict[str, object], announced: set[str]) -> None:
    """Do what an event says."""
    if event["type"] == "addresses":
        for prefix in sorted(announced - {prefix_of(address) for address in event["addresses"]}):
            say("withdraw", prefix)
            announced.discard(prefix)
        return
    if event["type"] == "snapshot" and event["kind"] == "announcement":
        prefix, state = prefix_of(event["name"]), event["state"]
    elif event["type"] == "announcement":
        prefix, state = event["prefix"], event["to"]
    else:
        return
    if state == "announced" and prefix not in announced:
        say("announce", prefix)
        announced.add(prefix)
    elif state == "withdrawn" and prefix in announced:
        say("withdraw", prefix)
        announced.discard(prefix)


def follow(path: str, announced: set[str]) -> None:
    """Connect, and do what is said until the connection ends."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(path)
        with stream.makefile("r", encoding="ascii") as lines:
            for line in lines:
                take(json.loads(line), announced)


def main() -> None:
    """Follow maglevd for as long as ExaBGP runs."""
    threading.Thread(target=leave_with_exabgp, daemon=True).start()
    announced: set[str] = set()
    while True:
        try:
            follow(sys.argv[1], announced)
        except (OSError, ValueError) as error:
            sys.stderr.write(f"maglevd: {error}\n")
            sys.stderr.flush()
        time.sleep(RETRY)


if __name__ == "__main__":
    main()
