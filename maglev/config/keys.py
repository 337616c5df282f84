"""The schema of the file: name, kind, default, limits and meaning of every key, as data.

The reader (`maglev.config.reader`), the reference manual, the man page and the JSON schema all follow this table.
Rules for single keys are here; those for several are in `maglev.config.rules` and `maglev.config.vips`.
"""

from __future__ import annotations

import re
from typing import Final

from maglev.config.announce_keys import ANNOUNCE
from maglev.config.checker_keys import HEALTHCHECKER
from maglev.config.checkkinds import MOST_CHECKS, Healthchecks
from maglev.config.filekinds import PATTERNS
from maglev.config.healthcheck_keys import DAY, HEALTHCHECK
from maglev.config.kinds import Boolean, Duration, Integer, OneOf, Percentage, Reference, TextKind, TextRule
from maglev.config.netkinds import Address
from maglev.config.poolkinds import LeastUp
from maglev.config.resolver_keys import NAMED, RESOLVER
from maglev.config.schema import NAME, ConfigKey, ConfigSection, Listing, NamedSections, Part
from maglev.model.config import (
    DEFAULT_TABLE_LENGTH,
    DEFAULT_TOLERANCE,
    MAX_TABLE_LENGTH,
    MAX_WEIGHT,
    ONE_UP,
    ForeignVips,
    Transport,
    WeightScale,
    WhenNoneEligible,
)

_NO_CONTROL: Final = TextRule(
    re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]*"), "control characters are not allowed"
)
AUTO: Final = "auto"
_TABLE_LENGTH: Final = Integer(1, MAX_TABLE_LENGTH, power_of_two=True, word=AUTO)
_TOLERANCE: Final = Percentage(50)

_LB: Final = ConfigSection(
    "lb",
    (
        ConfigKey("ipv4-src-address", Address(4), "Source of the GRE packets to IPv4 backends.", required=True),
        ConfigKey("ipv6-src-address", Address(6), "Source of the GRE packets to IPv6 backends.", required=True),
        ConfigKey(
            "sync-interval",
            Duration(0.0, DAY, above_zero=True),
            "Period of full syncs: VPP is read back, and every difference is repaired.",
            default=30.0,
        ),
        ConfigKey(
            "sticky-buckets-per-core",
            # A bucket is a cache line of 64 bytes (lbhash.h): at the limit, 1 GiB for each worker of VPP.
            Integer(1, 1 << 24, power_of_two=True),
            "Size of the table of established flows, per VPP worker.",
            notes="A bucket takes 64 bytes.",
            default=65536,
            unit="buckets",
        ),
        ConfigKey(
            "flow-timeout",
            Duration(1.0, 120.0, whole=True),
            "How long a flow without packets keeps its backend.",
            default=40.0,
        ),
        ConfigKey(
            "startup-min-delay",
            Duration(0.0, DAY),
            "Time after its start in which maglevd writes nothing to VPP.",
            notes="Not longer than ``startup-max-delay``; 0s for both turns the warm-up off.",
            default=5.0,
        ),
        ConfigKey(
            "startup-max-delay",
            Duration(0.0, DAY),
            "Longest time after its start that maglevd waits for backends in state unknown.",
            notes="A frontend does not wait once the state of all its backends is known.",
            default=30.0,
        ),
        ConfigKey(
            "removal-max-delay",
            Duration(0.0, DAY),
            "How long a server that left the file may go on serving a VIP in which no other server is proved up.",
            notes="It leaves as soon as a successor serves; ``0s`` removes it at once. A restart begins it again.",
            default=60.0,
        ),
        ConfigKey(
            "removal-drain",
            # VPP forgets flows without packets after 120 s at most, so a drain of minutes would be a decommissioning.
            Duration(0.0, 60.0),
            "How long a server that left the file stays in VPP with weight 0, for connections to end.",
            notes="``0s`` deletes it at once. A server that has no weight in VPP is always deleted at once.",
            default=1.0,
        ),
        ConfigKey(
            "foreign-vips",
            OneOf(ForeignVips),
            "What a full sync does with VIPs that are not in the file.",
            notes="Use ``keep`` if something else programs this VPP, too.",
            default=ForeignVips.REMOVE,
        ),
        ConfigKey(
            "new-flows-table-length",
            _TABLE_LENGTH,
            "Size of the table that spreads new flows, for frontends that do not set their own.",
            notes="``auto`` is the shortest of at least 1024 sure to share them within 1 %, see :doc:`weights`.",
            default=DEFAULT_TABLE_LENGTH,
            unit="buckets",
        ),
        ConfigKey(
            "weights",
            OneOf(WeightScale),
            "How VPP is told the weights, for frontends that do not say it themselves.",
            notes=(
                "``least-moving`` programs the smallest integers of the same proportions: a server that comes or goes "
                "then moves fewer flows of the others, see :doc:`weights`."
            ),
            default=WeightScale.AS_WRITTEN,
        ),
        ConfigKey(
            "weight-tolerance",
            _TOLERANCE,
            "By how much the share of a server may differ from the wanted one.",
            notes="For ``least-moving``; in percent of the share, ``0%`` for not at all.",
            default=DEFAULT_TOLERANCE,
        ),
    ),
    notes=(
        "The first two and the sizes are global settings of VPP's ``lb`` plugin. ``maglevd`` sends them only "
        "when VPP has others."
    ),
)

