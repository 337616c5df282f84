"""The command tree: every word, with its help and its command.

Matching, completion, ``?`` and ``docs/cli.rst`` all follow this table. A word is data: to add a command, add its words
here and its handler to `maglev.commands.handlers`, then regenerate the reference (`maglev.commands.reference`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maglev.commands.handlers import change, config, session, sync, watch
from maglev.commands.language.arguments import LiveAddress, LiveName, Number, Sentence, TimeSpan
from maglev.commands.language.nodes import Argument, Command, Handler, Keyword, TreePosition
from maglev.commands.tree_show import SHOW
from maglev.model.caller import Role
from maglev.model.override import MAX_DURATION, MAX_REASON

if TYPE_CHECKING:
    from collections.abc import Callable

    from maglev.commands.handlers.change import StateVerb
    from maglev.interfaces import IControl


def _operator(handler: Handler, summary: str = "", notes: str = "") -> Command:
    """Return a command that changes something."""
    return Command(handler, summary, Role.OPERATOR, notes)


def _state(
    word: str,
    help: str,  # noqa: A002
    summary: str,
    verb: Callable[[IControl], StateVerb],
    options: tuple[Keyword, ...] = (),
) -> Keyword:
    """Return the word for a verb that changes the state of a backend."""
    notes = "It holds over restarts, until it is undone or its time is over." if options else ""
    return Keyword(word, help=help, command=_operator(change.change_state(verb), summary, notes), options=options)


_REMARKS: Final = (
    Keyword(
        "for",
        help="End it after some time",
        children=(Argument("duration", type=TimeSpan(MAX_DURATION), help="Such as 30m, 2h or 1d12h", ends=True),),
    ),
    Keyword(
        "reason",
        help="Say why",
        children=(Argument("reason", type=Sentence(MAX_REASON), help="Text, in quotes", ends=True),),
    ),
)

_FORCE: Final = Keyword(
    "force", help="Even if a frontend that holds has nothing left in service", binds=("force", 1), ends=True
)

_ORDERED: Final = (*_REMARKS, _FORCE)
"""What may follow an order that takes something out of service."""


_WEIGHT: Final = Keyword(
    "weight",
    help="Set its share of new flows",
    children=(
        Argument(
            "weight",
            type=Number(0, 100),
            help="Weight; 0 for no new flows",
            command=_operator(
                change.set_weight,
                "Set the share of new flows of a backend",
                notes="It holds over reloads and restarts, until the file changes this weight or its time is over.",
            ),
            options=_ORDERED,
        ),
    ),
)


def _in_pool(member: Argument) -> Argument:
    """Return the name of a frontend, followed by a pool and by the name of a backend in it."""
    backend = Keyword("backend", help="Backend of the pool", children=(member,))
    within = LiveName("pool", within=("frontend",), label="pool")
    name = Argument("pool", type=within, help="Name of the pool", children=(backend,))
    pool = Keyword("pool", help="Pool of the frontend", children=(name,))
    return Argument("frontend", type=LiveName("frontend"), help="Name of the frontend", children=(pool,))


_STATES: Final = (
    _state(
        "drain",
        "No new flows; those that it has go on",
        "Give a backend no new flows; those it has go on",
        lambda control: control.drain_backend,
        _ORDERED,
    ),
    _state(
        "pause",
        "Stop its probes; no new flows",
        "Stop the probes of a backend; no new flows",
        lambda control: control.pause_backend,
        _ORDERED,
    ),
    _state(
        "resume",
        "Resume its probes",
        "Resume the probes of a paused backend",
        lambda control: control.resume_backend,
    ),
    _state(
        "enable",
        "Put it back into service, or end its drain",
        "Put a backend back into service, or end its drain",
        lambda control: control.enable_backend,
    ),
    _state(
        "disable",
        "Take it out of service, and drop its flows",
        "Take a backend out of service, and drop its flows",
        lambda control: control.disable_backend,
        _ORDERED,
    ),
)

_ANNOUNCE: Final = Keyword(
    "announce",
    help="Keep an address withdrawn, or announce it",
    children=(
        Argument(
            "address",
            type=LiveAddress(),
            help="An announced address",
            children=(
                Keyword(
                    "off",
                    help="Withdraw it, and keep it so",
                    command=_operator(
                        change.set_announce(on=False),
                        "Withdraw an address, and keep it so",
                        notes="It holds over restarts, until it is undone or its time is over.",
                    ),
                    options=_REMARKS,
                ),
                Keyword("on", help="Announce it if something serves", command=_operator(change.set_announce(on=True))),
            ),
        ),
    ),
)

_SET: Final = Keyword(
    "set",
    help="Change a backend, a weight or an announcement",
    children=(
        _ANNOUNCE,
        Keyword(
            "backend",
            help="Put a backend in or out of service",
            children=(Argument("backend", type=LiveName("backend"), help="Name of the backend", children=_STATES),),
        ),
        Keyword(
            "frontend",
            help="The weights in a frontend",
            children=(
                _in_pool(
                    Argument(
                        "backend",
                        type=LiveName("member", within=("frontend", "pool")),
                        help="Name of the backend",
                        children=(_WEIGHT,),
                    )
                ),
            ),
        ),
    ),
)

_CLEAR_BACKEND: Final = Keyword(
    "backend",
    help="What was ordered for a backend",
    children=(
        Argument(
            "backend",
            type=LiveName("overridden"),
            help="Name of the backend",
            command=_operator(
                change.clear_override,
                "Let a backend be as the file says",
                notes="It is then probed before it serves.",
            ),
        ),
    ),
)

_CLEAR_WEIGHT: Final = Keyword(
    "frontend",
    help="A weight in a frontend",
    children=(
        _in_pool(
            Argument(
                "backend",
                type=LiveName("member", within=("frontend", "pool")),
                help="Name of the backend",
                command=_operator(change.clear_override, "Let a weight be as the file says"),
            )
        ),
    ),
)

_CLEAR: Final = Keyword(
    "clear",
    help="Undo what was ordered at run time",
    children=(Keyword("override", help="Let the file hold again", children=(_CLEAR_BACKEND, _CLEAR_WEIGHT)),),
)

_REPAIR: Final = Keyword(
    "state",
    help="Read VPP back and repair every difference",
    command=_operator(
        sync.sync_vpp_lb_state,
        notes="VIPs that are not in the configuration are removed, unless ``vpp.lb.foreign-vips`` says ``keep``.",
    ),
    children=(
        Argument(
            "frontend",
            type=LiveName("frontend"),
            help="Only this frontend",
            command=_operator(
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
    help="Delete at once the servers that left the file",
    binds=("now", 1),
    command=_operator(
        config.reload_config,
        "Apply the file; delete former servers at once",
        notes="Without it, a server that left serves until another one is up, for at most ``removal-max-delay``.",
    ),
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
            command=_operator(config.reload_config, notes="If there is any error, nothing is applied."),
            children=(_NOW,),
        ),
    ),
)

_LEVELS: Final = (
    ("debug", "Everything, including probes and VPP messages"),
    ("info", "Changes and more important"),
    ("warn", "Warnings and errors"),
    ("error", "Errors, which need action"),
)

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
                "with any of them, only those. If the output is not a terminal, each event is one line of JSON. Every "
                "line counts towards ``num``, including those of the snapshot.",
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
                Keyword("backend", help="Show backends", binds=("backend", 1), ends=True),
                Keyword("frontend", help="Show frontends", binds=("frontend", 1), ends=True),
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

ROOT: Final = TreePosition(
    help="A command",
    children=(
        SHOW,
        _SET,
        _CLEAR,
        _SYNC,
        _CONFIG,
        _WATCH,
        _TERMINAL,
        Keyword("help", help="List all commands", command=Command(session.show_help)),
        Keyword("quit", help="End the session", command=Command(session.close)),
        Keyword("exit", help="End the session", command=Command(session.close)),
    ),
)
"""All commands."""
