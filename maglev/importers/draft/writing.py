"""Writes what was imported as a configuration file, with a comment for all that could not be kept."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Final

from maglev.config.durations import spell
from maglev.config.probekinds import spell_bytes, step_map
from maglev.importers.draft.fitting import shown
from maglev.model.check_params import HttpMethod, Preset

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from maglev.importers.draft.fitting import Fitted
    from maglev.importers.draft.model import DraftServer, DraftVip, Note
    from maglev.model.config import Healthcheck, HttpParams, TlsParams

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


def quoted(text: str) -> str:
    """Return text as a YAML scalar in double quotes, in ASCII."""
    made = []
    for char in text:
        code = ord(char)
        if char in '"\\':
            made.append("\\" + char)
        elif 0x20 <= code < 0x7F:
            made.append(char)
        else:
            made.append(f"\\x{code:02x}" if code < 0x100 else f"\\U{code:08x}")
    return '"' + "".join(made) + '"'


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
    lines += comment(_WEIGHTS, 6)
    lines += ["      weights: least-moving", "      new-flows-table-length: auto"]
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


def _key(name: str) -> str:
    """Return a name as a key: in quotes, so that none is taken for a number or a truth value."""
    return name if name[0].isalpha() and name.lower() not in _WORDS else f'"{name}"'


_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def _address(address: str | None) -> str:
    """Return an address as a value; one of IPv6 in quotes, as it may end with a colon."""
    if address is None:
        return BLANK
    return f'"{address}"' if ":" in address else address


def _healthcheck(name: str, healthcheck: Healthcheck, notes: Mapping[Healthcheck, Iterable[Note]]) -> Iterator[str]:
    yield from _notes(notes.get(healthcheck, ()), 4)
    yield f"    {_key(name)}:"
    yield f"      type: {healthcheck.type}"
    if healthcheck.l4_port is not None:
        yield f"      port: {healthcheck.l4_port}"
    for key in ("interval", "fast_interval", "down_interval", "timeout"):
        seconds = getattr(healthcheck, key)
        if key in {"interval", "timeout"} or seconds != healthcheck.interval:
            yield f"      {key.replace('_', '-')}: {spell(seconds)}"
    yield f"      rise: {healthcheck.rise}"
    yield f"      fall: {healthcheck.fall}"
    for key in ("probe_ipv4_src", "probe_ipv6_src"):
        if getattr(healthcheck, key) is not None:
            yield f"      {key.replace('_', '-')}: {_address(getattr(healthcheck, key))}"
    params = _params(healthcheck)
    if params:
        yield "      params:"
        for key, value in params.items():
            yield f"        {key}: {value}"


def _params(healthcheck: Healthcheck) -> dict[str, Any]:
    params: dict[str, Any] = {} if healthcheck.http is None else _http_params(healthcheck.http)
    params |= _talk_params(healthcheck)
    tls = healthcheck.tls
    if tls is not None:
        if healthcheck.http is None:
            params["ssl"] = "true"
        if tls.server_name is not None:
            params["server-name"] = quoted(tls.server_name)
        if not tls.verify:
            params["insecure-skip-verify"] = "true"
        params |= _tls_files(tls)
    return params


def _talk_params(healthcheck: Healthcheck) -> dict[str, str]:
    talk, udp, dns = healthcheck.talk, healthcheck.udp, healthcheck.dns
    if dns is not None:
        return {"name": quoted(dns.name), "record-type": str(dns.record_type)}
    if udp is not None:
        payload = {"send-hex": quoted(udp.payload.hex())} if udp.payload else {}
        answer = None if udp.expect is None else udp.expect.text
        return payload | ({} if answer is None else {"expect-hex": quoted(answer.hex())})
    if talk is None:
        return {}
    if talk.preset is None:
        steps = (", ".join(f"{key}: {quoted(value)}" for key, value in step_map(step).items()) for step in talk.steps)
        return {"steps": f"[{', '.join(f'{{{step}}}' for step in steps)}]"}
    user = {"user": quoted(talk.user)} if talk.preset in {Preset.MYSQL, Preset.POSTGRESQL} else {}
    return {"preset": str(talk.preset)} | user


def _tls_files(tls: TlsParams) -> dict[str, str]:
    params = {} if tls.curves is None else {"curves": quoted(tls.curves)}
    files = {"ca-file": tls.ca_file, "client-certificate": tls.client_certificate, "client-key": tls.client_key}
    return params | {key: quoted(file.path) for key, file in files.items() if file is not None}


def _http_params(http: HttpParams) -> dict[str, Any]:
    params: dict[str, Any] = {} if http.method is HttpMethod.GET else {"method": str(http.method)}
    params["path"] = quoted(http.path)
    if http.body:
        params["body"] = quoted(spell_bytes(http.body))
    if http.host is not None:
        params["host"] = quoted(http.host)
    codes = [str(low) if low == high else f"{low}-{high}" for low, high in http.response_codes]
    params["response-code"] = codes[0] if len(codes) == 1 else f"[{', '.join(codes)}]"
    if http.response_regexp is not None:
        params["response-regexp"] = quoted(http.response_regexp)
    if http.response_regexp_not is not None:
        params["response-regexp-not"] = quoted(http.response_regexp_not)
    if http.http2:
        params["http2"] = "true"
    if http.disable_on_404:
        params["disable-on-404"] = "true"
    pairs = {"headers": http.headers, "expect-header-regexp": http.expect_header_regexp}
    return params | {
        key: f"{{{', '.join(f'{quoted(name)}: {quoted(value)}' for name, value in lines)}}}"
        for key, lines in pairs.items()
        if lines
    }


def _backend(name: str, server: DraftServer, fitted: Fitted) -> Iterator[str]:
    yield from _notes([server.origin, *server.notes], 4)
    yield f"    {_key(name)}:"
    if server.dns_name:
        yield f"      dns-name: {quoted(server.dns_name)}"
        if server.dns_family == 6:
            yield "      dns-family: ipv6"
        yield f"      dns-max: {server.dns_max}"
    else:
        yield f"      address: {_address(server.address)}"
    checks = [_key(fitted.check_names[each]) for each in server.healthchecks]
    if checks:
        listed = ", ".join(checks)
        yield f"      healthcheck: {listed if len(checks) == 1 else f'[{listed}]'}"
    if not server.enabled:
        yield "      enabled: false"


def _frontend(name: str, vip: DraftVip, fitted: Fitted, *, first: bool) -> Iterator[str]:
    yield from _notes([vip.origin, *vip.notes], 4)
    yield f"    {_key(name)}:"
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
        yield f"        - name: {_key(tier.name)}"
        yield "          backends:"
        for member in tier.members:
            yield from _notes(member.notes, 12)
            yield f"            {_key(fitted.names[member.server])}: {{weight: {member.weight}}}"
