"""The ``set`` and ``clear`` parts of the command tree (`maglev.commands.tree`): what is ordered at run time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from maglev.commands.handlers import change, drain
from maglev.commands.language.arguments import LiveAddress, LiveName, Number, Sentence, TimeSpan
from maglev.commands.language.nodes import Argument, Command, Handler, Keyword
from maglev.model.caller import Role
from maglev.model.override import MAX_DURATION, MAX_REASON

if TYPE_CHECKING:
    from collections.abc import Callable

    from maglev.commands.handlers.change import StateVerb
    from maglev.interfaces import IControl


def operator(handler: Handler, summary: str = "", notes: str = "") -> Command:
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
    return Keyword(word, help=help, command=operator(change.change_state(verb), summary, notes), options=options)


REASON: Final = Keyword(
    "reason",
    help="Say why",
    children=(Argument("reason", type=Sentence(MAX_REASON), help="Text, in quotes", ends=True),),
)

_REMARKS: Final = (
    Keyword(
        "for",
        help="End it after some time",
        children=(Argument("duration", type=TimeSpan(MAX_DURATION), help="Such as 30m, 2h or 1d12h", ends=True),),
    ),
    REASON,
)


_FORCE: Final = Keyword(
    "force", help="Even if a frontend that holds has nothing left in service", binds=("force", 1), ends=True
)

_ORDERED: Final = (*_REMARKS, _FORCE)
"""What may follow an order that takes something out of service."""

_GOAL: Final = (
    Keyword("wait", help="Wait until it has no flows", binds=("wait", 1), ends=True),
    Keyword(
        "flows",
        help="Call it drained when it has no more flows than these",
        children=(Argument("flows", type=Number(0, 1_000_000_000), help="Number of flows", ends=True),),
    ),
    Keyword(
        "timeout",
        help="Call it failed after some time; it drains on",
        children=(Argument("timeout", type=TimeSpan(MAX_DURATION), help="Such as 90s, 10m or 1h", ends=True),),
    ),
    Keyword(
        "then",
        help="Do something when it is drained",
        children=(Keyword("disable", help="Take it out of service", binds=("disable", 1), ends=True),),
    ),
)


def _drain(handler: Handler, summary: str, **more: Any) -> Keyword:
    notes = (
        "VPP is asked for its flows every two seconds. A server to which VPP has sent no packet for ``flow-timeout`` "
        "has none, whatever VPP counts. ``wait`` shows the progress: maglevc exits with 0 if it was drained, with 1 if "
        "its time was up or VPP could not be asked. ^C ends the waiting, not the drain."
    )
    return Keyword(
        "drain",
        help="No new flows; those that it has go on",
        command=operator(handler, summary, notes),
        options=(*_GOAL, *_ORDERED),
        **more,
    )


_WEIGHT: Final = Keyword(
    "weight",
    help="Set its share of new flows",
    children=(
        Argument(
            "weight",
            type=Number(0, 100),
            help="Weight; 0 for no new flows",
            command=operator(
                change.set_weight,
                "Set the share of new flows of a backend",
                notes="It holds over reloads and restarts, until the file changes this weight or its time is over.",
            ),
            options=_ORDERED,
        ),
    ),
)


def _in_pool(member: Argument, *others: Keyword, command: Command | None = None) -> Argument:
    """Return the name of a frontend, followed by a pool and by the name of a backend in it, or by other words."""
    backend = Keyword("backend", help="Backend of the pool", children=(member,))
    within = LiveName("pool", within=("frontend",), label="pool")
    name = Argument("pool", type=within, help="Name of the pool", children=(backend,))
    pool = Keyword("pool", help="Pool of the frontend", children=(name,))
    children = (pool, *others)
    return Argument(
        "frontend", type=LiveName("frontend"), help="Name of the frontend", children=children, command=command
    )


_STATES: Final = (
    _drain(drain.drain_backend, "Give a backend no new flows; its flows go on"),
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


def _host(word: str, help: str, options: tuple[Keyword, ...] = ()) -> Keyword:  # noqa: A002
    """Return the word for an order to all backends of a host."""
    command = operator(change.set_host, f"{word.capitalize()} all backends of an address")
    return Keyword(word, help=help, binds=("order", word), command=command, options=options)


_HOST: Final = Argument(
    "address",
    type=LiveAddress("address"),
    help="Address of the host",
    children=(
        _drain(drain.drain_host, "Drain all backends of an address"),
        _host("pause", "Stop the probes of its backends; no new flows", _ORDERED),
        _host("resume", "Resume the probes of its backends"),
        _host("enable", "Put its backends back into service"),
        _host("disable", "Take its backends out of service, and drop their flows", _ORDERED),
    ),
)

_FRONTEND_STATES: Final = (
    Keyword(
        "disable",
        help="Weight 0 for all its backends, and drop its flows",
        command=operator(
            change.change_frontend(lambda control: control.disable_frontend),
            "Take a frontend out of service, with its flows",
            notes="Its backends serve on in other frontends. Servers that left the file and still serve it go at once. "
            "The VIP stays in VPP. It holds over restarts, until it is undone or its time is over.",
        ),
        options=_ORDERED,
    ),
    Keyword(
        "enable",
        help="Put it back into service",
        command=operator(
            change.change_frontend(lambda control: control.enable_frontend), "Put a frontend back into service"
        ),
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
                    command=operator(
                        change.set_announce(on=False),
                        "Withdraw an address, and keep it so",
                        notes="It holds over restarts, until it is undone or its time is over.",
                    ),
                    options=_REMARKS,
                ),
                Keyword("on", help="Announce it if something serves", command=operator(change.set_announce(on=True))),
            ),
        ),
    ),
)

SET: Final = Keyword(
    "set",
    help="Change backends, frontends, weights or announcements",
    children=(
        _ANNOUNCE,
        Keyword(
            "backend",
            help="Put a backend in or out of service",
            children=(Argument("backend", type=LiveName("backend"), help="Name of the backend", children=_STATES),),
        ),
        Keyword("host", help="All backends of an address", children=(_HOST,)),
        Keyword(
            "frontend",
            help="Put a frontend in or out of service; the weights in it",
            children=(
                _in_pool(
                    Argument(
                        "backend",
                        type=LiveName("member", within=("frontend", "pool")),
                        help="Name of the backend",
                        children=(_WEIGHT,),
                    ),
                    *_FRONTEND_STATES,
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
            command=operator(
                change.clear_override,
                "Let a backend be as the file says",
                notes="It is then probed before it serves.",
            ),
            options=(_FORCE,),
        ),
    ),
)

_CLEAR_HOST: Final = Keyword(
    "host",
    help="What was ordered for the backends of an address",
    children=(
        Argument(
            "address",
            type=LiveAddress("address"),
            help="Address of the host",
            command=operator(change.clear_host, "Let the backends of a host be as the file says"),
            options=(_FORCE,),
        ),
    ),
)

_CLEAR_WEIGHT: Final = Keyword(
    "frontend",
    help="A frontend, or a weight in it",
    children=(
        _in_pool(
            Argument(
                "backend",
                type=LiveName("member", within=("frontend", "pool")),
                help="Name of the backend",
                command=operator(change.clear_override, "Let a weight be as the file says"),
                options=(_FORCE,),
            ),
            command=operator(change.clear_override, "Let a frontend be as the file says"),
        ),
    ),
)

CLEAR: Final = Keyword(
    "clear",
    help="Undo what was ordered at run time",
    children=(
        Keyword("override", help="Let the file hold again", children=(_CLEAR_BACKEND, _CLEAR_HOST, _CLEAR_WEIGHT)),
    ),
)
