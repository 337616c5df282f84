"""The real VPP in the middle of the packet lab: with interfaces, and with a memory of the messages that it handled."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time

import attrs

from tests.fakes.vpp_instance import RealVpp

_INTERFACES = """
create host-interface name front hw-addr 02:00:00:00:00:01 cksum-gso-disable
create host-interface name back hw-addr 02:00:00:00:00:02 cksum-gso-disable
set interface ip address host-front {front}/24
set interface ip address host-back {back}/24
set interface state host-front up
set interface state host-back up
api trace on
"""
"""What VPP is told first. The last line makes it remember the messages that it handles, in their order."""

_PROMPT = b"vpp# "

_MESSAGE = re.compile(r"^vl_api_(?P<name>\w+)_t:\n(?P<fields>(?: .*\n)*)", re.MULTILINE)
_FIELD = re.compile(r"^  (\w+): (.*)$", re.MULTILINE)

_CLI_DEADLINE = 60.0
"""Seconds; the slowest is to make an interface, whose buffers the kernel has to find."""


@attrs.frozen
class Message:
    """A message that VPP handled.

    Attributes:
        name: Its name in VPP's API.
        fields: Its fields, as VPP prints them.
    """

    name: str
    fields: dict[str, str]

    @property
    def writes(self):
        """Whether it may change the load balancer."""
        return self.name.startswith("lb_") and not self.name.endswith(("_dump", "_get"))


class LabVpp(RealVpp):
    """The VPP in the middle, with its interfaces.

    Attributes:
        started: When its process was started the last time, seconds of the monotonic clock.
        configured: When it had its interfaces.
    """

    def __init__(self, namespace, front, back):
        """Start it.

        Args:
            namespace: Where its interfaces ``front`` and ``back`` are.
            front: Its IPv4 address at the one.
            back: Its IPv4 address at the other.
        """
        self._namespace = namespace
        self._interfaces = _INTERFACES.format(front=front, back=back).strip().splitlines()
        super().__init__()

    def command(self):
        self.started = time.monotonic()
        return ["ip", "netns", "exec", self._namespace, *super().command()]

    def restart(self):
        super().restart()
        prefer(self.pid)
        said = self.cli(*self._interfaces)
        assert "unknown" not in said, said
        self.configured = time.monotonic()

    @property
    def lives(self):
        """Whether its process is there."""
        return self._process is not None and self._process.poll() is None

    def forget(self):
        """Let VPP forget which messages it has handled."""
        self.cli("api trace free", "api trace on")

    def handled(self):
        """Return the messages that VPP has handled since it forgot, in its order."""
        found = _MESSAGE.finditer(self.cli("api trace dump").replace("\r", ""))
        return [Message(each["name"], dict(_FIELD.findall(each["fields"]))) for each in found]

    def cli(self, *commands):
        """Run commands of VPP's command line and return what it said."""
        commands = ("set terminal pager off", *commands)
        said = b""
        with socket.socket(socket.AF_UNIX) as session:
            session.settimeout(_CLI_DEADLINE)
            session.connect(f"{self._directory}/cli.sock")
            session.sendall("".join(f"{command}\n" for command in commands).encode())
            # No "quit": that would cut off what has not been read yet.
            while said.count(_PROMPT) < len(commands):
                more = session.recv(1 << 20)
                assert more, f"VPP ended: {self.output[-2000:]}"
                said += more
        return said.decode(errors="replace")


def prefer(pid):
    """Let a process come before others that want a CPU, if we may.

    A lab of twelve processes that has to share two CPUs with other tests would measure those.
    """
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, pid, -10)
