"""maglevd as a process of its own, as people run it."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path


class MaglevDaemon:
    """A running maglevd; a context manager. The configuration is a file that the test writes."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.config = folder / "maglev.yaml"
        self.metrics_socket = folder / "metrics.sock"
        self.pb_socket = folder / "pb" / "pb.sock"
        self.state = folder / "state"
        self._log = folder / "maglevd.log"
        self._arguments = arguments
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_exc_info):
        self.kill()

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        """Start it, or start it again."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), cwd=Path(__file__).parents[2], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def command(self):
        """Return the command line to run."""
        command = [sys.executable, "-m", "maglev", "--config", str(self.config)]
        command += ["--metrics-addr", f"unix:{self.metrics_socket}", "--pb-addr", f"unix:{self.pb_socket}"]
        return [*command, "--ssh-addr", "", "--web-addr", "", "--state-dir", str(self.state), *self._arguments]

    def kill(self, number=signal.SIGKILL):
        """End it, and return its exit status."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        return self.process.wait(60)

    def reload(self, text):
        """Write another configuration and send SIGHUP."""
        self.config.write_text(text)
        self.process.send_signal(signal.SIGHUP)

    def events(self, name=None):
        """Return what it has logged so far, all or of one name."""
        # The last line may be half written.
        lines = [line for line in self._log.read_text().splitlines(keepends=True) if line[0] + line[-1] == "{\n"]
        events = [json.loads(line) for line in lines]
        return events if name is None else [event for event in events if event["event"] == name]

    def output(self):
        """Return everything it wrote."""
        return self._log.read_text()

    def wait_for_event(self, name, seconds=60.0, after=0, **fields):
        """Wait for an event with these fields; return it."""
        deadline = time.monotonic() + seconds
        while True:
            for event in self.events(name)[after:]:
                if fields.items() <= event.items():
                    return event
            assert time.monotonic() < deadline, f"no {name} {fields} in {seconds} s:\n{self.output()[-4000:]}"
            assert self.process.poll() is None, f"maglevd ended:\n{self.output()[-4000:]}"
            time.sleep(0.02)

    def metrics(self):
        """Scrape it; return {line up to the value: value}."""
        command = ["curl", "-sf", "--unix-socket", str(self.metrics_socket), "http://localhost/metrics"]
        text = subprocess.run(command, capture_output=True, check=True, text=True).stdout
        samples = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in samples}

    def health(self, target="http://localhost/healthz"):
        """Ask whether it is well, in the absolute form of a request; return the status and the document."""
        ask = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(60)
            client.connect(str(self.metrics_socket))
            client.sendall(ask.encode())
            head, _, body = b"".join(iter(lambda: client.recv(65536), b"")).partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body)

    def descriptors(self):
        """Return how many descriptors it has open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def wait_for_descriptors(self, most, seconds=60.0):
        """Wait until it has so many open or fewer: probes under way have some, too, which close by themselves."""
        deadline = time.monotonic() + seconds
        while (count := self.descriptors()) > most:
            assert time.monotonic() < deadline, f"{count} descriptors after {seconds} s, not {most}"
            time.sleep(0.05)

    def memory(self):
        """Return its resident memory, in bytes."""
        fields = Path(f"/proc/{self.pid}/statm").read_text().split()
        return int(fields[1]) * 4096
