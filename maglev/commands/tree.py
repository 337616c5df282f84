"""The command tree: every word, with its help and its command.

Matching, completion, ``?`` and ``docs/cli.rst`` all follow this table. A word is data: to add a command, add its words
here and its handler to `maglev.commands.handlers`, then regenerate the reference (`maglev.commands.reference`).
"""

from __future__ import annotations

from typing import Final

from maglev.commands.handlers import config, session, sync, watch
from maglev.commands.language.arguments import LiveName, Number
from maglev.commands.language.nodes import Argument, Command, Keyword, TreePosition
from maglev.commands.tree_orders import CLEAR, REASON, SET, operator
from maglev.commands.tree_show import SHOW

_REPAIR: Final = Keyword(
    "state",
    help="Read VPP back and repair every difference",
    command=operator(
        sync.sync_vpp_lb_state,
        notes="VIPs that are not in the configuration are removed, unless ``vpp.lb.foreign-vips`` says ``keep``.",
    ),
    children=(
        Argument(
            "frontend",
            type=LiveName("frontend"),
            help="Only this frontend",
            command=operator(
                sync.sync_vpp_lb_state,
                "Read one frontend back, repair every difference",
                notes="No VIP is ever removed.",
            ),
        ),
    ),
)

_SYNC: Final = Keyword(
    "sync",
    help="Repair the state in VPP",
    children=(
        Keyword(
            "vpp",
            help="VPP",
            children=(Keyword("lb", help="The load balancer plugin", children=(_REPAIR,)),),
        ),
    ),
)

_NOW: Final = Keyword(
    "now",
    help="Delete at once the servers that left the file, also earlier",
    binds=("now", 1),
    ends=True,
)

_CONFIG: Final = Keyword(
    "config",
    help="The configuration file",
    children=(
        Keyword(
            "check",
            help="Check the file and list all its errors",
            command=Command(config.check_config),
        ),
        Keyword(
            "diff",
            help="Show what a reload would change",
            command=Command(
                config.diff_config,
                notes="Objects that differ, VIPs with all operations, and the share of new flows that would "
                "move. Backends that are new, or have to prove themselves again, are assumed to be up.",
            ),
        ),
        Keyword(
            "reload",
            help="Apply the file if it is valid",
            command=operator(
                config.reload_config,
                notes="If there is any error, nothing is applied. Without ``now``, a server that left the file serves "
                "until another one is up, for at most ``removal-max-delay``.",
            ),
            options=(_NOW, REASON),
        ),
    ),
)

_LEVELS: Final = (
    ("debug", "Everything, including probes and VPP messages"),
    ("info", "Changes and more important"),
    ("warn", "Warnings and errors"),
    ("error", "Errors, which need action"),
)


def _watched(kind: str) -> Keyword:
    """Return the option that shows all objects of a kind, or one."""
    one = Argument(f"{kind}-name", type=LiveName(kind), help=f"Only this {kind}", ends=True)
    return Keyword(kind, help=f"Show {kind}s", binds=(kind, 1), ends=True, children=(one,))


_WATCH: Final = Keyword(
    "watch",
    help="Watch events as they happen",
    children=(
        Keyword(
            "events",
            help="All states, then each change; any key stops",
            command=Command(
                watch.watch_events,
                notes="Without ``log``, ``backend`` and ``frontend``, the states of backends and frontends are shown; "
                "with any of them, only those; with a name, only that one. If the output is not a terminal, each event "
                "is one line of JSON. Every event counts towards ``num``, including those of the snapshot.",
            ),
            options=(
                Keyword(
                    "num",
                    help="Stop after a number of lines",
                    children=(Argument("num", type=Number(1, 1_000_000), help="Number of lines", ends=True),),
                ),
                Keyword(
                    "log",
                    help="Show log messages",
                    binds=("log", "info"),
                    ends=True,
                    children=(
                        Keyword(
                            "level",
                            help="Lowest level to show",
                            children=tuple(
                                Keyword(level, help=text, binds=("log", level), ends=True) for level, text in _LEVELS
                            ),
                        ),
                    ),
                ),
                _watched("backend"),
                _watched("frontend"),
            ),
        ),
    ),
)

_TERMINAL: Final = Keyword(
    "terminal",
    help="Settings of this session",
    children=(
        Keyword(
            "monitor",
            help="Show events above the line being typed",
            command=Command(session.monitor),
        ),
        Keyword(
            "no",
            help="Turn a setting off",
            children=(
                Keyword(
                    "monitor",
                    help="Show no events above the line being typed",
                    command=Command(session.no_monitor),
                ),
            ),
        ),
        Keyword(
            "length",
            help="Stop long output with --More--",
            children=(
                Argument(
                    "rows",
                    type=Number(0, 512),
                    help="Lines per page; 0 for no paging",
                    command=Command(session.set_length, "Stop long output with --More-- after num lines"),
                ),
            ),
        ),
        Keyword(
            "width",
            help="Set the width of the terminal",
            children=(
                Argument(
                    "columns",
                    type=Number(0, 512),
                    help="Columns; 0 for those of the window",
                    command=Command(session.set_width, "Fit lines into num columns, whatever the window"),
                ),
            ),
        ),
    ),
)

_WEB: Final = Keyword(
    "web",
    help="The live page",
    children=(
        Keyword(
            "login",
            help="Print a link that opens it as you",
            command=Command(
                session.web_login,
                notes="The link works once, within a minute. The session in the browser lasts 12 hours, with your name "
                "and role.",
            ),
        ),
    ),
)

ROOT: Final = TreePosition(
    help="A command",
    children=(
        SHOW,
        SET,
        CLEAR,
        _SYNC,
        _CONFIG,
        _WATCH,
        _TERMINAL,
        _WEB,
        Keyword("help", help="List all commands", command=Command(session.show_help)),
        Keyword("quit", help="End the session", command=Command(session.close)),
        Keyword("exit", help="End the session", command=Command(session.close)),
    ),
)
"""All commands."""