_BACKEND: Final = ConfigSection(
    "backend",
    (
        ConfigKey(
            "address",
            Address(loopback=(4,), instead="dns-name"),
            "Its IP address; no frontend may have it.",
            required=True,
            instead="dns-name",
        ),
        *NAMED,
        ConfigKey(
            "healthcheck",
            Healthchecks(MOST_CHECKS),
            "The healthcheck that probes it, or several of them.",
            notes="Each must be defined under ``maglev.healthchecks``. Several are written ``[web, gre]`` or "
            "``{checks: [web, gre], require: any}``; ``require`` says how many have to be up: ``all`` (the default), "
            "``any``, or a number.",
            default_text="a static backend: not probed, always up",
        ),
        ConfigKey(
            "agent-check",
            Reference("healthchecks", "healthcheck"),
            "The healthcheck that asks its agent, of type agent.",
            notes="What the agent says can lower what the other healthchecks say, and never raise it; see "
            ":doc:`probes`.",
            default_text="none",
        ),
        ConfigKey(
            "enabled",
            Boolean(),
            "Whether it starts enabled.",
            notes="``false`` starts it in the state ``disabled``.",
            default=True,
        ),
    ),
    notes=(
        "A backend is probed once, however many frontends use it. One that no frontend uses is probed "
        "nevertheless, and is worth a warning."
    ),
)

_MEMBER: Final = ConfigSection(
    "pool backend",
    (
        ConfigKey(
            "weight",
            Integer(0, MAX_WEIGHT),
            "Its share of the new flows, relative to the other backends of the pool.",
            notes="A backend with weight 0 gets none.",
            default=MAX_WEIGHT,
        ),
    ),
    notes="``www1:`` alone stands for a backend with the default weight.",
)

_POOL: Final = ConfigSection(
    "pool",
    (
        ConfigKey("name", TextKind(63, (NAME,), noun="name"), "Its name, unique in the frontend.", required=True),
        ConfigKey(
            "min-up",
            # More than a table of new flows has buckets can't serve.
            LeastUp(MAX_TABLE_LENGTH),
            "What has to be in service: so many backends, or such a part of its weight.",
            notes="Until then, a later pool that has enough serves instead; see :doc:`health`.",
            default=ONE_UP,
            unit="backends",
        ),
        NamedSections("backends", _MEMBER, "The backends in it, by their names under maglev.backends."),
    ),
    notes=(
        "The first pool that has enough in service (``min-up``, one backend by default) is the active one: its "
        "backends get their weights, those of all other pools get 0. A pool without backends is worth a warning, and "
        "so is one whose weights are all 0 before one with weights: it would be active, and nobody would get traffic."
    ),
)

