"""The schema of ``announce``: which addresses are announced, when, and how others are told (see `maglev.config.keys`).

Its rules for several keys, and what is built of it, are here as well: nothing else of the file depends on them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maglev.config.healthcheck_keys import DAY, PATH
from maglev.config.kinds import Boolean, Duration, Integer, OneOf
from maglev.config.netkinds import Address, ProgramArguments
from maglev.config.reader import BROKEN, Record
from maglev.config.schema import ConfigKey, ConfigSection, Listing, NamedSections, Part
from maglev.model.announce import (
    DEFAULT_CONTROL_SOCKET,
    AnnounceConfig,
    AnnouncePolicy,
    BirdConfig,
    HookConfig,
    HookEvents,
    Needed,
)

if TYPE_CHECKING:
    from maglev.config.findings import Findings

_ADDRESS: Final = ConfigSection(
    "announced address",
    (
        ConfigKey("address", Address(), "The address; at least one frontend must have it.", required=True),
        ConfigKey(
            "frontends",
            OneOf(Needed),
            "Whether any or all of its frontends must serve.",
            notes="``all`` withdraws the address from every port as soon as one of them does not serve.",
            default=Needed.ANY,
        ),
        ConfigKey(
            "min-up",
            Integer(1, 10_000),
            "Number of backends in service that a frontend needs to count as serving.",
            default=1,
            unit="backends",
        ),
        ConfigKey(
            "after",
            Duration(0.0, DAY),
            "How long it must have served without a break before it is announced.",
            notes="Withdrawing never waits.",
            default=0.0,
        ),
        ConfigKey(
            "when-held",
            Boolean(),
            "Whether it stays announced while only the guard keeps backends in service.",
            notes="``no`` lets another site take over; ``yes`` suits an address that only this site has. Neither "
            "announces what is withdrawn.",
            default=True,
        ),
    ),
)

_BIRD: Final = ConfigSection(
    "bird",
    (
        ConfigKey(
            "include-file",
            PATH,
            "The file that maglevd writes, and that the configuration of BIRD includes.",
            notes="Put it where a restart of the machine forgets it, such as ``/run``: see :doc:`announce`.",
            default_text="BIRD is not used",
        ),
        ConfigKey(
            "control-socket",
            PATH,
            "Where BIRD listens for commands.",
            notes="The user of maglevd must be in the group that may write to it.",
            default=DEFAULT_CONTROL_SOCKET,
        ),
        ConfigKey(
            "reassert-interval",
            Duration(1.0, 3600.0),
            "How often maglevd looks whether BIRD has what it was told, and mends it.",
            default=5.0,
        ),
    ),
)

_HOOK: Final = ConfigSection(
    "hook",
    (
        ConfigKey(
            "command",
            ProgramArguments(64, 1024),
            "A program to start; its standard input is the stream.",
            notes="It runs in a process group of its own and is started again when it ends. No shell is involved.",
            default_text="none; either this or a socket",
        ),
        ConfigKey(
            "socket",
            PATH,
            "A UNIX socket to listen on; everyone who connects is sent the stream.",
            notes="Its mode is 0660.",
            default_text="none; either this or a command",
        ),
        ConfigKey(
            "events",
            OneOf(HookEvents),
            "What is sent: announcements only, those of frontends too, or of backends as well.",
            default=HookEvents.ANNOUNCEMENTS,
        ),
    ),
)

ANNOUNCE: Final = ConfigSection(
    "announce",
    (
        Listing("addresses", _ADDRESS, "The addresses to announce.", needed=False),
        ConfigKey(
            "vpp-lost-delay",
            Duration(0.0, DAY),
            "How long an address stays announced while VPP is gone, or does not have its weights.",
            notes="A restart of VPP that is shorter than this changes nothing.",
            default=10.0,
        ),
        Part("bird", _BIRD, "How BIRD is told."),
        NamedSections("hooks", _HOOK, "Other programs that are told."),
    ),
    notes=(
        "Nothing is announced before VPP has acknowledged the first sync. A stop of maglevd changes nothing; see "
        ":doc:`announce`."
    ),
)


def check_announce(maglev: Record, findings: Findings) -> None:
    """Check the addresses, and that somebody is told."""
    announce = maglev["announce"]
    if announce is BROKEN:
        return
    _check_addresses(maglev, announce, findings)
    for _, hook in announce.records("hooks"):
        if hook.sound("command", "socket") and (hook["command"] is None) is (hook["socket"] is None):
            findings.semantic(hook.path, "expected either a command or a socket", hook.place)
    bird = announce["bird"]
    if findings.valid and announce["addresses"] and not (bird["include-file"] or announce.table("hooks")):
        text = "nobody is told: set maglev.announce.bird.include-file, or a hook"
        findings.warning(f"{announce.path}.addresses", text, announce.place_of("addresses"))


def _check_addresses(maglev: Record, announce: Record, findings: Findings) -> None:
    if not announce.sound("addresses"):
        return
    sound = [each for each in announce["addresses"] or () if each is not BROKEN and each.sound("address")]
    known = {record["address"] for _, record in maglev.records("frontends") if record.sound("address")}
    certain = maglev.sound("frontends") and all(
        record is not BROKEN and record.sound("address") for record in maglev.table("frontends").values()
    )
    first: dict[str, Record] = {}
    for each in sound:
        same = first.setdefault(each["address"], each)
        if same is not each:
            text = f"is the same address as {same.path} ({findings.where(same.place_of('address').line)})"
            findings.semantic(f"{each.path}.address", text, each.place_of("address"))
        elif certain and each["address"] not in known:
            text = f"no frontend has the address {each['address']}"
            findings.semantic(f"{each.path}.address", text, each.place_of("address"))


def build_announce(announce: Record) -> AnnounceConfig:
    """Return what a section without errors says."""
    bird = announce["bird"]
    return AnnounceConfig(
        announce["vpp-lost-delay"],
        {each["address"]: _policy(each) for each in announce["addresses"] or ()},
        None
        if bird["include-file"] is None
        else BirdConfig(bird["include-file"], bird["control-socket"], bird["reassert-interval"]),
        {
            name: HookConfig(name, hook["command"] or (), hook["socket"] or "", hook["events"])
            for name, hook in announce.records("hooks")
        },
    )


def _policy(record: Record) -> AnnouncePolicy:
    return AnnouncePolicy(
        record["address"], record["frontends"], record["min-up"], record["after"], record["when-held"]
    )
