"""keepalived's configuration -> a draft: a frontend for each virtual server, with its real servers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

import attrs

from maglev.config.checkkinds import MOST_CHECKS
from maglev.importers.draft.model import Draft, DraftServer, DraftVip, Member, Note, Tier, scaled
from maglev.importers.draft.source import refusal
from maglev.importers.draft.values import address_of, fits
from maglev.importers.keepalived.blocks import parse
from maglev.importers.keepalived.check import CHECKERS, NO_CLIENT, Timing, client_files, healthcheck_of, number
from maglev.model.config import Transport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from maglev.importers.keepalived.blocks import KeepalivedStatement
    from maglev.model.config import Healthcheck

MOST_ADDRESSES: Final = 256
"""Maximum number of addresses of one range."""

_KNOWN: Final = re.compile(
    r"virtual_server(_group)?|vrrp_\w+|global_defs|static_\w+|track_\w+|linkbeat_\w+|bfd_instance|net_namespace\w*"
    r"|namespace_with_ipsets|instance|use_pid_dir|lvs_\w+|checkers_\w+|garp_group|interface_up_down_delays"
    r"|process_names|ssl|SSL|snmp\w*|debug|notify_\w+|child_wait_time|reload_\w+|script_user|nftables\w*|random_seed"
    r"|config_save_dir|tmp_config_directory|fifo_write_vrrp_states_on_reload|startup_script|shutdown_script"
)
_SSL: Final = frozenset({"SSL", "ssl"})
_RANGE: Final = re.compile(r"(.*[.:])([0-9a-fA-F]+)-([0-9a-fA-F]+)")


class VirtualServerKey(NamedTuple):
    """Where a virtual server is.

    Attributes:
        address: Canonical; None if there is none that can be kept.
        port: 0 for all; None if there is none that can be kept.
    """

    address: str | None
    port: int | None
    origin: Note


def import_keepalived(path: Path) -> Draft:
    """Return the draft of a file.

    Raises:
        ConfigError: It can't be read, or is not a configuration of keepalived.
    """
    tree = parse(path)
    if not any(_KNOWN.fullmatch(each.keyword) for each in tree.statements):
        raise refusal("not a keepalived configuration: it has no known keyword")
    return _KeepalivedImporter(tree.statements, tree.notes).draft()


@attrs.define(eq=False)
class _Virtual:
    """A virtual server while it is read.

    Attributes:
        inhibiting: Whether servers that fail keep their flows.
        servers: With weight and port, as written.
        sorry: The ``sorry_server``.
    """

    section: str
    timing: Timing = attrs.field(factory=Timing)
    host: str | None = None
    is_sticky: bool = False
    transport: Transport | None = Transport.TCP
    inhibiting: bool = False
    servers: list[tuple[DraftServer, int, int | None]] = attrs.field(factory=list)
    sorry: DraftServer | None = None
    notes: list[Note] = attrs.field(factory=list)


class _KeepalivedImporter:
    """Imports one tree."""

    def __init__(self, statements: list[KeepalivedStatement], notes: list[Note]) -> None:
        self._statements = statements
        self._draft = Draft(leftovers=list(notes))
        self._groups: dict[str, KeepalivedStatement] = {}
        self._used: set[str] = set()
        self._client = NO_CLIENT

    def draft(self) -> Draft:
        """Return the draft."""
        for each in self._statements:
            if each.keyword == "virtual_server_group" and self._groups.setdefault(each.value, each) is not each:
                self._draft.leftovers += each.notes()
            elif each.keyword in _SSL:
                self._client, notes = client_files(each)
                self._draft.leftovers += notes
        for each in self._statements:
            if each.keyword == "virtual_server":
                self._add_virtual(each)
            elif each.keyword in _SSL:
                continue
            elif each.keyword != "virtual_server_group":
                self._draft.leftovers += each.notes()
        for name, group in self._groups.items():
            if name not in self._used:
                self._draft.leftovers += group.notes()
        return self._draft

    def _add_virtual(self, statement: KeepalivedStatement) -> None:
        keys = list(self._keys(statement))
        virtual = _Virtual("-".join(("vs", *statement.words[1:])))
        real = []
        for each in statement.inside:
            if each.keyword == "real_server":
                real.append(each)
            elif each.keyword == "sorry_server":
                virtual.sorry = self._sorry(each, virtual)
            elif not _take(virtual, each):
                virtual.notes += each.notes()
        for each in real:
            self._add_real(each, virtual)
        if virtual.transport is None:
            self._draft.leftovers.append(Note(statement.place, f"only TCP and UDP are supported: {statement.text}"))
            self._draft.leftovers += virtual.notes
            return
        for key in keys:
            self._draft.add_vip(self._vip(key, virtual))

    # Where it is

    def _keys(self, statement: KeepalivedStatement) -> Iterator[VirtualServerKey]:
        kind = statement.value
        if kind == "group":
            yield from self._keys_of_group(statement)
        elif kind == "fwmark":
            yield VirtualServerKey(
                None, None, Note(statement.place, f"expected an address, not a firewall mark: {statement.text}")
            )
        else:
            yield from self._keys_of(statement, kind, statement.words[2:3])

    def _keys_of_group(self, statement: KeepalivedStatement) -> Iterator[VirtualServerKey]:
        name = statement.words[2] if len(statement.words) > 2 else ""
        group = self._groups.get(name)
        if group is None:
            self._draft.leftovers.append(Note(statement.place, f"unknown group: {statement.text}"))
            return
        self._used.add(name)
        for each in group.inside:
            if each.keyword == "fwmark":
                yield VirtualServerKey(
                    None, None, Note(each.place, f"expected an address, not a firewall mark: {each.text}")
                )
            else:
                yield from self._keys_of(each, each.keyword, each.words[1:2])

    def _keys_of(
        self, statement: KeepalivedStatement, address: str, ports: tuple[str, ...]
    ) -> Iterator[VirtualServerKey]:
        port = number(ports[0]) if ports else 0
        note = Note(statement.place, statement.text)
        if port is not None and port > 65535:
            port = None
        addresses = list(_addresses(address))
        if not addresses:
            self._draft.leftovers.append(Note(statement.place, f"more than {MOST_ADDRESSES} addresses: {address}"))
        for each in addresses:
            yield VirtualServerKey(address_of(each), port, note)

    # Servers

    def _sorry(self, statement: KeepalivedStatement, virtual: _Virtual) -> DraftServer:
        note = Note(statement.place, statement.text)
        notes = [Note(statement.place, "not probed and therefore always up")]
        server = DraftServer("sorry", virtual.section, address_of(statement.value), note, notes=notes)
        self._draft.add_server(server)
        return server

    def _add_real(self, statement: KeepalivedStatement, virtual: _Virtual) -> None:
        address = statement.value
        port = number(statement.words[2]) if len(statement.words) > 2 else None
        name = f"rs-{address}-{port}" if port else f"rs-{address}"
        server = DraftServer(name, virtual.section, address_of(address), Note(statement.place, statement.text))
        timing, host, weight = virtual.timing, virtual.host, 1
        found = []
        for each in statement.inside:
            changed = timing.take(each)
            if changed is not None:
                timing = changed
            elif each.keyword == "weight" and (given := number(each.value)) is not None:
                weight = given
            elif each.keyword == "virtualhost" and fits("host", each.value):
                host = each.value
            elif each.keyword in CHECKERS:
                found.append(each)
            else:
                server.notes += each.notes()
        checks = self._checks(server, found, timing, host, port)
        if checks:
            server.healthcheck, server.further = checks[0], tuple(checks[1:])
        self._draft.add_server(server)
        virtual.servers.append((server, weight, port))

    def _checks(
        self, server: DraftServer, found: list[KeepalivedStatement], timing: Timing, host: str | None, port: int | None
    ) -> list[Healthcheck]:
        """Return the healthchecks for the checkers that have an equivalent: all of them have to be up."""
        chosen: list[Healthcheck] = []
        for each in found:
            check, notes = healthcheck_of(each, timing, host, port or None, self._client)
            if check is None:
                server.notes += notes
            elif len(chosen) == MOST_CHECKS and check not in chosen:
                text = f"at most {MOST_CHECKS} healthchecks per server, ignored: {each.keyword}"
                server.notes += [Note(each.place, text), *each.notes()]
            else:
                self._draft.check_notes.setdefault(check, {}).update(dict.fromkeys(notes))
                chosen += [check] if check not in chosen else []
        if not chosen:
            server.notes.append(Note(server.origin.place, "not probed and therefore always up"))
        return chosen

    # The frontend

    def _vip(self, key: VirtualServerKey, virtual: _Virtual) -> DraftVip:
        is_whole = key.port == 0 and key.address is not None
        notes = list(virtual.notes)
        if key.address is None:
            notes.append(Note(key.origin.place, "address missing: set the one that clients connect to"))
        if key.port is None:
            notes.append(Note(key.origin.place, "port missing: set the one that clients connect to"))
        other = next((each for each in virtual.servers if each[2] and each[2] != key.port), None)
        if other is not None and key.port:
            text = f"the port of {other[0].name} is {other[2]}; VPP does not change port {key.port}"
            notes.append(Note(other[0].origin.place, text))
        if virtual.is_sticky:
            notes.append(Note(key.origin.place, "all flows of a source address go to the same backend (src-ip-sticky)"))
        return DraftVip(
            virtual.section,
            key.address,
            key.origin,
            None if is_whole else virtual.transport,
            key.port,
            list(_tiers(virtual)),
            src_ip_sticky=virtual.is_sticky,
            flush_on_down=not virtual.inhibiting,
            notes=notes,
        )


def _take(virtual: _Virtual, statement: KeepalivedStatement) -> bool:
    """Take a statement about the virtual server as a whole; return whether there is an equivalent."""
    keyword, value = statement.keyword, statement.value
    timing = virtual.timing.take(statement)
    if timing is not None:
        virtual.timing = timing
    elif keyword == "protocol":
        virtual.transport = {"TCP": Transport.TCP, "UDP": Transport.UDP}.get(value.upper())
    elif keyword == "virtualhost" and fits("host", value):
        virtual.host = value
    elif keyword == "persistence_timeout" or (keyword in {"lb_algo", "lvs_sched"} and value == "sh"):
        virtual.is_sticky = True
    elif keyword == "inhibit_on_failure":
        virtual.inhibiting = value.lower() not in {"false", "off", "no"}
    else:
        return False
    return True


def _addresses(text: str) -> list[str]:
    """Return the addresses of a range such as ``192.0.2.1-5``; none for one that is too large."""
    match = _RANGE.fullmatch(text)
    if match is None:
        return [text]
    base = 16 if ":" in text else 10
    try:
        first, last = int(match[2], base), int(match[3], base)
    except ValueError:
        return [text]
    if not 0 <= last - first < MOST_ADDRESSES:
        return []
    return [f"{match[1]}{each:{'x' if base == 16 else 'd'}}" for each in range(first, last + 1)]


def _tiers(virtual: _Virtual) -> Iterator[Tier]:
    most = max((weight for _, weight, _ in virtual.servers), default=0)
    members = []
    for server, weight, _ in virtual.servers:
        notes = (
            []
            if most <= 1
            else [Note(server.origin.place, f"weight scaled from {weight} (the largest in this pool is {most})")]
        )
        members.append(Member(server, scaled(weight, most), notes))
    yield Tier("primary", members)
    if virtual.sorry is not None:
        yield Tier("sorry", [Member(virtual.sorry, 100)])
