"""The keys of backends by DNS name, the section of the resolver, and the rules for both."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from maglev.config import durations
from maglev.config.healthcheck_keys import DAY
from maglev.config.kinds import Duration, Integer, OneOf
from maglev.config.namekinds import DnsName, IpVersion, Nameservers
from maglev.config.reader import BROKEN
from maglev.config.schema import ConfigKey, ConfigSection
from maglev.model.names import DEFAULT_ADDRESSES, MAX_ADDRESSES, MAX_ALL_ADDRESSES, NamedBackends, ResolverConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maglev.config.findings import Findings
    from maglev.config.reader import Broken, Record

LONGEST_NAME: Final = 58
"""Characters of the name of such backends, so that each of them has a valid name, with a number of four digits."""

NAMED: Final = (
    ConfigKey(
        "dns-name",
        DnsName(),
        "A DNS name instead of an address: each address that it resolves to is a backend.",
        notes="They are named ``<name>-1``, ``<name>-2`` and so on; pools name them all by ``<name>``. See "
        ":doc:`names`.",
        default_text="none",
    ),
    ConfigKey(
        "dns-family",
        OneOf(IpVersion),
        "Which addresses are asked for.",
        notes="With ``dns-name``; all backends of a frontend are of one family.",
        default=IpVersion.IPV4,
    ),
    ConfigKey(
        "dns-max",
        Integer(1, MAX_ADDRESSES),
        "How many of its addresses are used at most.",
        notes="With ``dns-name``.",
        default=DEFAULT_ADDRESSES,
        unit="backends",
    ),
)
"""The keys of a backend."""

RESOLVER: Final = ConfigSection(
    "resolver",
    (
        ConfigKey(
            "nameservers",
            Nameservers(8),
            "Who is asked, one after the other until one answers.",
            notes="Addresses, with a port if it is not 53: ``[192.0.2.53, '[2001:db8::53]:5353']``.",
            default_text="those of /etc/resolv.conf",
        ),
        ConfigKey("timeout", Duration(0.1, 30.0), "How long a nameserver has for its answer.", default=2.0),
        ConfigKey(
            "min-ttl",
            Duration(1.0, DAY),
            "How long an answer holds at least, whatever its TTL is.",
            notes="It is also the first pause after a failure.",
            default=5.0,
        ),
        ConfigKey("max-ttl", Duration(1.0, DAY), "How long an answer holds at most.", default=3600.0),
        ConfigKey(
            "missing-answers",
            Integer(1, 1000),
            "How many answers in a row must lack an address before its backend leaves.",
            notes="More than one, as some nameservers give only some of the addresses each time.",
            default=3,
            unit="answers",
        ),
    ),
    notes=(
        "Names are looked up as they are: search domains and ``/etc/hosts`` are not used. A failure removes nothing, "
        "see :doc:`names`."
    ),
)


def is_named(record: Record) -> bool:
    """Return whether a backend has a DNS name."""
    return record["dns-name"] is not BROKEN and record["dns-name"] is not None


def check_names(maglev: Record, findings: Findings) -> None:
    """Check the keys of backends by name, that their names are free, and that they are not too many."""
    _check_ttls(maglev["resolver"], findings)
    names = []
    for name, record in maglev.records("backends"):
        if record.entries.keys() & {"dns-name", "dns-family", "dns-max"} and _check_keys(name, record, findings):
            names.append(name)
    table = dict(maglev.records("backends"))
    _check_sum([table[name] for name in names], findings)
    if names:
        _check_taken(names, maglev, findings)
        _check_canary(names, maglev, findings)


def _check_keys(name: str, record: Record, findings: Findings) -> bool:
    """Return whether a backend has a DNS name, and its keys fit together."""
    if not is_named(record):
        for key in record.entries.keys() & {"dns-family", "dns-max"} if record.sound("dns-name") else ():
            findings.semantic(f"{record.path}.{key}", "needs dns-name", record.place_of(key))
        return False
    if record["address"] is not None and "address" in record.entries:
        findings.semantic(f"{record.path}.dns-name", "has an address, too: expected one of them", record.place)
        return False
    if len(name) > LONGEST_NAME:
        text = f"must have at most {LONGEST_NAME} characters, as its backends are {name}-1 and so on"
        findings.semantic(record.path, text, record.place)
    return True


def _check_ttls(resolver: Record | Broken, findings: Findings) -> None:
    names = ("min-ttl", "max-ttl")
    if resolver is BROKEN or not resolver.sound(*names) or resolver["min-ttl"] <= resolver["max-ttl"]:
        return
    name = names[0] if names[0] in resolver.entries else names[1]
    least, most = (durations.spell(resolver[each]) for each in names)
    text = f"min-ttl ({least}) is longer than max-ttl ({most})"
    findings.semantic(f"{resolver.path}.{name}", text, resolver.place_of(name))


def _check_sum(records: list[Record], findings: Findings) -> None:
    total = 0
    for record in records:
        total += record["dns-max"] if record.sound("dns-max") else 0
        if total > MAX_ALL_ADDRESSES:
            text = f"the names up to this one may stand for {total} backends: expected {MAX_ALL_ADDRESSES} at most"
            findings.semantic(f"{record.path}.dns-max", text, record.place_of("dns-max"))
            return


def _check_taken(names: list[str], maglev: Record, findings: Findings) -> None:
    """Check that no other backend is named like one that a name may stand for."""
    known = set(names)
    for name, record in maglev.records("backends"):
        stem = re.fullmatch(r"(.+)-[0-9]{1,4}", name)
        if stem is not None and stem[1] in known:
            text = f"is what a backend of {stem[1]} may be named, which has a dns-name: expected another name"
            findings.semantic(record.path, text, record.place)


def _check_canary(names: list[str], maglev: Record, findings: Findings) -> None:
    checker = maglev["healthchecker"]
    blindness = BROKEN if checker is BROKEN else checker["blindness"]
    if blindness is not BROKEN and blindness["canary"] in names:
        text = "has a dns-name: expected a backend with an address"
        findings.semantic(f"{blindness.path}.canary", text, blindness.place_of("canary"))


def build_names(maglev: Record) -> Iterator[NamedBackends]:
    """Yield the backends by name of a file without errors."""
    for name, record in maglev.records("backends"):
        if is_named(record):
            yield NamedBackends(
                name,
                record["dns-name"],
                record["dns-family"].number,
                record["dns-max"],
                record["healthcheck"],
                record["enabled"],
                record["agent-check"],
            )


def build_resolver(record: Record) -> ResolverConfig:
    """Return the section of the resolver of a file without errors."""
    return ResolverConfig(
        record["nameservers"] or (),
        record["timeout"],
        record["min-ttl"],
        record["max-ttl"],
        record["missing-answers"],
    )
