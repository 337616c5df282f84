"""HAProxy's configuration -> a draft: a frontend for each address that is bound, with the servers that it leads to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

from maglev.importers.draft.model import Draft, DraftServer, DraftVip, Member, Note, Tier, scaled
from maglev.importers.haproxy.address import place_of
from maglev.importers.haproxy.agent import agent_of
from maglev.importers.haproxy.check import healthcheck_of
from maglev.importers.haproxy.proxy import Proxy
from maglev.importers.haproxy.sections import PROXIES, ConfigLine, parse
from maglev.importers.haproxy.server import ServerOptions
from maglev.importers.haproxy.tls import GlobalTls
from maglev.model.config import Transport
from maglev.model.names import MAX_ADDRESSES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from maglev.importers.haproxy.address import BindAddress
    from maglev.importers.haproxy.sections import File, HaproxySection

MOST_PORTS: Final = 64
"""Maximum number of ports of one ``bind`` that become frontends; a larger range probably means all ports."""

MOST_TEMPLATES: Final = 256
"""Maximum number of servers of one ``server-template``."""

_RANGE: Final = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")


@attrs.define(eq=False)
class BackendServer:
    """A server of a section, with its options."""

    server: DraftServer
    options: ServerOptions
    port: int | None


@attrs.define(eq=False)
class ServerSection:
    """A section with servers.

    Attributes:
        used: Whether a frontend leads to it.
    """

    proxy: Proxy
    entries: list[BackendServer]
    used: bool = False


def import_haproxy(texts: Sequence[str]) -> Draft:
    """Return the draft of a file.

    Raises:
        ConfigError: It is not a configuration of HAProxy.
    """
    return _HaproxyImporter(parse(texts)).draft()


class _HaproxyImporter:
    """Imports one file."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._draft = Draft()
        self._proxies: dict[HaproxySection, Proxy] = {}
        self._targets: dict[str, ServerSection] = {}
        self._tls = GlobalTls()

    def draft(self) -> Draft:
        """Return the draft."""
        self._draft.leftovers += [line.note for line in self._file.strays]
        for section in self._file.sections:
            if section.kind in PROXIES or section.kind == "defaults":
                self._proxies[section] = self._read(section)
            else:
                self._leave(section)
        proxies = [proxy for section, proxy in self._proxies.items() if section.kind != "defaults"]
        for proxy in proxies:
            if proxy.section.kind != "frontend":
                self._add_servers(proxy)
        for proxy in proxies:
            self._add_vips(proxy)
        for name, target in self._targets.items():
            if target.entries and not target.used:
                self._leave_note(target.proxy.section.head, f"no frontend uses the servers of {name}")
        noted = {note for notes in self._draft.check_notes.values() for note in notes}
        left = (note for proxy in self._proxies.values() for note in proxy.rules.notes if note not in noted)
        self._draft.leftovers += dict.fromkeys(left)
        return self._draft

    def _leave_note(self, line: ConfigLine, text: str) -> None:
        self._draft.leftovers.append(Note(line.place, text))

    def _leave(self, section: HaproxySection) -> None:
        """Note every line of a section that has no equivalent."""
        for line in section.lines:
            if section.kind == "global" and self._tls.take(line.words):
                continue
            if section.kind != "global" or line.words[0] not in {"setenv", "presetenv"}:
                self._leave_note(line, f"({section.kind}) {line.text.strip()}")

    def _read(self, section: HaproxySection) -> Proxy:
        before = self._proxies.get(section.defaults) if section.defaults is not None else None
        proxy = (Proxy(section) if before is None else before.successor(section)).take_all()
        self._draft.leftovers += proxy.leftovers
        return proxy

    # Servers

    def _add_servers(self, proxy: Proxy) -> None:
        entries = []
        for line in proxy.servers:
            for entry in self._entries(proxy, line):
                self._draft.add_server(entry.server)
                entries.append(entry)
        name = proxy.section.name
        if proxy.is_disabled:
            self._leave_note(proxy.section.head, f"{name} is disabled and not used")
        elif name in self._targets:
            self._leave_note(proxy.section.head, f"duplicate section {name}: only the first one is used")
        else:
            self._targets[name] = ServerSection(proxy, entries)

    def _entries(self, proxy: Proxy, line: ConfigLine) -> Iterator[BackendServer]:
        first = 3 if line.words[0] == "server-template" else 2
        if len(line.words) <= first:
            self._leave_note(line, f"incomplete line: {line.text.strip()}")
            return
        options = ServerOptions()
        options.take(proxy.defaults)
        options.unsupported.clear()  # of the defaults, once for each of their lines
        options.take(line.words[first + 1 :])
        place = place_of(line.words[first], self._file.variables)
        if place.local:
            self._leave_note(line, f"not an IP address: {line.text.strip()}")
            return
        names = list(self._names(line)) if first == 3 else [line.words[1]]
        if place.dns_name and names:
            yield self._entry(proxy, line, line.words[1], place, options, len(names))
            return
        for name in names:
            yield self._entry(proxy, line, name, place, options)

    def _names(self, line: ConfigLine) -> Iterator[str]:
        match = _RANGE.fullmatch(line.words[2])
        first, last = (0, -1) if match is None else (int(match[1]), int(match[2] or match[1]))
        numbers = range(first if match and match[2] else 1, last + 1)
        if not 0 < len(numbers) <= MOST_TEMPLATES:
            self._leave_note(line, f"expected a number or range of 1 to {MOST_TEMPLATES} servers: {line.text.strip()}")
            return
        for number in numbers:
            yield f"{line.words[1]}{number}"

    def _entry(
        self, proxy: Proxy, line: ConfigLine, name: str, place: BindAddress, options: ServerOptions, number: int = 1
    ) -> BackendServer:
        check, texts = healthcheck_of(proxy.rules, options, place, self._file.variables, self._tls)
        agent, lost = agent_of(proxy.rules, options, place, self._file.variables)
        notes = [Note(line.place, text) for text in (*texts, *lost)]
        if options.unsupported:
            notes.append(Note(line.place, f"no equivalent for: {', '.join(options.unsupported)}"))
        if check is not None:
            self._draft.check_notes.setdefault(check, {}).update(dict.fromkeys(proxy.rules.notes))
        server = DraftServer(
            name,
            proxy.section.name,
            place.address,
            _origin(line, name),
            check,
            not options.disabled,
            notes,
            agent=agent,
        )
        if place.dns_name:
            server.dns_name, server.dns_max = place.dns_name, min(number, MAX_ADDRESSES)
            server.dns_family = 6 if options.resolve_prefer == "ipv6" else 4
            notes.extend(Note(line.place, text) for text in _notes_on_name(options))
        elif place.address is None:
            notes.append(Note(line.place, "expected an address, or a name with its domain"))
        return BackendServer(server, options, place.ports[0] if place.ports is not None else None)

    # Frontends

    def _add_vips(self, proxy: Proxy) -> None:
        binds = [*_binds_of_head(proxy.section), *proxy.binds]
        target = self._target(proxy)
        self._tell_choices(proxy, target)
        if proxy.section.kind == "backend" or (proxy.section.kind == "listen" and not binds):
            return
        if proxy.is_disabled or target is None or not binds:
            self._leave_out(proxy, binds)
            return
        target.used = True
        for line in binds:
            if len(line.words) < 2:
                self._leave_note(line, f"incomplete line: {line.text.strip()}")
                continue
            for text in line.words[1].split(","):
                for vip in self._vips(proxy, target, line, text):
                    self._draft.add_vip(vip)

    def _leave_out(self, proxy: Proxy, binds: Sequence[ConfigLine]) -> None:
        """Note that no frontend was made, and why."""
        reason = "has no servers" if binds else "has no bind address"
        if proxy.is_disabled:
            reason = "is disabled"
        self._leave_note(proxy.section.head, f"{proxy.section.name} {reason} and is left out")
        self._draft.leftovers += [line.note for line in proxy.binds]
        if proxy.target is not None:
            self._leave_note(proxy.section.head, f"its servers would be those of {proxy.target}")

    def _target(self, proxy: Proxy) -> ServerSection | None:
        """Return the servers of a frontend: its own, or those of its default or first chosen backend."""
        own = self._targets.get(proxy.section.name) if proxy.section.kind == "listen" else None
        if own is not None and own.entries:
            return own
        names = [proxy.target or "", *(line.words[1] for line in proxy.choices if len(line.words) > 1)]
        return next((self._targets[name] for name in names if name in self._targets), None)

    def _tell_choices(self, proxy: Proxy, target: ServerSection | None) -> None:
        for line in proxy.choices:
            is_it = target is not None and line.words[1:2] == (target.proxy.section.name,)
            text = "condition ignored, applies to all traffic" if is_it else "selection of servers not supported"
            self._leave_note(line, f"{text}: {line.text.strip()}")

    def _vips(self, proxy: Proxy, target: ServerSection, line: ConfigLine, text: str) -> Iterator[DraftVip]:
        place = place_of(text, self._file.variables)
        if place.local:
            self._leave_note(line, f"not an IP address: {text}")
            return
        ports: Sequence[int | None] = [None] if place.ports is None else place.ports
        if len(ports) > MOST_PORTS:
            self._leave_note(line, f"more than {MOST_PORTS} ports: {line.text.strip()}")
            return
        for port in ports:
            yield self._vip(proxy, target, line, place, port)

    def _vip(
        self, proxy: Proxy, target: ServerSection, line: ConfigLine, place: BindAddress, port: int | None
    ) -> DraftVip:
        notes = list(_bind_notes(line, place, port))
        other = next((each for each in target.entries if each.port not in {None, port}), None)
        if other is not None and port is not None:
            text = f"HAProxy sends to port {other.port} of {other.server.name}; VPP does not change port {port}"
            notes.append(Note(other.server.origin.place, text))
        is_sticky = proxy.is_sticky or target.proxy.is_sticky
        if is_sticky:
            notes.append(Note(line.place, "all flows of a source address go to the same backend (src-ip-sticky)"))
        name = proxy.section.name or f"line-{line.number}"
        return DraftVip(
            name,
            place.address,
            Note(line.place, line.text.strip()),
            Transport.UDP if place.udp else Transport.TCP,
            port,
            list(_tiers(target)),
            proxy.description or target.proxy.description,
            is_sticky,
            notes=notes,
        )


