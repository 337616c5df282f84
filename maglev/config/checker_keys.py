"""The schema of the section about the checker as a whole, as data (see `maglev.config.keys`)."""

from __future__ import annotations

import re
from typing import Final

from maglev.config.healthcheck_keys import DAY
from maglev.config.kinds import Duration, Integer, Percentage, Reference, TextKind, TextRule
from maglev.config.probe_keys import EXEC_SECTION
from maglev.config.schema import ConfigKey, ConfigSection, Part

_BLINDNESS: Final = ConfigSection(
    "blindness",
    (
        ConfigKey(
            "share",
            Percentage(100),
            "Which part of the backends in service has to go down together for the checks to be in doubt.",
            notes="Three backends at least, whatever it says.",
            default_text="none: the checks are always believed",
        ),
        ConfigKey("window", Duration(0.0, DAY, above_zero=True), "Within which time.", default=30.0),
        ConfigKey(
            "hold",
            Duration(0.0, DAY, above_zero=True),
            "How long they are doubted: after that, they are believed.",
            default=300.0,
        ),
        ConfigKey(
            "canary",
            Reference("backends", "backend"),
            "A backend of which it is known that it is there: while it is up, nothing is doubted that it shares.",
            default_text="none",
        ),
    ),
    notes=(
        "Judged for each healthcheck, for each family with its source address, and for all backends together; see "
        ":doc:`health`. Without ``share`` it is off."
    ),
)

HEALTHCHECKER: Final = ConfigSection(
    "healthchecker",
    (
        ConfigKey(
            "transition-history",
            # A transition takes some 200 bytes: at the limit, 20,000 backends that flap all day would take 4 GB.
            Integer(1, 1000),
            "Number of transitions kept for each backend.",
            default=5,
            unit="transitions",
        ),
        ConfigKey(
            "netns",
            # A file name in /run/netns.
            TextKind(
                255,
                (
                    TextRule(
                        re.compile(r"(?!\.{1,2}$)[!-.0-~]+"),
                        "expected the name of a network namespace, without spaces or '/'",
                    ),
                ),
            ),
            "Network namespace that probes run in; it must exist when maglevd starts.",
            notes="An unknown name, or a missing capability (``CAP_SYS_ADMIN``), is an error at start.",
            default_text="that of maglevd",
        ),
        ConfigKey(
            "probe-workers",
            # One worker can probe some ten thousand backends a second; 64 would more than saturate any daemon.
            Integer(0, 64),
            "Number of probe processes; with 0, maglevd probes by itself.",
            notes="More of them than spare CPU cores gain nothing, see :doc:`probes`.",
            default=0,
            unit="processes",
        ),
        ConfigKey(
            "tunnel-device",
            # The number of the process follows it, and the kernel takes 15 characters.
            TextKind(
                12,
                (
                    TextRule(
                        re.compile(r"[A-Za-z][A-Za-z0-9_.-]*"),
                        "expected the beginning of a device's name: a letter, then letters, digits, '_', '.' or '-'",
                    ),
                ),
            ),
            "What the names of the tun devices for probes by way of a VIP begin with.",
            notes="``maglevd`` itself uses the one that goes on with 0, worker 0 the one with 1, and so on.",
            default="maglev",
        ),
        ConfigKey(
            "tunnel-mark",
            Integer(1, (1 << 32) - 256),
            "The mark that leads packets into the first of these devices; those of the others follow.",
            notes="It must be that of ``vpp-maglev-tunnel.service``, and nobody else's.",
            default=19783,
        ),
        Part("blindness", _BLINDNESS, "When the checks are in doubt."),
        Part("exec", EXEC_SECTION, "Programs as probes."),
    ),
)
