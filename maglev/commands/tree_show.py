"""The ``show`` part of the command tree (`maglev.commands.tree`): everything that only looks."""

from __future__ import annotations

from typing import Final

from maglev.commands.handlers import config, show
from maglev.commands.language.arguments import LiveAddress, LiveName, Number
from maglev.commands.language.nodes import Argument, Command, Keyword

_COUNTERS: Final = Keyword(
    "counters",
    help="Packet and byte counters of VPP, by VIP",
    command=Command(
        show.show_vpp_lb_counters,
        notes="Read from VPP every five seconds. ``first`` and ``next`` are packets of sessions; ``no-server`` "
        "are the first of those that there was no server for, ``untracked`` the rest of them, and those that found no "
        "room in the flow table. ``fib-packets`` and ``fib-bytes`` count everything to the address, whatever the port. "
        "VPP counts from 0 again when it re-creates a VIP.",
    ),
)

SHOW: Final = Keyword(
    "show",
    help="Show configuration and state",
    children=(
        Keyword("version", help="Version, commit and build date", command=Command(show.show_version)),
        Keyword(
            "frontends",
            help="Frontends: their addresses, states and pools",
            command=Command(
                show.show_frontends,
                notes="``pool`` is the active pool; ``up`` is how many of the backends are up, and of how many.",
            ),
            children=(
                Argument(
                    "frontend",
                    type=LiveName("frontend"),
                    help="One frontend, with the weights of its backends",
                    command=Command(
                        show.show_frontend,
                        notes="``weight`` is the configured one; ``effective`` is what VPP should have now.",
                    ),
                    children=(
                        Keyword(
                            "explain",
                            help="Why it serves as it does",
                            command=Command(
                                show.explain_frontend,
                                "Why it serves as it does",
                                notes="``changed`` says which step came to something else, the last time.",
                            ),
                        ),
                    ),
                ),
            ),
        ),
        Keyword(
            "backends",
            help="Backends: addresses, states and last results",
            command=Command(
                show.show_backends,
                notes="``health`` is the counter and its highest value; ``since`` is the time of the last transition.",
            ),
            children=(
                Argument(
                    "backend",
                    type=LiveName("backend"),
                    help="One backend, with its transitions",
                    command=Command(show.show_backend, notes="The newest transition comes first."),
                    children=(
                        Keyword(
                            "explain",
                            help="Why it has its weights",
                            command=Command(
                                show.explain_backend,
                                "Why it has its weights",
                                notes="From results of checks to what VPP holds, and why it is not as before.",
                            ),
                        ),
                    ),
                ),
            ),
        ),
        Keyword(
            "healthchecks",
            help="Healthchecks: how backends are probed",
            command=Command(
                show.show_healthchecks,
                notes="``backends`` is how many backends use it.",
            ),
            children=(
                Argument(
                    "healthcheck",
                    type=LiveName("healthcheck"),
                    help="One healthcheck, with all its parameters",
                    command=Command(show.show_healthcheck),
                ),
            ),
        ),
        Keyword(
            "configuration",
            help="The running configuration, as YAML",
            command=Command(
                config.show_configuration,
                notes="It loads to the same configuration; weights that were set at run time have a comment. Values "
                "of headers and what probes send may be secret, and are not shown; of certificates and keys there are "
                "only paths. ``| diff`` shows how the configuration file of maglevd differs: ``-`` is in force, ``+`` "
                "is in the file.",
                compares=True,
            ),
        ),
        Keyword(
            "checker",
            help="The health checker: delays and workers",
            command=Command(
                show.show_checker,
                notes="``overdue`` is how long the most overdue probe has waited, ``lag`` how late the reactor ran "
                "(both grow under overload), ``without-evidence`` how many backends had no result for too long.",
            ),
        ),
        Keyword(
            "vpp",
            help="VPP and its load balancer",
            children=(
                Keyword(
                    "info",
                    help="VPP version, process and connection",
                    command=Command(show.show_vpp_info),
                ),
                Keyword(
                    "lb",
                    help="The load balancer plugin",
                    children=(
                        Keyword(
                            "state",
                            help="State in VPP: settings, VIPs, application servers",
                            command=Command(
                                show.show_vpp_lb_state,
                                notes="Read from VPP at this moment, not remembered.",
                            ),
                        ),
                        Keyword(
                            "plan",
                            help="Operations that a sync would make now",
                            command=Command(
                                show.show_vpp_lb_plan,
                                notes="VPP is read, and nothing is written. ``moved`` is the share of a VIP's new "
                                "flows that would go to another application server, by the table that VPP builds.",
                            ),
                        ),
                        _COUNTERS,
                        Keyword(
                            "backends",
                            help="Packets and bytes that VPP has sent, by backend",
                            command=Command(
                                show.show_vpp_lb_backends,
                                notes="Read from VPP every five seconds. For all VIPs together, bytes with the "
                                "encapsulation.",
                            ),
                        ),
                    ),
                ),
            ),
        ),
        Keyword(
            "overrides",
            help="Orders at run time that differ from the file",
            command=Command(
                show.show_overrides,
                notes="``file`` is what the file says, ``ends-in`` the time after which that holds again.",
            ),
        ),
        Keyword(
            "announcements",
            help="Addresses announced by BGP, and why",
            command=Command(
                show.show_announcements,
                notes="``undecided`` is as it was before the start of maglevd. Above the table is who can't be told.",
            ),
            children=(
                Argument(
                    "address",
                    type=LiveAddress(),
                    help="One address, with its conditions",
                    command=Command(show.show_announcement),
                ),
            ),
        ),
        Keyword(
            "dns-names",
            help="DNS names that stand for backends, and their addresses",
            command=Command(
                show.show_dns_names,
                notes="``age`` is that of the last good answer. A failed lookup changes nothing: the addresses stay.",
            ),
        ),
        Keyword(
            "peers",
            help="Other balancers of the same VIPs",
            command=Command(
                show.show_peers,
                notes="A difference counts after some seconds. ``cannot-confirm`` is one that is silent: whether it "
                "agrees is not known. ``json`` has all VIPs side by side.",
            ),
        ),
        Keyword(
            "log",
            help="The latest events, and who changed what",
            command=Command(
                show.show_log,
                notes="From memory, 50 lines unless ``last`` says otherwise. What was before the start is in the log "
                "of the system.",
            ),
            options=(
                Keyword(
                    "last",
                    help="How many",
                    children=(Argument("last", type=Number(1, 500), help="Number of lines", ends=True),),
                ),
            ),
        ),
        Keyword("sessions", help="Connected users", command=Command(show.show_sessions)),
        Keyword("history", help="Command history of this session", command=Command(show.show_history)),
    ),
)
"""The commands that only read."""