def _origin(line: ConfigLine, name: str) -> Note:
    text = line.text.strip()
    return Note(line.place, text if line.words[0] == "server" else f"{text} ({name})")


def _binds_of_head(section: HaproxySection) -> Iterator[ConfigLine]:
    """Yield the address in the first line of a section, an obsolete form."""
    words = section.head.words
    if section.kind != "backend" and len(words) > 2 and "from" not in words[1:3]:
        yield ConfigLine(section.head.number, ("bind", words[2]), section.head.text)


def _bind_notes(line: ConfigLine, place: BindAddress, port: int | None) -> Iterator[Note]:
    if place.address is None:
        yield Note(line.place, "address missing: set the one that clients connect to")
    if port is None:
        yield Note(line.place, "port missing: set the one that clients connect to")
    if "ssl" in line.words[2:]:
        yield Note(line.place, "TLS ends at the backends: they need the certificate")


def _tiers(target: ServerSection) -> Iterator[Tier]:
    """Yield the servers in the order in which they serve: without ``allbackups``, one backup at a time."""
    primary = [entry for entry in target.entries if not entry.options.backup]
    backups = [entry for entry in target.entries if entry.options.backup]
    if primary or not backups:
        yield Tier("primary", _members(primary))
    groups = [backups] if target.proxy.uses_all_backups else [[entry] for entry in backups]
    for number, group in enumerate(groups if backups else (), 1):
        yield Tier("backup" if len(groups) == 1 else f"backup-{number}", _members(group))


def _members(entries: Sequence[BackendServer]) -> list[Member]:
    """Return the members of a tier, with weights in relation to the largest in it."""
    most = max((entry.options.weight for entry in entries), default=0)
    members = []
    for entry in entries:
        member = Member(entry.server, scaled(entry.options.weight, most))
        if entry.options.weighed:
            text = f"weight scaled from {entry.options.weight} (the largest in this pool is {most})"
            member.notes.append(Note(entry.server.origin.place, text))
        members.append(member)
    return members


def _notes_on_name(options: ServerOptions) -> Iterator[str]:
    """Yield what is different where a name is resolved."""
    if options.resolvers is None:
        yield "HAProxy resolves the name once, at its start; maglevd again and again"
    else:
        yield f"the nameservers of resolvers {options.resolvers} belong into maglev.resolver.nameservers"
    if options.resolve_prefer is None:
        yield "HAProxy prefers IPv6 addresses; set dns-family if they are wanted"
