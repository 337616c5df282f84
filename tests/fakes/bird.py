"""Real BIRDs: one that maglevd speaks to, and a BGP peer of it that remembers when it had which route.

Both run in network namespaces, joined by a cable; their control sockets and files are in a folder of the test.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

from tests.fakes.peers import Namespace, why_no_namespaces

SPEAKER = """
router id 198.18.9.1;
protocol device {{ }}
include "{folder}/maglev*.conf";
filter anycast {{ if proto ~ "maglev_*" then accept; reject; }}
protocol bgp peer {{
  local 198.18.9.1 as 65001;
  neighbor 198.18.9.2 as 65002;
  connect retry time 1;
  connect delay time 1;
  ipv4 {{ import none; export filter anycast; }};
}}
"""

PEER = """
router id 198.18.9.2;
protocol device { }
protocol bgp speaker {
  local 198.18.9.2 as 65002;
  neighbor 198.18.9.1 as 65001;
  passive;
  ipv4 { import all; export none; };
}
"""


def why_no_bird():
    """Return why there can be no pair of BIRDs here; None if there can."""
    missing = None if shutil.which("bird") else "no BIRD here: apt install bird2"
    return missing or why_no_namespaces()


class Bird:
    """One BIRD.

    Attributes:
        conf: Its configuration.
        control: Its control socket.
    """

    def __init__(self, folder, name, namespace=None):
        self.conf = folder / f"{name}.conf"
        self.control = folder / f"{name}.ctl"
        self._log = folder / f"{name}.log"
        self._inside = [] if namespace is None else ["ip", "netns", "exec", namespace.name]
        self._process = None

    def start(self):
        """Start it; return when it answers."""
        bird = shutil.which("bird") or "/usr/sbin/bird"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._inside, bird, "-f", "-c", str(self.conf), "-s", str(self.control)], stdout=log, stderr=log
            )
        wait_until(lambda: self.control.exists() and self._answers())

    def _answers(self):
        with contextlib.suppress(OSError):
            return "up and running" in self.ask("show status")
        return False

    def stop(self, *, kill=False):
        """End it."""
        if self._process is not None:
            self._process.kill() if kill else self._process.terminate()
            self._process.wait(60)
            self._process = None
        self.control.unlink(missing_ok=True)

    def ask(self, command):
        """Run a command, as ``birdc`` does; return the reply as it is."""
        with socket.socket(socket.AF_UNIX) as session:
            session.settimeout(60)
            session.connect(str(self.control))
            talk(session, None)
            return talk(session, command)


def talk(session, command):
    """Send a command, if any, and return the reply."""
    if command is not None:
        session.sendall(f"{command}\n".encode())
    said = b""
    while True:
        more = session.recv(65536)
        if not more:
            raise ConnectionResetError
        said += more
        last = said.removesuffix(b"\n").rpartition(b"\n")[2]
        if said.endswith(b"\n") and last[:4].isdigit() and last[4:5] == b" ":
            return said.decode()


class RouteWatch(threading.Thread):
    """Looks every millisecond whether a BIRD has a route; a context manager.

    Attributes:
        changes: When it came (True) and went (False): pairs of seconds of the monotonic clock and a truth.
    """

    def __init__(self, bird, prefix):
        super().__init__(daemon=True)
        self._bird = bird
        self._prefix = prefix
        self._end = threading.Event()
        self.changes = []

    def __enter__(self):
        self.start()
        wait_until(lambda: self.changes)
        return self

    def __exit__(self, *_exc_info):
        self._end.set()
        self.join(10)

    def run(self):
        """Look."""
        with socket.socket(socket.AF_UNIX) as session:
            session.connect(str(self._bird.control))
            talk(session, None)
            while not self._end.is_set():
                there = "unicast" in talk(session, f"show route {self._prefix}")
                if not self.changes or self.changes[-1][1] is not there:
                    self.changes.append((time.monotonic(), there))
                time.sleep(0.001)

    @property
    def there(self):
        """Whether it has it."""
        return self.changes[-1][1]

    def wait(self, there, seconds=60.0):
        """Wait until it has it, or not; return when that was."""
        wait_until(lambda: self.there is there, seconds)
        return self.changes[-1][0]


def wait_until(true, seconds=60.0):
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@contextlib.contextmanager
def _cable():
    """Join two namespaces by a cable; yield them."""
    with Namespace("bird") as here, Namespace("peer") as there:
        here.ip("link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", there.name)
        for number, space in enumerate((here, there), 1):
            space.ip("addr", "add", f"198.18.9.{number}/24", "dev", "cable")
            space.ip("link", "set", "cable", "up")
        yield here, there


@contextlib.contextmanager
def bird_pair(folder):
    """Start a BIRD that includes ``maglev*.conf`` of a folder, and a BGP peer of it; yield both."""
    folder = Path(folder)
    with contextlib.ExitStack() as stack:
        spaces = stack.enter_context(_cable())
        birds = [Bird(folder, name, space) for name, space in zip(("speaker", "peer"), spaces, strict=True)]
        birds[0].conf.write_text(SPEAKER.format(folder=folder))
        birds[1].conf.write_text(PEER)
        for bird in birds:
            stack.callback(bird.stop)
            bird.start()
        wait_until(lambda: "Established" in birds[1].ask("show protocols speaker"))
        yield birds


EXABGP = """
process maglevd {{
  run {script} {socket};
  encoder text;
}}
neighbor 198.18.9.2 {{
  router-id 198.18.9.1;
  local-address 198.18.9.1;
  local-as 65001;
  peer-as 65002;
  family {{ ipv4 unicast; }}
  api {{ processes [ maglevd ]; }}
}}
"""

SCRIPT = Path(__file__).parents[2] / "docs" / "announce" / "exabgp-process.py"


def why_no_exabgp():
    """Return why there can be no ExaBGP beside a BIRD here; None if there can."""
    return why_no_bird() or (None if shutil.which("exabgp") else "no ExaBGP here: apt install exabgp")


@contextlib.contextmanager
def exabgp_and_bird(folder, hook_socket):
    """Start an ExaBGP that runs our script, and a BIRD that is its BGP peer; yield the BIRD."""
    conf = folder / "exabgp.conf"
    conf.write_text(EXABGP.format(script=SCRIPT, socket=hook_socket))
    settings = ["exabgp.daemon.drop=false", "exabgp.daemon.user=root", "exabgp.tcp.delay=0"]
    with contextlib.ExitStack() as stack:
        here, there = stack.enter_context(_cable())
        peer = Bird(folder, "peer", there)
        peer.conf.write_text(PEER)
        stack.callback(peer.stop)
        peer.start()
        command = ["ip", "netns", "exec", here.name, "env", *settings, "exabgp", str(conf)]
        with (folder / "exabgp.log").open("ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        stack.callback(process.wait, 60)
        stack.callback(process.terminate)
        wait_until(lambda: "Established" in peer.ask("show protocols speaker"))
        yield peer