_FRONTEND: Final = ConfigSection(
    "frontend",
    (
        ConfigKey(
            "description",
            TextKind(1024, (_NO_CONTROL,), prose=True),
            "Free text, shown to operators.",
            notes="Line breaks and runs of spaces become single spaces.",
            default="",
            default_text="none",
        ),
        ConfigKey("address", Address(), "Address that clients connect to; no backend may have it.", required=True),
        ConfigKey(
            "protocol",
            OneOf(Transport),
            "Its protocol.",
            notes="A protocol needs a port.",
            default_text="all, together with port",
        ),
        ConfigKey(
            "port",
            Integer(0, 65535),
            "Its port.",
            notes="A port needs a protocol.",
            default=0,
            default_text="all (0), together with protocol",
        ),
        Listing("pools", _POOL, "The pools in order of preference; at least one."),
        ConfigKey(
            "src-ip-sticky",
            Boolean(),
            "Whether all flows of a client go to the same backend. Changing it re-creates the VIP.",
            default=False,
        ),
        ConfigKey(
            "flush-on-down",
            Boolean(),
            "Whether established flows move at once when their backend goes down.",
            default=True,
        ),
        ConfigKey(
            "new-flows-table-length",
            _TABLE_LENGTH,
            "Size of the table that spreads new flows. Changing it re-creates the VIP.",
            default_text="that of maglev.vpp.lb",
            unit="buckets",
        ),
        ConfigKey(
            "weights",
            OneOf(WeightScale),
            "How VPP is told the weights.",
            default_text="that of maglev.vpp.lb",
        ),
        ConfigKey(
            "weight-tolerance",
            _TOLERANCE,
            "By how much the share of a server may differ from the wanted one.",
            default_text="that of maglev.vpp.lb",
        ),
        ConfigKey(
            "when-none-eligible",
            OneOf(WhenNoneEligible),
            "What happens when no pool has enough in service.",
            notes=(
                "``down``: what is left serves, and nothing when nothing is left. ``hold``: backends that are down go "
                "on serving, for the checks may be wrong; see :doc:`health`."
            ),
            default=WhenNoneEligible.DOWN,
        ),
        ConfigKey(
            "failback-delay",
            Duration(0.0, DAY),
            "How long an earlier pool must have had enough in service before it takes over again.",
            notes="A pool that no longer has enough is left at once.",
            default=0.0,
        ),
    ),
    notes=(
        "A change of ``src-ip-sticky`` or of the table's length cannot be made to a VIP that VPP has: it is "
        "removed and added again, and its flows are redistributed."
    ),
)

ROOT: Final = ConfigSection(
    "file",
    (
        Part(
            "maglev",
            ConfigSection(
                "maglev",
                (
                    Part("healthchecker", HEALTHCHECKER, "The checker as a whole."),
                    Part("vpp", ConfigSection("vpp", (Part("lb", _LB, "The lb plugin."),)), "The dataplane."),
                    NamedSections("healthchecks", HEALTHCHECK, "How to probe."),
                    NamedSections("backends", _BACKEND, "What is probed."),
                    NamedSections("frontends", _FRONTEND, "The VIPs."),
                    Part("resolver", RESOLVER, "How DNS names of backends are resolved."),
                    Part("announce", ANNOUNCE, "Which VIPs are announced by BGP, and when."),
                ),
                notes="Only ``vpp`` must be there, as VPP's source addresses have no default.",
            ),
            "Everything.",
            required=True,
        ),
        ConfigKey(
            "include",
            PATTERNS,
            "Further files, with healthchecks, backends and frontends.",
            notes="``conf.d/*.yaml``, or a list of such names, relative to the folder of this file. Those of a pattern "
            "are read in the order of their names. Each has a section ``maglev`` with ``healthchecks``, ``backends`` "
            "and ``frontends`` only, and includes nothing. A name that is there already is an error.",
            default_text="none",
        ),
    ),
)
"""The whole file."""
