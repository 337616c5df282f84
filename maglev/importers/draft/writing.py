"""Writes what was imported as a configuration file, with a comment for all that could not be kept."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

import attrs

from maglev.config.writing import healthcheck_lines
from maglev.config.yaml_lines import address_text, key_text, quoted
from maglev.importers.draft.fitting import shown
from maglev.model.config import WeightScale

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from maglev.importers.draft.fitting import Fitted
    from maglev.importers.draft.model import DraftServer, DraftVip, Note
    from maglev.model.config import Healthcheck

BLANK: Final = "FILL-IN"
"""Stands for a value that could not be taken from the file. It is neither an address nor a number, so the file is not
valid until it has been replaced."""

WIDTH: Final = 110
"""Maximum length of a line of comment, without its indentation."""

_ADDRESSES: Final = """\
VPP sends packets to the backends in a GRE tunnel, from these addresses of its own. {program} has no equivalent:
these are PLACEHOLDERS from the documentation ranges. Replace both."""

_WEIGHTS: Final = """\
Tell VPP the weights as the smallest integers of the same proportions, in a table in which the shares are within 1 %."""

_WEIGHTS_OF_AGENTS: Final = """\
Tell VPP the weights as they are: agents lower them by percentages, which smaller integers could not say."""

_WHEN_NONE: Final = """\
What to do when nothing is in service: "down" stops serving; "hold" goes on with what is down, for the checks may be
wrong. Choose for each frontend."""

_HEAD: Final = """\
Written by maglevd from the configuration of {program} in {name}.

It is a starting point, not a translation. VPP sends whole packets on to the backends, in a GRE tunnel, and changes
neither addresses nor ports. So each backend must accept packets for the address of the frontend (which it has on a
loopback device, say), must answer on the port of the frontend, and sends its answers to the client and not through VPP.
What depends on the content (HTTP rules, cookies, TLS at the balancer) is not possible.

Comments say what could not be kept, with the line of {name}; what belongs nowhere is at the end. Values to fill in are
written {blank}, and maglevd --check refuses this file until that has been done."""


def comment(text: str, indent: int = 0) -> Iterator[str]:
    """Yield the lines of a comment."""
    blanks = " " * indent
    paragraphs = text.split("\n\n")
    for paragraph in paragraphs:
        for line in textwrap.wrap(paragraph, WIDTH):
            yield f"{blanks}# {line}"
        if paragraph is not paragraphs[-1]:
            yield f"{blanks}#"


def written(fitted: Fitted, notes: Mapping[Healthcheck, Iterable[Note]], program: str, name: str) -> str:
    """Return the text of the file.

    Args:
        fitted: What is to be written.
        notes: What could not be kept of the ways to probe.
        program: The other program.
        name: Of its file.
    """
    lines = list(comment(_HEAD.format(program=program, name=shown(name), blank=BLANK)))
    lines += ["", "maglev:", "  vpp:", "    lb:"]
    lines += comment(_ADDRESSES.format(program=program), 6)
    lines += ["      ipv4-src-address: 192.0.2.254", "      ipv6-src-address: 2001:db8::fe"]
    agents = any(server.agent is not None for server in fitted.backends.values())
    lines += comment(_WEIGHTS_OF_AGENTS if agents else _WEIGHTS, 6)
    weights = WeightScale.AS_WRITTEN if agents else WeightScale.LEAST_MOVING
    lines += [f"      weights: {weights}", "      new-flows-table-length: auto"]
    lines += _table("healthchecks", (_healthcheck(*each, notes) for each in fitted.healthchecks.items()))
    lines += _table("backends", (_backend(*each, fitted) for each in fitted.backends.items()))
    frontends = enumerate(fitted.frontends.items())
    lines += _table("frontends", (_frontend(*each, fitted, first=not index) for index, each in frontends))
    lines += _leftovers(fitted.leftovers)
    return "\n".join([*lines, ""])


def _table(name: str, entries: Iterable[Iterator[str]]) -> Iterator[str]:
    yield ""
    yield f"  {name}:"
    for entry in entries:
        yield from entry


def _notes(notes: Iterable[Note], indent: int) -> Iterator[str]:
    for note in dict.fromkeys(notes):
        yield from comment(f"{note.place}: {shown(note.text)}", indent)


def _leftovers(notes: list[Note]) -> Iterator[str]:
    if notes:
        yield ""
        yield "# Without an equivalent:"
        for note in sorted(notes, key=_order):
            yield from comment(f"  {note.place}: {shown(note.text)}")


def _order(note: Note) -> tuple[str, int]:
    """Return the sort key of a note: the order of the file, then that of included files."""
    file, _, number = note.place.rpartition("line ")
    return file, int(number)


def _address(address: str | None) -> str:
    """Return an address as a value, if it is known."""
    if address is None:
        return BLANK
    return address_text(address)


def _healthcheck(name: str, healthcheck: Healthcheck, notes: Mapping[Healthcheck, Iterable[Note]]) -> Iterator[str]:
    yield from _notes(notes.get(healthcheck, ()), 4)
    yield from healthcheck_lines(attrs.evolve(healthcheck, name=name), secrets=True)


def _backend(name: str, server: DraftServer, fitted: Fitted) -> Iterator[str]:
    yield from _notes([server.origin, *server.notes], 4)
    yield f"    {key_text(name)}:"
    if server.dns_name:
        yield f"      dns-name: {quoted(server.dns_name)}"
        if server.dns_family == 6:
            yield "      dns-family: ipv6"
        yield f"      dns-max: {server.dns_max}"
    else:
        yield f"      address: {_address(server.address)}"
    checks = [key_text(fitted.check_names[each]) for each in server.healthchecks]
    if checks:
        listed = ", ".join(checks)
        yield f"      healthcheck: {listed if len(checks) == 1 else f'[{listed}]'}"
    if server.agent is not None:
        yield f"      agent-check: {key_text(fitted.check_names[server.agent])}"
    if not server.enabled:
        yield "      enabled: false"


def _frontend(name: str, vip: DraftVip, fitted: Fitted, *, first: bool) -> Iterator[str]:
    yield from _notes([vip.origin, *vip.notes], 4)
    yield f"    {key_text(name)}:"
    if vip.description:
        yield f"      description: {quoted(vip.description)}"
    yield f"      address: {_address(vip.address)}"
    if vip.transport is not None:
        yield f"      protocol: {vip.transport}"
        yield f"      port: {vip.l4_port or BLANK}"
    if vip.src_ip_sticky:
        yield "      src-ip-sticky: true"
    if not vip.flush_on_down:
        yield "      flush-on-down: false"
    if first:
        yield from comment(_WHEN_NONE, 6)
    yield "      when-none-eligible: down"
    yield "      pools:"
    for tier in vip.tiers:
        yield f"        - name: {key_text(tier.name)}"
        yield "          backends:"
        for member in tier.members:
            yield from _notes(member.notes, 12)
            yield f"            {key_text(fitted.names[member.server])}: {{weight: {member.weight}}}"
