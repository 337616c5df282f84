"""The command line of a simulated VPP, as ``cli_inband`` reaches it.

VPP reads its input as one stream of words; a line end is mostly just white space. Commands are found word by word, each
of which may be shortened. A command that takes arguments reads the rest of its line - and if nothing is left on it, the
*next* line, which then is not run. The first error ends the whole input.

Sources: VPP ``vlib/cli.c``, ``src/plugins/lb/cli.c``, and the output of a running VPP 26.10. Commands of our own, which
no VPP has, start with ``sim`` or end with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import attrs

from maglev.vppsim.lbcommands import Arguments, CommandError, LbCommands

if TYPE_CHECKING:
    from collections.abc import Callable

    from maglev.vppsim.boot import Boot

FAILED: Final = -1
"""The retval of every error: VPP's commands give none of their own."""


class SimulatorControls(Protocol):
    """What commands of our own can do to the simulator."""

    def freeze(self, seconds: float | None = None) -> None:
        """Let the main loop stand still, for a while or until thawed."""

    def restart_soon(self) -> None:
        """Crash and start again, when the answer to this command is out."""


@attrs.frozen
class _Command:
    """A command: what to call, and whether it reads the rest of the line."""

    run: Callable[[str], str]
    takes_line: bool = True


class CommandLine:
    """The commands of one life of VPP."""

    def __init__(self, boot: Boot, controls: SimulatorControls) -> None:
        self._boot = boot
        self._controls = controls
        self._rest = ""
        self._commands: dict[tuple[str, ...], _Command] = {
            ("show", "version"): _Command(self._show_version, takes_line=False),
            ("show", "version", "verbose"): _Command(self._show_version_verbose, takes_line=False),
            ("show", "sim"): _Command(self._show_sim),
            ("clear", "sim"): _Command(self._clear_sim, takes_line=False),
            ("sim", "fault"): _Command(self._fault),
            ("sim", "freeze"): _Command(self._freeze),
            ("sim", "restart"): _Command(self._restart, takes_line=False),
        }
        if boot.release.has_lb:
            lb = LbCommands(boot)
            self._commands |= {
                ("show", "lb"): _Command(lb.show_lb, takes_line=False),
                ("show", "lb", "vips"): _Command(lb.show_vips),
                ("lb", "vip"): _Command(lb.vip),
                ("lb", "as"): _Command(lb.servers),
                ("lb", "conf"): _Command(lb.conf),
                ("lb", "flush", "vip"): _Command(lb.flush),
            }

    def run(self, text: str) -> tuple[int, str]:
        """Run commands and return the retval and all output, that of an error included."""
        self._rest = text
        output: list[str] = []
        try:
            while True:
                output.append(self._run_one())
                if not self._rest.strip():
                    return 0, "".join(output)
        except CommandError as error:
            return FAILED, "".join([*output, f"{error}\n"])

    def _run_one(self) -> str:
        path = self._take_path()
        command = self._commands.get(path)
        name = " ".join(path)
        if command is None:
            shown = self._rest.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
            message = f"{name}{': ' if name else ''}unknown input `{shown}'"
            raise CommandError(message)
        try:
            return command.run(self._take_line() if command.takes_line else "")
        except CommandError as error:
            message = f"{name}: {error}"
            raise CommandError(message) from error

    def _take_path(self) -> tuple[str, ...]:
        """Take the words of a command as far as they are known."""
        path: tuple[str, ...] = ()
        while True:
            self._rest = self._rest.lstrip()
            word = self._rest.split(None, 1)[0] if self._rest else ""
            known = {command[len(path)] for command in self._commands if command[: len(path)] == path != command}
            fitting = [word] if word in known else [name for name in known if word and name.startswith(word)]
            if len(fitting) != 1:
                return path
            path += (fitting[0],)
            self._rest = self._rest[len(word) :]

    def _take_line(self) -> str:
        line, _, self._rest = self._rest.lstrip().partition("\n")
        return line

    # Commands that are not of the lb plugin.

    def _show_version(self, _line: str) -> str:
        return f"vpp v{self._boot.release.version} built by maglev-vppsim\n"

    def _show_version_verbose(self, _line: str) -> str:
        shown = {"Version": f"v{self._boot.release.version}", "Current PID": self._boot.pid}
        return "".join(f"{f'{name}:':<25} {value}\n" for name, value in shown.items())

    def _show_sim(self, line: str) -> str:
        """Show the number of writes so far; with ``writes``, the writes themselves."""
        writes = self._boot.writes
        shown = [f"{write.name} {write.retval} {write.text}\n" for write in writes] if line.strip() == "writes" else []
        return f"writes: {writes.total}\n{''.join(shown)}"

    def _clear_sim(self, _line: str) -> str:
        self._boot.writes.clear()
        return ""

    def _fault(self, line: str) -> str:
        """Switch a fault on: ``drop MESSAGE N``, ``delay MESSAGE MS``, ``retval MESSAGE N``, ``split N``, ``none``."""
        arguments, faults = Arguments(line), self._boot.faults
        name = r"([a-z][a-z0-9_]*)"
        if message := arguments.take(rf"drop\s+{name}(?=\s+-?\d+)"):
            faults.drop(message, _signed(arguments))
        elif message := arguments.take(rf"delay\s+{name}(?=\s+\d+)"):
            faults.delays[message] = _signed(arguments) / 1000
        elif message := arguments.take(rf"retval\s+{name}(?=\s+-?\d+)"):
            faults.retvals[message] = _signed(arguments)
        elif (size := arguments.number("split")) is not None:
            faults.split = size
        elif arguments.take("none"):
            faults.clear()
        arguments.end()
        return ""

    def _freeze(self, line: str) -> str:
        """Freeze for a number of seconds."""
        arguments = Arguments(line)
        seconds = arguments.take(r"(\d+(?:\.\d+)?)")
        arguments.end()
        self._controls.freeze(float(seconds or 0))
        return ""

    def _restart(self, _line: str) -> str:
        self._controls.restart_soon()
        return ""


def _signed(arguments: Arguments) -> int:
    text = arguments.take(r"(-?\d{1,10})")
    return int(text or 0)
