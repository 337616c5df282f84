"""Which addresses the backends of DNS names have, and under which numbers. No I/O and no clock.

Theory of operation. A name has numbers, each with an address, from its first good answer on. An address keeps its
number while it stays. A new one takes the lowest number that is free and was free before this answer, as long as there
are fewer than ``most``: so the backend of a number never changes its address in one step, and what an operator has
ordered for it never passes to another server. Of several new addresses, the lowest come first.

An address that a good answer lacks stays: it leaves when so many good answers in a row lack it (`missing_answers`), as
nameservers that rotate their answers leave some out each time. A backend that an operator has ordered out of service
stays for as long as the order does. A failed lookup, an empty answer, and one of which no address can be used change
nothing at all.

What the rules forbid (`maglev.config.expansion.AddressRules`) gets no number; if a new configuration forbids an address
that has one, it loses it at once.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final

import attrs

from maglev.config.expansion import AddressRules
from maglev.model.addresses import pack
from maglev.model.names import backend_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from maglev.model.config import Config
    from maglev.model.names import NamedBackends
    from maglev.resolver.record import Remembered

MOST_REFUSED: Final = 16
"""Refused addresses of an answer that are listed: a hostile one has hundreds."""


@attrs.frozen
class AnswerOutcome:
    """What an answer has changed about a name.

    Attributes:
        added: Names of backends with the addresses that are new, as ``www-1 192.0.2.1``.
        left: The same of those that left.
        refused: Addresses that can't be used, each with the reason; at most `MOST_REFUSED`.
        waiting: Addresses that wait for room; at most `MOST_REFUSED`.
        usable: Whether anything in it could be used.
    """

    added: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    usable: bool = True


@attrs.define
class NameEntry:
    """What is known of a name.

    Attributes:
        names: What the file says.
        numbers: Addresses by number; None before the first good answer.
        missing: How many good answers in a row lacked an address, of those that were lacking.
        refused: Of the last good answer, as in `AnswerOutcome`.
        waiting: The same.
    """

    names: NamedBackends
    numbers: dict[int, str] | None = None
    missing: dict[str, int] = attrs.field(factory=dict)
    refused: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()


class NameBook:
    """The names of the configuration in force.

    Attributes:
        entries: What is known of each, by its name in the file.
    """

    def __init__(self, written: Config, remembered: Iterable[Remembered] = ()) -> None:
        """Begin with what is remembered of the last run.

        Args:
            written: The configuration as loaded.
            remembered: The last good answers; those for other names than the configuration has are left out.
        """
        self.entries: dict[str, NameEntry] = {}
        self._written, self._rules = written, AddressRules(written)
        for each in remembered:
            names = written.names.get(each.name)
            if names is not None and (names.dns_name, names.family) == (each.dns_name, each.family):
                self.entries[each.name] = NameEntry(names, dict(each.numbers))
        self.configure(written)

    def numbers(self, written: Config | None = None) -> dict[str, dict[int, str]]:
        """Return the addresses of the names that were ever resolved, by number.

        Args:
            written: Another configuration as loaded: what it would have of them.
        """
        if written is None:
            return {name: each.numbers for name, each in self.entries.items() if each.numbers is not None}
        rules = self._rules if written is self._written else AddressRules(written)
        found = dict[str, dict[int, str]]()
        for name, names in written.names.items():
            entry = self.entries.get(name)
            if entry is None or entry.numbers is None or not _same(entry.names, names):
                continue
            kept = found[name] = dict[int, str]()
            for number, address in sorted(entry.numbers.items()):
                if len(kept) < names.most and not rules.why_not(name, address, found):
                    kept[number] = address
        return found

    def configure(self, written: Config) -> None:
        """Take another configuration: forget other names, and addresses that it does not allow."""
        numbers, entries = self.numbers(written), dict[str, NameEntry]()
        for name, names in written.names.items():
            entry = self.entries.get(name)
            if entry is None or not _same(entry.names, names):
                entry = NameEntry(names)
            entry.names, entry.numbers = names, numbers.get(name)
            entries[name] = entry
        self._written, self._rules, self.entries = written, AddressRules(written), entries

    def answered(self, name: str, addresses: Collection[str], pinned: Collection[str] = ()) -> AnswerOutcome:
        """Take a good answer.

        Args:
            name: The name in the file, which has to be known.
            addresses: What the answer has, in canonical form.
            pinned: Names of backends that stay, whatever it has.
        """
        entry = self.entries[name]
        numbers = self.numbers()
        good, refused = list[str](), list[str]()
        for address in sorted(set(addresses), key=pack):
            why = self._rules.why_not(name, address, numbers)
            if why:
                refused.append(f"{address} {why}")
            else:
                good.append(address)
        if not good:
            return AnswerOutcome(refused=tuple(refused[:MOST_REFUSED]), usable=False)
        before = entry.numbers or {}
        stay = self._staying(entry, frozenset(good), frozenset(pinned))
        new = [address for address in good if address not in stay.values()]
        room = max(entry.names.most - len(stay), 0)
        free = (number for number in count(1) if number not in before)
        entry.numbers = stay | dict(zip(free, new[:room], strict=False))
        entry.refused, entry.waiting = tuple(refused[:MOST_REFUSED]), tuple(new[room:][:MOST_REFUSED])
        return AnswerOutcome(
            _told(name, {number: each for number, each in entry.numbers.items() if number not in before}),
            _told(name, {number: each for number, each in before.items() if number not in stay}),
            entry.refused,
            entry.waiting,
        )

    def _staying(self, entry: NameEntry, good: frozenset[str], pinned: frozenset[str]) -> dict[int, str]:
        """Return what keeps its number, and count what the answer lacks."""
        stay, missing = dict[int, str](), dict[str, int]()
        for number, address in (entry.numbers or {}).items():
            if address not in good:
                lacking = min(entry.missing.get(address, 0) + 1, self._written.resolver.missing_answers)
                is_pinned = backend_name(entry.names.name, number) in pinned
                if lacking >= self._written.resolver.missing_answers and not is_pinned:
                    continue
                missing[address] = lacking
            stay[number] = address
        entry.missing = missing
        return stay


def _same(old: NamedBackends, new: NamedBackends) -> bool:
    return (old.dns_name, old.family) == (new.dns_name, new.family)


def _told(name: str, numbers: Mapping[int, str]) -> tuple[str, ...]:
    return tuple(f"{backend_name(name, number)} {address}" for number, address in numbers.items())
