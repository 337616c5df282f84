"""A BIRD in memory: its protocols, its include files, and the socket to it."""

from __future__ import annotations

import re

from twisted.internet.testing import StringTransportWithDisconnection

from maglev.announce.bird_text import protocol_of, read_include_file


class MemoryBird:
    """A BIRD: it does what it is told, and has the protocols of ``maglev*.conf`` beside a file when it is configured.

    Attributes:
        protocols: Whether each is up, by name.
        file: An include file; all that are named like it are read.
        refusal: What ``configure`` is refused with; empty to accept it.
        commands: What it was told, but for questions.
        checks: How often it was asked to check its configuration.
    """

    def __init__(self, file):
        self.file = file
        self.protocols = {}
        self.refusal = ""
        self.commands = []
        self.checks = 0
        self.listens = True

    def reply(self, line):
        """Return the reply to a command."""
        if line.startswith("show protocols"):
            if not self.protocols:
                return "8003 No protocols match\n"
            rows = [f"{name} Static master4 {'up' if up else 'down'} 12:00:00" for name, up in self.protocols.items()]
            return "2002-Name Proto Table State Since Info\n" + "".join(f"1002-{row}\n" for row in rows) + "0000 \n"
        if line == "configure check":
            self.checks += 1
            refused = self._read()[1]
            return f"8002 {refused}\n" if refused else "0002-Reading configuration\n0020 Configuration OK\n"
        self.commands.append(line)
        if line == "configure":
            return self._configure()
        verb, name = re.fullmatch(r'(enable|disable) "(\w+)"', line).groups()
        if name not in self.protocols:
            return "8003 No protocols match\n"
        self.protocols[name] = verb == "enable"
        return f"0009-{name}: {verb}d\n0000 \n"

    def _read(self):
        """Return the addresses in the files, and why they are refused."""
        found = {}
        for file in sorted(self.file.parent.glob("maglev*.conf")):
            here = read_include_file(file.read_text())
            if found.keys() & here.keys():
                return found, f"{file}:3:1 Symbol already defined"
            found.update(here)
        return found, self.refusal

    def _configure(self):
        found, refused = self._read()
        if refused:
            return f"8002 {refused}\n"
        self.protocols = {protocol_of(address): not off for address, off in found.items()}
        return "0002-Reading configuration\n0003 Reconfigured\n"

    def told(self):
        """Return, and forget, what it was told."""
        commands, self.commands = self.commands, []
        return commands


class AnsweringTransport(StringTransportWithDisconnection):
    """The socket to that BIRD, which answers in the next turn."""

    def __init__(self, reactor, bird):
        super().__init__()
        self._reactor = reactor
        self._bird = bird

    def write(self, data):
        for line in data.decode().splitlines():
            self._reactor.callLater(0, self._answer, self._bird.reply(line))

    def _answer(self, reply):
        if self.connected:
            self.protocol.dataReceived(reply.encode())

    def writeSequence(self, pieces):
        self.write(b"".join(pieces))

    def abortConnection(self):
        self.loseConnection()
