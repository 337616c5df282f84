"""What a section of HAProxy's configuration says, together with its defaults: line by line, the last one wins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from maglev.importers.draft.model import Note, words_in
from maglev.importers.haproxy.address import seconds
from maglev.importers.haproxy.rules import CheckRules
from maglev.importers.haproxy.server import ServerOptions
from maglev.importers.haproxy.talk import PRESETS, preset_of
from maglev.model.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from maglev.importers.haproxy.sections import ConfigLine, HaproxySection

_OTHER_CHECKS: Final = words_in("external-check ldap-check lb-agent-chk spop-check")
"""Checks with a protocol of their own, which become a plain connection."""


@attrs.define(eq=False)
class Proxy:
    """One section.

    Attributes:
        defaults: Words of ``default-server``.
        target: The backend that all goes to by default; None if there is none.
        choices: Lines that choose a backend by the content of a request.
        leftovers: Lines without an equivalent.
    """

    section: HaproxySection
    rules: CheckRules = attrs.field(factory=CheckRules)
    defaults: list[str] = attrs.field(factory=list)
    is_sticky: bool = False
    uses_all_backups: bool = False
    is_disabled: bool = False
    description: str = ""
    target: str | None = None
    binds: list[ConfigLine] = attrs.field(factory=list)
    servers: list[ConfigLine] = attrs.field(factory=list)
    choices: list[ConfigLine] = attrs.field(factory=list)
    leftovers: list[Note] = attrs.field(factory=list)

    def take_all(self) -> Proxy:
        """Read all lines of the section."""
        for line in self.section.lines:
            taker = _TAKERS.get(line.words[0])
            if taker is None or not taker(self, line):
                self.leftovers.append(line.note)
        return self

    def successor(self, section: HaproxySection) -> Proxy:
        """Return a proxy for which this one is the defaults."""
        return Proxy(
            section,
            self.rules.copy(),
            list(self.defaults),
            self.is_sticky,
            self.uses_all_backups,
            self.is_disabled,
            target=self.target,
        )


def _take_time(proxy: Proxy, line: ConfigLine) -> bool:
    time = seconds(line.words[2]) if len(line.words) > 2 else None
    if time is None or line.words[1] not in {"check", "connect"}:
        return False
    if line.words[1] == "check":
        proxy.rules.check_timeout = time
    else:
        proxy.rules.connect_timeout = time
    return True


def _take_option(proxy: Proxy, line: ConfigLine) -> bool:
    option = line.words[1] if len(line.words) > 1 else ""
    if option == "httpchk":
        proxy.rules.request(line.words[2:], line.place)
    elif option in {"tcp-check", "ssl-hello-chk"}:
        proxy.rules.option = option
    elif option in PRESETS:
        proxy.rules.option = option
        proxy.rules.preset, different = preset_of(option, line.words[2:])
        if different:
            proxy.rules.notes.append(Note(line.place, f"{different}: {line.text.strip()}"))
    elif option in _OTHER_CHECKS:
        proxy.rules.option = ""
        proxy.rules.notes.append(Note(line.place, f"only the TCP connection is checked: {line.text.strip()}"))
    elif option == "allbackups":
        proxy.uses_all_backups = True
    else:
        return False
    return True


def _take_no(proxy: Proxy, line: ConfigLine) -> bool:
    if line.words[1:2] != ("option",) or len(line.words) < 3:
        return False
    if line.words[2] == proxy.rules.option:
        proxy.rules.option = ""
    elif line.words[2] == "allbackups":
        proxy.uses_all_backups = False
    else:
        return False
    return True


def _take_check_rule(proxy: Proxy, line: ConfigLine) -> bool:
    kind, words = line.words[1] if len(line.words) > 1 else "", line.words[2:]
    if kind == "connect":
        proxy.rules.connect(words, line.place)
    elif kind == "send" and line.words[0] == "http-check":
        proxy.rules.send(words, line.place)
    elif kind == "expect" and line.words[0] == "http-check":
        proxy.rules.expect(words, line.place)
    elif line.words == ("http-check", "disable-on-404"):
        proxy.rules.disable_on_404 = True
    elif line.words[0] != "tcp-check" or not proxy.rules.step(kind, words):
        proxy.rules.notes.append(Note(line.place, f"not part of the healthcheck: {line.text.strip()}"))
    return True


def _take_balance(proxy: Proxy, line: ConfigLine) -> bool:
    proxy.is_sticky = line.words[1:2] == ("source",)
    return proxy.is_sticky


def _take_stick(proxy: Proxy, line: ConfigLine) -> bool:
    is_by_source = line.words[1:] == ("on", "src")
    proxy.is_sticky = proxy.is_sticky or is_by_source
    return is_by_source


def _take_target(proxy: Proxy, line: ConfigLine) -> bool:
    proxy.target = line.words[1] if len(line.words) > 1 else None
    return proxy.target is not None


def _take_source(proxy: Proxy, line: ConfigLine) -> bool:
    if len(line.words) != 2:
        return False
    proxy.defaults += line.words
    return True


def _take_defaults(proxy: Proxy, line: ConfigLine) -> bool:
    options = ServerOptions()
    options.take(line.words[1:])
    if options.unsupported:
        proxy.leftovers.append(Note(line.place, f"default-server: no equivalent for: {', '.join(options.unsupported)}"))
    proxy.defaults += line.words[1:]
    return True


def _take_description(proxy: Proxy, line: ConfigLine) -> bool:
    proxy.description = printable(" ".join(line.words[1:]))
    return True


def _take_mode(_proxy: Proxy, line: ConfigLine) -> bool:
    return line.words[1:] in {("tcp",), ("http",)}


def _take_disabled(proxy: Proxy, line: ConfigLine) -> bool:
    proxy.is_disabled = line.words[0] == "disabled"
    return True


def _append_to(field: str) -> Callable[[Proxy, ConfigLine], bool]:
    def take(proxy: Proxy, line: ConfigLine) -> bool:
        getattr(proxy, field).append(line)
        return True

    return take


_TAKERS: Final[dict[str, Callable[[Proxy, ConfigLine], bool]]] = {
    "balance": _take_balance,
    "bind": _append_to("binds"),
    "default-server": _take_defaults,
    "default_backend": _take_target,
    "description": _take_description,
    "disabled": _take_disabled,
    "enabled": _take_disabled,
    "http-check": _take_check_rule,
    "mode": _take_mode,
    "no": _take_no,
    "option": _take_option,
    "server": _append_to("servers"),
    "server-template": _append_to("servers"),
    "source": _take_source,
    "stick": _take_stick,
    "tcp-check": _take_check_rule,
    "timeout": _take_time,
    "use_backend": _append_to("choices"),
}
